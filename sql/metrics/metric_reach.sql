-- A range that holds all of a series or of percentiles, for the planner. It is immutable, so it is a constant where its
-- arguments are, and the planner leaves out partitions outside of it from the start. Months and days in the session's time
-- zone would make it stable, hence `at time zone`. A range that metric_request refuses has no bounds here.
--
-- PL/pgSQL, so that it is not inlined, and a cost that no generic plan can afford: such a plan would call it for every point,
-- and for every aggregate. So a prepared statement is planned for the arguments of each call, which takes half the time.
create or replace function app_private.metric_reach("from" timestamptz, "to" timestamptz, bucket interval) returns tstzrange
language plpgsql immutable parallel safe cost 1000000
set search_path to pg_catalog, pg_temp
as $$
begin
  return case
    when "from" < "to" and isfinite("from") and isfinite("to")
      and (bucket is null or (bucket > interval '0' and bucket < interval '100 years' and extract(month from bucket) = 0
        and extract(year from bucket) = 0))
    then tstzrange(
      -- Every bucket that metric_request chooses divides a week.
      date_bin(coalesce(bucket, interval '7 days'), "from", '2001-01-01 00:00:00Z'),
      (
        date_bin(coalesce(bucket, interval '7 days'), "to", '2001-01-01 00:00:00Z') at time zone 'UTC'
          + coalesce(bucket, interval '7 days')
      ) at time zone 'UTC'
    )
    else tstzrange('-infinity', 'infinity')
  end;
end
$$;

comment on function app_private.metric_reach(timestamptz, timestamptz, interval) is 'A range that holds all buckets of a series, as a constant for the planner.';
grant execute on function app_private.metric_reach(timestamptz, timestamptz, interval)
  to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
