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

comment on function app_public.pause_workflow(uuid) is 'Pauses a running workflow: no step starts, waiting tasks cannot be claimed, claimed tasks may finish, and timeouts stand still. Returns the workflow; one that is already paused stays as it is. Errors: LTW01 no such workflow, LTW04 it is not running, LTW05 invalid argument.';
-- Everybody who writes may run workflows.
grant execute on function app_public.pause_workflow(uuid) to :MEMBER, :SERVICE, :ADMIN;
