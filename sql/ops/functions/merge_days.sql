-- Merges the rollups of an hour into those of a day (of UTC), for the oldest days that are over by `until` and have changed.
-- Otherwise as ops.merge_hours.
create or replace function ops.merge_days(
  until timestamptz default now(),
  how_many integer default 7,
  since timestamptz default '-infinity',
  out buckets integer,
  out next timestamptz
)
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_days timestamptz[];
  v_made bigint;
begin
  update ops.metric_rollups r set rolled_up_at = clock_timestamp()
  where r.resolution = (
    select l.resolution from ops.metric_rollups l where l.resolution = 'day' for update skip locked
  );
  if not found then
    return;
  end if;
  v_days := ops.due_metric_buckets('day', '24 hours', merge_days.since, merge_days.until, merge_days.how_many);
  buckets := cardinality(v_days);
  if buckets = 0 then
    return;
  end if;
  next := v_days[buckets] + interval '24 hours';

  with ended as (
    delete from ops.metric_changes c where c.resolution = 'day' and c.bucket = any (v_days)
    returning c.tenant_id, c.bucket
  ),
  changed as materialized (
    select distinct e.tenant_id, e.bucket from ended e
  ),
  source as materialized (
    select m.*, c.bucket as merged
    from changed c
    join app_public.metrics_hour m
      on m.tenant_id = c.tenant_id and date_bin('24 hours', m.bucket, '2001-01-01 00:00:00Z') = c.bucket
    -- By the index of time, which is small.
    where m.bucket >= v_days[1] and m.bucket < v_days[cardinality(v_days)] + interval '24 hours'
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
    join sketches k using (tenant_id, service_name, metric_name, tags_hash, merged)
    on conflict (tenant_id, service_name, metric_name, bucket, tags_hash) do update set
      count = excluded.count, sum = excluded.sum, min = excluded.min, max = excluded.max,
      last = excluded.last, last_at = excluded.last_at,
      sketch_keys = excluded.sketch_keys, sketch_counts = excluded.sketch_counts
    returning 1
  )
  select count(*) into v_made from made;
end
$$;

comment on function ops.merge_days(timestamptz, integer, timestamptz) is 'Merges the hours of the oldest `how_many` days that are over by `until` and have changed, from `since` on. Gives how many they were (0, there are none; null, somebody else is at it) and from where to go on: whoever goes on from there comes to an end however fast points come late.';
grant execute on function ops.merge_days(timestamptz, integer, timestamptz) to :WORKER;
