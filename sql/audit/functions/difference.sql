-- The members of a JSON object that another one does not have, or has with another value.
create or replace function audit.difference(doc jsonb, other jsonb) returns jsonb
language sql immutable strict parallel safe
return (
  select coalesce(jsonb_object_agg(d.key, d.value), '{}')
  from jsonb_each(doc) d
  where other -> d.key is distinct from d.value
);
