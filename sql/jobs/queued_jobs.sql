comment on table ops.queued_jobs is 'The jobs in graphile-worker''s queue, as the worker reported them last; ops.jobs shows their state.';
comment on column ops.queued_jobs.id is 'The id of the job in graphile-worker.';
comment on column ops.queued_jobs.task is 'The task that it runs.';
comment on column ops.queued_jobs.queue is 'The queue whose jobs run one after the other; null: none.';
comment on column ops.queued_jobs.due_at is 'When it may run, or run again.';
comment on column ops.queued_jobs.attempts is 'How often it has begun.';
comment on column ops.queued_jobs.max_attempts is 'How often it may begin.';
comment on column ops.queued_jobs.last_error is 'Why the last attempt failed, 2,000 characters at most.';
comment on column ops.queued_jobs.created_at is 'When it came into the queue.';
comment on column ops.queued_jobs.locked_at is 'When the current attempt began; null: it does not run.';
comment on column ops.queued_jobs.worker is 'The worker that runs it.';

alter table ops.queued_jobs enable row level security, force row level security;

-- Across tenants

-- ops.report_jobs keeps it as the owner; operators and the worker read it. It holds nothing of a tenant.
drop policy if exists manage_owner on ops.queued_jobs;
create policy manage_owner on ops.queued_jobs for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.queued_jobs;
create policy select_operator on ops.queued_jobs for select to :OPERATOR
  using (true);
drop policy if exists select_worker on ops.queued_jobs;
create policy select_worker on ops.queued_jobs for select to :WORKER
  using (true);

revoke all on ops.queued_jobs from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.queued_jobs to :OPERATOR, :WORKER;
-- No insert, update or delete for anybody: ops.report_jobs keeps it.
