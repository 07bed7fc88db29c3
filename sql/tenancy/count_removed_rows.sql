-- Adds to the rows that were deleted of a tenant, by table.
create or replace function app_private.count_removed_rows(tenant_id text, table_name text, row_count bigint) returns void
language sql volatile
set search_path to pg_catalog, pg_temp
begin atomic
  update ops.tenant_removals r
  set row_counts = r.row_counts || jsonb_build_object(
    count_removed_rows.table_name,
    coalesce((r.row_counts ->> count_removed_rows.table_name)::bigint, 0) + count_removed_rows.row_count
  )
  where r.id = count_removed_rows.tenant_id;
end;

comment on function app_private.count_removed_rows(text, text, bigint) is 'Adds to the rows that were deleted of a tenant, by table.';
-- No grant: the functions that delete a tenant call it, as the owner.
