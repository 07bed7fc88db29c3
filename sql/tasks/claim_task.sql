-- Does what claim_tasks does, for a single task. Most claimers ask for one, and these plain statements take two thirds of
-- the time of the statement that claims many. Definer and without sorting, for the reasons given there.
create or replace function app_public.claim_task(
  agent text,
  capabilities text[] default '{}',
  filter jsonb default '{}',
  lease interval default '60 seconds'
) returns setof app_public.claimed_task
language plpgsql volatile security definer rows 1
set search_path to pg_catalog, pg_temp
set enable_sort to off
set plan_cache_mode to force_generic_plan
as $$
declare
  v_problem text[] := app_private.claim_problem(agent, capabilities, filter, lease, 1);
  v_tenant text := app_private.current_tenant_id();
  v_now timestamptz;
  v_claimed app_public.claimed_task;
begin
  if v_problem is not null then
    perform app_private.refuse_argument('LTQ05', v_problem[1], v_problem[2]);
  end if;

  for v_try in 1..2 loop
    v_now := clock_timestamp();
    update app_public.tasks t
    set status = 'running', attempt = t.attempt + 1, started_at = v_now
    where t.tenant_id = v_tenant
      and t.id = (
        select q.id
        from app_public.tasks q
        where q.tenant_id = v_tenant and app_private.is_claimable(q, claim_task.agent, capabilities, filter, v_now)
        order by q.queue_at
        limit 1
        for no key update skip locked
      )
    returning
      t.id, nextval('app_private.fencing_tokens'), t.attempt, t.max_attempts, v_now + lease, t.agent_id, t.priority,
      t.description, t.context, t.required_capabilities, t.created_at
    into v_claimed;
    exit when found;
    -- No task waits: take back those of dead holders now, without waiting for the worker.
    if v_try = 2 or app_private.reap_for_claim(v_tenant, 1) = 0 then
      return;
    end if;
  end loop;

  insert into app_public.task_leases (
    tenant_id, task_id, fencing_token, attempt, agent, lease, claimed_at, heartbeat_at, expires_at
  )
  values (
    v_tenant, v_claimed.task_id, v_claimed.fencing_token, v_claimed.attempt, agent, lease, v_now, v_now,
    v_claimed.expires_at
  );
  return next v_claimed;
end
$$;

comment on function app_public.claim_task(text, text[], jsonb, interval) is 'Claims one task, as claim_tasks does with `how_many` 1. Returns no row when no task waits. Errors: LTQ05 invalid argument.';
-- Only programs work on tasks.
grant execute on function app_public.claim_task(text, text[], jsonb, interval) to :SERVICE, :ADMIN;
