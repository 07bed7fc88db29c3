-- Sealing of the audit log that is behind: something that was written more than ten minutes ago is not sealed, and so nothing
-- proves it yet. When the workers start they get that time anew; without a worker nothing could be sealed. An old transaction that has written keeps it back; the message names the oldest (those of other sessions only to
-- who may read all statistics).
create or replace view ops.check_sealing with (security_barrier) as
select
  'audit.log'::text as subject,
  case when s.behind > interval '1 hour' then 'error' else 'warning' end as severity,
  format(
    'the audit log is sealed up to %s; %s', to_char(s.sealed_through at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
    coalesce(o.held_by, 'look for seal_audit_log in the runs of jobs')
  ) as message,
  jsonb_build_object('sealed_through', s.sealed_through) as details
from (
  select g.sealed_through, clock_timestamp() - greatest(g.sealed_through, w.working_since) as behind
  from ops.sealed_through() g(sealed_through)
  cross join (
    select min(w.started_at) as working_since from ops.workers w where w.stopped_at is null and w.lost_at is null
  ) w
  where w.working_since is not null
) s
left join lateral (
  select h.held_by from (
    select
      format('the transaction of %s in %s (process %s) has been open since %s', a.usename, a.datname, a.pid, to_char(a.xact_start at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')) as held_by,
      a.xact_start as since
    from pg_stat_activity a
    where a.backend_xid is not null and a.xact_start < clock_timestamp() - interval '5 minutes'
    union all
    select format('the prepared transaction %L of %s waits to be committed since %s', p.gid, p.owner, to_char(p.prepared at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')), p.prepared
    from pg_prepared_xacts p
    where p.prepared < clock_timestamp() - interval '5 minutes'
  ) h
  order by h.since
  limit 1
) o on true
where s.behind > interval '10 minutes';

comment on view ops.check_sealing is 'A check of ops.check_alerts. Sealing of the audit log that is behind.';
comment on column ops.check_sealing.subject is 'What it is about.';
comment on column ops.check_sealing.severity is 'warning or error.';
comment on column ops.check_sealing.message is 'What is wrong, in a sentence.';
comment on column ops.check_sealing.details is 'The same as JSON, for programs.';

revoke all on ops.check_sealing from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.check_sealing to :OPERATOR, :WORKER;
