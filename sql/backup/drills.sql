comment on table ops.drills is 'Restores that prove the backups: what they found, and how long they took.';
comment on column ops.drills.id is 'Grows in the order in which drills ended.';
comment on column ops.drills.started_at is 'When it began.';
comment on column ops.drills.finished_at is 'When its verdict was recorded.';
comment on column ops.drills.backups is 'Ids of the restored backups, the full one first; empty: none could be restored.';
comment on column ops.drills."position" is 'The position in the WAL at which rows were compared; null for an embedded database.';
comment on column ops.drills.compared_tables is 'How many tables were compared.';
comment on column ops.drills.compared_rows is 'How many rows were compared.';
comment on column ops.drills.restore_time is 'The time from the first byte read to a database that answers; null: it never answered.';
comment on column ops.drills.problems is 'A sentence for each thing that is wrong.';
comment on column ops.drills.self_tests is 'The damage that the drill did to copies on purpose, and how it was noticed: an array of objects with `damage` and `noticed`.';
comment on column ops.drills.passed is 'Whether the backups are proven: nothing was wrong, and rows were compared.';

alter table ops.drills enable row level security, force row level security;

-- Across tenants

-- ops.record_drill writes it as the owner; operators and the worker read it. It holds nothing of a tenant.
drop policy if exists manage_owner on ops.drills;
create policy manage_owner on ops.drills for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.drills;
create policy select_operator on ops.drills for select to :OPERATOR
  using (true);
drop policy if exists select_worker on ops.drills;
create policy select_worker on ops.drills for select to :WORKER
  using (true);

revoke all on ops.drills from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.drills to :OPERATOR, :WORKER;
-- No insert, update or delete for anybody: ops.record_drill writes it.
