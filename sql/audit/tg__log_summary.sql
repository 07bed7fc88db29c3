-- Logs one row per statement and tenant, with the number of rows, for tables whose rows are too many and too small to keep
-- twice. Definer: nobody may write the log.
create or replace function audit.tg__log_summary() returns trigger
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
  v_tenants text[];
  v_counts bigint[];
begin
  begin
    select array_agg(c.tenant), array_agg(c.count) into strict v_tenants, v_counts
    from (select r.tenant_id::text as tenant, count(*) as count from changed_rows r group by 1) c;
  exception
    -- The table has changed since tracking was enabled: without the column nothing says whose a row is.
    when undefined_column then
      select array[null], array[nullif(count(*), 0)] into strict v_tenants, v_counts from changed_rows r;
  end;
  insert into audit.log (tenant_id, table_name, operation, row_count, subject, role, request_id)
  select c.tenant, TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME, lower(TG_OP), c.count, a.subject, a.role, a.request_id
  from unnest(v_tenants, v_counts) c(tenant, count)
  cross join audit.actor() a
  where c.count is not null;
  return null;
end
$$;

comment on function audit.tg__log_summary() is 'Trigger: a log row per statement and tenant.';
