comment on table app_public.sessions is E'@unique id|@fieldName session|@updateFieldName updateSession|@deleteFieldName deleteSession\nA user''s login session. The token itself is stored nowhere.';
comment on column app_public.sessions.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.sessions.id is 'The session''s id.';
comment on column app_public.sessions.user_id is 'The user whose session it is.';
comment on column app_public.sessions.token is 'SHA-256 of the token, 64 hexadecimal digits. Can be written but never read.';
comment on column app_public.sessions.data is 'What the service keeps in it.';
comment on column app_public.sessions.expires_at is 'When it ends.';
comment on column app_public.sessions.created_at is 'When it was opened.';
comment on column app_public.sessions.role is 'The role of requests with its token: member, service or admin.';
comment on column app_public.sessions.sliding_ttl is 'How long each use prolongs it; null: use does not prolong it.';
comment on column app_public.sessions.ends_at is 'Until when use can prolong it.';

comment on constraint sessions_pkey on app_public.sessions is E'@behavior -single -update -delete\nThe tenant and the id identify a row.';
comment on constraint sessions_tenant_id_fkey on app_public.sessions is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint sessions_token_key on app_public.sessions is E'@behavior -*\nA token opens one session, whatever the tenant. Nobody can look up a session by a digest that they cannot read.';

alter table app_public.sessions enable row level security, force row level security;

-- Services keep the sessions of their tenant's users; administrators look after them.
drop policy if exists select_tenant on app_public.sessions;
create policy select_tenant on app_public.sessions for select to :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()));

-- Services and administrators open sessions: create_session knows the token for a moment and stores its digest. Only an
-- administrator may give the role of one (trigger _200_role).
drop policy if exists insert_service on app_public.sessions;
create policy insert_service on app_public.sessions for insert to :SERVICE, :ADMIN
  with check (tenant_id = (select app_private.current_tenant_id()));

-- They prolong them and keep data in them.
drop policy if exists update_service on app_public.sessions;
create policy update_service on app_public.sessions for update to :SERVICE
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));

-- Services end sessions, and administrators sign users out.
drop policy if exists delete_tenant on app_public.sessions;
create policy delete_tenant on app_public.sessions for delete to :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()));

-- Everybody ends their own sessions: revoke_own_session, which compares the user.
drop policy if exists delete_owner on app_public.sessions;
create policy delete_owner on app_public.sessions for delete to :OWNER
  using (tenant_id = (select app_private.current_tenant_id()));

-- ops.expire_tenant_rows removes expired rows of one tenant at a time: the tenant that it names.
drop policy if exists select_jobs on app_public.sessions;
create policy select_jobs on app_public.sessions for select to :JOBS
  using (tenant_id = (select app_private.retention_tenant_id()));
drop policy if exists delete_jobs on app_public.sessions;
create policy delete_jobs on app_public.sessions for delete to :JOBS
  using (tenant_id = (select app_private.retention_tenant_id()));

-- Across tenants

-- ops.session_claims and validate_session find a session by the digest of its token and prolong it. Only this look-up tells its
-- tenant, so no tenant can be compared before. ops.live_sessions looks up sessions of all tenants at once. own_sessions
-- compares tenant and user itself, the view user_sessions the tenant.
--
-- It has to be `true`. Before the look-up the caller has no tenant, and so no rows. A setting with the wanted digest would not
-- stop anybody who can run a statement as the owner, because they can set anything. A role of its own, like :SEARCH, would
-- have these same two policies. So only migrations and the functions named here run as the owner, and
-- test/db/sessions/sessions.test.ts shows for each that it reveals no session of another tenant.
drop policy if exists select_owner on app_public.sessions;
create policy select_owner on app_public.sessions for select to :OWNER
  using (true);
drop policy if exists update_owner on app_public.sessions;
create policy update_owner on app_public.sessions for update to :OWNER
  using (true)
  with check (true);

revoke all on app_public.sessions from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
-- Never the token, not even its digest: whoever can read it can look for it.
grant select (tenant_id, id, user_id, data, expires_at, created_at, role, sliding_ttl, ends_at)
  on app_public.sessions to :SERVICE, :ADMIN;
grant insert (tenant_id, id, user_id, token, data, expires_at, role, sliding_ttl, ends_at)
  on app_public.sessions to :SERVICE, :ADMIN;
-- Not role: a session keeps what it was opened with.
grant update (data, expires_at) on app_public.sessions to :SERVICE;
grant delete on app_public.sessions to :SERVICE, :ADMIN;
-- For ops.expire_tenant_rows, which removes expired sessions. No column that names their user or holds their data.
grant select (tenant_id, id, expires_at), delete on app_public.sessions to :JOBS;

create or replace trigger _200_keys
  before update of tenant_id, id on app_public.sessions
  for each row
  when (old.tenant_id is distinct from new.tenant_id or old.id is distinct from new.id)
  execute function app_private.tg__refuse_key_change();

create or replace trigger _200_role
  before insert or update of role on app_public.sessions
  for each row
  when (new.role = 'admin')
  execute function app_private.tg_sessions__guard_role();

create or replace trigger _200_long_numbers
  before insert or update of data on app_public.sessions
  for each row
  when (app_private.may_print_long(new.data))
  execute function app_private.tg__refuse_long_numbers('data');

-- A deletion of the tenant removes its rows (ops.delete_tenant_rows).
select app_private.allow_tenant_removal('app_public.sessions');

select audit.enable_tracking('app_public.sessions', digested => '{token}');
