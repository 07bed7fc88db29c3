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
  -- A row per bucket and group; for a percentile, also per key of the sketch.
  keyed as (
    select
      date_bin(q.bucket, r.at, '2001-01-01 00:00:00Z') as bucket_start,
      r.tags ->> metric_series.group_by as tag_value,
      r.key,
      -- Exact up to 2^53; a sum of bigints is numeric, which is slow.
      sum(r.count::double precision) as points,
      app_private.metric_sum(
        sum(r.sum) filter (where abs(r.sum) <= 1e280), sum(r.sum / power(2, 100)) filter (where abs(r.sum) > 1e280)
      ) as total,
      min(r.min) as least,
      max(r.max) as most,
      -- Arrays are compared from the left.
      max(case when metric_series.aggregate = 'last' then array[extract(epoch from r.last_at), r.last] end) as last
    from request q
    cross join lateral app_private.metric_rows(
      metric_series.service, metric_series.metric, q.range_start, q.range_end, q.bucket, metric_series.tags,
      q.fraction is not null
    ) r
    -- A range that holds all of them, as constants (metric_reach).
    where r.at >= lower(app_private.metric_reach(metric_series."from", metric_series."to", metric_series.bucket))
      and r.at < upper(app_private.metric_reach(metric_series."from", metric_series."to", metric_series.bucket))
    group by 1, 2, 3
  ),
  ranked as (
    select
      k.*,
      -- Each key occurs once, so `rows` gives what `range` would, without a look at the next row.
      sum(k.points) over (
        partition by k.bucket_start, k.tag_value order by k.key rows unbounded preceding
      ) as points_up_to
    from keyed k
  ),
  filled as (
    select
      r.bucket_start, r.tag_value, sum(r.points)::bigint as points,
      case metric_series.aggregate
        when 'avg' then app_private.metric_quotient(sum(r.total), sum(r.points))
        when 'sum' then sum(r.total)
        when 'rate' then app_private.metric_quotient(
          sum(r.total), (select extract(epoch from q.bucket)::double precision from request q)
        )
        when 'count' then sum(r.points)
        when 'min' then min(r.least)
        when 'max' then max(r.most)
        when 'last' then (max(r.last))[2]
        else greatest(
          min(r.least),
          least(
            max(r.most),
            app_private.metric_key_value(
              -- The first key up to which there are more points than the fraction of all points.
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
      -- A sum beyond a double is null but not a gap.
      case
        when f.points is not null then f.value
        when metric_series.fill = 'zero' or metric_series.aggregate in ('sum', 'rate', 'count') then 0
      end as value
    from request q
    cross join lateral generate_series(q.range_start, q.range_end - interval '1 microsecond', q.bucket) s(bucket_start)
    cross join groups g
    left join filled f on f.bucket_start = s.bucket_start and f.tag_value is not distinct from g.tag_value
  ),
  -- Each gap in one group with the last bucket before it that has points.
  runs as (
    select
      s.*, count(*) filter (where s.points > 0) over (partition by s.tag_value order by s.bucket_start) as run
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
  E'A metric of a service over time, in buckets. `from` and `to` are widened to whole buckets, counted from midnight UTC (those of a week from Monday). Without a `bucket` it chooses one that gives at most 200. `aggregate` is avg, sum, min, max, count, rate (sum per second), last or a percentile such as p95 or p99.9 (accurate to one per cent). `tags` keeps to points that have all of these tags. `group_by` names a tag, each value of which gets its own series (null: points without the tag). Buckets without points are included: count, sum and rate are 0, other aggregates as `fill` says: null, zero or previous (the value of the last bucket before). A sum beyond a double is null, and so are avg and rate. Reads points or rollups, whichever has them coarsest. LTM02 the range, LTM03 bucket, LTM04 aggregate, LTM05 tags, LTM06 fill.';
grant execute on function app_public.metric_series(text, text, timestamptz, timestamptz, interval, text, jsonb, text, text)
  to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
