--! Previous: -
--! Hash: sha1:424878e2fe8ac00cbd0151774892e2eea3179bd4
--! Message: initial

-- The first migration: all state (schemas, tables, types, sequences, indexes) in the order of a reader, then all of sql/, then
-- the rows that every database has. What each column, policy and grant is for stands in the files of sql/.

-- Without this line every function ever made here could be executed by everybody. It has to be the global form:
-- `in schema` cannot take away what PUBLIC gets by default.
alter default privileges revoke execute on functions from public;

create schema app_public;
create schema app_private;
create schema audit;
create schema ops;

-- ---------------------------------------------------------------------------------------------------------------
-- Tenancy
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
--! Included tenancy/login_tenant_id.sql
-- The tenant that a login is bound to, for logins other than the API's. Definer: nobody may read the bindings. It tells a login
-- only its own tenant, and reads session_user, which no setting can change.
create or replace function app_private.login_tenant_id() returns text
language sql stable parallel safe security definer
set search_path to pg_catalog, pg_temp
as $$
  select l.tenant_id
  from app_private.tenant_logins l
  join app_public.tenants t on t.id = l.tenant_id
  where l.login = session_user
    and t.suspended_at is null
$$;

comment on function app_private.login_tenant_id() is 'The tenant that the session''s login is bound to; null when it is not bound or its tenant is suspended.';
-- current_tenant_id names it by identity, which needs no usage of the schema.
grant execute on function app_private.login_tenant_id() to :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :SEARCH;
--! EndIncluded tenancy/login_tenant_id.sql
--! Included tenancy/current_tenant_id.sql
-- The tenant of the caller. A login that may become :ANON is the API's: it has verified a token and names the tenant in a
-- setting. A table binds every other login to a tenant, and whatever such a login sets is ignored.
--
-- No definer, no `set`, and a body that is parsed now instead of at each call, so that the planner inlines it: a policy with
-- `(select app_private.current_tenant_id())` costs one evaluation of a plain expression per statement.
create or replace function app_private.current_tenant_id() returns text
language sql stable parallel safe
return case
  when pg_catalog.pg_has_role(session_user, ':ANON', 'member')
    then nullif(pg_catalog.current_setting('app.tenant_id', true), '')
  else app_private.login_tenant_id()
end;

comment on function app_private.current_tenant_id() is 'The tenant of the caller: from the setting app.tenant_id for the API''s login, from app_private.tenant_logins for any other; null for a caller without one.';
-- Defaults and policies name it by identity, which needs no usage of the schema.
grant execute on function app_private.current_tenant_id() to :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :SEARCH;
--! EndIncluded tenancy/current_tenant_id.sql

-- Keys of the tables of tenants are (tenant_id, id): two tenants may both have an agent `full_stack_developer`, a foreign
-- key cannot leave its tenant, and the tables can be distributed by tenant.

-- ---------------------------------------------------------------------------------------------------------------
-- Agents
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

-- ---------------------------------------------------------------------------------------------------------------
-- Workflows, whose steps become tasks
-- ---------------------------------------------------------------------------------------------------------------

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
  started_at timestamptz,
  paused_at timestamptz,
  completed_at timestamptz,
  error_message text,
  constraint workflows_pkey primary key (tenant_id, id),
  constraint workflows_tenant_id_fkey foreign key (tenant_id) references app_public.tenants (id) on delete restrict,
  constraint workflows_steps_check check (jsonb_typeof(steps) = 'array'),
  constraint workflows_status_check
    check (status in ('draft', 'pending', 'running', 'paused', 'completed', 'failed', 'cancelled'))
);

-- ---------------------------------------------------------------------------------------------------------------
-- Tasks that are claimed under a lease
-- ---------------------------------------------------------------------------------------------------------------

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
  required_capabilities text[] not null default '{}',
  run_after timestamptz not null default now(),
  queue_at timestamptz not null default now(),
  -- No check on these two: nobody may write them, and the functions and triggers that keep them only count up. Postgres
  -- reads the check constraints of a table anew for each statement that writes it, which claims pay for.
  attempt integer not null default 0,
  failures integer not null default 0,
  max_attempts integer not null default 5,
  idempotency_key varchar(200),
  workflow_id uuid,
  step_key varchar(63),
  constraint tasks_pkey primary key (tenant_id, id),
  constraint tasks_tenant_id_fkey foreign key (tenant_id) references app_public.tenants (id) on delete restrict,
  -- A task outlives its agent: only agent_id is cleared, tenant_id is part of the key. And its workflow.
  constraint tasks_agent_id_fkey foreign key (tenant_id, agent_id) references app_public.agents (tenant_id, id)
    on delete set null (agent_id),
  constraint tasks_workflow_id_fkey foreign key (tenant_id, workflow_id) references app_public.workflows (tenant_id, id)
    on delete set null (workflow_id),
  -- One constant instead of an array of as many: checked by every claim.
  constraint tasks_status_check
    check (status::text = any ('{pending,assigned,running,completed,failed,cancelled,dead}'::text[])),
  constraint tasks_priority_check check (priority::text = any ('{low,normal,high,critical}'::text[])),
  constraint tasks_max_attempts_check check (max_attempts > 0),
  constraint tasks_idempotency_key_check check (idempotency_key <> '')
) with (
  -- A status changes three times in a task's life and is indexed, so each change leaves a dead row, and what was claimed
  -- leaves dead entries at the head of the queue's index, which every claim has to pass until a vacuum takes them away. By
  -- default that waits for a fifth of the table, and passes the indexes over while few pages are concerned: both are wrong
  -- for a short queue before a long history.
  autovacuum_analyze_scale_factor = 0.02, autovacuum_analyze_threshold = 5000,
  autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_scale_factor = 0.01,
  vacuum_index_cleanup = on
);
create index tasks_agent_id_idx on app_public.tasks (tenant_id, agent_id);
create index tasks_status_idx on app_public.tasks (tenant_id, status);
-- What a claim walks: waiting tasks only, in the order of the queue. run_after is in it so that tasks which are not due
-- are passed over without a look at the table.
create index tasks_queue_at_run_after_idx on app_public.tasks (tenant_id, queue_at, run_after) where status = 'pending';
create unique index tasks_idempotency_key_idx on app_public.tasks (tenant_id, idempotency_key)
  where idempotency_key is not null;
-- Partial: most tasks have none, and every change of a task's status would write an entry for it.
create index tasks_workflow_id_idx on app_public.tasks (tenant_id, workflow_id) where workflow_id is not null;

-- Later claims have larger tokens, in whichever tenant.
create sequence app_private.fencing_tokens as bigint;

-- Who works on what at the moment: a row per claimed task. Narrow, and with little index, so that a heartbeat is a cheap
-- update. No check on progress: heartbeat_task, which alone writes it, refuses what is out of range.
create table app_public.task_leases (
  tenant_id text collate "C" not null default app_private.current_tenant_id(),
  task_id uuid not null,
  fencing_token bigint not null,
  attempt integer not null,
  agent text not null,
  lease interval not null,
  claimed_at timestamptz not null,
  heartbeat_at timestamptz not null,
  expires_at timestamptz not null,
  progress double precision,
  note text,
  constraint task_leases_pkey primary key (tenant_id, task_id),
  constraint task_leases_task_id_fkey foreign key (tenant_id, task_id) references app_public.tasks (tenant_id, id)
    on delete cascade
) with (
  fillfactor = 50,
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000,
  autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 1000
);
-- Idle agents look for expired leases as often as they ask for a task; without an index they read all that are held. That
-- a heartbeat writes it, too, costs it a tenth.
create index task_leases_expires_at_idx on app_public.task_leases (expires_at);

-- What became of each lease: written once, when it ends.
create table app_public.task_attempts (
  tenant_id text collate "C" not null default app_private.current_tenant_id(),
  task_id uuid not null,
  attempt integer not null,
  fencing_token bigint not null,
  agent text not null,
  claimed_at timestamptz not null,
  ended_at timestamptz not null,
  outcome varchar(20) not null,
  error text,
  progress double precision,
  note text,
  constraint task_attempts_pkey primary key (tenant_id, task_id, attempt),
  constraint task_attempts_task_id_fkey foreign key (tenant_id, task_id) references app_public.tasks (tenant_id, id)
    on delete cascade,
  constraint task_attempts_outcome_check
    check (outcome in ('completed', 'failed', 'expired', 'released', 'cancelled'))
);

-- What a claim answers.
create type app_public.claimed_task as (
  task_id uuid,
  fencing_token bigint,
  attempt integer,
  max_attempts integer,
  expires_at timestamptz,
  agent_id varchar(50),
  priority varchar(20),
  description text,
  context jsonb,
  required_capabilities text[],
  created_at timestamptz
);

-- ---------------------------------------------------------------------------------------------------------------
-- How far the steps of started workflows are
-- ---------------------------------------------------------------------------------------------------------------

create table app_public.workflow_steps (
  tenant_id text collate "C" not null default app_private.current_tenant_id(),
  workflow_id uuid not null,
  key varchar(63) not null,
  position integer not null,
  depends_on text[] not null,
  on_failure varchar(20) not null,
  definition jsonb not null,
  status varchar(20) not null default 'pending',
  task_id uuid,
  result jsonb,
  error_message text,
  started_at timestamptz,
  completed_at timestamptz,
  timeout_at timestamptz,
  constraint workflow_steps_pkey primary key (tenant_id, workflow_id, key),
  constraint workflow_steps_workflow_id_fkey foreign key (tenant_id, workflow_id)
    references app_public.workflows (tenant_id, id) on delete cascade,
  constraint workflow_steps_task_id_fkey foreign key (tenant_id, task_id) references app_public.tasks (tenant_id, id)
    on delete set null (task_id),
  constraint workflow_steps_on_failure_check check (on_failure in ('fail', 'skip', 'continue')),
  constraint workflow_steps_status_check
    check (status in ('pending', 'running', 'completed', 'failed', 'skipped', 'cancelled'))
);
create index workflow_steps_task_id_idx on app_public.workflow_steps (tenant_id, task_id);
-- What the worker looks through every few seconds.
create index workflow_steps_timeout_at_idx on app_public.workflow_steps (timeout_at) where status = 'running';

-- What workflow_progress answers.
create type app_public.workflow_overview as (
  workflow_id uuid,
  status varchar(20),
  progress double precision,
  total integer,
  pending integer,
  running integer,
  completed integer,
  failed integer,
  skipped integer,
  cancelled integer,
  error_message text,
  started_at timestamptz,
  completed_at timestamptz,
  steps jsonb
);

-- ---------------------------------------------------------------------------------------------------------------
-- Knowledge
-- ---------------------------------------------------------------------------------------------------------------

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
  -- Why the content could not be embedded.
  embedding_error text,
  constraint knowledge_pkey primary key (tenant_id, id),
  constraint knowledge_tenant_id_fkey foreign key (tenant_id) references app_public.tenants (id) on delete restrict,
  constraint knowledge_agent_id_fkey foreign key (tenant_id, agent_id) references app_public.agents (tenant_id, id)
    on delete set null (agent_id),
  constraint knowledge_id_check check (id <> ''),
  constraint knowledge_usage_count_check check (usage_count >= 0)
) with (
  -- Room on each page for a row's next version: counting a use then touches no index (HOT).
  fillfactor = 85
);
create index knowledge_agent_id_idx on app_public.knowledge (tenant_id, agent_id);
create index knowledge_agent_id_category_idx on app_public.knowledge (tenant_id, agent_id, category);
-- halfvec: half the size of vector at the same recall. Queries must order by the same expression to use it.
create index knowledge_embedding_idx on app_public.knowledge
  using hnsw ((embedding::public.halfvec(1536)) public.halfvec_cosine_ops);
-- Full text. An expression and no stored column: a generated column is computed anew at each update of a table with a
-- `before` trigger, and would end HOT updates. The tenant is a word of each document, so that a search reads its own
-- tenant's part of the index only, without another extension. 200,000 characters are what a tsvector surely holds.
create index knowledge_content_idx on app_public.knowledge using gin (
  (to_tsvector('pg_catalog.english', left(content, 200000)) || array_to_tsvector(array['tenant:' || tenant_id]))
);
create index knowledge_metadata_idx on app_public.knowledge using gin (metadata jsonb_path_ops);
-- What the embedding job reads: each tenant's part in turn, oldest first.
create index knowledge_created_at_idx on app_public.knowledge (tenant_id, created_at)
  where embedding is null and embedding_error is null;

create type app_public.knowledge_match as (
  id varchar(100),
  agent_id varchar(50),
  category varchar(50),
  content text,
  source text,
  metadata jsonb,
  usage_count integer,
  relevance_score double precision,
  created_at timestamptz,
  last_used_at timestamptz,
  score double precision,
  similarity double precision,
  vector_rank integer,
  text_relevance double precision,
  text_rank integer
);

-- ---------------------------------------------------------------------------------------------------------------
-- Sessions, whose tokens open the API
-- ---------------------------------------------------------------------------------------------------------------

create table app_public.sessions (
  tenant_id text collate "C" not null default app_private.current_tenant_id(),
  id uuid not null default gen_random_uuid(),
  user_id varchar(100) not null,
  token varchar(500) not null,
  data jsonb not null default '{}',
  expires_at timestamptz not null,
  created_at timestamptz not null default now(),
  role varchar(20) not null default 'member',
  sliding_ttl interval,
  ends_at timestamptz,
  constraint sessions_pkey primary key (tenant_id, id),
  constraint sessions_tenant_id_fkey foreign key (tenant_id) references app_public.tenants (id) on delete restrict,
  -- A token is looked up before its tenant is known, so it is unique across tenants.
  constraint sessions_token_key unique (token),
  -- SHA-256 in hex. A token itself cannot be stored here, not even by mistake.
  constraint sessions_token_check check (token ~ '^[0-9a-f]{64}$'),
  constraint sessions_role_check check (role in ('member', 'service', 'admin')),
  constraint sessions_sliding_ttl_check check (sliding_ttl > interval '0'),
  constraint sessions_user_id_check check (user_id <> '')
);
-- A user's sessions: their own list, and to end them all.
create index sessions_user_id_idx on app_public.sessions (tenant_id, user_id);

-- ---------------------------------------------------------------------------------------------------------------
-- Metrics: points, their rollups of a minute, an hour and a day, and what has to be rolled up. Rollups are written by the
-- worker, all tenants at once, so tenant_id has no default in them.
--
-- Tags can be larger than an index entry, so keys hold their digest. A sketch is a histogram whose buckets grow by two per
-- cent (DDSketch, Masson, Rim and Lee 2019): how many values fell into each, so that two merge by adding up, and
-- percentiles come out right to one per cent. See app_private.metric_key. A sum is null where it is beyond a double:
-- readers' and the worker's statements must not fail over it.
-- ---------------------------------------------------------------------------------------------------------------

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
  constraint metrics_tenant_id_fkey foreign key (tenant_id) references app_public.tenants (id) on delete restrict,
  constraint metrics_value_check check (value > '-Infinity' and value < 'Infinity'),
  constraint metrics_tags_check check (jsonb_typeof(tags) = 'object')
) partition by range ("timestamp");
-- A tenant's points by time are the primary key's order; this one serves jobs that walk time across tenants, and
-- points arrive in order of time, so a BRIN does it for next to nothing.
create index metrics_timestamp_idx on app_public.metrics using brin ("timestamp");
create index metrics_service_name_metric_name_timestamp_idx
  on app_public.metrics (tenant_id, service_name, metric_name, "timestamp");

create table app_public.metrics_minute (
  tenant_id text collate "C" not null,
  service_name varchar(50) not null,
  metric_name varchar(100) not null,
  tags jsonb not null default '{}',
  tags_hash uuid not null generated always as (md5(tags::text)::uuid) stored,
  bucket timestamptz not null,
  count bigint not null,
  sum double precision,
  min double precision not null,
  max double precision not null,
  last double precision not null,
  last_at timestamptz not null,
  sketch_keys integer[] not null,
  sketch_counts bigint[] not null,
  constraint metrics_minute_pkey primary key (tenant_id, service_name, metric_name, bucket, tags_hash),
  constraint metrics_minute_tenant_id_fkey foreign key (tenant_id) references app_public.tenants (id) on delete restrict,
  constraint metrics_minute_bucket_check check (date_bin('1 minute', bucket, '2001-01-01 00:00:00Z') = bucket),
  constraint metrics_minute_count_check check (count > 0),
  constraint metrics_minute_sketch_counts_check check (cardinality(sketch_counts) = cardinality(sketch_keys))
) partition by range (bucket);
create index metrics_minute_bucket_idx on app_public.metrics_minute using brin (bucket);

create table app_public.metrics_hour (
  tenant_id text collate "C" not null,
  service_name varchar(50) not null,
  metric_name varchar(100) not null,
  tags jsonb not null default '{}',
  tags_hash uuid not null generated always as (md5(tags::text)::uuid) stored,
  bucket timestamptz not null,
  count bigint not null,
  sum double precision,
  min double precision not null,
  max double precision not null,
  last double precision not null,
  last_at timestamptz not null,
  sketch_keys integer[] not null,
  sketch_counts bigint[] not null,
  constraint metrics_hour_pkey primary key (tenant_id, service_name, metric_name, bucket, tags_hash),
  constraint metrics_hour_tenant_id_fkey foreign key (tenant_id) references app_public.tenants (id) on delete restrict,
  constraint metrics_hour_bucket_check check (date_bin('1 hour', bucket, '2001-01-01 00:00:00Z') = bucket),
  constraint metrics_hour_count_check check (count > 0),
  constraint metrics_hour_sketch_counts_check check (cardinality(sketch_counts) = cardinality(sketch_keys))
) partition by range (bucket);
create index metrics_hour_bucket_idx on app_public.metrics_hour using brin (bucket);

-- A row per series and day: small enough to be one table, from which retention deletes.
create table app_public.metrics_day (
  tenant_id text collate "C" not null,
  service_name varchar(50) not null,
  metric_name varchar(100) not null,
  tags jsonb not null default '{}',
  tags_hash uuid not null generated always as (md5(tags::text)::uuid) stored,
  bucket timestamptz not null,
  count bigint not null,
  sum double precision,
  min double precision not null,
  max double precision not null,
  last double precision not null,
  last_at timestamptz not null,
  sketch_keys integer[] not null,
  sketch_counts bigint[] not null,
  constraint metrics_day_pkey primary key (tenant_id, service_name, metric_name, bucket, tags_hash),
  constraint metrics_day_tenant_id_fkey foreign key (tenant_id) references app_public.tenants (id) on delete restrict,
  constraint metrics_day_bucket_check check (date_bin('1 day', bucket, '2001-01-01 00:00:00Z') = bucket),
  constraint metrics_day_count_check check (count > 0),
  constraint metrics_day_sketch_counts_check check (cardinality(sketch_counts) = cardinality(sketch_keys))
);
create index metrics_day_bucket_idx on app_public.metrics_day using brin (bucket);

-- `detach ... concurrently` runs in no function, so whoever removes partitions has to own their parent. That is this role
-- and not the owner of everything: the worker may become it, and gets at metrics by it, all of which it reads anyway. The
-- partitions stay the owner's.
grant usage, create on schema app_public to :KEEPER;
alter table app_public.metrics owner to :KEEPER;
alter table app_public.metrics_minute owner to :KEEPER;
alter table app_public.metrics_hour owner to :KEEPER;
revoke create on schema app_public from :KEEPER;

-- A row per statement, tenant and minute: only added to by writers, so that they wait for nobody, and removed by the worker.
-- No primary key, which nobody would use, and no foreign key to tenants, a look-up for each row: rows are gone within
-- minutes.
create table ops.metric_changes (
  resolution text not null,
  tenant_id text collate "C" not null,
  bucket timestamptz not null,
  constraint metric_changes_resolution_check check (resolution in ('minute', 'hour', 'day'))
) with (
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
  autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 50000,
  autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000
);
-- The worker's order.
create index metric_changes_resolution_bucket_idx on ops.metric_changes (resolution, bucket);
-- A reader's question.
create index metric_changes_tenant_id_bucket_resolution_idx on ops.metric_changes (tenant_id, bucket, resolution);

create table ops.metric_rollups (
  resolution text not null,
  rolled_up_at timestamptz,
  constraint metric_rollups_pkey primary key (resolution),
  constraint metric_rollups_resolution_check check (resolution in ('minute', 'hour', 'day'))
);
insert into ops.metric_rollups (resolution) values ('minute'), ('hour'), ('day');

-- Before when points of a tenant (null: of all) are refused, and before when nothing of them is to be rolled up any more.
create table ops.metric_floors (
  tenant_id text collate "C",
  kept_from timestamptz not null,
  closed_to timestamptz not null default '-infinity',
  moved_by xid8 not null default pg_current_xact_id(),
  constraint metric_floors_tenant_id_key unique nulls not distinct (tenant_id),
  constraint metric_floors_tenant_id_fkey foreign key (tenant_id) references app_public.tenants (id) on delete cascade,
  constraint metric_floors_closed_to_check check (closed_to <= kept_from)
);

-- ---------------------------------------------------------------------------------------------------------------
-- Live updates: the outbox. One row per statement and tenant: what changed, by key, and nothing of what it says.
-- ---------------------------------------------------------------------------------------------------------------

-- Read by transaction, not by id: ids are given out before transactions commit. No foreign key to tenants: a look-up for
-- each write, for rows that are gone within hours.
create table app_private.events (
  transaction_id xid8 not null default pg_current_xact_id(),
  id bigint generated always as identity,
  tenant_id text collate "C" not null,
  topic text not null,
  operation text not null,
  keys text[],
  at timestamptz not null default now(),
  constraint events_pkey primary key (transaction_id, id)
) with (
  -- It is only ever appended to and trimmed: vacuum by rows, whatever its size.
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
  autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 50000,
  autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000
);

-- What was visible when: how the outbox is trimmed by the time that events have been readable, and not by the time at
-- which a long transaction wrote them.
create table app_private.event_marks (
  at timestamptz not null default clock_timestamp(),
  snapshot pg_snapshot not null default pg_current_snapshot(),
  trimmed boolean not null default false,
  constraint event_marks_pkey primary key (at)
);

-- ---------------------------------------------------------------------------------------------------------------
-- The audit log: append-only, partitioned by month, written by triggers only
-- ---------------------------------------------------------------------------------------------------------------

-- A row of detail has a key and the values its operation has; a summary has neither; a truncate belongs to no tenant. No
-- check says so: it took a tenth of a claim, to hold the functions that write the log, and nobody else may, to what they do.
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
  constraint log_pkey primary key (at, id)
) partition by range (at);
create index log_tenant_id_at_idx on audit.log (tenant_id, at);

-- ---------------------------------------------------------------------------------------------------------------
-- Jobs: what ran when, how far it is and what came of it; workers that are alive, the tasks that they know, and alerts
-- ---------------------------------------------------------------------------------------------------------------

create table ops.job_runs (
  id bigint generated always as identity,
  task text not null,
  details jsonb not null default '{}',
  worker text not null,
  job_id bigint,
  lock text,
  outcome text not null default 'running',
  progress double precision,
  note text,
  error text,
  idle boolean not null default false,
  started_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  lease_until timestamptz not null,
  finished_at timestamptz,
  -- When it last said something new; its lease is renewed without that.
  progressed_at timestamptz,
  constraint job_runs_pkey primary key (id),
  constraint job_runs_outcome_check check (outcome in ('running', 'succeeded', 'failed', 'abandoned')),
  constraint job_runs_progress_check check (progress between 0 and 1),
  constraint job_runs_finished_check check ((outcome = 'running') = (finished_at is null)),
  constraint job_runs_error_check check ((outcome in ('failed', 'abandoned')) = (error is not null)),
  constraint job_runs_idle_check check (outcome = 'succeeded' or not idle)
) with (fillfactor = 50);
-- Single flight.
create unique index job_runs_lock_idx on ops.job_runs (lock) where outcome = 'running';
-- The last runs of a task.
create index job_runs_task_started_at_idx on ops.job_runs (task, started_at);
-- How often a job took its worker with it.
create index job_runs_job_id_idx on ops.job_runs (job_id) where job_id is not null;

create table ops.workers (
  id text not null,
  host text not null,
  pid integer not null,
  version text not null,
  started_at timestamptz not null default clock_timestamp(),
  seen_at timestamptz not null default clock_timestamp(),
  stopped_at timestamptz,
  lost_at timestamptz,
  constraint workers_pkey primary key (id)
) with (fillfactor = 50);

-- `every` is null for tasks that nothing schedules.
create table ops.job_tasks (
  task text not null,
  does text not null,
  schedule text,
  every interval,
  expected interval not null,
  known_since timestamptz not null default clock_timestamp(),
  constraint job_tasks_pkey primary key (task),
  constraint job_tasks_every_check check ((schedule is null) = (every is null))
);

create table ops.alerts (
  id bigint generated always as identity,
  kind text not null,
  subject text not null,
  severity text not null,
  message text not null,
  details jsonb not null default '{}',
  raised_at timestamptz not null default clock_timestamp(),
  last_seen_at timestamptz not null default clock_timestamp(),
  resolved_at timestamptz,
  constraint alerts_pkey primary key (id),
  constraint alerts_severity_check check (severity in ('warning', 'error'))
) with (fillfactor = 50);
-- One that is open for each thing that is wrong.
create unique index alerts_kind_subject_idx on ops.alerts (kind, subject) where resolved_at is null;

-- What jobs set aside of single tenants. No foreign key to tenants: who sets something aside must not fail over it.
create table ops.quarantined_items (
  task text not null,
  tenant_id text collate "C" not null,
  item text not null,
  code text not null,
  reason text not null,
  failures integer not null default 1,
  first_failed_at timestamptz not null default clock_timestamp(),
  last_failed_at timestamptz not null default clock_timestamp(),
  retry_at timestamptz not null default clock_timestamp() + interval '1 minute',
  constraint quarantined_items_pkey primary key (task, tenant_id, item)
);

-- ---------------------------------------------------------------------------------------------------------------
-- Retention: what is kept for how long, for every tenant or for one; what has to go is rolled up first, and leaves a receipt
-- ---------------------------------------------------------------------------------------------------------------

create table ops.retention_policies (
  policy text not null,
  description text not null,
  keep interval,
  by_tenant boolean not null,
  constraint retention_policies_pkey primary key (policy),
  constraint retention_policies_keep_check check (keep >= interval '1 hour')
);
insert into ops.retention_policies (policy, description, keep, by_tenant) values
  ('metrics.raw', 'Points, once they are rolled up.', '7 days', true),
  ('metrics.minute', 'Rollups of a minute, once they are merged.', '30 days', true),
  ('metrics.hour', 'Rollups of an hour, once they are merged.', '365 days', true),
  ('metrics.day', 'Rollups of a day.', null, true),
  ('sessions', 'Sessions that have expired; revoked ones go at once.', '7 days', true),
  ('tasks', 'Tasks that are completed, failed, dead or cancelled, with their attempts.', null, true),
  ('task_attempts', 'Attempts of such tasks.', null, true),
  ('job_runs', 'Runs of the worker''s jobs.', '90 days', false),
  ('dead_jobs', 'Jobs of the worker that have used up their attempts.', '30 days', false),
  ('alerts', 'Alerts, after they were resolved.', '365 days', false),
  ('drills', 'Drills, but the newest and the newest that passed.', '730 days', false),
  ('backups', 'Records of backups, after these were removed.', '365 days', false);

create table ops.retention_overrides (
  policy text not null,
  tenant_id text collate "C" not null,
  keep interval,
  constraint retention_overrides_pkey primary key (policy, tenant_id),
  constraint retention_overrides_policy_fkey foreign key (policy) references ops.retention_policies (policy) on delete cascade,
  constraint retention_overrides_tenant_id_fkey foreign key (tenant_id) references app_public.tenants (id) on delete cascade,
  constraint retention_overrides_keep_check check (keep >= interval '1 hour')
);
create index retention_overrides_tenant_id_idx on ops.retention_overrides (tenant_id);

create table ops.retention_holds (
  id bigint generated always as identity,
  policy text not null,
  tenant_id text collate "C",
  held tstzrange not null,
  reason text not null,
  created_at timestamptz not null default now(),
  constraint retention_holds_pkey primary key (id),
  constraint retention_holds_policy_fkey foreign key (policy) references ops.retention_policies (policy) on delete cascade,
  constraint retention_holds_tenant_id_fkey foreign key (tenant_id) references app_public.tenants (id) on delete cascade
);
create index retention_holds_policy_idx on ops.retention_holds (policy);
create index retention_holds_tenant_id_idx on ops.retention_holds (tenant_id);

create table ops.partition_removals (
  partition text not null,
  parent text not null,
  policy text not null,
  held tstzrange not null,
  rows_by_tenant jsonb not null,
  began_at timestamptz not null default now(),
  tried_at timestamptz,
  problem text,
  constraint partition_removals_pkey primary key (partition)
);

create table ops.retention_receipts (
  id bigint generated always as identity,
  at timestamptz not null default clock_timestamp(),
  policy text not null,
  tenant_id text collate "C",
  older_than timestamptz not null,
  partition text,
  row_count bigint not null,
  bytes bigint,
  constraint retention_receipts_pkey primary key (id)
);
create index retention_receipts_at_idx on ops.retention_receipts (at);

-- ---------------------------------------------------------------------------------------------------------------
-- Backups: which there are, how receiving WAL stands, and what drills found: whether backups can be restored, when that was
-- last proven, and how long it takes
-- ---------------------------------------------------------------------------------------------------------------

create table ops.backups (
  id text not null,
  kind text not null,
  parent_id text,
  started_at timestamptz not null,
  ended_at timestamptz not null,
  objects integer not null,
  bytes bigint not null,
  stored_bytes bigint not null,
  manifest_sha256 text not null,
  server jsonb,
  recorded_at timestamptz not null default clock_timestamp(),
  removed_at timestamptz,
  constraint backups_pkey primary key (id),
  constraint backups_kind_check check (kind in ('full', 'incremental', 'snapshot')),
  constraint backups_parent_check check ((kind = 'incremental') = (parent_id is not null))
);

create table ops.wal_receivers (
  slot text not null,
  receiving boolean not null,
  received_lsn pg_lsn,
  kept_bytes bigint,
  safe_bytes bigint,
  wal_status text,
  problem text,
  seen_at timestamptz not null default clock_timestamp(),
  constraint wal_receivers_pkey primary key (slot)
) with (fillfactor = 50);

create table ops.drills (
  id bigint generated always as identity,
  started_at timestamptz not null,
  finished_at timestamptz not null default clock_timestamp(),
  backups text[] not null,
  "position" text,
  compared_tables integer not null,
  compared_rows bigint not null,
  restore_time interval,
  problems text[] not null,
  self_tests jsonb not null,
  passed boolean not null generated always as (cardinality(problems) = 0) stored,
  constraint drills_pkey primary key (id),
  -- A drill that compared nothing has not passed, whoever says so.
  constraint drills_passed_check check (
    cardinality(problems) > 0 or compared_rows > 0 and cardinality(backups) > 0 and restore_time is not null
  )
);

-- ---------------------------------------------------------------------------------------------------------------
-- Behaviour: who may look into which schema
-- ---------------------------------------------------------------------------------------------------------------

--! Included tenancy/schemas.sql
-- The schemas and who may look into them. A schema decides who may look, a folder of sql/ what something is about.

comment on schema app_public is E'Agent Lightning DB\nThe state of AI agents. Every table is confined to one tenant by row-level security, and this list follows the caller''s rights: without a token it is almost empty.';
comment on schema app_private is 'Helpers that decide who may see what. Not granted to any role that clients can use.';
comment on schema audit is 'Who changed what: an append-only log, written by triggers in the transaction of the change.';
comment on schema ops is 'Operations across tenants: for operators and the worker.';

-- The rights on a table or function are in its own file.
revoke all on schema app_public, app_private, audit, ops from public;
grant usage on schema app_public to :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :WORKER, :SEARCH;
grant usage on schema audit to :ADMIN, :OPERATOR;
grant usage on schema ops to :OPERATOR, :WORKER;

-- app_private is not granted to any role that clients can use. Defaults and policies name its functions by identity and need
-- no usage of it. The functions that run as :SEARCH use names.
grant usage on schema app_private to :SEARCH;

-- Every process checks before it serves whether the schema fits. The API does so as an anonymous request, which calls
-- ops.applied_migrations by its full name and so needs usage of the schema.
grant usage on schema ops to :ANON;
--! EndIncluded tenancy/schemas.sql

-- ---------------------------------------------------------------------------------------------------------------
-- Functions, by subject; first those of retention and jobs that other subjects call
-- ---------------------------------------------------------------------------------------------------------------

--! Included retention/retention_tenant_id.sql
-- The tenant whose rows the worker is removing. Policies confine it to this tenant, whatever a statement forgets.
create or replace function app_private.retention_tenant_id() returns text
language sql stable parallel safe
return nullif(pg_catalog.current_setting('app.retention_tenant_id', true), '');

comment on function app_private.retention_tenant_id() is 'The tenant whose rows the worker is removing, from the setting app.retention_tenant_id; null: none.';
grant execute on function app_private.retention_tenant_id() to :WORKER;
--! EndIncluded retention/retention_tenant_id.sql
--! Included retention/is_held.sql
-- Whether a tenant's data of a time has to stay whatever its age: an import that the operator has not released, or a dispute.
create or replace function ops.is_held(policy text, tenant_id text, at timestamptz) returns boolean
language sql stable
begin atomic
  select exists (
    select
    from ops.retention_holds h
    where h.policy = is_held.policy and (h.tenant_id is null or h.tenant_id = is_held.tenant_id) and h.held @> is_held.at
  );
end;

comment on function ops.is_held(text, text, timestamptz) is 'Whether ops.retention_holds keeps a tenant''s data of a time.';
grant execute on function ops.is_held(text, text, timestamptz) to :OPERATOR, :WORKER;
--! EndIncluded retention/is_held.sql
--! Included retention/retention_of.sql
-- How long a policy keeps a tenant's rows: by the tenant's own setting, otherwise by that for all.
create or replace function ops.retention_of(policy text, tenant_id text) returns interval
language sql stable
begin atomic
  select case when o.policy is null then p.keep else o.keep end
  from ops.retention_policies p
  left join ops.retention_overrides o on o.policy = p.policy and o.tenant_id = retention_of.tenant_id
  where p.policy = retention_of.policy;
end;

comment on function ops.retention_of(text, text) is 'How long a policy keeps a tenant''s rows; null: forever.';
grant execute on function ops.retention_of(text, text) to :OPERATOR, :WORKER;
--! EndIncluded retention/retention_of.sql
--! Included retention/partition_ranges.sql
-- The times covered by a table that is partitioned by range of one time, read from the bounds that the catalog prints.
create or replace function app_private.partition_ranges(parent regclass) returns tstzmultirange
language sql stable
set search_path to pg_catalog, pg_temp
set datestyle to 'ISO'
set timezone to 'UTC'
as $$
  select coalesce(range_agg(tstzrange(b.ends[1]::timestamptz, b.ends[2]::timestamptz)), '{}')
  from pg_inherits i
  join pg_class c on c.oid = i.inhrelid
  cross join regexp_match(
    pg_get_expr(c.relpartbound, c.oid), $bounds$^FOR VALUES FROM \('([^']+)'\) TO \('([^']+)'\)$bounds$
  ) b(ends)
  where i.inhparent = parent and not i.inhdetachpending
$$;

comment on function app_private.partition_ranges(regclass) is 'The times for which a table partitioned by time has partitions.';
grant execute on function app_private.partition_ranges(regclass) to :SERVICE, :ADMIN, :OPERATOR, :WORKER;
--! EndIncluded retention/partition_ranges.sql
--! Included jobs/quarantined.sql
-- The items that a task leaves out for now. One query without `set`, so that the planner inlines it.
create or replace function ops.quarantined(task text) returns table (tenant_id text, item text)
language sql stable
begin atomic
  select q.tenant_id, q.item
  from ops.quarantined_items q
  where q.task = quarantined.task and q.retry_at > now();
end;

comment on function ops.quarantined(text) is 'The items that a task leaves out until it is time to try them again.';
grant execute on function ops.quarantined(text) to :WORKER;
--! EndIncluded jobs/quarantined.sql

--! Included tenancy/bind_login.sql
-- Binds a login to the tenant that it will see. Refuses a login with rights beyond one tenant, and one that belongs to another
-- tenant, whose open connections would change tenant. Definer: nobody may write the bindings.
create or replace function ops.bind_login(login name, tenant_id text) returns void
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_bound text;
begin
  if not exists (select from app_public.tenants t where t.id = bind_login.tenant_id) then
    raise exception 'tenant % does not exist', bind_login.tenant_id
      using errcode = 'LTT02', hint = 'List them: select * from ops.tenants.';
  end if;
  if exists (
    select from pg_roles r
    where r.rolname = bind_login.login
      and (r.rolsuper or r.rolbypassrls or pg_has_role(r.oid, ':OWNER', 'member') or pg_has_role(r.oid, ':ANON', 'member'))
  ) then
    raise exception 'login % has rights beyond one tenant', bind_login.login
      using errcode = 'LTT03', hint = 'Create a login for this tenant: lightning login create NAME --tenant ' || bind_login.tenant_id;
  end if;
  insert into app_private.tenant_logins (login, tenant_id)
  values (bind_login.login, bind_login.tenant_id)
  on conflict on constraint tenant_logins_pkey do nothing;
  select l.tenant_id into strict v_bound from app_private.tenant_logins l where l.login = bind_login.login;
  if v_bound <> bind_login.tenant_id then
    raise exception 'login % belongs to tenant %', bind_login.login, v_bound
      using errcode = 'LTT04', hint = 'Drop it first: lightning login drop ' || bind_login.login;
  end if;
end
$$;

comment on function ops.bind_login(name, text) is 'Binds a login to the tenant that it will see. LTT02 no such tenant, LTT03 the login has rights beyond one tenant, LTT04 it belongs to another tenant.';
-- No grant: only the owner calls it, when it creates or drops the login, which operators cannot do.
--! EndIncluded tenancy/bind_login.sql
--! Included tenancy/create_tenant.sql
-- Makes a tenant, or returns the existing one if its name is the same. Definer: only the owner's policy on tenants may write
-- them.
create or replace function ops.create_tenant(tenant_id text, name text) returns app_public.tenants
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_tenant app_public.tenants;
begin
  insert into app_public.tenants (id, name)
  values (create_tenant.tenant_id, create_tenant.name)
  on conflict (id) do nothing
  returning * into v_tenant;
  if not found then
    select * into strict v_tenant from app_public.tenants t where t.id = create_tenant.tenant_id;
    if v_tenant.name <> create_tenant.name then
      raise exception 'tenant % already exists, under the name %', v_tenant.id, v_tenant.name
        using errcode = 'LTT01', hint = 'Choose another id.';
    end if;
  end if;
  return v_tenant;
end
$$;

comment on function ops.create_tenant(text, text) is 'Makes a tenant, or returns the one with that id and name. LTT01 when the id is taken under another name.';
grant execute on function ops.create_tenant(text, text) to :OPERATOR;
--! EndIncluded tenancy/create_tenant.sql
--! Included tenancy/set_tenant_suspended.sql
-- Suspends a tenant or lets it in again. The tokens of a suspended tenant are refused and its logins see nothing; its data
-- stays as it is. Definer, as ops.create_tenant.
create or replace function ops.set_tenant_suspended(tenant_id text, suspended boolean) returns app_public.tenants
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_tenant app_public.tenants;
begin
  update app_public.tenants t
  set suspended_at = case when suspended then coalesce(t.suspended_at, now()) end
  where t.id = set_tenant_suspended.tenant_id
  returning * into v_tenant;
  if not found then
    raise exception 'tenant % does not exist', set_tenant_suspended.tenant_id
      using errcode = 'LTT02', hint = 'List them: select * from ops.tenants.';
  end if;
  return v_tenant;
end
$$;

comment on function ops.set_tenant_suspended(text, boolean) is 'Suspends a tenant, or lets it in again. LTT02 when it does not exist.';
grant execute on function ops.set_tenant_suspended(text, boolean) to :OPERATOR;
--! EndIncluded tenancy/set_tenant_suspended.sql
--! Included tenancy/suspended_tenants.sql
-- The suspended tenants. The API asks at its start and at each notification of `lightning:tenants`, as an anonymous request,
-- and refuses their tokens. Definer: nobody sees another tenant. It reveals only the ids of suspended tenants.
create or replace function ops.suspended_tenants() returns setof text
language sql stable security definer
set search_path to pg_catalog, pg_temp
as $$
  select t.id from app_public.tenants t where t.suspended_at is not null
$$;

comment on function ops.suspended_tenants() is 'Ids of the suspended tenants.';
-- Each process of the API asks which tokens to refuse, as an anonymous request.
grant execute on function ops.suspended_tenants() to :ANON, :OPERATOR;
--! EndIncluded tenancy/suspended_tenants.sql
--! Included tenancy/tg_tenants__notify.sql
-- Tells the API's processes that a tenant was suspended or resumed. No payload: they read the list again.
create or replace function app_private.tg_tenants__notify() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  perform pg_notify('lightning:tenants', '');
  return null;
end
$$;

comment on function app_private.tg_tenants__notify() is 'Trigger: NOTIFY lightning:tenants without payload when a tenant was suspended or resumed.';
--! EndIncluded tenancy/tg_tenants__notify.sql
--! Included tenancy/unbind_login.sql
-- Removes a login's binding: from its next statement on it sees no tenant. Definer, as ops.bind_login.
create or replace function ops.unbind_login(login name) returns boolean
language sql volatile security definer
set search_path to pg_catalog, pg_temp
begin atomic
  with gone as (delete from app_private.tenant_logins l where l.login = unbind_login.login returning 1)
  select exists (select from gone);
end;

comment on function ops.unbind_login(name) is 'Removes a login''s binding to its tenant; false when it had none.';
-- No grant: only the owner calls it, when it creates or drops the login, which operators cannot do.
--! EndIncluded tenancy/unbind_login.sql

--! Included migrations/applied_migrations.sql
-- The migrations that this database has, oldest first. Every process calls it to check whether it fits the schema. Definer: the
-- ledger belongs to the owner, and the names and hashes of files are not secret.
create or replace function ops.applied_migrations() returns table (filename text, hash text)
language plpgsql stable security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  return query select m.filename, m.hash from graphile_migrate.migrations m order by m.filename;
end
$$;

comment on function ops.applied_migrations() is 'The migrations that this database has, oldest first, with the hashes of their texts.';
-- Every process checks before it serves whether the schema fits, the API as an anonymous request.
grant execute on function ops.applied_migrations() to :ANON, :OPERATOR, :WORKER;
--! EndIncluded migrations/applied_migrations.sql

--! Included rows/may_print_long.sql
-- Searches the stored form, without printing, for numbers beyond a double, numbers that are nearly zero, and zeros, which may
-- have 16,383 digits behind the point.
create or replace function app_private.may_print_long(document jsonb) returns boolean
language sql immutable strict parallel safe
return pg_catalog.jsonb_path_exists(
  document,
  'strict $.** ? (@.type() == "number" && (@ > 1e308 || @ < -1e308 || (@ < 1e-308 && @ > -1e-308)))'
);

comment on function app_private.may_print_long(jsonb) is 'Whether JSON holds numbers that print far longer than they are stored.';
-- Conditions of triggers call it with the rights of whoever writes.
grant execute on function app_private.may_print_long(jsonb) to :MEMBER, :SERVICE, :ADMIN, :WORKER, :KEEPER;
--! EndIncluded rows/may_print_long.sql
--! Included rows/tg__refuse_key_change.sql
-- Keys never change: the audit log, the leases and other systems refer to rows by them. Grants already exclude the key
-- columns; this trigger stops the owner, too.
create or replace function app_private.tg__refuse_key_change() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  raise exception 'the key of a row in %.% cannot be changed', TG_TABLE_SCHEMA, TG_TABLE_NAME
    using errcode = 'LTK01', hint = 'Insert a row under the new key and delete the old one.';
end
$$;

comment on function app_private.tg__refuse_key_change() is 'Trigger: refuses to change a key, with LTK01.';
--! EndIncluded rows/tg__refuse_key_change.sql
--! Included rows/tg__refuse_long_numbers.sql
-- JSON holds 1e131071 in ten bytes and prints it in 131,072 characters. 5 MB of such numbers can be stored but neither read nor
-- converted to text for a drill, which fails for as long as the row exists. So the printed length of a column's numbers is
-- limited. It is measured only where `may_print_long` holds. The argument is the column's name.
create or replace function app_private.tg__refuse_long_numbers() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_length bigint;
  v_printed bigint := 0;
begin
  for v_length in
    select octet_length(n.number::text)
    from jsonb_path_query(to_jsonb(NEW) -> TG_ARGV[0], 'strict $.** ? (@.type() == "number")') n(number)
  loop
    v_printed := v_printed + v_length;
    -- Stops at the limit, so that the sender does not wait for the rest.
    if v_printed > 10000000 then
      raise exception 'the numbers of % print in more than 10,000,000 characters', TG_ARGV[0]
        using errcode = 'LTK02', hint = 'Send numbers such as 1e131071 as text.';
    end if;
  end loop;
  return NEW;
end
$$;

comment on function app_private.tg__refuse_long_numbers() is 'Trigger: refuses JSON whose numbers print in more than 10,000,000 characters, with LTK02.';
--! EndIncluded rows/tg__refuse_long_numbers.sql
--! Included rows/tg__touch_updated_at.sql
-- Sets updated_at: no client can set it, and created_at never changes after the insert.
create or replace function app_private.tg__touch_updated_at() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  NEW.updated_at := now();
  return NEW;
end
$$;

comment on function app_private.tg__touch_updated_at() is 'Trigger: sets updated_at.';
--! EndIncluded rows/tg__touch_updated_at.sql

--! Included audit/actor.sql
-- The actor: the subject and request that the API verified, and the role that the statement runs under. The settings of any
-- other login prove nothing and are left out; its name (audit.log.login) identifies it. One row.
--
-- No definer and no `set`, and it returns a set, so that the planner inlines it into the triggers' statements: a call cost
-- every audited statement 15 microseconds of 190.
create or replace function audit.actor() returns table (subject text, role name, request_id text)
language sql stable parallel safe rows 1
begin atomic
  select
    case
      when a.is_api then nullif(pg_catalog.current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
    end,
    -- `none` is the value in a session that never switched its role.
    coalesce(nullif(pg_catalog.current_setting('role'), 'none')::name, session_user),
    case when a.is_api then nullif(pg_catalog.current_setting('app.request_id', true), '') end
  from (select pg_catalog.pg_has_role(session_user, ':ANON', 'member') as is_api) a;
end;

comment on function audit.actor() is 'The actor: verified subject, role, request id.';
--! EndIncluded audit/actor.sql
--! Included audit/copy_tracking.sql
-- Gives a partition the audit triggers of its parent. Statement triggers fire for the table that a statement names, so the
-- parent's do not see a statement that names the partition. (A partition gets row triggers by itself.) Can be called again.
create or replace function audit.copy_tracking(parent regclass, partition regclass) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_definition text;
  v_on text := format(' ON %s ', parent);
begin
  for v_definition in
    select pg_get_triggerdef(t.oid)
    from pg_trigger t
    where t.tgrelid = parent and not t.tgisinternal and t.tgname like '\_800\_audit\_%' and t.tgtype & 1 = 0
  loop
    -- The first match: no user-defined name comes before it.
    v_definition := overlay(
      v_definition placing format(' ON %s ', partition) from strpos(v_definition, v_on) for length(v_on)
    );
    execute regexp_replace(v_definition, '^CREATE TRIGGER', 'CREATE OR REPLACE TRIGGER');
  end loop;
end
$$;

comment on function audit.copy_tracking(regclass, regclass) is 'Gives a partition the audit triggers of its parent.';
--! EndIncluded audit/copy_tracking.sql
--! Included audit/create_row_logger.sql
-- Writes the trigger function that logs the rows of one table: the new values of an insert, the old values of a delete, and of
-- an update only the changed columns (a row that is written again unchanged leaves nothing). enable_tracking calls it.
--
-- Each table has its own function, because PL/pgSQL cannot name a column of OLD and NEW by a variable. One function for all
-- would have to convert both rows to JSON and compare these, which takes twice as long, for a single row as for each of a
-- thousand. Inserts and deletes log whole rows, for which one statement over the transition table is the shortest way.
--
-- A function written for today's columns must neither fail on tomorrow's nor miss one, and to read the catalog for each row
-- would cost a quarter of the whole. A column that is gone, or has another type, fails the comparison before anything is
-- written. A new column has the number after the last one, or one of the next when some were dropped again: the function looks
-- for four of these, which the system caches know. Where columns are secret, it asks audit.table_columns, which is never
-- wrong. When a table differs from what the function expects, audit.log_row logs the row.
--
-- The written function is a definer: nobody may write the log. #variable_conflict: columns may be named like its variables.
create or replace function audit.create_row_logger(target regclass, digested text[], omitted text[])
returns regproc
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_part text;
  v_name name;
  v_has_secrets boolean := digested <> '{}' or omitted <> '{}';
  v_key text[] := audit.key_columns(target);
  v_tenant_column text := audit.tenant_column(target);
  -- Expressions: whether the table has changed (for an update) or has not (for the others); the JSON of a row and of its key;
  -- how JSON is logged.
  v_changed text := 'audit.table_columns(TG_RELID) <> TG_ARGV[0]::text[]';
  v_nameable text := 'audit.table_columns(TG_RELID) = TG_ARGV[0]::text[]';
  v_doc text := 'to_jsonb(r.*)';
  v_row_key text;
  v_new_key text;
  v_logged text := '%s';
  v_comparisons text;
begin
  -- Names end after 63 bytes, and tables of two schemas may have the same name.
  select c.relname into strict v_part from pg_class c where c.oid = target;
  while octet_length(v_part) > 44 loop
    v_part := left(v_part, -1);
  end loop;
  for v_number in 1 .. 1000000 loop
    v_name := format('tg_%s%s__log_rows', v_part, '_' || nullif(v_number, 1));
    exit when not exists (
      select
      from pg_trigger t join pg_proc p on p.oid = t.tgfoid
      where p.pronamespace = 'audit'::regnamespace and p.proname = v_name and t.tgrelid <> target
    );
  end loop;

  if not v_has_secrets then
    select
      format('num_nonnulls(%s) > 0', string_agg(format('has_column_privilege(TG_RELID, %s::smallint, %L)', c.relnatts + n, 'select'), ', '))
    into strict v_changed
    from pg_class c cross join generate_series(1, 4) n
    where c.oid = target;
    select format('num_nulls(%s) = 0', string_agg(format('has_column_privilege(TG_RELID, %L, %L)', k, 'select'), ', '))
    into strict v_nameable
    from unnest(v_tenant_column || v_key) k;
  end if;

  -- jsonb may not accept values of json, of types that may contain it, and of types with a user's cast to it.
  if exists (
    select
    from pg_attribute a
    join pg_type t on t.oid = a.atttypid
    left join pg_type e on e.oid = t.typelem and t.typlen = -1
    where a.attrelid = target and a.attnum > 0 and not a.attisdropped
      and (
        coalesce(e.typtype, t.typtype) not in ('b', 'e', 'r', 'm')
        or coalesce(e.oid, t.oid) = 'json'::regtype
        or exists (
          select
          from pg_cast c
          where c.castsource = coalesce(e.oid, t.oid) and c.casttarget = 'json'::regtype and c.castsource <> 'jsonb'::regtype
        )
      )
  ) then
    v_doc := 'audit.document(TG_RELID, r.*)';
  end if;
  if omitted <> '{}' then
    v_doc := format('(%s - %L::text[])', v_doc, omitted);
  end if;
  if digested <> '{}' then
    v_logged := 'audit.digest(%s, ' || replace(quote_literal(digested), '%', '%%') || ')';
  end if;
  select
    format('jsonb_build_object(%s)', string_agg(format('%1$L, r.%1$I', k), ', ')),
    format('jsonb_build_object(%s)', string_agg(format('%1$L, NEW.%1$I', k), ', '))
  into strict v_row_key, v_new_key
  from unnest(v_key) k;
  if v_key && digested then
    v_row_key := format(v_logged, v_row_key);
    v_new_key := format(v_logged, v_new_key);
  end if;

  select string_agg(
    format(
      $column$
    if %2$s then
      v_old := v_old || jsonb_build_object(%1$L, OLD.%1$I);
      v_new := v_new || jsonb_build_object(%1$L, NEW.%1$I);
    end if;$column$,
      a.attname,
      format(
        case
          -- Types whose = holds for identical values only. Other types have no = (json, point), or one with another meaning (a
          -- box's compares areas, an interval's takes a month for 30 days), or one outside the search path: for these the
          -- images of the values are compared.
          when coalesce(e.oid, t.oid) in (
            'bool'::regtype, 'int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'oid'::regtype, 'uuid'::regtype,
            'date'::regtype, 'time'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype, 'bytea'::regtype,
            'text'::regtype, 'varchar'::regtype, 'jsonb'::regtype
          ) and coalesce(c.collisdeterministic, true) then 'NEW.%1$I is distinct from OLD.%1$I'
          else 'record_image_ne(row(NEW.%1$I), row(OLD.%1$I))'
        end,
        a.attname
      )
    ),
    '' order by a.attnum
  )
  into v_comparisons
  from pg_attribute a
  join pg_type t on t.oid = a.atttypid
  left join pg_type e on e.oid = t.typelem and t.typlen = -1
  left join pg_collation c on c.oid = a.attcollation
  where a.attrelid = target and a.attnum > 0 and not a.attisdropped
    and a.attname <> all (v_tenant_column || omitted)
    -- A virtual column is computed when it is read, from columns that are compared here.
    and a.attgenerated <> 'v';

  execute format(
    'create or replace function audit.%I() returns trigger language plpgsql volatile security definer '
    'set search_path to pg_catalog, pg_temp as %L',
    v_name,
    format(
      $template$
#variable_conflict use_variable
declare
  v_row record;
  v_old jsonb := '{}';
  v_new jsonb := '{}';
  v_changed boolean;
begin
  if TG_OP <> 'UPDATE' then
    begin
      v_changed := not (%1$s);
    exception
      when undefined_column then
        v_changed := true;
    end;
    if v_changed then
      for v_row in select r.* from changed_rows r loop
        perform audit.log_row(
          TG_RELID, TG_OP, v_row, v_row, TG_ARGV[0]::text[], TG_ARGV[1]::text[], TG_ARGV[2]::text[]
        );
      end loop;
      return null;
    end if;
    insert into audit.log (
      tenant_id, table_name, operation, row_count, key, old_values, new_values, subject, role, request_id
    )
    select
      r.%2$I::text, TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME, lower(TG_OP), 1, %3$s,
      case when TG_OP = 'DELETE' then %4$s end, case when TG_OP = 'INSERT' then %4$s end, a.subject, a.role, a.request_id
    from changed_rows r cross join audit.actor() a;
    return null;
  end if;

  begin
    -- A row that moves to another tenant is logged at both, by audit.log_row.
    v_changed := NEW.%2$I is distinct from OLD.%2$I or %5$s;%6$s
  exception
    when others then
      v_changed := true;
  end;
  if v_changed or v_new = '{}' and NEW *<> OLD then
    perform audit.log_row(TG_RELID, TG_OP, OLD, NEW, TG_ARGV[0]::text[], TG_ARGV[1]::text[], TG_ARGV[2]::text[]);
  elsif v_new <> '{}' then
    insert into audit.log (
      tenant_id, table_name, operation, row_count, key, old_values, new_values, subject, role, request_id
    )
    select
      NEW.%2$I::text, TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME, 'update', 1, %7$s, %8$s, %9$s,
      a.subject, a.role, a.request_id
    from audit.actor() a;
  end if;
  return null;
end
$template$,
      v_nameable, v_tenant_column, v_row_key, format(v_logged, v_doc), v_changed, v_comparisons, v_new_key,
      format(v_logged, 'v_old'), format(v_logged, 'v_new')
    )
  );
  execute format('comment on function audit.%I() is %L', v_name, format('Trigger: a log row per changed row of %s.', target));
  return format('audit.%I', v_name)::regproc;
end
$$;

comment on function audit.create_row_logger(regclass, text[], text[]) is 'Writes the trigger function that logs the rows of a table.';
--! EndIncluded audit/create_row_logger.sql
--! Included audit/digest.sql
-- A row as the log keeps it. Columns named in `digested` (secrets, and large values that mean nothing to a reader) are replaced
-- by their SHA-256, which is enough to see that one changed. A column that is absent or null stays so.
create or replace function audit.digest(doc jsonb, digested text[]) returns jsonb
language sql immutable strict parallel safe
return case
  when digested = '{}' then doc
  else doc || (
    select coalesce(jsonb_object_agg(c, 'sha256:' || encode(sha256(convert_to(doc ->> c, 'UTF8')), 'hex')), '{}')
    from unnest(digested) c
    where doc ->> c is not null
  )
end;

comment on function audit.digest(jsonb, text[]) is 'The object with the named members replaced by their SHA-256.';
--! EndIncluded audit/digest.sql
--! Included audit/document.sql
-- A row as JSON, whatever its columns hold. Some values do not fit into jsonb: json with \u0000, an infinite number, a text
-- beyond 256 MB. The log must not keep anybody from writing them, so it holds such a value as its text, and a long one as its
-- SHA-256.
create or replace function audit.document(source regclass, doc record) returns jsonb
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_column name;
  v_value jsonb;
  v_text text;
  v_doc jsonb := '{}';
begin
  begin
    return to_jsonb(doc);
  exception
    when others then
      -- One of the values does not fit. The loop below finds out which.
  end;
  for v_column in
    select a.attname from pg_attribute a where a.attrelid = source and a.attnum > 0 and not a.attisdropped order by a.attnum
  loop
    begin
      execute format('select to_jsonb((($1::text)::%s).%I)', source, v_column) into v_value using doc;
    exception
      when others then
        execute format('select ((($1::text)::%s).%I)::text', source, v_column) into v_text using doc;
        v_value := to_jsonb(
          case
            when octet_length(v_text) <= 1000000 then v_text
            else 'sha256:' || encode(sha256(convert_to(v_text, 'UTF8')), 'hex')
          end
        );
    end;
    v_doc := v_doc || jsonb_build_object(v_column, v_value);
  end loop;
  return v_doc;
end
$$;

comment on function audit.document(regclass, record) is 'A row as JSON; values that jsonb cannot hold as their texts.';
--! EndIncluded audit/document.sql
--! Included audit/enable_tracking.sql
-- Puts a table under audit: every insert, update, delete and truncate leaves rows in audit.log, in the transaction that
-- made it. The column tenant_id says whose a row is. Can be called again, also with other options.
--   digested: columns whose values the log replaces by their SHA-256
--   detail:   true, a row per row; false, a row per statement and tenant with their number
--   counter:  a role whose updates are not logged at all: it counts uses, and may update nothing but the counters
--   omitted:  columns that the log leaves out; an update of these alone leaves no row
-- When the table's columns change, the log follows. Until this is called again, an update costs more, and new columns are
-- digested if the table has digested or omitted ones.
create or replace function audit.enable_tracking(
  target regclass,
  digested text[] default '{}',
  detail boolean default true,
  counter name default null,
  omitted text[] default '{}'
) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_kind "char";
  v_key text[] := audit.key_columns(target);
  v_columns text[] := audit.table_columns(target);
  v_reason text;
  v_hint text;
  -- Rows of partitioned tables are logged by row triggers, which partitions inherit.
  v_by_row boolean;
  v_call text;
  v_event record;
  v_other record;
begin
  if v_key = '{}' then
    raise exception 'cannot audit %: it has no primary key', target
      using errcode = 'LTA01', hint = 'The log names rows by their primary key: add one first.';
  end if;
  select
    c.relkind,
    case
      when c.relnamespace = 'audit'::regnamespace then 'it is part of the log'
      when c.relispartition then format('it is a partition of %s', pg_partition_root(target))
      when audit.tenant_column(target) is null then 'it has no column tenant_id'
      when unknown.name is not null then format('it has no column %s', unknown.name)
      when audit.tenant_column(target) = any (digested || omitted) or v_key && omitted
        then 'the log needs the tenant and the key of a row'
    end,
    case
      when c.relispartition then format('Audit %s: that includes its partitions.', pg_partition_root(target))
      when audit.tenant_column(target) is null
        then 'The log shows a row to the administrators of its tenant. Add the column: tenant_id text not null default app_private.current_tenant_id().'
    end
  into strict v_kind, v_reason, v_hint
  from pg_class c
  left join lateral (
    select n.name from unnest(digested || omitted) n(name) where array_position(v_columns, n.name) is null limit 1
  ) unknown on true
  where c.oid = target;
  if v_reason is not null then
    raise exception 'cannot audit %: %', target, v_reason using errcode = 'LTA02', hint = coalesce(v_hint, '');
  end if;

  v_by_row := detail and v_kind = 'p';
  if not detail then
    v_call := 'audit.tg__log_summary()';
  else
    v_call := format(
      '%s(%L, %L, %L)',
      case when v_by_row then 'audit.tg__log_row'::regproc else audit.create_row_logger(target, digested, omitted) end,
      v_columns, digested, omitted
    );
  end if;

  for v_event in
    select e.name, e.rows, v_by_row or (detail and e.name = 'update') as by_row
    from (values ('insert', 'new'), ('update', 'new'), ('delete', 'old')) e(name, rows)
  loop
    -- With partitions, row triggers cannot replace statement triggers, nor the other way round.
    for v_other in
      select t.tgrelid::regclass as relation
      from pg_trigger t
      where t.tgname = '_800_audit_' || v_event.name and t.tgparentid = 0 and (t.tgtype & 1 = 1) <> v_event.by_row
        and t.tgrelid in (select target union all select p.relid from pg_partition_tree(target) p)
    loop
      execute format('drop trigger _800_audit_%s on %s', v_event.name, v_other.relation);
    end loop;
    execute format(
      'create or replace trigger _800_audit_%s after %1$s on %s %s %s execute function %s',
      v_event.name, target,
      case
        when v_event.by_row then 'for each row'
        else format('referencing %s table as changed_rows for each statement', v_event.rows)
      end,
      case when v_event.name = 'update' and counter is not null then format('when (current_user <> %L)', counter) end,
      v_call
    );
  end loop;
  execute format(
    'create or replace trigger _800_audit_truncate after truncate on %s for each statement '
    'execute function audit.tg__log_truncate()',
    target
  );
  -- For existing partitions; create_partition does it for later ones.
  perform audit.copy_tracking(target, p.relid) from pg_partition_tree(target) p where p.relid <> target;
end
$$;

comment on function audit.enable_tracking(regclass, text[], boolean, name, text[]) is 'Puts a table under audit. Can be called again. LTA01 when it has no primary key, LTA02 when the log could not say whose its rows are, or cannot do what was asked.';
--! EndIncluded audit/enable_tracking.sql
--! Included audit/key_columns.sql
-- The columns of a table's primary key, in its order; empty without one.
create or replace function audit.key_columns(source regclass) returns text[]
language sql stable parallel safe
set search_path to pg_catalog, pg_temp
begin atomic
  select coalesce(pg_catalog.array_agg(a.attname::text order by k.position), '{}')
  from pg_catalog.pg_index i
  cross join lateral pg_catalog.unnest(i.indkey::smallint[]) with ordinality k(attnum, position)
  join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
  where i.indrelid = source and i.indisprimary and k.position <= i.indnkeyatts;
end;

comment on function audit.key_columns(regclass) is 'The columns of a table''s primary key, in its order.';
--! EndIncluded audit/key_columns.sql
--! Included audit/log_row.sql
-- Logs a change of one row of a table as the table is at this moment: it reads names, key and columns from the catalog. It
-- takes several times as long as a function of create_row_logger, but also serves tables that have changed since tracking was
-- enabled, and partitioned ones.
--   source    the table, or the partition, that holds the row
--   known     the columns when tracking was enabled, as audit.table_columns gives them
--   digested  the columns whose values the log replaces by their SHA-256
--   omitted   the columns that the log leaves out
-- Where some columns are digested or omitted, an unknown column is digested too: a secret may have got another name.
-- Definer: nobody may write the log.
create or replace function audit.log_row(
  source regclass,
  operation text,
  old_row record,
  new_row record,
  known text[],
  digested text[],
  omitted text[]
) returns void
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
  v_table regclass := coalesce(pg_partition_root(source), source);
  v_name text;
  v_tenant_column text := audit.tenant_column(v_table);
  v_old jsonb := case when operation <> 'INSERT' then audit.document(source, old_row) - omitted end;
  v_new jsonb := case when operation <> 'DELETE' then audit.document(source, new_row) - omitted end;
  v_tenant_id text := coalesce(v_new, v_old) ->> v_tenant_column;
  v_key jsonb;
  v_same text[] := '{}';
begin
  -- A row moves to another tenant: neither tenant may read its values at the other.
  if operation = 'UPDATE' and v_new ->> v_tenant_column is distinct from v_old ->> v_tenant_column then
    perform audit.log_row(source, 'DELETE', old_row, old_row, known, digested, omitted);
    perform audit.log_row(source, 'INSERT', new_row, new_row, known, digested, omitted);
    return;
  end if;

  select n.nspname || '.' || c.relname into strict v_name
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.oid = v_table;
  if digested <> '{}' or omitted <> '{}' then
    select digested || coalesce(array_agg(a.attname::text), '{}') into strict digested
    from pg_attribute a
    where a.attrelid = v_table and a.attnum > 0 and not a.attisdropped and known[a.attnum] is distinct from a.attname::text;
  end if;
  -- If the primary key was dropped, the row has no key.
  select coalesce(jsonb_object_agg(k, coalesce(v_new, v_old) -> k), '{}') into strict v_key
  from unnest(audit.key_columns(v_table)) k;

  if operation = 'UPDATE' then
    -- Compared as texts, because 1.0 and 1.00 are the same number.
    select coalesce(array_agg(e.key), '{}') into strict v_same
    from jsonb_each_text(v_new) e
    where e.value is not distinct from v_old ->> e.key;
    v_new := v_new - v_same;
    if v_new = '{}' then
      return;
    end if;
  end if;

  insert into audit.log (
    tenant_id, table_name, operation, row_count, key, old_values, new_values, subject, role, request_id
  )
  select
    v_tenant_id, v_name, lower(operation), 1, audit.digest(v_key, digested),
    audit.digest(v_old - v_same, digested), audit.digest(v_new, digested), a.subject, a.role, a.request_id
  from audit.actor() a;
end
$$;

comment on function audit.log_row(regclass, text, record, record, text[], text[], text[]) is 'Logs a change of a row of a table as the table is at this moment.';
--! EndIncluded audit/log_row.sql
--! Included audit/table_columns.sql
-- The columns of a table by their numbers; null stands for a dropped one. A row logger is made for such a list.
create or replace function audit.table_columns(source regclass) returns text[]
language sql stable parallel safe
set search_path to pg_catalog, pg_temp
begin atomic
  select pg_catalog.array_agg(case when not a.attisdropped then a.attname::text end order by a.attnum)
  from pg_catalog.pg_attribute a
  where a.attrelid = source and a.attnum > 0;
end;

comment on function audit.table_columns(regclass) is 'The columns of a table by their numbers; null for a dropped one.';
-- The view ops.check_audit.
grant execute on function audit.table_columns(regclass) to :OPERATOR, :WORKER;
--! EndIncluded audit/table_columns.sql
--! Included audit/tenant_column.sql
-- The column that holds a row's tenant, whether or not it is part of the key; null for a table without one. A tenant's own row
-- belongs to that tenant.
create or replace function audit.tenant_column(source regclass) returns text
language sql stable parallel safe
set search_path to pg_catalog, pg_temp
begin atomic
  select case
    when exists (
      select from pg_catalog.pg_attribute a
      where a.attrelid = source and a.attname = 'tenant_id' and not a.attisdropped
    ) then 'tenant_id'
    when source = 'app_public.tenants'::pg_catalog.regclass then 'id'
  end;
end;

comment on function audit.tenant_column(regclass) is 'The column that holds a row''s tenant; null for a table without one.';
--! EndIncluded audit/tenant_column.sql
--! Included audit/tg__log_row.sql
-- Logs a row of a partitioned table. It is a row trigger because partitions inherit these, whoever makes or attaches them.
-- Definer: nobody may write the log.
create or replace function audit.tg__log_row() returns trigger
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  perform audit.log_row(TG_RELID, TG_OP, OLD, NEW, TG_ARGV[0]::text[], TG_ARGV[1]::text[], TG_ARGV[2]::text[]);
  return null;
end
$$;

comment on function audit.tg__log_row() is 'Trigger: a log row per changed row of a partitioned table.';
--! EndIncluded audit/tg__log_row.sql
--! Included audit/tg__log_summary.sql
-- Logs one row per statement and tenant, with the number of rows, for tables whose rows are too many and too small to keep
-- twice. Definer: nobody may write the log.
create or replace function audit.tg__log_summary() returns trigger
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
  v_tenants text[];
  v_counts bigint[];
begin
  begin
    select array_agg(c.tenant), array_agg(c.count) into strict v_tenants, v_counts
    from (select r.tenant_id::text as tenant, count(*) as count from changed_rows r group by 1) c;
  exception
    -- The table has changed since tracking was enabled: without the column nothing says whose a row is.
    when undefined_column then
      select array[null], array[nullif(count(*), 0)] into strict v_tenants, v_counts from changed_rows r;
  end;
  insert into audit.log (tenant_id, table_name, operation, row_count, subject, role, request_id)
  select c.tenant, TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME, lower(TG_OP), c.count, a.subject, a.role, a.request_id
  from unnest(v_tenants, v_counts) c(tenant, count)
  cross join audit.actor() a
  where c.count is not null;
  return null;
end
$$;

comment on function audit.tg__log_summary() is 'Trigger: a log row per statement and tenant.';
--! EndIncluded audit/tg__log_summary.sql
--! Included audit/tg__log_truncate.sql
-- Logs that a truncate emptied a table of all tenants' rows at once: it has no tenant and no count of rows. Definer: nobody may
-- write the log.
create or replace function audit.tg__log_truncate() returns trigger
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  insert into audit.log (table_name, operation, row_count, subject, role, request_id)
  select TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME, 'truncate', 0, a.subject, a.role, a.request_id
  from audit.actor() a;
  return null;
end
$$;

comment on function audit.tg__log_truncate() is 'Trigger: a log row per truncate.';
--! EndIncluded audit/tg__log_truncate.sql

--! Included live/read_events.sql
-- Reads the outbox from a position on: the events that are visible now and were not in the snapshot `since`. That gives commit
-- order without gaps, in whatever order ids were assigned and however long a transaction took. The index serves it, with the
-- transactions that began later and those that were running then. From the transaction `after_transaction`, which was read in
-- part, it takes the rows from `after_id` on, and these come first. With a null `since` it returns the position alone.
--
-- The API asks as an anonymous request. Definer: nobody may read the outbox. Neither API offers this schema, and whoever can
-- `set role` as the API's login can name any tenant, too.
create or replace function ops.read_events(
  since pg_snapshot,
  after_transaction xid8,
  after_id bigint,
  tenants text[],
  max_rows integer
) returns table (current_snapshot text, trimmed_snapshot text, events json)
language sql stable security definer
set search_path to pg_catalog, pg_temp
as $$
  select
    pg_current_snapshot()::text,
    (select m.snapshot::text from app_private.event_marks m where m.trimmed),
    (
      select coalesce(json_agg(json_build_object(
        'transaction', r.transaction_id::text::bigint, 'id', r.id, 'tenantId', r.tenant_id, 'topic', r.topic,
        'operation', r.operation, 'keys', r.keys
      ) order by r.transaction_id is distinct from after_transaction, r.transaction_id, r.id), '[]')
      from (
        select e.*
        from (
          select n.* from app_private.events n where n.transaction_id >= pg_snapshot_xmax(since)
          union all
          select n.*
          from pg_snapshot_xip(since) x
          join app_private.events n on n.transaction_id = x
        ) e
        where e.tenant_id = any (tenants)
          and (e.transaction_id is distinct from after_transaction or e.id >= after_id)
        order by e.transaction_id is distinct from after_transaction, e.transaction_id, e.id
        limit max_rows
      ) r
    )
$$;

comment on function ops.read_events(pg_snapshot, xid8, bigint, text[], integer) is 'Reads the outbox of these tenants from a position on, at most max_rows rows: the current snapshot, the snapshot that the outbox is trimmed to, and rows {transaction, id, tenantId, topic, operation, keys} in the order to deliver them.';
-- Each process of the API reads the changes for all of its subscribers at once, as an anonymous request.
grant execute on function ops.read_events(pg_snapshot, xid8, bigint, text[], integer) to :ANON;
--! EndIncluded live/read_events.sql
--! Included live/tg__publish.sql
-- Writes the keys of a statement's changes into the outbox, and wakes up the listeners on `lightning:<table>`. The payload is
-- empty because any login may listen. Definer: nobody may write the outbox.
--
-- A transaction that notifies holds a lock of the whole database until it is on disk. If all notified, they would commit one
-- after the other: a sixth of the inserts per second (test/bench/notify.ts). So only one notifies at a time, and a transaction
-- that finds the advisory lock taken does not. It is still running then, so a reader that the other one woke sees in its
-- snapshot that it has more to wait for, and looks again. Holding the lock for longer can delay events but never lose them:
-- readers look every second by themselves.
create or replace function app_private.tg__publish() returns trigger
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  insert into app_private.events (tenant_id, topic, operation, keys)
  select c.tenant_id, TG_TABLE_NAME, lower(TG_OP), case when count(*) <= 1000 then array_agg(c.id::text) end
  from changed_rows c
  group by c.tenant_id;
  -- The first key is "live" in ASCII.
  if found and pg_try_advisory_xact_lock(1818850917, (TG_RELID::bigint % 2147483647)::integer) then
    perform pg_notify('lightning:' || TG_TABLE_NAME, '');
  end if;
  return null;
end
$$;

comment on function app_private.tg__publish() is 'Trigger: writes the keys of changed rows into app_private.events, and wakes up the listeners on lightning:<table>, without payload.';
--! EndIncluded live/tg__publish.sql
--! Included live/trim_events.sql
-- Removes events that have been visible in the outbox for at least `keep`, and returns their number. The worker runs it every
-- few minutes: each run leaves a mark that a later one trims to. Definer: nobody may write the outbox.
create or replace function ops.trim_events(keep interval default '1 hour') returns bigint
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_mark app_private.event_marks;
  v_count bigint := 0;
begin
  -- Only one runs at a time, and none waits.
  if not pg_try_advisory_xact_lock(hashtext('ops.trim_events')) then
    return 0;
  end if;
  insert into app_private.event_marks default values;
  select m.* into v_mark
  from app_private.event_marks m
  where m.at <= clock_timestamp() - keep
  order by m.at desc
  limit 1;
  if not found then
    return 0;
  end if;
  delete from app_private.events e
  where e.transaction_id < pg_snapshot_xmax(v_mark.snapshot)
    and pg_visible_in_snapshot(e.transaction_id, v_mark.snapshot);
  get diagnostics v_count = row_count;
  delete from app_private.event_marks m where m.at < v_mark.at;
  update app_private.event_marks m set trimmed = true where m.at = v_mark.at;
  return v_count;
end
$$;

comment on function ops.trim_events(interval) is 'Removes events that have been visible in the outbox for at least `keep`. Returns their number.';
grant execute on function ops.trim_events(interval) to :WORKER;
--! EndIncluded live/trim_events.sql

--! Included tasks/attempt_of.sql
-- The attempt that a lease leaves when it ends, for whoever ends it to insert. No definer, no `set`, and a body that is parsed
-- now, so that it is inlined.
create or replace function ops.attempt_of(
  lease app_public.task_leases,
  ended_at timestamptz,
  outcome text,
  error text default null
) returns setof app_public.task_attempts
language sql stable
begin atomic
  select
    lease.tenant_id, lease.task_id, lease.attempt, lease.fencing_token, lease.agent, lease.claimed_at, attempt_of.ended_at,
    attempt_of.outcome, attempt_of.error, lease.progress, lease.note;
end;

comment on function ops.attempt_of(app_public.task_leases, timestamptz, text, text) is 'The attempt that a lease leaves when it ends; one row.';
grant execute on function ops.attempt_of(app_public.task_leases, timestamptz, text, text) to :WORKER;
--! EndIncluded tasks/attempt_of.sql
--! Included tasks/cancel_task.sql
-- Definer: people may cancel a task that a service holds, and nobody may write leases. Whoever ends a lease locks the lease
-- first and the task second, so no two callers wait for each other.
create or replace function app_public.cancel_task(task_id uuid, reason text default null) returns app_public.tasks
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_tenant text := app_private.current_tenant_id();
  v_now timestamptz := clock_timestamp();
  v_lease app_public.task_leases;
  v_task app_public.tasks;
begin
  if task_id is null then
    perform app_private.refuse_argument('LTQ05', 'task_id', 'it is missing');
  end if;

  -- Tries again when the task was claimed, released or ended between two statements.
  loop
    delete from app_public.task_leases l
    where l.tenant_id = v_tenant and l.task_id = cancel_task.task_id
    returning * into v_lease;
    if found then
      insert into app_public.task_attempts
      select a.* from ops.attempt_of(v_lease, v_now, 'cancelled', cancel_task.reason) a;
    end if;

    select * into v_task from app_public.tasks t where t.tenant_id = v_tenant and t.id = cancel_task.task_id;
    if not found then
      raise exception 'task % does not exist', task_id
        using errcode = 'LTQ01', hint = 'It was deleted, or belongs to another tenant.';
    end if;
    if v_task.status = 'cancelled' then
      return v_task;
    end if;
    continue when exists (
      select from app_public.task_leases l where l.tenant_id = v_tenant and l.task_id = cancel_task.task_id
    );

    update app_public.tasks t
    set status = 'cancelled', completed_at = v_now, error_message = cancel_task.reason
    where t.tenant_id = v_tenant
      and t.id = cancel_task.task_id
      and t.status = v_task.status
      and t.attempt = v_task.attempt
    returning * into v_task;
    if found then
      return v_task;
    end if;
  end loop;
end
$$;

comment on function app_public.cancel_task(uuid, text) is 'Cancels a task that waits or is being worked on. Its holder gets LTQ03 at the next call. Stores `reason` as error_message. Returns the task; a task that is already cancelled stays as it is. Errors: LTQ01 no such task, LTQ04 it has already ended, LTQ05 invalid argument.';
-- Everybody who writes may add, cancel and retry tasks.
grant execute on function app_public.cancel_task(uuid, text) to :MEMBER, :SERVICE, :ADMIN;
--! EndIncluded tasks/cancel_task.sql
--! Included tasks/claim_problem.sql
-- The first invalid argument of a claim and the reason, or null. No definer, no `set`, and a body that is parsed now, so
-- that the planner inlines it: a call took a thirtieth of a claim.
create or replace function app_private.claim_problem(
  agent text,
  capabilities text[],
  filter jsonb,
  lease interval,
  how_many integer
) returns text[]
language sql stable parallel safe
return case
  when coalesce(length(agent), 0) not between 1 and 200 then array['agent', 'must have 1 to 200 characters']
  when capabilities is null then array['capabilities', 'must not be null']
  when filter is null then array['filter', 'must not be null']
  when lease is null or lease not between interval '1 second' and interval '1 day'
    then array['lease', format('%s is not between 1 second and 1 day', coalesce(lease::text, 'null'))]
  when how_many is null or how_many not between 1 and 1000
    then array['how_many', format('%s is not between 1 and 1000', coalesce(how_many::text, 'null'))]
end;

comment on function app_private.claim_problem(text, text[], jsonb, interval, integer) is 'The first invalid argument of a claim and the reason; null when all are valid.';
--! EndIncluded tasks/claim_problem.sql
--! Included tasks/claim_task.sql
-- Does what claim_tasks does, for a single task. Most claimers ask for one, and these plain statements take two thirds of
-- the time of the statement that claims many. Definer and without sorting, for the reasons given there.
create or replace function app_public.claim_task(
  agent text,
  capabilities text[] default '{}',
  filter jsonb default '{}',
  lease interval default '60 seconds'
) returns setof app_public.claimed_task
language plpgsql volatile security definer rows 1
set search_path to pg_catalog, pg_temp
set enable_sort to off
set plan_cache_mode to force_generic_plan
as $$
declare
  v_problem text[] := app_private.claim_problem(agent, capabilities, filter, lease, 1);
  v_tenant text := app_private.current_tenant_id();
  v_now timestamptz;
  v_claimed app_public.claimed_task;
begin
  if v_problem is not null then
    perform app_private.refuse_argument('LTQ05', v_problem[1], v_problem[2]);
  end if;

  for v_try in 1..2 loop
    v_now := clock_timestamp();
    update app_public.tasks t
    set status = 'running', attempt = t.attempt + 1, started_at = v_now
    where t.tenant_id = v_tenant
      and t.id = (
        select q.id
        from app_public.tasks q
        where q.tenant_id = v_tenant and app_private.is_claimable(q, claim_task.agent, capabilities, filter, v_now)
        order by q.queue_at
        limit 1
        for no key update skip locked
      )
    returning
      t.id, nextval('app_private.fencing_tokens'), t.attempt, t.max_attempts, v_now + lease, t.agent_id, t.priority,
      t.description, t.context, t.required_capabilities, t.created_at
    into v_claimed;
    exit when found;
    -- No task waits: take back those of dead holders now, without waiting for the worker.
    if v_try = 2 or app_private.reap_for_claim(v_tenant, 1) = 0 then
      return;
    end if;
  end loop;

  insert into app_public.task_leases (
    tenant_id, task_id, fencing_token, attempt, agent, lease, claimed_at, heartbeat_at, expires_at
  )
  values (
    v_tenant, v_claimed.task_id, v_claimed.fencing_token, v_claimed.attempt, agent, lease, v_now, v_now,
    v_claimed.expires_at
  );
  return next v_claimed;
end
$$;

comment on function app_public.claim_task(text, text[], jsonb, interval) is 'Claims one task, as claim_tasks does with `how_many` 1. Returns no row when no task waits. Errors: LTQ05 invalid argument.';
-- Only programs work on tasks.
grant execute on function app_public.claim_task(text, text[], jsonb, interval) to :SERVICE, :ADMIN;
--! EndIncluded tasks/claim_task.sql
--! Included tasks/claim_tasks.sql
-- Definer: only these functions may write leases; otherwise a fencing token would prove nothing. It runs under the owner's
-- policies, which are confined to the caller's tenant.
--
-- An index has the order of the queue. With sorting off the planner must use it, however wrong its statistics are, and one
-- plan is good for every caller.
create or replace function app_public.claim_tasks(
  agent text,
  capabilities text[] default '{}',
  filter jsonb default '{}',
  lease interval default '60 seconds',
  how_many integer default 1
) returns setof app_public.claimed_task
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
set enable_sort to off
set plan_cache_mode to force_generic_plan
as $$
declare
  v_problem text[] := app_private.claim_problem(agent, capabilities, filter, lease, how_many);
  v_tenant text := app_private.current_tenant_id();
  v_now timestamptz;
  v_ids uuid[];
begin
  if v_problem is not null then
    perform app_private.refuse_argument('LTQ05', v_problem[1], v_problem[2]);
  end if;

  for v_try in 1..2 loop
    v_now := clock_timestamp();
    -- Skips tasks that another claimer is about to take.
    v_ids := array(
      select q.id
      from app_public.tasks q
      where q.tenant_id = v_tenant and app_private.is_claimable(q, claim_tasks.agent, capabilities, filter, v_now)
      order by q.queue_at
      limit how_many
      for no key update skip locked
    );
    -- Too few tasks wait: take back those of dead holders now, without waiting for the worker.
    exit when v_try = 2 or cardinality(v_ids) = how_many or app_private.reap_for_claim(v_tenant, how_many) = 0;
  end loop;
  if v_ids = '{}' then
    return;
  end if;

  return query
  with claimed as (
    update app_public.tasks t
    set status = 'running', attempt = t.attempt + 1, started_at = v_now
    where t.tenant_id = v_tenant and t.id = any (v_ids)
    returning t.*
  ),
  leased as (
    insert into app_public.task_leases (
      tenant_id, task_id, fencing_token, attempt, agent, lease, claimed_at, heartbeat_at, expires_at
    )
    select
      c.tenant_id, c.id, nextval('app_private.fencing_tokens'), c.attempt, claim_tasks.agent, claim_tasks.lease, v_now,
      v_now, v_now + claim_tasks.lease
    from claimed c
    returning task_id, fencing_token, expires_at
  )
  select
    c.id, l.fencing_token, c.attempt, c.max_attempts, l.expires_at, c.agent_id, c.priority, c.description, c.context,
    c.required_capabilities, c.created_at
  from claimed c
  join leased l on l.task_id = c.id
  order by c.queue_at;
end
$$;

comment on function app_public.claim_tasks(text, text[], jsonb, interval, integer) is 'Claims up to `how_many` (1 to 1000) waiting tasks for `agent`, by priority and age: a low one is served at most three hours after a critical one of the same age. Claims only tasks for this agent or for any agent, whose required capabilities are all in `capabilities` and whose context contains `filter`. A claim ends after `lease` (1 second to 1 day) unless heartbeat_task extends it. Returns each task with the number of the attempt and the fencing token that every write needs; no row when no task waits. Errors: LTQ05 invalid argument.';
-- Only programs work on tasks.
grant execute on function app_public.claim_tasks(text, text[], jsonb, interval, integer) to :SERVICE, :ADMIN;
--! EndIncluded tasks/claim_tasks.sql
--! Included tasks/complete_task.sql
-- Definer, as claim_tasks. Deleting the lease decides: of two callers with the same token, only one finds it.
create or replace function app_public.complete_task(
  task_id uuid,
  fencing_token bigint,
  result jsonb default null
) returns app_public.tasks
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_now timestamptz := clock_timestamp();
  v_lease app_public.task_leases;
  v_task app_public.tasks;
begin
  delete from app_public.task_leases l
  where l.tenant_id = app_private.current_tenant_id()
    and l.task_id = complete_task.task_id
    and l.fencing_token = complete_task.fencing_token
  returning * into v_lease;
  if not found then
    perform app_private.refuse_ended_lease(task_id, fencing_token);
  end if;

  update app_public.tasks t
  set status = 'completed', result = complete_task.result, completed_at = v_now, error_message = null
  where t.tenant_id = v_lease.tenant_id and t.id = v_lease.task_id
  returning * into strict v_task;

  insert into app_public.task_attempts
  select a.* from ops.attempt_of(v_lease, v_now, 'completed') a;
  return v_task;
end
$$;

comment on function app_public.complete_task(uuid, bigint, jsonb) is 'Completes a claimed task with its `result`. Returns the task. Errors: LTQ01 no such task, LTQ02 the lease is over, LTQ03 the task was cancelled, LTQ05 invalid argument.';
-- Only programs work on tasks.
grant execute on function app_public.complete_task(uuid, bigint, jsonb) to :SERVICE, :ADMIN;
--! EndIncluded tasks/complete_task.sql
--! Included tasks/enqueue_task.sql
-- Invoker: whoever may insert a task may enqueue one.
create or replace function app_public.enqueue_task(
  description text,
  context jsonb default '{}',
  priority text default 'normal',
  agent_id text default null,
  run_after timestamptz default null,
  max_attempts integer default 5,
  required_capabilities text[] default '{}',
  idempotency_key text default null
) returns app_public.tasks
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_problem text[];
  v_task app_public.tasks;
begin
  v_problem := case
    when coalesce(description, '') = '' then array['description', 'must not be empty']
    when context is null then array['context', 'must not be null']
    when priority is null or priority not in ('low', 'normal', 'high', 'critical')
      then array['priority', format('%s is not one of low, normal, high, critical', coalesce(priority, 'null'))]
    when max_attempts is null or max_attempts < 1
      then array['max_attempts', format('%s is less than 1', coalesce(max_attempts::text, 'null'))]
    when required_capabilities is null or array_position(required_capabilities, null) is not null
      then array['required_capabilities', 'must be an array without nulls']
    when length(idempotency_key) not between 1 and 200
      then array['idempotency_key', 'must have 1 to 200 characters']
    when agent_id is not null and not exists (select from app_public.agents a where a.id = enqueue_task.agent_id)
      then array['agent_id', format('agent %s does not exist', agent_id)]
  end;
  if v_problem is not null then
    raise exception 'invalid %: %', v_problem[1], v_problem[2]
      using errcode = 'LTQ05';
  end if;

  -- If the task with this key is deleted between the two statements, the next round inserts a new one.
  loop
    insert into app_public.tasks (
      description, context, priority, agent_id, run_after, max_attempts, required_capabilities, idempotency_key
    )
    values (
      enqueue_task.description, enqueue_task.context, enqueue_task.priority, enqueue_task.agent_id,
      coalesce(enqueue_task.run_after, now()), enqueue_task.max_attempts, enqueue_task.required_capabilities,
      enqueue_task.idempotency_key
    )
    on conflict (tenant_id, idempotency_key) where idempotency_key is not null do nothing
    returning * into v_task;
    exit when found;

    select * into v_task from app_public.tasks t where t.idempotency_key = enqueue_task.idempotency_key;
    exit when found;
  end loop;
  return v_task;
end
$$;

comment on function app_public.enqueue_task(text, jsonb, text, text, timestamptz, integer, text[], text) is 'Adds a task to the queue. `priority`: low, normal, high or critical. `agent_id`: only this agent may claim it. `run_after`: it is not claimed before. `max_attempts`: the number of failed and expired attempts after which it is dead. `required_capabilities`: only an agent with all of them may claim it. `idempotency_key`: if a task with this key exists, it is returned as it is and none is added. Returns the task. Errors: LTQ05 invalid argument.';
-- Everybody who writes may add, cancel and retry tasks.
grant execute on function app_public.enqueue_task(text, jsonb, text, text, timestamptz, integer, text[], text)
  to :MEMBER, :SERVICE, :ADMIN;
--! EndIncluded tasks/enqueue_task.sql
--! Included tasks/enqueue_tasks.sql
-- Invoker, as enqueue_task. A single insert, so triggers and listeners see one statement.
create or replace function app_public.enqueue_tasks(tasks jsonb) returns setof app_public.tasks
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_known constant text[] := array[
    'description', 'context', 'priority', 'agent_id', 'run_after', 'max_attempts', 'required_capabilities', 'idempotency_key'
  ];
  v_problem record;
  v_ids uuid[];
  v_keys text[];
begin
  if tasks is null or jsonb_typeof(tasks) <> 'array' then
    raise exception 'invalid %: %', 'tasks', 'must be an array of objects'
      using errcode = 'LTQ05';
  end if;

  select * into v_problem
  from (
    select
      i.position,
      case
        when jsonb_typeof(i.item) <> 'object' then array['', 'must be an object']
        when i.item - v_known <> '{}'
          then array['.' || (select min(k) from jsonb_object_keys(i.item - v_known) k), 'unknown property']
        when jsonb_typeof(i.item -> 'description') is distinct from 'string' or i.item ->> 'description' = ''
          then array['.description', 'must be a non-empty string']
        when i.item ->> 'priority' not in ('low', 'normal', 'high', 'critical')
          then array['.priority', format('%s is not one of low, normal, high, critical', i.item ->> 'priority')]
        when i.item ->> 'max_attempts' is not null
          and not (i.item -> 'max_attempts') @? '$ ? (@ >= 1 && @ <= 2147483647 && @ == @.floor())'
          then array['.max_attempts', format('%s is not a whole number of at least 1', i.item ->> 'max_attempts')]
        when i.item ->> 'required_capabilities' is not null
          and (
            jsonb_typeof(i.item -> 'required_capabilities') <> 'array'
            or (i.item -> 'required_capabilities') @? '$[*] ? (@.type() != "string")'
          )
          then array['.required_capabilities', 'must be an array of strings']
        when jsonb_typeof(i.item -> 'idempotency_key') not in ('string', 'null')
          or length(i.item ->> 'idempotency_key') not between 1 and 200
          then array['.idempotency_key', 'must be a string of 1 to 200 characters']
        when jsonb_typeof(i.item -> 'run_after') <> 'null' and not pg_input_is_valid(i.item ->> 'run_after', 'timestamptz')
          then array['.run_after', format('%s is not a timestamp', i.item ->> 'run_after')]
        when i.item ->> 'agent_id' is not null
          and not exists (select from app_public.agents a where a.id = i.item ->> 'agent_id')
          then array['.agent_id', format('agent %s does not exist', i.item ->> 'agent_id')]
      end as found
    from jsonb_array_elements(tasks) with ordinality i(item, position)
  ) p
  where p.found is not null
  order by p.position
  limit 1;
  if v_problem.found is not null then
    raise exception 'invalid %: %', format('tasks[%s]%s', v_problem.position - 1, v_problem.found[1]), v_problem.found[2]
      using errcode = 'LTQ05';
  end if;

  select array_agg(gen_random_uuid() order by i.position), array_agg(i.item ->> 'idempotency_key' order by i.position)
  into v_ids, v_keys
  from jsonb_array_elements(tasks) with ordinality i(item, position);

  insert into app_public.tasks (
    id, description, context, priority, agent_id, run_after, max_attempts, required_capabilities, idempotency_key
  )
  select
    v_ids[i.position], i.item ->> 'description', coalesce(nullif(i.item -> 'context', 'null'), '{}'),
    coalesce(i.item ->> 'priority', 'normal'), i.item ->> 'agent_id',
    -- A microsecond apart, so that they are claimed in their order.
    coalesce((i.item ->> 'run_after')::timestamptz, now() + i.position * interval '1 microsecond'),
    coalesce((i.item ->> 'max_attempts')::numeric::integer, 5),
    array(select jsonb_array_elements_text(nullif(i.item -> 'required_capabilities', 'null'))), i.item ->> 'idempotency_key'
  from jsonb_array_elements(tasks) with ordinality i(item, position)
  order by i.position
  on conflict (tenant_id, idempotency_key) where idempotency_key is not null do nothing;

  -- A separate statement: it sees tasks that others enqueued under the same keys at the same time.
  return query
  select t.*
  from unnest(v_ids, v_keys) with ordinality i(id, idempotency_key, position)
  cross join lateral (
    select t.* from app_public.tasks t where t.id = i.id
    union all
    select t.* from app_public.tasks t where t.idempotency_key = i.idempotency_key and t.id <> i.id
  ) t
  order by i.position;
end
$$;

comment on function app_public.enqueue_tasks(jsonb) is 'Adds many tasks to the queue, all or none. `tasks` is a JSON array of objects whose properties are the parameters of enqueue_task; only description is required. Returns one task for each object, in the same order; where a task with the idempotency_key exists, that task as it is. Errors: LTQ05 invalid argument; the message names the place, such as tasks[3].priority.';
-- Everybody who writes may add, cancel and retry tasks.
grant execute on function app_public.enqueue_tasks(jsonb) to :MEMBER, :SERVICE, :ADMIN;
--! EndIncluded tasks/enqueue_tasks.sql
--! Included tasks/expire_leases.sql
-- Ends expired leases, which the caller has locked, and advances the workflows of their tasks. All or none.
--
-- One statement updates all tasks: the trigger that advances their workflows locks these in order, so two reapers never
-- wait for each other.
create or replace function ops.expire_leases(leases app_public.task_leases[]) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := clock_timestamp();
  v_found record;
begin
  delete from app_public.task_leases l
  using unnest(leases) e
  where l.tenant_id = e.tenant_id and l.task_id = e.task_id;
  insert into app_public.task_attempts
  select a.*
  from unnest(leases) e
  cross join lateral ops.attempt_of(
    e, v_now, 'expired', format('nothing has been heard from %s since %s', e.agent, e.heartbeat_at)
  ) a;
  update app_public.tasks t
  set
    status = case when t.failures + 1 < t.max_attempts then 'pending' else 'dead' end,
    failures = t.failures + 1,
    error_message = format('nothing has been heard from %s since %s', e.agent, e.heartbeat_at),
    completed_at = case when t.failures + 1 < t.max_attempts then null else v_now end
  from unnest(leases) e
  where t.tenant_id = e.tenant_id and t.id = e.task_id;

  -- The trigger advances the workflows of the caller's tenant; the worker has no tenant.
  for v_found in
    select s.tenant_id, s.workflow_id
    from unnest(leases) e
    join app_public.workflow_steps s on s.tenant_id = e.tenant_id and s.task_id = e.task_id and s.status = 'running'
    group by s.tenant_id, s.workflow_id
    order by s.tenant_id, s.workflow_id
  loop
    perform ops.advance_workflow(v_found.tenant_id, v_found.workflow_id);
  end loop;
end
$$;

comment on function ops.expire_leases(app_public.task_leases[]) is 'Ends expired leases and advances the workflows of their tasks. For ops.reap_expired_leases, which locks them.';
grant execute on function ops.expire_leases(app_public.task_leases[]) to :WORKER;
--! EndIncluded tasks/expire_leases.sql
--! Included tasks/fail_task.sql
-- Definer, as claim_tasks.
create or replace function app_public.fail_task(
  task_id uuid,
  fencing_token bigint,
  error text,
  retryable boolean default true,
  retry_in interval default null
) returns app_public.tasks
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_problem text[];
  v_now timestamptz := clock_timestamp();
  v_lease app_public.task_leases;
  v_task app_public.tasks;
  v_next text;
begin
  v_problem := case
    when coalesce(error, '') = '' then array['error', 'must not be empty']
    when retryable is null then array['retryable', 'must not be null']
    when retry_in not between interval '0' and interval '30 days'
      then array['retry_in', format('%s is not between 0 and 30 days', retry_in)]
  end;
  if v_problem is not null then
    perform app_private.refuse_argument('LTQ05', v_problem[1], v_problem[2]);
  end if;

  delete from app_public.task_leases l
  where l.tenant_id = app_private.current_tenant_id()
    and l.task_id = fail_task.task_id
    and l.fencing_token = fail_task.fencing_token
  returning * into v_lease;
  if not found then
    perform app_private.refuse_ended_lease(task_id, fencing_token);
  end if;

  select * into strict v_task from app_public.tasks t where t.tenant_id = v_lease.tenant_id and t.id = v_lease.task_id;
  v_next := case
    when not retryable then 'failed'
    when v_task.failures + 1 >= v_task.max_attempts then 'dead'
    else 'pending'
  end;
  update app_public.tasks t
  set
    status = v_next,
    failures = t.failures + 1,
    error_message = fail_task.error,
    completed_at = case when v_next <> 'pending' then v_now end,
    -- 2 seconds, doubled with each failure, an hour at most. Half of it is random, so that tasks that failed together do
    -- not come back together.
    run_after = case
      when v_next <> 'pending' then t.run_after
      else v_now + coalesce(
        fail_task.retry_in,
        make_interval(secs => least(3600, 2 * 2 ^ least(t.failures, 20)) * (0.5 + random() / 2))
      )
    end
  where t.tenant_id = v_lease.tenant_id and t.id = v_lease.task_id
  returning * into strict v_task;

  insert into app_public.task_attempts
  select a.* from ops.attempt_of(v_lease, v_now, 'failed', fail_task.error) a;
  return v_task;
end
$$;

comment on function app_public.fail_task(uuid, bigint, text, boolean, interval) is 'Reports that a claimed task could not be done, and why (`error`). A `retryable` task waits again: for `retry_in` (0 to 30 days) if it is given, otherwise for 2 seconds, doubled with each failure up to an hour and shortened at random by up to half. After its last attempt it is dead. A task that is not retryable becomes failed. Returns the task. Errors: LTQ01 no such task, LTQ02 the lease is over, LTQ03 the task was cancelled, LTQ05 invalid argument.';
-- Only programs work on tasks.
grant execute on function app_public.fail_task(uuid, bigint, text, boolean, interval) to :SERVICE, :ADMIN;
--! EndIncluded tasks/fail_task.sql
--! Included tasks/heartbeat_task.sql
-- Definer, as claim_tasks. It updates one narrow row, and neither the task nor the audit log.
create or replace function app_public.heartbeat_task(
  task_id uuid,
  fencing_token bigint,
  progress double precision default null,
  note text default null,
  lease interval default null
) returns app_public.task_leases
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_problem text[];
  v_now timestamptz := clock_timestamp();
  v_lease app_public.task_leases;
begin
  v_problem := case
    when progress not between 0 and 1 then array['progress', format('%s is not between 0 and 1', progress)]
    when lease not between interval '1 second' and interval '1 day'
      then array['lease', format('%s is not between 1 second and 1 day', lease)]
  end;
  if v_problem is not null then
    perform app_private.refuse_argument('LTQ05', v_problem[1], v_problem[2]);
  end if;

  update app_public.task_leases l
  set
    heartbeat_at = v_now,
    lease = coalesce(heartbeat_task.lease, l.lease),
    expires_at = v_now + coalesce(heartbeat_task.lease, l.lease),
    progress = coalesce(heartbeat_task.progress, l.progress),
    note = coalesce(heartbeat_task.note, l.note)
  where l.tenant_id = app_private.current_tenant_id()
    and l.task_id = heartbeat_task.task_id
    and l.fencing_token = heartbeat_task.fencing_token
  returning * into v_lease;
  if not found then
    perform app_private.refuse_ended_lease(task_id, fencing_token);
  end if;
  return v_lease;
end
$$;

comment on function app_public.heartbeat_task(uuid, bigint, double precision, text, interval) is 'Extends the lease of a claimed task by `lease`, or by as much as before. Records `progress` (0 to 1) and a `note`; null keeps the earlier value. Returns the lease. Errors: LTQ01 no such task, LTQ02 the lease is over, LTQ03 the task was cancelled, LTQ05 invalid argument.';
-- Only programs work on tasks.
grant execute on function app_public.heartbeat_task(uuid, bigint, double precision, text, interval) to :SERVICE, :ADMIN;
--! EndIncluded tasks/heartbeat_task.sql
--! Included tasks/is_claimable.sql
-- Whether an agent may claim a task now: the condition of every claim.
--
-- No definer, no `set`, and a body that is parsed now, so that the planner inlines it, can use the queue's index for it and
-- compares the columns directly.
create or replace function app_private.is_claimable(
  task app_public.tasks,
  agent text,
  capabilities text[],
  filter jsonb,
  at timestamptz
) returns boolean
language sql immutable parallel safe
return task.status = 'pending'
  and task.run_after <= at
  and (task.agent_id is null or task.agent_id = agent)
  and task.required_capabilities <@ capabilities
  and task.context @> filter;

comment on function app_private.is_claimable(app_public.tasks, text, text[], jsonb, timestamptz) is 'Whether an agent may claim the task now.';
--! EndIncluded tasks/is_claimable.sql
--! Included tasks/reap_expired_leases.sql
-- Takes back tasks whose leases have expired. Each waits again at once, in its old place, or is dead when its attempts are
-- used up. Skips leases that their holders are about to extend or end. However many one tenant has, the oldest of every
-- tenant are among those taken.
--
-- Tries all in one statement. If that fails, tries them one by one and sets aside those that cannot be taken back. Returns
-- how many were taken back.
--
-- Invoker: the worker reaches the leases of every tenant; a claim that finds too few tasks reaches those of its tenant.
create or replace function ops.reap_expired_leases(how_many integer default 1000) returns integer
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := clock_timestamp();
  v_leases app_public.task_leases[];
  v_lease app_public.task_leases;
  v_count integer := 0;
begin
  -- Idle agents call this again and again, so it first takes one look into the index.
  if not exists (select from app_public.task_leases l where l.expires_at <= v_now) then
    return 0;
  end if;
  v_leases := array(
    select l.lease
    from (
      select e.tenant_id, e.task_id, row_number() over (partition by e.tenant_id order by e.expires_at) as turn
      from app_public.task_leases e
      where e.expires_at <= v_now
        and (e.tenant_id, e.task_id::text) not in (select q.tenant_id, q.item from ops.quarantined('reap_leases') q)
      order by turn, e.expires_at
      limit how_many
    ) e
    -- Lateral: each lease is looked up by its key, however many others have not expired.
    cross join lateral (
      select l as lease
      from app_public.task_leases l
      where l.tenant_id = e.tenant_id and l.task_id = e.task_id and l.expires_at <= v_now
      for update of l skip locked
    ) l
  );
  if v_leases = '{}' then
    return 0;
  end if;

  begin
    perform ops.expire_leases(v_leases);
    return cardinality(v_leases);
  exception
    when others then null;
  end;

  -- In the order of locks (ops.lock_workflow).
  for v_lease in
    select l.*
    from unnest(v_leases) l
    join app_public.tasks t on t.tenant_id = l.tenant_id and t.id = l.task_id
    order by l.tenant_id, t.workflow_id, l.task_id
  loop
    begin
      perform ops.expire_leases(array[v_lease]);
      v_count := v_count + 1;
    exception
      when others then
        if not ops.quarantine_item('reap_leases', v_lease.tenant_id, v_lease.task_id::text, sqlstate, sqlerrm) then
          raise;
        end if;
    end;
  end loop;
  return v_count;
end
$$;

comment on function ops.reap_expired_leases(integer) is 'Takes back up to how_many tasks whose leases expired: they wait again, or are dead when their attempts are used up. Tasks that cannot be taken back are set aside. Returns how many were taken back.';
grant execute on function ops.reap_expired_leases(integer) to :WORKER;
--! EndIncluded tasks/reap_expired_leases.sql
--! Included tasks/reap_for_claim.sql
-- Takes back expired leases of the tenant, for a claim that finds too few tasks, and returns how many. Idle agents ask again
-- and again, so of those that ask at the same time only one looks: a look takes long where an old snapshot keeps the dead
-- entries of many heartbeats. No definer and no `set`, so that the planner inlines it.
create or replace function app_private.reap_for_claim(tenant_id text, how_many integer) returns integer
language sql volatile
return case
  when pg_try_advisory_xact_lock(hashtextextended('app_private.reap_for_claim ' || tenant_id, 0))
    then ops.reap_expired_leases(how_many)
  else 0
end;

comment on function app_private.reap_for_claim(text, integer) is 'Takes back expired leases of the tenant, unless another claim is doing so. Returns how many.';
--! EndIncluded tasks/reap_for_claim.sql
--! Included tasks/refuse_argument.sql
-- Refuses an argument of a function of tasks (LTQ05) or workflows (LTW05). Functions that run as their caller raise the same
-- by themselves (enqueue_task, enqueue_tasks, workflow_progress): requests have no usage of app_private. refuse_ended_lease
-- does, too, to add a hint.
create or replace function app_private.refuse_argument(code text, argument text, reason text) returns void
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
begin
  raise exception 'invalid %: %', argument, reason
    using errcode = code;
end
$$;

comment on function app_private.refuse_argument(text, text, text) is 'Raises that an argument cannot be used, and why: LTQ05 in functions of tasks, LTW05 in those of workflows.';
--! EndIncluded tasks/refuse_argument.sql
--! Included tasks/refuse_ended_lease.sql
-- Raises the error for a write to a task under a lease that is over or never existed.
create or replace function app_private.refuse_ended_lease(task_id uuid, fencing_token bigint) returns void
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_tenant text := app_private.current_tenant_id();
  v_status text;
  v_outcome text;
begin
  if task_id is null or fencing_token is null then
    raise exception 'invalid %: %', case when task_id is null then 'task_id' else 'fencing_token' end, 'it is missing'
      using errcode = 'LTQ05', hint = 'Pass both as claim_task returned them.';
  end if;

  select t.status into v_status
  from app_public.tasks t
  where t.tenant_id = v_tenant and t.id = refuse_ended_lease.task_id;
  if not found then
    raise exception 'task % does not exist', task_id
      using errcode = 'LTQ01', hint = 'It was deleted, or belongs to another tenant.';
  end if;

  select a.outcome into v_outcome
  from app_public.task_attempts a
  where a.tenant_id = v_tenant
    and a.task_id = refuse_ended_lease.task_id
    and a.fencing_token = refuse_ended_lease.fencing_token;
  if v_outcome = 'cancelled' then
    raise exception 'task % was cancelled', task_id
      using errcode = 'LTQ03', hint = 'Stop working on it; nobody waits for the result.';
  end if;

  raise exception 'the lease of task % with fencing token % is over', task_id, fencing_token
    using
      errcode = 'LTQ02',
      detail = format('%s. The task is %s.', coalesce('That attempt ended: ' || v_outcome, 'No attempt has this token'), v_status),
      hint = 'Nothing was changed. Stop working on it, and claim another.';
end
$$;

comment on function app_private.refuse_ended_lease(uuid, bigint) is 'Raises the reason why a fencing token is not valid: LTQ01 no such task, LTQ02 the lease is over, LTQ03 the task was cancelled, LTQ05 an argument is missing.';
--! EndIncluded tasks/refuse_ended_lease.sql
--! Included tasks/release_task.sql
-- Definer, as claim_tasks.
create or replace function app_public.release_task(
  task_id uuid,
  fencing_token bigint,
  delay interval default '0'
) returns app_public.tasks
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_now timestamptz := clock_timestamp();
  v_lease app_public.task_leases;
  v_task app_public.tasks;
begin
  if delay is null or delay not between interval '0' and interval '30 days' then
    perform app_private.refuse_argument('LTQ05', 'delay', format('%s is not between 0 and 30 days', coalesce(delay::text, 'null')));
  end if;

  delete from app_public.task_leases l
  where l.tenant_id = app_private.current_tenant_id()
    and l.task_id = release_task.task_id
    and l.fencing_token = release_task.fencing_token
  returning * into v_lease;
  if not found then
    perform app_private.refuse_ended_lease(task_id, fencing_token);
  end if;

  -- Without a delay it takes its old place in the queue.
  update app_public.tasks t
  set status = 'pending', run_after = case when delay > interval '0' then v_now + delay else t.run_after end
  where t.tenant_id = v_lease.tenant_id and t.id = v_lease.task_id
  returning * into strict v_task;

  insert into app_public.task_attempts
  select a.* from ops.attempt_of(v_lease, v_now, 'released') a;
  return v_task;
end
$$;

comment on function app_public.release_task(uuid, bigint, interval) is 'Gives back a claimed task undone. It waits again: at once in its old place, or after `delay` (0 to 30 days). The attempt does not count against max_attempts. Returns the task. Errors: LTQ01 no such task, LTQ02 the lease is over, LTQ03 the task was cancelled, LTQ05 invalid argument.';
-- Only programs work on tasks.
grant execute on function app_public.release_task(uuid, bigint, interval) to :SERVICE, :ADMIN;
--! EndIncluded tasks/release_task.sql
--! Included tasks/retry_task.sql
-- Definer, as cancel_task: it sets columns that only functions may set.
create or replace function app_public.retry_task(task_id uuid, run_after timestamptz default null) returns app_public.tasks
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_tenant text := app_private.current_tenant_id();
  v_task app_public.tasks;
begin
  if task_id is null then
    perform app_private.refuse_argument('LTQ05', 'task_id', 'it is missing');
  end if;

  select * into v_task
  from app_public.tasks t
  where t.tenant_id = v_tenant and t.id = retry_task.task_id
  for no key update;
  if not found then
    raise exception 'task % does not exist', task_id
      using errcode = 'LTQ01', hint = 'It was deleted, or belongs to another tenant.';
  end if;
  if v_task.status not in ('failed', 'dead') then
    raise exception 'task % is % and cannot become %', task_id, v_task.status, 'pending'
      using errcode = 'LTQ04', hint = 'Only a failed or dead task can be retried.';
  end if;

  update app_public.tasks t
  set
    status = 'pending', failures = 0, completed_at = null, error_message = null,
    run_after = coalesce(retry_task.run_after, clock_timestamp())
  where t.tenant_id = v_tenant and t.id = retry_task.task_id
  returning * into strict v_task;
  return v_task;
end
$$;

comment on function app_public.retry_task(uuid, timestamptz) is 'Puts a failed or dead task back into the queue, to run not before `run_after` and with all of max_attempts again. Its earlier attempts stay in task_attempts. Returns the task. Errors: LTQ01 no such task, LTQ04 it is neither failed nor dead, LTQ05 invalid argument.';
-- Everybody who writes may add, cancel and retry tasks.
grant execute on function app_public.retry_task(uuid, timestamptz) to :MEMBER, :SERVICE, :ADMIN;
--! EndIncluded tasks/retry_task.sql
--! Included tasks/tg_tasks__check_update.sql
-- Guards the order of a task's states, and its lease. One function does both, without a condition on its trigger: Postgres
-- parses a trigger's condition for each statement, which took longer than this.
--
-- Nobody changes a task that an agent holds. The functions end the lease before they write, so they need no exception. Only
-- agent_id may change under a lease, because removing an agent must not fail.
create or replace function app_private.tg_tasks__check_update() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_lease record;
  v_as_before app_public.tasks;
begin
  if OLD.status = 'running' then
    select l.agent, l.expires_at into v_lease
    from app_public.task_leases l
    where l.tenant_id = OLD.tenant_id and l.task_id = OLD.id;
    if found then
      v_as_before := OLD;
      v_as_before.agent_id := NEW.agent_id;
      if NEW is distinct from v_as_before then
        raise exception 'task % is claimed by %', OLD.id, v_lease.agent
          using
            errcode = 'LTQ06',
            detail = format('Its lease ends at %s unless it is extended.', v_lease.expires_at),
            hint = 'With the fencing token, use complete_task, fail_task or release_task; without it, cancel_task.';
      end if;
    end if;
  end if;

  if OLD.status <> NEW.status and not (case OLD.status
    when 'pending' then NEW.status in ('running', 'assigned', 'cancelled')
    when 'assigned' then NEW.status in ('pending', 'running', 'cancelled')
    when 'running' then NEW.status in ('completed', 'pending', 'failed', 'dead', 'cancelled')
    when 'failed' then NEW.status = 'pending'
    when 'dead' then NEW.status = 'pending'
    else false
  end) then
    raise exception 'task % is % and cannot become %', OLD.id, OLD.status, NEW.status
      using errcode = 'LTQ04', hint = 'The states and their order are in docs/tasks.md.';
  end if;
  return NEW;
end
$$;

comment on function app_private.tg_tasks__check_update() is 'Trigger: refuses an illegal change of state with LTQ04, and any change of a claimed task except of its agent_id with LTQ06.';
--! EndIncluded tasks/tg_tasks__check_update.sql
--! Included tasks/tg_tasks__place_in_queue.sql
-- Sets a task's place in the queue: the time from which it may run, moved forward by its priority. A normal task is served
-- before a high one that came more than 40 minutes later. So no task waits forever, and nothing is recomputed as time
-- passes.
create or replace function app_private.tg_tasks__place_in_queue() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  -- An imported task queues by its age.
  if TG_OP = 'INSERT' and NEW.run_after = now() and NEW.created_at < NEW.run_after then
    NEW.run_after := NEW.created_at;
  end if;
  NEW.queue_at := NEW.run_after - case NEW.priority
    when 'critical' then interval '3 hours'
    when 'high' then interval '1 hour'
    when 'normal' then interval '20 minutes'
    else interval '0'
  end;
  return NEW;
end
$$;

comment on function app_private.tg_tasks__place_in_queue() is 'Trigger: sets queue_at from run_after and priority.';
--! EndIncluded tasks/tg_tasks__place_in_queue.sql

--! Included workflows/advance_workflow.sql
-- Records how a workflow's tasks ended and advances it: starts steps whose dependencies are done, skips steps that must not
-- run, and ends the workflow when nothing is left. The transaction that ended a task calls it, with the task locked. It can
-- be called at any time and does whatever is due.
--
-- When two transactions end the dependencies of one step at the same time, the second waits here for the first and then sees
-- its changes. A transaction with an older snapshot (repeatable read) gets 40001 from the locks, so it overlooks nothing.
-- That is why all steps are locked and not the workflow alone, whose row may not have changed.
--
-- When a failure stops the workflow, agents that have begun may finish. A waiting task is cancelled, unless somebody is
-- claiming it at this moment: waiting for them would break the order of locks (lock_workflow).
create or replace function ops.advance_workflow(tenant text, workflow uuid) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := clock_timestamp();
  v_workflow app_public.workflows;
  v_step app_public.workflow_steps;
  v_failed app_public.workflow_steps;
  v_tasks uuid[];
  v_status text;
  v_again boolean := true;
begin
  select * into v_workflow
  from app_public.workflows w
  where w.tenant_id = tenant and w.id = workflow
  for no key update;
  if not found or v_workflow.started_at is null or v_workflow.status not in ('running', 'paused') then
    return;
  end if;
  perform
  from app_public.workflow_steps s
  where s.tenant_id = tenant and s.workflow_id = workflow
  order by s.key
  for no key update;

  update app_public.workflow_steps s
  set
    status = case t.status when 'completed' then 'completed' else 'failed' end,
    result = t.result,
    error_message = case t.status
      when 'completed' then null
      when 'cancelled' then concat_ws(': ', 'its task was cancelled', t.error_message)
      else coalesce(t.error_message, 'its task is ' || t.status)
    end,
    completed_at = coalesce(t.completed_at, v_now)
  from app_public.tasks t
  where s.tenant_id = tenant
    and s.workflow_id = workflow
    and s.status = 'running'
    and t.tenant_id = s.tenant_id
    and t.id = s.task_id
    and t.status in ('completed', 'failed', 'dead', 'cancelled');

  if v_workflow.status = 'paused' then
    -- Tasks that wait, for the first time or after a failed attempt, cannot be claimed until resume_workflow.
    v_tasks := ops.lock_waiting_workflow_tasks(tenant, workflow);
    update app_public.tasks t
    set run_after = 'infinity'
    where t.tenant_id = tenant and t.id = any (v_tasks) and t.run_after <> 'infinity';
    return;
  end if;

  while v_again loop
    v_again := false;
    select * into v_failed
    from app_public.workflow_steps s
    where s.tenant_id = tenant and s.workflow_id = workflow and s.status = 'failed' and s.on_failure = 'fail'
    order by s.completed_at, s.position
    limit 1;
    exit when found;

    for v_step in
      select *
      from app_public.workflow_steps s
      where s.tenant_id = tenant
        and s.workflow_id = workflow
        and s.status = 'pending'
        and not exists (
          select
          from app_public.workflow_steps d
          where d.tenant_id = tenant
            and d.workflow_id = workflow
            and d.key = any (s.depends_on)
            and d.status in ('pending', 'running')
        )
      order by s.position
    loop
      v_status := ops.begin_workflow_step(v_workflow, v_step);
      -- The step ended without a task: other steps may now start, or may have to stop.
      v_again := v_again or v_status <> 'running';
      exit when v_status = 'failed';
    end loop;
  end loop;

  if v_failed.key is not null then
    v_tasks := ops.lock_waiting_workflow_tasks(tenant, workflow);
    update app_public.workflow_steps s
    set status = 'cancelled', completed_at = v_now
    where s.tenant_id = tenant
      and s.workflow_id = workflow
      and (s.status = 'pending' or s.status = 'running' and s.task_id = any (v_tasks));
    perform ops.cancel_workflow_tasks(tenant, v_tasks, format('step %s of the workflow failed', v_failed.key));
  end if;

  update app_public.workflows w
  set
    status = case when v_failed.key is null then 'completed' else 'failed' end,
    error_message = format('step %s failed: ', v_failed.key) || v_failed.error_message,
    completed_at = v_now
  where w.tenant_id = tenant
    and w.id = workflow
    and not exists (
      select
      from app_public.workflow_steps s
      where s.tenant_id = tenant and s.workflow_id = workflow and s.status in ('pending', 'running')
    );
end
$$;

comment on function ops.advance_workflow(text, uuid) is 'Records how a workflow''s tasks ended, starts the steps that may start, and ends the workflow when nothing is left.';
grant execute on function ops.advance_workflow(text, uuid) to :WORKER;
--! EndIncluded workflows/advance_workflow.sql
--! Included workflows/begin_workflow_step.sql
-- Makes the task of a step whose dependencies have ended, and returns the step's new status: running, skipped or failed. It
-- fails when its agent does not exist, or when its condition or task cannot be computed from earlier results (one that is
-- too large, say). This must not undo the work of the earlier step. The caller has locked the workflow.
create or replace function ops.begin_workflow_step(workflow app_public.workflows, step app_public.workflow_steps)
returns text
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := clock_timestamp();
  v_inputs jsonb;
  v_template jsonb := step.definition -> 'task';
  v_status text;
  v_error text;
  v_task uuid;
begin
  select
    case
      when d.blocking is not null or d.skipped = cardinality(step.depends_on) and d.skipped > 0 then 'skipped'
    end,
    d.blocking
  into v_status, v_error
  from (
    select
      count(*) filter (where s.status = 'skipped') as skipped,
      -- A failure passes on through steps that were skipped because of it. Steps skipped by a condition have no error.
      (array_agg(
        case s.status when 'failed' then format('step %s failed: %s', s.key, s.error_message) else s.error_message end
        order by s.position
      ) filter (
        where s.status = 'failed' and s.on_failure = 'skip' or s.status = 'skipped' and s.error_message is not null
      ))[1] as blocking
    from app_public.workflow_steps s
    where s.tenant_id = workflow.tenant_id and s.workflow_id = workflow.id and s.key = any (step.depends_on)
  ) d;

  if v_status is null then
    begin
      with recursive earlier as (
        select k as key
        from unnest(step.depends_on) k
        union
        select k
        from earlier e
        join app_public.workflow_steps s on s.tenant_id = workflow.tenant_id and s.workflow_id = workflow.id and s.key = e.key
        cross join unnest(s.depends_on) k
      )
      select
        coalesce(
          jsonb_object_agg(
            s.key,
            jsonb_build_object('status', s.status)
              || case when s.status = 'completed' then jsonb_build_object('result', s.result) else '{}' end
              || case when s.error_message is null then '{}' else jsonb_build_object('error', s.error_message) end
          ),
          '{}'
        )
      into v_inputs
      from earlier e
      join app_public.workflow_steps s on s.tenant_id = workflow.tenant_id and s.workflow_id = workflow.id and s.key = e.key;

      if jsonb_typeof(step.definition -> 'condition') <> 'null'
        and not ops.workflow_condition_holds(step.definition -> 'condition', v_inputs)
      then
        v_status := 'skipped';
      else
        insert into app_public.tasks (
          tenant_id, description, priority, agent_id, required_capabilities, max_attempts, workflow_id, step_key, context
        )
        values (
          workflow.tenant_id, v_template ->> 'description', coalesce(v_template ->> 'priority', 'normal'),
          v_template ->> 'agent_id',
          array(
            select jsonb_array_elements_text(v_template -> 'capabilities')
            where jsonb_typeof(v_template -> 'capabilities') = 'array'
          ),
          -- Whole, but it may be written as 5.0.
          coalesce((step.definition ->> 'max_attempts')::numeric::integer, 5), workflow.id, step.key,
          case when jsonb_typeof(workflow.context) = 'object' then workflow.context else '{}' end
            || coalesce(nullif(v_template -> 'context', 'null'), '{}')
            || jsonb_build_object(
              'workflow', jsonb_build_object('id', workflow.id, 'step', step.key),
              'steps', v_inputs
            )
        )
        returning id into v_task;
        v_status := 'running';
      end if;
    exception
      when foreign_key_violation then
        v_status := 'failed';
        v_error := format('agent %s does not exist', v_template ->> 'agent_id');
      -- Data exceptions, constraints and limits come from the step's own values. No other error is the step's.
      when others then
        if sqlstate !~ '^(22|23|54)' then
          raise;
        end if;
        v_status := 'failed';
        v_error := format('it cannot be started: %s', left(sqlerrm, 1000));
    end;
  end if;

  update app_public.workflow_steps s
  set
    status = v_status,
    task_id = v_task,
    error_message = v_error,
    started_at = case when v_status <> 'skipped' then v_now end,
    completed_at = case when v_status <> 'running' then v_now end,
    timeout_at = case when v_status = 'running' then v_now + (step.definition ->> 'timeout')::interval end
  where s.tenant_id = workflow.tenant_id and s.workflow_id = workflow.id and s.key = step.key;
  return v_status;
end
$$;

comment on function ops.begin_workflow_step(app_public.workflows, app_public.workflow_steps) is 'Makes the task of a step whose dependencies have ended, or skips it. Returns its status.';
grant execute on function ops.begin_workflow_step(app_public.workflows, app_public.workflow_steps) to :WORKER;
--! EndIncluded workflows/begin_workflow_step.sql
--! Included workflows/cancel_workflow.sql
-- Definer, as start_workflow.
create or replace function app_public.cancel_workflow(workflow_id uuid, reason text default null) returns app_public.workflows
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_workflow app_public.workflows;
  v_now timestamptz;
begin
  v_workflow := app_private.lock_callers_workflow(cancel_workflow.workflow_id);
  if v_workflow.status = 'cancelled' then
    return v_workflow;
  end if;

  v_now := clock_timestamp();
  update app_public.workflows w
  set status = 'cancelled', completed_at = v_now, paused_at = null, error_message = cancel_workflow.reason
  where w.tenant_id = v_workflow.tenant_id and w.id = v_workflow.id
  returning * into strict v_workflow;
  update app_public.workflow_steps s
  set status = 'cancelled', completed_at = v_now
  where s.tenant_id = v_workflow.tenant_id and s.workflow_id = v_workflow.id and s.status in ('pending', 'running');
  perform ops.cancel_workflow_tasks(
    v_workflow.tenant_id,
    array(
      select t.id
      from app_public.tasks t
      where t.tenant_id = v_workflow.tenant_id
        and t.workflow_id = v_workflow.id
        and t.status in ('pending', 'assigned', 'running')
    ),
    coalesce(cancel_workflow.reason, 'the workflow was cancelled')
  );
  return v_workflow;
end
$$;

comment on function app_public.cancel_workflow(uuid, text) is 'Cancels a workflow that has not ended, and all of its tasks. The holder of a task gets LTQ03 at the next call. Stores `reason` as error_message. Returns the workflow; one that is already cancelled stays as it is. Errors: LTW01 no such workflow, LTW04 it has already ended, LTW05 invalid argument.';
-- Everybody who writes may run workflows.
grant execute on function app_public.cancel_workflow(uuid, text) to :MEMBER, :SERVICE, :ADMIN;
--! EndIncluded workflows/cancel_workflow.sql
--! Included workflows/cancel_workflow_tasks.sql
-- Cancels tasks of a workflow's steps, including claimed ones, whose holders learn of it as with cancel_task. The caller has
-- locked them (lock_workflow) and has already set the status of their steps, which would otherwise count as failed.
create or replace function ops.cancel_workflow_tasks(tenant text, tasks uuid[], reason text) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := clock_timestamp();
begin
  with ended as (
    delete from app_public.task_leases l
    where l.tenant_id = tenant and l.task_id = any (tasks)
    returning l as lease
  )
  insert into app_public.task_attempts
  select a.* from ended e cross join lateral ops.attempt_of(e.lease, v_now, 'cancelled', reason) a;

  update app_public.tasks t
  set status = 'cancelled', completed_at = v_now, error_message = reason
  where t.tenant_id = tenant and t.id = any (tasks) and t.status in ('pending', 'assigned', 'running');
end
$$;

comment on function ops.cancel_workflow_tasks(text, uuid[], text) is 'Cancels tasks and ends their leases.';
grant execute on function ops.cancel_workflow_tasks(text, uuid[], text) to :WORKER;
--! EndIncluded workflows/cancel_workflow_tasks.sql
--! Included workflows/lock_callers_workflow.sql
-- Locks a workflow of the caller's tenant with its tasks, and returns it. Raises when it does not exist.
create or replace function app_private.lock_callers_workflow(workflow_id uuid) returns app_public.workflows
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_workflow app_public.workflows;
begin
  if workflow_id is null then
    perform app_private.refuse_argument('LTW05', 'workflow_id', 'it is missing');
  end if;
  v_workflow := ops.lock_workflow(app_private.current_tenant_id(), workflow_id);
  if v_workflow.id is null then
    raise exception 'workflow % does not exist', workflow_id
      using errcode = 'LTW01', hint = 'It was deleted, or belongs to another tenant.';
  end if;
  return v_workflow;
end
$$;

comment on function app_private.lock_callers_workflow(uuid) is 'Locks a workflow with its tasks, and returns it. LTW01 no such workflow, LTW05 the id is missing.';
--! EndIncluded workflows/lock_callers_workflow.sql
--! Included workflows/lock_waiting_workflow_tasks.sql
-- Locks the waiting tasks of a workflow's steps, except those that somebody is claiming.
create or replace function ops.lock_waiting_workflow_tasks(tenant text, workflow uuid) returns uuid[]
language sql volatile
begin atomic
  select array(
    select t.id
    from app_public.workflow_steps s
    join app_public.tasks t on t.tenant_id = s.tenant_id and t.id = s.task_id
    where s.tenant_id = tenant and s.workflow_id = workflow and s.status = 'running' and t.status = 'pending'
    order by t.id
    for no key update of t skip locked
  );
end;

comment on function ops.lock_waiting_workflow_tasks(text, uuid) is 'Locks the waiting tasks of a workflow''s steps, except those that somebody is claiming, and returns their ids.';
grant execute on function ops.lock_waiting_workflow_tasks(text, uuid) to :WORKER;
--! EndIncluded workflows/lock_waiting_workflow_tasks.sql
--! Included workflows/lock_workflow.sql
-- Locks a workflow, its unfinished tasks and their leases, so that the caller may change any of them. Returns the workflow,
-- or null when it does not exist.
--
-- Everybody locks in one order, so that no two wait for each other: leases, tasks (by id), workflows (by id), steps. Whoever
-- ends a task holds its lease and the task before locking the workflow (advance_workflow), so a caller that starts from the
-- workflow has to lock these first. If a step started or a task was claimed in between, it lets go and begins again: each
-- lost round is progress of somebody else.
create or replace function ops.lock_workflow(tenant text, workflow uuid) returns app_public.workflows
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_workflow app_public.workflows;
  v_leases uuid[];
  v_tasks uuid[];
begin
  loop
    begin
      v_leases := array(
        select l.task_id
        from app_public.task_leases l
        join app_public.tasks t on t.tenant_id = l.tenant_id and t.id = l.task_id
        where t.tenant_id = tenant and t.workflow_id = workflow
        order by l.task_id
        for update of l
      );
      v_tasks := array(
        select t.id
        from app_public.tasks t
        where t.tenant_id = tenant and t.workflow_id = workflow and t.status in ('pending', 'assigned', 'running')
        order by t.id
        for no key update
      );
      select * into v_workflow
      from app_public.workflows w
      where w.tenant_id = tenant and w.id = workflow
      for no key update;
      perform
      from app_public.workflow_steps s
      where s.tenant_id = tenant and s.workflow_id = workflow
      order by s.key
      for no key update;

      if exists (
        select
        from app_public.tasks t
        left join app_public.task_leases l on l.tenant_id = t.tenant_id and l.task_id = t.id
        where t.tenant_id = tenant
          and t.workflow_id = workflow
          and t.status in ('pending', 'assigned', 'running')
          and (t.id <> all (v_tasks) or l.task_id is not null and l.task_id <> all (v_leases))
      ) then
        raise object_in_use;
      end if;
      return v_workflow;
    exception
      -- This has released the locks of the round.
      when object_in_use then null;
    end;
  end loop;
end
$$;

comment on function ops.lock_workflow(text, uuid) is 'Locks a workflow, its unfinished tasks and their leases, in the common order of locks: leases, tasks, workflows, steps. Null when it does not exist.';
grant execute on function ops.lock_workflow(text, uuid) to :WORKER;
--! EndIncluded workflows/lock_workflow.sql
--! Included workflows/pause_workflow.sql
-- Definer, as start_workflow.
create or replace function app_public.pause_workflow(workflow_id uuid) returns app_public.workflows
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_workflow app_public.workflows;
begin
  v_workflow := app_private.lock_callers_workflow(pause_workflow.workflow_id);
  if v_workflow.status = 'paused' then
    return v_workflow;
  end if;

  update app_public.workflows w
  set status = 'paused', paused_at = clock_timestamp()
  where w.tenant_id = v_workflow.tenant_id and w.id = v_workflow.id
  returning * into strict v_workflow;
  perform ops.advance_workflow(v_workflow.tenant_id, v_workflow.id);
  return v_workflow;
end
$$;

comment on function app_public.pause_workflow(uuid) is 'Pauses a running workflow: no step starts, waiting tasks cannot be claimed, claimed tasks may finish, and timeouts stand still. Returns the workflow; one that is already paused stays as it is. Errors: LTW01 no such workflow, LTW04 it is not running, LTW05 invalid argument.';
-- Everybody who writes may run workflows.
grant execute on function app_public.pause_workflow(uuid) to :MEMBER, :SERVICE, :ADMIN;
--! EndIncluded workflows/pause_workflow.sql
--! Included workflows/resume_workflow.sql
-- Definer, as start_workflow.
create or replace function app_public.resume_workflow(workflow_id uuid) returns app_public.workflows
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_workflow app_public.workflows;
  v_now timestamptz;
begin
  v_workflow := app_private.lock_callers_workflow(resume_workflow.workflow_id);
  if v_workflow.status = 'running' then
    return v_workflow;
  elsif v_workflow.status <> 'paused' then
    raise exception 'workflow % is % and cannot become %', v_workflow.id, v_workflow.status, 'running'
      using errcode = 'LTW04', hint = 'Use start_workflow for a draft, retry_workflow for a workflow that has ended.';
  end if;

  v_now := clock_timestamp();
  update app_public.workflow_steps s
  set timeout_at = s.timeout_at + (v_now - v_workflow.paused_at)
  where s.tenant_id = v_workflow.tenant_id
    and s.workflow_id = v_workflow.id
    and s.status = 'running'
    and s.timeout_at is not null;
  update app_public.workflows w
  set status = 'running', paused_at = null
  where w.tenant_id = v_workflow.tenant_id and w.id = v_workflow.id
  returning * into strict v_workflow;
  update app_public.tasks t
  set run_after = v_now
  where t.tenant_id = v_workflow.tenant_id
    and t.workflow_id = v_workflow.id
    and t.status = 'pending'
    and t.run_after = 'infinity';
  perform ops.advance_workflow(v_workflow.tenant_id, v_workflow.id);

  select * into strict v_workflow
  from app_public.workflows w
  where w.tenant_id = v_workflow.tenant_id and w.id = v_workflow.id;
  return v_workflow;
end
$$;

comment on function app_public.resume_workflow(uuid) is 'Resumes a paused workflow: its waiting tasks can be claimed again, and steps start whose dependencies ended meanwhile. Returns the workflow; one that is running stays as it is. Errors: LTW01 no such workflow, LTW04 it is not paused, LTW05 invalid argument.';
-- Everybody who writes may run workflows.
grant execute on function app_public.resume_workflow(uuid) to :MEMBER, :SERVICE, :ADMIN;
--! EndIncluded workflows/resume_workflow.sql
--! Included workflows/retry_workflow.sql
-- Definer, as start_workflow.
create or replace function app_public.retry_workflow(workflow_id uuid, from_step text default null) returns app_public.workflows
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_workflow app_public.workflows;
  v_changed text[];
begin
  v_workflow := app_private.lock_callers_workflow(retry_workflow.workflow_id);
  if v_workflow.status not in ('completed', 'failed', 'cancelled') then
    raise exception 'workflow % is % and cannot become %', v_workflow.id, v_workflow.status, 'running'
      using errcode = 'LTW04', hint = 'Only a workflow that has ended can be retried: cancel it first.';
  end if;
  if from_step is not null
    and not coalesce(jsonb_path_exists(v_workflow.steps, '$[*] ? (@.key == $key)', jsonb_build_object('key', from_step)), false)
  then
    perform app_private.refuse_argument('LTW05', 'from_step', format('step %s does not exist', from_step));
  end if;

  update app_public.workflows w
  set
    status = 'running', started_at = coalesce(w.started_at, clock_timestamp()), completed_at = null, paused_at = null,
    error_message = null, steps = w.steps
  where w.tenant_id = v_workflow.tenant_id and w.id = v_workflow.id
  returning * into strict v_workflow;
  v_changed := app_private.sync_workflow_steps(v_workflow);

  with recursive again as (
    select s.key
    from app_public.workflow_steps s
    where s.tenant_id = v_workflow.tenant_id
      and s.workflow_id = v_workflow.id
      and (
        s.key = from_step
        or s.key = any (v_changed)
        or s.status in ('pending', 'failed', 'cancelled')
        or s.status = 'skipped' and s.error_message is not null
      )
    union
    select s.key
    from again a
    join app_public.workflow_steps s
      on s.tenant_id = v_workflow.tenant_id and s.workflow_id = v_workflow.id and a.key = any (s.depends_on)
  )
  update app_public.workflow_steps s
  set
    status = 'pending', task_id = null, result = null, error_message = null, started_at = null, completed_at = null,
    timeout_at = null
  from again a
  where s.tenant_id = v_workflow.tenant_id and s.workflow_id = v_workflow.id and s.key = a.key;
  if not found then
    perform app_private.refuse_argument('LTW05', 'from_step', 'no step failed or was cancelled: name the step to run again');
  end if;
  perform ops.advance_workflow(v_workflow.tenant_id, v_workflow.id);

  select * into strict v_workflow
  from app_public.workflows w
  where w.tenant_id = v_workflow.tenant_id and w.id = v_workflow.id;
  return v_workflow;
end
$$;

comment on function app_public.retry_workflow(uuid, text) is 'Runs part of a workflow again after it has ended: steps that failed, were cancelled or were skipped because of a failure, steps that have changed since, the step `from_step`, and all steps that depend on one of these. Other steps keep their results. Each step that runs again gets a new task. Returns the workflow. Errors: LTW01 no such workflow, LTW02 its steps are not valid, LTW04 it has not ended, LTW05 invalid argument, or nothing to run again.';
-- Everybody who writes may run workflows.
grant execute on function app_public.retry_workflow(uuid, text) to :MEMBER, :SERVICE, :ADMIN;
--! EndIncluded workflows/retry_workflow.sql
--! Included workflows/start_workflow.sql
-- Definer: only these functions may write the state of steps. They run under the owner's policies, which are confined to the
-- caller's tenant.
create or replace function app_public.start_workflow(workflow_id uuid, context jsonb default '{}') returns app_public.workflows
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_workflow app_public.workflows;
begin
  v_workflow := app_private.lock_callers_workflow(start_workflow.workflow_id);
  if v_workflow.status not in ('draft', 'pending') then
    raise exception 'workflow % is % and cannot become %', v_workflow.id, v_workflow.status, 'running'
      using errcode = 'LTW04', hint = 'Use resume_workflow for a paused workflow, retry_workflow for one that has ended.';
  end if;
  if jsonb_typeof(start_workflow.context) is distinct from 'object' then
    perform app_private.refuse_argument('LTW05', 'context', 'must be an object');
  end if;
  if v_workflow.steps = '[]' then
    perform app_private.refuse_argument('LTW05', 'workflow_id', 'the workflow has no steps');
  end if;

  -- Writes the steps again unchanged, so that the trigger checks them: they may be older than the check.
  update app_public.workflows w
  set
    status = 'running', started_at = clock_timestamp(), completed_at = null, steps = w.steps,
    context = case when jsonb_typeof(w.context) = 'object' then w.context else '{}' end || start_workflow.context
  where w.tenant_id = v_workflow.tenant_id and w.id = v_workflow.id
  returning * into strict v_workflow;
  perform app_private.sync_workflow_steps(v_workflow);
  perform ops.advance_workflow(v_workflow.tenant_id, v_workflow.id);

  select * into strict v_workflow
  from app_public.workflows w
  where w.tenant_id = v_workflow.tenant_id and w.id = v_workflow.id;
  return v_workflow;
end
$$;

comment on function app_public.start_workflow(uuid, jsonb) is 'Starts a draft or pending workflow. Steps without dependencies become tasks at once, the others as soon as their dependencies are done. Adds `context` to the workflow''s. Returns the workflow. Errors: LTW01 no such workflow, LTW02 its steps are not valid, LTW04 it is neither draft nor pending, LTW05 invalid argument.';
-- Everybody who writes may run workflows.
grant execute on function app_public.start_workflow(uuid, jsonb) to :MEMBER, :SERVICE, :ADMIN;
--! EndIncluded workflows/start_workflow.sql
--! Included workflows/sync_workflow_steps.sql
-- Brings the rows of a workflow's steps in line with its definition, which is valid: adds new steps, and removes steps that
-- are gone. Returns the keys of new and changed steps.
create or replace function app_private.sync_workflow_steps(workflow app_public.workflows) returns text[]
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_changed text[];
begin
  v_changed := array(
    select i.item ->> 'key'
    from jsonb_array_elements(workflow.steps) i(item)
    where not exists (
      select
      from app_public.workflow_steps s
      where s.tenant_id = workflow.tenant_id
        and s.workflow_id = workflow.id
        and s.key = i.item ->> 'key'
        and s.definition = i.item
    )
  );

  delete from app_public.workflow_steps s
  where s.tenant_id = workflow.tenant_id
    and s.workflow_id = workflow.id
    and not exists (select from jsonb_array_elements(workflow.steps) i(item) where i.item ->> 'key' = s.key);
  insert into app_public.workflow_steps as s (tenant_id, workflow_id, key, position, depends_on, on_failure, definition)
  select
    workflow.tenant_id, workflow.id, i.item ->> 'key', i.position,
    array(
      select jsonb_array_elements_text(i.item -> 'depends_on') where jsonb_typeof(i.item -> 'depends_on') = 'array'
    ),
    coalesce(i.item ->> 'on_failure', 'fail'), i.item
  from jsonb_array_elements(workflow.steps) with ordinality i(item, position)
  on conflict (tenant_id, workflow_id, key) do update
  set
    position = excluded.position, depends_on = excluded.depends_on, on_failure = excluded.on_failure,
    definition = excluded.definition
  where (s.position, s.definition) is distinct from (excluded.position, excluded.definition);
  return v_changed;
end
$$;

comment on function app_private.sync_workflow_steps(app_public.workflows) is 'Brings the rows of a workflow''s steps in line with its definition. Returns the keys of new and changed steps.';
--! EndIncluded workflows/sync_workflow_steps.sql
--! Included workflows/tend_workflows.sql
-- The worker runs this every few seconds. It ends steps that took too long, and records tasks that somebody without a tenant
-- ended (a superuser, for whom the trigger sees no steps). It leaves a workflow that somebody else holds for the next run, so
-- it never waits long while it holds others. Workflows that fail are set aside. However many one tenant has, the oldest of
-- every tenant are among those that it looks at. Returns how many it advanced.
create or replace function ops.tend_workflows(how_many integer default 100) returns integer
language plpgsql volatile
set search_path to pg_catalog, pg_temp
set lock_timeout to '50ms'
as $$
declare
  v_now timestamptz := clock_timestamp();
  v_found record;
  v_workflow app_public.workflows;
  v_tasks uuid[];
  v_count integer := 0;
begin
  for v_found in
    select d.tenant_id, d.workflow_id
    from (
      select
        s.tenant_id, s.workflow_id,
        row_number() over (partition by s.tenant_id order by min(s.timeout_at)) as turn, min(s.timeout_at) as timeout_at
      from app_public.workflow_steps s
      join app_public.workflows w on w.tenant_id = s.tenant_id and w.id = s.workflow_id
      join app_public.tasks t on t.tenant_id = s.tenant_id and t.id = s.task_id
      where s.status = 'running'
        and (
          s.timeout_at <= v_now and w.status = 'running'
          or t.status in ('completed', 'failed', 'dead', 'cancelled')
        )
        and (s.tenant_id, s.workflow_id::text) not in (select q.tenant_id, q.item from ops.quarantined('tend_workflows') q)
      group by s.tenant_id, s.workflow_id
    ) d
    order by d.turn, d.timeout_at
    limit how_many
  loop
    begin
      v_workflow := ops.lock_workflow(v_found.tenant_id, v_found.workflow_id);
      perform ops.advance_workflow(v_found.tenant_id, v_found.workflow_id);
      if v_workflow.status = 'running' then
        with late as (
          update app_public.workflow_steps s
          set
            status = 'failed', completed_at = v_now,
            error_message = format('it took longer than %s', s.definition ->> 'timeout')
          where s.tenant_id = v_found.tenant_id
            and s.workflow_id = v_found.workflow_id
            and s.status = 'running'
            and s.timeout_at <= v_now
          returning s.task_id
        )
        select coalesce(array_agg(l.task_id), '{}') into v_tasks from late l;
        perform ops.cancel_workflow_tasks(v_found.tenant_id, v_tasks, 'the step of the workflow took too long');
        perform ops.advance_workflow(v_found.tenant_id, v_found.workflow_id);
      end if;
      v_count := v_count + 1;
    exception
      when others then
        if not ops.quarantine_item('tend_workflows', v_found.tenant_id, v_found.workflow_id::text, sqlstate, sqlerrm) then
          raise;
        end if;
    end;
  end loop;
  return v_count;
end
$$;

comment on function ops.tend_workflows(integer) is 'Ends steps that took too long, in up to how_many workflows, and advances these. Returns how many it advanced. Workflows that somebody else holds are left for the next run; those that fail are set aside.';
grant execute on function ops.tend_workflows(integer) to :WORKER;
--! EndIncluded workflows/tend_workflows.sql
--! Included workflows/tg_tasks__advance_workflows.sql
-- Advances the workflows of tasks that ended, or wait again after a failure, in the same transaction. Definer: whoever may
-- end a task need not have the right to write steps. It sees the caller's tenant; the worker, which has none, calls
-- ops.advance_workflow itself (ops.reap_expired_leases).
create or replace function app_private.tg_tasks__advance_workflows() returns trigger
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_found record;
begin
  if not exists (select from changed_rows c where c.workflow_id is not null) then
    return null;
  end if;

  select c.id, c.workflow_id into v_found
  from changed_rows c
  where c.tenant_id = app_private.current_tenant_id()
    and c.workflow_id is not null
    and c.status = 'pending'
    and not exists (
      select
      from app_public.workflow_steps s
      where s.tenant_id = c.tenant_id and s.task_id = c.id and s.status = 'running'
    );
  if found then
    raise exception 'task % belongs to a step of workflow % and cannot be retried by itself', v_found.id, v_found.workflow_id
      using errcode = 'LTW08', hint = 'Use retry_workflow: it runs the step again, and the steps that depend on it.';
  end if;

  -- In the order of locks (ops.lock_workflow).
  for v_found in
    select s.tenant_id, s.workflow_id
    from changed_rows c
    join app_public.workflow_steps s
      on s.tenant_id = c.tenant_id and s.workflow_id = c.workflow_id and s.key = c.step_key and s.status = 'running'
    where s.task_id = c.id and c.status in ('completed', 'failed', 'dead', 'cancelled', 'pending')
    group by s.tenant_id, s.workflow_id
    order by s.tenant_id, s.workflow_id
  loop
    perform ops.advance_workflow(v_found.tenant_id, v_found.workflow_id);
  end loop;
  return null;
end
$$;

comment on function app_private.tg_tasks__advance_workflows() is 'Trigger: advances the workflows of tasks that ended. Refuses to retry a step''s task by itself, with LTW08.';
--! EndIncluded workflows/tg_tasks__advance_workflows.sql
--! Included workflows/tg_tasks__check_delete.sql
-- Refuses to delete the task of a running step: its workflow would wait for it forever.
create or replace function app_private.tg_tasks__check_delete() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  if exists (
    select
    from app_public.workflow_steps s
    where s.tenant_id = OLD.tenant_id and s.task_id = OLD.id and s.status = 'running'
  ) then
    raise exception 'task % belongs to a running step of workflow % and cannot be deleted now', OLD.id, OLD.workflow_id
      using errcode = 'LTW09', hint = 'Cancel the task (cancel_task) or the workflow (cancel_workflow) first.';
  end if;
  return OLD;
end
$$;

comment on function app_private.tg_tasks__check_delete() is 'Trigger: refuses to delete the task of a running step, with LTW09.';
--! EndIncluded workflows/tg_tasks__check_delete.sql
--! Included workflows/tg_workflows__check_delete.sql
-- Refuses to delete a workflow that is under way: its tasks still need it.
create or replace function app_private.tg_workflows__check_delete() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  raise exception 'workflow % is % and cannot be deleted now', OLD.id, OLD.status
    using errcode = 'LTW07', hint = 'Cancel it first: cancel_workflow.';
end
$$;

comment on function app_private.tg_workflows__check_delete() is 'Trigger: refuses to delete a workflow that is under way, with LTW07.';
--! EndIncluded workflows/tg_workflows__check_delete.sql
--! Included workflows/tg_workflows__check_steps.sql
-- Refuses steps that could not run. The message names the first problem, the detail up to twenty. A workflow that has already
-- ended when it is inserted is history and may have any shape; retry_workflow checks it before it runs again. Definer: nobody
-- may call the functions that it calls.
create or replace function app_private.tg_workflows__check_steps() returns trigger
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_problems text[];
begin
  if TG_OP = 'INSERT' and NEW.status in ('completed', 'failed', 'cancelled') then
    return NEW;
  end if;
  v_problems := array(
    select format('%s: %s', p.path, p.problem) from app_private.workflow_steps_problems(NEW.steps) p limit 20
  );
  if v_problems <> '{}' then
    raise exception '%', v_problems[1]
      using errcode = 'LTW02', detail = array_to_string(v_problems, E'\n'), hint = 'The shape of steps is in docs/workflows.md.';
  end if;
  return NEW;
end
$$;

comment on function app_private.tg_workflows__check_steps() is 'Trigger: refuses steps that could not run, with LTW02.';
--! EndIncluded workflows/tg_workflows__check_steps.sql
--! Included workflows/tg_workflows__check_update.sql
-- Guards the order of a workflow's states. Once start_workflow has started it (started_at is set, which only functions can
-- do), only the functions change its status: they set paused_at and completed_at with it, which nobody else may.
create or replace function app_private.tg_workflows__check_update() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  if OLD.status <> NEW.status and not (case OLD.status
    when 'draft' then NEW.status in ('pending', 'running', 'cancelled')
    when 'pending' then NEW.status in ('draft', 'running', 'cancelled')
    when 'running' then NEW.status in ('paused', 'completed', 'failed', 'cancelled')
    when 'paused' then NEW.status in ('running', 'cancelled')
    else NEW.status = 'running'
  end) then
    raise exception 'workflow % is % and cannot become %', OLD.id, OLD.status, NEW.status
      using errcode = 'LTW04', hint = 'The states and their order are in docs/workflows.md.';
  end if;

  if NEW.started_at is not null and (
    (NEW.status = 'paused') <> (NEW.paused_at is not null)
    or (NEW.status in ('completed', 'failed', 'cancelled')) <> (NEW.completed_at is not null)
  ) then
    raise exception 'the status of workflow % follows from its steps and cannot be set directly', OLD.id
      using
        errcode = 'LTW06',
        detail = format('It is %s; a direct write tried to make it %s.', OLD.status, NEW.status),
        hint = 'Use pause_workflow, resume_workflow, cancel_workflow or retry_workflow.';
  end if;

  if NEW.started_at is not null and OLD.status in ('running', 'paused') and NEW.steps is distinct from OLD.steps then
    raise exception 'the steps of workflow % cannot be changed while it is %', OLD.id, OLD.status
      using errcode = 'LTW03', hint = 'Cancel it, change the steps, then use retry_workflow.';
  end if;
  return NEW;
end
$$;

comment on function app_private.tg_workflows__check_update() is 'Trigger: refuses an illegal change of state with LTW04, other steps for a running workflow with LTW03, and a direct write of the status of a started workflow with LTW06.';
--! EndIncluded workflows/tg_workflows__check_update.sql
--! Included workflows/workflow_condition_holds.sql
-- Whether a step's condition holds, given how earlier steps ended: {key: {status, result}}. A missing value is null. Numbers
-- compare with numbers, and strings with strings byte by byte; in any other pair neither is greater.
create or replace function ops.workflow_condition_holds(condition jsonb, inputs jsonb) returns boolean
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_item jsonb;
  v_found jsonb;
  v_value jsonb := condition -> 'value';
  v_order integer;
begin
  if condition ? 'all' then
    for v_item in select jsonb_array_elements(condition -> 'all') loop
      if not ops.workflow_condition_holds(v_item, inputs) then
        return false;
      end if;
    end loop;
    return true;
  elsif condition ? 'any' then
    for v_item in select jsonb_array_elements(condition -> 'any') loop
      if ops.workflow_condition_holds(v_item, inputs) then
        return true;
      end if;
    end loop;
    return false;
  elsif condition ? 'not' then
    return not ops.workflow_condition_holds(condition -> 'not', inputs);
  elsif condition ? 'status' then
    return inputs #>> array[condition ->> 'step', 'status'] = condition ->> 'status';
  end if;

  v_found := coalesce(
    inputs #> (array[condition ->> 'step', 'result'] || array(select jsonb_array_elements_text(condition -> 'path'))),
    'null'
  );
  if condition ->> 'op' in ('gt', 'gte', 'lt', 'lte') then
    if jsonb_typeof(v_found) <> jsonb_typeof(v_value) then
      return false;
    elsif jsonb_typeof(v_value) = 'number' then
      -- Compared and not subtracted: a difference may exceed the range of numeric.
      v_order := case
        when (v_found #>> '{}')::numeric < (v_value #>> '{}')::numeric then -1
        when (v_found #>> '{}')::numeric > (v_value #>> '{}')::numeric then 1
        else 0
      end;
    else
      v_order := case
        when v_found #>> '{}' collate "C" < v_value #>> '{}' then -1
        when v_found #>> '{}' collate "C" > v_value #>> '{}' then 1
        else 0
      end;
    end if;
  end if;
  return case condition ->> 'op'
    when 'eq' then v_found = v_value
    when 'ne' then v_found <> v_value
    when 'gt' then v_order > 0
    when 'gte' then v_order >= 0
    when 'lt' then v_order < 0
    when 'lte' then v_order <= 0
    when 'in' then exists (select from jsonb_array_elements(v_value) e where e = v_found)
    when 'contains' then v_found @> v_value
    when 'exists' then v_found <> 'null'
  end;
end
$$;

comment on function ops.workflow_condition_holds(jsonb, jsonb) is 'Whether a valid condition holds, given {key: {status, result}} of earlier steps.';
grant execute on function ops.workflow_condition_holds(jsonb, jsonb) to :WORKER;
--! EndIncluded workflows/workflow_condition_holds.sql
--! Included workflows/workflow_condition_problems.sql
-- The problems of a step's condition. `known` holds the keys that it may ask about: the steps that its step depends on,
-- directly or through others, because only these are certain to have ended.
create or replace function app_private.workflow_condition_problems(
  place text,
  condition jsonb,
  known text[],
  depth integer default 1
) returns table (path text, problem text)
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_kind text := (
    select min(k)
    from unnest(array['all', 'any', 'not', 'step']) k
    where jsonb_typeof(condition) = 'object' and condition ? k
  );
  v_op text := condition ->> 'op';
begin
  if depth > 20 then
    return query select place, 'must not be nested more than 20 levels deep';
    return;
  elsif v_kind is null then
    return query select place, 'must be an object with one of all, any, not, step';
    return;
  end if;

  return query
  select place || '.' || k, format('unknown property beside %s', v_kind)
  from jsonb_object_keys(
    condition - case
      when v_kind <> 'step' then array[v_kind]
      when condition ? 'status' then array['step', 'status']
      else array['step', 'path', 'op', 'value']
    end
  ) k;

  if v_kind = 'not' then
    return query
    select * from app_private.workflow_condition_problems(place || '.not', condition -> 'not', known, depth + 1);
  elsif v_kind in ('all', 'any') and jsonb_typeof(condition -> v_kind) <> 'array' then
    return query select place || '.' || v_kind, 'must be an array of conditions';
  elsif v_kind in ('all', 'any') then
    return query
    select p.*
    from jsonb_array_elements(condition -> v_kind) with ordinality i(item, position)
    cross join lateral app_private.workflow_condition_problems(
      format('%s.%s[%s]', place, v_kind, i.position - 1), i.item, known, depth + 1
    ) p;
  elsif jsonb_typeof(condition -> 'step') <> 'string' or condition ->> 'step' <> all (known) then
    return query
    select place || '.step', format('%s is not a step that this one depends on', condition -> 'step');
  elsif condition ? 'status' then
    if condition ->> 'status' is null or condition ->> 'status' not in ('completed', 'failed', 'skipped') then
      return query
      select place || '.status', format('%s is not one of completed, failed, skipped', condition -> 'status');
    end if;
  else
    if jsonb_typeof(condition -> 'path') is distinct from 'array'
      or condition -> 'path' @? 'strict $[*] ? (@.type() != "string" && @.type() != "number")'
    then
      return query select place || '.path', 'must be an array of names and positions, such as ["items", 0, "score"]';
    end if;
    if v_op is null or v_op not in ('eq', 'ne', 'gt', 'gte', 'lt', 'lte', 'in', 'contains', 'exists') then
      return query
      select
        place || '.op',
        format('%s is not one of eq, ne, gt, gte, lt, lte, in, contains, exists', coalesce(condition -> 'op', 'null'));
    elsif (v_op = 'exists') = (condition ? 'value') then
      return query
      select place || '.value', case v_op when 'exists' then 'exists takes no value' else 'it is missing' end;
    elsif v_op in ('gt', 'gte', 'lt', 'lte') and jsonb_typeof(condition -> 'value') not in ('number', 'string') then
      return query select place || '.value', format('%s needs a number or a string', v_op);
    elsif v_op = 'in' and jsonb_typeof(condition -> 'value') <> 'array' then
      return query select place || '.value', 'in needs an array';
    end if;
  end if;
end
$$;

comment on function app_private.workflow_condition_problems(text, jsonb, text[], integer) is 'The problems of a condition that may ask about the steps in `known`.';
--! EndIncluded workflows/workflow_condition_problems.sql
--! Included workflows/workflow_progress.sql
-- Invoker: it shows what its caller may read.
create or replace function app_public.workflow_progress(workflow_id uuid) returns app_public.workflow_overview
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_overview app_public.workflow_overview;
begin
  if workflow_progress.workflow_id is null then
    raise exception 'invalid %: %', 'workflow_id', 'it is missing'
      using errcode = 'LTW05';
  end if;

  select
    w.id, w.status, coalesce(avg(s.progress), 0), count(s.key), count(*) filter (where s.status = 'pending'),
    count(*) filter (where s.status = 'running'), count(*) filter (where s.status = 'completed'),
    count(*) filter (where s.status = 'failed'), count(*) filter (where s.status = 'skipped'),
    count(*) filter (where s.status = 'cancelled'), w.error_message, w.started_at, w.completed_at,
    coalesce(jsonb_agg(to_jsonb(s) - 'position' order by s.position) filter (where s.key is not null), '[]')
  into v_overview
  from app_public.workflows w
  left join lateral (
    select
      s.position, s.key, s.status,
      case s.status when 'pending' then 0 when 'running' then coalesce(l.progress, 0) else 1 end as progress,
      s.task_id, t.status as task_status, t.attempt, t.max_attempts, l.agent, l.note,
      case s.status when 'running' then t.error_message else s.error_message end as error,
      s.started_at, s.completed_at, s.timeout_at
    from app_public.workflow_steps s
    left join app_public.tasks t on t.tenant_id = s.tenant_id and t.id = s.task_id
    left join app_public.task_leases l on l.tenant_id = s.tenant_id and l.task_id = s.task_id
    where s.tenant_id = w.tenant_id and s.workflow_id = w.id
    union all
    -- Not started yet.
    select
      i.position, i.item ->> 'key', 'pending', 0, null, null, null, null, null, null, null, null, null, null
    from jsonb_array_elements(case when w.status in ('draft', 'pending') and jsonb_typeof(w.steps) = 'array' then w.steps else '[]' end)
      with ordinality i(item, position)
  ) s on true
  where w.id = workflow_progress.workflow_id
  group by w.tenant_id, w.id;
  if not found then
    raise exception 'workflow % does not exist', workflow_progress.workflow_id
      using errcode = 'LTW01', hint = 'It was deleted, or belongs to another tenant.';
  end if;
  return v_overview;
end
$$;

comment on function app_public.workflow_progress(uuid) is 'The progress of a workflow: overall (from 0 to 1, the mean of its steps), the number of steps in each state, and `steps`, an array with key, status, progress (for a running step the last report of its holder), task_id, task_status, attempt, max_attempts, agent, note, error, started_at, completed_at and timeout_at of each step. Errors: LTW01 no such workflow, LTW05 invalid argument.';
-- Everybody who runs workflows, and analysts.
grant execute on function app_public.workflow_progress(uuid) to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
--! EndIncluded workflows/workflow_progress.sql
--! Included workflows/workflow_step_problems.sql
-- The problems of one step of a workflow by itself; workflow_steps_problems checks its references to other steps. A property
-- that is null counts as absent.
create or replace function app_private.workflow_step_problems(place text, step jsonb)
returns table (path text, problem text)
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_task jsonb := case when jsonb_typeof(step -> 'task') = 'object' then step -> 'task' end;
begin
  if jsonb_typeof(step) <> 'object' then
    return query select place, 'must be an object';
    return;
  end if;

  return query
  select place || '.' || k, 'unknown property'
  from jsonb_object_keys(
    step - array['key', 'task', 'depends_on', 'on_failure', 'max_attempts', 'timeout', 'condition']
  ) k;

  if jsonb_typeof(step -> 'key') is distinct from 'string' or step ->> 'key' !~ '^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$' then
    return query select place || '.key', 'must be a string of 1 to 63 letters, digits and _ . - that does not begin with . or -';
  end if;
  if step ->> 'on_failure' not in ('fail', 'skip', 'continue') then
    return query
    select place || '.on_failure', format('%s is not one of fail, skip, continue', step -> 'on_failure');
  end if;
  if jsonb_typeof(step -> 'max_attempts') <> 'null'
    and not (step -> 'max_attempts') @? '$ ? (@ >= 1 && @ <= 100 && @ == @.floor())'
  then
    return query
    select place || '.max_attempts', format('%s is not a whole number from 1 to 100', step -> 'max_attempts');
  end if;
  if jsonb_typeof(step -> 'timeout') <> 'null'
    and (case
      when jsonb_typeof(step -> 'timeout') <> 'string' or not pg_input_is_valid(step ->> 'timeout', 'interval') then true
      else (step ->> 'timeout')::interval not between interval '1 second' and interval '365 days'
    end)
  then
    return query
    select
      place || '.timeout',
      format('%s is not an interval between 1 second and 365 days, such as "15 minutes"', step -> 'timeout');
  end if;
  if jsonb_typeof(step -> 'depends_on') not in ('array', 'null') then
    return query select place || '.depends_on', 'must be an array of keys';
  end if;

  if v_task is null then
    return query select place || '.task', 'must be an object';
    return;
  end if;
  return query
  select place || '.task.' || k, 'unknown property'
  from jsonb_object_keys(v_task - array['description', 'priority', 'agent_id', 'capabilities', 'context']) k;
  if jsonb_typeof(v_task -> 'description') is distinct from 'string' or v_task ->> 'description' = '' then
    return query select place || '.task.description', 'must be a non-empty string';
  end if;
  if v_task ->> 'priority' not in ('low', 'normal', 'high', 'critical') then
    return query
    select place || '.task.priority', format('%s is not one of low, normal, high, critical', v_task -> 'priority');
  end if;
  if jsonb_typeof(v_task -> 'agent_id') not in ('string', 'null')
    or length(v_task ->> 'agent_id') not between 1 and 50
  then
    return query select place || '.task.agent_id', 'must be a string of 1 to 50 characters';
  end if;
  if jsonb_typeof(v_task -> 'capabilities') not in ('array', 'null')
    or (v_task -> 'capabilities') @? 'strict $[*] ? (@.type() != "string")'
  then
    return query select place || '.task.capabilities', 'must be an array of strings';
  end if;
  if jsonb_typeof(v_task -> 'context') not in ('object', 'null') then
    return query select place || '.task.context', 'must be an object';
  else
    return query
    select place || '.task.context.' || k, 'this name is reserved for what the workflow tells a step'
    from unnest(array['workflow', 'steps']) k
    where v_task -> 'context' ? k;
  end if;
end
$$;

comment on function app_private.workflow_step_problems(text, jsonb) is 'The problems of one step by itself.';
--! EndIncluded workflows/workflow_step_problems.sql
--! Included workflows/workflow_steps_problems.sql
-- All problems of a workflow's steps, with their paths in the JSON and in its order. docs/workflows.md describes the shape.
create or replace function app_private.workflow_steps_problems(steps jsonb)
returns table (path text, problem text)
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_ancestors jsonb;
begin
  if jsonb_typeof(steps) is distinct from 'array' then
    return query select 'steps', 'must be an array of steps';
    return;
  elsif jsonb_array_length(steps) > 200 then
    return query select 'steps', format('must be at most 200 steps, not %s', jsonb_array_length(steps));
    return;
  end if;

  -- For each key, all steps that it depends on, directly or through others. A step that depends on itself is in a cycle.
  with recursive dependencies as (
    select distinct i.item ->> 'key' as key, d.key as dependency
    from jsonb_array_elements(workflow_steps_problems.steps) i(item)
    cross join lateral jsonb_array_elements_text(
      case when jsonb_typeof(i.item -> 'depends_on') = 'array' then i.item -> 'depends_on' else '[]' end
    ) d(key)
    where jsonb_typeof(i.item -> 'key') = 'string' and d.key is not null
  ),
  ancestors as (
    select d.key, d.dependency as ancestor
    from dependencies d
    union
    select a.key, d.dependency
    from ancestors a
    join dependencies d on d.key = a.ancestor
  )
  select coalesce(jsonb_object_agg(a.key, a.ancestors), '{}') into v_ancestors
  from (select a.key, jsonb_agg(a.ancestor order by a.ancestor) as ancestors from ancestors a group by a.key) a;

  return query
  with listed as (
    select
      i.item, i.position, format('steps[%s]', i.position - 1) as place, i.item ->> 'key' as key,
      case when jsonb_typeof(i.item -> 'depends_on') = 'array' then i.item -> 'depends_on' else '[]' end as depends_on
    from jsonb_array_elements(workflow_steps_problems.steps) with ordinality i(item, position)
  )
  select p.path, p.problem
  from listed l
  cross join lateral (
    select 1 as part, 0::bigint as nth, s.path, s.problem
    from app_private.workflow_step_problems(l.place, l.item) s
    union all
    select 2, 0, l.place || '.key', format('steps[%s] already has the key %s', min(f.position) - 1, l.item -> 'key')
    from listed f
    where f.key = l.key and f.position < l.position
    having count(*) > 0
    union all
    select
      3, d.position, format('%s.depends_on[%s]', l.place, d.position - 1),
      case
        when jsonb_typeof(d.item) <> 'string' then 'must be the key of a step'
        when not exists (select from listed f where f.key = d.item #>> '{}') then format('unknown step %s', d.item)
        when exists (
          select from jsonb_array_elements(l.depends_on) with ordinality f(item, position)
          where f.item = d.item and f.position < d.position
        ) then format('%s is listed twice', d.item)
        when d.item #>> '{}' = l.key then 'a step cannot depend on itself'
        when v_ancestors -> (d.item #>> '{}') ? l.key then format('a cycle: %s depends on %s', d.item, l.item -> 'key')
      end
    from jsonb_array_elements(l.depends_on) with ordinality d(item, position)
    union all
    select 4, 0, c.path, c.problem
    from app_private.workflow_condition_problems(
      l.place || '.condition', l.item -> 'condition',
      array(select jsonb_array_elements_text(coalesce(v_ancestors -> l.key, '[]')))
    ) c
    where jsonb_typeof(l.item -> 'condition') <> 'null'
  ) p
  where p.problem is not null
  order by l.position, p.part, p.nth;
end
$$;

comment on function app_private.workflow_steps_problems(jsonb) is 'The problems of a workflow''s steps, by path; no rows when they can run.';
--! EndIncluded workflows/workflow_steps_problems.sql

--! Included knowledge/add_knowledge.sql
create or replace function app_public.add_knowledge(
  content text,
  id text default null,
  agent_id text default null,
  category text default null,
  source text default null,
  metadata jsonb default '{}',
  embedding public.vector default null
) returns app_public.knowledge
language plpgsql volatile security invoker
set search_path to pg_catalog, pg_temp
as $$
declare
  v_knowledge app_public.knowledge;
begin
  if nullif(btrim(content), '') is null then
    raise exception 'content must not be blank'
      using errcode = 'LTS15', hint = 'No search finds knowledge without text.';
  end if;
  if public.vector_dims(embedding) <> 1536 then
    raise exception 'the embedding must have 1536 dimensions, not %', public.vector_dims(embedding)
      using errcode = 'LTS01', hint = 'Embed with the model that the knowledge was embedded with.';
  end if;
  if public.vector_norm(embedding) = 0 then
    raise exception 'the embedding must not be all zeros: nothing is near to such a vector or far from it'
      using errcode = 'LTS02';
  end if;
  insert into app_public.knowledge (id, agent_id, category, content, source, metadata, embedding)
  values (
    coalesce(add_knowledge.id, gen_random_uuid()::text), add_knowledge.agent_id, add_knowledge.category, add_knowledge.content,
    add_knowledge.source, coalesce(add_knowledge.metadata, '{}'), add_knowledge.embedding
  )
  returning * into v_knowledge;
  return v_knowledge;
end
$$;

comment on function app_public.add_knowledge(text, text, text, text, text, jsonb, public.vector) is $$Adds an item of knowledge.

content: the text. id: random if not given. agent_id, category, source, metadata: as in the table. embedding: 1536 dimensions; without one the worker makes it, where EMBEDDINGS_URL is set.

Returns the item.

Errors: LTS15 content is blank; LTS01 or LTS02 the embedding has another dimension or is all zeros; 23505 an item with this id exists; 23503 the agent does not exist.$$;
grant execute on function app_public.add_knowledge(text, text, text, text, text, jsonb, public.vector)
  to :MEMBER, :SERVICE, :ADMIN;
--! EndIncluded knowledge/add_knowledge.sql
--! Included knowledge/add_knowledge_items.sql
create or replace function app_public.add_knowledge_items(items jsonb) returns setof app_public.knowledge
language plpgsql volatile security invoker
set search_path to pg_catalog, pg_temp
as $$
declare
  v_position integer;
  v_reason text;
begin
  if items is null or jsonb_typeof(items) <> 'array' or jsonb_array_length(items) not between 1 and 10000 then
    raise exception 'items must be a JSON array of 1 to 10000 objects, not %', case
        when jsonb_typeof(items) = 'array' then format('an array of %s', jsonb_array_length(items))
        else coalesce(jsonb_typeof(items), 'null')
      end
      using errcode = 'LTS16';
  end if;

  -- Finds the first invalid item, its position and the reason. The table's own constraints apply as well.
  select i.position - 1, r.reason into v_position, v_reason
  from jsonb_array_elements(items) with ordinality i(item, position)
  cross join lateral (
    select case
      when jsonb_typeof(i.item) <> 'object' then 'it must be an object, not ' || jsonb_typeof(i.item)
      when exists (
        select from jsonb_object_keys(i.item) key
        where key not in ('id', 'agent_id', 'category', 'content', 'source', 'metadata', 'embedding')
      ) then (
        select 'unknown field ' || min(key)
        from jsonb_object_keys(i.item) key
        where key not in ('id', 'agent_id', 'category', 'content', 'source', 'metadata', 'embedding')
      )
      when jsonb_typeof(i.item -> 'content') is distinct from 'string' or btrim(i.item ->> 'content') = ''
        then 'content must be a non-blank string'
      when exists (
        select from jsonb_each(i.item) field
        where field.key in ('id', 'agent_id', 'category', 'source') and jsonb_typeof(field.value) not in ('string', 'null')
      ) then 'id, agent_id, category and source must be strings'
      when jsonb_typeof(i.item -> 'metadata') not in ('object', 'null') then 'metadata must be an object'
      when coalesce(jsonb_typeof(i.item -> 'embedding'), 'null') = 'null' then null
      when jsonb_typeof(i.item -> 'embedding') <> 'array' then 'embedding must be an array'
      when jsonb_array_length(i.item -> 'embedding') <> 1536
        then 'embedding must have 1536 dimensions, not ' || jsonb_array_length(i.item -> 'embedding')
      when jsonb_path_exists(i.item, '$.embedding[*] ? (@.type() != "number")') then 'embedding must contain only numbers'
      when not jsonb_path_exists(i.item, '$.embedding[*] ? (@ != 0)') then 'embedding must not be all zeros'
    end as reason
  ) r
  where r.reason is not null
  order by i.position
  limit 1;
  if found then
    raise exception 'item % cannot be added: %', v_position, v_reason
      using errcode = 'LTS17', hint = 'No item was added.';
  end if;

  return query
    insert into app_public.knowledge (id, agent_id, category, content, source, metadata, embedding)
    select
      coalesce(i.item ->> 'id', gen_random_uuid()::text), i.item ->> 'agent_id', i.item ->> 'category', i.item ->> 'content',
      i.item ->> 'source', case when jsonb_typeof(i.item -> 'metadata') = 'object' then i.item -> 'metadata' else '{}' end,
      (i.item ->> 'embedding')::public.vector
    from jsonb_array_elements(items) with ordinality i(item, position)
    order by i.position
    returning *;
end
$$;

comment on function app_public.add_knowledge_items(jsonb) is $$Adds many items of knowledge, all or none.

items: an array of 1 to 10000 objects with content and, optionally, id, agent_id, category, source, metadata, embedding.

Returns the items.

Errors: LTS16 items is not an array, is empty or is too long; LTS17 an item is invalid: the message has its position, counted from 0, and the reason; 23505 an item with the same id exists; 23503 the agent does not exist.$$;
grant execute on function app_public.add_knowledge_items(jsonb) to :MEMBER, :SERVICE, :ADMIN;
--! EndIncluded knowledge/add_knowledge_items.sql
--! Included knowledge/knowledge_by_text.sql
-- A tenant's knowledge that contains the words of a text, most relevant first. For search_knowledge, which runs as :SEARCH and
-- names the tenant. The condition matches the index knowledge_content_idx, whose documents contain their tenant as a word.
--
-- Ranking a row parses its content again, which takes some 100 microseconds. So when more than 2,000 rows match, only the
-- newest 2,000 are ranked: words that so many rows contain tell little, and a search for one must not take seconds.
create or replace function app_private.knowledge_by_text(
  tenant_id text,
  query_text text,
  agent text,
  category text,
  metadata jsonb,
  row_limit integer
) returns table (id varchar, relevance double precision)
language plpgsql stable
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_custom_plan
-- Postgres sends a notice about a text that is all stop words.
set client_min_messages to warning
as $$
declare
  v_words tsquery := websearch_to_tsquery('pg_catalog.english', query_text);
  v_indexed tsquery := quote_literal('tenant:' || tenant_id)::tsquery && v_words;
begin
  -- Nothing but stop words: no row matches.
  if numnode(v_words) = 0 then
    return;
  end if;
  return query
    select
      m.id,
      ts_rank_cd(to_tsvector('pg_catalog.english', left(m.content, 200000)), v_words, 1)::double precision as relevance
    from (
      select k.id, k.content
      from app_public.knowledge k
      where k.tenant_id = knowledge_by_text.tenant_id
        and (
          to_tsvector('pg_catalog.english', left(k.content, 200000)) || array_to_tsvector(array['tenant:' || k.tenant_id])
        ) @@ v_indexed
        and (knowledge_by_text.agent is null or k.agent_id = knowledge_by_text.agent)
        and (knowledge_by_text.category is null or k.category = knowledge_by_text.category)
        and (knowledge_by_text.metadata is null or k.metadata @> knowledge_by_text.metadata)
      order by k.created_at desc, k.id
      limit 2000
    ) m
    order by 2 desc, 1
    limit row_limit;
end
$$;

comment on function app_private.knowledge_by_text(text, text, text, text, jsonb, integer) is 'A tenant''s knowledge that contains the words of a text, most relevant first; when more than 2,000 items match, only the newest 2,000. For search_knowledge.';
grant execute on function app_private.knowledge_by_text(text, text, text, text, jsonb, integer) to :SEARCH;
--! EndIncluded knowledge/knowledge_by_text.sql
--! Included knowledge/nearest_knowledge.sql
-- A tenant's knowledge that is nearest to an embedding, nearest first: `row_limit` rows whenever as many match, whatever other
-- tenants have. For the search functions, which run as :SEARCH and name the tenant.
--
-- The number of matching rows decides, counted as far as it matters. When they are few, every one is compared. When they are
-- many, the HNSW index is walked until enough of its rows belong to the tenant and match. These are then ordered by their
-- full embeddings, of which the index holds half the precision. If the walk ends early (hnsw.max_scan_tuples), every row is
-- compared after all.
--
-- The limit of "few" is where both cost the same. In a table of T rows the walk sees about row_limit * T / n of them to find
-- row_limit among the n that match; the comparison sees n. Both are equal at n = sqrt(row_limit * T).
--
-- The settings apply to this function alone. Plans are made for the given values, so a filter that is null costs nothing.
-- With sorting off, the one order that an index can give comes from the index. With an ef_search of 100 whole topics were
-- missed among 100,000 clustered vectors (recall 0.90 to 0.95), with 400 none (docs/knowledge.md).

-- A function can name the settings of an extension only once the session has loaded it.
do $$
begin
  perform '[1]'::public.vector;
end
$$;

create or replace function app_private.nearest_knowledge(
  tenant_id text,
  query_embedding public.vector,
  agent text,
  category text,
  metadata jsonb,
  excluded_id text,
  row_limit integer
) returns table (id varchar, distance double precision)
language plpgsql stable
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_custom_plan
set enable_sort to off
set hnsw.iterative_scan to relaxed_order
set hnsw.ef_search to 400
set hnsw.scan_mem_multiplier to 8
as $$
declare
  v_few integer;
  v_matching integer;
  v_ids varchar[];
  v_distances double precision[];
begin
  -- An estimate is enough here; a table that was never analysed has -1.
  select least(greatest(500, row_limit, sqrt(row_limit * greatest(c.reltuples, 0))), 50000) into strict v_few
  from pg_class c
  where c.oid = 'app_public.knowledge'::regclass;

  select count(*) into strict v_matching
  from (
    select
    from app_public.knowledge k
    where k.tenant_id = nearest_knowledge.tenant_id
      and (nearest_knowledge.agent is null or k.agent_id = nearest_knowledge.agent)
      and (nearest_knowledge.category is null or k.category = nearest_knowledge.category)
      and (nearest_knowledge.metadata is null or k.metadata @> nearest_knowledge.metadata)
      and k.embedding is not null
    limit v_few + 1
  ) m;

  if v_matching > v_few then
    with candidate as materialized (
      select k.id, k.embedding
      from app_public.knowledge k
      where k.tenant_id = nearest_knowledge.tenant_id
        and (nearest_knowledge.agent is null or k.agent_id = nearest_knowledge.agent)
        and (nearest_knowledge.category is null or k.category = nearest_knowledge.category)
        and (nearest_knowledge.metadata is null or k.metadata @> nearest_knowledge.metadata)
        and (excluded_id is null or k.id <> excluded_id)
      order by k.embedding::public.halfvec(1536) operator(public.<=>) query_embedding::public.halfvec(1536)
      limit row_limit
    ), compared as (
      select c.id, c.embedding operator(public.<=>) query_embedding as distance from candidate c
    )
    select array_agg(c.id order by c.distance, c.id), array_agg(c.distance order by c.distance, c.id)
      into v_ids, v_distances
    from compared c;
    if cardinality(v_ids) = row_limit then
      return query select u.id, u.distance from unnest(v_ids, v_distances) u(id, distance);
      return;
    end if;
  end if;

  return query
    select k.id, k.embedding operator(public.<=>) query_embedding as distance
    from app_public.knowledge k
    where k.tenant_id = nearest_knowledge.tenant_id
      and (nearest_knowledge.agent is null or k.agent_id = nearest_knowledge.agent)
      and (nearest_knowledge.category is null or k.category = nearest_knowledge.category)
      and (nearest_knowledge.metadata is null or k.metadata @> nearest_knowledge.metadata)
      and (excluded_id is null or k.id <> excluded_id)
      and k.embedding is not null
    -- An embedding of zeros has no distance (NaN) and comes last.
    order by 2, 1
    limit row_limit;
end
$$;

comment on function app_private.nearest_knowledge(text, public.vector, text, text, jsonb, text, integer) is 'The knowledge of a tenant that is nearest to an embedding, with its cosine distance, nearest first. For the search functions.';
grant execute on function app_private.nearest_knowledge(text, public.vector, text, text, jsonb, text, integer)
  to :SEARCH;
--! EndIncluded knowledge/nearest_knowledge.sql
--! Included knowledge/refuse_embedding.sql
-- Raises unless an embedding can be searched for: an argument of type vector may have any dimension.
create or replace function app_private.refuse_embedding(embedding public.vector) returns void
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
begin
  if public.vector_dims(embedding) <> 1536 then
    raise exception 'the embedding must have 1536 dimensions, not %', public.vector_dims(embedding)
      using errcode = 'LTS01', hint = 'Embed with the model that the knowledge was embedded with.';
  end if;
  if public.vector_norm(embedding) = 0 then
    raise exception 'the embedding must not be all zeros: nothing is near to such a vector or far from it'
      using errcode = 'LTS02';
  end if;
end
$$;

comment on function app_private.refuse_embedding(public.vector) is 'Raises LTS01 for an embedding of another dimension, LTS02 for one of zeros.';
grant execute on function app_private.refuse_embedding(public.vector) to :SEARCH;
--! EndIncluded knowledge/refuse_embedding.sql
--! Included knowledge/search_knowledge.sql
-- Runs as :SEARCH, whose policy on knowledge is open: under a policy that compares the tenant, neither `@@` nor `@>` can use
-- an index. So the statements compare the tenant themselves. It is always the caller's: no argument names it.
--
-- Only its owner can replace a function. :SEARCH owns nothing else and may create nothing else.
grant create on schema app_public to :SEARCH;
set local role :SEARCH;

create or replace function app_public.search_knowledge(
  query_embedding public.vector default null,
  query_text text default null,
  agent text default null,
  category text default null,
  metadata jsonb default null,
  match_count integer default 10,
  vector_weight double precision default 1,
  text_weight double precision default 1,
  min_score double precision default 0,
  min_similarity double precision default null
) returns setof app_public.knowledge_match
language plpgsql stable security definer rows 10
set search_path to pg_catalog, pg_temp
as $$
declare
  v_tenant_id text := app_private.current_tenant_id();
  v_text text := nullif(btrim(query_text), '');
  -- How many rows each part reads: an item that is middling in both may be the best overall.
  v_depth integer;
  v_vector_weight double precision;
  v_text_weight double precision;
begin
  if match_count is null or match_count not between 1 and 1000 then
    raise exception 'match_count must be a whole number from 1 to 1000, not %', match_count
      using errcode = 'LTS03';
  end if;
  if query_embedding is null and v_text is null then
    raise exception 'there is nothing to search for: query_embedding and query_text are both missing'
      using errcode = 'LTS04', hint = 'Give one of them, or both.';
  end if;
  -- The time to parse a text grows with the square of its length, and the time to rank with its words.
  if char_length(query_text) > 10000 then
    raise exception 'query_text must have at most 10000 characters, not %', char_length(query_text)
      using errcode = 'LTS18', hint = 'Search for a part of it, or for its embedding.';
  end if;
  -- This refuses NaN too, which Postgres takes for greater than any number.
  if vector_weight is null or text_weight is null
    or vector_weight not between 0 and 1000 or text_weight not between 0 and 1000
  then
    raise exception 'vector_weight and text_weight must be numbers from 0 to 1000, not % and %', vector_weight, text_weight
      using errcode = 'LTS05';
  end if;
  v_vector_weight := case when query_embedding is null then 0 else vector_weight end;
  v_text_weight := case when v_text is null then 0 else text_weight end;
  if v_vector_weight = 0 and v_text_weight = 0 then
    raise exception 'every part of the search has a weight of 0'
      using errcode = 'LTS06', hint = 'Give query_embedding a vector_weight above 0, or query_text a text_weight.';
  end if;
  if min_score is null or min_score not between 0 and 1 then
    raise exception 'min_score must be a number from 0 to 1, not %', min_score
      using errcode = 'LTS07';
  end if;
  if min_similarity not between -1 and 1 then
    raise exception 'min_similarity must be a number from -1 to 1, not %', min_similarity
      using errcode = 'LTS08';
  end if;
  if jsonb_typeof(metadata) <> 'object' then
    raise exception 'metadata must be an object, not %', jsonb_typeof(metadata)
      using errcode = 'LTS09', hint = 'The search keeps to items whose metadata contains this object.';
  end if;
  if query_embedding is not null then
    perform app_private.refuse_embedding(query_embedding);
  end if;

  v_depth := 2 * match_count + 30;
  return query
    with by_vector as materialized (
      select n.id, 1 - n.distance as similarity, row_number() over (order by n.distance, n.id)::integer as rank
      from app_private.nearest_knowledge(
        v_tenant_id, query_embedding, search_knowledge.agent, search_knowledge.category, search_knowledge.metadata, null, v_depth
      ) n
      where v_vector_weight > 0
    ), by_text as materialized (
      select t.id, t.relevance, row_number() over (order by t.relevance desc, t.id)::integer as rank
      from app_private.knowledge_by_text(
        v_tenant_id, v_text, search_knowledge.agent, search_knowledge.category, search_knowledge.metadata, v_depth
      ) t
      where v_text_weight > 0
    ), fused as (
      -- Reciprocal rank fusion with the usual constant of 60, as a share of the score of an item that is first in both.
      select
        id,
        (coalesce(v_vector_weight * 61 / (60 + v.rank), 0) + coalesce(v_text_weight * 61 / (60 + t.rank), 0))
          / (v_vector_weight + v_text_weight) as score,
        v.similarity, v.rank as vector_rank, t.relevance, t.rank as text_rank
      from (select * from by_vector b where min_similarity is null or b.similarity >= min_similarity) v
      full join by_text t using (id)
    )
    select
      k.id, k.agent_id, k.category, k.content, k.source, k.metadata, k.usage_count, k.relevance_score, k.created_at,
      k.last_used_at, f.score, f.similarity, f.vector_rank, f.relevance, f.text_rank
    from (
      select *
      from fused
      where fused.score >= min_score
      order by fused.score desc, fused.vector_rank, fused.id
      limit match_count
    ) f
    join app_public.knowledge k on k.tenant_id = v_tenant_id and k.id = f.id
    order by f.score desc, f.vector_rank, f.id;
end
$$;

revoke execute on function app_public.search_knowledge(
  public.vector, text, text, text, jsonb, integer, double precision, double precision, double precision, double precision
) from public;
grant execute on function app_public.search_knowledge(
  public.vector, text, text, text, jsonb, integer, double precision, double precision, double precision, double precision
) to :MEMBER, :SERVICE, :ADMIN, :ANALYST;

comment on function app_public.search_knowledge(
  public.vector, text, text, text, jsonb, integer, double precision, double precision, double precision, double precision
) is $$Finds knowledge by meaning, by its words, or by both.

query_embedding: 1536 dimensions, compared by cosine. query_text: words that an item must all contain; "a phrase", or, -not; at most 10,000 characters. Give at least one of the two.
agent, category, metadata: keep to items of this agent, of this category, whose metadata contains this object.
match_count: how many items to return, 1 to 1000. Fewer come only when fewer match; every item with an embedding matches an embedding.
vector_weight, text_weight: how much the rank in each part counts. min_score: leaves out items with a lower score (0 to 1). min_similarity: leaves out less similar items of the part by meaning (-1 to 1).

Returns the items, best first, each with its score (reciprocal rank fusion; 1: first in both parts), its similarity and rank by meaning, and its relevance and rank by words; null where that part did not find it.

Errors: LTS01 or LTS02 the embedding has another dimension or is all zeros; LTS03 match_count; LTS04 nothing to search for; LTS05, LTS06 weights; LTS07 min_score; LTS08 min_similarity; LTS09 metadata is not an object; LTS18 query_text has more than 10,000 characters.$$;

set local role :OWNER;
revoke create on schema app_public from :SEARCH;
--! EndIncluded knowledge/search_knowledge.sql
--! Included knowledge/search_knowledge_text.sql
-- The same search for callers without an embedding. The process of the API sees the call, embeds the text, and leaves the
-- embedding in a setting of the request's transaction (src/embeddings/). Any other call finds none there. Callers who set it
-- by hand search for that embedding, within their own tenant: it grants them nothing.
create or replace function app_public.search_knowledge_text(
  query_text text,
  agent text default null,
  category text default null,
  metadata jsonb default null,
  match_count integer default 10,
  vector_weight double precision default 1,
  text_weight double precision default 1,
  min_score double precision default 0,
  min_similarity double precision default null
) returns setof app_public.knowledge_match
language plpgsql stable rows 10
set search_path to pg_catalog, pg_temp
as $$
declare
  -- Embeddings by text: one GraphQL operation may search for several texts.
  v_embeddings jsonb := nullif(current_setting('app.query_embeddings', true), '')::jsonb;
begin
  if nullif(btrim(query_text), '') is null then
    raise exception 'query_text is missing'
      using errcode = 'LTS10', hint = 'Say in words what to look for.';
  end if;
  -- As in search_knowledge: the API does not embed a longer text (src/embeddings/query-embeddings.ts).
  if char_length(query_text) > 10000 then
    raise exception 'query_text must have at most 10000 characters, not %', char_length(query_text)
      using errcode = 'LTS18', hint = 'Search for a part of it.';
  end if;
  if v_embeddings ->> query_text is null then
    raise exception 'query_text has no embedding: the process of the API makes it, through an embeddings endpoint'
      using errcode = 'LTS11', hint = 'Set EMBEDDINGS_URL and call through REST or GraphQL, or call search_knowledge.';
  end if;
  return query
    select *
    from app_public.search_knowledge(
      (v_embeddings ->> query_text)::public.vector, query_text, search_knowledge_text.agent, search_knowledge_text.category,
      search_knowledge_text.metadata, match_count, vector_weight, text_weight, min_score, min_similarity
    );
end
$$;

revoke execute on function app_public.search_knowledge_text(
  text, text, text, jsonb, integer, double precision, double precision, double precision, double precision
) from public;
grant execute on function app_public.search_knowledge_text(
  text, text, text, jsonb, integer, double precision, double precision, double precision, double precision
) to :MEMBER, :SERVICE, :ADMIN;

comment on function app_public.search_knowledge_text(
  text, text, text, jsonb, integer, double precision, double precision, double precision, double precision
) is $$Finds knowledge by what a text means and by its words, without an embedding from the caller.

The API embeds query_text as the knowledge was embedded, and searches as search_knowledge does, which explains the other arguments and the result. Works through REST and GraphQL only, and where EMBEDDINGS_URL is set.

Errors: LTS10 query_text is missing; LTS18 it has more than 10,000 characters; LTS11 it could not be embedded (the endpoint is not set or does not answer); those of search_knowledge.$$;
--! EndIncluded knowledge/search_knowledge_text.sql
--! Included knowledge/similar_knowledge.sql
-- Runs as :SEARCH, as app_public.search_knowledge does and for the same reasons.
grant create on schema app_public to :SEARCH;
set local role :SEARCH;

create or replace function app_public.similar_knowledge(
  id text,
  agent text default null,
  category text default null,
  metadata jsonb default null,
  match_count integer default 10,
  min_similarity double precision default null
) returns setof app_public.knowledge_match
language plpgsql stable security definer rows 10
set search_path to pg_catalog, pg_temp
as $$
declare
  v_tenant_id text := app_private.current_tenant_id();
  v_embedding public.vector;
begin
  if match_count is null or match_count not between 1 and 1000 then
    raise exception 'match_count must be a whole number from 1 to 1000, not %', match_count
      using errcode = 'LTS03';
  end if;
  if min_similarity not between -1 and 1 then
    raise exception 'min_similarity must be a number from -1 to 1, not %', min_similarity
      using errcode = 'LTS08';
  end if;
  if jsonb_typeof(metadata) <> 'object' then
    raise exception 'metadata must be an object, not %', jsonb_typeof(metadata)
      using errcode = 'LTS09', hint = 'The search keeps to items whose metadata contains this object.';
  end if;
  select k.embedding into v_embedding
  from app_public.knowledge k
  where k.tenant_id = v_tenant_id and k.id = similar_knowledge.id;
  if not found then
    raise exception 'knowledge % does not exist', id
      using errcode = 'LTS12';
  end if;
  if v_embedding is null then
    raise exception 'knowledge % has no embedding yet', id
      using errcode = 'LTS13', hint = 'If embedding it failed, its column embedding_error says why.';
  end if;
  perform app_private.refuse_embedding(v_embedding);

  return query
    select
      k.id, k.agent_id, k.category, k.content, k.source, k.metadata, k.usage_count, k.relevance_score, k.created_at,
      k.last_used_at, 61.0::double precision / (60 + n.rank), n.similarity, n.rank, null::double precision, null::integer
    from (
      select m.id, 1 - m.distance as similarity, row_number() over (order by m.distance, m.id)::integer as rank
      from app_private.nearest_knowledge(
        v_tenant_id, v_embedding, similar_knowledge.agent, similar_knowledge.category, similar_knowledge.metadata,
        similar_knowledge.id, 2 * match_count + 30
      ) m
    ) n
    join app_public.knowledge k on k.tenant_id = v_tenant_id and k.id = n.id
    where n.rank <= match_count and (min_similarity is null or n.similarity >= min_similarity)
    order by n.rank;
end
$$;

revoke execute on function app_public.similar_knowledge(text, text, text, jsonb, integer, double precision) from public;
grant execute on function app_public.similar_knowledge(text, text, text, jsonb, integer, double precision)
  to :MEMBER, :SERVICE, :ADMIN, :ANALYST;

comment on function app_public.similar_knowledge(text, text, text, jsonb, integer, double precision) is $$Finds the knowledge whose meaning is nearest to an item's own.

id: the item, which is not in the result. agent, category, metadata, match_count, min_similarity: as in search_knowledge.

Returns the items, most similar first, as search_knowledge does.

Errors: LTS12 the item does not exist; LTS13 it has no embedding yet; LTS02 its embedding is all zeros; LTS03 match_count; LTS08 min_similarity; LTS09 metadata is not an object.$$;

set local role :OWNER;
revoke create on schema app_public from :SEARCH;
--! EndIncluded knowledge/similar_knowledge.sql
--! Included knowledge/tg_knowledge__clear_embedding.sql
-- An embedding belongs to the content that it was computed from. When the content changes without a new embedding, the old one
-- goes and the embedding job makes another: a stale embedding would find the item by what it no longer says.
create or replace function app_private.tg_knowledge__clear_embedding() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  NEW.embedding_error := null;
  if OLD.embedding operator(public.=) NEW.embedding then
    NEW.embedding := null;
  end if;
  return NEW;
end
$$;

comment on function app_private.tg_knowledge__clear_embedding() is 'Trigger: removes the embedding of content that changed without a new one.';
--! EndIncluded knowledge/tg_knowledge__clear_embedding.sql
--! Included knowledge/touch_knowledge.sql
-- Runs as :SEARCH, whose updates are not audited (knowledge/knowledge.sql): otherwise a search would leave a row in the log for
-- each item that it used. It may update only the two columns that are set here. It locks the rows in the order of their keys,
-- so that two searches that used the same items do not deadlock.
grant create on schema app_public to :SEARCH;
set local role :SEARCH;

create or replace function app_public.touch_knowledge(ids text[]) returns integer
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_tenant_id text := app_private.current_tenant_id();
  v_touched integer;
begin
  if ids is null or cardinality(ids) > 10000 then
    raise exception 'ids must be a list of at most 10000 items, not %', coalesce(cardinality(ids)::text, 'null')
      using errcode = 'LTS14';
  end if;
  update app_public.knowledge k
  set usage_count = k.usage_count + 1, last_used_at = now()
  from (
    select u.id
    from app_public.knowledge u
    where u.tenant_id = v_tenant_id and u.id = any (ids)
    order by u.id
    for no key update
  ) used
  where k.tenant_id = v_tenant_id and k.id = used.id;
  get diagnostics v_touched = row_count;
  return v_touched;
end
$$;

revoke execute on function app_public.touch_knowledge(text[]) from public;
grant execute on function app_public.touch_knowledge(text[]) to :MEMBER, :SERVICE, :ADMIN;

comment on function app_public.touch_knowledge(text[]) is $$Counts one use of each item: usage_count and last_used_at.

ids: the items, 10000 at most. A repeated id counts once; an unknown id is skipped. Leaves no trace in the audit log.

Returns how many items were counted.

Errors: LTS14 ids is missing or too long.$$;

set local role :OWNER;
revoke create on schema app_public from :SEARCH;
--! EndIncluded knowledge/touch_knowledge.sql

--! Included metrics/close_metric_floors.sql
-- Closes floors, so that the points below can be removed. A floor closes once every transaction that may not have seen it has
-- ended and everything below it is rolled up. Buckets that are set aside do not count: they would keep everybody's points
-- forever. Returns how many floors are still open.
create or replace function ops.close_metric_floors() returns integer
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  update ops.metric_floors f
  set closed_to = f.kept_from
  where f.closed_to < f.kept_from
    and pg_snapshot_xmin(pg_current_snapshot()) > f.moved_by
    and not exists (
      select
      from ops.metric_changes c
      where c.resolution = 'minute' and c.bucket < f.kept_from and (f.tenant_id is null or c.tenant_id = f.tenant_id)
        and (c.tenant_id, ops.metric_item('minute', c.bucket)) not in (
          select q.tenant_id, q.item from ops.quarantined_items q where q.task = 'roll_up_metrics'
        )
    );
  return (select count(*) from ops.metric_floors f where f.closed_to < f.kept_from);
end
$$;

comment on function ops.close_metric_floors() is 'Closes floors whose points are refused and rolled up, so that these can be removed. Returns how many floors still wait for a writer or for the rollup.';
grant execute on function ops.close_metric_floors() to :WORKER;
--! EndIncluded metrics/close_metric_floors.sql
--! Included metrics/metric_item.sql
-- The name of a bucket of a rollup in ops.quarantined_items.
create or replace function ops.metric_item(resolution text, bucket timestamptz) returns text
language sql stable
return resolution || pg_catalog.to_char(bucket at time zone 'UTC', ' YYYY-MM-DD HH24:MI"Z"');

comment on function ops.metric_item(text, timestamptz) is 'The name of a bucket of a rollup among quarantined items: `minute 2026-11-29 12:03Z`.';
grant execute on function ops.metric_item(text, timestamptz) to :WORKER, :OPERATOR;
--! EndIncluded metrics/metric_item.sql
--! Included metrics/due_metric_buckets.sql
-- The oldest buckets from `since` on that a rollup lacks and that are over by `until`, each once, out of a stretch of
-- `how_many`, without those that are set aside. It steps from one to the next by the index, because a minute has a note for
-- each statement that wrote into it.
create or replace function ops.due_metric_buckets(
  resolution text,
  width interval,
  since timestamptz,
  until timestamptz,
  how_many integer
) returns timestamptz[]
language sql stable
begin atomic
  with recursive stretch as materialized (
    select
      min(c.bucket) as first,
      least(
        min(c.bucket) + due_metric_buckets.width * due_metric_buckets.how_many,
        date_bin(due_metric_buckets.width, due_metric_buckets.until, '2001-01-01 00:00:00Z')
      ) as ending
    from ops.metric_changes c
    where c.resolution = due_metric_buckets.resolution and c.bucket >= due_metric_buckets.since
      and (c.tenant_id, ops.metric_item(c.resolution, c.bucket)) not in (select * from ops.quarantined('roll_up_metrics'))
  ),
  due as (
    select s.first as bucket from stretch s where s.first < s.ending
    union all
    select (
      select min(c.bucket)
      from ops.metric_changes c
      where c.resolution = due_metric_buckets.resolution and c.bucket > d.bucket and c.bucket < (select s.ending from stretch s)
        and (c.tenant_id, ops.metric_item(c.resolution, c.bucket)) not in (select * from ops.quarantined('roll_up_metrics'))
    )
    from due d
    where d.bucket is not null
  )
  select coalesce(array_agg(d.bucket order by d.bucket), '{}') from due d where d.bucket is not null;
end;

comment on function ops.due_metric_buckets(text, interval, timestamptz, timestamptz, integer) is 'The oldest buckets from `since` on that a rollup (minute, hour, day) lacks and that are over by `until`, out of a stretch of `how_many`.';
grant execute on function ops.due_metric_buckets(text, interval, timestamptz, timestamptz, integer) to :WORKER, :OPERATOR;
--! EndIncluded metrics/due_metric_buckets.sql
--! Included metrics/make_metric_buckets.sql
-- Makes buckets of a rollup, of one tenant or of all (null), all or none.
create or replace function ops.make_metric_buckets(resolution text, buckets timestamptz[], tenant text) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  case resolution
    when 'minute' then perform ops.make_metrics_minute(buckets, tenant);
    when 'hour' then perform ops.make_metrics_hour(buckets, tenant);
    when 'day' then perform ops.make_metrics_day(buckets, tenant);
  end case;
end
$$;

comment on function ops.make_metric_buckets(text, timestamptz[], text) is 'Makes buckets of a rollup (minute, hour or day) anew, of one tenant or of all. For ops.make_metrics.';
grant execute on function ops.make_metric_buckets(text, timestamptz[], text) to :WORKER;
--! EndIncluded metrics/make_metric_buckets.sql
--! Included metrics/make_metrics.sql
-- Makes buckets of a rollup for all tenants in one statement. If that fails, goes on tenant by tenant, and where a tenant fails
-- bucket by bucket, and sets aside each bucket that fails. The notes of such a bucket stay, so readers use its points.
create or replace function ops.make_metrics(resolution text, buckets timestamptz[]) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_tenant text;
  v_bucket timestamptz;
begin
  begin
    perform ops.make_metric_buckets(resolution, buckets, null);
    return;
  exception
    when others then null;
  end;

  for v_tenant in
    select distinct c.tenant_id
    from ops.metric_changes c
    where c.resolution = make_metrics.resolution and c.bucket = any (buckets)
    order by 1
  loop
    begin
      perform ops.make_metric_buckets(resolution, buckets, v_tenant);
      continue;
    exception
      when others then null;
    end;
    foreach v_bucket in array buckets loop
      begin
        perform ops.make_metric_buckets(resolution, array[v_bucket], v_tenant);
      exception
        when others then
          if not ops.quarantine_item(
            'roll_up_metrics', v_tenant, ops.metric_item(resolution, v_bucket), sqlstate, sqlerrm
          ) then
            raise;
          end if;
      end;
    end loop;
  end loop;
end
$$;

comment on function ops.make_metrics(text, timestamptz[]) is 'Makes buckets of a rollup anew, for the tenants that ops.metric_changes names, and sets aside those that fail. For ops.roll_up_metrics.';
grant execute on function ops.make_metrics(text, timestamptz[]) to :WORKER;
--! EndIncluded metrics/make_metrics.sql
--! Included metrics/metric_key.sql
-- The bucket of the sketch that a value falls into. Bucket k of the positive values reaches from 1.0202^(k - 1 - 37500) to
-- 1.0202^(k - 37500), so its middle is within one per cent of each value in it; 1.0202 is 1.01 / 0.99, and 0.0200006667 its
-- logarithm. Zero has bucket 0. A negative value has the negated bucket of its opposite, so buckets are in the order of their
-- values. 37500 makes the smallest double's bucket positive, so every finite value has a bucket.
create or replace function app_private.metric_key(value double precision) returns integer
language sql immutable parallel safe
return case
  when value = 0 then 0
  else (
    pg_catalog.sign(value) * (pg_catalog.ceil(pg_catalog.ln(pg_catalog.abs(value)) / 0.0200006667066695) + 37500)
  )::integer
end;

comment on function app_private.metric_key(double precision) is 'The bucket of a sketch that a finite value falls into.';
grant execute on function app_private.metric_key(double precision)
  to :MEMBER, :SERVICE, :ADMIN, :ANALYST, :WORKER;
--! EndIncluded metrics/metric_key.sql
--! Included metrics/metric_sum.sql
-- A sum of doubles, or null where it exceeds a double: Postgres' own sum raises an error then, and would do so for a whole
-- table. The arguments are two parts, neither of which can overflow: the sum of the values within 1e280, and the sum of the
-- others divided by 2^100, which loses nothing. A sum of sums that exceeded a double (infinite here) exceeds it too.
create or replace function app_private.metric_sum(small double precision, large double precision) returns double precision
language sql immutable parallel safe
return case
  when large is null then small
  when pg_catalog.abs(large + case when pg_catalog.abs(small) > 1e200 then small / pg_catalog.power(2, 100) else 0 end)
    < pg_catalog.power(2, 924)
  then
    (large + case when pg_catalog.abs(small) > 1e200 then small / pg_catalog.power(2, 100) else 0 end) * pg_catalog.power(2, 100)
end;

comment on function app_private.metric_sum(double precision, double precision) is 'The total of a sum of doubles within 1e280 and a sum of others divided by 2^100; null where it exceeds a double.';
grant execute on function app_private.metric_sum(double precision, double precision)
  to :MEMBER, :SERVICE, :ADMIN, :ANALYST, :WORKER;
--! EndIncluded metrics/metric_sum.sql
--! Included metrics/make_metrics_minute.sql
-- Makes the rollups of these minutes anew from all of their points, for one or all (null) of the tenants that
-- ops.metric_changes names, deletes these notes and adds notes for the hours. One statement does it, so with one snapshot.
-- Points that are committed later have notes of their own. The body is parsed ahead, because the worker may not name the
-- functions of app_private.
create or replace function ops.make_metrics_minute(minutes timestamptz[], tenant text) returns void
language sql volatile
-- A tenant's points of a minute are a stretch of the primary key, so one look into the index finds them. The planner does not
-- know how many notes there are and would read whole days.
set enable_hashjoin to off
set enable_mergejoin to off
begin atomic
  with ended as (
    delete from ops.metric_changes c
    where c.resolution = 'minute' and c.bucket = any (make_metrics_minute.minutes)
      and (make_metrics_minute.tenant is null or c.tenant_id = make_metrics_minute.tenant)
      and (c.tenant_id, ops.metric_item('minute', c.bucket)) not in (select * from ops.quarantined('roll_up_metrics'))
    returning c.tenant_id, c.bucket
  ),
  changed as materialized (
    select distinct e.tenant_id, e.bucket
    from ended e
    -- Once the points of a time are being removed it gets no new rollups: half of the points may be gone.
    where not exists (
        select
        from ops.metric_floors f
        where (f.tenant_id is null or f.tenant_id = e.tenant_id) and e.bucket < f.closed_to
      )
      or ops.is_held('metrics.raw', e.tenant_id, e.bucket)
  ),
  keyed as (
    select
      c.tenant_id, m.service_name, m.metric_name, m.tags, c.bucket,
      app_private.metric_key(m.value) as key,
      count(*) as count,
      sum(m.value) filter (where abs(m.value) <= 1e280) as small_sum,
      sum(m.value / power(2, 100)) filter (where abs(m.value) > 1e280) as large_sum,
      min(m.value) as min,
      max(m.value) as max,
      -- Arrays are compared from the left.
      max(array[extract(epoch from m."timestamp"), m.value]) as last
    from changed c
    join app_public.metrics m
      on m.tenant_id = c.tenant_id and m."timestamp" >= c.bucket and m."timestamp" < c.bucket + interval '1 minute'
    -- Lets the planner leave out partitions.
    where m."timestamp" >= make_metrics_minute.minutes[1] and m."timestamp" < make_metrics_minute.minutes[cardinality(make_metrics_minute.minutes)] + interval '1 minute'
    group by 1, 2, 3, 4, 5, 6
  ),
  made as (
    insert into app_public.metrics_minute as r (
      tenant_id, service_name, metric_name, tags, bucket, count, sum, min, max, last, last_at, sketch_keys, sketch_counts
    )
    select
      k.tenant_id, k.service_name, k.metric_name, k.tags, k.bucket, sum(k.count),
      app_private.metric_sum(sum(k.small_sum), sum(k.large_sum)), min(k.min), max(k.max),
      (max(k.last))[2], to_timestamp((max(k.last))[1]), array_agg(k.key order by k.key), array_agg(k.count order by k.key)
    from keyed k
    group by k.tenant_id, k.service_name, k.metric_name, k.tags, k.bucket
    on conflict (tenant_id, service_name, metric_name, bucket, tags_hash) do update set
      count = excluded.count, sum = excluded.sum, min = excluded.min, max = excluded.max,
      last = excluded.last, last_at = excluded.last_at,
      sketch_keys = excluded.sketch_keys, sketch_counts = excluded.sketch_counts
  )
  insert into ops.metric_changes (resolution, tenant_id, bucket)
  select distinct 'hour', c.tenant_id, date_bin('1 hour', c.bucket, '2001-01-01 00:00:00Z')
  from changed c;
end;

comment on function ops.make_metrics_minute(timestamptz[], text) is 'Makes the rollups of these minutes anew from their points, where ops.metric_changes has notes of them, of one tenant or of all (null). For ops.make_metrics.';
grant execute on function ops.make_metrics_minute(timestamptz[], text) to :WORKER;
--! EndIncluded metrics/make_metrics_minute.sql
--! Included metrics/make_metrics_hour.sql
-- Merges rollups of minutes into those of these hours, for one or all (null) of the tenants that ops.metric_changes names.
-- Sketches merge by addition. Otherwise as ops.make_metrics_minute.
create or replace function ops.make_metrics_hour(hours timestamptz[], tenant text) returns void
language sql volatile
begin atomic
  with ended as (
    delete from ops.metric_changes c
    where c.resolution = 'hour' and c.bucket = any (make_metrics_hour.hours)
      and (make_metrics_hour.tenant is null or c.tenant_id = make_metrics_hour.tenant)
      and (c.tenant_id, ops.metric_item('hour', c.bucket)) not in (select * from ops.quarantined('roll_up_metrics'))
    returning c.tenant_id, c.bucket
  ),
  changed as materialized (
    select distinct e.tenant_id, e.bucket from ended e
  ),
  source as materialized (
    -- A sum that is null is beyond a double (metric_sum).
    select m.*, c.bucket as merged, coalesce(m.sum, 'Infinity') as total
    from changed c
    join app_public.metrics_minute m
      on m.tenant_id = c.tenant_id and date_bin('1 hour', m.bucket, '2001-01-01 00:00:00Z') = c.bucket
    -- Uses the index of time, which is small.
    where m.bucket >= make_metrics_hour.hours[1]
      and m.bucket < make_metrics_hour.hours[cardinality(make_metrics_hour.hours)] + interval '1 hour'
  ),
  sketches as (
    select
      k.tenant_id, k.service_name, k.metric_name, k.tags_hash, k.merged,
      array_agg(k.key order by k.key) as keys, array_agg(k.count order by k.key) as counts
    from (
      select s.tenant_id, s.service_name, s.metric_name, s.tags_hash, s.merged, k.key, sum(k.count)::bigint as count
      from source s
      cross join lateral unnest(s.sketch_keys, s.sketch_counts) k(key, count)
      group by 1, 2, 3, 4, 5, 6
    ) k
    group by 1, 2, 3, 4, 5
  ),
  totals as (
    select
      s.tenant_id, s.service_name, s.metric_name, s.tags_hash, s.merged, min(s.tags::text)::jsonb as tags,
      sum(s.count) as count,
      app_private.metric_sum(
        sum(s.total) filter (where abs(s.total) <= 1e280), sum(s.total / power(2, 100)) filter (where abs(s.total) > 1e280)
      ) as sum,
      min(s.min) as min, max(s.max) as max,
      max(array[extract(epoch from s.last_at), s.last]) as last
    from source s
    group by 1, 2, 3, 4, 5
  ),
  made as (
    insert into app_public.metrics_hour as r (
      tenant_id, service_name, metric_name, tags, bucket, count, sum, min, max, last, last_at, sketch_keys, sketch_counts
    )
    select
      t.tenant_id, t.service_name, t.metric_name, t.tags, t.merged, t.count, t.sum, t.min, t.max,
      t.last[2], to_timestamp(t.last[1]), k.keys, k.counts
    from totals t
    join sketches k using (tenant_id, service_name, metric_name, tags_hash, merged)
    on conflict (tenant_id, service_name, metric_name, bucket, tags_hash) do update set
      count = excluded.count, sum = excluded.sum, min = excluded.min, max = excluded.max,
      last = excluded.last, last_at = excluded.last_at,
      sketch_keys = excluded.sketch_keys, sketch_counts = excluded.sketch_counts
  )
  insert into ops.metric_changes (resolution, tenant_id, bucket)
  select distinct 'day', c.tenant_id, date_bin('24 hours', c.bucket, '2001-01-01 00:00:00Z')
  from changed c;
end;

comment on function ops.make_metrics_hour(timestamptz[], text) is 'Makes the rollups of these hours anew from those of their minutes, where ops.metric_changes has notes of them, of one tenant or of all (null). For ops.make_metrics.';
grant execute on function ops.make_metrics_hour(timestamptz[], text) to :WORKER;
--! EndIncluded metrics/make_metrics_hour.sql
--! Included metrics/make_metrics_day.sql
-- Merges rollups of hours into those of these days (of UTC). Otherwise as ops.make_metrics_hour.
create or replace function ops.make_metrics_day(days timestamptz[], tenant text) returns void
language sql volatile
begin atomic
  with ended as (
    delete from ops.metric_changes c
    where c.resolution = 'day' and c.bucket = any (make_metrics_day.days)
      and (make_metrics_day.tenant is null or c.tenant_id = make_metrics_day.tenant)
      and (c.tenant_id, ops.metric_item('day', c.bucket)) not in (select * from ops.quarantined('roll_up_metrics'))
    returning c.tenant_id, c.bucket
  ),
  changed as materialized (
    select distinct e.tenant_id, e.bucket from ended e
  ),
  source as materialized (
    -- A sum that is null is beyond a double (metric_sum).
    select m.*, c.bucket as merged, coalesce(m.sum, 'Infinity') as total
    from changed c
    join app_public.metrics_hour m
      on m.tenant_id = c.tenant_id and date_bin('24 hours', m.bucket, '2001-01-01 00:00:00Z') = c.bucket
    -- Uses the index of time, which is small.
    where m.bucket >= make_metrics_day.days[1]
      and m.bucket < make_metrics_day.days[cardinality(make_metrics_day.days)] + interval '24 hours'
  ),
  sketches as (
    select
      k.tenant_id, k.service_name, k.metric_name, k.tags_hash, k.merged,
      array_agg(k.key order by k.key) as keys, array_agg(k.count order by k.key) as counts
    from (
      select s.tenant_id, s.service_name, s.metric_name, s.tags_hash, s.merged, k.key, sum(k.count)::bigint as count
      from source s
      cross join lateral unnest(s.sketch_keys, s.sketch_counts) k(key, count)
      group by 1, 2, 3, 4, 5, 6
    ) k
    group by 1, 2, 3, 4, 5
  ),
  totals as (
    select
      s.tenant_id, s.service_name, s.metric_name, s.tags_hash, s.merged, min(s.tags::text)::jsonb as tags,
      sum(s.count) as count,
      app_private.metric_sum(
        sum(s.total) filter (where abs(s.total) <= 1e280), sum(s.total / power(2, 100)) filter (where abs(s.total) > 1e280)
      ) as sum,
      min(s.min) as min, max(s.max) as max,
      max(array[extract(epoch from s.last_at), s.last]) as last
    from source s
    group by 1, 2, 3, 4, 5
  )
  insert into app_public.metrics_day as r (
    tenant_id, service_name, metric_name, tags, bucket, count, sum, min, max, last, last_at, sketch_keys, sketch_counts
  )
  select
    t.tenant_id, t.service_name, t.metric_name, t.tags, t.merged, t.count, t.sum, t.min, t.max,
    t.last[2], to_timestamp(t.last[1]), k.keys, k.counts
  from totals t
  join sketches k using (tenant_id, service_name, metric_name, tags_hash, merged)
  on conflict (tenant_id, service_name, metric_name, bucket, tags_hash) do update set
    count = excluded.count, sum = excluded.sum, min = excluded.min, max = excluded.max,
    last = excluded.last, last_at = excluded.last_at,
    sketch_keys = excluded.sketch_keys, sketch_counts = excluded.sketch_counts;
end;

comment on function ops.make_metrics_day(timestamptz[], text) is 'Makes the rollups of these days anew from those of their hours, where ops.metric_changes has notes of them, of one tenant or of all (null). For ops.make_metrics.';
grant execute on function ops.make_metrics_day(timestamptz[], text) to :WORKER;
--! EndIncluded metrics/make_metrics_day.sql
--! Included metrics/metric_key_value.sql
-- The value that stands for a bucket of a sketch: 2 / (1.0202 + 1) = 0.99 of its upper end, which is within one per cent of
-- every value in it. At both ends of the range of a double a rounding error would overflow, hence `least` and `greatest`.
create or replace function app_private.metric_key_value(key integer) returns double precision
language sql immutable parallel safe
return case
  when key = 0 then 0
  else pg_catalog.sign(key) * 0.99 * pg_catalog.exp(
    greatest(-744::double precision, least(709.7827128::double precision, (pg_catalog.abs(key) - 37500) * 0.0200006667066695))
  )
end;

comment on function app_private.metric_key_value(integer) is 'The value that stands for a bucket of a sketch, within one per cent of each value in it.';
grant execute on function app_private.metric_key_value(integer) to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
--! EndIncluded metrics/metric_key_value.sql
--! Included metrics/metric_request.sql
-- Checks the arguments of the functions that read metrics, and converts them to the terms that these compute in:
--   range_start, range_end  of a series: widened to whole buckets
--   bucket                  in seconds alone, because a day added in the session's time zone may have 23 hours; by default
--                           the smallest of the usual widths that makes at most 200
--   fraction                0 to 1 when the aggregate is a percentile, null otherwise
create or replace function app_private.metric_request(
  inout range_start timestamptz,
  inout range_end timestamptz,
  inout bucket interval,
  aggregate text,
  fill text,
  tags jsonb,
  out fraction double precision
)
language plpgsql immutable parallel safe
set search_path to pg_catalog, pg_temp
set timezone to 'UTC'
as $$
declare
  v_origin constant timestamptz := '2001-01-01 00:00:00Z';
  v_given constant interval := bucket;
begin
  if range_start is null or range_end is null or not isfinite(range_start) or not isfinite(range_end)
    or range_start >= range_end
  then
    raise exception 'the range must run from one finite time to a later one, not from % to %', coalesce(range_start::text, 'null'), coalesce(range_end::text, 'null')
      using errcode = 'LTM02', hint = 'Give both "from" and "to".';
  end if;

  if tags is null or jsonb_typeof(tags) <> 'object' or jsonb_path_exists(tags, 'strict $.* ? (@.type() == "object" || @.type() == "array")')
  then
    raise exception 'tags must be a flat object, not %', coalesce(tags::text, 'null')
      using errcode = 'LTM05', hint = 'A point matches when it has all of these tags: {"route": "/"}. Every point matches {}.';
  end if;

  if aggregate ~ '^p\d{1,2}(\.\d{1,6})?$' then
    fraction := substr(aggregate, 2)::double precision / 100;
  elsif aggregate is null or aggregate not in ('avg', 'sum', 'min', 'max', 'count', 'rate', 'last') then
    raise exception 'unknown aggregate %', coalesce(aggregate, 'null')
      using errcode = 'LTM04', hint = 'Use avg, sum, min, max, count, rate, last, or a percentile: p50, p99, p99.9.';
  end if;

  if fill is null or fill not in ('null', 'zero', 'previous') then
    raise exception 'gaps cannot be filled with %', coalesce(fill, 'null')
      using errcode = 'LTM06', hint = 'Use null, zero or previous.';
  end if;

  if v_given is null then
    select coalesce(min(b.width) filter (where b.width * 200 >= range_end - range_start), interval '7 days') into bucket
    from unnest('{1s,10s,1min,5min,15min,1h,6h,1d,7d}'::interval[]) b(width);
  elsif extract(year from v_given) <> 0 or extract(month from v_given) <> 0
    or extract(epoch from v_given) <= 0 or extract(epoch from range_end - range_start) / extract(epoch from v_given) > 10000
  then
    raise exception 'a series from % to % cannot have buckets of %', range_start, range_end, v_given
      using errcode = 'LTM03', hint = 'A bucket must be longer than 0 and must not contain months. A series has at most 10,000 buckets.';
  end if;
  bucket := make_interval(secs => extract(epoch from bucket)::double precision);
  range_start := date_bin(bucket, range_start, v_origin);
  range_end := date_bin(bucket, range_end - interval '1 microsecond', v_origin) + bucket;
end
$$;

comment on function app_private.metric_request(timestamptz, timestamptz, interval, text, text, jsonb) is 'The checked arguments of a query of metrics: the range in whole buckets, the bucket, and the fraction of a percentile. LTM02 to LTM06.';
grant execute on function app_private.metric_request(timestamptz, timestamptz, interval, text, text, jsonb)
  to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
--! EndIncluded metrics/metric_request.sql
--! Included metrics/metric_latest.sql
-- The newest point of each metric of a service, or of each value of a tag. Without a tag to group by, it jumps from metric to
-- metric and reads the newest point of each. With one, it has to read all points since then.
create or replace function app_public.metric_latest(
  service text,
  metric text default null,
  tags jsonb default '{}',
  group_by text default null,
  since timestamptz default (now() - interval '1 day')
) returns table (
  metric_name text,
  tag_value text,
  value double precision,
  point_tags jsonb,
  measured_at timestamptz
)
language sql stable
begin atomic
  with recursive request as materialized (
    select q.range_start
    from app_private.metric_request(
      metric_latest.since, metric_latest.since + interval '1 day', null, 'last', 'null', metric_latest.tags
    ) q
  ),
  names as (
    select coalesce(
      metric_latest.metric,
      (
        select min(m.metric_name)::text
        from app_public.metrics m
        where m.service_name = metric_latest.service and m."timestamp" >= metric_latest.since
      )
    ) as metric_name
    from request
    union all
    select (
      select m.metric_name::text
      from app_public.metrics m
      where m.service_name = metric_latest.service
        and m.metric_name > n.metric_name
        and m."timestamp" >= metric_latest.since
      order by m.metric_name
      limit 1
    )
    from names n
    where n.metric_name is not null and metric_latest.metric is null
  ),
  newest as (
    select n.metric_name, null::text as tag_value, p.value, p.tags, p."timestamp"
    from names n
    cross join lateral (
      select m.value, m.tags, m."timestamp"
      from app_public.metrics m
      where m.service_name = metric_latest.service
        and m.metric_name = n.metric_name
        and m."timestamp" >= metric_latest.since
        and m.tags @> metric_latest.tags
      order by m."timestamp" desc
      limit 1
    ) p
    where metric_latest.group_by is null
    union all
    select p.metric_name, p.tag_value, p.value, p.tags, p."timestamp"
    from (
      select distinct on (n.metric_name, m.tags ->> metric_latest.group_by)
        n.metric_name, m.tags ->> metric_latest.group_by as tag_value, m.value, m.tags, m."timestamp"
      from names n
      join app_public.metrics m
        on m.service_name = metric_latest.service
        and m.metric_name = n.metric_name
        and m."timestamp" >= metric_latest.since
        and m.tags @> metric_latest.tags
      where metric_latest.group_by is not null
      order by n.metric_name, m.tags ->> metric_latest.group_by, m."timestamp" desc
    ) p
  )
  select n.metric_name, n.tag_value, n.value, n.tags, n."timestamp"
  from newest n
  order by n.metric_name, n.tag_value;
end;

comment on function app_public.metric_latest(text, text, jsonb, text, timestamptz) is
  E'The newest point of each metric of a service (or of the one that `metric` names) `since` a time, by default a day ago. `tags` keeps to points that have all of these tags. `group_by` names a tag: the newest point of each of its values is returned (null: of points without the tag). LTM02 since, LTM05 tags.';
grant execute on function app_public.metric_latest(text, text, jsonb, text, timestamptz)
  to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
--! EndIncluded metrics/metric_latest.sql
--! Included metrics/metric_percentile_list.sql
-- The requested percentiles, each once.
create or replace function app_private.metric_percentile_list(percentiles double precision[]) returns double precision[]
language plpgsql immutable parallel safe
set search_path to pg_catalog, pg_temp
as $$
begin
  if percentiles is null or cardinality(percentiles) not between 1 and 100
    or exists (select from unnest(percentiles) p where p is null or not p between 0 and 100)
  then
    raise exception 'percentiles must be 1 to 100 numbers from 0 to 100, not %', coalesce(percentiles::text, 'null')
      using errcode = 'LTM07', hint = 'For example {50,99,99.9}.';
  end if;
  return array(select distinct p from unnest(percentiles) p order by p);
end
$$;

comment on function app_private.metric_percentile_list(double precision[]) is 'The percentiles in order, each once. LTM07 when the list is empty, has more than a hundred, or has one outside 0 to 100.';
grant execute on function app_private.metric_percentile_list(double precision[]) to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
--! EndIncluded metrics/metric_percentile_list.sql
--! Included metrics/metric_reach.sql
-- A range that holds all of a series or of percentiles, for the planner. It is immutable, so it is a constant where its
-- arguments are, and the planner leaves out partitions outside of it from the start. Months and days in the session's time
-- zone would make it stable, hence `at time zone`. A range that metric_request refuses has no bounds here.
--
-- PL/pgSQL, so that it is not inlined, and a cost that no generic plan can afford: such a plan would call it for every point,
-- and for every aggregate. So a prepared statement is planned for the arguments of each call, which takes half the time.
create or replace function app_private.metric_reach("from" timestamptz, "to" timestamptz, bucket interval) returns tstzrange
language plpgsql immutable parallel safe cost 1000000
set search_path to pg_catalog, pg_temp
as $$
begin
  return case
    when "from" < "to" and isfinite("from") and isfinite("to")
      and (bucket is null or (bucket > interval '0' and bucket < interval '100 years' and extract(month from bucket) = 0
        and extract(year from bucket) = 0))
    then tstzrange(
      -- Every bucket that metric_request chooses divides a week.
      date_bin(coalesce(bucket, interval '7 days'), "from", '2001-01-01 00:00:00Z'),
      (
        date_bin(coalesce(bucket, interval '7 days'), "to", '2001-01-01 00:00:00Z') at time zone 'UTC'
          + coalesce(bucket, interval '7 days')
      ) at time zone 'UTC'
    )
    else tstzrange('-infinity', 'infinity')
  end;
end
$$;

comment on function app_private.metric_reach(timestamptz, timestamptz, interval) is 'A range that holds all buckets of a series, as a constant for the planner.';
grant execute on function app_private.metric_reach(timestamptz, timestamptz, interval)
  to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
--! EndIncluded metrics/metric_reach.sql
--! Included metrics/metric_sources.sql
-- Which table answers for which part of a range: the coarsest rollup that has it, or points where none does. A rollup has
-- everything except what ops.metric_changes says it lacks. Points are committed together with their notes, and rollups with
-- the deletion of the notes, so a statement never takes a part of a rollup for the whole. A rollup can serve whole buckets
-- whose width is a multiple of its own; a null bucket stands for any width.
-- Definer: it reads the notes, of the caller's tenant only.
create or replace function app_private.metric_sources(
  range_start timestamptz,
  range_end timestamptz,
  bucket interval
) returns table (resolution text, range_start timestamptz, range_end timestamptz)
language sql stable security definer rows 4
set search_path to pg_catalog, pg_temp
as $$
  with changed as materialized (
    select c.resolution, c.bucket
    from ops.metric_changes c
    where c.tenant_id = (select app_private.current_tenant_id())
      and c.bucket >= metric_sources.range_start and c.bucket < metric_sources.range_end
      -- Where points are being removed, the rollups count.
      and (
        c.bucket >= (
          select coalesce(max(f.closed_to), '-infinity')
          from ops.metric_floors f
          where f.tenant_id is null or f.tenant_id = (select app_private.current_tenant_id())
        )
        or ops.is_held('metrics.raw', c.tenant_id, c.bucket)
      )
    group by c.resolution, c.bucket
  ),
  -- A change in a minute is also one in its hour and its day.
  lacking as (
    select
      w.resolution, w.width,
      range_agg(tstzrange(c.bucket, c.bucket + w.width)) filter (where c.bucket is not null) as ranges
    from (
      values ('minute', interval '1 minute', '{minute}'::text[]),
        ('hour', interval '1 hour', '{minute,hour}'),
        ('day', interval '24 hours', '{minute,hour,day}')
    ) w(resolution, width, finer)
    left join lateral (
      select distinct date_bin(w.width, n.bucket, '2001-01-01 00:00:00Z') as bucket
      from changed n
      where n.resolution = any (w.finer)
    ) c on true
    group by w.resolution, w.width
  ),
  covered as (
    select l.resolution, tstzmultirange(tstzrange(b.range_start, b.range_end)) - coalesce(l.ranges, '{}') as ranges
    from lacking l
    cross join lateral (
      select
        date_bin(l.width, metric_sources.range_start + l.width - interval '1 microsecond', '2001-01-01 00:00:00Z') as range_start,
        date_bin(l.width, metric_sources.range_end, '2001-01-01 00:00:00Z') as range_end
    ) b
    where b.range_start < b.range_end
      and (metric_sources.bucket is null or extract(epoch from metric_sources.bucket) % extract(epoch from l.width) = 0)
  ),
  resolutions as (
    select
      coalesce(range_agg(c.ranges) filter (where c.resolution = 'day'), '{}') as days,
      coalesce(range_agg(c.ranges) filter (where c.resolution = 'hour'), '{}') as hours,
      coalesce(range_agg(c.ranges) filter (where c.resolution = 'minute'), '{}') as minutes
    from covered c
  )
  select s.resolution, lower(r.range), upper(r.range)
  from resolutions c
  cross join lateral (
    values
      ('day', c.days),
      ('hour', c.hours - c.days),
      ('minute', c.minutes - c.hours - c.days),
      (
        'raw',
        tstzmultirange(tstzrange(metric_sources.range_start, metric_sources.range_end)) - c.minutes - c.hours - c.days
      )
  ) s(resolution, ranges)
  cross join lateral unnest(s.ranges) r(range)
$$;

comment on function app_private.metric_sources(timestamptz, timestamptz, interval) is 'Which of day, hour, minute and raw answers for which part of a range, for the caller''s tenant.';
grant execute on function app_private.metric_sources(timestamptz, timestamptz, interval)
  to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
--! EndIncluded metrics/metric_sources.sql
--! Included metrics/metric_rows.sql
-- The points of a range, or the rollups that stand for them (metric_sources). With `by_key` a rollup gives a row per bucket of
-- its sketch, of which only key, count, min and max have a meaning; without it, the key is null. Where a rollup's sum exceeds a
-- double and is null, the sum here is infinite (metric_sum). The planner leaves out a filter that lets everything through: to
-- evaluate it for every point took a quarter of the time of an average.
create or replace function app_private.metric_rows(
  service text,
  metric text,
  range_start timestamptz,
  range_end timestamptz,
  bucket interval,
  filter jsonb,
  by_key boolean
) returns table (
  at timestamptz,
  tags jsonb,
  key integer,
  count bigint,
  sum double precision,
  min double precision,
  max double precision,
  last double precision,
  last_at timestamptz
)
language sql stable
begin atomic
  -- Materialized, so that plain columns join the tables: row-level security lets these into an index condition.
  with sources as materialized (
    select s.resolution, s.range_start, s.range_end
    from app_private.metric_sources(metric_rows.range_start, metric_rows.range_end, metric_rows.bucket) s
  )
  select
    m."timestamp", m.tags, case when metric_rows.by_key then app_private.metric_key(m.value) end, 1::bigint,
    m.value, m.value, m.value, m.value, m."timestamp"
  from sources s
  join app_public.metrics m on m."timestamp" >= s.range_start and m."timestamp" < s.range_end
  where s.resolution = 'raw'
    and m.service_name = metric_rows.service and m.metric_name = metric_rows.metric
    and (metric_rows.filter = '{}' or m.tags @> metric_rows.filter)
  union all
  select m.bucket, m.tags, k.key, coalesce(k.count, m.count), coalesce(m.sum, 'Infinity'), m.min, m.max, m.last, m.last_at
  from sources s
  join app_public.metrics_minute m on m.bucket >= s.range_start and m.bucket < s.range_end
  left join lateral unnest(m.sketch_keys, m.sketch_counts) k(key, count) on metric_rows.by_key
  where s.resolution = 'minute'
    and m.service_name = metric_rows.service and m.metric_name = metric_rows.metric
    and (metric_rows.filter = '{}' or m.tags @> metric_rows.filter)
  union all
  select m.bucket, m.tags, k.key, coalesce(k.count, m.count), coalesce(m.sum, 'Infinity'), m.min, m.max, m.last, m.last_at
  from sources s
  join app_public.metrics_hour m on m.bucket >= s.range_start and m.bucket < s.range_end
  left join lateral unnest(m.sketch_keys, m.sketch_counts) k(key, count) on metric_rows.by_key
  where s.resolution = 'hour'
    and m.service_name = metric_rows.service and m.metric_name = metric_rows.metric
    and (metric_rows.filter = '{}' or m.tags @> metric_rows.filter)
  union all
  select m.bucket, m.tags, k.key, coalesce(k.count, m.count), coalesce(m.sum, 'Infinity'), m.min, m.max, m.last, m.last_at
  from sources s
  join app_public.metrics_day m on m.bucket >= s.range_start and m.bucket < s.range_end
  left join lateral unnest(m.sketch_keys, m.sketch_counts) k(key, count) on metric_rows.by_key
  where s.resolution = 'day'
    and m.service_name = metric_rows.service and m.metric_name = metric_rows.metric
    and (metric_rows.filter = '{}' or m.tags @> metric_rows.filter);
end;

comment on function app_private.metric_rows(text, text, timestamptz, timestamptz, interval, jsonb, boolean) is 'The points of a range, or the rollups that stand for them.';
grant execute on function app_private.metric_rows(text, text, timestamptz, timestamptz, interval, jsonb, boolean)
  to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
--! EndIncluded metrics/metric_rows.sql
--! Included metrics/metric_percentiles.sql
-- Several percentiles of one range, computed from sketches. The range is exact: its whole minutes, hours and days come from
-- rollups, its edges from points.
create or replace function app_public.metric_percentiles(
  service text,
  metric text,
  "from" timestamptz,
  "to" timestamptz,
  percentiles double precision[] default '{50,90,95,99}',
  tags jsonb default '{}',
  group_by text default null
) returns table (tag_value text, percentile double precision, value double precision, points bigint)
language sql stable
begin atomic
  with request as materialized (
    select p.percentile
    from app_private.metric_request(
      metric_percentiles."from", metric_percentiles."to", null, 'p50', 'null', metric_percentiles.tags
    ) q
    cross join lateral unnest(app_private.metric_percentile_list(metric_percentiles.percentiles)) p(percentile)
  ),
  keyed as (
    select
      r.tags ->> metric_percentiles.group_by as tag_value, r.key, sum(r.count::double precision) as points, min(r.min) as least, max(r.max) as most
    from (select from request limit 1) checked
    cross join lateral app_private.metric_rows(
      metric_percentiles.service, metric_percentiles.metric, metric_percentiles."from", metric_percentiles."to", null,
      metric_percentiles.tags, true
    ) r
    -- A range that holds all of them, as constants (metric_reach).
    where r.at >= lower(app_private.metric_reach(metric_percentiles."from", metric_percentiles."to", '1 second'))
      and r.at < upper(app_private.metric_reach(metric_percentiles."from", metric_percentiles."to", '1 second'))
    group by 1, 2
  ),
  ranked as (
    select
      k.*,
      sum(k.points) over (partition by k.tag_value order by k.key rows unbounded preceding) as points_up_to,
      sum(k.points) over (partition by k.tag_value) as all_points
    from keyed k
  )
  select
    r.tag_value, q.percentile,
    greatest(
      min(r.least),
      least(
        max(r.most),
        app_private.metric_key_value(
          min(r.key) filter (where r.points_up_to > q.percentile / 100 * (r.all_points - 1))
        )
      )
    ),
    sum(r.points)::bigint
  from request q
  cross join ranked r
  group by r.tag_value, q.percentile
  order by r.tag_value, q.percentile;
end;

comment on function app_public.metric_percentiles(text, text, timestamptz, timestamptz, double precision[], jsonb, text) is
  E'Percentiles (0 to 100; by default 50, 90, 95 and 99) of a metric of a service between `from` and `to`, accurate to one per cent. `tags` keeps to points that have all of these tags. `group_by` names a tag, each value of which gets its own percentiles. Returns no rows without points. LTM02 the range, LTM05 tags, LTM07 percentiles.';
grant execute on function app_public.metric_percentiles(text, text, timestamptz, timestamptz, double precision[], jsonb, text)
  to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
--! EndIncluded metrics/metric_percentiles.sql
--! Included metrics/metric_points.sql
-- One point or many, as an array.
create or replace function app_private.metric_points(points json) returns json
language plpgsql immutable parallel safe
set search_path to pg_catalog, pg_temp
as $$
begin
  case json_typeof(points)
    when 'array' then return points;
    when 'object' then return json_build_array(points);
    else
      raise exception 'points must be an object or an array of objects, not %', coalesce(json_typeof(points), 'null')
        using errcode = 'LTM01',
          hint = 'A point: {"service_name": "api", "metric_name": "latency_ms", "value": 12.5, "tags": {"route": "/"}}.';
  end case;
end
$$;

comment on function app_private.metric_points(json) is 'The points as an array. LTM01 when they are neither an object nor an array.';
grant execute on function app_private.metric_points(json) to :SERVICE, :ADMIN;
--! EndIncluded metrics/metric_points.sql
--! Included metrics/metric_quotient.sql
-- A sum divided by a number of points or seconds. Where Postgres' own division would raise an overflow, the result is null,
-- like such a sum. Where it would raise an underflow, nearer to zero than any double, the result is zero. A double reaches
-- from 4.9e-324 to 1.8e308.
create or replace function app_private.metric_quotient(dividend double precision, divisor double precision)
returns double precision
language sql immutable parallel safe
return case
  when divisor < 1 and pg_catalog.abs(dividend) > divisor * 1.7976931348623157e308 then null
  when divisor <= 1 then dividend / divisor
  when pg_catalog.abs(dividend) < divisor * '5e-324'::double precision then 0
  else dividend / divisor
end;

comment on function app_private.metric_quotient(double precision, double precision) is 'A sum of values divided by a number of points or seconds; null where it exceeds a double, zero where it is nearer to zero than any double.';
grant execute on function app_private.metric_quotient(double precision, double precision)
  to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
--! EndIncluded metrics/metric_quotient.sql
--! Included metrics/metric_series.sql
-- A series in buckets, gaps included, from points or rollups (app_private.metric_rows). Percentiles come from sketches in
-- both cases, so that they do not jump when points are rolled up.
create or replace function app_public.metric_series(
  service text,
  metric text,
  "from" timestamptz,
  "to" timestamptz,
  bucket interval default null,
  aggregate text default 'avg',
  tags jsonb default '{}',
  group_by text default null,
  fill text default 'null'
) returns table (bucket_start timestamptz, tag_value text, value double precision, points bigint)
language sql stable
begin atomic
  with request as materialized (
    select q.range_start, q.range_end, q.bucket, q.fraction
    from app_private.metric_request(
      metric_series."from", metric_series."to", metric_series.bucket, metric_series.aggregate, metric_series.fill,
      metric_series.tags
    ) q
  ),
  -- A row per bucket and group; for a percentile, also per key of the sketch.
  keyed as (
    select
      date_bin(q.bucket, r.at, '2001-01-01 00:00:00Z') as bucket_start,
      r.tags ->> metric_series.group_by as tag_value,
      r.key,
      -- Exact up to 2^53; a sum of bigints is numeric, which is slow.
      sum(r.count::double precision) as points,
      app_private.metric_sum(
        sum(r.sum) filter (where abs(r.sum) <= 1e280), sum(r.sum / power(2, 100)) filter (where abs(r.sum) > 1e280)
      ) as total,
      min(r.min) as least,
      max(r.max) as most,
      -- Arrays are compared from the left.
      max(case when metric_series.aggregate = 'last' then array[extract(epoch from r.last_at), r.last] end) as last
    from request q
    cross join lateral app_private.metric_rows(
      metric_series.service, metric_series.metric, q.range_start, q.range_end, q.bucket, metric_series.tags,
      q.fraction is not null
    ) r
    -- A range that holds all of them, as constants (metric_reach).
    where r.at >= lower(app_private.metric_reach(metric_series."from", metric_series."to", metric_series.bucket))
      and r.at < upper(app_private.metric_reach(metric_series."from", metric_series."to", metric_series.bucket))
    group by 1, 2, 3
  ),
  ranked as (
    select
      k.*,
      -- Each key occurs once, so `rows` gives what `range` would, without a look at the next row.
      sum(k.points) over (
        partition by k.bucket_start, k.tag_value order by k.key rows unbounded preceding
      ) as points_up_to
    from keyed k
  ),
  filled as (
    select
      r.bucket_start, r.tag_value, sum(r.points)::bigint as points,
      case metric_series.aggregate
        when 'avg' then app_private.metric_quotient(sum(r.total), sum(r.points))
        when 'sum' then sum(r.total)
        when 'rate' then app_private.metric_quotient(
          sum(r.total), (select extract(epoch from q.bucket)::double precision from request q)
        )
        when 'count' then sum(r.points)
        when 'min' then min(r.least)
        when 'max' then max(r.most)
        when 'last' then (max(r.last))[2]
        else greatest(
          min(r.least),
          least(
            max(r.most),
            app_private.metric_key_value(
              -- The first key up to which there are more points than the fraction of all points.
              (array_agg(r.key order by r.key))[
                1 + width_bucket(
                  (select q.fraction from request q) * (max(r.points_up_to) - 1), array_agg(r.points_up_to order by r.key)
                )
              ]
            )
          )
        )
      end as value
    from ranked r
    group by r.bucket_start, r.tag_value
  ),
  groups as (
    select distinct f.tag_value from filled f
    union
    select null where metric_series.group_by is null
  ),
  series as (
    select
      s.bucket_start, g.tag_value, coalesce(f.points, 0) as points,
      -- A sum beyond a double is null but not a gap.
      case
        when f.points is not null then f.value
        when metric_series.fill = 'zero' or metric_series.aggregate in ('sum', 'rate', 'count') then 0
      end as value
    from request q
    cross join lateral generate_series(q.range_start, q.range_end - interval '1 microsecond', q.bucket) s(bucket_start)
    cross join groups g
    left join filled f on f.bucket_start = s.bucket_start and f.tag_value is not distinct from g.tag_value
  ),
  -- Each gap in one group with the last bucket before it that has points.
  runs as (
    select
      s.*, count(*) filter (where s.points > 0) over (partition by s.tag_value order by s.bucket_start) as run
    from series s
  )
  select
    r.bucket_start, r.tag_value,
    case
      when metric_series.fill = 'previous'
        then first_value(r.value) over (partition by r.tag_value, r.run order by r.bucket_start)
      else r.value
    end,
    r.points
  from runs r
  order by r.tag_value, r.bucket_start;
end;

comment on function app_public.metric_series(text, text, timestamptz, timestamptz, interval, text, jsonb, text, text) is
  E'A metric of a service over time, in buckets. `from` and `to` are widened to whole buckets, counted from midnight UTC (those of a week from Monday). Without a `bucket` it chooses one that gives at most 200. `aggregate` is avg, sum, min, max, count, rate (sum per second), last or a percentile such as p95 or p99.9 (accurate to one per cent). `tags` keeps to points that have all of these tags. `group_by` names a tag, each value of which gets its own series (null: points without the tag). Buckets without points are included: count, sum and rate are 0, other aggregates as `fill` says: null, zero or previous (the value of the last bucket before). A sum beyond a double is null, and so are avg and rate. Reads points or rollups, whichever has them coarsest. LTM02 the range, LTM03 bucket, LTM04 aggregate, LTM05 tags, LTM06 fill.';
grant execute on function app_public.metric_series(text, text, timestamptz, timestamptz, interval, text, jsonb, text, text)
  to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
--! EndIncluded metrics/metric_series.sql
--! Included metrics/metrics_kept_from.sql
-- The time before which points of the caller's tenant are refused. Definer: nobody of a tenant reads the floors.
create or replace function app_private.metrics_kept_from() returns timestamptz
language sql stable security definer
set search_path to pg_catalog, pg_temp
as $$
  select coalesce(max(f.kept_from), '-infinity')
  from ops.metric_floors f
  where f.tenant_id is null or f.tenant_id = (select app_private.current_tenant_id())
$$;

comment on function app_private.metrics_kept_from() is 'The time from which points of the caller''s tenant are kept.';
grant execute on function app_private.metrics_kept_from() to :SERVICE, :ADMIN;
--! EndIncluded metrics/metrics_kept_from.sql
--! Included metrics/move_metric_floors.sql
-- Moves up the time before which points are refused: to the midnight before which no tenant keeps them, and further for each
-- tenant that keeps less. Never moves it down. Points can be removed once their floor is closed: ops.close_metric_floors.
create or replace function ops.move_metric_floors(at timestamptz default now()) returns void
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  with wanted as (
    select t.id as tenant_id, date_bin('24 hours', move_metric_floors.at - ops.retention_of('metrics.raw', t.id), '2001-01-01 00:00:00Z') as kept_from
    from app_public.tenants t
  ),
  everybody as (
    select min(w.kept_from) as kept_from from wanted w having bool_and(w.kept_from is not null)
  )
  insert into ops.metric_floors as f (tenant_id, kept_from)
  select null, e.kept_from from everybody e
  union all
  select w.tenant_id, w.kept_from
  from wanted w
  where w.kept_from > coalesce((select e.kept_from from everybody e), '-infinity')
  on conflict (tenant_id) do update set kept_from = excluded.kept_from, moved_by = pg_current_xact_id()
  where excluded.kept_from > f.kept_from;
end
$$;

comment on function ops.move_metric_floors(timestamptz) is 'Moves up the time before which points are refused, by the retention of metrics.raw.';
grant execute on function ops.move_metric_floors(timestamptz) to :WORKER;
--! EndIncluded metrics/move_metric_floors.sql
--! Included metrics/record_metrics.sql
-- Stores the valid points among many in one statement, and returns a reason for each of the others. json_to_record reads a
-- point in one pass. It gets only points that cannot make it fail: those without an escape that the type text cannot hold.
-- Every cast of a value from outside stands in a `case`, after a check that the cast will succeed.
create or replace function app_public.record_metrics(points json, out stored integer, out rejected jsonb)
language sql volatile
set timezone to 'UTC'
begin atomic
  with elements as (
    select
      (e.position - 1)::integer as index,
      e.point,
      json_typeof(e.point) = 'object' as is_object,
      position('\u' in e.point::text) = 0 or pg_input_is_valid(e.point::text, 'jsonb') as is_storable
    from json_array_elements(app_private.metric_points(record_metrics.points)) with ordinality e(point, position)
  ),
  fields as (
    select
      e.index, e.point, e.is_object, e.is_storable, r.service_name, r.metric_name, r.value, r.tags,
      case
        when r."timestamp" is null then now()
        when pg_input_is_valid(r."timestamp", 'timestamptz') then r."timestamp"::timestamptz
      end as at,
      r."timestamp"
    from elements e
    left join lateral json_to_record(case when e.is_object and e.is_storable then e.point end)
      r(service_name text, metric_name text, value text, tags json, "timestamp" text) on true
  ),
  checked as materialized (
    select
      f.index, f.service_name, f.metric_name, f.value, f.tags, f.at,
      case
        when not f.is_object then 'a point must be an object, not ' || json_typeof(f.point)
        when not f.is_storable then 'it contains a character that cannot be stored: \u0000 or half of a surrogate pair'
        when f.service_name is null or f.service_name = '' then 'service_name is missing'
        when length(f.service_name) > 50 then 'service_name is longer than 50 characters'
        when f.metric_name is null or f.metric_name = '' then 'metric_name is missing'
        when length(f.metric_name) > 100 then 'metric_name is longer than 100 characters'
        when f.value is null then 'value is missing'
        when not pg_input_is_valid(f.value, 'double precision') then 'value is not a number, or too large: ' || left(f.value, 40)
        when not (f.value::double precision > '-Infinity' and f.value::double precision < 'Infinity')
          then 'value is not finite: ' || left(f.value, 40)
        when f.at is null then 'timestamp is not a time: ' || left(f."timestamp", 40)
        when not (select app_private.partition_ranges('app_public.metrics')) @> f.at
          or f.at < (select app_private.metrics_kept_from())
          then 'timestamp is outside the range that is kept: ' || f.at
        when f.tags is null then null
        when json_typeof(f.tags) <> 'object' then 'tags must be an object'
        when not pg_input_is_valid(f.tags::text, 'jsonb') then 'tags contains a number that cannot be stored'
        when f.tags::text ~ '^.+[[{]' and exists (
          select from json_each(f.tags) t where json_typeof(t.value) in ('object', 'array')
        ) then 'tags must be flat: a tag is a string, a number or a boolean'
      end as reason
    from fields f
  ),
  stored as (
    insert into app_public.metrics (tenant_id, service_name, metric_name, value, tags, "timestamp")
    select
      (select app_private.current_tenant_id()), c.service_name, c.metric_name, c.value::double precision,
      coalesce(c.tags::jsonb, '{}'), c.at
    from checked c
    where c.reason is null
  )
  select
    count(*) filter (where c.reason is null)::integer,
    coalesce(
      jsonb_agg(jsonb_build_object('index', c.index, 'reason', c.reason) order by c.index) filter (where c.reason is not null),
      '[]'
    )
  from checked c;
end;

comment on function app_public.record_metrics(json) is
  E'Records points, one object or an array of thousands. A point has `service_name`, `metric_name`, `value` (a finite number), and may have `tags` (a flat object) and `timestamp` (default: now; UTC unless it names a zone). Returns how many were `stored` and which were `rejected`: `[{"index": 3, "reason": "value is missing"}]`, counted from 0. Valid points are stored whatever the others are. LTM01 when `points` is neither an object nor an array.';
grant execute on function app_public.record_metrics(json) to :SERVICE, :ADMIN;
--! EndIncluded metrics/record_metrics.sql
--! Included metrics/roll_up_metrics.sql
-- Makes the oldest buckets of a rollup that are over by `until` and have changed, of all tenants, out of a stretch of
-- `how_many`: minutes from points, hours from minutes, days from hours. If it is killed, it has done all or nothing. Only one
-- runs at a time for each rollup: a second one finds the row of ops.metric_rollups locked, does nothing and returns null.
-- Runs as the worker.
create or replace function ops.roll_up_metrics(
  resolution text,
  until timestamptz default now(),
  how_many integer default 60,
  since timestamptz default '-infinity',
  out buckets integer,
  out next timestamptz
)
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_width interval;
  v_due timestamptz[];
begin
  update ops.metric_rollups r set rolled_up_at = clock_timestamp()
  where r.resolution = (
    select l.resolution from ops.metric_rollups l where l.resolution = roll_up_metrics.resolution for update skip locked
  );
  if not found then
    return;
  end if;
  -- A day is 24 hours: a day added in the session's time zone may have 23.
  v_width := case resolution when 'minute' then interval '1 minute' when 'hour' then interval '1 hour' else interval '24 hours' end;
  v_due := ops.due_metric_buckets(resolution, v_width, since, until, how_many);
  buckets := cardinality(v_due);
  if buckets = 0 then
    return;
  end if;
  next := v_due[buckets] + v_width;

  perform ops.make_metrics(resolution, v_due);
end
$$;

comment on function ops.roll_up_metrics(text, timestamptz, integer, timestamptz) is 'Rolls metrics up to minutes, hours or days (`resolution`): the oldest `how_many` that are over by `until` and have changed, from `since` on. Buckets of a tenant that fail are set aside. Returns how many there were (0: none; null: another session is making them) and where to continue: a caller that continues from there comes to an end however fast late points arrive.';
grant execute on function ops.roll_up_metrics(text, timestamptz, integer, timestamptz) to :WORKER;
--! EndIncluded metrics/roll_up_metrics.sql
--! Included metrics/tg_metrics__mark_changes.sql
-- Notes the minutes that points arrived in, a row per statement, tenant and minute. The worker rolls these up; until then
-- readers use their points. Rows are only added, so writers never wait for each other or for the worker. Refuses points from a
-- time that is being removed: they would be rolled up without the points that are gone. Definer: nobody may write the notes.
create or replace function app_private.tg_metrics__mark_changes() returns trigger
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_gone timestamptz;
begin
  with marked as (
    insert into ops.metric_changes (resolution, tenant_id, bucket)
    select distinct 'minute', n.tenant_id, date_bin('1 minute', n."timestamp", '2001-01-01 00:00:00Z')
    from new_rows n
    returning tenant_id, bucket
  )
  select min(m.bucket) into v_gone
  from marked m
  join ops.metric_floors f on (f.tenant_id = m.tenant_id or f.tenant_id is null) and m.bucket < f.kept_from
  where not ops.is_held('metrics.raw', m.tenant_id, m.bucket);
  if v_gone is not null then
    raise exception 'points from % are no longer kept', v_gone
      using errcode = 'LTM09', hint = 'Leave out points that are older than the retention of metrics.raw.';
  end if;
  return null;
end
$$;

comment on function app_private.tg_metrics__mark_changes() is 'Trigger: notes in ops.metric_changes the minutes that points arrived in. LTM09 when points from that time are no longer kept.';
--! EndIncluded metrics/tg_metrics__mark_changes.sql

--! Included sessions/caller_subject.sql
-- The subject that the API verified; null for a direct login, whose settings prove nothing.
create or replace function app_private.caller_subject() returns text
language sql stable parallel safe
return case
  when pg_catalog.pg_has_role(session_user, ':ANON', 'member')
    then nullif(pg_catalog.current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
end;

comment on function app_private.caller_subject() is 'The verified subject of the request: the name of a user or service. Null for a direct login.';
--! EndIncluded sessions/caller_subject.sql
--! Included sessions/check_session.sql
-- Checks the arguments of a new session. Returns true or raises: it stands in the `where` of the statement that opens one.
create or replace function app_private.check_session(
  user_id text,
  data jsonb,
  ttl interval,
  role text,
  sliding boolean,
  max_age interval
) returns boolean
language plpgsql immutable parallel safe
set search_path to pg_catalog, pg_temp
as $$
begin
  if user_id is null or length(user_id) not between 1 and 100 then
    raise exception 'user_id must have 1 to 100 characters, not %', coalesce(length(user_id), 0)
      using errcode = 'LTU01', hint = 'Name the user whose session it is.';
  end if;
  if ttl is null or ttl < interval '1 second' or ttl > interval '1 year'
    or sliding is null or (sliding and (max_age is null or max_age < interval '1 second' or max_age > interval '1 year'))
  then
    raise exception 'a session cannot live for % (sliding: %, at most %)',
      coalesce(ttl::text, 'null'), coalesce(sliding::text, 'null'), coalesce(max_age::text, 'null')
      using errcode = 'LTU02', hint = 'ttl, and max_age of a sliding session, must be between one second and one year.';
  end if;
  if role is null or role not in ('member', 'service', 'admin') then
    raise exception 'a session cannot have the role %', coalesce(role, 'null')
      using errcode = 'LTU03', hint = 'Use member, service or admin.';
  end if;
  if data is null or jsonb_typeof(data) <> 'object' then
    raise exception 'data must be an object, not %', coalesce(jsonb_typeof(data), 'null')
      using errcode = 'LTU05', hint = 'Leave it out, or pass an object.';
  end if;
  return true;
end
$$;

comment on function app_private.check_session(text, jsonb, interval, text, boolean, interval) is 'Checks the arguments of a new session: true, or LTU01, LTU02, LTU03, LTU05.';
grant execute on function app_private.check_session(text, jsonb, interval, text, boolean, interval) to :SERVICE, :ADMIN;
--! EndIncluded sessions/check_session.sql
--! Included sessions/token_digest.sql
-- The digest that is stored in place of a token. SHA-256 without a salt is enough: 32 random bytes cannot be guessed.
create or replace function app_private.token_digest(token text) returns text
language sql immutable strict parallel safe
return pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(token, 'UTF8')), 'hex');

comment on function app_private.token_digest(text) is 'SHA-256 of a token, 64 hexadecimal digits, which sessions store in its place.';
grant execute on function app_private.token_digest(text) to :SERVICE, :ADMIN;
--! EndIncluded sessions/token_digest.sql
--! Included sessions/create_session.sql
-- Opens a session and returns its token, this one time: only its digest is stored. The 32 bytes come from three random UUIDs,
-- each 122 bits of the system's generator, folded by SHA-256.
create or replace function app_public.create_session(
  user_id text,
  data jsonb default '{}',
  ttl interval default '12 hours',
  role text default 'member',
  sliding boolean default false,
  max_age interval default '30 days',
  out session_id uuid,
  out token text,
  out expires_at timestamptz
)
language sql volatile
begin atomic
  with secret as materialized (
    select 'lts_' || translate(
      rtrim(
        encode(
          sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'base64'
        ),
        '='
      ),
      '+/', '-_'
    ) as token
  ),
  opened as (
    insert into app_public.sessions (user_id, token, data, expires_at, role, sliding_ttl, ends_at)
    select
      create_session.user_id, app_private.token_digest(s.token), create_session.data,
      now() + case when create_session.sliding then least(create_session.ttl, create_session.max_age) else create_session.ttl end,
      create_session.role,
      case when create_session.sliding then create_session.ttl end,
      case when create_session.sliding then now() + create_session.max_age end
    from secret s
    where app_private.check_session(
      create_session.user_id, create_session.data, create_session.ttl, create_session.role, create_session.sliding,
      create_session.max_age
    )
    returning id, expires_at
  )
  select o.id, s.token, o.expires_at
  from opened o
  cross join secret s;
end;

comment on function app_public.create_session(text, jsonb, interval, text, boolean, interval) is
  E'@name openSession\nOpens a session of a user and returns its `token`, which nobody can read again; the API takes it as a bearer token in place of a JWT. `ttl` is how long it lives; with `sliding`, each use prolongs it by as much, up to `max_age` after it was opened. `role` is the role of its requests: member, service, or admin (only for administrators). `data` is the service''s own. LTU01 user_id, LTU02 ttl or max_age, LTU03 role, LTU04 only an administrator opens an administrator''s session, LTU05 data.';
grant execute on function app_public.create_session(text, jsonb, interval, text, boolean, interval) to :SERVICE, :ADMIN;
--! EndIncluded sessions/create_session.sql
--! Included sessions/use_session.sql
-- The session that a token opens, in any tenant. No row when the token is unknown, the session is over or its tenant is locked
-- out; the caller does not learn which. Every text takes the same work: one digest and one look-up. It compares digests, so the
-- time taken reveals nothing about the token.
--
-- Use prolongs a sliding session when that is worth a write: once a tenth of its time has passed.
create or replace function app_private.use_session(token text) returns setof app_public.sessions
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_session app_public.sessions;
begin
  select s.* into v_session
  from app_public.sessions s
  join app_public.tenants t on t.id = s.tenant_id
  where s.token = app_private.token_digest(use_session.token)
    and s.expires_at > now()
    and t.suspended_at is null;

  if not found then
    return;
  end if;
  -- create_session accepts at most a year. A row that a service inserts may have an interval that overflows any timestamp.
  if v_session.sliding_ttl > interval '1 year' then
    v_session.sliding_ttl := interval '1 year';
  end if;
  -- Null, and so false, for a session that does not slide. least() alone would ignore the null.
  if v_session.expires_at < now() + v_session.sliding_ttl * 0.9 and v_session.expires_at < coalesce(v_session.ends_at, 'infinity') then
    update app_public.sessions s
    set expires_at = least(now() + v_session.sliding_ttl, s.ends_at)
    where s.tenant_id = v_session.tenant_id and s.id = v_session.id
    returning s.* into v_session;
    -- It has just ended.
    if not found then
      return;
    end if;
  end if;
  return next v_session;
end
$$;

comment on function app_private.use_session(text) is 'The live session that a token opens, in any tenant, prolonged if it slides; no row if there is none.';
--! EndIncluded sessions/use_session.sql
--! Included sessions/session_claims.sql
-- The user and role that a session's token stands for. The API asks as an anonymous request, because it knows nothing about
-- the request yet. So it is a definer; everything that it reveals goes to a caller who has the token.
create or replace function ops.session_claims(token text)
returns table (tenant_id text, session_id uuid, user_id text, role text, expires_at timestamptz)
language sql volatile security definer
set search_path to pg_catalog, pg_temp
rows 1
as $$
  select s.tenant_id, s.id, s.user_id, s.role, s.expires_at
  from app_private.use_session(session_claims.token) s
$$;

comment on function ops.session_claims(text) is 'The user and role that a session''s token stands for, in any tenant: one row, or none when it opens no session. Prolongs a sliding session.';
grant execute on function ops.session_claims(text) to :ANON;
--! EndIncluded sessions/session_claims.sql
--! Included sessions/live_sessions.sql
-- Which of these sessions are still open. Each process of the API asks for the sessions whose streams it serves, all in one
-- anonymous request, and ends the streams of the others. Definer, as ops.session_claims: it reveals only that a session lives,
-- to callers who know its id. It prolongs nothing: a stream that is left open does not count as use of a session.
create or replace function ops.live_sessions(tenant_ids text[], session_ids uuid[]) returns setof uuid
language sql stable security definer
set search_path to pg_catalog, pg_temp
as $$
  select s.id
  from unnest(tenant_ids, session_ids) a(tenant_id, id)
  join app_public.sessions s on s.tenant_id = a.tenant_id and s.id = a.id
  join app_public.tenants t on t.id = s.tenant_id
  where s.expires_at > now() and t.suspended_at is null
$$;

comment on function ops.live_sessions(text[], uuid[]) is 'Which of these sessions, each with its tenant at the same place of the first array, are open: neither over nor revoked, and their tenant not locked out.';
grant execute on function ops.live_sessions(text[], uuid[]) to :ANON;
--! EndIncluded sessions/live_sessions.sql
--! Included sessions/own_sessions.sql
-- The sessions of the caller. Definer: members have no rights on sessions. The subject comes from the verified token.
create or replace function app_public.own_sessions()
returns table (session_id uuid, role text, created_at timestamptz, expires_at timestamptz, is_current boolean)
language sql stable security definer
set search_path to pg_catalog, pg_temp
as $$
  select
    s.id, s.role, s.created_at, s.expires_at,
    coalesce(
      s.id::text = nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'session_id', false
    )
  from app_public.sessions s
  where s.tenant_id = app_private.current_tenant_id()
    and s.user_id = app_private.caller_subject()
    and s.expires_at > now()
  order by s.created_at, s.id
$$;

comment on function app_public.own_sessions() is
  E'The live sessions of the caller (the subject of the token), without tokens and data; `is_current` marks the one that this request uses.';
grant execute on function app_public.own_sessions() to :MEMBER, :SERVICE, :ADMIN;
--! EndIncluded sessions/own_sessions.sql
--! Included sessions/revoke_own_session.sql
-- Ends a session of the caller. Definer, as own_sessions.
create or replace function app_public.revoke_own_session(session_id uuid) returns boolean
language sql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
  with revoked as (
    delete from app_public.sessions s
    where s.id = revoke_own_session.session_id
      and s.tenant_id = app_private.current_tenant_id()
      and s.user_id = app_private.caller_subject()
    returning 1
  )
  select count(*) > 0 from revoked
$$;

comment on function app_public.revoke_own_session(uuid) is
  E'Ends one of the caller''s own sessions, to log out here or elsewhere; false when there is none.';
grant execute on function app_public.revoke_own_session(uuid) to :MEMBER, :SERVICE, :ADMIN;
--! EndIncluded sessions/revoke_own_session.sql
--! Included sessions/revoke_session.sql
-- Ends a session of the tenant. Row-level security confines what it finds.
create or replace function app_public.revoke_session(session_id uuid) returns boolean
language sql volatile
begin atomic
  with revoked as (
    delete from app_public.sessions s where s.id = revoke_session.session_id returning 1
  )
  select count(*) > 0 from revoked;
end;

comment on function app_public.revoke_session(uuid) is
  E'Ends a session; false when there is none. Its token opens nothing from then on, at the API within a second.';
grant execute on function app_public.revoke_session(uuid) to :SERVICE, :ADMIN;
--! EndIncluded sessions/revoke_session.sql
--! Included sessions/revoke_user_sessions.sql
-- Ends all sessions of a user of the tenant: on a changed password, a lost device, a leaver.
create or replace function app_public.revoke_user_sessions(user_id text) returns integer
language sql volatile
begin atomic
  with revoked as (
    delete from app_public.sessions s where s.user_id = revoke_user_sessions.user_id returning 1
  )
  select count(*)::integer from revoked;
end;

comment on function app_public.revoke_user_sessions(text) is
  E'Ends all sessions of a user; returns how many there were. Their tokens open nothing from then on, at the API within a second.';
grant execute on function app_public.revoke_user_sessions(text) to :SERVICE, :ADMIN;
--! EndIncluded sessions/revoke_user_sessions.sql
--! Included sessions/tg_sessions__guard_role.sql
-- A session's token opens the API, so whoever opens a session hands out its role. Only an administrator may hand out the role
-- of one; a service could otherwise make itself an administrator.
create or replace function app_private.tg_sessions__guard_role() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  if current_user <> ':ADMIN' then
    raise exception 'only an administrator can open a session with the role admin'
      using errcode = 'LTU04', hint = 'Use an administrator''s token, or ask for another role.';
  end if;
  return NEW;
end
$$;

comment on function app_private.tg_sessions__guard_role() is 'Trigger: refuses a session of an administrator, with LTU04, to anybody but an administrator.';
--! EndIncluded sessions/tg_sessions__guard_role.sql
--! Included sessions/touch_session.sql
-- Prolongs a session from now: by its own sliding time, or by `ttl`.
create or replace function app_public.touch_session(session_id uuid, ttl interval default null) returns timestamptz
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_expires_at timestamptz;
begin
  if ttl < interval '1 second' or ttl > interval '1 year' then
    raise exception 'a session cannot be prolonged by %', ttl
      using errcode = 'LTU06', hint = 'ttl must be between one second and one year.';
  end if;
  update app_public.sessions s
  set expires_at = coalesce(
    least(
      now() + coalesce(
        touch_session.ttl, case when s.sliding_ttl > interval '1 year' then interval '1 year' else s.sliding_ttl end
      ),
      s.ends_at
    ),
    s.expires_at
  )
  where s.id = touch_session.session_id and s.expires_at > now()
  returning s.expires_at into v_expires_at;
  if not found then
    raise exception 'session % does not exist or is over', coalesce(session_id::text, 'null')
      using errcode = 'LTU07', hint = 'It was revoked, has expired or never existed: open a new one.';
  end if;
  return v_expires_at;
end
$$;

comment on function app_public.touch_session(uuid, interval) is
  E'Prolongs a session from now by `ttl`, or without one by its sliding time (a session that does not slide stays as it is), and never beyond its `max_age`. Returns when it ends. LTU06 ttl, LTU07 no such session, or it is over.';
grant execute on function app_public.touch_session(uuid, interval) to :SERVICE;
--! EndIncluded sessions/touch_session.sql
--! Included sessions/validate_session.sql
-- The session that a token opens, for services that manage their users themselves. Definer: nobody may look up a token.
-- Sessions of other tenants give no row.
create or replace function app_public.validate_session(token text)
returns table (session_id uuid, user_id text, role text, data jsonb, expires_at timestamptz)
language sql volatile security definer
set search_path to pg_catalog, pg_temp
rows 1
as $$
  select s.id, s.user_id, s.role, s.data, s.expires_at
  from app_private.use_session(validate_session.token) s
  where s.tenant_id = app_private.current_tenant_id()
$$;

comment on function app_public.validate_session(text) is
  E'The session that a token opens: one row, or none when this tenant has no such session, or it is over. Prolongs a sliding session.';
grant execute on function app_public.validate_session(text) to :SERVICE, :ADMIN;
--! EndIncluded sessions/validate_session.sql

--! Included jobs/abandon_runs.sql
-- Abandons runs whose processes have not reported in time, all of them or those under one lock, and returns their number.
-- Definer: nobody writes the table by hand.
create or replace function ops.abandon_runs(lock text default null) returns integer
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_count integer;
begin
  update ops.job_runs r
  set
    outcome = 'abandoned',
    finished_at = clock_timestamp(),
    error = format('nothing has been heard from %s since %s', r.worker, r.updated_at)
  where r.outcome = 'running' and r.lease_until <= clock_timestamp()
    and (abandon_runs.lock is null or r.lock = abandon_runs.lock);
  get diagnostics v_count = row_count;
  return v_count;
end
$$;

comment on function ops.abandon_runs(text) is 'Abandons the runs whose leases are over, of one lock or of all. Returns their number.';
grant execute on function ops.abandon_runs(text) to :WORKER;
--! EndIncluded jobs/abandon_runs.sql
--! Included jobs/alert_event.sql
-- A change of an alert, as the log and the webhook report it. Chat programs show `text`.
create or replace function ops.alert_event(event text, alert ops.alerts) returns jsonb
language sql stable
return jsonb_build_object(
  'event', event,
  'text', format('%s %s: %s', case event when 'resolved' then 'resolved' else alert.severity end, alert.kind, alert.message),
  'alert', to_jsonb(alert)
);

comment on function ops.alert_event(text, ops.alerts) is 'A change of an alert: {event, text, alert}.';
grant execute on function ops.alert_event(text, ops.alerts) to :WORKER;
--! EndIncluded jobs/alert_event.sql
--! Included jobs/begin_run.sql
-- Records that a run of a job begins, and returns its id. With a `lock` it is the only run under that name: LTJ01 while another
-- one lives. Its process has to renew it (ops.renew_run) before the lease is over; otherwise it is taken for dead. Definer:
-- nobody writes the table by hand.
create or replace function ops.begin_run(
  task text,
  worker text,
  lease interval,
  lock text default null,
  details jsonb default '{}',
  job_id bigint default null
) returns bigint
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_id bigint;
  v_holder ops.job_runs;
begin
  loop
    perform ops.abandon_runs(begin_run.lock);
    insert into ops.job_runs (task, worker, lock, details, job_id, lease_until)
    values (
      begin_run.task, begin_run.worker, begin_run.lock, begin_run.details, begin_run.job_id, clock_timestamp() + begin_run.lease
    )
    -- The one index that a running lock can collide with.
    on conflict do nothing
    returning id into v_id;
    if found then
      return v_id;
    end if;

    select r.* into v_holder from ops.job_runs r where r.lock = begin_run.lock and r.outcome = 'running';
    -- It may have ended in between.
    if found then
      raise exception '% is already running: run % of %, since %', begin_run.lock, v_holder.id, v_holder.worker,
        to_char(v_holder.started_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
        using errcode = 'LTJ01', hint = 'Wait for its end: select * from ops.job_runs where outcome = ''running''.';
    end if;
  end loop;
end
$$;

comment on function ops.begin_run(text, text, interval, text, jsonb, bigint) is 'Begins a run of a job and returns its id; under a lock it is the only one. LTJ01 when another run holds the lock.';
grant execute on function ops.begin_run(text, text, interval, text, jsonb, bigint) to :WORKER;
--! EndIncluded jobs/begin_run.sql
--! Included jobs/check_alerts.sql
-- Checks for problems: reads every view ops.check_<kind> (subject, severity, message, details), and returns the events of
-- alerts that were raised, changed or resolved. To add a check, add a view. A view that fails raises an alert of its own,
-- and the others are read all the same. Definer: nobody writes alerts by hand.
create or replace function ops.check_alerts() returns setof jsonb
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_check name;
  v_findings jsonb;
  v_broken jsonb := '[]';
begin
  for v_check in
    select c.relname
    from pg_class c
    where c.relnamespace = 'ops'::regnamespace and c.relkind = 'v' and c.relname like 'check\_%'
    order by c.relname
  loop
    begin
      execute format(
        $query$
          select coalesce(jsonb_agg(jsonb_build_object(
            'subject', f.subject, 'severity', f.severity, 'message', f.message, 'details', f.details
          )), '[]')
          from ops.%I f
        $query$,
        v_check
      ) into v_findings;
      return query select e from ops.report_alerts(substr(v_check, 7), v_findings) e;
    exception
      when others then
        v_broken := v_broken || jsonb_build_object(
          'subject', v_check, 'severity', 'error', 'message', format('ops.%s failed: %s', v_check, sqlerrm),
          'details', '{}'::jsonb
        );
    end;
  end loop;
  return query select e from ops.report_alerts('checks', v_broken) e;
end
$$;

comment on function ops.check_alerts() is 'Reads every view ops.check_<kind>, and returns the events of alerts that were raised, changed or resolved.';
grant execute on function ops.check_alerts() to :WORKER;
--! EndIncluded jobs/check_alerts.sql
--! Included jobs/end_run.sql
-- Ends a run as succeeded, or with an error as failed. Of a task's runs that had nothing to do it keeps only the newest,
-- which is enough to see when the task last looked. Returns false when the run was taken for dead before. Definer: nobody
-- writes the table by hand.
create or replace function ops.end_run(
  run_id bigint,
  error text default null,
  note text default null,
  idle boolean default false
) returns boolean
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_task text;
begin
  update ops.job_runs r
  set
    outcome = case when end_run.error is null then 'succeeded' else 'failed' end,
    finished_at = clock_timestamp(),
    updated_at = clock_timestamp(),
    error = end_run.error,
    note = coalesce(end_run.note, r.note),
    progress = case when end_run.error is null then 1 else r.progress end,
    idle = end_run.error is null and end_run.idle
  where r.id = end_run.run_id and r.outcome = 'running'
  returning r.task into v_task;
  if not found then
    -- Did it report the same end before, and the answer was lost?
    return exists (
      select
      from ops.job_runs r
      where r.id = end_run.run_id
        and r.outcome = case when end_run.error is null then 'succeeded' else 'failed' end
    );
  end if;
  if end_run.idle and end_run.error is null then
    delete from ops.job_runs r where r.task = v_task and r.idle and r.id < end_run.run_id;
  end if;
  return true;
end
$$;

comment on function ops.end_run(bigint, text, text, boolean) is 'Ends a run as succeeded, or with an error as failed. False when it was taken for dead before.';
grant execute on function ops.end_run(bigint, text, text, boolean) to :WORKER;
--! EndIncluded jobs/end_run.sql
--! Included jobs/lose_workers.sql
-- Takes workers for dead and abandons their runs. Deletes workers that ended a week ago. Definer: nobody writes the tables by
-- hand.
create or replace function ops.lose_workers(ids text[]) returns void
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  -- Locked in one order, so that two callers do not wait for each other.
  perform from ops.workers w where w.id = any (ids) order by w.id for update;
  update ops.workers w set lost_at = clock_timestamp() where w.id = any (ids) and w.lost_at is null;
  update ops.job_runs r
  set
    outcome = 'abandoned',
    finished_at = clock_timestamp(),
    error = format('worker %s is no longer seen', r.worker)
  where r.outcome = 'running' and r.worker = any (ids);
  delete from ops.workers w where coalesce(w.stopped_at, w.lost_at) < clock_timestamp() - interval '7 days';
end
$$;

comment on function ops.lose_workers(text[]) is 'Takes workers for dead and abandons their runs.';
grant execute on function ops.lose_workers(text[]) to :WORKER;
--! EndIncluded jobs/lose_workers.sql
--! Included jobs/open_job_queue.sql
-- Lets the owner read graphile-worker's view of the queue, which has no payloads, so that ops.jobs can show it. Each worker
-- calls it when it starts; only the first call changes something.
--
-- Invoker: the schema belongs to the worker's role, which creates it after all migrations.
create or replace function ops.open_job_queue() returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  if not has_schema_privilege(':OWNER', 'graphile_worker', 'usage') then
    grant usage on schema graphile_worker to :OWNER;
  end if;
  if not has_table_privilege(':OWNER', 'graphile_worker.jobs', 'select') then
    grant select on graphile_worker.jobs to :OWNER;
  end if;
end
$$;

comment on function ops.open_job_queue() is 'Lets the owner read graphile_worker.jobs, for ops.jobs.';
grant execute on function ops.open_job_queue() to :WORKER;
--! EndIncluded jobs/open_job_queue.sql
--! Included jobs/quarantine_item.sql
-- Sets one tenant's item aside, with the reason, so that a job goes on with the other items. The item is tried again after a
-- minute, then after twice as long each time, up to an hour (ops.quarantined), and ops.check_quarantined_items tells operators.
-- Functions (in an exception handler) and jobs in TypeScript set items aside in this way only.
--
-- Returns false when the error is not the item's, and the caller has to raise it: the server is shutting down or cannot write,
-- or a connection or a timeout ended the statement. When another session was in the way (40, 55), it returns true without
-- recording anything: the next try will succeed. Definer: nobody writes the table by hand.
create or replace function ops.quarantine_item(task text, tenant_id text, item text, code text, reason text) returns boolean
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  if code ~ '^(08|57|58|531|533)' then
    return false;
  elsif code ~ '^(40|55)' then
    return true;
  end if;
  insert into ops.quarantined_items as q (task, tenant_id, item, code, reason)
  values (
    quarantine_item.task, quarantine_item.tenant_id, quarantine_item.item, quarantine_item.code, left(quarantine_item.reason, 1000)
  )
  on conflict on constraint quarantined_items_pkey do update
  set
    code = excluded.code, reason = excluded.reason, failures = q.failures + 1, last_failed_at = clock_timestamp(),
    retry_at = clock_timestamp() + least(interval '1 hour', interval '1 minute' * 2 ^ least(q.failures, 6));
  return true;
end
$$;

comment on function ops.quarantine_item(text, text, text, text, text) is 'Sets one tenant''s item aside for a task, with the SQLSTATE and the message of its error; it is tried again with growing pauses. False: the error is not the item''s.';
grant execute on function ops.quarantine_item(text, text, text, text, text) to :WORKER;
--! EndIncluded jobs/quarantine_item.sql
--! Included jobs/queued_jobs.sql
-- The jobs in graphile-worker's queue; no rows before the first worker has created it. Definer: operators may see the queue but
-- nothing else of that schema (ops.open_job_queue).
create or replace function ops.queued_jobs() returns table (
  id bigint,
  task text,
  queue text,
  due_at timestamptz,
  attempts integer,
  max_attempts integer,
  last_error text,
  created_at timestamptz,
  locked_at timestamptz,
  worker text
)
language plpgsql stable security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  if to_regnamespace('graphile_worker') is null then
    return;
  end if;
  return query
  select
    j.id, j.task_identifier, j.queue_name, j.run_at, j.attempts::integer, j.max_attempts::integer, j.last_error,
    j.created_at, j.locked_at, j.locked_by
  from graphile_worker.jobs j;
end
$$;

comment on function ops.queued_jobs() is 'The jobs in the queue, without payloads; ops.jobs shows their state.';
grant execute on function ops.queued_jobs() to :OPERATOR, :WORKER;
--! EndIncluded jobs/queued_jobs.sql
--! Included jobs/release_items.sql
-- Forgets the items of a task that were due to be tried again by a time and have not failed since: they have succeeded or no
-- longer exist. A job calls it at the end of a run, with the time at which the run began. Returns their number. Definer: nobody
-- writes the table by hand.
create or replace function ops.release_items(task text, before timestamptz) returns integer
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_count integer;
begin
  delete from ops.quarantined_items q where q.task = release_items.task and q.retry_at <= release_items.before;
  get diagnostics v_count = row_count;
  return v_count;
end
$$;

comment on function ops.release_items(text, timestamptz) is 'Forgets the items of a task that were due to be tried again by a time, and have not failed since. Returns their number.';
grant execute on function ops.release_items(text, timestamptz) to :WORKER;
--! EndIncluded jobs/release_items.sql
--! Included jobs/renew_run.sql
-- Reports that a run lives, and its progress; null keeps the last report. Returns false when the run was taken for dead: it has
-- to stop, because another may have taken its place. Definer: nobody writes the table by hand.
create or replace function ops.renew_run(
  run_id bigint,
  lease interval,
  progress double precision default null,
  note text default null
) returns boolean
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  -- A lease that is over can be renewed as long as the run was not abandoned.
  update ops.job_runs r
  set
    lease_until = clock_timestamp() + renew_run.lease,
    updated_at = clock_timestamp(),
    progressed_at = case
      when renew_run.progress is null and renew_run.note is null then r.progressed_at
      else clock_timestamp()
    end,
    -- least and greatest ignore null.
    progress = case when renew_run.progress is null then r.progress else least(greatest(renew_run.progress, 0), 1) end,
    note = coalesce(renew_run.note, r.note)
  where r.id = renew_run.run_id and r.outcome = 'running';
  return found;
end
$$;

comment on function ops.renew_run(bigint, interval, double precision, text) is 'Extends the lease of a run and reports its progress. False when the run was taken for dead or has ended.';
grant execute on function ops.renew_run(bigint, interval, double precision, text) to :WORKER;
--! EndIncluded jobs/renew_run.sql
--! Included jobs/report_alerts.sql
-- Brings the alerts of a kind in line with the current findings, a list of {subject, severity, message, details}. Raises
-- new ones and resolves those that are gone. Returns an event, for the log and the webhook, for each alert that was raised,
-- changed its severity or was resolved. Definer: nobody writes the table by hand.
create or replace function ops.report_alerts(of_kind text, findings jsonb) returns setof jsonb
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_before jsonb;
  v_alert ops.alerts;
  v_severity text;
begin
  select coalesce(jsonb_object_agg(a.subject, a.severity), '{}') into v_before
  from ops.alerts a
  where a.kind = of_kind and a.resolved_at is null;

  for v_alert in
    insert into ops.alerts (kind, subject, severity, message, details)
    select of_kind, f.subject, f.severity, f.message, coalesce(f.details, '{}')
    from jsonb_to_recordset(findings) f(subject text, severity text, message text, details jsonb)
    order by f.subject
    on conflict (kind, subject) where resolved_at is null do update
    set
      severity = excluded.severity, message = excluded.message, details = excluded.details,
      last_seen_at = clock_timestamp()
    returning *
  loop
    v_severity := v_before ->> v_alert.subject;
    if v_severity is distinct from v_alert.severity then
      return next ops.alert_event(case when v_severity is null then 'raised' else 'changed' end, v_alert);
    end if;
  end loop;

  for v_alert in
    update ops.alerts a
    set resolved_at = clock_timestamp()
    where a.kind = of_kind and a.resolved_at is null
      and not exists (select from jsonb_array_elements(findings) f where f ->> 'subject' = a.subject)
    returning *
  loop
    return next ops.alert_event('resolved', v_alert);
  end loop;
end
$$;

comment on function ops.report_alerts(text, jsonb) is 'Brings the alerts of a kind in line with the current findings, a list of {subject, severity, message, details}. Returns an event {event, text, alert} for each that was raised, changed its severity or was resolved.';
grant execute on function ops.report_alerts(text, jsonb) to :WORKER;
--! EndIncluded jobs/report_alerts.sql
--! Included jobs/see_worker.sql
-- Reports that a worker lives. Returns false when it was taken for dead since its last report, and others have its jobs.
-- Definer: nobody writes the table by hand.
create or replace function ops.see_worker(id text, host text, pid integer, version text) returns boolean
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_lost_at timestamptz;
begin
  select w.lost_at into v_lost_at from ops.workers w where w.id = see_worker.id for update;
  insert into ops.workers (id, host, pid, version)
  values (see_worker.id, see_worker.host, see_worker.pid, see_worker.version)
  on conflict on constraint workers_pkey do update set seen_at = clock_timestamp(), lost_at = null;
  return v_lost_at is null;
end
$$;

comment on function ops.see_worker(text, text, integer, text) is 'Reports that a worker lives. False when it was taken for dead since its last report.';
grant execute on function ops.see_worker(text, text, integer, text) to :WORKER;
--! EndIncluded jobs/see_worker.sql
--! Included jobs/set_job_tasks.sql
-- Replaces the list of tasks: {task, does, schedule, every, expected}, the last two as intervals; schedule and every are
-- null for a task that is not scheduled. Each worker calls it when it starts. Definer: nobody writes the table by hand.
create or replace function ops.set_job_tasks(tasks jsonb) returns void
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  insert into ops.job_tasks as t (task, does, schedule, every, expected)
  select n.task, n.does, n.schedule, n.every, n.expected
  from jsonb_to_recordset(tasks) n(task text, does text, schedule text, every interval, expected interval)
  order by n.task
  on conflict on constraint job_tasks_pkey do update
  set does = excluded.does, schedule = excluded.schedule, every = excluded.every, expected = excluded.expected
  where (t.does, t.schedule, t.every, t.expected)
    is distinct from (excluded.does, excluded.schedule, excluded.every, excluded.expected);
  delete from ops.job_tasks t
  where not exists (select from jsonb_array_elements(tasks) n where n ->> 'task' = t.task);
end
$$;

comment on function ops.set_job_tasks(jsonb) is 'Replaces the list of tasks: {task, does, schedule, every, expected}.';
grant execute on function ops.set_job_tasks(jsonb) to :WORKER;
--! EndIncluded jobs/set_job_tasks.sql
--! Included jobs/stop_worker.sql
-- Reports that a worker has ended as it should. Definer: nobody writes the table by hand.
create or replace function ops.stop_worker(id text) returns void
language sql volatile security definer
set search_path to pg_catalog, pg_temp
begin atomic
  update ops.workers w set stopped_at = clock_timestamp(), seen_at = clock_timestamp() where w.id = stop_worker.id;
end;

comment on function ops.stop_worker(text) is 'Reports that a worker has ended as it should.';
grant execute on function ops.stop_worker(text) to :WORKER;
--! EndIncluded jobs/stop_worker.sql
--! Included jobs/sweep_workers.sql
-- Takes for dead the workers that were not seen for `unseen_for`, and frees their jobs for other workers: graphile-worker
-- itself leaves them locked for four hours. A job whose worker died gets its attempt back, up to three times: otherwise a
-- job with a single attempt would be lost with the first worker that is killed. Returns the jobs.
--
-- Invoker: the queue belongs to the worker's role, not to the owner.
create or replace function ops.sweep_workers(unseen_for interval default '1 minute')
returns table (job_id bigint, task text, worker text, runs_again boolean)
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_lost text[];
begin
  perform ops.abandon_runs();
  v_lost := array(
    select w.id
    from ops.workers w
    where w.seen_at <= clock_timestamp() - unseen_for and w.lost_at is null and w.stopped_at is null
  );
  -- No worker has started on this database yet.
  if pg_catalog.to_regclass('graphile_worker.jobs') is null then
    perform ops.lose_workers(v_lost);
    return;
  end if;
  -- Workers that hold a job but never reported that they live, or no longer do.
  v_lost := v_lost || array(
    select distinct j.locked_by
    from graphile_worker.jobs j
    where j.locked_at <= clock_timestamp() - unseen_for
      and not exists (select from ops.workers w where w.id = j.locked_by and w.lost_at is null and w.stopped_at is null)
  );
  if v_lost = '{}' then
    return;
  end if;

  perform ops.lose_workers(v_lost);
  for job_id, task, worker, runs_again in
    select
      j.id, j.task_identifier, j.locked_by,
      j.attempts < j.max_attempts
        or (select count(*) from ops.job_runs r where r.job_id = j.id and r.outcome = 'abandoned') <= 3
    from graphile_worker.jobs j
    where j.locked_by = any (v_lost)
    order by j.id
  loop
    perform graphile_worker.force_unlock_workers(v_lost);
    perform graphile_worker.reschedule_jobs(array[j.id], attempts => j.max_attempts - 1)
    from graphile_worker.jobs j
    where j.id = sweep_workers.job_id and j.attempts >= j.max_attempts and sweep_workers.runs_again;
    return next;
  end loop;
  -- Frees queues that are locked without a job.
  perform graphile_worker.force_unlock_workers(v_lost);
end
$$;

comment on function ops.sweep_workers(interval) is 'Takes for dead the workers that were not seen for `unseen_for`, and unlocks their jobs. Returns the jobs, and whether they run again.';
grant execute on function ops.sweep_workers(interval) to :WORKER;
--! EndIncluded jobs/sweep_workers.sql

--! Included retention/begin_partition_removal.sql
-- Records that a partition is to be removed, and its rows by tenant: once it is detached nobody can count them. No rows are
-- added to it any more. Runs as the worker, which sees the rows of all tenants.
create or replace function ops.begin_partition_removal(
  policy text,
  parent text,
  partition text,
  range_start timestamptz,
  range_end timestamptz
) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  insert into ops.partition_removals (partition, parent, policy, held, rows_by_tenant)
  select begin_partition_removal.partition, begin_partition_removal.parent, begin_partition_removal.policy,
    tstzrange(range_start, range_end), ops.rows_by_tenant(parent, range_start, range_end)
  where not exists (select from ops.partition_removals r where r.partition = begin_partition_removal.partition)
  on conflict on constraint partition_removals_pkey do nothing;
end
$$;

comment on function ops.begin_partition_removal(text, text, text, timestamptz, timestamptz) is 'Records in ops.partition_removals that a partition is to be removed, with its rows by tenant.';
grant execute on function ops.begin_partition_removal(text, text, text, timestamptz, timestamptz) to :WORKER;
--! EndIncluded retention/begin_partition_removal.sql
--! Included retention/expired_alerts.sql
create or replace function ops.expired_alerts(older_than timestamptz) returns setof bigint
language sql stable
begin atomic
  select a.id from ops.alerts a where a.resolved_at < expired_alerts.older_than;
end;

comment on function ops.expired_alerts(timestamptz) is 'Resolved alerts that the policy alerts does not keep.';
grant execute on function ops.expired_alerts(timestamptz) to :WORKER;
--! EndIncluded retention/expired_alerts.sql
--! Included retention/expired_backups.sql
create or replace function ops.expired_backups(older_than timestamptz) returns setof text
language sql stable
begin atomic
  select b.id from ops.backups b where b.removed_at < expired_backups.older_than;
end;

comment on function ops.expired_backups(timestamptz) is 'Records of removed backups that the policy backups does not keep.';
grant execute on function ops.expired_backups(timestamptz) to :WORKER;
--! EndIncluded retention/expired_backups.sql
--! Included retention/expired_dead_jobs.sql
-- Jobs that failed for good, in graphile-worker's queue. Its schema is the worker's, made when it first starts.
create or replace function ops.expired_dead_jobs(older_than timestamptz, how_many integer default null) returns setof bigint
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
begin
  if to_regclass('graphile_worker.jobs') is null then
    return;
  end if;
  return query
  select j.id
  from graphile_worker.jobs j
  where j.attempts >= j.max_attempts and j.locked_at is null and j.updated_at < older_than
  limit how_many;
end
$$;

comment on function ops.expired_dead_jobs(timestamptz, integer) is 'Up to `how_many` jobs (null: all) that the policy dead_jobs does not keep.';
grant execute on function ops.expired_dead_jobs(timestamptz, integer) to :WORKER;
--! EndIncluded retention/expired_dead_jobs.sql
--! Included retention/expired_drills.sql
-- The newest drill and the newest that passed stay: ops.recovery answers by them.
create or replace function ops.expired_drills(older_than timestamptz) returns setof bigint
language sql stable
begin atomic
  select d.id
  from ops.drills d
  where d.finished_at < expired_drills.older_than
    and d.id < (select max(n.id) from ops.drills n)
    and d.id is distinct from (select max(p.id) from ops.drills p where p.passed);
end;

comment on function ops.expired_drills(timestamptz) is 'Drills that the policy drills does not keep.';
grant execute on function ops.expired_drills(timestamptz) to :WORKER;
--! EndIncluded retention/expired_drills.sql
--! Included retention/expired_job_runs.sql
create or replace function ops.expired_job_runs(older_than timestamptz) returns setof bigint
language sql stable
begin atomic
  select r.id from ops.job_runs r where r.outcome <> 'running' and r.finished_at < expired_job_runs.older_than;
end;

comment on function ops.expired_job_runs(timestamptz) is 'Runs of jobs that the policy job_runs does not keep.';
grant execute on function ops.expired_job_runs(timestamptz) to :WORKER;
--! EndIncluded retention/expired_job_runs.sql
--! Included retention/expired_metrics_day.sql
create or replace function ops.expired_metrics_day(tenant_id text, older_than timestamptz) returns table (service_name text, metric_name text, bucket timestamptz, tags_hash uuid)
language sql stable
begin atomic
  select m.service_name, m.metric_name, m.bucket, m.tags_hash
  from app_public.metrics_day m
  where m.tenant_id = expired_metrics_day.tenant_id and m.bucket < expired_metrics_day.older_than
    and not ops.is_held('metrics.day', m.tenant_id, m.bucket);
end;

comment on function ops.expired_metrics_day(text, timestamptz) is 'Rollups of a tenant that the policy metrics.day does not keep.';
grant execute on function ops.expired_metrics_day(text, timestamptz) to :WORKER;
--! EndIncluded retention/expired_metrics_day.sql
--! Included retention/expired_metrics_hour.sql
create or replace function ops.expired_metrics_hour(tenant_id text, older_than timestamptz) returns table (service_name text, metric_name text, bucket timestamptz, tags_hash uuid)
language sql stable
begin atomic
  select m.service_name, m.metric_name, m.bucket, m.tags_hash
  from app_public.metrics_hour m
  where m.tenant_id = expired_metrics_hour.tenant_id and m.bucket < expired_metrics_hour.older_than
    and not ops.is_held('metrics.hour', m.tenant_id, m.bucket);
end;

comment on function ops.expired_metrics_hour(text, timestamptz) is 'Rollups of a tenant that the policy metrics.hour does not keep.';
grant execute on function ops.expired_metrics_hour(text, timestamptz) to :WORKER;
--! EndIncluded retention/expired_metrics_hour.sql
--! Included retention/expired_metrics_minute.sql
create or replace function ops.expired_metrics_minute(tenant_id text, older_than timestamptz) returns table (service_name text, metric_name text, bucket timestamptz, tags_hash uuid)
language sql stable
begin atomic
  select m.service_name, m.metric_name, m.bucket, m.tags_hash
  from app_public.metrics_minute m
  where m.tenant_id = expired_metrics_minute.tenant_id and m.bucket < expired_metrics_minute.older_than
    and not ops.is_held('metrics.minute', m.tenant_id, m.bucket);
end;

comment on function ops.expired_metrics_minute(text, timestamptz) is 'Rollups of a tenant that the policy metrics.minute does not keep.';
grant execute on function ops.expired_metrics_minute(text, timestamptz) to :WORKER;
--! EndIncluded retention/expired_metrics_minute.sql
--! Included retention/expired_metrics_raw.sql
create or replace function ops.expired_metrics_raw(tenant_id text, older_than timestamptz) returns table ("timestamp" timestamptz, id bigint)
language sql stable
begin atomic
  select m."timestamp", m.id
  from app_public.metrics m
  where m.tenant_id = expired_metrics_raw.tenant_id and m."timestamp" < expired_metrics_raw.older_than
    and not ops.is_held('metrics.raw', m.tenant_id, m."timestamp");
end;

comment on function ops.expired_metrics_raw(text, timestamptz) is 'Points of a tenant that the policy metrics.raw does not keep.';
grant execute on function ops.expired_metrics_raw(text, timestamptz) to :WORKER;
--! EndIncluded retention/expired_metrics_raw.sql
--! Included retention/expired_sessions.sql
create or replace function ops.expired_sessions(tenant_id text, older_than timestamptz) returns setof uuid
language sql stable
begin atomic
  select s.id
  from app_public.sessions s
  where s.tenant_id = expired_sessions.tenant_id and s.expires_at < expired_sessions.older_than
    and not ops.is_held('sessions', s.tenant_id, s.expires_at);
end;

comment on function ops.expired_sessions(text, timestamptz) is 'Sessions of a tenant that the policy sessions does not keep.';
grant execute on function ops.expired_sessions(text, timestamptz) to :WORKER;
--! EndIncluded retention/expired_sessions.sql
--! Included retention/expired_task_attempts.sql
-- Attempts at a task that has not ended stay.
create or replace function ops.expired_task_attempts(tenant_id text, older_than timestamptz) returns table (task_id uuid, attempt integer)
language sql stable
begin atomic
  select a.task_id, a.attempt
  from app_public.task_attempts a
  join app_public.tasks t on t.tenant_id = a.tenant_id and t.id = a.task_id
  where a.tenant_id = expired_task_attempts.tenant_id and a.ended_at < expired_task_attempts.older_than
    and t.status in ('completed', 'failed', 'dead', 'cancelled')
    and not ops.is_held('task_attempts', a.tenant_id, a.ended_at);
end;

comment on function ops.expired_task_attempts(text, timestamptz) is 'Attempts at tasks of a tenant that the policy task_attempts does not keep.';
grant execute on function ops.expired_task_attempts(text, timestamptz) to :WORKER;
--! EndIncluded retention/expired_task_attempts.sql
--! Included retention/expired_tasks.sql
-- A workflow that has not ended may still ask what became of its tasks: they stay.
create or replace function ops.expired_tasks(tenant_id text, older_than timestamptz) returns setof uuid
language sql stable
begin atomic
  select t.id
  from app_public.tasks t
  left join app_public.workflows w on w.tenant_id = t.tenant_id and w.id = t.workflow_id
  where t.tenant_id = expired_tasks.tenant_id and t.status in ('completed', 'failed', 'dead', 'cancelled')
    and coalesce(t.completed_at, t.created_at) < expired_tasks.older_than
    and (w.id is null or w.status in ('completed', 'failed', 'cancelled'))
    and not ops.is_held('tasks', t.tenant_id, coalesce(t.completed_at, t.created_at));
end;

comment on function ops.expired_tasks(text, timestamptz) is 'Tasks of a tenant that the policy tasks does not keep.';
grant execute on function ops.expired_tasks(text, timestamptz) to :WORKER;
--! EndIncluded retention/expired_tasks.sql
--! Included retention/count_expired_rows.sql
-- Counts the rows of a tenant that a policy does not keep, for a dry run. Runs as the worker, confined to one tenant.
create or replace function ops.count_expired_rows(policy text, tenant_id text, older_than timestamptz) returns bigint
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_count bigint;
begin
  perform set_config('app.retention_tenant_id', coalesce(count_expired_rows.tenant_id, ''), true);
  case count_expired_rows.policy
    when 'metrics.raw' then
      select count(*) into v_count
      from ops.expired_metrics_raw(count_expired_rows.tenant_id, count_expired_rows.older_than);
    when 'metrics.minute' then
      select count(*) into v_count
      from ops.expired_metrics_minute(count_expired_rows.tenant_id, count_expired_rows.older_than);
    when 'metrics.hour' then
      select count(*) into v_count
      from ops.expired_metrics_hour(count_expired_rows.tenant_id, count_expired_rows.older_than);
    when 'metrics.day' then
      select count(*) into v_count
      from ops.expired_metrics_day(count_expired_rows.tenant_id, count_expired_rows.older_than);
    when 'sessions' then
      select count(*) into v_count
      from ops.expired_sessions(count_expired_rows.tenant_id, count_expired_rows.older_than);
    when 'tasks' then
      select count(*) into v_count
      from ops.expired_tasks(count_expired_rows.tenant_id, count_expired_rows.older_than);
    when 'task_attempts' then
      select count(*) into v_count
      from ops.expired_task_attempts(count_expired_rows.tenant_id, count_expired_rows.older_than);
    when 'job_runs' then
      select count(*) into v_count from ops.expired_job_runs(count_expired_rows.older_than);
    when 'alerts' then
      select count(*) into v_count from ops.expired_alerts(count_expired_rows.older_than);
    when 'drills' then
      select count(*) into v_count from ops.expired_drills(count_expired_rows.older_than);
    when 'backups' then
      select count(*) into v_count from ops.expired_backups(count_expired_rows.older_than);
    when 'dead_jobs' then
      select count(*) into v_count from ops.expired_dead_jobs(count_expired_rows.older_than);
    else
      raise exception 'policy % does not exist', count_expired_rows.policy
        using errcode = 'LTP01', hint = 'List them: select policy, keep from ops.retention_policies;';
  end case;
  perform set_config('app.retention_tenant_id', '', true);
  return v_count;
end
$$;

comment on function ops.count_expired_rows(text, text, timestamptz) is 'How many rows of a tenant a policy does not keep. LTP01 no such policy.';
grant execute on function ops.count_expired_rows(text, text, timestamptz) to :WORKER;
--! EndIncluded retention/count_expired_rows.sql
--! Included retention/create_partition.sql
-- Makes one partition and attaches it. `create table (like ...)` and `attach` take weaker locks than `create table ...
-- partition of`, which waits for every open reader of the parent. A partition does not inherit everything, so it gets
-- row-level security without any policy (rights and policies are the parent's; nobody reads a partition directly) and the
-- statement triggers, which fire for the table that a statement names. Returns false when the partition already exists.
create or replace function app_private.create_partition(
  parent regclass,
  partition_name name,
  range_start timestamptz,
  range_end timestamptz
) returns boolean
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_schema name;
begin
  select n.nspname into strict v_schema
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.oid = parent;

  if to_regclass(format('%I.%I', v_schema, partition_name)) is not null then
    return false;
  end if;

  execute format('create table %I.%I (like %s including all excluding identity)', v_schema, partition_name, parent);
  execute format('alter table %I.%I enable row level security, force row level security', v_schema, partition_name);
  perform audit.copy_tracking(parent, format('%I.%I', v_schema, partition_name)::regclass);
  execute format(
    'alter table %s attach partition %I.%I for values from (%L) to (%L)',
    parent, v_schema, partition_name, range_start, range_end
  );
  return true;
end
$$;

comment on function app_private.create_partition(regclass, name, timestamptz, timestamptz) is 'Makes the partition [range_start, range_end) of a table, with row-level security and audit; false when it already exists.';
--! EndIncluded retention/create_partition.sql
--! Included retention/drop_partition.sql
-- Drops a detached partition, with a receipt and a row of the audit log for each tenant. Dropping its foreign key locks the
-- table of tenants for an instant. It gives up waiting for that lock after 200 ms, so that nobody queues behind it for
-- longer. Definer: partitions belong to the owner, and this drops only those that ops.partition_removals names.
create or replace function ops.drop_partition(partition text) returns void
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
set lock_timeout to '200ms'
as $$
declare
  v_removal ops.partition_removals;
  v_table regclass := to_regclass(partition);
  v_bytes bigint;
  v_rows bigint;
begin
  select r.* into v_removal from ops.partition_removals r where r.partition = drop_partition.partition for update;
  if not found or v_table is null or exists (select from pg_inherits i where i.inhrelid = v_table) then
    raise exception '% is not a detached partition', partition
      using errcode = 'LTP05', hint = '`lightning retention` or the worker detaches it first.';
  end if;

  v_bytes := pg_total_relation_size(v_table);
  select coalesce(sum(r.count::bigint), 0) into v_rows from jsonb_each_text(v_removal.rows_by_tenant) r(tenant_id, count);
  execute format('drop table %s', v_table);

  insert into ops.retention_receipts (policy, tenant_id, older_than, partition, row_count, bytes)
  select v_removal.policy, r.tenant_id, upper(v_removal.held), partition, coalesce(r.count::bigint, 0),
    case when v_rows = 0 then v_bytes else v_bytes * r.count::bigint / v_rows end
  from (select) one
  left join jsonb_each_text(v_removal.rows_by_tenant) r(tenant_id, count) on true;
  insert into audit.log (tenant_id, table_name, operation, row_count, subject, role, request_id)
  select r.tenant_id, v_removal.parent, 'delete', least(r.count::bigint, 2147483647), a.subject, a.role, a.request_id
  from jsonb_each_text(v_removal.rows_by_tenant) r(tenant_id, count)
  cross join audit.actor() a;
  delete from ops.partition_removals r where r.partition = drop_partition.partition;
end
$$;

comment on function ops.drop_partition(text) is 'Drops a detached partition, and leaves receipts. LTP05 when it is not a detached partition.';
grant execute on function ops.drop_partition(text) to :WORKER;
--! EndIncluded retention/drop_partition.sql
--! Included retention/ensure_partitions.sql
-- Makes the missing partitions between now and the horizons: one a day for metrics and their rollups by minute, one a month
-- for the rollups by hour and for the audit log. The worker runs it every hour and `lightning migrate` at its end. It can
-- run at any time, and several times at once. Definer: partitions belong to the owner, and this makes only these.
create or replace function ops.ensure_partitions(
  metrics_days_ahead integer default 14,
  audit_months_ahead integer default 3,
  at timestamptz default now()
) returns setof text
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
set timezone to 'UTC'
as $$
declare
  v_parent text;
  v_start timestamptz;
  v_name text;
begin
  -- One caller at a time: between its check and its create, another could take the name.
  perform pg_advisory_xact_lock(hashtext('ops.ensure_partitions'));

  -- Yesterday too: a point that is on its way at midnight belongs to the day that has ended.
  for v_start in
    select d from generate_series(
      date_trunc('day', at) - interval '1 day',
      date_trunc('day', at) + make_interval(days => metrics_days_ahead),
      interval '1 day'
    ) d
  loop
    foreach v_parent in array array['metrics', 'metrics_minute'] loop
      v_name := v_parent || '_p' || to_char(v_start, 'YYYYMMDD');
      if app_private.create_partition(
        ('app_public.' || v_parent)::regclass, v_name, v_start, v_start + interval '1 day'
      ) then
        return next 'app_public.' || v_name;
      end if;
    end loop;
  end loop;

  -- As far as the points reach.
  for v_start in
    select m from generate_series(
      date_trunc('month', at - interval '1 day'),
      date_trunc('month', at + make_interval(days => metrics_days_ahead)),
      interval '1 month'
    ) m
  loop
    v_name := 'metrics_hour_p' || to_char(v_start, 'YYYYMM');
    if app_private.create_partition('app_public.metrics_hour', v_name, v_start, v_start + interval '1 month') then
      return next 'app_public.' || v_name;
    end if;
  end loop;

  for v_start in
    select m from generate_series(
      date_trunc('month', at),
      date_trunc('month', at) + make_interval(months => audit_months_ahead),
      interval '1 month'
    ) m
  loop
    v_name := 'log_p' || to_char(v_start, 'YYYYMM');
    if app_private.create_partition('audit.log', v_name, v_start, v_start + interval '1 month') then
      return next 'audit.' || v_name;
    end if;
  end loop;
end
$$;

comment on function ops.ensure_partitions(integer, integer, timestamptz) is 'Makes the missing partitions of metrics and their rollups (days ahead) and of audit.log (months ahead), and returns their names.';
grant execute on function ops.ensure_partitions(integer, integer, timestamptz) to :WORKER;
--! EndIncluded retention/ensure_partitions.sql
--! Included retention/expire_operations.sql
-- Deletes up to `how_many` rows of operations: runs of jobs, resolved alerts, drills, records of removed backups. Definer:
-- nobody writes these tables by hand.
create or replace function ops.expire_operations(policy text, older_than timestamptz, how_many integer) returns integer
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_count integer;
begin
  case expire_operations.policy
    when 'job_runs' then
      delete from ops.job_runs r
      where r.id in (select o.id from ops.expired_job_runs(expire_operations.older_than) o(id) limit expire_operations.how_many);
    when 'alerts' then
      delete from ops.alerts a
      where a.id in (select o.id from ops.expired_alerts(expire_operations.older_than) o(id) limit expire_operations.how_many);
    when 'drills' then
      delete from ops.drills d
      where d.id in (select o.id from ops.expired_drills(expire_operations.older_than) o(id) limit expire_operations.how_many);
    when 'backups' then
      delete from ops.backups b
      where b.id in (select o.id from ops.expired_backups(expire_operations.older_than) o(id) limit expire_operations.how_many);
  end case;
  get diagnostics v_count = row_count;
  return v_count;
end
$$;

comment on function ops.expire_operations(text, timestamptz, integer) is 'Deletes up to `how_many` rows that the policy job_runs, alerts, drills or backups does not keep. Returns how many.';
grant execute on function ops.expire_operations(text, timestamptz, integer) to :WORKER;
--! EndIncluded retention/expire_operations.sql
--! Included retention/expire_rows.sql
-- Deletes up to `how_many` rows of a tenant that a policy does not keep, and adds them to the receipt. Deletes no other
-- tenant's rows: the statements name the tenant, and by the setting row-level security confines the worker to it. Returns
-- how many it deleted; fewer than `how_many` means that none are left. Runs as the worker.
--
-- The rule of a policy is one function, ops.expired_<policy>. ops.count_expired_rows uses the same, so that a dry run
-- counts the rows that a run deletes.
create or replace function ops.expire_rows(policy text, tenant_id text, older_than timestamptz, how_many integer default 5000)
returns integer
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_count integer;
  v_jobs bigint[];
begin
  perform set_config('app.retention_tenant_id', coalesce(expire_rows.tenant_id, ''), true);
  case expire_rows.policy
    when 'metrics.raw' then
      delete from app_public.metrics m
      using (
        select o."timestamp", o.id
        from ops.expired_metrics_raw(expire_rows.tenant_id, expire_rows.older_than) o
        order by o."timestamp"
        limit expire_rows.how_many
      ) o
      where m.tenant_id = expire_rows.tenant_id and m."timestamp" = o."timestamp" and m.id = o.id;
    when 'metrics.minute' then
      delete from app_public.metrics_minute m
      using (
        select o.* from ops.expired_metrics_minute(expire_rows.tenant_id, expire_rows.older_than) o limit expire_rows.how_many
      ) o
      where m.tenant_id = expire_rows.tenant_id and m.service_name = o.service_name and m.metric_name = o.metric_name
        and m.bucket = o.bucket and m.tags_hash = o.tags_hash;
    when 'metrics.hour' then
      delete from app_public.metrics_hour m
      using (
        select o.* from ops.expired_metrics_hour(expire_rows.tenant_id, expire_rows.older_than) o limit expire_rows.how_many
      ) o
      where m.tenant_id = expire_rows.tenant_id and m.service_name = o.service_name and m.metric_name = o.metric_name
        and m.bucket = o.bucket and m.tags_hash = o.tags_hash;
    when 'metrics.day' then
      delete from app_public.metrics_day m
      using (
        select o.* from ops.expired_metrics_day(expire_rows.tenant_id, expire_rows.older_than) o limit expire_rows.how_many
      ) o
      where m.tenant_id = expire_rows.tenant_id and m.service_name = o.service_name and m.metric_name = o.metric_name
        and m.bucket = o.bucket and m.tags_hash = o.tags_hash;
    when 'sessions' then
      delete from app_public.sessions s
      where s.tenant_id = expire_rows.tenant_id and s.id in (
        select o.id from ops.expired_sessions(expire_rows.tenant_id, expire_rows.older_than) o(id) limit expire_rows.how_many
      );
    when 'tasks' then
      delete from app_public.tasks t
      where t.tenant_id = expire_rows.tenant_id and t.id in (
        select o.id from ops.expired_tasks(expire_rows.tenant_id, expire_rows.older_than) o(id) limit expire_rows.how_many
      );
    when 'task_attempts' then
      delete from app_public.task_attempts a
      using (
        select o.* from ops.expired_task_attempts(expire_rows.tenant_id, expire_rows.older_than) o limit expire_rows.how_many
      ) o
      where a.tenant_id = expire_rows.tenant_id and a.task_id = o.task_id and a.attempt = o.attempt;
    when 'job_runs', 'alerts', 'drills', 'backups' then
      v_count := ops.expire_operations(expire_rows.policy, expire_rows.older_than, expire_rows.how_many);
    when 'dead_jobs' then
      v_jobs := array(select ops.expired_dead_jobs(expire_rows.older_than, expire_rows.how_many));
      v_count := 0;
      if v_jobs <> '{}' then
        -- The function by which graphile-worker itself removes jobs.
        select count(*) into v_count from graphile_worker.complete_jobs(v_jobs);
      end if;
    else
      raise exception 'policy % does not exist', expire_rows.policy
        using errcode = 'LTP01', hint = 'List them: select policy, keep from ops.retention_policies;';
  end case;
  if v_count is null then
    get diagnostics v_count = row_count;
  end if;
  perform set_config('app.retention_tenant_id', '', true);

  if v_count > 0 then
    update ops.retention_receipts r
    set row_count = r.row_count + v_count, at = clock_timestamp()
    where r.policy = expire_rows.policy and r.tenant_id is not distinct from expire_rows.tenant_id
      and r.older_than = expire_rows.older_than and r.partition is null;
    if not found then
      insert into ops.retention_receipts (policy, tenant_id, older_than, row_count)
      values (expire_rows.policy, expire_rows.tenant_id, expire_rows.older_than, v_count);
    end if;
  end if;
  return v_count;
end
$$;

comment on function ops.expire_rows(text, text, timestamptz, integer) is 'Deletes up to `how_many` rows of a tenant that a policy does not keep, and adds them to the receipt. Returns how many. LTP01 no such policy.';
grant execute on function ops.expire_rows(text, text, timestamptz, integer) to :WORKER;
--! EndIncluded retention/expire_rows.sql
--! Included retention/partition_waits.sql
-- The sessions that the removal of a partition waits for: they have held its parent since before the last try. Definer: only
-- roles that may read all statistics see other sessions, and the owner may.
create or replace function ops.partition_waits()
returns table (
  partition text, waiting_since timestamptz, pid integer, login name, application text, transaction_since timestamptz, query_since timestamptz
)
language sql stable security definer
set search_path to pg_catalog, pg_temp
as $$
  select r.partition, r.began_at, a.pid, a.usename, a.application_name, a.xact_start, a.query_start
  from ops.partition_removals r
  join lateral (
    select distinct l.pid
    from pg_locks l
    where l.granted and l.locktype = 'relation' and l.pid <> pg_backend_pid()
      and l.database = (select d.oid from pg_database d where d.datname = current_database())
      and l.relation in (to_regclass(r.parent), to_regclass(r.partition))
  ) l on true
  join pg_stat_activity a on a.pid = l.pid
  -- Locks are read before activities. A transaction that ended in between has no start any more, and nobody waits for it.
  where a.xact_start < r.tried_at
  order by a.xact_start
$$;

comment on function ops.partition_waits() is 'The sessions that the removal of a partition waits for, longest first: the session, its login, and when its transaction and its statement began.';
grant execute on function ops.partition_waits() to :OPERATOR, :WORKER;
--! EndIncluded retention/partition_waits.sql
--! Included retention/retention_cutoffs.sql
-- For each policy and tenant, the time before which data goes (null: it is kept); for a policy without tenants, the tenant is
-- null. Metrics go by whole days, and not before they are rolled up and merged; `planned` takes them as rolled up.
--   by_rows  whether rows are deleted: not where the partition goes as a whole, for all tenants at the same time
create or replace function ops.retention_cutoffs(at timestamptz default now(), planned boolean default false)
returns table (policy text, tenant_id text, older_than timestamptz, by_rows boolean)
language sql stable security definer
set search_path to pg_catalog, pg_temp
as $$
  with wanted as (
    select
      p.policy, t.id as tenant_id,
      case
        when p.policy like 'metrics.%'
          then date_bin('24 hours', retention_cutoffs.at - ops.retention_of(p.policy, t.id), '2001-01-01 00:00:00Z')
        else retention_cutoffs.at - ops.retention_of(p.policy, t.id)
      end as older_than
    from ops.retention_policies p
    join app_public.tenants t on p.by_tenant
    union all
    select p.policy, null, retention_cutoffs.at - p.keep from ops.retention_policies p where not p.by_tenant
  ),
  -- Buckets that still have to be merged. Those that are set aside do not count: otherwise no partition could go, of any
  -- tenant.
  changes as materialized (
    select c.tenant_id, c.resolution, c.bucket
    from ops.metric_changes c
    where not retention_cutoffs.planned
      and (c.tenant_id, ops.metric_item(c.resolution, c.bucket)) not in (
        select q.tenant_id, q.item from ops.quarantined_items q where q.task = 'roll_up_metrics'
      )
  ),
  limits as (
    select
      t.id as tenant_id,
      (
        select coalesce(max(f.closed_to), '-infinity')
        from ops.metric_floors f where f.tenant_id is null or f.tenant_id = t.id
      ) as closed_to,
      (
        select coalesce(min(c.bucket), 'infinity')
        from changes c where c.tenant_id = t.id and c.resolution in ('minute', 'hour')
      ) as hours_from,
      (select coalesce(min(c.bucket), 'infinity') from changes c where c.tenant_id = t.id) as days_from
    from app_public.tenants t
    where not retention_cutoffs.planned
  ),
  cut as (
    select
      w.policy, w.tenant_id,
      case
        when w.older_than is null or l.tenant_id is null then w.older_than
        when w.policy = 'metrics.raw' then least(w.older_than, l.closed_to)
        when w.policy = 'metrics.minute'
          then least(w.older_than, l.closed_to, date_bin('24 hours', l.hours_from, '2001-01-01 00:00:00Z'))
        when w.policy in ('metrics.hour', 'metrics.day')
          then least(w.older_than, l.closed_to, date_bin('24 hours', l.days_from, '2001-01-01 00:00:00Z'))
        else w.older_than
      end as older_than
    from wanted w
    left join limits l on l.tenant_id = w.tenant_id
  )
  select
    c.policy, c.tenant_id, c.older_than,
    c.policy not in ('metrics.raw', 'metrics.minute', 'metrics.hour')
      or c.older_than > min(c.older_than) over (partition by c.policy)
      or bool_or(c.older_than is null) over (partition by c.policy)
      or exists (select from ops.retention_holds h where h.policy = c.policy)
  from cut c
$$;

comment on function ops.retention_cutoffs(timestamptz, boolean) is 'For each policy and tenant, the time before which data goes; null: it is kept. `planned` takes all metrics as rolled up.';
grant execute on function ops.retention_cutoffs(timestamptz, boolean) to :OPERATOR, :WORKER;
--! EndIncluded retention/retention_cutoffs.sql
--! Included retention/removable_partitions.sql
-- The partitions that neither a tenant nor a hold keeps any more, and those whose removal has begun, oldest first.
--   state  attached: detach it; pending: finalize the detach; detached: drop it
create or replace function ops.removable_partitions(at timestamptz default now(), planned boolean default false)
returns table (policy text, parent text, partition text, range_start timestamptz, range_end timestamptz, state text)
language sql stable security definer
set search_path to pg_catalog, pg_temp
set datestyle to 'ISO'
set timezone to 'UTC'
as $$
  with cutoffs as (
    select c.policy, min(c.older_than) as older_than
    from ops.retention_cutoffs(removable_partitions.at, removable_partitions.planned) c
    group by c.policy
    having bool_and(c.older_than is not null)
  ),
  partitions as (
    select
      p.policy, format('%I.%I', pn.nspname, pc.relname) as parent, format('%I.%I', n.nspname, c.relname) as partition,
      b.ends[1]::timestamptz as range_start, b.ends[2]::timestamptz as range_end, i.inhdetachpending
    from (
      values ('metrics.raw', 'app_public.metrics'::regclass), ('metrics.minute', 'app_public.metrics_minute'),
        ('metrics.hour', 'app_public.metrics_hour')
    ) p(policy, parent)
    join pg_inherits i on i.inhparent = p.parent
    join pg_class c on c.oid = i.inhrelid
    join pg_namespace n on n.oid = c.relnamespace
    join pg_class pc on pc.oid = i.inhparent
    join pg_namespace pn on pn.oid = pc.relnamespace
    cross join regexp_match(
      pg_get_expr(c.relpartbound, c.oid), $bounds$^FOR VALUES FROM \('([^']+)'\) TO \('([^']+)'\)$bounds$
    ) b(ends)
  )
  select p.policy, p.parent, p.partition, p.range_start, p.range_end, case when p.inhdetachpending then 'pending' else 'attached' end
  from partitions p
  left join cutoffs c on c.policy = p.policy
  where p.inhdetachpending
    or (
      p.range_end <= c.older_than
      and not exists (
        select from ops.retention_holds h where h.policy = p.policy and h.held && tstzrange(p.range_start, p.range_end)
      )
    )
  union all
  select r.policy, r.parent, r.partition, lower(r.held), upper(r.held), 'detached'
  from ops.partition_removals r
  where to_regclass(r.partition) is not null and not exists (select from partitions p where p.partition = r.partition)
  order by 4, 1
$$;

comment on function ops.removable_partitions(timestamptz, boolean) is 'The partitions that can be removed, and the state of each removal, oldest first.';
grant execute on function ops.removable_partitions(timestamptz, boolean) to :OPERATOR, :WORKER;
--! EndIncluded retention/removable_partitions.sql
--! Included retention/reset_retention.sql
-- Removes a tenant's own retention.
create or replace function ops.reset_retention(policy text, tenant_id text) returns boolean
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  delete from ops.retention_overrides o
  where o.policy = reset_retention.policy and o.tenant_id = reset_retention.tenant_id;
  return found;
end
$$;

comment on function ops.reset_retention(text, text) is 'Removes a tenant''s own retention, so that its rows are kept as long as everybody''s. False when it had none.';
grant execute on function ops.reset_retention(text, text) to :OPERATOR;
--! EndIncluded retention/reset_retention.sql
--! Included retention/rows_by_tenant.sql
-- Counts the rows of each tenant in a range of a table that is partitioned by time. Runs as the worker, which sees all rows.
create or replace function ops.rows_by_tenant(parent text, range_start timestamptz, range_end timestamptz) returns jsonb
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_rows jsonb;
begin
  execute format(
    'select coalesce(jsonb_object_agg(c.tenant_id, c.count), %1$L)
     from (select t.tenant_id, count(*) from %2$s t where t.%3$I >= $1 and t.%3$I < $2 group by 1) c',
    '{}', parent::regclass, case parent when 'app_public.metrics' then 'timestamp' else 'bucket' end
  ) into v_rows using range_start, range_end;
  return v_rows;
end
$$;

comment on function ops.rows_by_tenant(text, timestamptz, timestamptz) is 'How many rows of each tenant a partitioned table of metrics has in a range of time.';
grant execute on function ops.rows_by_tenant(text, timestamptz, timestamptz) to :WORKER;
--! EndIncluded retention/rows_by_tenant.sql
--! Included retention/set_retention.sql
-- Sets how long data is kept, for every tenant or for one. A rollup is kept at least as long as its source: otherwise late
-- points would be rolled up into a part of what was there.
create or replace function ops.set_retention(policy text, keep interval, tenant_id text default null) returns void
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_policy ops.retention_policies;
  v_broken record;
begin
  select p.* into v_policy from ops.retention_policies p where p.policy = set_retention.policy for update;
  if not found then
    raise exception 'policy % does not exist', set_retention.policy
      using errcode = 'LTP01', hint = 'List them: select policy, keep from ops.retention_policies;';
  end if;
  -- The time that far back has to be a valid timestamp: otherwise one tenant's setting would stop retention for all.
  if keep < interval '1 hour' or keep > interval '1000 years' then
    raise exception '% cannot be kept for %', policy, keep
      using errcode = 'LTP02', hint = 'Give 1 hour to 1000 years, or null to keep it forever.';
  end if;

  if set_retention.tenant_id is null then
    update ops.retention_policies p set keep = set_retention.keep where p.policy = set_retention.policy;
  elsif not v_policy.by_tenant then
    raise exception '% does not hold data of tenants', policy using errcode = 'LTP03', hint = 'Leave the tenant out.';
  elsif not exists (select from app_public.tenants t where t.id = set_retention.tenant_id) then
    raise exception 'tenant % does not exist', set_retention.tenant_id using errcode = 'LTT02';
  else
    insert into ops.retention_overrides as o (policy, tenant_id, keep)
    values (set_retention.policy, set_retention.tenant_id, set_retention.keep)
    on conflict on constraint retention_overrides_pkey do update set keep = excluded.keep;
  end if;

  select c.* into v_broken
  from app_public.tenants t
  cross join lateral (
    select s.finer, s.coarser, ops.retention_of(s.finer, t.id) as finer_keep, ops.retention_of(s.coarser, t.id) as coarser_keep,
      t.id as tenant_id
    from (
      values ('metrics.raw', 'metrics.minute'), ('metrics.minute', 'metrics.hour'), ('metrics.hour', 'metrics.day')
    ) s(finer, coarser)
  ) c
  where coalesce(c.finer_keep, 'infinity') > coalesce(c.coarser_keep, 'infinity')
  limit 1;
  if found then
    raise exception '% of % would be kept for %, but % only for %', v_broken.finer, v_broken.tenant_id,
      coalesce(v_broken.finer_keep::text, 'ever'), v_broken.coarser, coalesce(v_broken.coarser_keep::text, 'ever')
      using errcode = 'LTP04', hint = 'Keep each of raw, minute, hour, day at least as long as the one before it.';
  end if;
end
$$;

comment on function ops.set_retention(text, interval, text) is 'Sets how long data is kept, for all tenants or for one; null is forever. LTP01 no such policy, LTP02 too short or too long, LTP03 not data of tenants, LTP04 shorter than its source, LTT02 no such tenant.';
grant execute on function ops.set_retention(text, interval, text) to :OPERATOR;
--! EndIncluded retention/set_retention.sql

--! Included backup/record_backups.sql
-- Records what the store holds: an array of {id, kind, parentId, startedAt, endedAt, objects, bytes, storedBytes,
-- manifestSha256, server}. Marks backups that are missing from it. Returns the ids of backups whose manifest differs from the
-- one first recorded; that record stays as evidence. Definer: nobody writes the table by hand.
create or replace function ops.record_backups(backups jsonb) returns setof text
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  insert into ops.backups (
    id, kind, parent_id, started_at, ended_at, objects, bytes, stored_bytes, manifest_sha256, server
  )
  select
    b ->> 'id', b ->> 'kind', b ->> 'parentId', (b ->> 'startedAt')::timestamptz, (b ->> 'endedAt')::timestamptz,
    (b ->> 'objects')::integer, (b ->> 'bytes')::bigint, (b ->> 'storedBytes')::bigint, b ->> 'manifestSha256',
    nullif(b -> 'server', 'null'::jsonb)
  from jsonb_array_elements(record_backups.backups) b
  on conflict on constraint backups_pkey do update set removed_at = null where ops.backups.removed_at is not null;
  update ops.backups k set removed_at = clock_timestamp()
  where k.removed_at is null
    and not exists (select from jsonb_array_elements(record_backups.backups) b where b ->> 'id' = k.id);
  return query
    select k.id
    from ops.backups k
    join jsonb_array_elements(record_backups.backups) b on b ->> 'id' = k.id
    where b ->> 'manifestSha256' <> k.manifest_sha256
    order by k.id;
end
$$;

comment on function ops.record_backups(jsonb) is 'Records which backups the store holds. Returns the ids of those whose manifest differs from the recorded one.';
grant execute on function ops.record_backups(jsonb) to :WORKER;
--! EndIncluded backup/record_backups.sql
--! Included backup/record_drill.sql
-- Records what a drill found, and returns whether it proves the backups. Definer: nobody writes a verdict by hand.
create or replace function ops.record_drill(
  started_at timestamptz,
  backups text[],
  "position" text,
  compared_tables integer,
  compared_rows bigint,
  restore_ms bigint,
  problems text[],
  self_tests jsonb
) returns boolean
language sql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
  insert into ops.drills (started_at, backups, "position", compared_tables, compared_rows, restore_time, problems, self_tests)
  values ($1, $2, $3, $4, $5, $6 * interval '1 millisecond', $7, $8)
  returning passed
$$;

comment on function ops.record_drill(timestamptz, text[], text, integer, bigint, bigint, text[], jsonb) is 'Records what a drill found; true when it passed.';
grant execute on function ops.record_drill(timestamptz, text[], text, integer, bigint, bigint, text[], jsonb) to :WORKER;
--! EndIncluded backup/record_drill.sql
--! Included backup/see_wal_receiver.sql
-- Records the state of receiving WAL through a slot. Definer: nobody writes the table by hand.
create or replace function ops.see_wal_receiver(
  slot text, receiving boolean, received_lsn pg_lsn, kept_bytes bigint, safe_bytes bigint, wal_status text, problem text
) returns void
language sql volatile security definer
set search_path to pg_catalog, pg_temp
begin atomic
  insert into ops.wal_receivers (slot, receiving, received_lsn, kept_bytes, safe_bytes, wal_status, problem)
  values (
    see_wal_receiver.slot, see_wal_receiver.receiving, see_wal_receiver.received_lsn, see_wal_receiver.kept_bytes,
    see_wal_receiver.safe_bytes, see_wal_receiver.wal_status, see_wal_receiver.problem
  )
  on conflict on constraint wal_receivers_pkey do update set
    receiving = excluded.receiving,
    received_lsn = coalesce(excluded.received_lsn, ops.wal_receivers.received_lsn),
    kept_bytes = excluded.kept_bytes,
    safe_bytes = excluded.safe_bytes,
    wal_status = excluded.wal_status,
    problem = excluded.problem,
    seen_at = clock_timestamp();
end;

comment on function ops.see_wal_receiver(text, boolean, pg_lsn, bigint, bigint, text, text) is 'Records the state of receiving WAL through a slot.';
grant execute on function ops.see_wal_receiver(text, boolean, pg_lsn, bigint, bigint, text, text) to :WORKER;
--! EndIncluded backup/see_wal_receiver.sql

-- ---------------------------------------------------------------------------------------------------------------
-- Tables, types and views, by subject: comments, policies, grants, triggers and audit
-- ---------------------------------------------------------------------------------------------------------------

--! Included tenancy/ops_tenants.sql
-- Every tenant with its logins, for operators: names and dates, no content.
create or replace view ops.tenants with (security_barrier) as
select
  t.id,
  t.name,
  t.suspended_at,
  t.created_at,
  array(select l.login::text from app_private.tenant_logins l where l.tenant_id = t.id order by l.login) as logins
from app_public.tenants t;

comment on view ops.tenants is 'All tenants with their logins.';
comment on column ops.tenants.id is 'The tenant''s id.';
comment on column ops.tenants.name is 'The name to show.';
comment on column ops.tenants.suspended_at is 'When it was suspended; null: it is not suspended.';
comment on column ops.tenants.created_at is 'When it was made.';
comment on column ops.tenants.logins is 'Names of the logins that see it, in order.';

revoke all on ops.tenants from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :WORKER, :SEARCH;
grant select on ops.tenants to :OPERATOR;
--! EndIncluded tenancy/ops_tenants.sql
--! Included tenancy/tenant_logins.sql
comment on table app_private.tenant_logins is 'The tenant that a direct login (an analyst''s) sees.';
comment on column app_private.tenant_logins.login is 'The login''s name, as session_user returns it.';
comment on column app_private.tenant_logins.tenant_id is 'The one tenant that it sees.';
comment on column app_private.tenant_logins.created_at is 'When it was bound.';

alter table app_private.tenant_logins enable row level security, force row level security;

-- Across tenants

-- ops.bind_login, ops.unbind_login, ops.tenants and login_tenant_id, as the owner.
drop policy if exists manage_owner on app_private.tenant_logins;
create policy manage_owner on app_private.tenant_logins for all to :OWNER
  using (true)
  with check (true);

revoke all on app_private.tenant_logins from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
-- No grant to anybody: login_tenant_id() tells a login its own tenant, ops.tenants lists them for operators.
--! EndIncluded tenancy/tenant_logins.sql
--! Included tenancy/tenants.sql
comment on table app_public.tenants is 'A tenant: one customer or team, whose data nobody else sees.';
comment on column app_public.tenants.id is 'A short name in lower case, e.g. `default`. Never changes.';
comment on column app_public.tenants.name is 'The name to show.';
comment on column app_public.tenants.suspended_at is 'When the tenant was suspended; null: it is not suspended.';
comment on column app_public.tenants.created_at is 'When the tenant was made.';
comment on column app_public.tenants.updated_at is 'When the row last changed; set by a trigger.';

alter table app_public.tenants enable row level security, force row level security;

-- Everybody of a tenant reads its own row.
drop policy if exists select_own on app_public.tenants;
create policy select_own on app_public.tenants for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (id = (select app_private.current_tenant_id()));

-- Across tenants

-- ops.create_tenant, ops.set_tenant_suspended, ops.tenants, login_tenant_id, and the functions of sessions and
-- retention that ask which tenants there are, as the owner.
drop policy if exists manage_owner on app_public.tenants;
create policy manage_owner on app_public.tenants for all to :OWNER
  using (true)
  with check (true);

revoke all on app_public.tenants from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.tenants to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
-- No other grant: tenants are made and suspended by ops functions.

create or replace trigger _100_timestamps
  before update on app_public.tenants
  for each row
  execute function app_private.tg__touch_updated_at();

create or replace trigger _200_keys
  before update of id on app_public.tenants
  for each row
  when (old.id is distinct from new.id)
  execute function app_private.tg__refuse_key_change();

-- The API's processes keep the few suspended tenants in memory; this tells them to look again.
create or replace trigger _500_notify
  after update of suspended_at on app_public.tenants
  for each statement
  execute function app_private.tg_tenants__notify();

select audit.enable_tracking('app_public.tenants');
--! EndIncluded tenancy/tenants.sql

--! Included audit/check_audit.sql
-- Changes that leave no row in audit.log although the table or its parent is audited: a partition or child was made without the
-- triggers, or triggers were dropped, or disabled and forgotten. Also tables whose columns have changed since tracking was
-- enabled: their log is complete but costs more.
create or replace view ops.check_audit with (security_barrier) as
select
  t.name as subject,
  case when t.missing = '{}' then 'warning' else 'error' end as severity,
  case
    when t.missing = '{}' then format('the columns of %s have changed since its audit was enabled, which makes auditing slower', t.name)
    else format('%s leaves no row in the audit log for %s', t.name, array_to_string(t.missing, ', '))
  end as message,
  jsonb_build_object('missing', t.missing) as details
from (
  select
    format('%s.%s', n.nspname, c.relname) as name,
    array(
      select e.name
      from unnest(array['insert', 'update', 'delete', 'truncate']) e(name)
      where not exists (
        select
        from pg_trigger g
        where g.tgrelid = r.relation and g.tgname = '_800_audit_' || e.name and g.tgenabled in ('O', 'A')
      )
      order by e.name
    ) as missing,
    exists (
      select
      from pg_trigger g
      cross join lateral (select convert_to(audit.table_columns(r.relation)::text, 'UTF8') || '\x00'::bytea as bytes) columns
      where g.tgrelid = r.relation and g.tgname = '_800_audit_update' and g.tgnargs > 0
        and g.tgparentid = 0 and substr(g.tgargs, 1, length(columns.bytes)) <> columns.bytes
    ) as differs
  from (
    with recursive audited as (
      select distinct g.tgrelid as relation
      from pg_trigger g
      -- Leases of tasks are exempt, except for a truncate.
      where g.tgname like '\_800\_audit\_%' and g.tgrelid <> 'app_public.task_leases'::regclass
      union
      select i.inhrelid from audited a join pg_inherits i on i.inhparent = a.relation
    )
    select a.relation from audited a
  ) r
  join pg_class c on c.oid = r.relation
  join pg_namespace n on n.oid = c.relnamespace
) t
where t.missing <> '{}' or t.differs;

comment on view ops.check_audit is 'A check of ops.check_alerts. Tables whose changes the audit log misses, or logs at a higher cost than necessary.';
comment on column ops.check_audit.subject is 'What it is about.';
comment on column ops.check_audit.severity is 'warning or error.';
comment on column ops.check_audit.message is 'What is wrong, in a sentence.';
comment on column ops.check_audit.details is 'The same as JSON, for programs.';

revoke all on ops.check_audit from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.check_audit to :OPERATOR, :WORKER;
--! EndIncluded audit/check_audit.sql
--! Included audit/log.sql
comment on table audit.log is 'One row per changed row (or per statement, for tables exempt from detail). Partitioned by month.';
comment on column audit.log.id is 'Orders the rows of the same moment.';
comment on column audit.log.at is 'When the transaction began.';
comment on column audit.log.transaction_id is 'The transaction that made the change.';
comment on column audit.log.tenant_id is 'Whose data it was: the row''s tenant_id. Null for a truncate, which hits all.';
comment on column audit.log.table_name is 'The table, with its schema, under its name of that time; the partition if the statement named one.';
comment on column audit.log.operation is 'insert, update, delete or truncate.';
comment on column audit.log.row_count is '1 for a row of detail, the number of rows for a summary.';
comment on column audit.log.key is 'The row''s primary key; null in a summary.';
comment on column audit.log.old_values is 'The values before: the whole row of a delete, the changed columns of an update. Secrets and embeddings as sha256:<hex>.';
comment on column audit.log.new_values is 'The values after: the whole row of an insert, the changed columns of an update. Secrets and embeddings as sha256:<hex>.';
comment on column audit.log.subject is 'The verified token''s subject; null for a direct login.';
comment on column audit.log.login is 'The login of the connection.';
comment on column audit.log.role is 'The role that the statement ran under.';
comment on column audit.log.request_id is 'The API request, as in its X-Request-Id header.';

alter table audit.log enable row level security, force row level security;

-- A tenant's administrators read its log.
drop policy if exists select_tenant on audit.log;
create policy select_tenant on audit.log for select to :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()));

-- A truncate hits all tenants and belongs to none: operators see it.
drop policy if exists select_truncations on audit.log;
create policy select_truncations on audit.log for select to :OPERATOR
  using (operation = 'truncate');

-- Across tenants

-- The audit triggers write as the owner, for every tenant.
drop policy if exists insert_owner on audit.log;
create policy insert_owner on audit.log for insert to :OWNER
  with check (true);

revoke all on audit.log from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on audit.log to :ADMIN, :OPERATOR;
-- No insert, update or delete for anybody: the triggers write as the owner, who may insert and nothing else.
--! EndIncluded audit/log.sql

--! Included live/check_untrimmed_events.sql
-- The outbox of live updates, when it holds more than it should: events older than an hour go within minutes.
create or replace view ops.check_untrimmed_events with (security_barrier) as
select
  'app_private.events'::text as subject,
  'warning'::text as severity,
  format(
    'the outbox of live updates holds events from %s, and should hold one hour',
    to_char(e.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
  ) as message,
  jsonb_build_object('oldest', e.at) as details
from (select e.at from app_private.events e order by e.transaction_id, e.id limit 1) e
where e.at < clock_timestamp() - interval '2 hours';

comment on view ops.check_untrimmed_events is 'A check of ops.check_alerts. The outbox, when it is not trimmed.';
comment on column ops.check_untrimmed_events.subject is 'What it is about.';
comment on column ops.check_untrimmed_events.severity is 'warning or error.';
comment on column ops.check_untrimmed_events.message is 'What is wrong, in a sentence.';
comment on column ops.check_untrimmed_events.details is 'The same as JSON, for programs.';

revoke all on ops.check_untrimmed_events from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.check_untrimmed_events to :OPERATOR, :WORKER;
--! EndIncluded live/check_untrimmed_events.sql
--! Included live/event_marks.sql
comment on table app_private.event_marks is 'Snapshots by time, for trimming the outbox.';
comment on column app_private.event_marks.at is 'When the snapshot was taken.';
comment on column app_private.event_marks.snapshot is 'The transactions that were visible then.';
comment on column app_private.event_marks.trimmed is 'Whether the outbox was trimmed to this mark; true for one of them.';

alter table app_private.event_marks enable row level security, force row level security;

-- Across tenants

-- ops.read_events and ops.trim_events, as the owner. It holds nothing of a tenant.
drop policy if exists manage_owner on app_private.event_marks;
create policy manage_owner on app_private.event_marks for all to :OWNER
  using (true)
  with check (true);

revoke all on app_private.event_marks from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
-- No grant to anybody: ops.trim_events keeps it.
--! EndIncluded live/event_marks.sql
--! Included live/events.sql
comment on table app_private.events is 'The outbox of live updates: the rows that changed, in one event per statement and tenant. Kept for about an hour.';
comment on column app_private.events.transaction_id is 'The transaction that made the change.';
comment on column app_private.events.id is 'The order within a transaction; it has no meaning across transactions.';
comment on column app_private.events.tenant_id is 'The tenant whose rows changed.';
comment on column app_private.events.topic is 'The table: tasks, workflows, agents.';
comment on column app_private.events.operation is 'One of insert, update, delete.';
comment on column app_private.events.keys is 'The ids of the rows; null when more than 1,000 changed at once.';
comment on column app_private.events.at is 'When the transaction began.';

alter table app_private.events enable row level security, force row level security;

-- Across tenants

-- app_private.tg__publish, ops.read_events, ops.trim_events and the view ops.check_untrimmed_events, as the owner.
drop policy if exists manage_owner on app_private.events;
create policy manage_owner on app_private.events for all to :OWNER
  using (true)
  with check (true);

revoke all on app_private.events from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
-- No grant to anybody: tg__publish writes it, ops.read_events reads it for the API, ops.trim_events trims it.
--! EndIncluded live/events.sql

--! Included agents/agents.sql
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

revoke all on app_public.agents from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
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

select audit.enable_tracking('app_public.agents');
--! EndIncluded agents/agents.sql

--! Included tasks/claimed_task.sql
comment on type app_public.claimed_task is 'A claimed task, with everything that is needed to work on it and to report back.';
comment on column app_public.claimed_task.task_id is 'The task''s id.';
comment on column app_public.claimed_task.fencing_token is 'Pass it with every call about this attempt.';
comment on column app_public.claimed_task.attempt is 'The number of this attempt, from 1.';
comment on column app_public.claimed_task.max_attempts is 'After this many failures it is dead.';
comment on column app_public.claimed_task.expires_at is 'When the lease ends, and others may claim the task, unless heartbeat_task extends it.';
comment on column app_public.claimed_task.agent_id is 'The agent that should do it; null: any.';
comment on column app_public.claimed_task.priority is 'One of low, normal, high, critical.';
comment on column app_public.claimed_task.description is 'What to do.';
comment on column app_public.claimed_task.context is 'What the agent needs to know.';
comment on column app_public.claimed_task.required_capabilities is 'The capabilities that an agent needs to claim it.';
comment on column app_public.claimed_task.created_at is 'When the task was made.';
--! EndIncluded tasks/claimed_task.sql
--! Included tasks/task_attempts.sql
comment on table app_public.task_attempts is 'How each claim of a task ended. Only the functions of tasks write it.';
comment on column app_public.task_attempts.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.task_attempts.task_id is 'The task.';
comment on column app_public.task_attempts.attempt is 'The number of the attempt, from 1.';
comment on column app_public.task_attempts.fencing_token is 'The fencing token of the attempt.';
comment on column app_public.task_attempts.agent is 'The agent that claimed it, by the name that it gave.';
comment on column app_public.task_attempts.claimed_at is 'When it was claimed.';
comment on column app_public.task_attempts.ended_at is 'When it ended.';
comment on column app_public.task_attempts.outcome is 'One of completed, failed, expired, released, cancelled.';
comment on column app_public.task_attempts.error is 'Why it failed, expired or was cancelled.';
comment on column app_public.task_attempts.progress is 'How far it came, from 0 to 1; null: not reported.';
comment on column app_public.task_attempts.note is 'The last note of its holder.';

comment on constraint task_attempts_pkey on app_public.task_attempts is E'@behavior -single\nThe task and the number identify an attempt.';
comment on constraint task_attempts_task_id_fkey on app_public.task_attempts is E'@fieldName task\n@foreignFieldName attempts\nThe task of the attempt.';

alter table app_public.task_attempts enable row level security, force row level security;

-- Everybody of a tenant reads the history of its tasks.
drop policy if exists select_tenant on app_public.task_attempts;
create policy select_tenant on app_public.task_attempts for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- The functions that end leases run as the owner, confined to the tenant of whoever calls them.
drop policy if exists select_definer on app_public.task_attempts;
create policy select_definer on app_public.task_attempts for select to :OWNER
  using (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists insert_definer on app_public.task_attempts;
create policy insert_definer on app_public.task_attempts for insert to :OWNER
  with check (tenant_id = (select app_private.current_tenant_id()));

-- ops.expire_rows removes expired rows of one tenant at a time: the tenant that the worker names.
drop policy if exists select_worker on app_public.task_attempts;
create policy select_worker on app_public.task_attempts for select to :WORKER
  using (tenant_id = (select app_private.retention_tenant_id()));
drop policy if exists delete_worker on app_public.task_attempts;
create policy delete_worker on app_public.task_attempts for delete to :WORKER
  using (tenant_id = (select app_private.retention_tenant_id()));

-- Across tenants

-- ops.reap_expired_leases, as the worker: an expired lease leaves an attempt.
drop policy if exists insert_worker on app_public.task_attempts;
create policy insert_worker on app_public.task_attempts for insert to :WORKER
  with check (true);

revoke all on app_public.task_attempts from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.task_attempts to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
grant insert (tenant_id, task_id, attempt, fencing_token, agent, claimed_at, ended_at, outcome, error, progress, note)
  on app_public.task_attempts to :WORKER;
-- No update and no delete for anybody of a tenant: history goes with its task, not before.
-- For ops.expire_rows.
grant select (tenant_id, task_id, attempt, ended_at), delete on app_public.task_attempts to :WORKER;

create or replace trigger _200_keys
  before update of tenant_id, task_id, attempt on app_public.task_attempts
  for each row
  when (
    old.tenant_id is distinct from new.tenant_id
    or old.task_id is distinct from new.task_id
    or old.attempt is distinct from new.attempt
  )
  execute function app_private.tg__refuse_key_change();

-- The end of an attempt is a change of its task, which is logged in detail.
select audit.enable_tracking('app_public.task_attempts', detail => false);
--! EndIncluded tasks/task_attempts.sql
--! Included tasks/task_leases.sql
comment on table app_public.task_leases is E'@unique task_id|@fieldName taskLease\nThe agent that works on a task now, and until when. Only the functions of tasks write it.';
comment on column app_public.task_leases.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.task_leases.task_id is 'The task.';
comment on column app_public.task_leases.fencing_token is 'Grows with every claim; every write of the task needs the current one.';
comment on column app_public.task_leases.attempt is 'The number of the attempt, from 1.';
comment on column app_public.task_leases.agent is 'The agent that claimed it, by the name that it gave.';
comment on column app_public.task_leases.lease is 'How long each heartbeat extends it.';
comment on column app_public.task_leases.claimed_at is 'When it was claimed.';
comment on column app_public.task_leases.heartbeat_at is 'When the last heartbeat came.';
comment on column app_public.task_leases.expires_at is 'When it ends, and others may claim the task.';
comment on column app_public.task_leases.progress is 'How far the work is, from 0 to 1; null: not reported.';
comment on column app_public.task_leases.note is 'The last note of its holder.';
comment on sequence app_private.fencing_tokens is 'Fencing tokens of leases: a later claim has a larger one.';

comment on constraint task_leases_pkey on app_public.task_leases is E'@behavior -single\nA task has one lease at a time.';
comment on constraint task_leases_task_id_fkey on app_public.task_leases is E'@fieldName task\n@foreignSingleFieldName lease\nThe task that is being worked on.';

alter table app_public.task_leases enable row level security, force row level security;

-- Everybody of a tenant sees who works on what.
drop policy if exists select_tenant on app_public.task_leases;
create policy select_tenant on app_public.task_leases for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- The functions that claim, extend and end leases run as the owner, confined to the tenant of whoever calls them.
drop policy if exists manage_definer on app_public.task_leases;
create policy manage_definer on app_public.task_leases for all to :OWNER
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));

-- Across tenants

-- ops.reap_expired_leases, as the worker: it takes back expired leases of every tenant.
drop policy if exists manage_worker on app_public.task_leases;
create policy manage_worker on app_public.task_leases for all to :WORKER
  using (true)
  with check (true);

revoke all on app_public.task_leases from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.task_leases to :MEMBER, :SERVICE, :ADMIN, :ANALYST, :WORKER;
-- No insert, update or delete for requests: a fencing token that they could write would prove nothing.
-- The worker removes expired leases. It can lock a row only where it may update a column.
grant update (heartbeat_at) on app_public.task_leases to :WORKER;
grant delete on app_public.task_leases to :WORKER;

create or replace trigger _200_keys
  before update of tenant_id, task_id on app_public.task_leases
  for each row
  when (old.tenant_id is distinct from new.tenant_id or old.task_id is distinct from new.task_id)
  execute function app_private.tg__refuse_key_change();

-- Exempt from audit, but for a truncate: app_public.task_leases. A heartbeat means nothing once its lease
-- has ended, and the end is an attempt. A truncate, which ends all leases at once, is logged.
create or replace trigger _800_audit_truncate
  after truncate on app_public.task_leases
  for each statement
  execute function audit.tg__log_truncate();
--! EndIncluded tasks/task_leases.sql
--! Included tasks/tasks.sql
comment on table app_public.tasks is E'@unique id|@fieldName task|@updateFieldName updateTask|@deleteFieldName deleteTask\nA piece of work for an agent.';
comment on column app_public.tasks.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.tasks.id is 'The task''s id.';
comment on column app_public.tasks.agent_id is 'The agent that should do it; null: any agent, or the agent was removed.';
comment on column app_public.tasks.description is 'What to do.';
comment on column app_public.tasks.status is 'One of pending, assigned, running, completed, failed, cancelled, dead.';
comment on column app_public.tasks.priority is 'One of low, normal, high, critical.';
comment on column app_public.tasks.context is 'What the agent needs to know.';
comment on column app_public.tasks.result is 'The result; null until it is completed.';
comment on column app_public.tasks.created_at is 'When the task was made.';
comment on column app_public.tasks.started_at is 'When the latest attempt began.';
comment on column app_public.tasks.completed_at is 'When it ended, with or without success.';
comment on column app_public.tasks.error_message is 'Why its latest attempt failed, or why it was cancelled.';
comment on column app_public.tasks.required_capabilities is 'Only an agent with all of them may claim it.';
comment on column app_public.tasks.run_after is 'It is not claimed before this time.';
comment on column app_public.tasks.queue_at is 'Its place in the queue: run_after, moved forward by 3 hours for critical, 1 hour for high, 20 minutes for normal. Set by a trigger.';
comment on column app_public.tasks.attempt is 'How often it was claimed: the number of the latest attempt.';
comment on column app_public.tasks.failures is 'How many attempts failed or expired since it was made or retried.';
comment on column app_public.tasks.max_attempts is 'After this many failures it is dead.';
comment on column app_public.tasks.workflow_id is 'The workflow that made it for a step; null: none did, or the workflow was deleted.';
comment on column app_public.tasks.step_key is 'The step''s key in the workflow.';
comment on column app_public.tasks.idempotency_key is 'A task that is enqueued again under the same key stays one task. Unique in the tenant.';

comment on constraint tasks_pkey on app_public.tasks is E'@behavior -single -update -delete\nThe tenant and the id identify a row.';
comment on constraint tasks_tenant_id_fkey on app_public.tasks is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint tasks_agent_id_fkey on app_public.tasks is E'@fieldName agent\n@foreignFieldName tasks\nThe agent that does the task.';
comment on constraint tasks_workflow_id_fkey on app_public.tasks is E'@fieldName workflow\n@foreignFieldName tasks\nThe workflow that made it for a step.';

alter table app_public.tasks enable row level security, force row level security;

-- Everybody of a tenant reads all of its tasks.
drop policy if exists select_tenant on app_public.tasks;
create policy select_tenant on app_public.tasks for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- People, services and administrators add tasks to their own tenant.
drop policy if exists insert_tenant on app_public.tasks;
create policy insert_tenant on app_public.tasks for insert to :MEMBER, :SERVICE, :ADMIN
  with check (tenant_id = (select app_private.current_tenant_id()));

-- They change their tenant's tasks, and cannot move one out of it.
drop policy if exists update_tenant on app_public.tasks;
create policy update_tenant on app_public.tasks for update to :MEMBER, :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));

-- They remove their tenant's tasks.
drop policy if exists delete_tenant on app_public.tasks;
create policy delete_tenant on app_public.tasks for delete to :MEMBER, :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()));

-- The functions of tasks run as the owner, confined to the tenant of whoever calls them.
drop policy if exists select_definer on app_public.tasks;
create policy select_definer on app_public.tasks for select to :OWNER
  using (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists insert_definer on app_public.tasks;
create policy insert_definer on app_public.tasks for insert to :OWNER
  with check (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists update_definer on app_public.tasks;
create policy update_definer on app_public.tasks for update to :OWNER
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));

-- ops.expire_rows removes expired rows of one tenant at a time: the tenant that the worker names.
drop policy if exists delete_worker on app_public.tasks;
create policy delete_worker on app_public.tasks for delete to :WORKER
  using (tenant_id = (select app_private.retention_tenant_id()));

-- Across tenants

-- ops.reap_expired_leases and the functions of workflows, as the worker: they take back and end tasks of every tenant.
drop policy if exists select_worker on app_public.tasks;
create policy select_worker on app_public.tasks for select to :WORKER
  using (true);
drop policy if exists update_worker on app_public.tasks;
create policy update_worker on app_public.tasks for update to :WORKER
  using (true)
  with check (true);

-- ops.advance_workflow and ops.tend_workflows make the tasks of the next steps.
drop policy if exists insert_worker on app_public.tasks;
create policy insert_worker on app_public.tasks for insert to :WORKER
  with check (true);

revoke all on app_public.tasks from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.tasks to :MEMBER, :SERVICE, :ADMIN, :ANALYST, :WORKER;
grant insert (tenant_id, id, agent_id, description, status, priority, context, result, started_at, completed_at,
  error_message, required_capabilities, run_after, max_attempts, idempotency_key) on app_public.tasks to :MEMBER, :SERVICE,
  :ADMIN;
-- Only programs import rows with their history.
grant insert (created_at) on app_public.tasks to :SERVICE, :ADMIN;
-- No update of tenant_id, id, idempotency_key or created_at for anybody: keys and creation times do not change.
grant update (agent_id, description, status, priority, context, result, started_at, completed_at, error_message,
  required_capabilities, run_after, max_attempts) on app_public.tasks to :MEMBER, :SERVICE, :ADMIN;
-- No insert and no update of attempt, failures and queue_at: functions and triggers set them. Nor of workflow_id and
-- step_key: a workflow makes the tasks of its steps.
-- ops.reap_expired_leases, and ops.advance_workflow, which holds tasks back and makes those of the next steps.
grant update (status, failures, error_message, completed_at, run_after) on app_public.tasks to :WORKER;
grant insert (tenant_id, description, priority, agent_id, required_capabilities, max_attempts, workflow_id, step_key,
  context) on app_public.tasks to :WORKER;
grant delete on app_public.tasks to :MEMBER, :SERVICE, :ADMIN;
-- No truncate for anybody: it ignores tenants.
-- For ops.expire_rows.
grant delete on app_public.tasks to :WORKER;

create or replace trigger _100_queue_insert
  before insert on app_public.tasks
  for each row
  execute function app_private.tg_tasks__place_in_queue();

create or replace trigger _100_queue_update
  before update of priority, run_after on app_public.tasks
  for each row
  execute function app_private.tg_tasks__place_in_queue();

create or replace trigger _200_keys
  before update of tenant_id, id on app_public.tasks
  for each row
  when (old.tenant_id is distinct from new.tenant_id or old.id is distinct from new.id)
  execute function app_private.tg__refuse_key_change();

create or replace trigger _200_states
  before update on app_public.tasks
  for each row
  execute function app_private.tg_tasks__check_update();

create or replace trigger _200_steps
  before delete on app_public.tasks
  for each row
  when (old.workflow_id is not null)
  execute function app_private.tg_tasks__check_delete();

create or replace trigger _200_long_numbers_context
  before insert or update of context on app_public.tasks
  for each row
  when (app_private.may_print_long(new.context))
  execute function app_private.tg__refuse_long_numbers('context');

create or replace trigger _200_long_numbers_result
  before insert or update of result on app_public.tasks
  for each row
  when (app_private.may_print_long(new.result))
  execute function app_private.tg__refuse_long_numbers('result');

-- One trigger per event: a trigger with transition tables can have only one.
create or replace trigger _500_publish_insert
  after insert on app_public.tasks
  referencing new table as changed_rows
  for each statement
  execute function app_private.tg__publish();

create or replace trigger _500_publish_update
  after update on app_public.tasks
  referencing new table as changed_rows
  for each statement
  execute function app_private.tg__publish();

create or replace trigger _500_publish_delete
  after delete on app_public.tasks
  referencing old table as changed_rows
  for each statement
  execute function app_private.tg__publish();

create or replace trigger _500_workflows
  after update on app_public.tasks
  referencing new table as changed_rows
  for each statement
  execute function app_private.tg_tasks__advance_workflows();

select audit.enable_tracking('app_public.tasks');
--! EndIncluded tasks/tasks.sql

--! Included workflows/workflow_overview.sql
comment on type app_public.workflow_overview is 'The progress of a workflow.';
comment on column app_public.workflow_overview.workflow_id is 'The workflow''s id.';
comment on column app_public.workflow_overview.status is 'One of draft, pending, running, paused, completed, failed, cancelled.';
comment on column app_public.workflow_overview.progress is 'From 0 to 1: the mean of its steps.';
comment on column app_public.workflow_overview.total is 'How many steps it has.';
comment on column app_public.workflow_overview.pending is 'How many have not begun.';
comment on column app_public.workflow_overview.running is 'How many have a task that waits or is being worked on.';
comment on column app_public.workflow_overview.completed is 'How many are completed.';
comment on column app_public.workflow_overview.failed is 'How many failed.';
comment on column app_public.workflow_overview.skipped is 'How many were skipped.';
comment on column app_public.workflow_overview.cancelled is 'How many were cancelled.';
comment on column app_public.workflow_overview.error_message is 'Why it failed or was cancelled.';
comment on column app_public.workflow_overview.started_at is 'When it was started.';
comment on column app_public.workflow_overview.completed_at is 'When it ended.';
comment on column app_public.workflow_overview.steps is 'Each step: key, status, progress, task_id, task_status, attempt, max_attempts, agent, note, error, started_at, completed_at, timeout_at.';
--! EndIncluded workflows/workflow_overview.sql
--! Included workflows/workflow_steps.sql
comment on table app_public.workflow_steps is E'@unique workflow_id,key|@fieldName workflowStep\nThe state of a started workflow''s steps. Only the functions of workflows write it.';
comment on column app_public.workflow_steps.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.workflow_steps.workflow_id is 'The workflow.';
comment on column app_public.workflow_steps.key is 'The step''s key in its workflow.';
comment on column app_public.workflow_steps.position is 'Its place in the workflow''s steps, from 1.';
comment on column app_public.workflow_steps.depends_on is 'Keys of the steps that come before it.';
comment on column app_public.workflow_steps.on_failure is 'What follows when it fails. fail: the workflow fails; skip: the steps that depend on it are skipped; continue: they run.';
comment on column app_public.workflow_steps.definition is 'The step as the workflow had it when it was started or tried again.';
comment on column app_public.workflow_steps.status is 'One of pending, running (its task waits or is being worked on), completed, failed, skipped, cancelled.';
comment on column app_public.workflow_steps.task_id is 'Its latest task; null: it has had none yet, or the task was deleted.';
comment on column app_public.workflow_steps.result is 'The result of its task.';
comment on column app_public.workflow_steps.error_message is 'Why it failed, or because of which failure it was skipped. Null for a step that was skipped because its condition did not hold, or because all of its dependencies were skipped.';
comment on column app_public.workflow_steps.started_at is 'When its task was made.';
comment on column app_public.workflow_steps.completed_at is 'When it ended or was skipped.';
comment on column app_public.workflow_steps.timeout_at is 'When it fails unless it has ended; null: never.';

comment on constraint workflow_steps_pkey on app_public.workflow_steps is E'@behavior -single\nThe workflow and the key identify a step.';
comment on constraint workflow_steps_workflow_id_fkey on app_public.workflow_steps is E'@fieldName workflow\n@foreignFieldName stepStates\nThe workflow.';
comment on constraint workflow_steps_task_id_fkey on app_public.workflow_steps is E'@fieldName task\n@foreignFieldName stepStates\nThe step''s latest task.';

alter table app_public.workflow_steps enable row level security, force row level security;

-- Everybody of a tenant sees how far its workflows are.
drop policy if exists select_tenant on app_public.workflow_steps;
create policy select_tenant on app_public.workflow_steps for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- The functions of workflows run as the owner, confined to the tenant of whoever calls them.
drop policy if exists manage_definer on app_public.workflow_steps;
create policy manage_definer on app_public.workflow_steps for all to :OWNER
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));

-- Across tenants

-- ops.advance_workflow and ops.tend_workflows, as the worker: it ends tasks of every tenant and advances their workflows.
drop policy if exists select_worker on app_public.workflow_steps;
create policy select_worker on app_public.workflow_steps for select to :WORKER
  using (true);
drop policy if exists update_worker on app_public.workflow_steps;
create policy update_worker on app_public.workflow_steps for update to :WORKER
  using (true)
  with check (true);

revoke all on app_public.workflow_steps from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.workflow_steps to :MEMBER, :SERVICE, :ADMIN, :ANALYST, :WORKER;
-- No insert, update or delete for requests: functions and triggers keep the state of steps.
-- ops.advance_workflow and ops.tend_workflows.
grant update (status, task_id, result, error_message, started_at, completed_at, timeout_at) on app_public.workflow_steps
  to :WORKER;

create or replace trigger _200_keys
  before update of tenant_id, workflow_id, key on app_public.workflow_steps
  for each row
  when (
    old.tenant_id is distinct from new.tenant_id
    or old.workflow_id is distinct from new.workflow_id
    or old.key is distinct from new.key
  )
  execute function app_private.tg__refuse_key_change();

select audit.enable_tracking('app_public.workflow_steps');
--! EndIncluded workflows/workflow_steps.sql
--! Included workflows/workflows.sql
comment on table app_public.workflows is E'@unique id|@fieldName workflow|@updateFieldName updateWorkflow|@deleteFieldName deleteWorkflow\nSeveral steps of work that belong together.';
comment on column app_public.workflows.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.workflows.id is 'The workflow''s id.';
comment on column app_public.workflows.name is 'The name to show.';
comment on column app_public.workflows.description is 'What it is for.';
comment on column app_public.workflows.steps is 'The steps, a JSON array of objects: key, task (description, priority, agent_id, capabilities, context), depends_on, on_failure, max_attempts, timeout, condition. Checked when it is written.';
comment on column app_public.workflows.status is 'One of draft, pending, running, paused, completed, failed, cancelled.';
comment on column app_public.workflows.created_by is 'Who made it.';
comment on column app_public.workflows.assigned_to is 'Who looks after it.';
comment on column app_public.workflows.context is 'What all steps need to know.';
comment on column app_public.workflows.created_at is 'When the workflow was made.';
comment on column app_public.workflows.updated_at is 'When the row last changed; set by a trigger.';
comment on column app_public.workflows.started_at is 'When start_workflow started it; null: not yet, or another program keeps its status.';
comment on column app_public.workflows.paused_at is 'When it was paused; null: it is not paused.';
comment on column app_public.workflows.completed_at is 'When it ended, with or without success.';
comment on column app_public.workflows.error_message is 'Why it failed or was cancelled.';

comment on constraint workflows_pkey on app_public.workflows is E'@behavior -single -update -delete\nThe tenant and the id identify a row.';
comment on constraint workflows_tenant_id_fkey on app_public.workflows is E'@behavior -*\nA row belongs to a tenant.';

alter table app_public.workflows enable row level security, force row level security;

-- Everybody of a tenant reads all of its workflows.
drop policy if exists select_tenant on app_public.workflows;
create policy select_tenant on app_public.workflows for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- People, services and administrators add workflows to their own tenant.
drop policy if exists insert_tenant on app_public.workflows;
create policy insert_tenant on app_public.workflows for insert to :MEMBER, :SERVICE, :ADMIN
  with check (tenant_id = (select app_private.current_tenant_id()));

-- They change their tenant's workflows, and cannot move one out of it.
drop policy if exists update_tenant on app_public.workflows;
create policy update_tenant on app_public.workflows for update to :MEMBER, :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));

-- They remove their tenant's workflows.
drop policy if exists delete_tenant on app_public.workflows;
create policy delete_tenant on app_public.workflows for delete to :MEMBER, :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()));

-- The functions of workflows run as the owner, confined to the tenant of whoever calls them.
drop policy if exists select_definer on app_public.workflows;
create policy select_definer on app_public.workflows for select to :OWNER
  using (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists update_definer on app_public.workflows;
create policy update_definer on app_public.workflows for update to :OWNER
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));

-- Across tenants

-- ops.advance_workflow and ops.tend_workflows, as the worker: it ends tasks of every tenant and advances their workflows.
drop policy if exists select_worker on app_public.workflows;
create policy select_worker on app_public.workflows for select to :WORKER
  using (true);
drop policy if exists update_worker on app_public.workflows;
create policy update_worker on app_public.workflows for update to :WORKER
  using (true)
  with check (true);

revoke all on app_public.workflows from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.workflows to :MEMBER, :SERVICE, :ADMIN, :ANALYST, :WORKER;
grant insert (tenant_id, id, name, description, steps, status, created_by, assigned_to, context) on
  app_public.workflows to :MEMBER, :SERVICE, :ADMIN;
-- Only programs import rows with their history.
grant insert (created_at) on app_public.workflows to :SERVICE, :ADMIN;
-- No update of tenant_id, id or created_at for anybody: keys and creation times do not change.
grant update (name, description, steps, status, created_by, assigned_to, context) on app_public.workflows to
  :MEMBER, :SERVICE, :ADMIN;
-- No insert and no update of started_at, paused_at, completed_at and error_message: the functions set them.
-- ops.advance_workflow.
grant update (status, error_message, completed_at) on app_public.workflows to :WORKER;
grant delete on app_public.workflows to :MEMBER, :SERVICE, :ADMIN;
-- No truncate for anybody: it ignores tenants.

create or replace trigger _100_timestamps
  before update on app_public.workflows
  for each row
  execute function app_private.tg__touch_updated_at();

create or replace trigger _200_keys
  before update of tenant_id, id on app_public.workflows
  for each row
  when (old.tenant_id is distinct from new.tenant_id or old.id is distinct from new.id)
  execute function app_private.tg__refuse_key_change();

create or replace trigger _200_states
  before update on app_public.workflows
  for each row
  execute function app_private.tg_workflows__check_update();

create or replace trigger _200_steps
  before insert or update of steps on app_public.workflows
  for each row
  execute function app_private.tg_workflows__check_steps();

create or replace trigger _200_started
  before delete on app_public.workflows
  for each row
  when (old.started_at is not null and old.status in ('running', 'paused'))
  execute function app_private.tg_workflows__check_delete();

create or replace trigger _200_long_numbers_steps
  before insert or update of steps on app_public.workflows
  for each row
  when (app_private.may_print_long(new.steps))
  execute function app_private.tg__refuse_long_numbers('steps');

create or replace trigger _200_long_numbers_context
  before insert or update of context on app_public.workflows
  for each row
  when (app_private.may_print_long(new.context))
  execute function app_private.tg__refuse_long_numbers('context');

-- One trigger per event: a trigger with transition tables can have only one.
create or replace trigger _500_publish_insert
  after insert on app_public.workflows
  referencing new table as changed_rows
  for each statement
  execute function app_private.tg__publish();

create or replace trigger _500_publish_update
  after update on app_public.workflows
  referencing new table as changed_rows
  for each statement
  execute function app_private.tg__publish();

create or replace trigger _500_publish_delete
  after delete on app_public.workflows
  referencing old table as changed_rows
  for each statement
  execute function app_private.tg__publish();

select audit.enable_tracking('app_public.workflows');
--! EndIncluded workflows/workflows.sql

--! Included knowledge/knowledge.sql
comment on table app_public.knowledge is E'@unique id|@fieldName knowledge|@updateFieldName updateKnowledge|@deleteFieldName deleteKnowledge\nAn item of knowledge that agents look up, with an embedding to find it by meaning.';
comment on column app_public.knowledge.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.knowledge.id is 'The item''s id; random if not given.';
comment on column app_public.knowledge.agent_id is 'The agent whose knowledge it is; null: every agent''s, or the agent was removed.';
comment on column app_public.knowledge.category is 'A word to group by.';
comment on column app_public.knowledge.content is 'The text itself.';
comment on column app_public.knowledge.source is 'Where it comes from: a file, an address, a whole quotation.';
comment on column app_public.knowledge.metadata is 'Anything else about it.';
comment on column app_public.knowledge.embedding is 'The content''s embedding, 1536 dimensions; null until it is computed.';
comment on column app_public.knowledge.embedding_error is 'Why the content could not be embedded; null: it was embedded, or this was not tried yet. Changed content is tried again.';
comment on column app_public.knowledge.usage_count is 'How often it was used.';
comment on column app_public.knowledge.relevance_score is 'How useful it proved; 1 is neutral.';
comment on column app_public.knowledge.created_at is 'When it was added.';
comment on column app_public.knowledge.last_used_at is 'When it was last used.';

comment on constraint knowledge_pkey on app_public.knowledge is E'@behavior -single -update -delete\nThe tenant and the id identify a row.';
comment on constraint knowledge_tenant_id_fkey on app_public.knowledge is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint knowledge_agent_id_fkey on app_public.knowledge is E'@fieldName agent\n@foreignFieldName knowledge\nThe agent whose knowledge it is.';

alter table app_public.knowledge enable row level security, force row level security;

-- Everybody of a tenant reads all of its knowledge.
drop policy if exists select_tenant on app_public.knowledge;
create policy select_tenant on app_public.knowledge for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- People, services and administrators add knowledge to their own tenant.
drop policy if exists insert_tenant on app_public.knowledge;
create policy insert_tenant on app_public.knowledge for insert to :MEMBER, :SERVICE, :ADMIN
  with check (tenant_id = (select app_private.current_tenant_id()));

-- They change their tenant's knowledge, and cannot move an item out of it.
drop policy if exists update_tenant on app_public.knowledge;
create policy update_tenant on app_public.knowledge for update to :MEMBER, :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));

-- They remove their tenant's knowledge.
drop policy if exists delete_tenant on app_public.knowledge;
create policy delete_tenant on app_public.knowledge for delete to :MEMBER, :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()));

-- Across tenants

-- The search functions, which compare the tenant themselves. Under any other policy `@@` and `@>` cannot use an index.
drop policy if exists select_search on app_public.knowledge;
create policy select_search on app_public.knowledge for select to :SEARCH
  using (true);

-- app_public.touch_knowledge.
drop policy if exists update_search on app_public.knowledge;
create policy update_search on app_public.knowledge for update to :SEARCH
  using (true)
  with check (true);

-- The embedding job: items without an embedding, of all tenants.
drop policy if exists select_worker on app_public.knowledge;
create policy select_worker on app_public.knowledge for select to :WORKER
  using (true);
drop policy if exists update_worker on app_public.knowledge;
create policy update_worker on app_public.knowledge for update to :WORKER
  using (true)
  with check (true);

revoke all on app_public.knowledge from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.knowledge to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
grant insert (tenant_id, id, agent_id, category, content, source, metadata, embedding) on app_public.knowledge
  to :MEMBER, :SERVICE, :ADMIN;
-- Only programs import rows with their history.
grant insert (usage_count, relevance_score, created_at, last_used_at) on app_public.knowledge to :SERVICE, :ADMIN;
-- No update of tenant_id, id or created_at for anybody: keys and creation times do not change.
grant update (agent_id, category, content, source, metadata, embedding) on app_public.knowledge to :MEMBER,
  :SERVICE, :ADMIN;
grant update (usage_count, relevance_score, last_used_at) on app_public.knowledge to :SERVICE, :ADMIN;
grant delete on app_public.knowledge to :MEMBER, :SERVICE, :ADMIN;
-- The search functions and touch_knowledge. They may update nothing else: updates of :SEARCH are not audited.
grant select on app_public.knowledge to :SEARCH;
grant update (usage_count, last_used_at) on app_public.knowledge to :SEARCH;
-- The embedding job. Only it records why an embedding failed.
grant select (tenant_id, id, content, embedding, embedding_error, created_at) on app_public.knowledge to :WORKER;
grant update (embedding, embedding_error) on app_public.knowledge to :WORKER;
-- No truncate for anybody: it ignores tenants.

create or replace trigger _200_keys
  before update of tenant_id, id on app_public.knowledge
  for each row
  when (old.tenant_id is distinct from new.tenant_id or old.id is distinct from new.id)
  execute function app_private.tg__refuse_key_change();

create or replace trigger _200_long_numbers
  before insert or update of metadata on app_public.knowledge
  for each row
  when (app_private.may_print_long(new.metadata))
  execute function app_private.tg__refuse_long_numbers('metadata');

create or replace trigger _500_clear_embedding
  before update of content on app_public.knowledge
  for each row
  when (old.content is distinct from new.content)
  execute function app_private.tg_knowledge__clear_embedding();

-- app_public.touch_knowledge counts uses without a trace: :SEARCH may update the counters and nothing else.
select audit.enable_tracking('app_public.knowledge', digested => '{embedding}', counter => ':SEARCH');
--! EndIncluded knowledge/knowledge.sql
--! Included knowledge/knowledge_match.sql
comment on type app_public.knowledge_match is 'An item of knowledge that a search found, and why.';
comment on column app_public.knowledge_match.id is 'The item''s id.';
comment on column app_public.knowledge_match.agent_id is 'The agent whose knowledge it is.';
comment on column app_public.knowledge_match.category is 'A word to group by.';
comment on column app_public.knowledge_match.content is 'The text itself.';
comment on column app_public.knowledge_match.source is 'Where it comes from.';
comment on column app_public.knowledge_match.metadata is 'Anything else about it.';
comment on column app_public.knowledge_match.usage_count is 'How often it was used.';
comment on column app_public.knowledge_match.relevance_score is 'How useful it proved; 1 is neutral.';
comment on column app_public.knowledge_match.created_at is 'When it was added.';
comment on column app_public.knowledge_match.last_used_at is 'When it was last used.';
comment on column app_public.knowledge_match.score is 'Reciprocal rank fusion of both parts; 1: first in each. Results are in this order.';
comment on column app_public.knowledge_match.similarity is 'By meaning: cosine similarity, -1 to 1; null: the search by meaning did not find it.';
comment on column app_public.knowledge_match.vector_rank is 'By meaning: its rank, from 1.';
comment on column app_public.knowledge_match.text_relevance is 'By words: how well and how densely they match; higher is better. Null: the search by words did not find it.';
comment on column app_public.knowledge_match.text_rank is 'By words: its rank, from 1.';
--! EndIncluded knowledge/knowledge_match.sql

--! Included metrics/metric_changes.sql
comment on table ops.metric_changes is 'Buckets of metrics that have to be rolled up, or rolled up again: a row for each statement that changed one. Until then readers use the finer table.';
comment on column ops.metric_changes.resolution is 'The rollup that lacks the bucket: minute, hour or day.';
comment on column ops.metric_changes.tenant_id is 'The tenant.';
comment on column ops.metric_changes.bucket is 'When the bucket begins.';

alter table ops.metric_changes enable row level security, force row level security;

-- Across tenants

-- tg_metrics__mark_changes adds buckets that have to be rolled up; metric_sources reads them, and compares the tenant itself.
drop policy if exists manage_owner on ops.metric_changes;
create policy manage_owner on ops.metric_changes for all to :OWNER
  using (true)
  with check (true);

-- ops.roll_up_metrics.
drop policy if exists manage_worker on ops.metric_changes;
create policy manage_worker on ops.metric_changes for all to :WORKER
  using (true)
  with check (true);

revoke all on ops.metric_changes from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
-- tg_metrics__mark_changes writes it and metric_sources reads it, as the owner. The worker rolls up the buckets that it names,
-- and adds those that this changes.
grant select, delete on ops.metric_changes to :WORKER;
grant insert (resolution, tenant_id, bucket) on ops.metric_changes to :WORKER;
--! EndIncluded metrics/metric_changes.sql
--! Included metrics/metric_floors.sql
comment on table ops.metric_floors is 'The times before which points are refused, because older points are removed.';
comment on column ops.metric_floors.tenant_id is 'The tenant; null: all tenants.';
comment on column ops.metric_floors.kept_from is 'Points from before this time are refused.';
comment on column ops.metric_floors.closed_to is 'Points from before this time may be removed: all are rolled up, and nobody can add one.';
comment on column ops.metric_floors.moved_by is 'The transaction that moved it: older transactions may not know the new floor.';

alter table ops.metric_floors enable row level security, force row level security;

-- Across tenants

-- ops.move_metric_floors and ops.close_metric_floors keep it as the owner. The functions that record and read points look up
-- the caller's tenant in it; the worker and operators read it.
drop policy if exists manage_owner on ops.metric_floors;
create policy manage_owner on ops.metric_floors for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.metric_floors;
create policy select_operator on ops.metric_floors for select to :OPERATOR
  using (true);
drop policy if exists select_worker on ops.metric_floors;
create policy select_worker on ops.metric_floors for select to :WORKER
  using (true);

revoke all on ops.metric_floors from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.metric_floors to :OPERATOR, :WORKER;
-- No other grant: ops.move_metric_floors and ops.close_metric_floors keep it.
--! EndIncluded metrics/metric_floors.sql
--! Included metrics/metric_rollups.sql
comment on table ops.metric_rollups is 'The rollups of metrics. Whoever makes a rollup locks its row, so that only one does so at a time.';
comment on column ops.metric_rollups.resolution is 'minute, hour or day.';
comment on column ops.metric_rollups.rolled_up_at is 'When it was last checked.';

alter table ops.metric_rollups enable row level security, force row level security;

-- Across tenants

-- ops.roll_up_metrics. It holds nothing of a tenant.
drop policy if exists manage_worker on ops.metric_rollups;
create policy manage_worker on ops.metric_rollups for all to :WORKER
  using (true)
  with check (true);

-- Operators see how far the rollups are.
drop policy if exists select_operator on ops.metric_rollups;
create policy select_operator on ops.metric_rollups for select to :OPERATOR
  using (true);

revoke all on ops.metric_rollups from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
-- Whoever makes a rollup locks its row. It holds no tenant's data.
grant select on ops.metric_rollups to :WORKER, :OPERATOR;
grant update (rolled_up_at) on ops.metric_rollups to :WORKER;
--! EndIncluded metrics/metric_rollups.sql
--! Included metrics/metrics.sql
comment on table app_public.metrics is 'A measurement of a service at a point in time. Partitioned by day; retention removes it.';
comment on column app_public.metrics.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.metrics.id is 'Tells points of the same instant apart.';
comment on column app_public.metrics.service_name is 'The service that measured.';
comment on column app_public.metrics.metric_name is 'What was measured.';
comment on column app_public.metrics.value is 'The value, in the metric''s own unit.';
comment on column app_public.metrics.tags is 'Dimensions to filter and group by: a flat object.';
comment on column app_public.metrics."timestamp" is 'When it was measured.';

comment on constraint metrics_pkey on app_public.metrics is E'@behavior -single -update -delete\nThe tenant, the time and the id identify a row.';
comment on constraint metrics_tenant_id_fkey on app_public.metrics is E'@behavior -*\nA row belongs to a tenant.';

alter table app_public.metrics enable row level security, force row level security;

-- Everybody of a tenant reads its metrics.
drop policy if exists select_tenant on app_public.metrics;
create policy select_tenant on app_public.metrics for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- Programs measure; people do not.
drop policy if exists insert_service on app_public.metrics;
create policy insert_service on app_public.metrics for insert to :SERVICE, :ADMIN
  with check (tenant_id = (select app_private.current_tenant_id()));

-- ops.expire_rows removes expired rows of one tenant at a time: the tenant that the worker names.
drop policy if exists delete_worker on app_public.metrics;
create policy delete_worker on app_public.metrics for delete to :WORKER
  using (tenant_id = (select app_private.retention_tenant_id()));

-- Across tenants

-- ops.roll_up_metrics, which makes rollups for all tenants at once.
drop policy if exists select_worker on app_public.metrics;
create policy select_worker on app_public.metrics for select to :WORKER
  using (true);

revoke all on app_public.metrics from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.metrics to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
-- For ops.roll_up_metrics.
grant select on app_public.metrics to :WORKER;
-- For ops.expire_rows.
grant delete on app_public.metrics to :WORKER;
-- No insert of id: the database sets it. No update and no delete for anybody of a tenant: a measurement stays until it expires.
grant insert (tenant_id, service_name, metric_name, value, tags, "timestamp") on app_public.metrics to :SERVICE, :ADMIN;
-- The partitions have no grants and no policies: nobody but the owner can name one.

-- Postgres makes a partitioned table's row triggers on its partitions too, including those attached later.
create or replace trigger _200_keys
  before update of tenant_id, id, "timestamp" on app_public.metrics
  for each row
  when (
    old.tenant_id is distinct from new.tenant_id
    or old.id is distinct from new.id
    or old."timestamp" is distinct from new."timestamp"
  )
  execute function app_private.tg__refuse_key_change();

create or replace trigger _200_long_numbers
  before insert or update of tags on app_public.metrics
  for each row
  when (app_private.may_print_long(new.tags))
  execute function app_private.tg__refuse_long_numbers('tags');

-- Nobody but the owner may name a partition, so the parent's trigger sees every statement.
create or replace trigger _500_mark_changes
  after insert on app_public.metrics
  referencing new table as new_rows
  for each statement
  execute function app_private.tg_metrics__mark_changes();

-- Thousands of points a call: a row per statement says who wrote how many.
select audit.enable_tracking('app_public.metrics', detail => false);
--! EndIncluded metrics/metrics.sql
--! Included metrics/metrics_day.sql
comment on table app_public.metrics_day is 'The points of a series aggregated by day (of UTC): made by the worker, read by `metric_series` and `metric_percentiles`.';
comment on column app_public.metrics_day.tenant_id is E'@behavior -*\nThe tenant.';
comment on column app_public.metrics_day.service_name is 'The service that measured.';
comment on column app_public.metrics_day.metric_name is 'What was measured.';
comment on column app_public.metrics_day.tags is 'The dimensions of the series.';
comment on column app_public.metrics_day.tags_hash is E'@behavior -*\nDigest of the tags, for the key.';
comment on column app_public.metrics_day.bucket is 'When it begins.';
comment on column app_public.metrics_day.count is 'How many points.';
comment on column app_public.metrics_day.sum is 'Their sum; null: it exceeds a double.';
comment on column app_public.metrics_day.min is 'The smallest value.';
comment on column app_public.metrics_day.max is 'The largest value.';
comment on column app_public.metrics_day.last is 'The value that was measured last.';
comment on column app_public.metrics_day.last_at is 'When that was.';
comment on column app_public.metrics_day.sketch_keys is E'@behavior -*\nThe buckets of the histogram that have values, in order; see the documentation of metrics.';
comment on column app_public.metrics_day.sketch_counts is E'@behavior -*\nHow many values each of them has.';

comment on constraint metrics_day_pkey on app_public.metrics_day is E'@behavior -single -update -delete\nThe tenant, the series and the time identify a row.';
comment on constraint metrics_day_tenant_id_fkey on app_public.metrics_day is E'@behavior -*\nA row belongs to a tenant.';

alter table app_public.metrics_day enable row level security, force row level security;

-- Everybody who reads the points reads their rollups.
drop policy if exists select_tenant on app_public.metrics_day;
create policy select_tenant on app_public.metrics_day for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- ops.expire_rows removes expired rows of one tenant at a time: the tenant that the worker names.
drop policy if exists delete_worker on app_public.metrics_day;
create policy delete_worker on app_public.metrics_day for delete to :WORKER
  using (tenant_id = (select app_private.retention_tenant_id()));

-- Across tenants

-- ops.roll_up_metrics, which makes rollups for all tenants at once.
drop policy if exists select_worker on app_public.metrics_day;
create policy select_worker on app_public.metrics_day for select to :WORKER
  using (true);
drop policy if exists insert_worker on app_public.metrics_day;
create policy insert_worker on app_public.metrics_day for insert to :WORKER
  with check (true);
drop policy if exists update_worker on app_public.metrics_day;
create policy update_worker on app_public.metrics_day for update to :WORKER
  using (true)
  with check (true);

revoke all on app_public.metrics_day from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.metrics_day to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
-- The worker makes a row and makes it anew; nobody of a tenant writes one.
grant select on app_public.metrics_day to :WORKER;
grant insert (
    tenant_id, service_name, metric_name, tags, bucket, count, sum, min, max, last, last_at, sketch_keys, sketch_counts
  ),
  update (count, sum, min, max, last, last_at, sketch_keys, sketch_counts)
  on app_public.metrics_day to :WORKER;
-- For ops.expire_rows.
grant delete on app_public.metrics_day to :WORKER;

select audit.enable_tracking('app_public.metrics_day', detail => false);
--! EndIncluded metrics/metrics_day.sql
--! Included metrics/metrics_hour.sql
comment on table app_public.metrics_hour is 'The points of a series aggregated by hour: made by the worker, read by `metric_series` and `metric_percentiles`.';
comment on column app_public.metrics_hour.tenant_id is E'@behavior -*\nThe tenant.';
comment on column app_public.metrics_hour.service_name is 'The service that measured.';
comment on column app_public.metrics_hour.metric_name is 'What was measured.';
comment on column app_public.metrics_hour.tags is 'The dimensions of the series.';
comment on column app_public.metrics_hour.tags_hash is E'@behavior -*\nDigest of the tags, for the key.';
comment on column app_public.metrics_hour.bucket is 'When it begins.';
comment on column app_public.metrics_hour.count is 'How many points.';
comment on column app_public.metrics_hour.sum is 'Their sum; null: it exceeds a double.';
comment on column app_public.metrics_hour.min is 'The smallest value.';
comment on column app_public.metrics_hour.max is 'The largest value.';
comment on column app_public.metrics_hour.last is 'The value that was measured last.';
comment on column app_public.metrics_hour.last_at is 'When that was.';
comment on column app_public.metrics_hour.sketch_keys is E'@behavior -*\nThe buckets of the histogram that have values, in order; see the documentation of metrics.';
comment on column app_public.metrics_hour.sketch_counts is E'@behavior -*\nHow many values each of them has.';

comment on constraint metrics_hour_pkey on app_public.metrics_hour is E'@behavior -single -update -delete\nThe tenant, the series and the time identify a row.';
comment on constraint metrics_hour_tenant_id_fkey on app_public.metrics_hour is E'@behavior -*\nA row belongs to a tenant.';

alter table app_public.metrics_hour enable row level security, force row level security;

-- Everybody who reads the points reads their rollups.
drop policy if exists select_tenant on app_public.metrics_hour;
create policy select_tenant on app_public.metrics_hour for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- ops.expire_rows removes expired rows of one tenant at a time: the tenant that the worker names.
drop policy if exists delete_worker on app_public.metrics_hour;
create policy delete_worker on app_public.metrics_hour for delete to :WORKER
  using (tenant_id = (select app_private.retention_tenant_id()));

-- Across tenants

-- ops.roll_up_metrics, which makes rollups for all tenants at once.
drop policy if exists select_worker on app_public.metrics_hour;
create policy select_worker on app_public.metrics_hour for select to :WORKER
  using (true);
drop policy if exists insert_worker on app_public.metrics_hour;
create policy insert_worker on app_public.metrics_hour for insert to :WORKER
  with check (true);
drop policy if exists update_worker on app_public.metrics_hour;
create policy update_worker on app_public.metrics_hour for update to :WORKER
  using (true)
  with check (true);

revoke all on app_public.metrics_hour from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.metrics_hour to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
-- The worker makes a row and makes it anew; nobody of a tenant writes one.
grant select on app_public.metrics_hour to :WORKER;
grant insert (
    tenant_id, service_name, metric_name, tags, bucket, count, sum, min, max, last, last_at, sketch_keys, sketch_counts
  ),
  update (count, sum, min, max, last, last_at, sketch_keys, sketch_counts)
  on app_public.metrics_hour to :WORKER;
-- For ops.expire_rows.
grant delete on app_public.metrics_hour to :WORKER;

select audit.enable_tracking('app_public.metrics_hour', detail => false);
--! EndIncluded metrics/metrics_hour.sql
--! Included metrics/metrics_minute.sql
comment on table app_public.metrics_minute is 'The points of a series aggregated by minute: made by the worker, read by `metric_series` and `metric_percentiles`.';
comment on column app_public.metrics_minute.tenant_id is E'@behavior -*\nThe tenant.';
comment on column app_public.metrics_minute.service_name is 'The service that measured.';
comment on column app_public.metrics_minute.metric_name is 'What was measured.';
comment on column app_public.metrics_minute.tags is 'The dimensions of the series.';
comment on column app_public.metrics_minute.tags_hash is E'@behavior -*\nDigest of the tags, for the key.';
comment on column app_public.metrics_minute.bucket is 'When it begins.';
comment on column app_public.metrics_minute.count is 'How many points.';
comment on column app_public.metrics_minute.sum is 'Their sum; null: it exceeds a double.';
comment on column app_public.metrics_minute.min is 'The smallest value.';
comment on column app_public.metrics_minute.max is 'The largest value.';
comment on column app_public.metrics_minute.last is 'The value that was measured last.';
comment on column app_public.metrics_minute.last_at is 'When that was.';
comment on column app_public.metrics_minute.sketch_keys is E'@behavior -*\nThe buckets of the histogram that have values, in order; see the documentation of metrics.';
comment on column app_public.metrics_minute.sketch_counts is E'@behavior -*\nHow many values each of them has.';

comment on constraint metrics_minute_pkey on app_public.metrics_minute is E'@behavior -single -update -delete\nThe tenant, the series and the time identify a row.';
comment on constraint metrics_minute_tenant_id_fkey on app_public.metrics_minute is E'@behavior -*\nA row belongs to a tenant.';

alter table app_public.metrics_minute enable row level security, force row level security;

-- Everybody who reads the points reads their rollups.
drop policy if exists select_tenant on app_public.metrics_minute;
create policy select_tenant on app_public.metrics_minute for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- ops.expire_rows removes expired rows of one tenant at a time: the tenant that the worker names.
drop policy if exists delete_worker on app_public.metrics_minute;
create policy delete_worker on app_public.metrics_minute for delete to :WORKER
  using (tenant_id = (select app_private.retention_tenant_id()));

-- Across tenants

-- ops.roll_up_metrics, which makes rollups for all tenants at once.
drop policy if exists select_worker on app_public.metrics_minute;
create policy select_worker on app_public.metrics_minute for select to :WORKER
  using (true);
drop policy if exists insert_worker on app_public.metrics_minute;
create policy insert_worker on app_public.metrics_minute for insert to :WORKER
  with check (true);
drop policy if exists update_worker on app_public.metrics_minute;
create policy update_worker on app_public.metrics_minute for update to :WORKER
  using (true)
  with check (true);

revoke all on app_public.metrics_minute from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.metrics_minute to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
-- The worker makes a row and makes it anew; nobody of a tenant writes one.
grant select on app_public.metrics_minute to :WORKER;
grant insert (
    tenant_id, service_name, metric_name, tags, bucket, count, sum, min, max, last, last_at, sketch_keys, sketch_counts
  ),
  update (count, sum, min, max, last, last_at, sketch_keys, sketch_counts)
  on app_public.metrics_minute to :WORKER;
-- For ops.expire_rows.
grant delete on app_public.metrics_minute to :WORKER;

-- The worker makes them again and again from the points; a row per statement says so.
select audit.enable_tracking('app_public.metrics_minute', detail => false);
--! EndIncluded metrics/metrics_minute.sql

--! Included sessions/sessions.sql
comment on table app_public.sessions is E'@unique id|@fieldName session|@updateFieldName updateSession|@deleteFieldName deleteSession\nA user''s login session. The token itself is stored nowhere.';
comment on column app_public.sessions.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.sessions.id is 'The session''s id.';
comment on column app_public.sessions.user_id is 'The user whose session it is.';
comment on column app_public.sessions.token is 'SHA-256 of the token, 64 hexadecimal digits. Can be written but never read.';
comment on column app_public.sessions.data is 'What the service keeps in it.';
comment on column app_public.sessions.expires_at is 'When it ends.';
comment on column app_public.sessions.created_at is 'When it was opened.';
comment on column app_public.sessions.role is 'The role of requests with its token: member, service or admin.';
comment on column app_public.sessions.sliding_ttl is 'How long each use prolongs it; null: use does not prolong it.';
comment on column app_public.sessions.ends_at is 'Until when use can prolong it.';

comment on constraint sessions_pkey on app_public.sessions is E'@behavior -single -update -delete\nThe tenant and the id identify a row.';
comment on constraint sessions_tenant_id_fkey on app_public.sessions is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint sessions_token_key on app_public.sessions is E'@behavior -*\nA token opens one session, whatever the tenant. Nobody can look up a session by a digest that they cannot read.';

alter table app_public.sessions enable row level security, force row level security;

-- Services keep the sessions of their tenant's users; administrators look after them.
drop policy if exists select_tenant on app_public.sessions;
create policy select_tenant on app_public.sessions for select to :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()));

-- Services and administrators open sessions: create_session knows the token for a moment and stores its digest. Only an
-- administrator may give the role of one (trigger _200_role).
drop policy if exists insert_service on app_public.sessions;
create policy insert_service on app_public.sessions for insert to :SERVICE, :ADMIN
  with check (tenant_id = (select app_private.current_tenant_id()));

-- They prolong them and keep data in them.
drop policy if exists update_service on app_public.sessions;
create policy update_service on app_public.sessions for update to :SERVICE
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));

-- Services end sessions, and administrators sign users out.
drop policy if exists delete_tenant on app_public.sessions;
create policy delete_tenant on app_public.sessions for delete to :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()));

-- Everybody ends their own sessions: revoke_own_session, which compares the user.
drop policy if exists delete_owner on app_public.sessions;
create policy delete_owner on app_public.sessions for delete to :OWNER
  using (tenant_id = (select app_private.current_tenant_id()));

-- ops.expire_rows removes expired rows of one tenant at a time: the tenant that the worker names.
drop policy if exists select_worker on app_public.sessions;
create policy select_worker on app_public.sessions for select to :WORKER
  using (tenant_id = (select app_private.retention_tenant_id()));
drop policy if exists delete_worker on app_public.sessions;
create policy delete_worker on app_public.sessions for delete to :WORKER
  using (tenant_id = (select app_private.retention_tenant_id()));

-- Across tenants

-- ops.session_claims and validate_session find a session by the digest of its token and prolong it. Only this look-up tells its
-- tenant, so no tenant can be compared before. ops.live_sessions looks up sessions of all tenants at once. own_sessions
-- compares tenant and user itself, the view user_sessions the tenant.
--
-- It has to be `true`. Before the look-up the caller has no tenant, and so no rows. A setting with the wanted digest would not
-- stop anybody who can run a statement as the owner, because they can set anything. A role of its own, like :SEARCH, would
-- have these same two policies. So only migrations and the functions named here run as the owner, and
-- test/db/sessions/sessions.test.ts shows for each that it reveals no session of another tenant.
drop policy if exists select_owner on app_public.sessions;
create policy select_owner on app_public.sessions for select to :OWNER
  using (true);
drop policy if exists update_owner on app_public.sessions;
create policy update_owner on app_public.sessions for update to :OWNER
  using (true)
  with check (true);

revoke all on app_public.sessions from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
-- Never the token, not even its digest: whoever can read it can look for it.
grant select (tenant_id, id, user_id, data, expires_at, created_at, role, sliding_ttl, ends_at)
  on app_public.sessions to :SERVICE, :ADMIN;
grant insert (tenant_id, id, user_id, token, data, expires_at, role, sliding_ttl, ends_at)
  on app_public.sessions to :SERVICE, :ADMIN;
-- Not role: a session keeps what it was opened with.
grant update (data, expires_at) on app_public.sessions to :SERVICE;
grant delete on app_public.sessions to :SERVICE, :ADMIN;
-- For ops.expire_rows, which removes expired sessions. No column that names their user or holds their data.
grant select (tenant_id, id, expires_at), delete on app_public.sessions to :WORKER;

create or replace trigger _200_keys
  before update of tenant_id, id on app_public.sessions
  for each row
  when (old.tenant_id is distinct from new.tenant_id or old.id is distinct from new.id)
  execute function app_private.tg__refuse_key_change();

create or replace trigger _200_role
  before insert or update of role on app_public.sessions
  for each row
  when (new.role = 'admin')
  execute function app_private.tg_sessions__guard_role();

create or replace trigger _200_long_numbers
  before insert or update of data on app_public.sessions
  for each row
  when (app_private.may_print_long(new.data))
  execute function app_private.tg__refuse_long_numbers('data');

select audit.enable_tracking('app_public.sessions', digested => '{token}');
--! EndIncluded sessions/sessions.sql
--! Included sessions/user_sessions.sql
-- The visible part of sessions, without tokens and data. It runs with the owner's rights, so nobody needs rights on the table.
-- The owner's policy lets session look-ups see all tenants, so the view itself confines rows to the caller's tenant, and a
-- barrier keeps a caller's functions from seeing other rows.
create or replace view app_public.user_sessions with (security_barrier) as
select s.tenant_id, s.id, s.user_id, s.expires_at, s.created_at, s.role
from app_public.sessions s
where s.tenant_id = (select app_private.current_tenant_id());

comment on view app_public.user_sessions is E'@primaryKey id|@fieldName userSession\nThe sessions of the tenant''s users, without tokens and data.';
comment on column app_public.user_sessions.tenant_id is E'@behavior -*\nThe tenant.';
comment on column app_public.user_sessions.id is 'The session''s id.';
comment on column app_public.user_sessions.user_id is 'The user whose session it is.';
comment on column app_public.user_sessions.expires_at is 'When it ends.';
comment on column app_public.user_sessions.created_at is 'When it was opened.';
comment on column app_public.user_sessions.role is 'The role of requests with its token.';

revoke all on app_public.user_sessions from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.user_sessions to :SERVICE, :ADMIN, :ANALYST;
--! EndIncluded sessions/user_sessions.sql

--! Included jobs/alerts.sql
comment on table ops.alerts is 'Present and past problems: one open row for each kind and subject. An alert resolves by itself when its problem is over.';
comment on column ops.alerts.id is 'Grows in the order in which alerts were raised.';
comment on column ops.alerts.kind is 'The check that raised it: ops.check_<kind>.';
comment on column ops.alerts.subject is 'What it is about.';
comment on column ops.alerts.severity is 'warning: look at it; error: something that should happen does not.';
comment on column ops.alerts.message is 'What is wrong, in a sentence.';
comment on column ops.alerts.details is 'The same as a JSON object, for programs; no secrets.';
comment on column ops.alerts.raised_at is 'When it was raised.';
comment on column ops.alerts.last_seen_at is 'When the check last found it.';
comment on column ops.alerts.resolved_at is 'When it was resolved; null: it is open.';

alter table ops.alerts enable row level security, force row level security;

-- Across tenants

-- ops.report_alerts keeps it as the owner; operators and the worker read it. It holds nothing of a tenant.
drop policy if exists manage_owner on ops.alerts;
create policy manage_owner on ops.alerts for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.alerts;
create policy select_operator on ops.alerts for select to :OPERATOR
  using (true);
drop policy if exists select_worker on ops.alerts;
create policy select_worker on ops.alerts for select to :WORKER
  using (true);

revoke all on ops.alerts from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.alerts to :OPERATOR, :WORKER;
-- No insert, update or delete for anybody: ops.report_alerts keeps it.
--! EndIncluded jobs/alerts.sql
--! Included jobs/check_dead_jobs.sql
-- Jobs that have used up their attempts. For a scheduled task, the next success of the task clears the alert.
create or replace view ops.check_dead_jobs with (security_barrier) as
select
  j.task as subject,
  'error'::text as severity,
  format(
    '%s %s of %s failed for good, the last with: %s',
    count(*), case when count(*) = 1 then 'job' else 'jobs' end, j.task,
    coalesce((array_agg(j.last_error order by j.id desc))[1], 'its worker was lost')
  ) as message,
  jsonb_build_object('jobs', (array_agg(j.id order by j.id desc))[1:20]) as details
from ops.queued_jobs() j
where j.locked_at is null and j.attempts >= j.max_attempts
  and not exists (
    select
    from ops.job_tasks t
    join ops.job_runs r on r.task = t.task and r.outcome = 'succeeded' and r.started_at > j.due_at
    where t.task = j.task and t.every is not null
  )
group by j.task;

comment on view ops.check_dead_jobs is 'A check of ops.check_alerts. Jobs that failed for good.';
comment on column ops.check_dead_jobs.subject is 'What it is about.';
comment on column ops.check_dead_jobs.severity is 'warning or error.';
comment on column ops.check_dead_jobs.message is 'What is wrong, in a sentence.';
comment on column ops.check_dead_jobs.details is 'The same as JSON, for programs.';

revoke all on ops.check_dead_jobs from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.check_dead_jobs to :OPERATOR, :WORKER;
--! EndIncluded jobs/check_dead_jobs.sql
--! Included jobs/check_late_jobs.sql
-- Scheduled jobs that have not succeeded for one and a quarter of their interval plus ten minutes. When the workers start, they
-- get an interval again, a day at most: without a worker nothing could succeed.
create or replace view ops.check_late_jobs with (security_barrier) as
select
  t.task as subject,
  'error'::text as severity,
  format(
    '%s should succeed every %s and has not since %s%s',
    t.task, t.every, to_char(coalesce(l.succeeded_at, t.known_since) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
    coalesce('; the last failure: ' || f.error, '')
  ) as message,
  jsonb_build_object('last_success', l.succeeded_at) as details
from ops.job_tasks t
cross join lateral (
  select max(r.finished_at) as succeeded_at from ops.job_runs r where r.task = t.task and r.outcome = 'succeeded'
) l
left join lateral (
  select r.error
  from ops.job_runs r
  where r.task = t.task and r.outcome in ('failed', 'abandoned') and r.finished_at > coalesce(l.succeeded_at, t.known_since)
  order by r.started_at desc
  limit 1
) f on true
cross join lateral (
  select min(w.started_at) as working_since from ops.workers w where w.stopped_at is null and w.lost_at is null
) w
where clock_timestamp() > greatest(
  coalesce(l.succeeded_at, t.known_since) + t.every * 1.25,
  w.working_since + least(t.every, interval '1 day')
) + interval '10 minutes';

comment on view ops.check_late_jobs is 'A check of ops.check_alerts. Scheduled jobs that have not succeeded in time.';
comment on column ops.check_late_jobs.subject is 'What it is about.';
comment on column ops.check_late_jobs.severity is 'warning or error.';
comment on column ops.check_late_jobs.message is 'What is wrong, in a sentence.';
comment on column ops.check_late_jobs.details is 'The same as JSON, for programs.';

revoke all on ops.check_late_jobs from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.check_late_jobs to :OPERATOR, :WORKER;
--! EndIncluded jobs/check_late_jobs.sql
--! Included jobs/check_lost_workers.sql
-- Workers that were taken for dead in the last hour. Others have their jobs now, but somebody may want to know why they died.
create or replace view ops.check_lost_workers with (security_barrier) as
select
  w.id as subject,
  'warning'::text as severity,
  format(
    'worker %s (process %s on %s) was last seen at %s; its jobs were given to others',
    w.id, w.pid, w.host, to_char(w.seen_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
  ) as message,
  jsonb_build_object('host', w.host, 'pid', w.pid, 'seen_at', w.seen_at) as details
from ops.workers w
where w.lost_at > clock_timestamp() - interval '1 hour';

comment on view ops.check_lost_workers is 'A check of ops.check_alerts. Workers that were taken for dead in the last hour.';
comment on column ops.check_lost_workers.subject is 'What it is about.';
comment on column ops.check_lost_workers.severity is 'warning or error.';
comment on column ops.check_lost_workers.message is 'What is wrong, in a sentence.';
comment on column ops.check_lost_workers.details is 'The same as JSON, for programs.';

revoke all on ops.check_lost_workers from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.check_lost_workers to :OPERATOR, :WORKER;
--! EndIncluded jobs/check_lost_workers.sql
--! Included jobs/check_quarantined_items.sql
-- Items that a job has set aside, a row for each job and tenant. The job goes on with the items of the other tenants.
create or replace view ops.check_quarantined_items with (security_barrier) as
select
  format('%s of tenant %s', q.task, q.tenant_id) as subject,
  'error'::text as severity,
  format(
    '%s has set aside %s of tenant %s since %s: %s failed with %s: %s', q.task,
    case when count(*) = 1 then 'an item' else count(*) || ' items' end, q.tenant_id,
    to_char(min(q.first_failed_at) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
    (array_agg(q.item order by q.last_failed_at desc))[1], (array_agg(q.code order by q.last_failed_at desc))[1],
    (array_agg(q.reason order by q.last_failed_at desc))[1]
  ) as message,
  jsonb_build_object(
    'task', q.task, 'tenant', q.tenant_id, 'count', count(*), 'items',
    to_jsonb((array_agg(q.item order by q.last_failed_at desc))[1:20])
  ) as details
from ops.quarantined_items q
group by q.task, q.tenant_id;

comment on view ops.check_quarantined_items is 'A check of ops.check_alerts. Items that jobs have set aside, by task and tenant.';
comment on column ops.check_quarantined_items.subject is 'What it is about.';
comment on column ops.check_quarantined_items.severity is 'warning or error.';
comment on column ops.check_quarantined_items.message is 'What is wrong, in a sentence.';
comment on column ops.check_quarantined_items.details is 'The same as JSON, for programs.';

revoke all on ops.check_quarantined_items from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.check_quarantined_items to :OPERATOR, :WORKER;
--! EndIncluded jobs/check_quarantined_items.sql
--! Included jobs/jobs.sql
-- The queue of jobs, readable. It lacks jobs that are done, whose outcome is in ops.job_runs, and payloads, which may hold data
-- that operators must not see.
create or replace view ops.jobs with (security_barrier) as
select
  j.id,
  j.task,
  case
    when j.locked_at is not null then 'running'
    when j.attempts >= j.max_attempts then 'failed'
    else 'waiting'
  end as state,
  j.due_at,
  j.attempts,
  j.max_attempts,
  j.last_error,
  j.created_at,
  j.locked_at as running_since,
  j.worker,
  r.progress,
  r.note
from ops.queued_jobs() j
left join ops.job_runs r on r.job_id = j.id and r.outcome = 'running';

comment on view ops.jobs is 'The queue of jobs, without payloads and without jobs that are done.';
comment on column ops.jobs.id is 'The id of the job in graphile-worker.';
comment on column ops.jobs.task is 'The task that it runs.';
comment on column ops.jobs.state is 'waiting, running, or failed: its attempts are used up.';
comment on column ops.jobs.due_at is 'When it may run, or run again.';
comment on column ops.jobs.attempts is 'How often it has begun.';
comment on column ops.jobs.max_attempts is 'How often it may begin.';
comment on column ops.jobs.last_error is 'Why the last attempt failed.';
comment on column ops.jobs.created_at is 'When it came into the queue.';
comment on column ops.jobs.running_since is 'When the current attempt began.';
comment on column ops.jobs.worker is 'The worker that runs it; ops.workers says where.';
comment on column ops.jobs.progress is 'How much of the current attempt is done, from 0 to 1.';
comment on column ops.jobs.note is 'What it is doing.';

revoke all on ops.jobs from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.jobs to :OPERATOR, :WORKER;
--! EndIncluded jobs/jobs.sql
--! Included jobs/running.sql
-- The current runs. A run whose process died stays here until its lease is over, a minute at most.
create or replace view ops.running with (security_barrier) as
select
  r.id,
  r.task,
  r.details,
  r.progress,
  r.note,
  r.started_at,
  date_trunc('second', clock_timestamp() - r.started_at) as running_for,
  r.updated_at,
  r.worker,
  coalesce(w.host || ':' || w.pid, r.worker) as process,
  r.job_id
from ops.job_runs r
left join ops.workers w on w.id = r.worker
where r.outcome = 'running' and r.lease_until > clock_timestamp();

comment on view ops.running is 'The current runs: since when, how far and where.';
comment on column ops.running.id is 'The run in ops.job_runs.';
comment on column ops.running.task is 'The task that it runs.';
comment on column ops.running.details is 'Its parameters.';
comment on column ops.running.progress is 'How much is done, from 0 to 1; null: unknown.';
comment on column ops.running.note is 'What it is doing.';
comment on column ops.running.started_at is 'When it began.';
comment on column ops.running.running_for is 'How long it has been running.';
comment on column ops.running.updated_at is 'When its process last reported.';
comment on column ops.running.worker is 'The id of a worker, or host:pid of a command.';
comment on column ops.running.process is 'host:pid.';
comment on column ops.running.job_id is 'Its job in ops.jobs; null: a command.';

revoke all on ops.running from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.running to :OPERATOR, :WORKER;
--! EndIncluded jobs/running.sql
--! Included jobs/check_stuck_runs.sql
-- Runs that take longer than they should: a warning while they report progress, an error when they have reported nothing new
-- for ten minutes. A command that is not a task may take an hour.
create or replace view ops.check_stuck_runs with (security_barrier) as
select
  format('%s, run %s', r.task, r.id) as subject,
  case
    when coalesce(r.progressed_at, r.started_at) < clock_timestamp() - interval '10 minutes' then 'error'
    else 'warning'
  end as severity,
  format(
    '%s has been running since %s on %s and should take at most %s; its last report: %s',
    r.task, to_char(r.started_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), r.process,
    coalesce(t.expected, interval '1 hour'), coalesce(r.note, round((r.progress * 100)::numeric) || ' %', 'none')
  ) as message,
  jsonb_build_object('run', r.id, 'task', r.task, 'worker', r.worker, 'progress', r.progress) as details
from (
  select r.*, u.process from ops.running u join ops.job_runs r on r.id = u.id
) r
left join ops.job_tasks t on t.task = r.task
where r.started_at + coalesce(t.expected, interval '1 hour') < clock_timestamp();

comment on view ops.check_stuck_runs is 'A check of ops.check_alerts. Runs that take longer than they should.';
comment on column ops.check_stuck_runs.subject is 'What it is about.';
comment on column ops.check_stuck_runs.severity is 'warning or error.';
comment on column ops.check_stuck_runs.message is 'What is wrong, in a sentence.';
comment on column ops.check_stuck_runs.details is 'The same as JSON, for programs.';

revoke all on ops.check_stuck_runs from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.check_stuck_runs to :OPERATOR, :WORKER;
--! EndIncluded jobs/check_stuck_runs.sql
--! Included jobs/job_runs.sql
comment on table ops.job_runs is 'Runs of jobs, by the worker or by a command: their progress and their outcome. Of runs that had nothing to do, only the newest of each task is kept.';
comment on column ops.job_runs.id is 'Grows in the order in which runs began.';
comment on column ops.job_runs.task is 'The task that it runs.';
comment on column ops.job_runs.details is 'Its parameters, as an object; no secrets.';
comment on column ops.job_runs.worker is 'The process that runs it: the id of a worker, or host:pid of a command.';
comment on column ops.job_runs.job_id is 'The job of graphile-worker; null: a command.';
comment on column ops.job_runs.lock is 'At most one running run has this name; null: any number may run.';
comment on column ops.job_runs.outcome is 'running, succeeded, failed, or abandoned: its process did not report in time.';
comment on column ops.job_runs.progress is 'How much is done, from 0 to 1; null: unknown.';
comment on column ops.job_runs.note is 'What it is doing, or what it did; a sentence.';
comment on column ops.job_runs.error is 'Why it did not succeed.';
comment on column ops.job_runs.idle is 'Whether it succeeded because it had nothing to do.';
comment on column ops.job_runs.started_at is 'When it began.';
comment on column ops.job_runs.updated_at is 'When its process last reported.';
comment on column ops.job_runs.progressed_at is 'When it last reported something new; null: not yet.';
comment on column ops.job_runs.lease_until is 'When it is taken for dead, unless its process reports before.';
comment on column ops.job_runs.finished_at is 'When it ended; null: it is running.';

alter table ops.job_runs enable row level security, force row level security;

-- Across tenants

-- ops.begin_run, ops.renew_run, ops.end_run and ops.abandon_runs keep it as the owner; operators and the worker read
-- it. It holds nothing of a tenant.
drop policy if exists manage_owner on ops.job_runs;
create policy manage_owner on ops.job_runs for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.job_runs;
create policy select_operator on ops.job_runs for select to :OPERATOR
  using (true);
drop policy if exists select_worker on ops.job_runs;
create policy select_worker on ops.job_runs for select to :WORKER
  using (true);

revoke all on ops.job_runs from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.job_runs to :OPERATOR, :WORKER;
-- No insert, update or delete for anybody: ops.begin_run and its like keep it.
--! EndIncluded jobs/job_runs.sql
--! Included jobs/job_tasks.sql
comment on table ops.job_tasks is 'The tasks that the workers know, and their schedules (UTC).';
comment on column ops.job_tasks.task is 'Its name.';
comment on column ops.job_tasks.does is 'What it is for.';
comment on column ops.job_tasks.schedule is 'Its crontab pattern; null: it is not scheduled.';
comment on column ops.job_tasks.every is 'The longest time between two of its runs; null: it is not scheduled.';
comment on column ops.job_tasks.expected is 'How long a run may take; a longer one raises an alert.';
comment on column ops.job_tasks.known_since is 'When a worker first reported that it knows the task.';

alter table ops.job_tasks enable row level security, force row level security;

-- Across tenants

-- ops.set_job_tasks keeps it as the owner; operators and the worker read it. It holds nothing of a tenant.
drop policy if exists manage_owner on ops.job_tasks;
create policy manage_owner on ops.job_tasks for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.job_tasks;
create policy select_operator on ops.job_tasks for select to :OPERATOR
  using (true);
drop policy if exists select_worker on ops.job_tasks;
create policy select_worker on ops.job_tasks for select to :WORKER
  using (true);

revoke all on ops.job_tasks from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.job_tasks to :OPERATOR, :WORKER;
-- No insert, update or delete for anybody: ops.set_job_tasks keeps it.
--! EndIncluded jobs/job_tasks.sql
--! Included jobs/quarantined_items.sql
comment on table ops.quarantined_items is 'Items of single tenants that jobs set aside, to go on with the other items. Each is tried again with growing pauses, and forgotten once it no longer fails.';
comment on column ops.quarantined_items.task is 'The task that it failed in; reap_leases is the search for expired leases, every five seconds.';
comment on column ops.quarantined_items.tenant_id is 'The tenant whose item it is.';
comment on column ops.quarantined_items.item is 'Its name in the task''s terms: a bucket of a rollup, the id of a task, a workflow or knowledge, a policy of retention.';
comment on column ops.quarantined_items.code is 'The SQLSTATE of its last error, or another word for its kind.';
comment on column ops.quarantined_items.reason is 'The message of its last error, 1,000 characters at most.';
comment on column ops.quarantined_items.failures is 'How often it failed.';
comment on column ops.quarantined_items.first_failed_at is 'When it failed first.';
comment on column ops.quarantined_items.last_failed_at is 'When it failed last.';
comment on column ops.quarantined_items.retry_at is 'When it is tried again.';

alter table ops.quarantined_items enable row level security, force row level security;

-- Across tenants

-- ops.quarantine_item and ops.release_items, which jobs call, keep it as the owner; operators and the check of alerts
-- read the items of all tenants.
drop policy if exists manage_owner on ops.quarantined_items;
create policy manage_owner on ops.quarantined_items for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.quarantined_items;
create policy select_operator on ops.quarantined_items for select to :OPERATOR
  using (true);
drop policy if exists select_worker on ops.quarantined_items;
create policy select_worker on ops.quarantined_items for select to :WORKER
  using (true);

revoke all on ops.quarantined_items from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.quarantined_items to :OPERATOR, :WORKER;
-- No insert, update or delete for anybody: ops.quarantine_item and ops.release_items keep it.
--! EndIncluded jobs/quarantined_items.sql
--! Included jobs/workers.sql
comment on table ops.workers is 'Processes that work on jobs, by the id under which graphile-worker locks jobs for them.';
comment on column ops.workers.id is 'The id of the pool.';
comment on column ops.workers.host is 'The machine that it runs on.';
comment on column ops.workers.pid is 'The id of its process there.';
comment on column ops.workers.version is 'The version of this project that it runs.';
comment on column ops.workers.started_at is 'When it began.';
comment on column ops.workers.seen_at is 'When it last reported that it lives, which it does every 15 seconds.';
comment on column ops.workers.stopped_at is 'When it ended as it should; null: it lives, or it died.';
comment on column ops.workers.lost_at is 'When it was taken for dead; null: never.';

alter table ops.workers enable row level security, force row level security;

-- Across tenants

-- ops.see_worker, ops.stop_worker and ops.lose_workers keep it as the owner; operators and the worker read it. It holds
-- nothing of a tenant.
drop policy if exists manage_owner on ops.workers;
create policy manage_owner on ops.workers for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.workers;
create policy select_operator on ops.workers for select to :OPERATOR
  using (true);
drop policy if exists select_worker on ops.workers;
create policy select_worker on ops.workers for select to :WORKER
  using (true);

revoke all on ops.workers from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.workers to :OPERATOR, :WORKER;
-- No insert, update or delete for anybody: ops.see_worker, ops.stop_worker and ops.lose_workers keep it.
--! EndIncluded jobs/workers.sql

--! Included retention/check_partition_horizon.sql
-- Tables partitioned by time whose partitions end soon: without the next partition, writes are refused. ensure_partitions stays
-- at least two weeks ahead, so less than one week means that it fails.
create or replace view ops.check_partition_horizon with (security_barrier) as
select
  p.name as subject,
  case when p.until > clock_timestamp() + interval '2 days' then 'warning' else 'error' end as severity,
  case
    when p.until is null then format('%s has no partition for the current time: writes are refused', p.name)
    else format('%s has partitions until %s only', p.name, to_char(p.until at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
  end as message,
  jsonb_build_object('until', p.until) as details
from (
  select
    format('%s.%s', n.nspname, c.relname) as name,
    (
      select upper(r)
      from unnest(app_private.partition_ranges(c.oid)) r
      where r @> clock_timestamp()
    ) as until
  from pg_partitioned_table t
  join pg_class c on c.oid = t.partrelid
  join pg_namespace n on n.oid = c.relnamespace
  join pg_attribute a on a.attrelid = c.oid and a.attnum = t.partattrs[0]
  where t.partstrat = 'r' and t.partnatts = 1 and a.atttypid = 'timestamptz'::regtype
    and n.nspname in ('app_public', 'app_private', 'audit', 'ops')
) p
where p.until is null or p.until < clock_timestamp() + interval '7 days';

comment on view ops.check_partition_horizon is 'A check of ops.check_alerts. Tables whose partitions end within a week.';
comment on column ops.check_partition_horizon.subject is 'What it is about.';
comment on column ops.check_partition_horizon.severity is 'warning or error.';
comment on column ops.check_partition_horizon.message is 'What is wrong, in a sentence.';
comment on column ops.check_partition_horizon.details is 'The same as JSON, for programs.';

revoke all on ops.check_partition_horizon from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.check_partition_horizon to :OPERATOR, :WORKER;
--! EndIncluded retention/check_partition_horizon.sql
--! Included retention/partition_horizons.sql
-- How far ahead partitions exist. There is a default partition nowhere, so a row beyond them is refused: too few are an alarm.
create or replace view ops.partition_horizons with (security_barrier) as
select
  p.parent,
  h.reaches_to,
  h.reaches_to - now() as ahead,
  p.needed,
  coalesce(h.reaches_to < now() + p.needed, true) as short
from (
  -- Names apart from the tables that they mean: callers need not see into the schemas.
  values ('app_public.metrics', 'app_public.metrics'::regclass, interval '3 days'),
    ('app_public.metrics_minute', 'app_public.metrics_minute', interval '3 days'),
    ('app_public.metrics_hour', 'app_public.metrics_hour', interval '3 days'),
    ('audit.log', 'audit.log', interval '14 days')
) p(parent, relation, needed)
-- The end of the unbroken range of partitions that contains now.
left join lateral (
  select upper(r.range) as reaches_to
  from unnest(app_private.partition_ranges(p.relation)) r(range)
  where r.range @> now()
) h on true;

comment on view ops.partition_horizons is 'How far ahead partitions exist. `short` is an alarm: rows beyond them are refused.';
comment on column ops.partition_horizons.parent is 'The table.';
comment on column ops.partition_horizons.reaches_to is 'The end of the last partition in the unbroken row from now on.';
comment on column ops.partition_horizons.ahead is 'How far ahead that is.';
comment on column ops.partition_horizons.needed is 'How far ahead it has to be.';
comment on column ops.partition_horizons.short is 'Whether it is less far ahead than needed.';

revoke all on ops.partition_horizons from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.partition_horizons to :OPERATOR, :WORKER;
--! EndIncluded retention/partition_horizons.sql
--! Included retention/removal_waits.sql
-- The sessions that the removal of a partition waits for, as a view for those who would rather not call a function.
create or replace view ops.removal_waits with (security_barrier) as
select w.partition, w.waiting_since, w.pid, w.login, w.application, w.transaction_since, w.query_since
from ops.partition_waits() w;

comment on view ops.removal_waits is 'The sessions that the removal of a partition waits for, longest first.';
comment on column ops.removal_waits.partition is 'The partition that is to be removed.';
comment on column ops.removal_waits.waiting_since is 'When the removal began.';
comment on column ops.removal_waits.pid is 'The process of the session that it waits for.';
comment on column ops.removal_waits.login is 'The login of that session.';
comment on column ops.removal_waits.application is 'The application_name of that session.';
comment on column ops.removal_waits.transaction_since is 'When its transaction began.';
comment on column ops.removal_waits.query_since is 'When its statement began.';

revoke all on ops.removal_waits from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.removal_waits to :OPERATOR, :WORKER;
--! EndIncluded retention/removal_waits.sql
--! Included retention/partition_removals.sql
comment on table ops.partition_removals is 'Partitions whose removal has begun but not ended.';
comment on column ops.partition_removals.partition is 'Its name, with its schema.';
comment on column ops.partition_removals.parent is 'The table that it belongs to or did before it was detached.';
comment on column ops.partition_removals.policy is 'The policy by which it is removed.';
comment on column ops.partition_removals.held is 'The times that it holds.';
comment on column ops.partition_removals.rows_by_tenant is 'How many rows of each tenant it has.';
comment on column ops.partition_removals.began_at is 'When the removal began.';
comment on column ops.partition_removals.tried_at is 'When it was last tried.';
comment on column ops.partition_removals.problem is 'The obstacle at that try; ops.removal_waits names the sessions.';

alter table ops.partition_removals enable row level security, force row level security;

-- Across tenants

-- ops.drop_partition ends a removal and ops.removable_partitions reads the current ones, as the owner; the worker and operators
-- read it. A partition holds rows of all tenants.
drop policy if exists manage_owner on ops.partition_removals;
create policy manage_owner on ops.partition_removals for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.partition_removals;
create policy select_operator on ops.partition_removals for select to :OPERATOR
  using (true);
drop policy if exists select_worker on ops.partition_removals;
create policy select_worker on ops.partition_removals for select to :WORKER
  using (true);

-- ops.begin_partition_removal.
drop policy if exists insert_worker on ops.partition_removals;
create policy insert_worker on ops.partition_removals for insert to :WORKER
  with check (true);
drop policy if exists update_worker on ops.partition_removals;
create policy update_worker on ops.partition_removals for update to :WORKER
  using (true)
  with check (true);

revoke all on ops.partition_removals from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.partition_removals to :OPERATOR, :WORKER;
-- The worker records a removal that it begins, and its obstacles; ops.drop_partition ends it.
grant insert (partition, parent, policy, held, rows_by_tenant), update (tried_at, problem) on ops.partition_removals to :WORKER;
--! EndIncluded retention/partition_removals.sql
--! Included retention/retention_holds.sql
comment on table ops.retention_holds is 'Data that stays whatever its age: imported history that the operator has not released, a dispute.';
comment on column ops.retention_holds.id is 'The id of the hold.';
comment on column ops.retention_holds.policy is 'The policy that the data is exempt from.';
comment on column ops.retention_holds.tenant_id is 'The tenant; null: all tenants.';
comment on column ops.retention_holds.held is 'The time of the data.';
comment on column ops.retention_holds.reason is 'The reason, for whoever wants to remove it.';
comment on column ops.retention_holds.created_at is 'When it was made.';

alter table ops.retention_holds enable row level security, force row level security;

-- Across tenants

-- ops.removable_partitions and ops.retention_cutoffs read it as the owner; the worker and operators read the holds.
drop policy if exists manage_owner on ops.retention_holds;
create policy manage_owner on ops.retention_holds for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.retention_holds;
create policy select_operator on ops.retention_holds for select to :OPERATOR
  using (true);
drop policy if exists select_worker on ops.retention_holds;
create policy select_worker on ops.retention_holds for select to :WORKER
  using (true);

-- Operators make and remove holds.
drop policy if exists insert_operator on ops.retention_holds;
create policy insert_operator on ops.retention_holds for insert to :OPERATOR
  with check (true);
drop policy if exists delete_operator on ops.retention_holds;
create policy delete_operator on ops.retention_holds for delete to :OPERATOR
  using (true);

revoke all on ops.retention_holds from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.retention_holds to :OPERATOR, :WORKER;
-- Operators make holds, and remove them.
grant insert (policy, tenant_id, held, reason) on ops.retention_holds to :OPERATOR;
grant delete on ops.retention_holds to :OPERATOR;
--! EndIncluded retention/retention_holds.sql
--! Included retention/retention_overrides.sql
comment on table ops.retention_overrides is 'The retention of single tenants, where it differs from that of all.';
comment on column ops.retention_overrides.policy is 'The policy.';
comment on column ops.retention_overrides.tenant_id is 'The tenant.';
comment on column ops.retention_overrides.keep is 'How long it is kept; null: forever.';

alter table ops.retention_overrides enable row level security, force row level security;

-- Across tenants

-- ops.set_retention and ops.reset_retention change it as the owner; the worker and operators read it.
drop policy if exists manage_owner on ops.retention_overrides;
create policy manage_owner on ops.retention_overrides for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.retention_overrides;
create policy select_operator on ops.retention_overrides for select to :OPERATOR
  using (true);
drop policy if exists select_worker on ops.retention_overrides;
create policy select_worker on ops.retention_overrides for select to :WORKER
  using (true);

revoke all on ops.retention_overrides from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.retention_overrides to :OPERATOR, :WORKER;
-- No other grant: ops.set_retention and ops.reset_retention change it.
--! EndIncluded retention/retention_overrides.sql
--! Included retention/retention_policies.sql
comment on table ops.retention_policies is 'How long data is kept. ops.set_retention changes it.';
comment on column ops.retention_policies.policy is 'The name of the policy.';
comment on column ops.retention_policies.description is 'The data that it covers.';
comment on column ops.retention_policies.keep is 'How long it is kept; null: forever.';
comment on column ops.retention_policies.by_tenant is 'Whether it covers data of tenants, each of which may have its own.';

alter table ops.retention_policies enable row level security, force row level security;

-- Across tenants

-- ops.set_retention changes it as the owner; the worker and operators read it. It holds nothing of a tenant.
drop policy if exists manage_owner on ops.retention_policies;
create policy manage_owner on ops.retention_policies for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.retention_policies;
create policy select_operator on ops.retention_policies for select to :OPERATOR
  using (true);
drop policy if exists select_worker on ops.retention_policies;
create policy select_worker on ops.retention_policies for select to :WORKER
  using (true);

revoke all on ops.retention_policies from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.retention_policies to :OPERATOR, :WORKER;
-- No other grant: ops.set_retention changes it, and checks its arguments.
--! EndIncluded retention/retention_policies.sql
--! Included retention/retention_receipts.sql
comment on table ops.retention_receipts is 'Removed data, by policy.';
comment on column ops.retention_receipts.id is 'The id of the receipt.';
comment on column ops.retention_receipts.at is 'When the last of it was removed.';
comment on column ops.retention_receipts.policy is 'The policy.';
comment on column ops.retention_receipts.tenant_id is 'The tenant whose data it was; null: no tenant''s.';
comment on column ops.retention_receipts.older_than is 'The data was older than this.';
comment on column ops.retention_receipts.partition is 'The partition that was dropped; null: rows were deleted.';
comment on column ops.retention_receipts.row_count is 'How many rows were removed.';
comment on column ops.retention_receipts.bytes is 'The disk space of the partition, the tenant''s share by its rows; null for deleted rows, whose space is used again.';

alter table ops.retention_receipts enable row level security, force row level security;

-- Across tenants

-- ops.drop_partition writes receipts as the owner; the worker and operators read those of all tenants.
drop policy if exists manage_owner on ops.retention_receipts;
create policy manage_owner on ops.retention_receipts for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.retention_receipts;
create policy select_operator on ops.retention_receipts for select to :OPERATOR
  using (true);
drop policy if exists select_worker on ops.retention_receipts;
create policy select_worker on ops.retention_receipts for select to :WORKER
  using (true);

-- ops.expire_rows, which adds to the receipt of its run.
drop policy if exists insert_worker on ops.retention_receipts;
create policy insert_worker on ops.retention_receipts for insert to :WORKER
  with check (true);
drop policy if exists update_worker on ops.retention_receipts;
create policy update_worker on ops.retention_receipts for update to :WORKER
  using (true)
  with check (true);

revoke all on ops.retention_receipts from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.retention_receipts to :OPERATOR, :WORKER;
-- A receipt grows with the batches of its run, and is never removed.
grant insert (policy, tenant_id, older_than, row_count), update (at, row_count) on ops.retention_receipts to :WORKER;
--! EndIncluded retention/retention_receipts.sql

--! Included backup/backups.sql
comment on table ops.backups is 'The backups that the store holds or has held: a copy of its manifests, for queries in SQL. The store is authoritative.';
comment on column ops.backups.id is 'Its name; names sort by time.';
comment on column ops.backups.kind is 'full, incremental or snapshot.';
comment on column ops.backups.parent_id is 'The backup that it builds on; null for a full one.';
comment on column ops.backups.started_at is 'When it began, by the server''s clock.';
comment on column ops.backups.ended_at is 'When it ended: the first moment that it can be restored to.';
comment on column ops.backups.objects is 'How many objects it has in the store.';
comment on column ops.backups.bytes is 'The size of their content.';
comment on column ops.backups.stored_bytes is 'Their size in the store.';
comment on column ops.backups.manifest_sha256 is 'SHA-256 of its manifest when it was first recorded: if the store has another, it was changed.';
comment on column ops.backups.server is 'Its place in the server''s WAL; null for an embedded database.';
comment on column ops.backups.recorded_at is 'When it was first seen in the store.';
comment on column ops.backups.removed_at is 'When it was first missing from the store; null: it is there.';

alter table ops.backups enable row level security, force row level security;

-- Across tenants

-- ops.record_backups keeps it as the owner; operators' views and the worker's checks read it. It holds nothing of a
-- tenant.
drop policy if exists manage_owner on ops.backups;
create policy manage_owner on ops.backups for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.backups;
create policy select_operator on ops.backups for select to :OPERATOR
  using (true);
drop policy if exists select_worker on ops.backups;
create policy select_worker on ops.backups for select to :WORKER
  using (true);

revoke all on ops.backups from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.backups to :OPERATOR, :WORKER;
-- No insert, update or delete for anybody: ops.record_backups keeps it.
--! EndIncluded backup/backups.sql
--! Included backup/check_backups.sql
-- A backup that should exist and does not. Workers with configured backups record when one is due, and the store says which
-- exist, so the alert comes even if the job succeeded but its backup is gone. It waits for a backup that is being made, and for
-- the first look of a worker that has just started.
create or replace view ops.check_backups with (security_barrier) as
select
  'backups'::text as subject,
  'error'::text as severity,
  case
    when b.recorded = 0 then 'no backup was ever made: lightning backup makes one now, and says why when it cannot'
    when b.newest is null then 'no backup is left in the store: lightning backup --full makes one now'
    else format(
      'the newest backup ended at %s, and one is due every %s: lightning backup makes one now',
      to_char(b.newest at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), t.every
    )
  end as message,
  jsonb_build_object('newest', b.newest) as details
from ops.job_tasks t
cross join (
  select max(k.ended_at) filter (where k.removed_at is null) as newest, count(*) as recorded
  from ops.backups k
) b
cross join lateral (
  select min(w.started_at) as working_since from ops.workers w where w.stopped_at is null and w.lost_at is null
) w
where t.task = 'back_up' and t.every is not null
  and (b.newest is null or clock_timestamp() > b.newest + t.every * 1.25 + interval '10 minutes')
  and clock_timestamp() > coalesce(w.working_since, '-infinity') + interval '30 seconds'
  and not exists (select from ops.job_runs r where r.task = 'back_up' and r.outcome = 'running');

comment on view ops.check_backups is 'A check of ops.check_alerts. A backup that should exist and does not.';
comment on column ops.check_backups.subject is 'What it is about.';
comment on column ops.check_backups.severity is 'warning or error.';
comment on column ops.check_backups.message is 'What is wrong, in a sentence.';
comment on column ops.check_backups.details is 'The same as JSON, for programs.';

revoke all on ops.check_backups from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.check_backups to :OPERATOR, :WORKER;
--! EndIncluded backup/check_backups.sql
--! Included backup/check_drills.sql
-- Backups that the newest drill could not restore.
create or replace view ops.check_drills with (security_barrier) as
select
  'backups'::text as subject,
  'error'::text as severity,
  format(
    'the drill of %s did not pass: %s',
    to_char(d.started_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), array_to_string(d.problems[1:3], '; ')
  ) as message,
  jsonb_build_object('drill', d.id, 'backups', to_jsonb(d.backups), 'problems', to_jsonb(d.problems)) as details
from (select * from ops.drills order by id desc limit 1) d
where not d.passed;

comment on view ops.check_drills is 'A check of ops.check_alerts. Backups that the newest drill could not restore.';
comment on column ops.check_drills.subject is 'What it is about.';
comment on column ops.check_drills.severity is 'warning or error.';
comment on column ops.check_drills.message is 'What is wrong, in a sentence.';
comment on column ops.check_drills.details is 'The same as JSON, for programs.';

revoke all on ops.check_drills from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.check_drills to :OPERATOR, :WORKER;
--! EndIncluded backup/check_drills.sql
--! Included backup/check_wal_receivers.sql
-- WAL that no worker receives: the server keeps it until its disk fills, or gives up the slot, which leaves a gap.
create or replace view ops.check_wal_receivers with (security_barrier) as
select
  r.slot as subject,
  case when r.wal_status = 'lost' or r.kept_bytes > 4294967296 or r.safe_bytes < 1073741824 then 'error' else 'warning' end
    as severity,
  case
    when r.wal_status = 'lost' then
      format('the server gave up slot %s and WAL is missing: make a full backup (lightning backup --full)', r.slot)
    when r.seen_at < clock_timestamp() - interval '2 minutes' then format(
      'no worker has received WAL through slot %s since %s', r.slot,
      to_char(r.seen_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
    )
    else format('WAL through slot %s: %s MB wait on the server%s', r.slot, r.kept_bytes / 1000000, coalesce('; ' || r.problem, ''))
  end as message,
  jsonb_build_object('kept_bytes', r.kept_bytes, 'safe_bytes', r.safe_bytes, 'received_lsn', r.received_lsn) as details
from ops.wal_receivers r
where r.wal_status = 'lost' or r.seen_at < clock_timestamp() - interval '2 minutes' or r.problem is not null
  or r.kept_bytes > 1073741824 or r.safe_bytes < 1073741824;

comment on view ops.check_wal_receivers is 'A check of ops.check_alerts. WAL that no worker receives.';
comment on column ops.check_wal_receivers.subject is 'What it is about.';
comment on column ops.check_wal_receivers.severity is 'warning or error.';
comment on column ops.check_wal_receivers.message is 'What is wrong, in a sentence.';
comment on column ops.check_wal_receivers.details is 'The same as JSON, for programs.';

revoke all on ops.check_wal_receivers from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.check_wal_receivers to :OPERATOR, :WORKER;
--! EndIncluded backup/check_wal_receivers.sql
--! Included backup/drills.sql
comment on table ops.drills is 'Restores that prove the backups: what they found, and how long they took.';
comment on column ops.drills.id is 'Grows in the order in which drills ended.';
comment on column ops.drills.started_at is 'When it began.';
comment on column ops.drills.finished_at is 'When its verdict was recorded.';
comment on column ops.drills.backups is 'Ids of the restored backups, the full one first; empty: none could be restored.';
comment on column ops.drills."position" is 'The position in the WAL at which rows were compared; null for an embedded database.';
comment on column ops.drills.compared_tables is 'How many tables were compared.';
comment on column ops.drills.compared_rows is 'How many rows were compared.';
comment on column ops.drills.restore_time is 'The time from the first byte read to a database that answers; null: it never answered.';
comment on column ops.drills.problems is 'A sentence for each thing that is wrong.';
comment on column ops.drills.self_tests is 'The damage that the drill did to copies on purpose, and how it was noticed: an array of objects with `damage` and `noticed`.';
comment on column ops.drills.passed is 'Whether the backups are proven: nothing was wrong, and rows were compared.';

alter table ops.drills enable row level security, force row level security;

-- Across tenants

-- ops.record_drill writes it as the owner; operators and the worker read it. It holds nothing of a tenant.
drop policy if exists manage_owner on ops.drills;
create policy manage_owner on ops.drills for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.drills;
create policy select_operator on ops.drills for select to :OPERATOR
  using (true);
drop policy if exists select_worker on ops.drills;
create policy select_worker on ops.drills for select to :WORKER
  using (true);

revoke all on ops.drills from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.drills to :OPERATOR, :WORKER;
-- No insert, update or delete for anybody: ops.record_drill writes it.
--! EndIncluded backup/drills.sql
--! Included backup/recovery.sql
-- Whether a restore is possible, to which time, and when this was last proven. One row. Every moment is reachable from the end
-- of the oldest backup to the last received WAL. `lightning backups` and `lightning backup verify` say what the store really
-- holds and whether it is intact.
create or replace view ops.recovery with (security_barrier) as
select
  b.oldest is not null as can_restore,
  b.oldest as reachable_from,
  b.newest as newest_backup_at,
  b.newest_full as newest_full_at,
  b.newest_incremental as newest_incremental_at,
  w.received_lsn as wal_received_lsn,
  w.seen_at as wal_received_at,
  w.kept_bytes as wal_waiting_bytes,
  w.problem as wal_problem,
  d.finished_at as proven_at,
  d.restore_time as proven_restore_time,
  (select n.passed from ops.drills n order by n.id desc limit 1) as newest_drill_passed
from (
  select
    min(k.ended_at) as oldest,
    max(k.ended_at) as newest,
    max(k.ended_at) filter (where k.kind = 'full') as newest_full,
    max(k.ended_at) filter (where k.kind = 'incremental') as newest_incremental
  from ops.backups k
  where k.removed_at is null
) b
left join lateral (
  select r.* from ops.wal_receivers r order by r.seen_at desc limit 1
) w on true
left join lateral (
  select p.* from ops.drills p where p.passed order by p.id desc limit 1
) d on true;

comment on view ops.recovery is 'Whether a restore is possible, and to which time. One row.';
comment on column ops.recovery.can_restore is 'Whether there is a backup.';
comment on column ops.recovery.reachable_from is 'The oldest moment that a restore can go to.';
comment on column ops.recovery.newest_backup_at is 'When the newest backup ended.';
comment on column ops.recovery.newest_full_at is 'When the newest full backup ended.';
comment on column ops.recovery.newest_incremental_at is 'When the newest incremental backup ended.';
comment on column ops.recovery.wal_received_lsn is 'The last received position of the WAL: the newest that a restore can go to.';
comment on column ops.recovery.wal_received_at is 'When it was received.';
comment on column ops.recovery.wal_waiting_bytes is 'Bytes of WAL that the server keeps because no worker has received them.';
comment on column ops.recovery.wal_problem is 'The current problem with receiving WAL; null: all is well.';
comment on column ops.recovery.proven_at is 'When a drill last passed; null: none has.';
comment on column ops.recovery.proven_restore_time is 'How long that restore took.';
comment on column ops.recovery.newest_drill_passed is 'Whether the newest drill passed; null: there was none.';

revoke all on ops.recovery from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.recovery to :OPERATOR, :WORKER;
--! EndIncluded backup/recovery.sql
--! Included backup/wal_receivers.sql
comment on table ops.wal_receivers is 'The state of receiving WAL, by replication slot.';
comment on column ops.wal_receivers.slot is 'The slot that the server keeps WAL for.';
comment on column ops.wal_receivers.receiving is 'Whether the worker that reported this receives WAL.';
comment on column ops.wal_receivers.received_lsn is 'The last received position of the WAL.';
comment on column ops.wal_receivers.kept_bytes is 'Bytes of WAL that the server keeps because no worker has received them.';
comment on column ops.wal_receivers.safe_bytes is 'Bytes that may still be written before the server gives up the slot; null: no limit.';
comment on column ops.wal_receivers.wal_status is 'The state of the slot: reserved, extended, unreserved or lost.';
comment on column ops.wal_receivers.problem is 'The current problem; null: all is well.';
comment on column ops.wal_receivers.seen_at is 'When this was reported.';

alter table ops.wal_receivers enable row level security, force row level security;

-- Across tenants

-- ops.see_wal_receiver keeps it as the owner; operators' views and the worker's checks read it. It holds nothing of a
-- tenant.
drop policy if exists manage_owner on ops.wal_receivers;
create policy manage_owner on ops.wal_receivers for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.wal_receivers;
create policy select_operator on ops.wal_receivers for select to :OPERATOR
  using (true);
drop policy if exists select_worker on ops.wal_receivers;
create policy select_worker on ops.wal_receivers for select to :WORKER
  using (true);

revoke all on ops.wal_receivers from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.wal_receivers to :OPERATOR, :WORKER;
-- No insert, update or delete for anybody: ops.see_wal_receiver keeps it.
--! EndIncluded backup/wal_receivers.sql

-- ---------------------------------------------------------------------------------------------------------------
-- The partitions of the coming weeks (even the first row of a tenant leaves one in the log), and the tenant that a
-- single-tenant user never sees
-- ---------------------------------------------------------------------------------------------------------------

select ops.ensure_partitions();
select ops.create_tenant('default', 'Default tenant');
