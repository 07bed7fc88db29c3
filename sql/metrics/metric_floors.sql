comment on table ops.metric_floors is 'The times before which points are refused, because older points are removed.';
comment on column ops.metric_floors.tenant_id is 'The tenant; null: all tenants.';
comment on column ops.metric_floors.kept_from is 'Points from before this time are refused.';
comment on column ops.metric_floors.closed_to is 'Points from before this time may be removed: all are rolled up, and nobody can add one.';
comment on column ops.metric_floors.moved_by is 'The transaction that moved it: older transactions may not know the new floor.';

alter table ops.metric_floors enable row level security, force row level security;

-- Across tenants

-- ops.move_metric_floors and ops.close_metric_floors keep it as the owner. The functions that record and read points look up
-- the caller's tenant in it; operators and the functions of jobs read it.
drop policy if exists manage_owner on ops.metric_floors;
create policy manage_owner on ops.metric_floors for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.metric_floors;
create policy select_operator on ops.metric_floors for select to :OPERATOR
  using (true);
drop policy if exists select_jobs on ops.metric_floors;
create policy select_jobs on ops.metric_floors for select to :JOBS
  using (true);

revoke all on ops.metric_floors from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.metric_floors to :OPERATOR, :JOBS;
-- No other grant: ops.move_metric_floors and ops.close_metric_floors keep it.
