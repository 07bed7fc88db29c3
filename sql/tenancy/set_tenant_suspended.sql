-- Suspends a tenant or lets it in again. The tokens of a suspended tenant are refused and its logins see nothing; its data
-- stays as it is. Definer, as ops.create_tenant.
create or replace function ops.set_tenant_suspended(tenant_id text, suspended boolean) returns app_public.tenants
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_tenant app_public.tenants;
begin
  if not suspended then
    perform app_private.refuse_deleted_tenant(set_tenant_suspended.tenant_id);
  end if;
  update app_public.tenants t
  set suspended_at = case when suspended then coalesce(t.suspended_at, now()) end
  where t.id = set_tenant_suspended.tenant_id
  returning * into v_tenant;
  if not found then
    raise exception 'tenant % does not exist', set_tenant_suspended.tenant_id
      using errcode = 'LTT02', hint = 'List them: select * from ops.tenants.';
  end if;
  return v_tenant;
end
$$;

comment on function ops.set_tenant_suspended(text, boolean) is 'Suspends a tenant, or lets it in again. LTT02 when it does not exist, LTT05 while it is being deleted.';
grant execute on function ops.set_tenant_suspended(text, boolean) to :OPERATOR;
