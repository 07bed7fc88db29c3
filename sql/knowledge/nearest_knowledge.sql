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
