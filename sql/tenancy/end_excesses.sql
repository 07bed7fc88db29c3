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
