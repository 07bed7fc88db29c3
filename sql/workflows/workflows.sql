alter table app_public.workflows enable row level security, force row level security;

-- Everybody of a tenant reads all of its workflows.
drop policy if exists select_tenant on app_public.workflows;
create policy select_tenant on app_public.workflows for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- People, services and administrators add workflows to their own tenant.
drop policy if exists insert_tenant on app_public.workflows;
create policy insert_tenant on app_public.workflows for insert to :MEMBER, :SERVICE, :ADMIN
  with check (tenant_id = (select app_private.current_tenant_id()));

-- They change their tenant's workflows, and cannot move one out of it.
drop policy if exists update_tenant on app_public.workflows;
create policy update_tenant on app_public.workflows for update to :MEMBER, :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));

-- They remove their tenant's workflows.
drop policy if exists delete_tenant on app_public.workflows;
create policy delete_tenant on app_public.workflows for delete to :MEMBER, :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()));

-- The functions of workflows run as the owner, confined to the tenant of whoever calls them.
drop policy if exists select_definer on app_public.workflows;
create policy select_definer on app_public.workflows for select to :OWNER
  using (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists update_definer on app_public.workflows;
create policy update_definer on app_public.workflows for update to :OWNER
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));

revoke all on app_public.workflows from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.workflows to :MEMBER, :SERVICE, :ADMIN, :ANALYST, :WORKER;
grant insert (tenant_id, id, name, description, steps, status, created_by, assigned_to, context) on
  app_public.workflows to :MEMBER, :SERVICE, :ADMIN;
-- Only programs bring history with them.
grant insert (created_at) on app_public.workflows to :SERVICE, :ADMIN;
-- No update of tenant_id, id or created_at for anybody: keys and beginnings do not change.
grant update (name, description, steps, status, created_by, assigned_to, context) on app_public.workflows to
  :MEMBER, :SERVICE, :ADMIN;
-- No insert and no update of started_at, paused_at, completed_at and error_message: the functions keep them.
-- ops.advance_workflow.
grant update (status, error_message, completed_at) on app_public.workflows to :WORKER;
grant delete on app_public.workflows to :MEMBER, :SERVICE, :ADMIN;
-- No truncate for anybody: it knows no tenants.
