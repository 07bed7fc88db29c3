-- Definer, as cancel_task: it sets columns that only functions may set.
create or replace function app_public.retry_task(task_id uuid, run_after timestamptz default null) returns app_public.tasks
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_tenant text := app_private.current_tenant_id();
  v_task app_public.tasks;
begin
  if task_id is null then
    perform app_private.refuse_argument('LTQ05', 'task_id', 'it is missing');
  end if;

  select * into v_task
  from app_public.tasks t
  where t.tenant_id = v_tenant and t.id = retry_task.task_id
  for no key update;
  if not found then
    raise exception 'task % does not exist', task_id
      using errcode = 'LTQ01', hint = 'It was deleted, or belongs to another tenant.';
  end if;
  if v_task.status not in ('failed', 'dead') then
    raise exception 'task % is % and cannot become %', task_id, v_task.status, 'pending'
      using errcode = 'LTQ04', hint = 'Only a failed or dead task can be retried.';
  end if;

  update app_public.tasks t
  set
    status = 'pending', failures = 0, completed_at = null, error_message = null,
    run_after = coalesce(retry_task.run_after, clock_timestamp())
  where t.tenant_id = v_tenant and t.id = retry_task.task_id
  returning * into strict v_task;
  return v_task;
end
$$;

comment on function app_public.retry_task(uuid, timestamptz) is 'Puts a failed or dead task back into the queue, to run not before `run_after` and with all of max_attempts again. Its earlier attempts stay in task_attempts. Returns the task. Errors: LTQ01 no such task, LTQ04 it is neither failed nor dead, LTQ05 invalid argument.';
-- Everybody who writes may add, cancel and retry tasks.
grant execute on function app_public.retry_task(uuid, timestamptz) to :MEMBER, :SERVICE, :ADMIN;
