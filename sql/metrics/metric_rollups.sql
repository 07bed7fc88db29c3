comment on table ops.metric_rollups is 'The rollups of metrics. Whoever makes a rollup locks its row, so that only one does so at a time.';
comment on column ops.metric_rollups.resolution is 'minute, hour or day.';
comment on column ops.metric_rollups.rolled_up_at is 'When it was last checked.';

alter table ops.metric_rollups enable row level security, force row level security;

-- Across tenants

-- ops.roll_up_metrics. It holds nothing of a tenant.
drop policy if exists manage_jobs on ops.metric_rollups;
create policy manage_jobs on ops.metric_rollups for all to :JOBS
  using (true)
  with check (true);

-- Operators see how far the rollups are.
drop policy if exists select_operator on ops.metric_rollups;
create policy select_operator on ops.metric_rollups for select to :OPERATOR
  using (true);

revoke all on ops.metric_rollups from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
-- Whoever makes a rollup locks its row. It holds no tenant's data.
grant select on ops.metric_rollups to :JOBS, :OPERATOR;
grant update (rolled_up_at) on ops.metric_rollups to :JOBS;
