-- Logs that a table was emptied, of all tenants' rows at once: no tenant, no rows to count. Definer: nobody may write
-- the log.
create or replace function audit.tg__log_truncate() returns trigger
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_actor record;
begin
  v_actor := audit.actor();
  insert into audit.log (table_name, operation, row_count, subject, role, request_id)
  values (
    TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME, 'truncate', 0, v_actor.subject, v_actor.role, v_actor.request_id
  );
  return null;
end
$$;
