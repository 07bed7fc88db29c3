-- Merges rollups of hours into those of these days (of UTC). Otherwise as ops.make_metrics_hour.
create or replace function ops.make_metrics_day(days timestamptz[], tenant text) returns void
language sql volatile
begin atomic
  with ended as (
    delete from ops.metric_changes c
    where c.resolution = 'day' and c.bucket = any (make_metrics_day.days)
      and (make_metrics_day.tenant is null or c.tenant_id = make_metrics_day.tenant)
      and (c.tenant_id, ops.metric_item('day', c.bucket)) not in (select * from ops.quarantined('roll_up_metrics'))
    returning c.tenant_id, c.bucket
  ),
  changed as materialized (
    select distinct e.tenant_id, e.bucket from ended e
  ),
  source as materialized (
    -- A sum that is null is beyond a double (metric_sum).
    select m.*, c.bucket as merged, coalesce(m.sum, 'Infinity') as total
    from changed c
    join app_public.metrics_hour m
      on m.tenant_id = c.tenant_id and date_bin('24 hours', m.bucket, '2001-01-01 00:00:00Z') = c.bucket
    -- Uses the index of time, which is small.
    where m.bucket >= make_metrics_day.days[1]
      and m.bucket < make_metrics_day.days[cardinality(make_metrics_day.days)] + interval '24 hours'
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
  )
  insert into app_public.metrics_day as r (
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
    sketch_keys = excluded.sketch_keys, sketch_counts = excluded.sketch_counts;
end;

comment on function ops.make_metrics_day(timestamptz[], text) is 'Makes the rollups of these days anew from those of their hours, where ops.metric_changes has notes of them, of one tenant or of all (null). For ops.make_metrics.';
grant execute on function ops.make_metrics_day(timestamptz[], text) to :JOBS;
