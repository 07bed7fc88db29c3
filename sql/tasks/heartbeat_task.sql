-- Definer, as claim_tasks. It updates one narrow row, and neither the task nor the audit log.
create or replace function app_public.heartbeat_task(
  task_id uuid,
  fencing_token bigint,
  progress double precision default null,
  note text default null,
  lease interval default null
) returns app_public.task_leases
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_problem text[];
  v_now timestamptz := clock_timestamp();
  v_lease app_public.task_leases;
begin
  v_problem := case
    when progress not between 0 and 1 then array['progress', format('%s is not between 0 and 1', progress)]
    when lease not between interval '1 second' and interval '1 day'
      then array['lease', format('%s is not between 1 second and 1 day', lease)]
  end;
  if v_problem is not null then
    perform app_private.refuse_argument('LTQ05', v_problem[1], v_problem[2]);
  end if;

  update app_public.task_leases l
  set
    heartbeat_at = v_now,
    lease = coalesce(heartbeat_task.lease, l.lease),
    expires_at = v_now + coalesce(heartbeat_task.lease, l.lease),
    progress = coalesce(heartbeat_task.progress, l.progress),
    note = coalesce(heartbeat_task.note, l.note)
  where l.tenant_id = app_private.current_tenant_id()
    and l.task_id = heartbeat_task.task_id
    and l.fencing_token = heartbeat_task.fencing_token
  returning * into v_lease;
  if not found then
    perform app_private.refuse_ended_lease(task_id, fencing_token);
  end if;
  return v_lease;
end
$$;

comment on function app_public.heartbeat_task(uuid, bigint, double precision, text, interval) is 'Extends the lease of a claimed task by `lease`, or by as much as before. Records `progress` (0 to 1) and a `note`; null keeps the earlier value. Returns the lease. Errors: LTQ01 no such task, LTQ02 the lease is over, LTQ03 the task was cancelled, LTQ05 invalid argument.';
-- Only programs work on tasks.
grant execute on function app_public.heartbeat_task(uuid, bigint, double precision, text, interval) to :SERVICE, :ADMIN;
