-- Definer: people may cancel what a service holds, and nobody may write leases. Everybody who ends a lease takes the
-- lease first and the task then, so that no two wait for each other.
create or replace function app_public.cancel_task(task_id uuid, reason text default null) returns app_public.tasks
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_tenant text := app_private.current_tenant_id();
  v_now timestamptz := clock_timestamp();
  v_lease app_public.task_leases;
  v_task app_public.tasks;
begin
  if task_id is null then
    raise exception 'invalid %: %', 'task_id', 'it is missing'
      using errcode = 'LTQ05';
  end if;

  -- Once more when it was claimed, given back or ended between two statements.
  loop
    delete from app_public.task_leases l
    where l.tenant_id = v_tenant and l.task_id = cancel_task.task_id
    returning * into v_lease;
    if found then
      insert into app_public.task_attempts (
        tenant_id, task_id, attempt, fencing_token, agent, claimed_at, ended_at, outcome, error, progress, note
      )
      values (
        v_lease.tenant_id, v_lease.task_id, v_lease.attempt, v_lease.fencing_token, v_lease.agent, v_lease.claimed_at,
        v_now, 'cancelled', cancel_task.reason, v_lease.progress, v_lease.note
      );
    end if;

    select * into v_task from app_public.tasks t where t.tenant_id = v_tenant and t.id = cancel_task.task_id;
    if not found then
      raise exception 'there is no task %', task_id
        using errcode = 'LTQ01', hint = 'It was deleted, or is not of your tenant.';
    end if;
    if v_task.status = 'cancelled' then
      return v_task;
    end if;
    continue when exists (
      select from app_public.task_leases l where l.tenant_id = v_tenant and l.task_id = cancel_task.task_id
    );

    update app_public.tasks t
    set status = 'cancelled', completed_at = v_now, error_message = cancel_task.reason
    where t.tenant_id = v_tenant
      and t.id = cancel_task.task_id
      and t.status = v_task.status
      and t.attempt = v_task.attempt
    returning * into v_task;
    if found then
      return v_task;
    end if;
  end loop;
end
$$;

comment on function app_public.cancel_task(uuid, text) is 'Cancels a task that waits or is worked on; its holder learns it by LTQ03 at its next call. The `reason` is kept as error_message. A cancelled task is returned as it is. Returns the task. Errors: LTQ01 no such task, LTQ04 it has ended already, LTQ05 invalid argument.';
-- Everybody who writes may add, cancel and retry tasks.
grant execute on function app_public.cancel_task(uuid, text) to :MEMBER, :SERVICE, :ADMIN;
