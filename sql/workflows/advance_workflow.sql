-- Records how a workflow's tasks ended and advances it: starts steps whose dependencies are done, skips steps that must not
-- run, and ends the workflow when nothing is left. The transaction that ended a task calls it, with the task locked. It can
-- be called at any time and does whatever is due.
--
-- When two transactions end the dependencies of one step at the same time, the second waits here for the first and then sees
-- its changes. A transaction with an older snapshot (repeatable read) gets 40001 from the locks, so it overlooks nothing.
-- That is why all steps are locked and not the workflow alone, whose row may not have changed.
--
-- When a failure stops the workflow, agents that have begun may finish. A waiting task is cancelled, unless somebody is
-- claiming it at this moment: waiting for them would break the order of locks (lock_workflow).
create or replace function ops.advance_workflow(tenant text, workflow uuid) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := clock_timestamp();
  v_workflow app_public.workflows;
  v_step app_public.workflow_steps;
  v_failed app_public.workflow_steps;
  v_tasks uuid[];
  v_status text;
  v_again boolean := true;
begin
  select * into v_workflow
  from app_public.workflows w
  where w.tenant_id = tenant and w.id = workflow
  for no key update;
  if not found or v_workflow.started_at is null or v_workflow.status not in ('running', 'paused') then
    return;
  end if;
  perform
  from app_public.workflow_steps s
  where s.tenant_id = tenant and s.workflow_id = workflow
  order by s.key
  for no key update;

  update app_public.workflow_steps s
  set
    status = case t.status when 'completed' then 'completed' else 'failed' end,
    result = t.result,
    error_message = case t.status
      when 'completed' then null
      when 'cancelled' then concat_ws(': ', 'its task was cancelled', t.error_message)
      else coalesce(t.error_message, 'its task is ' || t.status)
    end,
    completed_at = coalesce(t.completed_at, v_now)
  from app_public.tasks t
  where s.tenant_id = tenant
    and s.workflow_id = workflow
    and s.status = 'running'
    and t.tenant_id = s.tenant_id
    and t.id = s.task_id
    and t.status in ('completed', 'failed', 'dead', 'cancelled');

  if v_workflow.status = 'paused' then
    -- Tasks that wait, for the first time or after a failed attempt, cannot be claimed until resume_workflow.
    v_tasks := ops.lock_waiting_workflow_tasks(tenant, workflow);
    update app_public.tasks t
    set run_after = 'infinity'
    where t.tenant_id = tenant and t.id = any (v_tasks) and t.run_after <> 'infinity';
    return;
  end if;

  while v_again loop
    v_again := false;
    select * into v_failed
    from app_public.workflow_steps s
    where s.tenant_id = tenant and s.workflow_id = workflow and s.status = 'failed' and s.on_failure = 'fail'
    order by s.completed_at, s.position
    limit 1;
    exit when found;

    for v_step in
      select *
      from app_public.workflow_steps s
      where s.tenant_id = tenant
        and s.workflow_id = workflow
        and s.status = 'pending'
        and not exists (
          select
          from app_public.workflow_steps d
          where d.tenant_id = tenant
            and d.workflow_id = workflow
            and d.key = any (s.depends_on)
            and d.status in ('pending', 'running')
        )
      order by s.position
    loop
      v_status := ops.begin_workflow_step(v_workflow, v_step);
      -- The step ended without a task: other steps may now start, or may have to stop.
      v_again := v_again or v_status <> 'running';
      exit when v_status = 'failed';
    end loop;
  end loop;

  if v_failed.key is not null then
    v_tasks := ops.lock_waiting_workflow_tasks(tenant, workflow);
    update app_public.workflow_steps s
    set status = 'cancelled', completed_at = v_now
    where s.tenant_id = tenant
      and s.workflow_id = workflow
      and (s.status = 'pending' or s.status = 'running' and s.task_id = any (v_tasks));
    perform ops.cancel_workflow_tasks(tenant, v_tasks, format('step %s of the workflow failed', v_failed.key));
  end if;

  update app_public.workflows w
  set
    status = case when v_failed.key is null then 'completed' else 'failed' end,
    error_message = format('step %s failed: ', v_failed.key) || v_failed.error_message,
    completed_at = v_now
  where w.tenant_id = tenant
    and w.id = workflow
    and not exists (
      select
      from app_public.workflow_steps s
      where s.tenant_id = tenant and s.workflow_id = workflow and s.status in ('pending', 'running')
    );
end
$$;

comment on function ops.advance_workflow(text, uuid) is 'Records how a workflow''s tasks ended, starts the steps that may start, and ends the workflow when nothing is left.';
grant execute on function ops.advance_workflow(text, uuid) to :JOBS;
