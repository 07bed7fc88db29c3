-- The steps that stand for steps in the shape of the legacy system, [{id, name, ...}]: a step that is one of ours stays as it is; of
-- another the key follows from its id, the task's description is its description or name, and the whole is the task's context.
-- The services carry their steps out themselves, so no step depends on another here.
create or replace function legacy.workflow_steps(steps jsonb) returns jsonb
language sql immutable parallel safe
set search_path to pg_catalog, pg_temp
begin atomic
  select coalesce(
    jsonb_agg(
      case
        when s.step ? 'key' and s.step ? 'task' then s.step
        else jsonb_build_object(
          'key', case when s.alike = 1 then s.key else left(s.key, 55) || '-' || s.place end,
          'task', jsonb_build_object('description', s.description, 'context', s.step)
        )
      end
      order by s.place
    ),
    '[]'
  )
  from (
    select k.*, count(*) over (partition by k.key) as alike
    from (
      select
        e.step, e.place,
        coalesce(
          nullif(left(regexp_replace(regexp_replace(e.step ->> 'id', '[^A-Za-z0-9_.-]+', '_', 'g'), '^[.-]+', ''), 63), ''),
          'step-' || e.place
        ) as key,
        coalesce(nullif(e.step ->> 'description', ''), nullif(e.step ->> 'name', ''), 'step ' || e.place) as description
      from jsonb_array_elements(case when jsonb_typeof(steps) = 'array' then steps else '[]' end)
        with ordinality e(step, place)
    ) k
  ) s;
end;

comment on function legacy.workflow_steps(jsonb) is 'The steps that stand for steps in the shape of the legacy system.';
grant execute on function legacy.workflow_steps(jsonb) to :SERVICE;
