-- Guards the order of a task's states, and its lease. One function does both, without a condition on its trigger: Postgres
-- parses a trigger's condition for each statement, which took longer than this.
--
-- Nobody changes a task that an agent holds. The functions end the lease before they write, so they need no exception. Only
-- agent_id may change under a lease, because removing an agent must not fail.
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
            hint = 'With the fencing token, use complete_task, fail_task or release_task; without it, cancel_task.';
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
    raise exception 'task % is % and cannot become %', OLD.id, OLD.status, NEW.status
      using errcode = 'LTQ04', hint = 'The states and their order are in docs/tasks.md.';
  end if;
  return NEW;
end
$$;

comment on function app_private.tg_tasks__check_update() is 'Trigger: refuses an illegal change of state with LTQ04, and any change of a claimed task except of its agent_id with LTQ06.';
