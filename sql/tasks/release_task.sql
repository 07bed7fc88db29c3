-- Definer, as claim_tasks.
create or replace function app_public.release_task(
  task_id uuid,
  fencing_token bigint,
  delay interval default '0'
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
  if delay is null or delay not between interval '0' and interval '30 days' then
    perform app_private.refuse_argument('LTQ05', 'delay', format('%s is not between 0 and 30 days', coalesce(delay::text, 'null')));
  end if;

  delete from app_public.task_leases l
  where l.tenant_id = app_private.current_tenant_id()
    and l.task_id = release_task.task_id
    and l.fencing_token = release_task.fencing_token
  returning * into v_lease;
  if not found then
    perform app_private.refuse_ended_lease(task_id, fencing_token);
  end if;

  -- Without a delay it takes its old place in the queue.
  update app_public.tasks t
  set status = 'pending', run_after = case when delay > interval '0' then v_now + delay else t.run_after end
  where t.tenant_id = v_lease.tenant_id and t.id = v_lease.task_id
  returning * into strict v_task;

  insert into app_public.task_attempts
  select a.* from ops.attempt_of(v_lease, v_now, 'released') a;
  return v_task;
end
$$;

comment on function app_public.release_task(uuid, bigint, interval) is 'Gives back a claimed task undone. It waits again: at once in its old place, or after `delay` (0 to 30 days). The attempt does not count against max_attempts. Returns the task. Errors: LTQ01 no such task, LTQ02 the lease is over, LTQ03 the task was cancelled, LTQ05 invalid argument.';
-- Only programs work on tasks.
grant execute on function app_public.release_task(uuid, bigint, interval) to :SERVICE, :ADMIN;
