-- Locks a workflow of the caller's tenant with its tasks, and returns it. Raises when it does not exist.
create or replace function app_private.lock_callers_workflow(workflow_id uuid) returns app_public.workflows
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_workflow app_public.workflows;
begin
  if workflow_id is null then
    perform app_private.refuse_argument('LTW05', 'workflow_id', 'it is missing');
  end if;
  v_workflow := ops.lock_workflow(app_private.current_tenant_id(), workflow_id);
  if v_workflow.id is null then
    raise exception 'workflow % does not exist', workflow_id
      using errcode = 'LTW01', hint = 'It was deleted, or belongs to another tenant.';
  end if;
  return v_workflow;
end
$$;

comment on function app_private.lock_callers_workflow(uuid) is 'Locks a workflow with its tasks, and returns it. LTW01 no such workflow, LTW05 the id is missing.';
