-- Leaves the values of a row out of its entry when the row goes with its tenant: who deletes a tenant does not want its data written once
-- more. The key stays, so that the log still tells of every row that it is gone. Only the owner can begin the deletion of a tenant, so
-- that nobody else gets rid of values by the setting.
create or replace function audit.tg_log__leave_out_values() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  if app_private.is_being_deleted(NEW.tenant_id) then
    NEW.old_values := null;
  end if;
  return NEW;
end
$$;

comment on function audit.tg_log__leave_out_values() is 'Trigger: leaves the values out of the entry about a row that goes with its tenant.';
