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
    raise exception 'workflow % is % and cannot become %', v_workflow.id, v_workflow.status, 'running'
      using errcode = 'LTW04', hint = 'Only a workflow that has ended can be retried: cancel it first.';
  end if;
  if from_step is not null
    and not coalesce(jsonb_path_exists(v_workflow.steps, '$[*] ? (@.key == $key)', jsonb_build_object('key', from_step)), false)
  then
    perform app_private.refuse_argument('LTW05', 'from_step', format('step %s does not exist', from_step));
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
    perform app_private.refuse_argument('LTW05', 'from_step', 'no step failed or was cancelled: name the step to run again');
  end if;
  perform ops.advance_workflow(v_workflow.tenant_id, v_workflow.id);

  select * into strict v_workflow
  from app_public.workflows w
  where w.tenant_id = v_workflow.tenant_id and w.id = v_workflow.id;
  return v_workflow;
end
$$;

comment on function app_public.retry_workflow(uuid, text) is 'Runs part of a workflow again after it has ended: steps that failed, were cancelled or were skipped because of a failure, steps that have changed since, the step `from_step`, and all steps that depend on one of these. Other steps keep their results. Each step that runs again gets a new task. Returns the workflow. Errors: LTW01 no such workflow, LTW02 its steps are not valid, LTW04 it has not ended, LTW05 invalid argument, or nothing to run again.';
-- Everybody who writes may run workflows.
grant execute on function app_public.retry_workflow(uuid, text) to :MEMBER, :SERVICE, :ADMIN;
