--! Previous: sha1:0b2fa678467e5cb00cdca33f317674142d4b3088
--! Hash: sha1:bc8425aae905f6ccccacac06d066662c882b9bcb
--! Message: knowledge-2

-- A search for words that many items hold ranks the newest of them only.

--! Included app_private/functions/knowledge_by_text.sql
-- The knowledge of a tenant that holds the words of a text, the most relevant first. For search_knowledge, which runs
-- as :SEARCH and says the tenant. The condition is written as the index has it: knowledge_content_idx, whose documents
-- have their tenant as a word.
--
-- To rank a row its content is parsed anew, which takes some 100 microseconds. So of more than 2,000 rows that match the newest
-- 2,000 are ranked: words that so many hold tell little, and a search for one of them must not take seconds.
create or replace function app_private.knowledge_by_text(
  tenant_id text,
  query_text text,
  agent text,
  category text,
  metadata jsonb,
  row_limit integer
) returns table (id varchar, relevance double precision)
language plpgsql stable
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_custom_plan
set jit to off
-- Postgres tells of a text that is all stop words in a notice.
set client_min_messages to warning
as $$
declare
  v_words tsquery := websearch_to_tsquery('pg_catalog.english', query_text);
  v_indexed tsquery := quote_literal('tenant:' || tenant_id)::tsquery && v_words;
begin
  -- Nothing but stop words: no row holds none of them.
  if numnode(v_words) = 0 then
    return;
  end if;
  return query
    select
      m.id,
      ts_rank_cd(to_tsvector('pg_catalog.english', left(m.content, 200000)), v_words, 1)::double precision as relevance
    from (
      select k.id, k.content
      from app_public.knowledge k
      where k.tenant_id = knowledge_by_text.tenant_id
        and (
          to_tsvector('pg_catalog.english', left(k.content, 200000)) || array_to_tsvector(array['tenant:' || k.tenant_id])
        ) @@ v_indexed
        and (knowledge_by_text.agent is null or k.agent_id = knowledge_by_text.agent)
        and (knowledge_by_text.category is null or k.category = knowledge_by_text.category)
        and (knowledge_by_text.metadata is null or k.metadata @> knowledge_by_text.metadata)
      order by k.created_at desc, k.id
      limit 2000
    ) m
    order by 2 desc, 1
    limit row_limit;
end
$$;
--! EndIncluded app_private/functions/knowledge_by_text.sql
--! Included app_private/comments.sql
comment on schema app_private is 'Helpers that decide who may see what. Granted to nobody who can ask anything.';

comment on table app_private.tenant_logins is 'Which tenant a login of its own (an analyst''s) sees.';
comment on column app_private.tenant_logins.login is 'The login''s name, as session_user says it.';
comment on column app_private.tenant_logins.tenant_id is 'The one tenant that it sees.';
comment on column app_private.tenant_logins.created_at is 'When it was bound.';

comment on function app_private.current_tenant_id() is 'The tenant of whoever asks: from the setting app.tenant_id for the API''s login, from app_private.tenant_logins for any other, null for nobody''s.';
comment on function app_private.login_tenant_id() is 'The tenant that the session''s login is bound to; null when it is bound to none or its tenant is suspended.';
comment on function app_private.create_partition(regclass, name, timestamptz, timestamptz) is 'Makes the partition [range_start, range_end) of a table, with row-level security and audit; false when it is there already.';
comment on function app_private.tg__touch_updated_at() is 'Trigger: sets updated_at.';
comment on function app_private.tg__refuse_key_change() is 'Trigger: refuses to change a key, with LTK01.';
comment on sequence app_private.fencing_tokens is 'Tokens of leases: later claims have larger ones.';
comment on function app_private.lock_claimable_tasks(text, text, text[], jsonb, integer) is 'Locks the next tasks that an agent may claim, and gives their ids in the order of the queue.';
comment on function app_private.refuse_ended_lease(uuid, bigint) is 'Raises why a fencing token is good for nothing: LTQ01 no such task, LTQ02 the lease is over, LTQ03 the task was cancelled, LTQ05 an argument is missing.';
comment on function app_private.tg_tasks__place_in_queue() is 'Trigger: sets queue_at from run_after and priority.';
comment on function app_private.tg_tasks__check_update() is 'Trigger: refuses an illegal change of state, with LTQ04, and a change of a claimed task but for its agent, with LTQ06.';
comment on function app_private.tg_tasks__notify() is 'Trigger: NOTIFY lightning:tasks with {tenant, operation, ids}; ids is null when more than 150 tasks changed at once.';
comment on function app_private.tg_tenants__notify() is 'Trigger: NOTIFY lightning:tenants without payload when a tenant was suspended or resumed.';
comment on function app_private.tg_knowledge__clear_embedding() is 'Takes away the embedding of content that changed without a new one.';
comment on function app_private.refuse_embedding(public.vector) is 'Raises LTS01 for an embedding of another dimension, LTS02 for one of zeros.';
comment on function app_private.nearest_knowledge(text, public.vector, text, text, jsonb, text, integer) is 'The knowledge of a tenant that is nearest to an embedding, with its cosine distance, nearest first. For the search functions.';
comment on function app_private.knowledge_by_text(text, text, text, text, jsonb, integer) is 'The knowledge of a tenant that holds the words of a text, the most relevant first; of more than 2,000 items the newest 2,000. For search_knowledge.';
--! EndIncluded app_private/comments.sql
