--! Previous: sha1:9eed28022ee3b7f099d80213ef06daa384c33144
--! Hash: sha1:65b7e71e0fce95155bb907095c7bc00c73caec4a
--! Message: rollups-2

-- Rolling up goes once from the oldest to the newest of what has changed: points that came late without a pause kept it at
-- the same minute for ever, and nothing was merged.

drop function ops.roll_up_minutes(timestamptz, integer);
drop function ops.merge_hours(timestamptz, integer);
drop function ops.merge_days(timestamptz, integer);
drop function ops.due_metric_buckets(text, interval, timestamptz, integer);
--! Included ops/functions/due_metric_buckets.sql
-- The oldest buckets from `since` on that a rollup lacks and that are over by `until`, each once, out of a stretch of
-- `how_many`. Steps from one to the next by the index: a minute has as many notes as statements wrote into it.
create or replace function ops.due_metric_buckets(
  resolution text,
  width interval,
  since timestamptz,
  until timestamptz,
  how_many integer
) returns timestamptz[]
language sql stable
begin atomic
  with recursive stretch as materialized (
    select
      min(c.bucket) as first,
      least(
        min(c.bucket) + due_metric_buckets.width * due_metric_buckets.how_many,
        date_bin(due_metric_buckets.width, due_metric_buckets.until, '2001-01-01 00:00:00Z')
      ) as ending
    from ops.metric_changes c
    where c.resolution = due_metric_buckets.resolution and c.bucket >= due_metric_buckets.since
  ),
  due as (
    select s.first as bucket from stretch s where s.first < s.ending
    union all
    select (
      select min(c.bucket)
      from ops.metric_changes c
      where c.resolution = due_metric_buckets.resolution and c.bucket > d.bucket and c.bucket < (select s.ending from stretch s)
    )
    from due d
    where d.bucket is not null
  )
  select coalesce(array_agg(d.bucket order by d.bucket), '{}') from due d where d.bucket is not null;
end;

comment on function ops.due_metric_buckets(text, interval, timestamptz, timestamptz, integer) is 'The oldest buckets from `since` on that a rollup (minute, hour, day) lacks and that are over by `until`, out of a stretch of `how_many`.';
grant execute on function ops.due_metric_buckets(text, interval, timestamptz, timestamptz, integer) to :WORKER, :OPERATOR;
--! EndIncluded ops/functions/due_metric_buckets.sql
--! Included ops/functions/roll_up_minutes.sql
-- Rolls up the oldest minutes that are over by `until` and have changed, of all tenants, out of a stretch of `how_many`.
-- Killed anywhere, it has done all or nothing. One at a time: who finds the row of ops.metric_rollups locked does nothing,
-- and answers null. Runs as the worker.
create or replace function ops.roll_up_minutes(
  until timestamptz default now(),
  how_many integer default 60,
  since timestamptz default '-infinity',
  out buckets integer,
  out next timestamptz
)
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_minutes timestamptz[];
begin
  update ops.metric_rollups r set rolled_up_at = clock_timestamp()
  where r.resolution = (
    select l.resolution from ops.metric_rollups l where l.resolution = 'minute' for update skip locked
  );
  if not found then
    return;
  end if;
  v_minutes := ops.due_metric_buckets(
    'minute', '1 minute', roll_up_minutes.since, roll_up_minutes.until, roll_up_minutes.how_many
  );
  buckets := cardinality(v_minutes);
  if buckets = 0 then
    return;
  end if;
  next := v_minutes[buckets] + interval '1 minute';

  perform ops.make_metrics_minute(v_minutes);
end
$$;

comment on function ops.roll_up_minutes(timestamptz, integer, timestamptz) is 'Rolls up the oldest `how_many` minutes that are over by `until` and have changed, from `since` on. Gives how many they were (0, there are none; null, somebody else is at it) and from where to go on: whoever goes on from there comes to an end however fast points come late.';
grant execute on function ops.roll_up_minutes(timestamptz, integer, timestamptz) to :WORKER;
--! EndIncluded ops/functions/roll_up_minutes.sql
--! Included ops/functions/merge_hours.sql
-- Merges the rollups of a minute into those of an hour, for the oldest hours that are over by `until` and have changed:
-- sketches merge by adding up. Otherwise as ops.roll_up_minutes.
create or replace function ops.merge_hours(
  until timestamptz default now(),
  how_many integer default 24,
  since timestamptz default '-infinity',
  out buckets integer,
  out next timestamptz
)
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_hours timestamptz[];
begin
  update ops.metric_rollups r set rolled_up_at = clock_timestamp()
  where r.resolution = (
    select l.resolution from ops.metric_rollups l where l.resolution = 'hour' for update skip locked
  );
  if not found then
    return;
  end if;
  v_hours := ops.due_metric_buckets('hour', '1 hour', merge_hours.since, merge_hours.until, merge_hours.how_many);
  buckets := cardinality(v_hours);
  if buckets = 0 then
    return;
  end if;
  next := v_hours[buckets] + interval '1 hour';

  with ended as (
    delete from ops.metric_changes c where c.resolution = 'hour' and c.bucket = any (v_hours)
    returning c.tenant_id, c.bucket
  ),
  changed as materialized (
    select distinct e.tenant_id, e.bucket from ended e
  ),
  source as materialized (
    select m.*, c.bucket as merged
    from changed c
    join app_public.metrics_minute m
      on m.tenant_id = c.tenant_id and date_bin('1 hour', m.bucket, '2001-01-01 00:00:00Z') = c.bucket
    -- By the index of time, which is small.
    where m.bucket >= v_hours[1] and m.bucket < v_hours[cardinality(v_hours)] + interval '1 hour'
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
end
$$;

comment on function ops.merge_hours(timestamptz, integer, timestamptz) is 'Merges the minutes of the oldest `how_many` hours that are over by `until` and have changed, from `since` on. Gives how many they were (0, there are none; null, somebody else is at it) and from where to go on: whoever goes on from there comes to an end however fast points come late.';
grant execute on function ops.merge_hours(timestamptz, integer, timestamptz) to :WORKER;
--! EndIncluded ops/functions/merge_hours.sql
--! Included ops/functions/merge_days.sql
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
--! EndIncluded ops/functions/merge_days.sql
