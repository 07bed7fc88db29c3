-- Workers that were taken for dead in the last hour. Others have their jobs now, but somebody may want to know why they died.
create or replace view ops.check_lost_workers with (security_barrier) as
select
  w.id as subject,
  'warning'::text as severity,
  format(
    'worker %s (process %s on %s) was last seen at %s; its jobs were given to others',
    w.id, w.pid, w.host, to_char(w.seen_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
  ) as message,
  jsonb_build_object('host', w.host, 'pid', w.pid, 'seen_at', w.seen_at) as details
from ops.workers w
where w.lost_at > clock_timestamp() - interval '1 hour';

comment on view ops.check_lost_workers is 'A check of ops.check_alerts. Workers that were taken for dead in the last hour.';
comment on column ops.check_lost_workers.subject is 'What it is about.';
comment on column ops.check_lost_workers.severity is 'warning or error.';
comment on column ops.check_lost_workers.message is 'What is wrong, in a sentence.';
comment on column ops.check_lost_workers.details is 'The same as JSON, for programs.';

revoke all on ops.check_lost_workers from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.check_lost_workers to :OPERATOR, :WORKER;
