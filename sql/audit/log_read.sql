-- Logs that somebody read the log: which function, with which arguments, and how many entries it gave. Only functions that read
-- the log for others call it, as its owner.
create or replace function audit.log_read(tenant_id text, function_name text, arguments jsonb, entries bigint) returns void
language sql volatile
set search_path to pg_catalog, pg_temp
begin atomic
  insert into audit.log (tenant_id, table_name, operation, row_count, new_values, subject, role, request_id)
  select
    log_read.tenant_id, 'audit.log', 'read', log_read.entries,
    jsonb_build_object('function', log_read.function_name, 'arguments', jsonb_strip_nulls(log_read.arguments)),
    a.subject, a.role, a.request_id
  from audit.actor() a;
end;

comment on function audit.log_read(text, text, jsonb, bigint) is 'Logs that somebody read the log.';
-- No grant: whoever could call it could forge entries.
