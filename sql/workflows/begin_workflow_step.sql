-- Makes the task of a step whose dependencies have ended, and returns the step's new status: running, skipped or failed. It
-- fails when its agent does not exist, or when its condition or task cannot be computed from earlier results (one that is
-- too large, say). This must not undo the work of the earlier step. The caller has locked the workflow.
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
      -- A failure passes on through steps that were skipped because of it. Steps skipped by a condition have no error.
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
    begin
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
      else
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
          -- Whole, but it may be written as 5.0.
          coalesce((step.definition ->> 'max_attempts')::numeric::integer, 5), workflow.id, step.key,
          case when jsonb_typeof(workflow.context) = 'object' then workflow.context else '{}' end
            || coalesce(nullif(v_template -> 'context', 'null'), '{}')
            || jsonb_build_object(
              'workflow', jsonb_build_object('id', workflow.id, 'step', step.key),
              'steps', v_inputs
            )
        )
        returning id into v_task;
        v_status := 'running';
      end if;
    exception
      when foreign_key_violation then
        v_status := 'failed';
        v_error := format('agent %s does not exist', v_template ->> 'agent_id');
      -- Data exceptions, constraints and limits come from the step's own values. No other error is the step's.
      when others then
        if sqlstate !~ '^(22|23|54)' then
          raise;
        end if;
        v_status := 'failed';
        v_error := format('it cannot be started: %s', left(sqlerrm, 1000));
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

comment on function ops.begin_workflow_step(app_public.workflows, app_public.workflow_steps) is 'Makes the task of a step whose dependencies have ended, or skips it. Returns its status.';
grant execute on function ops.begin_workflow_step(app_public.workflows, app_public.workflow_steps) to :JOBS;
