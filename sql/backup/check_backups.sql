-- A backup that should exist and does not. Workers with configured backups record when one is due, and the store says which
-- exist, so the alert comes even if the job succeeded but its backup is gone. It waits for a backup that is being made, and for
-- the first look of a worker that has just started.
create or replace view ops.check_backups with (security_barrier) as
select
  'backups'::text as subject,
  'error'::text as severity,
  case
    when b.recorded = 0 then 'no backup was ever made: lightning backup makes one now, and says why when it cannot'
    when b.newest is null then 'no backup is left in the store: lightning backup --full makes one now'
    else format(
      'the newest backup ended at %s, and one is due every %s: lightning backup makes one now',
      to_char(b.newest at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), t.every
    )
  end as message,
  jsonb_build_object('newest', b.newest) as details
from ops.job_tasks t
cross join (
  select max(k.ended_at) filter (where k.removed_at is null) as newest, count(*) as recorded
  from ops.backups k
) b
cross join lateral (
  select min(w.started_at) as working_since from ops.workers w where w.stopped_at is null and w.lost_at is null
) w
where t.task = 'back_up' and t.every is not null
  and (b.newest is null or clock_timestamp() > b.newest + t.every * 1.25 + interval '10 minutes')
  and clock_timestamp() > coalesce(w.working_since, '-infinity') + interval '30 seconds'
  and not exists (select from ops.job_runs r where r.task = 'back_up' and r.outcome = 'running');

comment on view ops.check_backups is 'A check of ops.check_alerts. A backup that should exist and does not.';
comment on column ops.check_backups.subject is 'What it is about.';
comment on column ops.check_backups.severity is 'warning or error.';
comment on column ops.check_backups.message is 'What is wrong, in a sentence.';
comment on column ops.check_backups.details is 'The same as JSON, for programs.';

revoke all on ops.check_backups from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.check_backups to :OPERATOR, :WORKER;
