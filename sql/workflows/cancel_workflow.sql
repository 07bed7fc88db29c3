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

comment on function app_public.cancel_workflow(uuid, text) is 'Cancels a workflow that has not ended, and all of its tasks. The holder of a task gets LTQ03 at the next call. Stores `reason` as error_message. Returns the workflow; one that is already cancelled stays as it is. Errors: LTW01 no such workflow, LTW04 it has already ended, LTW05 invalid argument.';
-- Everybody who writes may run workflows.
grant execute on function app_public.cancel_workflow(uuid, text) to :MEMBER, :SERVICE, :ADMIN;
