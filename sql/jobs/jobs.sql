-- The queue of jobs as the worker reported it last, every 15 seconds and before it checks for alerts: 1,000 jobs at most. It
-- lacks jobs that are done, whose outcome is in ops.job_runs, and payloads, which may hold data that operators must not see.
create or replace view ops.jobs with (security_barrier) as
select
  j.id,
  j.task,
  case
    when j.locked_at is not null then 'running'
    when j.attempts >= j.max_attempts then 'failed'
    else 'waiting'
  end as state,
  j.due_at,
  j.attempts,
  j.max_attempts,
  j.last_error,
  j.created_at,
  j.locked_at as running_since,
  j.worker,
  r.progress,
  r.note
from ops.queued_jobs j
left join ops.job_runs r on r.job_id = j.id and r.outcome = 'running';

comment on view ops.jobs is 'The queue of jobs as the worker reported it last, without payloads and without jobs that are done.';
comment on column ops.jobs.id is 'The id of the job in graphile-worker.';
comment on column ops.jobs.task is 'The task that it runs.';
comment on column ops.jobs.state is 'waiting, running, or failed: its attempts are used up.';
comment on column ops.jobs.due_at is 'When it may run, or run again.';
comment on column ops.jobs.attempts is 'How often it has begun.';
comment on column ops.jobs.max_attempts is 'How often it may begin.';
comment on column ops.jobs.last_error is 'Why the last attempt failed.';
comment on column ops.jobs.created_at is 'When it came into the queue.';
comment on column ops.jobs.running_since is 'When the current attempt began.';
comment on column ops.jobs.worker is 'The worker that runs it; ops.workers says where.';
comment on column ops.jobs.progress is 'How much of the current attempt is done, from 0 to 1.';
comment on column ops.jobs.note is 'What it is doing.';

revoke all on ops.jobs from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.jobs to :OPERATOR, :WORKER;
