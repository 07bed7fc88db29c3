comment on table ops.metric_changes is 'Buckets of metrics that have to be rolled up, or rolled up again: a row for each statement that changed one. Until then readers use the finer table.';
comment on column ops.metric_changes.resolution is 'The rollup that lacks the bucket: minute, hour or day.';
comment on column ops.metric_changes.tenant_id is 'The tenant.';
comment on column ops.metric_changes.bucket is 'When the bucket begins.';

alter table ops.metric_changes enable row level security, force row level security;

-- Across tenants

-- tg_metrics__mark_changes adds buckets that have to be rolled up; metric_sources reads them, and compares the tenant itself.
drop policy if exists manage_owner on ops.metric_changes;
create policy manage_owner on ops.metric_changes for all to :OWNER
  using (true)
  with check (true);

-- ops.roll_up_metrics.
drop policy if exists manage_jobs on ops.metric_changes;
create policy manage_jobs on ops.metric_changes for all to :JOBS
  using (true)
  with check (true);

revoke all on ops.metric_changes from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
-- tg_metrics__mark_changes writes it and metric_sources reads it, as the owner. ops.roll_up_metrics makes the buckets that it names,
-- and adds those that this changes.
grant select, delete on ops.metric_changes to :JOBS;
grant insert (resolution, tenant_id, bucket) on ops.metric_changes to :JOBS;
