comment on table ops.ended_sessions is 'Sessions of analysts'' logins that went beyond their limits and were ended, a row for each login and reason.';
comment on column ops.ended_sessions.login is 'The login.';
comment on column ops.ended_sessions.reason is 'The limit: advisory_lock, connections, idle, idle_in_transaction, notifications, statement or transaction.';
comment on column ops.ended_sessions.count is 'How often.';
comment on column ops.ended_sessions.first_at is 'When that happened first.';
comment on column ops.ended_sessions.last_at is 'When that happened last.';
comment on column ops.ended_sessions.failure is 'Why the newest one could not be ended; null: it was.';

alter table ops.ended_sessions enable row level security, force row level security;

-- Across tenants

-- ops.end_excesses keeps it as the owner; operators and the worker read it. It holds nothing of a tenant.
drop policy if exists manage_owner on ops.ended_sessions;
create policy manage_owner on ops.ended_sessions for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.ended_sessions;
create policy select_operator on ops.ended_sessions for select to :OPERATOR
  using (true);
drop policy if exists select_worker on ops.ended_sessions;
create policy select_worker on ops.ended_sessions for select to :WORKER
  using (true);

revoke all on ops.ended_sessions from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.ended_sessions to :OPERATOR, :WORKER;
-- No insert, update or delete for anybody: ops.end_excesses keeps it.
