-- Definer: only these functions may write the state of steps. They run under the owner's policies, which are confined to the
-- caller's tenant.
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
    raise exception 'workflow % is % and cannot become %', v_workflow.id, v_workflow.status, 'running'
      using errcode = 'LTW04', hint = 'Use resume_workflow for a paused workflow, retry_workflow for one that has ended.';
  end if;
  if jsonb_typeof(start_workflow.context) is distinct from 'object' then
    perform app_private.refuse_argument('LTW05', 'context', 'must be an object');
  end if;
  if v_workflow.steps = '[]' then
    perform app_private.refuse_argument('LTW05', 'workflow_id', 'the workflow has no steps');
  end if;

  -- Writes the steps again unchanged, so that the trigger checks them: they may be older than the check.
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

comment on function app_public.start_workflow(uuid, jsonb) is 'Starts a draft or pending workflow. Steps without dependencies become tasks at once, the others as soon as their dependencies are done. Adds `context` to the workflow''s. Returns the workflow. Errors: LTW01 no such workflow, LTW02 its steps are not valid, LTW04 it is neither draft nor pending, LTW05 invalid argument.';
-- Everybody who writes may run workflows.
grant execute on function app_public.start_workflow(uuid, jsonb) to :MEMBER, :SERVICE, :ADMIN;
