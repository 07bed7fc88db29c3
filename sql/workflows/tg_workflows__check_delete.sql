-- Refuses to delete a workflow that is under way: its tasks still need it.
create or replace function app_private.tg_workflows__check_delete() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  raise exception 'workflow % is % and cannot be deleted now', OLD.id, OLD.status
    using errcode = 'LTW07', hint = 'Cancel it first: cancel_workflow.';
end
$$;

comment on function app_private.tg_workflows__check_delete() is 'Trigger: refuses to delete a workflow that is under way, with LTW07.';
