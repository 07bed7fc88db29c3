-- Checks the arguments of the functions that read metrics, and converts them to the terms that these compute in:
--   range_start, range_end  of a series: widened to whole buckets
--   bucket                  in seconds alone, because a day added in the session's time zone may have 23 hours; by default
--                           the smallest of the usual widths that makes at most 200, or a week
--   fraction                0 to 1 when the aggregate is a percentile, null otherwise
create or replace function app_private.metric_request(
  inout range_start timestamptz,
  inout range_end timestamptz,
  inout bucket interval,
  aggregate text,
  fill text,
  tags jsonb,
  out fraction double precision
)
language plpgsql immutable parallel safe
set search_path to pg_catalog, pg_temp
set timezone to 'UTC'
as $$
declare
  v_origin constant timestamptz := '2001-01-01 00:00:00Z';
begin
  if range_start is null or range_end is null or not isfinite(range_start) or not isfinite(range_end)
    or range_start >= range_end
  then
    raise exception 'the range must run from one finite time to a later one, not from % to %', coalesce(range_start::text, 'null'), coalesce(range_end::text, 'null')
      using errcode = 'LTM02', hint = 'Give both "from" and "to".';
  end if;

  if tags is null or jsonb_typeof(tags) <> 'object' or jsonb_path_exists(tags, 'strict $.* ? (@.type() == "object" || @.type() == "array")')
  then
    raise exception 'tags must be a flat object, not %', coalesce(nullif(jsonb_typeof(tags), 'object'), case when tags is null then 'null' else 'one with objects or arrays in it' end)
      using errcode = 'LTM05', hint = 'A point matches when it has all of these tags: {"route": "/"}. Every point matches {}.';
  end if;

  if aggregate ~ '^p\d{1,2}(\.\d{1,6})?$' then
    fraction := substr(aggregate, 2)::double precision / 100;
  elsif aggregate is null or aggregate not in ('avg', 'sum', 'min', 'max', 'count', 'rate', 'last') then
    raise exception 'unknown aggregate %', coalesce(aggregate, 'null')
      using errcode = 'LTM04', hint = 'Use avg, sum, min, max, count, rate, last, or a percentile: p50, p99, p99.9.';
  end if;

  if fill is null or fill not in ('null', 'zero', 'previous') then
    raise exception 'unknown fill %', coalesce(fill, 'null')
      using errcode = 'LTM06', hint = 'Use null, zero or previous.';
  end if;

  if bucket is null then
    select coalesce(min(b.width) filter (where b.width * 200 >= range_end - range_start), interval '7 days') into bucket
    from unnest('{1s,10s,1min,5min,15min,1h,6h,1d,7d}'::interval[]) b(width);
  end if;
  -- The default, too: two centuries have more than 10,000 weeks.
  if extract(year from bucket) <> 0 or extract(month from bucket) <> 0
    or extract(epoch from bucket) <= 0 or extract(epoch from range_end - range_start) / extract(epoch from bucket) > 10000
  then
    raise exception 'a series from % to % cannot have buckets of %', range_start, range_end, bucket
      using errcode = 'LTM03', hint = 'A bucket must be longer than 0 and must not contain months. A series has at most 10,000 buckets.';
  end if;
  bucket := make_interval(secs => extract(epoch from bucket)::double precision);
  range_start := date_bin(bucket, range_start, v_origin);
  range_end := date_bin(bucket, range_end - interval '1 microsecond', v_origin) + bucket;
end
$$;

comment on function app_private.metric_request(timestamptz, timestamptz, interval, text, text, jsonb) is 'The checked arguments of a query of metrics: the range in whole buckets, the bucket, and the fraction of a percentile. LTM02 to LTM06.';
grant execute on function app_private.metric_request(timestamptz, timestamptz, interval, text, text, jsonb)
  to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
