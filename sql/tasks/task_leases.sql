alter table app_public.task_leases enable row level security, force row level security;

-- Everybody of a tenant sees who works on what.
drop policy if exists select_tenant on app_public.task_leases;
create policy select_tenant on app_public.task_leases for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- The functions that claim, extend and end leases run as the owner, confined to the tenant of whoever calls them.
drop policy if exists manage_definer on app_public.task_leases;
create policy manage_definer on app_public.task_leases for all to :OWNER
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));

revoke all on app_public.task_leases from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.task_leases to :MEMBER, :SERVICE, :ADMIN, :ANALYST, :WORKER;
-- No insert, update or delete for those who make requests: a fencing token that could be written would prove nothing.
-- The worker takes expired leases away; it can lock a row only where it may update a column.
grant update (heartbeat_at) on app_public.task_leases to :WORKER;
grant delete on app_public.task_leases to :WORKER;
