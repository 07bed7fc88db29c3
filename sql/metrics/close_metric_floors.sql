-- Closes what is refused, for removal: when everybody who may not have seen the new floor has ended, and everything below it
-- is rolled up, but for what is set aside: that would keep everybody's points for ever. Returns how many floors are left open.
create or replace function ops.close_metric_floors() returns integer
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  update ops.metric_floors f
  set closed_to = f.kept_from
  where f.closed_to < f.kept_from
    and pg_snapshot_xmin(pg_current_snapshot()) > f.moved_by
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

comment on function ops.close_metric_floors() is 'Closes for removal what is refused and rolled up. Returns how many floors wait for a writer or for the rolling up.';
grant execute on function ops.close_metric_floors() to :WORKER;
