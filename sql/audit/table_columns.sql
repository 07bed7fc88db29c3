-- The columns of a table by their numbers; null stands for a dropped one. A row logger is made for such a list.
create or replace function audit.table_columns(source regclass) returns text[]
language sql stable parallel safe
set search_path to pg_catalog, pg_temp
begin atomic
  select pg_catalog.array_agg(case when not a.attisdropped then a.attname::text end order by a.attnum)
  from pg_catalog.pg_attribute a
  where a.attrelid = source and a.attnum > 0;
end;

comment on function audit.table_columns(regclass) is 'The columns of a table by their numbers; null for a dropped one.';
-- The view ops.check_audit.
grant execute on function audit.table_columns(regclass) to :OPERATOR, :WORKER;
