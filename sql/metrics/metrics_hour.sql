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

comment on constraint metrics_hour_pkey on app_public.metrics_hour is E'@behavior -single -update -delete\nA row is known by its tenant, its series and its time.';
comment on constraint metrics_hour_tenant_id_fkey on app_public.metrics_hour is E'@behavior -*\nA row belongs to a tenant.';

alter table app_public.metrics_hour enable row level security, force row level security;

-- Who reads the points reads what they amount to.
drop policy if exists select_tenant on app_public.metrics_hour;
create policy select_tenant on app_public.metrics_hour for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- What is not kept any longer goes, of one tenant at a time, the one that the worker names: ops.expire_rows.
drop policy if exists delete_worker on app_public.metrics_hour;
create policy delete_worker on app_public.metrics_hour for delete to :WORKER
  using (tenant_id = (select app_private.retention_tenant_id()));

-- Across tenants

-- ops.roll_up_metrics: rollups are made for all tenants at once.
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

revoke all on app_public.metrics_hour from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.metrics_hour to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
-- The worker makes a row and makes it anew; nobody of a tenant writes one.
grant select on app_public.metrics_hour to :WORKER;
grant insert (
    tenant_id, service_name, metric_name, tags, bucket, count, sum, min, max, last, last_at, sketch_keys, sketch_counts
  ),
  update (count, sum, min, max, last, last_at, sketch_keys, sketch_counts)
  on app_public.metrics_hour to :WORKER;
-- What is not kept any longer: ops.expire_rows.
grant delete on app_public.metrics_hour to :WORKER;

select audit.enable_tracking('app_public.metrics_hour', detail => false);
