-- The entries about one row of a tenant, and the truncates that may have ended it. In the order of `id` they are in the order in
-- which they happened: a change takes its id while it holds the lock of the row.
create or replace function audit.row_entries(table_names text[], keys jsonb[], tenant_id text) returns setof audit.log
language sql stable
set search_path to pg_catalog, pg_temp
begin atomic
  select l.*
  from audit.log l
  where jsonb_hash_extended(l.key, 0) = any (array(select jsonb_hash_extended(k, 0) from unnest(row_entries.keys) k))
    and l.key = any (row_entries.keys) and l.tenant_id = row_entries.tenant_id and l.table_name = any (row_entries.table_names)
    and l.at > (select audit.own_log_from(row_entries.tenant_id))
  union all
  select l.*
  from audit.log l
  where l.tenant_id is null and l.operation = 'truncate' and l.table_name = any (row_entries.table_names);
end;

comment on function audit.row_entries(text[], jsonb[], text) is 'The entries about one row, and the truncates of its table.';
-- No grant: the functions that log their reads call it.
