comment on table ops.job_runs is 'Runs of jobs, by the worker or by a command: their progress and their outcome. Of runs that had nothing to do, only the newest of each task is kept.';
comment on column ops.job_runs.id is 'Grows in the order in which runs began.';
comment on column ops.job_runs.task is 'The task that it runs.';
comment on column ops.job_runs.details is 'Its parameters, as an object; no secrets.';
comment on column ops.job_runs.worker is 'The process that runs it: the id of a worker, or host:pid of a command.';
comment on column ops.job_runs.job_id is 'The job of graphile-worker; null: a command.';
comment on column ops.job_runs.lock is 'At most one running run has this name; null: any number may run.';
comment on column ops.job_runs.outcome is 'running, succeeded, failed, or abandoned: its process did not report in time.';
comment on column ops.job_runs.progress is 'How much is done, from 0 to 1; null: unknown.';
comment on column ops.job_runs.note is 'What it is doing, or what it did; a sentence.';
comment on column ops.job_runs.error is 'Why it did not succeed.';
comment on column ops.job_runs.idle is 'Whether it succeeded because it had nothing to do.';
comment on column ops.job_runs.started_at is 'When it began.';
comment on column ops.job_runs.updated_at is 'When its process last reported.';
comment on column ops.job_runs.progressed_at is 'When it last reported something new; null: not yet.';
comment on column ops.job_runs.lease_until is 'When it is taken for dead, unless its process reports before.';
comment on column ops.job_runs.finished_at is 'When it ended; null: it is running.';

alter table ops.job_runs enable row level security, force row level security;

-- Across tenants

-- ops.begin_run, ops.renew_run, ops.end_run and ops.abandon_runs keep it as the owner; operators and the worker read
-- it. It holds nothing of a tenant.
drop policy if exists manage_owner on ops.job_runs;
create policy manage_owner on ops.job_runs for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.job_runs;
create policy select_operator on ops.job_runs for select to :OPERATOR
  using (true);
drop policy if exists select_worker on ops.job_runs;
create policy select_worker on ops.job_runs for select to :WORKER
  using (true);

revoke all on ops.job_runs from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.job_runs to :OPERATOR, :WORKER;
-- No insert, update or delete for anybody: ops.begin_run and its like keep it.
