comment on table app_public.agents is E'@unique id|@fieldName agent|@updateFieldName updateAgent|@deleteFieldName deleteAgent\nAn AI agent: who it is, which model it runs on and how it is set up.';
comment on column app_public.agents.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.agents.id is 'The agent''s id in its tenant, e.g. `full_stack_developer`.';
comment on column app_public.agents.name is 'The name to show.';
comment on column app_public.agents.model is 'The language model, e.g. `gpt-4o`.';
comment on column app_public.agents.specialization is 'What it is good at, in a word or two.';
comment on column app_public.agents.status is 'One of idle, busy, paused, offline, error.';
comment on column app_public.agents.config is 'Everything else about it: prompts, capabilities, limits.';
comment on column app_public.agents.created_at is 'When the agent was registered.';
comment on column app_public.agents.updated_at is 'When the row last changed; set by a trigger.';

comment on constraint agents_pkey on app_public.agents is E'@behavior -single -update -delete\nThe tenant and the id identify a row.';
comment on constraint agents_tenant_id_fkey on app_public.agents is E'@behavior -*\nA row belongs to a tenant.';

alter table app_public.agents enable row level security, force row level security;

-- Everybody of a tenant reads all of its agents.
drop policy if exists select_tenant on app_public.agents;
create policy select_tenant on app_public.agents for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- People, services and administrators add agents to their own tenant.
drop policy if exists insert_tenant on app_public.agents;
create policy insert_tenant on app_public.agents for insert to :MEMBER, :SERVICE, :ADMIN
  with check (tenant_id = (select app_private.current_tenant_id()));

-- They change their tenant's agents, and cannot move one out of it.
drop policy if exists update_tenant on app_public.agents;
create policy update_tenant on app_public.agents for update to :MEMBER, :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));

-- Services and administrators remove their tenant's agents.
drop policy if exists delete_tenant on app_public.agents;
create policy delete_tenant on app_public.agents for delete to :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()));

revoke all on app_public.agents from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on app_public.agents to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
grant insert (tenant_id, id, name, model, specialization, status, config) on app_public.agents to :MEMBER,
  :SERVICE, :ADMIN;
-- Only programs import rows with their history.
grant insert (created_at) on app_public.agents to :SERVICE, :ADMIN;
-- No update of tenant_id, id or created_at for anybody: keys and creation times do not change.
grant update (name, model, specialization, status, config) on app_public.agents to :MEMBER, :SERVICE, :ADMIN;
-- No delete for members: an agent's removal clears it from all of its tasks and knowledge.
grant delete on app_public.agents to :SERVICE, :ADMIN;
-- No truncate for anybody: it ignores tenants.

create or replace trigger _100_timestamps
  before update on app_public.agents
  for each row
  execute function app_private.tg__touch_updated_at();

create or replace trigger _200_keys
  before update of tenant_id, id on app_public.agents
  for each row
  when (old.tenant_id is distinct from new.tenant_id or old.id is distinct from new.id)
  execute function app_private.tg__refuse_key_change();

create or replace trigger _200_long_numbers
  before insert or update of config on app_public.agents
  for each row
  when (app_private.may_print_long(new.config))
  execute function app_private.tg__refuse_long_numbers('config');

-- One trigger per event: a trigger with transition tables can have only one.
create or replace trigger _500_publish_insert
  after insert on app_public.agents
  referencing new table as changed_rows
  for each statement
  execute function app_private.tg__publish();

create or replace trigger _500_publish_update
  after update on app_public.agents
  referencing new table as changed_rows
  for each statement
  execute function app_private.tg__publish();

create or replace trigger _500_publish_delete
  after delete on app_public.agents
  referencing old table as changed_rows
  for each statement
  execute function app_private.tg__publish();

-- A deletion of the tenant removes its rows (ops.delete_tenant_rows).
select app_private.allow_tenant_removal('app_public.agents');

select audit.enable_tracking('app_public.agents');
