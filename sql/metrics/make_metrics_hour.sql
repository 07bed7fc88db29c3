-- Merges rollups of minutes into those of these hours, for one or all (null) of the tenants that ops.metric_changes names.
-- Sketches merge by addition. Otherwise as ops.make_metrics_minute.
create or replace function ops.make_metrics_hour(hours timestamptz[], tenant text) returns void
language sql volatile
begin atomic
  with ended as (
    delete from ops.metric_changes c
    where c.resolution = 'hour' and c.bucket = any (make_metrics_hour.hours)
      and (make_metrics_hour.tenant is null or c.tenant_id = make_metrics_hour.tenant)
      and (c.tenant_id, ops.metric_item('hour', c.bucket)) not in (select * from ops.quarantined('roll_up_metrics'))
    returning c.tenant_id, c.bucket
  ),
  changed as materialized (
    select distinct e.tenant_id, e.bucket from ended e
  ),
  source as materialized (
    -- A sum that is null is beyond a double (metric_sum).
    select m.*, c.bucket as merged, coalesce(m.sum, 'Infinity') as total
    from changed c
    join app_public.metrics_minute m
      on m.tenant_id = c.tenant_id and date_bin('1 hour', m.bucket, '2001-01-01 00:00:00Z') = c.bucket
    -- Uses the index of time, which is small.
    where m.bucket >= make_metrics_hour.hours[1]
      and m.bucket < make_metrics_hour.hours[cardinality(make_metrics_hour.hours)] + interval '1 hour'
  ),
  sketches as (
    select
      k.tenant_id, k.service_name, k.metric_name, k.tags_hash, k.merged,
      array_agg(k.key order by k.key) as keys, array_agg(k.count order by k.key) as counts
    from (
      select s.tenant_id, s.service_name, s.metric_name, s.tags_hash, s.merged, k.key, sum(k.count)::bigint as count
      from source s
      cross join lateral unnest(s.sketch_keys, s.sketch_counts) k(key, count)
      group by 1, 2, 3, 4, 5, 6
    ) k
    group by 1, 2, 3, 4, 5
  ),
  totals as (
    select
      s.tenant_id, s.service_name, s.metric_name, s.tags_hash, s.merged, min(s.tags::text)::jsonb as tags,
      sum(s.count) as count,
      app_private.metric_sum(
        sum(s.total) filter (where abs(s.total) <= 1e280), sum(s.total / power(2, 100)) filter (where abs(s.total) > 1e280)
      ) as sum,
      min(s.min) as min, max(s.max) as max,
      max(array[extract(epoch from s.last_at), s.last]) as last
    from source s
    group by 1, 2, 3, 4, 5
  ),
  made as (
    insert into app_public.metrics_hour as r (
      tenant_id, service_name, metric_name, tags, bucket, count, sum, min, max, last, last_at, sketch_keys, sketch_counts
    )
    select
      t.tenant_id, t.service_name, t.metric_name, t.tags, t.merged, t.count, t.sum, t.min, t.max,
      t.last[2], to_timestamp(t.last[1]), k.keys, k.counts
    from totals t
    join sketches k using (tenant_id, service_name, metric_name, tags_hash, merged)
    on conflict (tenant_id, service_name, metric_name, bucket, tags_hash) do update set
      count = excluded.count, sum = excluded.sum, min = excluded.min, max = excluded.max,
      last = excluded.last, last_at = excluded.last_at,
      sketch_keys = excluded.sketch_keys, sketch_counts = excluded.sketch_counts
  )
  insert into ops.metric_changes (resolution, tenant_id, bucket)
  select distinct 'day', c.tenant_id, date_bin('24 hours', c.bucket, '2001-01-01 00:00:00Z')
  from changed c;
end;

comment on function ops.make_metrics_hour(timestamptz[], text) is 'Makes the rollups of these hours anew from those of their minutes, where ops.metric_changes has notes of them, of one tenant or of all (null). For ops.make_metrics.';
grant execute on function ops.make_metrics_hour(timestamptz[], text) to :JOBS;
