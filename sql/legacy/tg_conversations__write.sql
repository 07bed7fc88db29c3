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
