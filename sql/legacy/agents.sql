-- Agents as the legacy system's models have them. A program writes it through tg_agents__write.
create or replace view legacy.agents with (security_barrier, security_invoker) as
select
  a.id, a.name, a.model, a.specialization,
  (case when legacy.agent_status(f.status) = a.status then coalesce(f.status, a.status) else a.status end)::varchar as status,
  a.config, coalesce(f.capabilities, '[]') as capabilities, a.created_at, a.updated_at, f.config_encrypted, f.capabilities_encrypted
from app_public.agents a
left join legacy.agent_fields f on f.tenant_id = a.tenant_id and f.agent_id = a.id;

comment on view legacy.agents is 'Agents as the legacy system''s models have them.';
comment on column legacy.agents.id is 'The agent''s id.';
comment on column legacy.agents.name is 'The name to show.';
comment on column legacy.agents.model is 'The language model.';
comment on column legacy.agents.specialization is 'What it is good at, in a word or two.';
comment on column legacy.agents.status is 'Its state: idle, busy, training, paused, error or offline.';
comment on column legacy.agents.config is 'Everything else about it.';
comment on column legacy.agents.capabilities is 'What it can.';
comment on column legacy.agents.created_at is 'When it was made.';
comment on column legacy.agents.updated_at is 'When the row last changed. What is written is ignored: the database sets it.';
comment on column legacy.agents.config_encrypted is 'Ciphertext, which nobody here can read.';
comment on column legacy.agents.capabilities_encrypted is 'Ciphertext, which nobody here can read.';

revoke all on legacy.agents from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select, delete on legacy.agents to :SERVICE;
grant insert (id, name, model, specialization, status, config, capabilities, created_at, updated_at, config_encrypted,
  capabilities_encrypted) on legacy.agents to :SERVICE;
grant update (name, model, specialization, status, config, capabilities, updated_at, config_encrypted,
  capabilities_encrypted) on legacy.agents to :SERVICE;

create or replace trigger _500_write
  instead of insert or update or delete on legacy.agents
  for each row
  execute function legacy.tg_agents__write();
