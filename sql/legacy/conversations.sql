-- Conversations as the legacy system's models have them, a row for a question and its answer. The texts are messages of threads: the turns
-- of one agent about one task follow each other in one thread. A program writes it through tg_conversations__write.
create or replace view legacy.conversations with (security_barrier, security_invoker) as
select
  c.id, c.task_id, t.agent_id, q.content as user_query, a.content as agent_response, c.context, c.knowledge_metadata, c.success,
  c.knowledge_used, c.rl_enhanced, q.created_at, c.user_query_encrypted, c.agent_response_encrypted
from legacy.turns c
join app_public.threads t on t.tenant_id = c.tenant_id and t.id = c.thread_id
join app_public.messages q on q.tenant_id = c.tenant_id and q.thread_id = c.thread_id and q.number = c.number
join app_public.messages a on a.tenant_id = c.tenant_id and a.thread_id = c.thread_id and a.number = c.number + 1;

comment on view legacy.conversations is 'Conversations as the legacy system''s models have them, a row for a question and its answer.';
comment on column legacy.conversations.id is 'The id of the turn.';
comment on column legacy.conversations.task_id is 'The task, by whatever id the services knew it.';
comment on column legacy.conversations.agent_id is 'The agent that answered.';
comment on column legacy.conversations.user_query is 'The question.';
comment on column legacy.conversations.agent_response is 'The answer.';
comment on column legacy.conversations.context is 'What the agent was given beside the question.';
comment on column legacy.conversations.knowledge_metadata is 'What it was told of the knowledge that it used.';
comment on column legacy.conversations.success is 'Whether it succeeded.';
comment on column legacy.conversations.knowledge_used is 'How many items of knowledge it used.';
comment on column legacy.conversations.rl_enhanced is 'Whether reinforcement learning had a part in it.';
comment on column legacy.conversations.created_at is 'When it was said.';
comment on column legacy.conversations.user_query_encrypted is 'Ciphertext, which nobody here can read.';
comment on column legacy.conversations.agent_response_encrypted is 'Ciphertext, which nobody here can read.';

alter view legacy.conversations alter column id set default gen_random_uuid()::text;

revoke all on legacy.conversations from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select, delete on legacy.conversations to :SERVICE;
grant insert (id, task_id, agent_id, user_query, agent_response, context, knowledge_metadata, success, knowledge_used,
  rl_enhanced, created_at, user_query_encrypted, agent_response_encrypted) on legacy.conversations to :SERVICE;
grant update (task_id, agent_id, user_query, agent_response, context, knowledge_metadata, success,
  knowledge_used, rl_enhanced, user_query_encrypted, agent_response_encrypted) on legacy.conversations to :SERVICE;
-- A delete is refused by the trigger, with a sentence: what was said stays with its thread, which can be deleted as a whole.

create or replace trigger _500_write
  instead of insert or update or delete on legacy.conversations
  for each row
  execute function legacy.tg_conversations__write();
