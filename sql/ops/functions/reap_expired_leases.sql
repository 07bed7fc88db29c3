-- Takes back the tasks whose holders were not heard of in time: each waits again at once, in its old place, or is dead
-- when its attempts are used up. Leases that their holders are about to extend or end are left to them.
--
-- Invoker: the worker reaches every tenant's leases, claim_tasks (which calls it when nothing waits) those of its tenant.
create or replace function ops.reap_expired_leases(how_many integer default 1000) returns integer
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_lease app_public.task_leases;
  v_error text;
  v_now timestamptz := clock_timestamp();
  v_count integer := 0;
begin
  for v_lease in
    select *
    from app_public.task_leases l
    where l.expires_at <= v_now
    order by l.expires_at
    limit how_many
    for update skip locked
  loop
    v_error := format('nothing was heard of %s since %s', v_lease.agent, v_lease.heartbeat_at);
    delete from app_public.task_leases l where l.tenant_id = v_lease.tenant_id and l.task_id = v_lease.task_id;
    insert into app_public.task_attempts (
      tenant_id, task_id, attempt, fencing_token, agent, claimed_at, ended_at, outcome, error, progress, note
    )
    values (
      v_lease.tenant_id, v_lease.task_id, v_lease.attempt, v_lease.fencing_token, v_lease.agent, v_lease.claimed_at,
      v_now, 'expired', v_error, v_lease.progress, v_lease.note
    );
    update app_public.tasks t
    set
      status = case when t.failures + 1 < t.max_attempts then 'pending' else 'dead' end,
      failures = t.failures + 1,
      error_message = v_error,
      completed_at = case when t.failures + 1 < t.max_attempts then null else v_now end
    where t.tenant_id = v_lease.tenant_id and t.id = v_lease.task_id;
    v_count := v_count + 1;
  end loop;
  return v_count;
end
$$;
