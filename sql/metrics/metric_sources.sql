-- Which table answers for which part of a range: the coarsest rollup that has it, or points where none does. A rollup has
-- everything except what ops.metric_changes says it lacks. Points are committed together with their notes, and rollups with
-- the deletion of the notes, so a statement never takes a part of a rollup for the whole. A rollup can serve whole buckets
-- whose width is a multiple of its own; a null bucket stands for any width.
-- Definer: it reads the notes, of the caller's tenant only.
create or replace function app_private.metric_sources(
  range_start timestamptz,
  range_end timestamptz,
  bucket interval
) returns table (resolution text, range_start timestamptz, range_end timestamptz)
language sql stable security definer rows 4
set search_path to pg_catalog, pg_temp
as $$
  with changed as materialized (
    select c.resolution, c.bucket
    from ops.metric_changes c
    where c.tenant_id = (select app_private.current_tenant_id())
      and c.bucket >= metric_sources.range_start and c.bucket < metric_sources.range_end
      -- Where points are being removed, the rollups count.
      and (
        c.bucket >= (
          select coalesce(max(f.closed_to), '-infinity')
          from ops.metric_floors f
          where f.tenant_id is null or f.tenant_id = (select app_private.current_tenant_id())
        )
        or ops.is_held('metrics.raw', c.tenant_id, c.bucket)
      )
    group by c.resolution, c.bucket
  ),
  -- A change in a minute is also one in its hour and its day.
  lacking as (
    select
      w.resolution, w.width,
      range_agg(tstzrange(c.bucket, c.bucket + w.width)) filter (where c.bucket is not null) as ranges
    from (
      values ('minute', interval '1 minute', '{minute}'::text[]),
        ('hour', interval '1 hour', '{minute,hour}'),
        ('day', interval '24 hours', '{minute,hour,day}')
    ) w(resolution, width, finer)
    left join lateral (
      select distinct date_bin(w.width, n.bucket, '2001-01-01 00:00:00Z') as bucket
      from changed n
      where n.resolution = any (w.finer)
    ) c on true
    group by w.resolution, w.width
  ),
  covered as (
    select l.resolution, tstzmultirange(tstzrange(b.range_start, b.range_end)) - coalesce(l.ranges, '{}') as ranges
    from lacking l
    cross join lateral (
      select
        date_bin(l.width, metric_sources.range_start + l.width - interval '1 microsecond', '2001-01-01 00:00:00Z') as range_start,
        date_bin(l.width, metric_sources.range_end, '2001-01-01 00:00:00Z') as range_end
    ) b
    where b.range_start < b.range_end
      and (metric_sources.bucket is null or extract(epoch from metric_sources.bucket) % extract(epoch from l.width) = 0)
  ),
  resolutions as (
    select
      coalesce(range_agg(c.ranges) filter (where c.resolution = 'day'), '{}') as days,
      coalesce(range_agg(c.ranges) filter (where c.resolution = 'hour'), '{}') as hours,
      coalesce(range_agg(c.ranges) filter (where c.resolution = 'minute'), '{}') as minutes
    from covered c
  )
  select s.resolution, lower(r.range), upper(r.range)
  from resolutions c
  cross join lateral (
    values
      ('day', c.days),
      ('hour', c.hours - c.days),
      ('minute', c.minutes - c.hours - c.days),
      (
        'raw',
        tstzmultirange(tstzrange(metric_sources.range_start, metric_sources.range_end)) - c.minutes - c.hours - c.days
      )
  ) s(resolution, ranges)
  cross join lateral unnest(s.ranges) r(range)
$$;

comment on function app_private.metric_sources(timestamptz, timestamptz, interval) is 'Which of day, hour, minute and raw answers for which part of a range, for the caller''s tenant.';
grant execute on function app_private.metric_sources(timestamptz, timestamptz, interval)
  to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
