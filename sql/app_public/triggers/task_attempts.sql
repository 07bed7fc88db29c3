create or replace trigger _200_keys
  before update of tenant_id, task_id, attempt on app_public.task_attempts
  for each row
  when (
    old.tenant_id is distinct from new.tenant_id
    or old.task_id is distinct from new.task_id
    or old.attempt is distinct from new.attempt
  )
  execute function app_private.tg__refuse_key_change();
