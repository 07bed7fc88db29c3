-- Makes the rollups of a minute from the points of a range of whole minutes that is over, of all tenants; those that are
-- there are made anew, so a range can be done again when points came late. To be done in the order of time: readers take it
-- that a series is rolled up between its first row and its last (app_private.metric_sources). Runs as the worker.
create or replace function ops.roll_up_metrics(range_start timestamptz, range_end timestamptz) returns bigint
language sql volatile
begin atomic
  with keyed as (
    select
      m.tenant_id, m.service_name, m.metric_name, m.tags,
      date_bin('1 minute', m."timestamp", '2001-01-01 00:00:00Z') as bucket,
      app_private.metric_key(m.value) as key,
      count(*) as count,
      sum(m.value) as sum,
      min(m.value) as min,
      max(m.value) as max,
      -- Arrays are compared from the left.
      max(array[extract(epoch from m."timestamp"), m.value]) as last
    from app_private.metric_rollup_range('1 minute', roll_up_metrics.range_start, roll_up_metrics.range_end) r
    join app_public.metrics m on m."timestamp" >= lower(r) and m."timestamp" < upper(r)
    group by 1, 2, 3, 4, 5, 6
  ),
  made as (
    insert into app_public.metrics_minute as r (
      tenant_id, service_name, metric_name, tags, bucket, count, sum, min, max, last, last_at, sketch_keys, sketch_counts
    )
    select
      k.tenant_id, k.service_name, k.metric_name, k.tags, k.bucket, sum(k.count), sum(k.sum), min(k.min), max(k.max),
      (max(k.last))[2], to_timestamp((max(k.last))[1]), array_agg(k.key order by k.key), array_agg(k.count order by k.key)
    from keyed k
    group by k.tenant_id, k.service_name, k.metric_name, k.tags, k.bucket
    on conflict (tenant_id, service_name, metric_name, bucket, tags_hash) do update set
      count = excluded.count, sum = excluded.sum, min = excluded.min, max = excluded.max,
      last = excluded.last, last_at = excluded.last_at,
      sketch_keys = excluded.sketch_keys, sketch_counts = excluded.sketch_counts
    returning 1
  )
  select count(*) from made;
end;

comment on function ops.roll_up_metrics(timestamptz, timestamptz) is 'Makes the rollups of a minute from the points of whole minutes that are over, or makes them anew; returns how many. To be called in the order of time. LTM08 when the range is not of whole minutes, or not over.';
grant execute on function ops.roll_up_metrics(timestamptz, timestamptz) to :WORKER;
