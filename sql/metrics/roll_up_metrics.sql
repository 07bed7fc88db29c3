-- Makes the oldest buckets of a rollup that are over by `until` and have changed, of all tenants, out of a stretch of
-- `how_many`: minutes from points, hours from minutes, days from hours. If it is killed, it has done all or nothing. Only one
-- runs at a time for each rollup: a second one finds the row of ops.metric_rollups locked, does nothing and returns null.
-- Definer: the worker reaches no point itself. Runs as :JOBS.
grant create on schema ops to :JOBS;
set local role :JOBS;

create or replace function ops.roll_up_metrics(
  resolution text,
  until timestamptz default now(),
  how_many integer default 60,
  since timestamptz default '-infinity',
  out buckets integer,
  out next timestamptz
)
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_width interval;
  v_due timestamptz[];
begin
  perform app_private.refuse_bounds('resolution', resolution in ('minute', 'hour', 'day'), 'minute, hour or day');
  perform app_private.refuse_bounds('how_many', how_many between 1 and 10000, 'between 1 and 10,000');
  update ops.metric_rollups r set rolled_up_at = clock_timestamp()
  where r.resolution = (
    select l.resolution from ops.metric_rollups l where l.resolution = roll_up_metrics.resolution for update skip locked
  );
  if not found then
    return;
  end if;
  -- A day is 24 hours: a day added in the session's time zone may have 23.
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

comment on function ops.roll_up_metrics(text, timestamptz, integer, timestamptz) is 'Rolls metrics up to minutes, hours or days (`resolution`): the oldest `how_many` that are over by `until` and have changed, from `since` on. Buckets of a tenant that fail are set aside. Returns how many there were (0: none; null: another session is making them) and where to continue: a caller that continues from there comes to an end however fast late points arrive. LTP06 for an argument out of bounds.';
revoke execute on function ops.roll_up_metrics(text, timestamptz, integer, timestamptz) from public;
grant execute on function ops.roll_up_metrics(text, timestamptz, integer, timestamptz) to :WORKER;

set local role :OWNER;
revoke create on schema ops from :JOBS;
