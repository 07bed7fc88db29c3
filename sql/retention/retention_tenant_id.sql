-- The tenant whose rows ops.expire_tenant_rows is removing. Policies confine it to this tenant, whatever a statement forgets.
create or replace function app_private.retention_tenant_id() returns text
language sql stable parallel safe
return nullif(pg_catalog.current_setting('app.retention_tenant_id', true), '');

comment on function app_private.retention_tenant_id() is 'The tenant whose rows are being removed, from the setting app.retention_tenant_id; null: none.';
grant execute on function app_private.retention_tenant_id() to :JOBS;
