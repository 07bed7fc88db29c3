comment on table legacy.workflow_fields is 'What the legacy system keeps of a workflow and app_public.workflows does not: one row beside it.';
comment on column legacy.workflow_fields.tenant_id is 'The tenant. By default the caller''s.';
comment on column legacy.workflow_fields.workflow_id is 'The workflow.';
comment on column legacy.workflow_fields.id is 'The id that the legacy system gave it, where that is not a UUID.';
comment on column legacy.workflow_fields.status is 'Its state in the words of the legacy system; it counts while the workflow has the state that it stands for.';
comment on column legacy.workflow_fields.steps is 'Its steps in the shape of the legacy system; they count while the workflow has the steps that they stand for.';
comment on column legacy.workflow_fields.steps_encrypted is 'Ciphertext, which nobody here can read.';
comment on column legacy.workflow_fields.context_encrypted is 'Ciphertext, which nobody here can read.';

alter table legacy.workflow_fields enable row level security, force row level security;

-- Services that were written for the legacy system, in their own tenant.
drop policy if exists select_service on legacy.workflow_fields;
create policy select_service on legacy.workflow_fields for select to :SERVICE
  using (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists insert_service on legacy.workflow_fields;
create policy insert_service on legacy.workflow_fields for insert to :SERVICE
  with check (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists update_service on legacy.workflow_fields;
create policy update_service on legacy.workflow_fields for update to :SERVICE
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists delete_service on legacy.workflow_fields;
create policy delete_service on legacy.workflow_fields for delete to :SERVICE
  using (tenant_id = (select app_private.current_tenant_id()));

revoke all on legacy.workflow_fields from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select, delete on legacy.workflow_fields to :SERVICE;
grant insert (tenant_id, workflow_id, id, status, steps, steps_encrypted,
  context_encrypted) on legacy.workflow_fields to :SERVICE;
grant update (status, steps, steps_encrypted, context_encrypted) on legacy.workflow_fields to :SERVICE;
-- No truncate for anybody: it ignores tenants.

create or replace trigger _200_keys
  before update of tenant_id, workflow_id on legacy.workflow_fields
  for each row
  when (old.tenant_id is distinct from new.tenant_id or old.workflow_id is distinct from new.workflow_id)
  execute function app_private.tg__refuse_key_change();

create or replace trigger _200_long_numbers
  before insert or update of steps on legacy.workflow_fields
  for each row
  when (app_private.may_print_long(new.steps))
  execute function app_private.tg__refuse_long_numbers('steps');

-- A deletion of the tenant removes its rows (ops.delete_tenant_rows).
select app_private.allow_tenant_removal('legacy.workflow_fields');

select audit.enable_tracking('legacy.workflow_fields');
