alter table app_public.workflow_steps enable row level security, force row level security;

-- Everybody of a tenant sees how far its workflows are.
drop policy if exists select_tenant on app_public.workflow_steps;
create policy select_tenant on app_public.workflow_steps for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- The functions of workflows run as the owner, confined to the tenant of whoever calls them.
drop policy if exists manage_definer on app_public.workflow_steps;
create policy manage_definer on app_public.workflow_steps for all to :OWNER
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));

revoke all on app_public.workflow_steps from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.workflow_steps to :MEMBER, :SERVICE, :ADMIN, :ANALYST, :WORKER;
-- No insert, update or delete for those who make requests: the functions and triggers keep the state of steps.
-- ops.advance_workflow and ops.tend_workflows.
grant update (status, task_id, result, error_message, started_at, completed_at, timeout_at) on app_public.workflow_steps
  to :WORKER;
