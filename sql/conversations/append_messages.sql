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
