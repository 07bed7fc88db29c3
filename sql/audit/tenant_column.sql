-- The column that holds a row's tenant, whether or not it is part of the key; null for a table without one. A tenant's own row
-- belongs to that tenant.
create or replace function audit.tenant_column(source regclass) returns text
language sql stable parallel safe
set search_path to pg_catalog, pg_temp
begin atomic
  select case
    when exists (
      select from pg_catalog.pg_attribute a
      where a.attrelid = source and a.attname = 'tenant_id' and not a.attisdropped
    ) then 'tenant_id'
    when source = 'app_public.tenants'::pg_catalog.regclass then 'id'
  end;
end;

comment on function audit.tenant_column(regclass) is 'The column that holds a row''s tenant; null for a table without one.';
