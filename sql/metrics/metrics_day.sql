comment on table app_public.metrics_day is 'The points of a series aggregated by day (of UTC): made by the worker, read by `metric_series` and `metric_percentiles`.';
comment on column app_public.metrics_day.tenant_id is E'@behavior -*\nThe tenant.';
comment on column app_public.metrics_day.service_name is 'The service that measured.';
comment on column app_public.metrics_day.metric_name is 'What was measured.';
comment on column app_public.metrics_day.tags is 'The dimensions of the series.';
comment on column app_public.metrics_day.tags_hash is E'@behavior -*\nDigest of the tags, for the key.';
comment on column app_public.metrics_day.bucket is 'When it begins.';
comment on column app_public.metrics_day.count is 'How many points.';
comment on column app_public.metrics_day.sum is 'Their sum; null: it exceeds a double.';
comment on column app_public.metrics_day.min is 'The smallest value.';
comment on column app_public.metrics_day.max is 'The largest value.';
comment on column app_public.metrics_day.last is 'The value that was measured last.';
comment on column app_public.metrics_day.last_at is 'When that was.';
comment on column app_public.metrics_day.sketch_keys is E'@behavior -*\nThe buckets of the histogram that have values, in order; see the documentation of metrics.';
comment on column app_public.metrics_day.sketch_counts is E'@behavior -*\nHow many values each of them has.';

comment on constraint metrics_day_pkey on app_public.metrics_day is E'@behavior -single -update -delete\nThe tenant, the series and the time identify a row.';
comment on constraint metrics_day_tenant_id_fkey on app_public.metrics_day is E'@behavior -*\nA row belongs to a tenant.';

alter table app_public.metrics_day enable row level security, force row level security;

-- Everybody who reads the points reads their rollups.
drop policy if exists select_tenant on app_public.metrics_day;
create policy select_tenant on app_public.metrics_day for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- ops.expire_tenant_rows removes expired rows of one tenant at a time: the tenant that it names.
drop policy if exists delete_jobs on app_public.metrics_day;
create policy delete_jobs on app_public.metrics_day for delete to :JOBS
  using (tenant_id = (select app_private.retention_tenant_id()));

-- Across tenants

-- ops.roll_up_metrics, which makes rollups for all tenants at once.
drop policy if exists select_jobs on app_public.metrics_day;
create policy select_jobs on app_public.metrics_day for select to :JOBS
  using (true);
drop policy if exists insert_jobs on app_public.metrics_day;
create policy insert_jobs on app_public.metrics_day for insert to :JOBS
  with check (true);
drop policy if exists update_jobs on app_public.metrics_day;
create policy update_jobs on app_public.metrics_day for update to :JOBS
  using (true)
  with check (true);

revoke all on app_public.metrics_day from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on app_public.metrics_day to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
-- ops.roll_up_metrics makes a row and makes it anew; nobody of a tenant writes one.
grant select on app_public.metrics_day to :JOBS;
grant insert (
    tenant_id, service_name, metric_name, tags, bucket, count, sum, min, max, last, last_at, sketch_keys, sketch_counts
  ),
  update (count, sum, min, max, last, last_at, sketch_keys, sketch_counts)
  on app_public.metrics_day to :JOBS;
-- For ops.expire_tenant_rows.
grant delete on app_public.metrics_day to :JOBS;

select audit.enable_tracking('app_public.metrics_day', detail => false);
