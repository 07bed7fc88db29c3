create or replace trigger _200_keys
  before update of tenant_id, id on app_public.knowledge
  for each row
  when (old.tenant_id is distinct from new.tenant_id or old.id is distinct from new.id)
  execute function app_private.tg__refuse_key_change();

create or replace trigger _200_long_numbers
  before insert or update of metadata on app_public.knowledge
  for each row
  when (app_private.may_print_long(new.metadata))
  execute function app_private.tg__refuse_long_numbers('metadata');

create or replace trigger _500_clear_embedding
  before update of content on app_public.knowledge
  for each row
  when (old.content is distinct from new.content)
  execute function app_private.tg_knowledge__clear_embedding();
