comment on table app_public.knowledge is E'@unique id|@fieldName knowledge|@updateFieldName updateKnowledge|@deleteFieldName deleteKnowledge\nAn item of knowledge that agents look up, with an embedding to find it by meaning.';
comment on column app_public.knowledge.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.knowledge.id is 'The item''s id; random if not given.';
comment on column app_public.knowledge.agent_id is 'The agent whose knowledge it is; null: every agent''s, or the agent was removed.';
comment on column app_public.knowledge.category is 'A word to group by.';
comment on column app_public.knowledge.content is 'The text itself.';
comment on column app_public.knowledge.source is 'Where it comes from: a file, an address, a whole quotation.';
comment on column app_public.knowledge.metadata is 'Anything else about it.';
comment on column app_public.knowledge.embedding is 'The content''s embedding, 1536 dimensions; null until it is computed. One shorter than 0.01 or longer than 65,504 is stored with length 1, which is the same to a search.';
comment on column app_public.knowledge.embedding_error is 'Why the content could not be embedded; null: it was embedded, or this was not tried yet. Changed content is tried again.';
comment on column app_public.knowledge.usage_count is 'How often it was used.';
comment on column app_public.knowledge.relevance_score is 'How useful it proved; 1 is neutral.';
comment on column app_public.knowledge.created_at is 'When it was added.';
comment on column app_public.knowledge.last_used_at is 'When it was last used.';

comment on constraint knowledge_pkey on app_public.knowledge is E'@behavior -single -update -delete\nThe tenant and the id identify a row.';
comment on constraint knowledge_tenant_id_fkey on app_public.knowledge is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint knowledge_agent_id_fkey on app_public.knowledge is E'@fieldName agent\n@foreignFieldName knowledge\nThe agent whose knowledge it is.';

alter table app_public.knowledge enable row level security, force row level security;

-- Everybody of a tenant reads all of its knowledge.
drop policy if exists select_tenant on app_public.knowledge;
create policy select_tenant on app_public.knowledge for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- People, services and administrators add knowledge to their own tenant.
drop policy if exists insert_tenant on app_public.knowledge;
create policy insert_tenant on app_public.knowledge for insert to :MEMBER, :SERVICE, :ADMIN
  with check (tenant_id = (select app_private.current_tenant_id()));

-- They change their tenant's knowledge, and cannot move an item out of it.
drop policy if exists update_tenant on app_public.knowledge;
create policy update_tenant on app_public.knowledge for update to :MEMBER, :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));

-- They remove their tenant's knowledge.
drop policy if exists delete_tenant on app_public.knowledge;
create policy delete_tenant on app_public.knowledge for delete to :MEMBER, :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()));

-- Across tenants

-- The search functions, which compare the tenant themselves. Under any other policy `@@` and `@>` cannot use an index.
drop policy if exists select_search on app_public.knowledge;
create policy select_search on app_public.knowledge for select to :SEARCH
  using (true);

-- app_public.touch_knowledge.
drop policy if exists update_search on app_public.knowledge;
create policy update_search on app_public.knowledge for update to :SEARCH
  using (true)
  with check (true);

-- The embedding job: items without an embedding, of all tenants.
drop policy if exists select_jobs on app_public.knowledge;
create policy select_jobs on app_public.knowledge for select to :JOBS
  using (true);
drop policy if exists update_jobs on app_public.knowledge;
create policy update_jobs on app_public.knowledge for update to :JOBS
  using (true)
  with check (true);

revoke all on app_public.knowledge from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on app_public.knowledge to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
grant insert (tenant_id, id, agent_id, category, content, source, metadata, embedding) on app_public.knowledge
  to :MEMBER, :SERVICE, :ADMIN;
-- Only programs import rows with their history.
grant insert (usage_count, relevance_score, created_at, last_used_at) on app_public.knowledge to :SERVICE, :ADMIN;
-- No update of tenant_id, id or created_at for anybody: keys and creation times do not change.
grant update (agent_id, category, content, source, metadata, embedding) on app_public.knowledge to :MEMBER,
  :SERVICE, :ADMIN;
grant update (usage_count, relevance_score, last_used_at) on app_public.knowledge to :SERVICE, :ADMIN;
grant delete on app_public.knowledge to :MEMBER, :SERVICE, :ADMIN;
-- The search functions and touch_knowledge. They may update nothing else: updates of :SEARCH are not audited.
grant select on app_public.knowledge to :SEARCH;
grant update (usage_count, last_used_at) on app_public.knowledge to :SEARCH;
-- The embedding job. Only it records why an embedding failed.
grant select (tenant_id, id, content, embedding, embedding_error, created_at) on app_public.knowledge to :JOBS;
grant update (embedding, embedding_error) on app_public.knowledge to :JOBS;
-- No truncate for anybody: it ignores tenants.

create or replace trigger _200_keys
  before update of tenant_id, id on app_public.knowledge
  for each row
  when (old.tenant_id is distinct from new.tenant_id or old.id is distinct from new.id)
  execute function app_private.tg__refuse_key_change();

create or replace trigger _200_long_numbers
  before insert or update of metadata on app_public.knowledge
  for each row
  when (app_private.may_print_long(new.metadata))
  execute function app_private.tg__refuse_long_numbers('metadata');

create or replace trigger _200_embedding
  before insert or update of embedding on app_public.knowledge
  for each row
  when (public.vector_norm(new.embedding) not between 0.01 and 65504)
  execute function app_private.tg_knowledge__comparable_embedding();

create or replace trigger _500_clear_embedding
  before update of content on app_public.knowledge
  for each row
  when (old.content is distinct from new.content)
  execute function app_private.tg_knowledge__clear_embedding();

-- app_public.touch_knowledge counts uses without a trace: :SEARCH may update the counters and nothing else.
-- A deletion of the tenant removes its rows (ops.delete_tenant_rows).
select app_private.allow_tenant_removal('app_public.knowledge');

select audit.enable_tracking('app_public.knowledge', digested => '{embedding}', counter => ':SEARCH');
