-- Logins whose sessions went beyond their limits in the last hour.
create or replace view ops.check_ended_sessions with (security_barrier) as
select
  e.login::text as subject,
  'error'::text as severity,
  format(
    'login %s went beyond its limits, and its sessions were ended: %s%s', e.login,
    string_agg(format('%s (%s)', e.reason, e.count), ', ' order by e.reason),
    coalesce('; not all of them, because ' || max(e.failure), '')
  ) as message,
  jsonb_build_object(
    'login', e.login, 'reasons', jsonb_object_agg(e.reason, e.count),
    'first_at', min(e.first_at), 'last_at', max(e.last_at)
  ) as details
from ops.ended_sessions e
where e.last_at > clock_timestamp() - interval '1 hour'
group by e.login;

comment on view ops.check_ended_sessions is 'A check of ops.check_alerts. Logins whose sessions went beyond their limits in the last hour.';
comment on column ops.check_ended_sessions.subject is 'What it is about.';
comment on column ops.check_ended_sessions.severity is 'warning or error.';
comment on column ops.check_ended_sessions.message is 'What is wrong, in a sentence.';
comment on column ops.check_ended_sessions.details is 'The same as JSON, for programs.';

revoke all on ops.check_ended_sessions from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.check_ended_sessions to :OPERATOR, :WORKER;
