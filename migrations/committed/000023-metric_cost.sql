--! Previous: sha1:04390f87e340f1146e9d3c60c5bf2cbd74978a5d
--! Hash: sha1:9583cec3148e2f9b2312c646a5a81d90cda3a9fe
--! Message: metric_cost

-- Series and percentiles of metrics take a sixth less, averages a quarter; and prepared statements do so, too.

--! Included app_private/functions/metric_reach.sql
-- A range that holds all of a series or of percentiles, for the planner: immutable, so that it is a constant where the
-- arguments are, and partitions outside of it are left out before anything is planned for them. Months and days in the
-- session's time zone would make it stable, hence `at time zone`. What metric_request refuses has no bounds here.
--
-- PL/pgSQL, so that it is not inlined, and a cost that no plan for any arguments can afford: that would ask it for every
-- point, and sum up for every aggregate. So a prepared statement goes on to be planned for the arguments of each call, which
-- takes half the time.
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
--! EndIncluded app_private/functions/metric_reach.sql
--! Included app_private/functions/metric_rows.sql
-- The points of a range, or the rollups that stand for them (metric_sources). With `by_key` a rollup gives a row per bucket
-- of its sketch, of which only key, count, min and max mean something; without, the key is null. A filter that lets everything
-- through is left out by the planner: to ask it of every point took a quarter of an average.
create or replace function app_private.metric_rows(
  service text,
  metric text,
  range_start timestamptz,
  range_end timestamptz,
  bucket interval,
  filter jsonb,
  by_key boolean
) returns table (
  at timestamptz,
  tags jsonb,
  key integer,
  count bigint,
  sum double precision,
  min double precision,
  max double precision,
  last double precision,
  last_at timestamptz
)
language sql stable
begin atomic
  -- Materialized: what joins the tables are plain columns, which row-level security lets into an index condition.
  with sources as materialized (
    select s.resolution, s.range_start, s.range_end
    from app_private.metric_sources(metric_rows.range_start, metric_rows.range_end, metric_rows.bucket) s
  )
  select
    m."timestamp", m.tags, case when metric_rows.by_key then app_private.metric_key(m.value) end, 1::bigint,
    m.value, m.value, m.value, m.value, m."timestamp"
  from sources s
  join app_public.metrics m on m."timestamp" >= s.range_start and m."timestamp" < s.range_end
  where s.resolution = 'raw'
    and m.service_name = metric_rows.service and m.metric_name = metric_rows.metric
    and (metric_rows.filter = '{}' or m.tags @> metric_rows.filter)
  union all
  select m.bucket, m.tags, k.key, coalesce(k.count, m.count), m.sum, m.min, m.max, m.last, m.last_at
  from sources s
  join app_public.metrics_minute m on m.bucket >= s.range_start and m.bucket < s.range_end
  left join lateral unnest(m.sketch_keys, m.sketch_counts) k(key, count) on metric_rows.by_key
  where s.resolution = 'minute'
    and m.service_name = metric_rows.service and m.metric_name = metric_rows.metric
    and (metric_rows.filter = '{}' or m.tags @> metric_rows.filter)
  union all
  select m.bucket, m.tags, k.key, coalesce(k.count, m.count), m.sum, m.min, m.max, m.last, m.last_at
  from sources s
  join app_public.metrics_hour m on m.bucket >= s.range_start and m.bucket < s.range_end
  left join lateral unnest(m.sketch_keys, m.sketch_counts) k(key, count) on metric_rows.by_key
  where s.resolution = 'hour'
    and m.service_name = metric_rows.service and m.metric_name = metric_rows.metric
    and (metric_rows.filter = '{}' or m.tags @> metric_rows.filter)
  union all
  select m.bucket, m.tags, k.key, coalesce(k.count, m.count), m.sum, m.min, m.max, m.last, m.last_at
  from sources s
  join app_public.metrics_day m on m.bucket >= s.range_start and m.bucket < s.range_end
  left join lateral unnest(m.sketch_keys, m.sketch_counts) k(key, count) on metric_rows.by_key
  where s.resolution = 'day'
    and m.service_name = metric_rows.service and m.metric_name = metric_rows.metric
    and (metric_rows.filter = '{}' or m.tags @> metric_rows.filter);
end;

comment on function app_private.metric_rows(text, text, timestamptz, timestamptz, interval, jsonb, boolean) is 'The points of a range, or the rollups that stand for them.';
grant execute on function app_private.metric_rows(text, text, timestamptz, timestamptz, interval, jsonb, boolean)
  to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
--! EndIncluded app_private/functions/metric_rows.sql
--! Included app_public/functions/metric_series.sql
-- A series in buckets, gaps included, from points or rollups (app_private.metric_rows). Percentiles come from sketches in
-- both cases, so that they do not jump when points are rolled up.
create or replace function app_public.metric_series(
  service text,
  metric text,
  "from" timestamptz,
  "to" timestamptz,
  bucket interval default null,
  aggregate text default 'avg',
  tags jsonb default '{}',
  group_by text default null,
  fill text default 'null'
) returns table (bucket_start timestamptz, tag_value text, value double precision, points bigint)
language sql stable
begin atomic
  with request as materialized (
    select q.range_start, q.range_end, q.bucket, q.fraction
    from app_private.metric_request(
      metric_series."from", metric_series."to", metric_series.bucket, metric_series.aggregate, metric_series.fill,
      metric_series.tags
    ) q
  ),
  -- A row per bucket and group; of a percentile, per key of the sketch, too.
  keyed as (
    select
      date_bin(q.bucket, r.at, '2001-01-01 00:00:00Z') as bucket_start,
      r.tags ->> metric_series.group_by as tag_value,
      r.key,
      -- Exact up to 2^53; a sum of bigints is numeric, which is slow.
      sum(r.count::double precision) as points,
      sum(r.sum) as total,
      min(r.min) as least,
      max(r.max) as most,
      -- Arrays are compared from the left.
      max(case when metric_series.aggregate = 'last' then array[extract(epoch from r.last_at), r.last] end) as last
    from request q
    cross join lateral app_private.metric_rows(
      metric_series.service, metric_series.metric, q.range_start, q.range_end, q.bucket, metric_series.tags,
      q.fraction is not null
    ) r
    -- All of them, as constants (metric_reach).
    where r.at >= lower(app_private.metric_reach(metric_series."from", metric_series."to", metric_series.bucket))
      and r.at < upper(app_private.metric_reach(metric_series."from", metric_series."to", metric_series.bucket))
    group by 1, 2, 3
  ),
  ranked as (
    select
      k.*,
      -- Each key is there once, so rows are as good as a range, and need no look at the next one.
      sum(k.points) over (
        partition by k.bucket_start, k.tag_value order by k.key rows unbounded preceding
      ) as points_up_to
    from keyed k
  ),
  filled as (
    select
      r.bucket_start, r.tag_value, sum(r.points)::bigint as points,
      case metric_series.aggregate
        when 'avg' then sum(r.total) / sum(r.points)
        when 'sum' then sum(r.total)
        when 'rate' then sum(r.total) / (select extract(epoch from q.bucket) from request q)
        when 'count' then sum(r.points)
        when 'min' then min(r.least)
        when 'max' then max(r.most)
        when 'last' then (max(r.last))[2]
        else greatest(
          min(r.least),
          least(
            max(r.most),
            app_private.metric_key_value(
              -- The first key up to which there are more points than the fraction of all.
              (array_agg(r.key order by r.key))[
                1 + width_bucket(
                  (select q.fraction from request q) * (max(r.points_up_to) - 1), array_agg(r.points_up_to order by r.key)
                )
              ]
            )
          )
        )
      end as value
    from ranked r
    group by r.bucket_start, r.tag_value
  ),
  groups as (
    select distinct f.tag_value from filled f
    union
    select null where metric_series.group_by is null
  ),
  series as (
    select
      s.bucket_start, g.tag_value, coalesce(f.points, 0) as points,
      coalesce(
        f.value,
        case when metric_series.fill = 'zero' or metric_series.aggregate in ('sum', 'rate', 'count') then 0 end
      ) as value
    from request q
    cross join lateral generate_series(q.range_start, q.range_end - interval '1 microsecond', q.bucket) s(bucket_start)
    cross join groups g
    left join filled f on f.bucket_start = s.bucket_start and f.tag_value is not distinct from g.tag_value
  ),
  -- Each gap in one group with the last bucket before it that has a value.
  runs as (
    select s.*, count(s.value) over (partition by s.tag_value order by s.bucket_start) as run
    from series s
  )
  select
    r.bucket_start, r.tag_value,
    case
      when metric_series.fill = 'previous'
        then first_value(r.value) over (partition by r.tag_value, r.run order by r.bucket_start)
      else r.value
    end,
    r.points
  from runs r
  order by r.tag_value, r.bucket_start;
end;

comment on function app_public.metric_series(text, text, timestamptz, timestamptz, interval, text, jsonb, text, text) is
  E'A metric of a service over time, in buckets. `from` and `to` are widened to whole buckets, counted from midnight UTC (a week''s from Monday); without a `bucket` it is chosen to give at most 200. `aggregate` is avg, sum, min, max, count, rate (sum per second), last or a percentile such as p95 or p99.9 (right to one per cent). `tags` keeps to points that have all of these tags; `group_by` names a tag, each value of which has a series of its own (null: points without it). Buckets without points are there: count, sum and rate are 0, others as `fill` says: null, zero or previous (the last value before). Reads points or rollups, whichever has them coarsest. LTM02 no range, LTM03 bucket, LTM04 aggregate, LTM05 tags, LTM06 fill.';
grant execute on function app_public.metric_series(text, text, timestamptz, timestamptz, interval, text, jsonb, text, text)
  to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
--! EndIncluded app_public/functions/metric_series.sql
--! Included app_public/functions/metric_percentiles.sql
-- Several percentiles of one range, of sketches. The range is exact: whole minutes, hours and days of it come from rollups,
-- its edges from points.
create or replace function app_public.metric_percentiles(
  service text,
  metric text,
  "from" timestamptz,
  "to" timestamptz,
  percentiles double precision[] default '{50,90,95,99}',
  tags jsonb default '{}',
  group_by text default null
) returns table (tag_value text, percentile double precision, value double precision, points bigint)
language sql stable
begin atomic
  with request as materialized (
    select p.percentile
    from app_private.metric_request(
      metric_percentiles."from", metric_percentiles."to", null, 'p50', 'null', metric_percentiles.tags
    ) q
    cross join lateral unnest(app_private.metric_percentile_list(metric_percentiles.percentiles)) p(percentile)
  ),
  keyed as (
    select
      r.tags ->> metric_percentiles.group_by as tag_value, r.key, sum(r.count::double precision) as points, min(r.min) as least, max(r.max) as most
    from (select from request limit 1) checked
    cross join lateral app_private.metric_rows(
      metric_percentiles.service, metric_percentiles.metric, metric_percentiles."from", metric_percentiles."to", null,
      metric_percentiles.tags, true
    ) r
    -- All of them, as constants (metric_reach).
    where r.at >= lower(app_private.metric_reach(metric_percentiles."from", metric_percentiles."to", '1 second'))
      and r.at < upper(app_private.metric_reach(metric_percentiles."from", metric_percentiles."to", '1 second'))
    group by 1, 2
  ),
  ranked as (
    select
      k.*,
      sum(k.points) over (partition by k.tag_value order by k.key rows unbounded preceding) as points_up_to,
      sum(k.points) over (partition by k.tag_value) as all_points
    from keyed k
  )
  select
    r.tag_value, q.percentile,
    greatest(
      min(r.least),
      least(
        max(r.most),
        app_private.metric_key_value(
          min(r.key) filter (where r.points_up_to > q.percentile / 100 * (r.all_points - 1))
        )
      )
    ),
    sum(r.points)::bigint
  from request q
  cross join ranked r
  group by r.tag_value, q.percentile
  order by r.tag_value, q.percentile;
end;

comment on function app_public.metric_percentiles(text, text, timestamptz, timestamptz, double precision[], jsonb, text) is
  E'Percentiles (0 to 100; 50, 90, 95 and 99 unless told otherwise) of a metric of a service between `from` and `to`, right to one per cent. `tags` keeps to points that have all of these tags; `group_by` names a tag, each value of which has percentiles of its own. No rows when there are no points. LTM02 no range, LTM05 tags, LTM07 percentiles.';
grant execute on function app_public.metric_percentiles(text, text, timestamptz, timestamptz, double precision[], jsonb, text)
  to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
--! EndIncluded app_public/functions/metric_percentiles.sql
