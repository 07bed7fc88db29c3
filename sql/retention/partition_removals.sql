comment on table ops.partition_removals is 'Partitions whose removal has begun but not ended.';
comment on column ops.partition_removals.partition is 'Its name, with its schema.';
comment on column ops.partition_removals.parent is 'The table that it belongs to or did before it was detached.';
comment on column ops.partition_removals.policy is 'The policy by which it is removed.';
comment on column ops.partition_removals.held is 'The times that it holds.';
comment on column ops.partition_removals.rows_by_tenant is 'How many rows of each tenant an earlier version counted; nothing reads it, and the next release drops it.';
comment on column ops.partition_removals.began_at is 'When the removal began.';
comment on column ops.partition_removals.tried_at is 'When it was last tried.';
comment on column ops.partition_removals.problem is 'The obstacle at that try; ops.removal_waits names the sessions.';

alter table ops.partition_removals enable row level security, force row level security;

-- Across tenants

-- The functions that begin, try and end a removal keep it as the owner; the worker and operators read it. A partition holds rows
-- of all tenants.
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

-- No policy to write for the worker: ops.drop_partition drops what stands here.
drop policy if exists insert_worker on ops.partition_removals;
drop policy if exists update_worker on ops.partition_removals;

revoke all on ops.partition_removals from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.partition_removals to :OPERATOR, :WORKER;
-- No insert, update or delete for anybody: ops.begin_partition_removal, ops.note_removal_problem and ops.drop_partition keep it.
