-- The keys of the caller's tenant. Definer: nobody may read the table, whose digests concern nobody.
create or replace function app_public.list_api_keys()
returns table (
  id text, name text, role text, created_by text, created_at timestamptz, expires_at timestamptz, last_used_at timestamptz
)
language sql stable security definer
set search_path to pg_catalog, pg_temp
as $$
  select k.id, k.name, k.role, k.created_by, k.created_at, k.expires_at, k.last_used_at
  from app_private.api_keys k
  where k.tenant_id = app_private.current_tenant_id()
  order by k.created_at, k.id
$$;

comment on function app_public.list_api_keys() is
  E'The keys of the tenant, without the keys themselves; `last_used_at` is exact to the minute.';
grant execute on function app_public.list_api_keys() to :ADMIN;
