--! Previous: sha1:b84ae47525f708c180db212cd6f73f84f4b4035a
--! Hash: sha1:404acadc602e7589f753464a326f907f8bc72b1a
--! Message: workflows

-- Workflows whose steps become tasks. The columns rewrite nothing. The foreign key on tasks reads the table once, while
-- it locks out writers; the index on it holds the tasks of workflows only.

alter table app_public.workflows
  add column started_at timestamptz,
  add column paused_at timestamptz,
  add column completed_at timestamptz,
  add column error_message text;

alter table app_public.tasks
  add column workflow_id uuid,
  add column step_key varchar(63),
  -- A task outlives its workflow.
  add constraint tasks_workflow_id_fkey foreign key (tenant_id, workflow_id)
    references app_public.workflows (tenant_id, id) on delete set null (workflow_id);
-- Partial: most tasks have none, and every change of a task's status would write an entry for it.
create index tasks_workflow_id_idx on app_public.tasks (tenant_id, workflow_id) where workflow_id is not null;

-- How far the steps of started workflows are.
create table app_public.workflow_steps (
  tenant_id text collate "C" not null default app_private.current_tenant_id(),
  workflow_id uuid not null,
  key varchar(63) not null,
  position integer not null,
  depends_on text[] not null,
  on_failure varchar(20) not null,
  definition jsonb not null,
  status varchar(20) not null default 'pending',
  task_id uuid,
  result jsonb,
  error_message text,
  started_at timestamptz,
  completed_at timestamptz,
  timeout_at timestamptz,
  constraint workflow_steps_pkey primary key (tenant_id, workflow_id, key),
  constraint workflow_steps_workflow_id_fkey foreign key (tenant_id, workflow_id)
    references app_public.workflows (tenant_id, id) on delete cascade,
  constraint workflow_steps_task_id_fkey foreign key (tenant_id, task_id) references app_public.tasks (tenant_id, id)
    on delete set null (task_id),
  constraint workflow_steps_on_failure_check check (on_failure in ('fail', 'skip', 'continue')),
  constraint workflow_steps_status_check
    check (status in ('pending', 'running', 'completed', 'failed', 'skipped', 'cancelled'))
);
create index workflow_steps_task_id_idx on app_public.workflow_steps (tenant_id, task_id);
-- What the worker looks through every few seconds.
create index workflow_steps_timeout_at_idx on app_public.workflow_steps (timeout_at) where status = 'running';

-- What workflow_progress answers.
create type app_public.workflow_overview as (
  workflow_id uuid,
  status varchar(20),
  progress double precision,
  total integer,
  pending integer,
  running integer,
  completed integer,
  failed integer,
  skipped integer,
  cancelled integer,
  error_message text,
  started_at timestamptz,
  completed_at timestamptz,
  steps jsonb
);

--! Included app_private/functions/workflow_step_problems.sql
-- What is wrong with one step of a workflow by itself; what it says of other steps is looked at in
-- workflow_steps_problems. A property that is null counts as one that is not there.
create or replace function app_private.workflow_step_problems(place text, step jsonb)
returns table (path text, problem text)
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_task jsonb := case when jsonb_typeof(step -> 'task') = 'object' then step -> 'task' end;
begin
  if jsonb_typeof(step) <> 'object' then
    return query select place, 'it is no object';
    return;
  end if;

  return query
  select place || '.' || k, 'there is no such property'
  from jsonb_object_keys(
    step - array['key', 'task', 'depends_on', 'on_failure', 'max_attempts', 'timeout', 'condition']
  ) k;

  if jsonb_typeof(step -> 'key') is distinct from 'string' or step ->> 'key' !~ '^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$' then
    return query select place || '.key', 'it is no text of 1 to 63 letters, digits and _ . - that begins with none of . -';
  end if;
  if step ->> 'on_failure' not in ('fail', 'skip', 'continue') then
    return query
    select place || '.on_failure', format('%s is none of fail, skip, continue', step -> 'on_failure');
  end if;
  if jsonb_typeof(step -> 'max_attempts') <> 'null'
    and not (step -> 'max_attempts') @? '$ ? (@ >= 1 && @ <= 100 && @ == @.floor())'
  then
    return query
    select place || '.max_attempts', format('%s is no whole number from 1 to 100', step -> 'max_attempts');
  end if;
  if jsonb_typeof(step -> 'timeout') <> 'null'
    and (case
      when jsonb_typeof(step -> 'timeout') <> 'string' or not pg_input_is_valid(step ->> 'timeout', 'interval') then true
      else (step ->> 'timeout')::interval not between interval '1 second' and interval '365 days'
    end)
  then
    return query
    select
      place || '.timeout',
      format('%s is no text of an interval between 1 second and 365 days, such as "15 minutes"', step -> 'timeout');
  end if;
  if jsonb_typeof(step -> 'depends_on') not in ('array', 'null') then
    return query select place || '.depends_on', 'it is no array of keys';
  end if;

  if v_task is null then
    return query select place || '.task', 'it is no object';
    return;
  end if;
  return query
  select place || '.task.' || k, 'there is no such property'
  from jsonb_object_keys(v_task - array['description', 'priority', 'agent_id', 'capabilities', 'context']) k;
  if jsonb_typeof(v_task -> 'description') is distinct from 'string' or v_task ->> 'description' = '' then
    return query select place || '.task.description', 'it is no text or empty';
  end if;
  if v_task ->> 'priority' not in ('low', 'normal', 'high', 'critical') then
    return query
    select place || '.task.priority', format('%s is none of low, normal, high, critical', v_task -> 'priority');
  end if;
  if jsonb_typeof(v_task -> 'agent_id') not in ('string', 'null')
    or length(v_task ->> 'agent_id') not between 1 and 50
  then
    return query select place || '.task.agent_id', 'it is no text of 1 to 50 characters';
  end if;
  if jsonb_typeof(v_task -> 'capabilities') not in ('array', 'null')
    or (v_task -> 'capabilities') @? 'strict $[*] ? (@.type() != "string")'
  then
    return query select place || '.task.capabilities', 'it is no array of texts';
  end if;
  if jsonb_typeof(v_task -> 'context') not in ('object', 'null') then
    return query select place || '.task.context', 'it is no object';
  else
    return query
    select place || '.task.context.' || k, 'this name is taken by what a step is told of its workflow'
    from unnest(array['workflow', 'steps']) k
    where v_task -> 'context' ? k;
  end if;
end
$$;
--! EndIncluded app_private/functions/workflow_step_problems.sql
--! Included app_private/functions/workflow_condition_problems.sql
-- What is wrong with a condition of a step, whose `known` are the keys that it may ask about: those that it depends on,
-- directly or through others, because only they have ended for certain when it is asked.
create or replace function app_private.workflow_condition_problems(
  place text,
  condition jsonb,
  known text[],
  depth integer default 1
) returns table (path text, problem text)
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_kind text := (
    select min(k)
    from unnest(array['all', 'any', 'not', 'step']) k
    where jsonb_typeof(condition) = 'object' and condition ? k
  );
  v_op text := condition ->> 'op';
begin
  if depth > 20 then
    return query select place, 'it is nested more than 20 deep';
    return;
  elsif v_kind is null then
    return query select place, 'it is no object with one of all, any, not, step';
    return;
  end if;

  return query
  select place || '.' || k, format('there is no such property beside %s', v_kind)
  from jsonb_object_keys(
    condition - case
      when v_kind <> 'step' then array[v_kind]
      when condition ? 'status' then array['step', 'status']
      else array['step', 'path', 'op', 'value']
    end
  ) k;

  if v_kind = 'not' then
    return query
    select * from app_private.workflow_condition_problems(place || '.not', condition -> 'not', known, depth + 1);
  elsif v_kind in ('all', 'any') and jsonb_typeof(condition -> v_kind) <> 'array' then
    return query select place || '.' || v_kind, 'it is no array of conditions';
  elsif v_kind in ('all', 'any') then
    return query
    select p.*
    from jsonb_array_elements(condition -> v_kind) with ordinality i(item, position)
    cross join lateral app_private.workflow_condition_problems(
      format('%s.%s[%s]', place, v_kind, i.position - 1), i.item, known, depth + 1
    ) p;
  elsif jsonb_typeof(condition -> 'step') <> 'string' or condition ->> 'step' <> all (known) then
    return query
    select place || '.step', format('%s is no step that this one depends on', condition -> 'step');
  elsif condition ? 'status' then
    if condition ->> 'status' is null or condition ->> 'status' not in ('completed', 'failed', 'skipped') then
      return query
      select place || '.status', format('%s is none of completed, failed, skipped', condition -> 'status');
    end if;
  else
    if jsonb_typeof(condition -> 'path') is distinct from 'array'
      or condition -> 'path' @? 'strict $[*] ? (@.type() != "string" && @.type() != "number")'
    then
      return query select place || '.path', 'it is no array of names and positions, such as ["items", 0, "score"]';
    end if;
    if v_op is null or v_op not in ('eq', 'ne', 'gt', 'gte', 'lt', 'lte', 'in', 'contains', 'exists') then
      return query
      select
        place || '.op',
        format('%s is none of eq, ne, gt, gte, lt, lte, in, contains, exists', coalesce(condition -> 'op', 'null'));
    elsif (v_op = 'exists') = (condition ? 'value') then
      return query
      select place || '.value', case v_op when 'exists' then 'exists compares with nothing' else 'it is missing' end;
    elsif v_op in ('gt', 'gte', 'lt', 'lte') and jsonb_typeof(condition -> 'value') not in ('number', 'string') then
      return query select place || '.value', format('%s compares with a number or a text', v_op);
    elsif v_op = 'in' and jsonb_typeof(condition -> 'value') <> 'array' then
      return query select place || '.value', 'in looks into an array';
    end if;
  end if;
end
$$;
--! EndIncluded app_private/functions/workflow_condition_problems.sql
--! Included app_private/functions/workflow_steps_problems.sql
-- Everything that is wrong with the steps of a workflow, by the path in the JSON, in its order. The shape is described
-- in docs/workflows.md.
create or replace function app_private.workflow_steps_problems(steps jsonb)
returns table (path text, problem text)
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_ancestors jsonb;
begin
  if jsonb_typeof(steps) is distinct from 'array' then
    return query select 'steps', 'it is no array of steps';
    return;
  elsif jsonb_array_length(steps) > 200 then
    return query select 'steps', format('%s are more than 200', jsonb_array_length(steps));
    return;
  end if;

  -- By key, the keys of all steps that it depends on, directly or through others. Who depends on itself is in a cycle.
  with recursive dependencies as (
    select distinct i.item ->> 'key' as key, d.key as dependency
    from jsonb_array_elements(workflow_steps_problems.steps) i(item)
    cross join lateral jsonb_array_elements_text(
      case when jsonb_typeof(i.item -> 'depends_on') = 'array' then i.item -> 'depends_on' else '[]' end
    ) d(key)
    where jsonb_typeof(i.item -> 'key') = 'string' and d.key is not null
  ),
  ancestors as (
    select d.key, d.dependency as ancestor
    from dependencies d
    union
    select a.key, d.dependency
    from ancestors a
    join dependencies d on d.key = a.ancestor
  )
  select coalesce(jsonb_object_agg(a.key, a.ancestors), '{}') into v_ancestors
  from (select a.key, jsonb_agg(a.ancestor order by a.ancestor) as ancestors from ancestors a group by a.key) a;

  return query
  with listed as (
    select
      i.item, i.position, format('steps[%s]', i.position - 1) as place, i.item ->> 'key' as key,
      case when jsonb_typeof(i.item -> 'depends_on') = 'array' then i.item -> 'depends_on' else '[]' end as depends_on
    from jsonb_array_elements(workflow_steps_problems.steps) with ordinality i(item, position)
  )
  select p.path, p.problem
  from listed l
  cross join lateral (
    select 1 as part, 0::bigint as nth, s.path, s.problem
    from app_private.workflow_step_problems(l.place, l.item) s
    union all
    select 2, 0, l.place || '.key', format('steps[%s] has the key %s already', min(f.position) - 1, l.item -> 'key')
    from listed f
    where f.key = l.key and f.position < l.position
    having count(*) > 0
    union all
    select
      3, d.position, format('%s.depends_on[%s]', l.place, d.position - 1),
      case
        when jsonb_typeof(d.item) <> 'string' then 'it is no key of a step'
        when not exists (select from listed f where f.key = d.item #>> '{}') then format('unknown step %s', d.item)
        when exists (
          select from jsonb_array_elements(l.depends_on) with ordinality f(item, position)
          where f.item = d.item and f.position < d.position
        ) then format('%s is listed twice', d.item)
        when d.item #>> '{}' = l.key then 'a step cannot depend on itself'
        when v_ancestors -> (d.item #>> '{}') ? l.key then format('a cycle: %s depends on %s', d.item, l.item -> 'key')
      end
    from jsonb_array_elements(l.depends_on) with ordinality d(item, position)
    union all
    select 4, 0, c.path, c.problem
    from app_private.workflow_condition_problems(
      l.place || '.condition', l.item -> 'condition',
      array(select jsonb_array_elements_text(coalesce(v_ancestors -> l.key, '[]')))
    ) c
    where jsonb_typeof(l.item -> 'condition') <> 'null'
  ) p
  where p.problem is not null
  order by l.position, p.part, p.nth;
end
$$;
--! EndIncluded app_private/functions/workflow_steps_problems.sql
--! Included app_private/functions/tg_workflows__check_steps.sql
-- Refuses steps that could not run, naming the first problem, and all (twenty at most) in the detail. What has ended
-- already when it is written is history in whatever shape it comes; retry_workflow looks at it before it runs again.
-- Definer: nobody may call what it calls.
create or replace function app_private.tg_workflows__check_steps() returns trigger
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_problems text[];
begin
  if TG_OP = 'INSERT' and NEW.status in ('completed', 'failed', 'cancelled') then
    return NEW;
  end if;
  v_problems := array(
    select format('%s: %s', p.path, p.problem) from app_private.workflow_steps_problems(NEW.steps) p limit 20
  );
  if v_problems <> '{}' then
    raise exception '%', v_problems[1]
      using errcode = 'LTW02', detail = array_to_string(v_problems, E'\n'), hint = 'The shape of steps is in docs/workflows.md.';
  end if;
  return NEW;
end
$$;
--! EndIncluded app_private/functions/tg_workflows__check_steps.sql
--! Included app_private/functions/tg_workflows__check_update.sql
-- The states of a workflow and their order, for everybody who writes. Of a workflow that start_workflow has started
-- (started_at, which only functions can set, says so) the functions alone change the state: they set paused_at and
-- completed_at with it, which nobody else may.
create or replace function app_private.tg_workflows__check_update() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  if OLD.status <> NEW.status and not (case OLD.status
    when 'draft' then NEW.status in ('pending', 'running', 'cancelled')
    when 'pending' then NEW.status in ('draft', 'running', 'cancelled')
    when 'running' then NEW.status in ('paused', 'completed', 'failed', 'cancelled')
    when 'paused' then NEW.status in ('running', 'cancelled')
    else NEW.status = 'running'
  end) then
    raise exception 'workflow % is %, which cannot become %', OLD.id, OLD.status, NEW.status
      using errcode = 'LTW04', hint = 'The states and their order are in docs/workflows.md.';
  end if;

  if NEW.started_at is not null and (
    (NEW.status = 'paused') <> (NEW.paused_at is not null)
    or (NEW.status in ('completed', 'failed', 'cancelled')) <> (NEW.completed_at is not null)
  ) then
    raise exception 'the status of workflow % is kept by its steps', OLD.id
      using
        errcode = 'LTW06',
        detail = format('It is %s, and was to become %s by a direct write.', OLD.status, NEW.status),
        hint = 'pause_workflow, resume_workflow, cancel_workflow and retry_workflow change it.';
  end if;

  if NEW.started_at is not null and OLD.status in ('running', 'paused') and NEW.steps is distinct from OLD.steps then
    raise exception 'the steps of workflow % cannot be changed while it is %', OLD.id, OLD.status
      using errcode = 'LTW03', hint = 'Cancel it, change the steps, and go on with retry_workflow.';
  end if;
  return NEW;
end
$$;
--! EndIncluded app_private/functions/tg_workflows__check_update.sql
--! Included app_private/functions/tg_workflows__check_delete.sql
-- A workflow that runs is not pulled away from below its tasks.
create or replace function app_private.tg_workflows__check_delete() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  raise exception 'workflow % is %, and cannot be deleted now', OLD.id, OLD.status
    using errcode = 'LTW07', hint = 'Cancel it first: cancel_workflow.';
end
$$;
--! EndIncluded app_private/functions/tg_workflows__check_delete.sql
--! Included app_private/functions/tg_tasks__check_delete.sql
-- The task of a step that runs is not deleted: its workflow would wait for it forever.
create or replace function app_private.tg_tasks__check_delete() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  if exists (
    select
    from app_public.workflow_steps s
    where s.tenant_id = OLD.tenant_id and s.task_id = OLD.id and s.status = 'running'
  ) then
    raise exception 'task % is a running step of workflow %, and cannot be deleted now', OLD.id, OLD.workflow_id
      using errcode = 'LTW09', hint = 'Cancel the task, or the workflow: cancel_task, cancel_workflow.';
  end if;
  return OLD;
end
$$;
--! EndIncluded app_private/functions/tg_tasks__check_delete.sql
--! Included app_private/functions/tg_tasks__advance_workflows.sql
-- Goes on with the workflows of tasks that ended, or wait again after a failure, in the transaction that did it. Definer:
-- whoever may end a task need not be able to write steps. It sees the caller's tenant; the worker, which has none, calls
-- ops.advance_workflow itself (ops.reap_expired_leases).
create or replace function app_private.tg_tasks__advance_workflows() returns trigger
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_found record;
begin
  if not exists (select from changed_rows c where c.workflow_id is not null) then
    return null;
  end if;

  select c.id, c.workflow_id into v_found
  from changed_rows c
  where c.tenant_id = app_private.current_tenant_id()
    and c.workflow_id is not null
    and c.status = 'pending'
    and not exists (
      select
      from app_public.workflow_steps s
      where s.tenant_id = c.tenant_id and s.task_id = c.id and s.status = 'running'
    );
  if found then
    raise exception 'task % is a step of workflow %, and is not tried again by itself', v_found.id, v_found.workflow_id
      using errcode = 'LTW08', hint = 'retry_workflow runs the step again, and what depends on it.';
  end if;

  -- In the order of locks (ops.lock_workflow).
  for v_found in
    select s.tenant_id, s.workflow_id
    from changed_rows c
    join app_public.workflow_steps s
      on s.tenant_id = c.tenant_id and s.workflow_id = c.workflow_id and s.key = c.step_key and s.status = 'running'
    where s.task_id = c.id and c.status in ('completed', 'failed', 'dead', 'cancelled', 'pending')
    group by s.tenant_id, s.workflow_id
    order by s.tenant_id, s.workflow_id
  loop
    perform ops.advance_workflow(v_found.tenant_id, v_found.workflow_id);
  end loop;
  return null;
end
$$;
--! EndIncluded app_private/functions/tg_tasks__advance_workflows.sql
--! Included app_private/functions/sync_workflow_steps.sql
-- Brings the state of a workflow's steps in line with the steps that are written in it, which are valid: adds those that
-- are new, removes those that are gone. Gives the keys of those that are new or not as they were.
create or replace function app_private.sync_workflow_steps(workflow app_public.workflows) returns text[]
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_changed text[];
begin
  v_changed := array(
    select i.item ->> 'key'
    from jsonb_array_elements(workflow.steps) i(item)
    where not exists (
      select
      from app_public.workflow_steps s
      where s.tenant_id = workflow.tenant_id
        and s.workflow_id = workflow.id
        and s.key = i.item ->> 'key'
        and s.definition = i.item
    )
  );

  delete from app_public.workflow_steps s
  where s.tenant_id = workflow.tenant_id
    and s.workflow_id = workflow.id
    and not exists (select from jsonb_array_elements(workflow.steps) i(item) where i.item ->> 'key' = s.key);
  insert into app_public.workflow_steps as s (tenant_id, workflow_id, key, position, depends_on, on_failure, definition)
  select
    workflow.tenant_id, workflow.id, i.item ->> 'key', i.position,
    array(
      select jsonb_array_elements_text(i.item -> 'depends_on') where jsonb_typeof(i.item -> 'depends_on') = 'array'
    ),
    coalesce(i.item ->> 'on_failure', 'fail'), i.item
  from jsonb_array_elements(workflow.steps) with ordinality i(item, position)
  on conflict (tenant_id, workflow_id, key) do update
  set
    position = excluded.position, depends_on = excluded.depends_on, on_failure = excluded.on_failure,
    definition = excluded.definition
  where (s.position, s.definition) is distinct from (excluded.position, excluded.definition);
  return v_changed;
end
$$;
--! EndIncluded app_private/functions/sync_workflow_steps.sql
--! Included app_private/functions/lock_callers_workflow.sql
-- The workflow of the caller's tenant, locked with its tasks; raises when there is none.
create or replace function app_private.lock_callers_workflow(workflow_id uuid) returns app_public.workflows
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_workflow app_public.workflows;
begin
  if workflow_id is null then
    raise exception 'invalid %: %', 'workflow_id', 'it is missing'
      using errcode = 'LTW05';
  end if;
  v_workflow := ops.lock_workflow(app_private.current_tenant_id(), workflow_id);
  if v_workflow.id is null then
    raise exception 'there is no workflow %', workflow_id
      using errcode = 'LTW01', hint = 'It was deleted, or is not of your tenant.';
  end if;
  return v_workflow;
end
$$;
--! EndIncluded app_private/functions/lock_callers_workflow.sql
--! Included ops/functions/lock_workflow.sql
-- Locks a workflow with the tasks that are not over and their leases, so that the caller may change any of them. Gives
-- the workflow, or null when there is none.
--
-- Everybody locks in one order, so that no two wait for each other: leases, tasks (by id), workflows (by id), steps. Who
-- ends a task holds its lease and the task when the workflow is locked (advance_workflow); so whoever begins with the
-- workflow has to take these before it. A step that started, or a task that was claimed, between the two is met by
-- letting go and beginning anew: each round that is lost is progress of somebody else.
create or replace function ops.lock_workflow(tenant text, workflow uuid) returns app_public.workflows
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_workflow app_public.workflows;
  v_leases uuid[];
  v_tasks uuid[];
begin
  loop
    begin
      v_leases := array(
        select l.task_id
        from app_public.task_leases l
        join app_public.tasks t on t.tenant_id = l.tenant_id and t.id = l.task_id
        where t.tenant_id = tenant and t.workflow_id = workflow
        order by l.task_id
        for update of l
      );
      v_tasks := array(
        select t.id
        from app_public.tasks t
        where t.tenant_id = tenant and t.workflow_id = workflow and t.status in ('pending', 'assigned', 'running')
        order by t.id
        for no key update
      );
      select * into v_workflow
      from app_public.workflows w
      where w.tenant_id = tenant and w.id = workflow
      for no key update;
      perform
      from app_public.workflow_steps s
      where s.tenant_id = tenant and s.workflow_id = workflow
      order by s.key
      for no key update;

      if exists (
        select
        from app_public.tasks t
        left join app_public.task_leases l on l.tenant_id = t.tenant_id and l.task_id = t.id
        where t.tenant_id = tenant
          and t.workflow_id = workflow
          and t.status in ('pending', 'assigned', 'running')
          and (t.id <> all (v_tasks) or l.task_id is not null and l.task_id <> all (v_leases))
      ) then
        raise object_in_use;
      end if;
      return v_workflow;
    exception
      -- The locks of this round are gone.
      when object_in_use then null;
    end;
  end loop;
end
$$;
--! EndIncluded ops/functions/lock_workflow.sql
--! Included ops/functions/lock_waiting_workflow_tasks.sql
-- The tasks of a workflow's steps that wait and that nobody is about to claim, locked.
create or replace function ops.lock_waiting_workflow_tasks(tenant text, workflow uuid) returns uuid[]
language sql volatile
begin atomic
  select array(
    select t.id
    from app_public.workflow_steps s
    join app_public.tasks t on t.tenant_id = s.tenant_id and t.id = s.task_id
    where s.tenant_id = tenant and s.workflow_id = workflow and s.status = 'running' and t.status = 'pending'
    order by t.id
    for no key update of t skip locked
  );
end;
--! EndIncluded ops/functions/lock_waiting_workflow_tasks.sql
--! Included ops/functions/cancel_workflow_tasks.sql
-- Cancels tasks of a workflow's steps, claimed ones too: their holders learn it as from cancel_task. The caller holds
-- them (lock_workflow), and has taken the steps' state from them before, or their steps would count as failed.
create or replace function ops.cancel_workflow_tasks(tenant text, tasks uuid[], reason text) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := clock_timestamp();
begin
  with ended as (
    delete from app_public.task_leases l
    where l.tenant_id = tenant and l.task_id = any (tasks)
    returning *
  )
  insert into app_public.task_attempts (
    tenant_id, task_id, attempt, fencing_token, agent, claimed_at, ended_at, outcome, error, progress, note
  )
  select
    e.tenant_id, e.task_id, e.attempt, e.fencing_token, e.agent, e.claimed_at, v_now, 'cancelled', reason, e.progress,
    e.note
  from ended e;

  update app_public.tasks t
  set status = 'cancelled', completed_at = v_now, error_message = reason
  where t.tenant_id = tenant and t.id = any (tasks) and t.status in ('pending', 'assigned', 'running');
end
$$;
--! EndIncluded ops/functions/cancel_workflow_tasks.sql
--! Included ops/functions/workflow_condition_holds.sql
-- Whether a step's condition holds, given what the steps before it came to: {key: {status, result}}. What is not there
-- is null. Numbers are compared with numbers and texts with texts, byte by byte; anything else is neither more nor less.
create or replace function ops.workflow_condition_holds(condition jsonb, inputs jsonb) returns boolean
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_item jsonb;
  v_found jsonb;
  v_value jsonb := condition -> 'value';
  v_order integer;
begin
  if condition ? 'all' then
    for v_item in select jsonb_array_elements(condition -> 'all') loop
      if not ops.workflow_condition_holds(v_item, inputs) then
        return false;
      end if;
    end loop;
    return true;
  elsif condition ? 'any' then
    for v_item in select jsonb_array_elements(condition -> 'any') loop
      if ops.workflow_condition_holds(v_item, inputs) then
        return true;
      end if;
    end loop;
    return false;
  elsif condition ? 'not' then
    return not ops.workflow_condition_holds(condition -> 'not', inputs);
  elsif condition ? 'status' then
    return inputs #>> array[condition ->> 'step', 'status'] = condition ->> 'status';
  end if;

  v_found := coalesce(
    inputs #> (array[condition ->> 'step', 'result'] || array(select jsonb_array_elements_text(condition -> 'path'))),
    'null'
  );
  if condition ->> 'op' in ('gt', 'gte', 'lt', 'lte') then
    if jsonb_typeof(v_found) <> jsonb_typeof(v_value) then
      return false;
    elsif jsonb_typeof(v_value) = 'number' then
      v_order := sign((v_found #>> '{}')::numeric - (v_value #>> '{}')::numeric);
    else
      v_order := case
        when v_found #>> '{}' collate "C" < v_value #>> '{}' then -1
        when v_found #>> '{}' collate "C" > v_value #>> '{}' then 1
        else 0
      end;
    end if;
  end if;
  return case condition ->> 'op'
    when 'eq' then v_found = v_value
    when 'ne' then v_found <> v_value
    when 'gt' then v_order > 0
    when 'gte' then v_order >= 0
    when 'lt' then v_order < 0
    when 'lte' then v_order <= 0
    when 'in' then exists (select from jsonb_array_elements(v_value) e where e = v_found)
    when 'contains' then v_found @> v_value
    when 'exists' then v_found <> 'null'
  end;
end
$$;
--! EndIncluded ops/functions/workflow_condition_holds.sql
--! Included ops/functions/begin_workflow_step.sql
-- Makes the task of a step whose dependencies have ended, and says what the step is now: running, skipped, or failed
-- because its agent is not there, which must not undo the work of the step before. The caller holds the workflow.
create or replace function ops.begin_workflow_step(workflow app_public.workflows, step app_public.workflow_steps)
returns text
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := clock_timestamp();
  v_inputs jsonb;
  v_template jsonb := step.definition -> 'task';
  v_status text;
  v_error text;
  v_task uuid;
begin
  select
    case
      when d.blocking is not null or d.skipped = cardinality(step.depends_on) and d.skipped > 0 then 'skipped'
    end,
    d.blocking
  into v_status, v_error
  from (
    select
      count(*) filter (where s.status = 'skipped') as skipped,
      -- A failure goes on through those that were skipped for it; those that were skipped by a condition have no error.
      (array_agg(
        case s.status when 'failed' then format('step %s failed: %s', s.key, s.error_message) else s.error_message end
        order by s.position
      ) filter (
        where s.status = 'failed' and s.on_failure = 'skip' or s.status = 'skipped' and s.error_message is not null
      ))[1] as blocking
    from app_public.workflow_steps s
    where s.tenant_id = workflow.tenant_id and s.workflow_id = workflow.id and s.key = any (step.depends_on)
  ) d;

  if v_status is null then
    with recursive earlier as (
      select k as key
      from unnest(step.depends_on) k
      union
      select k
      from earlier e
      join app_public.workflow_steps s on s.tenant_id = workflow.tenant_id and s.workflow_id = workflow.id and s.key = e.key
      cross join unnest(s.depends_on) k
    )
    select
      coalesce(
        jsonb_object_agg(
          s.key,
          jsonb_build_object('status', s.status)
            || case when s.status = 'completed' then jsonb_build_object('result', s.result) else '{}' end
            || case when s.error_message is null then '{}' else jsonb_build_object('error', s.error_message) end
        ),
        '{}'
      )
    into v_inputs
    from earlier e
    join app_public.workflow_steps s on s.tenant_id = workflow.tenant_id and s.workflow_id = workflow.id and s.key = e.key;

    if jsonb_typeof(step.definition -> 'condition') <> 'null'
      and not ops.workflow_condition_holds(step.definition -> 'condition', v_inputs)
    then
      v_status := 'skipped';
    end if;
  end if;

  if v_status is null then
    begin
      insert into app_public.tasks (
        tenant_id, description, priority, agent_id, required_capabilities, max_attempts, workflow_id, step_key, context
      )
      values (
        workflow.tenant_id, v_template ->> 'description', coalesce(v_template ->> 'priority', 'normal'),
        v_template ->> 'agent_id',
        array(
          select jsonb_array_elements_text(v_template -> 'capabilities')
          where jsonb_typeof(v_template -> 'capabilities') = 'array'
        ),
        coalesce((step.definition ->> 'max_attempts')::integer, 5), workflow.id, step.key,
        case when jsonb_typeof(workflow.context) = 'object' then workflow.context else '{}' end
          || coalesce(nullif(v_template -> 'context', 'null'), '{}')
          || jsonb_build_object(
            'workflow', jsonb_build_object('id', workflow.id, 'step', step.key),
            'steps', v_inputs
          )
      )
      returning id into v_task;
      v_status := 'running';
    exception
      when foreign_key_violation then
        v_status := 'failed';
        v_error := format('there is no agent %s', v_template ->> 'agent_id');
    end;
  end if;

  update app_public.workflow_steps s
  set
    status = v_status,
    task_id = v_task,
    error_message = v_error,
    started_at = case when v_status <> 'skipped' then v_now end,
    completed_at = case when v_status <> 'running' then v_now end,
    timeout_at = case when v_status = 'running' then v_now + (step.definition ->> 'timeout')::interval end
  where s.tenant_id = workflow.tenant_id and s.workflow_id = workflow.id and s.key = step.key;
  return v_status;
end
$$;
--! EndIncluded ops/functions/begin_workflow_step.sql
--! Included ops/functions/advance_workflow.sql
-- Takes in what became of a workflow's tasks and goes on: starts the steps whose dependencies are done, skips those that
-- are not to run, and ends the workflow when nothing is left. Called in the transaction that ended the task, with the
-- task locked; can be called at any time and does what there is to do.
--
-- Of two that end the dependencies of one step at the same time the second waits here for the first, and sees then what
-- it did. A transaction whose snapshot is older than that (repeatable read) gets 40001 from the locks, and nothing is
-- overlooked. That is why all steps are locked, not the workflow alone, which may have stayed as it was.
--
-- Whoever has begun work is let finish when the workflow stops for a failure. A task that waits is cancelled, unless
-- somebody is claiming it at this moment: waiting for them would break the order of locks (lock_workflow).
create or replace function ops.advance_workflow(tenant text, workflow uuid) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := clock_timestamp();
  v_workflow app_public.workflows;
  v_step app_public.workflow_steps;
  v_failed app_public.workflow_steps;
  v_tasks uuid[];
  v_status text;
  v_again boolean := true;
begin
  select * into v_workflow
  from app_public.workflows w
  where w.tenant_id = tenant and w.id = workflow
  for no key update;
  if not found or v_workflow.started_at is null or v_workflow.status not in ('running', 'paused') then
    return;
  end if;
  perform
  from app_public.workflow_steps s
  where s.tenant_id = tenant and s.workflow_id = workflow
  order by s.key
  for no key update;

  update app_public.workflow_steps s
  set
    status = case t.status when 'completed' then 'completed' else 'failed' end,
    result = t.result,
    error_message = case t.status
      when 'completed' then null
      when 'cancelled' then concat_ws(': ', 'its task was cancelled', t.error_message)
      else coalesce(t.error_message, 'its task is ' || t.status)
    end,
    completed_at = coalesce(t.completed_at, v_now)
  from app_public.tasks t
  where s.tenant_id = tenant
    and s.workflow_id = workflow
    and s.status = 'running'
    and t.tenant_id = s.tenant_id
    and t.id = s.task_id
    and t.status in ('completed', 'failed', 'dead', 'cancelled');

  if v_workflow.status = 'paused' then
    -- What waits, or came back from a failed attempt, is kept from being claimed; resume_workflow lets it go.
    v_tasks := ops.lock_waiting_workflow_tasks(tenant, workflow);
    update app_public.tasks t
    set run_after = 'infinity'
    where t.tenant_id = tenant and t.id = any (v_tasks) and t.run_after <> 'infinity';
    return;
  end if;

  while v_again loop
    v_again := false;
    select * into v_failed
    from app_public.workflow_steps s
    where s.tenant_id = tenant and s.workflow_id = workflow and s.status = 'failed' and s.on_failure = 'fail'
    order by s.completed_at, s.position
    limit 1;
    exit when found;

    for v_step in
      select *
      from app_public.workflow_steps s
      where s.tenant_id = tenant
        and s.workflow_id = workflow
        and s.status = 'pending'
        and not exists (
          select
          from app_public.workflow_steps d
          where d.tenant_id = tenant
            and d.workflow_id = workflow
            and d.key = any (s.depends_on)
            and d.status in ('pending', 'running')
        )
      order by s.position
    loop
      v_status := ops.begin_workflow_step(v_workflow, v_step);
      -- Ended without a task: others may not have to wait any more, or may have to stop.
      v_again := v_again or v_status <> 'running';
      exit when v_status = 'failed';
    end loop;
  end loop;

  if v_failed.key is not null then
    v_tasks := ops.lock_waiting_workflow_tasks(tenant, workflow);
    update app_public.workflow_steps s
    set status = 'cancelled', completed_at = v_now
    where s.tenant_id = tenant
      and s.workflow_id = workflow
      and (s.status = 'pending' or s.status = 'running' and s.task_id = any (v_tasks));
    perform ops.cancel_workflow_tasks(tenant, v_tasks, format('step %s of the workflow failed', v_failed.key));
  end if;

  update app_public.workflows w
  set
    status = case when v_failed.key is null then 'completed' else 'failed' end,
    error_message = format('step %s failed: ', v_failed.key) || v_failed.error_message,
    completed_at = v_now
  where w.tenant_id = tenant
    and w.id = workflow
    and not exists (
      select
      from app_public.workflow_steps s
      where s.tenant_id = tenant and s.workflow_id = workflow and s.status in ('pending', 'running')
    );
end
$$;
--! EndIncluded ops/functions/advance_workflow.sql
--! Included ops/functions/tend_workflows.sql
-- What the worker does for workflows every few seconds: ends the steps that took too long, and takes in what became of
-- tasks that somebody without a tenant ended (a superuser: the trigger sees no steps of theirs). A workflow that
-- somebody else is at is left for the next time, so this waits for nobody for long while it holds others.
create or replace function ops.tend_workflows(how_many integer default 100) returns integer
language plpgsql volatile
set search_path to pg_catalog, pg_temp
set lock_timeout to '50ms'
as $$
declare
  v_now timestamptz := clock_timestamp();
  v_found record;
  v_workflow app_public.workflows;
  v_tasks uuid[];
  v_count integer := 0;
begin
  for v_found in
    select s.tenant_id, s.workflow_id
    from app_public.workflow_steps s
    join app_public.workflows w on w.tenant_id = s.tenant_id and w.id = s.workflow_id
    join app_public.tasks t on t.tenant_id = s.tenant_id and t.id = s.task_id
    where s.status = 'running'
      and (
        s.timeout_at <= v_now and w.status = 'running'
        or t.status in ('completed', 'failed', 'dead', 'cancelled')
      )
    group by s.tenant_id, s.workflow_id
    order by min(s.timeout_at)
    limit how_many
  loop
    begin
      v_workflow := ops.lock_workflow(v_found.tenant_id, v_found.workflow_id);
      perform ops.advance_workflow(v_found.tenant_id, v_found.workflow_id);
      if v_workflow.status = 'running' then
        with late as (
          update app_public.workflow_steps s
          set
            status = 'failed', completed_at = v_now,
            error_message = format('it took longer than %s', s.definition ->> 'timeout')
          where s.tenant_id = v_found.tenant_id
            and s.workflow_id = v_found.workflow_id
            and s.status = 'running'
            and s.timeout_at <= v_now
          returning s.task_id
        )
        select coalesce(array_agg(l.task_id), '{}') into v_tasks from late l;
        perform ops.cancel_workflow_tasks(v_found.tenant_id, v_tasks, 'the step of the workflow took too long');
        perform ops.advance_workflow(v_found.tenant_id, v_found.workflow_id);
      end if;
      v_count := v_count + 1;
    exception
      when lock_not_available then null;
    end;
  end loop;
  return v_count;
end
$$;
--! EndIncluded ops/functions/tend_workflows.sql
--! Included ops/functions/reap_expired_leases.sql
-- Takes back the tasks whose holders were not heard of in time: each waits again at once, in its old place, or is dead
-- when its attempts are used up. Leases that their holders are about to extend or end are left to them.
--
-- Invoker: the worker reaches every tenant's leases, claim_tasks (which calls it when nothing waits) those of its tenant.
-- One statement for all tasks: the trigger that goes on with their workflows locks these in order, so that of two reapers
-- none waits for the other.
create or replace function ops.reap_expired_leases(how_many integer default 1000) returns integer
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := clock_timestamp();
  v_leases app_public.task_leases[];
  v_found record;
begin
  v_leases := array(
    select l
    from app_public.task_leases l
    where l.expires_at <= v_now
    order by l.expires_at
    limit how_many
    for update skip locked
  );
  if v_leases = '{}' then
    return 0;
  end if;

  delete from app_public.task_leases l
  using unnest(v_leases) e
  where l.tenant_id = e.tenant_id and l.task_id = e.task_id;
  insert into app_public.task_attempts (
    tenant_id, task_id, attempt, fencing_token, agent, claimed_at, ended_at, outcome, error, progress, note
  )
  select
    e.tenant_id, e.task_id, e.attempt, e.fencing_token, e.agent, e.claimed_at, v_now, 'expired',
    format('nothing was heard of %s since %s', e.agent, e.heartbeat_at), e.progress, e.note
  from unnest(v_leases) e;
  update app_public.tasks t
  set
    status = case when t.failures + 1 < t.max_attempts then 'pending' else 'dead' end,
    failures = t.failures + 1,
    error_message = format('nothing was heard of %s since %s', e.agent, e.heartbeat_at),
    completed_at = case when t.failures + 1 < t.max_attempts then null else v_now end
  from unnest(v_leases) e
  where t.tenant_id = e.tenant_id and t.id = e.task_id;

  -- The trigger goes on with the workflows of the caller's tenant; the worker has none.
  for v_found in
    select s.tenant_id, s.workflow_id
    from unnest(v_leases) e
    join app_public.workflow_steps s on s.tenant_id = e.tenant_id and s.task_id = e.task_id and s.status = 'running'
    group by s.tenant_id, s.workflow_id
    order by s.tenant_id, s.workflow_id
  loop
    perform ops.advance_workflow(v_found.tenant_id, v_found.workflow_id);
  end loop;
  return cardinality(v_leases);
end
$$;
--! EndIncluded ops/functions/reap_expired_leases.sql
--! Included app_public/functions/start_workflow.sql
-- Definer: nobody may write the state of steps but through these functions. They run under the owner's policies, which are
-- confined to the caller's tenant.
create or replace function app_public.start_workflow(workflow_id uuid, context jsonb default '{}') returns app_public.workflows
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_workflow app_public.workflows;
begin
  v_workflow := app_private.lock_callers_workflow(start_workflow.workflow_id);
  if v_workflow.status not in ('draft', 'pending') then
    raise exception 'workflow % is %, which cannot become %', v_workflow.id, v_workflow.status, 'running'
      using errcode = 'LTW04', hint = 'resume_workflow goes on with one that is paused, retry_workflow with one that ended.';
  end if;
  if jsonb_typeof(start_workflow.context) is distinct from 'object' then
    raise exception 'invalid %: %', 'context', 'it is no object'
      using errcode = 'LTW05';
  end if;
  if v_workflow.steps = '[]' then
    raise exception 'invalid %: %', 'workflow_id', 'it has no steps'
      using errcode = 'LTW05';
  end if;

  -- Its steps are written again as they are, so that they are checked: they may be older than the check.
  update app_public.workflows w
  set
    status = 'running', started_at = clock_timestamp(), completed_at = null, steps = w.steps,
    context = case when jsonb_typeof(w.context) = 'object' then w.context else '{}' end || start_workflow.context
  where w.tenant_id = v_workflow.tenant_id and w.id = v_workflow.id
  returning * into strict v_workflow;
  perform app_private.sync_workflow_steps(v_workflow);
  perform ops.advance_workflow(v_workflow.tenant_id, v_workflow.id);

  select * into strict v_workflow
  from app_public.workflows w
  where w.tenant_id = v_workflow.tenant_id and w.id = v_workflow.id;
  return v_workflow;
end
$$;

comment on function app_public.start_workflow(uuid, jsonb) is 'Starts a workflow that is a draft or pending: the steps that depend on nothing become tasks at once, the others as soon as what they depend on is done. `context` is added to the workflow''s. Returns the workflow. Errors: LTW01 no such workflow, LTW02 its steps are not valid, LTW04 it is neither draft nor pending, LTW05 invalid argument.';
--! EndIncluded app_public/functions/start_workflow.sql
--! Included app_public/functions/pause_workflow.sql
-- Definer, as start_workflow.
create or replace function app_public.pause_workflow(workflow_id uuid) returns app_public.workflows
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_workflow app_public.workflows;
begin
  v_workflow := app_private.lock_callers_workflow(pause_workflow.workflow_id);
  if v_workflow.status = 'paused' then
    return v_workflow;
  end if;

  update app_public.workflows w
  set status = 'paused', paused_at = clock_timestamp()
  where w.tenant_id = v_workflow.tenant_id and w.id = v_workflow.id
  returning * into strict v_workflow;
  perform ops.advance_workflow(v_workflow.tenant_id, v_workflow.id);
  return v_workflow;
end
$$;

comment on function app_public.pause_workflow(uuid) is 'Pauses a running workflow: no step starts, its tasks that wait cannot be claimed, those that are claimed may be finished, and no timeout passes. A paused one is returned as it is. Returns the workflow. Errors: LTW01 no such workflow, LTW04 it does not run, LTW05 invalid argument.';
--! EndIncluded app_public/functions/pause_workflow.sql
--! Included app_public/functions/resume_workflow.sql
-- Definer, as start_workflow.
create or replace function app_public.resume_workflow(workflow_id uuid) returns app_public.workflows
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_workflow app_public.workflows;
  v_now timestamptz;
begin
  v_workflow := app_private.lock_callers_workflow(resume_workflow.workflow_id);
  if v_workflow.status = 'running' then
    return v_workflow;
  elsif v_workflow.status <> 'paused' then
    raise exception 'workflow % is %, which cannot become %', v_workflow.id, v_workflow.status, 'running'
      using errcode = 'LTW04', hint = 'start_workflow starts a draft, retry_workflow goes on with one that ended.';
  end if;

  v_now := clock_timestamp();
  update app_public.workflow_steps s
  set timeout_at = s.timeout_at + (v_now - v_workflow.paused_at)
  where s.tenant_id = v_workflow.tenant_id
    and s.workflow_id = v_workflow.id
    and s.status = 'running'
    and s.timeout_at is not null;
  update app_public.workflows w
  set status = 'running', paused_at = null
  where w.tenant_id = v_workflow.tenant_id and w.id = v_workflow.id
  returning * into strict v_workflow;
  update app_public.tasks t
  set run_after = v_now
  where t.tenant_id = v_workflow.tenant_id
    and t.workflow_id = v_workflow.id
    and t.status = 'pending'
    and t.run_after = 'infinity';
  perform ops.advance_workflow(v_workflow.tenant_id, v_workflow.id);

  select * into strict v_workflow
  from app_public.workflows w
  where w.tenant_id = v_workflow.tenant_id and w.id = v_workflow.id;
  return v_workflow;
end
$$;

comment on function app_public.resume_workflow(uuid) is 'Goes on with a paused workflow: its waiting tasks can be claimed again, and steps start whose dependencies were done meanwhile. A running one is returned as it is. Returns the workflow. Errors: LTW01 no such workflow, LTW04 it is not paused, LTW05 invalid argument.';
--! EndIncluded app_public/functions/resume_workflow.sql
--! Included app_public/functions/cancel_workflow.sql
-- Definer, as start_workflow.
create or replace function app_public.cancel_workflow(workflow_id uuid, reason text default null) returns app_public.workflows
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_workflow app_public.workflows;
  v_now timestamptz;
begin
  v_workflow := app_private.lock_callers_workflow(cancel_workflow.workflow_id);
  if v_workflow.status = 'cancelled' then
    return v_workflow;
  end if;

  v_now := clock_timestamp();
  update app_public.workflows w
  set status = 'cancelled', completed_at = v_now, paused_at = null, error_message = cancel_workflow.reason
  where w.tenant_id = v_workflow.tenant_id and w.id = v_workflow.id
  returning * into strict v_workflow;
  update app_public.workflow_steps s
  set status = 'cancelled', completed_at = v_now
  where s.tenant_id = v_workflow.tenant_id and s.workflow_id = v_workflow.id and s.status in ('pending', 'running');
  perform ops.cancel_workflow_tasks(
    v_workflow.tenant_id,
    array(
      select t.id
      from app_public.tasks t
      where t.tenant_id = v_workflow.tenant_id
        and t.workflow_id = v_workflow.id
        and t.status in ('pending', 'assigned', 'running')
    ),
    coalesce(cancel_workflow.reason, 'the workflow was cancelled')
  );
  return v_workflow;
end
$$;

comment on function app_public.cancel_workflow(uuid, text) is 'Cancels a workflow that has not ended, with every task of it: who works on one learns it by LTQ03 at the next call. The `reason` is kept as error_message. A cancelled one is returned as it is. Returns the workflow. Errors: LTW01 no such workflow, LTW04 it has ended already, LTW05 invalid argument.';
--! EndIncluded app_public/functions/cancel_workflow.sql
--! Included app_public/functions/retry_workflow.sql
-- Definer, as start_workflow.
create or replace function app_public.retry_workflow(workflow_id uuid, from_step text default null) returns app_public.workflows
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_workflow app_public.workflows;
  v_changed text[];
begin
  v_workflow := app_private.lock_callers_workflow(retry_workflow.workflow_id);
  if v_workflow.status not in ('completed', 'failed', 'cancelled') then
    raise exception 'workflow % is %, which cannot become %', v_workflow.id, v_workflow.status, 'running'
      using errcode = 'LTW04', hint = 'Only one that has ended can be tried again: cancel it first.';
  end if;
  if from_step is not null
    and not coalesce(jsonb_path_exists(v_workflow.steps, '$[*] ? (@.key == $key)', jsonb_build_object('key', from_step)), false)
  then
    raise exception 'invalid %: %', 'from_step', format('there is no step %s', from_step)
      using errcode = 'LTW05';
  end if;

  update app_public.workflows w
  set
    status = 'running', started_at = coalesce(w.started_at, clock_timestamp()), completed_at = null, paused_at = null,
    error_message = null, steps = w.steps
  where w.tenant_id = v_workflow.tenant_id and w.id = v_workflow.id
  returning * into strict v_workflow;
  v_changed := app_private.sync_workflow_steps(v_workflow);

  with recursive again as (
    select s.key
    from app_public.workflow_steps s
    where s.tenant_id = v_workflow.tenant_id
      and s.workflow_id = v_workflow.id
      and (
        s.key = from_step
        or s.key = any (v_changed)
        or s.status in ('pending', 'failed', 'cancelled')
        or s.status = 'skipped' and s.error_message is not null
      )
    union
    select s.key
    from again a
    join app_public.workflow_steps s
      on s.tenant_id = v_workflow.tenant_id and s.workflow_id = v_workflow.id and a.key = any (s.depends_on)
  )
  update app_public.workflow_steps s
  set
    status = 'pending', task_id = null, result = null, error_message = null, started_at = null, completed_at = null,
    timeout_at = null
  from again a
  where s.tenant_id = v_workflow.tenant_id and s.workflow_id = v_workflow.id and s.key = a.key;
  if not found then
    raise exception 'invalid %: %', 'from_step', 'nothing failed or was cancelled: name the step to run again'
      using errcode = 'LTW05';
  end if;
  perform ops.advance_workflow(v_workflow.tenant_id, v_workflow.id);

  select * into strict v_workflow
  from app_public.workflows w
  where w.tenant_id = v_workflow.tenant_id and w.id = v_workflow.id;
  return v_workflow;
end
$$;

comment on function app_public.retry_workflow(uuid, text) is 'Runs a workflow that has ended again, in part: what failed, was cancelled, or was skipped for a failure, steps that were changed since, the step `from_step`, and everything that depends on one of these. The others keep their results. Each step that runs again gets a new task. Returns the workflow. Errors: LTW01 no such workflow, LTW02 its steps are not valid, LTW04 it has not ended, LTW05 invalid argument, or nothing to run again.';
--! EndIncluded app_public/functions/retry_workflow.sql
--! Included app_public/functions/workflow_progress.sql
-- Invoker: it shows what its caller may read.
create or replace function app_public.workflow_progress(workflow_id uuid) returns app_public.workflow_overview
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_overview app_public.workflow_overview;
begin
  if workflow_progress.workflow_id is null then
    raise exception 'invalid %: %', 'workflow_id', 'it is missing'
      using errcode = 'LTW05';
  end if;

  select
    w.id, w.status, coalesce(avg(s.progress), 0), count(s.key), count(*) filter (where s.status = 'pending'),
    count(*) filter (where s.status = 'running'), count(*) filter (where s.status = 'completed'),
    count(*) filter (where s.status = 'failed'), count(*) filter (where s.status = 'skipped'),
    count(*) filter (where s.status = 'cancelled'), w.error_message, w.started_at, w.completed_at,
    coalesce(jsonb_agg(to_jsonb(s) - 'position' order by s.position) filter (where s.key is not null), '[]')
  into v_overview
  from app_public.workflows w
  left join lateral (
    select
      s.position, s.key, s.status,
      case s.status when 'pending' then 0 when 'running' then coalesce(l.progress, 0) else 1 end as progress,
      s.task_id, t.status as task_status, t.attempt, t.max_attempts, l.agent, l.note,
      case s.status when 'running' then t.error_message else s.error_message end as error,
      s.started_at, s.completed_at, s.timeout_at
    from app_public.workflow_steps s
    left join app_public.tasks t on t.tenant_id = s.tenant_id and t.id = s.task_id
    left join app_public.task_leases l on l.tenant_id = s.tenant_id and l.task_id = s.task_id
    where s.tenant_id = w.tenant_id and s.workflow_id = w.id
    union all
    -- Not started yet.
    select
      i.position, i.item ->> 'key', 'pending', 0, null, null, null, null, null, null, null, null, null, null
    from jsonb_array_elements(case when w.status in ('draft', 'pending') and jsonb_typeof(w.steps) = 'array' then w.steps else '[]' end)
      with ordinality i(item, position)
  ) s on true
  where w.id = workflow_progress.workflow_id
  group by w.tenant_id, w.id;
  if not found then
    raise exception 'there is no workflow %', workflow_progress.workflow_id
      using errcode = 'LTW01', hint = 'It was deleted, or is not of your tenant.';
  end if;
  return v_overview;
end
$$;

comment on function app_public.workflow_progress(uuid) is 'How far a workflow is: overall, from 0 to 1 as the mean of its steps, how many steps are in which state, and `steps`, an array with key, status, progress (of a running step what its holder reported last), task_id, task_status, attempt, max_attempts, agent, note, error, started_at, completed_at, timeout_at of each. Errors: LTW01 no such workflow, LTW05 invalid argument.';
--! EndIncluded app_public/functions/workflow_progress.sql
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
--! EndIncluded app_public/triggers/workflows.sql
--! Included app_public/triggers/workflow_steps.sql
create or replace trigger _200_keys
  before update of tenant_id, workflow_id, key on app_public.workflow_steps
  for each row
  when (
    old.tenant_id is distinct from new.tenant_id
    or old.workflow_id is distinct from new.workflow_id
    or old.key is distinct from new.key
  )
  execute function app_private.tg__refuse_key_change();
--! EndIncluded app_public/triggers/workflow_steps.sql
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

create or replace trigger _500_workflows
  after update on app_public.tasks
  referencing new table as changed_rows
  for each statement
  execute function app_private.tg_tasks__advance_workflows();
--! EndIncluded app_public/triggers/tasks.sql
--! Included app_public/policies/workflows.sql
alter table app_public.workflows enable row level security, force row level security;

-- Everybody of a tenant reads all of its workflows.
drop policy if exists select_tenant on app_public.workflows;
create policy select_tenant on app_public.workflows for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- People, services and administrators add workflows to their own tenant.
drop policy if exists insert_tenant on app_public.workflows;
create policy insert_tenant on app_public.workflows for insert to :MEMBER, :SERVICE, :ADMIN
  with check (tenant_id = (select app_private.current_tenant_id()));

-- They change their tenant's workflows, and cannot move one out of it.
drop policy if exists update_tenant on app_public.workflows;
create policy update_tenant on app_public.workflows for update to :MEMBER, :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));

-- They remove their tenant's workflows.
drop policy if exists delete_tenant on app_public.workflows;
create policy delete_tenant on app_public.workflows for delete to :MEMBER, :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()));

-- The functions of workflows run as the owner, confined to the tenant of whoever calls them.
drop policy if exists select_definer on app_public.workflows;
create policy select_definer on app_public.workflows for select to :OWNER
  using (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists update_definer on app_public.workflows;
create policy update_definer on app_public.workflows for update to :OWNER
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));

revoke all on app_public.workflows from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.workflows to :MEMBER, :SERVICE, :ADMIN, :ANALYST, :WORKER;
grant insert (tenant_id, id, name, description, steps, status, created_by, assigned_to, context) on
  app_public.workflows to :MEMBER, :SERVICE, :ADMIN;
-- Only programs bring history with them.
grant insert (created_at) on app_public.workflows to :SERVICE, :ADMIN;
-- No update of tenant_id, id or created_at for anybody: keys and beginnings do not change.
grant update (name, description, steps, status, created_by, assigned_to, context) on app_public.workflows to
  :MEMBER, :SERVICE, :ADMIN;
-- No insert and no update of started_at, paused_at, completed_at and error_message: the functions keep them.
-- ops.advance_workflow.
grant update (status, error_message, completed_at) on app_public.workflows to :WORKER;
grant delete on app_public.workflows to :MEMBER, :SERVICE, :ADMIN;
-- No truncate for anybody: it knows no tenants.
--! EndIncluded app_public/policies/workflows.sql
--! Included app_public/policies/workflow_steps.sql
alter table app_public.workflow_steps enable row level security, force row level security;

-- Everybody of a tenant sees how far its workflows are.
drop policy if exists select_tenant on app_public.workflow_steps;
create policy select_tenant on app_public.workflow_steps for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- The functions of workflows run as the owner, confined to the tenant of whoever calls them.
drop policy if exists manage_definer on app_public.workflow_steps;
create policy manage_definer on app_public.workflow_steps for all to :OWNER
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));

revoke all on app_public.workflow_steps from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.workflow_steps to :MEMBER, :SERVICE, :ADMIN, :ANALYST, :WORKER;
-- No insert, update or delete for those who make requests: the functions and triggers keep the state of steps.
-- ops.advance_workflow and ops.tend_workflows.
grant update (status, task_id, result, error_message, started_at, completed_at, timeout_at) on app_public.workflow_steps
  to :WORKER;
--! EndIncluded app_public/policies/workflow_steps.sql
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
drop policy if exists insert_definer on app_public.tasks;
create policy insert_definer on app_public.tasks for insert to :OWNER
  with check (tenant_id = (select app_private.current_tenant_id()));
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
-- No insert and no update of attempt, failures and queue_at: the functions and triggers keep them. Nor of workflow_id and
-- step_key: a task of a step is made by its workflow.
-- ops.reap_expired_leases, and ops.advance_workflow, which holds tasks back and makes those of the next steps.
grant update (status, failures, error_message, completed_at, run_after) on app_public.tasks to :WORKER;
grant insert (tenant_id, description, priority, agent_id, required_capabilities, max_attempts, workflow_id, step_key,
  context) on app_public.tasks to :WORKER;
grant delete on app_public.tasks to :MEMBER, :SERVICE, :ADMIN;
-- No truncate for anybody: it knows no tenants.
--! EndIncluded app_public/policies/tasks.sql
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
select audit.enable_tracking('app_public.workflow_steps');
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
comment on column app_public.tasks.workflow_id is 'The workflow of whose step it is the task; null: none, or the workflow was deleted.';
comment on column app_public.tasks.step_key is 'The step''s key in the workflow.';
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
comment on column app_public.workflows.steps is 'The steps, a JSON array of objects: key, task (description, priority, agent_id, capabilities, context), depends_on, on_failure, max_attempts, timeout, condition. Checked when it is written.';
comment on column app_public.workflows.status is 'One of draft, pending, running, paused, completed, failed, cancelled.';
comment on column app_public.workflows.created_by is 'Who made it.';
comment on column app_public.workflows.assigned_to is 'Who looks after it.';
comment on column app_public.workflows.context is 'What all steps need to know.';
comment on column app_public.workflows.created_at is 'When the workflow was made.';
comment on column app_public.workflows.updated_at is 'When the row last changed; kept by a trigger.';
comment on column app_public.workflows.started_at is 'When start_workflow started it; null: not yet, or its status is kept by somebody else.';
comment on column app_public.workflows.paused_at is 'Since when it is paused; null: it is not.';
comment on column app_public.workflows.completed_at is 'When it ended, well or badly.';
comment on column app_public.workflows.error_message is 'Why it failed or was cancelled.';

comment on table app_public.workflow_steps is E'@unique workflow_id,key|@fieldName workflowStep\nHow far the steps of a started workflow are. Written by the functions of workflows only.';
comment on column app_public.workflow_steps.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.workflow_steps.workflow_id is 'The workflow.';
comment on column app_public.workflow_steps.key is 'The step''s key in its workflow.';
comment on column app_public.workflow_steps.position is 'Its place in the workflow''s steps, from 1.';
comment on column app_public.workflow_steps.depends_on is 'Keys of the steps that come before it.';
comment on column app_public.workflow_steps.on_failure is 'What follows when it fails. fail: the workflow fails; skip: what depends on it is skipped; continue: what depends on it runs.';
comment on column app_public.workflow_steps.definition is 'The step as the workflow had it when it was started or tried again.';
comment on column app_public.workflow_steps.status is 'One of pending, running (its task waits or is worked on), completed, failed, skipped, cancelled.';
comment on column app_public.workflow_steps.task_id is 'Its latest task; null: there was none yet, or it was deleted.';
comment on column app_public.workflow_steps.result is 'The result of its task.';
comment on column app_public.workflow_steps.error_message is 'Why it failed, or for which failure it was skipped; null: it was skipped because its condition did not hold, or all that it depends on was.';
comment on column app_public.workflow_steps.started_at is 'When its task was made.';
comment on column app_public.workflow_steps.completed_at is 'When it ended, well or badly, or was skipped.';
comment on column app_public.workflow_steps.timeout_at is 'When it fails unless it has ended; null: never.';

comment on type app_public.workflow_overview is 'How far a workflow is.';
comment on column app_public.workflow_overview.workflow_id is 'The workflow''s id.';
comment on column app_public.workflow_overview.status is 'One of draft, pending, running, paused, completed, failed, cancelled.';
comment on column app_public.workflow_overview.progress is 'From 0 to 1: the mean of its steps.';
comment on column app_public.workflow_overview.total is 'How many steps it has.';
comment on column app_public.workflow_overview.pending is 'How many have not begun.';
comment on column app_public.workflow_overview.running is 'How many have a task that waits or is worked on.';
comment on column app_public.workflow_overview.completed is 'How many are completed.';
comment on column app_public.workflow_overview.failed is 'How many failed.';
comment on column app_public.workflow_overview.skipped is 'How many were skipped.';
comment on column app_public.workflow_overview.cancelled is 'How many were cancelled.';
comment on column app_public.workflow_overview.error_message is 'Why it failed or was cancelled.';
comment on column app_public.workflow_overview.started_at is 'When it was started.';
comment on column app_public.workflow_overview.completed_at is 'When it ended.';
comment on column app_public.workflow_overview.steps is 'Each step: key, status, progress, task_id, task_status, attempt, max_attempts, agent, note, error, started_at, completed_at, timeout_at.';

comment on table app_public.sessions is E'@unique id|@fieldName session|@updateFieldName updateSession|@deleteFieldName deleteSession\nA user''s login session. The token itself is stored nowhere.';
comment on column app_public.sessions.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.sessions.id is 'The session''s id.';
comment on column app_public.sessions.user_id is 'Whose session it is.';
comment on column app_public.sessions.token is 'SHA-256 of the token, 64 hexadecimal digits. Can be written and never read.';
comment on column app_public.sessions.data is 'What the service keeps in it.';
comment on column app_public.sessions.expires_at is 'When it ends.';
comment on column app_public.sessions.created_at is 'When it was opened.';
comment on column app_public.sessions.role is 'What requests with its token run as: member, service or admin.';
comment on column app_public.sessions.sliding_ttl is 'For how long use prolongs it; null: use does not.';
comment on column app_public.sessions.ends_at is 'Until when use can prolong it.';

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
comment on column app_public.user_sessions.role is 'What requests with its token run as.';

-- In GraphQL a caller has one tenant and never names it: rows are found by their own id, the keys that hold the tenant
-- and the way from and to the tenant's row are hidden.
comment on constraint agents_pkey on app_public.agents is E'@behavior -single -update -delete\nA row is known by its tenant and its id.';
comment on constraint tasks_pkey on app_public.tasks is E'@behavior -single -update -delete\nA row is known by its tenant and its id.';
comment on constraint task_leases_pkey on app_public.task_leases is E'@behavior -single\nA task has one lease at a time.';
comment on constraint task_attempts_pkey on app_public.task_attempts is E'@behavior -single\nAn attempt is known by its task and number.';
comment on constraint knowledge_pkey on app_public.knowledge is E'@behavior -single -update -delete\nA row is known by its tenant and its id.';
comment on constraint workflows_pkey on app_public.workflows is E'@behavior -single -update -delete\nA row is known by its tenant and its id.';
comment on constraint workflow_steps_pkey on app_public.workflow_steps is E'@behavior -single\nA step is known by its workflow and key.';
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
comment on constraint tasks_workflow_id_fkey on app_public.tasks is E'@fieldName workflow\n@foreignFieldName tasks\nThe workflow of whose step it is the task.';
comment on constraint workflow_steps_workflow_id_fkey on app_public.workflow_steps is E'@fieldName workflow\n@foreignFieldName stepStates\nThe workflow.';
comment on constraint workflow_steps_task_id_fkey on app_public.workflow_steps is E'@fieldName task\n@foreignFieldName stepStates\nThe step''s latest task.';
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
--! EndIncluded ops/comments.sql
