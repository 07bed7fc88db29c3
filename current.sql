--! Message: initial

-- State: schemas, tables, indexes. Behaviour (functions, triggers, policies, grants, views, comments) lives in sql/ and
-- is pulled in below; see migrations/README.md for how to change either.

-- Without this line every function ever made here could be executed by everybody. It has to be the global form:
-- `in schema` cannot take away what PUBLIC gets by default.
alter default privileges revoke execute on functions from public;

create schema app_public;
create schema app_private;
create schema audit;
create schema ops;

-- ---------------------------------------------------------------------------------------------------------------
-- Tenants and the logins bound to them
-- ---------------------------------------------------------------------------------------------------------------

create table app_public.tenants (
  id text collate "C" not null,
  name text not null,
  suspended_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint tenants_pkey primary key (id),
  constraint tenants_id_check check (id ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
  constraint tenants_name_check check (name <> '')
);

create table app_private.tenant_logins (
  login name not null,
  tenant_id text collate "C" not null,
  created_at timestamptz not null default now(),
  constraint tenant_logins_pkey primary key (login),
  constraint tenant_logins_tenant_id_fkey foreign key (tenant_id) references app_public.tenants (id) on delete cascade
);
create index tenant_logins_tenant_id_idx on app_private.tenant_logins (tenant_id);

-- The tables below name it in their defaults, so it has to exist before them.
--!include app_private/functions/login_tenant_id.sql
--!include app_private/functions/current_tenant_id.sql

-- ---------------------------------------------------------------------------------------------------------------
-- The six tables of the platform. Keys are (tenant_id, id): two tenants may both have an agent `full_stack_developer`,
-- a foreign key cannot leave its tenant, and the tables can be distributed by tenant.
-- ---------------------------------------------------------------------------------------------------------------

create table app_public.agents (
  tenant_id text collate "C" not null default app_private.current_tenant_id(),
  id varchar(50) not null,
  name varchar(100) not null,
  model varchar(50) not null,
  specialization varchar(50),
  status varchar(20) not null default 'idle',
  config jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint agents_pkey primary key (tenant_id, id),
  constraint agents_tenant_id_fkey foreign key (tenant_id) references app_public.tenants (id) on delete restrict,
  constraint agents_id_check check (id <> ''),
  constraint agents_status_check check (status in ('idle', 'busy', 'paused', 'offline', 'error'))
);

create table app_public.tasks (
  tenant_id text collate "C" not null default app_private.current_tenant_id(),
  id uuid not null default gen_random_uuid(),
  agent_id varchar(50),
  description text not null,
  status varchar(20) not null default 'pending',
  priority varchar(20) not null default 'normal',
  context jsonb not null default '{}',
  result jsonb,
  created_at timestamptz not null default now(),
  started_at timestamptz,
  completed_at timestamptz,
  error_message text,
  constraint tasks_pkey primary key (tenant_id, id),
  constraint tasks_tenant_id_fkey foreign key (tenant_id) references app_public.tenants (id) on delete restrict,
  -- A task outlives its agent: only agent_id is cleared, tenant_id is part of the key.
  constraint tasks_agent_id_fkey foreign key (tenant_id, agent_id) references app_public.agents (tenant_id, id)
    on delete set null (agent_id),
  constraint tasks_status_check
    check (status in ('pending', 'assigned', 'running', 'completed', 'failed', 'cancelled', 'dead')),
  constraint tasks_priority_check check (priority in ('low', 'normal', 'high', 'critical'))
);
create index tasks_agent_id_idx on app_public.tasks (tenant_id, agent_id);
create index tasks_status_idx on app_public.tasks (tenant_id, status);

create table app_public.knowledge (
  tenant_id text collate "C" not null default app_private.current_tenant_id(),
  id varchar(100) not null default gen_random_uuid()::text,
  agent_id varchar(50),
  category varchar(50),
  content text not null,
  source text,
  metadata jsonb not null default '{}',
  embedding public.vector(1536),
  usage_count integer not null default 0,
  relevance_score double precision not null default 1.0,
  created_at timestamptz not null default now(),
  last_used_at timestamptz,
  constraint knowledge_pkey primary key (tenant_id, id),
  constraint knowledge_tenant_id_fkey foreign key (tenant_id) references app_public.tenants (id) on delete restrict,
  constraint knowledge_agent_id_fkey foreign key (tenant_id, agent_id) references app_public.agents (tenant_id, id)
    on delete set null (agent_id),
  constraint knowledge_id_check check (id <> ''),
  constraint knowledge_usage_count_check check (usage_count >= 0)
);
create index knowledge_agent_id_idx on app_public.knowledge (tenant_id, agent_id);
create index knowledge_agent_id_category_idx on app_public.knowledge (tenant_id, agent_id, category);
-- halfvec: half the size of vector at the same recall. Queries must order by the same expression to use it.
create index knowledge_embedding_idx on app_public.knowledge
  using hnsw ((embedding::public.halfvec(1536)) public.halfvec_cosine_ops);

create table app_public.workflows (
  tenant_id text collate "C" not null default app_private.current_tenant_id(),
  id uuid not null default gen_random_uuid(),
  name varchar(100) not null,
  description text,
  steps jsonb not null default '[]',
  status varchar(20) not null default 'draft',
  created_by varchar(50),
  assigned_to varchar(50),
  context jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint workflows_pkey primary key (tenant_id, id),
  constraint workflows_tenant_id_fkey foreign key (tenant_id) references app_public.tenants (id) on delete restrict,
  constraint workflows_steps_check check (jsonb_typeof(steps) = 'array'),
  constraint workflows_status_check
    check (status in ('draft', 'pending', 'running', 'paused', 'completed', 'failed', 'cancelled'))
);

create table app_public.sessions (
  tenant_id text collate "C" not null default app_private.current_tenant_id(),
  id uuid not null default gen_random_uuid(),
  user_id varchar(100) not null,
  token varchar(500) not null,
  data jsonb not null default '{}',
  expires_at timestamptz not null,
  created_at timestamptz not null default now(),
  constraint sessions_pkey primary key (tenant_id, id),
  constraint sessions_tenant_id_fkey foreign key (tenant_id) references app_public.tenants (id) on delete restrict,
  -- A token is looked up before its tenant is known, so it is unique across tenants.
  constraint sessions_token_key unique (token),
  -- SHA-256 in hex. A token itself cannot be stored here, not even by mistake.
  constraint sessions_token_check check (token ~ '^[0-9a-f]{64}$')
);

-- Partitioned by day, without a default partition: a point outside of the made partitions is refused loudly
-- instead of landing where retention can never drop it. Time is in the key because a partition key must be.
create table app_public.metrics (
  tenant_id text collate "C" not null default app_private.current_tenant_id(),
  id bigint generated by default as identity,
  service_name varchar(50) not null,
  metric_name varchar(100) not null,
  value double precision not null,
  tags jsonb not null default '{}',
  "timestamp" timestamptz not null default now(),
  constraint metrics_pkey primary key (tenant_id, "timestamp", id),
  constraint metrics_tenant_id_fkey foreign key (tenant_id) references app_public.tenants (id) on delete restrict
) partition by range ("timestamp");
-- A tenant's points by time are the primary key's order; this one serves jobs that walk time across tenants, and
-- points arrive in order of time, so a BRIN does it for next to nothing.
create index metrics_timestamp_idx on app_public.metrics using brin ("timestamp");
create index metrics_service_name_metric_name_timestamp_idx
  on app_public.metrics (tenant_id, service_name, metric_name, "timestamp");

-- ---------------------------------------------------------------------------------------------------------------
-- The audit log: append-only, partitioned by month, written by triggers only
-- ---------------------------------------------------------------------------------------------------------------

create table audit.log (
  id bigint generated always as identity,
  at timestamptz not null default now(),
  transaction_id xid8 not null default pg_current_xact_id(),
  tenant_id text collate "C",
  table_name text not null,
  operation text not null,
  row_count integer not null,
  key jsonb,
  old_values jsonb,
  new_values jsonb,
  subject text,
  login name not null default session_user,
  role name not null,
  request_id text,
  constraint log_pkey primary key (at, id),
  constraint log_operation_check check (operation in ('insert', 'update', 'delete', 'truncate')),
  -- The truth table: a row of detail has a key and the values its operation has; a summary has neither; a truncate
  -- belongs to no tenant.
  constraint log_values_check check (
    case
      when operation = 'truncate' then tenant_id is null and key is null and old_values is null and new_values is null
      when key is null then tenant_id is not null and old_values is null and new_values is null
      else
        tenant_id is not null
        and row_count = 1
        and (old_values is not null) = (operation in ('update', 'delete'))
        and (new_values is not null) = (operation in ('insert', 'update'))
    end
  )
) partition by range (at);
create index log_tenant_id_at_idx on audit.log (tenant_id, at);

-- ---------------------------------------------------------------------------------------------------------------
-- Behaviour
-- ---------------------------------------------------------------------------------------------------------------

--!include app_private/functions/tg__touch_updated_at.sql
--!include app_private/functions/tg__refuse_key_change.sql
--!include app_private/functions/tg_tasks__notify.sql
--!include app_private/functions/tg_tenants__notify.sql
--!include audit/functions/actor.sql
--!include audit/functions/pick.sql
--!include audit/functions/difference.sql
--!include audit/functions/digest.sql
--!include audit/functions/tg__log_rows.sql
--!include audit/functions/tg__log_summary.sql
--!include audit/functions/tg__log_truncate.sql
--!include audit/functions/enable_tracking.sql
--!include audit/functions/copy_tracking.sql
--!include app_private/functions/create_partition.sql
--!include app_public/views/user_sessions.sql
--!include app_public/triggers/tenants.sql
--!include app_public/triggers/agents.sql
--!include app_public/triggers/tasks.sql
--!include app_public/triggers/knowledge.sql
--!include app_public/triggers/workflows.sql
--!include app_public/triggers/sessions.sql
--!include app_public/triggers/metrics.sql
--!include audit/tracked_tables.sql
--!include ops/functions/create_tenant.sql
--!include ops/functions/set_tenant_suspended.sql
--!include ops/functions/bind_login.sql
--!include ops/functions/unbind_login.sql
--!include ops/functions/ensure_partitions.sql
--!include ops/views/tenants.sql
--!include app_private/policies/tenant_logins.sql
--!include app_public/policies/tenants.sql
--!include app_public/policies/agents.sql
--!include app_public/policies/tasks.sql
--!include app_public/policies/knowledge.sql
--!include app_public/policies/workflows.sql
--!include app_public/policies/sessions.sql
--!include app_public/policies/metrics.sql
--!include audit/policies/log.sql
--!include cross_tenant_policies.sql
--!include grants.sql
--!include app_public/comments.sql
--!include app_private/comments.sql
--!include audit/comments.sql
--!include ops/comments.sql

-- ---------------------------------------------------------------------------------------------------------------
-- The partitions of the coming weeks (even the first row of a tenant leaves one in the log), and the tenant that a
-- single-tenant user never sees
-- ---------------------------------------------------------------------------------------------------------------

select ops.ensure_partitions();
select ops.create_tenant('default', 'Default tenant');
