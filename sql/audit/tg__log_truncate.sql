-- Logs that a truncate emptied a table of all tenants' rows at once: it has no tenant and no count of rows. Definer: nobody may
-- write the log.
create or replace function audit.tg__log_truncate() returns trigger
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  insert into audit.log (table_name, operation, row_count, subject, role, request_id)
  select TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME, 'truncate', 0, a.subject, a.role, a.request_id
  from audit.actor() a;
  return null;
end
$$;

comment on function audit.tg__log_truncate() is 'Trigger: a log row per truncate.';
