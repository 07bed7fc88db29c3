-- The current runs. A run whose process died stays here until its lease is over, a minute at most.
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

comment on view ops.running is 'The current runs: since when, how far and where.';
comment on column ops.running.id is 'The run in ops.job_runs.';
comment on column ops.running.task is 'The task that it runs.';
comment on column ops.running.details is 'Its parameters.';
comment on column ops.running.progress is 'How much is done, from 0 to 1; null: unknown.';
comment on column ops.running.note is 'What it is doing.';
comment on column ops.running.started_at is 'When it began.';
comment on column ops.running.running_for is 'How long it has been running.';
comment on column ops.running.updated_at is 'When its process last reported.';
comment on column ops.running.worker is 'The id of a worker, or host:pid of a command.';
comment on column ops.running.process is 'host:pid.';
comment on column ops.running.job_id is 'Its job in ops.jobs; null: a command.';

revoke all on ops.running from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.running to :OPERATOR, :WORKER;
