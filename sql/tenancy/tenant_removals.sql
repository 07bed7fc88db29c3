comment on table ops.tenant_removals is 'Tenants that were deleted, or are being deleted: the last deletion of each id.';
comment on column ops.tenant_removals.id is 'The id of the tenant.';
comment on column ops.tenant_removals.begun_at is 'When the deletion began.';
comment on column ops.tenant_removals.begun_by is 'The login that began it.';
comment on column ops.tenant_removals.export_id is 'The id of the export that was made before; null: none was.';
comment on column ops.tenant_removals.row_counts is 'How many rows were deleted so far, by table.';
comment on column ops.tenant_removals.ended_at is 'When it ended; null: it is under way, or was interrupted.';

alter table ops.tenant_removals enable row level security, force row level security;

-- Across tenants

-- The functions that delete a tenant, and those that ask whether one is being deleted, as the owner; operators read it.
drop policy if exists manage_owner on ops.tenant_removals;
create policy manage_owner on ops.tenant_removals for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.tenant_removals;
create policy select_operator on ops.tenant_removals for select to :OPERATOR
  using (true);

revoke all on ops.tenant_removals from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.tenant_removals to :OPERATOR;
-- No insert, update or delete for anybody: the functions that delete a tenant keep it.
-- Exempt from audit: its counts change with every batch. The log has an entry when a deletion begins and one when it ends.
