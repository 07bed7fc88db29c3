--! Previous: sha1:9583cec3148e2f9b2312c646a5a81d90cda3a9fe
--! Hash: sha1:1ea30745f9e5dc320069ced766d74be962a2c305
--! Message: nothing_compiled

-- sql/database.sql does this for a database that is made today; this is for those that were there. `lightning setup` made
-- them the owner's, graphile-migrate its shadow database another's.
do $$
begin
  execute format('alter database %I set jit to off', current_database());
exception
  when insufficient_privilege then
    raise notice 'jit stays as it is: % is not the owner of this database', current_user;
end
$$;

-- So these need no setting of their own.
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
-- costs nothing; the one order by that an index can give is to be given by it. With an ef_search of 100 whole topics were
-- missed among 100,000 clustered vectors (recall 0.90 to 0.95), with 400 none (docs/knowledge.md).

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
--! Included ops/functions/retention_cutoffs.sql
-- Before when something of a tenant goes (null: nothing does), under each policy; under those of no tenant with a null one.
-- Metrics go by whole days, and not before they are rolled up and merged; with `planned` as if they were.
--   by_rows  whether rows are deleted: not where the partition goes as a whole, for everybody at the same time
create or replace function ops.retention_cutoffs(at timestamptz default now(), planned boolean default false)
returns table (policy text, tenant_id text, older_than timestamptz, by_rows boolean)
language sql stable security definer
set search_path to pg_catalog, pg_temp
as $$
  with wanted as (
    select
      p.policy, t.id as tenant_id,
      case
        when p.policy like 'metrics.%'
          then date_bin('24 hours', retention_cutoffs.at - ops.retention_of(p.policy, t.id), '2001-01-01 00:00:00Z')
        else retention_cutoffs.at - ops.retention_of(p.policy, t.id)
      end as older_than
    from ops.retention_policies p
    join app_public.tenants t on p.by_tenant
    union all
    select p.policy, null, retention_cutoffs.at - p.keep from ops.retention_policies p where not p.by_tenant
  ),
  -- What has to be there still to be merged.
  limits as (
    select
      t.id as tenant_id,
      (
        select coalesce(max(f.closed_to), '-infinity')
        from ops.metric_floors f where f.tenant_id is null or f.tenant_id = t.id
      ) as closed_to,
      (
        select coalesce(min(c.bucket), 'infinity')
        from ops.metric_changes c where c.tenant_id = t.id and c.resolution in ('minute', 'hour')
      ) as hours_from,
      (select coalesce(min(c.bucket), 'infinity') from ops.metric_changes c where c.tenant_id = t.id) as days_from
    from app_public.tenants t
    where not retention_cutoffs.planned
  ),
  cut as (
    select
      w.policy, w.tenant_id,
      case
        when w.older_than is null or l.tenant_id is null then w.older_than
        when w.policy = 'metrics.raw' then least(w.older_than, l.closed_to)
        when w.policy = 'metrics.minute'
          then least(w.older_than, l.closed_to, date_bin('24 hours', l.hours_from, '2001-01-01 00:00:00Z'))
        when w.policy in ('metrics.hour', 'metrics.day')
          then least(w.older_than, l.closed_to, date_bin('24 hours', l.days_from, '2001-01-01 00:00:00Z'))
        else w.older_than
      end as older_than
    from wanted w
    left join limits l on l.tenant_id = w.tenant_id
  )
  select
    c.policy, c.tenant_id, c.older_than,
    c.policy not in ('metrics.raw', 'metrics.minute', 'metrics.hour')
      or c.older_than > min(c.older_than) over (partition by c.policy)
      or bool_or(c.older_than is null) over (partition by c.policy)
      or exists (select from ops.retention_holds h where h.policy = c.policy)
  from cut c
$$;

comment on function ops.retention_cutoffs(timestamptz, boolean) is 'Before when something of each tenant goes, under each policy; null: nothing does. With `planned` as if all metrics were rolled up.';
grant execute on function ops.retention_cutoffs(timestamptz, boolean) to :OPERATOR, :WORKER;
--! EndIncluded ops/functions/retention_cutoffs.sql
--! Included ops/functions/removable_partitions.sql
-- The partitions that no tenant keeps any more and no hold does, and those whose removal has begun, oldest first.
--   state  attached: detach it; pending: finalize that; detached: drop it
create or replace function ops.removable_partitions(at timestamptz default now(), planned boolean default false)
returns table (policy text, parent text, partition text, range_start timestamptz, range_end timestamptz, state text)
language sql stable security definer
set search_path to pg_catalog, pg_temp
set datestyle to 'ISO'
set timezone to 'UTC'
as $$
  with cutoffs as (
    select c.policy, min(c.older_than) as older_than
    from ops.retention_cutoffs(removable_partitions.at, removable_partitions.planned) c
    group by c.policy
    having bool_and(c.older_than is not null)
  ),
  partitions as (
    select
      p.policy, format('%I.%I', pn.nspname, pc.relname) as parent, format('%I.%I', n.nspname, c.relname) as partition,
      b.ends[1]::timestamptz as range_start, b.ends[2]::timestamptz as range_end, i.inhdetachpending
    from (
      values ('metrics.raw', 'app_public.metrics'::regclass), ('metrics.minute', 'app_public.metrics_minute'),
        ('metrics.hour', 'app_public.metrics_hour')
    ) p(policy, parent)
    join pg_inherits i on i.inhparent = p.parent
    join pg_class c on c.oid = i.inhrelid
    join pg_namespace n on n.oid = c.relnamespace
    join pg_class pc on pc.oid = i.inhparent
    join pg_namespace pn on pn.oid = pc.relnamespace
    cross join regexp_match(
      pg_get_expr(c.relpartbound, c.oid), $bounds$^FOR VALUES FROM \('([^']+)'\) TO \('([^']+)'\)$bounds$
    ) b(ends)
  )
  select p.policy, p.parent, p.partition, p.range_start, p.range_end, case when p.inhdetachpending then 'pending' else 'attached' end
  from partitions p
  left join cutoffs c on c.policy = p.policy
  where p.inhdetachpending
    or (
      p.range_end <= c.older_than
      and not exists (
        select from ops.retention_holds h where h.policy = p.policy and h.held && tstzrange(p.range_start, p.range_end)
      )
    )
  union all
  select r.policy, r.parent, r.partition, lower(r.held), upper(r.held), 'detached'
  from ops.partition_removals r
  where to_regclass(r.partition) is not null and not exists (select from partitions p where p.partition = r.partition)
  order by 4, 1
$$;

comment on function ops.removable_partitions(timestamptz, boolean) is 'The partitions that can go, and how far each is on its way, oldest first.';
grant execute on function ops.removable_partitions(timestamptz, boolean) to :OPERATOR, :WORKER;
--! EndIncluded ops/functions/removable_partitions.sql
