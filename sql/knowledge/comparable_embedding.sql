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
