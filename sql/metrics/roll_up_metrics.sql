-- Makes the oldest buckets of a rollup that are over by `until` and have changed, of all tenants, out of a stretch of
-- `how_many`: minutes from points, hours from minutes, days from hours. Killed anywhere, it has done all or nothing. One at a
-- time for each rollup: whoever finds its row of ops.metric_rollups locked does nothing, and answers null. Runs as the worker.
create or replace function ops.roll_up_metrics(
  resolution text,
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
  v_width interval;
  v_due timestamptz[];
begin
  update ops.metric_rollups r set rolled_up_at = clock_timestamp()
  where r.resolution = (
    select l.resolution from ops.metric_rollups l where l.resolution = roll_up_metrics.resolution for update skip locked
  );
  if not found then
    return;
  end if;
  -- A day is 24 hours: one that is added in the session's time zone may have 23.
  v_width := case resolution when 'minute' then interval '1 minute' when 'hour' then interval '1 hour' else interval '24 hours' end;
  v_due := ops.due_metric_buckets(resolution, v_width, since, until, how_many);
  buckets := cardinality(v_due);
  if buckets = 0 then
    return;
  end if;
  next := v_due[buckets] + v_width;

  perform ops.make_metrics(resolution, v_due);
end
$$;

comment on function ops.roll_up_metrics(text, timestamptz, integer, timestamptz) is 'Rolls metrics up to minutes, hours or days (`resolution`): the oldest `how_many` that are over by `until` and have changed, from `since` on. What cannot be made of a tenant is set aside. Gives how many they were (0, there are none; null, somebody else is at it) and from where to go on: whoever goes on from there comes to an end however fast points come late.';
grant execute on function ops.roll_up_metrics(text, timestamptz, integer, timestamptz) to :WORKER;
