-- Raises the error for a write to a task under a lease that is over or never existed.
create or replace function app_private.refuse_ended_lease(task_id uuid, fencing_token bigint) returns void
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_tenant text := app_private.current_tenant_id();
  v_status text;
  v_outcome text;
begin
  if task_id is null or fencing_token is null then
    raise exception 'invalid %: %', case when task_id is null then 'task_id' else 'fencing_token' end, 'it is missing'
      using errcode = 'LTQ05', hint = 'Pass both as claim_task returned them.';
  end if;

  select t.status into v_status
  from app_public.tasks t
  where t.tenant_id = v_tenant and t.id = refuse_ended_lease.task_id;
  if not found then
    raise exception 'task % does not exist', task_id
      using errcode = 'LTQ01', hint = 'It was deleted, or belongs to another tenant.';
  end if;

  select a.outcome into v_outcome
  from app_public.task_attempts a
  where a.tenant_id = v_tenant
    and a.task_id = refuse_ended_lease.task_id
    and a.fencing_token = refuse_ended_lease.fencing_token;
  if v_outcome = 'cancelled' then
    raise exception 'task % was cancelled', task_id
      using errcode = 'LTQ03', hint = 'Stop working on it; nobody waits for the result.';
  end if;

  raise exception 'the lease of task % with fencing token % is over', task_id, fencing_token
    using
      errcode = 'LTQ02',
      detail = format('%s. The task is %s.', coalesce('That attempt ended: ' || v_outcome, 'No attempt has this token'), v_status),
      hint = 'Nothing was changed. Stop working on it, and claim another.';
end
$$;

comment on function app_private.refuse_ended_lease(uuid, bigint) is 'Raises the reason why a fencing token is not valid: LTQ01 no such task, LTQ02 the lease is over, LTQ03 the task was cancelled, LTQ05 an argument is missing.';
