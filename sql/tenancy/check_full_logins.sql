-- Logins that hold all of their connections, so that another one is refused.
create or replace view ops.check_full_logins with (security_barrier) as
select
  l.login::text as subject,
  'warning'::text as severity,
  format('login %s holds all %s of its connections, and another one is refused: ask who has the login, or lightning login limit %s --connections N', l.login, l.connections, l.login) as message,
  jsonb_build_object('login', l.login, 'connections', l.connections, 'since', l.since) as details
from ops.full_logins() l;

comment on view ops.check_full_logins is 'A check of ops.check_alerts. Logins of tenants that hold all of their connections.';
comment on column ops.check_full_logins.subject is 'What it is about.';
comment on column ops.check_full_logins.severity is 'warning or error.';
comment on column ops.check_full_logins.message is 'What is wrong, in a sentence.';
comment on column ops.check_full_logins.details is 'The same as JSON, for programs.';

revoke all on ops.check_full_logins from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.check_full_logins to :OPERATOR, :WORKER;
