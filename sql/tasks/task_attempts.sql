alter table app_public.task_attempts enable row level security, force row level security;

-- Everybody of a tenant reads the history of its tasks.
drop policy if exists select_tenant on app_public.task_attempts;
create policy select_tenant on app_public.task_attempts for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- The functions that end leases run as the owner, confined to the tenant of whoever calls them.
drop policy if exists select_definer on app_public.task_attempts;
create policy select_definer on app_public.task_attempts for select to :OWNER
  using (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists insert_definer on app_public.task_attempts;
create policy insert_definer on app_public.task_attempts for insert to :OWNER
  with check (tenant_id = (select app_private.current_tenant_id()));

-- What is not kept any longer goes, of one tenant at a time, the one that the worker names: ops.expire_rows.
drop policy if exists select_worker on app_public.task_attempts;
create policy select_worker on app_public.task_attempts for select to :WORKER
  using (tenant_id = (select app_private.retention_tenant_id()));

drop policy if exists delete_worker on app_public.task_attempts;
create policy delete_worker on app_public.task_attempts for delete to :WORKER
  using (tenant_id = (select app_private.retention_tenant_id()));

revoke all on app_public.task_attempts from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.task_attempts to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
grant insert (tenant_id, task_id, attempt, fencing_token, agent, claimed_at, ended_at, outcome, error, progress, note)
  on app_public.task_attempts to :WORKER;
-- No update and no delete for anybody: history goes with its task and not before.
-- What is not kept any longer: ops.expire_rows.
grant select (tenant_id, task_id, attempt, ended_at), delete on app_public.task_attempts to :WORKER;
