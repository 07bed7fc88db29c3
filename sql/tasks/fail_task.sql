-- Definer, as claim_tasks.
create or replace function app_public.fail_task(
  task_id uuid,
  fencing_token bigint,
  error text,
  retryable boolean default true,
  retry_in interval default null
) returns app_public.tasks
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_problem text[];
  v_now timestamptz := clock_timestamp();
  v_lease app_public.task_leases;
  v_task app_public.tasks;
  v_next text;
begin
  v_problem := case
    when coalesce(error, '') = '' then array['error', 'must not be empty']
    when retryable is null then array['retryable', 'must not be null']
    when retry_in not between interval '0' and interval '30 days'
      then array['retry_in', format('%s is not between 0 and 30 days', retry_in)]
  end;
  if v_problem is not null then
    perform app_private.refuse_argument('LTQ05', v_problem[1], v_problem[2]);
  end if;

  delete from app_public.task_leases l
  where l.tenant_id = app_private.current_tenant_id()
    and l.task_id = fail_task.task_id
    and l.fencing_token = fail_task.fencing_token
  returning * into v_lease;
  if not found then
    perform app_private.refuse_ended_lease(task_id, fencing_token);
  end if;

  select * into strict v_task from app_public.tasks t where t.tenant_id = v_lease.tenant_id and t.id = v_lease.task_id;
  v_next := case
    when not retryable then 'failed'
    when v_task.failures + 1 >= v_task.max_attempts then 'dead'
    else 'pending'
  end;
  update app_public.tasks t
  set
    status = v_next,
    failures = t.failures + 1,
    error_message = fail_task.error,
    completed_at = case when v_next <> 'pending' then v_now end,
    -- 2 seconds, doubled with each failure, an hour at most. Half of it is random, so that tasks that failed together do
    -- not come back together.
    run_after = case
      when v_next <> 'pending' then t.run_after
      else v_now + coalesce(
        fail_task.retry_in,
        make_interval(secs => least(3600, 2 * 2 ^ least(t.failures, 20)) * (0.5 + random() / 2))
      )
    end
  where t.tenant_id = v_lease.tenant_id and t.id = v_lease.task_id
  returning * into strict v_task;

  insert into app_public.task_attempts
  select a.* from ops.attempt_of(v_lease, v_now, 'failed', fail_task.error) a;
  return v_task;
end
$$;

comment on function app_public.fail_task(uuid, bigint, text, boolean, interval) is 'Reports that a claimed task could not be done, and why (`error`). A `retryable` task waits again: for `retry_in` (0 to 30 days) if it is given, otherwise for 2 seconds, doubled with each failure up to an hour and shortened at random by up to half. After its last attempt it is dead. A task that is not retryable becomes failed. Returns the task. Errors: LTQ01 no such task, LTQ02 the lease is over, LTQ03 the task was cancelled, LTQ05 invalid argument.';
-- Only programs work on tasks.
grant execute on function app_public.fail_task(uuid, bigint, text, boolean, interval) to :SERVICE, :ADMIN;
