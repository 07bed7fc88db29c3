comment on table app_private.tenant_logins is 'The tenant that a direct login (an analyst''s, a service''s) sees.';
comment on column app_private.tenant_logins.login is 'The login''s name, as session_user returns it.';
comment on column app_private.tenant_logins.tenant_id is 'The one tenant that it sees.';
comment on column app_private.tenant_logins.created_at is 'When it was bound.';
comment on column app_private.tenant_logins.connections is 'The connections that it may have at a time.';
comment on column app_private.tenant_logins.statement_seconds is 'How long a statement of it may run.';
comment on column app_private.tenant_logins.transaction_seconds is 'How long a transaction of it may be open.';
comment on column app_private.tenant_logins.idle_in_transaction_seconds is 'How long an open transaction of it may do nothing.';
comment on column app_private.tenant_logins.idle_seconds is 'How long a session of it may do nothing.';

alter table app_private.tenant_logins enable row level security, force row level security;

-- Across tenants

-- ops.bind_login and the other functions and views of logins, as the owner.
drop policy if exists manage_owner on app_private.tenant_logins;
create policy manage_owner on app_private.tenant_logins for all to :OWNER
  using (true)
  with check (true);

revoke all on app_private.tenant_logins from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
-- No grant to anybody: login_tenant_id() tells a login its own tenant, ops.tenants lists them for operators.

select audit.enable_tracking('app_private.tenant_logins');
