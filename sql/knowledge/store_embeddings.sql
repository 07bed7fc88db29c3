-- Stores embeddings, all or none, and returns how many. Only an item that ops.texts_to_embed may show gets one, and only where its text is still the one
-- of the digest. Definer: the worker reaches no knowledge itself. Runs as :JOBS.
grant create on schema ops to :JOBS;
set local role :JOBS;

create or replace function ops.store_embeddings(tenants text[], ids text[], digests text[], embeddings text[]) returns integer
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_count integer;
begin
  perform app_private.refuse_bounds('ids', cardinality(ids) between 1 and 256, 'a list of 1 to 256');
  perform app_private.refuse_bounds(
    'tenants, digests and embeddings',
    cardinality(tenants) = cardinality(ids) and cardinality(digests) = cardinality(ids) and cardinality(embeddings) = cardinality(ids),
    'as many as ids'
  );
  update app_public.knowledge k
  set embedding = e.embedding::public.vector
  from unnest(tenants, ids, digests, embeddings) e(tenant_id, id, digest, embedding)
  where k.tenant_id = e.tenant_id and k.id = e.id and k.embedding is null and k.embedding_error is null and md5(k.content) = e.digest;
  get diagnostics v_count = row_count;
  return v_count;
end
$$;

comment on function ops.store_embeddings(text[], text[], text[], text[]) is 'Stores the embeddings of items that have none and whose text is the one of the digest. Returns how many. LTP06 for lists of different or excessive length.';
revoke execute on function ops.store_embeddings(text[], text[], text[], text[]) from public;
grant execute on function ops.store_embeddings(text[], text[], text[], text[]) to :WORKER;

set local role :OWNER;
revoke create on schema ops from :JOBS;
