--! Previous: sha1:39ce18df6e4ade141464d13e0988e73f354aabf5
--! Hash: sha1:f0cf3b6be80b660444b7b902747ae4f426f03daf
--! Message: legacy_views

-- Views for services that were written for the legacy system (docs/legacy.md), and what they keep that nobody else does.
create schema legacy;

create table legacy.agent_fields (
  tenant_id text collate "C" not null default app_private.current_tenant_id(),
  agent_id varchar(50) not null,
  status varchar(20),
  capabilities jsonb,
  config_encrypted text,
  capabilities_encrypted text,
  constraint agent_fields_pkey primary key (tenant_id, agent_id),
  constraint agent_fields_agent_id_fkey foreign key (tenant_id, agent_id) references app_public.agents (tenant_id, id) on delete cascade
);

create table legacy.task_fields (
  tenant_id text collate "C" not null default app_private.current_tenant_id(),
  task_id uuid not null,
  id varchar(255),
  status varchar(20),
  constraint task_fields_pkey primary key (tenant_id, task_id),
  constraint task_fields_task_id_fkey foreign key (tenant_id, task_id) references app_public.tasks (tenant_id, id) on delete cascade
);

create table legacy.workflow_fields (
  tenant_id text collate "C" not null default app_private.current_tenant_id(),
  workflow_id uuid not null,
  id varchar(255),
  status varchar(20),
  steps jsonb,
  steps_encrypted text,
  context_encrypted text,
  constraint workflow_fields_pkey primary key (tenant_id, workflow_id),
  constraint workflow_fields_workflow_id_fkey foreign key (tenant_id, workflow_id)
    references app_public.workflows (tenant_id, id) on delete cascade
);

create table legacy.turns (
  tenant_id text collate "C" not null default app_private.current_tenant_id(),
  id varchar(36) not null default gen_random_uuid()::text,
  thread_id uuid not null,
  number integer not null,
  task_id varchar(255),
  context jsonb,
  knowledge_metadata jsonb,
  success boolean,
  knowledge_used integer,
  rl_enhanced boolean,
  user_query_encrypted text,
  agent_response_encrypted text,
  constraint turns_pkey primary key (tenant_id, id),
  constraint turns_thread_id_fkey foreign key (tenant_id, thread_id) references app_public.threads (tenant_id, id) on delete cascade
);
create index turns_thread_id_number_idx on legacy.turns (tenant_id, thread_id, number);

create table legacy.users (
  tenant_id text collate "C" not null default app_private.current_tenant_id(),
  id varchar(36) not null default gen_random_uuid()::text,
  username varchar(255) not null,
  email varchar(255),
  password_hash text,
  role varchar(50),
  is_active boolean default true,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  email_encrypted text,
  password_hash_encrypted text,
  constraint users_pkey primary key (tenant_id, id),
  constraint users_tenant_id_fkey foreign key (tenant_id) references app_public.tenants (id) on delete restrict
);
create unique index users_username_idx on legacy.users (tenant_id, username);
create unique index users_email_idx on legacy.users (tenant_id, email);

-- What a session's token is compared with. Its operators make `token = '...'` ask whether that token opens the session: an operator
-- for exactly these types comes before the one of text.
create domain legacy.token as text;

--! Included tenancy/schemas.sql
-- The schemas and who may look into them. A schema decides who may look, a folder of sql/ what something is about.

comment on schema app_public is E'Agent Lightning DB\nThe state of AI agents. Every table is confined to one tenant by row-level security, and this list follows the caller''s rights: without a token it is almost empty.';
comment on schema app_private is 'Helpers that decide who may see what. Not granted to any role that clients can use.';
comment on schema audit is 'Who changed what: an append-only log, written by triggers in the transaction of the change.';
comment on schema legacy is 'Views for services that were written for the legacy system, and what they keep that nobody else does.';
comment on schema ops is 'Operations across tenants: for operators and the worker.';

-- The rights on a table or function are in its own file.
revoke all on schema app_public, app_private, audit, legacy, ops from public;
grant usage on schema app_public to :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :WORKER, :SEARCH, :JOBS;
revoke usage on schema audit from :ADMIN;
grant usage on schema audit to :OPERATOR, :RECORDER;
grant usage on schema ops to :OPERATOR, :WORKER, :JOBS;
grant usage on schema legacy to :SERVICE;

-- app_private is not granted to any role that clients can use. Defaults and policies name its functions by identity and need
-- no usage of it. The functions that run as :SEARCH and :JOBS use names.
grant usage on schema app_private to :SEARCH, :JOBS;

-- Every process checks before it serves whether the schema fits. The API does so as an anonymous request, which calls
-- ops.applied_migrations by its full name and so needs usage of the schema.
grant usage on schema ops to :ANON;
--! EndIncluded tenancy/schemas.sql
--! Included legacy/refuse.sql
-- Refuses what the legacy system writes and nothing here stands for.
create or replace function legacy.refuse(place text, problem text) returns void
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
begin
  raise exception 'legacy.% cannot be written: %', place, problem
    using errcode = 'LTL01', hint = 'What the views take is in docs/legacy.md.';
end
$$;

comment on function legacy.refuse(text, text) is 'Refuses what the legacy system writes and nothing here stands for, with LTL01.';
grant execute on function legacy.refuse(text, text) to :SERVICE;
--! EndIncluded legacy/refuse.sql
--! Included legacy/id_of.sql
-- The UUID that stands for an id of the legacy system: the id itself, or one that follows from its text.
create or replace function legacy.id_of(id text) returns uuid
language sql immutable strict parallel safe
set search_path to pg_catalog, pg_temp
return case
  when pg_input_is_valid(id, 'uuid') then id::uuid
  else substr(encode(sha256(convert_to('legacy id ' || id, 'UTF8')), 'hex'), 1, 32)::uuid
end;

comment on function legacy.id_of(text) is 'The UUID that stands for an id of the legacy system: the id itself, or one that follows from its text.';
grant execute on function legacy.id_of(text) to :SERVICE;
--! EndIncluded legacy/id_of.sql
--! Included legacy/agent_status.sql
-- The state that stands for an agent's state in the words of the legacy system; null: none does.
create or replace function legacy.agent_status(status text) returns text
language sql immutable parallel safe
set search_path to pg_catalog, pg_temp
return case
  when status is null then 'idle'
  when status = 'training' then 'busy'
  when status in ('idle', 'busy', 'paused', 'offline', 'error') then status
end;

comment on function legacy.agent_status(text) is 'The state that stands for an agent''s state in the words of the legacy system; null: none does.';
grant execute on function legacy.agent_status(text) to :SERVICE;
--! EndIncluded legacy/agent_status.sql
--! Included legacy/task_status.sql
-- The state that stands for a task's state in the words of the legacy system; null: none does.
create or replace function legacy.task_status(status text) returns text
language sql immutable parallel safe
set search_path to pg_catalog, pg_temp
return case
  when status is null then 'pending'
  when status in ('started', 'in_progress') then 'running'
  when status in ('pending', 'assigned', 'running', 'completed', 'failed', 'cancelled', 'dead') then status
end;

comment on function legacy.task_status(text) is 'The state that stands for a task''s state in the words of the legacy system; null: none does.';
grant execute on function legacy.task_status(text) to :SERVICE;
--! EndIncluded legacy/task_status.sql
--! Included legacy/workflow_status.sql
-- The state that stands for a workflow's state in the words of the legacy system; null: none does.
create or replace function legacy.workflow_status(status text) returns text
language sql immutable parallel safe
set search_path to pg_catalog, pg_temp
return case
  when status is null then 'draft'
  when status = 'active' then 'running'
  when status in ('draft', 'pending', 'running', 'paused', 'completed', 'failed', 'cancelled') then status
end;

comment on function legacy.workflow_status(text) is 'The state that stands for a workflow''s state in the words of the legacy system; null: none does.';
grant execute on function legacy.workflow_status(text) to :SERVICE;
--! EndIncluded legacy/workflow_status.sql
--! Included legacy/workflow_steps.sql
-- The steps that stand for steps in the shape of the legacy system, [{id, name, ...}]: a step that is one of ours stays as it is; of
-- another the key follows from its id, the task's description is its description or name, and the whole is the task's context.
-- The services carry their steps out themselves, so no step depends on another here.
create or replace function legacy.workflow_steps(steps jsonb) returns jsonb
language sql immutable parallel safe
set search_path to pg_catalog, pg_temp
begin atomic
  select coalesce(
    jsonb_agg(
      case
        when s.step ? 'key' and s.step ? 'task' then s.step
        else jsonb_build_object(
          'key', case when s.alike = 1 then s.key else left(s.key, 55) || '-' || s.place end,
          'task', jsonb_build_object('description', s.description, 'context', s.step)
        )
      end
      order by s.place
    ),
    '[]'
  )
  from (
    select k.*, count(*) over (partition by k.key) as alike
    from (
      select
        e.step, e.place,
        coalesce(
          nullif(left(regexp_replace(regexp_replace(e.step ->> 'id', '[^A-Za-z0-9_.-]+', '_', 'g'), '^[.-]+', ''), 63), ''),
          'step-' || e.place
        ) as key,
        coalesce(nullif(e.step ->> 'description', ''), nullif(e.step ->> 'name', ''), 'step ' || e.place) as description
      from jsonb_array_elements(case when jsonb_typeof(steps) = 'array' then steps else '[]' end)
        with ordinality e(step, place)
    ) k
  ) s;
end;

comment on function legacy.workflow_steps(jsonb) is 'The steps that stand for steps in the shape of the legacy system.';
grant execute on function legacy.workflow_steps(jsonb) to :SERVICE;
--! EndIncluded legacy/workflow_steps.sql
--! Included legacy/agent_fields.sql
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

select audit.enable_tracking('legacy.agent_fields');
--! EndIncluded legacy/agent_fields.sql
--! Included legacy/task_fields.sql
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

select audit.enable_tracking('legacy.task_fields');
--! EndIncluded legacy/task_fields.sql
--! Included legacy/workflow_fields.sql
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

select audit.enable_tracking('legacy.workflow_fields');
--! EndIncluded legacy/workflow_fields.sql
--! Included legacy/turns.sql
comment on table legacy.turns is 'A question and its answer as one row, as the legacy system keeps conversations. The texts are two messages of a thread.';
comment on column legacy.turns.tenant_id is 'The tenant. By default the caller''s.';
comment on column legacy.turns.id is 'The id of the turn.';
comment on column legacy.turns.thread_id is 'The thread that holds both texts.';
comment on column legacy.turns.number is 'The number of the question; the answer is the next message.';
comment on column legacy.turns.task_id is 'The task, by whatever id the legacy system knew it.';
comment on column legacy.turns.context is 'What the agent was given beside the question.';
comment on column legacy.turns.knowledge_metadata is 'What it was told of the knowledge that it used.';
comment on column legacy.turns.success is 'Whether it succeeded.';
comment on column legacy.turns.knowledge_used is 'How many items of knowledge it used.';
comment on column legacy.turns.rl_enhanced is 'Whether reinforcement learning had a part in it.';
comment on column legacy.turns.user_query_encrypted is 'Ciphertext, which nobody here can read.';
comment on column legacy.turns.agent_response_encrypted is 'Ciphertext, which nobody here can read.';

alter table legacy.turns enable row level security, force row level security;

-- Services that were written for the legacy system, in their own tenant.
drop policy if exists select_service on legacy.turns;
create policy select_service on legacy.turns for select to :SERVICE
  using (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists insert_service on legacy.turns;
create policy insert_service on legacy.turns for insert to :SERVICE
  with check (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists update_service on legacy.turns;
create policy update_service on legacy.turns for update to :SERVICE
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists delete_service on legacy.turns;
create policy delete_service on legacy.turns for delete to :SERVICE
  using (tenant_id = (select app_private.current_tenant_id()));

revoke all on legacy.turns from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select, delete on legacy.turns to :SERVICE;
grant insert (tenant_id, id, thread_id, number, task_id, context, knowledge_metadata, success, knowledge_used, rl_enhanced,
  user_query_encrypted, agent_response_encrypted) on legacy.turns to :SERVICE;
grant update (context, knowledge_metadata, success, knowledge_used, rl_enhanced, user_query_encrypted,
  agent_response_encrypted) on legacy.turns to :SERVICE;
-- No truncate for anybody: it ignores tenants.

create or replace trigger _200_keys
  before update of tenant_id, id on legacy.turns
  for each row
  when (old.tenant_id is distinct from new.tenant_id or old.id is distinct from new.id)
  execute function app_private.tg__refuse_key_change();

create or replace trigger _200_long_numbers_context
  before insert or update of context on legacy.turns
  for each row
  when (app_private.may_print_long(new.context))
  execute function app_private.tg__refuse_long_numbers('context');

create or replace trigger _200_long_numbers_knowledge_metadata
  before insert or update of knowledge_metadata on legacy.turns
  for each row
  when (app_private.may_print_long(new.knowledge_metadata))
  execute function app_private.tg__refuse_long_numbers('knowledge_metadata');

select audit.enable_tracking('legacy.turns');
--! EndIncluded legacy/turns.sql
--! Included legacy/users.sql
comment on table legacy.users is 'Users as the legacy system keeps them. They are nothing to this database: nobody signs in with them here.';
comment on column legacy.users.tenant_id is 'The tenant. By default the caller''s.';
comment on column legacy.users.id is 'The id of the user.';
comment on column legacy.users.username is 'The name to sign in with.';
comment on column legacy.users.email is 'The address.';
comment on column legacy.users.password_hash is 'A digest that the services made.';
comment on column legacy.users.role is 'A word of the services.';
comment on column legacy.users.is_active is 'Whether the services let the user in.';
comment on column legacy.users.created_at is 'When the user was made.';
comment on column legacy.users.updated_at is 'When the row last changed; set by a trigger.';
comment on column legacy.users.email_encrypted is 'Ciphertext, which nobody here can read.';
comment on column legacy.users.password_hash_encrypted is 'Ciphertext, which nobody here can read.';

alter table legacy.users enable row level security, force row level security;

-- Services that were written for the legacy system, in their own tenant.
drop policy if exists select_service on legacy.users;
create policy select_service on legacy.users for select to :SERVICE
  using (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists insert_service on legacy.users;
create policy insert_service on legacy.users for insert to :SERVICE
  with check (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists update_service on legacy.users;
create policy update_service on legacy.users for update to :SERVICE
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists delete_service on legacy.users;
create policy delete_service on legacy.users for delete to :SERVICE
  using (tenant_id = (select app_private.current_tenant_id()));

revoke all on legacy.users from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select, delete on legacy.users to :SERVICE;
grant insert (tenant_id, id, username, email, password_hash, role, is_active, created_at, updated_at, email_encrypted,
  password_hash_encrypted) on legacy.users to :SERVICE;
grant update (username, email, password_hash, role, is_active, updated_at, email_encrypted,
  password_hash_encrypted) on legacy.users to :SERVICE;
-- No truncate for anybody: it ignores tenants.

create or replace trigger _100_timestamps
  before update on legacy.users
  for each row
  execute function app_private.tg__touch_updated_at();

create or replace trigger _200_keys
  before update of tenant_id, id on legacy.users
  for each row
  when (old.tenant_id is distinct from new.tenant_id or old.id is distinct from new.id)
  execute function app_private.tg__refuse_key_change();

select audit.enable_tracking('legacy.users', digested => '{password_hash}');
--! EndIncluded legacy/users.sql
--! Included legacy/tg_agents__write.sql
create or replace function legacy.tg_agents__write() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_status text;
begin
  if TG_OP = 'DELETE' then
    delete from app_public.agents a where a.id = OLD.id;
    return OLD;
  end if;
  v_status := legacy.agent_status(NEW.status);
  if v_status is null then
    perform legacy.refuse('agents.status', format('%L is not one of idle, busy, training, paused, error, offline', NEW.status));
  end if;
  if TG_OP = 'INSERT' then
    insert into app_public.agents (id, name, model, specialization, status, config, created_at)
    values (
      NEW.id, NEW.name, NEW.model, NEW.specialization, v_status, coalesce(nullif(NEW.config, 'null'), '{}'),
      coalesce(NEW.created_at, now())
    );
  elsif (NEW.name, NEW.model, NEW.specialization, NEW.status, NEW.config) is distinct from
    (OLD.name, OLD.model, OLD.specialization, OLD.status, OLD.config)
  then
    update app_public.agents a
    set
      name = NEW.name, model = NEW.model, specialization = NEW.specialization, status = v_status,
      config = coalesce(nullif(NEW.config, 'null'), '{}')
    where a.id = OLD.id;
  end if;
  if TG_OP = 'INSERT' or (NEW.status, NEW.capabilities, NEW.config_encrypted, NEW.capabilities_encrypted) is distinct from
    (OLD.status, OLD.capabilities, OLD.config_encrypted, OLD.capabilities_encrypted)
  then
    insert into legacy.agent_fields (agent_id, status, capabilities, config_encrypted, capabilities_encrypted)
    values (
      NEW.id, nullif(NEW.status, v_status), nullif(nullif(NEW.capabilities, 'null'), '[]'), NEW.config_encrypted,
      NEW.capabilities_encrypted
    )
    on conflict on constraint agent_fields_pkey do update
    set
      status = excluded.status, capabilities = excluded.capabilities, config_encrypted = excluded.config_encrypted,
      capabilities_encrypted = excluded.capabilities_encrypted;
  end if;
  select v.* into NEW from legacy.agents v where v.id = NEW.id;
  return NEW;
end
$$;

comment on function legacy.tg_agents__write() is 'Trigger: writes an agent as the legacy system''s models do. LTL01: nothing stands for what was written.';
--! EndIncluded legacy/tg_agents__write.sql
--! Included legacy/agents.sql
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
--! EndIncluded legacy/agents.sql
--! Included legacy/tg_tasks__write.sql
-- The legacy system takes a task from `pending` to its end in one or two writes and never claims, so a task that ends without having
-- begun begins first. A task that an agent holds by a lease is its own (LTQ06).
create or replace function legacy.tg_tasks__write() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_id constant uuid := legacy.id_of(coalesce(NEW.id, OLD.id));
  v_status text;
begin
  if TG_OP = 'DELETE' then
    delete from app_public.tasks t where t.id = v_id;
    return OLD;
  end if;
  v_status := legacy.task_status(NEW.status);
  if v_status is null then
    perform legacy.refuse('tasks.status', format(
      '%L is not one of pending, assigned, started, in_progress, running, completed, failed, cancelled', NEW.status
    ));
  end if;
  if coalesce(NEW.priority, 'normal') not in ('low', 'normal', 'high', 'critical') then
    perform legacy.refuse('tasks.priority', format('%L is not one of low, normal, high, critical', NEW.priority));
  end if;
  if TG_OP = 'INSERT' then
    insert into app_public.tasks (
      id, agent_id, description, status, priority, context, result, error_message, created_at, started_at, completed_at
    )
    values (
      v_id, NEW.agent_id, NEW.description, v_status, coalesce(NEW.priority, 'normal'), coalesce(nullif(NEW.context, 'null'), '{}'),
      nullif(NEW.result, 'null'), NEW.error_message, coalesce(NEW.created_at, now()), NEW.started_at, NEW.completed_at
    );
  else
    if v_status in ('completed', 'failed') and legacy.task_status(OLD.status) in ('pending', 'assigned') then
      update app_public.tasks t set status = 'running' where t.id = v_id;
    end if;
    update app_public.tasks t
    set
      agent_id = NEW.agent_id, description = NEW.description, status = v_status, priority = coalesce(NEW.priority, 'normal'),
      context = coalesce(nullif(NEW.context, 'null'), '{}'), result = nullif(NEW.result, 'null'),
      error_message = NEW.error_message, started_at = NEW.started_at, completed_at = NEW.completed_at
    where t.id = v_id;
  end if;
  if NEW.id <> v_id::text or nullif(NEW.status, v_status) is not null
    or exists (select from legacy.task_fields f where f.task_id = v_id)
  then
    insert into legacy.task_fields (task_id, id, status)
    values (v_id, nullif(NEW.id, v_id::text), nullif(NEW.status, v_status))
    on conflict on constraint task_fields_pkey do update set status = excluded.status;
  end if;
  select v.* into NEW from legacy.tasks v where v.id = NEW.id;
  return NEW;
end
$$;

comment on function legacy.tg_tasks__write() is 'Trigger: writes a task as the legacy system''s models do. LTL01: nothing stands for what was written.';
--! EndIncluded legacy/tg_tasks__write.sql
--! Included legacy/tasks.sql
-- Tasks as the legacy system's models have them. A program writes it through tg_tasks__write.
create or replace view legacy.tasks with (security_barrier, security_invoker) as
select
  coalesce(f.id, t.id::text)::varchar as id, t.agent_id, t.description,
  (case when legacy.task_status(f.status) = t.status then coalesce(f.status, t.status) else t.status end)::varchar as status,
  t.priority, t.context, t.result, t.error_message, t.created_at, t.started_at, t.completed_at
from app_public.tasks t
left join legacy.task_fields f on f.tenant_id = t.tenant_id and f.task_id = t.id;

comment on view legacy.tasks is 'Tasks as the legacy system''s models have them.';
comment on column legacy.tasks.id is 'The task''s id; a text, which is the one that it was made with.';
comment on column legacy.tasks.agent_id is 'The agent that should do it.';
comment on column legacy.tasks.description is 'What to do.';
comment on column legacy.tasks.status is 'Its state: pending, assigned, started, in_progress, running, completed, failed, cancelled or dead.';
comment on column legacy.tasks.priority is 'One of low, normal, high, critical.';
comment on column legacy.tasks.context is 'What the agent needs to know.';
comment on column legacy.tasks.result is 'The result; null until it is completed.';
comment on column legacy.tasks.error_message is 'Why it failed.';
comment on column legacy.tasks.created_at is 'When it was made.';
comment on column legacy.tasks.started_at is 'When it was begun.';
comment on column legacy.tasks.completed_at is 'When it ended.';

alter view legacy.tasks alter column id set default gen_random_uuid()::text;
alter view legacy.tasks alter column priority set default 'normal';

revoke all on legacy.tasks from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select, delete on legacy.tasks to :SERVICE;
grant insert (id, agent_id, description, status, priority, context, result, error_message, created_at, started_at,
  completed_at) on legacy.tasks to :SERVICE;
grant update (agent_id, description, status, priority, context, result, error_message, started_at,
  completed_at) on legacy.tasks to :SERVICE;

create or replace trigger _500_write
  instead of insert or update or delete on legacy.tasks
  for each row
  execute function legacy.tg_tasks__write();
--! EndIncluded legacy/tasks.sql
--! Included legacy/tg_workflows__write.sql
-- The services carry out their workflows themselves and write the state, so a workflow that ends without having begun begins first.
create or replace function legacy.tg_workflows__write() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_id constant uuid := legacy.id_of(coalesce(NEW.id, OLD.id));
  v_status text;
  v_steps jsonb;
begin
  if TG_OP = 'DELETE' then
    delete from app_public.workflows w where w.id = v_id;
    return OLD;
  end if;
  v_status := legacy.workflow_status(NEW.status);
  if v_status is null then
    perform legacy.refuse('workflows.status', format(
      '%L is not one of draft, active, pending, running, paused, completed, failed, cancelled', NEW.status
    ));
  end if;
  if jsonb_typeof(NEW.steps) not in ('array', 'null') or NEW.steps @? 'strict $[*] ? (@.type() != "object")' then
    perform legacy.refuse('workflows.steps', 'steps are an array of objects');
  end if;
  v_steps := legacy.workflow_steps(NEW.steps);
  if TG_OP = 'INSERT' then
    insert into app_public.workflows (id, name, description, steps, status, created_by, assigned_to, context, created_at)
    values (
      v_id, NEW.name, NEW.description, v_steps, v_status, NEW.created_by, NEW.assigned_to,
      coalesce(nullif(NEW.context, 'null'), '{}'), coalesce(NEW.created_at, now())
    );
  else
    if v_status in ('completed', 'failed', 'paused') and legacy.workflow_status(OLD.status) in ('draft', 'pending') then
      update app_public.workflows w set status = 'running' where w.id = v_id;
    end if;
    update app_public.workflows w
    set
      name = NEW.name, description = NEW.description, steps = v_steps, status = v_status, created_by = NEW.created_by,
      assigned_to = NEW.assigned_to, context = coalesce(nullif(NEW.context, 'null'), '{}')
    where w.id = v_id;
  end if;
  insert into legacy.workflow_fields (workflow_id, id, status, steps, steps_encrypted, context_encrypted)
  values (
    v_id, nullif(NEW.id, v_id::text), nullif(NEW.status, v_status), nullif(nullif(NEW.steps, 'null'), v_steps),
    NEW.steps_encrypted, NEW.context_encrypted
  )
  on conflict on constraint workflow_fields_pkey do update
  set
    status = excluded.status, steps = excluded.steps, steps_encrypted = excluded.steps_encrypted,
    context_encrypted = excluded.context_encrypted;
  select v.* into NEW from legacy.workflows v where v.id = NEW.id;
  return NEW;
end
$$;

comment on function legacy.tg_workflows__write() is 'Trigger: writes a workflow as the legacy system''s models do. LTL01: nothing stands for what was written.';
--! EndIncluded legacy/tg_workflows__write.sql
--! Included legacy/workflows.sql
-- Workflows as the legacy system's models have them. A program writes it through tg_workflows__write.
create or replace view legacy.workflows with (security_barrier, security_invoker) as
select
  coalesce(f.id, w.id::text)::varchar as id, w.name, w.description,
  case when legacy.workflow_steps(f.steps) = w.steps then coalesce(f.steps, w.steps) else w.steps end as steps,
  (case when legacy.workflow_status(f.status) = w.status then coalesce(f.status, w.status) else w.status end)::varchar as status,
  w.created_by, w.assigned_to, w.context, w.created_at, w.updated_at, f.steps_encrypted, f.context_encrypted
from app_public.workflows w
left join legacy.workflow_fields f on f.tenant_id = w.tenant_id and f.workflow_id = w.id;

comment on view legacy.workflows is 'Workflows as the legacy system''s models have them.';
comment on column legacy.workflows.id is 'The workflow''s id; a text, which is the one that it was made with.';
comment on column legacy.workflows.name is 'The name to show.';
comment on column legacy.workflows.description is 'What it is for.';
comment on column legacy.workflows.steps is 'Its steps, in the shape in which they were written.';
comment on column legacy.workflows.status is 'Its state: draft, active, pending, running, paused, completed, failed or cancelled.';
comment on column legacy.workflows.created_by is 'Who made it.';
comment on column legacy.workflows.assigned_to is 'Who looks after it.';
comment on column legacy.workflows.context is 'What all steps need to know.';
comment on column legacy.workflows.created_at is 'When it was made.';
comment on column legacy.workflows.updated_at is 'When the row last changed. What is written is ignored: the database sets it.';
comment on column legacy.workflows.steps_encrypted is 'Ciphertext, which nobody here can read.';
comment on column legacy.workflows.context_encrypted is 'Ciphertext, which nobody here can read.';

alter view legacy.workflows alter column id set default gen_random_uuid()::text;
alter view legacy.workflows alter column status set default 'draft';

revoke all on legacy.workflows from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select, delete on legacy.workflows to :SERVICE;
grant insert (id, name, description, steps, status, created_by, assigned_to, context, created_at, updated_at, steps_encrypted,
  context_encrypted) on legacy.workflows to :SERVICE;
grant update (name, description, steps, status, created_by, assigned_to, context, updated_at,
  steps_encrypted, context_encrypted) on legacy.workflows to :SERVICE;

create or replace trigger _500_write
  instead of insert or update or delete on legacy.workflows
  for each row
  execute function legacy.tg_workflows__write();
--! EndIncluded legacy/workflows.sql
--! Included legacy/knowledge.sql
-- Knowledge as the legacy system's models have it: the columns of app_public.knowledge that they know. Postgres writes it by itself.
create or replace view legacy.knowledge with (security_barrier, security_invoker) as
select
  k.id, k.agent_id, k.category, k.content, k.source, k.metadata, k.usage_count, k.relevance_score, k.created_at, k.last_used_at
from app_public.knowledge k;

comment on view legacy.knowledge is 'Knowledge as the legacy system''s models have it.';
comment on column legacy.knowledge.id is 'The id of the item.';
comment on column legacy.knowledge.agent_id is 'The agent whose knowledge it is.';
comment on column legacy.knowledge.category is 'A word to group by.';
comment on column legacy.knowledge.content is 'The text itself.';
comment on column legacy.knowledge.source is 'Where it comes from.';
comment on column legacy.knowledge.metadata is 'Anything else about it.';
comment on column legacy.knowledge.usage_count is 'How often it was used.';
comment on column legacy.knowledge.relevance_score is 'How useful it proved; 1 is neutral.';
comment on column legacy.knowledge.created_at is 'When it was added.';
comment on column legacy.knowledge.last_used_at is 'When it was last used.';

revoke all on legacy.knowledge from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select, delete on legacy.knowledge to :SERVICE;
grant insert (id, agent_id, category, content, source, metadata, usage_count, relevance_score, created_at,
  last_used_at) on legacy.knowledge to :SERVICE;
grant update (agent_id, category, content, source, metadata, usage_count, relevance_score,
  last_used_at) on legacy.knowledge to :SERVICE;
--! EndIncluded legacy/knowledge.sql
--! Included legacy/metrics.sql
-- Points as the legacy system's models have them: the columns of app_public.metrics that they know. Postgres writes it by itself.
create or replace view legacy.metrics with (security_barrier, security_invoker) as
select m.id, m.service_name, m.metric_name, m.value, m.tags, m."timestamp"
from app_public.metrics m;

comment on view legacy.metrics is 'Points as the legacy system''s models have them.';
comment on column legacy.metrics.id is 'Tells points of the same instant apart. The database sets it.';
comment on column legacy.metrics.service_name is 'The service that measured.';
comment on column legacy.metrics.metric_name is 'What was measured.';
comment on column legacy.metrics.value is 'The value, in the metric''s own unit.';
comment on column legacy.metrics.tags is 'Dimensions to filter and group by: a flat object.';
comment on column legacy.metrics."timestamp" is 'When it was measured.';

revoke all on legacy.metrics from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on legacy.metrics to :SERVICE;
grant insert (service_name, metric_name, value, tags, "timestamp") on legacy.metrics to :SERVICE;
-- No update and no delete for anybody: a measurement stays until it expires.
--! EndIncluded legacy/metrics.sql
--! Included legacy/session_of.sql
-- The id of the session of the caller's tenant that a token opens; null: none. Definer: nobody may read the digests. It tells whether a
-- token is good, which whoever has the token may know.
create or replace function legacy.session_of(token text) returns text
language sql stable strict security definer
set search_path to pg_catalog, pg_temp
begin atomic
  select s.id::text
  from app_public.sessions s
  where s.token = app_private.token_digest(session_of.token) and s.tenant_id = app_private.current_tenant_id();
end;

comment on function legacy.session_of(text) is 'The id of the session of the caller''s tenant that a token opens; null: none.';
grant execute on function legacy.session_of(text) to :SERVICE;
--! EndIncluded legacy/session_of.sql
--! Included legacy/is_token.sql
-- Whether a token opens a session. The operator `=` of legacy.token: a column of this type holds the session's id, and a program compares
-- it with a token, as a literal (which Postgres takes for the column's own type), a text or a varchar.
create or replace function legacy.is_token(session legacy.token, token legacy.token) returns boolean
language sql stable strict
set search_path to pg_catalog, pg_temp
return session::text = legacy.session_of(token::text);

comment on function legacy.is_token(legacy.token, legacy.token) is 'Whether a token opens a session, whose id a value of legacy.token is.';
grant execute on function legacy.is_token(legacy.token, legacy.token) to :SERVICE;

create or replace function legacy.is_token(session legacy.token, token text) returns boolean
language sql stable strict
set search_path to pg_catalog, pg_temp
return session::text = legacy.session_of(token::text);

comment on function legacy.is_token(legacy.token, text) is 'Whether a token opens a session, whose id a value of legacy.token is.';
grant execute on function legacy.is_token(legacy.token, text) to :SERVICE;

create or replace function legacy.is_token(session legacy.token, token varchar) returns boolean
language sql stable strict
set search_path to pg_catalog, pg_temp
return session::text = legacy.session_of(token::text);

comment on function legacy.is_token(legacy.token, varchar) is 'Whether a token opens a session, whose id a value of legacy.token is.';
grant execute on function legacy.is_token(legacy.token, varchar) to :SERVICE;
--! EndIncluded legacy/is_token.sql

create operator legacy.= (leftarg = legacy.token, rightarg = legacy.token, function = legacy.is_token);
create operator legacy.= (leftarg = legacy.token, rightarg = text, function = legacy.is_token);
create operator legacy.= (leftarg = legacy.token, rightarg = varchar, function = legacy.is_token);

--! Included legacy/tg_sessions__write.sql
create or replace function legacy.tg_sessions__write() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  if TG_OP = 'DELETE' then
    delete from app_public.sessions s where s.id = OLD.id::uuid;
    return OLD;
  end if;
  if TG_OP = 'INSERT' then
    if not pg_input_is_valid(NEW.id, 'uuid') then
      perform legacy.refuse('sessions.id', format('%L is not a UUID', NEW.id));
    end if;
    if length(coalesce(NEW.token::text, '')) < 16 then
      perform legacy.refuse('sessions.token', 'a token has 16 characters at least, or it can be guessed');
    end if;
    insert into app_public.sessions (id, user_id, token, data, expires_at)
    values (
      NEW.id::uuid, NEW.user_id, encode(sha256(convert_to(NEW.token::text, 'UTF8')), 'hex'),
      coalesce(nullif(NEW.data, 'null'), '{}'), NEW.expires_at at time zone 'UTC'
    );
  elsif NEW.user_id is distinct from OLD.user_id or NEW.token::text is distinct from OLD.token::text then
    perform legacy.refuse('sessions', 'a session keeps its user and its token');
  else
    update app_public.sessions s
    set data = coalesce(nullif(NEW.data, 'null'), '{}'), expires_at = NEW.expires_at at time zone 'UTC'
    where s.id = OLD.id::uuid;
  end if;
  select v.* into NEW from legacy.sessions v where v.id = NEW.id;
  return NEW;
end
$$;

comment on function legacy.tg_sessions__write() is 'Trigger: writes a session as the legacy system''s models do. LTL01: nothing stands for what was written.';
--! EndIncluded legacy/tg_sessions__write.sql
--! Included legacy/sessions.sql
-- Sessions as the legacy system's models have them. The token is stored as its digest, and nobody reads it: the column shows the session's
-- id, and `token = '...'` asks whether that token opens the session. Times have no zone and are UTC, because the services compare
-- them with their own clock so. A program writes it through tg_sessions__write.
create or replace view legacy.sessions with (security_barrier, security_invoker) as
select
  s.id::text::varchar as id, s.user_id, s.id::text::legacy.token as token, s.data,
  s.expires_at at time zone 'UTC' as expires_at, s.created_at at time zone 'UTC' as created_at
from app_public.sessions s;

comment on view legacy.sessions is 'Sessions as the legacy system''s models have them.';
comment on column legacy.sessions.id is 'The session''s id.';
comment on column legacy.sessions.user_id is 'The user whose session it is.';
comment on column legacy.sessions.token is 'To write: the token. To compare: equal to the token. To read: the session''s id.';
comment on column legacy.sessions.data is 'What the service keeps in it.';
comment on column legacy.sessions.expires_at is 'When it ends: UTC, without a zone.';
comment on column legacy.sessions.created_at is 'When it was opened: UTC, without a zone.';

alter view legacy.sessions alter column id set default gen_random_uuid()::text;

revoke all on legacy.sessions from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select, delete on legacy.sessions to :SERVICE;
grant insert (id, user_id, token, data, expires_at, created_at) on legacy.sessions to :SERVICE;
grant update (user_id, token, data, expires_at) on legacy.sessions to :SERVICE;

create or replace trigger _500_write
  instead of insert or update or delete on legacy.sessions
  for each row
  execute function legacy.tg_sessions__write();
--! EndIncluded legacy/sessions.sql
--! Included legacy/tg_conversations__write.sql
create or replace function legacy.tg_conversations__write() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_thread uuid;
begin
  if TG_OP = 'DELETE' then
    perform legacy.refuse('conversations', 'what was said stays with its thread: delete that, in app_public.threads');
  elsif TG_OP = 'INSERT' then
    select c.thread_id into v_thread
    from legacy.turns c
    join app_public.threads t on t.tenant_id = c.tenant_id and t.id = c.thread_id
    where t.agent_id is not distinct from NEW.agent_id and c.task_id is not distinct from NEW.task_id and t.version < 90000
    order by t.last_message_at desc
    limit 1;
    if v_thread is null then
      insert into app_public.threads (agent_id, task_id)
      values (NEW.agent_id, (select t.id from app_public.tasks t where t.id = legacy.id_of(NEW.task_id)))
      returning id into strict v_thread;
    end if;
    insert into legacy.turns (
      id, thread_id, number, task_id, context, knowledge_metadata, success, knowledge_used, rl_enhanced, user_query_encrypted,
      agent_response_encrypted
    )
    select
      NEW.id, v_thread, min(m.number), NEW.task_id, NEW.context, NEW.knowledge_metadata, NEW.success, NEW.knowledge_used,
      NEW.rl_enhanced, NEW.user_query_encrypted, NEW.agent_response_encrypted
    from app_public.append_messages(
      v_thread,
      jsonb_build_array(
        jsonb_build_object('role', 'user', 'content', NEW.user_query, 'created_at', coalesce(NEW.created_at, now())),
        jsonb_build_object('role', 'assistant', 'content', NEW.agent_response, 'created_at', coalesce(NEW.created_at, now()))
      )
    ) m;
  elsif (NEW.id, NEW.task_id, NEW.agent_id, NEW.user_query, NEW.agent_response, NEW.created_at) is distinct from
    (OLD.id, OLD.task_id, OLD.agent_id, OLD.user_query, OLD.agent_response, OLD.created_at)
  then
    perform legacy.refuse('conversations', 'what was said, by whom, when and about which task does not change');
  else
    update legacy.turns c
    set
      context = NEW.context, knowledge_metadata = NEW.knowledge_metadata, success = NEW.success,
      knowledge_used = NEW.knowledge_used, rl_enhanced = NEW.rl_enhanced, user_query_encrypted = NEW.user_query_encrypted,
      agent_response_encrypted = NEW.agent_response_encrypted
    where c.id = OLD.id;
  end if;
  select v.* into NEW from legacy.conversations v where v.id = NEW.id;
  return NEW;
end
$$;

comment on function legacy.tg_conversations__write() is 'Trigger: writes a turn of a conversation as the legacy system''s models do. LTL01: nothing stands for what was written.';
--! EndIncluded legacy/tg_conversations__write.sql
--! Included legacy/conversations.sql
-- Conversations as the legacy system's models have them, a row for a question and its answer. The texts are messages of threads: the turns
-- of one agent about one task follow each other in one thread. A program writes it through tg_conversations__write.
create or replace view legacy.conversations with (security_barrier, security_invoker) as
select
  c.id, c.task_id, t.agent_id, q.content as user_query, a.content as agent_response, c.context, c.knowledge_metadata, c.success,
  c.knowledge_used, c.rl_enhanced, q.created_at, c.user_query_encrypted, c.agent_response_encrypted
from legacy.turns c
join app_public.threads t on t.tenant_id = c.tenant_id and t.id = c.thread_id
join app_public.messages q on q.tenant_id = c.tenant_id and q.thread_id = c.thread_id and q.number = c.number
join app_public.messages a on a.tenant_id = c.tenant_id and a.thread_id = c.thread_id and a.number = c.number + 1;

comment on view legacy.conversations is 'Conversations as the legacy system''s models have them, a row for a question and its answer.';
comment on column legacy.conversations.id is 'The id of the turn.';
comment on column legacy.conversations.task_id is 'The task, by whatever id the services knew it.';
comment on column legacy.conversations.agent_id is 'The agent that answered.';
comment on column legacy.conversations.user_query is 'The question.';
comment on column legacy.conversations.agent_response is 'The answer.';
comment on column legacy.conversations.context is 'What the agent was given beside the question.';
comment on column legacy.conversations.knowledge_metadata is 'What it was told of the knowledge that it used.';
comment on column legacy.conversations.success is 'Whether it succeeded.';
comment on column legacy.conversations.knowledge_used is 'How many items of knowledge it used.';
comment on column legacy.conversations.rl_enhanced is 'Whether reinforcement learning had a part in it.';
comment on column legacy.conversations.created_at is 'When it was said.';
comment on column legacy.conversations.user_query_encrypted is 'Ciphertext, which nobody here can read.';
comment on column legacy.conversations.agent_response_encrypted is 'Ciphertext, which nobody here can read.';

alter view legacy.conversations alter column id set default gen_random_uuid()::text;

revoke all on legacy.conversations from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select, delete on legacy.conversations to :SERVICE;
grant insert (id, task_id, agent_id, user_query, agent_response, context, knowledge_metadata, success, knowledge_used,
  rl_enhanced, created_at, user_query_encrypted, agent_response_encrypted) on legacy.conversations to :SERVICE;
grant update (task_id, agent_id, user_query, agent_response, context, knowledge_metadata, success,
  knowledge_used, rl_enhanced, user_query_encrypted, agent_response_encrypted) on legacy.conversations to :SERVICE;
-- A delete is refused by the trigger, with a sentence: what was said stays with its thread, which can be deleted as a whole.

create or replace trigger _500_write
  instead of insert or update or delete on legacy.conversations
  for each row
  execute function legacy.tg_conversations__write();
--! EndIncluded legacy/conversations.sql
