comment on table legacy.agent_fields is 'What the legacy system keeps of an agent and app_public.agents does not: one row beside it.';
comment on column legacy.agent_fields.tenant_id is 'The tenant. By default the caller''s.';
comment on column legacy.agent_fields.agent_id is 'The agent.';
comment on column legacy.agent_fields.status is 'Its state in the words of the legacy system; it counts while the agent has the state that it stands for.';
comment on column legacy.agent_fields.capabilities is 'What it can, as the legacy system lists it.';
comment on column legacy.agent_fields.config_encrypted is 'Ciphertext, which nobody here can read.';
comment on column legacy.agent_fields.capabilities_encrypted is 'Ciphertext, which nobody here can read.';

alter table legacy.agent_fields enable row level security, force row level security;

-- Services that were written for the legacy system, in their own tenant.
drop policy if exists select_service on legacy.agent_fields;
create policy select_service on legacy.agent_fields for select to :SERVICE
  using (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists insert_service on legacy.agent_fields;
create policy insert_service on legacy.agent_fields for insert to :SERVICE
  with check (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists update_service on legacy.agent_fields;
create policy update_service on legacy.agent_fields for update to :SERVICE
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists delete_service on legacy.agent_fields;
create policy delete_service on legacy.agent_fields for delete to :SERVICE
  using (tenant_id = (select app_private.current_tenant_id()));

revoke all on legacy.agent_fields from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select, delete on legacy.agent_fields to :SERVICE;
grant insert (tenant_id, agent_id, status, capabilities, config_encrypted,
  capabilities_encrypted) on legacy.agent_fields to :SERVICE;
grant update (status, capabilities, config_encrypted, capabilities_encrypted) on legacy.agent_fields to :SERVICE;
-- No truncate for anybody: it ignores tenants.

create or replace trigger _200_keys
  before update of tenant_id, agent_id on legacy.agent_fields
  for each row
  when (old.tenant_id is distinct from new.tenant_id or old.agent_id is distinct from new.agent_id)
  execute function app_private.tg__refuse_key_change();

create or replace trigger _200_long_numbers
  before insert or update of capabilities on legacy.agent_fields
  for each row
  when (app_private.may_print_long(new.capabilities))
  execute function app_private.tg__refuse_long_numbers('capabilities');

-- A deletion of the tenant removes its rows (ops.delete_tenant_rows).
select app_private.allow_tenant_removal('legacy.agent_fields');

select audit.enable_tracking('legacy.agent_fields');
