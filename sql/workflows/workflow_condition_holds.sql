-- Whether a step's condition holds, given how earlier steps ended: {key: {status, result}}. A missing value is null. Numbers
-- compare with numbers, and strings with strings byte by byte; in any other pair neither is greater.
create or replace function ops.workflow_condition_holds(condition jsonb, inputs jsonb) returns boolean
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_item jsonb;
  v_found jsonb;
  v_value jsonb := condition -> 'value';
  v_order integer;
begin
  if condition ? 'all' then
    for v_item in select jsonb_array_elements(condition -> 'all') loop
      if not ops.workflow_condition_holds(v_item, inputs) then
        return false;
      end if;
    end loop;
    return true;
  elsif condition ? 'any' then
    for v_item in select jsonb_array_elements(condition -> 'any') loop
      if ops.workflow_condition_holds(v_item, inputs) then
        return true;
      end if;
    end loop;
    return false;
  elsif condition ? 'not' then
    return not ops.workflow_condition_holds(condition -> 'not', inputs);
  elsif condition ? 'status' then
    return inputs #>> array[condition ->> 'step', 'status'] = condition ->> 'status';
  end if;

  v_found := coalesce(
    inputs #> (array[condition ->> 'step', 'result'] || array(select jsonb_array_elements_text(condition -> 'path'))),
    'null'
  );
  if condition ->> 'op' in ('gt', 'gte', 'lt', 'lte') then
    if jsonb_typeof(v_found) <> jsonb_typeof(v_value) then
      return false;
    elsif jsonb_typeof(v_value) = 'number' then
      -- Compared and not subtracted: a difference may exceed the range of numeric.
      v_order := case
        when (v_found #>> '{}')::numeric < (v_value #>> '{}')::numeric then -1
        when (v_found #>> '{}')::numeric > (v_value #>> '{}')::numeric then 1
        else 0
      end;
    else
      v_order := case
        when v_found #>> '{}' collate "C" < v_value #>> '{}' then -1
        when v_found #>> '{}' collate "C" > v_value #>> '{}' then 1
        else 0
      end;
    end if;
  end if;
  return case condition ->> 'op'
    when 'eq' then v_found = v_value
    when 'ne' then v_found <> v_value
    when 'gt' then v_order > 0
    when 'gte' then v_order >= 0
    when 'lt' then v_order < 0
    when 'lte' then v_order <= 0
    when 'in' then exists (select from jsonb_array_elements(v_value) e where e = v_found)
    when 'contains' then v_found @> v_value
    when 'exists' then v_found <> 'null'
  end;
end
$$;

comment on function ops.workflow_condition_holds(jsonb, jsonb) is 'Whether a valid condition holds, given {key: {status, result}} of earlier steps.';
grant execute on function ops.workflow_condition_holds(jsonb, jsonb) to :JOBS;
