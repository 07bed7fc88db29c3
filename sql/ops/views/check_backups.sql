-- A backup that should be there and is not. When one is due say the workers, which there are the store says: so a job that
-- succeeded and a backup that went since are no excuse. Where no backup was ever made nobody asked for any, or the job fails,
-- which is an alert of its own.
create or replace view ops.check_backups with (security_barrier) as
select
  'backups'::text as subject,
  'error'::text as severity,
  case
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
where t.task = 'back_up' and b.recorded > 0
  and (b.newest is null or clock_timestamp() > b.newest + t.every * 1.25 + interval '10 minutes');

revoke all on ops.check_backups from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.check_backups to :OPERATOR, :WORKER;
