-- Rolls up the oldest minutes that are over by `until` and have changed, of all tenants, out of a stretch of `how_many`.
-- Killed anywhere, it has done all or nothing. One at a time: who finds the row of ops.metric_rollups locked does nothing,
-- and answers null. Runs as the worker.
create or replace function ops.roll_up_minutes(
  until timestamptz default now(),
  how_many integer default 60,
  since timestamptz default '-infinity',
  out buckets integer,
  out next timestamptz
)
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
    return;
  end if;
  v_minutes := ops.due_metric_buckets(
    'minute', '1 minute', roll_up_minutes.since, roll_up_minutes.until, roll_up_minutes.how_many
  );
  buckets := cardinality(v_minutes);
  if buckets = 0 then
    return;
  end if;
  next := v_minutes[buckets] + interval '1 minute';

  perform ops.make_metrics_minute(v_minutes);
end
$$;

comment on function ops.roll_up_minutes(timestamptz, integer, timestamptz) is 'Rolls up the oldest `how_many` minutes that are over by `until` and have changed, from `since` on. Gives how many they were (0, there are none; null, somebody else is at it) and from where to go on: whoever goes on from there comes to an end however fast points come late.';
grant execute on function ops.roll_up_minutes(timestamptz, integer, timestamptz) to :WORKER;
