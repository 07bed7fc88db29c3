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

comment on function app_private.lock_callers_workflow(uuid) is 'The workflow, locked with its tasks. LTW01 no such workflow, LTW05 the id is missing.';
