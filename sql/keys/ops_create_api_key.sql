-- Makes a key of a tenant, or of the operator. Definer, as app_public.create_api_key.
create or replace function ops.create_api_key(
  tenant_id text,
  name text,
  role text,
  ttl interval,
  out id text,
  out token text,
  out expires_at timestamptz
)
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  if create_api_key.role is null or create_api_key.role not in ('member', 'service', 'admin', 'operator') then
    raise exception 'a key cannot have the role %', coalesce(create_api_key.role, 'null')
      using errcode = 'LTU09', hint = 'Use member, service, admin or operator.';
  end if;
  if (create_api_key.role = 'operator') <> (create_api_key.tenant_id is null) then
    raise exception 'a key of the role % % a tenant', create_api_key.role,
      case when create_api_key.tenant_id is null then 'needs' else 'cannot have' end
      using errcode = 'LTU12', hint = 'An operator belongs to no tenant, and everybody else to one.';
  end if;
  if create_api_key.tenant_id is not null
    and not exists (select from app_public.tenants t where t.id = create_api_key.tenant_id)
  then
    raise exception 'tenant % does not exist', create_api_key.tenant_id
      using errcode = 'LTT02', hint = 'List them: select * from ops.tenants.';
  end if;
  select k.* into id, token, expires_at
  from app_private.add_api_key(create_api_key.tenant_id, create_api_key.name, create_api_key.role, create_api_key.ttl) k;
end
$$;

comment on function ops.create_api_key(text, text, text, interval) is 'Makes a key of a tenant, or of the operator when the tenant is null, and returns it; without ttl it never ends. LTT02 no such tenant, LTU08 name, LTU09 role, LTU10 ttl, LTU11 too many keys, LTU12 the role does not fit the tenant.';
-- No grant: only the owner calls it. An operator who could would be every tenant.
