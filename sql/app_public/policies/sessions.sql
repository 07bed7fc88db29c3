alter table app_public.sessions enable row level security, force row level security;

-- Services keep the sessions of their tenant's users; administrators look after them.
drop policy if exists select_tenant on app_public.sessions;
create policy select_tenant on app_public.sessions for select to :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()));

-- Only services open sessions: they know the token, of which the digest is stored.
drop policy if exists insert_service on app_public.sessions;
create policy insert_service on app_public.sessions for insert to :SERVICE
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

-- The view user_sessions runs as the owner: it is confined to the tenant of whoever asks.
drop policy if exists select_view on app_public.sessions;
create policy select_view on app_public.sessions for select to :OWNER
  using (tenant_id = (select app_private.current_tenant_id()));

revoke all on app_public.sessions from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
-- Never the token, not even its digest: who can read it can look for it.
grant select (tenant_id, id, user_id, data, expires_at, created_at) on app_public.sessions to :SERVICE, :ADMIN;
grant insert (tenant_id, id, user_id, token, data, expires_at) on app_public.sessions to :SERVICE;
grant update (data, expires_at) on app_public.sessions to :SERVICE;
grant delete on app_public.sessions to :SERVICE, :ADMIN;

revoke all on app_public.user_sessions from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.user_sessions to :SERVICE, :ADMIN, :ANALYST;
