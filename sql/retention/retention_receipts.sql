comment on table ops.retention_receipts is 'Removed data, by policy.';
comment on column ops.retention_receipts.id is 'The id of the receipt.';
comment on column ops.retention_receipts.at is 'When the last of it was removed.';
comment on column ops.retention_receipts.policy is 'The policy.';
comment on column ops.retention_receipts.tenant_id is 'The tenant whose data it was; null: no tenant''s.';
comment on column ops.retention_receipts.older_than is 'The data was older than this.';
comment on column ops.retention_receipts.partition is 'The partition that was dropped; null: rows were deleted.';
comment on column ops.retention_receipts.row_count is 'How many rows were removed.';
comment on column ops.retention_receipts.bytes is 'The disk space of the partition, the tenant''s share by its rows; null for deleted rows, whose space is used again.';

alter table ops.retention_receipts enable row level security, force row level security;

-- Across tenants

-- ops.drop_partition writes receipts as the owner; operators read those of all tenants.
drop policy if exists manage_owner on ops.retention_receipts;
create policy manage_owner on ops.retention_receipts for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.retention_receipts;
create policy select_operator on ops.retention_receipts for select to :OPERATOR
  using (true);
drop policy if exists select_jobs on ops.retention_receipts;
create policy select_jobs on ops.retention_receipts for select to :JOBS
  using (true);

-- ops.expire_tenant_rows and ops.note_removed_jobs, which add to the receipt of a run.
drop policy if exists insert_jobs on ops.retention_receipts;
create policy insert_jobs on ops.retention_receipts for insert to :JOBS
  with check (true);
drop policy if exists update_jobs on ops.retention_receipts;
create policy update_jobs on ops.retention_receipts for update to :JOBS
  using (true)
  with check (true);

revoke all on ops.retention_receipts from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.retention_receipts to :OPERATOR, :JOBS;
-- A receipt grows with the batches of its run, and is never removed.
grant insert (policy, tenant_id, older_than, row_count), update (at, row_count) on ops.retention_receipts to :JOBS;
