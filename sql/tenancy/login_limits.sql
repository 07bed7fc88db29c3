-- The logins of tenants with what they may use at most. `limited` says whether the server holds the login to a number of connections,
-- as `lightning login` makes it do.
create or replace view ops.login_limits with (security_barrier) as
select
  l.login, l.tenant_id, l.connections, l.statement_seconds, l.transaction_seconds, l.idle_in_transaction_seconds, l.idle_seconds,
  coalesce(r.rolconnlimit = l.connections, false) as limited,
  case when pg_has_role(r.oid, ':SERVICE', 'usage') then 'service' else 'analyst' end as role
from app_private.tenant_logins l
left join pg_roles r on r.rolname = l.login;

comment on view ops.login_limits is 'The logins of tenants, with what they may use at most.';
comment on column ops.login_limits.login is 'The login''s name.';
comment on column ops.login_limits.tenant_id is 'The tenant that it sees.';
comment on column ops.login_limits.connections is 'The connections that it may have at a time.';
comment on column ops.login_limits.statement_seconds is 'How long a statement of it may run.';
comment on column ops.login_limits.transaction_seconds is 'How long a transaction of it may be open.';
comment on column ops.login_limits.idle_in_transaction_seconds is 'How long an open transaction of it may do nothing.';
comment on column ops.login_limits.idle_seconds is 'How long a session of it may do nothing.';
comment on column ops.login_limits.role is 'What it may do: analyst or service.';
comment on column ops.login_limits.limited is 'Whether the role has the same number of connections; false: lightning login limit.';

revoke all on ops.login_limits from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :WORKER, :SEARCH, :JOBS;
grant select on ops.login_limits to :OPERATOR;
