alter table ops.retention_receipts enable row level security, force row level security;

revoke all on ops.retention_receipts from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.retention_receipts to :OPERATOR, :WORKER;
-- A receipt grows with the batches of its run, and is never taken back.
grant insert (policy, tenant_id, older_than, row_count), update (at, row_count) on ops.retention_receipts to :WORKER;
