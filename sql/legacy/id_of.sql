-- The UUID that stands for an id of the legacy system: the id itself, or one that follows from its text.
create or replace function legacy.id_of(id text) returns uuid
language sql immutable strict parallel safe
set search_path to pg_catalog, pg_temp
return case
  when pg_input_is_valid(id, 'uuid') then id::uuid
  else substr(encode(sha256(convert_to('legacy id ' || id, 'UTF8')), 'hex'), 1, 32)::uuid
end;

comment on function legacy.id_of(text) is 'The UUID that stands for an id of the legacy system: the id itself, or one that follows from its text.';
grant execute on function legacy.id_of(text) to :SERVICE;
