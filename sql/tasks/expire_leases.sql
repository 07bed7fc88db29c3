-- Ends expired leases, which the caller has locked, and advances the workflows of their tasks. All or none.
--
-- One statement updates all tasks: the trigger that advances their workflows locks these in order, so two reapers never
-- wait for each other.
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
  insert into app_public.task_attempts
  select a.*
  from unnest(leases) e
  cross join lateral ops.attempt_of(
    e, v_now, 'expired', format('nothing has been heard from %s since %s', e.agent, e.heartbeat_at)
  ) a;
  update app_public.tasks t
  set
    status = case when t.failures + 1 < t.max_attempts then 'pending' else 'dead' end,
    failures = t.failures + 1,
    error_message = format('nothing has been heard from %s since %s', e.agent, e.heartbeat_at),
    completed_at = case when t.failures + 1 < t.max_attempts then null else v_now end
  from unnest(leases) e
  where t.tenant_id = e.tenant_id and t.id = e.task_id;

  -- The trigger advances the workflows of the caller's tenant; the worker has no tenant.
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

comment on function ops.expire_leases(app_public.task_leases[]) is 'Ends expired leases and advances the workflows of their tasks. For ops.take_back_leases, which locks them.';
grant execute on function ops.expire_leases(app_public.task_leases[]) to :JOBS;
