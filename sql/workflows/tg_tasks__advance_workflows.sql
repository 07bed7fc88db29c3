-- Advances the workflows of tasks that ended, or wait again after a failure, in the same transaction. Definer: whoever may
-- end a task need not have the right to write steps. It sees the caller's tenant; the worker, which has none, calls
-- ops.advance_workflow itself (ops.reap_expired_leases).
create or replace function app_private.tg_tasks__advance_workflows() returns trigger
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_found record;
begin
  if not exists (select from changed_rows c where c.workflow_id is not null) then
    return null;
  end if;

  select c.id, c.workflow_id into v_found
  from changed_rows c
  where c.tenant_id = app_private.current_tenant_id()
    and c.workflow_id is not null
    and c.status = 'pending'
    and not exists (
      select
      from app_public.workflow_steps s
      where s.tenant_id = c.tenant_id and s.task_id = c.id and s.status = 'running'
    );
  if found then
    raise exception 'task % belongs to a step of workflow % and cannot be retried by itself', v_found.id, v_found.workflow_id
      using errcode = 'LTW08', hint = 'Use retry_workflow: it runs the step again, and the steps that depend on it.';
  end if;

  -- In the order of locks (ops.lock_workflow).
  for v_found in
    select s.tenant_id, s.workflow_id
    from changed_rows c
    join app_public.workflow_steps s
      on s.tenant_id = c.tenant_id and s.workflow_id = c.workflow_id and s.key = c.step_key and s.status = 'running'
    where s.task_id = c.id and c.status in ('completed', 'failed', 'dead', 'cancelled', 'pending')
    group by s.tenant_id, s.workflow_id
    order by s.tenant_id, s.workflow_id
  loop
    perform ops.advance_workflow(v_found.tenant_id, v_found.workflow_id);
  end loop;
  return null;
end
$$;

comment on function app_private.tg_tasks__advance_workflows() is 'Trigger: advances the workflows of tasks that ended. Refuses to retry a step''s task by itself, with LTW08.';
