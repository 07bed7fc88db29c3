--! Previous: sha1:495d06834debdd9d99e128d4c16654b5031bf45a
--! Hash: sha1:877a55f01b514d221869c30a0a8e481077754d66
--! Message: long_numbers

-- JSON whose numbers print far longer than they are stored is refused.
--! Included app_private/functions/may_print_long.sql
-- Looked up in the stored form, without printing: numbers beyond a double, those that are nearly zero, and zeros, which may have
-- 16,383 digits behind the point.
create or replace function app_private.may_print_long(document jsonb) returns boolean
language sql immutable strict parallel safe
return pg_catalog.jsonb_path_exists(
  document,
  'strict $.** ? (@.type() == "number" && (@ > 1e308 || @ < -1e308 || (@ < 1e-308 && @ > -1e-308)))'
);

comment on function app_private.may_print_long(jsonb) is 'Whether JSON holds numbers that print far longer than they are stored.';
-- Conditions of triggers ask it as whoever writes.
grant execute on function app_private.may_print_long(jsonb) to :MEMBER, :SERVICE, :ADMIN, :WORKER, :KEEPER;
--! EndIncluded app_private/functions/may_print_long.sql
--! Included app_private/functions/tg__refuse_long_numbers.sql
-- JSON holds 1e131071 in ten bytes and prints it in 131,072 characters: 5 MB of it can be stored, and neither read, nor made
-- text for a drill, which fails on it for as long as the row is there. What the numbers of one column print is limited, and
-- asked for only where `may_print_long` says so. The argument is the column's name.
create or replace function app_private.tg__refuse_long_numbers() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_length bigint;
  v_printed bigint := 0;
begin
  for v_length in
    select octet_length(n.number::text)
    from jsonb_path_query(to_jsonb(NEW) -> TG_ARGV[0], 'strict $.** ? (@.type() == "number")') n(number)
  loop
    v_printed := v_printed + v_length;
    -- Whoever sends them is not made to wait for all of them.
    if v_printed > 10000000 then
      raise exception 'the numbers of % print in more than 10,000,000 characters', TG_ARGV[0]
        using errcode = 'LTK02', hint = 'Send numbers such as 1e131071 as text.';
    end if;
  end loop;
  return NEW;
end
$$;

comment on function app_private.tg__refuse_long_numbers() is 'Trigger: refuses JSON, with LTK02, whose numbers print in more than 10,000,000 characters.';
--! EndIncluded app_private/functions/tg__refuse_long_numbers.sql
--! Included app_public/triggers/agents.sql
create or replace trigger _100_timestamps
  before update on app_public.agents
  for each row
  execute function app_private.tg__touch_updated_at();

create or replace trigger _200_keys
  before update of tenant_id, id on app_public.agents
  for each row
  when (old.tenant_id is distinct from new.tenant_id or old.id is distinct from new.id)
  execute function app_private.tg__refuse_key_change();

create or replace trigger _200_long_numbers
  before insert or update of config on app_public.agents
  for each row
  when (app_private.may_print_long(new.config))
  execute function app_private.tg__refuse_long_numbers('config');

-- One trigger per event: a trigger with transition tables can have only one.
create or replace trigger _500_publish_insert
  after insert on app_public.agents
  referencing new table as changed_rows
  for each statement
  execute function app_private.tg__publish();

create or replace trigger _500_publish_update
  after update on app_public.agents
  referencing new table as changed_rows
  for each statement
  execute function app_private.tg__publish();

create or replace trigger _500_publish_delete
  after delete on app_public.agents
  referencing old table as changed_rows
  for each statement
  execute function app_private.tg__publish();
--! EndIncluded app_public/triggers/agents.sql
--! Included app_public/triggers/knowledge.sql
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
--! EndIncluded app_public/triggers/knowledge.sql
--! Included app_public/triggers/metrics.sql
-- A partitioned table's row triggers are made on its partitions by Postgres, those attached later included.
create or replace trigger _200_keys
  before update of tenant_id, id, "timestamp" on app_public.metrics
  for each row
  when (
    old.tenant_id is distinct from new.tenant_id
    or old.id is distinct from new.id
    or old."timestamp" is distinct from new."timestamp"
  )
  execute function app_private.tg__refuse_key_change();

create or replace trigger _200_long_numbers
  before insert or update of tags on app_public.metrics
  for each row
  when (app_private.may_print_long(new.tags))
  execute function app_private.tg__refuse_long_numbers('tags');

-- Nobody but the owner may name a partition, so the parent's trigger sees every statement.
create or replace trigger _500_mark_changes
  after insert on app_public.metrics
  referencing new table as new_rows
  for each statement
  execute function app_private.tg_metrics__mark_changes();
--! EndIncluded app_public/triggers/metrics.sql
--! Included app_public/triggers/sessions.sql
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
--! EndIncluded app_public/triggers/sessions.sql
--! Included app_public/triggers/tasks.sql
create or replace trigger _100_queue_insert
  before insert on app_public.tasks
  for each row
  execute function app_private.tg_tasks__place_in_queue();

create or replace trigger _100_queue_update
  before update of priority, run_after on app_public.tasks
  for each row
  execute function app_private.tg_tasks__place_in_queue();

create or replace trigger _200_keys
  before update of tenant_id, id on app_public.tasks
  for each row
  when (old.tenant_id is distinct from new.tenant_id or old.id is distinct from new.id)
  execute function app_private.tg__refuse_key_change();

create or replace trigger _200_states
  before update on app_public.tasks
  for each row
  execute function app_private.tg_tasks__check_update();

create or replace trigger _200_steps
  before delete on app_public.tasks
  for each row
  when (old.workflow_id is not null)
  execute function app_private.tg_tasks__check_delete();

create or replace trigger _200_long_numbers_context
  before insert or update of context on app_public.tasks
  for each row
  when (app_private.may_print_long(new.context))
  execute function app_private.tg__refuse_long_numbers('context');

create or replace trigger _200_long_numbers_result
  before insert or update of result on app_public.tasks
  for each row
  when (app_private.may_print_long(new.result))
  execute function app_private.tg__refuse_long_numbers('result');

-- One trigger per event: a trigger with transition tables can have only one.
create or replace trigger _500_publish_insert
  after insert on app_public.tasks
  referencing new table as changed_rows
  for each statement
  execute function app_private.tg__publish();

create or replace trigger _500_publish_update
  after update on app_public.tasks
  referencing new table as changed_rows
  for each statement
  execute function app_private.tg__publish();

create or replace trigger _500_publish_delete
  after delete on app_public.tasks
  referencing old table as changed_rows
  for each statement
  execute function app_private.tg__publish();

create or replace trigger _500_workflows
  after update on app_public.tasks
  referencing new table as changed_rows
  for each statement
  execute function app_private.tg_tasks__advance_workflows();
--! EndIncluded app_public/triggers/tasks.sql
--! Included app_public/triggers/workflows.sql
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
--! EndIncluded app_public/triggers/workflows.sql
