-- The columns of a table's primary key, in its order; empty without one.
create or replace function audit.key_columns(source regclass) returns text[]
language sql stable parallel safe
set search_path to pg_catalog, pg_temp
begin atomic
  select coalesce(pg_catalog.array_agg(a.attname::text order by k.position), '{}')
  from pg_catalog.pg_index i
  cross join lateral pg_catalog.unnest(i.indkey::smallint[]) with ordinality k(attnum, position)
  join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
  where i.indrelid = source and i.indisprimary and k.position <= i.indnkeyatts;
end;

comment on function audit.key_columns(regclass) is 'The columns of a table''s primary key, in its order.';
