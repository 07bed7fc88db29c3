-- A row of the log as callers see it.
create or replace function audit.entry_of(entry audit.log) returns app_public.audit_entry
language sql stable
set search_path to pg_catalog, pg_temp
return row(
  (entry).at, (entry).id, (entry).transaction_id::text, (entry).table_name, (entry).operation, (entry).row_count, (entry).key,
  (entry).old_values, (entry).new_values, (entry).subject, (entry).login::text, (entry).role::text, (entry).request_id,
  (extract(epoch from (entry).at) * 1000000)::bigint || '-' || (entry).id
)::app_public.audit_entry;

comment on function audit.entry_of(audit.log) is 'A row of the log as callers see it.';
