-- Definer, as claim_tasks. Deleting the lease decides: of two callers with the same token, only one finds it.
create or replace function app_public.complete_task(
  task_id uuid,
  fencing_token bigint,
  result jsonb default null
) returns app_public.tasks
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_now timestamptz := clock_timestamp();
  v_lease app_public.task_leases;
  v_task app_public.tasks;
begin
  delete from app_public.task_leases l
  where l.tenant_id = app_private.current_tenant_id()
    and l.task_id = complete_task.task_id
    and l.fencing_token = complete_task.fencing_token
  returning * into v_lease;
  if not found then
    perform app_private.refuse_ended_lease(task_id, fencing_token);
  end if;

  update app_public.tasks t
  set status = 'completed', result = complete_task.result, completed_at = v_now, error_message = null
  where t.tenant_id = v_lease.tenant_id and t.id = v_lease.task_id
  returning * into strict v_task;

  insert into app_public.task_attempts
  select a.* from ops.attempt_of(v_lease, v_now, 'completed') a;
  return v_task;
end
$$;

comment on function app_public.complete_task(uuid, bigint, jsonb) is 'Completes a claimed task with its `result`. Returns the task. Errors: LTQ01 no such task, LTQ02 the lease is over, LTQ03 the task was cancelled, LTQ05 invalid argument.';
-- Only programs work on tasks.
grant execute on function app_public.complete_task(uuid, bigint, jsonb) to :SERVICE, :ADMIN;
