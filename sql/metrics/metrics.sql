comment on table app_public.metrics is 'A measurement of a service at a point in time. Partitioned by day; retention removes it.';
comment on column app_public.metrics.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.metrics.id is 'Tells points of the same instant apart.';
comment on column app_public.metrics.service_name is 'The service that measured.';
comment on column app_public.metrics.metric_name is 'What was measured.';
comment on column app_public.metrics.value is 'The value, in the metric''s own unit.';
comment on column app_public.metrics.tags is 'Dimensions to filter and group by: a flat object.';
comment on column app_public.metrics."timestamp" is 'When it was measured.';

comment on constraint metrics_pkey on app_public.metrics is E'@behavior -single -update -delete\nThe tenant, the time and the id identify a row.';
comment on constraint metrics_tenant_id_fkey on app_public.metrics is E'@behavior -*\nA row belongs to a tenant.';

alter table app_public.metrics enable row level security, force row level security;

-- Everybody of a tenant reads its metrics.
drop policy if exists select_tenant on app_public.metrics;
create policy select_tenant on app_public.metrics for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- Programs measure; people do not.
drop policy if exists insert_service on app_public.metrics;
create policy insert_service on app_public.metrics for insert to :SERVICE, :ADMIN
  with check (tenant_id = (select app_private.current_tenant_id()));

-- ops.expire_tenant_rows removes expired rows of one tenant at a time: the tenant that it names.
drop policy if exists delete_jobs on app_public.metrics;
create policy delete_jobs on app_public.metrics for delete to :JOBS
  using (tenant_id = (select app_private.retention_tenant_id()));

-- Across tenants

-- ops.roll_up_metrics, which makes rollups for all tenants at once.
drop policy if exists select_jobs on app_public.metrics;
create policy select_jobs on app_public.metrics for select to :JOBS
  using (true);

revoke all on app_public.metrics from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on app_public.metrics to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
-- For ops.roll_up_metrics.
grant select on app_public.metrics to :JOBS;
-- For ops.expire_tenant_rows.
grant delete on app_public.metrics to :JOBS;
-- No insert of id: the database sets it. No update and no delete for anybody of a tenant: a measurement stays until it expires.
grant insert (tenant_id, service_name, metric_name, value, tags, "timestamp") on app_public.metrics to :SERVICE, :ADMIN;
-- The partitions have no grants and no policies: nobody but the owner can name one.

-- Postgres makes a partitioned table's row triggers on its partitions too, including those attached later.
create or replace trigger _200_keys
  before update of tenant_id, id, "timestamp" on app_public.metrics
  for each row
  when (
    old.tenant_id is distinct from new.tenant_id
    or old.id is distinct from new.id
    or old."timestamp" is distinct from new."timestamp"
  )
  execute function app_private.tg__refuse_key_change();

create or replace trigger _200_long_numbers
  before insert or update of tags on app_public.metrics
  for each row
  when (app_private.may_print_long(new.tags))
  execute function app_private.tg__refuse_long_numbers('tags');

-- Nobody but the owner may name a partition, so the parent's trigger sees every statement.
create or replace trigger _500_mark_changes
  after insert on app_public.metrics
  referencing new table as new_rows
  for each statement
  execute function app_private.tg_metrics__mark_changes();

-- Thousands of points a call: a row per statement says who wrote how many.
select audit.enable_tracking('app_public.metrics', detail => false);
