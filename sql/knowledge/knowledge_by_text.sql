-- A tenant's knowledge that contains the words of a text, most relevant first. For search_knowledge, which runs as :SEARCH and
-- names the tenant. The condition matches the index knowledge_content_idx, whose documents contain their tenant as a word.
--
-- Ranking a row parses its content again, which takes some 100 microseconds. So when more than 2,000 rows match, only the
-- newest 2,000 are ranked: words that so many rows contain tell little, and a search for one must not take seconds.
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
-- Postgres sends a notice about a text that is all stop words.
set client_min_messages to warning
as $$
declare
  v_words tsquery := websearch_to_tsquery('pg_catalog.english', query_text);
  v_indexed tsquery := quote_literal('tenant:' || tenant_id)::tsquery && v_words;
begin
  -- Nothing but stop words: no row matches.
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

comment on function app_private.knowledge_by_text(text, text, text, text, jsonb, integer) is 'A tenant''s knowledge that contains the words of a text, most relevant first; when more than 2,000 items match, only the newest 2,000. For search_knowledge.';
grant execute on function app_private.knowledge_by_text(text, text, text, text, jsonb, integer) to :SEARCH;
