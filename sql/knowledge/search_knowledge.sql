-- Runs as :SEARCH, whose policy on knowledge is open: under a policy that compares the tenant, neither `@@` nor `@>` can use
-- an index. So the statements compare the tenant themselves. It is always the caller's: no argument names it.
--
-- Only its owner can replace a function. :SEARCH owns nothing else and may create nothing else.
grant create on schema app_public to :SEARCH;
set local role :SEARCH;

create or replace function app_public.search_knowledge(
  query_embedding public.vector default null,
  query_text text default null,
  agent text default null,
  category text default null,
  metadata jsonb default null,
  match_count integer default 10,
  vector_weight double precision default 1,
  text_weight double precision default 1,
  min_score double precision default 0,
  min_similarity double precision default null
) returns setof app_public.knowledge_match
language plpgsql stable security definer rows 10
set search_path to pg_catalog, pg_temp
as $$
declare
  v_tenant_id text := app_private.current_tenant_id();
  v_text text := nullif(btrim(query_text), '');
  v_embedding public.vector;
  -- How many rows each part reads: an item that is middling in both may be the best overall.
  v_depth integer;
  v_vector_weight double precision;
  v_text_weight double precision;
begin
  if match_count is null or match_count not between 1 and 1000 then
    raise exception 'match_count must be a whole number from 1 to 1000, not %', match_count
      using errcode = 'LTS03';
  end if;
  if query_embedding is null and v_text is null then
    raise exception 'there is nothing to search for: query_embedding and query_text are both missing'
      using errcode = 'LTS04', hint = 'Give one of them, or both.';
  end if;
  -- The time to parse a text grows with the square of its length, and the time to rank with its words.
  if char_length(query_text) > 10000 then
    raise exception 'query_text must have at most 10000 characters, not %', char_length(query_text)
      using errcode = 'LTS18', hint = 'Search for a part of it, or for its embedding.';
  end if;
  -- This refuses NaN too, which Postgres takes for greater than any number.
  if vector_weight is null or text_weight is null
    or vector_weight not between 0 and 1000 or text_weight not between 0 and 1000
  then
    raise exception 'vector_weight and text_weight must be numbers from 0 to 1000, not % and %', vector_weight, text_weight
      using errcode = 'LTS05';
  end if;
  v_vector_weight := case when query_embedding is null then 0 else vector_weight end;
  v_text_weight := case when v_text is null then 0 else text_weight end;
  if v_vector_weight = 0 and v_text_weight = 0 then
    raise exception 'every part of the search has a weight of 0'
      using errcode = 'LTS06', hint = 'Give query_embedding a vector_weight above 0, or query_text a text_weight.';
  end if;
  if min_score is null or min_score not between 0 and 1 then
    raise exception 'min_score must be a number from 0 to 1, not %', min_score
      using errcode = 'LTS07';
  end if;
  if min_similarity not between -1 and 1 then
    raise exception 'min_similarity must be a number from -1 to 1, not %', min_similarity
      using errcode = 'LTS08';
  end if;
  if jsonb_typeof(metadata) <> 'object' then
    raise exception 'metadata must be an object, not %', jsonb_typeof(metadata)
      using errcode = 'LTS09', hint = 'The search keeps to items whose metadata contains this object.';
  end if;
  if query_embedding is not null then
    v_embedding := app_private.comparable_embedding(query_embedding);
  end if;

  v_depth := 2 * match_count + 30;
  return query
    with by_vector as materialized (
      select n.id, 1 - n.distance as similarity, row_number() over (order by n.distance, n.id)::integer as rank
      from app_private.nearest_knowledge(
        v_tenant_id, v_embedding, search_knowledge.agent, search_knowledge.category, search_knowledge.metadata, null, v_depth
      ) n
      where v_vector_weight > 0
    ), by_text as materialized (
      select t.id, t.relevance, row_number() over (order by t.relevance desc, t.id)::integer as rank
      from app_private.knowledge_by_text(
        v_tenant_id, v_text, search_knowledge.agent, search_knowledge.category, search_knowledge.metadata, v_depth
      ) t
      where v_text_weight > 0
    ), fused as (
      -- Reciprocal rank fusion with the usual constant of 60, as a share of the score of an item that is first in both.
      select
        id,
        (coalesce(v_vector_weight * 61 / (60 + v.rank), 0) + coalesce(v_text_weight * 61 / (60 + t.rank), 0))
          / (v_vector_weight + v_text_weight) as score,
        v.similarity, v.rank as vector_rank, t.relevance, t.rank as text_rank
      from (select * from by_vector b where min_similarity is null or b.similarity >= min_similarity) v
      full join by_text t using (id)
    )
    select
      k.id, k.agent_id, k.category, k.content, k.source, k.metadata, k.usage_count, k.relevance_score, k.created_at,
      k.last_used_at, f.score, f.similarity, f.vector_rank, f.relevance, f.text_rank
    from (
      select *
      from fused
      where fused.score >= min_score
      order by fused.score desc, fused.vector_rank, fused.id
      limit match_count
    ) f
    join app_public.knowledge k on k.tenant_id = v_tenant_id and k.id = f.id
    order by f.score desc, f.vector_rank, f.id;
end
$$;

revoke execute on function app_public.search_knowledge(
  public.vector, text, text, text, jsonb, integer, double precision, double precision, double precision, double precision
) from public;
grant execute on function app_public.search_knowledge(
  public.vector, text, text, text, jsonb, integer, double precision, double precision, double precision, double precision
) to :MEMBER, :SERVICE, :ADMIN, :ANALYST;

comment on function app_public.search_knowledge(
  public.vector, text, text, text, jsonb, integer, double precision, double precision, double precision, double precision
) is $$Finds knowledge by meaning, by its words, or by both.

query_embedding: 1536 dimensions, compared by cosine. query_text: words that an item must all contain; "a phrase", or, -not; at most 10,000 characters. Give at least one of the two.
agent, category, metadata: keep to items of this agent, of this category, whose metadata contains this object.
match_count: how many items to return, 1 to 1000. Fewer come only when fewer match; every item with an embedding matches an embedding.
vector_weight, text_weight: how much the rank in each part counts. min_score: leaves out items with a lower score (0 to 1). min_similarity: leaves out less similar items of the part by meaning (-1 to 1).

Returns the items, best first, each with its score (reciprocal rank fusion; 1: first in both parts), its similarity and rank by meaning, and its relevance and rank by words; null where that part did not find it.

Errors: LTS01 or LTS02 the embedding has another dimension or is all zeros; LTS03 match_count; LTS04 nothing to search for; LTS05, LTS06 weights; LTS07 min_score; LTS08 min_similarity; LTS09 metadata is not an object; LTS18 query_text has more than 10,000 characters.$$;

set local role :OWNER;
revoke create on schema app_public from :SEARCH;
