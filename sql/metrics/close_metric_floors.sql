-- Closes floors, so that the points below can be removed. A floor closes once every transaction that may not have seen it has
-- ended and everything below it is rolled up. Buckets that are set aside do not count: they would keep everybody's points
-- forever. A floor that a transaction moved which this server has not reached came in a dump of another server, whose writers are not here.
-- Returns how many floors are still open.
create or replace function ops.close_metric_floors() returns integer
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  update ops.metric_floors f
  set closed_to = f.kept_from
  from pg_current_snapshot() c(now)
  where f.closed_to < f.kept_from
    and (pg_snapshot_xmin(c.now) > f.moved_by or pg_snapshot_xmax(c.now) <= f.moved_by)
    and not exists (
      select
      from ops.metric_changes c
      where c.resolution = 'minute' and c.bucket < f.kept_from and (f.tenant_id is null or c.tenant_id = f.tenant_id)
        and (c.tenant_id, ops.metric_item('minute', c.bucket)) not in (
          select q.tenant_id, q.item from ops.quarantined_items q where q.task = 'roll_up_metrics'
        )
    );
  return (select count(*) from ops.metric_floors f where f.closed_to < f.kept_from);
end
$$;

comment on function ops.close_metric_floors() is 'Closes floors whose points are refused and rolled up, so that these can be removed. Returns how many floors still wait for a writer or for the rollup.';
grant execute on function ops.close_metric_floors() to :WORKER;
