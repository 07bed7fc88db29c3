create or replace function legacy.tg_conversations__write() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_thread uuid;
begin
  if TG_OP = 'DELETE' then
    perform legacy.refuse('conversations', 'what was said stays with its thread: delete that, in app_public.threads');
  elsif TG_OP = 'INSERT' then
    select c.thread_id into v_thread
    from legacy.turns c
    join app_public.threads t on t.tenant_id = c.tenant_id and t.id = c.thread_id
    where t.agent_id is not distinct from NEW.agent_id and c.task_id is not distinct from NEW.task_id and t.version < 90000
    order by t.last_message_at desc
    limit 1;
    if v_thread is null then
      insert into app_public.threads (agent_id, task_id)
      values (NEW.agent_id, (select t.id from app_public.tasks t where t.id = legacy.id_of(NEW.task_id)))
      returning id into strict v_thread;
    end if;
    insert into legacy.turns (
      id, thread_id, number, task_id, context, knowledge_metadata, success, knowledge_used, rl_enhanced, user_query_encrypted,
      agent_response_encrypted
    )
    select
      NEW.id, v_thread, min(m.number), NEW.task_id, NEW.context, NEW.knowledge_metadata, NEW.success, NEW.knowledge_used,
      NEW.rl_enhanced, NEW.user_query_encrypted, NEW.agent_response_encrypted
    from app_public.append_messages(
      v_thread,
      jsonb_build_array(
        jsonb_build_object('role', 'user', 'content', NEW.user_query, 'created_at', coalesce(NEW.created_at, now())),
        jsonb_build_object('role', 'assistant', 'content', NEW.agent_response, 'created_at', coalesce(NEW.created_at, now()))
      )
    ) m;
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
