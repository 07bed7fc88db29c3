-- Refuses to delete the task of a running step: its workflow would wait for it forever.
create or replace function app_private.tg_tasks__check_delete() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  if exists (
    select
    from app_public.workflow_steps s
    where s.tenant_id = OLD.tenant_id and s.task_id = OLD.id and s.status = 'running'
  ) then
    raise exception 'task % belongs to a running step of workflow % and cannot be deleted now', OLD.id, OLD.workflow_id
      using errcode = 'LTW09', hint = 'Cancel the task (cancel_task) or the workflow (cancel_workflow) first.';
  end if;
  return OLD;
end
$$;

comment on function app_private.tg_tasks__check_delete() is 'Trigger: refuses to delete the task of a running step, with LTW09.';
