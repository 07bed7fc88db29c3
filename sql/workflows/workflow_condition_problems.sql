-- The problems of a step's condition. `known` holds the keys that it may ask about: the steps that its step depends on,
-- directly or through others, because only these are certain to have ended.
create or replace function app_private.workflow_condition_problems(
  place text,
  condition jsonb,
  known text[],
  depth integer default 1
) returns table (path text, problem text)
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_kind text := (
    select min(k)
    from unnest(array['all', 'any', 'not', 'step']) k
    where jsonb_typeof(condition) = 'object' and condition ? k
  );
  v_op text := condition ->> 'op';
begin
  if depth > 20 then
    return query select place, 'must not be nested more than 20 levels deep';
    return;
  elsif v_kind is null then
    return query select place, 'must be an object with one of all, any, not, step';
    return;
  end if;

  return query
  select place || '.' || k, format('unknown property beside %s', v_kind)
  from jsonb_object_keys(
    condition - case
      when v_kind <> 'step' then array[v_kind]
      when condition ? 'status' then array['step', 'status']
      else array['step', 'path', 'op', 'value']
    end
  ) k;

  if v_kind = 'not' then
    return query
    select * from app_private.workflow_condition_problems(place || '.not', condition -> 'not', known, depth + 1);
  elsif v_kind in ('all', 'any') and jsonb_typeof(condition -> v_kind) <> 'array' then
    return query select place || '.' || v_kind, 'must be an array of conditions';
  elsif v_kind in ('all', 'any') then
    return query
    select p.*
    from jsonb_array_elements(condition -> v_kind) with ordinality i(item, position)
    cross join lateral app_private.workflow_condition_problems(
      format('%s.%s[%s]', place, v_kind, i.position - 1), i.item, known, depth + 1
    ) p;
  elsif jsonb_typeof(condition -> 'step') <> 'string' or condition ->> 'step' <> all (known) then
    return query
    select place || '.step', format('%s is not a step that this one depends on', condition -> 'step');
  elsif condition ? 'status' then
    if condition ->> 'status' is null or condition ->> 'status' not in ('completed', 'failed', 'skipped') then
      return query
      select place || '.status', format('%s is not one of completed, failed, skipped', condition -> 'status');
    end if;
  else
    if jsonb_typeof(condition -> 'path') is distinct from 'array'
      or condition -> 'path' @? 'strict $[*] ? (@.type() != "string" && @.type() != "number")'
    then
      return query select place || '.path', 'must be an array of names and positions, such as ["items", 0, "score"]';
    end if;
    if v_op is null or v_op not in ('eq', 'ne', 'gt', 'gte', 'lt', 'lte', 'in', 'contains', 'exists') then
      return query
      select
        place || '.op',
        format('%s is not one of eq, ne, gt, gte, lt, lte, in, contains, exists', coalesce(condition -> 'op', 'null'));
    elsif (v_op = 'exists') = (condition ? 'value') then
      return query
      select place || '.value', case v_op when 'exists' then 'exists takes no value' else 'it is missing' end;
    elsif v_op in ('gt', 'gte', 'lt', 'lte') and jsonb_typeof(condition -> 'value') not in ('number', 'string') then
      return query select place || '.value', format('%s needs a number or a string', v_op);
    elsif v_op = 'in' and jsonb_typeof(condition -> 'value') <> 'array' then
      return query select place || '.value', 'in needs an array';
    end if;
  end if;
end
$$;

comment on function app_private.workflow_condition_problems(text, jsonb, text[], integer) is 'The problems of a condition that may ask about the steps in `known`.';
