comment on table app_public.metrics_minute is 'The points of a series aggregated by minute: made by the worker, read by `metric_series` and `metric_percentiles`.';
comment on column app_public.metrics_minute.tenant_id is E'@behavior -*\nThe tenant.';
comment on column app_public.metrics_minute.service_name is 'The service that measured.';
comment on column app_public.metrics_minute.metric_name is 'What was measured.';
comment on column app_public.metrics_minute.tags is 'The dimensions of the series.';
comment on column app_public.metrics_minute.tags_hash is E'@behavior -*\nDigest of the tags, for the key.';
comment on column app_public.metrics_minute.bucket is 'When it begins.';
comment on column app_public.metrics_minute.count is 'How many points.';
comment on column app_public.metrics_minute.sum is 'Their sum; null: it exceeds a double.';
comment on column app_public.metrics_minute.min is 'The smallest value.';
comment on column app_public.metrics_minute.max is 'The largest value.';
comment on column app_public.metrics_minute.last is 'The value that was measured last.';
comment on column app_public.metrics_minute.last_at is 'When that was.';
comment on column app_public.metrics_minute.sketch_keys is E'@behavior -*\nThe buckets of the histogram that have values, in order; see the documentation of metrics.';
comment on column app_public.metrics_minute.sketch_counts is E'@behavior -*\nHow many values each of them has.';

comment on constraint metrics_minute_pkey on app_public.metrics_minute is E'@behavior -single -update -delete\nThe tenant, the series and the time identify a row.';
comment on constraint metrics_minute_tenant_id_fkey on app_public.metrics_minute is E'@behavior -*\nA row belongs to a tenant.';

alter table app_public.metrics_minute enable row level security, force row level security;

-- Everybody who reads the points reads their rollups.
drop policy if exists select_tenant on app_public.metrics_minute;
create policy select_tenant on app_public.metrics_minute for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- ops.expire_tenant_rows removes expired rows of one tenant at a time: the tenant that it names.
drop policy if exists delete_jobs on app_public.metrics_minute;
create policy delete_jobs on app_public.metrics_minute for delete to :JOBS
  using (tenant_id = (select app_private.retention_tenant_id()));

-- Across tenants

-- ops.roll_up_metrics, which makes rollups for all tenants at once.
drop policy if exists select_jobs on app_public.metrics_minute;
create policy select_jobs on app_public.metrics_minute for select to :JOBS
  using (true);
drop policy if exists insert_jobs on app_public.metrics_minute;
create policy insert_jobs on app_public.metrics_minute for insert to :JOBS
  with check (true);
drop policy if exists update_jobs on app_public.metrics_minute;
create policy update_jobs on app_public.metrics_minute for update to :JOBS
  using (true)
  with check (true);

revoke all on app_public.metrics_minute from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on app_public.metrics_minute to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
-- ops.roll_up_metrics makes a row and makes it anew; nobody of a tenant writes one.
grant select on app_public.metrics_minute to :JOBS;
grant insert (
    tenant_id, service_name, metric_name, tags, bucket, count, sum, min, max, last, last_at, sketch_keys, sketch_counts
  ),
  update (count, sum, min, max, last, last_at, sketch_keys, sketch_counts)
  on app_public.metrics_minute to :JOBS;
-- For ops.expire_tenant_rows.
grant delete on app_public.metrics_minute to :JOBS;

-- The worker makes them again and again from the points; a row per statement says so.
select audit.enable_tracking('app_public.metrics_minute', detail => false);
