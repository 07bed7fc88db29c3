--! Previous: sha1:35542e0113eb2748ed55bc4b3ed4be45cd57a5bb
--! Hash: sha1:b4c9b9545afb7f23d48a6e931795a2292d5b9ae4
--! Message: knowledge

-- Knowledge: search, use, embeddings that are missing.

-- Why a row's content could not be embedded. Adding a column without a default takes the lock for a moment only.
alter table app_public.knowledge add column embedding_error text;

-- Room on each page for a row's next version: counting a use then touches no index (HOT). For pages written from now on.
alter table app_public.knowledge set (fillfactor = 85);

-- Full text. An expression and no stored column: a generated column is computed anew at each update of a table with a
-- `before` trigger, and would end HOT updates. The tenant is a word of each document, so that a search reads its own
-- tenant's part of the index only, without another extension. 200,000 characters are what a tsvector surely holds.
-- This and the next take a lock against writes while they build.
create index knowledge_content_idx on app_public.knowledge using gin (
  (to_tsvector('pg_catalog.english', left(content, 200000)) || array_to_tsvector(array['tenant:' || tenant_id]))
);
create index knowledge_metadata_idx on app_public.knowledge using gin (metadata jsonb_path_ops);
-- What the embedding job reads, oldest first.
create index knowledge_created_at_idx on app_public.knowledge (created_at)
  where embedding is null and embedding_error is null;

create type app_public.knowledge_match as (
  id varchar(100),
  agent_id varchar(50),
  category varchar(50),
  content text,
  source text,
  metadata jsonb,
  usage_count integer,
  relevance_score double precision,
  created_at timestamptz,
  last_used_at timestamptz,
  score double precision,
  similarity double precision,
  vector_rank integer,
  text_relevance double precision,
  text_rank integer
);

-- It has one more argument now.
drop function audit.enable_tracking(regclass, text[], boolean);

--! Included audit/functions/enable_tracking.sql
-- Puts a table under audit: every insert, update, delete and truncate leaves rows in audit.log, in the transaction that
-- made it. Can be called again, also with other options.
--   digested: columns of which the log keeps a SHA-256 in place of the value
--   detail:   true, a row per row; false, a row per statement and tenant with their number
--   counter:  a role whose updates are not logged at all: it counts uses, and may update nothing but the counters
create or replace function audit.enable_tracking(
  target regclass,
  digested text[] default '{}',
  detail boolean default true,
  counter name default null
) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_key text[];
  v_call text;
  v_event record;
begin
  select array_agg(a.attname order by k.position) into v_key
  from pg_index i
  cross join unnest(i.indkey) with ordinality k(attnum, position)
  join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
  where i.indrelid = target and i.indisprimary;

  if v_key is null then
    raise exception 'cannot audit %: it has no primary key', target
      using errcode = 'LTA01', hint = 'The log names rows by their primary key: add one first.';
  end if;

  if detail then
    v_call := format(
      'audit.tg__log_rows(%L, %L, %L)', v_key, digested, case when 'tenant_id' = any (v_key) then 'tenant_id' else 'id' end
    );
  else
    v_call := 'audit.tg__log_summary()';
  end if;

  for v_event in
    select *
    from (values
      ('insert', 'new table as ' || case when detail then 'new_rows' else 'changed_rows' end),
      ('update', case when detail then 'old table as old_rows new table as new_rows' else 'new table as changed_rows' end),
      ('delete', 'old table as ' || case when detail then 'old_rows' else 'changed_rows' end)
    ) e(name, transition_tables)
  loop
    execute format(
      'create or replace trigger _800_audit_%s after %1$s on %s referencing %s for each statement %s execute function %s',
      v_event.name, target, v_event.transition_tables,
      case when v_event.name = 'update' and counter is not null then format('when (current_user <> %L)', counter) end,
      v_call
    );
  end loop;
  execute format(
    'create or replace trigger _800_audit_truncate after truncate on %s for each statement '
    'execute function audit.tg__log_truncate()',
    target
  );
  -- Partitions that are there already; create_partition does it for later ones.
  perform audit.copy_tracking(target, i.inhrelid::regclass) from pg_inherits i where i.inhparent = target;
end
$$;
--! EndIncluded audit/functions/enable_tracking.sql
--! Included app_private/functions/tg_knowledge__clear_embedding.sql
-- An embedding belongs to the content that it was computed from. Content that changes without a new one loses the old
-- one, and the embedding job makes another: a stale embedding would find the item by what it no longer says.
create or replace function app_private.tg_knowledge__clear_embedding() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  NEW.embedding_error := null;
  if OLD.embedding operator(public.=) NEW.embedding then
    NEW.embedding := null;
  end if;
  return NEW;
end
$$;
--! EndIncluded app_private/functions/tg_knowledge__clear_embedding.sql
--! Included app_private/functions/refuse_embedding.sql
-- Raises unless an embedding can be searched with: the type of an argument holds vectors of any dimension.
create or replace function app_private.refuse_embedding(embedding public.vector) returns void
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
begin
  if public.vector_dims(embedding) <> 1536 then
    raise exception 'the embedding has % dimensions; 1536 are needed', public.vector_dims(embedding)
      using errcode = 'LTS01', hint = 'Embed with the model that the knowledge was embedded with.';
  end if;
  if public.vector_norm(embedding) = 0 then
    raise exception 'the embedding is zero throughout, and nothing is near to it or far from it'
      using errcode = 'LTS02';
  end if;
end
$$;
--! EndIncluded app_private/functions/refuse_embedding.sql
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
-- costs nothing; the one order by that an index can give is to be given by it; nothing here is worth compiling.

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
set hnsw.ef_search to 100
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
--! Included app_private/functions/knowledge_by_text.sql
-- The knowledge of a tenant that holds the words of a text, the most relevant first. For search_knowledge, which runs
-- as :SEARCH and says the tenant. The condition is written as the index has it: knowledge_content_idx, whose documents
-- have their tenant as a word.
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
      k.id,
      ts_rank_cd(to_tsvector('pg_catalog.english', left(k.content, 200000)), v_words, 1)::double precision as relevance
    from app_public.knowledge k
    where k.tenant_id = knowledge_by_text.tenant_id
      and (
        to_tsvector('pg_catalog.english', left(k.content, 200000)) || array_to_tsvector(array['tenant:' || k.tenant_id])
      ) @@ v_indexed
      and (knowledge_by_text.agent is null or k.agent_id = knowledge_by_text.agent)
      and (knowledge_by_text.category is null or k.category = knowledge_by_text.category)
      and (knowledge_by_text.metadata is null or k.metadata @> knowledge_by_text.metadata)
    order by 2 desc, 1
    limit row_limit;
end
$$;
--! EndIncluded app_private/functions/knowledge_by_text.sql
--! Included app_public/functions/add_knowledge.sql
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
    raise exception 'content is missing'
      using errcode = 'LTS15', hint = 'Knowledge without a text can be found by nothing.';
  end if;
  if public.vector_dims(embedding) <> 1536 then
    raise exception 'the embedding has % dimensions; 1536 are needed', public.vector_dims(embedding)
      using errcode = 'LTS01', hint = 'Embed with the model that the knowledge was embedded with.';
  end if;
  if public.vector_norm(embedding) = 0 then
    raise exception 'the embedding is zero throughout, and nothing is near to it or far from it'
      using errcode = 'LTS02';
  end if;
  insert into app_public.knowledge (id, agent_id, category, content, source, metadata, embedding)
  values (
    coalesce(add_knowledge.id, gen_random_uuid()::text), add_knowledge.agent_id, add_knowledge.category, add_knowledge.content,
    add_knowledge.source, coalesce(add_knowledge.metadata, '{}'), add_knowledge.embedding
  )
  returning * into v_knowledge;
  return v_knowledge;
end
$$;
--! EndIncluded app_public/functions/add_knowledge.sql
--! Included app_public/functions/add_knowledge_items.sql
create or replace function app_public.add_knowledge_items(items jsonb) returns setof app_public.knowledge
language plpgsql volatile security invoker
set search_path to pg_catalog, pg_temp
as $$
declare
  v_position integer;
  v_reason text;
begin
  if items is null or jsonb_typeof(items) <> 'array' or jsonb_array_length(items) not between 1 and 10000 then
    raise exception 'items is no JSON array of 1 to 10000 objects'
      using errcode = 'LTS16';
  end if;

  -- What is wrong with an item is said with its position; the table's own rules hold besides.
  select i.position - 1, r.reason into v_position, v_reason
  from jsonb_array_elements(items) with ordinality i(item, position)
  cross join lateral (
    select case
      when jsonb_typeof(i.item) <> 'object' then 'it is a JSON ' || jsonb_typeof(i.item) || ', not an object'
      when exists (
        select from jsonb_object_keys(i.item) key
        where key not in ('id', 'agent_id', 'category', 'content', 'source', 'metadata', 'embedding')
      ) then (
        select 'there is no field ' || min(key)
        from jsonb_object_keys(i.item) key
        where key not in ('id', 'agent_id', 'category', 'content', 'source', 'metadata', 'embedding')
      )
      when jsonb_typeof(i.item -> 'content') is distinct from 'string' or btrim(i.item ->> 'content') = ''
        then 'content is missing'
      when exists (
        select from jsonb_each(i.item) field
        where field.key in ('id', 'agent_id', 'category', 'source') and jsonb_typeof(field.value) not in ('string', 'null')
      ) then 'id, agent_id, category and source are strings'
      when jsonb_typeof(i.item -> 'metadata') not in ('object', 'null') then 'metadata is no object'
      when coalesce(jsonb_typeof(i.item -> 'embedding'), 'null') = 'null' then null
      when jsonb_typeof(i.item -> 'embedding') <> 'array' then 'embedding is no array'
      when jsonb_array_length(i.item -> 'embedding') <> 1536
        then 'embedding has ' || jsonb_array_length(i.item -> 'embedding') || ' dimensions; 1536 are needed'
      when jsonb_path_exists(i.item, '$.embedding[*] ? (@.type() != "number")') then 'embedding holds what is no number'
      when not jsonb_path_exists(i.item, '$.embedding[*] ? (@ != 0)') then 'embedding is zero throughout'
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
--! EndIncluded app_public/functions/add_knowledge_items.sql
--! Included app_public/triggers/knowledge.sql
create or replace trigger _200_keys
  before update of tenant_id, id on app_public.knowledge
  for each row
  when (old.tenant_id is distinct from new.tenant_id or old.id is distinct from new.id)
  execute function app_private.tg__refuse_key_change();

create or replace trigger _500_clear_embedding
  before update of content on app_public.knowledge
  for each row
  when (old.content is distinct from new.content)
  execute function app_private.tg_knowledge__clear_embedding();
--! EndIncluded app_public/triggers/knowledge.sql
--! Included audit/tracked_tables.sql
-- The one list of what is audited, and of what is exempt from row detail. test/db/conventions.test.ts compares it with
-- the catalog: a table of a tenant that is missing here turns it red.
select audit.enable_tracking('app_public.tenants');
select audit.enable_tracking('app_public.agents');
select audit.enable_tracking('app_public.tasks');
-- Uses are counted without a trace, by app_public.touch_knowledge: :SEARCH may update the counters and nothing else.
select audit.enable_tracking('app_public.knowledge', digested => '{embedding}', counter => ':SEARCH');
select audit.enable_tracking('app_public.workflows');
select audit.enable_tracking('app_public.sessions', digested => '{token}');
-- Thousands of points a call: a row per statement says who wrote how many.
select audit.enable_tracking('app_public.metrics', detail => false);
--! EndIncluded audit/tracked_tables.sql
--! Included app_public/policies/knowledge.sql
alter table app_public.knowledge enable row level security, force row level security;

-- Everybody of a tenant reads all of its knowledge.
drop policy if exists select_tenant on app_public.knowledge;
create policy select_tenant on app_public.knowledge for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- People, services and administrators add knowledge to their own tenant.
drop policy if exists insert_tenant on app_public.knowledge;
create policy insert_tenant on app_public.knowledge for insert to :MEMBER, :SERVICE, :ADMIN
  with check (tenant_id = (select app_private.current_tenant_id()));

-- They change their tenant's knowledge, and cannot move one out of it.
drop policy if exists update_tenant on app_public.knowledge;
create policy update_tenant on app_public.knowledge for update to :MEMBER, :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));

-- They remove their tenant's knowledge.
drop policy if exists delete_tenant on app_public.knowledge;
create policy delete_tenant on app_public.knowledge for delete to :MEMBER, :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()));

revoke all on app_public.knowledge from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.knowledge to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
grant insert (tenant_id, id, agent_id, category, content, source, metadata, embedding) on app_public.knowledge
  to :MEMBER, :SERVICE, :ADMIN;
-- Only programs bring history with them.
grant insert (usage_count, relevance_score, created_at, last_used_at) on app_public.knowledge to :SERVICE, :ADMIN;
-- No update of tenant_id, id or created_at for anybody: keys and beginnings do not change.
grant update (agent_id, category, content, source, metadata, embedding) on app_public.knowledge to :MEMBER,
  :SERVICE, :ADMIN;
grant update (usage_count, relevance_score, last_used_at) on app_public.knowledge to :SERVICE, :ADMIN;
grant delete on app_public.knowledge to :MEMBER, :SERVICE, :ADMIN;
-- The search functions and touch_knowledge. Nothing else is theirs to update: updates of :SEARCH are not audited.
grant select on app_public.knowledge to :SEARCH;
grant update (usage_count, last_used_at) on app_public.knowledge to :SEARCH;
-- The embedding job. Nobody else says why an embedding failed.
grant select (tenant_id, id, content, embedding, embedding_error, created_at) on app_public.knowledge to :WORKER;
grant update (embedding, embedding_error) on app_public.knowledge to :WORKER;
-- No truncate for anybody: it knows no tenants.
--! EndIncluded app_public/policies/knowledge.sql
--! Included cross_tenant_policies.sql
-- Every policy that reaches across tenants, all in this one file. Row-level security is forced, so the owner of the
-- tables sees nothing either: each function or job that needs more has a policy here, for exactly the table and command
-- that it needs. test/db/conventions.test.ts compares this file with the catalog.

-- ops.create_tenant, ops.set_tenant_suspended, ops.tenants and login_tenant_id.
drop policy if exists manage_owner on app_public.tenants;
create policy manage_owner on app_public.tenants for all to :OWNER
  using (true)
  with check (true);

-- ops.bind_login, ops.unbind_login, ops.tenants and login_tenant_id.
drop policy if exists manage_owner on app_private.tenant_logins;
create policy manage_owner on app_private.tenant_logins for all to :OWNER
  using (true)
  with check (true);

-- The audit triggers.
drop policy if exists insert_owner on audit.log;
create policy insert_owner on audit.log for insert to :OWNER
  with check (true);

-- The search functions, which compare the tenant themselves; below any other policy `@@` and `@>` use no index.
drop policy if exists select_search on app_public.knowledge;
create policy select_search on app_public.knowledge for select to :SEARCH
  using (true);

-- app_public.touch_knowledge.
drop policy if exists update_search on app_public.knowledge;
create policy update_search on app_public.knowledge for update to :SEARCH
  using (true)
  with check (true);

-- The embedding job: what has no embedding, of all tenants.
drop policy if exists select_worker on app_public.knowledge;
create policy select_worker on app_public.knowledge for select to :WORKER
  using (true);

drop policy if exists update_worker on app_public.knowledge;
create policy update_worker on app_public.knowledge for update to :WORKER
  using (true)
  with check (true);
--! EndIncluded cross_tenant_policies.sql
--! Included grants.sql
-- Who may look into which schema, and who may call what. Rights on tables are in the policy files.

revoke all on schema app_public, app_private, audit, ops from public;
grant usage on schema app_public to :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :WORKER, :SEARCH;
grant usage on schema audit to :ADMIN, :OPERATOR;
grant usage on schema ops to :OPERATOR, :WORKER;
-- app_private is granted to nobody who can ask anything. Defaults and policies name its functions by identity and need no
-- usage of it; the functions that run as :SEARCH name theirs.
grant usage on schema app_private to :SEARCH;

grant execute on function app_private.current_tenant_id(), app_private.login_tenant_id()
  to :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :SEARCH;

-- Whether the schema fits is asked by every process before it serves, by the API as an anonymous request. They name the
-- function in full, so they need usage of its schema.
grant usage on schema ops to :ANON;
grant execute on function ops.applied_migrations() to :ANON, :OPERATOR, :WORKER;
-- Which tokens to refuse is asked in the same way.
grant execute on function ops.suspended_tenants() to :ANON, :OPERATOR;
grant execute on function ops.ensure_partitions(integer, integer) to :WORKER;
grant execute on function ops.create_tenant(text, text), ops.set_tenant_suspended(text, boolean) to :OPERATOR;
-- bind_login and unbind_login: the owner's only. They go with creating the login, which operators cannot.

revoke all on ops.tenants from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :WORKER, :SEARCH;
grant select on ops.tenants to :OPERATOR;

-- Knowledge. The functions that belong to :SEARCH have their grants beside them.
grant execute on function
  app_private.refuse_embedding(public.vector),
  app_private.nearest_knowledge(text, public.vector, text, text, jsonb, text, integer),
  app_private.knowledge_by_text(text, text, text, text, jsonb, integer)
  to :SEARCH;
grant execute on function
  app_public.add_knowledge(text, text, text, text, text, jsonb, public.vector),
  app_public.add_knowledge_items(jsonb)
  to :MEMBER, :SERVICE, :ADMIN;
--! EndIncluded grants.sql
--! Included app_public/functions/search_knowledge.sql
-- Runs as :SEARCH, whose policy on knowledge is open: below a policy that compares the tenant neither `@@` nor `@>` may
-- use an index. So the tenant's condition stands in the statements, and it is the caller's: no argument names it.
--
-- Only its owner can replace a function, and :SEARCH owns nothing else and may make nothing else.
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
  -- How deep each part is read: an item that is middling in both may be the best of all.
  v_depth integer;
  v_vector_weight double precision;
  v_text_weight double precision;
begin
  if match_count is null or match_count not between 1 and 1000 then
    raise exception 'match_count is %; a whole number from 1 to 1000 is needed', match_count
      using errcode = 'LTS03';
  end if;
  if query_embedding is null and v_text is null then
    raise exception 'there is nothing to search for: query_embedding and query_text are both missing'
      using errcode = 'LTS04', hint = 'Give one of them, or both.';
  end if;
  -- NaN is refused, too: to Postgres it is greater than any number.
  if vector_weight is null or text_weight is null
    or vector_weight not between 0 and 1000 or text_weight not between 0 and 1000
  then
    raise exception 'vector_weight is % and text_weight is %; numbers from 0 to 1000 are needed', vector_weight, text_weight
      using errcode = 'LTS05';
  end if;
  v_vector_weight := case when query_embedding is null then 0 else vector_weight end;
  v_text_weight := case when v_text is null then 0 else text_weight end;
  if v_vector_weight = 0 and v_text_weight = 0 then
    raise exception 'the weight of what is searched for is 0'
      using errcode = 'LTS06', hint = 'Give query_embedding a vector_weight above 0, or query_text a text_weight.';
  end if;
  if min_score is null or min_score not between 0 and 1 then
    raise exception 'min_score is %; a number from 0 to 1 is needed', min_score
      using errcode = 'LTS07';
  end if;
  if min_similarity not between -1 and 1 then
    raise exception 'min_similarity is %; a number from -1 to 1 is needed', min_similarity
      using errcode = 'LTS08';
  end if;
  if jsonb_typeof(metadata) <> 'object' then
    raise exception 'metadata is a JSON %; an object is needed, of what an item''s metadata must contain', jsonb_typeof(metadata)
      using errcode = 'LTS09';
  end if;
  if query_embedding is not null then
    perform app_private.refuse_embedding(query_embedding);
  end if;

  v_depth := 2 * match_count + 30;
  return query
    with by_vector as materialized (
      select n.id, 1 - n.distance as similarity, row_number() over (order by n.distance, n.id)::integer as rank
      from app_private.nearest_knowledge(
        v_tenant_id, query_embedding, search_knowledge.agent, search_knowledge.category, search_knowledge.metadata, null, v_depth
      ) n
      where v_vector_weight > 0
    ), by_text as materialized (
      select t.id, t.relevance, row_number() over (order by t.relevance desc, t.id)::integer as rank
      from app_private.knowledge_by_text(
        v_tenant_id, v_text, search_knowledge.agent, search_knowledge.category, search_knowledge.metadata, v_depth
      ) t
      where v_text_weight > 0
    ), fused as (
      -- Reciprocal rank fusion with the usual constant of 60, as a share of what the first of both parts gets.
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

query_embedding: 1536 dimensions, compared by cosine. query_text: words that must all be there; "a phrase", or, -not. At least one of the two.
agent, category, metadata: only items of this agent, of this category, whose metadata contains this object.
match_count: how many to give, 1 to 1000. As many come whenever as many match; every item with an embedding matches an embedding.
vector_weight, text_weight: what the ranks of both parts count for. min_score: leaves out what scores less (0 to 1). min_similarity: leaves out of the part by meaning what is less similar (-1 to 1).

Gives the items, best first, each with its score (reciprocal rank fusion; 1: first in every part), its similarity and rank by meaning and its relevance and rank by words; null where that part did not find it.

Errors: LTS01 or LTS02 an embedding of another dimension or of zeros; LTS03 match_count; LTS04 nothing to search for; LTS05, LTS06 weights; LTS07 min_score; LTS08 min_similarity; LTS09 metadata is no object.$$;

set local role :OWNER;
revoke create on schema app_public from :SEARCH;
--! EndIncluded app_public/functions/search_knowledge.sql
--! Included app_public/functions/search_knowledge_text.sql
-- The same search for those who have no embedding: the API's process sees the call, embeds the text and leaves the
-- embedding in a setting of the request's transaction (src/embeddings/). Called in any other way there is none. Who sets
-- the setting by hand searches by what they set, within their own tenant: nothing is decided by it.
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
  -- By text: one GraphQL operation may search for several.
  v_embeddings jsonb := nullif(current_setting('app.query_embeddings', true), '')::jsonb;
begin
  if nullif(btrim(query_text), '') is null then
    raise exception 'query_text is missing'
      using errcode = 'LTS10', hint = 'Say in words what to look for.';
  end if;
  if v_embeddings ->> query_text is null then
    raise exception 'the text has no embedding: it is made in the API''s process, with an endpoint of embeddings'
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
) is $$Finds knowledge by what a text means and by its words, without an embedding of one's own.

The API embeds query_text as the knowledge was embedded, and searches as search_knowledge does, which explains the other arguments and the result. Through REST and GraphQL only, and where EMBEDDINGS_URL is set.

Errors: LTS10 query_text is missing; LTS11 there is no embedding of it (the endpoint is not set or does not answer); those of search_knowledge.$$;
--! EndIncluded app_public/functions/search_knowledge_text.sql
--! Included app_public/functions/similar_knowledge.sql
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
    raise exception 'match_count is %; a whole number from 1 to 1000 is needed', match_count
      using errcode = 'LTS03';
  end if;
  if min_similarity not between -1 and 1 then
    raise exception 'min_similarity is %; a number from -1 to 1 is needed', min_similarity
      using errcode = 'LTS08';
  end if;
  if jsonb_typeof(metadata) <> 'object' then
    raise exception 'metadata is a JSON %; an object is needed, of what an item''s metadata must contain', jsonb_typeof(metadata)
      using errcode = 'LTS09';
  end if;
  select k.embedding into v_embedding
  from app_public.knowledge k
  where k.tenant_id = v_tenant_id and k.id = similar_knowledge.id;
  if not found then
    raise exception 'there is no knowledge %', id
      using errcode = 'LTS12';
  end if;
  if v_embedding is null then
    raise exception 'knowledge % has no embedding yet', id
      using errcode = 'LTS13', hint = 'Its column embedding_error says why, if embedding it was tried.';
  end if;
  perform app_private.refuse_embedding(v_embedding);

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

Gives the items, most similar first, as search_knowledge does.

Errors: LTS12 there is no such item; LTS13 it has no embedding yet; LTS02 its embedding is zero throughout; LTS03 match_count; LTS08 min_similarity; LTS09 metadata is no object.$$;

set local role :OWNER;
revoke create on schema app_public from :SEARCH;
--! EndIncluded app_public/functions/similar_knowledge.sql
--! Included app_public/functions/touch_knowledge.sql
-- Runs as :SEARCH, whose updates are not audited (audit/tracked_tables.sql): a search would leave a row of history for
-- each item that it used. It may update nothing but the two columns that are set here. The rows are locked in the order
-- of their keys, so that two searches that used the same items do not deadlock.
grant create on schema app_public to :SEARCH;
set local role :SEARCH;

create or replace function app_public.touch_knowledge(ids text[]) returns integer
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_tenant_id text := app_private.current_tenant_id();
  v_touched integer;
begin
  if ids is null or cardinality(ids) > 10000 then
    raise exception 'ids has % items; a list of at most 10000 is needed', coalesce(cardinality(ids)::text, 'no')
      using errcode = 'LTS14';
  end if;
  update app_public.knowledge k
  set usage_count = k.usage_count + 1, last_used_at = now()
  from (
    select u.id
    from app_public.knowledge u
    where u.tenant_id = v_tenant_id and u.id = any (ids)
    order by u.id
    for no key update
  ) used
  where k.tenant_id = v_tenant_id and k.id = used.id;
  get diagnostics v_touched = row_count;
  return v_touched;
end
$$;

revoke execute on function app_public.touch_knowledge(text[]) from public;
grant execute on function app_public.touch_knowledge(text[]) to :MEMBER, :SERVICE, :ADMIN;

comment on function app_public.touch_knowledge(text[]) is $$Counts one use of each item: usage_count and last_used_at.

ids: the items, 10000 at most. What is twice in it counts once; an id that there is not is passed over. Leaves no trace in the audit log.

Gives how many items were counted.

Errors: LTS14 no list, or too long a one.$$;

set local role :OWNER;
revoke create on schema app_public from :SEARCH;
--! EndIncluded app_public/functions/touch_knowledge.sql
--! Included app_public/comments.sql
comment on schema app_public is E'Agent Lightning DB\nThe state of AI agents. Every table is confined to one tenant by row-level security, and what is listed here follows the caller''s rights: without a token there is next to nothing.';

comment on table app_public.tenants is 'A tenant: one customer or team, whose data nobody else sees.';
comment on column app_public.tenants.id is 'A short name in lower case, e.g. `default`. Never changes.';
comment on column app_public.tenants.name is 'The name to show.';
comment on column app_public.tenants.suspended_at is 'Since when the tenant is locked out; null: it is not.';
comment on column app_public.tenants.created_at is 'When the tenant was made.';
comment on column app_public.tenants.updated_at is 'When the row last changed; kept by a trigger.';

comment on table app_public.agents is E'@unique id|@fieldName agent|@updateFieldName updateAgent|@deleteFieldName deleteAgent\nAn AI agent: who it is, which model it runs on and how it is set up.';
comment on column app_public.agents.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.agents.id is 'The agent''s id in its tenant, e.g. `full_stack_developer`.';
comment on column app_public.agents.name is 'The name to show.';
comment on column app_public.agents.model is 'The language model, e.g. `gpt-4o`.';
comment on column app_public.agents.specialization is 'What it is good at, in a word or two.';
comment on column app_public.agents.status is 'One of idle, busy, paused, offline, error.';
comment on column app_public.agents.config is 'Everything else about it: prompts, capabilities, limits.';
comment on column app_public.agents.created_at is 'When the agent was registered.';
comment on column app_public.agents.updated_at is 'When the row last changed; kept by a trigger.';

comment on table app_public.tasks is E'@unique id|@fieldName task|@updateFieldName updateTask|@deleteFieldName deleteTask\nA piece of work for an agent.';
comment on column app_public.tasks.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.tasks.id is 'The task''s id.';
comment on column app_public.tasks.agent_id is 'Who does it; null: nobody yet, or the agent was removed.';
comment on column app_public.tasks.description is 'What is to be done.';
comment on column app_public.tasks.status is 'One of pending, assigned, running, completed, failed, cancelled, dead.';
comment on column app_public.tasks.priority is 'One of low, normal, high, critical.';
comment on column app_public.tasks.context is 'What the agent needs to know.';
comment on column app_public.tasks.result is 'What came out; null until it is completed.';
comment on column app_public.tasks.created_at is 'When the task was made.';
comment on column app_public.tasks.started_at is 'When work began.';
comment on column app_public.tasks.completed_at is 'When it ended, well or badly.';
comment on column app_public.tasks.error_message is 'Why it failed.';

comment on table app_public.knowledge is E'@unique id|@fieldName knowledge|@updateFieldName updateKnowledge|@deleteFieldName deleteKnowledge\nAn item of knowledge that agents look up, with an embedding to find it by meaning.';
comment on column app_public.knowledge.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.knowledge.id is 'The item''s id; a random one where none is given.';
comment on column app_public.knowledge.agent_id is 'Whose knowledge it is; null: everybody''s, or the agent was removed.';
comment on column app_public.knowledge.category is 'A word to group by.';
comment on column app_public.knowledge.content is 'The text itself.';
comment on column app_public.knowledge.source is 'Where it comes from: a file, an address, a whole quotation.';
comment on column app_public.knowledge.metadata is 'Anything else about it.';
comment on column app_public.knowledge.embedding is 'The content''s embedding, 1536 dimensions; null until it is computed.';
comment on column app_public.knowledge.embedding_error is 'Why the content could not be embedded; null: it was, or it has not been tried. Content that changes is tried again.';
comment on column app_public.knowledge.usage_count is 'How often it was used.';
comment on column app_public.knowledge.relevance_score is 'How useful it proved; 1 is neutral.';
comment on column app_public.knowledge.created_at is 'When it was added.';
comment on column app_public.knowledge.last_used_at is 'When it was last used.';

comment on table app_public.workflows is E'@unique id|@fieldName workflow|@updateFieldName updateWorkflow|@deleteFieldName deleteWorkflow\nSeveral steps of work that belong together.';
comment on column app_public.workflows.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.workflows.id is 'The workflow''s id.';
comment on column app_public.workflows.name is 'The name to show.';
comment on column app_public.workflows.description is 'What it is for.';
comment on column app_public.workflows.steps is 'The steps, a JSON array.';
comment on column app_public.workflows.status is 'One of draft, pending, running, paused, completed, failed, cancelled.';
comment on column app_public.workflows.created_by is 'Who made it.';
comment on column app_public.workflows.assigned_to is 'Who looks after it.';
comment on column app_public.workflows.context is 'What all steps need to know.';
comment on column app_public.workflows.created_at is 'When the workflow was made.';
comment on column app_public.workflows.updated_at is 'When the row last changed; kept by a trigger.';

comment on table app_public.sessions is E'@unique id|@fieldName session|@updateFieldName updateSession|@deleteFieldName deleteSession\nA user''s login session. The token itself is stored nowhere.';
comment on column app_public.sessions.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.sessions.id is 'The session''s id.';
comment on column app_public.sessions.user_id is 'Whose session it is.';
comment on column app_public.sessions.token is 'SHA-256 of the token, 64 hexadecimal digits. Can be written and never read.';
comment on column app_public.sessions.data is 'What the service keeps in it.';
comment on column app_public.sessions.expires_at is 'When it ends.';
comment on column app_public.sessions.created_at is 'When it was opened.';

comment on table app_public.metrics is 'A measurement of a service at a point in time. Partitioned by day, removed by retention.';
comment on column app_public.metrics.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.metrics.id is 'Tells points of the same instant apart.';
comment on column app_public.metrics.service_name is 'Who measured.';
comment on column app_public.metrics.metric_name is 'What was measured.';
comment on column app_public.metrics.value is 'The value, in the metric''s own unit.';
comment on column app_public.metrics.tags is 'Dimensions to filter and group by: a flat object.';
comment on column app_public.metrics."timestamp" is 'When it was measured.';

comment on view app_public.user_sessions is E'@primaryKey id|@fieldName userSession\nThe sessions of the tenant''s users, without tokens and data.';
comment on column app_public.user_sessions.tenant_id is E'@behavior -*\nThe tenant.';
comment on column app_public.user_sessions.id is 'The session''s id.';
comment on column app_public.user_sessions.user_id is 'Whose session it is.';
comment on column app_public.user_sessions.expires_at is 'When it ends.';
comment on column app_public.user_sessions.created_at is 'When it was opened.';

-- In GraphQL a caller has one tenant and never names it: rows are found by their own id, the keys that hold the tenant
-- and the way from and to the tenant's row are hidden.
comment on constraint agents_pkey on app_public.agents is E'@behavior -single -update -delete\nA row is known by its tenant and its id.';
comment on constraint tasks_pkey on app_public.tasks is E'@behavior -single -update -delete\nA row is known by its tenant and its id.';
comment on constraint knowledge_pkey on app_public.knowledge is E'@behavior -single -update -delete\nA row is known by its tenant and its id.';
comment on constraint workflows_pkey on app_public.workflows is E'@behavior -single -update -delete\nA row is known by its tenant and its id.';
comment on constraint sessions_pkey on app_public.sessions is E'@behavior -single -update -delete\nA row is known by its tenant and its id.';
comment on constraint metrics_pkey on app_public.metrics is E'@behavior -single -update -delete\nA row is known by its tenant, its time and its id.';
comment on constraint agents_tenant_id_fkey on app_public.agents is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint tasks_tenant_id_fkey on app_public.tasks is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint knowledge_tenant_id_fkey on app_public.knowledge is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint workflows_tenant_id_fkey on app_public.workflows is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint sessions_tenant_id_fkey on app_public.sessions is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint metrics_tenant_id_fkey on app_public.metrics is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint sessions_token_key on app_public.sessions is E'@behavior -*\nA token opens one session, in whichever tenant. Nobody looks up by what they cannot read.';
comment on constraint tasks_agent_id_fkey on app_public.tasks is E'@fieldName agent\n@foreignFieldName tasks\nWho does the task.';
comment on constraint knowledge_agent_id_fkey on app_public.knowledge is E'@fieldName agent\n@foreignFieldName knowledge\nWhose knowledge it is.';

comment on type app_public.knowledge_match is 'An item of knowledge that a search found, and why.';
comment on column app_public.knowledge_match.id is 'The item''s id.';
comment on column app_public.knowledge_match.agent_id is 'Whose knowledge it is.';
comment on column app_public.knowledge_match.category is 'A word to group by.';
comment on column app_public.knowledge_match.content is 'The text itself.';
comment on column app_public.knowledge_match.source is 'Where it comes from.';
comment on column app_public.knowledge_match.metadata is 'Anything else about it.';
comment on column app_public.knowledge_match.usage_count is 'How often it was used.';
comment on column app_public.knowledge_match.relevance_score is 'How useful it proved; 1 is neutral.';
comment on column app_public.knowledge_match.created_at is 'When it was added.';
comment on column app_public.knowledge_match.last_used_at is 'When it was last used.';
comment on column app_public.knowledge_match.score is 'Reciprocal rank fusion of the parts: 1, first in every part; results are in its order.';
comment on column app_public.knowledge_match.similarity is 'By meaning: cosine similarity, -1 to 1; null: that part did not find it.';
comment on column app_public.knowledge_match.vector_rank is 'By meaning: its place, from 1.';
comment on column app_public.knowledge_match.text_relevance is 'By words: how well and how densely they match, more is better; null: that part did not find it.';
comment on column app_public.knowledge_match.text_rank is 'By words: its place, from 1.';

comment on function app_public.add_knowledge(text, text, text, text, text, jsonb, public.vector) is $$Adds an item of knowledge.

content: the text. id: a random one where none is given. agent_id, category, source, metadata: as in the table. embedding: 1536 dimensions; without one the worker makes it, where EMBEDDINGS_URL is set.

Gives the item.

Errors: LTS15 content is missing; LTS01 or LTS02 an embedding of another dimension or of zeros; 23505 there is one of this id; 23503 there is no such agent.$$;
comment on function app_public.add_knowledge_items(jsonb) is $$Adds many items of knowledge, all or none.

items: an array of 1 to 10000 objects with content and, where there is one, id, agent_id, category, source, metadata, embedding.

Gives the items.

Errors: LTS16 no array, or too long a one; LTS17 what is wrong with which item, counted from 0; 23505 there is one of an id; 23503 there is no such agent.$$;
--! EndIncluded app_public/comments.sql
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
comment on function app_private.tg_tasks__notify() is 'Trigger: NOTIFY lightning:tasks with {tenant, operation, ids}; ids is null when more than 150 tasks changed at once.';
comment on function app_private.tg_tenants__notify() is 'Trigger: NOTIFY lightning:tenants without payload when a tenant was suspended or resumed.';
comment on function app_private.tg_knowledge__clear_embedding() is 'Takes away the embedding of content that changed without a new one.';
comment on function app_private.refuse_embedding(public.vector) is 'Raises LTS01 for an embedding of another dimension, LTS02 for one of zeros.';
comment on function app_private.nearest_knowledge(text, public.vector, text, text, jsonb, text, integer) is 'The knowledge of a tenant that is nearest to an embedding, with its cosine distance, nearest first. For the search functions.';
comment on function app_private.knowledge_by_text(text, text, text, text, jsonb, integer) is 'The knowledge of a tenant that holds the words of a text, the most relevant first. For search_knowledge.';
--! EndIncluded app_private/comments.sql
--! Included audit/comments.sql
comment on schema audit is 'Who changed what: an append-only log, written by triggers in the transaction of the change.';

comment on table audit.log is 'One row per changed row (or per statement, for tables exempt from detail). Partitioned by month.';
comment on column audit.log.id is 'Orders the rows of a moment.';
comment on column audit.log.at is 'When the transaction began.';
comment on column audit.log.transaction_id is 'The transaction that made the change.';
comment on column audit.log.tenant_id is 'Whose data it was; null for a truncate, which hits all.';
comment on column audit.log.table_name is 'The table that the statement named, with its schema.';
comment on column audit.log.operation is 'insert, update, delete or truncate.';
comment on column audit.log.row_count is '1 for a row of detail, the number of rows for a summary.';
comment on column audit.log.key is 'The row''s primary key; null in a summary.';
comment on column audit.log.old_values is 'What was there: the whole row of a delete, the changed columns of an update. Secrets and embeddings as sha256:<hex>.';
comment on column audit.log.new_values is 'What came: the whole row of an insert, the changed columns of an update. Secrets and embeddings as sha256:<hex>.';
comment on column audit.log.subject is 'The verified token''s subject; null for a direct login.';
comment on column audit.log.login is 'The login of the connection.';
comment on column audit.log.role is 'The role that the statement ran under.';
comment on column audit.log.request_id is 'The API request, as in its X-Request-Id header.';

comment on function audit.enable_tracking(regclass, text[], boolean, name) is 'Puts a table under audit. Can be called again. LTA01 when it has no primary key.';
comment on function audit.copy_tracking(regclass, regclass) is 'Gives a partition the audit triggers of its parent.';
comment on function audit.actor() is 'Who is acting: verified subject, role, request id.';
comment on function audit.digest(jsonb, text[]) is 'The object with the named members replaced by their SHA-256.';
comment on function audit.tg__log_rows() is 'Trigger: a log row per changed row.';
comment on function audit.tg__log_summary() is 'Trigger: a log row per statement and tenant.';
comment on function audit.tg__log_truncate() is 'Trigger: a log row per truncate.';
--! EndIncluded audit/comments.sql
