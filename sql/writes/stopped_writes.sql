comment on table ops.stopped_writes is 'One row while writes are stopped: nobody changes data then, at whatever door. Empty: writes go on.';
comment on column ops.stopped_writes.id is 'The stop: a new one for each, so that a way back knows that nothing was written since.';
comment on column ops.stopped_writes.reason is 'Why, in the operator''s words. Callers see it.';
comment on column ops.stopped_writes.begun_at is 'When the first table was stopped.';
comment on column ops.stopped_writes.stopped_at is 'When the last one was: what was acknowledged before is stored, and nothing comes after it. Null: some tables still take writes.';

alter table ops.stopped_writes enable row level security, force row level security;

-- Across tenants

-- app_private.begin_stop and end_stop keep it as the owner; operators and the worker read it. It holds nothing of a tenant.
drop policy if exists manage_owner on ops.stopped_writes;
create policy manage_owner on ops.stopped_writes for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.stopped_writes;
create policy select_operator on ops.stopped_writes for select to :OPERATOR
  using (true);
drop policy if exists select_worker on ops.stopped_writes;
create policy select_worker on ops.stopped_writes for select to :WORKER
  using (true);

revoke all on ops.stopped_writes from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.stopped_writes to :OPERATOR, :WORKER;
-- No insert, update or delete for anybody: app_private.begin_stop, end_stop and start_writes keep it.
-- Exempt from audit: they record events.
