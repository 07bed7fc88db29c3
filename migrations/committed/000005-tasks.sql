--! Previous: sha1:c58d7143812435bcac0234dd2cf61e986c9d142f
--! Hash: sha1:0b2fa678467e5cb00cdca33f317674142d4b3088
--! Message: tasks

-- Tasks that are claimed under a lease. Adding the columns rewrites nothing: their defaults are evaluated once. The
-- indexes lock out writers while they are built, seconds per million tasks.

alter table app_public.tasks
  add column required_capabilities text[] not null default '{}',
  add column run_after timestamptz not null default now(),
  add column queue_at timestamptz not null default now(),
  add column attempt integer not null default 0,
  add column failures integer not null default 0,
  add column max_attempts integer not null default 5,
  add column idempotency_key varchar(200),
  add constraint tasks_attempt_check check (attempt >= 0),
  add constraint tasks_failures_check check (failures >= 0),
  add constraint tasks_max_attempts_check check (max_attempts > 0),
  add constraint tasks_idempotency_key_check check (idempotency_key <> '');

-- Tasks that are there already queue by their age, too. Derived columns: neither the log nor a listener needs to know.
-- Forced row-level security would hide the rows from their owner.
alter table app_public.tasks no force row level security, disable trigger user;
update app_public.tasks
set
  run_after = created_at,
  queue_at = created_at - case priority
    when 'critical' then interval '3 hours'
    when 'high' then interval '1 hour'
    when 'normal' then interval '20 minutes'
    else interval '0'
  end
where status = 'pending';
alter table app_public.tasks force row level security, enable trigger user;

-- A status changes three times in a task's life and is indexed, so each change leaves a dead row: vacuum looks every
-- few thousand changes however large the table is.
alter table app_public.tasks set (
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
  autovacuum_analyze_scale_factor = 0.02, autovacuum_analyze_threshold = 5000
);

-- What a claim walks: waiting tasks only, in the order of the queue. run_after is in it so that tasks which are not due
-- are passed over without a look at the table.
create index tasks_queue_at_run_after_idx on app_public.tasks (tenant_id, queue_at, run_after) where status = 'pending';
create unique index tasks_idempotency_key_idx on app_public.tasks (tenant_id, idempotency_key)
  where idempotency_key is not null;

-- Later claims have larger tokens, in whichever tenant.
create sequence app_private.fencing_tokens as bigint;

-- Who works on what at the moment: a row per claimed task. Narrow, and no index but the key, so that a heartbeat is an
-- update inside of its page.
create table app_public.task_leases (
  tenant_id text collate "C" not null default app_private.current_tenant_id(),
  task_id uuid not null,
  fencing_token bigint not null,
  attempt integer not null,
  agent text not null,
  lease interval not null,
  claimed_at timestamptz not null,
  heartbeat_at timestamptz not null,
  expires_at timestamptz not null,
  progress double precision,
  note text,
  constraint task_leases_pkey primary key (tenant_id, task_id),
  constraint task_leases_task_id_fkey foreign key (tenant_id, task_id) references app_public.tasks (tenant_id, id)
    on delete cascade,
  constraint task_leases_progress_check check (progress between 0 and 1)
) with (
  fillfactor = 50,
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000,
  autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 1000
);

-- What became of each lease: written once, when it ends.
create table app_public.task_attempts (
  tenant_id text collate "C" not null default app_private.current_tenant_id(),
  task_id uuid not null,
  attempt integer not null,
  fencing_token bigint not null,
  agent text not null,
  claimed_at timestamptz not null,
  ended_at timestamptz not null,
  outcome varchar(20) not null,
  error text,
  progress double precision,
  note text,
  constraint task_attempts_pkey primary key (tenant_id, task_id, attempt),
  constraint task_attempts_task_id_fkey foreign key (tenant_id, task_id) references app_public.tasks (tenant_id, id)
    on delete cascade,
  constraint task_attempts_outcome_check
    check (outcome in ('completed', 'failed', 'expired', 'released', 'cancelled'))
);

-- What a claim answers.
create type app_public.claimed_task as (
  task_id uuid,
  fencing_token bigint,
  attempt integer,
  max_attempts integer,
  expires_at timestamptz,
  agent_id varchar(50),
  priority varchar(20),
  description text,
  context jsonb,
  required_capabilities text[],
  created_at timestamptz
);

--! Included app_private/functions/lock_claimable_tasks.sql
-- The ids of the next tasks that an agent may have, locked for it, in the order of the queue; tasks that another claimer
-- is about to take are passed over. Called by claim_tasks, as the owner and confined to the tenant.
--
-- The order of the queue is that of an index. Without sorting the planner can use no other, however wrong its statistics
-- are, and one plan is good for every caller.
create or replace function app_private.lock_claimable_tasks(
  tenant text,
  agent text,
  capabilities text[],
  filter jsonb,
  how_many integer
) returns uuid[]
language plpgsql volatile
set search_path to pg_catalog, pg_temp
set enable_sort to off
set plan_cache_mode to force_generic_plan
as $$
declare
  v_now timestamptz := clock_timestamp();
begin
  return array(
    select t.id
    from app_public.tasks t
    where t.tenant_id = tenant
      and t.status = 'pending'
      and t.run_after <= v_now
      and (t.agent_id is null or t.agent_id = agent)
      and t.required_capabilities <@ capabilities
      and t.context @> filter
    order by t.queue_at
    limit how_many
    for no key update skip locked
  );
end
$$;
--! EndIncluded app_private/functions/lock_claimable_tasks.sql
--! Included app_private/functions/refuse_ended_lease.sql
-- Raises the error of whoever writes to a task under a lease that is over, or never was.
create or replace function app_private.refuse_ended_lease(task_id uuid, fencing_token bigint) returns void
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_tenant text := app_private.current_tenant_id();
  v_status text;
  v_outcome text;
begin
  if task_id is null or fencing_token is null then
    raise exception 'invalid %: %', case when task_id is null then 'task_id' else 'fencing_token' end, 'it is missing'
      using errcode = 'LTQ05', hint = 'Give back both as claim_task gave them.';
  end if;

  select t.status into v_status
  from app_public.tasks t
  where t.tenant_id = v_tenant and t.id = refuse_ended_lease.task_id;
  if not found then
    raise exception 'there is no task %', task_id
      using errcode = 'LTQ01', hint = 'It was deleted, or is not of your tenant.';
  end if;

  select a.outcome into v_outcome
  from app_public.task_attempts a
  where a.tenant_id = v_tenant
    and a.task_id = refuse_ended_lease.task_id
    and a.fencing_token = refuse_ended_lease.fencing_token;
  if v_outcome = 'cancelled' then
    raise exception 'task % was cancelled', task_id
      using errcode = 'LTQ03', hint = 'Stop working on it; nobody waits for the result.';
  end if;

  raise exception 'the lease of task % with fencing token % is over', task_id, fencing_token
    using
      errcode = 'LTQ02',
      detail = format('That attempt ended: %s. The task is %s.', coalesce(v_outcome, 'there was none'), v_status),
      hint = 'Nothing was changed. Stop working on it, and claim another.';
end
$$;
--! EndIncluded app_private/functions/refuse_ended_lease.sql
--! Included app_private/functions/tg_tasks__place_in_queue.sql
-- Where a task stands in the queue: from when it may run, put forward by its priority. A normal task is served before a
-- high one that came more than 40 minutes later, so none waits forever, and nothing has to be computed again as time
-- goes by.
create or replace function app_private.tg_tasks__place_in_queue() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  -- A task that brings its history with it queues by its age.
  if TG_OP = 'INSERT' and NEW.run_after = now() and NEW.created_at < NEW.run_after then
    NEW.run_after := NEW.created_at;
  end if;
  NEW.queue_at := NEW.run_after - case NEW.priority
    when 'critical' then interval '3 hours'
    when 'high' then interval '1 hour'
    when 'normal' then interval '20 minutes'
    else interval '0'
  end;
  return NEW;
end
$$;
--! EndIncluded app_private/functions/tg_tasks__place_in_queue.sql
--! Included app_private/functions/tg_tasks__check_update.sql
-- The states of a task and their order, and the lease: what everybody who writes has to keep to. One function without a
-- condition on its trigger: Postgres reads a trigger's condition anew for each statement, which took longer than this.
--
-- Nobody writes past the one who holds the lease. The functions end the lease first and write then, so there is no
-- exception for them. Only the agent may change under way: that an agent is removed must not fail.
create or replace function app_private.tg_tasks__check_update() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_lease record;
  v_as_before app_public.tasks;
begin
  if OLD.status = 'running' then
    select l.agent, l.expires_at into v_lease
    from app_public.task_leases l
    where l.tenant_id = OLD.tenant_id and l.task_id = OLD.id;
    if found then
      v_as_before := OLD;
      v_as_before.agent_id := NEW.agent_id;
      if NEW is distinct from v_as_before then
        raise exception 'task % is claimed by %', OLD.id, v_lease.agent
          using
            errcode = 'LTQ06',
            detail = format('Its lease ends at %s unless it is extended.', v_lease.expires_at),
            hint = 'With the fencing token: complete_task, fail_task, release_task. Without: cancel_task.';
      end if;
    end if;
  end if;

  if OLD.status <> NEW.status and not (case OLD.status
    when 'pending' then NEW.status in ('running', 'assigned', 'cancelled')
    when 'assigned' then NEW.status in ('pending', 'running', 'cancelled')
    when 'running' then NEW.status in ('completed', 'pending', 'failed', 'dead', 'cancelled')
    when 'failed' then NEW.status = 'pending'
    when 'dead' then NEW.status = 'pending'
    else false
  end) then
    raise exception 'task % is %, which cannot become %', OLD.id, OLD.status, NEW.status
      using errcode = 'LTQ04', hint = 'The states and their order are in docs/tasks.md.';
  end if;
  return NEW;
end
$$;
--! EndIncluded app_private/functions/tg_tasks__check_update.sql
--! Included audit/functions/tg__log_rows.sql
-- Logs each row of a statement: an insert's new values, a delete's old values, of an update what changed and only that
-- (a row written again as it was leaves nothing). One statement trigger with transition tables, so a statement of a
-- thousand rows costs one insert here.
-- Arguments: the key columns, the columns to digest (array literals) and the column that holds the tenant. Definer:
-- nobody may write the log.
--
-- The sub-selects stand here three times instead of in functions of their own: functions that contain one are not
-- inlined, and calling them made an audited insert of one row cost three times as much. `offset 0` keeps a row from being
-- made into JSON once for each of its columns. An update of a single row, the usual one, has nothing to join: it takes a
-- way of its own, at half the cost.
create or replace function audit.tg__log_rows() returns trigger
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_table text := TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME;
  v_key text[] := TG_ARGV[0];
  v_digested text[] := TG_ARGV[1];
  v_tenant_column text := TG_ARGV[2];
  v_actor record;
  v_old jsonb;
  v_new jsonb;
  v_changed record;
begin
  v_actor := audit.actor();
  if TG_OP = 'INSERT' then
    insert into audit.log (tenant_id, table_name, operation, row_count, key, new_values, subject, role, request_id)
    select
      n.doc ->> v_tenant_column, v_table, 'insert', 1,
      (select jsonb_object_agg(k, n.doc -> k) from unnest(v_key) k),
      case when v_digested = '{}' then n.doc else audit.digest(n.doc, v_digested) end,
      v_actor.subject, v_actor.role, v_actor.request_id
    from (select to_jsonb(r) as doc from new_rows r) n;
  elsif TG_OP = 'DELETE' then
    insert into audit.log (tenant_id, table_name, operation, row_count, key, old_values, subject, role, request_id)
    select
      o.doc ->> v_tenant_column, v_table, 'delete', 1,
      (select jsonb_object_agg(k, o.doc -> k) from unnest(v_key) k),
      case when v_digested = '{}' then o.doc else audit.digest(o.doc, v_digested) end,
      v_actor.subject, v_actor.role, v_actor.request_id
    from (select to_jsonb(r) as doc from old_rows r) o;
  elsif (select count(*) = 1 from new_rows) then
    select to_jsonb(r) into v_old from old_rows r;
    select to_jsonb(r) into v_new from new_rows r;
    select jsonb_object_agg(e.key, v_old -> e.key) as old_values, jsonb_object_agg(e.key, e.value) as new_values
    into v_changed
    from jsonb_each(v_new) e
    where e.value is distinct from v_old -> e.key;
    if v_changed.new_values is not null then
      insert into audit.log (
        tenant_id, table_name, operation, row_count, key, old_values, new_values, subject, role, request_id
      )
      values (
        v_new ->> v_tenant_column, v_table, 'update', 1,
        (select jsonb_object_agg(k, v_new -> k) from unnest(v_key) k),
        audit.digest(v_changed.old_values, v_digested), audit.digest(v_changed.new_values, v_digested),
        v_actor.subject, v_actor.role, v_actor.request_id
      );
    end if;
  else
    insert into audit.log (
      tenant_id, table_name, operation, row_count, key, old_values, new_values, subject, role, request_id
    )
    select
      n.doc ->> v_tenant_column, v_table, 'update', 1, n.key,
      case when v_digested = '{}' then c.old_values else audit.digest(c.old_values, v_digested) end,
      case when v_digested = '{}' then c.new_values else audit.digest(c.new_values, v_digested) end,
      v_actor.subject, v_actor.role, v_actor.request_id
    from (
      select d.doc, (select jsonb_object_agg(k, d.doc -> k) from unnest(v_key) k) as key
      from (select to_jsonb(r) as doc from new_rows r offset 0) d
    ) n
    join (
      select d.doc, (select jsonb_object_agg(k, d.doc -> k) from unnest(v_key) k) as key
      from (select to_jsonb(r) as doc from old_rows r offset 0) d
    ) o using (key)
    cross join lateral (
      select
        jsonb_object_agg(e.key, o.doc -> e.key) as old_values,
        jsonb_object_agg(e.key, e.value) as new_values
      from jsonb_each(n.doc) e
      where e.value is distinct from o.doc -> e.key
    ) c
    where c.new_values is not null;
  end if;
  return null;
end
$$;
--! EndIncluded audit/functions/tg__log_rows.sql
--! Included ops/functions/reap_expired_leases.sql
-- Takes back the tasks whose holders were not heard of in time: each waits again at once, in its old place, or is dead
-- when its attempts are used up. Leases that their holders are about to extend or end are left to them.
--
-- Invoker: the worker reaches every tenant's leases, claim_tasks (which calls it when nothing waits) those of its tenant.
create or replace function ops.reap_expired_leases(how_many integer default 1000) returns integer
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_lease app_public.task_leases;
  v_error text;
  v_now timestamptz := clock_timestamp();
  v_count integer := 0;
begin
  for v_lease in
    select *
    from app_public.task_leases l
    where l.expires_at <= v_now
    order by l.expires_at
    limit how_many
    for update skip locked
  loop
    v_error := format('nothing was heard of %s since %s', v_lease.agent, v_lease.heartbeat_at);
    delete from app_public.task_leases l where l.tenant_id = v_lease.tenant_id and l.task_id = v_lease.task_id;
    insert into app_public.task_attempts (
      tenant_id, task_id, attempt, fencing_token, agent, claimed_at, ended_at, outcome, error, progress, note
    )
    values (
      v_lease.tenant_id, v_lease.task_id, v_lease.attempt, v_lease.fencing_token, v_lease.agent, v_lease.claimed_at,
      v_now, 'expired', v_error, v_lease.progress, v_lease.note
    );
    update app_public.tasks t
    set
      status = case when t.failures + 1 < t.max_attempts then 'pending' else 'dead' end,
      failures = t.failures + 1,
      error_message = v_error,
      completed_at = case when t.failures + 1 < t.max_attempts then null else v_now end
    where t.tenant_id = v_lease.tenant_id and t.id = v_lease.task_id;
    v_count := v_count + 1;
  end loop;
  return v_count;
end
$$;
--! EndIncluded ops/functions/reap_expired_leases.sql
--! Included app_public/functions/enqueue_task.sql
-- Invoker: whoever may insert a task may enqueue one.
create or replace function app_public.enqueue_task(
  description text,
  context jsonb default '{}',
  priority text default 'normal',
  agent_id text default null,
  run_after timestamptz default null,
  max_attempts integer default 5,
  required_capabilities text[] default '{}',
  idempotency_key text default null
) returns app_public.tasks
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_problem text[];
  v_task app_public.tasks;
begin
  v_problem := case
    when coalesce(description, '') = '' then array['description', 'it is empty']
    when context is null then array['context', 'it is null']
    when priority is null or priority not in ('low', 'normal', 'high', 'critical')
      then array['priority', format('%s is none of low, normal, high, critical', coalesce(priority, 'null'))]
    when max_attempts is null or max_attempts < 1
      then array['max_attempts', format('%s is less than 1', coalesce(max_attempts::text, 'null'))]
    when required_capabilities is null or array_position(required_capabilities, null) is not null
      then array['required_capabilities', 'it is null or has a null in it']
    when length(idempotency_key) not between 1 and 200
      then array['idempotency_key', 'it has no or more than 200 characters']
    when agent_id is not null and not exists (select from app_public.agents a where a.id = enqueue_task.agent_id)
      then array['agent_id', format('there is no agent %s', agent_id)]
  end;
  if v_problem is not null then
    raise exception 'invalid %: %', v_problem[1], v_problem[2]
      using errcode = 'LTQ05';
  end if;

  -- A task of that key that is deleted between the two statements makes room for a new one.
  loop
    insert into app_public.tasks (
      description, context, priority, agent_id, run_after, max_attempts, required_capabilities, idempotency_key
    )
    values (
      enqueue_task.description, enqueue_task.context, enqueue_task.priority, enqueue_task.agent_id,
      coalesce(enqueue_task.run_after, now()), enqueue_task.max_attempts, enqueue_task.required_capabilities,
      enqueue_task.idempotency_key
    )
    on conflict (tenant_id, idempotency_key) where idempotency_key is not null do nothing
    returning * into v_task;
    exit when found;

    select * into v_task from app_public.tasks t where t.idempotency_key = enqueue_task.idempotency_key;
    exit when found;
  end loop;
  return v_task;
end
$$;

comment on function app_public.enqueue_task(text, jsonb, text, text, timestamptz, integer, text[], text) is 'Adds a task to the queue. `priority`: low, normal, high or critical. `agent_id`: only this agent may claim it. `run_after`: not before. `max_attempts`: failed and expired attempts until it is dead. `required_capabilities`: only who has all of them may claim it. `idempotency_key`: when there is a task of this key, that one is returned as it is and nothing is added. Returns the task. Errors: LTQ05 invalid argument.';
--! EndIncluded app_public/functions/enqueue_task.sql
--! Included app_public/functions/enqueue_tasks.sql
-- Invoker, as enqueue_task. One insert for all of them, so one statement for triggers and listeners.
create or replace function app_public.enqueue_tasks(tasks jsonb) returns setof app_public.tasks
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_known constant text[] := array[
    'description', 'context', 'priority', 'agent_id', 'run_after', 'max_attempts', 'required_capabilities', 'idempotency_key'
  ];
  v_problem record;
  v_ids uuid[];
  v_keys text[];
begin
  if tasks is null or jsonb_typeof(tasks) <> 'array' then
    raise exception 'invalid %: %', 'tasks', 'it is no array of objects'
      using errcode = 'LTQ05';
  end if;

  select * into v_problem
  from (
    select
      i.position,
      case
        when jsonb_typeof(i.item) <> 'object' then array['', 'it is no object']
        when i.item - v_known <> '{}'
          then array['.' || (select min(k) from jsonb_object_keys(i.item - v_known) k), 'there is no such property']
        when jsonb_typeof(i.item -> 'description') is distinct from 'string' or i.item ->> 'description' = ''
          then array['.description', 'it is no text or empty']
        when i.item ->> 'priority' not in ('low', 'normal', 'high', 'critical')
          then array['.priority', format('%s is none of low, normal, high, critical', i.item ->> 'priority')]
        when i.item ->> 'max_attempts' is not null
          and not (i.item -> 'max_attempts') @? '$ ? (@ >= 1 && @ <= 2147483647 && @ == @.floor())'
          then array['.max_attempts', format('%s is no whole number from 1 on', i.item ->> 'max_attempts')]
        when i.item ->> 'required_capabilities' is not null
          and (
            jsonb_typeof(i.item -> 'required_capabilities') <> 'array'
            or (i.item -> 'required_capabilities') @? '$[*] ? (@.type() != "string")'
          )
          then array['.required_capabilities', 'it is no array of texts']
        when jsonb_typeof(i.item -> 'idempotency_key') not in ('string', 'null')
          or length(i.item ->> 'idempotency_key') not between 1 and 200
          then array['.idempotency_key', 'it is no text of 1 to 200 characters']
        when jsonb_typeof(i.item -> 'run_after') <> 'null' and not pg_input_is_valid(i.item ->> 'run_after', 'timestamptz')
          then array['.run_after', format('%s is no time', i.item ->> 'run_after')]
        when i.item ->> 'agent_id' is not null
          and not exists (select from app_public.agents a where a.id = i.item ->> 'agent_id')
          then array['.agent_id', format('there is no agent %s', i.item ->> 'agent_id')]
      end as found
    from jsonb_array_elements(tasks) with ordinality i(item, position)
  ) p
  where p.found is not null
  order by p.position
  limit 1;
  if v_problem.found is not null then
    raise exception 'invalid %: %', format('tasks[%s]%s', v_problem.position - 1, v_problem.found[1]), v_problem.found[2]
      using errcode = 'LTQ05';
  end if;

  select array_agg(gen_random_uuid() order by i.position), array_agg(i.item ->> 'idempotency_key' order by i.position)
  into v_ids, v_keys
  from jsonb_array_elements(tasks) with ordinality i(item, position);

  insert into app_public.tasks (
    id, description, context, priority, agent_id, run_after, max_attempts, required_capabilities, idempotency_key
  )
  select
    v_ids[i.position], i.item ->> 'description', coalesce(nullif(i.item -> 'context', 'null'), '{}'),
    coalesce(i.item ->> 'priority', 'normal'), i.item ->> 'agent_id',
    -- A microsecond apart, so that they are claimed in their order.
    coalesce((i.item ->> 'run_after')::timestamptz, now() + i.position * interval '1 microsecond'),
    coalesce((i.item ->> 'max_attempts')::integer, 5),
    array(select jsonb_array_elements_text(nullif(i.item -> 'required_capabilities', 'null'))), i.item ->> 'idempotency_key'
  from jsonb_array_elements(tasks) with ordinality i(item, position)
  order by i.position
  on conflict (tenant_id, idempotency_key) where idempotency_key is not null do nothing;

  -- A statement of its own, so that it sees tasks that somebody else enqueued under the same keys at the same time.
  return query
  select t.*
  from unnest(v_ids, v_keys) with ordinality i(id, idempotency_key, position)
  cross join lateral (
    select t.* from app_public.tasks t where t.id = i.id
    union all
    select t.* from app_public.tasks t where t.idempotency_key = i.idempotency_key and t.id <> i.id
  ) t
  order by i.position;
end
$$;

comment on function app_public.enqueue_tasks(jsonb) is 'Adds many tasks to the queue: a JSON array of objects with the parameters of enqueue_task as properties, of which only description is needed. All or none. Returns a task for each, in their order; for an idempotency_key that there was already, the task of that key as it is. Errors: LTQ05 invalid argument, naming the place, such as tasks[3].priority.';
--! EndIncluded app_public/functions/enqueue_tasks.sql
--! Included app_public/functions/claim_tasks.sql
-- Definer: nobody may write leases but through these functions, or a fencing token would prove nothing. It runs under
-- the owner's policies, which are confined to the caller's tenant.
create or replace function app_public.claim_tasks(
  agent text,
  capabilities text[] default '{}',
  filter jsonb default '{}',
  lease interval default '60 seconds',
  how_many integer default 1
) returns setof app_public.claimed_task
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_generic_plan
as $$
declare
  v_tenant text := app_private.current_tenant_id();
  v_problem text[];
  v_ids uuid[];
  v_now timestamptz;
  v_claimed app_public.claimed_task;
begin
  v_problem := case
    when coalesce(length(agent), 0) not between 1 and 200 then array['agent', 'it has no or more than 200 characters']
    when capabilities is null then array['capabilities', 'it is null']
    when filter is null then array['filter', 'it is null']
    when lease is null or lease not between interval '1 second' and interval '1 day'
      then array['lease', format('%s is not between 1 second and 1 day', coalesce(lease::text, 'null'))]
    when how_many is null or how_many not between 1 and 1000
      then array['how_many', format('%s is not between 1 and 1000', coalesce(how_many::text, 'null'))]
  end;
  if v_problem is not null then
    raise exception 'invalid %: %', v_problem[1], v_problem[2]
      using errcode = 'LTQ05';
  end if;

  v_ids := app_private.lock_claimable_tasks(v_tenant, agent, capabilities, filter, how_many);
  -- Too few are waiting: those of holders that died need not wait for the worker.
  if cardinality(v_ids) < how_many and ops.reap_expired_leases(how_many) > 0 then
    v_ids := app_private.lock_claimable_tasks(v_tenant, agent, capabilities, filter, how_many);
  end if;
  if v_ids = '{}' then
    return;
  end if;

  v_now := clock_timestamp();
  -- One at a time is what most claimers ask for: plain statements take two thirds of the time of the one below.
  if cardinality(v_ids) = 1 then
    update app_public.tasks t
    set status = 'running', attempt = t.attempt + 1, started_at = v_now
    where t.tenant_id = v_tenant and t.id = v_ids[1]
    returning
      t.id, nextval('app_private.fencing_tokens'), t.attempt, t.max_attempts, v_now + lease, t.agent_id, t.priority,
      t.description, t.context, t.required_capabilities, t.created_at
    into strict v_claimed;
    insert into app_public.task_leases (
      tenant_id, task_id, fencing_token, attempt, agent, lease, claimed_at, heartbeat_at, expires_at
    )
    values (
      v_tenant, v_claimed.task_id, v_claimed.fencing_token, v_claimed.attempt, agent, lease, v_now, v_now,
      v_claimed.expires_at
    );
    return next v_claimed;
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
--! Included app_public/functions/claim_task.sql
-- plpgsql, although it is one statement: the body of an SQL function is planned anew at each call.
create or replace function app_public.claim_task(
  agent text,
  capabilities text[] default '{}',
  filter jsonb default '{}',
  lease interval default '60 seconds'
) returns setof app_public.claimed_task
language plpgsql volatile rows 1
set search_path to pg_catalog, pg_temp
as $$
begin
  return query select * from app_public.claim_tasks(agent, capabilities, filter, lease, 1);
end
$$;

comment on function app_public.claim_task(text, text[], jsonb, interval) is 'Claims one task: claim_tasks with `how_many` 1. No row when nothing waits. Errors: LTQ05 invalid argument.';
--! EndIncluded app_public/functions/claim_task.sql
--! Included app_public/functions/heartbeat_task.sql
-- Definer, as claim_tasks. One update of a narrow row that no index but the key's knows: neither the task nor the audit
-- log hears of it.
create or replace function app_public.heartbeat_task(
  task_id uuid,
  fencing_token bigint,
  progress double precision default null,
  note text default null,
  lease interval default null
) returns app_public.task_leases
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_problem text[];
  v_now timestamptz := clock_timestamp();
  v_lease app_public.task_leases;
begin
  v_problem := case
    when progress not between 0 and 1 then array['progress', format('%s is not between 0 and 1', progress)]
    when lease not between interval '1 second' and interval '1 day'
      then array['lease', format('%s is not between 1 second and 1 day', lease)]
  end;
  if v_problem is not null then
    raise exception 'invalid %: %', v_problem[1], v_problem[2]
      using errcode = 'LTQ05';
  end if;

  update app_public.task_leases l
  set
    heartbeat_at = v_now,
    lease = coalesce(heartbeat_task.lease, l.lease),
    expires_at = v_now + coalesce(heartbeat_task.lease, l.lease),
    progress = coalesce(heartbeat_task.progress, l.progress),
    note = coalesce(heartbeat_task.note, l.note)
  where l.tenant_id = app_private.current_tenant_id()
    and l.task_id = heartbeat_task.task_id
    and l.fencing_token = heartbeat_task.fencing_token
  returning * into v_lease;
  if not found then
    perform app_private.refuse_ended_lease(task_id, fencing_token);
  end if;
  return v_lease;
end
$$;

comment on function app_public.heartbeat_task(uuid, bigint, double precision, text, interval) is 'Extends the lease of a claimed task, by `lease` or as long as it was claimed for, and records `progress` (0 to 1) and a `note`; null leaves what was there. Returns the lease. Errors: LTQ01 no such task, LTQ02 the lease is over, LTQ03 the task was cancelled, LTQ05 invalid argument.';
--! EndIncluded app_public/functions/heartbeat_task.sql
--! Included app_public/functions/complete_task.sql
-- Definer, as claim_tasks. Taking the lease away is what decides: of two who come with the same token one finds it.
create or replace function app_public.complete_task(
  task_id uuid,
  fencing_token bigint,
  result jsonb default null
) returns app_public.tasks
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_now timestamptz := clock_timestamp();
  v_lease app_public.task_leases;
  v_task app_public.tasks;
begin
  delete from app_public.task_leases l
  where l.tenant_id = app_private.current_tenant_id()
    and l.task_id = complete_task.task_id
    and l.fencing_token = complete_task.fencing_token
  returning * into v_lease;
  if not found then
    perform app_private.refuse_ended_lease(task_id, fencing_token);
  end if;

  update app_public.tasks t
  set status = 'completed', result = complete_task.result, completed_at = v_now, error_message = null
  where t.tenant_id = v_lease.tenant_id and t.id = v_lease.task_id
  returning * into strict v_task;

  insert into app_public.task_attempts (
    tenant_id, task_id, attempt, fencing_token, agent, claimed_at, ended_at, outcome, progress, note
  )
  values (
    v_lease.tenant_id, v_lease.task_id, v_lease.attempt, v_lease.fencing_token, v_lease.agent, v_lease.claimed_at,
    v_now, 'completed', v_lease.progress, v_lease.note
  );
  return v_task;
end
$$;

comment on function app_public.complete_task(uuid, bigint, jsonb) is 'Completes a claimed task with its `result`. Returns the task. Errors: LTQ01 no such task, LTQ02 the lease is over, LTQ03 the task was cancelled, LTQ05 invalid argument.';
--! EndIncluded app_public/functions/complete_task.sql
--! Included app_public/functions/fail_task.sql
-- Definer, as claim_tasks.
create or replace function app_public.fail_task(
  task_id uuid,
  fencing_token bigint,
  error text,
  retryable boolean default true,
  retry_in interval default null
) returns app_public.tasks
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_problem text[];
  v_now timestamptz := clock_timestamp();
  v_lease app_public.task_leases;
  v_task app_public.tasks;
  v_next text;
begin
  v_problem := case
    when coalesce(error, '') = '' then array['error', 'it is empty']
    when retryable is null then array['retryable', 'it is null']
    when retry_in not between interval '0' and interval '30 days'
      then array['retry_in', format('%s is not between 0 and 30 days', retry_in)]
  end;
  if v_problem is not null then
    raise exception 'invalid %: %', v_problem[1], v_problem[2]
      using errcode = 'LTQ05';
  end if;

  delete from app_public.task_leases l
  where l.tenant_id = app_private.current_tenant_id()
    and l.task_id = fail_task.task_id
    and l.fencing_token = fail_task.fencing_token
  returning * into v_lease;
  if not found then
    perform app_private.refuse_ended_lease(task_id, fencing_token);
  end if;

  select * into strict v_task from app_public.tasks t where t.tenant_id = v_lease.tenant_id and t.id = v_lease.task_id;
  v_next := case
    when not retryable then 'failed'
    when v_task.failures + 1 >= v_task.max_attempts then 'dead'
    else 'pending'
  end;
  update app_public.tasks t
  set
    status = v_next,
    failures = t.failures + 1,
    error_message = fail_task.error,
    completed_at = case when v_next <> 'pending' then v_now end,
    -- 2 seconds, doubled with each failure, an hour at most; half of it at random, so that tasks which failed together
    -- do not come back together.
    run_after = case
      when v_next <> 'pending' then t.run_after
      else v_now + coalesce(
        fail_task.retry_in,
        make_interval(secs => least(3600, 2 * 2 ^ least(t.failures, 20)) * (0.5 + random() / 2))
      )
    end
  where t.tenant_id = v_lease.tenant_id and t.id = v_lease.task_id
  returning * into strict v_task;

  insert into app_public.task_attempts (
    tenant_id, task_id, attempt, fencing_token, agent, claimed_at, ended_at, outcome, error, progress, note
  )
  values (
    v_lease.tenant_id, v_lease.task_id, v_lease.attempt, v_lease.fencing_token, v_lease.agent, v_lease.claimed_at,
    v_now, 'failed', fail_task.error, v_lease.progress, v_lease.note
  );
  return v_task;
end
$$;

comment on function app_public.fail_task(uuid, bigint, text, boolean, interval) is 'Reports that a claimed task could not be done, and why (`error`). A `retryable` one waits again after 2 seconds, doubled with each failure up to an hour, of which between half and all is waited, or after `retry_in` (0 to 30 days); when that was its last attempt it is dead. One that is not retryable is failed. Returns the task. Errors: LTQ01 no such task, LTQ02 the lease is over, LTQ03 the task was cancelled, LTQ05 invalid argument.';
--! EndIncluded app_public/functions/fail_task.sql
--! Included app_public/functions/release_task.sql
-- Definer, as claim_tasks.
create or replace function app_public.release_task(
  task_id uuid,
  fencing_token bigint,
  delay interval default '0'
) returns app_public.tasks
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_now timestamptz := clock_timestamp();
  v_lease app_public.task_leases;
  v_task app_public.tasks;
begin
  if delay is null or delay not between interval '0' and interval '30 days' then
    raise exception 'invalid %: %', 'delay', format('%s is not between 0 and 30 days', coalesce(delay::text, 'null'))
      using errcode = 'LTQ05';
  end if;

  delete from app_public.task_leases l
  where l.tenant_id = app_private.current_tenant_id()
    and l.task_id = release_task.task_id
    and l.fencing_token = release_task.fencing_token
  returning * into v_lease;
  if not found then
    perform app_private.refuse_ended_lease(task_id, fencing_token);
  end if;

  -- Without a delay it has its old place in the queue.
  update app_public.tasks t
  set status = 'pending', run_after = case when delay > interval '0' then v_now + delay else t.run_after end
  where t.tenant_id = v_lease.tenant_id and t.id = v_lease.task_id
  returning * into strict v_task;

  insert into app_public.task_attempts (
    tenant_id, task_id, attempt, fencing_token, agent, claimed_at, ended_at, outcome, progress, note
  )
  values (
    v_lease.tenant_id, v_lease.task_id, v_lease.attempt, v_lease.fencing_token, v_lease.agent, v_lease.claimed_at,
    v_now, 'released', v_lease.progress, v_lease.note
  );
  return v_task;
end
$$;

comment on function app_public.release_task(uuid, bigint, interval) is 'Gives a claimed task back undone: it waits again, at once in its old place or after `delay` (0 to 30 days), and the attempt does not count against max_attempts. Returns the task. Errors: LTQ01 no such task, LTQ02 the lease is over, LTQ03 the task was cancelled, LTQ05 invalid argument.';
--! EndIncluded app_public/functions/release_task.sql
--! Included app_public/functions/cancel_task.sql
-- Definer: people may cancel what a service holds, and nobody may write leases. Everybody who ends a lease takes the
-- lease first and the task then, so that no two wait for each other.
create or replace function app_public.cancel_task(task_id uuid, reason text default null) returns app_public.tasks
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_tenant text := app_private.current_tenant_id();
  v_now timestamptz := clock_timestamp();
  v_lease app_public.task_leases;
  v_task app_public.tasks;
begin
  if task_id is null then
    raise exception 'invalid %: %', 'task_id', 'it is missing'
      using errcode = 'LTQ05';
  end if;

  -- Once more when it was claimed, given back or ended between two statements.
  loop
    delete from app_public.task_leases l
    where l.tenant_id = v_tenant and l.task_id = cancel_task.task_id
    returning * into v_lease;
    if found then
      insert into app_public.task_attempts (
        tenant_id, task_id, attempt, fencing_token, agent, claimed_at, ended_at, outcome, error, progress, note
      )
      values (
        v_lease.tenant_id, v_lease.task_id, v_lease.attempt, v_lease.fencing_token, v_lease.agent, v_lease.claimed_at,
        v_now, 'cancelled', cancel_task.reason, v_lease.progress, v_lease.note
      );
    end if;

    select * into v_task from app_public.tasks t where t.tenant_id = v_tenant and t.id = cancel_task.task_id;
    if not found then
      raise exception 'there is no task %', task_id
        using errcode = 'LTQ01', hint = 'It was deleted, or is not of your tenant.';
    end if;
    if v_task.status = 'cancelled' then
      return v_task;
    end if;
    continue when exists (
      select from app_public.task_leases l where l.tenant_id = v_tenant and l.task_id = cancel_task.task_id
    );

    update app_public.tasks t
    set status = 'cancelled', completed_at = v_now, error_message = cancel_task.reason
    where t.tenant_id = v_tenant
      and t.id = cancel_task.task_id
      and t.status = v_task.status
      and t.attempt = v_task.attempt
    returning * into v_task;
    if found then
      return v_task;
    end if;
  end loop;
end
$$;

comment on function app_public.cancel_task(uuid, text) is 'Cancels a task that waits or is worked on; its holder learns it by LTQ03 at its next call. The `reason` is kept as error_message. A cancelled task is returned as it is. Returns the task. Errors: LTQ01 no such task, LTQ04 it has ended already, LTQ05 invalid argument.';
--! EndIncluded app_public/functions/cancel_task.sql
--! Included app_public/functions/retry_task.sql
-- Definer, as cancel_task: it sets what only functions may set.
create or replace function app_public.retry_task(task_id uuid, run_after timestamptz default null) returns app_public.tasks
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_tenant text := app_private.current_tenant_id();
  v_task app_public.tasks;
begin
  if task_id is null then
    raise exception 'invalid %: %', 'task_id', 'it is missing'
      using errcode = 'LTQ05';
  end if;

  select * into v_task
  from app_public.tasks t
  where t.tenant_id = v_tenant and t.id = retry_task.task_id
  for no key update;
  if not found then
    raise exception 'there is no task %', task_id
      using errcode = 'LTQ01', hint = 'It was deleted, or is not of your tenant.';
  end if;
  if v_task.status not in ('failed', 'dead') then
    raise exception 'task % is %, which cannot become %', task_id, v_task.status, 'pending'
      using errcode = 'LTQ04', hint = 'Only a failed or dead task can be tried again.';
  end if;

  update app_public.tasks t
  set
    status = 'pending', failures = 0, completed_at = null, error_message = null,
    run_after = coalesce(retry_task.run_after, clock_timestamp())
  where t.tenant_id = v_tenant and t.id = retry_task.task_id
  returning * into strict v_task;
  return v_task;
end
$$;

comment on function app_public.retry_task(uuid, timestamptz) is 'Puts a failed or dead task into the queue again, not before `run_after`, with all of max_attempts before it. Its earlier attempts stay in task_attempts. Returns the task. Errors: LTQ01 no such task, LTQ04 it is neither failed nor dead, LTQ05 invalid argument.';
--! EndIncluded app_public/functions/retry_task.sql
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

-- One trigger per event: a trigger with transition tables can have only one.
create or replace trigger _500_notify_insert
  after insert on app_public.tasks
  referencing new table as changed_rows
  for each statement
  execute function app_private.tg_tasks__notify();

create or replace trigger _500_notify_update
  after update on app_public.tasks
  referencing new table as changed_rows
  for each statement
  execute function app_private.tg_tasks__notify();

create or replace trigger _500_notify_delete
  after delete on app_public.tasks
  referencing old table as changed_rows
  for each statement
  execute function app_private.tg_tasks__notify();
--! EndIncluded app_public/triggers/tasks.sql
--! Included app_public/triggers/task_leases.sql
create or replace trigger _200_keys
  before update of tenant_id, task_id on app_public.task_leases
  for each row
  when (old.tenant_id is distinct from new.tenant_id or old.task_id is distinct from new.task_id)
  execute function app_private.tg__refuse_key_change();

-- The rest of the audit is left out (audit/tracked_tables.sql); that all leases go at once must not be.
create or replace trigger _800_audit_truncate
  after truncate on app_public.task_leases
  for each statement
  execute function audit.tg__log_truncate();
--! EndIncluded app_public/triggers/task_leases.sql
--! Included app_public/triggers/task_attempts.sql
create or replace trigger _200_keys
  before update of tenant_id, task_id, attempt on app_public.task_attempts
  for each row
  when (
    old.tenant_id is distinct from new.tenant_id
    or old.task_id is distinct from new.task_id
    or old.attempt is distinct from new.attempt
  )
  execute function app_private.tg__refuse_key_change();
--! EndIncluded app_public/triggers/task_attempts.sql
--! Included app_public/policies/tasks.sql
alter table app_public.tasks enable row level security, force row level security;

-- Everybody of a tenant reads all of its tasks.
drop policy if exists select_tenant on app_public.tasks;
create policy select_tenant on app_public.tasks for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- People, services and administrators add tasks to their own tenant.
drop policy if exists insert_tenant on app_public.tasks;
create policy insert_tenant on app_public.tasks for insert to :MEMBER, :SERVICE, :ADMIN
  with check (tenant_id = (select app_private.current_tenant_id()));

-- They change their tenant's tasks, and cannot move one out of it.
drop policy if exists update_tenant on app_public.tasks;
create policy update_tenant on app_public.tasks for update to :MEMBER, :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));

-- They remove their tenant's tasks.
drop policy if exists delete_tenant on app_public.tasks;
create policy delete_tenant on app_public.tasks for delete to :MEMBER, :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()));

-- The functions of tasks run as the owner, confined to the tenant of whoever calls them.
drop policy if exists select_definer on app_public.tasks;
create policy select_definer on app_public.tasks for select to :OWNER
  using (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists update_definer on app_public.tasks;
create policy update_definer on app_public.tasks for update to :OWNER
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));

revoke all on app_public.tasks from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.tasks to :MEMBER, :SERVICE, :ADMIN, :ANALYST, :WORKER;
grant insert (tenant_id, id, agent_id, description, status, priority, context, result, started_at, completed_at,
  error_message, required_capabilities, run_after, max_attempts, idempotency_key) on app_public.tasks to :MEMBER, :SERVICE,
  :ADMIN;
-- Only programs bring history with them.
grant insert (created_at) on app_public.tasks to :SERVICE, :ADMIN;
-- No update of tenant_id, id, idempotency_key or created_at for anybody: keys and beginnings do not change.
grant update (agent_id, description, status, priority, context, result, started_at, completed_at, error_message,
  required_capabilities, run_after, max_attempts) on app_public.tasks to :MEMBER, :SERVICE, :ADMIN;
-- No insert and no update of attempt, failures and queue_at: the functions and triggers keep them.
-- ops.reap_expired_leases.
grant update (status, failures, error_message, completed_at) on app_public.tasks to :WORKER;
grant delete on app_public.tasks to :MEMBER, :SERVICE, :ADMIN;
-- No truncate for anybody: it knows no tenants.
--! EndIncluded app_public/policies/tasks.sql
--! Included app_public/policies/task_leases.sql
alter table app_public.task_leases enable row level security, force row level security;

-- Everybody of a tenant sees who works on what.
drop policy if exists select_tenant on app_public.task_leases;
create policy select_tenant on app_public.task_leases for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- The functions that claim, extend and end leases run as the owner, confined to the tenant of whoever calls them.
drop policy if exists manage_definer on app_public.task_leases;
create policy manage_definer on app_public.task_leases for all to :OWNER
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));

revoke all on app_public.task_leases from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.task_leases to :MEMBER, :SERVICE, :ADMIN, :ANALYST, :WORKER;
-- No insert, update or delete for those who make requests: a fencing token that could be written would prove nothing.
-- The worker takes expired leases away; it can lock a row only where it may update a column.
grant update (heartbeat_at) on app_public.task_leases to :WORKER;
grant delete on app_public.task_leases to :WORKER;
--! EndIncluded app_public/policies/task_leases.sql
--! Included app_public/policies/task_attempts.sql
alter table app_public.task_attempts enable row level security, force row level security;

-- Everybody of a tenant reads the history of its tasks.
drop policy if exists select_tenant on app_public.task_attempts;
create policy select_tenant on app_public.task_attempts for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- The functions that end leases run as the owner, confined to the tenant of whoever calls them.
drop policy if exists select_definer on app_public.task_attempts;
create policy select_definer on app_public.task_attempts for select to :OWNER
  using (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists insert_definer on app_public.task_attempts;
create policy insert_definer on app_public.task_attempts for insert to :OWNER
  with check (tenant_id = (select app_private.current_tenant_id()));

revoke all on app_public.task_attempts from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.task_attempts to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
grant insert (tenant_id, task_id, attempt, fencing_token, agent, claimed_at, ended_at, outcome, error, progress, note)
  on app_public.task_attempts to :WORKER;
-- No update and no delete for anybody: history goes with its task and not before.
--! EndIncluded app_public/policies/task_attempts.sql
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
--! EndIncluded cross_tenant_policies.sql
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
select audit.enable_tracking('app_public.sessions', digested => '{token}');
-- Thousands of points a call: a row per statement says who wrote how many.
select audit.enable_tracking('app_public.metrics', detail => false);
-- Made of the points again and again; a row per statement says that it was the worker.
select audit.enable_tracking('app_public.metrics_minute', detail => false);
select audit.enable_tracking('app_public.metrics_hour', detail => false);
select audit.enable_tracking('app_public.metrics_day', detail => false);
--! EndIncluded audit/tracked_tables.sql
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
grant execute on function ops.ensure_partitions(integer, integer) to :WORKER;
grant execute on function ops.reap_expired_leases(integer) to :WORKER;
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
--! EndIncluded grants.sql
--! Included app_public/comments.sql
comment on schema app_public is E'Agent Lightning DB\nThe state of AI agents. Every table is confined to one tenant by row-level security, and what is listed here follows the caller''s rights: without a token there is next to nothing.';

comment on table app_public.tenants is 'A tenant: one customer or team, whose data nobody else sees.';
comment on column app_public.tenants.id is 'A short name in lower case, e.g. `default`. Never changes.';
comment on column app_public.tenants.name is 'The name to show.';
comment on column app_public.tenants.suspended_at is 'Since when the tenant is locked out; null: it is not.';
comment on column app_public.tenants.created_at is 'When the tenant was made.';
comment on column app_public.tenants.updated_at is 'When the row last changed; kept by a trigger.';

comment on table app_public.agents is E'@unique id|@fieldName agent|@updateFieldName updateAgent|@deleteFieldName deleteAgent\nAn AI agent: who it is, which model it runs on and how it is set up.';
comment on column app_public.agents.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.agents.id is 'The agent''s id in its tenant, e.g. `full_stack_developer`.';
comment on column app_public.agents.name is 'The name to show.';
comment on column app_public.agents.model is 'The language model, e.g. `gpt-4o`.';
comment on column app_public.agents.specialization is 'What it is good at, in a word or two.';
comment on column app_public.agents.status is 'One of idle, busy, paused, offline, error.';
comment on column app_public.agents.config is 'Everything else about it: prompts, capabilities, limits.';
comment on column app_public.agents.created_at is 'When the agent was registered.';
comment on column app_public.agents.updated_at is 'When the row last changed; kept by a trigger.';

comment on table app_public.tasks is E'@unique id|@fieldName task|@updateFieldName updateTask|@deleteFieldName deleteTask\nA piece of work for an agent.';
comment on column app_public.tasks.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.tasks.id is 'The task''s id.';
comment on column app_public.tasks.agent_id is 'Which agent is to do it; null: whoever claims it, or the agent was removed.';
comment on column app_public.tasks.description is 'What is to be done.';
comment on column app_public.tasks.status is 'One of pending, assigned, running, completed, failed, cancelled, dead.';
comment on column app_public.tasks.priority is 'One of low, normal, high, critical.';
comment on column app_public.tasks.context is 'What the agent needs to know.';
comment on column app_public.tasks.result is 'What came out; null until it is completed.';
comment on column app_public.tasks.created_at is 'When the task was made.';
comment on column app_public.tasks.started_at is 'When work began, at the latest attempt.';
comment on column app_public.tasks.completed_at is 'When it ended, well or badly.';
comment on column app_public.tasks.error_message is 'Why it failed, the latest time, or why it was cancelled.';
comment on column app_public.tasks.required_capabilities is 'Only who has all of them may claim it.';
comment on column app_public.tasks.run_after is 'It is not claimed before.';
comment on column app_public.tasks.queue_at is 'Its place in the queue: run_after, put forward by 3 hours for critical, 1 hour for high, 20 minutes for normal. Kept by a trigger.';
comment on column app_public.tasks.attempt is 'How often it was claimed: the number of the latest attempt.';
comment on column app_public.tasks.failures is 'How many attempts failed or expired since it was made or retried.';
comment on column app_public.tasks.max_attempts is 'As many failures make it dead.';
comment on column app_public.tasks.idempotency_key is 'Enqueued again under the same key it stays one task. Unique in the tenant.';

comment on table app_public.task_leases is E'@unique task_id|@fieldName taskLease\nWho works on a task at the moment, and until when. Written by the functions of tasks only.';
comment on column app_public.task_leases.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.task_leases.task_id is 'The task.';
comment on column app_public.task_leases.fencing_token is 'Grows with every claim; every write of the task needs the current one.';
comment on column app_public.task_leases.attempt is 'Which attempt at the task it is, from 1.';
comment on column app_public.task_leases.agent is 'Who claimed it, as they call themselves.';
comment on column app_public.task_leases.lease is 'For how long each heartbeat extends it.';
comment on column app_public.task_leases.claimed_at is 'When it was claimed.';
comment on column app_public.task_leases.heartbeat_at is 'When something was heard last.';
comment on column app_public.task_leases.expires_at is 'When somebody else may have it.';
comment on column app_public.task_leases.progress is 'How far it is, from 0 to 1; null: nothing was said.';
comment on column app_public.task_leases.note is 'What its holder said last about it.';

comment on table app_public.task_attempts is 'What became of each time that a task was claimed. Written by the functions of tasks only.';
comment on column app_public.task_attempts.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.task_attempts.task_id is 'The task.';
comment on column app_public.task_attempts.attempt is 'Which attempt at the task it was, from 1.';
comment on column app_public.task_attempts.fencing_token is 'The token that it wrote with.';
comment on column app_public.task_attempts.agent is 'Who claimed it, as they call themselves.';
comment on column app_public.task_attempts.claimed_at is 'When it was claimed.';
comment on column app_public.task_attempts.ended_at is 'When it ended.';
comment on column app_public.task_attempts.outcome is 'One of completed, failed, expired, released, cancelled.';
comment on column app_public.task_attempts.error is 'Why it failed, expired or was cancelled.';
comment on column app_public.task_attempts.progress is 'How far it came, from 0 to 1; null: nothing was said.';
comment on column app_public.task_attempts.note is 'What its holder said last about it.';

comment on type app_public.claimed_task is 'A task as a claim gives it: with what is needed to work on it and to report back.';
comment on column app_public.claimed_task.task_id is 'The task''s id.';
comment on column app_public.claimed_task.fencing_token is 'To be given back with every call about this attempt.';
comment on column app_public.claimed_task.attempt is 'Which attempt it is, from 1.';
comment on column app_public.claimed_task.max_attempts is 'As many failures make it dead.';
comment on column app_public.claimed_task.expires_at is 'When somebody else may have it, unless heartbeat_task extends it.';
comment on column app_public.claimed_task.agent_id is 'Which agent is to do it; null: any.';
comment on column app_public.claimed_task.priority is 'One of low, normal, high, critical.';
comment on column app_public.claimed_task.description is 'What is to be done.';
comment on column app_public.claimed_task.context is 'What the agent needs to know.';
comment on column app_public.claimed_task.required_capabilities is 'What it takes to do it.';
comment on column app_public.claimed_task.created_at is 'When the task was made.';

comment on table app_public.knowledge is E'@unique id|@fieldName knowledge|@updateFieldName updateKnowledge|@deleteFieldName deleteKnowledge\nAn item of knowledge that agents look up, with an embedding to find it by meaning.';
comment on column app_public.knowledge.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.knowledge.id is 'The item''s id; a random one where none is given.';
comment on column app_public.knowledge.agent_id is 'Whose knowledge it is; null: everybody''s, or the agent was removed.';
comment on column app_public.knowledge.category is 'A word to group by.';
comment on column app_public.knowledge.content is 'The text itself.';
comment on column app_public.knowledge.source is 'Where it comes from: a file, an address, a whole quotation.';
comment on column app_public.knowledge.metadata is 'Anything else about it.';
comment on column app_public.knowledge.embedding is 'The content''s embedding, 1536 dimensions; null until it is computed.';
comment on column app_public.knowledge.embedding_error is 'Why the content could not be embedded; null: it was, or it has not been tried. Content that changes is tried again.';
comment on column app_public.knowledge.usage_count is 'How often it was used.';
comment on column app_public.knowledge.relevance_score is 'How useful it proved; 1 is neutral.';
comment on column app_public.knowledge.created_at is 'When it was added.';
comment on column app_public.knowledge.last_used_at is 'When it was last used.';

comment on table app_public.workflows is E'@unique id|@fieldName workflow|@updateFieldName updateWorkflow|@deleteFieldName deleteWorkflow\nSeveral steps of work that belong together.';
comment on column app_public.workflows.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.workflows.id is 'The workflow''s id.';
comment on column app_public.workflows.name is 'The name to show.';
comment on column app_public.workflows.description is 'What it is for.';
comment on column app_public.workflows.steps is 'The steps, a JSON array.';
comment on column app_public.workflows.status is 'One of draft, pending, running, paused, completed, failed, cancelled.';
comment on column app_public.workflows.created_by is 'Who made it.';
comment on column app_public.workflows.assigned_to is 'Who looks after it.';
comment on column app_public.workflows.context is 'What all steps need to know.';
comment on column app_public.workflows.created_at is 'When the workflow was made.';
comment on column app_public.workflows.updated_at is 'When the row last changed; kept by a trigger.';

comment on table app_public.sessions is E'@unique id|@fieldName session|@updateFieldName updateSession|@deleteFieldName deleteSession\nA user''s login session. The token itself is stored nowhere.';
comment on column app_public.sessions.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.sessions.id is 'The session''s id.';
comment on column app_public.sessions.user_id is 'Whose session it is.';
comment on column app_public.sessions.token is 'SHA-256 of the token, 64 hexadecimal digits. Can be written and never read.';
comment on column app_public.sessions.data is 'What the service keeps in it.';
comment on column app_public.sessions.expires_at is 'When it ends.';
comment on column app_public.sessions.created_at is 'When it was opened.';

comment on table app_public.metrics is 'A measurement of a service at a point in time. Partitioned by day, removed by retention.';
comment on column app_public.metrics.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.metrics.id is 'Tells points of the same instant apart.';
comment on column app_public.metrics.service_name is 'Who measured.';
comment on column app_public.metrics.metric_name is 'What was measured.';
comment on column app_public.metrics.value is 'The value, in the metric''s own unit.';
comment on column app_public.metrics.tags is 'Dimensions to filter and group by: a flat object.';
comment on column app_public.metrics."timestamp" is 'When it was measured.';

comment on table app_public.metrics_minute is 'What the points of a series amount to in a minute: made by the worker, read by `metric_series` and `metric_percentiles`.';
comment on column app_public.metrics_minute.tenant_id is E'@behavior -*\nThe tenant.';
comment on column app_public.metrics_minute.service_name is 'Who measured.';
comment on column app_public.metrics_minute.metric_name is 'What was measured.';
comment on column app_public.metrics_minute.tags is 'The dimensions of the series.';
comment on column app_public.metrics_minute.tags_hash is E'@behavior -*\nDigest of the tags, for the key.';
comment on column app_public.metrics_minute.bucket is 'When it begins.';
comment on column app_public.metrics_minute.count is 'How many points.';
comment on column app_public.metrics_minute.sum is 'Their sum.';
comment on column app_public.metrics_minute.min is 'The smallest value.';
comment on column app_public.metrics_minute.max is 'The largest value.';
comment on column app_public.metrics_minute.last is 'The value that was measured last.';
comment on column app_public.metrics_minute.last_at is 'When that was.';
comment on column app_public.metrics_minute.sketch_keys is E'@behavior -*\nThe buckets of the histogram that have values, in order; see the documentation of metrics.';
comment on column app_public.metrics_minute.sketch_counts is E'@behavior -*\nHow many values each of them has.';

comment on table app_public.metrics_hour is 'What the points of a series amount to in an hour: made by the worker, read by `metric_series` and `metric_percentiles`.';
comment on column app_public.metrics_hour.tenant_id is E'@behavior -*\nThe tenant.';
comment on column app_public.metrics_hour.service_name is 'Who measured.';
comment on column app_public.metrics_hour.metric_name is 'What was measured.';
comment on column app_public.metrics_hour.tags is 'The dimensions of the series.';
comment on column app_public.metrics_hour.tags_hash is E'@behavior -*\nDigest of the tags, for the key.';
comment on column app_public.metrics_hour.bucket is 'When it begins.';
comment on column app_public.metrics_hour.count is 'How many points.';
comment on column app_public.metrics_hour.sum is 'Their sum.';
comment on column app_public.metrics_hour.min is 'The smallest value.';
comment on column app_public.metrics_hour.max is 'The largest value.';
comment on column app_public.metrics_hour.last is 'The value that was measured last.';
comment on column app_public.metrics_hour.last_at is 'When that was.';
comment on column app_public.metrics_hour.sketch_keys is E'@behavior -*\nThe buckets of the histogram that have values, in order; see the documentation of metrics.';
comment on column app_public.metrics_hour.sketch_counts is E'@behavior -*\nHow many values each of them has.';

comment on table app_public.metrics_day is 'What the points of a series amount to in a day (of UTC): made by the worker, read by `metric_series` and `metric_percentiles`.';
comment on column app_public.metrics_day.tenant_id is E'@behavior -*\nThe tenant.';
comment on column app_public.metrics_day.service_name is 'Who measured.';
comment on column app_public.metrics_day.metric_name is 'What was measured.';
comment on column app_public.metrics_day.tags is 'The dimensions of the series.';
comment on column app_public.metrics_day.tags_hash is E'@behavior -*\nDigest of the tags, for the key.';
comment on column app_public.metrics_day.bucket is 'When it begins.';
comment on column app_public.metrics_day.count is 'How many points.';
comment on column app_public.metrics_day.sum is 'Their sum.';
comment on column app_public.metrics_day.min is 'The smallest value.';
comment on column app_public.metrics_day.max is 'The largest value.';
comment on column app_public.metrics_day.last is 'The value that was measured last.';
comment on column app_public.metrics_day.last_at is 'When that was.';
comment on column app_public.metrics_day.sketch_keys is E'@behavior -*\nThe buckets of the histogram that have values, in order; see the documentation of metrics.';
comment on column app_public.metrics_day.sketch_counts is E'@behavior -*\nHow many values each of them has.';

comment on view app_public.user_sessions is E'@primaryKey id|@fieldName userSession\nThe sessions of the tenant''s users, without tokens and data.';
comment on column app_public.user_sessions.tenant_id is E'@behavior -*\nThe tenant.';
comment on column app_public.user_sessions.id is 'The session''s id.';
comment on column app_public.user_sessions.user_id is 'Whose session it is.';
comment on column app_public.user_sessions.expires_at is 'When it ends.';
comment on column app_public.user_sessions.created_at is 'When it was opened.';

-- In GraphQL a caller has one tenant and never names it: rows are found by their own id, the keys that hold the tenant
-- and the way from and to the tenant's row are hidden.
comment on constraint agents_pkey on app_public.agents is E'@behavior -single -update -delete\nA row is known by its tenant and its id.';
comment on constraint tasks_pkey on app_public.tasks is E'@behavior -single -update -delete\nA row is known by its tenant and its id.';
comment on constraint task_leases_pkey on app_public.task_leases is E'@behavior -single\nA task has one lease at a time.';
comment on constraint task_attempts_pkey on app_public.task_attempts is E'@behavior -single\nAn attempt is known by its task and number.';
comment on constraint knowledge_pkey on app_public.knowledge is E'@behavior -single -update -delete\nA row is known by its tenant and its id.';
comment on constraint workflows_pkey on app_public.workflows is E'@behavior -single -update -delete\nA row is known by its tenant and its id.';
comment on constraint sessions_pkey on app_public.sessions is E'@behavior -single -update -delete\nA row is known by its tenant and its id.';
comment on constraint metrics_pkey on app_public.metrics is E'@behavior -single -update -delete\nA row is known by its tenant, its time and its id.';
comment on constraint metrics_minute_pkey on app_public.metrics_minute is E'@behavior -single -update -delete\nA row is known by its tenant, its series and its time.';
comment on constraint metrics_hour_pkey on app_public.metrics_hour is E'@behavior -single -update -delete\nA row is known by its tenant, its series and its time.';
comment on constraint metrics_day_pkey on app_public.metrics_day is E'@behavior -single -update -delete\nA row is known by its tenant, its series and its time.';
comment on constraint agents_tenant_id_fkey on app_public.agents is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint tasks_tenant_id_fkey on app_public.tasks is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint knowledge_tenant_id_fkey on app_public.knowledge is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint workflows_tenant_id_fkey on app_public.workflows is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint sessions_tenant_id_fkey on app_public.sessions is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint metrics_tenant_id_fkey on app_public.metrics is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint metrics_minute_tenant_id_fkey on app_public.metrics_minute is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint metrics_hour_tenant_id_fkey on app_public.metrics_hour is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint metrics_day_tenant_id_fkey on app_public.metrics_day is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint sessions_token_key on app_public.sessions is E'@behavior -*\nA token opens one session, in whichever tenant. Nobody looks up by what they cannot read.';
comment on constraint tasks_agent_id_fkey on app_public.tasks is E'@fieldName agent\n@foreignFieldName tasks\nWho does the task.';
comment on constraint task_leases_task_id_fkey on app_public.task_leases is E'@fieldName task\n@foreignSingleFieldName lease\nThe task that is worked on.';
comment on constraint task_attempts_task_id_fkey on app_public.task_attempts is E'@fieldName task\n@foreignFieldName attempts\nThe task that was tried.';
comment on constraint knowledge_agent_id_fkey on app_public.knowledge is E'@fieldName agent\n@foreignFieldName knowledge\nWhose knowledge it is.';

comment on type app_public.knowledge_match is 'An item of knowledge that a search found, and why.';
comment on column app_public.knowledge_match.id is 'The item''s id.';
comment on column app_public.knowledge_match.agent_id is 'Whose knowledge it is.';
comment on column app_public.knowledge_match.category is 'A word to group by.';
comment on column app_public.knowledge_match.content is 'The text itself.';
comment on column app_public.knowledge_match.source is 'Where it comes from.';
comment on column app_public.knowledge_match.metadata is 'Anything else about it.';
comment on column app_public.knowledge_match.usage_count is 'How often it was used.';
comment on column app_public.knowledge_match.relevance_score is 'How useful it proved; 1 is neutral.';
comment on column app_public.knowledge_match.created_at is 'When it was added.';
comment on column app_public.knowledge_match.last_used_at is 'When it was last used.';
comment on column app_public.knowledge_match.score is 'Reciprocal rank fusion of the parts: 1, first in every part; results are in its order.';
comment on column app_public.knowledge_match.similarity is 'By meaning: cosine similarity, -1 to 1; null: that part did not find it.';
comment on column app_public.knowledge_match.vector_rank is 'By meaning: its place, from 1.';
comment on column app_public.knowledge_match.text_relevance is 'By words: how well and how densely they match, more is better; null: that part did not find it.';
comment on column app_public.knowledge_match.text_rank is 'By words: its place, from 1.';

comment on function app_public.add_knowledge(text, text, text, text, text, jsonb, public.vector) is $$Adds an item of knowledge.

content: the text. id: a random one where none is given. agent_id, category, source, metadata: as in the table. embedding: 1536 dimensions; without one the worker makes it, where EMBEDDINGS_URL is set.

Gives the item.

Errors: LTS15 content is missing; LTS01 or LTS02 an embedding of another dimension or of zeros; 23505 there is one of this id; 23503 there is no such agent.$$;
comment on function app_public.add_knowledge_items(jsonb) is $$Adds many items of knowledge, all or none.

items: an array of 1 to 10000 objects with content and, where there is one, id, agent_id, category, source, metadata, embedding.

Gives the items.

Errors: LTS16 no array, or too long a one; LTS17 what is wrong with which item, counted from 0; 23505 there is one of an id; 23503 there is no such agent.$$;
--! EndIncluded app_public/comments.sql
--! Included app_private/comments.sql
comment on schema app_private is 'Helpers that decide who may see what. Granted to nobody who can ask anything.';

comment on table app_private.tenant_logins is 'Which tenant a login of its own (an analyst''s) sees.';
comment on column app_private.tenant_logins.login is 'The login''s name, as session_user says it.';
comment on column app_private.tenant_logins.tenant_id is 'The one tenant that it sees.';
comment on column app_private.tenant_logins.created_at is 'When it was bound.';

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
comment on function app_private.tg_tasks__notify() is 'Trigger: NOTIFY lightning:tasks with {tenant, operation, ids}; ids is null when more than 150 tasks changed at once.';
comment on function app_private.tg_tenants__notify() is 'Trigger: NOTIFY lightning:tenants without payload when a tenant was suspended or resumed.';
comment on function app_private.tg_knowledge__clear_embedding() is 'Takes away the embedding of content that changed without a new one.';
comment on function app_private.refuse_embedding(public.vector) is 'Raises LTS01 for an embedding of another dimension, LTS02 for one of zeros.';
comment on function app_private.nearest_knowledge(text, public.vector, text, text, jsonb, text, integer) is 'The knowledge of a tenant that is nearest to an embedding, with its cosine distance, nearest first. For the search functions.';
comment on function app_private.knowledge_by_text(text, text, text, text, jsonb, integer) is 'The knowledge of a tenant that holds the words of a text, the most relevant first. For search_knowledge.';
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
--! EndIncluded ops/comments.sql
