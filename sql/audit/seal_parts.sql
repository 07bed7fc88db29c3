comment on table audit.seal_parts is 'What a link of audit.seals says about the rows of one month. The lists of rows serve to name the row when a digest does not match.';
comment on column audit.seal_parts.number is 'The link.';
comment on column audit.seal_parts.month is 'The month (UTC) in which the rows have their `at`: a partition of the log.';
comment on column audit.seal_parts.row_count is 'How many rows of the stretch are of this month.';
comment on column audit.seal_parts.digest is 'SHA-256 over the ids and the SHA-256 of the rows, in the order of the log.';
comment on column audit.seal_parts.ids is 'The ids of the rows, in the order of the log; null once the partition was removed.';
comment on column audit.seal_parts.leaves is 'The first 16 bytes of the SHA-256 of each row, in the same order; null once the partition was removed.';

alter table audit.seal_parts enable row level security, force row level security;

-- Across tenants

-- ops.seal_audit_log appends as the owner, and retention takes the lists away. It holds digests and nothing of a tenant.
drop policy if exists select_owner on audit.seal_parts;
create policy select_owner on audit.seal_parts for select to :OWNER
  using (true);
drop policy if exists insert_owner on audit.seal_parts;
create policy insert_owner on audit.seal_parts for insert to :OWNER
  with check (true);
drop policy if exists update_owner on audit.seal_parts;
create policy update_owner on audit.seal_parts for update to :OWNER
  using (true)
  with check (true);

create or replace trigger _200_refuse_change before update or delete on audit.seal_parts
  for each row execute function audit.tg__refuse_seal_change();
create or replace trigger _200_refuse_truncate before truncate on audit.seal_parts
  for each statement execute function audit.tg__refuse_seal_change();

revoke all on audit.seal_parts from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
-- No grant to anybody: ops.seal_audit_log appends.
-- Exempt from audit: it seals the audit log.
