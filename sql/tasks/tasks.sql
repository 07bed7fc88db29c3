alter table app_public.tasks enable row level security, force row level security;

-- Everybody of a tenant reads all of its tasks.
drop policy if exists select_tenant on app_public.tasks;
create policy select_tenant on app_public.tasks for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- People, services and administrators add tasks to their own tenant.
drop policy if exists insert_tenant on app_public.tasks;
create policy insert_tenant on app_public.tasks for insert to :MEMBER, :SERVICE, :ADMIN
  with check (tenant_id = (select app_private.current_tenant_id()));

-- They change their tenant's tasks, and cannot move one out of it.
drop policy if exists update_tenant on app_public.tasks;
create policy update_tenant on app_public.tasks for update to :MEMBER, :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));

-- They remove their tenant's tasks.
drop policy if exists delete_tenant on app_public.tasks;
create policy delete_tenant on app_public.tasks for delete to :MEMBER, :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()));

-- The functions of tasks run as the owner, confined to the tenant of whoever calls them.
drop policy if exists select_definer on app_public.tasks;
create policy select_definer on app_public.tasks for select to :OWNER
  using (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists insert_definer on app_public.tasks;
create policy insert_definer on app_public.tasks for insert to :OWNER
  with check (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists update_definer on app_public.tasks;
create policy update_definer on app_public.tasks for update to :OWNER
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));

-- What is not kept any longer goes, of one tenant at a time, the one that the worker names: ops.expire_rows.
drop policy if exists delete_worker on app_public.tasks;
create policy delete_worker on app_public.tasks for delete to :WORKER
  using (tenant_id = (select app_private.retention_tenant_id()));

revoke all on app_public.tasks from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.tasks to :MEMBER, :SERVICE, :ADMIN, :ANALYST, :WORKER;
grant insert (tenant_id, id, agent_id, description, status, priority, context, result, started_at, completed_at,
  error_message, required_capabilities, run_after, max_attempts, idempotency_key) on app_public.tasks to :MEMBER, :SERVICE,
  :ADMIN;
-- Only programs bring history with them.
grant insert (created_at) on app_public.tasks to :SERVICE, :ADMIN;
-- No update of tenant_id, id, idempotency_key or created_at for anybody: keys and beginnings do not change.
grant update (agent_id, description, status, priority, context, result, started_at, completed_at, error_message,
  required_capabilities, run_after, max_attempts) on app_public.tasks to :MEMBER, :SERVICE, :ADMIN;
-- No insert and no update of attempt, failures and queue_at: the functions and triggers keep them. Nor of workflow_id and
-- step_key: a task of a step is made by its workflow.
-- ops.reap_expired_leases, and ops.advance_workflow, which holds tasks back and makes those of the next steps.
grant update (status, failures, error_message, completed_at, run_after) on app_public.tasks to :WORKER;
grant insert (tenant_id, description, priority, agent_id, required_capabilities, max_attempts, workflow_id, step_key,
  context) on app_public.tasks to :WORKER;
grant delete on app_public.tasks to :MEMBER, :SERVICE, :ADMIN;
-- No truncate for anybody: it knows no tenants.
-- What is not kept any longer: ops.expire_rows.
grant delete on app_public.tasks to :WORKER;
