--! Previous: sha1:404acadc602e7589f753464a326f907f8bc72b1a
--! Hash: sha1:87ecbb7a75e4ea0e3d21454c1f0f437b6df4d096
--! Message: knowledge-2

-- A search for words that many items hold ranks the newest of them only; and the walk of the HNSW index keeps more candidates:
-- with fewer it missed whole topics of clustered vectors.

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
--! Included app_private/functions/nearest_knowledge.sql
-- The knowledge of a tenant that is nearest to an embedding, nearest first: `row_limit` rows whenever there are as many
-- that match, whatever other tenants hold. For the search functions, which run as :SEARCH; they say the tenant.
--
-- Rows that match are counted, as far as it matters, and that decides. Few: every one of them is compared. Many: the HNSW
-- index is walked until enough of what it gives belongs to the tenant and matches, and what it gave is put into order by
-- the embeddings themselves, which the index holds with half the precision. If the walk ends early (hnsw.max_scan_tuples),
-- every row is compared after all.
--
-- "Few" is where both cost the same: of a table of T rows, the walk sees about row_limit * T / n of them to find
-- row_limit among the n that match, the comparison n; equal at n = sqrt(row_limit * T).
--
-- The settings hold for this function alone. Plans are made for the values given, so that a filter that is null
-- costs nothing; the one order by that an index can give is to be given by it; nothing here is worth compiling. With an
-- ef_search of 100 whole topics were missed among 100,000 clustered vectors (recall 0.90 to 0.95), with 400 none
-- (docs/knowledge.md).

-- Settings of an extension can be named in a function once the session has loaded it.
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
set jit to off
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
    select k.id, k.embedding operator(public.<=>) query_embedding as distance
    from app_public.knowledge k
    where k.tenant_id = nearest_knowledge.tenant_id
      and (nearest_knowledge.agent is null or k.agent_id = nearest_knowledge.agent)
      and (nearest_knowledge.category is null or k.category = nearest_knowledge.category)
      and (nearest_knowledge.metadata is null or k.metadata @> nearest_knowledge.metadata)
      and (excluded_id is null or k.id <> excluded_id)
      and k.embedding is not null
    -- An embedding of zeros has no distance (NaN) and comes last.
    order by 2, 1
    limit row_limit;
end
$$;
--! EndIncluded app_private/functions/nearest_knowledge.sql
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
comment on function app_private.workflow_steps_problems(jsonb) is 'What is wrong with the steps of a workflow, by path; no rows: they can run.';
comment on function app_private.workflow_step_problems(text, jsonb) is 'What is wrong with one step by itself.';
comment on function app_private.workflow_condition_problems(text, jsonb, text[], integer) is 'What is wrong with a condition that may ask about the steps `known`.';
comment on function app_private.sync_workflow_steps(app_public.workflows) is 'Brings the rows of a workflow''s steps in line with what is written in it; gives the keys of new and changed ones.';
comment on function app_private.lock_callers_workflow(uuid) is 'The workflow, locked with its tasks. LTW01 no such workflow, LTW05 the id is missing.';
comment on function app_private.tg_tasks__advance_workflows() is 'Trigger: goes on with the workflows of tasks that ended; refuses to try a step''s task again by itself, with LTW08.';
comment on function app_private.tg_tasks__check_delete() is 'Trigger: refuses to delete the task of a running step, with LTW09.';
comment on function app_private.tg_workflows__check_steps() is 'Trigger: refuses steps that could not run, with LTW02.';
comment on function app_private.tg_workflows__check_update() is 'Trigger: refuses an illegal change of state with LTW04, other steps for a running workflow with LTW03, and a direct write of what the steps keep with LTW06.';
comment on function app_private.tg_workflows__check_delete() is 'Trigger: refuses to delete a workflow that runs, with LTW07.';
--! EndIncluded app_private/comments.sql
