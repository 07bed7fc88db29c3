-- The names, roles and tenants that these keys stand for, each given by its id and its digest. The API asks as an anonymous
-- request, because it knows nothing about the request yet. So it is a definer; everything that it reveals goes to a caller who has
-- the key. It compares digests of 256 random bits, so the time that it takes reveals nothing about a key.
create or replace function ops.key_claims(ids text[], digests text[])
returns table (id text, tenant_id text, name text, role text, expires_at timestamptz)
language sql stable security definer
set search_path to pg_catalog, pg_temp
as $$
  select k.id, k.tenant_id, k.name, k.role, k.expires_at
  from unnest(ids, digests) a(id, digest)
  join app_private.api_keys k on k.id = a.id and k.digest = a.digest
  left join app_public.tenants t on t.id = k.tenant_id
  where (k.expires_at is null or k.expires_at > now()) and t.suspended_at is null
$$;

comment on function ops.key_claims(text[], text[]) is 'The names and roles that these keys stand for, in any tenant; no row for one that is unknown, over, or of a suspended tenant.';
grant execute on function ops.key_claims(text[], text[]) to :ANON;
