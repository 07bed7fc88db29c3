create or replace function app_public.add_knowledge(
  content text,
  id text default null,
  agent_id text default null,
  category text default null,
  source text default null,
  metadata jsonb default '{}',
  embedding public.vector default null
) returns app_public.knowledge
language plpgsql volatile security invoker
set search_path to pg_catalog, pg_temp
as $$
declare
  v_knowledge app_public.knowledge;
begin
  if nullif(btrim(content), '') is null then
    raise exception 'content must not be blank'
      using errcode = 'LTS15', hint = 'No search finds knowledge without text.';
  end if;
  if public.vector_dims(embedding) <> 1536 then
    raise exception 'the embedding must have 1536 dimensions, not %', public.vector_dims(embedding)
      using errcode = 'LTS01', hint = 'Embed with the model that the knowledge was embedded with.';
  end if;
  -- A trigger refuses zeros with LTS02.
  insert into app_public.knowledge (id, agent_id, category, content, source, metadata, embedding)
  values (
    coalesce(add_knowledge.id, gen_random_uuid()::text), add_knowledge.agent_id, add_knowledge.category, add_knowledge.content,
    add_knowledge.source, coalesce(add_knowledge.metadata, '{}'), add_knowledge.embedding
  )
  returning * into v_knowledge;
  return v_knowledge;
end
$$;

comment on function app_public.add_knowledge(text, text, text, text, text, jsonb, public.vector) is $$Adds an item of knowledge.

content: the text. id: random if not given. agent_id, category, source, metadata: as in the table. embedding: 1536 dimensions; without one the worker makes it, where EMBEDDINGS_URL is set.

Returns the item.

Errors: LTS15 content is blank; LTS01 or LTS02 the embedding has another dimension or is all zeros; 23505 an item with this id exists; 23503 the agent does not exist.$$;
grant execute on function app_public.add_knowledge(text, text, text, text, text, jsonb, public.vector)
  to :MEMBER, :SERVICE, :ADMIN;
