comment on table app_public.messages is E'@unique id|@fieldName message\nWhat was said in a thread. append_messages adds messages; nobody changes one, and they go with their thread.';
comment on column app_public.messages.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.messages.id is 'The message''s id; random if not given.';
comment on column app_public.messages.thread_id is 'The thread that it is in.';
comment on column app_public.messages.number is 'Its place in the thread: from 1, without a gap.';
comment on column app_public.messages.role is 'Who speaks: one of system, developer, user, assistant, tool; null: an imported message that does not say.';
comment on column app_public.messages.name is 'Who speaks, where several of a role do: a person, an agent, a tool.';
comment on column app_public.messages.content is 'The text; null: it only calls tools.';
comment on column app_public.messages.tool_calls is 'The calls of tools that it asks for: an array of objects, in whatever form the model gives them.';
comment on column app_public.messages.tool_call_id is 'The call of a tool that it answers.';
comment on column app_public.messages.input_tokens is 'How many tokens the model read to make it; null: not known.';
comment on column app_public.messages.output_tokens is 'How many tokens it has as the model counts; null: not known.';
comment on column app_public.messages.metadata is 'Anything else about it: the model, why it ended, parts that are not text.';
comment on column app_public.messages.idempotency_key is 'The key of the call that added it. That call again with the same key adds nothing.';
comment on column app_public.messages.created_at is 'When it was added, or said, where it was imported.';

comment on constraint messages_pkey on app_public.messages is E'@behavior -single -update -delete\nThe tenant and the id identify a row.';
comment on constraint messages_tenant_id_fkey on app_public.messages is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint messages_thread_id_fkey on app_public.messages is E'@fieldName thread\n@foreignFieldName messages\nThe thread that it is in.';
comment on constraint messages_thread_id_number_key on app_public.messages is E'@behavior -single -update -delete\nA number stands once in a thread.';

alter table app_public.messages enable row level security, force row level security;

-- Everybody of a tenant reads all of its messages.
drop policy if exists select_tenant on app_public.messages;
create policy select_tenant on app_public.messages for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- app_public.append_messages runs as the owner, confined to the tenant of whoever calls it.
drop policy if exists select_definer on app_public.messages;
create policy select_definer on app_public.messages for select to :OWNER
  using (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists insert_definer on app_public.messages;
create policy insert_definer on app_public.messages for insert to :OWNER
  with check (tenant_id = (select app_private.current_tenant_id()));

revoke all on app_public.messages from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on app_public.messages to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
-- No insert for anybody: append_messages numbers them. No update: what was said stays as it was said. No delete: they go with their
-- thread, so that numbers have no gap.

create or replace trigger _200_long_numbers_tool_calls
  before insert or update of tool_calls on app_public.messages
  for each row
  when (app_private.may_print_long(new.tool_calls))
  execute function app_private.tg__refuse_long_numbers('tool_calls');

create or replace trigger _200_long_numbers_metadata
  before insert or update of metadata on app_public.messages
  for each row
  when (app_private.may_print_long(new.metadata))
  execute function app_private.tg__refuse_long_numbers('metadata');

-- One trigger per event: a trigger with transition tables can have only one. Nobody updates messages.
create or replace trigger _500_publish_insert
  after insert on app_public.messages
  referencing new table as changed_rows
  for each statement
  execute function app_private.tg__publish();

create or replace trigger _500_publish_delete
  after delete on app_public.messages
  referencing old table as changed_rows
  for each statement
  execute function app_private.tg__publish();

-- A deletion of the tenant removes its rows (ops.delete_tenant_rows).
select app_private.allow_tenant_removal('app_public.messages');

select audit.enable_tracking('app_public.messages');
