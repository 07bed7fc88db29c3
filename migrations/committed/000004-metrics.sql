--! Previous: sha1:b4c9b9545afb7f23d48a6e931795a2292d5b9ae4
--! Hash: sha1:c58d7143812435bcac0234dd2cf61e986c9d142f
--! Message: metrics

-- Metrics: rollups of a minute, an hour and a day, and the functions that record, read and roll up. Rollups are written by
-- the worker, all tenants at once, so tenant_id has no default in them.
--
-- Tags can be larger than an index entry, so keys hold their digest. A sketch is a histogram whose buckets grow by two per
-- cent (DDSketch, Masson, Rim and Lee 2019): how many values fell into each, so that two merge by adding up, and
-- percentiles come out right to one per cent. See app_private.metric_key.

-- The checks read each table of points once, under a lock that lets nobody write meanwhile.
alter table app_public.metrics
  add constraint metrics_value_check check (value > '-Infinity' and value < 'Infinity'),
  add constraint metrics_tags_check check (jsonb_typeof(tags) = 'object');

create table app_public.metrics_minute (
  tenant_id text collate "C" not null,
  service_name varchar(50) not null,
  metric_name varchar(100) not null,
  tags jsonb not null default '{}',
  tags_hash uuid not null generated always as (md5(tags::text)::uuid) stored,
  bucket timestamptz not null,
  count bigint not null,
  sum double precision not null,
  min double precision not null,
  max double precision not null,
  last double precision not null,
  last_at timestamptz not null,
  sketch_keys integer[] not null,
  sketch_counts bigint[] not null,
  constraint metrics_minute_pkey primary key (tenant_id, service_name, metric_name, bucket, tags_hash),
  constraint metrics_minute_tenant_id_fkey foreign key (tenant_id) references app_public.tenants (id) on delete restrict,
  constraint metrics_minute_bucket_check check (date_bin('1 minute', bucket, '2001-01-01 00:00:00Z') = bucket),
  constraint metrics_minute_count_check check (count > 0),
  constraint metrics_minute_sketch_counts_check check (cardinality(sketch_counts) = cardinality(sketch_keys))
) partition by range (bucket);
create index metrics_minute_bucket_idx on app_public.metrics_minute using brin (bucket);

create table app_public.metrics_hour (
  tenant_id text collate "C" not null,
  service_name varchar(50) not null,
  metric_name varchar(100) not null,
  tags jsonb not null default '{}',
  tags_hash uuid not null generated always as (md5(tags::text)::uuid) stored,
  bucket timestamptz not null,
  count bigint not null,
  sum double precision not null,
  min double precision not null,
  max double precision not null,
  last double precision not null,
  last_at timestamptz not null,
  sketch_keys integer[] not null,
  sketch_counts bigint[] not null,
  constraint metrics_hour_pkey primary key (tenant_id, service_name, metric_name, bucket, tags_hash),
  constraint metrics_hour_tenant_id_fkey foreign key (tenant_id) references app_public.tenants (id) on delete restrict,
  constraint metrics_hour_bucket_check check (date_bin('1 hour', bucket, '2001-01-01 00:00:00Z') = bucket),
  constraint metrics_hour_count_check check (count > 0),
  constraint metrics_hour_sketch_counts_check check (cardinality(sketch_counts) = cardinality(sketch_keys))
) partition by range (bucket);
create index metrics_hour_bucket_idx on app_public.metrics_hour using brin (bucket);

-- A row per series and day: small enough to be one table, from which retention deletes.
create table app_public.metrics_day (
  tenant_id text collate "C" not null,
  service_name varchar(50) not null,
  metric_name varchar(100) not null,
  tags jsonb not null default '{}',
  tags_hash uuid not null generated always as (md5(tags::text)::uuid) stored,
  bucket timestamptz not null,
  count bigint not null,
  sum double precision not null,
  min double precision not null,
  max double precision not null,
  last double precision not null,
  last_at timestamptz not null,
  sketch_keys integer[] not null,
  sketch_counts bigint[] not null,
  constraint metrics_day_pkey primary key (tenant_id, service_name, metric_name, bucket, tags_hash),
  constraint metrics_day_tenant_id_fkey foreign key (tenant_id) references app_public.tenants (id) on delete restrict,
  constraint metrics_day_bucket_check check (date_bin('1 day', bucket, '2001-01-01 00:00:00Z') = bucket),
  constraint metrics_day_count_check check (count > 0),
  constraint metrics_day_sketch_counts_check check (cardinality(sketch_counts) = cardinality(sketch_keys))
);
create index metrics_day_bucket_idx on app_public.metrics_day using brin (bucket);

-- Before there are partitions: each gets the triggers that its parent has when it is made.
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
-- It rolls points up: ops.roll_up_metrics.
grant select on app_public.metrics to :WORKER;
-- No insert of id: it is the database's. No update and no delete: a measurement stands until its partition expires.
grant insert (tenant_id, service_name, metric_name, value, tags, "timestamp") on app_public.metrics to :SERVICE, :ADMIN;
-- The partitions have no grants and no policies: nobody but the owner can name one.
--! EndIncluded app_public/policies/metrics.sql
--! Included app_public/policies/metrics_minute.sql
alter table app_public.metrics_minute enable row level security, force row level security;

-- Who reads the points reads what they amount to.
drop policy if exists select_tenant on app_public.metrics_minute;
create policy select_tenant on app_public.metrics_minute for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

revoke all on app_public.metrics_minute from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.metrics_minute to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
-- The worker makes a row and makes it anew; nobody of a tenant writes one.
grant select on app_public.metrics_minute to :WORKER;
grant insert (
    tenant_id, service_name, metric_name, tags, bucket, count, sum, min, max, last, last_at, sketch_keys, sketch_counts
  ),
  update (count, sum, min, max, last, last_at, sketch_keys, sketch_counts)
  on app_public.metrics_minute to :WORKER;
--! EndIncluded app_public/policies/metrics_minute.sql
--! Included app_public/policies/metrics_hour.sql
alter table app_public.metrics_hour enable row level security, force row level security;

-- Who reads the points reads what they amount to.
drop policy if exists select_tenant on app_public.metrics_hour;
create policy select_tenant on app_public.metrics_hour for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

revoke all on app_public.metrics_hour from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.metrics_hour to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
-- The worker makes a row and makes it anew; nobody of a tenant writes one.
grant select on app_public.metrics_hour to :WORKER;
grant insert (
    tenant_id, service_name, metric_name, tags, bucket, count, sum, min, max, last, last_at, sketch_keys, sketch_counts
  ),
  update (count, sum, min, max, last, last_at, sketch_keys, sketch_counts)
  on app_public.metrics_hour to :WORKER;
--! EndIncluded app_public/policies/metrics_hour.sql
--! Included app_public/policies/metrics_day.sql
alter table app_public.metrics_day enable row level security, force row level security;

-- Who reads the points reads what they amount to.
drop policy if exists select_tenant on app_public.metrics_day;
create policy select_tenant on app_public.metrics_day for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

revoke all on app_public.metrics_day from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.metrics_day to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
-- The worker makes a row and makes it anew; nobody of a tenant writes one.
grant select on app_public.metrics_day to :WORKER;
grant insert (
    tenant_id, service_name, metric_name, tags, bucket, count, sum, min, max, last, last_at, sketch_keys, sketch_counts
  ),
  update (count, sum, min, max, last, last_at, sketch_keys, sketch_counts)
  on app_public.metrics_day to :WORKER;
--! EndIncluded app_public/policies/metrics_day.sql
--! Included grants.sql
-- Who may look into which schema, and who may call what. Rights on tables are in the policy files.

revoke all on schema app_public, app_private, audit, ops from public;
grant usage on schema app_public to :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :WORKER, :SEARCH;
grant usage on schema audit to :ADMIN, :OPERATOR;
grant usage on schema ops to :OPERATOR, :WORKER;
-- app_private is granted to nobody who can ask anything. Defaults and policies name its functions by identity and need no
-- usage of it; the functions that run as :SEARCH name theirs.
grant usage on schema app_private to :SEARCH;

grant execute on function app_private.current_tenant_id(), app_private.login_tenant_id()
  to :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :SEARCH;

-- Whether the schema fits is asked by every process before it serves, by the API as an anonymous request. They name the
-- function in full, so they need usage of its schema.
grant usage on schema ops to :ANON;
grant execute on function ops.applied_migrations() to :ANON, :OPERATOR, :WORKER;
-- Which tokens to refuse is asked in the same way.
grant execute on function ops.suspended_tenants() to :ANON, :OPERATOR;
grant execute on function ops.ensure_partitions(integer, integer) to :WORKER;
grant execute on function ops.create_tenant(text, text), ops.set_tenant_suspended(text, boolean) to :OPERATOR;
-- bind_login and unbind_login: the owner's only. They go with creating the login, which operators cannot.

revoke all on ops.tenants from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :WORKER, :SEARCH;
grant select on ops.tenants to :OPERATOR;

-- Knowledge. The functions that belong to :SEARCH have their grants beside them.
grant execute on function
  app_private.refuse_embedding(public.vector),
  app_private.nearest_knowledge(text, public.vector, text, text, jsonb, text, integer),
  app_private.knowledge_by_text(text, text, text, text, jsonb, integer)
  to :SEARCH;
grant execute on function
  app_public.add_knowledge(text, text, text, text, text, jsonb, public.vector),
  app_public.add_knowledge_items(jsonb)
  to :MEMBER, :SERVICE, :ADMIN;
--! EndIncluded grants.sql
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

-- ops.roll_up_metrics and ops.merge_metrics: rollups are made for all tenants at once.
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
--! EndIncluded cross_tenant_policies.sql
--! Included audit/tracked_tables.sql
-- The one list of what is audited, and of what is exempt from row detail. test/db/conventions.test.ts compares it with
-- the catalog: a table of a tenant that is missing here turns it red.
select audit.enable_tracking('app_public.tenants');
select audit.enable_tracking('app_public.agents');
select audit.enable_tracking('app_public.tasks');
-- Uses are counted without a trace, by app_public.touch_knowledge: :SEARCH may update the counters and nothing else.
select audit.enable_tracking('app_public.knowledge', digested => '{embedding}', counter => ':SEARCH');
select audit.enable_tracking('app_public.workflows');
select audit.enable_tracking('app_public.sessions', digested => '{token}');
-- Thousands of points a call: a row per statement says who wrote how many.
select audit.enable_tracking('app_public.metrics', detail => false);
-- Made of the points again and again; a row per statement says that it was the worker.
select audit.enable_tracking('app_public.metrics_minute', detail => false);
select audit.enable_tracking('app_public.metrics_hour', detail => false);
select audit.enable_tracking('app_public.metrics_day', detail => false);
--! EndIncluded audit/tracked_tables.sql
--! Included ops/functions/ensure_partitions.sql
-- Makes the partitions that are missing between now and the horizons: a day each for metrics and their rollups of a minute,
-- a month each for the rollups of an hour and for the audit log. The worker runs it every hour and `lightning migrate` at its end; it can be run at any time and by several
-- at once. Definer: partitions belong to the owner, and this makes only these two kinds.
create or replace function ops.ensure_partitions(
  metrics_days_ahead integer default 14,
  audit_months_ahead integer default 3
) returns setof text
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
set timezone to 'UTC'
as $$
declare
  v_parent text;
  v_start timestamptz;
  v_name text;
begin
  -- One maker at a time: a second one would find the name taken between the look and the create.
  perform pg_advisory_xact_lock(hashtext('ops.ensure_partitions'));

  -- Yesterday too: a point that is on its way at midnight belongs to the day that ended.
  for v_start in
    select d from generate_series(
      date_trunc('day', now()) - interval '1 day',
      date_trunc('day', now()) + make_interval(days => metrics_days_ahead),
      interval '1 day'
    ) d
  loop
    foreach v_parent in array array['metrics', 'metrics_minute'] loop
      v_name := v_parent || '_p' || to_char(v_start, 'YYYYMMDD');
      if app_private.create_partition(
        ('app_public.' || v_parent)::regclass, v_name, v_start, v_start + interval '1 day'
      ) then
        return next 'app_public.' || v_name;
      end if;
    end loop;
  end loop;

  -- As far as the points reach.
  for v_start in
    select m from generate_series(
      date_trunc('month', now() - interval '1 day'),
      date_trunc('month', now() + make_interval(days => metrics_days_ahead)),
      interval '1 month'
    ) m
  loop
    v_name := 'metrics_hour_p' || to_char(v_start, 'YYYYMM');
    if app_private.create_partition('app_public.metrics_hour', v_name, v_start, v_start + interval '1 month') then
      return next 'app_public.' || v_name;
    end if;
  end loop;

  for v_start in
    select m from generate_series(
      date_trunc('month', now()),
      date_trunc('month', now()) + make_interval(months => audit_months_ahead),
      interval '1 month'
    ) m
  loop
    v_name := 'log_p' || to_char(v_start, 'YYYYMM');
    if app_private.create_partition('audit.log', v_name, v_start, v_start + interval '1 month') then
      return next 'audit.' || v_name;
    end if;
  end loop;
end
$$;
--! EndIncluded ops/functions/ensure_partitions.sql
select ops.ensure_partitions();

--! Included app_private/functions/metric_key.sql
-- The bucket of the sketch that a value falls into. Bucket k of the positive values reaches from 1.0202^(k - 1 - 37500) to
-- 1.0202^(k - 37500), so that its middle is within one per cent of each of them; 1.0202 is 1.01 / 0.99, and 0.0200006667
-- its logarithm. Zero has bucket 0, a negative value minus that of its opposite: buckets are in the order of their values.
-- 37500 makes the smallest double's bucket positive, so every finite value has one.
create or replace function app_private.metric_key(value double precision) returns integer
language sql immutable parallel safe
return case
  when value = 0 then 0
  else (
    pg_catalog.sign(value) * (pg_catalog.ceil(pg_catalog.ln(pg_catalog.abs(value)) / 0.0200006667066695) + 37500)
  )::integer
end;

comment on function app_private.metric_key(double precision) is 'The bucket of a sketch that a finite value falls into.';
grant execute on function app_private.metric_key(double precision)
  to :MEMBER, :SERVICE, :ADMIN, :ANALYST, :WORKER;
--! EndIncluded app_private/functions/metric_key.sql
--! Included app_private/functions/metric_key_value.sql
-- The value that stands for a bucket of a sketch: 2 / (1.0202 + 1) = 0.99 of its upper end is within one per cent of all of
-- it. The ends of what a double holds would overflow by a rounding error, hence `least` and `greatest`.
create or replace function app_private.metric_key_value(key integer) returns double precision
language sql immutable parallel safe
return case
  when key = 0 then 0
  else pg_catalog.sign(key) * 0.99 * pg_catalog.exp(
    greatest(-744::double precision, least(709.78::double precision, (pg_catalog.abs(key) - 37500) * 0.0200006667066695))
  )
end;

comment on function app_private.metric_key_value(integer) is 'The value that stands for a bucket of a sketch, within one per cent of each value in it.';
grant execute on function app_private.metric_key_value(integer) to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
--! EndIncluded app_private/functions/metric_key_value.sql
--! Included app_private/functions/metric_percentile_list.sql
-- The percentiles that are asked for, each once.
create or replace function app_private.metric_percentile_list(percentiles double precision[]) returns double precision[]
language plpgsql immutable parallel safe
set search_path to pg_catalog, pg_temp
as $$
begin
  if percentiles is null or cardinality(percentiles) not between 1 and 100
    or exists (select from unnest(percentiles) p where p is null or not p between 0 and 100)
  then
    raise exception 'these are no percentiles: %', coalesce(percentiles::text, 'null')
      using errcode = 'LTM07', hint = 'One to a hundred numbers between 0 and 100: {50,99,99.9}.';
  end if;
  return array(select distinct p from unnest(percentiles) p order by p);
end
$$;

comment on function app_private.metric_percentile_list(double precision[]) is 'The percentiles in order, each once. LTM07 when there are none, more than a hundred, or one is out of 0 to 100.';
grant execute on function app_private.metric_percentile_list(double precision[]) to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
--! EndIncluded app_private/functions/metric_percentile_list.sql
--! Included app_private/functions/metric_points.sql
-- One point or many, as an array.
create or replace function app_private.metric_points(points json) returns json
language plpgsql immutable parallel safe
set search_path to pg_catalog, pg_temp
as $$
begin
  case json_typeof(points)
    when 'array' then return points;
    when 'object' then return json_build_array(points);
    else
      raise exception 'points is neither an object nor an array of objects, but %', coalesce(json_typeof(points), 'null')
        using errcode = 'LTM01',
          hint = 'A point: {"service_name": "api", "metric_name": "latency_ms", "value": 12.5, "tags": {"route": "/"}}.';
  end case;
end
$$;

comment on function app_private.metric_points(json) is 'The points as an array. LTM01 when they are neither an object nor an array.';
grant execute on function app_private.metric_points(json) to :SERVICE, :ADMIN;
--! EndIncluded app_private/functions/metric_points.sql
--! Included app_private/functions/metric_request.sql
-- Checks what the functions that read metrics are asked, and says it in the terms that they compute in:
--   range_start, range_end  of a series: widened to whole buckets
--   bucket                  in seconds alone, because a day added in the session's time zone may have 23 hours; where none
--                           is given, the smallest of the usual that makes at most 200
--   fraction                0 to 1 when the aggregate is a percentile, null otherwise
create or replace function app_private.metric_request(
  inout range_start timestamptz,
  inout range_end timestamptz,
  inout bucket interval,
  aggregate text,
  fill text,
  tags jsonb,
  out fraction double precision
)
language plpgsql immutable parallel safe
set search_path to pg_catalog, pg_temp
set timezone to 'UTC'
as $$
declare
  v_origin constant timestamptz := '2001-01-01 00:00:00Z';
  v_given constant interval := bucket;
begin
  if range_start is null or range_end is null or not isfinite(range_start) or not isfinite(range_end)
    or range_start >= range_end
  then
    raise exception 'there is no time from % to %', coalesce(range_start::text, 'null'), coalesce(range_end::text, 'null')
      using errcode = 'LTM02', hint = '"from" is before "to", and both are given.';
  end if;

  if tags is null or jsonb_typeof(tags) <> 'object' or jsonb_path_exists(tags, 'strict $.* ? (@.type() == "object" || @.type() == "array")')
  then
    raise exception 'tags is not a flat object: %', coalesce(tags::text, 'null')
      using errcode = 'LTM05', hint = 'Points have all of the tags of the filter: {"route": "/"}; {} filters nothing.';
  end if;

  if aggregate ~ '^p\d{1,2}(\.\d{1,6})?$' then
    fraction := substr(aggregate, 2)::double precision / 100;
  elsif aggregate is null or aggregate not in ('avg', 'sum', 'min', 'max', 'count', 'rate', 'last') then
    raise exception 'there is no aggregate %', coalesce(aggregate, 'null')
      using errcode = 'LTM04', hint = 'Use avg, sum, min, max, count, rate, last, or a percentile: p50, p99, p99.9.';
  end if;

  if fill is null or fill not in ('null', 'zero', 'previous') then
    raise exception 'gaps cannot be filled with %', coalesce(fill, 'null')
      using errcode = 'LTM06', hint = 'Use null, zero or previous.';
  end if;

  if v_given is null then
    select coalesce(min(b.width) filter (where b.width * 200 >= range_end - range_start), interval '7 days') into bucket
    from unnest('{1s,10s,1min,5min,15min,1h,6h,1d,7d}'::interval[]) b(width);
  elsif extract(year from v_given) <> 0 or extract(month from v_given) <> 0
    or extract(epoch from v_given) <= 0 or extract(epoch from range_end - range_start) / extract(epoch from v_given) > 10000
  then
    raise exception 'a series from % to % cannot have buckets of %', range_start, range_end, v_given
      using errcode = 'LTM03', hint = 'A bucket is longer than nothing, has no months, and a series has at most 10,000.';
  end if;
  bucket := make_interval(secs => extract(epoch from bucket)::double precision);
  range_start := date_bin(bucket, range_start, v_origin);
  range_end := date_bin(bucket, range_end - interval '1 microsecond', v_origin) + bucket;
end
$$;

comment on function app_private.metric_request(timestamptz, timestamptz, interval, text, text, jsonb) is 'What is asked of metrics, checked: the range in whole buckets, the bucket, and the fraction of a percentile. LTM02 to LTM06.';
grant execute on function app_private.metric_request(timestamptz, timestamptz, interval, text, text, jsonb)
  to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
--! EndIncluded app_private/functions/metric_request.sql
--! Included app_private/functions/metric_rollup_range.sql
-- The range to roll up, which has to be of whole buckets, or half of one would pass for all of it.
create or replace function app_private.metric_rollup_range(
  width interval,
  range_start timestamptz,
  range_end timestamptz
) returns tstzrange
language plpgsql stable
set search_path to pg_catalog, pg_temp
set timezone to 'UTC'
as $$
begin
  if range_start is null or range_end is null or not isfinite(range_start) or not isfinite(range_end)
    or range_start >= range_end or range_end > clock_timestamp()
    or date_bin(width, range_start, '2001-01-01 00:00:00Z') <> range_start
    or date_bin(width, range_end, '2001-01-01 00:00:00Z') <> range_end
  then
    raise exception 'cannot roll up from % to % in steps of %',
      coalesce(range_start::text, 'null'), coalesce(range_end::text, 'null'), width
      using errcode = 'LTM08', hint = 'The range is over, and begins and ends with a step.';
  end if;
  return tstzrange(range_start, range_end);
end
$$;

comment on function app_private.metric_rollup_range(interval, timestamptz, timestamptz) is 'The range to roll up. LTM08 when it is not of whole steps, or not over.';
grant execute on function app_private.metric_rollup_range(interval, timestamptz, timestamptz) to :WORKER;
--! EndIncluded app_private/functions/metric_rollup_range.sql
--! Included app_private/functions/metric_sources.sql
-- Which table answers for which part of a range: the coarsest rollup that has it, points where none does. A rollup is made
-- in the order of time, so a series has it between its first row and its last. It can serve buckets that are a multiple of
-- its own width, and whole ones only; a null bucket is any.
create or replace function app_private.metric_sources(
  service text,
  metric text,
  range_start timestamptz,
  range_end timestamptz,
  bucket interval
) returns table (resolution text, range_start timestamptz, range_end timestamptz)
language sql stable
begin atomic
  with rollups as (
    select 'day' as resolution, interval '24 hours' as width, min(d.bucket) as first, max(d.bucket) as last
    from app_public.metrics_day d
    where d.service_name = metric_sources.service and d.metric_name = metric_sources.metric
    union all
    select 'hour', interval '1 hour', min(h.bucket), max(h.bucket)
    from app_public.metrics_hour h
    where h.service_name = metric_sources.service and h.metric_name = metric_sources.metric
    union all
    select 'minute', interval '1 minute', min(m.bucket), max(m.bucket)
    from app_public.metrics_minute m
    where m.service_name = metric_sources.service and m.metric_name = metric_sources.metric
  ),
  usable as (
    select
      r.resolution,
      pg_catalog.date_bin(
        r.width, greatest(r.first, metric_sources.range_start + r.width - interval '1 microsecond'), '2001-01-01 00:00:00Z'
      ) as range_start,
      pg_catalog.date_bin(
        r.width, least(r.last + r.width, metric_sources.range_end), '2001-01-01 00:00:00Z'
      ) as range_end
    from rollups r
    where r.first is not null
      and (
        metric_sources.bucket is null
        or extract(epoch from metric_sources.bucket) % extract(epoch from r.width) = 0
      )
  ),
  covered as (
    select
      coalesce(pg_catalog.range_agg(u.range) filter (where u.resolution = 'day'), '{}') as days,
      coalesce(pg_catalog.range_agg(u.range) filter (where u.resolution = 'hour'), '{}') as hours,
      coalesce(pg_catalog.range_agg(u.range) filter (where u.resolution = 'minute'), '{}') as minutes
    from (
      select u.resolution, pg_catalog.tstzrange(u.range_start, u.range_end) as range
      from usable u
      where u.range_start < u.range_end
    ) u
  )
  select s.resolution, lower(r.range), upper(r.range)
  from covered c
  cross join lateral (
    values
      ('day', c.days),
      ('hour', c.hours - c.days),
      ('minute', c.minutes - c.hours - c.days),
      (
        'raw',
        pg_catalog.tstzmultirange(pg_catalog.tstzrange(metric_sources.range_start, metric_sources.range_end))
          - c.minutes - c.hours - c.days
      )
  ) s(resolution, ranges)
  cross join lateral pg_catalog.unnest(s.ranges) r(range);
end;

comment on function app_private.metric_sources(text, text, timestamptz, timestamptz, interval) is 'Which of day, hour, minute and raw answers for which part of a range.';
grant execute on function app_private.metric_sources(text, text, timestamptz, timestamptz, interval)
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
    from app_private.metric_sources(
      metric_rows.service, metric_rows.metric, metric_rows.range_start, metric_rows.range_end, metric_rows.bucket
    ) s
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
--! Included app_private/functions/partition_ranges.sql
-- What a table that is partitioned by range of one time holds, read from the bounds as the catalog shows them.
create or replace function app_private.partition_ranges(parent regclass) returns tstzmultirange
language sql stable
set search_path to pg_catalog, pg_temp
set datestyle to 'ISO'
set timezone to 'UTC'
as $$
  select coalesce(range_agg(tstzrange(b.ends[1]::timestamptz, b.ends[2]::timestamptz)), '{}')
  from pg_inherits i
  join pg_class c on c.oid = i.inhrelid
  cross join regexp_match(
    pg_get_expr(c.relpartbound, c.oid), $bounds$^FOR VALUES FROM \('([^']+)'\) TO \('([^']+)'\)$bounds$
  ) b(ends)
  where i.inhparent = parent and not i.inhdetachpending
$$;

comment on function app_private.partition_ranges(regclass) is 'The times for which a table partitioned by time has partitions.';
grant execute on function app_private.partition_ranges(regclass) to :SERVICE, :ADMIN;
--! EndIncluded app_private/functions/partition_ranges.sql
--! Included app_public/functions/record_metrics.sql
-- Stores the good ones of many points in one statement, and says of the others why not. A point is read with
-- json_to_record, in one pass; only what cannot make it fail is let in: texts that have no escape that text cannot hold.
-- Every cast of a value from outside stands in a `case` behind the question whether it can be cast.
create or replace function app_public.record_metrics(points json, out stored integer, out rejected jsonb)
language sql volatile
set timezone to 'UTC'
begin atomic
  with elements as (
    select
      (e.position - 1)::integer as index,
      e.point,
      json_typeof(e.point) = 'object' as is_object,
      position('\u' in e.point::text) = 0 or pg_input_is_valid(e.point::text, 'jsonb') as is_storable
    from json_array_elements(app_private.metric_points(record_metrics.points)) with ordinality e(point, position)
  ),
  fields as (
    select
      e.index, e.point, e.is_object, e.is_storable, r.service_name, r.metric_name, r.value, r.tags,
      case
        when r."timestamp" is null then now()
        when pg_input_is_valid(r."timestamp", 'timestamptz') then r."timestamp"::timestamptz
      end as at,
      r."timestamp"
    from elements e
    left join lateral json_to_record(case when e.is_object and e.is_storable then e.point end)
      r(service_name text, metric_name text, value text, tags json, "timestamp" text) on true
  ),
  checked as materialized (
    select
      f.index, f.service_name, f.metric_name, f.value, f.tags, f.at,
      case
        when not f.is_object then 'a point is an object, not ' || json_typeof(f.point)
        when not f.is_storable then 'it holds a character that cannot be stored, \u0000 or half of a pair'
        when f.service_name is null or f.service_name = '' then 'service_name is missing'
        when length(f.service_name) > 50 then 'service_name is longer than 50 characters'
        when f.metric_name is null or f.metric_name = '' then 'metric_name is missing'
        when length(f.metric_name) > 100 then 'metric_name is longer than 100 characters'
        when f.value is null then 'value is missing'
        when not pg_input_is_valid(f.value, 'double precision') then 'value is not a number, or too large: ' || left(f.value, 40)
        when not (f.value::double precision > '-Infinity' and f.value::double precision < 'Infinity')
          then 'value is not finite: ' || left(f.value, 40)
        when f.at is null then 'timestamp is not a time: ' || left(f."timestamp", 40)
        when not (select app_private.partition_ranges('app_public.metrics')) @> f.at
          then 'timestamp is out of the range that is kept: ' || f.at
        when f.tags is null then null
        when json_typeof(f.tags) <> 'object' then 'tags is not an object'
        when not pg_input_is_valid(f.tags::text, 'jsonb') then 'tags has a number that cannot be stored'
        when f.tags::text ~ '^.+[[{]' and exists (
          select from json_each(f.tags) t where json_typeof(t.value) in ('object', 'array')
        ) then 'tags is not flat: a tag is a text, a number or a boolean'
      end as reason
    from fields f
  ),
  stored as (
    insert into app_public.metrics (tenant_id, service_name, metric_name, value, tags, "timestamp")
    select
      (select app_private.current_tenant_id()), c.service_name, c.metric_name, c.value::double precision,
      coalesce(c.tags::jsonb, '{}'), c.at
    from checked c
    where c.reason is null
  )
  select
    count(*) filter (where c.reason is null)::integer,
    coalesce(
      jsonb_agg(jsonb_build_object('index', c.index, 'reason', c.reason) order by c.index) filter (where c.reason is not null),
      '[]'
    )
  from checked c;
end;

comment on function app_public.record_metrics(json) is
  E'Records points, one object or an array of thousands. A point has `service_name`, `metric_name`, `value` (a finite number), and may have `tags` (a flat object) and `timestamp` (now; UTC where it names no zone). Answers with how many were `stored` and which were `rejected`: `[{"index": 3, "reason": "value is missing"}]`, counted from 0. Good points are stored whatever the others are. LTM01 when `points` is neither an object nor an array.';
grant execute on function app_public.record_metrics(json) to :SERVICE, :ADMIN;
--! EndIncluded app_public/functions/record_metrics.sql
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
      sum(r.count) as points,
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
    group by 1, 2, 3
  ),
  ranked as (
    select
      k.*,
      sum(k.points) over (partition by k.bucket_start, k.tag_value order by k.key) as points_up_to,
      sum(k.points) over (partition by k.bucket_start, k.tag_value) as all_points
    from keyed k
  ),
  filled as (
    select
      r.bucket_start, r.tag_value, sum(r.points)::bigint as points,
      case metric_series.aggregate
        when 'avg' then sum(r.total) / sum(r.points)
        when 'sum' then sum(r.total)
        when 'rate' then sum(r.total) / extract(epoch from q.bucket)
        when 'count' then sum(r.points)
        when 'min' then min(r.least)
        when 'max' then max(r.most)
        when 'last' then (max(r.last))[2]
        else greatest(
          min(r.least),
          least(
            max(r.most),
            app_private.metric_key_value(min(r.key) filter (where r.points_up_to > q.fraction * (r.all_points - 1)))
          )
        )
      end as value
    from request q
    cross join ranked r
    group by r.bucket_start, r.tag_value, q.bucket, q.fraction
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
--! Included app_public/functions/metric_latest.sql
-- The newest point of each metric of a service, or of each value of a tag. Without a tag to group by it jumps from metric to
-- metric and reads the newest point of each; to group it has to read all points since then.
create or replace function app_public.metric_latest(
  service text,
  metric text default null,
  tags jsonb default '{}',
  group_by text default null,
  since timestamptz default (now() - interval '1 day')
) returns table (
  metric_name text,
  tag_value text,
  value double precision,
  point_tags jsonb,
  measured_at timestamptz
)
language sql stable
begin atomic
  with recursive request as materialized (
    select q.range_start
    from app_private.metric_request(
      metric_latest.since, metric_latest.since + interval '1 day', null, 'last', 'null', metric_latest.tags
    ) q
  ),
  names as (
    select coalesce(
      metric_latest.metric,
      (
        select min(m.metric_name)::text
        from app_public.metrics m
        where m.service_name = metric_latest.service and m."timestamp" >= metric_latest.since
      )
    ) as metric_name
    from request
    union all
    select (
      select m.metric_name::text
      from app_public.metrics m
      where m.service_name = metric_latest.service
        and m.metric_name > n.metric_name
        and m."timestamp" >= metric_latest.since
      order by m.metric_name
      limit 1
    )
    from names n
    where n.metric_name is not null and metric_latest.metric is null
  ),
  newest as (
    select n.metric_name, null::text as tag_value, p.value, p.tags, p."timestamp"
    from names n
    cross join lateral (
      select m.value, m.tags, m."timestamp"
      from app_public.metrics m
      where m.service_name = metric_latest.service
        and m.metric_name = n.metric_name
        and m."timestamp" >= metric_latest.since
        and m.tags @> metric_latest.tags
      order by m."timestamp" desc
      limit 1
    ) p
    where metric_latest.group_by is null
    union all
    select p.metric_name, p.tag_value, p.value, p.tags, p."timestamp"
    from (
      select distinct on (n.metric_name, m.tags ->> metric_latest.group_by)
        n.metric_name, m.tags ->> metric_latest.group_by as tag_value, m.value, m.tags, m."timestamp"
      from names n
      join app_public.metrics m
        on m.service_name = metric_latest.service
        and m.metric_name = n.metric_name
        and m."timestamp" >= metric_latest.since
        and m.tags @> metric_latest.tags
      where metric_latest.group_by is not null
      order by n.metric_name, m.tags ->> metric_latest.group_by, m."timestamp" desc
    ) p
  )
  select n.metric_name, n.tag_value, n.value, n.tags, n."timestamp"
  from newest n
  order by n.metric_name, n.tag_value;
end;

comment on function app_public.metric_latest(text, text, jsonb, text, timestamptz) is
  E'The newest point of each metric of a service (of one, where `metric` names it) `since` a time, a day ago unless told otherwise. `tags` keeps to points that have all of these tags; `group_by` names a tag, of each value of which the newest point is given (null: of points without it). LTM02 since, LTM05 tags.';
grant execute on function app_public.metric_latest(text, text, jsonb, text, timestamptz)
  to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
--! EndIncluded app_public/functions/metric_latest.sql
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
      r.tags ->> metric_percentiles.group_by as tag_value, r.key, sum(r.count) as points, min(r.min) as least, max(r.max) as most
    from (select from request limit 1) checked
    cross join lateral app_private.metric_rows(
      metric_percentiles.service, metric_percentiles.metric, metric_percentiles."from", metric_percentiles."to", null,
      metric_percentiles.tags, true
    ) r
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
--! Included ops/functions/roll_up_metrics.sql
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
--! EndIncluded ops/functions/roll_up_metrics.sql
--! Included ops/functions/merge_metrics_hour.sql
-- Makes the rollups of an hour from those of a minute, which have to be complete: sketches merge by adding up. Otherwise as
-- ops.roll_up_metrics.
create or replace function ops.merge_metrics_hour(range_start timestamptz, range_end timestamptz) returns bigint
language sql volatile
begin atomic
  with source as (
    select m.*, date_bin('1 hour', m.bucket, '2001-01-01 00:00:00Z') as merged
    from app_private.metric_rollup_range('1 hour', merge_metrics_hour.range_start, merge_metrics_hour.range_end) r
    join app_public.metrics_minute m on m.bucket >= lower(r) and m.bucket < upper(r)
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
    insert into app_public.metrics_hour as r (
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

comment on function ops.merge_metrics_hour(timestamptz, timestamptz) is 'Makes the rollups of an hour from those of a minute, or makes them anew; returns how many. To be called in the order of time. LTM08 when the range is not of whole hours, or not over.';
grant execute on function ops.merge_metrics_hour(timestamptz, timestamptz) to :WORKER;
--! EndIncluded ops/functions/merge_metrics_hour.sql
--! Included ops/functions/merge_metrics_day.sql
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
--! EndIncluded ops/functions/merge_metrics_day.sql
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
comment on column app_public.tasks.agent_id is 'Who does it; null: nobody yet, or the agent was removed.';
comment on column app_public.tasks.description is 'What is to be done.';
comment on column app_public.tasks.status is 'One of pending, assigned, running, completed, failed, cancelled, dead.';
comment on column app_public.tasks.priority is 'One of low, normal, high, critical.';
comment on column app_public.tasks.context is 'What the agent needs to know.';
comment on column app_public.tasks.result is 'What came out; null until it is completed.';
comment on column app_public.tasks.created_at is 'When the task was made.';
comment on column app_public.tasks.started_at is 'When work began.';
comment on column app_public.tasks.completed_at is 'When it ended, well or badly.';
comment on column app_public.tasks.error_message is 'Why it failed.';

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
comment on column app_public.workflows.steps is 'The steps, a JSON array.';
comment on column app_public.workflows.status is 'One of draft, pending, running, paused, completed, failed, cancelled.';
comment on column app_public.workflows.created_by is 'Who made it.';
comment on column app_public.workflows.assigned_to is 'Who looks after it.';
comment on column app_public.workflows.context is 'What all steps need to know.';
comment on column app_public.workflows.created_at is 'When the workflow was made.';
comment on column app_public.workflows.updated_at is 'When the row last changed; kept by a trigger.';

comment on table app_public.sessions is E'@unique id|@fieldName session|@updateFieldName updateSession|@deleteFieldName deleteSession\nA user''s login session. The token itself is stored nowhere.';
comment on column app_public.sessions.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.sessions.id is 'The session''s id.';
comment on column app_public.sessions.user_id is 'Whose session it is.';
comment on column app_public.sessions.token is 'SHA-256 of the token, 64 hexadecimal digits. Can be written and never read.';
comment on column app_public.sessions.data is 'What the service keeps in it.';
comment on column app_public.sessions.expires_at is 'When it ends.';
comment on column app_public.sessions.created_at is 'When it was opened.';

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
comment on column app_public.metrics_minute.sum is 'Their sum.';
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
comment on column app_public.metrics_hour.sum is 'Their sum.';
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
comment on column app_public.metrics_day.sum is 'Their sum.';
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

-- In GraphQL a caller has one tenant and never names it: rows are found by their own id, the keys that hold the tenant
-- and the way from and to the tenant's row are hidden.
comment on constraint agents_pkey on app_public.agents is E'@behavior -single -update -delete\nA row is known by its tenant and its id.';
comment on constraint tasks_pkey on app_public.tasks is E'@behavior -single -update -delete\nA row is known by its tenant and its id.';
comment on constraint knowledge_pkey on app_public.knowledge is E'@behavior -single -update -delete\nA row is known by its tenant and its id.';
comment on constraint workflows_pkey on app_public.workflows is E'@behavior -single -update -delete\nA row is known by its tenant and its id.';
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
--! EndIncluded app_public/comments.sql
--! Included ops/comments.sql
comment on schema ops is 'Operations across tenants: for operators and the worker.';

comment on view ops.tenants is 'All tenants with their logins.';
comment on column ops.tenants.id is 'The tenant''s id.';
comment on column ops.tenants.name is 'The name to show.';
comment on column ops.tenants.suspended_at is 'Since when it is locked out; null: it is not.';
comment on column ops.tenants.created_at is 'When it was made.';
comment on column ops.tenants.logins is 'Names of the logins that see it, in order.';

comment on function ops.create_tenant(text, text) is 'Makes a tenant, or gives back the one of that id and name. LTT01 when the id is taken under another name.';
comment on function ops.set_tenant_suspended(text, boolean) is 'Locks a tenant out, or lets it in again. LTT02 when there is none.';
comment on function ops.suspended_tenants() is 'Ids of the tenants that are locked out.';
comment on function ops.bind_login(name, text) is 'Binds a login to the tenant it will see. LTT02 no such tenant, LTT03 the login is more than a plain one, LTT04 it belongs to another tenant.';
comment on function ops.unbind_login(name) is 'Takes a login''s tenant away; false when it had none.';
comment on function ops.ensure_partitions(integer, integer) is 'Makes the missing partitions of metrics and their rollups (days ahead) and of audit.log (months ahead), and returns their names.';
comment on function ops.applied_migrations() is 'The migrations that this database has, oldest first.';
--! EndIncluded ops/comments.sql
