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
    raise exception 'workflow % is % and cannot become %', v_workflow.id, v_workflow.status, 'running'
      using errcode = 'LTW04', hint = 'Use start_workflow for a draft, retry_workflow for a workflow that has ended.';
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

comment on function app_public.resume_workflow(uuid) is 'Resumes a paused workflow: its waiting tasks can be claimed again, and steps start whose dependencies ended meanwhile. Returns the workflow; one that is running stays as it is. Errors: LTW01 no such workflow, LTW04 it is not paused, LTW05 invalid argument.';
-- Everybody who writes may run workflows.
grant execute on function app_public.resume_workflow(uuid) to :MEMBER, :SERVICE, :ADMIN;
