alter table app_public.knowledge enable row level security, force row level security;

-- Everybody of a tenant reads all of its knowledge.
drop policy if exists select_tenant on app_public.knowledge;
create policy select_tenant on app_public.knowledge for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- People, services and administrators add knowledge to their own tenant.
drop policy if exists insert_tenant on app_public.knowledge;
create policy insert_tenant on app_public.knowledge for insert to :MEMBER, :SERVICE, :ADMIN
  with check (tenant_id = (select app_private.current_tenant_id()));

-- They change their tenant's knowledge, and cannot move one out of it.
drop policy if exists update_tenant on app_public.knowledge;
create policy update_tenant on app_public.knowledge for update to :MEMBER, :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));

-- They remove their tenant's knowledge.
drop policy if exists delete_tenant on app_public.knowledge;
create policy delete_tenant on app_public.knowledge for delete to :MEMBER, :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()));

revoke all on app_public.knowledge from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.knowledge to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
grant insert (tenant_id, id, agent_id, category, content, source, metadata, embedding) on app_public.knowledge
  to :MEMBER, :SERVICE, :ADMIN;
-- Only programs bring history with them.
grant insert (usage_count, relevance_score, created_at, last_used_at) on app_public.knowledge to :SERVICE, :ADMIN;
-- No update of tenant_id, id or created_at for anybody: keys and beginnings do not change.
grant update (agent_id, category, content, source, metadata, embedding) on app_public.knowledge to :MEMBER,
  :SERVICE, :ADMIN;
grant update (usage_count, relevance_score, last_used_at) on app_public.knowledge to :SERVICE, :ADMIN;
grant delete on app_public.knowledge to :MEMBER, :SERVICE, :ADMIN;
-- The search functions and touch_knowledge. Nothing else is theirs to update: updates of :SEARCH are not audited.
grant select on app_public.knowledge to :SEARCH;
grant update (usage_count, last_used_at) on app_public.knowledge to :SEARCH;
-- The embedding job. Nobody else says why an embedding failed.
grant select (tenant_id, id, content, embedding, embedding_error, created_at) on app_public.knowledge to :WORKER;
grant update (embedding, embedding_error) on app_public.knowledge to :WORKER;
-- No truncate for anybody: it knows no tenants.
