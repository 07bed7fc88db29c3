-- The legacy system takes a task from `pending` to its end in one or two writes and never claims, so a task that ends without having
-- begun begins first. A task that an agent holds by a lease is its own (LTQ06).
create or replace function legacy.tg_tasks__write() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_id constant uuid := legacy.id_of(coalesce(NEW.id, OLD.id));
  v_status text;
begin
  if TG_OP = 'DELETE' then
    delete from app_public.tasks t where t.id = v_id;
    return OLD;
  end if;
  v_status := legacy.task_status(NEW.status);
  if v_status is null then
    perform legacy.refuse('tasks.status', format(
      '%L is not one of pending, assigned, started, in_progress, running, completed, failed, cancelled', NEW.status
    ));
  end if;
  if coalesce(NEW.priority, 'normal') not in ('low', 'normal', 'high', 'critical') then
    perform legacy.refuse('tasks.priority', format('%L is not one of low, normal, high, critical', NEW.priority));
  end if;
  -- What the row is shown with, without looking for it by the text of its id.
  NEW.status := coalesce(NEW.status, v_status);
  NEW.priority := coalesce(NEW.priority, 'normal');
  NEW.context := coalesce(nullif(NEW.context, 'null'), '{}');
  NEW.result := nullif(NEW.result, 'null');
  if TG_OP = 'INSERT' then
    NEW.created_at := coalesce(NEW.created_at, now());
    insert into app_public.tasks (
      id, agent_id, description, status, priority, context, result, error_message, created_at, started_at, completed_at
    )
    values (
      v_id, NEW.agent_id, NEW.description, v_status, NEW.priority, NEW.context, NEW.result, NEW.error_message, NEW.created_at,
      NEW.started_at, NEW.completed_at
    );
  else
    if v_status in ('completed', 'failed') and legacy.task_status(OLD.status) in ('pending', 'assigned') then
      update app_public.tasks t set status = 'running' where t.id = v_id;
    end if;
    update app_public.tasks t
    set
      agent_id = NEW.agent_id, description = NEW.description, status = v_status, priority = NEW.priority, context = NEW.context,
      result = NEW.result, error_message = NEW.error_message, started_at = NEW.started_at, completed_at = NEW.completed_at
    where t.id = v_id;
  end if;
  if NEW.id <> v_id::text or nullif(NEW.status, v_status) is not null
    or exists (select from legacy.task_fields f where f.task_id = v_id)
  then
    insert into legacy.task_fields (task_id, id, status)
    values (v_id, nullif(NEW.id, v_id::text), nullif(NEW.status, v_status))
    on conflict on constraint task_fields_pkey do update set status = excluded.status;
  end if;
  return NEW;
end
$$;

comment on function legacy.tg_tasks__write() is 'Trigger: writes a task as the legacy system''s models do. LTL01: nothing stands for what was written.';
