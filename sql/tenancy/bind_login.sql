-- Binds a login to the tenant that it will see. Refuses a login with rights beyond one tenant, and one that belongs to another
-- tenant, whose open connections would change tenant. Definer: nobody may write the bindings.
create or replace function ops.bind_login(login name, tenant_id text) returns void
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_bound text;
begin
  if not exists (select from app_public.tenants t where t.id = bind_login.tenant_id) then
    raise exception 'tenant % does not exist', bind_login.tenant_id
      using errcode = 'LTT02', hint = 'List them: select * from ops.tenants.';
  end if;
  perform app_private.refuse_deleted_tenant(bind_login.tenant_id);
  if exists (
    select from pg_roles r
    where r.rolname = bind_login.login
      and (r.rolsuper or r.rolbypassrls or pg_has_role(r.oid, ':OWNER', 'member') or pg_has_role(r.oid, ':ANON', 'member'))
  ) then
    raise exception 'login % has rights beyond one tenant', bind_login.login
      using errcode = 'LTT03', hint = 'Create a login for this tenant: lightning login create NAME --tenant ' || bind_login.tenant_id;
  end if;
  insert into app_private.tenant_logins (login, tenant_id)
  values (bind_login.login, bind_login.tenant_id)
  on conflict on constraint tenant_logins_pkey do nothing;
  select l.tenant_id into strict v_bound from app_private.tenant_logins l where l.login = bind_login.login;
  if v_bound <> bind_login.tenant_id then
    raise exception 'login % belongs to tenant %', bind_login.login, v_bound
      using errcode = 'LTT04', hint = 'Drop it first: lightning login drop ' || bind_login.login;
  end if;
end
$$;

comment on function ops.bind_login(name, text) is 'Binds a login to the tenant that it will see. LTT02 no such tenant, LTT03 the login has rights beyond one tenant, LTT04 it belongs to another tenant, LTT05 the tenant is being deleted.';
-- No grant: only the owner calls it, when it creates or drops the login, which operators cannot do.
