comment on table ops.retention_holds is 'What stays whatever its age: imported history that the operator has not released, a dispute.';
comment on column ops.retention_holds.id is 'Which.';
comment on column ops.retention_holds.policy is 'The policy that it is exempt from.';
comment on column ops.retention_holds.tenant_id is 'The tenant; null: all of them.';
comment on column ops.retention_holds.held is 'Of which time.';
comment on column ops.retention_holds.reason is 'Why, for whoever would remove it.';
comment on column ops.retention_holds.created_at is 'Since when.';

alter table ops.retention_holds enable row level security, force row level security;

-- Across tenants

-- ops.removable_partitions and ops.retention_cutoffs read it as the owner; the worker and operators read what has to
-- stay.
drop policy if exists manage_owner on ops.retention_holds;
create policy manage_owner on ops.retention_holds for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.retention_holds;
create policy select_operator on ops.retention_holds for select to :OPERATOR
  using (true);
drop policy if exists select_worker on ops.retention_holds;
create policy select_worker on ops.retention_holds for select to :WORKER
  using (true);

-- An operator says what has to stay.
drop policy if exists insert_operator on ops.retention_holds;
create policy insert_operator on ops.retention_holds for insert to :OPERATOR
  with check (true);
drop policy if exists delete_operator on ops.retention_holds;
create policy delete_operator on ops.retention_holds for delete to :OPERATOR
  using (true);

revoke all on ops.retention_holds from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.retention_holds to :OPERATOR, :WORKER;
-- Operators say what has to stay, and when it need not any more.
grant insert (policy, tenant_id, held, reason) on ops.retention_holds to :OPERATOR;
grant delete on ops.retention_holds to :OPERATOR;
