--! Previous: sha1:d190ab35a4403bcee0d76ef0f73eaf12fe091092
--! Hash: sha1:39ce18df6e4ade141464d13e0988e73f354aabf5
--! Message: conversations

-- Conversations: threads, and messages that are numbered in their thread without a gap. New tables: nothing is locked that exists, but
-- for an instant agents, tasks and tenants, which the foreign keys refer to.

create table app_public.threads (
  tenant_id text collate "C" not null default app_private.current_tenant_id(),
  id uuid not null default gen_random_uuid(),
  title varchar(200),
  agent_id varchar(50),
  task_id uuid,
  metadata jsonb not null default '{}',
  -- No check on these two: only app_public.append_messages writes them, and counts up.
  version integer not null default 0,
  last_message_at timestamptz not null default now(),
  created_at timestamptz not null default now(),
  constraint threads_pkey primary key (tenant_id, id),
  constraint threads_tenant_id_fkey foreign key (tenant_id) references app_public.tenants (id) on delete restrict,
  -- What was said outlives the agent and the task: only these columns are cleared.
  constraint threads_agent_id_fkey foreign key (tenant_id, agent_id) references app_public.agents (tenant_id, id)
    on delete set null (agent_id),
  constraint threads_task_id_fkey foreign key (tenant_id, task_id) references app_public.tasks (tenant_id, id)
    on delete set null (task_id)
);
-- The newest threads: of all, of an agent, of a task. A thread moves to the front with each message, so each of them costs an append.
create index threads_last_message_at_idx on app_public.threads (tenant_id, last_message_at);
create index threads_agent_id_last_message_at_idx on app_public.threads (tenant_id, agent_id, last_message_at)
  where agent_id is not null;
create index threads_task_id_last_message_at_idx on app_public.threads (tenant_id, task_id, last_message_at)
  where task_id is not null;

create table app_public.messages (
  tenant_id text collate "C" not null default app_private.current_tenant_id(),
  id uuid not null default gen_random_uuid(),
  thread_id uuid not null,
  number integer not null,
  role varchar(20),
  name varchar(100),
  content text,
  tool_calls jsonb,
  tool_call_id varchar(200),
  input_tokens integer,
  output_tokens integer,
  metadata jsonb not null default '{}',
  idempotency_key varchar(200),
  created_at timestamptz not null default now(),
  constraint messages_pkey primary key (tenant_id, id),
  constraint messages_tenant_id_fkey foreign key (tenant_id) references app_public.tenants (id) on delete restrict,
  constraint messages_thread_id_fkey foreign key (tenant_id, thread_id) references app_public.threads (tenant_id, id)
    on delete cascade,
  -- Its index also serves the newest messages of a thread, read backwards.
  constraint messages_thread_id_number_key unique (tenant_id, thread_id, number),
  constraint messages_role_check check (role::text = any ('{system,developer,user,assistant,tool}'::text[])),
  constraint messages_content_check check (content is not null or tool_calls is not null),
  constraint messages_input_tokens_check check (input_tokens >= 0),
  constraint messages_output_tokens_check check (output_tokens >= 0)
);
-- The messages of a call that is repeated.
create index messages_thread_id_idempotency_key_idx on app_public.messages (tenant_id, thread_id, idempotency_key)
  where idempotency_key is not null;

insert into ops.retention_policies (policy, description, keep, by_tenant) values
  ('threads', 'Threads with their messages, after the last message.', null, true);

--! Included conversations/threads.sql
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
select audit.enable_tracking('app_public.threads', omitted => '{version,last_message_at}');
--! EndIncluded conversations/threads.sql
--! Included conversations/messages.sql
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

select audit.enable_tracking('app_public.messages');
--! EndIncluded conversations/messages.sql
--! Included conversations/message_problem.sql
-- Programs import what was said elsewhere: when it was said, and without a role where nobody knows it. Members speak now.
create or replace function app_private.message_problem(message jsonb, is_program boolean) returns text[]
language sql stable
return (
  select case
    when jsonb_typeof(message) <> 'object' then array['', 'must be an object']
    when message - known.names <> '{}'
      then array['.' || (select min(k) from jsonb_object_keys(message - known.names) k), 'unknown property']
    when message ->> 'role' is null and not is_program
      or message ->> 'role' not in ('system', 'developer', 'user', 'assistant', 'tool')
      then array['.role', 'must be one of system, developer, user, assistant, tool']
    when jsonb_typeof(message -> 'name') not in ('string', 'null') or length(message ->> 'name') not between 1 and 100
      then array['.name', 'must be a string of 1 to 100 characters']
    when jsonb_typeof(message -> 'content') not in ('string', 'null')
      then array['.content', 'must be a string; metadata takes parts of another kind']
    when jsonb_typeof(message -> 'tool_calls') not in ('array', 'null')
      or jsonb_path_exists(message, 'strict $.tool_calls[*] ? (@.type() != "object")', silent => true)
      then array['.tool_calls', 'must be an array of objects']
    when message ->> 'content' is null and coalesce(nullif(message -> 'tool_calls', 'null'), '[]') = '[]'
      then array['.content', 'is missing, and there are no tool_calls either']
    when jsonb_typeof(message -> 'tool_call_id') not in ('string', 'null')
      or length(message ->> 'tool_call_id') not between 1 and 200
      then array['.tool_call_id', 'must be a string of 1 to 200 characters']
    when jsonb_typeof(message -> 'input_tokens') <> 'null' and (message -> 'input_tokens') @? known.count is not true
      then array['.input_tokens', 'must be a whole number from 0 to 2147483647']
    when jsonb_typeof(message -> 'output_tokens') <> 'null' and (message -> 'output_tokens') @? known.count is not true
      then array['.output_tokens', 'must be a whole number from 0 to 2147483647']
    when jsonb_typeof(message -> 'metadata') not in ('object', 'null') then array['.metadata', 'must be an object']
    when jsonb_typeof(message -> 'id') <> 'null' and not pg_input_is_valid(message ->> 'id', 'uuid')
      then array['.id', 'must be a UUID']
    when jsonb_typeof(message -> 'created_at') <> 'null' and not is_program
      then array['.created_at', 'may be given by the roles service and admin only']
    when jsonb_typeof(message -> 'created_at') <> 'null' and not pg_input_is_valid(message ->> 'created_at', 'timestamptz')
      then array['.created_at', 'must be a timestamp']
    when not isfinite((message ->> 'created_at')::timestamptz) then array['.created_at', 'must be a finite timestamp']
  end
  from (
    values (
      array[
        'id', 'role', 'name', 'content', 'tool_calls', 'tool_call_id', 'input_tokens', 'output_tokens', 'metadata', 'created_at'
      ],
      'strict $ ? (@ >= 0 && @ <= 2147483647 && @ == @.floor())'::jsonpath
    )
  ) known(names, count)
);

comment on function app_private.message_problem(jsonb, boolean) is 'What is wrong with a message that append_messages is given: the property with a dot before it, and the reason; null: nothing.';
--! EndIncluded conversations/message_problem.sql
--! Included conversations/given_messages.sql
-- No `set`, so that the planner inlines it. A count may be written as 5.0, which is not an integer's text.
create or replace function app_private.given_messages(messages jsonb) returns table (
  "position" bigint,
  id uuid,
  role text,
  name text,
  content text,
  tool_calls jsonb,
  tool_call_id text,
  input_tokens integer,
  output_tokens integer,
  metadata jsonb,
  created_at timestamptz
)
language sql stable
begin atomic
  select
    m."position", m.id, m.role, m.name, m.content, m.tool_calls, m.tool_call_id, m.input_tokens::integer,
    m.output_tokens::integer, coalesce(m.metadata, '{}'), m.created_at
  from rows from (
    jsonb_to_recordset(given_messages.messages) as (
      id uuid, role text, name text, content text, tool_calls jsonb, tool_call_id text, input_tokens numeric,
      output_tokens numeric, metadata jsonb, created_at timestamptz
    )
  ) with ordinality m(
    id, role, name, content, tool_calls, tool_call_id, input_tokens, output_tokens, metadata, created_at, "position"
  );
end;

comment on function app_private.given_messages(jsonb) is 'The messages of a call of append_messages as rows, in which app_private.message_problem found nothing wrong. Position counts from 1.';
--! EndIncluded conversations/given_messages.sql
--! Included conversations/append_messages.sql
-- Definer: only this function may write messages, and what a thread counts. It runs under the owner's policies, which are confined to
-- the caller's tenant. The lock of the thread decides: writers come one after the other, and each sees what the one before it left.
-- It is held until the transaction ends, so a number that was given out and rolled back leaves no gap.
create or replace function app_public.append_messages(
  thread_id uuid,
  messages jsonb,
  expected_version integer default null,
  idempotency_key text default null
) returns setof app_public.messages
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_key constant text := append_messages.idempotency_key;
  v_count constant integer := case
    when jsonb_typeof(append_messages.messages) = 'array' then jsonb_array_length(append_messages.messages)
  end;
  -- As in audit.actor: the role that the caller has switched to, or else its login.
  v_caller constant name := coalesce(nullif(current_setting('role'), 'none')::name, session_user);
  v_is_program constant boolean := pg_has_role(v_caller, ':SERVICE', 'member') or pg_has_role(v_caller, ':ADMIN', 'member');
  v_problem record;
  v_thread app_public.threads;
  v_now timestamptz;
begin
  if v_count is null or v_count not between 1 and 1000 then
    perform app_private.refuse_argument('LTC03', 'messages', format(
      'must be an array of 1 to 1000 objects, not %s',
      coalesce('an array of ' || v_count, jsonb_typeof(append_messages.messages), 'null')
    ));
  end if;
  -- Concatenated, so that what comes compressed from a table counts as it is. As text, a number may be far longer than as JSON.
  if pg_column_size(append_messages.messages || '[]') > 8000000 then
    perform app_private.refuse_argument('LTC03', 'messages', 'must have at most 8000000 bytes together');
  end if;
  if length(v_key) not between 1 and 200 then
    perform app_private.refuse_argument('LTC03', 'idempotency_key', 'must have 1 to 200 characters');
  end if;
  select i.position - 1 as index, p.problem into v_problem
  from jsonb_array_elements(append_messages.messages) with ordinality i(item, position)
  cross join lateral (select app_private.message_problem(i.item, v_is_program) as problem) p
  where p.problem is not null
  order by i.position
  limit 1;
  if found then
    perform app_private.refuse_argument('LTC03', format('messages[%s]%s', v_problem.index, v_problem.problem[1]),
      v_problem.problem[2]);
  end if;

  select t.* into v_thread
  from app_public.threads t
  where t.tenant_id = app_private.current_tenant_id() and t.id = append_messages.thread_id
  for no key update;
  if not found then
    raise exception 'thread % does not exist', append_messages.thread_id
      using errcode = 'LTC01', hint = 'Insert a row into threads before its messages.';
  end if;

  if v_key is not null then
    return query
    select m.*
    from app_public.messages m
    where m.tenant_id = v_thread.tenant_id and m.thread_id = v_thread.id and m.idempotency_key = v_key
    order by m.number;
    if found then
      if exists (
        select
        from app_private.given_messages(append_messages.messages) g
        full join (
          select m.*, row_number() over (order by m.number) as "position"
          from app_public.messages m
          where m.tenant_id = v_thread.tenant_id and m.thread_id = v_thread.id and m.idempotency_key = v_key
        ) m on m."position" = g."position"
        where (g.role, g.name, g.content, g.tool_calls, g.tool_call_id, g.input_tokens, g.output_tokens, g.metadata)
          is distinct from
          (m.role, m.name, m.content, m.tool_calls, m.tool_call_id, m.input_tokens, m.output_tokens, m.metadata)
          or g.id <> m.id or g.created_at <> m.created_at
      ) then
        raise exception 'the key % stands for other messages in thread %', v_key, v_thread.id
          using errcode = 'LTC04', hint = 'Repeat a call with its own messages, or take a new idempotency_key for others.';
      end if;
      return;
    end if;
  end if;

  if expected_version <> v_thread.version then
    raise exception 'thread % has version %, not %', v_thread.id, v_thread.version, expected_version
      using errcode = 'LTC02',
        detail = jsonb_build_object('version', v_thread.version)::text,
        hint = 'Read the messages with a higher number than you know, and then append to that version.';
  end if;
  if v_thread.version + v_count > 100000 then
    raise exception 'thread % has % messages, and would have more than %', v_thread.id, v_thread.version, 100000
      using errcode = 'LTC05', hint = 'Begin another thread.';
  end if;

  -- After the lock, so that times follow numbers.
  v_now := clock_timestamp();
  update app_public.threads t
  set
    version = v_thread.version + v_count,
    last_message_at = greatest(g.last_at, case when v_thread.version > 0 then t.last_message_at end)
  from (
    select max(coalesce(g.created_at, v_now)) as last_at from app_private.given_messages(append_messages.messages) g
  ) g
  where t.tenant_id = v_thread.tenant_id and t.id = v_thread.id;

  return query
  insert into app_public.messages (
    tenant_id, id, thread_id, number, role, name, content, tool_calls, tool_call_id, input_tokens, output_tokens, metadata,
    idempotency_key, created_at
  )
  select
    v_thread.tenant_id, coalesce(g.id, gen_random_uuid()), v_thread.id, v_thread.version + g."position", g.role, g.name,
    g.content, g.tool_calls, g.tool_call_id, g.input_tokens, g.output_tokens, g.metadata, v_key, coalesce(g.created_at, v_now)
  from app_private.given_messages(append_messages.messages) g
  order by g."position"
  returning *;
end
$$;

comment on function app_public.append_messages(uuid, jsonb, integer, text) is $$Appends messages to a thread, all or none.

messages: an array of 1 to 1000 objects, 8000000 bytes at most. role is one of system, developer, user, assistant, tool; content is a text. An object may also have id, name, tool_calls, tool_call_id, input_tokens, output_tokens, metadata; from the roles service and admin also created_at.

expected_version: the version that the thread has to have, which is the number of its last message; null: any.

idempotency_key: if a call with this key has appended to the thread before, its messages are returned and none is added, whatever version is expected.

Returns the messages, numbered without a gap.

Errors: LTC01 no such thread; LTC02 the thread has another version, which the message and the details say; LTC03 invalid argument: the message names the place, such as messages[3].role; LTC04 the key stands for other messages; LTC05 the thread is full; 23505 a message with this id exists.$$;
-- Everybody who writes may speak.
grant execute on function app_public.append_messages(uuid, jsonb, integer, text) to :MEMBER, :SERVICE, :ADMIN;
--! EndIncluded conversations/append_messages.sql
--! Included tasks/refuse_argument.sql
-- Refuses an argument of a function of tasks (LTQ05), workflows (LTW05), conversations (LTC03) or the audit log (LTA08). Functions that run
-- as their caller raise the same by themselves (enqueue_task, enqueue_tasks, workflow_progress): requests have no usage of app_private. refuse_ended_lease
-- does, too, to add a hint.
create or replace function app_private.refuse_argument(code text, argument text, reason text) returns void
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
begin
  raise exception 'invalid %: %', argument, reason
    using errcode = code;
end
$$;

comment on function app_private.refuse_argument(text, text, text) is 'Raises that an argument cannot be used, and why: LTQ05 in functions of tasks, LTW05 in those of workflows, LTC03 in that of conversations, LTA08 in those that read the audit log.';
--! EndIncluded tasks/refuse_argument.sql
--! Included live/events.sql
comment on table app_private.events is 'The outbox of live updates: the rows that changed, in one event per statement and tenant. Kept for about an hour.';
comment on column app_private.events.transaction_id is 'The transaction that made the change.';
comment on column app_private.events.id is 'The order within a transaction; it has no meaning across transactions.';
comment on column app_private.events.tenant_id is 'The tenant whose rows changed.';
comment on column app_private.events.topic is 'The table: tasks, workflows, agents, threads, messages.';
comment on column app_private.events.operation is 'One of insert, update, delete.';
comment on column app_private.events.keys is 'The ids of the rows; null when more than 1,000 changed at once.';
comment on column app_private.events.at is 'When the transaction began.';

alter table app_private.events enable row level security, force row level security;

-- Across tenants

-- app_private.tg__publish, ops.read_events, ops.trim_events and the view ops.check_untrimmed_events, as the owner.
drop policy if exists manage_owner on app_private.events;
create policy manage_owner on app_private.events for all to :OWNER
  using (true)
  with check (true);

revoke all on app_private.events from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
-- No grant to anybody: tg__publish writes it, ops.read_events reads it for the API, ops.trim_events trims it.
--! EndIncluded live/events.sql
--! Included retention/expired_threads.sql
-- A thread goes as a whole: its rows are its messages and itself.
create or replace function ops.expired_threads(tenant_id text, older_than timestamptz) returns table (id uuid, last_message_at timestamptz, rows integer)
language sql stable
begin atomic
  select t.id, t.last_message_at, t.version + 1
  from app_public.threads t
  where t.tenant_id = expired_threads.tenant_id and t.last_message_at < expired_threads.older_than
    and not ops.is_held('threads', t.tenant_id, t.last_message_at);
end;

comment on function ops.expired_threads(text, timestamptz) is 'Threads of a tenant that the policy threads does not keep, and how many rows each has with its messages.';
grant execute on function ops.expired_threads(text, timestamptz) to :JOBS;
--! EndIncluded retention/expired_threads.sql
--! Included retention/expire_tenant_rows.sql
-- Deletes up to `how_many` rows of a tenant that a policy does not keep, and adds them to the receipt. Deletes no other
-- tenant's rows: the statements name the tenant, and by the setting row-level security confines :JOBS to it. Returns
-- how many it deleted; fewer than `how_many` means that none are left. The last thread may go beyond, because it goes as a whole.
--
-- What a policy keeps is asked of the policies, and of no argument: `older_than` may lie further back, for a run that began a
-- while ago, and never later. What still has to be rolled up or merged stays, also when it has become so since the run began.
--
-- Definer: the worker reaches no row of a tenant itself. Runs as :JOBS.
grant create on schema ops to :JOBS;
set local role :JOBS;

create or replace function ops.expire_tenant_rows(policy text, tenant_id text, older_than timestamptz, how_many integer)
returns integer
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_older_than timestamptz;
  v_count integer;
  v_rows integer;
begin
  if not exists (select from ops.retention_policies p where p.policy = expire_tenant_rows.policy) then
    raise exception 'policy % does not exist', expire_tenant_rows.policy
      using errcode = 'LTP01', hint = 'List them: select policy, keep from ops.retention_policies;';
  end if;
  perform app_private.refuse_bounds('how_many', how_many between 1 and 10000, 'between 1 and 10,000');
  perform app_private.refuse_bounds(
    'older_than', older_than <= now() - ops.retention_of(expire_tenant_rows.policy, expire_tenant_rows.tenant_id),
    'a time that the policy no longer keeps'
  );
  select least(expire_tenant_rows.older_than, c.older_than) into v_older_than
  from ops.policy_cutoffs(now(), false, expire_tenant_rows.policy, expire_tenant_rows.tenant_id) c
  where c.older_than is not null;
  if not found then
    return 0;
  end if;

  perform set_config('app.retention_tenant_id', coalesce(expire_tenant_rows.tenant_id, ''), true);
  case expire_tenant_rows.policy
    when 'metrics.raw' then
      delete from app_public.metrics m
      using (
        select o."timestamp", o.id
        from ops.expired_metrics_raw(expire_tenant_rows.tenant_id, v_older_than) o
        order by o."timestamp"
        limit expire_tenant_rows.how_many
      ) o
      where m.tenant_id = expire_tenant_rows.tenant_id and m."timestamp" = o."timestamp" and m.id = o.id;
    when 'metrics.minute' then
      delete from app_public.metrics_minute m
      using (
        select o.* from ops.expired_metrics_minute(expire_tenant_rows.tenant_id, v_older_than) o limit expire_tenant_rows.how_many
      ) o
      where m.tenant_id = expire_tenant_rows.tenant_id and m.service_name = o.service_name and m.metric_name = o.metric_name
        and m.bucket = o.bucket and m.tags_hash = o.tags_hash;
    when 'metrics.hour' then
      delete from app_public.metrics_hour m
      using (
        select o.* from ops.expired_metrics_hour(expire_tenant_rows.tenant_id, v_older_than) o limit expire_tenant_rows.how_many
      ) o
      where m.tenant_id = expire_tenant_rows.tenant_id and m.service_name = o.service_name and m.metric_name = o.metric_name
        and m.bucket = o.bucket and m.tags_hash = o.tags_hash;
    when 'metrics.day' then
      delete from app_public.metrics_day m
      using (
        select o.* from ops.expired_metrics_day(expire_tenant_rows.tenant_id, v_older_than) o limit expire_tenant_rows.how_many
      ) o
      where m.tenant_id = expire_tenant_rows.tenant_id and m.service_name = o.service_name and m.metric_name = o.metric_name
        and m.bucket = o.bucket and m.tags_hash = o.tags_hash;
    when 'sessions' then
      delete from app_public.sessions s
      where s.tenant_id = expire_tenant_rows.tenant_id and s.id in (
        select o.id from ops.expired_sessions(expire_tenant_rows.tenant_id, v_older_than) o(id) limit expire_tenant_rows.how_many
      );
    when 'tasks' then
      delete from app_public.tasks t
      where t.tenant_id = expire_tenant_rows.tenant_id and t.id in (
        select o.id from ops.expired_tasks(expire_tenant_rows.tenant_id, v_older_than) o(id) limit expire_tenant_rows.how_many
      );
    when 'task_attempts' then
      delete from app_public.task_attempts a
      using (
        select o.* from ops.expired_task_attempts(expire_tenant_rows.tenant_id, v_older_than) o limit expire_tenant_rows.how_many
      ) o
      where a.tenant_id = expire_tenant_rows.tenant_id and a.task_id = o.task_id and a.attempt = o.attempt;
    when 'threads' then
      -- Whole threads, the oldest first, until there are as many rows: deleting a thread deletes its messages.
      with gone as (
        delete from app_public.threads t
        where t.tenant_id = expire_tenant_rows.tenant_id and t.id in (
          select o.id
          from (
            select o.id, sum(o.rows) over (order by o.last_message_at, o.id) - o.rows as before
            from (
              select o.*
              from ops.expired_threads(expire_tenant_rows.tenant_id, v_older_than) o
              order by o.last_message_at, o.id
              limit expire_tenant_rows.how_many
            ) o
          ) o
          where o.before < expire_tenant_rows.how_many
        )
          -- Asked again of a thread that somebody has appended to meanwhile: it stays.
          and t.last_message_at < v_older_than
        returning t.version + 1 as rows
      )
      select coalesce(sum(g.rows), 0) into v_rows from gone g;
    else
      raise exception '% does not hold data of tenants', expire_tenant_rows.policy using errcode = 'LTP03', hint = 'Call ops.expire_rows.';
  end case;
  get diagnostics v_count = row_count;
  v_count := coalesce(v_rows, v_count);
  perform set_config('app.retention_tenant_id', '', true);

  if v_count > 0 then
    perform ops.add_receipt(expire_tenant_rows.policy, expire_tenant_rows.tenant_id, v_older_than, v_count);
  end if;
  return v_count;
end
$$;

comment on function ops.expire_tenant_rows(text, text, timestamptz, integer) is 'Deletes up to `how_many` rows of a tenant that a policy does not keep, and adds them to the receipt. Returns how many. For ops.expire_rows. LTP01 no such policy; LTP03 not data of tenants; LTP06 for a time that it keeps.';
revoke execute on function ops.expire_tenant_rows(text, text, timestamptz, integer) from public;
grant execute on function ops.expire_tenant_rows(text, text, timestamptz, integer) to :WORKER;

set local role :OWNER;
revoke create on schema ops from :JOBS;
--! EndIncluded retention/expire_tenant_rows.sql
--! Included retention/count_expired_tenant_rows.sql
-- Counts the rows of a tenant that a policy does not keep, for a dry run, confined to the tenant. It counts what a policy no longer
-- keeps, whatever time is given. Definer: the worker reaches no row of a tenant itself. Runs as :JOBS.
grant create on schema ops to :JOBS;
set local role :JOBS;

create or replace function ops.count_expired_tenant_rows(policy text, tenant_id text, older_than timestamptz) returns bigint
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_count bigint;
begin
  if not exists (select from ops.retention_policies p where p.policy = count_expired_tenant_rows.policy) then
    raise exception 'policy % does not exist', count_expired_tenant_rows.policy
      using errcode = 'LTP01', hint = 'List them: select policy, keep from ops.retention_policies;';
  end if;
  perform app_private.refuse_bounds(
    'older_than',
    older_than <= now() - ops.retention_of(count_expired_tenant_rows.policy, count_expired_tenant_rows.tenant_id),
    'a time that the policy no longer keeps'
  );
  perform set_config('app.retention_tenant_id', coalesce(count_expired_tenant_rows.tenant_id, ''), true);
  case count_expired_tenant_rows.policy
    when 'metrics.raw' then
      select count(*) into v_count
      from ops.expired_metrics_raw(count_expired_tenant_rows.tenant_id, count_expired_tenant_rows.older_than);
    when 'metrics.minute' then
      select count(*) into v_count
      from ops.expired_metrics_minute(count_expired_tenant_rows.tenant_id, count_expired_tenant_rows.older_than);
    when 'metrics.hour' then
      select count(*) into v_count
      from ops.expired_metrics_hour(count_expired_tenant_rows.tenant_id, count_expired_tenant_rows.older_than);
    when 'metrics.day' then
      select count(*) into v_count
      from ops.expired_metrics_day(count_expired_tenant_rows.tenant_id, count_expired_tenant_rows.older_than);
    when 'sessions' then
      select count(*) into v_count
      from ops.expired_sessions(count_expired_tenant_rows.tenant_id, count_expired_tenant_rows.older_than);
    when 'tasks' then
      select count(*) into v_count
      from ops.expired_tasks(count_expired_tenant_rows.tenant_id, count_expired_tenant_rows.older_than);
    when 'task_attempts' then
      select count(*) into v_count
      from ops.expired_task_attempts(count_expired_tenant_rows.tenant_id, count_expired_tenant_rows.older_than);
    when 'threads' then
      select coalesce(sum(o.rows), 0) into v_count
      from ops.expired_threads(count_expired_tenant_rows.tenant_id, count_expired_tenant_rows.older_than) o;
    else
      raise exception '% does not hold data of tenants', count_expired_tenant_rows.policy using errcode = 'LTP03', hint = 'Call ops.count_expired_rows.';
  end case;
  perform set_config('app.retention_tenant_id', '', true);
  return v_count;
end
$$;

comment on function ops.count_expired_tenant_rows(text, text, timestamptz) is 'How many rows of a tenant a policy does not keep. For ops.count_expired_rows. LTP01 no such policy; LTP03 not data of tenants; LTP06 for a time that it keeps.';
revoke execute on function ops.count_expired_tenant_rows(text, text, timestamptz) from public;
grant execute on function ops.count_expired_tenant_rows(text, text, timestamptz) to :WORKER;

set local role :OWNER;
revoke create on schema ops from :JOBS;
--! EndIncluded retention/count_expired_tenant_rows.sql
