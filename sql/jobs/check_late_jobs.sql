-- Scheduled jobs that have not succeeded for one and a quarter of their interval plus ten minutes. When the workers start, they
-- get an interval again, a day at most: without a worker nothing could succeed.
create or replace view ops.check_late_jobs with (security_barrier) as
select
  t.task as subject,
  'error'::text as severity,
  format(
    '%s should succeed every %s and has not since %s%s',
    t.task, t.every, to_char(coalesce(l.succeeded_at, t.known_since) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
    coalesce('; the last failure: ' || f.error, '')
  ) as message,
  jsonb_build_object('last_success', l.succeeded_at) as details
from ops.job_tasks t
cross join lateral (
  select max(r.finished_at) as succeeded_at from ops.job_runs r where r.task = t.task and r.outcome = 'succeeded'
) l
left join lateral (
  select r.error
  from ops.job_runs r
  where r.task = t.task and r.outcome in ('failed', 'abandoned') and r.finished_at > coalesce(l.succeeded_at, t.known_since)
  order by r.started_at desc
  limit 1
) f on true
cross join lateral (
  select min(w.started_at) as working_since from ops.workers w where w.stopped_at is null and w.lost_at is null
) w
where clock_timestamp() > greatest(
  coalesce(l.succeeded_at, t.known_since) + t.every * 1.25,
  w.working_since + least(t.every, interval '1 day')
) + interval '10 minutes';

comment on view ops.check_late_jobs is 'A check of ops.check_alerts. Scheduled jobs that have not succeeded in time.';
comment on column ops.check_late_jobs.subject is 'What it is about.';
comment on column ops.check_late_jobs.severity is 'warning or error.';
comment on column ops.check_late_jobs.message is 'What is wrong, in a sentence.';
comment on column ops.check_late_jobs.details is 'The same as JSON, for programs.';

revoke all on ops.check_late_jobs from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.check_late_jobs to :OPERATOR, :WORKER;
