alter table app_public.sessions enable row level security, force row level security;

-- Services keep the sessions of their tenant's users; administrators look after them.
drop policy if exists select_tenant on app_public.sessions;
create policy select_tenant on app_public.sessions for select to :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()));

-- Services open sessions, and administrators: create_session knows the token for a moment, the digest is stored. The role of
-- an administrator is theirs alone to give (trigger _200_role).
drop policy if exists insert_service on app_public.sessions;
create policy insert_service on app_public.sessions for insert to :SERVICE, :ADMIN
  with check (tenant_id = (select app_private.current_tenant_id()));

-- They prolong them and keep data in them.
drop policy if exists update_service on app_public.sessions;
create policy update_service on app_public.sessions for update to :SERVICE
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));

-- Services end sessions, and administrators throw somebody out.
drop policy if exists delete_tenant on app_public.sessions;
create policy delete_tenant on app_public.sessions for delete to :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()));

-- The view user_sessions and the functions that find a session by its token run as the owner, whose policies are in
-- cross_tenant_policies.sql: they confine themselves.
drop policy if exists select_view on app_public.sessions;

-- Everybody ends their own sessions: revoke_own_session, which compares the user.
drop policy if exists delete_owner on app_public.sessions;
create policy delete_owner on app_public.sessions for delete to :OWNER
  using (tenant_id = (select app_private.current_tenant_id()));

-- What is not kept any longer goes, of one tenant at a time, the one that the worker names: ops.expire_rows.
drop policy if exists select_worker on app_public.sessions;
create policy select_worker on app_public.sessions for select to :WORKER
  using (tenant_id = (select app_private.retention_tenant_id()));

drop policy if exists delete_worker on app_public.sessions;
create policy delete_worker on app_public.sessions for delete to :WORKER
  using (tenant_id = (select app_private.retention_tenant_id()));

revoke all on app_public.sessions from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
-- Never the token, not even its digest: who can read it can look for it.
grant select (tenant_id, id, user_id, data, expires_at, created_at, role, sliding_ttl, ends_at)
  on app_public.sessions to :SERVICE, :ADMIN;
grant insert (tenant_id, id, user_id, token, data, expires_at, role, sliding_ttl, ends_at)
  on app_public.sessions to :SERVICE, :ADMIN;
-- Not role: a session keeps what it was opened with.
grant update (data, expires_at) on app_public.sessions to :SERVICE;
grant delete on app_public.sessions to :SERVICE, :ADMIN;

revoke all on app_public.user_sessions from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.user_sessions to :SERVICE, :ADMIN, :ANALYST;
-- Expired ones go: ops.expire_rows. Nothing that says whose they are or what is in them.
grant select (tenant_id, id, expires_at), delete on app_public.sessions to :WORKER;
