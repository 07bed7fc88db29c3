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

comment on function app_private.refuse_embedding(public.vector) is 'Raises LTS01 for an embedding of another dimension, LTS02 for one of zeros.';
grant execute on function app_private.refuse_embedding(public.vector) to :SEARCH;
