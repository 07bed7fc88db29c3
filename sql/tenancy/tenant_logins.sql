alter table app_private.tenant_logins enable row level security, force row level security;

revoke all on app_private.tenant_logins from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
-- No grant to anybody: login_tenant_id() tells a login its own tenant, ops.tenants lists them for operators.
