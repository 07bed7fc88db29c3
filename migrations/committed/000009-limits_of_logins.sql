--! Previous: sha1:a1654fabc7deb3fba8e7e8fd7714968ce75cfd84
--! Hash: sha1:02e51643c56cd0224aaf672ea10ef53587aeaeb8
--! Message: limits_of_logins

-- What an analyst's login may use at most. Its role has the same as settings, which its owner can take back; the worker compares
-- with these. Logins of earlier versions get the defaults here; `lightning login limit` puts them on the roles. Rewrites nothing.
alter table app_private.tenant_logins
  add column connections integer not null default 5 check (connections between 1 and 1000),
  add column statement_seconds integer not null default 20 check (statement_seconds between 1 and 86400),
  add column transaction_seconds integer not null default 25 check (transaction_seconds between 1 and 86400),
  add column idle_in_transaction_seconds integer not null default 15 check (idle_in_transaction_seconds between 1 and 86400),
  add column idle_seconds integer not null default 3600 check (idle_seconds between 1 and 604800);

-- Sessions of analysts that the worker ended, a row for each login and reason.
create table ops.ended_sessions (
  login name not null,
  reason text not null,
  count bigint not null default 1,
  first_at timestamptz not null default clock_timestamp(),
  last_at timestamptz not null default clock_timestamp(),
  -- Why the newest one could not be ended.
  failure text,
  primary key (login, reason)
);

--! Included tenancy/tenant_logins.sql
comment on table app_private.tenant_logins is 'The tenant that a direct login (an analyst''s) sees.';
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

revoke all on app_private.tenant_logins from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
-- No grant to anybody: login_tenant_id() tells a login its own tenant, ops.tenants lists them for operators.
--! EndIncluded tenancy/tenant_logins.sql
--! Included tenancy/limit_login.sql
-- Sets what a login may use at most; what is null stays. Definer: nobody may write the bindings.
create or replace function ops.limit_login(
  login name,
  connections integer,
  statement_seconds integer,
  transaction_seconds integer,
  idle_in_transaction_seconds integer,
  idle_seconds integer
) returns boolean
language sql volatile security definer
set search_path to pg_catalog, pg_temp
begin atomic
  with changed as (
    update app_private.tenant_logins l
    set
      connections = coalesce(limit_login.connections, l.connections),
      statement_seconds = coalesce(limit_login.statement_seconds, l.statement_seconds),
      transaction_seconds = coalesce(limit_login.transaction_seconds, l.transaction_seconds),
      idle_in_transaction_seconds = coalesce(limit_login.idle_in_transaction_seconds, l.idle_in_transaction_seconds),
      idle_seconds = coalesce(limit_login.idle_seconds, l.idle_seconds)
    where l.login = limit_login.login
    returning 1
  )
  select exists (select from changed);
end;

comment on function ops.limit_login(name, integer, integer, integer, integer, integer) is 'Sets what a login may use at most; what is null stays. False when it is not bound.';
-- No grant: only the owner calls it, with `lightning login`.
--! EndIncluded tenancy/limit_login.sql
--! Included tenancy/login_limits.sql
-- The logins of tenants with what they may use at most. `limited` says whether the server holds the login to a number of connections,
-- as `lightning login` makes it do.
create or replace view ops.login_limits with (security_barrier) as
select
  l.login, l.tenant_id, l.connections, l.statement_seconds, l.transaction_seconds, l.idle_in_transaction_seconds, l.idle_seconds,
  coalesce(r.rolconnlimit = l.connections, false) as limited
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
comment on column ops.login_limits.limited is 'Whether the role has the same number of connections; false: lightning login limit.';

revoke all on ops.login_limits from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :WORKER, :SEARCH;
grant select on ops.login_limits to :OPERATOR;
--! EndIncluded tenancy/login_limits.sql
--! Included tenancy/ended_sessions.sql
comment on table ops.ended_sessions is 'Sessions of analysts'' logins that went beyond their limits and were ended, a row for each login and reason.';
comment on column ops.ended_sessions.login is 'The login.';
comment on column ops.ended_sessions.reason is 'The limit: advisory_lock, connections, idle, idle_in_transaction, notifications, statement or transaction.';
comment on column ops.ended_sessions.count is 'How often.';
comment on column ops.ended_sessions.first_at is 'When that happened first.';
comment on column ops.ended_sessions.last_at is 'When that happened last.';
comment on column ops.ended_sessions.failure is 'Why the newest one could not be ended; null: it was.';

alter table ops.ended_sessions enable row level security, force row level security;

-- Across tenants

-- ops.end_excesses keeps it as the owner; operators and the worker read it. It holds nothing of a tenant.
drop policy if exists manage_owner on ops.ended_sessions;
create policy manage_owner on ops.ended_sessions for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.ended_sessions;
create policy select_operator on ops.ended_sessions for select to :OPERATOR
  using (true);
drop policy if exists select_worker on ops.ended_sessions;
create policy select_worker on ops.ended_sessions for select to :WORKER
  using (true);

revoke all on ops.ended_sessions from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.ended_sessions to :OPERATOR, :WORKER;
-- No insert, update or delete for anybody: ops.end_excesses keeps it.
--! EndIncluded tenancy/ended_sessions.sql
--! Included tenancy/end_excesses.sql
-- Ends what analysts' sessions do beyond their limits, and returns {login, pid, reason, failure} of each. The limits are those of
-- the bindings, because a session can set its own timeouts back; the times are the server's. The worker calls it every few seconds.
--
-- A second over a limit is the server's own time to act. A statement is cancelled first, and its session ended at a later look.
-- Two things have no limit of their own: an advisory lock, which no analyst needs and which keeps out whoever wants the same
-- number; and an open transaction while the queue of notifications fills up, because what listens in one keeps all that was said since.
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
        when exists (select from pg_locks k where k.pid = s.pid and k.locktype = 'advisory' and k.granted) then 'advisory_lock'
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

comment on function ops.end_excesses() is 'Ends what analysts'' sessions do beyond their limits. Returns {login, pid, reason, failure} of each.';
grant execute on function ops.end_excesses() to :WORKER;
--! EndIncluded tenancy/end_excesses.sql
--! Included tenancy/check_ended_sessions.sql
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

revoke all on ops.check_ended_sessions from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.check_ended_sessions to :OPERATOR, :WORKER;
--! EndIncluded tenancy/check_ended_sessions.sql
--! Included tenancy/check_unlimited_logins.sql
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

revoke all on ops.check_unlimited_logins from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.check_unlimited_logins to :OPERATOR, :WORKER;
--! EndIncluded tenancy/check_unlimited_logins.sql
--! Included tenancy/tg_tenants__notify.sql
-- Tells the API's processes that a tenant was suspended or resumed. No payload: they read the list again, and do so every second
-- anyway: where a login has filled the queue of notifications, the change is made without one.
create or replace function app_private.tg_tenants__notify() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  if pg_notification_queue_usage() < 0.1 then
    perform pg_notify('lightning:tenants', '');
  end if;
  return null;
end
$$;

comment on function app_private.tg_tenants__notify() is 'Trigger: NOTIFY lightning:tenants without payload when a tenant was suspended or resumed.';
--! EndIncluded tenancy/tg_tenants__notify.sql
--! Included live/tg__publish.sql
-- Writes the keys of a statement's changes into the outbox, and wakes up the listeners on `lightning:<table>`. The payload is
-- empty because any login may listen. Definer: nobody may write the outbox.
--
-- A transaction that notifies holds a lock of the whole database until it is on disk. If all notified, they would commit one
-- after the other: a sixth of the inserts per second (test/bench/notify.ts). So only one notifies at a time, and a transaction
-- that finds the advisory lock taken does not. It is still running then, so a reader that the other one woke sees in its
-- snapshot that it has more to wait for, and looks again. Holding the lock for longer can delay events but never lose them:
-- readers look every second by themselves. For the same reason nobody notifies while the queue of notifications fills up, which
-- any login can do to it: a notification that finds it full fails its transaction.
create or replace function app_private.tg__publish() returns trigger
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  insert into app_private.events (tenant_id, topic, operation, keys)
  select c.tenant_id, TG_TABLE_NAME, lower(TG_OP), case when count(*) <= 1000 then array_agg(c.id::text) end
  from changed_rows c
  group by c.tenant_id;
  -- The first key is "live" in ASCII.
  if found and pg_try_advisory_xact_lock(1818850917, (TG_RELID::bigint % 2147483647)::integer)
    and pg_notification_queue_usage() < 0.1
  then
    perform pg_notify('lightning:' || TG_TABLE_NAME, '');
  end if;
  return null;
end
$$;

comment on function app_private.tg__publish() is 'Trigger: writes the keys of changed rows into app_private.events, and wakes up the listeners on lightning:<table>, without payload.';
--! EndIncluded live/tg__publish.sql
--! Included live/trim_events.sql
-- Removes events that have been visible in the outbox for at least `keep`, and returns their number. The worker runs it every
-- few minutes: each run leaves a mark that a later one trims to. Definer: nobody may write the outbox.
create or replace function ops.trim_events(keep interval default '1 hour') returns bigint
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_mark app_private.event_marks;
  v_count bigint := 0;
begin
  -- Streams read an event within a second or two of its commit.
  perform app_private.refuse_bounds('keep', keep >= interval '1 minute', 'at least a minute');
  -- Only one runs at a time, and none waits. A lock of a table that nobody else may lock: anybody can take an advisory lock.
  begin
    lock table app_private.event_marks in share update exclusive mode nowait;
  exception
    when lock_not_available then
      return 0;
  end;
  insert into app_private.event_marks default values;
  select m.* into v_mark
  from app_private.event_marks m
  where m.at <= clock_timestamp() - keep
  order by m.at desc
  limit 1;
  if not found then
    return 0;
  end if;
  delete from app_private.events e
  where e.transaction_id < pg_snapshot_xmax(v_mark.snapshot)
    and pg_visible_in_snapshot(e.transaction_id, v_mark.snapshot);
  get diagnostics v_count = row_count;
  delete from app_private.event_marks m where m.at < v_mark.at;
  update app_private.event_marks m set trimmed = true where m.at = v_mark.at;
  return v_count;
end
$$;

comment on function ops.trim_events(interval) is 'Removes events that have been visible in the outbox for at least `keep`. Returns their number. LTP06 for less than a minute.';
grant execute on function ops.trim_events(interval) to :WORKER;
--! EndIncluded live/trim_events.sql
--! Included retention/ensure_partitions.sql
-- Makes the missing partitions between now and the horizons: one a day for metrics and their rollups by minute, one a month
-- for the rollups by hour and for the audit log. The worker runs it every hour and `lightning migrate` at its end. It can
-- run at any time, and several times at once. Definer: partitions belong to the owner, and this makes only these.
create or replace function ops.ensure_partitions(
  metrics_days_ahead integer default 14,
  audit_months_ahead integer default 3,
  at timestamptz default now()
) returns setof text
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
set timezone to 'UTC'
as $$
declare
  v_parent text;
  v_start timestamptz;
  v_name text;
begin
  -- The worker's login can make tables by this, and no more than these.
  perform app_private.refuse_bounds('metrics_days_ahead', metrics_days_ahead between 0 and 62, '0 to 62');
  perform app_private.refuse_bounds('audit_months_ahead', audit_months_ahead between 0 and 24, '0 to 24');
  perform app_private.refuse_bounds('at', at between now() - interval '2 years' and now() + interval '1 day', 'a time of the last two years');

  -- One caller at a time: between its check and its create, another could take the name.
  -- A lock of a table that nobody else may lock, and that is in nobody's way: anybody can take an advisory lock.
  lock table ops.partition_removals in share update exclusive mode;

  -- Yesterday too: a point that is on its way at midnight belongs to the day that has ended.
  for v_start in
    select d from generate_series(
      date_trunc('day', at) - interval '1 day',
      date_trunc('day', at) + make_interval(days => metrics_days_ahead),
      interval '1 day'
    ) d
  loop
    foreach v_parent in array array['metrics', 'metrics_minute'] loop
      v_name := v_parent || '_p' || to_char(v_start, 'YYYYMMDD');
      if app_private.create_partition(
        ('app_public.' || v_parent)::regclass, v_name, v_start, v_start + interval '1 day'
      ) then
        return next 'app_public.' || v_name;
      end if;
    end loop;
  end loop;

  -- As far as the points reach.
  for v_start in
    select m from generate_series(
      date_trunc('month', at - interval '1 day'),
      date_trunc('month', at + make_interval(days => metrics_days_ahead)),
      interval '1 month'
    ) m
  loop
    v_name := 'metrics_hour_p' || to_char(v_start, 'YYYYMM');
    if app_private.create_partition('app_public.metrics_hour', v_name, v_start, v_start + interval '1 month') then
      return next 'app_public.' || v_name;
    end if;
  end loop;

  for v_start in
    select m from generate_series(
      date_trunc('month', at),
      date_trunc('month', at) + make_interval(months => audit_months_ahead),
      interval '1 month'
    ) m
  loop
    v_name := 'log_p' || to_char(v_start, 'YYYYMM');
    if app_private.create_partition('audit.log', v_name, v_start, v_start + interval '1 month') then
      return next 'audit.' || v_name;
    end if;
  end loop;
end
$$;

comment on function ops.ensure_partitions(integer, integer, timestamptz) is 'Makes the missing partitions of metrics and their rollups (days ahead) and of audit.log (months ahead), and returns their names. LTP06 for a time or a number that is too far.';
grant execute on function ops.ensure_partitions(integer, integer, timestamptz) to :WORKER;
--! EndIncluded retention/ensure_partitions.sql
