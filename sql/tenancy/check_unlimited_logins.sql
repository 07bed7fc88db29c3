-- Logins of tenants whose roles lack their limits: an earlier version made them, or somebody took them back.
create or replace view ops.check_unlimited_logins with (security_barrier) as
select
  l.login::text as subject,
  'error'::text as severity,
  format('login %s has no limits on the server: lightning login limit %s', l.login, l.login) as message,
  jsonb_build_object('login', l.login) as details
from ops.login_limits l
join pg_roles r on r.rolname = l.login
where not l.limited;

comment on view ops.check_unlimited_logins is 'A check of ops.check_alerts. Logins of tenants whose roles lack their limits.';
comment on column ops.check_unlimited_logins.subject is 'What it is about.';
comment on column ops.check_unlimited_logins.severity is 'warning or error.';
comment on column ops.check_unlimited_logins.message is 'What is wrong, in a sentence.';
comment on column ops.check_unlimited_logins.details is 'The same as JSON, for programs.';

revoke all on ops.check_unlimited_logins from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.check_unlimited_logins to :OPERATOR, :WORKER;
