-- The keys in the log that a caller may mean; null without a key. The caller gives the primary key without the tenant as an object, or, of a key of one
-- column, its value. The log has the key with the tenant where the table's key has it, and the values as the column's type prints
-- them, so where the table exists the given value becomes one of that type (an uuid in capitals, a number as text).
create or replace function audit.possible_keys(table_names text[], key jsonb, tenant_id text) returns jsonb[]
language plpgsql stable strict
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
  v_given jsonb := case when jsonb_typeof(key) = 'object' then key else jsonb_build_object('id', key) end;
  v_keys jsonb[] := array[v_given, jsonb_build_object('tenant_id', tenant_id) || v_given];
  v_table record;
  v_column record;
  v_key jsonb;
  v_value jsonb;
begin
  for v_table in
    select c.oid::regclass as name, audit.tenant_column(c.oid) as tenant_column, audit.key_columns(c.oid) as key_columns
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and n.nspname || '.' || c.relname = any (table_names)
  loop
    v_key := '{}';
    for v_column in
      select a.attname as name, format_type(a.atttypid, a.atttypmod) as type
      from pg_attribute a where a.attrelid = v_table.name and a.attname = any (v_table.key_columns)
    loop
      v_value := case
        when jsonb_typeof(key) = 'object' and key ? v_column.name then key -> v_column.name
        when v_column.name = v_table.tenant_column then to_jsonb(tenant_id)
        when jsonb_typeof(key) = 'object' then null
        when cardinality(v_table.key_columns) - (v_table.tenant_column = any (v_table.key_columns))::integer = 1 then key
      end;
      begin
        execute format('select to_jsonb($1::%s)', v_column.type) into v_value using v_value #>> '{}';
      exception
        -- Not a value of the type: no row has it now, an earlier one may.
        when data_exception or check_violation then null;
      end;
      v_key := v_key || jsonb_build_object(v_column.name, v_value);
    end loop;
    v_keys := v_keys || v_key;
  end loop;
  return v_keys;
end
$$;

comment on function audit.possible_keys(text[], jsonb, text) is 'The keys in the log that a caller may mean by a key.';
