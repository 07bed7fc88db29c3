--! Previous: sha1:8f49ad422afd1e49cd14382f110cdee8a2ddf468
--! Hash: sha1:987103cced72c554f1cad331f8b1733b3c9a9c52
--! Message: quarantine

-- What one tenant sends stops nobody else's jobs: sums that cannot fail, and a quarantine for what a job cannot do.

-- What jobs set aside of single tenants. No foreign key to tenants: who sets something aside must not fail over it.
create table ops.quarantined_items (
  task text not null,
  tenant_id text collate "C" not null,
  item text not null,
  code text not null,
  reason text not null,
  failures integer not null default 1,
  first_failed_at timestamptz not null default clock_timestamp(),
  last_failed_at timestamptz not null default clock_timestamp(),
  retry_at timestamptz not null default clock_timestamp() + interval '1 minute',
  constraint quarantined_items_pkey primary key (task, tenant_id, item)
);

-- Null where it is beyond a double: readers' and the worker's statements must not fail over it.
alter table app_public.metrics_minute alter column sum drop not null;
alter table app_public.metrics_hour alter column sum drop not null;
alter table app_public.metrics_day alter column sum drop not null;

-- Each tenant's part of what has no embedding is read in turn. It locks out writers while it is built.
drop index app_public.knowledge_created_at_idx;
create index knowledge_created_at_idx on app_public.knowledge (tenant_id, created_at)
  where embedding is null and embedding_error is null;

drop function ops.roll_up_minutes(timestamptz, integer, timestamptz);
drop function ops.merge_hours(timestamptz, integer, timestamptz);
drop function ops.merge_days(timestamptz, integer, timestamptz);
drop function ops.make_metrics_minute(timestamptz[]);

--! Included ops/policies/quarantined_items.sql
alter table ops.quarantined_items enable row level security, force row level security;

-- manage_owner, select_operator and select_worker stand in cross_tenant_policies.sql.

revoke all on ops.quarantined_items from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.quarantined_items to :OPERATOR, :WORKER;
-- No insert, update or delete for anybody: ops.quarantine_item and ops.release_items keep it.
--! EndIncluded ops/policies/quarantined_items.sql
--! Included ops/functions/quarantine_item.sql
-- Sets one tenant's item aside, with the reason, so that a job goes on with everybody else's. It is tried again after a
-- minute, then after twice as long each time, up to an hour (ops.quarantined), and ops.check_quarantined_items tells operators.
-- The one way to set anything aside, for functions (in an exception handler) and for jobs in TypeScript.
--
-- False: the error is not the item's, and the caller raises it: the server is shutting down or cannot write, a connection
-- or a timeout ended the statement. Whoever was in the way (40, 55) will not be the next time: true, without a note.
-- Definer: nobody writes the table by hand.
create or replace function ops.quarantine_item(task text, tenant_id text, item text, code text, reason text) returns boolean
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  if code ~ '^(08|57|58|531|533)' then
    return false;
  elsif code ~ '^(40|55)' then
    return true;
  end if;
  insert into ops.quarantined_items as q (task, tenant_id, item, code, reason)
  values (
    quarantine_item.task, quarantine_item.tenant_id, quarantine_item.item, quarantine_item.code, left(quarantine_item.reason, 1000)
  )
  on conflict on constraint quarantined_items_pkey do update
  set
    code = excluded.code, reason = excluded.reason, failures = q.failures + 1, last_failed_at = clock_timestamp(),
    retry_at = clock_timestamp() + least(interval '1 hour', interval '1 minute' * 2 ^ least(q.failures, 6));
  return true;
end
$$;

comment on function ops.quarantine_item(text, text, text, text, text) is 'Sets one tenant''s item aside for a task, with the SQLSTATE and the message of its error; it is tried again with growing pauses. False: the error is not the item''s.';
grant execute on function ops.quarantine_item(text, text, text, text, text) to :WORKER;
--! EndIncluded ops/functions/quarantine_item.sql
--! Included ops/functions/quarantined.sql
-- The items that a task leaves out for now. A function of one query without `set`, so that it is inlined.
create or replace function ops.quarantined(task text) returns table (tenant_id text, item text)
language sql stable
begin atomic
  select q.tenant_id, q.item
  from ops.quarantined_items q
  where q.task = quarantined.task and q.retry_at > now();
end;

comment on function ops.quarantined(text) is 'The items that a task leaves out until it is time to try them again.';
grant execute on function ops.quarantined(text) to :WORKER;
--! EndIncluded ops/functions/quarantined.sql
--! Included ops/functions/release_items.sql
-- Forgets the items of a task that were to be tried again before a time and have not failed since: they succeeded, or are
-- not there any more. A job calls it at the end of a run, with the time at which the run began. Returns their number.
-- Definer: nobody writes the table by hand.
create or replace function ops.release_items(task text, before timestamptz) returns integer
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_count integer;
begin
  delete from ops.quarantined_items q where q.task = release_items.task and q.retry_at <= release_items.before;
  get diagnostics v_count = row_count;
  return v_count;
end
$$;

comment on function ops.release_items(text, timestamptz) is 'Forgets the items of a task that were due to be tried again by a time, and have not failed since. Returns their number.';
grant execute on function ops.release_items(text, timestamptz) to :WORKER;
--! EndIncluded ops/functions/release_items.sql
--! Included ops/views/check_quarantined_items.sql
-- What a job sets aside of a tenant, a line for each of both: it goes on with everybody else's.
create or replace view ops.check_quarantined_items with (security_barrier) as
select
  format('%s of tenant %s', q.task, q.tenant_id) as subject,
  'error'::text as severity,
  format(
    '%s sets %s of tenant %s aside since %s: %s failed with %s: %s', q.task,
    case when count(*) = 1 then 'an item' else count(*) || ' items' end, q.tenant_id,
    to_char(min(q.first_failed_at) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
    (array_agg(q.item order by q.last_failed_at desc))[1], (array_agg(q.code order by q.last_failed_at desc))[1],
    (array_agg(q.reason order by q.last_failed_at desc))[1]
  ) as message,
  jsonb_build_object(
    'task', q.task, 'tenant', q.tenant_id, 'count', count(*), 'items',
    to_jsonb((array_agg(q.item order by q.last_failed_at desc))[1:20])
  ) as details
from ops.quarantined_items q
group by q.task, q.tenant_id;

comment on view ops.check_quarantined_items is 'A check of ops.check_alerts. What jobs set aside, by task and tenant.';
revoke all on ops.check_quarantined_items from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.check_quarantined_items to :OPERATOR, :WORKER;
--! EndIncluded ops/views/check_quarantined_items.sql
--! Included ops/functions/metric_item.sql
-- What ops.quarantined_items calls a bucket of a rollup.
create or replace function ops.metric_item(resolution text, bucket timestamptz) returns text
language sql stable
return resolution || pg_catalog.to_char(bucket at time zone 'UTC', ' YYYY-MM-DD HH24:MI"Z"');

comment on function ops.metric_item(text, timestamptz) is 'The name of a bucket of a rollup among quarantined items: `minute 2026-11-29 12:03Z`.';
grant execute on function ops.metric_item(text, timestamptz) to :WORKER, :OPERATOR;
--! EndIncluded ops/functions/metric_item.sql
--! Included app_private/functions/metric_key_value.sql
-- The value that stands for a bucket of a sketch: 2 / (1.0202 + 1) = 0.99 of its upper end is within one per cent of all of
-- it. The ends of what a double holds would overflow by a rounding error, hence `least` and `greatest`.
create or replace function app_private.metric_key_value(key integer) returns double precision
language sql immutable parallel safe
return case
  when key = 0 then 0
  else pg_catalog.sign(key) * 0.99 * pg_catalog.exp(
    greatest(-744::double precision, least(709.7827128::double precision, (pg_catalog.abs(key) - 37500) * 0.0200006667066695))
  )
end;

comment on function app_private.metric_key_value(integer) is 'The value that stands for a bucket of a sketch, within one per cent of each value in it.';
grant execute on function app_private.metric_key_value(integer) to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
--! EndIncluded app_private/functions/metric_key_value.sql
--! Included app_private/functions/metric_sum.sql
-- A sum of doubles that may be beyond a double, for which it is null: Postgres' own sum raises, and would do so for a whole
-- table. It is given in two parts, neither of which can overflow: the sum of what is within 1e280, and that of the rest by
-- 2^100, to lose nothing. What is summed up of sums that were beyond (infinite here) is beyond, too.
create or replace function app_private.metric_sum(small double precision, large double precision) returns double precision
language sql immutable parallel safe
return case
  when large is null then small
  when pg_catalog.abs(large + case when pg_catalog.abs(small) > 1e200 then small / pg_catalog.power(2, 100) else 0 end)
    < pg_catalog.power(2, 924)
  then
    (large + case when pg_catalog.abs(small) > 1e200 then small / pg_catalog.power(2, 100) else 0 end) * pg_catalog.power(2, 100)
end;

comment on function app_private.metric_sum(double precision, double precision) is 'The sum of doubles within 1e280, and of others by 2^100; null where it is beyond a double.';
grant execute on function app_private.metric_sum(double precision, double precision)
  to :MEMBER, :SERVICE, :ADMIN, :ANALYST, :WORKER;
--! EndIncluded app_private/functions/metric_sum.sql
--! Included app_private/functions/metric_quotient.sql
-- A sum by a number of points or seconds. Where Postgres' own division raises an overflow it is null, as such a sum is; where it
-- raises an underflow, nearer to zero than any double, it is zero. The ends of what a double holds are 1.8e308 and 4.9e-324.
create or replace function app_private.metric_quotient(dividend double precision, divisor double precision)
returns double precision
language sql immutable parallel safe
return case
  when divisor < 1 and pg_catalog.abs(dividend) > divisor * 1.7976931348623157e308 then null
  when divisor <= 1 then dividend / divisor
  when pg_catalog.abs(dividend) < divisor * '5e-324'::double precision then 0
  else dividend / divisor
end;

comment on function app_private.metric_quotient(double precision, double precision) is 'A sum of values by a number of points or seconds; null where it is beyond a double, zero where it is nearer to zero than any.';
grant execute on function app_private.metric_quotient(double precision, double precision)
  to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
--! EndIncluded app_private/functions/metric_quotient.sql
--! Included app_private/functions/metric_rows.sql
-- The points of a range, or the rollups that stand for them (metric_sources). With `by_key` a rollup gives a row per bucket
-- of its sketch, of which only key, count, min and max mean something; without, the key is null. A sum that a rollup has not,
-- for it is beyond a double, is infinite (metric_sum). A filter that lets everything
-- through is left out by the planner: to ask it of every point took a quarter of an average.
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
  -- Materialized: what joins the tables are plain columns, which row-level security lets into an index condition.
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
--! EndIncluded app_private/functions/metric_rows.sql
--! Included app_public/functions/metric_series.sql
-- A series in buckets, gaps included, from points or rollups (app_private.metric_rows). Percentiles come from sketches in
-- both cases, so that they do not jump when points are rolled up.
create or replace function app_public.metric_series(
  service text,
  metric text,
  "from" timestamptz,
  "to" timestamptz,
  bucket interval default null,
  aggregate text default 'avg',
  tags jsonb default '{}',
  group_by text default null,
  fill text default 'null'
) returns table (bucket_start timestamptz, tag_value text, value double precision, points bigint)
language sql stable
begin atomic
  with request as materialized (
    select q.range_start, q.range_end, q.bucket, q.fraction
    from app_private.metric_request(
      metric_series."from", metric_series."to", metric_series.bucket, metric_series.aggregate, metric_series.fill,
      metric_series.tags
    ) q
  ),
  -- A row per bucket and group; of a percentile, per key of the sketch, too.
  keyed as (
    select
      date_bin(q.bucket, r.at, '2001-01-01 00:00:00Z') as bucket_start,
      r.tags ->> metric_series.group_by as tag_value,
      r.key,
      -- Exact up to 2^53; a sum of bigints is numeric, which is slow.
      sum(r.count::double precision) as points,
      app_private.metric_sum(
        sum(r.sum) filter (where abs(r.sum) <= 1e280), sum(r.sum / power(2, 100)) filter (where abs(r.sum) > 1e280)
      ) as total,
      min(r.min) as least,
      max(r.max) as most,
      -- Arrays are compared from the left.
      max(case when metric_series.aggregate = 'last' then array[extract(epoch from r.last_at), r.last] end) as last
    from request q
    cross join lateral app_private.metric_rows(
      metric_series.service, metric_series.metric, q.range_start, q.range_end, q.bucket, metric_series.tags,
      q.fraction is not null
    ) r
    -- All of them, as constants (metric_reach).
    where r.at >= lower(app_private.metric_reach(metric_series."from", metric_series."to", metric_series.bucket))
      and r.at < upper(app_private.metric_reach(metric_series."from", metric_series."to", metric_series.bucket))
    group by 1, 2, 3
  ),
  ranked as (
    select
      k.*,
      -- Each key is there once, so rows are as good as a range, and need no look at the next one.
      sum(k.points) over (
        partition by k.bucket_start, k.tag_value order by k.key rows unbounded preceding
      ) as points_up_to
    from keyed k
  ),
  filled as (
    select
      r.bucket_start, r.tag_value, sum(r.points)::bigint as points,
      case metric_series.aggregate
        when 'avg' then app_private.metric_quotient(sum(r.total), sum(r.points))
        when 'sum' then sum(r.total)
        when 'rate' then app_private.metric_quotient(
          sum(r.total), (select extract(epoch from q.bucket)::double precision from request q)
        )
        when 'count' then sum(r.points)
        when 'min' then min(r.least)
        when 'max' then max(r.most)
        when 'last' then (max(r.last))[2]
        else greatest(
          min(r.least),
          least(
            max(r.most),
            app_private.metric_key_value(
              -- The first key up to which there are more points than the fraction of all.
              (array_agg(r.key order by r.key))[
                1 + width_bucket(
                  (select q.fraction from request q) * (max(r.points_up_to) - 1), array_agg(r.points_up_to order by r.key)
                )
              ]
            )
          )
        )
      end as value
    from ranked r
    group by r.bucket_start, r.tag_value
  ),
  groups as (
    select distinct f.tag_value from filled f
    union
    select null where metric_series.group_by is null
  ),
  series as (
    select
      s.bucket_start, g.tag_value, coalesce(f.points, 0) as points,
      -- A sum beyond a double is null, and no gap.
      case
        when f.points is not null then f.value
        when metric_series.fill = 'zero' or metric_series.aggregate in ('sum', 'rate', 'count') then 0
      end as value
    from request q
    cross join lateral generate_series(q.range_start, q.range_end - interval '1 microsecond', q.bucket) s(bucket_start)
    cross join groups g
    left join filled f on f.bucket_start = s.bucket_start and f.tag_value is not distinct from g.tag_value
  ),
  -- Each gap in one group with the last bucket before it that has points.
  runs as (
    select
      s.*, count(*) filter (where s.points > 0) over (partition by s.tag_value order by s.bucket_start) as run
    from series s
  )
  select
    r.bucket_start, r.tag_value,
    case
      when metric_series.fill = 'previous'
        then first_value(r.value) over (partition by r.tag_value, r.run order by r.bucket_start)
      else r.value
    end,
    r.points
  from runs r
  order by r.tag_value, r.bucket_start;
end;

comment on function app_public.metric_series(text, text, timestamptz, timestamptz, interval, text, jsonb, text, text) is
  E'A metric of a service over time, in buckets. `from` and `to` are widened to whole buckets, counted from midnight UTC (a week''s from Monday); without a `bucket` it is chosen to give at most 200. `aggregate` is avg, sum, min, max, count, rate (sum per second), last or a percentile such as p95 or p99.9 (right to one per cent). `tags` keeps to points that have all of these tags; `group_by` names a tag, each value of which has a series of its own (null: points without it). Buckets without points are there: count, sum and rate are 0, others as `fill` says: null, zero or previous (the value of the last bucket before). A sum beyond a double is null, and so are avg and rate. Reads points or rollups, whichever has them coarsest. LTM02 no range, LTM03 bucket, LTM04 aggregate, LTM05 tags, LTM06 fill.';
grant execute on function app_public.metric_series(text, text, timestamptz, timestamptz, interval, text, jsonb, text, text)
  to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
--! EndIncluded app_public/functions/metric_series.sql
--! Included app_public/policies/metrics.sql
alter table app_public.metrics enable row level security, force row level security;

-- Everybody of a tenant reads its metrics.
drop policy if exists select_tenant on app_public.metrics;
create policy select_tenant on app_public.metrics for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- Programs measure; people do not.
drop policy if exists insert_service on app_public.metrics;
create policy insert_service on app_public.metrics for insert to :SERVICE, :ADMIN
  with check (tenant_id = (select app_private.current_tenant_id()));

-- What is not kept any longer goes, of one tenant at a time, the one that the worker names: ops.expire_rows.
drop policy if exists delete_worker on app_public.metrics;
create policy delete_worker on app_public.metrics for delete to :WORKER
  using (tenant_id = (select app_private.retention_tenant_id()));

revoke all on app_public.metrics from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.metrics to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
-- It rolls points up: ops.roll_up_metrics.
grant select on app_public.metrics to :WORKER;
-- What is not kept any longer: ops.expire_rows.
grant delete on app_public.metrics to :WORKER;
-- No insert of id: it is the database's. No update and no delete for anybody of a tenant: a measurement stands until it expires.
grant insert (tenant_id, service_name, metric_name, value, tags, "timestamp") on app_public.metrics to :SERVICE, :ADMIN;
-- The partitions have no grants and no policies: nobody but the owner can name one.
--! EndIncluded app_public/policies/metrics.sql
--! Included ops/functions/due_metric_buckets.sql
-- The oldest buckets from `since` on that a rollup lacks and that are over by `until`, each once, out of a stretch of
-- `how_many`; not those that are set aside. Steps from one to the next by the index: a minute has as many notes as statements wrote into it.
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
      and (c.tenant_id, ops.metric_item(c.resolution, c.bucket)) not in (select * from ops.quarantined('roll_up_metrics'))
  ),
  due as (
    select s.first as bucket from stretch s where s.first < s.ending
    union all
    select (
      select min(c.bucket)
      from ops.metric_changes c
      where c.resolution = due_metric_buckets.resolution and c.bucket > d.bucket and c.bucket < (select s.ending from stretch s)
        and (c.tenant_id, ops.metric_item(c.resolution, c.bucket)) not in (select * from ops.quarantined('roll_up_metrics'))
    )
    from due d
    where d.bucket is not null
  )
  select coalesce(array_agg(d.bucket order by d.bucket), '{}') from due d where d.bucket is not null;
end;

comment on function ops.due_metric_buckets(text, interval, timestamptz, timestamptz, integer) is 'The oldest buckets from `since` on that a rollup (minute, hour, day) lacks and that are over by `until`, out of a stretch of `how_many`.';
grant execute on function ops.due_metric_buckets(text, interval, timestamptz, timestamptz, integer) to :WORKER, :OPERATOR;
--! EndIncluded ops/functions/due_metric_buckets.sql
--! Included ops/functions/make_metrics_minute.sql
-- Makes the rollups of these minutes anew from all of their points, for the tenants that ops.metric_changes names (of them
-- one, or all: null), ends the notes and notes the hours: one statement and so of one snapshot. Points that are committed
-- later have notes of their own. Parsed ahead, because the worker may not name what is in app_private.
create or replace function ops.make_metrics_minute(minutes timestamptz[], tenant text) returns void
language sql volatile
-- The tenant's points of a minute are a stretch of the primary key: one look into the index for each. The planner does not
-- know how many notes there are, and would read whole days.
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
    -- Of a time whose points are being removed nothing is made any more: there may be half of them.
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
grant execute on function ops.make_metrics_minute(timestamptz[], text) to :WORKER;
--! EndIncluded ops/functions/make_metrics_minute.sql
--! Included ops/functions/make_metrics_hour.sql
-- Merges the rollups of a minute into those of these hours, for the tenants that ops.metric_changes names (of them one, or
-- all: null): sketches merge by adding up. Otherwise as ops.make_metrics_minute.
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
    -- By the index of time, which is small.
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
grant execute on function ops.make_metrics_hour(timestamptz[], text) to :WORKER;
--! EndIncluded ops/functions/make_metrics_hour.sql
--! Included ops/functions/make_metrics_day.sql
-- Merges the rollups of an hour into those of these days (of UTC). Otherwise as ops.make_metrics_hour.
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
    -- By the index of time, which is small.
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
grant execute on function ops.make_metrics_day(timestamptz[], text) to :WORKER;
--! EndIncluded ops/functions/make_metrics_day.sql
--! Included ops/functions/make_metric_buckets.sql
-- Makes buckets of a rollup, of one tenant or of all (null), all or none.
create or replace function ops.make_metric_buckets(resolution text, buckets timestamptz[], tenant text) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  case resolution
    when 'minute' then perform ops.make_metrics_minute(buckets, tenant);
    when 'hour' then perform ops.make_metrics_hour(buckets, tenant);
    when 'day' then perform ops.make_metrics_day(buckets, tenant);
  end case;
end
$$;

comment on function ops.make_metric_buckets(text, timestamptz[], text) is 'Makes buckets of a rollup (minute, hour or day) anew, of one tenant or of all. For ops.make_metrics.';
grant execute on function ops.make_metric_buckets(text, timestamptz[], text) to :WORKER;
--! EndIncluded ops/functions/make_metric_buckets.sql
--! Included ops/functions/make_metrics.sql
-- Makes buckets of a rollup for all tenants in one statement; when that fails, tenant by tenant; of a tenant that fails,
-- bucket by bucket, and sets aside what cannot be made. The notes of what is set aside stay, so readers take its points.
create or replace function ops.make_metrics(resolution text, buckets timestamptz[]) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_tenant text;
  v_bucket timestamptz;
begin
  begin
    perform ops.make_metric_buckets(resolution, buckets, null);
    return;
  exception
    when others then null;
  end;

  for v_tenant in
    select distinct c.tenant_id
    from ops.metric_changes c
    where c.resolution = make_metrics.resolution and c.bucket = any (buckets)
    order by 1
  loop
    begin
      perform ops.make_metric_buckets(resolution, buckets, v_tenant);
      continue;
    exception
      when others then null;
    end;
    foreach v_bucket in array buckets loop
      begin
        perform ops.make_metric_buckets(resolution, array[v_bucket], v_tenant);
      exception
        when others then
          if not ops.quarantine_item(
            'roll_up_metrics', v_tenant, ops.metric_item(resolution, v_bucket), sqlstate, sqlerrm
          ) then
            raise;
          end if;
      end;
    end loop;
  end loop;
end
$$;

comment on function ops.make_metrics(text, timestamptz[]) is 'Makes buckets of a rollup anew, for the tenants that ops.metric_changes names, and sets aside those that fail. For ops.roll_up_metrics.';
grant execute on function ops.make_metrics(text, timestamptz[]) to :WORKER;
--! EndIncluded ops/functions/make_metrics.sql
--! Included ops/functions/roll_up_metrics.sql
-- Makes the oldest buckets of a rollup that are over by `until` and have changed, of all tenants, out of a stretch of
-- `how_many`: minutes from points, hours from minutes, days from hours. Killed anywhere, it has done all or nothing. One at a
-- time for each rollup: whoever finds its row of ops.metric_rollups locked does nothing, and answers null. Runs as the worker.
create or replace function ops.roll_up_metrics(
  resolution text,
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
  v_width interval;
  v_due timestamptz[];
begin
  update ops.metric_rollups r set rolled_up_at = clock_timestamp()
  where r.resolution = (
    select l.resolution from ops.metric_rollups l where l.resolution = roll_up_metrics.resolution for update skip locked
  );
  if not found then
    return;
  end if;
  -- A day is 24 hours: one that is added in the session's time zone may have 23.
  v_width := case resolution when 'minute' then interval '1 minute' when 'hour' then interval '1 hour' else interval '24 hours' end;
  v_due := ops.due_metric_buckets(resolution, v_width, since, until, how_many);
  buckets := cardinality(v_due);
  if buckets = 0 then
    return;
  end if;
  next := v_due[buckets] + v_width;

  perform ops.make_metrics(resolution, v_due);
end
$$;

comment on function ops.roll_up_metrics(text, timestamptz, integer, timestamptz) is 'Rolls metrics up to minutes, hours or days (`resolution`): the oldest `how_many` that are over by `until` and have changed, from `since` on. What cannot be made of a tenant is set aside. Gives how many they were (0, there are none; null, somebody else is at it) and from where to go on: whoever goes on from there comes to an end however fast points come late.';
grant execute on function ops.roll_up_metrics(text, timestamptz, integer, timestamptz) to :WORKER;
--! EndIncluded ops/functions/roll_up_metrics.sql
--! Included ops/functions/close_metric_floors.sql
-- Closes what is refused, for removal: when everybody who may not have seen the new floor has ended, and everything below it
-- is rolled up, but for what is set aside: that would keep everybody's points for ever. Returns how many floors are left open.
create or replace function ops.close_metric_floors() returns integer
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  update ops.metric_floors f
  set closed_to = f.kept_from
  where f.closed_to < f.kept_from
    and pg_snapshot_xmin(pg_current_snapshot()) > f.moved_by
    and not exists (
      select
      from ops.metric_changes c
      where c.resolution = 'minute' and c.bucket < f.kept_from and (f.tenant_id is null or c.tenant_id = f.tenant_id)
        and (c.tenant_id, ops.metric_item('minute', c.bucket)) not in (
          select q.tenant_id, q.item from ops.quarantined_items q where q.task = 'roll_up_metrics'
        )
    );
  return (select count(*) from ops.metric_floors f where f.closed_to < f.kept_from);
end
$$;

comment on function ops.close_metric_floors() is 'Closes for removal what is refused and rolled up. Returns how many floors wait for a writer or for the rolling up.';
grant execute on function ops.close_metric_floors() to :WORKER;
--! EndIncluded ops/functions/close_metric_floors.sql
--! Included ops/functions/retention_cutoffs.sql
-- Before when something of a tenant goes (null: nothing does), under each policy; under those of no tenant with a null one.
-- Metrics go by whole days, and not before they are rolled up and merged; with `planned` as if they were.
--   by_rows  whether rows are deleted: not where the partition goes as a whole, for everybody at the same time
create or replace function ops.retention_cutoffs(at timestamptz default now(), planned boolean default false)
returns table (policy text, tenant_id text, older_than timestamptz, by_rows boolean)
language sql stable security definer
set search_path to pg_catalog, pg_temp
as $$
  with wanted as (
    select
      p.policy, t.id as tenant_id,
      case
        when p.policy like 'metrics.%'
          then date_bin('24 hours', retention_cutoffs.at - ops.retention_of(p.policy, t.id), '2001-01-01 00:00:00Z')
        else retention_cutoffs.at - ops.retention_of(p.policy, t.id)
      end as older_than
    from ops.retention_policies p
    join app_public.tenants t on p.by_tenant
    union all
    select p.policy, null, retention_cutoffs.at - p.keep from ops.retention_policies p where not p.by_tenant
  ),
  -- What has to be there still to be merged. Not for what is set aside: no partition could go, of anybody.
  changes as materialized (
    select c.tenant_id, c.resolution, c.bucket
    from ops.metric_changes c
    where not retention_cutoffs.planned
      and (c.tenant_id, ops.metric_item(c.resolution, c.bucket)) not in (
        select q.tenant_id, q.item from ops.quarantined_items q where q.task = 'roll_up_metrics'
      )
  ),
  limits as (
    select
      t.id as tenant_id,
      (
        select coalesce(max(f.closed_to), '-infinity')
        from ops.metric_floors f where f.tenant_id is null or f.tenant_id = t.id
      ) as closed_to,
      (
        select coalesce(min(c.bucket), 'infinity')
        from changes c where c.tenant_id = t.id and c.resolution in ('minute', 'hour')
      ) as hours_from,
      (select coalesce(min(c.bucket), 'infinity') from changes c where c.tenant_id = t.id) as days_from
    from app_public.tenants t
    where not retention_cutoffs.planned
  ),
  cut as (
    select
      w.policy, w.tenant_id,
      case
        when w.older_than is null or l.tenant_id is null then w.older_than
        when w.policy = 'metrics.raw' then least(w.older_than, l.closed_to)
        when w.policy = 'metrics.minute'
          then least(w.older_than, l.closed_to, date_bin('24 hours', l.hours_from, '2001-01-01 00:00:00Z'))
        when w.policy in ('metrics.hour', 'metrics.day')
          then least(w.older_than, l.closed_to, date_bin('24 hours', l.days_from, '2001-01-01 00:00:00Z'))
        else w.older_than
      end as older_than
    from wanted w
    left join limits l on l.tenant_id = w.tenant_id
  )
  select
    c.policy, c.tenant_id, c.older_than,
    c.policy not in ('metrics.raw', 'metrics.minute', 'metrics.hour')
      or c.older_than > min(c.older_than) over (partition by c.policy)
      or bool_or(c.older_than is null) over (partition by c.policy)
      or exists (select from ops.retention_holds h where h.policy = c.policy)
  from cut c
$$;

comment on function ops.retention_cutoffs(timestamptz, boolean) is 'Before when something of each tenant goes, under each policy; null: nothing does. With `planned` as if all metrics were rolled up.';
grant execute on function ops.retention_cutoffs(timestamptz, boolean) to :OPERATOR, :WORKER;
--! EndIncluded ops/functions/retention_cutoffs.sql
--! Included ops/functions/set_retention.sql
-- Sets how long something is kept, for every tenant or for one. What is made of something is kept at least as long as it:
-- otherwise late points would be rolled up to half of what there was.
create or replace function ops.set_retention(policy text, keep interval, tenant_id text default null) returns void
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_policy ops.retention_policies;
  v_broken record;
begin
  select p.* into v_policy from ops.retention_policies p where p.policy = set_retention.policy for update;
  if not found then
    raise exception 'there is no policy %', set_retention.policy
      using errcode = 'LTP01', hint = 'select policy, keep from ops.retention_policies;';
  end if;
  -- A time that is so long ago has to exist: one tenant's would end the retention of all.
  if keep < interval '1 hour' or keep > interval '1000 years' then
    raise exception '% cannot be kept for %', policy, keep
      using errcode = 'LTP02', hint = 'An hour is the least, 1000 years are the most; null is for ever.';
  end if;

  if set_retention.tenant_id is null then
    update ops.retention_policies p set keep = set_retention.keep where p.policy = set_retention.policy;
  elsif not v_policy.by_tenant then
    raise exception '% is of no tenant', policy using errcode = 'LTP03', hint = 'Leave the tenant out.';
  elsif not exists (select from app_public.tenants t where t.id = set_retention.tenant_id) then
    raise exception 'there is no tenant %', set_retention.tenant_id using errcode = 'LTT02';
  else
    insert into ops.retention_overrides as o (policy, tenant_id, keep)
    values (set_retention.policy, set_retention.tenant_id, set_retention.keep)
    on conflict on constraint retention_overrides_pkey do update set keep = excluded.keep;
  end if;

  select c.* into v_broken
  from app_public.tenants t
  cross join lateral (
    select s.finer, s.coarser, ops.retention_of(s.finer, t.id) as finer_keep, ops.retention_of(s.coarser, t.id) as coarser_keep,
      t.id as tenant_id
    from (
      values ('metrics.raw', 'metrics.minute'), ('metrics.minute', 'metrics.hour'), ('metrics.hour', 'metrics.day')
    ) s(finer, coarser)
  ) c
  where coalesce(c.finer_keep, 'infinity') > coalesce(c.coarser_keep, 'infinity')
  limit 1;
  if found then
    raise exception '% of % would be kept for %, and % for %', v_broken.finer, v_broken.tenant_id,
      coalesce(v_broken.finer_keep::text, 'ever'), v_broken.coarser, coalesce(v_broken.coarser_keep::text, 'ever')
      using errcode = 'LTP04', hint = 'What is made of it is kept as long, or longer: raw, minute, hour, day.';
  end if;
end
$$;

comment on function ops.set_retention(text, interval, text) is 'Sets how long something is kept, for all tenants or for one; null is for ever. LTP01 no such policy, LTP02 too short or too long, LTP03 not of tenants, LTP04 less than what it is made of, LTT02 no such tenant.';
grant execute on function ops.set_retention(text, interval, text) to :OPERATOR;
--! EndIncluded ops/functions/set_retention.sql
--! Included ops/functions/expire_leases.sql
-- Ends leases that are over, which the caller has locked, and goes on with the workflows of their tasks. All or none.
--
-- One statement for all tasks: the trigger that goes on with their workflows locks these in order, so that of two reapers
-- none waits for the other.
create or replace function ops.expire_leases(leases app_public.task_leases[]) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := clock_timestamp();
  v_found record;
begin
  delete from app_public.task_leases l
  using unnest(leases) e
  where l.tenant_id = e.tenant_id and l.task_id = e.task_id;
  insert into app_public.task_attempts (
    tenant_id, task_id, attempt, fencing_token, agent, claimed_at, ended_at, outcome, error, progress, note
  )
  select
    e.tenant_id, e.task_id, e.attempt, e.fencing_token, e.agent, e.claimed_at, v_now, 'expired',
    format('nothing was heard of %s since %s', e.agent, e.heartbeat_at), e.progress, e.note
  from unnest(leases) e;
  update app_public.tasks t
  set
    status = case when t.failures + 1 < t.max_attempts then 'pending' else 'dead' end,
    failures = t.failures + 1,
    error_message = format('nothing was heard of %s since %s', e.agent, e.heartbeat_at),
    completed_at = case when t.failures + 1 < t.max_attempts then null else v_now end
  from unnest(leases) e
  where t.tenant_id = e.tenant_id and t.id = e.task_id;

  -- The trigger goes on with the workflows of the caller's tenant; the worker has none.
  for v_found in
    select s.tenant_id, s.workflow_id
    from unnest(leases) e
    join app_public.workflow_steps s on s.tenant_id = e.tenant_id and s.task_id = e.task_id and s.status = 'running'
    group by s.tenant_id, s.workflow_id
    order by s.tenant_id, s.workflow_id
  loop
    perform ops.advance_workflow(v_found.tenant_id, v_found.workflow_id);
  end loop;
end
$$;

comment on function ops.expire_leases(app_public.task_leases[]) is 'Ends leases that are over, and goes on with the workflows of their tasks. For ops.reap_expired_leases, which locks them.';
grant execute on function ops.expire_leases(app_public.task_leases[]) to :WORKER;
--! EndIncluded ops/functions/expire_leases.sql
--! Included ops/functions/reap_expired_leases.sql
-- Takes back the tasks whose holders were not heard of in time: each waits again at once, in its old place, or is dead
-- when its attempts are used up. Leases that their holders are about to extend or end are left to them. However many one
-- tenant has, the oldest of every tenant are among those that are taken.
--
-- All in one statement; when that fails one by one, and what cannot be taken back is set aside. Returns how many were.
--
-- Invoker: the worker reaches every tenant's leases, claim_tasks (which calls it when nothing waits) those of its tenant.
create or replace function ops.reap_expired_leases(how_many integer default 1000) returns integer
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := clock_timestamp();
  v_leases app_public.task_leases[];
  v_lease app_public.task_leases;
  v_count integer := 0;
begin
  -- Idle agents ask this again and again: one look into the index.
  if not exists (select from app_public.task_leases l where l.expires_at <= v_now) then
    return 0;
  end if;
  v_leases := array(
    select l.lease
    from (
      select e.tenant_id, e.task_id, row_number() over (partition by e.tenant_id order by e.expires_at) as turn
      from app_public.task_leases e
      where e.expires_at <= v_now
        and (e.tenant_id, e.task_id::text) not in (select q.tenant_id, q.item from ops.quarantined('reap_leases') q)
      order by turn, e.expires_at
      limit how_many
    ) e
    -- Lateral: each is looked up by its key, however many there are that have not expired.
    cross join lateral (
      select l as lease
      from app_public.task_leases l
      where l.tenant_id = e.tenant_id and l.task_id = e.task_id and l.expires_at <= v_now
      for update of l skip locked
    ) l
  );
  if v_leases = '{}' then
    return 0;
  end if;

  begin
    perform ops.expire_leases(v_leases);
    return cardinality(v_leases);
  exception
    when others then null;
  end;

  -- In the order of locks (ops.lock_workflow).
  for v_lease in
    select l.*
    from unnest(v_leases) l
    join app_public.tasks t on t.tenant_id = l.tenant_id and t.id = l.task_id
    order by l.tenant_id, t.workflow_id, l.task_id
  loop
    begin
      perform ops.expire_leases(array[v_lease]);
      v_count := v_count + 1;
    exception
      when others then
        if not ops.quarantine_item('reap_leases', v_lease.tenant_id, v_lease.task_id::text, sqlstate, sqlerrm) then
          raise;
        end if;
    end;
  end loop;
  return v_count;
end
$$;
--! EndIncluded ops/functions/reap_expired_leases.sql
--! Included ops/functions/begin_workflow_step.sql
-- Makes the task of a step whose dependencies have ended, and says what the step is now: running, skipped, or failed
-- because its agent is not there, or its condition or task cannot be computed of what came before (a result that is too
-- large, say), which must not undo the work of the step before. The caller holds the workflow.
create or replace function ops.begin_workflow_step(workflow app_public.workflows, step app_public.workflow_steps)
returns text
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := clock_timestamp();
  v_inputs jsonb;
  v_template jsonb := step.definition -> 'task';
  v_status text;
  v_error text;
  v_task uuid;
begin
  select
    case
      when d.blocking is not null or d.skipped = cardinality(step.depends_on) and d.skipped > 0 then 'skipped'
    end,
    d.blocking
  into v_status, v_error
  from (
    select
      count(*) filter (where s.status = 'skipped') as skipped,
      -- A failure goes on through those that were skipped for it; those that were skipped by a condition have no error.
      (array_agg(
        case s.status when 'failed' then format('step %s failed: %s', s.key, s.error_message) else s.error_message end
        order by s.position
      ) filter (
        where s.status = 'failed' and s.on_failure = 'skip' or s.status = 'skipped' and s.error_message is not null
      ))[1] as blocking
    from app_public.workflow_steps s
    where s.tenant_id = workflow.tenant_id and s.workflow_id = workflow.id and s.key = any (step.depends_on)
  ) d;

  if v_status is null then
    begin
      with recursive earlier as (
        select k as key
        from unnest(step.depends_on) k
        union
        select k
        from earlier e
        join app_public.workflow_steps s on s.tenant_id = workflow.tenant_id and s.workflow_id = workflow.id and s.key = e.key
        cross join unnest(s.depends_on) k
      )
      select
        coalesce(
          jsonb_object_agg(
            s.key,
            jsonb_build_object('status', s.status)
              || case when s.status = 'completed' then jsonb_build_object('result', s.result) else '{}' end
              || case when s.error_message is null then '{}' else jsonb_build_object('error', s.error_message) end
          ),
          '{}'
        )
      into v_inputs
      from earlier e
      join app_public.workflow_steps s on s.tenant_id = workflow.tenant_id and s.workflow_id = workflow.id and s.key = e.key;

      if jsonb_typeof(step.definition -> 'condition') <> 'null'
        and not ops.workflow_condition_holds(step.definition -> 'condition', v_inputs)
      then
        v_status := 'skipped';
      else
        insert into app_public.tasks (
          tenant_id, description, priority, agent_id, required_capabilities, max_attempts, workflow_id, step_key, context
        )
        values (
          workflow.tenant_id, v_template ->> 'description', coalesce(v_template ->> 'priority', 'normal'),
          v_template ->> 'agent_id',
          array(
            select jsonb_array_elements_text(v_template -> 'capabilities')
            where jsonb_typeof(v_template -> 'capabilities') = 'array'
          ),
          -- Whole, but it may be written as 5.0.
          coalesce((step.definition ->> 'max_attempts')::numeric::integer, 5), workflow.id, step.key,
          case when jsonb_typeof(workflow.context) = 'object' then workflow.context else '{}' end
            || coalesce(nullif(v_template -> 'context', 'null'), '{}')
            || jsonb_build_object(
              'workflow', jsonb_build_object('id', workflow.id, 'step', step.key),
              'steps', v_inputs
            )
        )
        returning id into v_task;
        v_status := 'running';
      end if;
    exception
      when foreign_key_violation then
        v_status := 'failed';
        v_error := format('there is no agent %s', v_template ->> 'agent_id');
      -- What the values themselves make impossible. Anything else is not the step's: data exceptions, constraints, limits.
      when others then
        if sqlstate !~ '^(22|23|54)' then
          raise;
        end if;
        v_status := 'failed';
        v_error := format('it cannot be started: %s', left(sqlerrm, 1000));
    end;
  end if;

  update app_public.workflow_steps s
  set
    status = v_status,
    task_id = v_task,
    error_message = v_error,
    started_at = case when v_status <> 'skipped' then v_now end,
    completed_at = case when v_status <> 'running' then v_now end,
    timeout_at = case when v_status = 'running' then v_now + (step.definition ->> 'timeout')::interval end
  where s.tenant_id = workflow.tenant_id and s.workflow_id = workflow.id and s.key = step.key;
  return v_status;
end
$$;
--! EndIncluded ops/functions/begin_workflow_step.sql
--! Included ops/functions/workflow_condition_holds.sql
-- Whether a step's condition holds, given what the steps before it came to: {key: {status, result}}. What is not there
-- is null. Numbers are compared with numbers and texts with texts, byte by byte; anything else is neither more nor less.
create or replace function ops.workflow_condition_holds(condition jsonb, inputs jsonb) returns boolean
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_item jsonb;
  v_found jsonb;
  v_value jsonb := condition -> 'value';
  v_order integer;
begin
  if condition ? 'all' then
    for v_item in select jsonb_array_elements(condition -> 'all') loop
      if not ops.workflow_condition_holds(v_item, inputs) then
        return false;
      end if;
    end loop;
    return true;
  elsif condition ? 'any' then
    for v_item in select jsonb_array_elements(condition -> 'any') loop
      if ops.workflow_condition_holds(v_item, inputs) then
        return true;
      end if;
    end loop;
    return false;
  elsif condition ? 'not' then
    return not ops.workflow_condition_holds(condition -> 'not', inputs);
  elsif condition ? 'status' then
    return inputs #>> array[condition ->> 'step', 'status'] = condition ->> 'status';
  end if;

  v_found := coalesce(
    inputs #> (array[condition ->> 'step', 'result'] || array(select jsonb_array_elements_text(condition -> 'path'))),
    'null'
  );
  if condition ->> 'op' in ('gt', 'gte', 'lt', 'lte') then
    if jsonb_typeof(v_found) <> jsonb_typeof(v_value) then
      return false;
    elsif jsonb_typeof(v_value) = 'number' then
      -- A difference may be more than a number holds.
      v_order := case
        when (v_found #>> '{}')::numeric < (v_value #>> '{}')::numeric then -1
        when (v_found #>> '{}')::numeric > (v_value #>> '{}')::numeric then 1
        else 0
      end;
    else
      v_order := case
        when v_found #>> '{}' collate "C" < v_value #>> '{}' then -1
        when v_found #>> '{}' collate "C" > v_value #>> '{}' then 1
        else 0
      end;
    end if;
  end if;
  return case condition ->> 'op'
    when 'eq' then v_found = v_value
    when 'ne' then v_found <> v_value
    when 'gt' then v_order > 0
    when 'gte' then v_order >= 0
    when 'lt' then v_order < 0
    when 'lte' then v_order <= 0
    when 'in' then exists (select from jsonb_array_elements(v_value) e where e = v_found)
    when 'contains' then v_found @> v_value
    when 'exists' then v_found <> 'null'
  end;
end
$$;
--! EndIncluded ops/functions/workflow_condition_holds.sql
--! Included ops/functions/tend_workflows.sql
-- What the worker does for workflows every few seconds: ends the steps that took too long, and takes in what became of
-- tasks that somebody without a tenant ended (a superuser: the trigger sees no steps of theirs). A workflow that
-- somebody else is at is left for the next time, so this waits for nobody for long while it holds others. What fails is
-- set aside, and each tenant's oldest are among those that are looked at, however many another one has. Returns how many it
-- went on with.
create or replace function ops.tend_workflows(how_many integer default 100) returns integer
language plpgsql volatile
set search_path to pg_catalog, pg_temp
set lock_timeout to '50ms'
as $$
declare
  v_now timestamptz := clock_timestamp();
  v_found record;
  v_workflow app_public.workflows;
  v_tasks uuid[];
  v_count integer := 0;
begin
  for v_found in
    select d.tenant_id, d.workflow_id
    from (
      select
        s.tenant_id, s.workflow_id,
        row_number() over (partition by s.tenant_id order by min(s.timeout_at)) as turn, min(s.timeout_at) as timeout_at
      from app_public.workflow_steps s
      join app_public.workflows w on w.tenant_id = s.tenant_id and w.id = s.workflow_id
      join app_public.tasks t on t.tenant_id = s.tenant_id and t.id = s.task_id
      where s.status = 'running'
        and (
          s.timeout_at <= v_now and w.status = 'running'
          or t.status in ('completed', 'failed', 'dead', 'cancelled')
        )
        and (s.tenant_id, s.workflow_id::text) not in (select q.tenant_id, q.item from ops.quarantined('tend_workflows') q)
      group by s.tenant_id, s.workflow_id
    ) d
    order by d.turn, d.timeout_at
    limit how_many
  loop
    begin
      v_workflow := ops.lock_workflow(v_found.tenant_id, v_found.workflow_id);
      perform ops.advance_workflow(v_found.tenant_id, v_found.workflow_id);
      if v_workflow.status = 'running' then
        with late as (
          update app_public.workflow_steps s
          set
            status = 'failed', completed_at = v_now,
            error_message = format('it took longer than %s', s.definition ->> 'timeout')
          where s.tenant_id = v_found.tenant_id
            and s.workflow_id = v_found.workflow_id
            and s.status = 'running'
            and s.timeout_at <= v_now
          returning s.task_id
        )
        select coalesce(array_agg(l.task_id), '{}') into v_tasks from late l;
        perform ops.cancel_workflow_tasks(v_found.tenant_id, v_tasks, 'the step of the workflow took too long');
        perform ops.advance_workflow(v_found.tenant_id, v_found.workflow_id);
      end if;
      v_count := v_count + 1;
    exception
      when others then
        if not ops.quarantine_item('tend_workflows', v_found.tenant_id, v_found.workflow_id::text, sqlstate, sqlerrm) then
          raise;
        end if;
    end;
  end loop;
  return v_count;
end
$$;
--! EndIncluded ops/functions/tend_workflows.sql
--! Included app_public/functions/enqueue_tasks.sql
-- Invoker, as enqueue_task. One insert for all of them, so one statement for triggers and listeners.
create or replace function app_public.enqueue_tasks(tasks jsonb) returns setof app_public.tasks
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_known constant text[] := array[
    'description', 'context', 'priority', 'agent_id', 'run_after', 'max_attempts', 'required_capabilities', 'idempotency_key'
  ];
  v_problem record;
  v_ids uuid[];
  v_keys text[];
begin
  if tasks is null or jsonb_typeof(tasks) <> 'array' then
    raise exception 'invalid %: %', 'tasks', 'it is no array of objects'
      using errcode = 'LTQ05';
  end if;

  select * into v_problem
  from (
    select
      i.position,
      case
        when jsonb_typeof(i.item) <> 'object' then array['', 'it is no object']
        when i.item - v_known <> '{}'
          then array['.' || (select min(k) from jsonb_object_keys(i.item - v_known) k), 'there is no such property']
        when jsonb_typeof(i.item -> 'description') is distinct from 'string' or i.item ->> 'description' = ''
          then array['.description', 'it is no text or empty']
        when i.item ->> 'priority' not in ('low', 'normal', 'high', 'critical')
          then array['.priority', format('%s is none of low, normal, high, critical', i.item ->> 'priority')]
        when i.item ->> 'max_attempts' is not null
          and not (i.item -> 'max_attempts') @? '$ ? (@ >= 1 && @ <= 2147483647 && @ == @.floor())'
          then array['.max_attempts', format('%s is no whole number from 1 on', i.item ->> 'max_attempts')]
        when i.item ->> 'required_capabilities' is not null
          and (
            jsonb_typeof(i.item -> 'required_capabilities') <> 'array'
            or (i.item -> 'required_capabilities') @? '$[*] ? (@.type() != "string")'
          )
          then array['.required_capabilities', 'it is no array of texts']
        when jsonb_typeof(i.item -> 'idempotency_key') not in ('string', 'null')
          or length(i.item ->> 'idempotency_key') not between 1 and 200
          then array['.idempotency_key', 'it is no text of 1 to 200 characters']
        when jsonb_typeof(i.item -> 'run_after') <> 'null' and not pg_input_is_valid(i.item ->> 'run_after', 'timestamptz')
          then array['.run_after', format('%s is no time', i.item ->> 'run_after')]
        when i.item ->> 'agent_id' is not null
          and not exists (select from app_public.agents a where a.id = i.item ->> 'agent_id')
          then array['.agent_id', format('there is no agent %s', i.item ->> 'agent_id')]
      end as found
    from jsonb_array_elements(tasks) with ordinality i(item, position)
  ) p
  where p.found is not null
  order by p.position
  limit 1;
  if v_problem.found is not null then
    raise exception 'invalid %: %', format('tasks[%s]%s', v_problem.position - 1, v_problem.found[1]), v_problem.found[2]
      using errcode = 'LTQ05';
  end if;

  select array_agg(gen_random_uuid() order by i.position), array_agg(i.item ->> 'idempotency_key' order by i.position)
  into v_ids, v_keys
  from jsonb_array_elements(tasks) with ordinality i(item, position);

  insert into app_public.tasks (
    id, description, context, priority, agent_id, run_after, max_attempts, required_capabilities, idempotency_key
  )
  select
    v_ids[i.position], i.item ->> 'description', coalesce(nullif(i.item -> 'context', 'null'), '{}'),
    coalesce(i.item ->> 'priority', 'normal'), i.item ->> 'agent_id',
    -- A microsecond apart, so that they are claimed in their order.
    coalesce((i.item ->> 'run_after')::timestamptz, now() + i.position * interval '1 microsecond'),
    coalesce((i.item ->> 'max_attempts')::numeric::integer, 5),
    array(select jsonb_array_elements_text(nullif(i.item -> 'required_capabilities', 'null'))), i.item ->> 'idempotency_key'
  from jsonb_array_elements(tasks) with ordinality i(item, position)
  order by i.position
  on conflict (tenant_id, idempotency_key) where idempotency_key is not null do nothing;

  -- A statement of its own, so that it sees tasks that somebody else enqueued under the same keys at the same time.
  return query
  select t.*
  from unnest(v_ids, v_keys) with ordinality i(id, idempotency_key, position)
  cross join lateral (
    select t.* from app_public.tasks t where t.id = i.id
    union all
    select t.* from app_public.tasks t where t.idempotency_key = i.idempotency_key and t.id <> i.id
  ) t
  order by i.position;
end
$$;

comment on function app_public.enqueue_tasks(jsonb) is 'Adds many tasks to the queue: a JSON array of objects with the parameters of enqueue_task as properties, of which only description is needed. All or none. Returns a task for each, in their order; for an idempotency_key that there was already, the task of that key as it is. Errors: LTQ05 invalid argument, naming the place, such as tasks[3].priority.';
--! EndIncluded app_public/functions/enqueue_tasks.sql
--! Included app_public/functions/touch_session.sql
-- Lets a session live on from now: as long as it slides, or as long as is said.
create or replace function app_public.touch_session(session_id uuid, ttl interval default null) returns timestamptz
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_expires_at timestamptz;
begin
  if ttl < interval '1 second' or ttl > interval '1 year' then
    raise exception 'a session cannot be prolonged by %', ttl
      using errcode = 'LTU06', hint = 'One second to one year.';
  end if;
  update app_public.sessions s
  set expires_at = coalesce(
    least(now() + coalesce(touch_session.ttl, least(s.sliding_ttl, interval '1 year')), s.ends_at), s.expires_at
  )
  where s.id = touch_session.session_id and s.expires_at > now()
  returning s.expires_at into v_expires_at;
  if not found then
    raise exception 'there is no live session %', coalesce(session_id::text, 'null')
      using errcode = 'LTU07', hint = 'It was revoked, is over, or never was: open a new one.';
  end if;
  return v_expires_at;
end
$$;

comment on function app_public.touch_session(uuid, interval) is
  E'Prolongs a session from now by `ttl`, or, without one, as it slides (a session that does not slide stays as it is), and never beyond its `max_age`. Returns when it ends. LTU06 ttl, LTU07 no live session.';
grant execute on function app_public.touch_session(uuid, interval) to :SERVICE;
--! EndIncluded app_public/functions/touch_session.sql
--! Included app_private/functions/use_session.sql
-- The session that a token opens, wherever it is; nothing when it is unknown, over, or its tenant is locked out, and no
-- word about which. The same work is done for any text: one digest, one look-up by it. What is compared is the digest, so
-- that time tells nothing of the token.
--
-- Use prolongs a session that slides, when that is worth a write: once a tenth of its time has passed.
create or replace function app_private.use_session(token text) returns setof app_public.sessions
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_session app_public.sessions;
begin
  select s.* into v_session
  from app_public.sessions s
  join app_public.tenants t on t.id = s.tenant_id
  where s.token = app_private.token_digest(use_session.token)
    and s.expires_at > now()
    and t.suspended_at is null;

  if not found then
    return;
  end if;
  -- A year is the longest that create_session takes. A row that a service inserts may say what is beyond any time.
  if v_session.expires_at < least(now() + least(v_session.sliding_ttl, interval '1 year') * 0.9, v_session.ends_at) then
    update app_public.sessions s
    set expires_at = least(now() + least(s.sliding_ttl, interval '1 year'), s.ends_at)
    where s.tenant_id = v_session.tenant_id and s.id = v_session.id
    returning s.* into v_session;
    -- Ended in this moment.
    if not found then
      return;
    end if;
  end if;
  return next v_session;
end
$$;

comment on function app_private.use_session(text) is 'The live session that a token opens, in whichever tenant, prolonged if it slides; no row otherwise.';
--! EndIncluded app_private/functions/use_session.sql
--! Included app_public/comments.sql
comment on schema app_public is E'Agent Lightning DB\nThe state of AI agents. Every table is confined to one tenant by row-level security, and what is listed here follows the caller''s rights: without a token there is next to nothing.';

comment on table app_public.tenants is 'A tenant: one customer or team, whose data nobody else sees.';
comment on column app_public.tenants.id is 'A short name in lower case, e.g. `default`. Never changes.';
comment on column app_public.tenants.name is 'The name to show.';
comment on column app_public.tenants.suspended_at is 'Since when the tenant is locked out; null: it is not.';
comment on column app_public.tenants.created_at is 'When the tenant was made.';
comment on column app_public.tenants.updated_at is 'When the row last changed; kept by a trigger.';

comment on table app_public.agents is E'@unique id|@fieldName agent|@updateFieldName updateAgent|@deleteFieldName deleteAgent\nAn AI agent: who it is, which model it runs on and how it is set up.';
comment on column app_public.agents.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.agents.id is 'The agent''s id in its tenant, e.g. `full_stack_developer`.';
comment on column app_public.agents.name is 'The name to show.';
comment on column app_public.agents.model is 'The language model, e.g. `gpt-4o`.';
comment on column app_public.agents.specialization is 'What it is good at, in a word or two.';
comment on column app_public.agents.status is 'One of idle, busy, paused, offline, error.';
comment on column app_public.agents.config is 'Everything else about it: prompts, capabilities, limits.';
comment on column app_public.agents.created_at is 'When the agent was registered.';
comment on column app_public.agents.updated_at is 'When the row last changed; kept by a trigger.';

comment on table app_public.tasks is E'@unique id|@fieldName task|@updateFieldName updateTask|@deleteFieldName deleteTask\nA piece of work for an agent.';
comment on column app_public.tasks.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.tasks.id is 'The task''s id.';
comment on column app_public.tasks.agent_id is 'Which agent is to do it; null: whoever claims it, or the agent was removed.';
comment on column app_public.tasks.description is 'What is to be done.';
comment on column app_public.tasks.status is 'One of pending, assigned, running, completed, failed, cancelled, dead.';
comment on column app_public.tasks.priority is 'One of low, normal, high, critical.';
comment on column app_public.tasks.context is 'What the agent needs to know.';
comment on column app_public.tasks.result is 'What came out; null until it is completed.';
comment on column app_public.tasks.created_at is 'When the task was made.';
comment on column app_public.tasks.started_at is 'When work began, at the latest attempt.';
comment on column app_public.tasks.completed_at is 'When it ended, well or badly.';
comment on column app_public.tasks.error_message is 'Why it failed, the latest time, or why it was cancelled.';
comment on column app_public.tasks.required_capabilities is 'Only who has all of them may claim it.';
comment on column app_public.tasks.run_after is 'It is not claimed before.';
comment on column app_public.tasks.queue_at is 'Its place in the queue: run_after, put forward by 3 hours for critical, 1 hour for high, 20 minutes for normal. Kept by a trigger.';
comment on column app_public.tasks.attempt is 'How often it was claimed: the number of the latest attempt.';
comment on column app_public.tasks.failures is 'How many attempts failed or expired since it was made or retried.';
comment on column app_public.tasks.max_attempts is 'As many failures make it dead.';
comment on column app_public.tasks.workflow_id is 'The workflow of whose step it is the task; null: none, or the workflow was deleted.';
comment on column app_public.tasks.step_key is 'The step''s key in the workflow.';
comment on column app_public.tasks.idempotency_key is 'Enqueued again under the same key it stays one task. Unique in the tenant.';

comment on table app_public.task_leases is E'@unique task_id|@fieldName taskLease\nWho works on a task at the moment, and until when. Written by the functions of tasks only.';
comment on column app_public.task_leases.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.task_leases.task_id is 'The task.';
comment on column app_public.task_leases.fencing_token is 'Grows with every claim; every write of the task needs the current one.';
comment on column app_public.task_leases.attempt is 'Which attempt at the task it is, from 1.';
comment on column app_public.task_leases.agent is 'Who claimed it, as they call themselves.';
comment on column app_public.task_leases.lease is 'For how long each heartbeat extends it.';
comment on column app_public.task_leases.claimed_at is 'When it was claimed.';
comment on column app_public.task_leases.heartbeat_at is 'When something was heard last.';
comment on column app_public.task_leases.expires_at is 'When somebody else may have it.';
comment on column app_public.task_leases.progress is 'How far it is, from 0 to 1; null: nothing was said.';
comment on column app_public.task_leases.note is 'What its holder said last about it.';

comment on table app_public.task_attempts is 'What became of each time that a task was claimed. Written by the functions of tasks only.';
comment on column app_public.task_attempts.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.task_attempts.task_id is 'The task.';
comment on column app_public.task_attempts.attempt is 'Which attempt at the task it was, from 1.';
comment on column app_public.task_attempts.fencing_token is 'The token that it wrote with.';
comment on column app_public.task_attempts.agent is 'Who claimed it, as they call themselves.';
comment on column app_public.task_attempts.claimed_at is 'When it was claimed.';
comment on column app_public.task_attempts.ended_at is 'When it ended.';
comment on column app_public.task_attempts.outcome is 'One of completed, failed, expired, released, cancelled.';
comment on column app_public.task_attempts.error is 'Why it failed, expired or was cancelled.';
comment on column app_public.task_attempts.progress is 'How far it came, from 0 to 1; null: nothing was said.';
comment on column app_public.task_attempts.note is 'What its holder said last about it.';

comment on type app_public.claimed_task is 'A task as a claim gives it: with what is needed to work on it and to report back.';
comment on column app_public.claimed_task.task_id is 'The task''s id.';
comment on column app_public.claimed_task.fencing_token is 'To be given back with every call about this attempt.';
comment on column app_public.claimed_task.attempt is 'Which attempt it is, from 1.';
comment on column app_public.claimed_task.max_attempts is 'As many failures make it dead.';
comment on column app_public.claimed_task.expires_at is 'When somebody else may have it, unless heartbeat_task extends it.';
comment on column app_public.claimed_task.agent_id is 'Which agent is to do it; null: any.';
comment on column app_public.claimed_task.priority is 'One of low, normal, high, critical.';
comment on column app_public.claimed_task.description is 'What is to be done.';
comment on column app_public.claimed_task.context is 'What the agent needs to know.';
comment on column app_public.claimed_task.required_capabilities is 'What it takes to do it.';
comment on column app_public.claimed_task.created_at is 'When the task was made.';

comment on table app_public.knowledge is E'@unique id|@fieldName knowledge|@updateFieldName updateKnowledge|@deleteFieldName deleteKnowledge\nAn item of knowledge that agents look up, with an embedding to find it by meaning.';
comment on column app_public.knowledge.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.knowledge.id is 'The item''s id; a random one where none is given.';
comment on column app_public.knowledge.agent_id is 'Whose knowledge it is; null: everybody''s, or the agent was removed.';
comment on column app_public.knowledge.category is 'A word to group by.';
comment on column app_public.knowledge.content is 'The text itself.';
comment on column app_public.knowledge.source is 'Where it comes from: a file, an address, a whole quotation.';
comment on column app_public.knowledge.metadata is 'Anything else about it.';
comment on column app_public.knowledge.embedding is 'The content''s embedding, 1536 dimensions; null until it is computed.';
comment on column app_public.knowledge.embedding_error is 'Why the content could not be embedded; null: it was, or it has not been tried. Content that changes is tried again.';
comment on column app_public.knowledge.usage_count is 'How often it was used.';
comment on column app_public.knowledge.relevance_score is 'How useful it proved; 1 is neutral.';
comment on column app_public.knowledge.created_at is 'When it was added.';
comment on column app_public.knowledge.last_used_at is 'When it was last used.';

comment on table app_public.workflows is E'@unique id|@fieldName workflow|@updateFieldName updateWorkflow|@deleteFieldName deleteWorkflow\nSeveral steps of work that belong together.';
comment on column app_public.workflows.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.workflows.id is 'The workflow''s id.';
comment on column app_public.workflows.name is 'The name to show.';
comment on column app_public.workflows.description is 'What it is for.';
comment on column app_public.workflows.steps is 'The steps, a JSON array of objects: key, task (description, priority, agent_id, capabilities, context), depends_on, on_failure, max_attempts, timeout, condition. Checked when it is written.';
comment on column app_public.workflows.status is 'One of draft, pending, running, paused, completed, failed, cancelled.';
comment on column app_public.workflows.created_by is 'Who made it.';
comment on column app_public.workflows.assigned_to is 'Who looks after it.';
comment on column app_public.workflows.context is 'What all steps need to know.';
comment on column app_public.workflows.created_at is 'When the workflow was made.';
comment on column app_public.workflows.updated_at is 'When the row last changed; kept by a trigger.';
comment on column app_public.workflows.started_at is 'When start_workflow started it; null: not yet, or its status is kept by somebody else.';
comment on column app_public.workflows.paused_at is 'Since when it is paused; null: it is not.';
comment on column app_public.workflows.completed_at is 'When it ended, well or badly.';
comment on column app_public.workflows.error_message is 'Why it failed or was cancelled.';

comment on table app_public.workflow_steps is E'@unique workflow_id,key|@fieldName workflowStep\nHow far the steps of a started workflow are. Written by the functions of workflows only.';
comment on column app_public.workflow_steps.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.workflow_steps.workflow_id is 'The workflow.';
comment on column app_public.workflow_steps.key is 'The step''s key in its workflow.';
comment on column app_public.workflow_steps.position is 'Its place in the workflow''s steps, from 1.';
comment on column app_public.workflow_steps.depends_on is 'Keys of the steps that come before it.';
comment on column app_public.workflow_steps.on_failure is 'What follows when it fails. fail: the workflow fails; skip: what depends on it is skipped; continue: what depends on it runs.';
comment on column app_public.workflow_steps.definition is 'The step as the workflow had it when it was started or tried again.';
comment on column app_public.workflow_steps.status is 'One of pending, running (its task waits or is worked on), completed, failed, skipped, cancelled.';
comment on column app_public.workflow_steps.task_id is 'Its latest task; null: there was none yet, or it was deleted.';
comment on column app_public.workflow_steps.result is 'The result of its task.';
comment on column app_public.workflow_steps.error_message is 'Why it failed, or for which failure it was skipped; null: it was skipped because its condition did not hold, or all that it depends on was.';
comment on column app_public.workflow_steps.started_at is 'When its task was made.';
comment on column app_public.workflow_steps.completed_at is 'When it ended, well or badly, or was skipped.';
comment on column app_public.workflow_steps.timeout_at is 'When it fails unless it has ended; null: never.';

comment on type app_public.workflow_overview is 'How far a workflow is.';
comment on column app_public.workflow_overview.workflow_id is 'The workflow''s id.';
comment on column app_public.workflow_overview.status is 'One of draft, pending, running, paused, completed, failed, cancelled.';
comment on column app_public.workflow_overview.progress is 'From 0 to 1: the mean of its steps.';
comment on column app_public.workflow_overview.total is 'How many steps it has.';
comment on column app_public.workflow_overview.pending is 'How many have not begun.';
comment on column app_public.workflow_overview.running is 'How many have a task that waits or is worked on.';
comment on column app_public.workflow_overview.completed is 'How many are completed.';
comment on column app_public.workflow_overview.failed is 'How many failed.';
comment on column app_public.workflow_overview.skipped is 'How many were skipped.';
comment on column app_public.workflow_overview.cancelled is 'How many were cancelled.';
comment on column app_public.workflow_overview.error_message is 'Why it failed or was cancelled.';
comment on column app_public.workflow_overview.started_at is 'When it was started.';
comment on column app_public.workflow_overview.completed_at is 'When it ended.';
comment on column app_public.workflow_overview.steps is 'Each step: key, status, progress, task_id, task_status, attempt, max_attempts, agent, note, error, started_at, completed_at, timeout_at.';

comment on table app_public.sessions is E'@unique id|@fieldName session|@updateFieldName updateSession|@deleteFieldName deleteSession\nA user''s login session. The token itself is stored nowhere.';
comment on column app_public.sessions.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.sessions.id is 'The session''s id.';
comment on column app_public.sessions.user_id is 'Whose session it is.';
comment on column app_public.sessions.token is 'SHA-256 of the token, 64 hexadecimal digits. Can be written and never read.';
comment on column app_public.sessions.data is 'What the service keeps in it.';
comment on column app_public.sessions.expires_at is 'When it ends.';
comment on column app_public.sessions.created_at is 'When it was opened.';
comment on column app_public.sessions.role is 'What requests with its token run as: member, service or admin.';
comment on column app_public.sessions.sliding_ttl is 'For how long use prolongs it; null: use does not.';
comment on column app_public.sessions.ends_at is 'Until when use can prolong it.';

comment on table app_public.metrics is 'A measurement of a service at a point in time. Partitioned by day, removed by retention.';
comment on column app_public.metrics.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.metrics.id is 'Tells points of the same instant apart.';
comment on column app_public.metrics.service_name is 'Who measured.';
comment on column app_public.metrics.metric_name is 'What was measured.';
comment on column app_public.metrics.value is 'The value, in the metric''s own unit.';
comment on column app_public.metrics.tags is 'Dimensions to filter and group by: a flat object.';
comment on column app_public.metrics."timestamp" is 'When it was measured.';

comment on table app_public.metrics_minute is 'What the points of a series amount to in a minute: made by the worker, read by `metric_series` and `metric_percentiles`.';
comment on column app_public.metrics_minute.tenant_id is E'@behavior -*\nThe tenant.';
comment on column app_public.metrics_minute.service_name is 'Who measured.';
comment on column app_public.metrics_minute.metric_name is 'What was measured.';
comment on column app_public.metrics_minute.tags is 'The dimensions of the series.';
comment on column app_public.metrics_minute.tags_hash is E'@behavior -*\nDigest of the tags, for the key.';
comment on column app_public.metrics_minute.bucket is 'When it begins.';
comment on column app_public.metrics_minute.count is 'How many points.';
comment on column app_public.metrics_minute.sum is 'Their sum; null: it is beyond a double.';
comment on column app_public.metrics_minute.min is 'The smallest value.';
comment on column app_public.metrics_minute.max is 'The largest value.';
comment on column app_public.metrics_minute.last is 'The value that was measured last.';
comment on column app_public.metrics_minute.last_at is 'When that was.';
comment on column app_public.metrics_minute.sketch_keys is E'@behavior -*\nThe buckets of the histogram that have values, in order; see the documentation of metrics.';
comment on column app_public.metrics_minute.sketch_counts is E'@behavior -*\nHow many values each of them has.';

comment on table app_public.metrics_hour is 'What the points of a series amount to in an hour: made by the worker, read by `metric_series` and `metric_percentiles`.';
comment on column app_public.metrics_hour.tenant_id is E'@behavior -*\nThe tenant.';
comment on column app_public.metrics_hour.service_name is 'Who measured.';
comment on column app_public.metrics_hour.metric_name is 'What was measured.';
comment on column app_public.metrics_hour.tags is 'The dimensions of the series.';
comment on column app_public.metrics_hour.tags_hash is E'@behavior -*\nDigest of the tags, for the key.';
comment on column app_public.metrics_hour.bucket is 'When it begins.';
comment on column app_public.metrics_hour.count is 'How many points.';
comment on column app_public.metrics_hour.sum is 'Their sum; null: it is beyond a double.';
comment on column app_public.metrics_hour.min is 'The smallest value.';
comment on column app_public.metrics_hour.max is 'The largest value.';
comment on column app_public.metrics_hour.last is 'The value that was measured last.';
comment on column app_public.metrics_hour.last_at is 'When that was.';
comment on column app_public.metrics_hour.sketch_keys is E'@behavior -*\nThe buckets of the histogram that have values, in order; see the documentation of metrics.';
comment on column app_public.metrics_hour.sketch_counts is E'@behavior -*\nHow many values each of them has.';

comment on table app_public.metrics_day is 'What the points of a series amount to in a day (of UTC): made by the worker, read by `metric_series` and `metric_percentiles`.';
comment on column app_public.metrics_day.tenant_id is E'@behavior -*\nThe tenant.';
comment on column app_public.metrics_day.service_name is 'Who measured.';
comment on column app_public.metrics_day.metric_name is 'What was measured.';
comment on column app_public.metrics_day.tags is 'The dimensions of the series.';
comment on column app_public.metrics_day.tags_hash is E'@behavior -*\nDigest of the tags, for the key.';
comment on column app_public.metrics_day.bucket is 'When it begins.';
comment on column app_public.metrics_day.count is 'How many points.';
comment on column app_public.metrics_day.sum is 'Their sum; null: it is beyond a double.';
comment on column app_public.metrics_day.min is 'The smallest value.';
comment on column app_public.metrics_day.max is 'The largest value.';
comment on column app_public.metrics_day.last is 'The value that was measured last.';
comment on column app_public.metrics_day.last_at is 'When that was.';
comment on column app_public.metrics_day.sketch_keys is E'@behavior -*\nThe buckets of the histogram that have values, in order; see the documentation of metrics.';
comment on column app_public.metrics_day.sketch_counts is E'@behavior -*\nHow many values each of them has.';

comment on view app_public.user_sessions is E'@primaryKey id|@fieldName userSession\nThe sessions of the tenant''s users, without tokens and data.';
comment on column app_public.user_sessions.tenant_id is E'@behavior -*\nThe tenant.';
comment on column app_public.user_sessions.id is 'The session''s id.';
comment on column app_public.user_sessions.user_id is 'Whose session it is.';
comment on column app_public.user_sessions.expires_at is 'When it ends.';
comment on column app_public.user_sessions.created_at is 'When it was opened.';
comment on column app_public.user_sessions.role is 'What requests with its token run as.';

-- In GraphQL a caller has one tenant and never names it: rows are found by their own id, the keys that hold the tenant
-- and the way from and to the tenant's row are hidden.
comment on constraint agents_pkey on app_public.agents is E'@behavior -single -update -delete\nA row is known by its tenant and its id.';
comment on constraint tasks_pkey on app_public.tasks is E'@behavior -single -update -delete\nA row is known by its tenant and its id.';
comment on constraint task_leases_pkey on app_public.task_leases is E'@behavior -single\nA task has one lease at a time.';
comment on constraint task_attempts_pkey on app_public.task_attempts is E'@behavior -single\nAn attempt is known by its task and number.';
comment on constraint knowledge_pkey on app_public.knowledge is E'@behavior -single -update -delete\nA row is known by its tenant and its id.';
comment on constraint workflows_pkey on app_public.workflows is E'@behavior -single -update -delete\nA row is known by its tenant and its id.';
comment on constraint workflow_steps_pkey on app_public.workflow_steps is E'@behavior -single\nA step is known by its workflow and key.';
comment on constraint sessions_pkey on app_public.sessions is E'@behavior -single -update -delete\nA row is known by its tenant and its id.';
comment on constraint metrics_pkey on app_public.metrics is E'@behavior -single -update -delete\nA row is known by its tenant, its time and its id.';
comment on constraint metrics_minute_pkey on app_public.metrics_minute is E'@behavior -single -update -delete\nA row is known by its tenant, its series and its time.';
comment on constraint metrics_hour_pkey on app_public.metrics_hour is E'@behavior -single -update -delete\nA row is known by its tenant, its series and its time.';
comment on constraint metrics_day_pkey on app_public.metrics_day is E'@behavior -single -update -delete\nA row is known by its tenant, its series and its time.';
comment on constraint agents_tenant_id_fkey on app_public.agents is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint tasks_tenant_id_fkey on app_public.tasks is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint knowledge_tenant_id_fkey on app_public.knowledge is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint workflows_tenant_id_fkey on app_public.workflows is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint sessions_tenant_id_fkey on app_public.sessions is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint metrics_tenant_id_fkey on app_public.metrics is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint metrics_minute_tenant_id_fkey on app_public.metrics_minute is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint metrics_hour_tenant_id_fkey on app_public.metrics_hour is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint metrics_day_tenant_id_fkey on app_public.metrics_day is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint sessions_token_key on app_public.sessions is E'@behavior -*\nA token opens one session, in whichever tenant. Nobody looks up by what they cannot read.';
comment on constraint tasks_agent_id_fkey on app_public.tasks is E'@fieldName agent\n@foreignFieldName tasks\nWho does the task.';
comment on constraint task_leases_task_id_fkey on app_public.task_leases is E'@fieldName task\n@foreignSingleFieldName lease\nThe task that is worked on.';
comment on constraint task_attempts_task_id_fkey on app_public.task_attempts is E'@fieldName task\n@foreignFieldName attempts\nThe task that was tried.';
comment on constraint knowledge_agent_id_fkey on app_public.knowledge is E'@fieldName agent\n@foreignFieldName knowledge\nWhose knowledge it is.';

comment on type app_public.knowledge_match is 'An item of knowledge that a search found, and why.';
comment on column app_public.knowledge_match.id is 'The item''s id.';
comment on column app_public.knowledge_match.agent_id is 'Whose knowledge it is.';
comment on column app_public.knowledge_match.category is 'A word to group by.';
comment on column app_public.knowledge_match.content is 'The text itself.';
comment on column app_public.knowledge_match.source is 'Where it comes from.';
comment on column app_public.knowledge_match.metadata is 'Anything else about it.';
comment on column app_public.knowledge_match.usage_count is 'How often it was used.';
comment on column app_public.knowledge_match.relevance_score is 'How useful it proved; 1 is neutral.';
comment on column app_public.knowledge_match.created_at is 'When it was added.';
comment on column app_public.knowledge_match.last_used_at is 'When it was last used.';
comment on column app_public.knowledge_match.score is 'Reciprocal rank fusion of the parts: 1, first in every part; results are in its order.';
comment on column app_public.knowledge_match.similarity is 'By meaning: cosine similarity, -1 to 1; null: that part did not find it.';
comment on column app_public.knowledge_match.vector_rank is 'By meaning: its place, from 1.';
comment on column app_public.knowledge_match.text_relevance is 'By words: how well and how densely they match, more is better; null: that part did not find it.';
comment on column app_public.knowledge_match.text_rank is 'By words: its place, from 1.';

comment on function app_public.add_knowledge(text, text, text, text, text, jsonb, public.vector) is $$Adds an item of knowledge.

content: the text. id: a random one where none is given. agent_id, category, source, metadata: as in the table. embedding: 1536 dimensions; without one the worker makes it, where EMBEDDINGS_URL is set.

Gives the item.

Errors: LTS15 content is missing; LTS01 or LTS02 an embedding of another dimension or of zeros; 23505 there is one of this id; 23503 there is no such agent.$$;
comment on function app_public.add_knowledge_items(jsonb) is $$Adds many items of knowledge, all or none.

items: an array of 1 to 10000 objects with content and, where there is one, id, agent_id, category, source, metadata, embedding.

Gives the items.

Errors: LTS16 no array, or too long a one; LTS17 what is wrong with which item, counted from 0; 23505 there is one of an id; 23503 there is no such agent.$$;
comment on constraint tasks_workflow_id_fkey on app_public.tasks is E'@fieldName workflow\n@foreignFieldName tasks\nThe workflow of whose step it is the task.';
comment on constraint workflow_steps_workflow_id_fkey on app_public.workflow_steps is E'@fieldName workflow\n@foreignFieldName stepStates\nThe workflow.';
comment on constraint workflow_steps_task_id_fkey on app_public.workflow_steps is E'@fieldName task\n@foreignFieldName stepStates\nThe step''s latest task.';
--! EndIncluded app_public/comments.sql
--! Included ops/comments.sql
comment on schema ops is 'Operations across tenants: for operators and the worker.';

comment on view ops.tenants is 'All tenants with their logins.';
comment on column ops.tenants.id is 'The tenant''s id.';
comment on column ops.tenants.name is 'The name to show.';
comment on column ops.tenants.suspended_at is 'Since when it is locked out; null: it is not.';
comment on column ops.tenants.created_at is 'When it was made.';
comment on column ops.tenants.logins is 'Names of the logins that see it, in order.';

comment on table ops.job_runs is 'Runs of jobs, by the worker or by a command: how far they are and what came of them. Of runs that had nothing to do only the newest of each task is kept.';
comment on column ops.job_runs.id is 'In the order in which they began.';
comment on column ops.job_runs.task is 'Which job.';
comment on column ops.job_runs.details is 'What about, as an object; no secrets.';
comment on column ops.job_runs.worker is 'Who ran it: the id of a worker, or host:pid of a command.';
comment on column ops.job_runs.job_id is 'The job of graphile-worker; null: a command.';
comment on column ops.job_runs.lock is 'Of those that run, at most one has this name; null: any number may run.';
comment on column ops.job_runs.outcome is 'running, succeeded, failed, or abandoned: its process was not heard of in time.';
comment on column ops.job_runs.progress is 'How much is done, from 0 to 1; null: nobody knows.';
comment on column ops.job_runs.note is 'What it is at, or what it did; a sentence.';
comment on column ops.job_runs.error is 'Why it did not succeed.';
comment on column ops.job_runs.idle is 'It succeeded because there was nothing to do.';
comment on column ops.job_runs.started_at is 'When it began.';
comment on column ops.job_runs.updated_at is 'When it was last heard of.';
comment on column ops.job_runs.progressed_at is 'When it last said something new; null: it has not yet.';
comment on column ops.job_runs.lease_until is 'When it is taken for dead unless it is heard of before.';
comment on column ops.job_runs.finished_at is 'When it ended; null: it runs.';

comment on table ops.workers is 'Processes that work on jobs, by the id under which graphile-worker locks jobs for them.';
comment on column ops.workers.id is 'The id of the pool.';
comment on column ops.workers.host is 'The machine that it runs on.';
comment on column ops.workers.pid is 'Its process there.';
comment on column ops.workers.version is 'Of this project.';
comment on column ops.workers.started_at is 'When it began.';
comment on column ops.workers.seen_at is 'When it last said that it lives; it does every 15 seconds.';
comment on column ops.workers.stopped_at is 'When it ended as it should; null: it lives or died.';
comment on column ops.workers.lost_at is 'When it was taken for dead; null: it was not.';

comment on table ops.job_tasks is 'The tasks that the workers know, and when they run by themselves (UTC).';
comment on column ops.job_tasks.task is 'Its name.';
comment on column ops.job_tasks.does is 'What it is for.';
comment on column ops.job_tasks.schedule is 'The pattern of its crontab; null: nothing schedules it.';
comment on column ops.job_tasks.every is 'The longest time between two of its runs; null: nothing schedules it.';
comment on column ops.job_tasks.expected is 'How long a run takes at most; a longer one raises an alert.';
comment on column ops.job_tasks.known_since is 'When a worker first said that it knows it.';

comment on table ops.alerts is 'What is wrong, and what was: one open row for each kind and subject. Those that are over are resolved by themselves.';
comment on column ops.alerts.id is 'In the order in which they were raised.';
comment on column ops.alerts.kind is 'Which check: ops.check_<kind>.';
comment on column ops.alerts.subject is 'What it is about.';
comment on column ops.alerts.severity is 'warning: look at it; error: something that should happen does not.';
comment on column ops.alerts.message is 'What is wrong, in a sentence.';
comment on column ops.alerts.details is 'The same for programs, an object; no secrets.';
comment on column ops.alerts.raised_at is 'Since when.';
comment on column ops.alerts.last_seen_at is 'When it was last so.';
comment on column ops.alerts.resolved_at is 'When it was over; null: it is open.';

comment on view ops.running is 'What runs now: since when, how far it is, and where.';
comment on column ops.running.id is 'The run in ops.job_runs.';
comment on column ops.running.task is 'Which job.';
comment on column ops.running.details is 'What about.';
comment on column ops.running.progress is 'From 0 to 1; null: nobody knows.';
comment on column ops.running.note is 'What it is at.';
comment on column ops.running.started_at is 'When it began.';
comment on column ops.running.running_for is 'How long it has been running.';
comment on column ops.running.updated_at is 'When it was last heard of.';
comment on column ops.running.worker is 'The id of a worker, or host:pid of a command.';
comment on column ops.running.process is 'host:pid.';
comment on column ops.running.job_id is 'Its job in ops.jobs; null: a command.';

comment on view ops.jobs is 'The queue of jobs, without their payloads. Those that are done are not in it.';
comment on column ops.jobs.id is 'Of graphile-worker.';
comment on column ops.jobs.task is 'What is to be done.';
comment on column ops.jobs.state is 'waiting, running, or failed: it was tried as often as it may.';
comment on column ops.jobs.due_at is 'When it may run, or run again.';
comment on column ops.jobs.attempts is 'How often it was begun.';
comment on column ops.jobs.max_attempts is 'How often it may be.';
comment on column ops.jobs.last_error is 'Why the last attempt failed.';
comment on column ops.jobs.created_at is 'When it came into the queue.';
comment on column ops.jobs.running_since is 'When the attempt under way began.';
comment on column ops.jobs.worker is 'Who runs it; ops.workers has where.';
comment on column ops.jobs.progress is 'Of the attempt under way, from 0 to 1.';
comment on column ops.jobs.note is 'What it is at.';

comment on view ops.check_dead_jobs is 'A check of ops.check_alerts. Jobs that failed for good.';
comment on column ops.check_dead_jobs.subject is 'What it is about.';
comment on column ops.check_dead_jobs.severity is 'warning or error.';
comment on column ops.check_dead_jobs.message is 'What is wrong, in a sentence.';
comment on column ops.check_dead_jobs.details is 'The same for programs.';

comment on view ops.check_stuck_runs is 'A check of ops.check_alerts. Runs that take longer than they should.';
comment on column ops.check_stuck_runs.subject is 'What it is about.';
comment on column ops.check_stuck_runs.severity is 'warning or error.';
comment on column ops.check_stuck_runs.message is 'What is wrong, in a sentence.';
comment on column ops.check_stuck_runs.details is 'The same for programs.';

comment on view ops.check_late_jobs is 'A check of ops.check_alerts. Scheduled jobs that have not succeeded in time.';
comment on column ops.check_late_jobs.subject is 'What it is about.';
comment on column ops.check_late_jobs.severity is 'warning or error.';
comment on column ops.check_late_jobs.message is 'What is wrong, in a sentence.';
comment on column ops.check_late_jobs.details is 'The same for programs.';

comment on view ops.check_lost_workers is 'A check of ops.check_alerts. Workers that were taken for dead in the last hour.';
comment on column ops.check_lost_workers.subject is 'What it is about.';
comment on column ops.check_lost_workers.severity is 'warning or error.';
comment on column ops.check_lost_workers.message is 'What is wrong, in a sentence.';
comment on column ops.check_lost_workers.details is 'The same for programs.';

comment on view ops.check_partition_horizon is 'A check of ops.check_alerts. Tables whose partitions end within a week.';
comment on column ops.check_partition_horizon.subject is 'What it is about.';
comment on column ops.check_partition_horizon.severity is 'warning or error.';
comment on column ops.check_partition_horizon.message is 'What is wrong, in a sentence.';
comment on column ops.check_partition_horizon.details is 'The same for programs.';

comment on view ops.check_untrimmed_events is 'A check of ops.check_alerts. The outbox, when it is not trimmed.';
comment on column ops.check_untrimmed_events.subject is 'What it is about.';
comment on column ops.check_untrimmed_events.severity is 'warning or error.';
comment on column ops.check_untrimmed_events.message is 'What is wrong, in a sentence.';
comment on column ops.check_untrimmed_events.details is 'The same for programs.';

comment on function ops.create_tenant(text, text) is 'Makes a tenant, or gives back the one of that id and name. LTT01 when the id is taken under another name.';
comment on function ops.set_tenant_suspended(text, boolean) is 'Locks a tenant out, or lets it in again. LTT02 when there is none.';
comment on function ops.suspended_tenants() is 'Ids of the tenants that are locked out.';
comment on function ops.bind_login(name, text) is 'Binds a login to the tenant it will see. LTT02 no such tenant, LTT03 the login is more than a plain one, LTT04 it belongs to another tenant.';
comment on function ops.unbind_login(name) is 'Takes a login''s tenant away; false when it had none.';
comment on function ops.ensure_partitions(integer, integer, timestamptz) is 'Makes the missing partitions of metrics and their rollups (days ahead) and of audit.log (months ahead), and returns their names.';
comment on function ops.applied_migrations() is 'The migrations that this database has, oldest first.';
comment on function ops.reap_expired_leases(integer) is 'Takes back up to how_many tasks whose leases expired: they wait again, or are dead when their attempts are used up. Those that fail are set aside. Returns how many were taken back.';
comment on function ops.tend_workflows(integer) is 'Ends the steps that took too long, in up to how_many workflows, and goes on with them. Returns how many it was at; those that somebody else holds are left for the next time, those that fail are set aside.';
comment on function ops.lock_workflow(text, uuid) is 'Locks a workflow, its tasks that are not over and their leases, in the one order of locks: leases, tasks, workflows, steps. Null when there is none.';
comment on function ops.advance_workflow(text, uuid) is 'Takes in what became of a workflow''s tasks, starts the steps that may start, and ends the workflow when nothing is left.';
comment on function ops.begin_workflow_step(app_public.workflows, app_public.workflow_steps) is 'Makes the task of a step whose dependencies have ended, or skips it. Returns its status.';
comment on function ops.workflow_condition_holds(jsonb, jsonb) is 'Whether a valid condition holds, given {key: {status, result}} of earlier steps.';
comment on function ops.lock_waiting_workflow_tasks(text, uuid) is 'Locks the tasks of a workflow''s steps that wait, passing over those that somebody is claiming, and gives their ids.';
comment on function ops.cancel_workflow_tasks(text, uuid[], text) is 'Cancels tasks, with the leases that they are under.';
comment on function ops.read_events(pg_snapshot, xid8, bigint, text[], integer) is 'Reads the outbox of these tenants on from a position, at most max_rows rows: the snapshot of now, the one that the outbox is trimmed to, and rows {transaction, id, tenantId, topic, operation, keys} in the order to deliver them.';
comment on function ops.trim_events(interval) is 'Removes from the outbox what could be read for at least as long as `keep`; gives the number of rows.';

comment on table ops.metric_changes is 'What metrics have to be rolled up, once more where they were: a row per statement that changed it. Until then readers take the finer table.';
comment on column ops.metric_changes.resolution is 'The rollup that lacks it: minute, hour or day.';
comment on column ops.metric_changes.tenant_id is 'The tenant.';
comment on column ops.metric_changes.bucket is 'When what is lacking begins.';
comment on table ops.metric_rollups is 'The rollups of metrics. Who makes one holds its row locked, so that there is one at a time.';
comment on column ops.metric_rollups.resolution is 'minute, hour or day.';
comment on column ops.metric_rollups.rolled_up_at is 'When it was looked at last.';

comment on table ops.backups is 'What backups the store holds, or held: a mirror of its manifests for who asks in SQL. The store is the truth.';
comment on column ops.backups.id is 'Its name; in the order of time.';
comment on column ops.backups.kind is 'full, incremental or snapshot.';
comment on column ops.backups.parent_id is 'What it builds on; null: nothing.';
comment on column ops.backups.started_at is 'When it began, by the server''s clock.';
comment on column ops.backups.ended_at is 'When it ended: the first moment that it can be restored to.';
comment on column ops.backups.objects is 'How many objects it has in the store.';
comment on column ops.backups.bytes is 'Of their content.';
comment on column ops.backups.stored_bytes is 'As they are stored.';
comment on column ops.backups.manifest_sha256 is 'Of its manifest, as it was first recorded: a store that says otherwise was changed.';
comment on column ops.backups.server is 'Where in the server''s WAL it is; null: of an embedded database.';
comment on column ops.backups.recorded_at is 'When it was first seen in the store.';
comment on column ops.backups.removed_at is 'When it was found not to be in the store any more; null: it is there.';

comment on table ops.wal_receivers is 'How receiving WAL stands, by replication slot.';
comment on column ops.wal_receivers.slot is 'The slot that the server keeps WAL for.';
comment on column ops.wal_receivers.receiving is 'Whether the worker that said this receives.';
comment on column ops.wal_receivers.received_lsn is 'Up to where WAL was received.';
comment on column ops.wal_receivers.kept_bytes is 'WAL that the server keeps because it was not received.';
comment on column ops.wal_receivers.safe_bytes is 'What may still be written before the server gives the slot up; null: there is no limit.';
comment on column ops.wal_receivers.wal_status is 'Of the slot: reserved, extended, unreserved or lost.';
comment on column ops.wal_receivers.problem is 'What went wrong last; null: all is well.';
comment on column ops.wal_receivers.seen_at is 'When this was said.';

comment on view ops.recovery is 'Can we restore, and to when. One row.';
comment on column ops.recovery.can_restore is 'Whether there is a backup.';
comment on column ops.recovery.reachable_from is 'The oldest moment that a restore can go to.';
comment on column ops.recovery.newest_backup_at is 'When the newest backup ended.';
comment on column ops.recovery.newest_full_at is 'When the newest full backup ended.';
comment on column ops.recovery.newest_incremental_at is 'When the newest incremental backup ended.';
comment on column ops.recovery.wal_received_lsn is 'Up to where WAL was received: the newest position that a restore can go to.';
comment on column ops.recovery.wal_received_at is 'When that was.';
comment on column ops.recovery.wal_waiting_bytes is 'WAL that the server keeps because it was not received.';
comment on column ops.recovery.wal_problem is 'What went wrong with receiving last; null: all is well.';

comment on view ops.check_wal_receivers is 'A check of ops.check_alerts. WAL that is not received.';
comment on column ops.check_wal_receivers.subject is 'What it is about.';
comment on column ops.check_wal_receivers.severity is 'warning or error.';
comment on column ops.check_wal_receivers.message is 'What is wrong, in a sentence.';
comment on column ops.check_wal_receivers.details is 'The same for programs.';
comment on table ops.retention_policies is 'What is kept for how long. Changed by ops.set_retention.';
comment on column ops.retention_policies.policy is 'Its name.';
comment on column ops.retention_policies.description is 'What it is of.';
comment on column ops.retention_policies.keep is 'How long it is kept; null: for ever.';
comment on column ops.retention_policies.by_tenant is 'Whether it is of tenants, each of which may have another.';
comment on table ops.retention_overrides is 'For how long a tenant keeps something, other than all.';
comment on column ops.retention_overrides.policy is 'The policy.';
comment on column ops.retention_overrides.tenant_id is 'The tenant.';
comment on column ops.retention_overrides.keep is 'How long it is kept; null: for ever.';
comment on table ops.retention_holds is 'What stays whatever its age: imported history that the operator has not released, a dispute.';
comment on column ops.retention_holds.id is 'Which.';
comment on column ops.retention_holds.policy is 'The policy that it is exempt from.';
comment on column ops.retention_holds.tenant_id is 'The tenant; null: all of them.';
comment on column ops.retention_holds.held is 'Of which time.';
comment on column ops.retention_holds.reason is 'Why, for whoever would remove it.';
comment on column ops.retention_holds.created_at is 'Since when.';
comment on table ops.metric_floors is 'Before when points are refused, because what is older is removed.';
comment on column ops.metric_floors.tenant_id is 'The tenant; null: all of them.';
comment on column ops.metric_floors.kept_from is 'Points from before are refused.';
comment on column ops.metric_floors.closed_to is 'Points from before may be removed: all of them are rolled up, and nobody can add one.';
comment on column ops.metric_floors.moved_by is 'The transaction that moved it: whoever is older may not know.';
comment on table ops.partition_removals is 'Partitions whose removal has begun and not ended.';
comment on column ops.partition_removals.partition is 'Its name, with its schema.';
comment on column ops.partition_removals.parent is 'The table that it is, or was, a part of.';
comment on column ops.partition_removals.policy is 'The policy that it goes under.';
comment on column ops.partition_removals.held is 'The times that it holds.';
comment on column ops.partition_removals.rows_by_tenant is 'How many rows of each tenant are in it.';
comment on column ops.partition_removals.began_at is 'When the removal began.';
comment on column ops.partition_removals.tried_at is 'When it was tried last.';
comment on column ops.partition_removals.problem is 'What stood in its way then; ops.removal_waits says who.';
comment on table ops.retention_receipts is 'What was removed, under which policy.';
comment on column ops.retention_receipts.id is 'Which.';
comment on column ops.retention_receipts.at is 'When the last of it went.';
comment on column ops.retention_receipts.policy is 'The policy.';
comment on column ops.retention_receipts.tenant_id is 'Whose it was; null: no tenant''s.';
comment on column ops.retention_receipts.older_than is 'It was older than this.';
comment on column ops.retention_receipts.partition is 'The partition that went as a whole; null: rows were deleted.';
comment on column ops.retention_receipts.row_count is 'How many rows.';
comment on column ops.retention_receipts.bytes is 'How much of the disk the partition took, the tenant''s share by rows; null of rows, whose room is used again.';
comment on view ops.removal_waits is 'Whom the removal of a partition waits for, longest first.';
comment on column ops.removal_waits.partition is 'The partition that is to go.';
comment on column ops.removal_waits.waiting_since is 'Since when.';
comment on column ops.removal_waits.pid is 'The session that is waited for.';
comment on column ops.removal_waits.login is 'Its login.';
comment on column ops.removal_waits.application is 'What it calls itself.';
comment on column ops.removal_waits.transaction_since is 'Since when its transaction is open.';
comment on column ops.removal_waits.query_since is 'Since when its statement runs.';
comment on view ops.partition_horizons is 'How far partitions are made ahead. `short` is an alarm: rows beyond are refused.';
comment on column ops.partition_horizons.parent is 'The table.';
comment on column ops.partition_horizons.reaches_to is 'The end of the last of the partitions that follow each other from now on.';
comment on column ops.partition_horizons.ahead is 'How far that is.';
comment on column ops.partition_horizons.needed is 'How far it has to be.';
comment on column ops.partition_horizons.short is 'Whether it is less.';

comment on column ops.recovery.proven_at is 'When a drill last passed; null: never.';
comment on column ops.recovery.proven_restore_time is 'How long that restore took.';
comment on column ops.recovery.newest_drill_passed is 'Whether the newest drill passed; null: there was none.';

comment on table ops.drills is 'Restores that were made to prove backups: what they found, and how long they took.';
comment on column ops.drills.id is 'In the order in which they ended.';
comment on column ops.drills.started_at is 'When it began.';
comment on column ops.drills.finished_at is 'When its verdict was written down.';
comment on column ops.drills.backups is 'Ids of the backups that were restored, the full one first; empty: they could not be.';
comment on column ops.drills."position" is 'Where in the WAL the comparison was made; null for an embedded database.';
comment on column ops.drills.compared_tables is 'How many tables were compared.';
comment on column ops.drills.compared_rows is 'How many rows were compared.';
comment on column ops.drills.restore_time is 'From the first byte read to a database that answers; null: it never did.';
comment on column ops.drills.problems is 'A sentence for each thing that is wrong.';
comment on column ops.drills.self_tests is 'Damages that the drill did to copies on purpose, and how each was noticed: an array of objects with `damage` and `noticed`.';
comment on column ops.drills.passed is 'Whether the backups are proven: nothing was wrong, and rows were compared.';
comment on column ops.check_drills.subject is 'What it is about.';
comment on column ops.check_drills.severity is 'warning or error.';
comment on column ops.check_drills.message is 'What is wrong, in a sentence.';
comment on column ops.check_drills.details is 'The same for programs.';
comment on view ops.check_backups is 'A check of ops.check_alerts. A backup that should be there and is not.';
comment on column ops.check_backups.subject is 'What it is about.';
comment on column ops.check_backups.severity is 'warning or error.';
comment on column ops.check_backups.message is 'What is wrong, in a sentence.';
comment on column ops.check_backups.details is 'The same for programs.';

comment on table ops.quarantined_items is 'What jobs set aside of single tenants, to go on with everybody else''s. Each is tried again with growing pauses, and forgotten once it does not fail any more.';
comment on column ops.quarantined_items.task is 'The task that it failed in; reap_leases is the look for expired leases, every five seconds.';
comment on column ops.quarantined_items.tenant_id is 'Whose it is.';
comment on column ops.quarantined_items.item is 'What it is, in the task''s terms: a bucket of a rollup, the id of a task, a workflow or knowledge, a policy of retention.';
comment on column ops.quarantined_items.code is 'The SQLSTATE of its last error, or another word for its kind.';
comment on column ops.quarantined_items.reason is 'The message of its last error, 1,000 characters at most.';
comment on column ops.quarantined_items.failures is 'How often it failed.';
comment on column ops.quarantined_items.first_failed_at is 'When it failed first.';
comment on column ops.quarantined_items.last_failed_at is 'When it failed last.';
comment on column ops.quarantined_items.retry_at is 'When it is tried again.';
comment on column ops.check_quarantined_items.subject is 'What it is about.';
comment on column ops.check_quarantined_items.severity is 'warning or error.';
comment on column ops.check_quarantined_items.message is 'What is wrong, in a sentence.';
comment on column ops.check_quarantined_items.details is 'The same for programs.';
--! EndIncluded ops/comments.sql
--! Included cross_tenant_policies.sql
-- Every policy that reaches across tenants, all in this one file. Row-level security is forced, so the owner of the
-- tables sees nothing either: each function or job that needs more has a policy here, for exactly the table and command
-- that it needs. test/db/conventions.test.ts compares this file with the catalog.

-- ops.create_tenant, ops.set_tenant_suspended, ops.tenants and login_tenant_id.
drop policy if exists manage_owner on app_public.tenants;
create policy manage_owner on app_public.tenants for all to :OWNER
  using (true)
  with check (true);

-- ops.bind_login, ops.unbind_login, ops.tenants and login_tenant_id.
drop policy if exists manage_owner on app_private.tenant_logins;
create policy manage_owner on app_private.tenant_logins for all to :OWNER
  using (true)
  with check (true);

-- ops.session_claims and validate_session find a session by the digest of its token and prolong it: that tells whose tenant
-- it is of, so no tenant can be asked for before. ops.live_sessions looks for those of all tenants at once; own_sessions
-- compares tenant and user itself, the view user_sessions the tenant.
--
-- It has to be `true`. The rows of the caller's tenant are none before the look-up; a setting with the digest that is looked
-- for would hold off nobody who can run a statement as the owner, for they can say any setting; and a role of its own, as
-- :SEARCH, would have these same two policies. So nothing runs as the owner but migrations and the functions named here,
-- and test/db/app_public/functions/sessions.test.ts shows of each that other tenants' sessions are as good as none.
drop policy if exists select_owner on app_public.sessions;
create policy select_owner on app_public.sessions for select to :OWNER
  using (true);

drop policy if exists update_owner on app_public.sessions;
create policy update_owner on app_public.sessions for update to :OWNER
  using (true)
  with check (true);

-- The audit triggers.
drop policy if exists insert_owner on audit.log;
create policy insert_owner on audit.log for insert to :OWNER
  with check (true);

-- The search functions, which compare the tenant themselves; below any other policy `@@` and `@>` use no index.
drop policy if exists select_search on app_public.knowledge;
create policy select_search on app_public.knowledge for select to :SEARCH
  using (true);

-- app_public.touch_knowledge.
drop policy if exists update_search on app_public.knowledge;
create policy update_search on app_public.knowledge for update to :SEARCH
  using (true)
  with check (true);

-- The embedding job: what has no embedding, of all tenants.
drop policy if exists select_worker on app_public.knowledge;
create policy select_worker on app_public.knowledge for select to :WORKER
  using (true);

drop policy if exists update_worker on app_public.knowledge;
create policy update_worker on app_public.knowledge for update to :WORKER
  using (true)
  with check (true);

-- ops.roll_up_metrics: rollups are made for all tenants at once.
drop policy if exists select_worker on app_public.metrics;
create policy select_worker on app_public.metrics for select to :WORKER
  using (true);

drop policy if exists select_worker on app_public.metrics_minute;
create policy select_worker on app_public.metrics_minute for select to :WORKER
  using (true);
drop policy if exists insert_worker on app_public.metrics_minute;
create policy insert_worker on app_public.metrics_minute for insert to :WORKER
  with check (true);
drop policy if exists update_worker on app_public.metrics_minute;
create policy update_worker on app_public.metrics_minute for update to :WORKER
  using (true)
  with check (true);

drop policy if exists select_worker on app_public.metrics_hour;
create policy select_worker on app_public.metrics_hour for select to :WORKER
  using (true);
drop policy if exists insert_worker on app_public.metrics_hour;
create policy insert_worker on app_public.metrics_hour for insert to :WORKER
  with check (true);
drop policy if exists update_worker on app_public.metrics_hour;
create policy update_worker on app_public.metrics_hour for update to :WORKER
  using (true)
  with check (true);

drop policy if exists select_worker on app_public.metrics_day;
create policy select_worker on app_public.metrics_day for select to :WORKER
  using (true);
drop policy if exists insert_worker on app_public.metrics_day;
create policy insert_worker on app_public.metrics_day for insert to :WORKER
  with check (true);
drop policy if exists update_worker on app_public.metrics_day;
create policy update_worker on app_public.metrics_day for update to :WORKER
  using (true)
  with check (true);

-- tg_metrics__mark_changes adds to what has to be rolled up; metric_sources reads it, and compares the tenant itself.
drop policy if exists manage_owner on ops.metric_changes;
create policy manage_owner on ops.metric_changes for all to :OWNER
  using (true)
  with check (true);

-- ops.roll_up_metrics.
drop policy if exists manage_worker on ops.metric_changes;
create policy manage_worker on ops.metric_changes for all to :WORKER
  using (true)
  with check (true);

-- They hold nothing of a tenant.
drop policy if exists manage_worker on ops.metric_rollups;
create policy manage_worker on ops.metric_rollups for all to :WORKER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.metric_rollups;
create policy select_operator on ops.metric_rollups for select to :OPERATOR
  using (true);

-- Retention: ops.set_retention and the like, as the owner; the worker and operators read it all.
drop policy if exists manage_owner on ops.retention_policies;
create policy manage_owner on ops.retention_policies for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.retention_policies;
create policy select_operator on ops.retention_policies for select to :OPERATOR
  using (true);
drop policy if exists select_worker on ops.retention_policies;
create policy select_worker on ops.retention_policies for select to :WORKER
  using (true);
drop policy if exists manage_owner on ops.retention_overrides;
create policy manage_owner on ops.retention_overrides for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.retention_overrides;
create policy select_operator on ops.retention_overrides for select to :OPERATOR
  using (true);
drop policy if exists select_worker on ops.retention_overrides;
create policy select_worker on ops.retention_overrides for select to :WORKER
  using (true);
drop policy if exists manage_owner on ops.retention_holds;
create policy manage_owner on ops.retention_holds for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.retention_holds;
create policy select_operator on ops.retention_holds for select to :OPERATOR
  using (true);
drop policy if exists select_worker on ops.retention_holds;
create policy select_worker on ops.retention_holds for select to :WORKER
  using (true);
drop policy if exists manage_owner on ops.metric_floors;
create policy manage_owner on ops.metric_floors for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.metric_floors;
create policy select_operator on ops.metric_floors for select to :OPERATOR
  using (true);
drop policy if exists select_worker on ops.metric_floors;
create policy select_worker on ops.metric_floors for select to :WORKER
  using (true);
drop policy if exists manage_owner on ops.partition_removals;
create policy manage_owner on ops.partition_removals for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.partition_removals;
create policy select_operator on ops.partition_removals for select to :OPERATOR
  using (true);
drop policy if exists select_worker on ops.partition_removals;
create policy select_worker on ops.partition_removals for select to :WORKER
  using (true);
drop policy if exists manage_owner on ops.retention_receipts;
create policy manage_owner on ops.retention_receipts for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.retention_receipts;
create policy select_operator on ops.retention_receipts for select to :OPERATOR
  using (true);
drop policy if exists select_worker on ops.retention_receipts;
create policy select_worker on ops.retention_receipts for select to :WORKER
  using (true);
-- An operator says what has to stay.
drop policy if exists insert_operator on ops.retention_holds;
create policy insert_operator on ops.retention_holds for insert to :OPERATOR
  with check (true);
drop policy if exists delete_operator on ops.retention_holds;
create policy delete_operator on ops.retention_holds for delete to :OPERATOR
  using (true);
-- ops.begin_partition_removal and ops.expire_rows.
drop policy if exists insert_worker on ops.partition_removals;
create policy insert_worker on ops.partition_removals for insert to :WORKER
  with check (true);
drop policy if exists update_worker on ops.partition_removals;
create policy update_worker on ops.partition_removals for update to :WORKER
  using (true)
  with check (true);
drop policy if exists insert_worker on ops.retention_receipts;
create policy insert_worker on ops.retention_receipts for insert to :WORKER
  with check (true);
drop policy if exists update_worker on ops.retention_receipts;
create policy update_worker on ops.retention_receipts for update to :WORKER
  using (true)
  with check (true);

-- ops.reap_expired_leases, as the worker.
drop policy if exists select_worker on app_public.tasks;
create policy select_worker on app_public.tasks for select to :WORKER
  using (true);
drop policy if exists update_worker on app_public.tasks;
create policy update_worker on app_public.tasks for update to :WORKER
  using (true)
  with check (true);
drop policy if exists manage_worker on app_public.task_leases;
create policy manage_worker on app_public.task_leases for all to :WORKER
  using (true)
  with check (true);
drop policy if exists insert_worker on app_public.task_attempts;
create policy insert_worker on app_public.task_attempts for insert to :WORKER
  with check (true);

-- ops.advance_workflow and ops.tend_workflows, as the worker: it ends tasks of every tenant, and their workflows go on.
drop policy if exists select_worker on app_public.workflows;
create policy select_worker on app_public.workflows for select to :WORKER
  using (true);
drop policy if exists update_worker on app_public.workflows;
create policy update_worker on app_public.workflows for update to :WORKER
  using (true)
  with check (true);
drop policy if exists select_worker on app_public.workflow_steps;
create policy select_worker on app_public.workflow_steps for select to :WORKER
  using (true);
drop policy if exists update_worker on app_public.workflow_steps;
create policy update_worker on app_public.workflow_steps for update to :WORKER
  using (true)
  with check (true);
drop policy if exists insert_worker on app_public.tasks;
create policy insert_worker on app_public.tasks for insert to :WORKER
  with check (true);

-- app_private.tg__publish, ops.read_events and ops.trim_events.
drop policy if exists manage_owner on app_private.events;
create policy manage_owner on app_private.events for all to :OWNER
  using (true)
  with check (true);

-- ops.read_events and ops.trim_events; it holds nothing of a tenant.
drop policy if exists manage_owner on app_private.event_marks;
create policy manage_owner on app_private.event_marks for all to :OWNER
  using (true)
  with check (true);

-- ops.begin_run, ops.renew_run, ops.end_run and ops.abandon_runs; it holds nothing of a tenant.
drop policy if exists manage_owner on ops.job_runs;
create policy manage_owner on ops.job_runs for all to :OWNER
  using (true)
  with check (true);

drop policy if exists select_operator on ops.job_runs;
create policy select_operator on ops.job_runs for select to :OPERATOR
  using (true);

drop policy if exists select_worker on ops.job_runs;
create policy select_worker on ops.job_runs for select to :WORKER
  using (true);

-- Workers, tasks and alerts, which hold nothing of a tenant: the functions that keep them, and who reads them.
drop policy if exists manage_owner on ops.workers;
create policy manage_owner on ops.workers for all to :OWNER
  using (true)
  with check (true);

drop policy if exists select_operator on ops.workers;
create policy select_operator on ops.workers for select to :OPERATOR
  using (true);

drop policy if exists select_worker on ops.workers;
create policy select_worker on ops.workers for select to :WORKER
  using (true);

drop policy if exists manage_owner on ops.job_tasks;
create policy manage_owner on ops.job_tasks for all to :OWNER
  using (true)
  with check (true);

drop policy if exists select_operator on ops.job_tasks;
create policy select_operator on ops.job_tasks for select to :OPERATOR
  using (true);

drop policy if exists select_worker on ops.job_tasks;
create policy select_worker on ops.job_tasks for select to :WORKER
  using (true);

drop policy if exists manage_owner on ops.alerts;
create policy manage_owner on ops.alerts for all to :OWNER
  using (true)
  with check (true);

drop policy if exists select_operator on ops.alerts;
create policy select_operator on ops.alerts for select to :OPERATOR
  using (true);

drop policy if exists select_worker on ops.alerts;
create policy select_worker on ops.alerts for select to :WORKER
  using (true);

-- ops.record_backups, operators' views and the worker's checks; it holds nothing of a tenant.
drop policy if exists manage_owner on ops.backups;
create policy manage_owner on ops.backups for all to :OWNER
  using (true)
  with check (true);

drop policy if exists select_operator on ops.backups;
create policy select_operator on ops.backups for select to :OPERATOR
  using (true);

drop policy if exists select_worker on ops.backups;
create policy select_worker on ops.backups for select to :WORKER
  using (true);

-- ops.see_wal_receiver, operators' views and the worker's checks; it holds nothing of a tenant.
drop policy if exists manage_owner on ops.wal_receivers;
create policy manage_owner on ops.wal_receivers for all to :OWNER
  using (true)
  with check (true);

drop policy if exists select_operator on ops.wal_receivers;
create policy select_operator on ops.wal_receivers for select to :OPERATOR
  using (true);

drop policy if exists select_worker on ops.wal_receivers;
create policy select_worker on ops.wal_receivers for select to :WORKER
  using (true);

-- Drills, which hold nothing of a tenant: ops.record_drill, and who reads them.
drop policy if exists manage_owner on ops.drills;
create policy manage_owner on ops.drills for all to :OWNER
  using (true)
  with check (true);

drop policy if exists select_operator on ops.drills;
create policy select_operator on ops.drills for select to :OPERATOR
  using (true);

drop policy if exists select_worker on ops.drills;
create policy select_worker on ops.drills for select to :WORKER
  using (true);

-- What jobs set aside, of all tenants: ops.quarantine_item and ops.release_items, which jobs call; operators and the check
-- of alerts read it.
drop policy if exists manage_owner on ops.quarantined_items;
create policy manage_owner on ops.quarantined_items for all to :OWNER
  using (true)
  with check (true);

drop policy if exists select_operator on ops.quarantined_items;
create policy select_operator on ops.quarantined_items for select to :OPERATOR
  using (true);

drop policy if exists select_worker on ops.quarantined_items;
create policy select_worker on ops.quarantined_items for select to :WORKER
  using (true);
--! EndIncluded cross_tenant_policies.sql
