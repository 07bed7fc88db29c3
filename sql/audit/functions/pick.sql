-- The members of a JSON object that are named in `names`, e.g. a row's key.
create or replace function audit.pick(doc jsonb, names text[]) returns jsonb
language sql immutable strict parallel safe
return (select jsonb_object_agg(n, doc -> n) from unnest(names) n);
