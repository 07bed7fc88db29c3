-- Callers that were refused in the last five minutes because they ask for too much at a time.
create or replace view ops.check_refused_callers with (security_barrier) as
select
  r.caller as subject,
  'warning'::text as severity,
  format(
    '%s asks for more than it may, and is refused: %s', r.caller,
    string_agg(format('too many %s (%s)', r.what, r.count), ', ' order by r.what)
  ) as message,
  jsonb_build_object(
    'caller', r.caller, 'refused', jsonb_object_agg(r.what, r.count), 'first_at', min(r.first_at), 'last_at', max(r.last_at)
  ) as details
from ops.refused_callers r
where r.last_at > clock_timestamp() - interval '5 minutes'
group by r.caller;

comment on view ops.check_refused_callers is 'A check of ops.check_alerts. Callers that were refused in the last five minutes because they ask for too much.';
comment on column ops.check_refused_callers.subject is 'What it is about.';
comment on column ops.check_refused_callers.severity is 'warning or error.';
comment on column ops.check_refused_callers.message is 'What is wrong, in a sentence.';
comment on column ops.check_refused_callers.details is 'The same as JSON, for programs.';

revoke all on ops.check_refused_callers from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.check_refused_callers to :OPERATOR, :WORKER;
