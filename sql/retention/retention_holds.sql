comment on table ops.retention_holds is 'Data that stays whatever its age: imported history that the operator has not released, a dispute.';
comment on column ops.retention_holds.id is 'The id of the hold.';
comment on column ops.retention_holds.policy is 'The policy that the data is exempt from.';
comment on column ops.retention_holds.tenant_id is 'The tenant; null: all tenants.';
comment on column ops.retention_holds.held is 'The time of the data.';
comment on column ops.retention_holds.reason is 'The reason, for whoever wants to remove it.';
comment on column ops.retention_holds.created_at is 'When it was made.';

alter table ops.retention_holds enable row level security, force row level security;

-- Across tenants

-- ops.removable_partitions and ops.retention_cutoffs read it as the owner; operators and the functions of jobs read the holds.
drop policy if exists manage_owner on ops.retention_holds;
create policy manage_owner on ops.retention_holds for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.retention_holds;
create policy select_operator on ops.retention_holds for select to :OPERATOR
  using (true);
drop policy if exists select_jobs on ops.retention_holds;
create policy select_jobs on ops.retention_holds for select to :JOBS
  using (true);

-- Operators make and remove holds.
drop policy if exists insert_operator on ops.retention_holds;
create policy insert_operator on ops.retention_holds for insert to :OPERATOR
  with check (true);
drop policy if exists delete_operator on ops.retention_holds;
create policy delete_operator on ops.retention_holds for delete to :OPERATOR
  using (true);

revoke all on ops.retention_holds from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.retention_holds to :OPERATOR, :JOBS;
-- Operators make holds, and remove them.
grant insert (policy, tenant_id, held, reason) on ops.retention_holds to :OPERATOR;
grant delete on ops.retention_holds to :OPERATOR;

select audit.enable_tracking('ops.retention_holds');
