-- Refuses steps that could not run. The message names the first problem, the detail up to twenty. A workflow that has already
-- ended when it is inserted is history and may have any shape; retry_workflow checks it before it runs again. Definer: nobody
-- may call the functions that it calls.
create or replace function app_private.tg_workflows__check_steps() returns trigger
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_problems text[];
begin
  if TG_OP = 'INSERT' and NEW.status in ('completed', 'failed', 'cancelled') then
    return NEW;
  end if;
  v_problems := array(
    select format('%s: %s', p.path, p.problem) from app_private.workflow_steps_problems(NEW.steps) p limit 20
  );
  if v_problems <> '{}' then
    raise exception '%', v_problems[1]
      using errcode = 'LTW02', detail = array_to_string(v_problems, E'\n'), hint = 'The shape of steps is in docs/workflows.md.';
  end if;
  return NEW;
end
$$;

comment on function app_private.tg_workflows__check_steps() is 'Trigger: refuses steps that could not run, with LTW02.';
