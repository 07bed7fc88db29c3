-- The time before which points of the caller's tenant are refused. Definer: nobody of a tenant reads the floors.
create or replace function app_private.metrics_kept_from() returns timestamptz
language sql stable security definer
set search_path to pg_catalog, pg_temp
as $$
  select coalesce(max(f.kept_from), '-infinity')
  from ops.metric_floors f
  where f.tenant_id is null or f.tenant_id = (select app_private.current_tenant_id())
$$;

comment on function app_private.metrics_kept_from() is 'The time from which points of the caller''s tenant are kept.';
grant execute on function app_private.metrics_kept_from() to :SERVICE, :ADMIN;
