--! Previous: sha1:4d4f6f22759922a3b3ad80c4aedbf9ae666c7cf9
--! Hash: sha1:8d32ca4f915d45d2b8debddfa564ca3a28e9b8bd
--! Message: comparable_embeddings

--! Included knowledge/comparable_embedding.sql
-- An embedding that a search can compare. pgvector sums up the squares of a cosine distance in single precision: beyond these
-- bounds the sum is 0 or infinite, and the distance that of an equal or an opposite vector. An index of half precision holds
-- no number above 65,504, and none of a small vector exactly. The cosine depends on the direction alone, so such an embedding
-- is brought to length 1; the norm that does it is computed in double precision.
create or replace function app_private.comparable_embedding(embedding public.vector) returns public.vector
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
begin
  if public.vector_dims(embedding) <> 1536 then
    raise exception 'the embedding must have 1536 dimensions, not %', public.vector_dims(embedding)
      using errcode = 'LTS01', hint = 'Embed with the model that the knowledge was embedded with.';
  end if;
  if public.vector_norm(embedding) = 0 then
    raise exception 'the embedding must not be all zeros: nothing is near to such a vector or far from it'
      using errcode = 'LTS02';
  end if;
  if public.vector_norm(embedding) not between 0.01 and 65504 then
    return public.l2_normalize(embedding);
  end if;
  return embedding;
end
$$;

comment on function app_private.comparable_embedding(public.vector) is 'An embedding as searches compare it: of length 1 if its own is below 0.01 or above 65,504. LTS01 for another dimension, LTS02 for zeros.';
grant execute on function app_private.comparable_embedding(public.vector) to :SEARCH;
--! EndIncluded knowledge/comparable_embedding.sql
--! Included knowledge/tg_knowledge__comparable_embedding.sql
-- Whatever the door: functions, tables, the worker and imports store embeddings that a search can compare
-- (app_private.comparable_embedding). A definer, because requests have no usage of app_private. It reads NEW alone.
create or replace function app_private.tg_knowledge__comparable_embedding() returns trigger
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  NEW.embedding := app_private.comparable_embedding(NEW.embedding);
  return NEW;
end
$$;

comment on function app_private.tg_knowledge__comparable_embedding() is 'Trigger: refuses an embedding of zeros with LTS02, and brings one that is too short or too long to be compared to length 1.';
--! EndIncluded knowledge/tg_knowledge__comparable_embedding.sql
--! Included knowledge/knowledge.sql
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
drop policy if exists select_worker on app_public.knowledge;
create policy select_worker on app_public.knowledge for select to :WORKER
  using (true);
drop policy if exists update_worker on app_public.knowledge;
create policy update_worker on app_public.knowledge for update to :WORKER
  using (true)
  with check (true);

revoke all on app_public.knowledge from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
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
grant select (tenant_id, id, content, embedding, embedding_error, created_at) on app_public.knowledge to :WORKER;
grant update (embedding, embedding_error) on app_public.knowledge to :WORKER;
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
select audit.enable_tracking('app_public.knowledge', digested => '{embedding}', counter => ':SEARCH');
--! EndIncluded knowledge/knowledge.sql
--! Included knowledge/add_knowledge.sql
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
--! EndIncluded knowledge/add_knowledge.sql
--! Included knowledge/add_knowledge_items.sql
create or replace function app_public.add_knowledge_items(items jsonb) returns setof app_public.knowledge
language plpgsql volatile security invoker
set search_path to pg_catalog, pg_temp
as $$
declare
  v_position integer;
  v_reason text;
begin
  if items is null or jsonb_typeof(items) <> 'array' or jsonb_array_length(items) not between 1 and 10000 then
    raise exception 'items must be a JSON array of 1 to 10000 objects, not %', case
        when jsonb_typeof(items) = 'array' then format('an array of %s', jsonb_array_length(items))
        else coalesce(jsonb_typeof(items), 'null')
      end
      using errcode = 'LTS16';
  end if;

  -- Finds the first invalid item, its position and the reason. The table's own constraints apply as well.
  select i.position - 1, r.reason into v_position, v_reason
  from jsonb_array_elements(items) with ordinality i(item, position)
  cross join lateral (
    select case
      when jsonb_typeof(i.item) <> 'object' then 'it must be an object, not ' || jsonb_typeof(i.item)
      when exists (
        select from jsonb_object_keys(i.item) key
        where key not in ('id', 'agent_id', 'category', 'content', 'source', 'metadata', 'embedding')
      ) then (
        select 'unknown field ' || min(key)
        from jsonb_object_keys(i.item) key
        where key not in ('id', 'agent_id', 'category', 'content', 'source', 'metadata', 'embedding')
      )
      when jsonb_typeof(i.item -> 'content') is distinct from 'string' or btrim(i.item ->> 'content') = ''
        then 'content must be a non-blank string'
      when exists (
        select from jsonb_each(i.item) field
        where field.key in ('id', 'agent_id', 'category', 'source') and jsonb_typeof(field.value) not in ('string', 'null')
      ) then 'id, agent_id, category and source must be strings'
      when jsonb_typeof(i.item -> 'metadata') not in ('object', 'null') then 'metadata must be an object'
      when coalesce(jsonb_typeof(i.item -> 'embedding'), 'null') = 'null' then null
      when jsonb_typeof(i.item -> 'embedding') <> 'array' then 'embedding must be an array'
      when jsonb_array_length(i.item -> 'embedding') <> 1536
        then 'embedding must have 1536 dimensions, not ' || jsonb_array_length(i.item -> 'embedding')
      when jsonb_path_exists(i.item, '$.embedding[*] ? (@.type() != "number")') then 'embedding must contain only numbers'
      when jsonb_path_exists(i.item, '$.embedding[*] ? (@ > 3.4028235e38 || @ < -3.4028235e38)')
        then 'embedding must contain only numbers from -3.4028235e38 to 3.4028235e38'
      -- Half of the smallest number of single precision: what is nearer to zero becomes zero.
      when not jsonb_path_exists(i.item, '$.embedding[*] ? (@ > 7.0064923216240854e-46 || @ < -7.0064923216240854e-46)')
        then 'embedding must not be all zeros'
    end as reason
  ) r
  where r.reason is not null
  order by i.position
  limit 1;
  if found then
    raise exception 'item % cannot be added: %', v_position, v_reason
      using errcode = 'LTS17', hint = 'No item was added.';
  end if;

  return query
    insert into app_public.knowledge (id, agent_id, category, content, source, metadata, embedding)
    select
      coalesce(i.item ->> 'id', gen_random_uuid()::text), i.item ->> 'agent_id', i.item ->> 'category', i.item ->> 'content',
      i.item ->> 'source', case when jsonb_typeof(i.item -> 'metadata') = 'object' then i.item -> 'metadata' else '{}' end,
      (i.item ->> 'embedding')::public.vector
    from jsonb_array_elements(items) with ordinality i(item, position)
    order by i.position
    returning *;
end
$$;

comment on function app_public.add_knowledge_items(jsonb) is $$Adds many items of knowledge, all or none.

items: an array of 1 to 10000 objects with content and, optionally, id, agent_id, category, source, metadata, embedding.

Returns the items.

Errors: LTS16 items is not an array, is empty or is too long; LTS17 an item is invalid: the message has its position, counted from 0, and the reason; 23505 an item with the same id exists; 23503 the agent does not exist.$$;
grant execute on function app_public.add_knowledge_items(jsonb) to :MEMBER, :SERVICE, :ADMIN;
--! EndIncluded knowledge/add_knowledge_items.sql
--! Included knowledge/nearest_knowledge.sql
-- A tenant's knowledge that is nearest to an embedding, nearest first: `row_limit` rows whenever as many match, whatever other
-- tenants have. For the search functions, which run as :SEARCH and name the tenant.
--
-- The number of matching rows decides, counted as far as it matters. When they are few, every one is compared. When they are
-- many, the HNSW index is walked until enough of its rows belong to the tenant and match. These are then ordered by their
-- full embeddings, of which the index holds half the precision. If the walk ends early (hnsw.max_scan_tuples), every row is
-- compared after all.
--
-- The limit of "few" is where both cost the same. In a table of T rows the walk sees about row_limit * T / n of them to find
-- row_limit among the n that match; the comparison sees n. Both are equal at n = sqrt(row_limit * T).
--
-- The settings apply to this function alone. Plans are made for the given values, so a filter that is null costs nothing.
-- With sorting off, the one order that an index can give comes from the index. With an ef_search of 100 whole topics were
-- missed among 100,000 clustered vectors (recall 0.90 to 0.95), with 400 none (docs/knowledge.md).

-- A function can name the settings of an extension only once the session has loaded it.
do $$
begin
  perform '[1]'::public.vector;
end
$$;

create or replace function app_private.nearest_knowledge(
  tenant_id text,
  query_embedding public.vector,
  agent text,
  category text,
  metadata jsonb,
  excluded_id text,
  row_limit integer
) returns table (id varchar, distance double precision)
language plpgsql stable
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_custom_plan
set enable_sort to off
set hnsw.iterative_scan to relaxed_order
set hnsw.ef_search to 400
set hnsw.scan_mem_multiplier to 8
as $$
declare
  v_few integer;
  v_matching integer;
  v_ids varchar[];
  v_distances double precision[];
begin
  -- An estimate is enough here; a table that was never analysed has -1.
  select least(greatest(500, row_limit, sqrt(row_limit * greatest(c.reltuples, 0))), 50000) into strict v_few
  from pg_class c
  where c.oid = 'app_public.knowledge'::regclass;

  select count(*) into strict v_matching
  from (
    select
    from app_public.knowledge k
    where k.tenant_id = nearest_knowledge.tenant_id
      and (nearest_knowledge.agent is null or k.agent_id = nearest_knowledge.agent)
      and (nearest_knowledge.category is null or k.category = nearest_knowledge.category)
      and (nearest_knowledge.metadata is null or k.metadata @> nearest_knowledge.metadata)
      and k.embedding is not null
    limit v_few + 1
  ) m;

  if v_matching > v_few then
    with candidate as materialized (
      select k.id, k.embedding
      from app_public.knowledge k
      where k.tenant_id = nearest_knowledge.tenant_id
        and (nearest_knowledge.agent is null or k.agent_id = nearest_knowledge.agent)
        and (nearest_knowledge.category is null or k.category = nearest_knowledge.category)
        and (nearest_knowledge.metadata is null or k.metadata @> nearest_knowledge.metadata)
        and (excluded_id is null or k.id <> excluded_id)
      order by k.embedding::public.halfvec(1536) operator(public.<=>) query_embedding::public.halfvec(1536)
      limit row_limit
    ), compared as (
      select c.id, c.embedding operator(public.<=>) query_embedding as distance from candidate c
    )
    select array_agg(c.id order by c.distance, c.id), array_agg(c.distance order by c.distance, c.id)
      into v_ids, v_distances
    from compared c;
    if cardinality(v_ids) = row_limit then
      return query select u.id, u.distance from unnest(v_ids, v_distances) u(id, distance);
      return;
    end if;
  end if;

  return query
    select c.id, c.distance
    from (
      select k.id, k.embedding operator(public.<=>) query_embedding as distance
      from app_public.knowledge k
      where k.tenant_id = nearest_knowledge.tenant_id
        and (nearest_knowledge.agent is null or k.agent_id = nearest_knowledge.agent)
        and (nearest_knowledge.category is null or k.category = nearest_knowledge.category)
        and (nearest_knowledge.metadata is null or k.metadata @> nearest_knowledge.metadata)
        and (excluded_id is null or k.id <> excluded_id)
        and k.embedding is not null
      order by 2, 1
      limit row_limit
    ) c
    -- An embedding of zeros, which only a load with triggers off can store, has no distance. NaN comes last, and passes every
    -- lower limit.
    where c.distance <> 'NaN';
end
$$;

comment on function app_private.nearest_knowledge(text, public.vector, text, text, jsonb, text, integer) is 'The knowledge of a tenant that is nearest to an embedding, with its cosine distance, nearest first. For the search functions.';
grant execute on function app_private.nearest_knowledge(text, public.vector, text, text, jsonb, text, integer)
  to :SEARCH;
--! EndIncluded knowledge/nearest_knowledge.sql
--! Included knowledge/search_knowledge.sql
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
--! EndIncluded knowledge/search_knowledge.sql
--! Included knowledge/similar_knowledge.sql
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
--! EndIncluded knowledge/similar_knowledge.sql

drop function app_private.refuse_embedding(public.vector);

-- What is stored already: an embedding of zeros says nothing and goes, so that the worker makes one where it can. The others
-- keep their direction. Reads every embedding once (seconds for 100,000) and locks the table against all others meanwhile,
-- because the owner sees no rows below the policies.
alter table app_public.knowledge no force row level security;
update app_public.knowledge k
set embedding = case when public.vector_norm(k.embedding) > 0 then app_private.comparable_embedding(k.embedding) end
where public.vector_norm(k.embedding) not between 0.01 and 65504;
alter table app_public.knowledge force row level security;

--! Included metrics/metric_request.sql
-- Checks the arguments of the functions that read metrics, and converts them to the terms that these compute in:
--   range_start, range_end  of a series: widened to whole buckets
--   bucket                  in seconds alone, because a day added in the session's time zone may have 23 hours; by default
--                           the smallest of the usual widths that makes at most 200, or a week
--   fraction                0 to 1 when the aggregate is a percentile, null otherwise
create or replace function app_private.metric_request(
  inout range_start timestamptz,
  inout range_end timestamptz,
  inout bucket interval,
  aggregate text,
  fill text,
  tags jsonb,
  out fraction double precision
)
language plpgsql immutable parallel safe
set search_path to pg_catalog, pg_temp
set timezone to 'UTC'
as $$
declare
  v_origin constant timestamptz := '2001-01-01 00:00:00Z';
begin
  if range_start is null or range_end is null or not isfinite(range_start) or not isfinite(range_end)
    or range_start >= range_end
  then
    raise exception 'the range must run from one finite time to a later one, not from % to %', coalesce(range_start::text, 'null'), coalesce(range_end::text, 'null')
      using errcode = 'LTM02', hint = 'Give both "from" and "to".';
  end if;

  if tags is null or jsonb_typeof(tags) <> 'object' or jsonb_path_exists(tags, 'strict $.* ? (@.type() == "object" || @.type() == "array")')
  then
    raise exception 'tags must be a flat object, not %', coalesce(tags::text, 'null')
      using errcode = 'LTM05', hint = 'A point matches when it has all of these tags: {"route": "/"}. Every point matches {}.';
  end if;

  if aggregate ~ '^p\d{1,2}(\.\d{1,6})?$' then
    fraction := substr(aggregate, 2)::double precision / 100;
  elsif aggregate is null or aggregate not in ('avg', 'sum', 'min', 'max', 'count', 'rate', 'last') then
    raise exception 'unknown aggregate %', coalesce(aggregate, 'null')
      using errcode = 'LTM04', hint = 'Use avg, sum, min, max, count, rate, last, or a percentile: p50, p99, p99.9.';
  end if;

  if fill is null or fill not in ('null', 'zero', 'previous') then
    raise exception 'gaps cannot be filled with %', coalesce(fill, 'null')
      using errcode = 'LTM06', hint = 'Use null, zero or previous.';
  end if;

  if bucket is null then
    select coalesce(min(b.width) filter (where b.width * 200 >= range_end - range_start), interval '7 days') into bucket
    from unnest('{1s,10s,1min,5min,15min,1h,6h,1d,7d}'::interval[]) b(width);
  end if;
  -- The default, too: two centuries have more than 10,000 weeks.
  if extract(year from bucket) <> 0 or extract(month from bucket) <> 0
    or extract(epoch from bucket) <= 0 or extract(epoch from range_end - range_start) / extract(epoch from bucket) > 10000
  then
    raise exception 'a series from % to % cannot have buckets of %', range_start, range_end, bucket
      using errcode = 'LTM03', hint = 'A bucket must be longer than 0 and must not contain months. A series has at most 10,000 buckets.';
  end if;
  bucket := make_interval(secs => extract(epoch from bucket)::double precision);
  range_start := date_bin(bucket, range_start, v_origin);
  range_end := date_bin(bucket, range_end - interval '1 microsecond', v_origin) + bucket;
end
$$;

comment on function app_private.metric_request(timestamptz, timestamptz, interval, text, text, jsonb) is 'The checked arguments of a query of metrics: the range in whole buckets, the bucket, and the fraction of a percentile. LTM02 to LTM06.';
grant execute on function app_private.metric_request(timestamptz, timestamptz, interval, text, text, jsonb)
  to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
--! EndIncluded metrics/metric_request.sql
--! Included metrics/metric_percentiles.sql
-- Several percentiles of one range, computed from sketches. The range is exact: its whole minutes, hours and days come from
-- rollups, its edges from points.
create or replace function app_public.metric_percentiles(
  service text,
  metric text,
  "from" timestamptz,
  "to" timestamptz,
  percentiles double precision[] default '{50,90,95,99}',
  tags jsonb default '{}',
  group_by text default null
) returns table (tag_value text, percentile double precision, value double precision, points bigint)
language sql stable
begin atomic
  with request as materialized (
    select p.percentile
    -- Percentiles have no buckets, so the range has any length: the check gets no more of it than a day.
    from app_private.metric_request(
      metric_percentiles."from",
      case
        when isfinite(metric_percentiles."to") and metric_percentiles."to" - interval '1 day' > metric_percentiles."from"
          then metric_percentiles."from" + interval '1 day'
        else metric_percentiles."to"
      end,
      null, 'p50', 'null', metric_percentiles.tags
    ) q
    cross join lateral unnest(app_private.metric_percentile_list(metric_percentiles.percentiles)) p(percentile)
  ),
  keyed as (
    select
      r.tags ->> metric_percentiles.group_by as tag_value, r.key, sum(r.count::double precision) as points, min(r.min) as least, max(r.max) as most
    from (select from request limit 1) checked
    cross join lateral app_private.metric_rows(
      metric_percentiles.service, metric_percentiles.metric, metric_percentiles."from", metric_percentiles."to", null,
      metric_percentiles.tags, true
    ) r
    -- A range that holds all of them, as constants (metric_reach).
    where r.at >= lower(app_private.metric_reach(metric_percentiles."from", metric_percentiles."to", '1 second'))
      and r.at < upper(app_private.metric_reach(metric_percentiles."from", metric_percentiles."to", '1 second'))
    group by 1, 2
  ),
  ranked as (
    select
      k.*,
      sum(k.points) over (partition by k.tag_value order by k.key rows unbounded preceding) as points_up_to,
      sum(k.points) over (partition by k.tag_value) as all_points
    from keyed k
  )
  select
    r.tag_value, q.percentile,
    greatest(
      min(r.least),
      least(
        max(r.most),
        app_private.metric_key_value(
          min(r.key) filter (where r.points_up_to > q.percentile / 100 * (r.all_points - 1))
        )
      )
    ),
    sum(r.points)::bigint
  from request q
  cross join ranked r
  group by r.tag_value, q.percentile
  order by r.tag_value, q.percentile;
end;

comment on function app_public.metric_percentiles(text, text, timestamptz, timestamptz, double precision[], jsonb, text) is
  E'Percentiles (0 to 100; by default 50, 90, 95 and 99) of a metric of a service between `from` and `to`, accurate to one per cent. `tags` keeps to points that have all of these tags. `group_by` names a tag, each value of which gets its own percentiles. Returns no rows without points. LTM02 the range, LTM05 tags, LTM07 percentiles.';
grant execute on function app_public.metric_percentiles(text, text, timestamptz, timestamptz, double precision[], jsonb, text)
  to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
--! EndIncluded metrics/metric_percentiles.sql
