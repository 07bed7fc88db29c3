-- Logs one row per statement and tenant with the number of rows: for tables whose rows are too many and too small to
-- keep twice. Definer: nobody may write the log.
create or replace function audit.tg__log_summary() returns trigger
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_actor record;
begin
  v_actor := audit.actor();
  insert into audit.log (tenant_id, table_name, operation, row_count, subject, role, request_id)
  select
    c.tenant_id, TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME, lower(TG_OP), count(*),
    v_actor.subject, v_actor.role, v_actor.request_id
  from changed_rows c
  group by c.tenant_id;
  return null;
end
$$;
