--! Previous: sha1:175c9089207877b19fad8d8fb7b6d506596bbe72
--! Hash: sha1:04390f87e340f1146e9d3c60c5bf2cbd74978a5d
--! Message: cheaper_claims

-- A claim and every audited update cost about a third less.

-- Postgres reads the check constraints of a table anew for each statement that writes it. These two took a tenth of a
-- claim, to hold the three functions that write the log, and nobody else may, to what they do.
alter table audit.log drop constraint log_values_check, drop constraint log_operation_check;
-- heartbeat_task refuses what this one would, and is the only one to write it.
alter table app_public.task_leases drop constraint task_leases_progress_check;
-- Nobody may write these two; the functions and triggers that keep them only count up.
alter table app_public.tasks drop constraint tasks_attempt_check, drop constraint tasks_failures_check;
-- The same lists, as one constant instead of an array of as many.
alter table app_public.tasks
  drop constraint tasks_status_check,
  add constraint tasks_status_check
    check (status::text = any ('{pending,assigned,running,completed,failed,cancelled,dead}'::text[])),
  drop constraint tasks_priority_check,
  add constraint tasks_priority_check check (priority::text = any ('{low,normal,high,critical}'::text[]));

-- One function per audited table.
--! Included audit/functions/create_row_logger.sql
-- Writes the trigger function that logs the rows of one table, audit.tg_<table>__log_rows: an insert's new values, a
-- delete's old values, of an update what changed and only that (a row written again as it was leaves nothing). Called by
-- enable_tracking, and so once more by the migration that gives the table another column.
--
-- A function per table, because PL/pgSQL cannot name a column of OLD and NEW by a variable. One function for all had to
-- make JSON of both rows and compare these, which took twice as long, for a single row as for each of a thousand. Inserts and
-- deletes log whole rows, for which one statement over the transition table is the shortest way.
--
-- What it writes is a definer: nobody may write the log.
create or replace function audit.create_row_logger(target regclass, key text[], digested text[]) returns regprocedure
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_schema name;
  v_table name;
  v_function text;
  -- How an expression of JSON is logged: as it is, or with secrets digested.
  v_logged text := case when digested = '{}' then '%s' else format('audit.digest(%%s, %L)', digested) end;
begin
  select n.nspname, c.relname into strict v_schema, v_table
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.oid = target;
  v_function := format('audit.%I', 'tg_' || v_table || '__log_rows');

  execute format(
    $template$
create or replace function %1$s() returns trigger
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $function$
declare
  v_old jsonb := '{}';
  v_new jsonb := '{}';
begin
  if TG_OP <> 'UPDATE' then
    insert into audit.log (
      tenant_id, table_name, operation, row_count, key, old_values, new_values, subject, role, request_id
    )
    select
      r.%2$I, %3$L, lower(TG_OP), 1, jsonb_build_object(%4$s), case when TG_OP = 'DELETE' then %5$s end,
      case when TG_OP = 'INSERT' then %5$s end, a.subject, a.role, a.request_id
    from changed_rows r cross join audit.actor() a;
    return null;
  end if;
%6$s
  if v_new = '{}' then
    return null;
  end if;
  insert into audit.log (
    tenant_id, table_name, operation, row_count, key, old_values, new_values, subject, role, request_id
  )
  select NEW.%2$I, %3$L, 'update', 1, jsonb_build_object(%7$s), %8$s, %9$s, a.subject, a.role, a.request_id
  from audit.actor() a;
  return null;
end
$function$
    $template$,
    v_function,
    case when 'tenant_id' = any (key) then 'tenant_id' else 'id' end,
    v_schema || '.' || v_table,
    (select string_agg(format('%1$L, r.%1$I', k), ', ') from unnest(key) k),
    format(v_logged, 'to_jsonb(r)'),
    (
      select string_agg(
        format(
          $template$
  if %2$s then
    v_old := v_old || jsonb_build_object(%1$L, OLD.%1$I);
    v_new := v_new || jsonb_build_object(%1$L, NEW.%1$I);
  end if;$template$,
          a.attname,
          -- An extension's types have their operators elsewhere than in the search path: compared are their images.
          format(
            case t.typnamespace
              when 'pg_catalog'::regnamespace then 'NEW.%1$I is distinct from OLD.%1$I'
              else 'record_image_ne(row(NEW.%1$I), row(OLD.%1$I))'
            end,
            a.attname
          )
        ),
        '' order by a.attnum
      )
      from pg_attribute a join pg_type t on t.oid = a.atttypid
      where a.attrelid = target and a.attnum > 0 and not a.attisdropped
    ),
    (select string_agg(format('%1$L, NEW.%1$I', k), ', ') from unnest(key) k),
    format(v_logged, 'v_old'),
    format(v_logged, 'v_new')
  );
  execute format(
    'comment on function %s() is %L', v_function, format('Trigger: a log row per changed row of %I.%I.', v_schema, v_table)
  );
  return (v_function || '()')::regprocedure;
end
$$;
--! EndIncluded audit/functions/create_row_logger.sql
--! Included audit/functions/enable_tracking.sql
-- Puts a table under audit: every insert, update, delete and truncate leaves rows in audit.log, in the transaction that
-- made it. Can be called again, also with other options.
--   digested: columns of which the log keeps a SHA-256 in place of the value
--   detail:   true, a row per row; false, a row per statement and tenant with their number
--   counter:  a role whose updates are not logged at all: it counts uses, and may update nothing but the counters
create or replace function audit.enable_tracking(
  target regclass,
  digested text[] default '{}',
  detail boolean default true,
  counter name default null
) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_key text[];
  v_logger regprocedure := 'audit.tg__log_summary()';
  v_event record;
begin
  select array_agg(a.attname order by k.position) into v_key
  from pg_index i
  cross join unnest(i.indkey) with ordinality k(attnum, position)
  join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
  where i.indrelid = target and i.indisprimary;

  if v_key is null then
    raise exception 'cannot audit %: it has no primary key', target
      using errcode = 'LTA01', hint = 'The log names rows by their primary key: add one first.';
  end if;

  if detail then
    v_logger := audit.create_row_logger(target, v_key, digested);
  end if;

  for v_event in
    select *
    from (values
      ('insert', 'referencing new table as changed_rows for each statement'),
      ('update', case when detail then 'for each row' else 'referencing new table as changed_rows for each statement' end),
      ('delete', 'referencing old table as changed_rows for each statement')
    ) e(name, scope)
  loop
    execute format(
      'create or replace trigger _800_audit_%s after %1$s on %s %s %s execute function %s',
      v_event.name, target, v_event.scope,
      case when v_event.name = 'update' and counter is not null then format('when (current_user <> %L)', counter) end,
      v_logger
    );
  end loop;
  execute format(
    'create or replace trigger _800_audit_truncate after truncate on %s for each statement '
    'execute function audit.tg__log_truncate()',
    target
  );
  -- Partitions that are there already; create_partition does it for later ones.
  perform audit.copy_tracking(target, i.inhrelid::regclass) from pg_inherits i where i.inhparent = target;
end
$$;
--! EndIncluded audit/functions/enable_tracking.sql
--! Included audit/functions/copy_tracking.sql
-- Gives a partition the audit triggers of its parent: statement triggers fire for the table that a statement names, so
-- the parent's do not see a statement that names the partition. (Row triggers come by themselves.) Can be called again.
create or replace function audit.copy_tracking(parent regclass, partition regclass) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_definition text;
begin
  for v_definition in
    select pg_get_triggerdef(t.oid)
    from pg_trigger t
    where t.tgrelid = parent and not t.tgisinternal and t.tgname like '\_800\_audit\_%' and t.tgtype & 1 = 0
  loop
    -- " ON schema.table " stands once, before the referencing clause; nothing before it can hold a name of a user's.
    v_definition := regexp_replace(v_definition, ' ON \S+ ', format(' ON %s ', partition));
    execute regexp_replace(v_definition, '^CREATE TRIGGER', 'CREATE OR REPLACE TRIGGER');
  end loop;
end
$$;
--! EndIncluded audit/functions/copy_tracking.sql
--! Included audit/tracked_tables.sql
-- The one list of what is audited, and of what is exempt from row detail. test/db/conventions.test.ts compares it with
-- the catalog: a table of a tenant that is missing here turns it red.
select audit.enable_tracking('app_public.tenants');
select audit.enable_tracking('app_public.agents');
select audit.enable_tracking('app_public.tasks');
-- The end of an attempt is a change of its task, which is logged in detail.
select audit.enable_tracking('app_public.task_attempts', detail => false);
-- Exempt, but for a truncate: app_public.task_leases. Heartbeats say nothing that outlives their lease; how it ended is
-- an attempt.
-- Uses are counted without a trace, by app_public.touch_knowledge: :SEARCH may update the counters and nothing else.
select audit.enable_tracking('app_public.knowledge', digested => '{embedding}', counter => ':SEARCH');
select audit.enable_tracking('app_public.workflows');
select audit.enable_tracking('app_public.workflow_steps');
select audit.enable_tracking('app_public.sessions', digested => '{token}');
-- Thousands of points a call: a row per statement says who wrote how many.
select audit.enable_tracking('app_public.metrics', detail => false);
-- Made of the points again and again; a row per statement says that it was the worker.
select audit.enable_tracking('app_public.metrics_minute', detail => false);
select audit.enable_tracking('app_public.metrics_hour', detail => false);
select audit.enable_tracking('app_public.metrics_day', detail => false);
--! EndIncluded audit/tracked_tables.sql
drop function audit.tg__log_rows();
--! Included audit/comments.sql
comment on schema audit is 'Who changed what: an append-only log, written by triggers in the transaction of the change.';

comment on table audit.log is 'One row per changed row (or per statement, for tables exempt from detail). Partitioned by month.';
comment on column audit.log.id is 'Orders the rows of a moment.';
comment on column audit.log.at is 'When the transaction began.';
comment on column audit.log.transaction_id is 'The transaction that made the change.';
comment on column audit.log.tenant_id is 'Whose data it was; null for a truncate, which hits all.';
comment on column audit.log.table_name is 'The table that the statement named, with its schema.';
comment on column audit.log.operation is 'insert, update, delete or truncate.';
comment on column audit.log.row_count is '1 for a row of detail, the number of rows for a summary.';
comment on column audit.log.key is 'The row''s primary key; null in a summary.';
comment on column audit.log.old_values is 'What was there: the whole row of a delete, the changed columns of an update. Secrets and embeddings as sha256:<hex>.';
comment on column audit.log.new_values is 'What came: the whole row of an insert, the changed columns of an update. Secrets and embeddings as sha256:<hex>.';
comment on column audit.log.subject is 'The verified token''s subject; null for a direct login.';
comment on column audit.log.login is 'The login of the connection.';
comment on column audit.log.role is 'The role that the statement ran under.';
comment on column audit.log.request_id is 'The API request, as in its X-Request-Id header.';

comment on function audit.enable_tracking(regclass, text[], boolean, name) is 'Puts a table under audit. Can be called again. LTA01 when it has no primary key.';
comment on function audit.create_row_logger(regclass, text[], text[]) is 'Writes the trigger function that logs the rows of a table.';
comment on function audit.copy_tracking(regclass, regclass) is 'Gives a partition the audit triggers of its parent.';
comment on function audit.actor() is 'Who is acting: verified subject, role, request id.';
comment on function audit.digest(jsonb, text[]) is 'The object with the named members replaced by their SHA-256.';
comment on function audit.tg__log_summary() is 'Trigger: a log row per statement and tenant.';
comment on function audit.tg__log_truncate() is 'Trigger: a log row per truncate.';
--! EndIncluded audit/comments.sql

-- One statement less for a claim of one task.
--! Included app_private/functions/is_claimable.sql
-- Whether an agent may have a task now: what every claim asks of the tasks of its tenant.
--
-- No definer, no `set`, and a body that is parsed now: so the planner inlines it, sees what the queue's index is for, and
-- compares the columns themselves.
create or replace function app_private.is_claimable(
  task app_public.tasks,
  agent text,
  capabilities text[],
  filter jsonb,
  at timestamptz
) returns boolean
language sql immutable parallel safe
return task.status = 'pending'
  and task.run_after <= at
  and (task.agent_id is null or task.agent_id = agent)
  and task.required_capabilities <@ capabilities
  and task.context @> filter;
--! EndIncluded app_private/functions/is_claimable.sql
--! Included app_private/functions/claim_problem.sql
-- What is wrong with the arguments of a claim: the first that makes no sense and why, or null. No definer, no `set`, and
-- a body that is parsed now, so that it is inlined: as a call it took a thirtieth of a claim.
create or replace function app_private.claim_problem(
  agent text,
  capabilities text[],
  filter jsonb,
  lease interval,
  how_many integer
) returns text[]
language sql stable parallel safe
return case
  when coalesce(length(agent), 0) not between 1 and 200 then array['agent', 'it has no or more than 200 characters']
  when capabilities is null then array['capabilities', 'it is null']
  when filter is null then array['filter', 'it is null']
  when lease is null or lease not between interval '1 second' and interval '1 day'
    then array['lease', format('%s is not between 1 second and 1 day', coalesce(lease::text, 'null'))]
  when how_many is null or how_many not between 1 and 1000
    then array['how_many', format('%s is not between 1 and 1000', coalesce(how_many::text, 'null'))]
end;
--! EndIncluded app_private/functions/claim_problem.sql
--! Included app_public/functions/claim_task.sql
-- What claim_tasks does, for a single task: most claimers ask for one, and plain statements take two thirds of the time
-- of the one that claims many. Definer, and no sorting, for the reasons given there.
create or replace function app_public.claim_task(
  agent text,
  capabilities text[] default '{}',
  filter jsonb default '{}',
  lease interval default '60 seconds'
) returns setof app_public.claimed_task
language plpgsql volatile security definer rows 1
set search_path to pg_catalog, pg_temp
set enable_sort to off
set plan_cache_mode to force_generic_plan
as $$
declare
  v_problem text[] := app_private.claim_problem(agent, capabilities, filter, lease, 1);
  v_tenant text := app_private.current_tenant_id();
  v_now timestamptz;
  v_claimed app_public.claimed_task;
begin
  if v_problem is not null then
    raise exception 'invalid %: %', v_problem[1], v_problem[2]
      using errcode = 'LTQ05';
  end if;

  for v_try in 1..2 loop
    v_now := clock_timestamp();
    update app_public.tasks t
    set status = 'running', attempt = t.attempt + 1, started_at = v_now
    where t.tenant_id = v_tenant
      and t.id = (
        select q.id
        from app_public.tasks q
        where q.tenant_id = v_tenant and app_private.is_claimable(q, claim_task.agent, capabilities, filter, v_now)
        order by q.queue_at
        limit 1
        for no key update skip locked
      )
    returning
      t.id, nextval('app_private.fencing_tokens'), t.attempt, t.max_attempts, v_now + lease, t.agent_id, t.priority,
      t.description, t.context, t.required_capabilities, t.created_at
    into v_claimed;
    exit when found;
    -- Nothing waits: the tasks of holders that died need not wait for the worker.
    if v_try = 2 or ops.reap_expired_leases(1) = 0 then
      return;
    end if;
  end loop;

  insert into app_public.task_leases (
    tenant_id, task_id, fencing_token, attempt, agent, lease, claimed_at, heartbeat_at, expires_at
  )
  values (
    v_tenant, v_claimed.task_id, v_claimed.fencing_token, v_claimed.attempt, agent, lease, v_now, v_now,
    v_claimed.expires_at
  );
  return next v_claimed;
end
$$;

comment on function app_public.claim_task(text, text[], jsonb, interval) is 'Claims one task: claim_tasks with `how_many` 1. No row when nothing waits. Errors: LTQ05 invalid argument.';
--! EndIncluded app_public/functions/claim_task.sql
--! Included app_public/functions/claim_tasks.sql
-- Definer: nobody may write leases but through these functions, or a fencing token would prove nothing. It runs under
-- the owner's policies, which are confined to the caller's tenant.
--
-- The order of the queue is that of an index. Without sorting the planner can use no other, however wrong its statistics
-- are, and one plan is good for every caller.
create or replace function app_public.claim_tasks(
  agent text,
  capabilities text[] default '{}',
  filter jsonb default '{}',
  lease interval default '60 seconds',
  how_many integer default 1
) returns setof app_public.claimed_task
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
set enable_sort to off
set plan_cache_mode to force_generic_plan
as $$
declare
  v_problem text[] := app_private.claim_problem(agent, capabilities, filter, lease, how_many);
  v_tenant text := app_private.current_tenant_id();
  v_now timestamptz;
  v_ids uuid[];
begin
  if v_problem is not null then
    raise exception 'invalid %: %', v_problem[1], v_problem[2]
      using errcode = 'LTQ05';
  end if;

  for v_try in 1..2 loop
    v_now := clock_timestamp();
    -- Tasks that another claimer is about to take are passed over.
    v_ids := array(
      select q.id
      from app_public.tasks q
      where q.tenant_id = v_tenant and app_private.is_claimable(q, claim_tasks.agent, capabilities, filter, v_now)
      order by q.queue_at
      limit how_many
      for no key update skip locked
    );
    -- Too few are waiting: those of holders that died need not wait for the worker.
    exit when v_try = 2 or cardinality(v_ids) = how_many or ops.reap_expired_leases(how_many) = 0;
  end loop;
  if v_ids = '{}' then
    return;
  end if;

  return query
  with claimed as (
    update app_public.tasks t
    set status = 'running', attempt = t.attempt + 1, started_at = v_now
    where t.tenant_id = v_tenant and t.id = any (v_ids)
    returning t.*
  ),
  leased as (
    insert into app_public.task_leases (
      tenant_id, task_id, fencing_token, attempt, agent, lease, claimed_at, heartbeat_at, expires_at
    )
    select
      c.tenant_id, c.id, nextval('app_private.fencing_tokens'), c.attempt, claim_tasks.agent, claim_tasks.lease, v_now,
      v_now, v_now + claim_tasks.lease
    from claimed c
    returning task_id, fencing_token, expires_at
  )
  select
    c.id, l.fencing_token, c.attempt, c.max_attempts, l.expires_at, c.agent_id, c.priority, c.description, c.context,
    c.required_capabilities, c.created_at
  from claimed c
  join leased l on l.task_id = c.id
  order by c.queue_at;
end
$$;

comment on function app_public.claim_tasks(text, text[], jsonb, interval, integer) is 'Claims up to `how_many` (1 to 1000) waiting tasks for `agent`, by priority and age: low ones are served at the latest three hours after critical ones of the same age. Only tasks for this agent or for any, whose required capabilities are all in `capabilities`, and whose context contains `filter`. The claim ends after `lease` (1 second to 1 day) unless heartbeat_task extends it. Returns the tasks with the attempt''s number and the fencing token that every write needs; none when nothing waits. Errors: LTQ05 invalid argument.';
--! EndIncluded app_public/functions/claim_tasks.sql
drop function app_private.lock_claimable_tasks(text, text, text[], jsonb, integer);
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
comment on function app_private.claim_problem(text, text[], jsonb, interval, integer) is 'What is wrong with the arguments of a claim; null when nothing is.';
comment on function app_private.is_claimable(app_public.tasks, text, text[], jsonb, timestamptz) is 'Whether an agent may have the task now.';
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

-- What was claimed leaves dead entries at the head of the queue's index, which every claim has to pass until a vacuum
-- takes them away. By default that waits for a fifth of the table, and passes the indexes over while few pages are
-- concerned: both are wrong for a short queue before a long history.
alter table app_public.tasks set (
  autovacuum_vacuum_threshold = 5000,
  autovacuum_vacuum_scale_factor = 0.01,
  vacuum_index_cleanup = on
);
