comment on table ops.backups is 'The backups that the store holds or has held: a copy of its manifests, for queries in SQL. The store is authoritative.';
comment on column ops.backups.id is 'Its name; names sort by time.';
comment on column ops.backups.kind is 'full, incremental or snapshot.';
comment on column ops.backups.parent_id is 'The backup that it builds on; null for a full one.';
comment on column ops.backups.started_at is 'When it began, by the server''s clock.';
comment on column ops.backups.ended_at is 'When it ended: the first moment that it can be restored to.';
comment on column ops.backups.objects is 'How many objects it has in the store.';
comment on column ops.backups.bytes is 'The size of their content.';
comment on column ops.backups.stored_bytes is 'Their size in the store.';
comment on column ops.backups.manifest_sha256 is 'SHA-256 of its manifest when it was first recorded: if the store has another, it was changed.';
comment on column ops.backups.server is 'Its place in the server''s WAL; null for an embedded database.';
comment on column ops.backups.recorded_at is 'When it was first seen in the store.';
comment on column ops.backups.removed_at is 'When it was first missing from the store; null: it is there.';

alter table ops.backups enable row level security, force row level security;

-- Across tenants

-- ops.record_backups keeps it as the owner; operators' views and the worker's checks read it. It holds nothing of a
-- tenant.
drop policy if exists manage_owner on ops.backups;
create policy manage_owner on ops.backups for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.backups;
create policy select_operator on ops.backups for select to :OPERATOR
  using (true);
drop policy if exists select_worker on ops.backups;
create policy select_worker on ops.backups for select to :WORKER
  using (true);

revoke all on ops.backups from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.backups to :OPERATOR, :WORKER;
-- No insert, update or delete for anybody: ops.record_backups keeps it.
