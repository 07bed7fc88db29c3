-- Ends a key of the caller's tenant. Definer, as app_public.list_api_keys.
create or replace function app_public.revoke_api_key(id text) returns boolean
language sql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
  with revoked as (
    delete from app_private.api_keys k
    where k.id = revoke_api_key.id and k.tenant_id = app_private.current_tenant_id()
    returning 1
  )
  select count(*) > 0 from revoked
$$;

comment on function app_public.revoke_api_key(text) is
  E'Ends a key; false when the tenant has no such key. It opens nothing from then on, at the API within two seconds.';
grant execute on function app_public.revoke_api_key(text) to :ADMIN;
