--! Previous: sha1:f3dedbe02099cc9564bce5b9f11219a1dc560ff4
--! Hash: sha1:9efa1c03cdfec807b2edafb464477c84313582ad
--! Message: callers_refused

-- Callers that the API refused because they ask for too much.
create table ops.refused_callers (
  caller text not null,
  what text not null,
  count bigint not null,
  first_at timestamptz not null default clock_timestamp(),
  last_at timestamptz not null default clock_timestamp(),
  primary key (caller, what)
);

--! Included tenancy/refused_callers.sql
comment on table ops.refused_callers is 'Callers of the API that asked for more than docs/limits.md allows, a row for each caller and limit, for a day.';
comment on column ops.refused_callers.caller is 'Who: a tenant, a tenant and its subject, or an address.';
comment on column ops.refused_callers.what is 'What there was too much of.';
comment on column ops.refused_callers.count is 'How often it was refused.';
comment on column ops.refused_callers.first_at is 'When that happened first.';
comment on column ops.refused_callers.last_at is 'When that happened last.';

alter table ops.refused_callers enable row level security, force row level security;

-- Across tenants

-- ops.note_refusals keeps it as the owner; operators and the worker read it. It holds names, and nothing else of a tenant.
drop policy if exists manage_owner on ops.refused_callers;
create policy manage_owner on ops.refused_callers for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.refused_callers;
create policy select_operator on ops.refused_callers for select to :OPERATOR
  using (true);
drop policy if exists select_worker on ops.refused_callers;
create policy select_worker on ops.refused_callers for select to :WORKER
  using (true);

revoke all on ops.refused_callers from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.refused_callers to :OPERATOR, :WORKER;
-- No insert, update or delete for anybody: ops.note_refusals keeps it.
-- Exempt from audit: the API writes it while somebody floods it.
--! EndIncluded tenancy/refused_callers.sql
--! Included tenancy/note_refusals.sql
-- Notes callers that the API refused: a list of {caller, what, count}. The processes of the API call it every few seconds while they
-- refuse somebody. It keeps the thousand newest rows, for a day, whoever calls it how often: the login of the API may be stolen.
-- Definer: nobody writes the table by hand.
create or replace function ops.note_refusals(refusals jsonb) returns void
language sql volatile security definer
set search_path to pg_catalog, pg_temp
begin atomic
  -- In one order, so that two processes wait for each other and do not deadlock.
  insert into ops.refused_callers (caller, what, count)
  select r.caller, r.what, r.count::bigint
  from (
    select left(f.caller, 300) as caller, left(f.what, 100) as what, sum(least(greatest(f.count, 1), 1000000)) as count
    from jsonb_to_recordset(note_refusals.refusals) f(caller text, what text, count bigint)
    where f.caller is not null and f.what is not null
    group by 1, 2
  ) r
  order by r.caller, r.what
  limit 1000
  on conflict on constraint refused_callers_pkey do update
  set count = refused_callers.count + excluded.count, last_at = clock_timestamp();

  delete from ops.refused_callers r
  using (
    select o.caller, o.what
    from ops.refused_callers o
    where o.last_at < clock_timestamp() - interval '1 day'
      or o.ctid in (select n.ctid from ops.refused_callers n order by n.last_at desc offset 1000)
    for update skip locked
  ) old
  where r.caller = old.caller and r.what = old.what;
end;

comment on function ops.note_refusals(jsonb) is 'Notes callers that the API refused: a list of {caller, what, count}. Keeps the thousand newest, for a day.';
grant execute on function ops.note_refusals(jsonb) to :ANON;
--! EndIncluded tenancy/note_refusals.sql
--! Included tenancy/check_refused_callers.sql
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
--! EndIncluded tenancy/check_refused_callers.sql
--! Included tenancy/full_logins.sql
-- Bound logins that have held all of their connections for ten seconds, since the newest of them was made: the server refuses another one
-- (53300), and tells nobody but its own log. Definer: only who may read all statistics sees since when sessions are there.
create or replace function ops.full_logins() returns table (login name, connections integer, since timestamptz)
language sql stable security definer
set search_path to pg_catalog, pg_temp
begin atomic
  select l.login, l.connections, max(a.backend_start)
  from app_private.tenant_logins l
  join pg_stat_activity a on a.usename = l.login and a.backend_type = 'client backend'
  group by l.login, l.connections
  having count(*) >= l.connections and max(a.backend_start) < clock_timestamp() - interval '10 seconds';
end;

comment on function ops.full_logins() is 'Logins of tenants that have held all of their connections for ten seconds, and since when.';
-- The view ops.check_full_logins.
grant execute on function ops.full_logins() to :OPERATOR, :WORKER;
--! EndIncluded tenancy/full_logins.sql
--! Included tenancy/check_full_logins.sql
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
--! EndIncluded tenancy/check_full_logins.sql
--! Included jobs/report_new_findings.sql
-- Brings the alerts of some kinds in line with their checks now, if a check finds what has no open alert yet. Returns the events, as
-- ops.check_alerts does. For who looks every few seconds: without a new finding nothing is written, and ops.check_alerts resolves.
-- Definer: nobody writes alerts by hand.
create or replace function ops.report_new_findings(kinds text[]) returns setof jsonb
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_kind text;
  v_findings jsonb;
begin
  for v_kind in
    select substr(c.relname, 7)
    from pg_class c
    where c.relnamespace = 'ops'::regnamespace and c.relkind = 'v' and c.relname = any (select 'check_' || k from unnest(kinds) k)
    order by c.relname
  loop
    execute format('select jsonb_agg(to_jsonb(f)) from ops.%I f', 'check_' || v_kind) into v_findings;
    if exists (
      select
      from jsonb_array_elements(v_findings) f
      where not exists (
        select from ops.alerts a where a.kind = v_kind and a.subject = f ->> 'subject' and a.resolved_at is null
      )
    ) then
      return query select e from ops.report_alerts(v_kind, v_findings) e;
    end if;
  end loop;
end
$$;

comment on function ops.report_new_findings(text[]) is 'Brings the alerts of these kinds in line with their checks, if a check finds what has no open alert yet. Returns events as ops.check_alerts does.';
grant execute on function ops.report_new_findings(text[]) to :WORKER;
--! EndIncluded jobs/report_new_findings.sql
