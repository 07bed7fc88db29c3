--! Previous: sha1:87ecbb7a75e4ea0e3d21454c1f0f437b6df4d096
--! Hash: sha1:62561f4d2d0d1431f8925d3d9bc43cbc3736e65d
--! Message: live

-- The outbox that live updates are read from. One row per statement and tenant: what changed, by key, and nothing of what
-- it says.

drop trigger _500_notify_insert on app_public.tasks;
drop trigger _500_notify_update on app_public.tasks;
drop trigger _500_notify_delete on app_public.tasks;
drop function app_private.tg_tasks__notify();

-- Read by transaction, not by id: ids are given out before transactions commit. No foreign key to tenants: a look-up for
-- each write, for rows that are gone within hours.
create table app_private.events (
  transaction_id xid8 not null default pg_current_xact_id(),
  id bigint generated always as identity,
  tenant_id text collate "C" not null,
  topic text not null,
  operation text not null,
  keys text[],
  at timestamptz not null default now(),
  constraint events_pkey primary key (transaction_id, id)
) with (
  -- It is only ever appended to and trimmed: vacuum by rows, whatever its size.
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
  autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 50000,
  autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000
);

-- What was visible when: how the outbox is trimmed by the time that events have been readable, and not by the time at
-- which a long transaction wrote them.
create table app_private.event_marks (
  at timestamptz not null default clock_timestamp(),
  snapshot pg_snapshot not null default pg_current_snapshot(),
  trimmed boolean not null default false,
  constraint event_marks_pkey primary key (at)
);

--! Included app_private/functions/tg__publish.sql
-- Writes a statement's changes into the outbox, keys only, and wakes up who listens on `lightning:<table>`. The payload is
-- empty: any login may listen. Definer: nobody may write the outbox.
--
-- A transaction that notifies holds a lock of the whole database until it is on disk, so transactions that all notify
-- commit one after the other: a sixth of the inserts per second (test/bench/notify.ts). Hence one at a time: who finds the
-- advisory lock taken says nothing. Its transaction is running then, so a reader that the other one woke sees in its
-- snapshot that there is more to wait for, and looks again. Who holds the lock for longer can delay, never lose: readers
-- look every second by themselves.
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
  if found and pg_try_advisory_xact_lock(1818850917, (TG_RELID::bigint % 2147483647)::integer) then
    perform pg_notify('lightning:' || TG_TABLE_NAME, '');
  end if;
  return null;
end
$$;
--! EndIncluded app_private/functions/tg__publish.sql
--! Included app_private/policies/events.sql
alter table app_private.events enable row level security, force row level security;

revoke all on app_private.events from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
-- No grant to anybody: tg__publish writes it, ops.read_events reads it to the API, ops.trim_events trims it.
--! EndIncluded app_private/policies/events.sql
--! Included app_private/policies/event_marks.sql
alter table app_private.event_marks enable row level security, force row level security;

revoke all on app_private.event_marks from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
-- No grant to anybody: ops.trim_events keeps it.
--! EndIncluded app_private/policies/event_marks.sql
--! Included ops/functions/read_events.sql
-- Reads the outbox on from a position: what is visible now and was not in the snapshot `since`. That is commit order with
-- nothing left out, whatever order ids were given in and however long a transaction took, and it is read from the index:
-- what began later, and what ran then. Of the transaction `after_transaction`, which was read in part, rows from
-- `after_id` on, and they come first. Null for `since`: nothing but where the outbox is now.
--
-- The API asks as an anonymous request. Definer: nobody may read the outbox. Neither API offers this schema; who can say
-- `set role` as the API's login can say any tenant, too.
create or replace function ops.read_events(
  since pg_snapshot,
  after_transaction xid8,
  after_id bigint,
  tenants text[],
  max_rows integer
) returns table (current_snapshot text, trimmed_snapshot text, events json)
language sql stable security definer
set search_path to pg_catalog, pg_temp
as $$
  select
    pg_current_snapshot()::text,
    (select m.snapshot::text from app_private.event_marks m where m.trimmed),
    (
      select coalesce(json_agg(json_build_object(
        'transaction', r.transaction_id::text::bigint, 'id', r.id, 'tenantId', r.tenant_id, 'topic', r.topic,
        'operation', r.operation, 'keys', r.keys
      ) order by r.transaction_id is distinct from after_transaction, r.transaction_id, r.id), '[]')
      from (
        select e.*
        from (
          select n.* from app_private.events n where n.transaction_id >= pg_snapshot_xmax(since)
          union all
          select n.*
          from pg_snapshot_xip(since) x
          join app_private.events n on n.transaction_id = x
        ) e
        where e.tenant_id = any (tenants)
          and (e.transaction_id is distinct from after_transaction or e.id >= after_id)
        order by e.transaction_id is distinct from after_transaction, e.transaction_id, e.id
        limit max_rows
      ) r
    )
$$;
--! EndIncluded ops/functions/read_events.sql
--! Included ops/functions/trim_events.sql
-- Removes from the outbox what could be read for at least as long as `keep`, counted from when it became visible, and
-- says how many rows those were. The worker runs it every few minutes: each run leaves a mark that a later one trims to.
-- Definer: nobody may write the outbox.
create or replace function ops.trim_events(keep interval default '1 hour') returns bigint
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_mark app_private.event_marks;
  v_count bigint := 0;
begin
  -- One at a time, and none waits.
  if not pg_try_advisory_xact_lock(hashtext('ops.trim_events')) then
    return 0;
  end if;
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
--! EndIncluded ops/functions/trim_events.sql
--! Included app_public/triggers/tasks.sql
create or replace trigger _100_queue_insert
  before insert on app_public.tasks
  for each row
  execute function app_private.tg_tasks__place_in_queue();

create or replace trigger _100_queue_update
  before update of priority, run_after on app_public.tasks
  for each row
  execute function app_private.tg_tasks__place_in_queue();

create or replace trigger _200_keys
  before update of tenant_id, id on app_public.tasks
  for each row
  when (old.tenant_id is distinct from new.tenant_id or old.id is distinct from new.id)
  execute function app_private.tg__refuse_key_change();

create or replace trigger _200_states
  before update on app_public.tasks
  for each row
  execute function app_private.tg_tasks__check_update();

create or replace trigger _200_steps
  before delete on app_public.tasks
  for each row
  when (old.workflow_id is not null)
  execute function app_private.tg_tasks__check_delete();

-- One trigger per event: a trigger with transition tables can have only one.
create or replace trigger _500_publish_insert
  after insert on app_public.tasks
  referencing new table as changed_rows
  for each statement
  execute function app_private.tg__publish();

create or replace trigger _500_publish_update
  after update on app_public.tasks
  referencing new table as changed_rows
  for each statement
  execute function app_private.tg__publish();

create or replace trigger _500_publish_delete
  after delete on app_public.tasks
  referencing old table as changed_rows
  for each statement
  execute function app_private.tg__publish();

create or replace trigger _500_workflows
  after update on app_public.tasks
  referencing new table as changed_rows
  for each statement
  execute function app_private.tg_tasks__advance_workflows();
--! EndIncluded app_public/triggers/tasks.sql
--! Included app_public/triggers/agents.sql
create or replace trigger _100_timestamps
  before update on app_public.agents
  for each row
  execute function app_private.tg__touch_updated_at();

create or replace trigger _200_keys
  before update of tenant_id, id on app_public.agents
  for each row
  when (old.tenant_id is distinct from new.tenant_id or old.id is distinct from new.id)
  execute function app_private.tg__refuse_key_change();

-- One trigger per event: a trigger with transition tables can have only one.
create or replace trigger _500_publish_insert
  after insert on app_public.agents
  referencing new table as changed_rows
  for each statement
  execute function app_private.tg__publish();

create or replace trigger _500_publish_update
  after update on app_public.agents
  referencing new table as changed_rows
  for each statement
  execute function app_private.tg__publish();

create or replace trigger _500_publish_delete
  after delete on app_public.agents
  referencing old table as changed_rows
  for each statement
  execute function app_private.tg__publish();
--! EndIncluded app_public/triggers/agents.sql
--! Included app_public/triggers/workflows.sql
create or replace trigger _100_timestamps
  before update on app_public.workflows
  for each row
  execute function app_private.tg__touch_updated_at();

create or replace trigger _200_keys
  before update of tenant_id, id on app_public.workflows
  for each row
  when (old.tenant_id is distinct from new.tenant_id or old.id is distinct from new.id)
  execute function app_private.tg__refuse_key_change();

create or replace trigger _200_states
  before update on app_public.workflows
  for each row
  execute function app_private.tg_workflows__check_update();

create or replace trigger _200_steps
  before insert or update of steps on app_public.workflows
  for each row
  execute function app_private.tg_workflows__check_steps();

create or replace trigger _200_started
  before delete on app_public.workflows
  for each row
  when (old.started_at is not null and old.status in ('running', 'paused'))
  execute function app_private.tg_workflows__check_delete();

-- One trigger per event: a trigger with transition tables can have only one.
create or replace trigger _500_publish_insert
  after insert on app_public.workflows
  referencing new table as changed_rows
  for each statement
  execute function app_private.tg__publish();

create or replace trigger _500_publish_update
  after update on app_public.workflows
  referencing new table as changed_rows
  for each statement
  execute function app_private.tg__publish();

create or replace trigger _500_publish_delete
  after delete on app_public.workflows
  referencing old table as changed_rows
  for each statement
  execute function app_private.tg__publish();
--! EndIncluded app_public/triggers/workflows.sql
--! Included cross_tenant_policies.sql
-- Every policy that reaches across tenants, all in this one file. Row-level security is forced, so the owner of the
-- tables sees nothing either: each function or job that needs more has a policy here, for exactly the table and command
-- that it needs. test/db/conventions.test.ts compares this file with the catalog.

-- ops.create_tenant, ops.set_tenant_suspended, ops.tenants and login_tenant_id.
drop policy if exists manage_owner on app_public.tenants;
create policy manage_owner on app_public.tenants for all to :OWNER
  using (true)
  with check (true);

-- ops.bind_login, ops.unbind_login, ops.tenants and login_tenant_id.
drop policy if exists manage_owner on app_private.tenant_logins;
create policy manage_owner on app_private.tenant_logins for all to :OWNER
  using (true)
  with check (true);

-- ops.session_claims and validate_session find a session by its token, before its tenant is known, and prolong it;
-- own_sessions compares tenant and user itself, the view user_sessions the tenant.
drop policy if exists select_owner on app_public.sessions;
create policy select_owner on app_public.sessions for select to :OWNER
  using (true);

drop policy if exists update_owner on app_public.sessions;
create policy update_owner on app_public.sessions for update to :OWNER
  using (true)
  with check (true);

-- The audit triggers.
drop policy if exists insert_owner on audit.log;
create policy insert_owner on audit.log for insert to :OWNER
  with check (true);

-- The search functions, which compare the tenant themselves; below any other policy `@@` and `@>` use no index.
drop policy if exists select_search on app_public.knowledge;
create policy select_search on app_public.knowledge for select to :SEARCH
  using (true);

-- app_public.touch_knowledge.
drop policy if exists update_search on app_public.knowledge;
create policy update_search on app_public.knowledge for update to :SEARCH
  using (true)
  with check (true);

-- The embedding job: what has no embedding, of all tenants.
drop policy if exists select_worker on app_public.knowledge;
create policy select_worker on app_public.knowledge for select to :WORKER
  using (true);

drop policy if exists update_worker on app_public.knowledge;
create policy update_worker on app_public.knowledge for update to :WORKER
  using (true)
  with check (true);

-- ops.roll_up_metrics and ops.merge_metrics: rollups are made for all tenants at once.
drop policy if exists select_worker on app_public.metrics;
create policy select_worker on app_public.metrics for select to :WORKER
  using (true);

drop policy if exists manage_worker on app_public.metrics_minute;
create policy manage_worker on app_public.metrics_minute for all to :WORKER
  using (true)
  with check (true);

drop policy if exists manage_worker on app_public.metrics_hour;
create policy manage_worker on app_public.metrics_hour for all to :WORKER
  using (true)
  with check (true);

drop policy if exists manage_worker on app_public.metrics_day;
create policy manage_worker on app_public.metrics_day for all to :WORKER
  using (true)
  with check (true);

-- ops.reap_expired_leases, as the worker.
drop policy if exists select_worker on app_public.tasks;
create policy select_worker on app_public.tasks for select to :WORKER
  using (true);
drop policy if exists update_worker on app_public.tasks;
create policy update_worker on app_public.tasks for update to :WORKER
  using (true)
  with check (true);
drop policy if exists manage_worker on app_public.task_leases;
create policy manage_worker on app_public.task_leases for all to :WORKER
  using (true)
  with check (true);
drop policy if exists insert_worker on app_public.task_attempts;
create policy insert_worker on app_public.task_attempts for insert to :WORKER
  with check (true);

-- ops.advance_workflow and ops.tend_workflows, as the worker: it ends tasks of every tenant, and their workflows go on.
drop policy if exists select_worker on app_public.workflows;
create policy select_worker on app_public.workflows for select to :WORKER
  using (true);
drop policy if exists update_worker on app_public.workflows;
create policy update_worker on app_public.workflows for update to :WORKER
  using (true)
  with check (true);
drop policy if exists select_worker on app_public.workflow_steps;
create policy select_worker on app_public.workflow_steps for select to :WORKER
  using (true);
drop policy if exists update_worker on app_public.workflow_steps;
create policy update_worker on app_public.workflow_steps for update to :WORKER
  using (true)
  with check (true);
drop policy if exists insert_worker on app_public.tasks;
create policy insert_worker on app_public.tasks for insert to :WORKER
  with check (true);

-- app_private.tg__publish, ops.read_events and ops.trim_events.
drop policy if exists manage_owner on app_private.events;
create policy manage_owner on app_private.events for all to :OWNER
  using (true)
  with check (true);

-- ops.read_events and ops.trim_events; it holds nothing of a tenant.
drop policy if exists manage_owner on app_private.event_marks;
create policy manage_owner on app_private.event_marks for all to :OWNER
  using (true)
  with check (true);
--! EndIncluded cross_tenant_policies.sql
--! Included grants.sql
-- Who may look into which schema, and who may call what. Rights on tables are in the policy files.

revoke all on schema app_public, app_private, audit, ops from public;
grant usage on schema app_public to :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :WORKER, :SEARCH;
grant usage on schema audit to :ADMIN, :OPERATOR;
grant usage on schema ops to :OPERATOR, :WORKER;
-- app_private is granted to nobody who can ask anything. Defaults and policies name its functions by identity and need no
-- usage of it; the functions that run as :SEARCH name theirs.
grant usage on schema app_private to :SEARCH;

grant execute on function app_private.current_tenant_id(), app_private.login_tenant_id()
  to :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :SEARCH;

-- Whether the schema fits is asked by every process before it serves, by the API as an anonymous request. They name the
-- function in full, so they need usage of its schema.
grant usage on schema ops to :ANON;
grant execute on function ops.applied_migrations() to :ANON, :OPERATOR, :WORKER;
-- Which tokens to refuse is asked in the same way.
grant execute on function ops.suspended_tenants() to :ANON, :OPERATOR;
-- What changed is read by each process of the API, for all of its subscribers at once, in the same way.
grant execute on function ops.read_events(pg_snapshot, xid8, bigint, text[], integer) to :ANON;
grant execute on function ops.trim_events(interval) to :WORKER;
grant execute on function ops.ensure_partitions(integer, integer) to :WORKER;
grant execute on function ops.reap_expired_leases(integer) to :WORKER;
grant execute on function
  ops.tend_workflows(integer), ops.lock_workflow(text, uuid), ops.advance_workflow(text, uuid),
  ops.begin_workflow_step(app_public.workflows, app_public.workflow_steps), ops.workflow_condition_holds(jsonb, jsonb),
  ops.lock_waiting_workflow_tasks(text, uuid), ops.cancel_workflow_tasks(text, uuid[], text)
  to :WORKER;
grant execute on function ops.create_tenant(text, text), ops.set_tenant_suspended(text, boolean) to :OPERATOR;
-- bind_login and unbind_login: the owner's only. They go with creating the login, which operators cannot.

revoke all on ops.tenants from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :WORKER, :SEARCH;
grant select on ops.tenants to :OPERATOR;

-- Knowledge. The functions that belong to :SEARCH have their grants beside them.
grant execute on function
  app_private.refuse_embedding(public.vector),
  app_private.nearest_knowledge(text, public.vector, text, text, jsonb, text, integer),
  app_private.knowledge_by_text(text, text, text, text, jsonb, integer)
  to :SEARCH;
grant execute on function
  app_public.add_knowledge(text, text, text, text, text, jsonb, public.vector),
  app_public.add_knowledge_items(jsonb)
  to :MEMBER, :SERVICE, :ADMIN;

-- Tasks: everybody who writes may add, cancel and retry them; only programs work on them.
grant execute on function
  app_public.enqueue_task(text, jsonb, text, text, timestamptz, integer, text[], text), app_public.enqueue_tasks(jsonb),
  app_public.cancel_task(uuid, text), app_public.retry_task(uuid, timestamptz)
  to :MEMBER, :SERVICE, :ADMIN;
grant execute on function
  app_public.claim_tasks(text, text[], jsonb, interval, integer), app_public.claim_task(text, text[], jsonb, interval),
  app_public.heartbeat_task(uuid, bigint, double precision, text, interval),
  app_public.complete_task(uuid, bigint, jsonb),
  app_public.fail_task(uuid, bigint, text, boolean, interval), app_public.release_task(uuid, bigint, interval)
  to :SERVICE, :ADMIN;

-- Workflows: everybody who writes may run them, analysts may look.
grant execute on function
  app_public.start_workflow(uuid, jsonb), app_public.pause_workflow(uuid), app_public.resume_workflow(uuid),
  app_public.cancel_workflow(uuid, text), app_public.retry_workflow(uuid, text)
  to :MEMBER, :SERVICE, :ADMIN;
grant execute on function app_public.workflow_progress(uuid) to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
--! EndIncluded grants.sql
--! Included app_private/comments.sql
comment on schema app_private is 'Helpers that decide who may see what. Granted to nobody who can ask anything.';

comment on table app_private.tenant_logins is 'Which tenant a login of its own (an analyst''s) sees.';
comment on column app_private.tenant_logins.login is 'The login''s name, as session_user says it.';
comment on column app_private.tenant_logins.tenant_id is 'The one tenant that it sees.';
comment on column app_private.tenant_logins.created_at is 'When it was bound.';

comment on table app_private.events is 'The outbox of live updates: which rows changed, a row per statement and tenant. Kept for about an hour.';
comment on column app_private.events.transaction_id is 'The transaction that made the change.';
comment on column app_private.events.id is 'The order within a transaction; across transactions it says nothing.';
comment on column app_private.events.tenant_id is 'Whose rows changed.';
comment on column app_private.events.topic is 'The table: tasks, workflows, agents.';
comment on column app_private.events.operation is 'One of insert, update, delete.';
comment on column app_private.events.keys is 'The ids of the rows; null when more than 1,000 changed at once.';
comment on column app_private.events.at is 'When the transaction began.';

comment on table app_private.event_marks is 'Snapshots by time, for trimming the outbox.';
comment on column app_private.event_marks.at is 'When the snapshot was taken.';
comment on column app_private.event_marks.snapshot is 'What was visible then.';
comment on column app_private.event_marks.trimmed is 'The one mark that the outbox was trimmed to.';

comment on function app_private.current_tenant_id() is 'The tenant of whoever asks: from the setting app.tenant_id for the API''s login, from app_private.tenant_logins for any other, null for nobody''s.';
comment on function app_private.login_tenant_id() is 'The tenant that the session''s login is bound to; null when it is bound to none or its tenant is suspended.';
comment on function app_private.create_partition(regclass, name, timestamptz, timestamptz) is 'Makes the partition [range_start, range_end) of a table, with row-level security and audit; false when it is there already.';
comment on function app_private.tg__touch_updated_at() is 'Trigger: sets updated_at.';
comment on function app_private.tg__refuse_key_change() is 'Trigger: refuses to change a key, with LTK01.';
comment on sequence app_private.fencing_tokens is 'Tokens of leases: later claims have larger ones.';
comment on function app_private.lock_claimable_tasks(text, text, text[], jsonb, integer) is 'Locks the next tasks that an agent may claim, and gives their ids in the order of the queue.';
comment on function app_private.refuse_ended_lease(uuid, bigint) is 'Raises why a fencing token is good for nothing: LTQ01 no such task, LTQ02 the lease is over, LTQ03 the task was cancelled, LTQ05 an argument is missing.';
comment on function app_private.tg_tasks__place_in_queue() is 'Trigger: sets queue_at from run_after and priority.';
comment on function app_private.tg_tasks__check_update() is 'Trigger: refuses an illegal change of state, with LTQ04, and a change of a claimed task but for its agent, with LTQ06.';
comment on function app_private.tg__publish() is 'Trigger: writes the keys of what changed into app_private.events, and wakes up who listens on lightning:<table>, without payload.';
comment on function app_private.tg_tenants__notify() is 'Trigger: NOTIFY lightning:tenants without payload when a tenant was suspended or resumed.';
comment on function app_private.tg_knowledge__clear_embedding() is 'Takes away the embedding of content that changed without a new one.';
comment on function app_private.refuse_embedding(public.vector) is 'Raises LTS01 for an embedding of another dimension, LTS02 for one of zeros.';
comment on function app_private.nearest_knowledge(text, public.vector, text, text, jsonb, text, integer) is 'The knowledge of a tenant that is nearest to an embedding, with its cosine distance, nearest first. For the search functions.';
comment on function app_private.knowledge_by_text(text, text, text, text, jsonb, integer) is 'The knowledge of a tenant that holds the words of a text, the most relevant first; of more than 2,000 items the newest 2,000. For search_knowledge.';
comment on function app_private.workflow_steps_problems(jsonb) is 'What is wrong with the steps of a workflow, by path; no rows: they can run.';
comment on function app_private.workflow_step_problems(text, jsonb) is 'What is wrong with one step by itself.';
comment on function app_private.workflow_condition_problems(text, jsonb, text[], integer) is 'What is wrong with a condition that may ask about the steps `known`.';
comment on function app_private.sync_workflow_steps(app_public.workflows) is 'Brings the rows of a workflow''s steps in line with what is written in it; gives the keys of new and changed ones.';
comment on function app_private.lock_callers_workflow(uuid) is 'The workflow, locked with its tasks. LTW01 no such workflow, LTW05 the id is missing.';
comment on function app_private.tg_tasks__advance_workflows() is 'Trigger: goes on with the workflows of tasks that ended; refuses to try a step''s task again by itself, with LTW08.';
comment on function app_private.tg_tasks__check_delete() is 'Trigger: refuses to delete the task of a running step, with LTW09.';
comment on function app_private.tg_workflows__check_steps() is 'Trigger: refuses steps that could not run, with LTW02.';
comment on function app_private.tg_workflows__check_update() is 'Trigger: refuses an illegal change of state with LTW04, other steps for a running workflow with LTW03, and a direct write of what the steps keep with LTW06.';
comment on function app_private.tg_workflows__check_delete() is 'Trigger: refuses to delete a workflow that runs, with LTW07.';
--! EndIncluded app_private/comments.sql
--! Included ops/comments.sql
comment on schema ops is 'Operations across tenants: for operators and the worker.';

comment on view ops.tenants is 'All tenants with their logins.';
comment on column ops.tenants.id is 'The tenant''s id.';
comment on column ops.tenants.name is 'The name to show.';
comment on column ops.tenants.suspended_at is 'Since when it is locked out; null: it is not.';
comment on column ops.tenants.created_at is 'When it was made.';
comment on column ops.tenants.logins is 'Names of the logins that see it, in order.';

comment on function ops.create_tenant(text, text) is 'Makes a tenant, or gives back the one of that id and name. LTT01 when the id is taken under another name.';
comment on function ops.set_tenant_suspended(text, boolean) is 'Locks a tenant out, or lets it in again. LTT02 when there is none.';
comment on function ops.suspended_tenants() is 'Ids of the tenants that are locked out.';
comment on function ops.bind_login(name, text) is 'Binds a login to the tenant it will see. LTT02 no such tenant, LTT03 the login is more than a plain one, LTT04 it belongs to another tenant.';
comment on function ops.unbind_login(name) is 'Takes a login''s tenant away; false when it had none.';
comment on function ops.ensure_partitions(integer, integer) is 'Makes the missing partitions of metrics and their rollups (days ahead) and of audit.log (months ahead), and returns their names.';
comment on function ops.applied_migrations() is 'The migrations that this database has, oldest first.';
comment on function ops.reap_expired_leases(integer) is 'Takes back up to how_many tasks whose leases expired: they wait again, or are dead when their attempts are used up. Returns their number.';
comment on function ops.tend_workflows(integer) is 'Ends the steps that took too long, in up to how_many workflows, and goes on with them. Returns how many it was at; those that somebody else holds are left for the next time.';
comment on function ops.lock_workflow(text, uuid) is 'Locks a workflow, its tasks that are not over and their leases, in the one order of locks: leases, tasks, workflows, steps. Null when there is none.';
comment on function ops.advance_workflow(text, uuid) is 'Takes in what became of a workflow''s tasks, starts the steps that may start, and ends the workflow when nothing is left.';
comment on function ops.begin_workflow_step(app_public.workflows, app_public.workflow_steps) is 'Makes the task of a step whose dependencies have ended, or skips it. Returns its status.';
comment on function ops.workflow_condition_holds(jsonb, jsonb) is 'Whether a valid condition holds, given {key: {status, result}} of earlier steps.';
comment on function ops.lock_waiting_workflow_tasks(text, uuid) is 'Locks the tasks of a workflow''s steps that wait, passing over those that somebody is claiming, and gives their ids.';
comment on function ops.cancel_workflow_tasks(text, uuid[], text) is 'Cancels tasks, with the leases that they are under.';
comment on function ops.read_events(pg_snapshot, xid8, bigint, text[], integer) is 'Reads the outbox of these tenants on from a position, at most max_rows rows: the snapshot of now, the one that the outbox is trimmed to, and rows {transaction, id, tenantId, topic, operation, keys} in the order to deliver them.';
comment on function ops.trim_events(interval) is 'Removes from the outbox what could be read for at least as long as `keep`; gives the number of rows.';
--! EndIncluded ops/comments.sql
