comment on table legacy.turns is 'A question and its answer as one row, as the legacy system keeps conversations. The texts are two messages of a thread.';
comment on column legacy.turns.tenant_id is 'The tenant. By default the caller''s.';
comment on column legacy.turns.id is 'The id of the turn.';
comment on column legacy.turns.thread_id is 'The thread that holds both texts.';
comment on column legacy.turns.number is 'The number of the question; the answer is the next message.';
comment on column legacy.turns.task_id is 'The task, by whatever id the legacy system knew it.';
comment on column legacy.turns.context is 'What the agent was given beside the question.';
comment on column legacy.turns.knowledge_metadata is 'What it was told of the knowledge that it used.';
comment on column legacy.turns.success is 'Whether it succeeded.';
comment on column legacy.turns.knowledge_used is 'How many items of knowledge it used.';
comment on column legacy.turns.rl_enhanced is 'Whether reinforcement learning had a part in it.';
comment on column legacy.turns.user_query_encrypted is 'Ciphertext, which nobody here can read.';
comment on column legacy.turns.agent_response_encrypted is 'Ciphertext, which nobody here can read.';

alter table legacy.turns enable row level security, force row level security;

-- Services that were written for the legacy system, in their own tenant.
drop policy if exists select_service on legacy.turns;
create policy select_service on legacy.turns for select to :SERVICE
  using (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists insert_service on legacy.turns;
create policy insert_service on legacy.turns for insert to :SERVICE
  with check (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists update_service on legacy.turns;
create policy update_service on legacy.turns for update to :SERVICE
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists delete_service on legacy.turns;
create policy delete_service on legacy.turns for delete to :SERVICE
  using (tenant_id = (select app_private.current_tenant_id()));

revoke all on legacy.turns from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select, delete on legacy.turns to :SERVICE;
grant insert (tenant_id, id, thread_id, number, task_id, context, knowledge_metadata, success, knowledge_used, rl_enhanced,
  user_query_encrypted, agent_response_encrypted) on legacy.turns to :SERVICE;
grant update (context, knowledge_metadata, success, knowledge_used, rl_enhanced, user_query_encrypted,
  agent_response_encrypted) on legacy.turns to :SERVICE;
-- No truncate for anybody: it ignores tenants.

create or replace trigger _200_keys
  before update of tenant_id, id on legacy.turns
  for each row
  when (old.tenant_id is distinct from new.tenant_id or old.id is distinct from new.id)
  execute function app_private.tg__refuse_key_change();

create or replace trigger _200_long_numbers_context
  before insert or update of context on legacy.turns
  for each row
  when (app_private.may_print_long(new.context))
  execute function app_private.tg__refuse_long_numbers('context');

create or replace trigger _200_long_numbers_knowledge_metadata
  before insert or update of knowledge_metadata on legacy.turns
  for each row
  when (app_private.may_print_long(new.knowledge_metadata))
  execute function app_private.tg__refuse_long_numbers('knowledge_metadata');

-- A deletion of the tenant removes its rows (ops.delete_tenant_rows).
select app_private.allow_tenant_removal('legacy.turns');

select audit.enable_tracking('legacy.turns');
