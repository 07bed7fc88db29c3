-- Definer: nobody may write leases but through these functions, or a fencing token would prove nothing. It runs under
-- the owner's policies, which are confined to the caller's tenant.
create or replace function app_public.claim_tasks(
  agent text,
  capabilities text[] default '{}',
  filter jsonb default '{}',
  lease interval default '60 seconds',
  how_many integer default 1
) returns setof app_public.claimed_task
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_generic_plan
as $$
declare
  v_tenant text := app_private.current_tenant_id();
  v_problem text[];
  v_ids uuid[];
  v_now timestamptz;
  v_claimed app_public.claimed_task;
begin
  v_problem := case
    when coalesce(length(agent), 0) not between 1 and 200 then array['agent', 'it has no or more than 200 characters']
    when capabilities is null then array['capabilities', 'it is null']
    when filter is null then array['filter', 'it is null']
    when lease is null or lease not between interval '1 second' and interval '1 day'
      then array['lease', format('%s is not between 1 second and 1 day', coalesce(lease::text, 'null'))]
    when how_many is null or how_many not between 1 and 1000
      then array['how_many', format('%s is not between 1 and 1000', coalesce(how_many::text, 'null'))]
  end;
  if v_problem is not null then
    raise exception 'invalid %: %', v_problem[1], v_problem[2]
      using errcode = 'LTQ05';
  end if;

  v_ids := app_private.lock_claimable_tasks(v_tenant, agent, capabilities, filter, how_many);
  -- Too few are waiting: those of holders that died need not wait for the worker.
  if cardinality(v_ids) < how_many and ops.reap_expired_leases(how_many) > 0 then
    v_ids := app_private.lock_claimable_tasks(v_tenant, agent, capabilities, filter, how_many);
  end if;
  if v_ids = '{}' then
    return;
  end if;

  v_now := clock_timestamp();
  -- One at a time is what most claimers ask for: plain statements take two thirds of the time of the one below.
  if cardinality(v_ids) = 1 then
    update app_public.tasks t
    set status = 'running', attempt = t.attempt + 1, started_at = v_now
    where t.tenant_id = v_tenant and t.id = v_ids[1]
    returning
      t.id, nextval('app_private.fencing_tokens'), t.attempt, t.max_attempts, v_now + lease, t.agent_id, t.priority,
      t.description, t.context, t.required_capabilities, t.created_at
    into strict v_claimed;
    insert into app_public.task_leases (
      tenant_id, task_id, fencing_token, attempt, agent, lease, claimed_at, heartbeat_at, expires_at
    )
    values (
      v_tenant, v_claimed.task_id, v_claimed.fencing_token, v_claimed.attempt, agent, lease, v_now, v_now,
      v_claimed.expires_at
    );
    return next v_claimed;
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

comment on function app_public.claim_tasks(text, text[], jsonb, interval, integer) is 'Claims up to `how_many` (1 to 1000) waiting tasks for `agent`, by priority and age: low ones are served at the latest three hours after critical ones of the same age. Only tasks for this agent or for any, whose required capabilities are all in `capabilities`, and whose context contains `filter`. The claim ends after `lease` (1 second to 1 day) unless heartbeat_task extends it. Returns the tasks with the attempt''s number and the fencing token that every write needs; none when nothing waits. Errors: LTQ05 invalid argument.';
