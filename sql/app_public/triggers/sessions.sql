create or replace trigger _200_keys
  before update of tenant_id, id on app_public.sessions
  for each row
  when (old.tenant_id is distinct from new.tenant_id or old.id is distinct from new.id)
  execute function app_private.tg__refuse_key_change();

create or replace trigger _200_role
  before insert or update of role on app_public.sessions
  for each row
  when (new.role = 'admin')
  execute function app_private.tg_sessions__guard_role();

create or replace trigger _200_long_numbers
  before insert or update of data on app_public.sessions
  for each row
  when (app_private.may_print_long(new.data))
  execute function app_private.tg__refuse_long_numbers('data');
