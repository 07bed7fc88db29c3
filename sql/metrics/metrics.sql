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
