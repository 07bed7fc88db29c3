-- Invoker: it shows what its caller may read.
create or replace function app_public.workflow_progress(workflow_id uuid) returns app_public.workflow_overview
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_overview app_public.workflow_overview;
begin
  if workflow_progress.workflow_id is null then
    raise exception 'invalid %: %', 'workflow_id', 'it is missing'
      using errcode = 'LTW05';
  end if;

  select
    w.id, w.status, coalesce(avg(s.progress), 0), count(s.key), count(*) filter (where s.status = 'pending'),
    count(*) filter (where s.status = 'running'), count(*) filter (where s.status = 'completed'),
    count(*) filter (where s.status = 'failed'), count(*) filter (where s.status = 'skipped'),
    count(*) filter (where s.status = 'cancelled'), w.error_message, w.started_at, w.completed_at,
    coalesce(jsonb_agg(to_jsonb(s) - 'position' order by s.position) filter (where s.key is not null), '[]')
  into v_overview
  from app_public.workflows w
  left join lateral (
    select
      s.position, s.key, s.status,
      case s.status when 'pending' then 0 when 'running' then coalesce(l.progress, 0) else 1 end as progress,
      s.task_id, t.status as task_status, t.attempt, t.max_attempts, l.agent, l.note,
      case s.status when 'running' then t.error_message else s.error_message end as error,
      s.started_at, s.completed_at, s.timeout_at
    from app_public.workflow_steps s
    left join app_public.tasks t on t.tenant_id = s.tenant_id and t.id = s.task_id
    left join app_public.task_leases l on l.tenant_id = s.tenant_id and l.task_id = s.task_id
    where s.tenant_id = w.tenant_id and s.workflow_id = w.id
    union all
    -- Not started yet.
    select
      i.position, i.item ->> 'key', 'pending', 0, null, null, null, null, null, null, null, null, null, null
    from jsonb_array_elements(case when w.status in ('draft', 'pending') and jsonb_typeof(w.steps) = 'array' then w.steps else '[]' end)
      with ordinality i(item, position)
  ) s on true
  where w.id = workflow_progress.workflow_id
  group by w.tenant_id, w.id;
  if not found then
    raise exception 'workflow % does not exist', workflow_progress.workflow_id
      using errcode = 'LTW01', hint = 'It was deleted, or belongs to another tenant.';
  end if;
  return v_overview;
end
$$;

comment on function app_public.workflow_progress(uuid) is 'The progress of a workflow: overall (from 0 to 1, the mean of its steps), the number of steps in each state, and `steps`, an array with key, status, progress (for a running step the last report of its holder), task_id, task_status, attempt, max_attempts, agent, note, error, started_at, completed_at and timeout_at of each step. Errors: LTW01 no such workflow, LTW05 invalid argument.';
-- Everybody who runs workflows, and analysts.
grant execute on function app_public.workflow_progress(uuid) to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
