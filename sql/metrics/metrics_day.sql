alter table app_public.metrics_day enable row level security, force row level security;

-- Who reads the points reads what they amount to.
drop policy if exists select_tenant on app_public.metrics_day;
create policy select_tenant on app_public.metrics_day for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- What is not kept any longer goes, of one tenant at a time, the one that the worker names: ops.expire_rows.
drop policy if exists delete_worker on app_public.metrics_day;
create policy delete_worker on app_public.metrics_day for delete to :WORKER
  using (tenant_id = (select app_private.retention_tenant_id()));

revoke all on app_public.metrics_day from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.metrics_day to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
-- The worker makes a row and makes it anew; nobody of a tenant writes one.
grant select on app_public.metrics_day to :WORKER;
grant insert (
    tenant_id, service_name, metric_name, tags, bucket, count, sum, min, max, last, last_at, sketch_keys, sketch_counts
  ),
  update (count, sum, min, max, last, last_at, sketch_keys, sketch_counts)
  on app_public.metrics_day to :WORKER;
-- What is not kept any longer: ops.expire_rows.
grant delete on app_public.metrics_day to :WORKER;
