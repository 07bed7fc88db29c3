-- Jobs that have used up their attempts. For a scheduled task, the next success of the task clears the alert.
create or replace view ops.check_dead_jobs with (security_barrier) as
select
  j.task as subject,
  'error'::text as severity,
  format(
    '%s %s of %s failed for good, the last with: %s',
    count(*), case when count(*) = 1 then 'job' else 'jobs' end, j.task,
    coalesce((array_agg(j.last_error order by j.id desc))[1], 'its worker was lost')
  ) as message,
  jsonb_build_object('jobs', (array_agg(j.id order by j.id desc))[1:20]) as details
from ops.queued_jobs j
where j.locked_at is null and j.attempts >= j.max_attempts
  and not exists (
    select
    from ops.job_tasks t
    join ops.job_runs r on r.task = t.task and r.outcome = 'succeeded' and r.started_at > j.due_at
    where t.task = j.task and t.every is not null
  )
group by j.task;

comment on view ops.check_dead_jobs is 'A check of ops.check_alerts. Jobs that failed for good.';
comment on column ops.check_dead_jobs.subject is 'What it is about.';
comment on column ops.check_dead_jobs.severity is 'warning or error.';
comment on column ops.check_dead_jobs.message is 'What is wrong, in a sentence.';
comment on column ops.check_dead_jobs.details is 'The same as JSON, for programs.';

revoke all on ops.check_dead_jobs from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.check_dead_jobs to :OPERATOR, :WORKER;
