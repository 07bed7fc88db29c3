-- From when on the log is a tenant's own: after the last deletion of its id. What is older is another tenant's, which is gone.
create or replace function audit.own_log_from(tenant_id text) returns timestamptz
language sql stable
set search_path to pg_catalog, pg_temp
begin atomic
  select coalesce((select r.ended_at from ops.tenant_removals r where r.id = own_log_from.tenant_id), '-infinity');
end;

comment on function audit.own_log_from(text) is 'From when on the log is the tenant''s own: after the last deletion of its id.';
-- No grant: the functions that log their reads call it.
