-- Runs as :SEARCH, as app_public.search_knowledge does and for the same reasons.
grant create on schema app_public to :SEARCH;
set local role :SEARCH;

create or replace function app_public.similar_knowledge(
  id text,
  agent text default null,
  category text default null,
  metadata jsonb default null,
  match_count integer default 10,
  min_similarity double precision default null
) returns setof app_public.knowledge_match
language plpgsql stable security definer rows 10
set search_path to pg_catalog, pg_temp
as $$
declare
  v_tenant_id text := app_private.current_tenant_id();
  v_embedding public.vector;
begin
  if match_count is null or match_count not between 1 and 1000 then
    raise exception 'match_count must be a whole number from 1 to 1000, not %', match_count
      using errcode = 'LTS03';
  end if;
  if min_similarity not between -1 and 1 then
    raise exception 'min_similarity must be a number from -1 to 1, not %', min_similarity
      using errcode = 'LTS08';
  end if;
  if jsonb_typeof(metadata) <> 'object' then
    raise exception 'metadata must be an object, not %', jsonb_typeof(metadata)
      using errcode = 'LTS09', hint = 'The search keeps to items whose metadata contains this object.';
  end if;
  select k.embedding into v_embedding
  from app_public.knowledge k
  where k.tenant_id = v_tenant_id and k.id = similar_knowledge.id;
  if not found then
    raise exception 'knowledge % does not exist', id
      using errcode = 'LTS12';
  end if;
  if v_embedding is null then
    raise exception 'knowledge % has no embedding yet', id
      using errcode = 'LTS13', hint = 'If embedding it failed, its column embedding_error says why.';
  end if;
  v_embedding := app_private.comparable_embedding(v_embedding);

  return query
    select
      k.id, k.agent_id, k.category, k.content, k.source, k.metadata, k.usage_count, k.relevance_score, k.created_at,
      k.last_used_at, 61.0::double precision / (60 + n.rank), n.similarity, n.rank, null::double precision, null::integer
    from (
      select m.id, 1 - m.distance as similarity, row_number() over (order by m.distance, m.id)::integer as rank
      from app_private.nearest_knowledge(
        v_tenant_id, v_embedding, similar_knowledge.agent, similar_knowledge.category, similar_knowledge.metadata,
        similar_knowledge.id, 2 * match_count + 30
      ) m
    ) n
    join app_public.knowledge k on k.tenant_id = v_tenant_id and k.id = n.id
    where n.rank <= match_count and (min_similarity is null or n.similarity >= min_similarity)
    order by n.rank;
end
$$;

revoke execute on function app_public.similar_knowledge(text, text, text, jsonb, integer, double precision) from public;
grant execute on function app_public.similar_knowledge(text, text, text, jsonb, integer, double precision)
  to :MEMBER, :SERVICE, :ADMIN, :ANALYST;

comment on function app_public.similar_knowledge(text, text, text, jsonb, integer, double precision) is $$Finds the knowledge whose meaning is nearest to an item's own.

id: the item, which is not in the result. agent, category, metadata, match_count, min_similarity: as in search_knowledge.

Returns the items, most similar first, as search_knowledge does.

Errors: LTS12 the item does not exist; LTS13 it has no embedding yet; LTS02 its embedding is all zeros; LTS03 match_count; LTS08 min_similarity; LTS09 metadata is not an object.$$;

set local role :OWNER;
revoke create on schema app_public from :SEARCH;
