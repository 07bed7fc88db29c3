-- Backups that the newest drill could not restore.
create or replace view ops.check_drills with (security_barrier) as
select
  'backups'::text as subject,
  'error'::text as severity,
  format(
    'the drill of %s did not pass: %s',
    to_char(d.started_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), array_to_string(d.problems[1:3], '; ')
  ) as message,
  jsonb_build_object('drill', d.id, 'backups', to_jsonb(d.backups), 'problems', to_jsonb(d.problems)) as details
from (select * from ops.drills order by id desc limit 1) d
where not d.passed;

comment on view ops.check_drills is 'A check of ops.check_alerts. Backups that the newest drill could not restore.';
comment on column ops.check_drills.subject is 'What it is about.';
comment on column ops.check_drills.severity is 'warning or error.';
comment on column ops.check_drills.message is 'What is wrong, in a sentence.';
comment on column ops.check_drills.details is 'The same as JSON, for programs.';

revoke all on ops.check_drills from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.check_drills to :OPERATOR, :WORKER;
