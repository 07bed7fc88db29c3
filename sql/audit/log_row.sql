-- Logs a change of one row of a table as the table is at this moment: it reads names, key and columns from the catalog. It
-- takes several times as long as a function of create_row_logger, but also serves tables that have changed since tracking was
-- enabled, and partitioned ones.
--   source     the table, or the partition, that holds the row
--   operation  INSERT, UPDATE, DELETE; PRESENT: the row was there when tracking began
--   known      the columns when tracking was enabled, as audit.table_columns gives them
--   digested   the columns whose values the log replaces by their SHA-256
--   omitted    the columns that the log leaves out
-- Where some columns are digested or omitted, an unknown column is digested too: a secret may have got another name.
-- Definer: nobody may write the log.
create or replace function audit.log_row(
  source regclass,
  operation text,
  old_row record,
  new_row record,
  known text[],
  digested text[],
  omitted text[]
) returns void
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
  v_table regclass := coalesce(pg_partition_root(source), source);
  v_name text;
  v_tenant_column text := audit.tenant_column(v_table);
  v_old jsonb := case when operation <> 'INSERT' then audit.document(source, old_row) - omitted end;
  v_new jsonb := case when operation <> 'DELETE' then audit.document(source, new_row) - omitted end;
  v_tenant_id text := coalesce(v_new, v_old) ->> v_tenant_column;
  v_key jsonb;
  v_same text[] := '{}';
begin
  -- A row moves to another tenant: neither tenant may read its values at the other.
  if operation = 'UPDATE' and v_new ->> v_tenant_column is distinct from v_old ->> v_tenant_column then
    perform audit.log_row(source, 'DELETE', old_row, old_row, known, digested, omitted);
    perform audit.log_row(source, 'INSERT', new_row, new_row, known, digested, omitted);
    return;
  end if;

  select n.nspname || '.' || c.relname into strict v_name
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.oid = v_table;
  if digested <> '{}' or omitted <> '{}' then
    select digested || coalesce(array_agg(a.attname::text), '{}') into strict digested
    from pg_attribute a
    where a.attrelid = v_table and a.attnum > 0 and not a.attisdropped and known[a.attnum] is distinct from a.attname::text;
  end if;
  -- If the primary key was dropped, the row has no key.
  select coalesce(jsonb_object_agg(k, coalesce(v_new, v_old) -> k), '{}') into strict v_key
  from unnest(audit.key_columns(v_table)) k;

  if operation = 'UPDATE' then
    -- Compared as texts, because 1.0 and 1.00 are the same number.
    select coalesce(array_agg(e.key), '{}') into strict v_same
    from jsonb_each_text(v_new) e
    where e.value is not distinct from v_old ->> e.key;
    v_new := v_new - v_same;
    if v_new = '{}' then
      return;
    end if;
  end if;

  insert into audit.log (
    tenant_id, table_name, operation, row_count, key, old_values, new_values, subject, role, request_id
  )
  select
    v_tenant_id, v_name, lower(operation), 1, audit.digest(v_key, digested),
    audit.digest(v_old - v_same, digested), audit.digest(v_new, digested), a.subject, a.role, a.request_id
  from audit.actor() a;
end
$$;

comment on function audit.log_row(regclass, text, record, record, text[], text[], text[]) is 'Logs a change of a row of a table as the table is at this moment.';
