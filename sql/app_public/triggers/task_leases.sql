create or replace trigger _200_keys
  before update of tenant_id, task_id on app_public.task_leases
  for each row
  when (old.tenant_id is distinct from new.tenant_id or old.task_id is distinct from new.task_id)
  execute function app_private.tg__refuse_key_change();

-- The rest of the audit is left out (audit/tracked_tables.sql); that all leases go at once must not be.
create or replace trigger _800_audit_truncate
  after truncate on app_public.task_leases
  for each statement
  execute function audit.tg__log_truncate();
