comment on table ops.partition_removals is 'Partitions whose removal has begun and not ended.';
comment on column ops.partition_removals.partition is 'Its name, with its schema.';
comment on column ops.partition_removals.parent is 'The table that it is, or was, a part of.';
comment on column ops.partition_removals.policy is 'The policy that it goes under.';
comment on column ops.partition_removals.held is 'The times that it holds.';
comment on column ops.partition_removals.rows_by_tenant is 'How many rows of each tenant are in it.';
comment on column ops.partition_removals.began_at is 'When the removal began.';
comment on column ops.partition_removals.tried_at is 'When it was tried last.';
comment on column ops.partition_removals.problem is 'What stood in its way then; ops.removal_waits says who.';

alter table ops.partition_removals enable row level security, force row level security;

-- Across tenants

-- ops.drop_partition ends a removal and ops.removable_partitions reads what is under way, as the owner; the worker and
-- operators read it. A partition holds rows of all tenants.
drop policy if exists manage_owner on ops.partition_removals;
create policy manage_owner on ops.partition_removals for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.partition_removals;
create policy select_operator on ops.partition_removals for select to :OPERATOR
  using (true);
drop policy if exists select_worker on ops.partition_removals;
create policy select_worker on ops.partition_removals for select to :WORKER
  using (true);

-- ops.begin_partition_removal.
drop policy if exists insert_worker on ops.partition_removals;
create policy insert_worker on ops.partition_removals for insert to :WORKER
  with check (true);
drop policy if exists update_worker on ops.partition_removals;
create policy update_worker on ops.partition_removals for update to :WORKER
  using (true)
  with check (true);

revoke all on ops.partition_removals from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.partition_removals to :OPERATOR, :WORKER;
-- The worker notes what it begins and what stands in its way; ops.drop_partition ends it.
grant insert (partition, parent, policy, held, rows_by_tenant), update (tried_at, problem) on ops.partition_removals to :WORKER;
