comment on table audit.seals is 'The chain that seals the audit log: each link holds the digest of a stretch of rows and the hash of the link before it.';
comment on column audit.seals.number is 'Counts from 1, without gaps.';
comment on column audit.seals.kind is 'rows: it seals rows. removal: it records that retention removed a partition.';
comment on column audit.seals.id_floor is 'The rows of the stretch have greater ids. It grows when transactions are counted anew: a dump was restored into another server.';
comment on column audit.seals.from_transaction_id is 'The stretch begins after the row with this transaction and from_id.';
comment on column audit.seals.from_id is 'See from_transaction_id.';
comment on column audit.seals.to_transaction_id is 'The stretch ends with the row with this transaction and to_id.';
comment on column audit.seals.to_id is 'See to_transaction_id.';
comment on column audit.seals.max_id is 'The greatest id of the stretch.';
comment on column audit.seals.row_count is 'How many rows were sealed, or removed with the partition.';
comment on column audit.seals.total_rows is 'How many rows all links up to this one have sealed.';
comment on column audit.seals.digest is 'SHA-256 over the months, row counts and digests of its parts; of a removal, over the digests of all parts of the month.';
comment on column audit.seals.removed_month is 'The month (UTC) whose partition was removed.';
comment on column audit.seals.removed_partition is 'The name that the partition had.';
comment on column audit.seals.sealed_at is 'When it was made.';
comment on column audit.seals.version is 'The release that made it.';
comment on column audit.seals.previous is 'The hash of the link before it; 32 zero bytes for the first.';
comment on column audit.seals.hash is 'SHA-256 over all other columns (audit.seal_hash).';

alter table audit.seals enable row level security, force row level security;

-- Across tenants

-- ops.seal_audit_log appends as the owner, who may not change or delete. It holds digests and nothing of a tenant.
drop policy if exists select_owner on audit.seals;
create policy select_owner on audit.seals for select to :OWNER
  using (true);
drop policy if exists insert_owner on audit.seals;
create policy insert_owner on audit.seals for insert to :OWNER
  with check (true);

-- Operators read the chain.
drop policy if exists select_operator on audit.seals;
create policy select_operator on audit.seals for select to :OPERATOR
  using (true);

create or replace trigger _200_refuse_change before update or delete on audit.seals
  for each row execute function audit.tg__refuse_seal_change();
create or replace trigger _200_refuse_truncate before truncate on audit.seals
  for each statement execute function audit.tg__refuse_seal_change();

revoke all on audit.seals from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on audit.seals to :OPERATOR;
-- No insert, update or delete for anybody: ops.seal_audit_log appends, and nothing changes a link.
-- Exempt from audit: it seals the audit log.
