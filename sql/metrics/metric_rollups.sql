comment on table ops.metric_rollups is 'The rollups of metrics. Who makes one holds its row locked, so that there is one at a time.';
comment on column ops.metric_rollups.resolution is 'minute, hour or day.';
comment on column ops.metric_rollups.rolled_up_at is 'When it was looked at last.';

alter table ops.metric_rollups enable row level security, force row level security;

-- Across tenants

-- ops.roll_up_metrics. It holds nothing of a tenant.
drop policy if exists manage_worker on ops.metric_rollups;
create policy manage_worker on ops.metric_rollups for all to :WORKER
  using (true)
  with check (true);

-- Operators see how far rolling up is.
drop policy if exists select_operator on ops.metric_rollups;
create policy select_operator on ops.metric_rollups for select to :OPERATOR
  using (true);

revoke all on ops.metric_rollups from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
-- Who rolls up holds its row; of no tenant.
grant select on ops.metric_rollups to :WORKER, :OPERATOR;
grant update (rolled_up_at) on ops.metric_rollups to :WORKER;
