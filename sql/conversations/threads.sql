comment on table app_public.threads is E'@unique id|@fieldName thread|@updateFieldName updateThread|@deleteFieldName deleteThread\nA conversation: messages in order. Deleting it deletes its messages.';
comment on column app_public.threads.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.threads.id is 'The thread''s id; random if not given.';
comment on column app_public.threads.title is 'The title to show.';
comment on column app_public.threads.agent_id is 'The agent whose conversation it is; null: none''s, or the agent was removed.';
comment on column app_public.threads.task_id is 'The task that it is about; null: none, or the task was deleted.';
comment on column app_public.threads.metadata is 'Anything else about it.';
comment on column app_public.threads.version is 'The number of its last message, and so how many it has: 0 at first. append_messages counts.';
comment on column app_public.threads.last_message_at is 'When its last message came; before the first one, when the thread was made. append_messages sets it.';
comment on column app_public.threads.created_at is 'When the thread was made.';

comment on constraint threads_pkey on app_public.threads is E'@behavior -single -update -delete\nThe tenant and the id identify a row.';
comment on constraint threads_tenant_id_fkey on app_public.threads is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint threads_agent_id_fkey on app_public.threads is E'@fieldName agent\n@foreignFieldName threads\nThe agent whose conversation it is.';
comment on constraint threads_task_id_fkey on app_public.threads is E'@fieldName task\n@foreignFieldName threads\nThe task that it is about.';

alter table app_public.threads enable row level security, force row level security;

-- Everybody of a tenant reads all of its threads.
drop policy if exists select_tenant on app_public.threads;
create policy select_tenant on app_public.threads for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- People, services and administrators begin threads in their own tenant.
drop policy if exists insert_tenant on app_public.threads;
create policy insert_tenant on app_public.threads for insert to :MEMBER, :SERVICE, :ADMIN
  with check (tenant_id = (select app_private.current_tenant_id()));

-- They change what is said about their tenant's threads, and cannot move one out of it.
drop policy if exists update_tenant on app_public.threads;
create policy update_tenant on app_public.threads for update to :MEMBER, :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));

-- They delete their tenant's threads, each with all of its messages.
drop policy if exists delete_tenant on app_public.threads;
create policy delete_tenant on app_public.threads for delete to :MEMBER, :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()));

-- app_public.append_messages runs as the owner, confined to the tenant of whoever calls it. It locks the thread, and counts.
drop policy if exists select_definer on app_public.threads;
create policy select_definer on app_public.threads for select to :OWNER
  using (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists update_definer on app_public.threads;
create policy update_definer on app_public.threads for update to :OWNER
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));

-- ops.expire_tenant_rows removes expired rows of one tenant at a time: the tenant that it names.
drop policy if exists select_jobs on app_public.threads;
create policy select_jobs on app_public.threads for select to :JOBS
  using (tenant_id = (select app_private.retention_tenant_id()));
drop policy if exists delete_jobs on app_public.threads;
create policy delete_jobs on app_public.threads for delete to :JOBS
  using (tenant_id = (select app_private.retention_tenant_id()));

revoke all on app_public.threads from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on app_public.threads to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
grant insert (tenant_id, id, title, agent_id, task_id, metadata) on app_public.threads to :MEMBER, :SERVICE, :ADMIN;
-- Only programs import rows with their history.
grant insert (created_at) on app_public.threads to :SERVICE, :ADMIN;
-- No insert and no update of version and last_message_at for anybody: append_messages counts. No update of tenant_id, id or
-- created_at: keys and creation times do not change.
grant update (title, agent_id, task_id, metadata) on app_public.threads to :MEMBER, :SERVICE, :ADMIN;
grant delete on app_public.threads to :MEMBER, :SERVICE, :ADMIN;
-- No truncate for anybody: it ignores tenants.
-- For ops.expire_tenant_rows.
grant select (tenant_id, id, version, last_message_at), delete on app_public.threads to :JOBS;

create or replace trigger _200_keys
  before update of tenant_id, id on app_public.threads
  for each row
  when (old.tenant_id is distinct from new.tenant_id or old.id is distinct from new.id)
  execute function app_private.tg__refuse_key_change();

create or replace trigger _200_long_numbers
  before insert or update of metadata on app_public.threads
  for each row
  when (app_private.may_print_long(new.metadata))
  execute function app_private.tg__refuse_long_numbers('metadata');

-- One trigger per event: a trigger with transition tables can have only one.
create or replace trigger _500_publish_insert
  after insert on app_public.threads
  referencing new table as changed_rows
  for each statement
  execute function app_private.tg__publish();

create or replace trigger _500_publish_update
  after update on app_public.threads
  referencing new table as changed_rows
  for each statement
  execute function app_private.tg__publish();

create or replace trigger _500_publish_delete
  after delete on app_public.threads
  referencing old table as changed_rows
  for each statement
  execute function app_private.tg__publish();

-- An append is in the log as the messages that it added. What it counts follows from them.
-- A deletion of the tenant removes its rows (ops.delete_tenant_rows).
select app_private.allow_tenant_removal('app_public.threads');

select audit.enable_tracking('app_public.threads', omitted => '{version,last_message_at}');
