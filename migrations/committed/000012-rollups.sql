--! Previous: sha1:d39283b779f853cdd8829139e9415bcdb31fdd97
--! Hash: sha1:269c844f7ff9256309d6076f945e0b001f8c8421
--! Message: rollups

-- Metrics are rolled up by themselves: every statement that records points notes the minutes that it wrote to, the worker
-- rolls up what is noted, and readers take from the points what is noted still.

drop function ops.roll_up_metrics(timestamptz, timestamptz);
drop function ops.merge_metrics_hour(timestamptz, timestamptz);
drop function ops.merge_metrics_day(timestamptz, timestamptz);
drop function app_private.metric_rollup_range(interval, timestamptz, timestamptz);

-- A row per statement, tenant and minute: only added to by writers, so that they wait for nobody, and removed by the worker.
-- No primary key, which nobody would use, and no foreign key to tenants, a look-up for each row: rows are gone within
-- minutes.
create table ops.metric_changes (
  resolution text not null,
  tenant_id text collate "C" not null,
  bucket timestamptz not null,
  constraint metric_changes_resolution_check check (resolution in ('minute', 'hour', 'day'))
) with (
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
  autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 50000,
  autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000
);
-- The worker's order.
create index metric_changes_resolution_bucket_idx on ops.metric_changes (resolution, bucket);
-- A reader's question.
create index metric_changes_tenant_id_bucket_resolution_idx on ops.metric_changes (tenant_id, bucket, resolution);

create table ops.metric_rollups (
  resolution text not null,
  rolled_up_at timestamptz,
  constraint metric_rollups_pkey primary key (resolution),
  constraint metric_rollups_resolution_check check (resolution in ('minute', 'hour', 'day'))
);
insert into ops.metric_rollups (resolution) values ('minute'), ('hour'), ('day');

--! Included app_private/functions/tg_metrics__mark_changes.sql
-- Notes the minutes that points arrived in, a row per statement, tenant and minute: what the worker has to roll up, and
-- what readers take from the points until it has. Rows are only added, so that writers never wait for each other or for
-- the worker. Definer: nobody may write the notes.
create or replace function app_private.tg_metrics__mark_changes() returns trigger
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  insert into ops.metric_changes (resolution, tenant_id, bucket)
  select distinct 'minute', n.tenant_id, date_bin('1 minute', n."timestamp", '2001-01-01 00:00:00Z')
  from new_rows n;
  return null;
end
$$;

comment on function app_private.tg_metrics__mark_changes() is 'Trigger: notes in ops.metric_changes the minutes that points arrived in.';
--! EndIncluded app_private/functions/tg_metrics__mark_changes.sql
--! Included app_public/triggers/metrics.sql
-- A partitioned table's row triggers are made on its partitions by Postgres, those attached later included.
create or replace trigger _200_keys
  before update of tenant_id, id, "timestamp" on app_public.metrics
  for each row
  when (
    old.tenant_id is distinct from new.tenant_id
    or old.id is distinct from new.id
    or old."timestamp" is distinct from new."timestamp"
  )
  execute function app_private.tg__refuse_key_change();

-- Nobody but the owner may name a partition, so the parent's trigger sees every statement.
create or replace trigger _500_mark_changes
  after insert on app_public.metrics
  referencing new table as new_rows
  for each statement
  execute function app_private.tg_metrics__mark_changes();
--! EndIncluded app_public/triggers/metrics.sql

-- All points that are there: nobody knows which of them are rolled up. Reads each once; points can be recorded again when
-- the migration has ended. Forced security hides them from the owner.
alter table app_public.metrics no force row level security;
insert into ops.metric_changes (resolution, tenant_id, bucket)
select distinct 'minute', m.tenant_id, date_bin('1 minute', m."timestamp", '2001-01-01 00:00:00Z') from app_public.metrics m;
alter table app_public.metrics force row level security;

--! Included ops/policies/metric_changes.sql
alter table ops.metric_changes enable row level security, force row level security;

revoke all on ops.metric_changes from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
-- tg_metrics__mark_changes writes it and metric_sources reads it, as the owner; the worker rolls up what it names, and
-- names what that changes.
grant select, delete on ops.metric_changes to :WORKER;
grant insert (resolution, tenant_id, bucket) on ops.metric_changes to :WORKER;
--! EndIncluded ops/policies/metric_changes.sql
--! Included ops/policies/metric_rollups.sql
alter table ops.metric_rollups enable row level security, force row level security;

revoke all on ops.metric_rollups from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
-- Who rolls up holds its row; of no tenant.
grant select on ops.metric_rollups to :WORKER, :OPERATOR;
grant update (rolled_up_at) on ops.metric_rollups to :WORKER;
--! EndIncluded ops/policies/metric_rollups.sql
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

revoke all on app_public.metrics from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.metrics to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
-- It rolls points up: ops.roll_up_minutes.
grant select on app_public.metrics to :WORKER;
-- No insert of id: it is the database's. No update and no delete: a measurement stands until its partition expires.
grant insert (tenant_id, service_name, metric_name, value, tags, "timestamp") on app_public.metrics to :SERVICE, :ADMIN;
-- The partitions have no grants and no policies: nobody but the owner can name one.
--! EndIncluded app_public/policies/metrics.sql
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

-- ops.session_claims and validate_session find a session by its token, before its tenant is known, and prolong it;
-- own_sessions compares tenant and user itself, the view user_sessions the tenant.
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

-- ops.roll_up_minutes, ops.merge_hours and ops.merge_days: rollups are made for all tenants at once.
drop policy if exists select_worker on app_public.metrics;
create policy select_worker on app_public.metrics for select to :WORKER
  using (true);

drop policy if exists manage_worker on app_public.metrics_minute;
create policy manage_worker on app_public.metrics_minute for all to :WORKER
  using (true)
  with check (true);

drop policy if exists manage_worker on app_public.metrics_hour;
create policy manage_worker on app_public.metrics_hour for all to :WORKER
  using (true)
  with check (true);

drop policy if exists manage_worker on app_public.metrics_day;
create policy manage_worker on app_public.metrics_day for all to :WORKER
  using (true)
  with check (true);

-- tg_metrics__mark_changes adds to what has to be rolled up; metric_sources reads it, and compares the tenant itself.
drop policy if exists manage_owner on ops.metric_changes;
create policy manage_owner on ops.metric_changes for all to :OWNER
  using (true)
  with check (true);

-- ops.roll_up_minutes and the like.
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
--! EndIncluded cross_tenant_policies.sql

--! Included app_private/functions/metric_sources.sql
-- Which table answers for which part of a range: the coarsest rollup that has it, points where none does. A rollup has
-- everything but what ops.metric_changes says it lacks; points and their notes are committed together, rollups and the end
-- of the notes, too, so a statement never sees a part of a rollup as the whole. A rollup can serve buckets that are a
-- multiple of its own width, and whole ones only; a null bucket is any.
-- Definer: it reads the notes, of the caller's tenant.
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
    group by c.resolution, c.bucket
  ),
  -- What is changed in a minute is changed in its hour and its day.
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
--! EndIncluded app_private/functions/metric_sources.sql
--! Included app_private/functions/metric_rows.sql
-- The points of a range, or the rollups that stand for them (metric_sources). With `by_key` a rollup gives a row per bucket
-- of its sketch, of which only key, count, min and max mean something; without, the key is null.
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
    and m.tags @> metric_rows.filter
  union all
  select m.bucket, m.tags, k.key, coalesce(k.count, m.count), m.sum, m.min, m.max, m.last, m.last_at
  from sources s
  join app_public.metrics_minute m on m.bucket >= s.range_start and m.bucket < s.range_end
  left join lateral unnest(m.sketch_keys, m.sketch_counts) k(key, count) on metric_rows.by_key
  where s.resolution = 'minute'
    and m.service_name = metric_rows.service and m.metric_name = metric_rows.metric
    and m.tags @> metric_rows.filter
  union all
  select m.bucket, m.tags, k.key, coalesce(k.count, m.count), m.sum, m.min, m.max, m.last, m.last_at
  from sources s
  join app_public.metrics_hour m on m.bucket >= s.range_start and m.bucket < s.range_end
  left join lateral unnest(m.sketch_keys, m.sketch_counts) k(key, count) on metric_rows.by_key
  where s.resolution = 'hour'
    and m.service_name = metric_rows.service and m.metric_name = metric_rows.metric
    and m.tags @> metric_rows.filter
  union all
  select m.bucket, m.tags, k.key, coalesce(k.count, m.count), m.sum, m.min, m.max, m.last, m.last_at
  from sources s
  join app_public.metrics_day m on m.bucket >= s.range_start and m.bucket < s.range_end
  left join lateral unnest(m.sketch_keys, m.sketch_counts) k(key, count) on metric_rows.by_key
  where s.resolution = 'day'
    and m.service_name = metric_rows.service and m.metric_name = metric_rows.metric
    and m.tags @> metric_rows.filter;
end;

comment on function app_private.metric_rows(text, text, timestamptz, timestamptz, interval, jsonb, boolean) is 'The points of a range, or the rollups that stand for them.';
grant execute on function app_private.metric_rows(text, text, timestamptz, timestamptz, interval, jsonb, boolean)
  to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
--! EndIncluded app_private/functions/metric_rows.sql
drop function app_private.metric_sources(text, text, timestamptz, timestamptz, interval);
--! Included app_private/functions/metric_reach.sql
-- A range that holds all of a series or of percentiles, for the planner: immutable, so that it is a constant where the
-- arguments are, and partitions outside of it are left out before anything is planned for them. Months and days in the
-- session's time zone would make it stable, hence `at time zone`. What metric_request refuses has no bounds here.
create or replace function app_private.metric_reach("from" timestamptz, "to" timestamptz, bucket interval) returns tstzrange
language sql immutable parallel safe
return case
  when "from" < "to" and isfinite("from") and isfinite("to")
    and (bucket is null or (bucket > interval '0' and bucket < interval '100 years' and extract(month from bucket) = 0
      and extract(year from bucket) = 0))
  then tstzrange(
    -- Every bucket that metric_request chooses divides a week.
    date_bin(coalesce(bucket, interval '7 days'), "from", '2001-01-01 00:00:00Z'),
    (
      date_bin(coalesce(bucket, interval '7 days'), "to", '2001-01-01 00:00:00Z') at time zone 'UTC'
        + coalesce(bucket, interval '7 days')
    ) at time zone 'UTC'
  )
  else tstzrange('-infinity', 'infinity')
end;

comment on function app_private.metric_reach(timestamptz, timestamptz, interval) is 'A range that holds all buckets of a series, as a constant for the planner.';
grant execute on function app_private.metric_reach(timestamptz, timestamptz, interval)
  to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
--! EndIncluded app_private/functions/metric_reach.sql
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
      sum(r.count)::double precision as points,
      sum(r.sum) as total,
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
    select k.*, sum(k.points) over (partition by k.bucket_start, k.tag_value order by k.key) as points_up_to
    from keyed k
  ),
  filled as (
    select
      r.bucket_start, r.tag_value, sum(r.points)::bigint as points,
      case metric_series.aggregate
        when 'avg' then sum(r.total) / sum(r.points)
        when 'sum' then sum(r.total)
        when 'rate' then sum(r.total) / (select extract(epoch from q.bucket) from request q)
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
      coalesce(
        f.value,
        case when metric_series.fill = 'zero' or metric_series.aggregate in ('sum', 'rate', 'count') then 0 end
      ) as value
    from request q
    cross join lateral generate_series(q.range_start, q.range_end - interval '1 microsecond', q.bucket) s(bucket_start)
    cross join groups g
    left join filled f on f.bucket_start = s.bucket_start and f.tag_value is not distinct from g.tag_value
  ),
  -- Each gap in one group with the last bucket before it that has a value.
  runs as (
    select s.*, count(s.value) over (partition by s.tag_value order by s.bucket_start) as run
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
  E'A metric of a service over time, in buckets. `from` and `to` are widened to whole buckets, counted from midnight UTC (a week''s from Monday); without a `bucket` it is chosen to give at most 200. `aggregate` is avg, sum, min, max, count, rate (sum per second), last or a percentile such as p95 or p99.9 (right to one per cent). `tags` keeps to points that have all of these tags; `group_by` names a tag, each value of which has a series of its own (null: points without it). Buckets without points are there: count, sum and rate are 0, others as `fill` says: null, zero or previous (the last value before). Reads points or rollups, whichever has them coarsest. LTM02 no range, LTM03 bucket, LTM04 aggregate, LTM05 tags, LTM06 fill.';
grant execute on function app_public.metric_series(text, text, timestamptz, timestamptz, interval, text, jsonb, text, text)
  to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
--! EndIncluded app_public/functions/metric_series.sql
--! Included app_public/functions/metric_percentiles.sql
-- Several percentiles of one range, of sketches. The range is exact: whole minutes, hours and days of it come from rollups,
-- its edges from points.
create or replace function app_public.metric_percentiles(
  service text,
  metric text,
  "from" timestamptz,
  "to" timestamptz,
  percentiles double precision[] default '{50,90,95,99}',
  tags jsonb default '{}',
  group_by text default null
) returns table (tag_value text, percentile double precision, value double precision, points bigint)
language sql stable
begin atomic
  with request as materialized (
    select p.percentile
    from app_private.metric_request(
      metric_percentiles."from", metric_percentiles."to", null, 'p50', 'null', metric_percentiles.tags
    ) q
    cross join lateral unnest(app_private.metric_percentile_list(metric_percentiles.percentiles)) p(percentile)
  ),
  keyed as (
    select
      r.tags ->> metric_percentiles.group_by as tag_value, r.key, sum(r.count)::double precision as points, min(r.min) as least, max(r.max) as most
    from (select from request limit 1) checked
    cross join lateral app_private.metric_rows(
      metric_percentiles.service, metric_percentiles.metric, metric_percentiles."from", metric_percentiles."to", null,
      metric_percentiles.tags, true
    ) r
    -- All of them, as constants (metric_reach).
    where r.at >= lower(app_private.metric_reach(metric_percentiles."from", metric_percentiles."to", '1 second'))
      and r.at < upper(app_private.metric_reach(metric_percentiles."from", metric_percentiles."to", '1 second'))
    group by 1, 2
  ),
  ranked as (
    select
      k.*,
      sum(k.points) over (partition by k.tag_value order by k.key) as points_up_to,
      sum(k.points) over (partition by k.tag_value) as all_points
    from keyed k
  )
  select
    r.tag_value, q.percentile,
    greatest(
      min(r.least),
      least(
        max(r.most),
        app_private.metric_key_value(
          min(r.key) filter (where r.points_up_to > q.percentile / 100 * (r.all_points - 1))
        )
      )
    ),
    sum(r.points)::bigint
  from request q
  cross join ranked r
  group by r.tag_value, q.percentile
  order by r.tag_value, q.percentile;
end;

comment on function app_public.metric_percentiles(text, text, timestamptz, timestamptz, double precision[], jsonb, text) is
  E'Percentiles (0 to 100; 50, 90, 95 and 99 unless told otherwise) of a metric of a service between `from` and `to`, right to one per cent. `tags` keeps to points that have all of these tags; `group_by` names a tag, each value of which has percentiles of its own. No rows when there are no points. LTM02 no range, LTM05 tags, LTM07 percentiles.';
grant execute on function app_public.metric_percentiles(text, text, timestamptz, timestamptz, double precision[], jsonb, text)
  to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
--! EndIncluded app_public/functions/metric_percentiles.sql
--! Included ops/functions/due_metric_buckets.sql
-- The oldest buckets that a rollup lacks and that are over by `until`, each once, out of a stretch of `how_many`. Steps from
-- one to the next by the index: a minute has as many notes as statements wrote into it.
create or replace function ops.due_metric_buckets(resolution text, width interval, until timestamptz, how_many integer)
returns timestamptz[]
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
    where c.resolution = due_metric_buckets.resolution
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

comment on function ops.due_metric_buckets(text, interval, timestamptz, integer) is 'The oldest buckets that a rollup (minute, hour, day) lacks and that are over by `until`, out of a stretch of `how_many`.';
grant execute on function ops.due_metric_buckets(text, interval, timestamptz, integer) to :WORKER, :OPERATOR;
--! EndIncluded ops/functions/due_metric_buckets.sql
--! Included ops/functions/make_metrics_minute.sql
-- Makes the rollups of these minutes anew from all of their points, for the tenants that ops.metric_changes names, ends
-- the notes and notes the hours: one statement and so of one snapshot. Points that are committed later have notes of their
-- own. For ops.roll_up_minutes; parsed ahead, because the worker may not name what is in app_private.
create or replace function ops.make_metrics_minute(minutes timestamptz[]) returns void
language sql volatile
-- The tenant's points of a minute are a stretch of the primary key: one look into the index for each. The planner does not
-- know how many notes there are, and would read whole days.
set enable_hashjoin to off
set enable_mergejoin to off
begin atomic
  with ended as (
    delete from ops.metric_changes c where c.resolution = 'minute' and c.bucket = any (make_metrics_minute.minutes)
    returning c.tenant_id, c.bucket
  ),
  changed as materialized (
    select distinct e.tenant_id, e.bucket from ended e
  ),
  keyed as (
    select
      c.tenant_id, m.service_name, m.metric_name, m.tags, c.bucket,
      app_private.metric_key(m.value) as key,
      count(*) as count,
      sum(m.value) as sum,
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
      k.tenant_id, k.service_name, k.metric_name, k.tags, k.bucket, sum(k.count), sum(k.sum), min(k.min), max(k.max),
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

comment on function ops.make_metrics_minute(timestamptz[]) is 'Makes the rollups of these minutes anew from their points, where ops.metric_changes has notes of them. For ops.roll_up_minutes.';
grant execute on function ops.make_metrics_minute(timestamptz[]) to :WORKER;
--! EndIncluded ops/functions/make_metrics_minute.sql
--! Included ops/functions/roll_up_minutes.sql
-- Rolls up the oldest minutes that are over by `until` and have changed, of all tenants, out of a stretch of `how_many`.
-- Killed anywhere, it has done all or nothing. One at a time: who finds the row of ops.metric_rollups locked does nothing,
-- and answers null. Runs as the worker.
create or replace function ops.roll_up_minutes(until timestamptz default now(), how_many integer default 60) returns integer
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
    return null;
  end if;
  v_minutes := ops.due_metric_buckets('minute', '1 minute', roll_up_minutes.until, roll_up_minutes.how_many);
  if v_minutes = '{}' then
    return 0;
  end if;

  perform ops.make_metrics_minute(v_minutes);
  return cardinality(v_minutes);
end
$$;

comment on function ops.roll_up_minutes(timestamptz, integer) is 'Rolls up the oldest `how_many` minutes that are over by `until` and have changed. Returns how many they were: 0, there are none; null, somebody else is at it.';
grant execute on function ops.roll_up_minutes(timestamptz, integer) to :WORKER;
--! EndIncluded ops/functions/roll_up_minutes.sql
--! Included ops/functions/merge_hours.sql
-- Merges the rollups of a minute into those of an hour, for the oldest hours that are over by `until` and have changed:
-- sketches merge by adding up. Otherwise as ops.roll_up_minutes.
create or replace function ops.merge_hours(until timestamptz default now(), how_many integer default 24) returns integer
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
    return null;
  end if;
  v_hours := ops.due_metric_buckets('hour', '1 hour', merge_hours.until, merge_hours.how_many);
  if v_hours = '{}' then
    return 0;
  end if;

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

  return cardinality(v_hours);
end
$$;

comment on function ops.merge_hours(timestamptz, integer) is 'Merges the minutes of the oldest `how_many` hours that are over by `until` and have changed. Returns how many they were: 0, there are none; null, somebody else is at it.';
grant execute on function ops.merge_hours(timestamptz, integer) to :WORKER;
--! EndIncluded ops/functions/merge_hours.sql
--! Included ops/functions/merge_days.sql
-- Merges the rollups of an hour into those of a day (of UTC), for the oldest days that are over by `until` and have changed.
-- Otherwise as ops.merge_hours.
create or replace function ops.merge_days(until timestamptz default now(), how_many integer default 7) returns integer
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
    return null;
  end if;
  v_days := ops.due_metric_buckets('day', '24 hours', merge_days.until, merge_days.how_many);
  if v_days = '{}' then
    return 0;
  end if;

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

  return cardinality(v_days);
end
$$;

comment on function ops.merge_days(timestamptz, integer) is 'Merges the hours of the oldest `how_many` days that are over by `until` and have changed. Returns how many they were: 0, there are none; null, somebody else is at it.';
grant execute on function ops.merge_days(timestamptz, integer) to :WORKER;
--! EndIncluded ops/functions/merge_days.sql
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
comment on column ops.job_runs.lease_until is 'When it is taken for dead unless it is heard of before.';
comment on column ops.job_runs.finished_at is 'When it ended; null: it runs.';

comment on function ops.create_tenant(text, text) is 'Makes a tenant, or gives back the one of that id and name. LTT01 when the id is taken under another name.';
comment on function ops.set_tenant_suspended(text, boolean) is 'Locks a tenant out, or lets it in again. LTT02 when there is none.';
comment on function ops.suspended_tenants() is 'Ids of the tenants that are locked out.';
comment on function ops.bind_login(name, text) is 'Binds a login to the tenant it will see. LTT02 no such tenant, LTT03 the login is more than a plain one, LTT04 it belongs to another tenant.';
comment on function ops.unbind_login(name) is 'Takes a login''s tenant away; false when it had none.';
comment on function ops.ensure_partitions(integer, integer) is 'Makes the missing partitions of metrics and their rollups (days ahead) and of audit.log (months ahead), and returns their names.';
comment on function ops.applied_migrations() is 'The migrations that this database has, oldest first.';
comment on function ops.reap_expired_leases(integer) is 'Takes back up to how_many tasks whose leases expired: they wait again, or are dead when their attempts are used up. Returns their number.';
comment on function ops.tend_workflows(integer) is 'Ends the steps that took too long, in up to how_many workflows, and goes on with them. Returns how many it was at; those that somebody else holds are left for the next time.';
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
--! EndIncluded ops/comments.sql
