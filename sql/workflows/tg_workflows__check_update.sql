-- Guards the order of a workflow's states. Once start_workflow has started it (started_at is set, which only functions can
-- do), only the functions change its status: they set paused_at and completed_at with it, which nobody else may.
create or replace function app_private.tg_workflows__check_update() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  if OLD.status <> NEW.status and not (case OLD.status
    when 'draft' then NEW.status in ('pending', 'running', 'cancelled')
    when 'pending' then NEW.status in ('draft', 'running', 'cancelled')
    when 'running' then NEW.status in ('paused', 'completed', 'failed', 'cancelled')
    when 'paused' then NEW.status in ('running', 'cancelled')
    else NEW.status = 'running'
  end) then
    raise exception 'workflow % is % and cannot become %', OLD.id, OLD.status, NEW.status
      using errcode = 'LTW04', hint = 'The states and their order are in docs/workflows.md.';
  end if;

  if NEW.started_at is not null and (
    (NEW.status = 'paused') <> (NEW.paused_at is not null)
    or (NEW.status in ('completed', 'failed', 'cancelled')) <> (NEW.completed_at is not null)
  ) then
    raise exception 'the status of workflow % follows from its steps and cannot be set directly', OLD.id
      using
        errcode = 'LTW06',
        detail = format('It is %s; a direct write tried to make it %s.', OLD.status, NEW.status),
        hint = 'Use pause_workflow, resume_workflow, cancel_workflow or retry_workflow.';
  end if;

  if NEW.started_at is not null and OLD.status in ('running', 'paused') and NEW.steps is distinct from OLD.steps then
    raise exception 'the steps of workflow % cannot be changed while it is %', OLD.id, OLD.status
      using errcode = 'LTW03', hint = 'Cancel it, change the steps, then use retry_workflow.';
  end if;
  return NEW;
end
$$;

comment on function app_private.tg_workflows__check_update() is 'Trigger: refuses an illegal change of state with LTW04, other steps for a running workflow with LTW03, and a direct write of the status of a started workflow with LTW06.';
