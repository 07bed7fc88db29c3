-- Cancels tasks of a workflow's steps, including claimed ones, whose holders learn of it as with cancel_task. The caller has
-- locked them (lock_workflow) and has already set the status of their steps, which would otherwise count as failed.
create or replace function ops.cancel_workflow_tasks(tenant text, tasks uuid[], reason text) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := clock_timestamp();
begin
  with ended as (
    delete from app_public.task_leases l
    where l.tenant_id = tenant and l.task_id = any (tasks)
    returning l as lease
  )
  insert into app_public.task_attempts
  select a.* from ended e cross join lateral ops.attempt_of(e.lease, v_now, 'cancelled', reason) a;

  update app_public.tasks t
  set status = 'cancelled', completed_at = v_now, error_message = reason
  where t.tenant_id = tenant and t.id = any (tasks) and t.status in ('pending', 'assigned', 'running');
end
$$;

comment on function ops.cancel_workflow_tasks(text, uuid[], text) is 'Cancels tasks and ends their leases.';
grant execute on function ops.cancel_workflow_tasks(text, uuid[], text) to :JOBS;
