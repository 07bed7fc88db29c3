-- Tells the API's processes that a tenant was suspended or resumed. No payload: they read the list again, and do so every second
-- anyway: where a login has filled the queue of notifications, the change is made without one.
create or replace function app_private.tg_tenants__notify() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  if pg_notification_queue_usage() < 0.1 then
    perform pg_notify('lightning:tenants', '');
  end if;
  return null;
end
$$;

comment on function app_private.tg_tenants__notify() is 'Trigger: NOTIFY lightning:tenants without payload when a tenant was suspended or resumed.';
