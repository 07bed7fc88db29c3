-- Several percentiles of one range, computed from sketches. The range is exact: its whole minutes, hours and days come from
-- rollups, its edges from points.
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
    -- Percentiles have no buckets, so the range has any length: the check gets no more of it than a day.
    from app_private.metric_request(
      metric_percentiles."from",
      case
        when isfinite(metric_percentiles."to") and metric_percentiles."to" - interval '1 day' > metric_percentiles."from"
          then metric_percentiles."from" + interval '1 day'
        else metric_percentiles."to"
      end,
      null, 'p50', 'null', metric_percentiles.tags
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
    -- A range that holds all of them, as constants (metric_reach).
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
  E'Percentiles (0 to 100; by default 50, 90, 95 and 99) of a metric of a service between `from` and `to`, accurate to one per cent. `tags` keeps to points that have all of these tags. `group_by` names a tag, each value of which gets its own percentiles. Returns no rows without points. LTM02 the range, LTM05 tags, LTM07 percentiles.';
grant execute on function app_public.metric_percentiles(text, text, timestamptz, timestamptz, double precision[], jsonb, text)
  to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
