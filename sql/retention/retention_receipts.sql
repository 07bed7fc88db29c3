comment on table ops.retention_receipts is 'What was removed, under which policy.';
comment on column ops.retention_receipts.id is 'Which.';
comment on column ops.retention_receipts.at is 'When the last of it went.';
comment on column ops.retention_receipts.policy is 'The policy.';
comment on column ops.retention_receipts.tenant_id is 'Whose it was; null: no tenant''s.';
comment on column ops.retention_receipts.older_than is 'It was older than this.';
comment on column ops.retention_receipts.partition is 'The partition that went as a whole; null: rows were deleted.';
comment on column ops.retention_receipts.row_count is 'How many rows.';
comment on column ops.retention_receipts.bytes is 'How much of the disk the partition took, the tenant''s share by rows; null of rows, whose room is used again.';

alter table ops.retention_receipts enable row level security, force row level security;

-- Across tenants

-- ops.drop_partition writes receipts as the owner; the worker and operators read those of all tenants.
drop policy if exists manage_owner on ops.retention_receipts;
create policy manage_owner on ops.retention_receipts for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.retention_receipts;
create policy select_operator on ops.retention_receipts for select to :OPERATOR
  using (true);
drop policy if exists select_worker on ops.retention_receipts;
create policy select_worker on ops.retention_receipts for select to :WORKER
  using (true);

-- ops.expire_rows, which adds to the receipt of its run.
drop policy if exists insert_worker on ops.retention_receipts;
create policy insert_worker on ops.retention_receipts for insert to :WORKER
  with check (true);
drop policy if exists update_worker on ops.retention_receipts;
create policy update_worker on ops.retention_receipts for update to :WORKER
  using (true)
  with check (true);

revoke all on ops.retention_receipts from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.retention_receipts to :OPERATOR, :WORKER;
-- A receipt grows with the batches of its run, and is never taken back.
grant insert (policy, tenant_id, older_than, row_count), update (at, row_count) on ops.retention_receipts to :WORKER;
