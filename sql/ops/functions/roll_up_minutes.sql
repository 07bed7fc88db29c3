-- Rolls up the oldest minutes that are over by `until` and have changed, of all tenants, out of a stretch of `how_many`.
-- Killed anywhere, it has done all or nothing. One at a time: who finds the row of ops.metric_rollups locked does nothing,
-- and answers null. Runs as the worker.
create or replace function ops.roll_up_minutes(until timestamptz default now(), how_many integer default 60) returns integer
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_minutes timestamptz[];
begin
  update ops.metric_rollups r set rolled_up_at = clock_timestamp()
  where r.resolution = (
    select l.resolution from ops.metric_rollups l where l.resolution = 'minute' for update skip locked
  );
  if not found then
    return null;
  end if;
  v_minutes := ops.due_metric_buckets('minute', '1 minute', roll_up_minutes.until, roll_up_minutes.how_many);
  if v_minutes = '{}' then
    return 0;
  end if;

  perform ops.make_metrics_minute(v_minutes);
  return cardinality(v_minutes);
end
$$;

comment on function ops.roll_up_minutes(timestamptz, integer) is 'Rolls up the oldest `how_many` minutes that are over by `until` and have changed. Returns how many they were: 0, there are none; null, somebody else is at it.';
grant execute on function ops.roll_up_minutes(timestamptz, integer) to :WORKER;
