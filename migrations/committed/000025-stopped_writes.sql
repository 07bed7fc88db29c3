--! Previous: sha1:9026b063199c75adb4725174b9e21b8177f0f3dc
--! Hash: sha1:4128bd799a2d415c9048e6f1d8cad58465773534
--! Message: stopped_writes

-- Writes can be stopped by the database, for every door, login and job.
create table ops.stopped_writes (
  id uuid primary key default gen_random_uuid(),
  reason text not null,
  begun_at timestamptz not null default clock_timestamp(),
  stopped_at timestamptz
);

--! Included tasks/refuse_argument.sql
-- Refuses an argument of a function of tasks (LTQ05), workflows (LTW05), conversations (LTC03), the audit log (LTA08) or operations (LTO02). Functions that run
-- as their caller raise the same by themselves (enqueue_task, enqueue_tasks, workflow_progress): requests have no usage of app_private. refuse_ended_lease
-- does, too, to add a hint.
create or replace function app_private.refuse_argument(code text, argument text, reason text) returns void
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
begin
  raise exception 'invalid %: %', argument, reason
    using errcode = code;
end
$$;

comment on function app_private.refuse_argument(text, text, text) is 'Raises that an argument cannot be used, and why: LTQ05 in functions of tasks, LTW05 in those of workflows, LTC03 in that of conversations, LTA08 in those that read the audit log, LTO02 in those of operations.';
--! EndIncluded tasks/refuse_argument.sql
--! Included writes/stopped_writes.sql
comment on table ops.stopped_writes is 'One row while writes are stopped: nobody changes data then, at whatever door. Empty: writes go on.';
comment on column ops.stopped_writes.id is 'The stop: a new one for each, so that a way back knows that nothing was written since.';
comment on column ops.stopped_writes.reason is 'Why, in the operator''s words. Callers see it.';
comment on column ops.stopped_writes.begun_at is 'When the first table was stopped.';
comment on column ops.stopped_writes.stopped_at is 'When the last one was: what was acknowledged before is stored, and nothing comes after it. Null: some tables still take writes.';

alter table ops.stopped_writes enable row level security, force row level security;

-- Across tenants

-- app_private.begin_stop and end_stop keep it as the owner; operators and the worker read it. It holds nothing of a tenant.
drop policy if exists manage_owner on ops.stopped_writes;
create policy manage_owner on ops.stopped_writes for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.stopped_writes;
create policy select_operator on ops.stopped_writes for select to :OPERATOR
  using (true);
drop policy if exists select_worker on ops.stopped_writes;
create policy select_worker on ops.stopped_writes for select to :WORKER
  using (true);

revoke all on ops.stopped_writes from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.stopped_writes to :OPERATOR, :WORKER;
-- No insert, update or delete for anybody: app_private.begin_stop, end_stop and start_writes keep it.
-- Exempt from audit: they record events.
--! EndIncluded writes/stopped_writes.sql
--! Included writes/writes_stopped.sql
-- Whether writes are stopped, for a function that can do without a write: it reads what it was asked for, and leaves the note.
-- Definer: a caller sees no row of ops.stopped_writes.
create or replace function app_private.writes_stopped() returns boolean
language sql stable security definer
set search_path to pg_catalog, pg_temp
begin atomic
  select exists (select from ops.stopped_writes);
end;

comment on function app_private.writes_stopped() is 'Whether writes are stopped.';
--! EndIncluded writes/writes_stopped.sql
--! Included writes/tg__refuse_write.sql
-- Refuses a statement that writes, while writes are stopped. app_private.stop_writes_to puts it on every table of data, where it always
-- fires: also under session_replication_role. Definer: the writer sees no row of ops.stopped_writes.
create or replace function app_private.tg__refuse_write() returns trigger
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_stop ops.stopped_writes;
begin
  select s.* into v_stop from ops.stopped_writes s;
  raise exception 'writes are stopped since %: %',
    -- A transaction whose snapshot is older than the stop does not see it.
    coalesce(to_char(v_stop.begun_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), 'a moment ago'),
    coalesce(v_stop.reason, 'the reason is in ops.stopped_writes')
    using errcode = 'LTO01', hint = 'Nothing was written, and reads go on. Send it again later: an operator lets writes in again.';
end
$$;

comment on function app_private.tg__refuse_write() is 'Trigger: refuses a write while writes are stopped (LTO01).';
--! EndIncluded writes/tg__refuse_write.sql
--! Included writes/tables_of_data.sql
-- The tables whose writes are stopped: all but the audit log, the queue of jobs, the ledger of migrations, and what workers and backups of
-- one installation note. Tables that others made in this database are among them; `stoppable` is false where a
-- table belongs to another role. Partitions are stopped with their table: nobody has a right on a partition itself.
create or replace function app_private.tables_of_data() returns table (relation regclass, stoppable boolean, stopped boolean)
language sql stable
set search_path to pg_catalog, pg_temp
begin atomic
  select c.oid::regclass, pg_has_role(c.relowner, 'usage'),
    exists (
      select from pg_trigger t
      where t.tgrelid = c.oid and t.tgfoid = 'app_private.tg__refuse_write'::regproc and t.tgenabled = 'A'
    )
  from pg_class c
  join pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p')
    and not c.relispartition
    and c.relpersistence <> 't'
    and n.nspname not in ('pg_catalog', 'pg_toast', 'information_schema', 'audit', 'graphile_worker', 'graphile_migrate')
    and (n.nspname <> 'ops' or c.relname like 'retention\_%' or c.relname in ('metric_changes', 'metric_floors', 'tenant_removals'))
    -- The outbox of live updates: nothing comes into it while nothing is written, and what is old has to leave it.
    and not (n.nspname = 'app_private' and c.relname in ('events', 'event_marks'))
    and not exists (
      select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'
    )
  order by n.nspname, c.relname;
end;

comment on function app_private.tables_of_data() is 'The tables of data: whether their writes can be stopped, and whether they are.';
--! EndIncluded writes/tables_of_data.sql
--! Included writes/begin_stop.sql
-- Begins to stop all writes of data, or returns the stop that is there. The tables follow one by one (app_private.stop_writes_to), and app_private.end_stop says
-- when all of them are stopped. One by one, because a transaction that locked all of them at once would wait for writers that wait for it.
create or replace function app_private.begin_stop(reason text) returns ops.stopped_writes
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_stop ops.stopped_writes;
begin
  if coalesce(trim(reason), '') = '' or length(reason) > 500 then
    perform app_private.refuse_argument('LTO02', 'reason', 'it has to have 1 to 500 characters');
  end if;
  -- There is one stop at a time.
  lock table ops.stopped_writes in share row exclusive mode;
  select s.* into v_stop from ops.stopped_writes s;
  if not found then
    insert into ops.stopped_writes (reason) values (begin_stop.reason) returning * into v_stop;
  end if;
  return v_stop;
end
$$;

comment on function app_private.begin_stop(text) is 'Begins to stop all writes of data, and returns the stop; the one that is there already if there is one.';
-- No grant: only the owner calls it, as the login of migrations does.
--! EndIncluded writes/begin_stop.sql
--! Included writes/stop_writes_to.sql
-- Stops the writes to one table. When it has committed, what was acknowledged before is stored, and nothing else will be.
--
-- The lock waits for transactions that have written to the table, and lets no other begin: for half a second at most (55P03, and the caller tries
-- again). It is the only lock that the transaction holds, so nobody can wait for it in a circle. While writes go on there is no check
-- in the way of a write: a trigger that is off costs nothing. It is a trigger for each statement, so that one which would change no row is refused as well.
create or replace function app_private.stop_writes_to(target regclass) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
set lock_timeout to '500ms'
as $$
begin
  execute format(
    $trigger$
      create or replace trigger _000_stopped
        before insert or update or delete or truncate on %s
        for each statement
        execute function app_private.tg__refuse_write()
    $trigger$,
    target
  );
  -- Also for a session that switches triggers off for itself (session_replication_role).
  execute format('alter table %s enable always trigger _000_stopped', target);
end
$$;

comment on function app_private.stop_writes_to(regclass) is 'Stops the writes to one table. 55P03 when a writer keeps it for half a second.';
-- No grant: only the owner calls it, as the login of migrations does.
--! EndIncluded writes/stop_writes_to.sql
--! Included writes/end_stop.sql
-- Notes that all writes are stopped, if they are: then it returns the stop. No row while a table is missing (app_private.tables_of_data).
create or replace function app_private.end_stop() returns setof ops.stopped_writes
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_stop ops.stopped_writes;
begin
  if exists (select from app_private.tables_of_data() t where t.stoppable and not t.stopped) then
    return;
  end if;
  select s.* into v_stop from ops.stopped_writes s;
  if v_stop.stopped_at is null then
    update ops.stopped_writes s set stopped_at = clock_timestamp() returning s.* into v_stop;
    -- No stop: another operator has let writes in again meanwhile.
    if not found then
      return;
    end if;
    perform audit.record_event('stop writes', v_stop.id::text, null, jsonb_build_object('reason', v_stop.reason));
  end if;
  return next v_stop;
end
$$;

comment on function app_private.end_stop() is 'Notes that all writes are stopped, and returns the stop; no row while they are not.';
-- No grant: only the owner calls it, as the login of migrations does.
--! EndIncluded writes/end_stop.sql
--! Included writes/start_writes.sql
-- Lets writes in again. Returns the stop that has ended; no row if there was none. The triggers stay, switched off, because to drop
-- them would hold up readers.
create or replace function app_private.start_writes() returns setof ops.stopped_writes
language plpgsql volatile
set search_path to pg_catalog, pg_temp
set lock_timeout to '500ms'
as $$
declare
  v_table regclass;
  v_stop ops.stopped_writes;
begin
  for v_table in
    select t.tgrelid::regclass
    from pg_trigger t
    where t.tgname = '_000_stopped' and t.tgfoid = 'app_private.tg__refuse_write'::regproc and t.tgenabled <> 'D' and t.tgparentid = 0
    order by t.tgrelid::regclass::text
  loop
    execute format('alter table %s disable trigger _000_stopped', v_table);
  end loop;
  delete from ops.stopped_writes s returning s.* into v_stop;
  if found then
    perform audit.record_event('start writes', v_stop.id::text);
    return next v_stop;
  end if;
end
$$;

comment on function app_private.start_writes() is 'Lets writes in again, and returns the stop that has ended. 55P03 when another transaction keeps a table for half a second.';
-- No grant: only the owner calls it, as the login of migrations does.
--! EndIncluded writes/start_writes.sql
--! Included writes/check_stopped_writes.sql
-- Writes that are stopped: an operator has to let them in again.
create or replace view ops.check_stopped_writes with (security_barrier) as
select
  s.id::text as subject,
  case when s.begun_at < clock_timestamp() - interval '1 hour' then 'error' else 'warning' end as severity,
  format(
    'writes are stopped since %s (%s): lightning writes start lets them in again',
    to_char(s.begun_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI'), s.reason
  ) as message,
  jsonb_build_object('reason', s.reason, 'since', s.begun_at) as details
from ops.stopped_writes s;

comment on view ops.check_stopped_writes is 'A check of ops.check_alerts. Writes that are stopped; after an hour that is an error.';
comment on column ops.check_stopped_writes.subject is 'What it is about.';
comment on column ops.check_stopped_writes.severity is 'warning or error.';
comment on column ops.check_stopped_writes.message is 'What is wrong, in a sentence.';
comment on column ops.check_stopped_writes.details is 'The same as JSON, for programs.';

revoke all on ops.check_stopped_writes from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.check_stopped_writes to :OPERATOR, :WORKER;
--! EndIncluded writes/check_stopped_writes.sql
--! Included jobs/quarantine_item.sql
-- Sets one tenant's item aside, with the reason, so that a job goes on with the other items. The item is tried again after a
-- minute, then after twice as long each time, up to an hour (ops.quarantined), and ops.check_quarantined_items tells operators.
-- Functions (in an exception handler) and jobs in TypeScript set items aside in this way only.
--
-- Returns false when the error is not the item's, and the caller has to raise it: the server is shutting down or cannot write,
-- writes are stopped, or a connection or a timeout ended the statement. When another session was in the way (40, 55), it returns true without
-- recording anything: the next try will succeed. Definer: nobody writes the table by hand.
create or replace function ops.quarantine_item(task text, tenant_id text, item text, code text, reason text) returns boolean
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  if code ~ '^(08|57|58|531|533|LTO01)' then
    return false;
  elsif code ~ '^(40|55)' then
    return true;
  end if;
  insert into ops.quarantined_items as q (task, tenant_id, item, code, reason)
  values (
    quarantine_item.task, quarantine_item.tenant_id, quarantine_item.item, quarantine_item.code, left(quarantine_item.reason, 1000)
  )
  on conflict on constraint quarantined_items_pkey do update
  set
    code = excluded.code, reason = excluded.reason, failures = q.failures + 1, last_failed_at = clock_timestamp(),
    retry_at = clock_timestamp() + least(interval '1 hour', interval '1 minute' * 2 ^ least(q.failures, 6));
  return true;
end
$$;

comment on function ops.quarantine_item(text, text, text, text, text) is 'Sets one tenant''s item aside for a task, with the SQLSTATE and the message of its error; it is tried again with growing pauses. False: the error is not the item''s.';
grant execute on function ops.quarantine_item(text, text, text, text, text) to :WORKER, :JOBS;
--! EndIncluded jobs/quarantine_item.sql
--! Included keys/note_key_use.sql
-- Notes that keys were used. A key is written at most once a minute, however many processes serve it, and one that another process
-- is writing is passed over. While writes are stopped nothing is noted. Definer, as ops.key_claims.
create or replace function ops.note_key_use(ids text[]) returns void
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  if app_private.writes_stopped() then
    return;
  end if;
  update app_private.api_keys k
  set last_used_at = now()
  from (
    select d.id
    from app_private.api_keys d
    where d.id = any (note_key_use.ids) and (d.last_used_at is null or d.last_used_at < now() - interval '1 minute')
    order by d.id
    for no key update skip locked
  ) due
  where k.id = due.id;
end
$$;

comment on function ops.note_key_use(text[]) is 'Notes that these keys were used; writes each at most once a minute.';
grant execute on function ops.note_key_use(text[]) to :ANON;
--! EndIncluded keys/note_key_use.sql
--! Included sessions/use_session.sql
-- The session that a token opens, in any tenant. No row when the token is unknown, the session is over or its tenant is locked
-- out; the caller does not learn which. Every text takes the same work: one digest and one look-up. It compares digests, so the
-- time taken reveals nothing about the token.
--
-- Use prolongs a sliding session when that is worth a write: once a tenth of its time has passed, and not while writes are stopped.
create or replace function app_private.use_session(token text) returns setof app_public.sessions
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_session app_public.sessions;
begin
  select s.* into v_session
  from app_public.sessions s
  join app_public.tenants t on t.id = s.tenant_id
  where s.token = app_private.token_digest(use_session.token)
    and s.expires_at > now()
    and t.suspended_at is null;

  if not found then
    return;
  end if;
  -- create_session accepts at most a year. A row that a service inserts may have an interval that overflows any timestamp.
  if v_session.sliding_ttl > interval '1 year' then
    v_session.sliding_ttl := interval '1 year';
  end if;
  -- Null, and so false, for a session that does not slide. least() alone would ignore the null.
  if v_session.expires_at < now() + v_session.sliding_ttl * 0.9 and v_session.expires_at < coalesce(v_session.ends_at, 'infinity')
    and not app_private.writes_stopped() then
    update app_public.sessions s
    set expires_at = least(now() + v_session.sliding_ttl, s.ends_at)
    where s.tenant_id = v_session.tenant_id and s.id = v_session.id
    returning s.* into v_session;
    -- It has just ended.
    if not found then
      return;
    end if;
  end if;
  return next v_session;
end
$$;

comment on function app_private.use_session(text) is 'The live session that a token opens, in any tenant, prolonged if it slides; no row if there is none.';
--! EndIncluded sessions/use_session.sql
