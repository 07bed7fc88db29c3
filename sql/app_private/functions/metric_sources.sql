-- Which table answers for which part of a range: the coarsest rollup that has it, points where none does. A rollup is made
-- in the order of time, so a series has it between its first row and its last. It can serve buckets that are a multiple of
-- its own width, and whole ones only; a null bucket is any.
create or replace function app_private.metric_sources(
  service text,
  metric text,
  range_start timestamptz,
  range_end timestamptz,
  bucket interval
) returns table (resolution text, range_start timestamptz, range_end timestamptz)
language sql stable
begin atomic
  with rollups as (
    select 'day' as resolution, interval '24 hours' as width, min(d.bucket) as first, max(d.bucket) as last
    from app_public.metrics_day d
    where d.service_name = metric_sources.service and d.metric_name = metric_sources.metric
    union all
    select 'hour', interval '1 hour', min(h.bucket), max(h.bucket)
    from app_public.metrics_hour h
    where h.service_name = metric_sources.service and h.metric_name = metric_sources.metric
    union all
    select 'minute', interval '1 minute', min(m.bucket), max(m.bucket)
    from app_public.metrics_minute m
    where m.service_name = metric_sources.service and m.metric_name = metric_sources.metric
  ),
  usable as (
    select
      r.resolution,
      pg_catalog.date_bin(
        r.width, greatest(r.first, metric_sources.range_start + r.width - interval '1 microsecond'), '2001-01-01 00:00:00Z'
      ) as range_start,
      pg_catalog.date_bin(
        r.width, least(r.last + r.width, metric_sources.range_end), '2001-01-01 00:00:00Z'
      ) as range_end
    from rollups r
    where r.first is not null
      and (
        metric_sources.bucket is null
        or extract(epoch from metric_sources.bucket) % extract(epoch from r.width) = 0
      )
  ),
  covered as (
    select
      coalesce(pg_catalog.range_agg(u.range) filter (where u.resolution = 'day'), '{}') as days,
      coalesce(pg_catalog.range_agg(u.range) filter (where u.resolution = 'hour'), '{}') as hours,
      coalesce(pg_catalog.range_agg(u.range) filter (where u.resolution = 'minute'), '{}') as minutes
    from (
      select u.resolution, pg_catalog.tstzrange(u.range_start, u.range_end) as range
      from usable u
      where u.range_start < u.range_end
    ) u
  )
  select s.resolution, lower(r.range), upper(r.range)
  from covered c
  cross join lateral (
    values
      ('day', c.days),
      ('hour', c.hours - c.days),
      ('minute', c.minutes - c.hours - c.days),
      (
        'raw',
        pg_catalog.tstzmultirange(pg_catalog.tstzrange(metric_sources.range_start, metric_sources.range_end))
          - c.minutes - c.hours - c.days
      )
  ) s(resolution, ranges)
  cross join lateral pg_catalog.unnest(s.ranges) r(range);
end;

comment on function app_private.metric_sources(text, text, timestamptz, timestamptz, interval) is 'Which of day, hour, minute and raw answers for which part of a range.';
grant execute on function app_private.metric_sources(text, text, timestamptz, timestamptz, interval)
  to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
