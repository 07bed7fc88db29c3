-- Records why the text of an item cannot be embedded, and returns whether it did: not where the item has an embedding, or another
-- text than that of the digest. Definer: the worker reaches no knowledge itself. Runs as :JOBS.
grant create on schema ops to :JOBS;
set local role :JOBS;

create or replace function ops.refuse_embedding(tenant_id text, id text, digest text, reason text) returns boolean
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  perform app_private.refuse_bounds('reason', length(reason) > 0, 'a sentence');
  update app_public.knowledge k
  set embedding_error = left(refuse_embedding.reason, 1000)
  where k.tenant_id = refuse_embedding.tenant_id and k.id = refuse_embedding.id and k.embedding is null
    and k.embedding_error is null and md5(k.content) = refuse_embedding.digest;
  return found;
end
$$;

comment on function ops.refuse_embedding(text, text, text, text) is 'Records why the text of an item without an embedding cannot be embedded. Returns whether the item still has the text of the digest.';
revoke execute on function ops.refuse_embedding(text, text, text, text) from public;
grant execute on function ops.refuse_embedding(text, text, text, text) to :WORKER;

set local role :OWNER;
revoke create on schema ops from :JOBS;
