-- Definer: people may cancel a task that a service holds, and nobody may write leases. Whoever ends a lease locks the lease
-- first and the task second, so no two callers wait for each other.
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
    perform app_private.refuse_argument('LTQ05', 'task_id', 'it is missing');
  end if;

  -- Tries again when the task was claimed, released or ended between two statements.
  loop
    delete from app_public.task_leases l
    where l.tenant_id = v_tenant and l.task_id = cancel_task.task_id
    returning * into v_lease;
    if found then
      insert into app_public.task_attempts
      select a.* from ops.attempt_of(v_lease, v_now, 'cancelled', cancel_task.reason) a;
    end if;

    select * into v_task from app_public.tasks t where t.tenant_id = v_tenant and t.id = cancel_task.task_id;
    if not found then
      raise exception 'task % does not exist', task_id
        using errcode = 'LTQ01', hint = 'It was deleted, or belongs to another tenant.';
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

comment on function app_public.cancel_task(uuid, text) is 'Cancels a task that waits or is being worked on. Its holder gets LTQ03 at the next call. Stores `reason` as error_message. Returns the task; a task that is already cancelled stays as it is. Errors: LTQ01 no such task, LTQ04 it has already ended, LTQ05 invalid argument.';
-- Everybody who writes may add, cancel and retry tasks.
grant execute on function app_public.cancel_task(uuid, text) to :MEMBER, :SERVICE, :ADMIN;
