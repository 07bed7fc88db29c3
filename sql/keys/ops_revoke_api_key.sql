-- Ends a key of any tenant, or of the operator. Definer, as ops.create_api_key.
create or replace function ops.revoke_api_key(id text) returns boolean
language sql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
  with revoked as (delete from app_private.api_keys k where k.id = revoke_api_key.id returning 1)
  select count(*) > 0 from revoked
$$;

comment on function ops.revoke_api_key(text) is 'Ends a key; false when there is none of this id.';
-- No grant: only the owner calls it. An operator who could would stop the services of every tenant.
