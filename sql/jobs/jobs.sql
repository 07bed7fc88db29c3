-- The queue in words. Jobs that are done are not in it: ops.job_runs has what became of them. No payloads: they may hold
-- what operators have no business with.
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
from ops.queued_jobs() j
left join ops.job_runs r on r.job_id = j.id and r.outcome = 'running';

revoke all on ops.jobs from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.jobs to :OPERATOR, :WORKER;
