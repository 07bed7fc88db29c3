comment on table ops.wal_receivers is 'The state of receiving WAL, by replication slot.';
comment on column ops.wal_receivers.slot is 'The slot that the server keeps WAL for.';
comment on column ops.wal_receivers.receiving is 'Whether the worker that reported this receives WAL.';
comment on column ops.wal_receivers.received_lsn is 'The last received position of the WAL.';
comment on column ops.wal_receivers.kept_bytes is 'Bytes of WAL that the server keeps because no worker has received them.';
comment on column ops.wal_receivers.safe_bytes is 'Bytes that may still be written before the server gives up the slot; null: no limit.';
comment on column ops.wal_receivers.wal_status is 'The state of the slot: reserved, extended, unreserved or lost.';
comment on column ops.wal_receivers.problem is 'The current problem; null: all is well.';
comment on column ops.wal_receivers.seen_at is 'When this was reported.';

alter table ops.wal_receivers enable row level security, force row level security;

-- Across tenants

-- ops.see_wal_receiver keeps it as the owner; operators' views and the worker's checks read it. It holds nothing of a
-- tenant.
drop policy if exists manage_owner on ops.wal_receivers;
create policy manage_owner on ops.wal_receivers for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.wal_receivers;
create policy select_operator on ops.wal_receivers for select to :OPERATOR
  using (true);
drop policy if exists select_worker on ops.wal_receivers;
create policy select_worker on ops.wal_receivers for select to :WORKER
  using (true);

revoke all on ops.wal_receivers from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.wal_receivers to :OPERATOR, :WORKER;
-- No insert, update or delete for anybody: ops.see_wal_receiver keeps it.
