-- The UUID that stands for an id of the legacy system: the id itself, or one that follows from its text. The condition is a pattern
-- because Postgres 18 computes a cast of a constant in advance, unless the condition tells it, in advance as well, that it is not needed.
create or replace function legacy.id_of(id text) returns uuid
language sql immutable strict parallel safe
set search_path to pg_catalog, pg_temp
return case
  when id ~* '^(?:[0-9a-f]{4}-?){7}[0-9a-f]{4}$' then id::uuid
  when id ~* '^\{(?:[0-9a-f]{4}-?){7}[0-9a-f]{4}\}$' then id::uuid
  else substr(encode(sha256(convert_to('legacy id ' || id, 'UTF8')), 'hex'), 1, 32)::uuid
end;

comment on function legacy.id_of(text) is 'The UUID that stands for an id of the legacy system: the id itself, or one that follows from its text.';
grant execute on function legacy.id_of(text) to :SERVICE;
