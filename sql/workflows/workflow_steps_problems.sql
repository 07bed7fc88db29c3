-- All problems of a workflow's steps, with their paths in the JSON and in its order. docs/workflows.md describes the shape.
create or replace function app_private.workflow_steps_problems(steps jsonb)
returns table (path text, problem text)
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_ancestors jsonb;
begin
  if jsonb_typeof(steps) is distinct from 'array' then
    return query select 'steps', 'must be an array of steps';
    return;
  elsif jsonb_array_length(steps) > 200 then
    return query select 'steps', format('must be at most 200 steps, not %s', jsonb_array_length(steps));
    return;
  end if;

  -- For each key, all steps that it depends on, directly or through others. A step that depends on itself is in a cycle.
  with recursive dependencies as (
    select distinct i.item ->> 'key' as key, d.key as dependency
    from jsonb_array_elements(workflow_steps_problems.steps) i(item)
    cross join lateral jsonb_array_elements_text(
      case when jsonb_typeof(i.item -> 'depends_on') = 'array' then i.item -> 'depends_on' else '[]' end
    ) d(key)
    where jsonb_typeof(i.item -> 'key') = 'string' and d.key is not null
  ),
  ancestors as (
    select d.key, d.dependency as ancestor
    from dependencies d
    union
    select a.key, d.dependency
    from ancestors a
    join dependencies d on d.key = a.ancestor
  )
  select coalesce(jsonb_object_agg(a.key, a.ancestors), '{}') into v_ancestors
  from (select a.key, jsonb_agg(a.ancestor order by a.ancestor) as ancestors from ancestors a group by a.key) a;

  return query
  with listed as (
    select
      i.item, i.position, format('steps[%s]', i.position - 1) as place, i.item ->> 'key' as key,
      case when jsonb_typeof(i.item -> 'depends_on') = 'array' then i.item -> 'depends_on' else '[]' end as depends_on
    from jsonb_array_elements(workflow_steps_problems.steps) with ordinality i(item, position)
  )
  select p.path, p.problem
  from listed l
  cross join lateral (
    select 1 as part, 0::bigint as nth, s.path, s.problem
    from app_private.workflow_step_problems(l.place, l.item) s
    union all
    select 2, 0, l.place || '.key', format('steps[%s] already has the key %s', min(f.position) - 1, l.item -> 'key')
    from listed f
    where f.key = l.key and f.position < l.position
    having count(*) > 0
    union all
    select
      3, d.position, format('%s.depends_on[%s]', l.place, d.position - 1),
      case
        when jsonb_typeof(d.item) <> 'string' then 'must be the key of a step'
        when not exists (select from listed f where f.key = d.item #>> '{}') then format('unknown step %s', d.item)
        when exists (
          select from jsonb_array_elements(l.depends_on) with ordinality f(item, position)
          where f.item = d.item and f.position < d.position
        ) then format('%s is listed twice', d.item)
        when d.item #>> '{}' = l.key then 'a step cannot depend on itself'
        when v_ancestors -> (d.item #>> '{}') ? l.key then format('a cycle: %s depends on %s', d.item, l.item -> 'key')
      end
    from jsonb_array_elements(l.depends_on) with ordinality d(item, position)
    union all
    select 4, 0, c.path, c.problem
    from app_private.workflow_condition_problems(
      l.place || '.condition', l.item -> 'condition',
      array(select jsonb_array_elements_text(coalesce(v_ancestors -> l.key, '[]')))
    ) c
    where jsonb_typeof(l.item -> 'condition') <> 'null'
  ) p
  where p.problem is not null
  order by l.position, p.part, p.nth;
end
$$;

comment on function app_private.workflow_steps_problems(jsonb) is 'The problems of a workflow''s steps, by path; no rows when they can run.';
