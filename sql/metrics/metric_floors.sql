comment on table ops.metric_floors is 'Before when points are refused, because what is older is removed.';
comment on column ops.metric_floors.tenant_id is 'The tenant; null: all of them.';
comment on column ops.metric_floors.kept_from is 'Points from before are refused.';
comment on column ops.metric_floors.closed_to is 'Points from before may be removed: all of them are rolled up, and nobody can add one.';
comment on column ops.metric_floors.moved_by is 'The transaction that moved it: whoever is older may not know.';

alter table ops.metric_floors enable row level security, force row level security;

-- Across tenants

-- ops.move_metric_floors and ops.close_metric_floors keep it as the owner, and the functions that record and read
-- points ask it for the caller's tenant; the worker and operators read it.
drop policy if exists manage_owner on ops.metric_floors;
create policy manage_owner on ops.metric_floors for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.metric_floors;
create policy select_operator on ops.metric_floors for select to :OPERATOR
  using (true);
drop policy if exists select_worker on ops.metric_floors;
create policy select_worker on ops.metric_floors for select to :WORKER
  using (true);

revoke all on ops.metric_floors from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.metric_floors to :OPERATOR, :WORKER;
-- Kept by ops.move_metric_floors and ops.close_metric_floors.
