--! Previous: sha1:9efa1c03cdfec807b2edafb464477c84313582ad
--! Hash: sha1:d190ab35a4403bcee0d76ef0f73eaf12fe091092
--! Message: logins_of_services

-- A login of a tenant may be a service's: its rights are a membership, which the server keeps.
--! Included tenancy/tenant_logins.sql
comment on table app_private.tenant_logins is 'The tenant that a direct login (an analyst''s, a service''s) sees.';
comment on column app_private.tenant_logins.login is 'The login''s name, as session_user returns it.';
comment on column app_private.tenant_logins.tenant_id is 'The one tenant that it sees.';
comment on column app_private.tenant_logins.created_at is 'When it was bound.';
comment on column app_private.tenant_logins.connections is 'The connections that it may have at a time.';
comment on column app_private.tenant_logins.statement_seconds is 'How long a statement of it may run.';
comment on column app_private.tenant_logins.transaction_seconds is 'How long a transaction of it may be open.';
comment on column app_private.tenant_logins.idle_in_transaction_seconds is 'How long an open transaction of it may do nothing.';
comment on column app_private.tenant_logins.idle_seconds is 'How long a session of it may do nothing.';

alter table app_private.tenant_logins enable row level security, force row level security;

-- Across tenants

-- ops.bind_login and the other functions and views of logins, as the owner.
drop policy if exists manage_owner on app_private.tenant_logins;
create policy manage_owner on app_private.tenant_logins for all to :OWNER
  using (true)
  with check (true);

revoke all on app_private.tenant_logins from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
-- No grant to anybody: login_tenant_id() tells a login its own tenant, ops.tenants lists them for operators.

select audit.enable_tracking('app_private.tenant_logins');
--! EndIncluded tenancy/tenant_logins.sql
--! Included tenancy/login_limits.sql
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
--! EndIncluded tenancy/login_limits.sql
--! Included tenancy/end_excesses.sql
-- Ends what sessions of tenants' logins do beyond their limits, and returns {login, pid, reason, failure} of each. The limits are those of
-- the bindings, because a session can set its own timeouts back; the times are the server's. The worker calls it every few seconds.
--
-- A second over a limit is the server's own time to act. A statement is cancelled first, and its session ended at a later look.
-- Two things have no limit of their own: an advisory lock, which no analyst needs and which keeps out whoever wants the same
-- number (a service holds those that our triggers take); and an open transaction while the queue of notifications fills up, because what listens in one keeps all that was said since.
--
-- Sees sessions in other databases of the server too: the queue is the whole server's. Definer: it signals as the owner, with
-- pg_signal_backend (sql/roles.sql), and only sessions of bound logins and of the analysts' group.
create or replace function ops.end_excesses() returns setof jsonb
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_session record;
  v_failure text;
begin
  for v_session in
    with sessions as materialized (
      select
        a.pid, a.usename, a.state, a.wait_event,
        extract(epoch from clock_timestamp() - a.xact_start) as transaction_for,
        extract(epoch from clock_timestamp() - a.query_start) as statement_for,
        extract(epoch from clock_timestamp() - a.state_change) as state_for,
        pg_has_role(r.oid, ':SERVICE', 'usage') as is_service,
        row_number() over (partition by a.usesysid order by a.backend_start, a.pid) as nth,
        coalesce(l.connections, 5) as connections, coalesce(l.statement_seconds, 20) as statement_seconds,
        coalesce(l.transaction_seconds, 25) as transaction_seconds,
        coalesce(l.idle_in_transaction_seconds, 15) as idle_in_transaction_seconds, coalesce(l.idle_seconds, 3600) as idle_seconds
      from pg_stat_activity a
      join pg_roles r on r.oid = a.usesysid
      left join app_private.tenant_logins l on l.login = a.usename
      where a.backend_type = 'client backend' and a.pid <> pg_backend_pid()
        and (l.login is not null or a.datname = current_database() and pg_has_role(r.oid, ':ANALYST', 'usage'))
        and not r.rolsuper and not pg_has_role(r.oid, ':OWNER', 'member') and not pg_has_role(r.oid, ':ANON', 'member')
        and not pg_has_role(r.oid, ':WORKER', 'member')
    )
    select s.*, e.reason
    from sessions s
    cross join lateral (
      select case
        when s.nth > s.connections then 'connections'
        when not s.is_service and exists (select from pg_locks k where k.pid = s.pid and k.locktype = 'advisory' and k.granted) then 'advisory_lock'
        when pg_notification_queue_usage() > 0.01 and (s.transaction_for > 2 or s.wait_event = 'ClientWrite') then 'notifications'
        when s.transaction_for > s.transaction_seconds + 1 then 'transaction'
        when s.state = 'active' and s.statement_for > s.statement_seconds + 1 then 'statement'
        when s.state like 'idle in transaction%' and s.state_for > s.idle_in_transaction_seconds + 1 then 'idle_in_transaction'
        when s.state = 'idle' and s.state_for > s.idle_seconds + 1 then 'idle'
      end as reason
    ) e
    where e.reason is not null
  loop
    v_failure := null;
    begin
      if v_session.reason = 'statement' and v_session.statement_for < v_session.statement_seconds + 5 then
        perform pg_cancel_backend(v_session.pid);
      else
        perform pg_terminate_backend(v_session.pid);
      end if;
    exception
      when insufficient_privilege then
        v_failure := 'the owner may not end sessions: lightning setup, as a superuser or a member of pg_signal_backend';
    end;
    insert into ops.ended_sessions (login, reason, failure)
    values (v_session.usename, v_session.reason, v_failure)
    on conflict on constraint ended_sessions_pkey do update
    set count = ended_sessions.count + 1, last_at = clock_timestamp(), failure = excluded.failure;
    return next jsonb_build_object(
      'login', v_session.usename, 'pid', v_session.pid, 'reason', v_session.reason, 'failure', v_failure
    );
  end loop;
  delete from ops.ended_sessions e where e.last_at < clock_timestamp() - interval '30 days';
end
$$;

comment on function ops.end_excesses() is 'Ends what sessions of tenants'' logins do beyond their limits. Returns {login, pid, reason, failure} of each.';
grant execute on function ops.end_excesses() to :WORKER;
--! EndIncluded tenancy/end_excesses.sql
