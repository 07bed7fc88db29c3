-- Writes that are stopped: an operator has to let them in again.
create or replace view ops.check_stopped_writes with (security_barrier) as
select
  s.id::text as subject,
  case when s.begun_at < clock_timestamp() - interval '1 hour' then 'error' else 'warning' end as severity,
  format(
    'writes are stopped since %s (%s): lightning writes start lets them in again',
    to_char(s.begun_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI'), s.reason
  ) as message,
  jsonb_build_object('reason', s.reason, 'since', s.begun_at) as details
from ops.stopped_writes s;

comment on view ops.check_stopped_writes is 'A check of ops.check_alerts. Writes that are stopped; after an hour that is an error.';
comment on column ops.check_stopped_writes.subject is 'What it is about.';
comment on column ops.check_stopped_writes.severity is 'warning or error.';
comment on column ops.check_stopped_writes.message is 'What is wrong, in a sentence.';
comment on column ops.check_stopped_writes.details is 'The same as JSON, for programs.';

revoke all on ops.check_stopped_writes from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.check_stopped_writes to :OPERATOR, :WORKER;
