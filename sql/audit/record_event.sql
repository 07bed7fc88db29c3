-- Records what no trigger sees: a password that was changed, a login that was made. The migrations' login calls it in the
-- transaction of the change, as the owner.
--   event   two or three words, such as `rotate login`
--   object  what it was done to
create or replace function audit.record_event(event text, object text, tenant_id text default null, details jsonb default null) returns void
language sql volatile
set search_path to pg_catalog, pg_temp
begin atomic
  insert into audit.log (tenant_id, table_name, operation, row_count, new_values, subject, role, request_id)
  select record_event.tenant_id, record_event.object, record_event.event, 1, record_event.details, a.subject, a.role, a.request_id
  from audit.actor() a;
end;

comment on function audit.record_event(text, text, text, jsonb) is 'Records in the audit log what no trigger sees.';
-- No grant: only the owner calls it. Whoever else could would forge entries.
