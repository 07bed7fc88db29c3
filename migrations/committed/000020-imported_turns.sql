--! Previous: sha1:f0cf3b6be80b660444b7b902747ae4f426f03daf
--! Hash: sha1:ec567861d0265f048fcc1a3c1bbf23c25ae2b9c1
--! Message: imported_turns

-- One rule for the turns of a conversation, for services of the legacy system and for the import of what they saved. And ids that are
-- not UUIDs on Postgres 18, too.

--! Included legacy/id_of.sql
-- The UUID that stands for an id of the legacy system: the id itself, or one that follows from its text. The condition is a pattern
-- because Postgres 18 computes a cast of a constant in advance, unless the condition tells it, in advance as well, that it is not needed.
create or replace function legacy.id_of(id text) returns uuid
language sql immutable strict parallel safe
set search_path to pg_catalog, pg_temp
return case
  when id ~* '^(?:[0-9a-f]{4}-?){7}[0-9a-f]{4}$' then id::uuid
  when id ~* '^\{(?:[0-9a-f]{4}-?){7}[0-9a-f]{4}\}$' then id::uuid
  else substr(encode(sha256(convert_to('legacy id ' || id, 'UTF8')), 'hex'), 1, 32)::uuid
end;

comment on function legacy.id_of(text) is 'The UUID that stands for an id of the legacy system: the id itself, or one that follows from its text.';
grant execute on function legacy.id_of(text) to :SERVICE;
--! EndIncluded legacy/id_of.sql
--! Included legacy/add_turn.sql
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
  select c.thread_id into v_thread
  from legacy.turns c
  join app_public.threads t on t.tenant_id = c.tenant_id and t.id = c.thread_id
  where t.agent_id is not distinct from add_turn.turn.agent_id and c.task_id is not distinct from add_turn.turn.task_id
    and t.version < 90000
  order by t.last_message_at desc
  limit 1;
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
--! EndIncluded legacy/add_turn.sql
--! Included legacy/tg_conversations__write.sql
create or replace function legacy.tg_conversations__write() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  if TG_OP = 'DELETE' then
    perform legacy.refuse('conversations', 'what was said stays with its thread: delete that, in app_public.threads');
  elsif TG_OP = 'INSERT' then
    perform legacy.add_turn(NEW);
  elsif (NEW.id, NEW.task_id, NEW.agent_id, NEW.user_query, NEW.agent_response, NEW.created_at) is distinct from
    (OLD.id, OLD.task_id, OLD.agent_id, OLD.user_query, OLD.agent_response, OLD.created_at)
  then
    perform legacy.refuse('conversations', 'what was said, by whom, when and about which task does not change');
  else
    update legacy.turns c
    set
      context = NEW.context, knowledge_metadata = NEW.knowledge_metadata, success = NEW.success,
      knowledge_used = NEW.knowledge_used, rl_enhanced = NEW.rl_enhanced, user_query_encrypted = NEW.user_query_encrypted,
      agent_response_encrypted = NEW.agent_response_encrypted
    where c.id = OLD.id;
  end if;
  select v.* into NEW from legacy.conversations v where v.id = NEW.id;
  return NEW;
end
$$;

comment on function legacy.tg_conversations__write() is 'Trigger: writes a turn of a conversation as the legacy system''s models do. LTL01: nothing stands for what was written.';
--! EndIncluded legacy/tg_conversations__write.sql
