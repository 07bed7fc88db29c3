comment on table legacy.task_fields is 'What the legacy system keeps of a task and app_public.tasks does not: one row beside it.';
comment on column legacy.task_fields.tenant_id is 'The tenant. By default the caller''s.';
comment on column legacy.task_fields.task_id is 'The task.';
comment on column legacy.task_fields.id is 'The id that the legacy system gave it, where that is not a UUID.';
comment on column legacy.task_fields.status is 'Its state in the words of the legacy system; it counts while the task has the state that it stands for.';

alter table legacy.task_fields enable row level security, force row level security;

-- Services that were written for the legacy system, in their own tenant.
drop policy if exists select_service on legacy.task_fields;
create policy select_service on legacy.task_fields for select to :SERVICE
  using (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists insert_service on legacy.task_fields;
create policy insert_service on legacy.task_fields for insert to :SERVICE
  with check (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists update_service on legacy.task_fields;
create policy update_service on legacy.task_fields for update to :SERVICE
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists delete_service on legacy.task_fields;
create policy delete_service on legacy.task_fields for delete to :SERVICE
  using (tenant_id = (select app_private.current_tenant_id()));

revoke all on legacy.task_fields from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select, delete on legacy.task_fields to :SERVICE;
grant insert (tenant_id, task_id, id, status) on legacy.task_fields to :SERVICE;
grant update (status) on legacy.task_fields to :SERVICE;
-- No truncate for anybody: it ignores tenants.

create or replace trigger _200_keys
  before update of tenant_id, task_id on legacy.task_fields
  for each row
  when (old.tenant_id is distinct from new.tenant_id or old.task_id is distinct from new.task_id)
  execute function app_private.tg__refuse_key_change();

-- A deletion of the tenant removes its rows (ops.delete_tenant_rows).
select app_private.allow_tenant_removal('legacy.task_fields');

select audit.enable_tracking('legacy.task_fields');
