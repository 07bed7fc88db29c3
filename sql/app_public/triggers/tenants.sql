create or replace trigger _100_timestamps
  before update on app_public.tenants
  for each row
  execute function app_private.tg__touch_updated_at();

create or replace trigger _200_keys
  before update of id on app_public.tenants
  for each row
  when (old.id is distinct from new.id)
  execute function app_private.tg__refuse_key_change();

-- The API's processes keep the few suspended tenants in memory; this tells them to look again.
create or replace trigger _500_notify
  after update of suspended_at on app_public.tenants
  for each statement
  execute function app_private.tg_tenants__notify();
