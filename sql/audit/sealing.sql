comment on table audit.sealing is 'How far the sealing of the audit log has come: one row, whose lock the sealer holds.';
comment on column audit.sealing.only_row is 'Always true.';
comment on column audit.sealing.seen_xmax is 'The first transaction that had not begun to write when the sealer last noted the time.';
comment on column audit.sealing.seen_at is 'When that was.';
comment on column audit.sealing.sealed_through is 'Everything that was written before this moment is sealed.';

alter table audit.sealing enable row level security, force row level security;

-- Across tenants

-- ops.seal_audit_log keeps it as the owner. It holds nothing of a tenant.
drop policy if exists manage_owner on audit.sealing;
create policy manage_owner on audit.sealing for all to :OWNER
  using (true)
  with check (true);

revoke all on audit.sealing from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
-- No grant to anybody: ops.seal_audit_log keeps it, and ops.check_sealing tells of it.
-- Exempt from audit: it is a mark of the sealer.
