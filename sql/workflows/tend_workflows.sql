-- The worker runs this every few seconds. It ends steps that took too long, and records tasks that somebody without a tenant
-- ended (a superuser, for whom the trigger sees no steps). It leaves a workflow that somebody else holds for the next run, so
-- it never waits long while it holds others. Workflows that fail are set aside. However many one tenant has, the oldest of
-- every tenant are among those that it looks at. Returns how many it advanced. Definer: the worker reaches no workflow itself. Runs
-- as :JOBS.
grant create on schema ops to :JOBS;
set local role :JOBS;

create or replace function ops.tend_workflows(how_many integer default 100) returns integer
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
set lock_timeout to '50ms'
as $$
declare
  v_now timestamptz := clock_timestamp();
  v_found record;
  v_workflow app_public.workflows;
  v_tasks uuid[];
  v_count integer := 0;
begin
  perform app_private.refuse_bounds('how_many', how_many between 1 and 10000, 'between 1 and 10,000');
  for v_found in
    select d.tenant_id, d.workflow_id
    from (
      select
        s.tenant_id, s.workflow_id,
        row_number() over (partition by s.tenant_id order by min(s.timeout_at)) as turn, min(s.timeout_at) as timeout_at
      from app_public.workflow_steps s
      join app_public.workflows w on w.tenant_id = s.tenant_id and w.id = s.workflow_id
      join app_public.tasks t on t.tenant_id = s.tenant_id and t.id = s.task_id
      where s.status = 'running'
        and (
          s.timeout_at <= v_now and w.status = 'running'
          or t.status in ('completed', 'failed', 'dead', 'cancelled')
        )
        and (s.tenant_id, s.workflow_id::text) not in (select q.tenant_id, q.item from ops.quarantined('tend_workflows') q)
      group by s.tenant_id, s.workflow_id
    ) d
    order by d.turn, d.timeout_at
    limit how_many
  loop
    begin
      v_workflow := ops.lock_workflow(v_found.tenant_id, v_found.workflow_id);
      perform ops.advance_workflow(v_found.tenant_id, v_found.workflow_id);
      if v_workflow.status = 'running' then
        with late as (
          update app_public.workflow_steps s
          set
            status = 'failed', completed_at = v_now,
            error_message = format('it took longer than %s', s.definition ->> 'timeout')
          where s.tenant_id = v_found.tenant_id
            and s.workflow_id = v_found.workflow_id
            and s.status = 'running'
            and s.timeout_at <= v_now
          returning s.task_id
        )
        select coalesce(array_agg(l.task_id), '{}') into v_tasks from late l;
        perform ops.cancel_workflow_tasks(v_found.tenant_id, v_tasks, 'the step of the workflow took too long');
        perform ops.advance_workflow(v_found.tenant_id, v_found.workflow_id);
      end if;
      v_count := v_count + 1;
    exception
      when others then
        if not ops.quarantine_item('tend_workflows', v_found.tenant_id, v_found.workflow_id::text, sqlstate, sqlerrm) then
          raise;
        end if;
    end;
  end loop;
  return v_count;
end
$$;

comment on function ops.tend_workflows(integer) is 'Ends steps that took too long, in up to how_many workflows, and advances these. Returns how many it advanced. Workflows that somebody else holds are left for the next run; those that fail are set aside. LTP06 for a how_many out of bounds.';
revoke execute on function ops.tend_workflows(integer) from public;
grant execute on function ops.tend_workflows(integer) to :WORKER;

set local role :OWNER;
revoke create on schema ops from :JOBS;
