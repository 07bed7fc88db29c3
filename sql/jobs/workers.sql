comment on table ops.workers is 'Processes that work on jobs, by the id under which graphile-worker locks jobs for them.';
comment on column ops.workers.id is 'The id of the pool.';
comment on column ops.workers.host is 'The machine that it runs on.';
comment on column ops.workers.pid is 'The id of its process there.';
comment on column ops.workers.version is 'The version of this project that it runs.';
comment on column ops.workers.started_at is 'When it began.';
comment on column ops.workers.seen_at is 'When it last reported that it lives, which it does every 15 seconds.';
comment on column ops.workers.stopped_at is 'When it ended as it should; null: it lives, or it died.';
comment on column ops.workers.lost_at is 'When it was taken for dead; null: never.';

alter table ops.workers enable row level security, force row level security;

-- Across tenants

-- ops.see_worker, ops.stop_worker and ops.lose_workers keep it as the owner; operators and the worker read it. It holds
-- nothing of a tenant.
drop policy if exists manage_owner on ops.workers;
create policy manage_owner on ops.workers for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.workers;
create policy select_operator on ops.workers for select to :OPERATOR
  using (true);
drop policy if exists select_worker on ops.workers;
create policy select_worker on ops.workers for select to :WORKER
  using (true);

revoke all on ops.workers from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.workers to :OPERATOR, :WORKER;
-- No insert, update or delete for anybody: ops.see_worker, ops.stop_worker and ops.lose_workers keep it.
