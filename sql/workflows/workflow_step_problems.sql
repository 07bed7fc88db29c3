-- The problems of one step of a workflow by itself; workflow_steps_problems checks its references to other steps. A property
-- that is null counts as absent.
create or replace function app_private.workflow_step_problems(place text, step jsonb)
returns table (path text, problem text)
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_task jsonb := case when jsonb_typeof(step -> 'task') = 'object' then step -> 'task' end;
begin
  if jsonb_typeof(step) <> 'object' then
    return query select place, 'must be an object';
    return;
  end if;

  return query
  select place || '.' || k, 'unknown property'
  from jsonb_object_keys(
    step - array['key', 'task', 'depends_on', 'on_failure', 'max_attempts', 'timeout', 'condition']
  ) k;

  if jsonb_typeof(step -> 'key') is distinct from 'string' or step ->> 'key' !~ '^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$' then
    return query select place || '.key', 'must be a string of 1 to 63 letters, digits and _ . - that does not begin with . or -';
  end if;
  if step ->> 'on_failure' not in ('fail', 'skip', 'continue') then
    return query
    select place || '.on_failure', format('%s is not one of fail, skip, continue', step -> 'on_failure');
  end if;
  if jsonb_typeof(step -> 'max_attempts') <> 'null'
    and not (step -> 'max_attempts') @? '$ ? (@ >= 1 && @ <= 100 && @ == @.floor())'
  then
    return query
    select place || '.max_attempts', format('%s is not a whole number from 1 to 100', step -> 'max_attempts');
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
      format('%s is not an interval between 1 second and 365 days, such as "15 minutes"', step -> 'timeout');
  end if;
  if jsonb_typeof(step -> 'depends_on') not in ('array', 'null') then
    return query select place || '.depends_on', 'must be an array of keys';
  end if;

  if v_task is null then
    return query select place || '.task', 'must be an object';
    return;
  end if;
  return query
  select place || '.task.' || k, 'unknown property'
  from jsonb_object_keys(v_task - array['description', 'priority', 'agent_id', 'capabilities', 'context']) k;
  if jsonb_typeof(v_task -> 'description') is distinct from 'string' or v_task ->> 'description' = '' then
    return query select place || '.task.description', 'must be a non-empty string';
  end if;
  if v_task ->> 'priority' not in ('low', 'normal', 'high', 'critical') then
    return query
    select place || '.task.priority', format('%s is not one of low, normal, high, critical', v_task -> 'priority');
  end if;
  if jsonb_typeof(v_task -> 'agent_id') not in ('string', 'null')
    or length(v_task ->> 'agent_id') not between 1 and 50
  then
    return query select place || '.task.agent_id', 'must be a string of 1 to 50 characters';
  end if;
  if jsonb_typeof(v_task -> 'capabilities') not in ('array', 'null')
    or (v_task -> 'capabilities') @? 'strict $[*] ? (@.type() != "string")'
  then
    return query select place || '.task.capabilities', 'must be an array of strings';
  end if;
  if jsonb_typeof(v_task -> 'context') not in ('object', 'null') then
    return query select place || '.task.context', 'must be an object';
  else
    return query
    select place || '.task.context.' || k, 'this name is reserved for what the workflow tells a step'
    from unnest(array['workflow', 'steps']) k
    where v_task -> 'context' ? k;
  end if;
end
$$;

comment on function app_private.workflow_step_problems(text, jsonb) is 'The problems of one step by itself.';
