-- Ends leases that are over, which the caller has locked, and goes on with the workflows of their tasks. All or none.
--
-- One statement for all tasks: the trigger that goes on with their workflows locks these in order, so that of two reapers
-- none waits for the other.
create or replace function ops.expire_leases(leases app_public.task_leases[]) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := clock_timestamp();
  v_found record;
begin
  delete from app_public.task_leases l
  using unnest(leases) e
  where l.tenant_id = e.tenant_id and l.task_id = e.task_id;
  insert into app_public.task_attempts (
    tenant_id, task_id, attempt, fencing_token, agent, claimed_at, ended_at, outcome, error, progress, note
  )
  select
    e.tenant_id, e.task_id, e.attempt, e.fencing_token, e.agent, e.claimed_at, v_now, 'expired',
    format('nothing was heard of %s since %s', e.agent, e.heartbeat_at), e.progress, e.note
  from unnest(leases) e;
  update app_public.tasks t
  set
    status = case when t.failures + 1 < t.max_attempts then 'pending' else 'dead' end,
    failures = t.failures + 1,
    error_message = format('nothing was heard of %s since %s', e.agent, e.heartbeat_at),
    completed_at = case when t.failures + 1 < t.max_attempts then null else v_now end
  from unnest(leases) e
  where t.tenant_id = e.tenant_id and t.id = e.task_id;

  -- The trigger goes on with the workflows of the caller's tenant; the worker has none.
  for v_found in
    select s.tenant_id, s.workflow_id
    from unnest(leases) e
    join app_public.workflow_steps s on s.tenant_id = e.tenant_id and s.task_id = e.task_id and s.status = 'running'
    group by s.tenant_id, s.workflow_id
    order by s.tenant_id, s.workflow_id
  loop
    perform ops.advance_workflow(v_found.tenant_id, v_found.workflow_id);
  end loop;
end
$$;

comment on function ops.expire_leases(app_public.task_leases[]) is 'Ends leases that are over, and goes on with the workflows of their tasks. For ops.reap_expired_leases, which locks them.';
grant execute on function ops.expire_leases(app_public.task_leases[]) to :WORKER;
