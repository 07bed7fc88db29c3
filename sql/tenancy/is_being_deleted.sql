-- Whether a tenant's deletion has begun and not ended. Definer: nobody reads the deletions. It reveals one bit about a tenant that
-- the caller names.
create or replace function app_private.is_being_deleted(tenant_id text) returns boolean
language sql stable security definer
set search_path to pg_catalog, pg_temp
as $$
  select exists (select from ops.tenant_removals r where r.id = tenant_id and r.ended_at is null)
$$;

comment on function app_private.is_being_deleted(text) is 'Whether a tenant''s deletion has begun and not ended.';
-- The trigger that refuses to delete a workflow under way asks it, as the role that deletes.
grant execute on function app_private.is_being_deleted(text) to :MEMBER, :SERVICE, :ADMIN, :JOBS;
