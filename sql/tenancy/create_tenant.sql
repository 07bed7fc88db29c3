-- Makes a tenant, or returns the existing one if its name is the same. Definer: only the owner's policy on tenants may write
-- them.
create or replace function ops.create_tenant(tenant_id text, name text) returns app_public.tenants
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_tenant app_public.tenants;
begin
  perform app_private.refuse_deleted_tenant(create_tenant.tenant_id);
  insert into app_public.tenants (id, name)
  values (create_tenant.tenant_id, create_tenant.name)
  on conflict (id) do nothing
  returning * into v_tenant;
  if not found then
    select * into strict v_tenant from app_public.tenants t where t.id = create_tenant.tenant_id;
    if v_tenant.name <> create_tenant.name then
      raise exception 'tenant % already exists, under the name %', v_tenant.id, v_tenant.name
        using errcode = 'LTT01', hint = 'Choose another id.';
    end if;
  end if;
  return v_tenant;
end
$$;

comment on function ops.create_tenant(text, text) is 'Makes a tenant, or returns the one with that id and name. LTT01 when the id is taken under another name, LTT05 while the tenant is being deleted.';
grant execute on function ops.create_tenant(text, text) to :OPERATOR;
