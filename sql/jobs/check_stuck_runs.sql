-- Runs that take longer than they should: a warning while they report progress, an error when they have reported nothing new
-- for ten minutes. A command that is not a task may take an hour.
create or replace view ops.check_stuck_runs with (security_barrier) as
select
  format('%s, run %s', r.task, r.id) as subject,
  case
    when coalesce(r.progressed_at, r.started_at) < clock_timestamp() - interval '10 minutes' then 'error'
    else 'warning'
  end as severity,
  format(
    '%s has been running since %s on %s and should take at most %s; its last report: %s',
    r.task, to_char(r.started_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), r.process,
    coalesce(t.expected, interval '1 hour'), coalesce(r.note, round((r.progress * 100)::numeric) || ' %', 'none')
  ) as message,
  jsonb_build_object('run', r.id, 'task', r.task, 'worker', r.worker, 'progress', r.progress) as details
from (
  select r.*, u.process from ops.running u join ops.job_runs r on r.id = u.id
) r
left join ops.job_tasks t on t.task = r.task
where r.started_at + coalesce(t.expected, interval '1 hour') < clock_timestamp();

comment on view ops.check_stuck_runs is 'A check of ops.check_alerts. Runs that take longer than they should.';
comment on column ops.check_stuck_runs.subject is 'What it is about.';
comment on column ops.check_stuck_runs.severity is 'warning or error.';
comment on column ops.check_stuck_runs.message is 'What is wrong, in a sentence.';
comment on column ops.check_stuck_runs.details is 'The same as JSON, for programs.';

revoke all on ops.check_stuck_runs from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.check_stuck_runs to :OPERATOR, :WORKER;
