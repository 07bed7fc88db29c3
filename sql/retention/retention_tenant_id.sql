-- The tenant whose rows the worker is removing: it deletes as exactly that tenant, whatever a statement forgets.
create or replace function app_private.retention_tenant_id() returns text
language sql stable parallel safe
return nullif(pg_catalog.current_setting('app.retention_tenant_id', true), '');

comment on function app_private.retention_tenant_id() is 'The tenant whose rows the worker is removing, from the setting app.retention_tenant_id; null: nobody''s.';
grant execute on function app_private.retention_tenant_id() to :WORKER;
