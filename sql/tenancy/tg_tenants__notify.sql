-- Tells the API's processes that a tenant was suspended or resumed. No payload: they read the list again.
create or replace function app_private.tg_tenants__notify() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  perform pg_notify('lightning:tenants', '');
  return null;
end
$$;

comment on function app_private.tg_tenants__notify() is 'Trigger: NOTIFY lightning:tenants without payload when a tenant was suspended or resumed.';
