-- Refuses to delete a workflow that is under way: its tasks still need it, unless they go with their tenant, too.
create or replace function app_private.tg_workflows__check_delete() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  if app_private.is_being_deleted(OLD.tenant_id) then
    return OLD;
  end if;
  raise exception 'workflow % is % and cannot be deleted now', OLD.id, OLD.status
    using errcode = 'LTW07', hint = 'Cancel it first: cancel_workflow.';
end
$$;

comment on function app_private.tg_workflows__check_delete() is 'Trigger: refuses to delete a workflow that is under way, with LTW07.';
