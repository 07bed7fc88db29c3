-- The rule by which a turn becomes messages, for the view and for the import: the turns of one agent about one task follow each other in
-- one thread.
create or replace function legacy.add_turn(turn legacy.conversations, answer_metadata jsonb default '{}') returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_at constant timestamptz := coalesce(add_turn.turn.created_at, now());
  v_thread uuid;
begin
  -- The first turn of a thread stands for it: an index has these by their task, and a thread holds tens of thousands. `offset 0` keeps the
  -- planner from going through the newest threads instead, of whatever task.
  if add_turn.turn.task_id is null then
    select t.id into v_thread
    from (
      select c.tenant_id, c.thread_id from legacy.turns c where c.number = 1 and c.task_id is null offset 0
    ) c
    cross join lateral (
      select t.id, t.last_message_at
      from app_public.threads t
      where t.tenant_id = c.tenant_id and t.id = c.thread_id
        and t.agent_id is not distinct from add_turn.turn.agent_id and t.version < 90000
      offset 0
    ) t
    order by t.last_message_at desc
    limit 1;
  else
    select t.id into v_thread
    from (
      select c.tenant_id, c.thread_id from legacy.turns c where c.number = 1 and c.task_id = add_turn.turn.task_id offset 0
    ) c
    cross join lateral (
      select t.id, t.last_message_at
      from app_public.threads t
      where t.tenant_id = c.tenant_id and t.id = c.thread_id
        and t.agent_id is not distinct from add_turn.turn.agent_id and t.version < 90000
      offset 0
    ) t
    order by t.last_message_at desc
    limit 1;
  end if;
  if v_thread is null then
    insert into app_public.threads (agent_id, task_id)
    values (add_turn.turn.agent_id, (select t.id from app_public.tasks t where t.id = legacy.id_of(add_turn.turn.task_id)))
    returning id into strict v_thread;
  end if;
  insert into legacy.turns (
    id, thread_id, number, task_id, context, knowledge_metadata, success, knowledge_used, rl_enhanced, user_query_encrypted,
    agent_response_encrypted
  )
  select
    add_turn.turn.id, v_thread, min(m.number), add_turn.turn.task_id, add_turn.turn.context, add_turn.turn.knowledge_metadata,
    add_turn.turn.success, add_turn.turn.knowledge_used, add_turn.turn.rl_enhanced, add_turn.turn.user_query_encrypted,
    add_turn.turn.agent_response_encrypted
  from app_public.append_messages(
    v_thread,
    jsonb_build_array(
      jsonb_build_object('role', 'user', 'content', add_turn.turn.user_query, 'created_at', v_at),
      jsonb_build_object(
        'role', 'assistant', 'content', add_turn.turn.agent_response, 'created_at', v_at, 'metadata', add_turn.answer_metadata
      )
    )
  ) m;
end
$$;

comment on function legacy.add_turn(legacy.conversations, jsonb) is 'Adds a turn of a conversation: two messages to the thread of its agent and task, and a row of legacy.turns.';
grant execute on function legacy.add_turn(legacy.conversations, jsonb) to :SERVICE;
