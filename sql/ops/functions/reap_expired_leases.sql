-- Takes back the tasks whose holders were not heard of in time: each waits again at once, in its old place, or is dead
-- when its attempts are used up. Leases that their holders are about to extend or end are left to them.
--
-- Invoker: the worker reaches every tenant's leases, claim_tasks (which calls it when nothing waits) those of its tenant.
-- One statement for all tasks: the trigger that goes on with their workflows locks these in order, so that of two reapers
-- none waits for the other.
create or replace function ops.reap_expired_leases(how_many integer default 1000) returns integer
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := clock_timestamp();
  v_leases app_public.task_leases[];
  v_found record;
begin
  v_leases := array(
    select l
    from app_public.task_leases l
    where l.expires_at <= v_now
    order by l.expires_at
    limit how_many
    for update skip locked
  );
  if v_leases = '{}' then
    return 0;
  end if;

  delete from app_public.task_leases l
  using unnest(v_leases) e
  where l.tenant_id = e.tenant_id and l.task_id = e.task_id;
  insert into app_public.task_attempts (
    tenant_id, task_id, attempt, fencing_token, agent, claimed_at, ended_at, outcome, error, progress, note
  )
  select
    e.tenant_id, e.task_id, e.attempt, e.fencing_token, e.agent, e.claimed_at, v_now, 'expired',
    format('nothing was heard of %s since %s', e.agent, e.heartbeat_at), e.progress, e.note
  from unnest(v_leases) e;
  update app_public.tasks t
  set
    status = case when t.failures + 1 < t.max_attempts then 'pending' else 'dead' end,
    failures = t.failures + 1,
    error_message = format('nothing was heard of %s since %s', e.agent, e.heartbeat_at),
    completed_at = case when t.failures + 1 < t.max_attempts then null else v_now end
  from unnest(v_leases) e
  where t.tenant_id = e.tenant_id and t.id = e.task_id;

  -- The trigger goes on with the workflows of the caller's tenant; the worker has none.
  for v_found in
    select s.tenant_id, s.workflow_id
    from unnest(v_leases) e
    join app_public.workflow_steps s on s.tenant_id = e.tenant_id and s.task_id = e.task_id and s.status = 'running'
    group by s.tenant_id, s.workflow_id
    order by s.tenant_id, s.workflow_id
  loop
    perform ops.advance_workflow(v_found.tenant_id, v_found.workflow_id);
  end loop;
  return cardinality(v_leases);
end
$$;
