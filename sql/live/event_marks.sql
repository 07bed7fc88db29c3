comment on table app_private.event_marks is 'Snapshots by time, for trimming the outbox.';
comment on column app_private.event_marks.at is 'When the snapshot was taken.';
comment on column app_private.event_marks.snapshot is 'The transactions that were visible then.';
comment on column app_private.event_marks.trimmed is 'Whether the outbox was trimmed to this mark; true for one of them.';

alter table app_private.event_marks enable row level security, force row level security;

-- Across tenants

-- ops.read_events and ops.trim_events, as the owner. It holds nothing of a tenant.
drop policy if exists manage_owner on app_private.event_marks;
create policy manage_owner on app_private.event_marks for all to :OWNER
  using (true)
  with check (true);

revoke all on app_private.event_marks from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
-- No grant to anybody: ops.trim_events keeps it.
