-- Takes back tasks whose leases have expired. Each waits again at once, in its old place, or is dead when its attempts are
-- used up. Skips leases that their holders are about to extend or end. However many one tenant has, the oldest of every
-- tenant are among those taken.
--
-- Tries all in one statement. If that fails, tries them one by one and sets aside those that cannot be taken back. Returns
-- how many were taken back.
--
-- Invoker: ops.reap_expired_leases runs as :JOBS, which reaches the leases of every tenant; a claim that finds too few tasks reaches
-- those of its tenant.
create or replace function ops.take_back_leases(how_many integer default 1000) returns integer
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := clock_timestamp();
  v_leases app_public.task_leases[];
  v_lease app_public.task_leases;
  v_count integer := 0;
begin
  -- Idle agents call this again and again, so it first takes one look into the index.
  if not exists (select from app_public.task_leases l where l.expires_at <= v_now) then
    return 0;
  end if;
  v_leases := array(
    select l.lease
    from (
      select e.tenant_id, e.task_id, row_number() over (partition by e.tenant_id order by e.expires_at) as turn
      from app_public.task_leases e
      where e.expires_at <= v_now
        and (e.tenant_id, e.task_id::text) not in (select q.tenant_id, q.item from ops.quarantined('reap_leases') q)
      order by turn, e.expires_at
      limit how_many
    ) e
    -- Lateral: each lease is looked up by its key, however many others have not expired.
    cross join lateral (
      select l as lease
      from app_public.task_leases l
      where l.tenant_id = e.tenant_id and l.task_id = e.task_id and l.expires_at <= v_now
      for update of l skip locked
    ) l
  );
  if v_leases = '{}' then
    return 0;
  end if;

  begin
    perform ops.expire_leases(v_leases);
    return cardinality(v_leases);
  exception
    when others then null;
  end;

  -- In the order of locks (ops.lock_workflow).
  for v_lease in
    select l.*
    from unnest(v_leases) l
    join app_public.tasks t on t.tenant_id = l.tenant_id and t.id = l.task_id
    order by l.tenant_id, t.workflow_id, l.task_id
  loop
    begin
      perform ops.expire_leases(array[v_lease]);
      v_count := v_count + 1;
    exception
      when others then
        if not ops.quarantine_item('reap_leases', v_lease.tenant_id, v_lease.task_id::text, sqlstate, sqlerrm) then
          raise;
        end if;
    end;
  end loop;
  return v_count;
end
$$;

comment on function ops.take_back_leases(integer) is 'Takes back up to how_many tasks whose leases expired: they wait again, or are dead when their attempts are used up. Tasks that cannot be taken back are set aside. Returns how many were taken back.';
grant execute on function ops.take_back_leases(integer) to :JOBS;
