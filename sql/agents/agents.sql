alter table app_public.agents enable row level security, force row level security;

-- Everybody of a tenant reads all of its agents.
drop policy if exists select_tenant on app_public.agents;
create policy select_tenant on app_public.agents for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- People, services and administrators add agents to their own tenant.
drop policy if exists insert_tenant on app_public.agents;
create policy insert_tenant on app_public.agents for insert to :MEMBER, :SERVICE, :ADMIN
  with check (tenant_id = (select app_private.current_tenant_id()));

-- They change their tenant's agents, and cannot move one out of it.
drop policy if exists update_tenant on app_public.agents;
create policy update_tenant on app_public.agents for update to :MEMBER, :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));

-- Services and administrators remove their tenant's agents.
drop policy if exists delete_tenant on app_public.agents;
create policy delete_tenant on app_public.agents for delete to :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()));

revoke all on app_public.agents from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.agents to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
grant insert (tenant_id, id, name, model, specialization, status, config) on app_public.agents to :MEMBER,
  :SERVICE, :ADMIN;
-- Only programs bring history with them.
grant insert (created_at) on app_public.agents to :SERVICE, :ADMIN;
-- No update of tenant_id, id or created_at for anybody: keys and beginnings do not change.
grant update (name, model, specialization, status, config) on app_public.agents to :MEMBER, :SERVICE, :ADMIN;
-- No delete for members: an agent's removal clears it from all of its tasks and knowledge.
grant delete on app_public.agents to :SERVICE, :ADMIN;
-- No truncate for anybody: it knows no tenants.
