-- The states of a workflow and their order, for everybody who writes. Of a workflow that start_workflow has started
-- (started_at, which only functions can set, says so) the functions alone change the state: they set paused_at and
-- completed_at with it, which nobody else may.
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
    raise exception 'workflow % is %, which cannot become %', OLD.id, OLD.status, NEW.status
      using errcode = 'LTW04', hint = 'The states and their order are in docs/workflows.md.';
  end if;

  if NEW.started_at is not null and (
    (NEW.status = 'paused') <> (NEW.paused_at is not null)
    or (NEW.status in ('completed', 'failed', 'cancelled')) <> (NEW.completed_at is not null)
  ) then
    raise exception 'the status of workflow % is kept by its steps', OLD.id
      using
        errcode = 'LTW06',
        detail = format('It is %s, and was to become %s by a direct write.', OLD.status, NEW.status),
        hint = 'pause_workflow, resume_workflow, cancel_workflow and retry_workflow change it.';
  end if;

  if NEW.started_at is not null and OLD.status in ('running', 'paused') and NEW.steps is distinct from OLD.steps then
    raise exception 'the steps of workflow % cannot be changed while it is %', OLD.id, OLD.status
      using errcode = 'LTW03', hint = 'Cancel it, change the steps, and go on with retry_workflow.';
  end if;
  return NEW;
end
$$;

comment on function app_private.tg_workflows__check_update() is 'Trigger: refuses an illegal change of state with LTW04, other steps for a running workflow with LTW03, and a direct write of what the steps keep with LTW06.';
