-- Makes the rollups of a day from those of an hour, which have to be complete: sketches merge by adding up. Otherwise as
-- ops.roll_up_metrics.
create or replace function ops.merge_metrics_day(range_start timestamptz, range_end timestamptz) returns bigint
language sql volatile
begin atomic
  with source as (
    select m.*, date_bin('24 hours', m.bucket, '2001-01-01 00:00:00Z') as merged
    from app_private.metric_rollup_range('24 hours', merge_metrics_day.range_start, merge_metrics_day.range_end) r
    join app_public.metrics_hour m on m.bucket >= lower(r) and m.bucket < upper(r)
  ),
  sketches as (
    select
      k.tenant_id, k.service_name, k.metric_name, k.tags, k.merged,
      array_agg(k.key order by k.key) as keys, array_agg(k.count order by k.key) as counts
    from (
      select s.tenant_id, s.service_name, s.metric_name, s.tags, s.merged, k.key, sum(k.count)::bigint as count
      from source s
      cross join lateral unnest(s.sketch_keys, s.sketch_counts) k(key, count)
      group by 1, 2, 3, 4, 5, 6
    ) k
    group by 1, 2, 3, 4, 5
  ),
  totals as (
    select
      s.tenant_id, s.service_name, s.metric_name, s.tags, s.merged,
      sum(s.count) as count, sum(s.sum) as sum, min(s.min) as min, max(s.max) as max,
      max(array[extract(epoch from s.last_at), s.last]) as last
    from source s
    group by 1, 2, 3, 4, 5
  ),
  made as (
    insert into app_public.metrics_day as r (
      tenant_id, service_name, metric_name, tags, bucket, count, sum, min, max, last, last_at, sketch_keys, sketch_counts
    )
    select
      t.tenant_id, t.service_name, t.metric_name, t.tags, t.merged, t.count, t.sum, t.min, t.max,
      t.last[2], to_timestamp(t.last[1]), k.keys, k.counts
    from totals t
    join sketches k using (tenant_id, service_name, metric_name, tags, merged)
    on conflict (tenant_id, service_name, metric_name, bucket, tags_hash) do update set
      count = excluded.count, sum = excluded.sum, min = excluded.min, max = excluded.max,
      last = excluded.last, last_at = excluded.last_at,
      sketch_keys = excluded.sketch_keys, sketch_counts = excluded.sketch_counts
    returning 1
  )
  select count(*) from made;
end;

comment on function ops.merge_metrics_day(timestamptz, timestamptz) is 'Makes the rollups of a day from those of an hour, or makes them anew; returns how many. To be called in the order of time. LTM08 when the range is not of whole days, or not over.';
grant execute on function ops.merge_metrics_day(timestamptz, timestamptz) to :WORKER;
