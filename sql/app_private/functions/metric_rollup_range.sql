-- The range to roll up, which has to be of whole buckets, or half of one would pass for all of it.
create or replace function app_private.metric_rollup_range(
  width interval,
  range_start timestamptz,
  range_end timestamptz
) returns tstzrange
language plpgsql stable
set search_path to pg_catalog, pg_temp
set timezone to 'UTC'
as $$
begin
  if range_start is null or range_end is null or not isfinite(range_start) or not isfinite(range_end)
    or range_start >= range_end or range_end > clock_timestamp()
    or date_bin(width, range_start, '2001-01-01 00:00:00Z') <> range_start
    or date_bin(width, range_end, '2001-01-01 00:00:00Z') <> range_end
  then
    raise exception 'cannot roll up from % to % in steps of %',
      coalesce(range_start::text, 'null'), coalesce(range_end::text, 'null'), width
      using errcode = 'LTM08', hint = 'The range is over, and begins and ends with a step.';
  end if;
  return tstzrange(range_start, range_end);
end
$$;

comment on function app_private.metric_rollup_range(interval, timestamptz, timestamptz) is 'The range to roll up. LTM08 when it is not of whole steps, or not over.';
grant execute on function app_private.metric_rollup_range(interval, timestamptz, timestamptz) to :WORKER;
