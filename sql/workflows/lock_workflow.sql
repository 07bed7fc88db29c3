-- Locks a workflow, its unfinished tasks and their leases, so that the caller may change any of them. Returns the workflow,
-- or null when it does not exist.
--
-- Everybody locks in one order, so that no two wait for each other: leases, tasks (by id), workflows (by id), steps. Whoever
-- ends a task holds its lease and the task before locking the workflow (advance_workflow), so a caller that starts from the
-- workflow has to lock these first. If a step started or a task was claimed in between, it lets go and begins again: each
-- lost round is progress of somebody else.
create or replace function ops.lock_workflow(tenant text, workflow uuid) returns app_public.workflows
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_workflow app_public.workflows;
  v_leases uuid[];
  v_tasks uuid[];
begin
  loop
    begin
      v_leases := array(
        select l.task_id
        from app_public.task_leases l
        join app_public.tasks t on t.tenant_id = l.tenant_id and t.id = l.task_id
        where t.tenant_id = tenant and t.workflow_id = workflow
        order by l.task_id
        for update of l
      );
      v_tasks := array(
        select t.id
        from app_public.tasks t
        where t.tenant_id = tenant and t.workflow_id = workflow and t.status in ('pending', 'assigned', 'running')
        order by t.id
        for no key update
      );
      select * into v_workflow
      from app_public.workflows w
      where w.tenant_id = tenant and w.id = workflow
      for no key update;
      perform
      from app_public.workflow_steps s
      where s.tenant_id = tenant and s.workflow_id = workflow
      order by s.key
      for no key update;

      if exists (
        select
        from app_public.tasks t
        left join app_public.task_leases l on l.tenant_id = t.tenant_id and l.task_id = t.id
        where t.tenant_id = tenant
          and t.workflow_id = workflow
          and t.status in ('pending', 'assigned', 'running')
          and (t.id <> all (v_tasks) or l.task_id is not null and l.task_id <> all (v_leases))
      ) then
        raise object_in_use;
      end if;
      return v_workflow;
    exception
      -- This has released the locks of the round.
      when object_in_use then null;
    end;
  end loop;
end
$$;

comment on function ops.lock_workflow(text, uuid) is 'Locks a workflow, its unfinished tasks and their leases, in the common order of locks: leases, tasks, workflows, steps. Null when it does not exist.';
grant execute on function ops.lock_workflow(text, uuid) to :JOBS;
