-- Definer: only these functions may write leases; otherwise a fencing token would prove nothing. It runs under the owner's
-- policies, which are confined to the caller's tenant.
--
-- An index has the order of the queue. With sorting off the planner must use it, however wrong its statistics are, and one
-- plan is good for every caller.
create or replace function app_public.claim_tasks(
  agent text,
  capabilities text[] default '{}',
  filter jsonb default '{}',
  lease interval default '60 seconds',
  how_many integer default 1
) returns setof app_public.claimed_task
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
set enable_sort to off
set plan_cache_mode to force_generic_plan
as $$
declare
  v_problem text[] := app_private.claim_problem(agent, capabilities, filter, lease, how_many);
  v_tenant text := app_private.current_tenant_id();
  v_now timestamptz;
  v_ids uuid[];
begin
  if v_problem is not null then
    perform app_private.refuse_argument('LTQ05', v_problem[1], v_problem[2]);
  end if;

  for v_try in 1..2 loop
    v_now := clock_timestamp();
    -- Skips tasks that another claimer is about to take.
    v_ids := array(
      select q.id
      from app_public.tasks q
      where q.tenant_id = v_tenant and app_private.is_claimable(q, claim_tasks.agent, capabilities, filter, v_now)
      order by q.queue_at
      limit how_many
      for no key update skip locked
    );
    -- Too few tasks wait: take back those of dead holders now, without waiting for the worker.
    exit when v_try = 2 or cardinality(v_ids) = how_many or app_private.reap_for_claim(v_tenant, how_many) = 0;
  end loop;
  if v_ids = '{}' then
    return;
  end if;

  return query
  with claimed as (
    update app_public.tasks t
    set status = 'running', attempt = t.attempt + 1, started_at = v_now
    where t.tenant_id = v_tenant and t.id = any (v_ids)
    returning t.*
  ),
  leased as (
    insert into app_public.task_leases (
      tenant_id, task_id, fencing_token, attempt, agent, lease, claimed_at, heartbeat_at, expires_at
    )
    select
      c.tenant_id, c.id, nextval('app_private.fencing_tokens'), c.attempt, claim_tasks.agent, claim_tasks.lease, v_now,
      v_now, v_now + claim_tasks.lease
    from claimed c
    returning task_id, fencing_token, expires_at
  )
  select
    c.id, l.fencing_token, c.attempt, c.max_attempts, l.expires_at, c.agent_id, c.priority, c.description, c.context,
    c.required_capabilities, c.created_at
  from claimed c
  join leased l on l.task_id = c.id
  order by c.queue_at;
end
$$;

comment on function app_public.claim_tasks(text, text[], jsonb, interval, integer) is 'Claims up to `how_many` (1 to 1000) waiting tasks for `agent`, by priority and age: a low one is served at most three hours after a critical one of the same age. Claims only tasks for this agent or for any agent, whose required capabilities are all in `capabilities` and whose context contains `filter`. A claim ends after `lease` (1 second to 1 day) unless heartbeat_task extends it. Returns each task with the number of the attempt and the fencing token that every write needs; no row when no task waits. Errors: LTQ05 invalid argument.';
-- Only programs work on tasks.
grant execute on function app_public.claim_tasks(text, text[], jsonb, interval, integer) to :SERVICE, :ADMIN;
