-- What runs now. A run whose process died stays here until its lease is over, a minute at most.
create or replace view ops.running with (security_barrier) as
select
  r.id,
  r.task,
  r.details,
  r.progress,
  r.note,
  r.started_at,
  date_trunc('second', clock_timestamp() - r.started_at) as running_for,
  r.updated_at,
  r.worker,
  coalesce(w.host || ':' || w.pid, r.worker) as process,
  r.job_id
from ops.job_runs r
left join ops.workers w on w.id = r.worker
where r.outcome = 'running' and r.lease_until > clock_timestamp();

revoke all on ops.running from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.running to :OPERATOR, :WORKER;
