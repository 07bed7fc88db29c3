-- Sets a task's place in the queue: the time from which it may run, moved forward by its priority. A normal task is served
-- before a high one that came more than 40 minutes later. So no task waits forever, and nothing is recomputed as time
-- passes.
create or replace function app_private.tg_tasks__place_in_queue() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  -- An imported task queues by its age.
  if TG_OP = 'INSERT' and NEW.run_after = now() and NEW.created_at < NEW.run_after then
    NEW.run_after := NEW.created_at;
  end if;
  NEW.queue_at := NEW.run_after - case NEW.priority
    when 'critical' then interval '3 hours'
    when 'high' then interval '1 hour'
    when 'normal' then interval '20 minutes'
    else interval '0'
  end;
  return NEW;
end
$$;

comment on function app_private.tg_tasks__place_in_queue() is 'Trigger: sets queue_at from run_after and priority.';
