-- Every policy that reaches across tenants, all in this one file. Row-level security is forced, so the owner of the
-- tables sees nothing either: each function or job that needs more has a policy here, for exactly the table and command
-- that it needs. test/db/conventions.test.ts compares this file with the catalog.

-- ops.create_tenant, ops.set_tenant_suspended, ops.tenants and login_tenant_id.
drop policy if exists manage_owner on app_public.tenants;
create policy manage_owner on app_public.tenants for all to :OWNER
  using (true)
  with check (true);

-- ops.bind_login, ops.unbind_login, ops.tenants and login_tenant_id.
drop policy if exists manage_owner on app_private.tenant_logins;
create policy manage_owner on app_private.tenant_logins for all to :OWNER
  using (true)
  with check (true);

-- The audit triggers.
drop policy if exists insert_owner on audit.log;
create policy insert_owner on audit.log for insert to :OWNER
  with check (true);
