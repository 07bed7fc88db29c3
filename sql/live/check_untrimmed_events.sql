-- The outbox of live updates, when it holds more than it should: events older than an hour go within minutes.
create or replace view ops.check_untrimmed_events with (security_barrier) as
select
  'app_private.events'::text as subject,
  'warning'::text as severity,
  format(
    'the outbox of live updates holds events from %s, and should hold one hour',
    to_char(e.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
  ) as message,
  jsonb_build_object('oldest', e.at) as details
from (select e.at from app_private.events e order by e.transaction_id, e.id limit 1) e
where e.at < clock_timestamp() - interval '2 hours';

comment on view ops.check_untrimmed_events is 'A check of ops.check_alerts. The outbox, when it is not trimmed.';
comment on column ops.check_untrimmed_events.subject is 'What it is about.';
comment on column ops.check_untrimmed_events.severity is 'warning or error.';
comment on column ops.check_untrimmed_events.message is 'What is wrong, in a sentence.';
comment on column ops.check_untrimmed_events.details is 'The same as JSON, for programs.';

revoke all on ops.check_untrimmed_events from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.check_untrimmed_events to :OPERATOR, :WORKER;
