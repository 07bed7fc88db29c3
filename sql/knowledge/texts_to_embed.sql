-- A batch of texts without an embedding, oldest first, in which each tenant has its share, so that no tenant waits for the thousands
-- of another. Leaves out items that are set aside, and the tenants `passed_over`. Its texts have up to `most_bytes` together, unless a
-- single one is longer. Definer: the worker reaches no knowledge itself, and is shown nothing but what it has to embed. Runs as :JOBS.
grant create on schema ops to :JOBS;
set local role :JOBS;

create or replace function ops.texts_to_embed(
  passed_over text[] default '{}',
  how_many integer default 64,
  most_bytes integer default 1000000
) returns table (tenant_id text, id text, content text, digest text)
language plpgsql stable security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  perform app_private.refuse_bounds('how_many', how_many between 1 and 256, 'between 1 and 256');
  perform app_private.refuse_bounds('most_bytes', most_bytes between 1 and 10000000, 'between 1 and 10,000,000');
  return query
  with recursive tenants as (
    select min(k.tenant_id) as id
    from app_public.knowledge k
    where k.embedding is null and k.embedding_error is null
    union all
    select (
      select min(k.tenant_id)
      from app_public.knowledge k
      where k.embedding is null and k.embedding_error is null and k.tenant_id > t.id
    )
    from tenants t
    where t.id is not null
  ),
  due as (
    select d.*, sum(d.bytes) over (order by d.turn, d.created_at, d.tenant_id, d.id) - d.bytes as bytes_before
    from tenants t
    cross join lateral (
      select
        o.tenant_id, o.id, o.created_at, octet_length(o.content) as bytes, row_number() over (order by o.created_at) as turn
      from (
        select k.tenant_id, k.id, k.created_at, k.content
        from app_public.knowledge k
        where k.tenant_id = t.id and k.tenant_id <> all (passed_over) and k.embedding is null and k.embedding_error is null
          and (k.tenant_id, k.id) not in (select q.tenant_id, q.item from ops.quarantined('embed_knowledge') q)
        order by k.created_at
        limit how_many
      ) o
    ) d
    order by d.turn, d.created_at
    limit how_many
  )
  select k.tenant_id, k.id::text, k.content, md5(k.content)
  from due d
  join app_public.knowledge k on k.tenant_id = d.tenant_id and k.id = d.id
  where d.bytes_before < most_bytes
  order by d.turn, d.created_at;
end
$$;

comment on function ops.texts_to_embed(text[], integer, integer) is 'A batch of texts of all tenants that have no embedding, each with the digest by which ops.store_embeddings knows it. LTP06 for an argument out of bounds.';
revoke execute on function ops.texts_to_embed(text[], integer, integer) from public;
grant execute on function ops.texts_to_embed(text[], integer, integer) to :WORKER;

set local role :OWNER;
revoke create on schema ops from :JOBS;
