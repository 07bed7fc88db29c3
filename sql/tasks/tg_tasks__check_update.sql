-- The states of a task and their order, and the lease: what everybody who writes has to keep to. One function without a
-- condition on its trigger: Postgres reads a trigger's condition anew for each statement, which took longer than this.
--
-- Nobody writes past the one who holds the lease. The functions end the lease first and write then, so there is no
-- exception for them. Only the agent may change under way: that an agent is removed must not fail.
create or replace function app_private.tg_tasks__check_update() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_lease record;
  v_as_before app_public.tasks;
begin
  if OLD.status = 'running' then
    select l.agent, l.expires_at into v_lease
    from app_public.task_leases l
    where l.tenant_id = OLD.tenant_id and l.task_id = OLD.id;
    if found then
      v_as_before := OLD;
      v_as_before.agent_id := NEW.agent_id;
      if NEW is distinct from v_as_before then
        raise exception 'task % is claimed by %', OLD.id, v_lease.agent
          using
            errcode = 'LTQ06',
            detail = format('Its lease ends at %s unless it is extended.', v_lease.expires_at),
            hint = 'With the fencing token: complete_task, fail_task, release_task. Without: cancel_task.';
      end if;
    end if;
  end if;

  if OLD.status <> NEW.status and not (case OLD.status
    when 'pending' then NEW.status in ('running', 'assigned', 'cancelled')
    when 'assigned' then NEW.status in ('pending', 'running', 'cancelled')
    when 'running' then NEW.status in ('completed', 'pending', 'failed', 'dead', 'cancelled')
    when 'failed' then NEW.status = 'pending'
    when 'dead' then NEW.status = 'pending'
    else false
  end) then
    raise exception 'task % is %, which cannot become %', OLD.id, OLD.status, NEW.status
      using errcode = 'LTQ04', hint = 'The states and their order are in docs/tasks.md.';
  end if;
  return NEW;
end
$$;

comment on function app_private.tg_tasks__check_update() is 'Trigger: refuses an illegal change of state, with LTQ04, and a change of a claimed task but for its agent, with LTQ06.';
