create or replace trigger _100_timestamps
  before update on app_public.workflows
  for each row
  execute function app_private.tg__touch_updated_at();

create or replace trigger _200_keys
  before update of tenant_id, id on app_public.workflows
  for each row
  when (old.tenant_id is distinct from new.tenant_id or old.id is distinct from new.id)
  execute function app_private.tg__refuse_key_change();

create or replace trigger _200_states
  before update on app_public.workflows
  for each row
  execute function app_private.tg_workflows__check_update();

create or replace trigger _200_steps
  before insert or update of steps on app_public.workflows
  for each row
  execute function app_private.tg_workflows__check_steps();

create or replace trigger _200_started
  before delete on app_public.workflows
  for each row
  when (old.started_at is not null and old.status in ('running', 'paused'))
  execute function app_private.tg_workflows__check_delete();

create or replace trigger _200_long_numbers_steps
  before insert or update of steps on app_public.workflows
  for each row
  when (app_private.may_print_long(new.steps))
  execute function app_private.tg__refuse_long_numbers('steps');

create or replace trigger _200_long_numbers_context
  before insert or update of context on app_public.workflows
  for each row
  when (app_private.may_print_long(new.context))
  execute function app_private.tg__refuse_long_numbers('context');

-- One trigger per event: a trigger with transition tables can have only one.
create or replace trigger _500_publish_insert
  after insert on app_public.workflows
  referencing new table as changed_rows
  for each statement
  execute function app_private.tg__publish();

create or replace trigger _500_publish_update
  after update on app_public.workflows
  referencing new table as changed_rows
  for each statement
  execute function app_private.tg__publish();

create or replace trigger _500_publish_delete
  after delete on app_public.workflows
  referencing old table as changed_rows
  for each statement
  execute function app_private.tg__publish();
