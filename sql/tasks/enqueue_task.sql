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
    when coalesce(description, '') = '' then array['description', 'must not be empty']
    when context is null then array['context', 'must not be null']
    when priority is null or priority not in ('low', 'normal', 'high', 'critical')
      then array['priority', format('%s is not one of low, normal, high, critical', coalesce(priority, 'null'))]
    when max_attempts is null or max_attempts < 1
      then array['max_attempts', format('%s is less than 1', coalesce(max_attempts::text, 'null'))]
    when array_ndims(required_capabilities) > 1 then array['required_capabilities', 'must be a list, not a list of lists']
    when required_capabilities is null or array_position(required_capabilities, null) is not null
      then array['required_capabilities', 'must be an array without nulls']
    when length(idempotency_key) not between 1 and 200
      then array['idempotency_key', 'must have 1 to 200 characters']
    when agent_id is not null and not exists (select from app_public.agents a where a.id = enqueue_task.agent_id)
      then array['agent_id', format('agent %s does not exist', agent_id)]
  end;
  if v_problem is not null then
    raise exception 'invalid %: %', v_problem[1], v_problem[2]
      using errcode = 'LTQ05';
  end if;

  -- If the task with this key is deleted between the two statements, the next round inserts a new one.
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

comment on function app_public.enqueue_task(text, jsonb, text, text, timestamptz, integer, text[], text) is 'Adds a task to the queue. `priority`: low, normal, high or critical. `agent_id`: only this agent may claim it. `run_after`: it is not claimed before. `max_attempts`: the number of failed and expired attempts after which it is dead. `required_capabilities`: only an agent with all of them may claim it. `idempotency_key`: if a task with this key exists, it is returned as it is and none is added. Returns the task. Errors: LTQ05 invalid argument.';
-- Everybody who writes may add, cancel and retry tasks.
grant execute on function app_public.enqueue_task(text, jsonb, text, text, timestamptz, integer, text[], text)
  to :MEMBER, :SERVICE, :ADMIN;
