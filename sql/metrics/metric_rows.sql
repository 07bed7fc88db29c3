-- The points of a range, or the rollups that stand for them (metric_sources). With `by_key` a rollup gives a row per bucket of
-- its sketch, of which only key, count, min and max have a meaning; without it, the key is null. Where a rollup's sum exceeds a
-- double and is null, the sum here is infinite (metric_sum). The planner leaves out a filter that lets everything through: to
-- evaluate it for every point took a quarter of the time of an average.
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
  -- Materialized, so that plain columns join the tables: row-level security lets these into an index condition.
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
  select m.bucket, m.tags, k.key, coalesce(k.count, m.count), coalesce(m.sum, 'Infinity'), m.min, m.max, m.last, m.last_at
  from sources s
  join app_public.metrics_minute m on m.bucket >= s.range_start and m.bucket < s.range_end
  left join lateral unnest(m.sketch_keys, m.sketch_counts) k(key, count) on metric_rows.by_key
  where s.resolution = 'minute'
    and m.service_name = metric_rows.service and m.metric_name = metric_rows.metric
    and (metric_rows.filter = '{}' or m.tags @> metric_rows.filter)
  union all
  select m.bucket, m.tags, k.key, coalesce(k.count, m.count), coalesce(m.sum, 'Infinity'), m.min, m.max, m.last, m.last_at
  from sources s
  join app_public.metrics_hour m on m.bucket >= s.range_start and m.bucket < s.range_end
  left join lateral unnest(m.sketch_keys, m.sketch_counts) k(key, count) on metric_rows.by_key
  where s.resolution = 'hour'
    and m.service_name = metric_rows.service and m.metric_name = metric_rows.metric
    and (metric_rows.filter = '{}' or m.tags @> metric_rows.filter)
  union all
  select m.bucket, m.tags, k.key, coalesce(k.count, m.count), coalesce(m.sum, 'Infinity'), m.min, m.max, m.last, m.last_at
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
