-- Knowledge as the legacy system's models have it: the columns of app_public.knowledge that they know. Postgres writes it by itself.
create or replace view legacy.knowledge with (security_barrier, security_invoker) as
select
  k.id, k.agent_id, k.category, k.content, k.source, k.metadata, k.usage_count, k.relevance_score, k.created_at, k.last_used_at
from app_public.knowledge k;

comment on view legacy.knowledge is 'Knowledge as the legacy system''s models have it.';
comment on column legacy.knowledge.id is 'The id of the item.';
comment on column legacy.knowledge.agent_id is 'The agent whose knowledge it is.';
comment on column legacy.knowledge.category is 'A word to group by.';
comment on column legacy.knowledge.content is 'The text itself.';
comment on column legacy.knowledge.source is 'Where it comes from.';
comment on column legacy.knowledge.metadata is 'Anything else about it.';
comment on column legacy.knowledge.usage_count is 'How often it was used.';
comment on column legacy.knowledge.relevance_score is 'How useful it proved; 1 is neutral.';
comment on column legacy.knowledge.created_at is 'When it was added.';
comment on column legacy.knowledge.last_used_at is 'When it was last used.';

revoke all on legacy.knowledge from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select, delete on legacy.knowledge to :SERVICE;
grant insert (id, agent_id, category, content, source, metadata, usage_count, relevance_score, created_at,
  last_used_at) on legacy.knowledge to :SERVICE;
grant update (agent_id, category, content, source, metadata, usage_count, relevance_score,
  last_used_at) on legacy.knowledge to :SERVICE;
