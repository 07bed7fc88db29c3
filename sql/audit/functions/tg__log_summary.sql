-- Logs one row per statement and tenant with the number of rows: for tables whose rows are too many and too small to
-- keep twice. Definer: nobody may write the log.
create or replace function audit.tg__log_summary() returns trigger
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  insert into audit.log (tenant_id, table_name, operation, row_count, subject, role, request_id)
  select
    c.tenant_id, TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME, lower(TG_OP), count(*),
    a.subject, a.role, a.request_id
  from changed_rows c
  cross join audit.actor() a
  group by c.tenant_id, a.subject, a.role, a.request_id;
  return null;
end
$$;
