-- Makes the rollups of these minutes anew from all of their points, for one or all (null) of the tenants that
-- ops.metric_changes names, deletes these notes and adds notes for the hours. One statement does it, so with one snapshot.
-- Points that are committed later have notes of their own.
create or replace function ops.make_metrics_minute(minutes timestamptz[], tenant text) returns void
language sql volatile
-- A tenant's points of a minute are a stretch of the primary key, so one look into the index finds them. The planner does not
-- know how many notes there are and would read whole days.
set enable_hashjoin to off
set enable_mergejoin to off
begin atomic
  with ended as (
    delete from ops.metric_changes c
    where c.resolution = 'minute' and c.bucket = any (make_metrics_minute.minutes)
      and (make_metrics_minute.tenant is null or c.tenant_id = make_metrics_minute.tenant)
      and (c.tenant_id, ops.metric_item('minute', c.bucket)) not in (select * from ops.quarantined('roll_up_metrics'))
    returning c.tenant_id, c.bucket
  ),
  changed as materialized (
    select distinct e.tenant_id, e.bucket
    from ended e
    -- Once the points of a time are being removed it gets no new rollups: half of the points may be gone.
    where not exists (
        select
        from ops.metric_floors f
        where (f.tenant_id is null or f.tenant_id = e.tenant_id) and e.bucket < f.closed_to
      )
      or ops.is_held('metrics.raw', e.tenant_id, e.bucket)
  ),
  keyed as (
    select
      c.tenant_id, m.service_name, m.metric_name, m.tags, c.bucket,
      app_private.metric_key(m.value) as key,
      count(*) as count,
      sum(m.value) filter (where abs(m.value) <= 1e280) as small_sum,
      sum(m.value / power(2, 100)) filter (where abs(m.value) > 1e280) as large_sum,
      min(m.value) as min,
      max(m.value) as max,
      -- Arrays are compared from the left.
      max(array[extract(epoch from m."timestamp"), m.value]) as last
    from changed c
    join app_public.metrics m
      on m.tenant_id = c.tenant_id and m."timestamp" >= c.bucket and m."timestamp" < c.bucket + interval '1 minute'
    -- Lets the planner leave out partitions.
    where m."timestamp" >= make_metrics_minute.minutes[1] and m."timestamp" < make_metrics_minute.minutes[cardinality(make_metrics_minute.minutes)] + interval '1 minute'
    group by 1, 2, 3, 4, 5, 6
  ),
  made as (
    insert into app_public.metrics_minute as r (
      tenant_id, service_name, metric_name, tags, bucket, count, sum, min, max, last, last_at, sketch_keys, sketch_counts
    )
    select
      k.tenant_id, k.service_name, k.metric_name, k.tags, k.bucket, sum(k.count),
      app_private.metric_sum(sum(k.small_sum), sum(k.large_sum)), min(k.min), max(k.max),
      (max(k.last))[2], to_timestamp((max(k.last))[1]), array_agg(k.key order by k.key), array_agg(k.count order by k.key)
    from keyed k
    group by k.tenant_id, k.service_name, k.metric_name, k.tags, k.bucket
    on conflict (tenant_id, service_name, metric_name, bucket, tags_hash) do update set
      count = excluded.count, sum = excluded.sum, min = excluded.min, max = excluded.max,
      last = excluded.last, last_at = excluded.last_at,
      sketch_keys = excluded.sketch_keys, sketch_counts = excluded.sketch_counts
  )
  insert into ops.metric_changes (resolution, tenant_id, bucket)
  select distinct 'hour', c.tenant_id, date_bin('1 hour', c.bucket, '2001-01-01 00:00:00Z')
  from changed c;
end;

comment on function ops.make_metrics_minute(timestamptz[], text) is 'Makes the rollups of these minutes anew from their points, where ops.metric_changes has notes of them, of one tenant or of all (null). For ops.make_metrics.';
grant execute on function ops.make_metrics_minute(timestamptz[], text) to :JOBS;
