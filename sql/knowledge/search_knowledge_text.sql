-- The same search for callers without an embedding. The process of the API sees the call, embeds the text, and leaves the
-- embedding in a setting of the request's transaction (src/embeddings/). Any other call finds none there. Callers who set it
-- by hand search for that embedding, within their own tenant: it grants them nothing.
create or replace function app_public.search_knowledge_text(
  query_text text,
  agent text default null,
  category text default null,
  metadata jsonb default null,
  match_count integer default 10,
  vector_weight double precision default 1,
  text_weight double precision default 1,
  min_score double precision default 0,
  min_similarity double precision default null
) returns setof app_public.knowledge_match
language plpgsql stable rows 10
set search_path to pg_catalog, pg_temp
as $$
declare
  -- Embeddings by text: one GraphQL operation may search for several texts.
  v_embeddings jsonb := nullif(current_setting('app.query_embeddings', true), '')::jsonb;
begin
  if nullif(btrim(query_text), '') is null then
    raise exception 'query_text is missing'
      using errcode = 'LTS10', hint = 'Say in words what to look for.';
  end if;
  -- As in search_knowledge: the API does not embed a longer text (src/embeddings/query-embeddings.ts).
  if char_length(query_text) > 10000 then
    raise exception 'query_text must have at most 10000 characters, not %', char_length(query_text)
      using errcode = 'LTS18', hint = 'Search for a part of it.';
  end if;
  if v_embeddings ->> query_text is null then
    raise exception 'query_text has no embedding: the process of the API makes it, through an embeddings endpoint'
      using errcode = 'LTS11', hint = 'Set EMBEDDINGS_URL and call through REST or GraphQL, or call search_knowledge.';
  end if;
  return query
    select *
    from app_public.search_knowledge(
      (v_embeddings ->> query_text)::public.vector, query_text, search_knowledge_text.agent, search_knowledge_text.category,
      search_knowledge_text.metadata, match_count, vector_weight, text_weight, min_score, min_similarity
    );
end
$$;

revoke execute on function app_public.search_knowledge_text(
  text, text, text, jsonb, integer, double precision, double precision, double precision, double precision
) from public;
grant execute on function app_public.search_knowledge_text(
  text, text, text, jsonb, integer, double precision, double precision, double precision, double precision
) to :MEMBER, :SERVICE, :ADMIN;

comment on function app_public.search_knowledge_text(
  text, text, text, jsonb, integer, double precision, double precision, double precision, double precision
) is $$Finds knowledge by what a text means and by its words, without an embedding from the caller.

The API embeds query_text as the knowledge was embedded, and searches as search_knowledge does, which explains the other arguments and the result. Works through REST and GraphQL only, and where EMBEDDINGS_URL is set.

Errors: LTS10 query_text is missing; LTS18 it has more than 10,000 characters; LTS11 it could not be embedded (the endpoint is not set or does not answer); those of search_knowledge.$$;
