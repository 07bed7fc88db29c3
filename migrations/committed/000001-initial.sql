--! Previous: -
--! Hash: sha1:3180fe7cece5e14e1e56ca7f421f31052e8f2839
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
-- The tenant that a login is bound to, for logins that are not the API's. Definer, because nobody may read the
-- bindings; it tells a login nothing but its own tenant, and reads session_user, which no setting can change.
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

comment on function app_private.login_tenant_id() is 'The tenant that the session''s login is bound to; null when it is bound to none or its tenant is suspended.';
-- current_tenant_id names it by identity, which needs no usage of the schema.
grant execute on function app_private.login_tenant_id() to :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :SEARCH;
--! EndIncluded tenancy/login_tenant_id.sql
--! Included tenancy/current_tenant_id.sql
-- Who is the tenant? A login that may become :ANON is the API's: it has verified a token and says the tenant in a
-- setting. Every other login is bound to a tenant by a table, and whatever it sets is ignored.
--
-- No definer, no `set`, and a body that is parsed now instead of at each call: so the planner inlines it, and a policy
-- that says `(select app_private.current_tenant_id())` costs one evaluation of a plain expression per statement.
create or replace function app_private.current_tenant_id() returns text
language sql stable parallel safe
return case
  when pg_catalog.pg_has_role(session_user, ':ANON', 'member')
    then nullif(pg_catalog.current_setting('app.tenant_id', true), '')
  else app_private.login_tenant_id()
end;

comment on function app_private.current_tenant_id() is 'The tenant of whoever asks: from the setting app.tenant_id for the API''s login, from app_private.tenant_logins for any other, null for nobody''s.';
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
-- What the schemas are, and who may look into them. Schemas say who may look, folders of sql/ what something is about.

comment on schema app_public is E'Agent Lightning DB\nThe state of AI agents. Every table is confined to one tenant by row-level security, and what is listed here follows the caller''s rights: without a token there is next to nothing.';
comment on schema app_private is 'Helpers that decide who may see what. Granted to nobody who can ask anything.';
comment on schema audit is 'Who changed what: an append-only log, written by triggers in the transaction of the change.';
comment on schema ops is 'Operations across tenants: for operators and the worker.';

-- Rights on a table or a function stand in its own file.
revoke all on schema app_public, app_private, audit, ops from public;
grant usage on schema app_public to :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :WORKER, :SEARCH;
grant usage on schema audit to :ADMIN, :OPERATOR;
grant usage on schema ops to :OPERATOR, :WORKER;

-- app_private is granted to nobody who can ask anything. Defaults and policies name its functions by identity and need no
-- usage of it; the functions that run as :SEARCH name theirs.
grant usage on schema app_private to :SEARCH;

-- Whether the schema fits is asked by every process before it serves, by the API as an anonymous request, which names
-- ops.applied_migrations in full and so needs usage of its schema.
grant usage on schema ops to :ANON;
--! EndIncluded tenancy/schemas.sql

-- ---------------------------------------------------------------------------------------------------------------
-- Functions, by subject; first those of retention and jobs that other subjects call
-- ---------------------------------------------------------------------------------------------------------------

--! Included retention/retention_tenant_id.sql
-- The tenant whose rows the worker is removing: it deletes as exactly that tenant, whatever a statement forgets.
create or replace function app_private.retention_tenant_id() returns text
language sql stable parallel safe
return nullif(pg_catalog.current_setting('app.retention_tenant_id', true), '');

comment on function app_private.retention_tenant_id() is 'The tenant whose rows the worker is removing, from the setting app.retention_tenant_id; null: nobody''s.';
grant execute on function app_private.retention_tenant_id() to :WORKER;
--! EndIncluded retention/retention_tenant_id.sql
--! Included retention/is_held.sql
-- Whether something of a tenant at a time has to stay for another reason than its age: an import that the operator has not
-- released, or a dispute.
create or replace function ops.is_held(policy text, tenant_id text, at timestamptz) returns boolean
language sql stable
begin atomic
  select exists (
    select
    from ops.retention_holds h
    where h.policy = is_held.policy and (h.tenant_id is null or h.tenant_id = is_held.tenant_id) and h.held @> is_held.at
  );
end;

comment on function ops.is_held(text, text, timestamptz) is 'Whether ops.retention_holds keeps something of a tenant at a time.';
grant execute on function ops.is_held(text, text, timestamptz) to :OPERATOR, :WORKER;
--! EndIncluded retention/is_held.sql
--! Included retention/retention_of.sql
-- How long a tenant's rows are kept under a policy: as it chose, otherwise as everybody's.
create or replace function ops.retention_of(policy text, tenant_id text) returns interval
language sql stable
begin atomic
  select case when o.policy is null then p.keep else o.keep end
  from ops.retention_policies p
  left join ops.retention_overrides o on o.policy = p.policy and o.tenant_id = retention_of.tenant_id
  where p.policy = retention_of.policy;
end;

comment on function ops.retention_of(text, text) is 'How long a tenant''s rows are kept under a policy; null: for ever.';
grant execute on function ops.retention_of(text, text) to :OPERATOR, :WORKER;
--! EndIncluded retention/retention_of.sql
--! Included retention/partition_ranges.sql
-- What a table that is partitioned by range of one time holds, read from the bounds as the catalog shows them.
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
-- The items that a task leaves out for now. A function of one query without `set`, so that it is inlined.
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
-- Binds a login to the tenant that it will see. Refuses a login that may be more than a plain one, and one that belongs
-- to another tenant: its open connections would change tenant. Definer: nobody may write the bindings.
create or replace function ops.bind_login(login name, tenant_id text) returns void
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_bound text;
begin
  if not exists (select from app_public.tenants t where t.id = bind_login.tenant_id) then
    raise exception 'there is no tenant %', bind_login.tenant_id
      using errcode = 'LTT02', hint = 'List them: select * from ops.tenants.';
  end if;
  if exists (
    select from pg_roles r
    where r.rolname = bind_login.login
      and (r.rolsuper or r.rolbypassrls or pg_has_role(r.oid, ':OWNER', 'member') or pg_has_role(r.oid, ':ANON', 'member'))
  ) then
    raise exception 'login % may be more than one tenant''s', bind_login.login
      using errcode = 'LTT03', hint = 'Make a login of its own: lightning login create NAME --tenant ' || bind_login.tenant_id;
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

comment on function ops.bind_login(name, text) is 'Binds a login to the tenant it will see. LTT02 no such tenant, LTT03 the login is more than a plain one, LTT04 it belongs to another tenant.';
-- No grant: it is the owner's only. It goes with creating the login, which operators cannot.
--! EndIncluded tenancy/bind_login.sql
--! Included tenancy/create_tenant.sql
-- Makes a tenant, or gives back the one that is there when its name is the same. Definer: the owner's policy on tenants
-- is the only one that may write them.
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
      raise exception 'tenant % exists already, under the name %', v_tenant.id, v_tenant.name
        using errcode = 'LTT01', hint = 'Choose another id.';
    end if;
  end if;
  return v_tenant;
end
$$;

comment on function ops.create_tenant(text, text) is 'Makes a tenant, or gives back the one of that id and name. LTT01 when the id is taken under another name.';
grant execute on function ops.create_tenant(text, text) to :OPERATOR;
--! EndIncluded tenancy/create_tenant.sql
--! Included tenancy/set_tenant_suspended.sql
-- Suspends a tenant or lets it in again. A suspended tenant's tokens are refused and its logins see nothing; its data
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
    raise exception 'there is no tenant %', set_tenant_suspended.tenant_id
      using errcode = 'LTT02', hint = 'List them: select * from ops.tenants.';
  end if;
  return v_tenant;
end
$$;

comment on function ops.set_tenant_suspended(text, boolean) is 'Locks a tenant out, or lets it in again. LTT02 when there is none.';
grant execute on function ops.set_tenant_suspended(text, boolean) to :OPERATOR;
--! EndIncluded tenancy/set_tenant_suspended.sql
--! Included tenancy/suspended_tenants.sql
-- The tenants that are locked out. The API asks at its start and whenever `lightning:tenants` is notified, as an
-- anonymous request, and refuses their tokens. Definer: nobody sees a tenant but their own; ids of the suspended ones
-- are all that it gives away.
create or replace function ops.suspended_tenants() returns setof text
language sql stable security definer
set search_path to pg_catalog, pg_temp
as $$
  select t.id from app_public.tenants t where t.suspended_at is not null
$$;

comment on function ops.suspended_tenants() is 'Ids of the tenants that are locked out.';
-- Which tokens to refuse is asked by each process of the API, as an anonymous request.
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
-- Takes a login's tenant away: from its next statement on it sees nothing. Definer, as ops.bind_login.
create or replace function ops.unbind_login(login name) returns boolean
language sql volatile security definer
set search_path to pg_catalog, pg_temp
begin atomic
  with gone as (delete from app_private.tenant_logins l where l.login = unbind_login.login returning 1)
  select exists (select from gone);
end;

comment on function ops.unbind_login(name) is 'Takes a login''s tenant away; false when it had none.';
-- No grant: it is the owner's only. It goes with creating the login, which operators cannot.
--! EndIncluded tenancy/unbind_login.sql

--! Included migrations/applied_migrations.sql
-- The migrations that this database has, oldest first. For every process that wants to know whether it fits the schema;
-- definer, because the ledger is the owner's, and names and hashes of files are no secret.
create or replace function ops.applied_migrations() returns table (filename text, hash text)
language plpgsql stable security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  return query select m.filename, m.hash from graphile_migrate.migrations m order by m.filename;
end
$$;

comment on function ops.applied_migrations() is 'The migrations that this database has, oldest first, with the hashes of their texts.';
-- Whether the schema fits is asked by every process before it serves, by the API as an anonymous request.
grant execute on function ops.applied_migrations() to :ANON, :OPERATOR, :WORKER;
--! EndIncluded migrations/applied_migrations.sql

--! Included rows/may_print_long.sql
-- Looked up in the stored form, without printing: numbers beyond a double, those that are nearly zero, and zeros, which may have
-- 16,383 digits behind the point.
create or replace function app_private.may_print_long(document jsonb) returns boolean
language sql immutable strict parallel safe
return pg_catalog.jsonb_path_exists(
  document,
  'strict $.** ? (@.type() == "number" && (@ > 1e308 || @ < -1e308 || (@ < 1e-308 && @ > -1e-308)))'
);

comment on function app_private.may_print_long(jsonb) is 'Whether JSON holds numbers that print far longer than they are stored.';
-- Conditions of triggers ask it as whoever writes.
grant execute on function app_private.may_print_long(jsonb) to :MEMBER, :SERVICE, :ADMIN, :WORKER, :KEEPER;
--! EndIncluded rows/may_print_long.sql
--! Included rows/tg__refuse_key_change.sql
-- Keys never change: the audit log, the leases and other systems refer to rows by them. Grants already leave the key
-- columns out; this guards against the owner, too.
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
-- JSON holds 1e131071 in ten bytes and prints it in 131,072 characters: 5 MB of it can be stored, and neither read, nor made
-- text for a drill, which fails on it for as long as the row is there. What the numbers of one column print is limited, and
-- asked for only where `may_print_long` says so. The argument is the column's name.
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
    -- Whoever sends them is not made to wait for all of them.
    if v_printed > 10000000 then
      raise exception 'the numbers of % print in more than 10,000,000 characters', TG_ARGV[0]
        using errcode = 'LTK02', hint = 'Send numbers such as 1e131071 as text.';
    end if;
  end loop;
  return NEW;
end
$$;

comment on function app_private.tg__refuse_long_numbers() is 'Trigger: refuses JSON, with LTK02, whose numbers print in more than 10,000,000 characters.';
--! EndIncluded rows/tg__refuse_long_numbers.sql
--! Included rows/tg__touch_updated_at.sql
-- Keeps updated_at: no client can set it, and created_at never changes after the insert.
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
-- Who is acting: the subject and request that the API verified, and the role that the statement runs under. The
-- settings of any other login prove nothing and are left out; its name (audit.log.login) says who it is. One row.
--
-- No definer and no `set`, and a set, so that the planner inlines it into the triggers' statements: a function that is
-- called cost every audited statement 15 microseconds of 190.
create or replace function audit.actor() returns table (subject text, role name, request_id text)
language sql stable parallel safe rows 1
begin atomic
  select
    case
      when a.is_api then nullif(pg_catalog.current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
    end,
    -- `none` is what a session that never switched says.
    coalesce(nullif(pg_catalog.current_setting('role'), 'none')::name, session_user),
    case when a.is_api then nullif(pg_catalog.current_setting('app.request_id', true), '') end
  from (select pg_catalog.pg_has_role(session_user, ':ANON', 'member') as is_api) a;
end;

comment on function audit.actor() is 'Who is acting: verified subject, role, request id.';
--! EndIncluded audit/actor.sql
--! Included audit/copy_tracking.sql
-- Gives a partition the audit triggers of its parent: statement triggers fire for the table that a statement names, so
-- the parent's do not see a statement that names the partition. (Row triggers come by themselves.) Can be called again.
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
    -- The first one: nothing before it is a name that a user gave.
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
-- Writes the trigger function that logs the rows of one table: an insert's new values, a delete's old values, of an update
-- what changed and only that (a row written again as it was leaves nothing). Called by enable_tracking.
--
-- A function per table, because PL/pgSQL cannot name a column of OLD and NEW by a variable. One function for all has to
-- make JSON of both rows and compare these, which takes twice as long, for a single row as for each of a thousand. Inserts and
-- deletes log whole rows, for which one statement over the transition table is the shortest way.
--
-- What is written for the columns of today must not fail on those of tomorrow, nor miss one, and to read the catalog for each
-- row would cost a quarter of the whole. A name that is gone, or another type, fails the comparison, before anything is
-- written. A column that came has the number after the last one, or, when some were dropped again, one of the next: four are
-- asked for, which the system caches know. Where columns are secret, audit.table_columns is asked, which is never wrong. What a table
-- does not answer as expected is logged by audit.log_row.
--
-- What it writes is a definer: nobody may write the log. #variable_conflict: columns may have the names of its variables.
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
  -- Expressions: whether the table is as it was, for an update and for the others; the JSON of a row and of its key; how JSON
  -- is logged.
  v_changed text := 'audit.table_columns(TG_RELID) <> TG_ARGV[0]::text[]';
  v_nameable text := 'audit.table_columns(TG_RELID) = TG_ARGV[0]::text[]';
  v_doc text := 'to_jsonb(r.*)';
  v_row_key text;
  v_new_key text;
  v_logged text := '%s';
  v_comparisons text;
begin
  -- Names end after 63 bytes, and tables of two schemas may share theirs.
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

  -- json itself, and types that may hold it or have a cast to it that a user made, may be more than jsonb takes.
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
          -- Types whose = says that two values are the same one. Others have none (json, point), or one of another meaning
          -- (a box's compares areas, an interval's takes a month for 30 days), or theirs is not in the search path: the images
          -- of their values are compared.
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
    -- Computed when it is read, from columns that are here.
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
-- A row as the log keeps it: of the columns named in `digested` (secrets, and values that are large and mean nothing to
-- a reader) only a SHA-256, enough to see that one changed. A column that is absent or null stays so.
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
-- A row as JSON, whatever its columns hold. There are values that jsonb cannot: a json text with \u0000, a number without
-- end, a text beyond 256 MB. The log may not keep anybody from writing them: such a value is logged as its text, and a long one as
-- its SHA-256.
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
      -- One of its values; which one is found out below.
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

comment on function audit.document(regclass, record) is 'A row as JSON; of one that jsonb cannot hold, the texts of its values.';
--! EndIncluded audit/document.sql
--! Included audit/enable_tracking.sql
-- Puts a table under audit: every insert, update, delete and truncate leaves rows in audit.log, in the transaction that
-- made it. Whose a row is, its column tenant_id says. Can be called again, also with other options.
--   digested: columns of which the log keeps a SHA-256 in place of the value
--   detail:   true, a row per row; false, a row per statement and tenant with their number
--   counter:  a role whose updates are not logged at all: it counts uses, and may update nothing but the counters
--   omitted:  columns that the log leaves out; what changes nothing else leaves no row
-- The log follows when the table changes. Until this is called again, an update costs more, and a new column of a table with
-- digested or omitted ones is digested.
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
  -- Rows of partitioned tables by row triggers, which partitions get from them.
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
      when c.relnamespace = 'audit'::regnamespace then 'it is a table of the log'
      when c.relispartition then format('it is a partition of %s', pg_partition_root(target))
      when audit.tenant_column(target) is null then 'it has no column tenant_id'
      when unknown.name is not null then format('it has no column %s', unknown.name)
      when audit.tenant_column(target) = any (digested || omitted) or v_key && omitted
        then 'the log needs the tenant and the key of a row'
    end,
    case
      when c.relispartition then format('Audit %s: its partitions are with it.', pg_partition_root(target))
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
    -- Row triggers do not replace statement triggers, or the other way round, where there are partitions.
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
  -- Partitions that are there already; create_partition does it for later ones.
  perform audit.copy_tracking(target, p.relid) from pg_partition_tree(target) p where p.relid <> target;
end
$$;

comment on function audit.enable_tracking(regclass, text[], boolean, name, text[]) is 'Puts a table under audit. Can be called again. LTA01 when it has no primary key, LTA02 when the log could not say whose its rows are or what was asked for.';
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
-- Logs a change of one row of the table as it is at this moment: names, key and columns are asked of the catalog. It takes
-- several times as long as what create_row_logger writes for a table's columns, and does what that cannot: it serves tables
-- that have changed since tracking was enabled, and partitioned ones.
--   source    the table, or the partition, that holds the row
--   known     the columns when tracking was enabled, as audit.table_columns gives them
--   digested  the columns of which the log keeps a SHA-256 in place of the value
--   omitted   the columns that the log leaves out
-- In a table where some are digested or omitted, a column that is not known is digested too: a secret may have got another name.
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
  -- A row that moves to another tenant: neither may read what it is, or was, at the other one.
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
  -- The key may have been dropped: then the row has none.
  select coalesce(jsonb_object_agg(k, coalesce(v_new, v_old) -> k), '{}') into strict v_key
  from unnest(audit.key_columns(v_table)) k;

  if operation = 'UPDATE' then
    -- As texts: 1.0 and 1.00 are the same number.
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
-- The columns of a table by their numbers; null stands for one that was dropped. What a logger was made for.
create or replace function audit.table_columns(source regclass) returns text[]
language sql stable parallel safe
set search_path to pg_catalog, pg_temp
begin atomic
  select pg_catalog.array_agg(case when not a.attisdropped then a.attname::text end order by a.attnum)
  from pg_catalog.pg_attribute a
  where a.attrelid = source and a.attnum > 0;
end;

comment on function audit.table_columns(regclass) is 'The columns of a table by their numbers; null for one that was dropped.';
-- The view ops.check_audit.
grant execute on function audit.table_columns(regclass) to :OPERATOR, :WORKER;
--! EndIncluded audit/table_columns.sql
--! Included audit/tenant_column.sql
-- The column that says whose a row is, whether or not it is part of the key; null for a table that has none. A tenant's own
-- row is the tenant's.
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

comment on function audit.tenant_column(regclass) is 'The column that says whose a row is; null: none does.';
--! EndIncluded audit/tenant_column.sql
--! Included audit/tg__log_row.sql
-- Logs a row of a partitioned table. A row trigger, since partitions get these from their table by themselves, whoever makes
-- or attaches them. Definer: nobody may write the log.
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
-- Logs one row per statement and tenant with the number of rows: for tables whose rows are too many and too small to
-- keep twice. Definer: nobody may write the log.
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
    -- Not by its name: the table has changed since tracking was enabled, and nothing says whose a row is.
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
-- Logs that a table was emptied, of all tenants' rows at once: no tenant, no rows to count. Definer: nobody may write
-- the log.
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
-- Reads the outbox on from a position: what is visible now and was not in the snapshot `since`. That is commit order with
-- nothing left out, whatever order ids were given in and however long a transaction took, and it is read from the index:
-- what began later, and what ran then. Of the transaction `after_transaction`, which was read in part, rows from
-- `after_id` on, and they come first. Null for `since`: nothing but where the outbox is now.
--
-- The API asks as an anonymous request. Definer: nobody may read the outbox. Neither API offers this schema; who can say
-- `set role` as the API's login can say any tenant, too.
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

comment on function ops.read_events(pg_snapshot, xid8, bigint, text[], integer) is 'Reads the outbox of these tenants on from a position, at most max_rows rows: the snapshot of now, the one that the outbox is trimmed to, and rows {transaction, id, tenantId, topic, operation, keys} in the order to deliver them.';
-- What changed is read by each process of the API, for all of its subscribers at once, as an anonymous request.
grant execute on function ops.read_events(pg_snapshot, xid8, bigint, text[], integer) to :ANON;
--! EndIncluded live/read_events.sql
--! Included live/tg__publish.sql
-- Writes a statement's changes into the outbox, keys only, and wakes up who listens on `lightning:<table>`. The payload is
-- empty: any login may listen. Definer: nobody may write the outbox.
--
-- A transaction that notifies holds a lock of the whole database until it is on disk, so transactions that all notify
-- commit one after the other: a sixth of the inserts per second (test/bench/notify.ts). Hence one at a time: who finds the
-- advisory lock taken says nothing. Its transaction is running then, so a reader that the other one woke sees in its
-- snapshot that there is more to wait for, and looks again. Who holds the lock for longer can delay, never lose: readers
-- look every second by themselves.
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

comment on function app_private.tg__publish() is 'Trigger: writes the keys of what changed into app_private.events, and wakes up who listens on lightning:<table>, without payload.';
--! EndIncluded live/tg__publish.sql
--! Included live/trim_events.sql
-- Removes from the outbox what could be read for at least as long as `keep`, counted from when it became visible, and
-- says how many rows those were. The worker runs it every few minutes: each run leaves a mark that a later one trims to.
-- Definer: nobody may write the outbox.
create or replace function ops.trim_events(keep interval default '1 hour') returns bigint
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_mark app_private.event_marks;
  v_count bigint := 0;
begin
  -- One at a time, and none waits.
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

comment on function ops.trim_events(interval) is 'Removes from the outbox what could be read for at least as long as `keep`; gives the number of rows.';
grant execute on function ops.trim_events(interval) to :WORKER;
--! EndIncluded live/trim_events.sql

--! Included tasks/cancel_task.sql
-- Definer: people may cancel what a service holds, and nobody may write leases. Everybody who ends a lease takes the
-- lease first and the task then, so that no two wait for each other.
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
    raise exception 'invalid %: %', 'task_id', 'it is missing'
      using errcode = 'LTQ05';
  end if;

  -- Once more when it was claimed, given back or ended between two statements.
  loop
    delete from app_public.task_leases l
    where l.tenant_id = v_tenant and l.task_id = cancel_task.task_id
    returning * into v_lease;
    if found then
      insert into app_public.task_attempts (
        tenant_id, task_id, attempt, fencing_token, agent, claimed_at, ended_at, outcome, error, progress, note
      )
      values (
        v_lease.tenant_id, v_lease.task_id, v_lease.attempt, v_lease.fencing_token, v_lease.agent, v_lease.claimed_at,
        v_now, 'cancelled', cancel_task.reason, v_lease.progress, v_lease.note
      );
    end if;

    select * into v_task from app_public.tasks t where t.tenant_id = v_tenant and t.id = cancel_task.task_id;
    if not found then
      raise exception 'there is no task %', task_id
        using errcode = 'LTQ01', hint = 'It was deleted, or is not of your tenant.';
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

comment on function app_public.cancel_task(uuid, text) is 'Cancels a task that waits or is worked on; its holder learns it by LTQ03 at its next call. The `reason` is kept as error_message. A cancelled task is returned as it is. Returns the task. Errors: LTQ01 no such task, LTQ04 it has ended already, LTQ05 invalid argument.';
-- Everybody who writes may add, cancel and retry tasks.
grant execute on function app_public.cancel_task(uuid, text) to :MEMBER, :SERVICE, :ADMIN;
--! EndIncluded tasks/cancel_task.sql
--! Included tasks/claim_problem.sql
-- What is wrong with the arguments of a claim: the first that makes no sense and why, or null. No definer, no `set`, and
-- a body that is parsed now, so that it is inlined: as a call it took a thirtieth of a claim.
create or replace function app_private.claim_problem(
  agent text,
  capabilities text[],
  filter jsonb,
  lease interval,
  how_many integer
) returns text[]
language sql stable parallel safe
return case
  when coalesce(length(agent), 0) not between 1 and 200 then array['agent', 'it has no or more than 200 characters']
  when capabilities is null then array['capabilities', 'it is null']
  when filter is null then array['filter', 'it is null']
  when lease is null or lease not between interval '1 second' and interval '1 day'
    then array['lease', format('%s is not between 1 second and 1 day', coalesce(lease::text, 'null'))]
  when how_many is null or how_many not between 1 and 1000
    then array['how_many', format('%s is not between 1 and 1000', coalesce(how_many::text, 'null'))]
end;

comment on function app_private.claim_problem(text, text[], jsonb, interval, integer) is 'What is wrong with the arguments of a claim; null when nothing is.';
--! EndIncluded tasks/claim_problem.sql
--! Included tasks/claim_task.sql
-- What claim_tasks does, for a single task: most claimers ask for one, and plain statements take two thirds of the time
-- of the one that claims many. Definer, and no sorting, for the reasons given there.
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
    raise exception 'invalid %: %', v_problem[1], v_problem[2]
      using errcode = 'LTQ05';
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
    -- Nothing waits: the tasks of holders that died need not wait for the worker.
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

comment on function app_public.claim_task(text, text[], jsonb, interval) is 'Claims one task: claim_tasks with `how_many` 1. No row when nothing waits. Errors: LTQ05 invalid argument.';
-- Only programs work on tasks.
grant execute on function app_public.claim_task(text, text[], jsonb, interval) to :SERVICE, :ADMIN;
--! EndIncluded tasks/claim_task.sql
--! Included tasks/claim_tasks.sql
-- Definer: nobody may write leases but through these functions, or a fencing token would prove nothing. It runs under
-- the owner's policies, which are confined to the caller's tenant.
--
-- The order of the queue is that of an index. Without sorting the planner can use no other, however wrong its statistics
-- are, and one plan is good for every caller.
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
    raise exception 'invalid %: %', v_problem[1], v_problem[2]
      using errcode = 'LTQ05';
  end if;

  for v_try in 1..2 loop
    v_now := clock_timestamp();
    -- Tasks that another claimer is about to take are passed over.
    v_ids := array(
      select q.id
      from app_public.tasks q
      where q.tenant_id = v_tenant and app_private.is_claimable(q, claim_tasks.agent, capabilities, filter, v_now)
      order by q.queue_at
      limit how_many
      for no key update skip locked
    );
    -- Too few are waiting: those of holders that died need not wait for the worker.
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

comment on function app_public.claim_tasks(text, text[], jsonb, interval, integer) is 'Claims up to `how_many` (1 to 1000) waiting tasks for `agent`, by priority and age: low ones are served at the latest three hours after critical ones of the same age. Only tasks for this agent or for any, whose required capabilities are all in `capabilities`, and whose context contains `filter`. The claim ends after `lease` (1 second to 1 day) unless heartbeat_task extends it. Returns the tasks with the attempt''s number and the fencing token that every write needs; none when nothing waits. Errors: LTQ05 invalid argument.';
-- Only programs work on tasks.
grant execute on function app_public.claim_tasks(text, text[], jsonb, interval, integer) to :SERVICE, :ADMIN;
--! EndIncluded tasks/claim_tasks.sql
--! Included tasks/complete_task.sql
-- Definer, as claim_tasks. Taking the lease away is what decides: of two who come with the same token one finds it.
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

  insert into app_public.task_attempts (
    tenant_id, task_id, attempt, fencing_token, agent, claimed_at, ended_at, outcome, progress, note
  )
  values (
    v_lease.tenant_id, v_lease.task_id, v_lease.attempt, v_lease.fencing_token, v_lease.agent, v_lease.claimed_at,
    v_now, 'completed', v_lease.progress, v_lease.note
  );
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
    when coalesce(description, '') = '' then array['description', 'it is empty']
    when context is null then array['context', 'it is null']
    when priority is null or priority not in ('low', 'normal', 'high', 'critical')
      then array['priority', format('%s is none of low, normal, high, critical', coalesce(priority, 'null'))]
    when max_attempts is null or max_attempts < 1
      then array['max_attempts', format('%s is less than 1', coalesce(max_attempts::text, 'null'))]
    when required_capabilities is null or array_position(required_capabilities, null) is not null
      then array['required_capabilities', 'it is null or has a null in it']
    when length(idempotency_key) not between 1 and 200
      then array['idempotency_key', 'it has no or more than 200 characters']
    when agent_id is not null and not exists (select from app_public.agents a where a.id = enqueue_task.agent_id)
      then array['agent_id', format('there is no agent %s', agent_id)]
  end;
  if v_problem is not null then
    raise exception 'invalid %: %', v_problem[1], v_problem[2]
      using errcode = 'LTQ05';
  end if;

  -- A task of that key that is deleted between the two statements makes room for a new one.
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

comment on function app_public.enqueue_task(text, jsonb, text, text, timestamptz, integer, text[], text) is 'Adds a task to the queue. `priority`: low, normal, high or critical. `agent_id`: only this agent may claim it. `run_after`: not before. `max_attempts`: failed and expired attempts until it is dead. `required_capabilities`: only who has all of them may claim it. `idempotency_key`: when there is a task of this key, that one is returned as it is and nothing is added. Returns the task. Errors: LTQ05 invalid argument.';
-- Everybody who writes may add, cancel and retry tasks.
grant execute on function app_public.enqueue_task(text, jsonb, text, text, timestamptz, integer, text[], text)
  to :MEMBER, :SERVICE, :ADMIN;
--! EndIncluded tasks/enqueue_task.sql
--! Included tasks/enqueue_tasks.sql
-- Invoker, as enqueue_task. One insert for all of them, so one statement for triggers and listeners.
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
    raise exception 'invalid %: %', 'tasks', 'it is no array of objects'
      using errcode = 'LTQ05';
  end if;

  select * into v_problem
  from (
    select
      i.position,
      case
        when jsonb_typeof(i.item) <> 'object' then array['', 'it is no object']
        when i.item - v_known <> '{}'
          then array['.' || (select min(k) from jsonb_object_keys(i.item - v_known) k), 'there is no such property']
        when jsonb_typeof(i.item -> 'description') is distinct from 'string' or i.item ->> 'description' = ''
          then array['.description', 'it is no text or empty']
        when i.item ->> 'priority' not in ('low', 'normal', 'high', 'critical')
          then array['.priority', format('%s is none of low, normal, high, critical', i.item ->> 'priority')]
        when i.item ->> 'max_attempts' is not null
          and not (i.item -> 'max_attempts') @? '$ ? (@ >= 1 && @ <= 2147483647 && @ == @.floor())'
          then array['.max_attempts', format('%s is no whole number from 1 on', i.item ->> 'max_attempts')]
        when i.item ->> 'required_capabilities' is not null
          and (
            jsonb_typeof(i.item -> 'required_capabilities') <> 'array'
            or (i.item -> 'required_capabilities') @? '$[*] ? (@.type() != "string")'
          )
          then array['.required_capabilities', 'it is no array of texts']
        when jsonb_typeof(i.item -> 'idempotency_key') not in ('string', 'null')
          or length(i.item ->> 'idempotency_key') not between 1 and 200
          then array['.idempotency_key', 'it is no text of 1 to 200 characters']
        when jsonb_typeof(i.item -> 'run_after') <> 'null' and not pg_input_is_valid(i.item ->> 'run_after', 'timestamptz')
          then array['.run_after', format('%s is no time', i.item ->> 'run_after')]
        when i.item ->> 'agent_id' is not null
          and not exists (select from app_public.agents a where a.id = i.item ->> 'agent_id')
          then array['.agent_id', format('there is no agent %s', i.item ->> 'agent_id')]
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

  -- A statement of its own, so that it sees tasks that somebody else enqueued under the same keys at the same time.
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

comment on function app_public.enqueue_tasks(jsonb) is 'Adds many tasks to the queue: a JSON array of objects with the parameters of enqueue_task as properties, of which only description is needed. All or none. Returns a task for each, in their order; for an idempotency_key that there was already, the task of that key as it is. Errors: LTQ05 invalid argument, naming the place, such as tasks[3].priority.';
-- Everybody who writes may add, cancel and retry tasks.
grant execute on function app_public.enqueue_tasks(jsonb) to :MEMBER, :SERVICE, :ADMIN;
--! EndIncluded tasks/enqueue_tasks.sql
--! Included tasks/expire_leases.sql
-- Ends leases that are over, which the caller has locked, and goes on with the workflows of their tasks. All or none.
--
-- One statement for all tasks: the trigger that goes on with their workflows locks these in order, so that of two reapers
-- none waits for the other.
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
  insert into app_public.task_attempts (
    tenant_id, task_id, attempt, fencing_token, agent, claimed_at, ended_at, outcome, error, progress, note
  )
  select
    e.tenant_id, e.task_id, e.attempt, e.fencing_token, e.agent, e.claimed_at, v_now, 'expired',
    format('nothing was heard of %s since %s', e.agent, e.heartbeat_at), e.progress, e.note
  from unnest(leases) e;
  update app_public.tasks t
  set
    status = case when t.failures + 1 < t.max_attempts then 'pending' else 'dead' end,
    failures = t.failures + 1,
    error_message = format('nothing was heard of %s since %s', e.agent, e.heartbeat_at),
    completed_at = case when t.failures + 1 < t.max_attempts then null else v_now end
  from unnest(leases) e
  where t.tenant_id = e.tenant_id and t.id = e.task_id;

  -- The trigger goes on with the workflows of the caller's tenant; the worker has none.
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

comment on function ops.expire_leases(app_public.task_leases[]) is 'Ends leases that are over, and goes on with the workflows of their tasks. For ops.reap_expired_leases, which locks them.';
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
    when coalesce(error, '') = '' then array['error', 'it is empty']
    when retryable is null then array['retryable', 'it is null']
    when retry_in not between interval '0' and interval '30 days'
      then array['retry_in', format('%s is not between 0 and 30 days', retry_in)]
  end;
  if v_problem is not null then
    raise exception 'invalid %: %', v_problem[1], v_problem[2]
      using errcode = 'LTQ05';
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
    -- 2 seconds, doubled with each failure, an hour at most; half of it at random, so that tasks which failed together
    -- do not come back together.
    run_after = case
      when v_next <> 'pending' then t.run_after
      else v_now + coalesce(
        fail_task.retry_in,
        make_interval(secs => least(3600, 2 * 2 ^ least(t.failures, 20)) * (0.5 + random() / 2))
      )
    end
  where t.tenant_id = v_lease.tenant_id and t.id = v_lease.task_id
  returning * into strict v_task;

  insert into app_public.task_attempts (
    tenant_id, task_id, attempt, fencing_token, agent, claimed_at, ended_at, outcome, error, progress, note
  )
  values (
    v_lease.tenant_id, v_lease.task_id, v_lease.attempt, v_lease.fencing_token, v_lease.agent, v_lease.claimed_at,
    v_now, 'failed', fail_task.error, v_lease.progress, v_lease.note
  );
  return v_task;
end
$$;

comment on function app_public.fail_task(uuid, bigint, text, boolean, interval) is 'Reports that a claimed task could not be done, and why (`error`). A `retryable` one waits again after 2 seconds, doubled with each failure up to an hour, of which between half and all is waited, or after `retry_in` (0 to 30 days); when that was its last attempt it is dead. One that is not retryable is failed. Returns the task. Errors: LTQ01 no such task, LTQ02 the lease is over, LTQ03 the task was cancelled, LTQ05 invalid argument.';
-- Only programs work on tasks.
grant execute on function app_public.fail_task(uuid, bigint, text, boolean, interval) to :SERVICE, :ADMIN;
--! EndIncluded tasks/fail_task.sql
--! Included tasks/heartbeat_task.sql
-- Definer, as claim_tasks. One update of a narrow row: neither the task nor the audit log hears of it.
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
    raise exception 'invalid %: %', v_problem[1], v_problem[2]
      using errcode = 'LTQ05';
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

comment on function app_public.heartbeat_task(uuid, bigint, double precision, text, interval) is 'Extends the lease of a claimed task, by `lease` or as long as it was claimed for, and records `progress` (0 to 1) and a `note`; null leaves what was there. Returns the lease. Errors: LTQ01 no such task, LTQ02 the lease is over, LTQ03 the task was cancelled, LTQ05 invalid argument.';
-- Only programs work on tasks.
grant execute on function app_public.heartbeat_task(uuid, bigint, double precision, text, interval) to :SERVICE, :ADMIN;
--! EndIncluded tasks/heartbeat_task.sql
--! Included tasks/is_claimable.sql
-- Whether an agent may have a task now: what every claim asks of the tasks of its tenant.
--
-- No definer, no `set`, and a body that is parsed now: so the planner inlines it, sees what the queue's index is for, and
-- compares the columns themselves.
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

comment on function app_private.is_claimable(app_public.tasks, text, text[], jsonb, timestamptz) is 'Whether an agent may have the task now.';
--! EndIncluded tasks/is_claimable.sql
--! Included tasks/reap_expired_leases.sql
-- Takes back the tasks whose holders were not heard of in time: each waits again at once, in its old place, or is dead
-- when its attempts are used up. Leases that their holders are about to extend or end are left to them. However many one
-- tenant has, the oldest of every tenant are among those that are taken.
--
-- All in one statement; when that fails one by one, and what cannot be taken back is set aside. Returns how many were.
--
-- Invoker: the worker reaches every tenant's leases, claim_tasks (which calls it when nothing waits) those of its tenant.
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
  -- Idle agents ask this again and again: one look into the index.
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
    -- Lateral: each is looked up by its key, however many there are that have not expired.
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

comment on function ops.reap_expired_leases(integer) is 'Takes back up to how_many tasks whose leases expired: they wait again, or are dead when their attempts are used up. Those that fail are set aside. Returns how many were taken back.';
grant execute on function ops.reap_expired_leases(integer) to :WORKER;
--! EndIncluded tasks/reap_expired_leases.sql
--! Included tasks/reap_for_claim.sql
-- What a claim does that finds too little: takes back leases of its tenant that expired, and says how many. Idle agents ask
-- again and again, so of those that do at the same time one looks; where an old snapshot keeps the dead entries of many
-- heartbeats, that takes long. No definer and no `set`, so that it is inlined.
create or replace function app_private.reap_for_claim(tenant_id text, how_many integer) returns integer
language sql volatile
return case
  when pg_try_advisory_xact_lock(hashtextextended('app_private.reap_for_claim ' || tenant_id, 0))
    then ops.reap_expired_leases(how_many)
  else 0
end;

comment on function app_private.reap_for_claim(text, integer) is 'Takes back expired leases of the tenant unless another claim is at it; how many.';
--! EndIncluded tasks/reap_for_claim.sql
--! Included tasks/refuse_ended_lease.sql
-- Raises the error of whoever writes to a task under a lease that is over, or never was.
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
      using errcode = 'LTQ05', hint = 'Give back both as claim_task gave them.';
  end if;

  select t.status into v_status
  from app_public.tasks t
  where t.tenant_id = v_tenant and t.id = refuse_ended_lease.task_id;
  if not found then
    raise exception 'there is no task %', task_id
      using errcode = 'LTQ01', hint = 'It was deleted, or is not of your tenant.';
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
      detail = format('That attempt ended: %s. The task is %s.', coalesce(v_outcome, 'there was none'), v_status),
      hint = 'Nothing was changed. Stop working on it, and claim another.';
end
$$;

comment on function app_private.refuse_ended_lease(uuid, bigint) is 'Raises why a fencing token is good for nothing: LTQ01 no such task, LTQ02 the lease is over, LTQ03 the task was cancelled, LTQ05 an argument is missing.';
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
    raise exception 'invalid %: %', 'delay', format('%s is not between 0 and 30 days', coalesce(delay::text, 'null'))
      using errcode = 'LTQ05';
  end if;

  delete from app_public.task_leases l
  where l.tenant_id = app_private.current_tenant_id()
    and l.task_id = release_task.task_id
    and l.fencing_token = release_task.fencing_token
  returning * into v_lease;
  if not found then
    perform app_private.refuse_ended_lease(task_id, fencing_token);
  end if;

  -- Without a delay it has its old place in the queue.
  update app_public.tasks t
  set status = 'pending', run_after = case when delay > interval '0' then v_now + delay else t.run_after end
  where t.tenant_id = v_lease.tenant_id and t.id = v_lease.task_id
  returning * into strict v_task;

  insert into app_public.task_attempts (
    tenant_id, task_id, attempt, fencing_token, agent, claimed_at, ended_at, outcome, progress, note
  )
  values (
    v_lease.tenant_id, v_lease.task_id, v_lease.attempt, v_lease.fencing_token, v_lease.agent, v_lease.claimed_at,
    v_now, 'released', v_lease.progress, v_lease.note
  );
  return v_task;
end
$$;

comment on function app_public.release_task(uuid, bigint, interval) is 'Gives a claimed task back undone: it waits again, at once in its old place or after `delay` (0 to 30 days), and the attempt does not count against max_attempts. Returns the task. Errors: LTQ01 no such task, LTQ02 the lease is over, LTQ03 the task was cancelled, LTQ05 invalid argument.';
-- Only programs work on tasks.
grant execute on function app_public.release_task(uuid, bigint, interval) to :SERVICE, :ADMIN;
--! EndIncluded tasks/release_task.sql
--! Included tasks/retry_task.sql
-- Definer, as cancel_task: it sets what only functions may set.
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
    raise exception 'invalid %: %', 'task_id', 'it is missing'
      using errcode = 'LTQ05';
  end if;

  select * into v_task
  from app_public.tasks t
  where t.tenant_id = v_tenant and t.id = retry_task.task_id
  for no key update;
  if not found then
    raise exception 'there is no task %', task_id
      using errcode = 'LTQ01', hint = 'It was deleted, or is not of your tenant.';
  end if;
  if v_task.status not in ('failed', 'dead') then
    raise exception 'task % is %, which cannot become %', task_id, v_task.status, 'pending'
      using errcode = 'LTQ04', hint = 'Only a failed or dead task can be tried again.';
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

comment on function app_public.retry_task(uuid, timestamptz) is 'Puts a failed or dead task into the queue again, not before `run_after`, with all of max_attempts before it. Its earlier attempts stay in task_attempts. Returns the task. Errors: LTQ01 no such task, LTQ04 it is neither failed nor dead, LTQ05 invalid argument.';
-- Everybody who writes may add, cancel and retry tasks.
grant execute on function app_public.retry_task(uuid, timestamptz) to :MEMBER, :SERVICE, :ADMIN;
--! EndIncluded tasks/retry_task.sql
--! Included tasks/tg_tasks__check_update.sql
-- The states of a task and their order, and the lease: what everybody who writes has to keep to. One function without a
-- condition on its trigger: Postgres reads a trigger's condition anew for each statement, which took longer than this.
--
-- Nobody writes past the one who holds the lease. The functions end the lease first and write then, so there is no
-- exception for them. Only the agent may change under way: that an agent is removed must not fail.
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
            hint = 'With the fencing token: complete_task, fail_task, release_task. Without: cancel_task.';
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
    raise exception 'task % is %, which cannot become %', OLD.id, OLD.status, NEW.status
      using errcode = 'LTQ04', hint = 'The states and their order are in docs/tasks.md.';
  end if;
  return NEW;
end
$$;

comment on function app_private.tg_tasks__check_update() is 'Trigger: refuses an illegal change of state, with LTQ04, and a change of a claimed task but for its agent, with LTQ06.';
--! EndIncluded tasks/tg_tasks__check_update.sql
--! Included tasks/tg_tasks__place_in_queue.sql
-- Where a task stands in the queue: from when it may run, put forward by its priority. A normal task is served before a
-- high one that came more than 40 minutes later, so none waits forever, and nothing has to be computed again as time
-- goes by.
create or replace function app_private.tg_tasks__place_in_queue() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  -- A task that brings its history with it queues by its age.
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
-- Takes in what became of a workflow's tasks and goes on: starts the steps whose dependencies are done, skips those that
-- are not to run, and ends the workflow when nothing is left. Called in the transaction that ended the task, with the
-- task locked; can be called at any time and does what there is to do.
--
-- Of two that end the dependencies of one step at the same time the second waits here for the first, and sees then what
-- it did. A transaction whose snapshot is older than that (repeatable read) gets 40001 from the locks, and nothing is
-- overlooked. That is why all steps are locked, not the workflow alone, which may have stayed as it was.
--
-- Whoever has begun work is let finish when the workflow stops for a failure. A task that waits is cancelled, unless
-- somebody is claiming it at this moment: waiting for them would break the order of locks (lock_workflow).
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
    -- What waits, or came back from a failed attempt, is kept from being claimed; resume_workflow lets it go.
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
      -- Ended without a task: others may not have to wait any more, or may have to stop.
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

comment on function ops.advance_workflow(text, uuid) is 'Takes in what became of a workflow''s tasks, starts the steps that may start, and ends the workflow when nothing is left.';
grant execute on function ops.advance_workflow(text, uuid) to :WORKER;
--! EndIncluded workflows/advance_workflow.sql
--! Included workflows/begin_workflow_step.sql
-- Makes the task of a step whose dependencies have ended, and says what the step is now: running, skipped, or failed
-- because its agent is not there, or its condition or task cannot be computed of what came before (a result that is too
-- large, say), which must not undo the work of the step before. The caller holds the workflow.
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
      -- A failure goes on through those that were skipped for it; those that were skipped by a condition have no error.
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
        v_error := format('there is no agent %s', v_template ->> 'agent_id');
      -- What the values themselves make impossible. Anything else is not the step's: data exceptions, constraints, limits.
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

comment on function app_public.cancel_workflow(uuid, text) is 'Cancels a workflow that has not ended, with every task of it: who works on one learns it by LTQ03 at the next call. The `reason` is kept as error_message. A cancelled one is returned as it is. Returns the workflow. Errors: LTW01 no such workflow, LTW04 it has ended already, LTW05 invalid argument.';
-- Everybody who writes may run workflows.
grant execute on function app_public.cancel_workflow(uuid, text) to :MEMBER, :SERVICE, :ADMIN;
--! EndIncluded workflows/cancel_workflow.sql
--! Included workflows/cancel_workflow_tasks.sql
-- Cancels tasks of a workflow's steps, claimed ones too: their holders learn it as from cancel_task. The caller holds
-- them (lock_workflow), and has taken the steps' state from them before, or their steps would count as failed.
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
    returning *
  )
  insert into app_public.task_attempts (
    tenant_id, task_id, attempt, fencing_token, agent, claimed_at, ended_at, outcome, error, progress, note
  )
  select
    e.tenant_id, e.task_id, e.attempt, e.fencing_token, e.agent, e.claimed_at, v_now, 'cancelled', reason, e.progress,
    e.note
  from ended e;

  update app_public.tasks t
  set status = 'cancelled', completed_at = v_now, error_message = reason
  where t.tenant_id = tenant and t.id = any (tasks) and t.status in ('pending', 'assigned', 'running');
end
$$;

comment on function ops.cancel_workflow_tasks(text, uuid[], text) is 'Cancels tasks, with the leases that they are under.';
grant execute on function ops.cancel_workflow_tasks(text, uuid[], text) to :WORKER;
--! EndIncluded workflows/cancel_workflow_tasks.sql
--! Included workflows/lock_callers_workflow.sql
-- The workflow of the caller's tenant, locked with its tasks; raises when there is none.
create or replace function app_private.lock_callers_workflow(workflow_id uuid) returns app_public.workflows
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_workflow app_public.workflows;
begin
  if workflow_id is null then
    raise exception 'invalid %: %', 'workflow_id', 'it is missing'
      using errcode = 'LTW05';
  end if;
  v_workflow := ops.lock_workflow(app_private.current_tenant_id(), workflow_id);
  if v_workflow.id is null then
    raise exception 'there is no workflow %', workflow_id
      using errcode = 'LTW01', hint = 'It was deleted, or is not of your tenant.';
  end if;
  return v_workflow;
end
$$;

comment on function app_private.lock_callers_workflow(uuid) is 'The workflow, locked with its tasks. LTW01 no such workflow, LTW05 the id is missing.';
--! EndIncluded workflows/lock_callers_workflow.sql
--! Included workflows/lock_waiting_workflow_tasks.sql
-- The tasks of a workflow's steps that wait and that nobody is about to claim, locked.
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

comment on function ops.lock_waiting_workflow_tasks(text, uuid) is 'Locks the tasks of a workflow''s steps that wait, passing over those that somebody is claiming, and gives their ids.';
grant execute on function ops.lock_waiting_workflow_tasks(text, uuid) to :WORKER;
--! EndIncluded workflows/lock_waiting_workflow_tasks.sql
--! Included workflows/lock_workflow.sql
-- Locks a workflow with the tasks that are not over and their leases, so that the caller may change any of them. Gives
-- the workflow, or null when there is none.
--
-- Everybody locks in one order, so that no two wait for each other: leases, tasks (by id), workflows (by id), steps. Who
-- ends a task holds its lease and the task when the workflow is locked (advance_workflow); so whoever begins with the
-- workflow has to take these before it. A step that started, or a task that was claimed, between the two is met by
-- letting go and beginning anew: each round that is lost is progress of somebody else.
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
      -- The locks of this round are gone.
      when object_in_use then null;
    end;
  end loop;
end
$$;

comment on function ops.lock_workflow(text, uuid) is 'Locks a workflow, its tasks that are not over and their leases, in the one order of locks: leases, tasks, workflows, steps. Null when there is none.';
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

comment on function app_public.pause_workflow(uuid) is 'Pauses a running workflow: no step starts, its tasks that wait cannot be claimed, those that are claimed may be finished, and no timeout passes. A paused one is returned as it is. Returns the workflow. Errors: LTW01 no such workflow, LTW04 it does not run, LTW05 invalid argument.';
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
    raise exception 'workflow % is %, which cannot become %', v_workflow.id, v_workflow.status, 'running'
      using errcode = 'LTW04', hint = 'start_workflow starts a draft, retry_workflow goes on with one that ended.';
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

comment on function app_public.resume_workflow(uuid) is 'Goes on with a paused workflow: its waiting tasks can be claimed again, and steps start whose dependencies were done meanwhile. A running one is returned as it is. Returns the workflow. Errors: LTW01 no such workflow, LTW04 it is not paused, LTW05 invalid argument.';
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
    raise exception 'workflow % is %, which cannot become %', v_workflow.id, v_workflow.status, 'running'
      using errcode = 'LTW04', hint = 'Only one that has ended can be tried again: cancel it first.';
  end if;
  if from_step is not null
    and not coalesce(jsonb_path_exists(v_workflow.steps, '$[*] ? (@.key == $key)', jsonb_build_object('key', from_step)), false)
  then
    raise exception 'invalid %: %', 'from_step', format('there is no step %s', from_step)
      using errcode = 'LTW05';
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
    raise exception 'invalid %: %', 'from_step', 'nothing failed or was cancelled: name the step to run again'
      using errcode = 'LTW05';
  end if;
  perform ops.advance_workflow(v_workflow.tenant_id, v_workflow.id);

  select * into strict v_workflow
  from app_public.workflows w
  where w.tenant_id = v_workflow.tenant_id and w.id = v_workflow.id;
  return v_workflow;
end
$$;

comment on function app_public.retry_workflow(uuid, text) is 'Runs a workflow that has ended again, in part: what failed, was cancelled, or was skipped for a failure, steps that were changed since, the step `from_step`, and everything that depends on one of these. The others keep their results. Each step that runs again gets a new task. Returns the workflow. Errors: LTW01 no such workflow, LTW02 its steps are not valid, LTW04 it has not ended, LTW05 invalid argument, or nothing to run again.';
-- Everybody who writes may run workflows.
grant execute on function app_public.retry_workflow(uuid, text) to :MEMBER, :SERVICE, :ADMIN;
--! EndIncluded workflows/retry_workflow.sql
--! Included workflows/start_workflow.sql
-- Definer: nobody may write the state of steps but through these functions. They run under the owner's policies, which are
-- confined to the caller's tenant.
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
    raise exception 'workflow % is %, which cannot become %', v_workflow.id, v_workflow.status, 'running'
      using errcode = 'LTW04', hint = 'resume_workflow goes on with one that is paused, retry_workflow with one that ended.';
  end if;
  if jsonb_typeof(start_workflow.context) is distinct from 'object' then
    raise exception 'invalid %: %', 'context', 'it is no object'
      using errcode = 'LTW05';
  end if;
  if v_workflow.steps = '[]' then
    raise exception 'invalid %: %', 'workflow_id', 'it has no steps'
      using errcode = 'LTW05';
  end if;

  -- Its steps are written again as they are, so that they are checked: they may be older than the check.
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

comment on function app_public.start_workflow(uuid, jsonb) is 'Starts a workflow that is a draft or pending: the steps that depend on nothing become tasks at once, the others as soon as what they depend on is done. `context` is added to the workflow''s. Returns the workflow. Errors: LTW01 no such workflow, LTW02 its steps are not valid, LTW04 it is neither draft nor pending, LTW05 invalid argument.';
-- Everybody who writes may run workflows.
grant execute on function app_public.start_workflow(uuid, jsonb) to :MEMBER, :SERVICE, :ADMIN;
--! EndIncluded workflows/start_workflow.sql
--! Included workflows/sync_workflow_steps.sql
-- Brings the state of a workflow's steps in line with the steps that are written in it, which are valid: adds those that
-- are new, removes those that are gone. Gives the keys of those that are new or not as they were.
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

comment on function app_private.sync_workflow_steps(app_public.workflows) is 'Brings the rows of a workflow''s steps in line with what is written in it; gives the keys of new and changed ones.';
--! EndIncluded workflows/sync_workflow_steps.sql
--! Included workflows/tend_workflows.sql
-- What the worker does for workflows every few seconds: ends the steps that took too long, and takes in what became of
-- tasks that somebody without a tenant ended (a superuser: the trigger sees no steps of theirs). A workflow that
-- somebody else is at is left for the next time, so this waits for nobody for long while it holds others. What fails is
-- set aside, and each tenant's oldest are among those that are looked at, however many another one has. Returns how many it
-- went on with.
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

comment on function ops.tend_workflows(integer) is 'Ends the steps that took too long, in up to how_many workflows, and goes on with them. Returns how many it was at; those that somebody else holds are left for the next time, those that fail are set aside.';
grant execute on function ops.tend_workflows(integer) to :WORKER;
--! EndIncluded workflows/tend_workflows.sql
--! Included workflows/tg_tasks__advance_workflows.sql
-- Goes on with the workflows of tasks that ended, or wait again after a failure, in the transaction that did it. Definer:
-- whoever may end a task need not be able to write steps. It sees the caller's tenant; the worker, which has none, calls
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
    raise exception 'task % is a step of workflow %, and is not tried again by itself', v_found.id, v_found.workflow_id
      using errcode = 'LTW08', hint = 'retry_workflow runs the step again, and what depends on it.';
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

comment on function app_private.tg_tasks__advance_workflows() is 'Trigger: goes on with the workflows of tasks that ended; refuses to try a step''s task again by itself, with LTW08.';
--! EndIncluded workflows/tg_tasks__advance_workflows.sql
--! Included workflows/tg_tasks__check_delete.sql
-- The task of a step that runs is not deleted: its workflow would wait for it forever.
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
    raise exception 'task % is a running step of workflow %, and cannot be deleted now', OLD.id, OLD.workflow_id
      using errcode = 'LTW09', hint = 'Cancel the task, or the workflow: cancel_task, cancel_workflow.';
  end if;
  return OLD;
end
$$;

comment on function app_private.tg_tasks__check_delete() is 'Trigger: refuses to delete the task of a running step, with LTW09.';
--! EndIncluded workflows/tg_tasks__check_delete.sql
--! Included workflows/tg_workflows__check_delete.sql
-- A workflow that runs is not pulled away from below its tasks.
create or replace function app_private.tg_workflows__check_delete() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  raise exception 'workflow % is %, and cannot be deleted now', OLD.id, OLD.status
    using errcode = 'LTW07', hint = 'Cancel it first: cancel_workflow.';
end
$$;

comment on function app_private.tg_workflows__check_delete() is 'Trigger: refuses to delete a workflow that runs, with LTW07.';
--! EndIncluded workflows/tg_workflows__check_delete.sql
--! Included workflows/tg_workflows__check_steps.sql
-- Refuses steps that could not run, naming the first problem, and all (twenty at most) in the detail. What has ended
-- already when it is written is history in whatever shape it comes; retry_workflow looks at it before it runs again.
-- Definer: nobody may call what it calls.
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
-- The states of a workflow and their order, for everybody who writes. Of a workflow that start_workflow has started
-- (started_at, which only functions can set, says so) the functions alone change the state: they set paused_at and
-- completed_at with it, which nobody else may.
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
    raise exception 'workflow % is %, which cannot become %', OLD.id, OLD.status, NEW.status
      using errcode = 'LTW04', hint = 'The states and their order are in docs/workflows.md.';
  end if;

  if NEW.started_at is not null and (
    (NEW.status = 'paused') <> (NEW.paused_at is not null)
    or (NEW.status in ('completed', 'failed', 'cancelled')) <> (NEW.completed_at is not null)
  ) then
    raise exception 'the status of workflow % is kept by its steps', OLD.id
      using
        errcode = 'LTW06',
        detail = format('It is %s, and was to become %s by a direct write.', OLD.status, NEW.status),
        hint = 'pause_workflow, resume_workflow, cancel_workflow and retry_workflow change it.';
  end if;

  if NEW.started_at is not null and OLD.status in ('running', 'paused') and NEW.steps is distinct from OLD.steps then
    raise exception 'the steps of workflow % cannot be changed while it is %', OLD.id, OLD.status
      using errcode = 'LTW03', hint = 'Cancel it, change the steps, and go on with retry_workflow.';
  end if;
  return NEW;
end
$$;

comment on function app_private.tg_workflows__check_update() is 'Trigger: refuses an illegal change of state with LTW04, other steps for a running workflow with LTW03, and a direct write of what the steps keep with LTW06.';
--! EndIncluded workflows/tg_workflows__check_update.sql
--! Included workflows/workflow_condition_holds.sql
-- Whether a step's condition holds, given what the steps before it came to: {key: {status, result}}. What is not there
-- is null. Numbers are compared with numbers and texts with texts, byte by byte; anything else is neither more nor less.
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
      -- A difference may be more than a number holds.
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
-- What is wrong with a condition of a step, whose `known` are the keys that it may ask about: those that it depends on,
-- directly or through others, because only they have ended for certain when it is asked.
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
    return query select place, 'it is nested more than 20 deep';
    return;
  elsif v_kind is null then
    return query select place, 'it is no object with one of all, any, not, step';
    return;
  end if;

  return query
  select place || '.' || k, format('there is no such property beside %s', v_kind)
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
    return query select place || '.' || v_kind, 'it is no array of conditions';
  elsif v_kind in ('all', 'any') then
    return query
    select p.*
    from jsonb_array_elements(condition -> v_kind) with ordinality i(item, position)
    cross join lateral app_private.workflow_condition_problems(
      format('%s.%s[%s]', place, v_kind, i.position - 1), i.item, known, depth + 1
    ) p;
  elsif jsonb_typeof(condition -> 'step') <> 'string' or condition ->> 'step' <> all (known) then
    return query
    select place || '.step', format('%s is no step that this one depends on', condition -> 'step');
  elsif condition ? 'status' then
    if condition ->> 'status' is null or condition ->> 'status' not in ('completed', 'failed', 'skipped') then
      return query
      select place || '.status', format('%s is none of completed, failed, skipped', condition -> 'status');
    end if;
  else
    if jsonb_typeof(condition -> 'path') is distinct from 'array'
      or condition -> 'path' @? 'strict $[*] ? (@.type() != "string" && @.type() != "number")'
    then
      return query select place || '.path', 'it is no array of names and positions, such as ["items", 0, "score"]';
    end if;
    if v_op is null or v_op not in ('eq', 'ne', 'gt', 'gte', 'lt', 'lte', 'in', 'contains', 'exists') then
      return query
      select
        place || '.op',
        format('%s is none of eq, ne, gt, gte, lt, lte, in, contains, exists', coalesce(condition -> 'op', 'null'));
    elsif (v_op = 'exists') = (condition ? 'value') then
      return query
      select place || '.value', case v_op when 'exists' then 'exists compares with nothing' else 'it is missing' end;
    elsif v_op in ('gt', 'gte', 'lt', 'lte') and jsonb_typeof(condition -> 'value') not in ('number', 'string') then
      return query select place || '.value', format('%s compares with a number or a text', v_op);
    elsif v_op = 'in' and jsonb_typeof(condition -> 'value') <> 'array' then
      return query select place || '.value', 'in looks into an array';
    end if;
  end if;
end
$$;

comment on function app_private.workflow_condition_problems(text, jsonb, text[], integer) is 'What is wrong with a condition that may ask about the steps `known`.';
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
    raise exception 'there is no workflow %', workflow_progress.workflow_id
      using errcode = 'LTW01', hint = 'It was deleted, or is not of your tenant.';
  end if;
  return v_overview;
end
$$;

comment on function app_public.workflow_progress(uuid) is 'How far a workflow is: overall, from 0 to 1 as the mean of its steps, how many steps are in which state, and `steps`, an array with key, status, progress (of a running step what its holder reported last), task_id, task_status, attempt, max_attempts, agent, note, error, started_at, completed_at, timeout_at of each. Errors: LTW01 no such workflow, LTW05 invalid argument.';
-- Everybody who runs workflows may look, and analysts.
grant execute on function app_public.workflow_progress(uuid) to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
--! EndIncluded workflows/workflow_progress.sql
--! Included workflows/workflow_step_problems.sql
-- What is wrong with one step of a workflow by itself; what it says of other steps is looked at in
-- workflow_steps_problems. A property that is null counts as one that is not there.
create or replace function app_private.workflow_step_problems(place text, step jsonb)
returns table (path text, problem text)
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_task jsonb := case when jsonb_typeof(step -> 'task') = 'object' then step -> 'task' end;
begin
  if jsonb_typeof(step) <> 'object' then
    return query select place, 'it is no object';
    return;
  end if;

  return query
  select place || '.' || k, 'there is no such property'
  from jsonb_object_keys(
    step - array['key', 'task', 'depends_on', 'on_failure', 'max_attempts', 'timeout', 'condition']
  ) k;

  if jsonb_typeof(step -> 'key') is distinct from 'string' or step ->> 'key' !~ '^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$' then
    return query select place || '.key', 'it is no text of 1 to 63 letters, digits and _ . - that begins with none of . -';
  end if;
  if step ->> 'on_failure' not in ('fail', 'skip', 'continue') then
    return query
    select place || '.on_failure', format('%s is none of fail, skip, continue', step -> 'on_failure');
  end if;
  if jsonb_typeof(step -> 'max_attempts') <> 'null'
    and not (step -> 'max_attempts') @? '$ ? (@ >= 1 && @ <= 100 && @ == @.floor())'
  then
    return query
    select place || '.max_attempts', format('%s is no whole number from 1 to 100', step -> 'max_attempts');
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
      format('%s is no text of an interval between 1 second and 365 days, such as "15 minutes"', step -> 'timeout');
  end if;
  if jsonb_typeof(step -> 'depends_on') not in ('array', 'null') then
    return query select place || '.depends_on', 'it is no array of keys';
  end if;

  if v_task is null then
    return query select place || '.task', 'it is no object';
    return;
  end if;
  return query
  select place || '.task.' || k, 'there is no such property'
  from jsonb_object_keys(v_task - array['description', 'priority', 'agent_id', 'capabilities', 'context']) k;
  if jsonb_typeof(v_task -> 'description') is distinct from 'string' or v_task ->> 'description' = '' then
    return query select place || '.task.description', 'it is no text or empty';
  end if;
  if v_task ->> 'priority' not in ('low', 'normal', 'high', 'critical') then
    return query
    select place || '.task.priority', format('%s is none of low, normal, high, critical', v_task -> 'priority');
  end if;
  if jsonb_typeof(v_task -> 'agent_id') not in ('string', 'null')
    or length(v_task ->> 'agent_id') not between 1 and 50
  then
    return query select place || '.task.agent_id', 'it is no text of 1 to 50 characters';
  end if;
  if jsonb_typeof(v_task -> 'capabilities') not in ('array', 'null')
    or (v_task -> 'capabilities') @? 'strict $[*] ? (@.type() != "string")'
  then
    return query select place || '.task.capabilities', 'it is no array of texts';
  end if;
  if jsonb_typeof(v_task -> 'context') not in ('object', 'null') then
    return query select place || '.task.context', 'it is no object';
  else
    return query
    select place || '.task.context.' || k, 'this name is taken by what a step is told of its workflow'
    from unnest(array['workflow', 'steps']) k
    where v_task -> 'context' ? k;
  end if;
end
$$;

comment on function app_private.workflow_step_problems(text, jsonb) is 'What is wrong with one step by itself.';
--! EndIncluded workflows/workflow_step_problems.sql
--! Included workflows/workflow_steps_problems.sql
-- Everything that is wrong with the steps of a workflow, by the path in the JSON, in its order. The shape is described
-- in docs/workflows.md.
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
    return query select 'steps', 'it is no array of steps';
    return;
  elsif jsonb_array_length(steps) > 200 then
    return query select 'steps', format('%s are more than 200', jsonb_array_length(steps));
    return;
  end if;

  -- By key, the keys of all steps that it depends on, directly or through others. Who depends on itself is in a cycle.
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
    select 2, 0, l.place || '.key', format('steps[%s] has the key %s already', min(f.position) - 1, l.item -> 'key')
    from listed f
    where f.key = l.key and f.position < l.position
    having count(*) > 0
    union all
    select
      3, d.position, format('%s.depends_on[%s]', l.place, d.position - 1),
      case
        when jsonb_typeof(d.item) <> 'string' then 'it is no key of a step'
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

comment on function app_private.workflow_steps_problems(jsonb) is 'What is wrong with the steps of a workflow, by path; no rows: they can run.';
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
    raise exception 'content is missing'
      using errcode = 'LTS15', hint = 'Knowledge without a text can be found by nothing.';
  end if;
  if public.vector_dims(embedding) <> 1536 then
    raise exception 'the embedding has % dimensions; 1536 are needed', public.vector_dims(embedding)
      using errcode = 'LTS01', hint = 'Embed with the model that the knowledge was embedded with.';
  end if;
  if public.vector_norm(embedding) = 0 then
    raise exception 'the embedding is zero throughout, and nothing is near to it or far from it'
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

content: the text. id: a random one where none is given. agent_id, category, source, metadata: as in the table. embedding: 1536 dimensions; without one the worker makes it, where EMBEDDINGS_URL is set.

Gives the item.

Errors: LTS15 content is missing; LTS01 or LTS02 an embedding of another dimension or of zeros; 23505 there is one of this id; 23503 there is no such agent.$$;
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
    raise exception 'items is no JSON array of 1 to 10000 objects'
      using errcode = 'LTS16';
  end if;

  -- What is wrong with an item is said with its position; the table's own rules hold besides.
  select i.position - 1, r.reason into v_position, v_reason
  from jsonb_array_elements(items) with ordinality i(item, position)
  cross join lateral (
    select case
      when jsonb_typeof(i.item) <> 'object' then 'it is a JSON ' || jsonb_typeof(i.item) || ', not an object'
      when exists (
        select from jsonb_object_keys(i.item) key
        where key not in ('id', 'agent_id', 'category', 'content', 'source', 'metadata', 'embedding')
      ) then (
        select 'there is no field ' || min(key)
        from jsonb_object_keys(i.item) key
        where key not in ('id', 'agent_id', 'category', 'content', 'source', 'metadata', 'embedding')
      )
      when jsonb_typeof(i.item -> 'content') is distinct from 'string' or btrim(i.item ->> 'content') = ''
        then 'content is missing'
      when exists (
        select from jsonb_each(i.item) field
        where field.key in ('id', 'agent_id', 'category', 'source') and jsonb_typeof(field.value) not in ('string', 'null')
      ) then 'id, agent_id, category and source are strings'
      when jsonb_typeof(i.item -> 'metadata') not in ('object', 'null') then 'metadata is no object'
      when coalesce(jsonb_typeof(i.item -> 'embedding'), 'null') = 'null' then null
      when jsonb_typeof(i.item -> 'embedding') <> 'array' then 'embedding is no array'
      when jsonb_array_length(i.item -> 'embedding') <> 1536
        then 'embedding has ' || jsonb_array_length(i.item -> 'embedding') || ' dimensions; 1536 are needed'
      when jsonb_path_exists(i.item, '$.embedding[*] ? (@.type() != "number")') then 'embedding holds what is no number'
      when not jsonb_path_exists(i.item, '$.embedding[*] ? (@ != 0)') then 'embedding is zero throughout'
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

items: an array of 1 to 10000 objects with content and, where there is one, id, agent_id, category, source, metadata, embedding.

Gives the items.

Errors: LTS16 no array, or too long a one; LTS17 what is wrong with which item, counted from 0; 23505 there is one of an id; 23503 there is no such agent.$$;
grant execute on function app_public.add_knowledge_items(jsonb) to :MEMBER, :SERVICE, :ADMIN;
--! EndIncluded knowledge/add_knowledge_items.sql
--! Included knowledge/knowledge_by_text.sql
-- The knowledge of a tenant that holds the words of a text, the most relevant first. For search_knowledge, which runs
-- as :SEARCH and says the tenant. The condition is written as the index has it: knowledge_content_idx, whose documents
-- have their tenant as a word.
--
-- To rank a row its content is parsed anew, which takes some 100 microseconds. So of more than 2,000 rows that match the newest
-- 2,000 are ranked: words that so many hold tell little, and a search for one of them must not take seconds.
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
-- Postgres tells of a text that is all stop words in a notice.
set client_min_messages to warning
as $$
declare
  v_words tsquery := websearch_to_tsquery('pg_catalog.english', query_text);
  v_indexed tsquery := quote_literal('tenant:' || tenant_id)::tsquery && v_words;
begin
  -- Nothing but stop words: no row holds none of them.
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

comment on function app_private.knowledge_by_text(text, text, text, text, jsonb, integer) is 'The knowledge of a tenant that holds the words of a text, the most relevant first; of more than 2,000 items the newest 2,000. For search_knowledge.';
grant execute on function app_private.knowledge_by_text(text, text, text, text, jsonb, integer) to :SEARCH;
--! EndIncluded knowledge/knowledge_by_text.sql
--! Included knowledge/nearest_knowledge.sql
-- The knowledge of a tenant that is nearest to an embedding, nearest first: `row_limit` rows whenever there are as many
-- that match, whatever other tenants hold. For the search functions, which run as :SEARCH; they say the tenant.
--
-- Rows that match are counted, as far as it matters, and that decides. Few: every one of them is compared. Many: the HNSW
-- index is walked until enough of what it gives belongs to the tenant and matches, and what it gave is put into order by
-- the embeddings themselves, which the index holds with half the precision. If the walk ends early (hnsw.max_scan_tuples),
-- every row is compared after all.
--
-- "Few" is where both cost the same: of a table of T rows, the walk sees about row_limit * T / n of them to find
-- row_limit among the n that match, the comparison n; equal at n = sqrt(row_limit * T).
--
-- The settings hold for this function alone. Plans are made for the values given, so that a filter that is null
-- costs nothing; the one order by that an index can give is to be given by it. With an ef_search of 100 whole topics were
-- missed among 100,000 clustered vectors (recall 0.90 to 0.95), with 400 none (docs/knowledge.md).

-- Settings of an extension can be named in a function once the session has loaded it.
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
-- Raises unless an embedding can be searched with: the type of an argument holds vectors of any dimension.
create or replace function app_private.refuse_embedding(embedding public.vector) returns void
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
begin
  if public.vector_dims(embedding) <> 1536 then
    raise exception 'the embedding has % dimensions; 1536 are needed', public.vector_dims(embedding)
      using errcode = 'LTS01', hint = 'Embed with the model that the knowledge was embedded with.';
  end if;
  if public.vector_norm(embedding) = 0 then
    raise exception 'the embedding is zero throughout, and nothing is near to it or far from it'
      using errcode = 'LTS02';
  end if;
end
$$;

comment on function app_private.refuse_embedding(public.vector) is 'Raises LTS01 for an embedding of another dimension, LTS02 for one of zeros.';
grant execute on function app_private.refuse_embedding(public.vector) to :SEARCH;
--! EndIncluded knowledge/refuse_embedding.sql
--! Included knowledge/search_knowledge.sql
-- Runs as :SEARCH, whose policy on knowledge is open: below a policy that compares the tenant neither `@@` nor `@>` may
-- use an index. So the tenant's condition stands in the statements, and it is the caller's: no argument names it.
--
-- Only its owner can replace a function, and :SEARCH owns nothing else and may make nothing else.
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
  -- How deep each part is read: an item that is middling in both may be the best of all.
  v_depth integer;
  v_vector_weight double precision;
  v_text_weight double precision;
begin
  if match_count is null or match_count not between 1 and 1000 then
    raise exception 'match_count is %; a whole number from 1 to 1000 is needed', match_count
      using errcode = 'LTS03';
  end if;
  if query_embedding is null and v_text is null then
    raise exception 'there is nothing to search for: query_embedding and query_text are both missing'
      using errcode = 'LTS04', hint = 'Give one of them, or both.';
  end if;
  -- Parsing a text takes time by the square of its length, and ranking by its words.
  if char_length(query_text) > 10000 then
    raise exception 'query_text has % characters; at most 10000 are searched for', char_length(query_text)
      using errcode = 'LTS18', hint = 'Search for a part of it, or for its embedding.';
  end if;
  -- NaN is refused, too: to Postgres it is greater than any number.
  if vector_weight is null or text_weight is null
    or vector_weight not between 0 and 1000 or text_weight not between 0 and 1000
  then
    raise exception 'vector_weight is % and text_weight is %; numbers from 0 to 1000 are needed', vector_weight, text_weight
      using errcode = 'LTS05';
  end if;
  v_vector_weight := case when query_embedding is null then 0 else vector_weight end;
  v_text_weight := case when v_text is null then 0 else text_weight end;
  if v_vector_weight = 0 and v_text_weight = 0 then
    raise exception 'the weight of what is searched for is 0'
      using errcode = 'LTS06', hint = 'Give query_embedding a vector_weight above 0, or query_text a text_weight.';
  end if;
  if min_score is null or min_score not between 0 and 1 then
    raise exception 'min_score is %; a number from 0 to 1 is needed', min_score
      using errcode = 'LTS07';
  end if;
  if min_similarity not between -1 and 1 then
    raise exception 'min_similarity is %; a number from -1 to 1 is needed', min_similarity
      using errcode = 'LTS08';
  end if;
  if jsonb_typeof(metadata) <> 'object' then
    raise exception 'metadata is a JSON %; an object is needed, of what an item''s metadata must contain', jsonb_typeof(metadata)
      using errcode = 'LTS09';
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
      -- Reciprocal rank fusion with the usual constant of 60, as a share of what the first of both parts gets.
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

query_embedding: 1536 dimensions, compared by cosine. query_text: words that must all be there; "a phrase", or, -not; at most 10,000 characters. At least one of the two.
agent, category, metadata: only items of this agent, of this category, whose metadata contains this object.
match_count: how many to give, 1 to 1000. As many come whenever as many match; every item with an embedding matches an embedding.
vector_weight, text_weight: what the ranks of both parts count for. min_score: leaves out what scores less (0 to 1). min_similarity: leaves out of the part by meaning what is less similar (-1 to 1).

Gives the items, best first, each with its score (reciprocal rank fusion; 1: first in every part), its similarity and rank by meaning and its relevance and rank by words; null where that part did not find it.

Errors: LTS01 or LTS02 an embedding of another dimension or of zeros; LTS03 match_count; LTS04 nothing to search for; LTS05, LTS06 weights; LTS07 min_score; LTS08 min_similarity; LTS09 metadata is no object; LTS18 query_text has more than 10,000 characters.$$;

set local role :OWNER;
revoke create on schema app_public from :SEARCH;
--! EndIncluded knowledge/search_knowledge.sql
--! Included knowledge/search_knowledge_text.sql
-- The same search for those who have no embedding: the API's process sees the call, embeds the text and leaves the
-- embedding in a setting of the request's transaction (src/embeddings/). Called in any other way there is none. Who sets
-- the setting by hand searches by what they set, within their own tenant: nothing is decided by it.
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
  -- By text: one GraphQL operation may search for several.
  v_embeddings jsonb := nullif(current_setting('app.query_embeddings', true), '')::jsonb;
begin
  if nullif(btrim(query_text), '') is null then
    raise exception 'query_text is missing'
      using errcode = 'LTS10', hint = 'Say in words what to look for.';
  end if;
  -- As search_knowledge does: the API makes no embedding of a longer text (src/embeddings/query-embeddings.ts).
  if char_length(query_text) > 10000 then
    raise exception 'query_text has % characters; at most 10000 are searched for', char_length(query_text)
      using errcode = 'LTS18', hint = 'Search for a part of it.';
  end if;
  if v_embeddings ->> query_text is null then
    raise exception 'the text has no embedding: it is made in the API''s process, with an endpoint of embeddings'
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

The API embeds query_text as the knowledge was embedded, and searches as search_knowledge does, which explains the other arguments and the result. Through REST and GraphQL only, and where EMBEDDINGS_URL is set.

Errors: LTS10 query_text is missing; LTS18 it has more than 10,000 characters; LTS11 there is no embedding of it (the endpoint is not set or does not answer); those of search_knowledge.$$;
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
    raise exception 'match_count is %; a whole number from 1 to 1000 is needed', match_count
      using errcode = 'LTS03';
  end if;
  if min_similarity not between -1 and 1 then
    raise exception 'min_similarity is %; a number from -1 to 1 is needed', min_similarity
      using errcode = 'LTS08';
  end if;
  if jsonb_typeof(metadata) <> 'object' then
    raise exception 'metadata is a JSON %; an object is needed, of what an item''s metadata must contain', jsonb_typeof(metadata)
      using errcode = 'LTS09';
  end if;
  select k.embedding into v_embedding
  from app_public.knowledge k
  where k.tenant_id = v_tenant_id and k.id = similar_knowledge.id;
  if not found then
    raise exception 'there is no knowledge %', id
      using errcode = 'LTS12';
  end if;
  if v_embedding is null then
    raise exception 'knowledge % has no embedding yet', id
      using errcode = 'LTS13', hint = 'Its column embedding_error says why, if embedding it was tried.';
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

Gives the items, most similar first, as search_knowledge does.

Errors: LTS12 there is no such item; LTS13 it has no embedding yet; LTS02 its embedding is zero throughout; LTS03 match_count; LTS08 min_similarity; LTS09 metadata is no object.$$;

set local role :OWNER;
revoke create on schema app_public from :SEARCH;
--! EndIncluded knowledge/similar_knowledge.sql
--! Included knowledge/tg_knowledge__clear_embedding.sql
-- An embedding belongs to the content that it was computed from. Content that changes without a new one loses the old
-- one, and the embedding job makes another: a stale embedding would find the item by what it no longer says.
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

comment on function app_private.tg_knowledge__clear_embedding() is 'Takes away the embedding of content that changed without a new one.';
--! EndIncluded knowledge/tg_knowledge__clear_embedding.sql
--! Included knowledge/touch_knowledge.sql
-- Runs as :SEARCH, whose updates are not audited (knowledge/knowledge.sql): a search would leave a row of history for
-- each item that it used. It may update nothing but the two columns that are set here. The rows are locked in the order
-- of their keys, so that two searches that used the same items do not deadlock.
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
    raise exception 'ids has % items; a list of at most 10000 is needed', coalesce(cardinality(ids)::text, 'no')
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

ids: the items, 10000 at most. What is twice in it counts once; an id that there is not is passed over. Leaves no trace in the audit log.

Gives how many items were counted.

Errors: LTS14 no list, or too long a one.$$;

set local role :OWNER;
revoke create on schema app_public from :SEARCH;
--! EndIncluded knowledge/touch_knowledge.sql

--! Included metrics/close_metric_floors.sql
-- Closes what is refused, for removal: when everybody who may not have seen the new floor has ended, and everything below it
-- is rolled up, but for what is set aside: that would keep everybody's points for ever. Returns how many floors are left open.
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

comment on function ops.close_metric_floors() is 'Closes for removal what is refused and rolled up. Returns how many floors wait for a writer or for the rolling up.';
grant execute on function ops.close_metric_floors() to :WORKER;
--! EndIncluded metrics/close_metric_floors.sql
--! Included metrics/metric_item.sql
-- What ops.quarantined_items calls a bucket of a rollup.
create or replace function ops.metric_item(resolution text, bucket timestamptz) returns text
language sql stable
return resolution || pg_catalog.to_char(bucket at time zone 'UTC', ' YYYY-MM-DD HH24:MI"Z"');

comment on function ops.metric_item(text, timestamptz) is 'The name of a bucket of a rollup among quarantined items: `minute 2026-11-29 12:03Z`.';
grant execute on function ops.metric_item(text, timestamptz) to :WORKER, :OPERATOR;
--! EndIncluded metrics/metric_item.sql
--! Included metrics/due_metric_buckets.sql
-- The oldest buckets from `since` on that a rollup lacks and that are over by `until`, each once, out of a stretch of
-- `how_many`; not those that are set aside. Steps from one to the next by the index: a minute has as many notes as statements wrote into it.
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
-- Makes buckets of a rollup for all tenants in one statement; when that fails, tenant by tenant; of a tenant that fails,
-- bucket by bucket, and sets aside what cannot be made. The notes of what is set aside stay, so readers take its points.
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
-- 1.0202^(k - 37500), so that its middle is within one per cent of each of them; 1.0202 is 1.01 / 0.99, and 0.0200006667
-- its logarithm. Zero has bucket 0, a negative value minus that of its opposite: buckets are in the order of their values.
-- 37500 makes the smallest double's bucket positive, so every finite value has one.
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
-- A sum of doubles that may be beyond a double, for which it is null: Postgres' own sum raises, and would do so for a whole
-- table. It is given in two parts, neither of which can overflow: the sum of what is within 1e280, and that of the rest by
-- 2^100, to lose nothing. What is summed up of sums that were beyond (infinite here) is beyond, too.
create or replace function app_private.metric_sum(small double precision, large double precision) returns double precision
language sql immutable parallel safe
return case
  when large is null then small
  when pg_catalog.abs(large + case when pg_catalog.abs(small) > 1e200 then small / pg_catalog.power(2, 100) else 0 end)
    < pg_catalog.power(2, 924)
  then
    (large + case when pg_catalog.abs(small) > 1e200 then small / pg_catalog.power(2, 100) else 0 end) * pg_catalog.power(2, 100)
end;

comment on function app_private.metric_sum(double precision, double precision) is 'The sum of doubles within 1e280, and of others by 2^100; null where it is beyond a double.';
grant execute on function app_private.metric_sum(double precision, double precision)
  to :MEMBER, :SERVICE, :ADMIN, :ANALYST, :WORKER;
--! EndIncluded metrics/metric_sum.sql
--! Included metrics/make_metrics_minute.sql
-- Makes the rollups of these minutes anew from all of their points, for the tenants that ops.metric_changes names (of them
-- one, or all: null), ends the notes and notes the hours: one statement and so of one snapshot. Points that are committed
-- later have notes of their own. Parsed ahead, because the worker may not name what is in app_private.
create or replace function ops.make_metrics_minute(minutes timestamptz[], tenant text) returns void
language sql volatile
-- The tenant's points of a minute are a stretch of the primary key: one look into the index for each. The planner does not
-- know how many notes there are, and would read whole days.
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
    -- Of a time whose points are being removed nothing is made any more: there may be half of them.
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
-- Merges the rollups of a minute into those of these hours, for the tenants that ops.metric_changes names (of them one, or
-- all: null): sketches merge by adding up. Otherwise as ops.make_metrics_minute.
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
    -- By the index of time, which is small.
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
-- Merges the rollups of an hour into those of these days (of UTC). Otherwise as ops.make_metrics_hour.
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
    -- By the index of time, which is small.
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
-- The value that stands for a bucket of a sketch: 2 / (1.0202 + 1) = 0.99 of its upper end is within one per cent of all of
-- it. The ends of what a double holds would overflow by a rounding error, hence `least` and `greatest`.
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
-- Checks what the functions that read metrics are asked, and says it in the terms that they compute in:
--   range_start, range_end  of a series: widened to whole buckets
--   bucket                  in seconds alone, because a day added in the session's time zone may have 23 hours; where none
--                           is given, the smallest of the usual that makes at most 200
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
    raise exception 'there is no time from % to %', coalesce(range_start::text, 'null'), coalesce(range_end::text, 'null')
      using errcode = 'LTM02', hint = '"from" is before "to", and both are given.';
  end if;

  if tags is null or jsonb_typeof(tags) <> 'object' or jsonb_path_exists(tags, 'strict $.* ? (@.type() == "object" || @.type() == "array")')
  then
    raise exception 'tags is not a flat object: %', coalesce(tags::text, 'null')
      using errcode = 'LTM05', hint = 'Points have all of the tags of the filter: {"route": "/"}; {} filters nothing.';
  end if;

  if aggregate ~ '^p\d{1,2}(\.\d{1,6})?$' then
    fraction := substr(aggregate, 2)::double precision / 100;
  elsif aggregate is null or aggregate not in ('avg', 'sum', 'min', 'max', 'count', 'rate', 'last') then
    raise exception 'there is no aggregate %', coalesce(aggregate, 'null')
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
      using errcode = 'LTM03', hint = 'A bucket is longer than nothing, has no months, and a series has at most 10,000.';
  end if;
  bucket := make_interval(secs => extract(epoch from bucket)::double precision);
  range_start := date_bin(bucket, range_start, v_origin);
  range_end := date_bin(bucket, range_end - interval '1 microsecond', v_origin) + bucket;
end
$$;

comment on function app_private.metric_request(timestamptz, timestamptz, interval, text, text, jsonb) is 'What is asked of metrics, checked: the range in whole buckets, the bucket, and the fraction of a percentile. LTM02 to LTM06.';
grant execute on function app_private.metric_request(timestamptz, timestamptz, interval, text, text, jsonb)
  to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
--! EndIncluded metrics/metric_request.sql
--! Included metrics/metric_latest.sql
-- The newest point of each metric of a service, or of each value of a tag. Without a tag to group by it jumps from metric to
-- metric and reads the newest point of each; to group it has to read all points since then.
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
  E'The newest point of each metric of a service (of one, where `metric` names it) `since` a time, a day ago unless told otherwise. `tags` keeps to points that have all of these tags; `group_by` names a tag, of each value of which the newest point is given (null: of points without it). LTM02 since, LTM05 tags.';
grant execute on function app_public.metric_latest(text, text, jsonb, text, timestamptz)
  to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
--! EndIncluded metrics/metric_latest.sql
--! Included metrics/metric_percentile_list.sql
-- The percentiles that are asked for, each once.
create or replace function app_private.metric_percentile_list(percentiles double precision[]) returns double precision[]
language plpgsql immutable parallel safe
set search_path to pg_catalog, pg_temp
as $$
begin
  if percentiles is null or cardinality(percentiles) not between 1 and 100
    or exists (select from unnest(percentiles) p where p is null or not p between 0 and 100)
  then
    raise exception 'these are no percentiles: %', coalesce(percentiles::text, 'null')
      using errcode = 'LTM07', hint = 'One to a hundred numbers between 0 and 100: {50,99,99.9}.';
  end if;
  return array(select distinct p from unnest(percentiles) p order by p);
end
$$;

comment on function app_private.metric_percentile_list(double precision[]) is 'The percentiles in order, each once. LTM07 when there are none, more than a hundred, or one is out of 0 to 100.';
grant execute on function app_private.metric_percentile_list(double precision[]) to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
--! EndIncluded metrics/metric_percentile_list.sql
--! Included metrics/metric_reach.sql
-- A range that holds all of a series or of percentiles, for the planner: immutable, so that it is a constant where the
-- arguments are, and partitions outside of it are left out before anything is planned for them. Months and days in the
-- session's time zone would make it stable, hence `at time zone`. What metric_request refuses has no bounds here.
--
-- PL/pgSQL, so that it is not inlined, and a cost that no plan for any arguments can afford: that would ask it for every
-- point, and sum up for every aggregate. So a prepared statement goes on to be planned for the arguments of each call, which
-- takes half the time.
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
-- Which table answers for which part of a range: the coarsest rollup that has it, points where none does. A rollup has
-- everything but what ops.metric_changes says it lacks; points and their notes are committed together, rollups and the end
-- of the notes, too, so a statement never sees a part of a rollup as the whole. A rollup can serve buckets that are a
-- multiple of its own width, and whole ones only; a null bucket is any.
-- Definer: it reads the notes, of the caller's tenant.
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
      -- Of a time whose points are being removed, what is rolled up counts.
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
  -- What is changed in a minute is changed in its hour and its day.
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
-- The points of a range, or the rollups that stand for them (metric_sources). With `by_key` a rollup gives a row per bucket
-- of its sketch, of which only key, count, min and max mean something; without, the key is null. A sum that a rollup has not,
-- for it is beyond a double, is infinite (metric_sum). A filter that lets everything
-- through is left out by the planner: to ask it of every point took a quarter of an average.
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
  -- Materialized: what joins the tables are plain columns, which row-level security lets into an index condition.
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
-- Several percentiles of one range, of sketches. The range is exact: whole minutes, hours and days of it come from rollups,
-- its edges from points.
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
    -- All of them, as constants (metric_reach).
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
  E'Percentiles (0 to 100; 50, 90, 95 and 99 unless told otherwise) of a metric of a service between `from` and `to`, right to one per cent. `tags` keeps to points that have all of these tags; `group_by` names a tag, each value of which has percentiles of its own. No rows when there are no points. LTM02 no range, LTM05 tags, LTM07 percentiles.';
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
      raise exception 'points is neither an object nor an array of objects, but %', coalesce(json_typeof(points), 'null')
        using errcode = 'LTM01',
          hint = 'A point: {"service_name": "api", "metric_name": "latency_ms", "value": 12.5, "tags": {"route": "/"}}.';
  end case;
end
$$;

comment on function app_private.metric_points(json) is 'The points as an array. LTM01 when they are neither an object nor an array.';
grant execute on function app_private.metric_points(json) to :SERVICE, :ADMIN;
--! EndIncluded metrics/metric_points.sql
--! Included metrics/metric_quotient.sql
-- A sum by a number of points or seconds. Where Postgres' own division raises an overflow it is null, as such a sum is; where it
-- raises an underflow, nearer to zero than any double, it is zero. The ends of what a double holds are 1.8e308 and 4.9e-324.
create or replace function app_private.metric_quotient(dividend double precision, divisor double precision)
returns double precision
language sql immutable parallel safe
return case
  when divisor < 1 and pg_catalog.abs(dividend) > divisor * 1.7976931348623157e308 then null
  when divisor <= 1 then dividend / divisor
  when pg_catalog.abs(dividend) < divisor * '5e-324'::double precision then 0
  else dividend / divisor
end;

comment on function app_private.metric_quotient(double precision, double precision) is 'A sum of values by a number of points or seconds; null where it is beyond a double, zero where it is nearer to zero than any.';
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
  -- A row per bucket and group; of a percentile, per key of the sketch, too.
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
    -- All of them, as constants (metric_reach).
    where r.at >= lower(app_private.metric_reach(metric_series."from", metric_series."to", metric_series.bucket))
      and r.at < upper(app_private.metric_reach(metric_series."from", metric_series."to", metric_series.bucket))
    group by 1, 2, 3
  ),
  ranked as (
    select
      k.*,
      -- Each key is there once, so rows are as good as a range, and need no look at the next one.
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
              -- The first key up to which there are more points than the fraction of all.
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
      -- A sum beyond a double is null, and no gap.
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
  E'A metric of a service over time, in buckets. `from` and `to` are widened to whole buckets, counted from midnight UTC (a week''s from Monday); without a `bucket` it is chosen to give at most 200. `aggregate` is avg, sum, min, max, count, rate (sum per second), last or a percentile such as p95 or p99.9 (right to one per cent). `tags` keeps to points that have all of these tags; `group_by` names a tag, each value of which has a series of its own (null: points without it). Buckets without points are there: count, sum and rate are 0, others as `fill` says: null, zero or previous (the value of the last bucket before). A sum beyond a double is null, and so are avg and rate. Reads points or rollups, whichever has them coarsest. LTM02 no range, LTM03 bucket, LTM04 aggregate, LTM05 tags, LTM06 fill.';
grant execute on function app_public.metric_series(text, text, timestamptz, timestamptz, interval, text, jsonb, text, text)
  to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
--! EndIncluded metrics/metric_series.sql
--! Included metrics/metrics_kept_from.sql
-- Before when points of the caller's tenant are refused. Definer: nobody of a tenant reads the floors.
create or replace function app_private.metrics_kept_from() returns timestamptz
language sql stable security definer
set search_path to pg_catalog, pg_temp
as $$
  select coalesce(max(f.kept_from), '-infinity')
  from ops.metric_floors f
  where f.tenant_id is null or f.tenant_id = (select app_private.current_tenant_id())
$$;

comment on function app_private.metrics_kept_from() is 'Since when points of the caller''s tenant are kept.';
grant execute on function app_private.metrics_kept_from() to :SERVICE, :ADMIN;
--! EndIncluded metrics/metrics_kept_from.sql
--! Included metrics/move_metric_floors.sql
-- Moves up the time before which points are refused, to the midnight before which no tenant (for each that keeps less: it)
-- keeps them. Never down. What is refused can be removed once it is closed: ops.close_metric_floors.
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

comment on function ops.move_metric_floors(timestamptz) is 'Moves up the time before which points are refused, as the retention of metrics.raw says.';
grant execute on function ops.move_metric_floors(timestamptz) to :WORKER;
--! EndIncluded metrics/move_metric_floors.sql
--! Included metrics/record_metrics.sql
-- Stores the good ones of many points in one statement, and says of the others why not. A point is read with
-- json_to_record, in one pass; only what cannot make it fail is let in: texts that have no escape that text cannot hold.
-- Every cast of a value from outside stands in a `case` behind the question whether it can be cast.
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
        when not f.is_object then 'a point is an object, not ' || json_typeof(f.point)
        when not f.is_storable then 'it holds a character that cannot be stored, \u0000 or half of a pair'
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
          then 'timestamp is out of the range that is kept: ' || f.at
        when f.tags is null then null
        when json_typeof(f.tags) <> 'object' then 'tags is not an object'
        when not pg_input_is_valid(f.tags::text, 'jsonb') then 'tags has a number that cannot be stored'
        when f.tags::text ~ '^.+[[{]' and exists (
          select from json_each(f.tags) t where json_typeof(t.value) in ('object', 'array')
        ) then 'tags is not flat: a tag is a text, a number or a boolean'
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
  E'Records points, one object or an array of thousands. A point has `service_name`, `metric_name`, `value` (a finite number), and may have `tags` (a flat object) and `timestamp` (now; UTC where it names no zone). Answers with how many were `stored` and which were `rejected`: `[{"index": 3, "reason": "value is missing"}]`, counted from 0. Good points are stored whatever the others are. LTM01 when `points` is neither an object nor an array.';
grant execute on function app_public.record_metrics(json) to :SERVICE, :ADMIN;
--! EndIncluded metrics/record_metrics.sql
--! Included metrics/roll_up_metrics.sql
-- Makes the oldest buckets of a rollup that are over by `until` and have changed, of all tenants, out of a stretch of
-- `how_many`: minutes from points, hours from minutes, days from hours. Killed anywhere, it has done all or nothing. One at a
-- time for each rollup: whoever finds its row of ops.metric_rollups locked does nothing, and answers null. Runs as the worker.
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
  -- A day is 24 hours: one that is added in the session's time zone may have 23.
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

comment on function ops.roll_up_metrics(text, timestamptz, integer, timestamptz) is 'Rolls metrics up to minutes, hours or days (`resolution`): the oldest `how_many` that are over by `until` and have changed, from `since` on. What cannot be made of a tenant is set aside. Gives how many they were (0, there are none; null, somebody else is at it) and from where to go on: whoever goes on from there comes to an end however fast points come late.';
grant execute on function ops.roll_up_metrics(text, timestamptz, integer, timestamptz) to :WORKER;
--! EndIncluded metrics/roll_up_metrics.sql
--! Included metrics/tg_metrics__mark_changes.sql
-- Notes the minutes that points arrived in, a row per statement, tenant and minute: what the worker has to roll up, and
-- what readers take from the points until it has. Rows are only added, so that writers never wait for each other or for
-- the worker. Points of a time that is being removed are refused: they would be rolled up without those that have gone.
-- Definer: nobody may write the notes.
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
    raise exception 'points of % are not kept any more', v_gone
      using errcode = 'LTM09', hint = 'Leave out what is older than the retention of metrics.raw.';
  end if;
  return null;
end
$$;

comment on function app_private.tg_metrics__mark_changes() is 'Trigger: notes in ops.metric_changes the minutes that points arrived in. LTM09 when points of then are not kept any more.';
--! EndIncluded metrics/tg_metrics__mark_changes.sql

--! Included sessions/caller_subject.sql
-- Whom the API verified; null for a login of its own, whose settings prove nothing.
create or replace function app_private.caller_subject() returns text
language sql stable parallel safe
return case
  when pg_catalog.pg_has_role(session_user, ':ANON', 'member')
    then nullif(pg_catalog.current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
end;

comment on function app_private.caller_subject() is 'The verified subject of the request: a user''s or service''s name. Null for a login of its own.';
--! EndIncluded sessions/caller_subject.sql
--! Included sessions/check_session.sql
-- What is asked of a new session. True, or an error: it stands in the `where` of what opens it.
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
    raise exception 'the user''s id has % characters, not 1 to 100', coalesce(length(user_id), 0)
      using errcode = 'LTU01', hint = 'Name the user whose session it is.';
  end if;
  if ttl is null or ttl < interval '1 second' or ttl > interval '1 year'
    or sliding is null or (sliding and (max_age is null or max_age < interval '1 second' or max_age > interval '1 year'))
  then
    raise exception 'a session cannot live for % (sliding: %, at most %)',
      coalesce(ttl::text, 'null'), coalesce(sliding::text, 'null'), coalesce(max_age::text, 'null')
      using errcode = 'LTU02', hint = 'One second to one year.';
  end if;
  if role is null or role not in ('member', 'service', 'admin') then
    raise exception 'there is no role % for a session', coalesce(role, 'null')
      using errcode = 'LTU03', hint = 'Use member, service or admin.';
  end if;
  if data is null or jsonb_typeof(data) <> 'object' then
    raise exception 'the data of a session is not an object, but %', coalesce(jsonb_typeof(data), 'null')
      using errcode = 'LTU05', hint = 'Leave it out, or pass an object.';
  end if;
  return true;
end
$$;

comment on function app_private.check_session(text, jsonb, interval, text, boolean, interval) is 'Whether a session can be opened so: true, or LTU01, LTU02, LTU03, LTU05.';
grant execute on function app_private.check_session(text, jsonb, interval, text, boolean, interval) to :SERVICE, :ADMIN;
--! EndIncluded sessions/check_session.sql
--! Included sessions/token_digest.sql
-- What is stored of a token. SHA-256 without a salt is enough: a token is 32 random bytes, so there is nothing to guess.
create or replace function app_private.token_digest(token text) returns text
language sql immutable strict parallel safe
return pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(token, 'UTF8')), 'hex');

comment on function app_private.token_digest(text) is 'SHA-256 of a token, 64 hexadecimal digits: what sessions store of it.';
grant execute on function app_private.token_digest(text) to :SERVICE, :ADMIN;
--! EndIncluded sessions/token_digest.sql
--! Included sessions/create_session.sql
-- Opens a session and gives back its token, this once: what is stored is its digest. 32 bytes from three random UUIDs, each
-- 122 bits of the system's generator, folded by SHA-256.
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
  E'@name openSession\nOpens a session of a user and returns its `token`, which nobody can read again; the API takes it as a bearer token in place of a JWT. `ttl` is how long it lives; with `sliding`, use prolongs it by as much, up to `max_age` after it was opened. `role` is what its requests run as: member, service, or admin (only for administrators). `data` is the service''s own. LTU01 user_id, LTU02 ttl or max_age, LTU03 role, LTU04 a session of an administrator, LTU05 data.';
grant execute on function app_public.create_session(text, jsonb, interval, text, boolean, interval) to :SERVICE, :ADMIN;
--! EndIncluded sessions/create_session.sql
--! Included sessions/use_session.sql
-- The session that a token opens, wherever it is; nothing when it is unknown, over, or its tenant is locked out, and no
-- word about which. The same work is done for any text: one digest, one look-up by it. What is compared is the digest, so
-- that time tells nothing of the token.
--
-- Use prolongs a session that slides, when that is worth a write: once a tenth of its time has passed.
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
  -- A year is the longest that create_session takes. A row that a service inserts may say what is beyond any time.
  if v_session.sliding_ttl > interval '1 year' then
    v_session.sliding_ttl := interval '1 year';
  end if;
  -- Null, and so not taken, for a session that does not slide; least() would pass over the null alone.
  if v_session.expires_at < now() + v_session.sliding_ttl * 0.9 and v_session.expires_at < coalesce(v_session.ends_at, 'infinity') then
    update app_public.sessions s
    set expires_at = least(now() + v_session.sliding_ttl, s.ends_at)
    where s.tenant_id = v_session.tenant_id and s.id = v_session.id
    returning s.* into v_session;
    -- Ended in this moment.
    if not found then
      return;
    end if;
  end if;
  return next v_session;
end
$$;

comment on function app_private.use_session(text) is 'The live session that a token opens, in whichever tenant, prolonged if it slides; no row otherwise.';
--! EndIncluded sessions/use_session.sql
--! Included sessions/session_claims.sql
-- Whom a session's token stands for. The API asks before it knows anything about the request, as an anonymous one: definer,
-- and all that it gives away goes to whoever has the token.
create or replace function ops.session_claims(token text)
returns table (tenant_id text, session_id uuid, user_id text, role text, expires_at timestamptz)
language sql volatile security definer
set search_path to pg_catalog, pg_temp
rows 1
as $$
  select s.tenant_id, s.id, s.user_id, s.role, s.expires_at
  from app_private.use_session(session_claims.token) s
$$;

comment on function ops.session_claims(text) is 'Whom a session''s token stands for, in whichever tenant: one row, or none when it opens nothing. Prolongs a session that slides.';
grant execute on function ops.session_claims(text) to :ANON;
--! EndIncluded sessions/session_claims.sql
--! Included sessions/live_sessions.sql
-- Which of these sessions are still open. Each process of the API asks for those whose streams it serves, once for all of
-- them, as an anonymous request, and ends the streams of the others. Definer, as ops.session_claims: that a session lives is
-- all that it gives away, to who knows its id. It prolongs nothing: a stream that is left open is no use of a session.
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
-- The sessions of whoever asks. Definer: members have no right on sessions. The subject is the verified token's.
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
  E'The live sessions of the caller (the subject of the token), without tokens and data; `is_current` marks the one that this request came with.';
grant execute on function app_public.own_sessions() to :MEMBER, :SERVICE, :ADMIN;
--! EndIncluded sessions/own_sessions.sql
--! Included sessions/revoke_own_session.sql
-- Ends a session of whoever asks. Definer, as own_sessions.
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
-- A session's token opens the API, so whoever opens a session hands out its role: an administrator's is an administrator's
-- to give. A service could otherwise make itself one.
create or replace function app_private.tg_sessions__guard_role() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  if current_user <> ':ADMIN' then
    raise exception 'only an administrator opens a session of an administrator'
      using errcode = 'LTU04', hint = 'Ask with an administrator''s token, or for another role.';
  end if;
  return NEW;
end
$$;

comment on function app_private.tg_sessions__guard_role() is 'Trigger: refuses a session of an administrator, with LTU04, to anybody but an administrator.';
--! EndIncluded sessions/tg_sessions__guard_role.sql
--! Included sessions/touch_session.sql
-- Lets a session live on from now: as long as it slides, or as long as is said.
create or replace function app_public.touch_session(session_id uuid, ttl interval default null) returns timestamptz
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_expires_at timestamptz;
begin
  if ttl < interval '1 second' or ttl > interval '1 year' then
    raise exception 'a session cannot be prolonged by %', ttl
      using errcode = 'LTU06', hint = 'One second to one year.';
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
    raise exception 'there is no live session %', coalesce(session_id::text, 'null')
      using errcode = 'LTU07', hint = 'It was revoked, is over, or never was: open a new one.';
  end if;
  return v_expires_at;
end
$$;

comment on function app_public.touch_session(uuid, interval) is
  E'Prolongs a session from now by `ttl`, or, without one, as it slides (a session that does not slide stays as it is), and never beyond its `max_age`. Returns when it ends. LTU06 ttl, LTU07 no live session.';
grant execute on function app_public.touch_session(uuid, interval) to :SERVICE;
--! EndIncluded sessions/touch_session.sql
--! Included sessions/validate_session.sql
-- The session that a token opens, for services that look after their users themselves. Definer: nobody may look for a token.
-- Sessions of other tenants are as good as none.
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
  E'The session that a token opens: one row, or none when there is no such session of this tenant, or it is over. Prolongs a session that slides.';
grant execute on function app_public.validate_session(text) to :SERVICE, :ADMIN;
--! EndIncluded sessions/validate_session.sql

--! Included jobs/abandon_runs.sql
-- Gives up the runs whose processes were not heard of in time, all of them or those under one lock; gives their number.
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
    error = format('nothing was heard of %s since %s', r.worker, r.updated_at)
  where r.outcome = 'running' and r.lease_until <= clock_timestamp()
    and (abandon_runs.lock is null or r.lock = abandon_runs.lock);
  get diagnostics v_count = row_count;
  return v_count;
end
$$;

comment on function ops.abandon_runs(text) is 'Gives up the runs whose leases are over, of one lock or of all. Returns their number.';
grant execute on function ops.abandon_runs(text) to :WORKER;
--! EndIncluded jobs/abandon_runs.sql
--! Included jobs/alert_event.sql
-- What happened to an alert, as the log and the webhook have it. `text` is what chat programs show.
create or replace function ops.alert_event(event text, alert ops.alerts) returns jsonb
language sql stable
return jsonb_build_object(
  'event', event,
  'text', format('%s %s: %s', case event when 'resolved' then 'resolved' else alert.severity end, alert.kind, alert.message),
  'alert', to_jsonb(alert)
);

comment on function ops.alert_event(text, ops.alerts) is 'What happened to an alert: {event, text, alert}.';
grant execute on function ops.alert_event(text, ops.alerts) to :WORKER;
--! EndIncluded jobs/alert_event.sql
--! Included jobs/begin_run.sql
-- Writes down that a run of a job begins, and gives its id. With a `lock` it is the only one under that name: LTJ01 while
-- another one lives. Who runs it has to say so again (ops.renew_run) before the lease is over, or is taken for dead.
-- Definer: nobody writes the table by hand.
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
      raise exception '% is running already: run % of %, since %', begin_run.lock, v_holder.id, v_holder.worker,
        to_char(v_holder.started_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
        using errcode = 'LTJ01', hint = 'Wait for its end: select * from ops.job_runs where outcome = ''running''.';
    end if;
  end loop;
end
$$;

comment on function ops.begin_run(text, text, interval, text, jsonb, bigint) is 'Begins a run of a job and gives its id; under a lock it is the only one. LTJ01 when another one holds the lock.';
grant execute on function ops.begin_run(text, text, interval, text, jsonb, bigint) to :WORKER;
--! EndIncluded jobs/begin_run.sql
--! Included jobs/check_alerts.sql
-- Looks whether something is wrong: asks every view ops.check_<kind> (subject, severity, message, details), and gives the
-- events of alerts that were raised, changed or resolved. To add a check, add a view. One that fails is itself an alert, and
-- keeps no other from being asked. Definer: nobody writes alerts by hand.
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
          'subject', v_check, 'severity', 'error', 'message', format('ops.%s cannot be asked: %s', v_check, sqlerrm),
          'details', '{}'::jsonb
        );
    end;
  end loop;
  return query select e from ops.report_alerts('checks', v_broken) e;
end
$$;

comment on function ops.check_alerts() is 'Asks every view ops.check_<kind> what is wrong, and gives the events of alerts that were raised, changed or resolved.';
grant execute on function ops.check_alerts() to :WORKER;
--! EndIncluded jobs/check_alerts.sql
--! Included jobs/end_run.sql
-- Ends a run: succeeded, or failed when there is an error. Of runs that had nothing to do only the newest of a task is kept:
-- enough to see when it last looked. False: it was taken for dead before. Definer: nobody writes the table by hand.
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
    -- Its own end, said twice because the answer was lost?
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

comment on function ops.end_run(bigint, text, text, boolean) is 'Ends a run: succeeded, or failed with an error. False when it was taken for dead before.';
grant execute on function ops.end_run(bigint, text, text, boolean) to :WORKER;
--! EndIncluded jobs/end_run.sql
--! Included jobs/lose_workers.sql
-- Gives up workers and the runs that they were at. Forgets those that ended a week ago. Definer: nobody writes the tables by
-- hand.
create or replace function ops.lose_workers(ids text[]) returns void
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  -- In one order, so that two who look at the same time do not wait for each other.
  perform from ops.workers w where w.id = any (ids) order by w.id for update;
  update ops.workers w set lost_at = clock_timestamp() where w.id = any (ids) and w.lost_at is null;
  update ops.job_runs r
  set
    outcome = 'abandoned',
    finished_at = clock_timestamp(),
    error = format('worker %s was not seen any more', r.worker)
  where r.outcome = 'running' and r.worker = any (ids);
  delete from ops.workers w where coalesce(w.stopped_at, w.lost_at) < clock_timestamp() - interval '7 days';
end
$$;

comment on function ops.lose_workers(text[]) is 'Takes workers for dead: their runs are abandoned.';
grant execute on function ops.lose_workers(text[]) to :WORKER;
--! EndIncluded jobs/lose_workers.sql
--! Included jobs/open_job_queue.sql
-- Lets the owner read graphile-worker's view of the queue, which has no payloads, so that ops.jobs can show it. Each worker
-- calls it when it starts; it changes something once.
--
-- Invoker: the schema belongs to the worker's role, which makes it after all migrations.
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
-- Sets one tenant's item aside, with the reason, so that a job goes on with everybody else's. It is tried again after a
-- minute, then after twice as long each time, up to an hour (ops.quarantined), and ops.check_quarantined_items tells operators.
-- The one way to set anything aside, for functions (in an exception handler) and for jobs in TypeScript.
--
-- False: the error is not the item's, and the caller raises it: the server is shutting down or cannot write, a connection
-- or a timeout ended the statement. Whoever was in the way (40, 55) will not be the next time: true, without a note.
-- Definer: nobody writes the table by hand.
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
-- The jobs in graphile-worker's queue; none before the first worker has made it. Definer: operators may see the queue and
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

comment on function ops.queued_jobs() is 'The jobs in the queue, without their payloads; ops.jobs says in words what they are at.';
grant execute on function ops.queued_jobs() to :OPERATOR, :WORKER;
--! EndIncluded jobs/queued_jobs.sql
--! Included jobs/release_items.sql
-- Forgets the items of a task that were to be tried again before a time and have not failed since: they succeeded, or are
-- not there any more. A job calls it at the end of a run, with the time at which the run began. Returns their number.
-- Definer: nobody writes the table by hand.
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
-- Says that a run lives, and how far it is; null leaves what was said last. False: it was taken for dead, and somebody else
-- may be at the same by now, so that it has to stop. Definer: nobody writes the table by hand.
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
  -- A lease that is over and was not taken from it is as good as before.
  update ops.job_runs r
  set
    lease_until = clock_timestamp() + renew_run.lease,
    updated_at = clock_timestamp(),
    progressed_at = case
      when renew_run.progress is null and renew_run.note is null then r.progressed_at
      else clock_timestamp()
    end,
    -- least and greatest pass over null.
    progress = case when renew_run.progress is null then r.progress else least(greatest(renew_run.progress, 0), 1) end,
    note = coalesce(renew_run.note, r.note)
  where r.id = renew_run.run_id and r.outcome = 'running';
  return found;
end
$$;

comment on function ops.renew_run(bigint, interval, double precision, text) is 'Extends the lease of a run and says how far it is. False when the run was taken for dead, or has ended.';
grant execute on function ops.renew_run(bigint, interval, double precision, text) to :WORKER;
--! EndIncluded jobs/renew_run.sql
--! Included jobs/report_alerts.sql
-- Brings the alerts of a kind in line with what is wrong now: a list of {subject, severity, message, details}. What is new is
-- raised, what is not there any more is resolved. Gives an event for each alert that was raised, whose severity changed, or
-- that was resolved: what the log and the webhook say. Definer: nobody writes the table by hand.
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

comment on function ops.report_alerts(text, jsonb) is 'Brings the alerts of a kind in line with what is wrong now, a list of {subject, severity, message, details}. Gives an event {event, text, alert} for each that was raised, changed its severity or was resolved.';
grant execute on function ops.report_alerts(text, jsonb) to :WORKER;
--! EndIncluded jobs/report_alerts.sql
--! Included jobs/see_worker.sql
-- Says that a worker lives. False: it was taken for dead since it last said so, and its jobs were given to others. Definer:
-- nobody writes the table by hand.
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

comment on function ops.see_worker(text, text, integer, text) is 'Says that a worker lives. False when it was taken for dead since it last said so.';
grant execute on function ops.see_worker(text, text, integer, text) to :WORKER;
--! EndIncluded jobs/see_worker.sql
--! Included jobs/set_job_tasks.sql
-- Replaces what is known of the tasks: a list of {task, does, schedule, every, expected}, the last two as intervals, schedule
-- and every null for what nothing schedules. Each worker says it when it starts. Definer: nobody writes the table by hand.
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

comment on function ops.set_job_tasks(jsonb) is 'Replaces what is known of the tasks: a list of {task, does, schedule, every, expected}.';
grant execute on function ops.set_job_tasks(jsonb) to :WORKER;
--! EndIncluded jobs/set_job_tasks.sql
--! Included jobs/stop_worker.sql
-- Says that a worker has ended as it should. Definer: nobody writes the table by hand.
create or replace function ops.stop_worker(id text) returns void
language sql volatile security definer
set search_path to pg_catalog, pg_temp
begin atomic
  update ops.workers w set stopped_at = clock_timestamp(), seen_at = clock_timestamp() where w.id = stop_worker.id;
end;

comment on function ops.stop_worker(text) is 'Says that a worker has ended as it should.';
grant execute on function ops.stop_worker(text) to :WORKER;
--! EndIncluded jobs/stop_worker.sql
--! Included jobs/sweep_workers.sql
-- Takes the workers that were not seen for so long for dead, and gives their jobs to whoever works next: graphile-worker by
-- itself leaves them locked for four hours. A job that took its worker with it gets its attempt back, up to three times: one
-- that is tried once would otherwise be lost with the first worker that is killed. Gives the jobs.
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
  -- A database whose first worker has not started yet.
  if pg_catalog.to_regclass('graphile_worker.jobs') is null then
    perform ops.lose_workers(v_lost);
    return;
  end if;
  -- Who never said that it lives, or no more, and holds a job all the same.
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
  -- Queues that are locked without a job.
  perform graphile_worker.force_unlock_workers(v_lost);
end
$$;

comment on function ops.sweep_workers(interval) is 'Takes workers for dead that were not seen for so long, and unlocks their jobs. Gives the jobs, and whether they run again.';
grant execute on function ops.sweep_workers(interval) to :WORKER;
--! EndIncluded jobs/sweep_workers.sql

--! Included retention/begin_partition_removal.sql
-- Notes that a partition is going to be removed, and how many rows of whom are in it: nobody can count them once it is
-- detached. Nothing is added to it any more. Runs as the worker, which sees the rows of all tenants.
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

comment on function ops.begin_partition_removal(text, text, text, timestamptz, timestamptz) is 'Notes in ops.partition_removals that a partition is going to be removed, with its rows by tenant.';
grant execute on function ops.begin_partition_removal(text, text, text, timestamptz, timestamptz) to :WORKER;
--! EndIncluded retention/begin_partition_removal.sql
--! Included retention/count_expired_rows.sql
-- How many rows of a tenant are older than a policy keeps them: what a dry run says. Runs as the worker, of one tenant.
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
      select count(*) into v_count from app_public.metrics o
      where o.tenant_id = count_expired_rows.tenant_id and o."timestamp" < count_expired_rows.older_than
        and not ops.is_held('metrics.raw', o.tenant_id, o."timestamp");
    when 'metrics.minute' then
      select count(*) into v_count from app_public.metrics_minute o
      where o.tenant_id = count_expired_rows.tenant_id and o.bucket < count_expired_rows.older_than
        and not ops.is_held('metrics.minute', o.tenant_id, o.bucket);
    when 'metrics.hour' then
      select count(*) into v_count from app_public.metrics_hour o
      where o.tenant_id = count_expired_rows.tenant_id and o.bucket < count_expired_rows.older_than
        and not ops.is_held('metrics.hour', o.tenant_id, o.bucket);
    when 'metrics.day' then
      select count(*) into v_count from app_public.metrics_day o
      where o.tenant_id = count_expired_rows.tenant_id and o.bucket < count_expired_rows.older_than
        and not ops.is_held('metrics.day', o.tenant_id, o.bucket);
    when 'sessions' then
      select count(*) into v_count from app_public.sessions o
      where o.tenant_id = count_expired_rows.tenant_id and o.expires_at < count_expired_rows.older_than
        and not ops.is_held('sessions', o.tenant_id, o.expires_at);
    when 'tasks' then
      select count(*) into v_count
      from app_public.tasks o
      left join app_public.workflows w on w.tenant_id = o.tenant_id and w.id = o.workflow_id
      where o.tenant_id = count_expired_rows.tenant_id and o.status in ('completed', 'failed', 'dead', 'cancelled')
        and coalesce(o.completed_at, o.created_at) < count_expired_rows.older_than
        and (w.id is null or w.status in ('completed', 'failed', 'cancelled'))
        and not ops.is_held('tasks', o.tenant_id, coalesce(o.completed_at, o.created_at));
    when 'task_attempts' then
      select count(*) into v_count
      from app_public.task_attempts o
      join app_public.tasks t on t.tenant_id = o.tenant_id and t.id = o.task_id
      where o.tenant_id = count_expired_rows.tenant_id and o.ended_at < count_expired_rows.older_than
        and t.status in ('completed', 'failed', 'dead', 'cancelled')
        and not ops.is_held('task_attempts', o.tenant_id, o.ended_at);
    when 'job_runs' then
      select count(*) into v_count from ops.job_runs r
      where r.outcome <> 'running' and r.finished_at < count_expired_rows.older_than;
    when 'alerts' then
      select count(*) into v_count from ops.alerts a where a.resolved_at < count_expired_rows.older_than;
    when 'drills' then
      select count(*) into v_count from ops.drills d
      where d.finished_at < count_expired_rows.older_than
        and d.id < (select max(n.id) from ops.drills n)
        and d.id is distinct from (select max(p.id) from ops.drills p where p.passed);
    when 'backups' then
      select count(*) into v_count from ops.backups b where b.removed_at < count_expired_rows.older_than;
    when 'dead_jobs' then
      if to_regclass('graphile_worker.jobs') is not null then
        execute 'select count(*) from graphile_worker.jobs j
          where j.attempts >= j.max_attempts and j.locked_at is null and j.updated_at < $1'
          into v_count using count_expired_rows.older_than;
      end if;
    else
      raise exception 'there is no policy %', count_expired_rows.policy
        using errcode = 'LTP01', hint = 'select policy, keep from ops.retention_policies;';
  end case;
  perform set_config('app.retention_tenant_id', '', true);
  return coalesce(v_count, 0);
end
$$;

comment on function ops.count_expired_rows(text, text, timestamptz) is 'How many rows of a tenant a policy does not keep. LTP01 no such policy.';
grant execute on function ops.count_expired_rows(text, text, timestamptz) to :WORKER;
--! EndIncluded retention/count_expired_rows.sql
--! Included retention/create_partition.sql
-- Makes one partition and attaches it. `create table (like ...)` and `attach` take weaker locks than `create table ...
-- partition of`, which waits for every open reader of the parent. A partition gets what its parent has and does not
-- inherit: row-level security without any policy (rights and policies are the parent's; nobody reads a partition
-- directly), and statement triggers, which fire for the table that a statement names.
-- Returns false when the partition is there already.
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

comment on function app_private.create_partition(regclass, name, timestamptz, timestamptz) is 'Makes the partition [range_start, range_end) of a table, with row-level security and audit; false when it is there already.';
--! EndIncluded retention/create_partition.sql
--! Included retention/drop_partition.sql
-- Drops a partition that has been detached, with a receipt and a row of the audit log for each tenant. That takes the table
-- of tenants for an instant, because the partition's foreign key goes: it gives up after 200 ms, so that whoever queues
-- behind waits no longer. Definer: partitions belong to the owner, and this drops only what ops.partition_removals names.
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
      using errcode = 'LTP05', hint = 'It is detached first: `lightning retention`, or the worker, does it.';
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

comment on function ops.drop_partition(text) is 'Drops a partition that has been detached, and leaves receipts. LTP05 when it is none.';
grant execute on function ops.drop_partition(text) to :WORKER;
--! EndIncluded retention/drop_partition.sql
--! Included retention/ensure_partitions.sql
-- Makes the partitions that are missing between now and the horizons: a day each for metrics and their rollups of a minute,
-- a month each for the rollups of an hour and for the audit log. The worker runs it every hour and `lightning migrate` at its end; it can be run at any time and by several
-- at once. Definer: partitions belong to the owner, and this makes only these two kinds.
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
  -- One maker at a time: a second one would find the name taken between the look and the create.
  perform pg_advisory_xact_lock(hashtext('ops.ensure_partitions'));

  -- Yesterday too: a point that is on its way at midnight belongs to the day that ended.
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
-- Deletes up to `how_many` rows of what operators look at: runs of jobs, alerts that are resolved, drills, backups that are
-- gone. The newest drill and the newest that passed stay: ops.recovery answers by them. Definer: nobody writes these tables by
-- hand.
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
      where r.id in (
        select o.id from ops.job_runs o
        where o.outcome <> 'running' and o.finished_at < expire_operations.older_than
        limit expire_operations.how_many
      );
    when 'alerts' then
      delete from ops.alerts a
      where a.id in (
        select o.id from ops.alerts o
        where o.resolved_at < expire_operations.older_than
        limit expire_operations.how_many
      );
    when 'drills' then
      delete from ops.drills d
      where d.id in (
        select o.id from ops.drills o
        where o.finished_at < expire_operations.older_than
          and o.id < (select max(n.id) from ops.drills n)
          and o.id is distinct from (select max(p.id) from ops.drills p where p.passed)
        limit expire_operations.how_many
      );
    when 'backups' then
      delete from ops.backups b
      where b.id in (
        select o.id from ops.backups o
        where o.removed_at < expire_operations.older_than
        limit expire_operations.how_many
      );
  end case;
  get diagnostics v_count = row_count;
  return v_count;
end
$$;

comment on function ops.expire_operations(text, timestamptz, integer) is 'Deletes up to `how_many` rows that the policy job_runs, alerts, drills or backups does not keep; returns how many.';
grant execute on function ops.expire_operations(text, timestamptz, integer) to :WORKER;
--! EndIncluded retention/expire_operations.sql
--! Included retention/expire_rows.sql
-- Deletes up to `how_many` rows of a tenant that are older than a policy keeps them, and adds them to the receipt. The
-- tenant's rows and no other's: the statements name it, and row-level security lets the worker delete nobody else's while the
-- setting says so. Returns how many went: less than asked for, there are no more. Runs as the worker.
create or replace function ops.expire_rows(policy text, tenant_id text, older_than timestamptz, how_many integer default 5000)
returns integer
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_count integer;
begin
  perform set_config('app.retention_tenant_id', coalesce(expire_rows.tenant_id, ''), true);
  case expire_rows.policy
    when 'metrics.raw' then
      delete from app_public.metrics m
      using (
        select o."timestamp", o.id
        from app_public.metrics o
        where o.tenant_id = expire_rows.tenant_id and o."timestamp" < expire_rows.older_than
          and not ops.is_held('metrics.raw', o.tenant_id, o."timestamp")
        order by o."timestamp"
        limit expire_rows.how_many
      ) o
      where m.tenant_id = expire_rows.tenant_id and m."timestamp" = o."timestamp" and m.id = o.id;
    when 'metrics.minute' then
      delete from app_public.metrics_minute m
      using (
        select o.service_name, o.metric_name, o.bucket, o.tags_hash
        from app_public.metrics_minute o
        where o.tenant_id = expire_rows.tenant_id and o.bucket < expire_rows.older_than
          and not ops.is_held('metrics.minute', o.tenant_id, o.bucket)
        limit expire_rows.how_many
      ) o
      where m.tenant_id = expire_rows.tenant_id and m.service_name = o.service_name and m.metric_name = o.metric_name
        and m.bucket = o.bucket and m.tags_hash = o.tags_hash;
    when 'metrics.hour' then
      delete from app_public.metrics_hour m
      using (
        select o.service_name, o.metric_name, o.bucket, o.tags_hash
        from app_public.metrics_hour o
        where o.tenant_id = expire_rows.tenant_id and o.bucket < expire_rows.older_than
          and not ops.is_held('metrics.hour', o.tenant_id, o.bucket)
        limit expire_rows.how_many
      ) o
      where m.tenant_id = expire_rows.tenant_id and m.service_name = o.service_name and m.metric_name = o.metric_name
        and m.bucket = o.bucket and m.tags_hash = o.tags_hash;
    when 'metrics.day' then
      delete from app_public.metrics_day m
      using (
        select o.service_name, o.metric_name, o.bucket, o.tags_hash
        from app_public.metrics_day o
        where o.tenant_id = expire_rows.tenant_id and o.bucket < expire_rows.older_than
          and not ops.is_held('metrics.day', o.tenant_id, o.bucket)
        limit expire_rows.how_many
      ) o
      where m.tenant_id = expire_rows.tenant_id and m.service_name = o.service_name and m.metric_name = o.metric_name
        and m.bucket = o.bucket and m.tags_hash = o.tags_hash;
    when 'sessions' then
      delete from app_public.sessions s
      where s.tenant_id = expire_rows.tenant_id and s.id in (
        select o.id
        from app_public.sessions o
        where o.tenant_id = expire_rows.tenant_id and o.expires_at < expire_rows.older_than
          and not ops.is_held('sessions', o.tenant_id, o.expires_at)
        limit expire_rows.how_many
      );
    when 'tasks' then
      -- Not those of a workflow that may still ask what became of them.
      delete from app_public.tasks t
      where t.tenant_id = expire_rows.tenant_id and t.id in (
        select o.id
        from app_public.tasks o
        left join app_public.workflows w on w.tenant_id = o.tenant_id and w.id = o.workflow_id
        where o.tenant_id = expire_rows.tenant_id and o.status in ('completed', 'failed', 'dead', 'cancelled')
          and coalesce(o.completed_at, o.created_at) < expire_rows.older_than
          and (w.id is null or w.status in ('completed', 'failed', 'cancelled'))
          and not ops.is_held('tasks', o.tenant_id, coalesce(o.completed_at, o.created_at))
        limit expire_rows.how_many
      );
    when 'task_attempts' then
      delete from app_public.task_attempts a
      using (
        select o.task_id, o.attempt
        from app_public.task_attempts o
        join app_public.tasks t on t.tenant_id = o.tenant_id and t.id = o.task_id
        where o.tenant_id = expire_rows.tenant_id and o.ended_at < expire_rows.older_than
          and t.status in ('completed', 'failed', 'dead', 'cancelled')
          and not ops.is_held('task_attempts', o.tenant_id, o.ended_at)
        limit expire_rows.how_many
      ) o
      where a.tenant_id = expire_rows.tenant_id and a.task_id = o.task_id and a.attempt = o.attempt;
    when 'job_runs', 'alerts', 'drills', 'backups' then
      v_count := ops.expire_operations(expire_rows.policy, expire_rows.older_than, expire_rows.how_many);
    when 'dead_jobs' then
      if to_regclass('graphile_worker.jobs') is null then
        return 0;
      end if;
      -- graphile-worker's own way to remove them. A literal: the schema is the worker's, made when it first starts.
      execute 'select count(*) from graphile_worker.complete_jobs(array(
          select j.id from graphile_worker.jobs j
          where j.attempts >= j.max_attempts and j.locked_at is null and j.updated_at < $1 limit $2))'
        into v_count using expire_rows.older_than, expire_rows.how_many;
    else
      raise exception 'there is no policy %', expire_rows.policy
        using errcode = 'LTP01', hint = 'select policy, keep from ops.retention_policies;';
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
-- Whom the removal of a partition waits for: sessions that have held its parent since before it was tried last. Definer:
-- what a session does is shown to those who may read all statistics, which the owner may.
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
  -- Locks are read before activities: a transaction that ended in between has no beginning any more, and nobody waits for it.
  where a.xact_start < r.tried_at
  order by a.xact_start
$$;

comment on function ops.partition_waits() is 'Whom the removal of a partition waits for, longest first: the session, its login, and since when its transaction and its statement run.';
grant execute on function ops.partition_waits() to :OPERATOR, :WORKER;
--! EndIncluded retention/partition_waits.sql
--! Included retention/retention_cutoffs.sql
-- Before when something of a tenant goes (null: nothing does), under each policy; under those of no tenant with a null one.
-- Metrics go by whole days, and not before they are rolled up and merged; with `planned` as if they were.
--   by_rows  whether rows are deleted: not where the partition goes as a whole, for everybody at the same time
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
  -- What has to be there still to be merged. Not for what is set aside: no partition could go, of anybody.
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

comment on function ops.retention_cutoffs(timestamptz, boolean) is 'Before when something of each tenant goes, under each policy; null: nothing does. With `planned` as if all metrics were rolled up.';
grant execute on function ops.retention_cutoffs(timestamptz, boolean) to :OPERATOR, :WORKER;
--! EndIncluded retention/retention_cutoffs.sql
--! Included retention/removable_partitions.sql
-- The partitions that no tenant keeps any more and no hold does, and those whose removal has begun, oldest first.
--   state  attached: detach it; pending: finalize that; detached: drop it
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

comment on function ops.removable_partitions(timestamptz, boolean) is 'The partitions that can go, and how far each is on its way, oldest first.';
grant execute on function ops.removable_partitions(timestamptz, boolean) to :OPERATOR, :WORKER;
--! EndIncluded retention/removable_partitions.sql
--! Included retention/reset_retention.sql
-- Takes a tenant's own choice back.
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

comment on function ops.reset_retention(text, text) is 'Takes back how long a tenant''s rows are kept: as everybody''s again. False when it had no choice of its own.';
grant execute on function ops.reset_retention(text, text) to :OPERATOR;
--! EndIncluded retention/reset_retention.sql
--! Included retention/rows_by_tenant.sql
-- How many rows of each tenant a table that is partitioned by time has of a range. Runs as the worker, which sees all of them.
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

comment on function ops.rows_by_tenant(text, timestamptz, timestamptz) is 'How many rows of each tenant a partitioned table of metrics has of a range of time.';
grant execute on function ops.rows_by_tenant(text, timestamptz, timestamptz) to :WORKER;
--! EndIncluded retention/rows_by_tenant.sql
--! Included retention/set_retention.sql
-- Sets how long something is kept, for every tenant or for one. What is made of something is kept at least as long as it:
-- otherwise late points would be rolled up to half of what there was.
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
    raise exception 'there is no policy %', set_retention.policy
      using errcode = 'LTP01', hint = 'select policy, keep from ops.retention_policies;';
  end if;
  -- A time that is so long ago has to exist: one tenant's would end the retention of all.
  if keep < interval '1 hour' or keep > interval '1000 years' then
    raise exception '% cannot be kept for %', policy, keep
      using errcode = 'LTP02', hint = 'An hour is the least, 1000 years are the most; null is for ever.';
  end if;

  if set_retention.tenant_id is null then
    update ops.retention_policies p set keep = set_retention.keep where p.policy = set_retention.policy;
  elsif not v_policy.by_tenant then
    raise exception '% is of no tenant', policy using errcode = 'LTP03', hint = 'Leave the tenant out.';
  elsif not exists (select from app_public.tenants t where t.id = set_retention.tenant_id) then
    raise exception 'there is no tenant %', set_retention.tenant_id using errcode = 'LTT02';
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
    raise exception '% of % would be kept for %, and % for %', v_broken.finer, v_broken.tenant_id,
      coalesce(v_broken.finer_keep::text, 'ever'), v_broken.coarser, coalesce(v_broken.coarser_keep::text, 'ever')
      using errcode = 'LTP04', hint = 'What is made of it is kept as long, or longer: raw, minute, hour, day.';
  end if;
end
$$;

comment on function ops.set_retention(text, interval, text) is 'Sets how long something is kept, for all tenants or for one; null is for ever. LTP01 no such policy, LTP02 too short or too long, LTP03 not of tenants, LTP04 less than what it is made of, LTT02 no such tenant.';
grant execute on function ops.set_retention(text, interval, text) to :OPERATOR;
--! EndIncluded retention/set_retention.sql

--! Included backup/record_backups.sql
-- Takes over what the store holds: an array of {id, kind, parentId, startedAt, endedAt, objects, bytes, storedBytes,
-- manifestSha256, server}. A backup that is not there any more is marked so. Gives the ids of those whose manifest is another
-- than the one that was recorded first: the record stays, it is the witness. Definer: nobody writes the table by hand.
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

comment on function ops.record_backups(jsonb) is 'Takes over which backups the store holds. Gives the ids of those whose manifest is another than was recorded.';
grant execute on function ops.record_backups(jsonb) to :WORKER;
--! EndIncluded backup/record_backups.sql
--! Included backup/record_drill.sql
-- Writes down what a drill found, and says whether the backups are proven: nothing was wrong. Definer: nobody writes a
-- verdict by hand.
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

comment on function ops.record_drill(timestamptz, text[], text, integer, bigint, bigint, text[], jsonb) is 'Writes down what a drill found; true when it passed.';
grant execute on function ops.record_drill(timestamptz, text[], text, integer, bigint, bigint, text[], jsonb) to :WORKER;
--! EndIncluded backup/record_drill.sql
--! Included backup/see_wal_receiver.sql
-- How receiving WAL through a slot stands. Definer: nobody writes the table by hand.
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

comment on function ops.see_wal_receiver(text, boolean, pg_lsn, bigint, bigint, text, text) is 'Says how receiving WAL through a slot stands.';
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
comment on column ops.tenants.suspended_at is 'Since when it is locked out; null: it is not.';
comment on column ops.tenants.created_at is 'When it was made.';
comment on column ops.tenants.logins is 'Names of the logins that see it, in order.';

revoke all on ops.tenants from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :WORKER, :SEARCH;
grant select on ops.tenants to :OPERATOR;
--! EndIncluded tenancy/ops_tenants.sql
--! Included tenancy/tenant_logins.sql
comment on table app_private.tenant_logins is 'Which tenant a login of its own (an analyst''s) sees.';
comment on column app_private.tenant_logins.login is 'The login''s name, as session_user says it.';
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
comment on column app_public.tenants.suspended_at is 'Since when the tenant is locked out; null: it is not.';
comment on column app_public.tenants.created_at is 'When the tenant was made.';
comment on column app_public.tenants.updated_at is 'When the row last changed; kept by a trigger.';

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
-- Changes that leave no row in audit.log though the table, or one above it, is audited: a partition or a child that was made
-- without the triggers, triggers that were dropped, or disabled and forgotten. And tables that have other columns than when
-- tracking was enabled: their log is complete, and costs more.
create or replace view ops.check_audit with (security_barrier) as
select
  t.name as subject,
  case when t.missing = '{}' then 'warning' else 'error' end as severity,
  case
    when t.missing = '{}' then format('%s has other columns than when its audit was enabled, which makes it slower', t.name)
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
      -- Leases of tasks are exempt, but for a truncate.
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

comment on view ops.check_audit is 'A check of ops.check_alerts. Tables whose changes the audit log misses, or logs at a higher cost than it need.';
comment on column ops.check_audit.subject is 'What it is about.';
comment on column ops.check_audit.severity is 'warning or error.';
comment on column ops.check_audit.message is 'What is wrong, in a sentence.';
comment on column ops.check_audit.details is 'The same for programs.';

revoke all on ops.check_audit from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.check_audit to :OPERATOR, :WORKER;
--! EndIncluded audit/check_audit.sql
--! Included audit/log.sql
comment on table audit.log is 'One row per changed row (or per statement, for tables exempt from detail). Partitioned by month.';
comment on column audit.log.id is 'Orders the rows of a moment.';
comment on column audit.log.at is 'When the transaction began.';
comment on column audit.log.transaction_id is 'The transaction that made the change.';
comment on column audit.log.tenant_id is 'Whose data it was: the row''s tenant_id. Null for a truncate, which hits all.';
comment on column audit.log.table_name is 'The table, with its schema, as it was called then; a partition where the statement named that.';
comment on column audit.log.operation is 'insert, update, delete or truncate.';
comment on column audit.log.row_count is '1 for a row of detail, the number of rows for a summary.';
comment on column audit.log.key is 'The row''s primary key; null in a summary.';
comment on column audit.log.old_values is 'What was there: the whole row of a delete, the changed columns of an update. Secrets and embeddings as sha256:<hex>.';
comment on column audit.log.new_values is 'What came: the whole row of an insert, the changed columns of an update. Secrets and embeddings as sha256:<hex>.';
comment on column audit.log.subject is 'The verified token''s subject; null for a direct login.';
comment on column audit.log.login is 'The login of the connection.';
comment on column audit.log.role is 'The role that the statement ran under.';
comment on column audit.log.request_id is 'The API request, as in its X-Request-Id header.';

alter table audit.log enable row level security, force row level security;

-- A tenant's administrators read its trail.
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
-- The outbox of live updates, when it holds more than it should: what is older than an hour goes within minutes.
create or replace view ops.check_untrimmed_events with (security_barrier) as
select
  'app_private.events'::text as subject,
  'warning'::text as severity,
  format(
    'the outbox of live updates holds events of %s, and should hold an hour',
    to_char(e.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
  ) as message,
  jsonb_build_object('oldest', e.at) as details
from (select e.at from app_private.events e order by e.transaction_id, e.id limit 1) e
where e.at < clock_timestamp() - interval '2 hours';

comment on view ops.check_untrimmed_events is 'A check of ops.check_alerts. The outbox, when it is not trimmed.';
comment on column ops.check_untrimmed_events.subject is 'What it is about.';
comment on column ops.check_untrimmed_events.severity is 'warning or error.';
comment on column ops.check_untrimmed_events.message is 'What is wrong, in a sentence.';
comment on column ops.check_untrimmed_events.details is 'The same for programs.';

revoke all on ops.check_untrimmed_events from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.check_untrimmed_events to :OPERATOR, :WORKER;
--! EndIncluded live/check_untrimmed_events.sql
--! Included live/event_marks.sql
comment on table app_private.event_marks is 'Snapshots by time, for trimming the outbox.';
comment on column app_private.event_marks.at is 'When the snapshot was taken.';
comment on column app_private.event_marks.snapshot is 'What was visible then.';
comment on column app_private.event_marks.trimmed is 'The one mark that the outbox was trimmed to.';

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
comment on table app_private.events is 'The outbox of live updates: which rows changed, a row per statement and tenant. Kept for about an hour.';
comment on column app_private.events.transaction_id is 'The transaction that made the change.';
comment on column app_private.events.id is 'The order within a transaction; across transactions it says nothing.';
comment on column app_private.events.tenant_id is 'Whose rows changed.';
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
-- No grant to anybody: tg__publish writes it, ops.read_events reads it to the API, ops.trim_events trims it.
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
comment on column app_public.agents.updated_at is 'When the row last changed; kept by a trigger.';

comment on constraint agents_pkey on app_public.agents is E'@behavior -single -update -delete\nA row is known by its tenant and its id.';
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
-- Only programs bring history with them.
grant insert (created_at) on app_public.agents to :SERVICE, :ADMIN;
-- No update of tenant_id, id or created_at for anybody: keys and beginnings do not change.
grant update (name, model, specialization, status, config) on app_public.agents to :MEMBER, :SERVICE, :ADMIN;
-- No delete for members: an agent's removal clears it from all of its tasks and knowledge.
grant delete on app_public.agents to :SERVICE, :ADMIN;
-- No truncate for anybody: it knows no tenants.

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
comment on type app_public.claimed_task is 'A task as a claim gives it: with what is needed to work on it and to report back.';
comment on column app_public.claimed_task.task_id is 'The task''s id.';
comment on column app_public.claimed_task.fencing_token is 'To be given back with every call about this attempt.';
comment on column app_public.claimed_task.attempt is 'Which attempt it is, from 1.';
comment on column app_public.claimed_task.max_attempts is 'As many failures make it dead.';
comment on column app_public.claimed_task.expires_at is 'When somebody else may have it, unless heartbeat_task extends it.';
comment on column app_public.claimed_task.agent_id is 'Which agent is to do it; null: any.';
comment on column app_public.claimed_task.priority is 'One of low, normal, high, critical.';
comment on column app_public.claimed_task.description is 'What is to be done.';
comment on column app_public.claimed_task.context is 'What the agent needs to know.';
comment on column app_public.claimed_task.required_capabilities is 'What it takes to do it.';
comment on column app_public.claimed_task.created_at is 'When the task was made.';
--! EndIncluded tasks/claimed_task.sql
--! Included tasks/task_attempts.sql
comment on table app_public.task_attempts is 'What became of each time that a task was claimed. Written by the functions of tasks only.';
comment on column app_public.task_attempts.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.task_attempts.task_id is 'The task.';
comment on column app_public.task_attempts.attempt is 'Which attempt at the task it was, from 1.';
comment on column app_public.task_attempts.fencing_token is 'The token that it wrote with.';
comment on column app_public.task_attempts.agent is 'Who claimed it, as they call themselves.';
comment on column app_public.task_attempts.claimed_at is 'When it was claimed.';
comment on column app_public.task_attempts.ended_at is 'When it ended.';
comment on column app_public.task_attempts.outcome is 'One of completed, failed, expired, released, cancelled.';
comment on column app_public.task_attempts.error is 'Why it failed, expired or was cancelled.';
comment on column app_public.task_attempts.progress is 'How far it came, from 0 to 1; null: nothing was said.';
comment on column app_public.task_attempts.note is 'What its holder said last about it.';

comment on constraint task_attempts_pkey on app_public.task_attempts is E'@behavior -single\nAn attempt is known by its task and number.';
comment on constraint task_attempts_task_id_fkey on app_public.task_attempts is E'@fieldName task\n@foreignFieldName attempts\nThe task that was tried.';

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

-- What is not kept any longer goes, of one tenant at a time, the one that the worker names: ops.expire_rows.
drop policy if exists select_worker on app_public.task_attempts;
create policy select_worker on app_public.task_attempts for select to :WORKER
  using (tenant_id = (select app_private.retention_tenant_id()));

drop policy if exists delete_worker on app_public.task_attempts;
create policy delete_worker on app_public.task_attempts for delete to :WORKER
  using (tenant_id = (select app_private.retention_tenant_id()));

-- Across tenants

-- ops.reap_expired_leases, as the worker: what expired leaves an attempt.
drop policy if exists insert_worker on app_public.task_attempts;
create policy insert_worker on app_public.task_attempts for insert to :WORKER
  with check (true);

revoke all on app_public.task_attempts from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.task_attempts to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
grant insert (tenant_id, task_id, attempt, fencing_token, agent, claimed_at, ended_at, outcome, error, progress, note)
  on app_public.task_attempts to :WORKER;
-- No update and no delete for anybody: history goes with its task and not before.
-- What is not kept any longer: ops.expire_rows.
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
comment on table app_public.task_leases is E'@unique task_id|@fieldName taskLease\nWho works on a task at the moment, and until when. Written by the functions of tasks only.';
comment on column app_public.task_leases.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.task_leases.task_id is 'The task.';
comment on column app_public.task_leases.fencing_token is 'Grows with every claim; every write of the task needs the current one.';
comment on column app_public.task_leases.attempt is 'Which attempt at the task it is, from 1.';
comment on column app_public.task_leases.agent is 'Who claimed it, as they call themselves.';
comment on column app_public.task_leases.lease is 'For how long each heartbeat extends it.';
comment on column app_public.task_leases.claimed_at is 'When it was claimed.';
comment on column app_public.task_leases.heartbeat_at is 'When something was heard last.';
comment on column app_public.task_leases.expires_at is 'When somebody else may have it.';
comment on column app_public.task_leases.progress is 'How far it is, from 0 to 1; null: nothing was said.';
comment on column app_public.task_leases.note is 'What its holder said last about it.';
comment on sequence app_private.fencing_tokens is 'Tokens of leases: later claims have larger ones.';

comment on constraint task_leases_pkey on app_public.task_leases is E'@behavior -single\nA task has one lease at a time.';
comment on constraint task_leases_task_id_fkey on app_public.task_leases is E'@fieldName task\n@foreignSingleFieldName lease\nThe task that is worked on.';

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

-- ops.reap_expired_leases, as the worker: it takes back what expired of every tenant.
drop policy if exists manage_worker on app_public.task_leases;
create policy manage_worker on app_public.task_leases for all to :WORKER
  using (true)
  with check (true);

revoke all on app_public.task_leases from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.task_leases to :MEMBER, :SERVICE, :ADMIN, :ANALYST, :WORKER;
-- No insert, update or delete for those who make requests: a fencing token that could be written would prove nothing.
-- The worker takes expired leases away; it can lock a row only where it may update a column.
grant update (heartbeat_at) on app_public.task_leases to :WORKER;
grant delete on app_public.task_leases to :WORKER;

create or replace trigger _200_keys
  before update of tenant_id, task_id on app_public.task_leases
  for each row
  when (old.tenant_id is distinct from new.tenant_id or old.task_id is distinct from new.task_id)
  execute function app_private.tg__refuse_key_change();

-- Exempt from audit, but for a truncate: app_public.task_leases. Heartbeats say nothing that outlives their lease; how it
-- ended is an attempt. That all leases go at once is logged.
create or replace trigger _800_audit_truncate
  after truncate on app_public.task_leases
  for each statement
  execute function audit.tg__log_truncate();
--! EndIncluded tasks/task_leases.sql
--! Included tasks/tasks.sql
comment on table app_public.tasks is E'@unique id|@fieldName task|@updateFieldName updateTask|@deleteFieldName deleteTask\nA piece of work for an agent.';
comment on column app_public.tasks.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.tasks.id is 'The task''s id.';
comment on column app_public.tasks.agent_id is 'Which agent is to do it; null: whoever claims it, or the agent was removed.';
comment on column app_public.tasks.description is 'What is to be done.';
comment on column app_public.tasks.status is 'One of pending, assigned, running, completed, failed, cancelled, dead.';
comment on column app_public.tasks.priority is 'One of low, normal, high, critical.';
comment on column app_public.tasks.context is 'What the agent needs to know.';
comment on column app_public.tasks.result is 'What came out; null until it is completed.';
comment on column app_public.tasks.created_at is 'When the task was made.';
comment on column app_public.tasks.started_at is 'When work began, at the latest attempt.';
comment on column app_public.tasks.completed_at is 'When it ended, well or badly.';
comment on column app_public.tasks.error_message is 'Why it failed, the latest time, or why it was cancelled.';
comment on column app_public.tasks.required_capabilities is 'Only who has all of them may claim it.';
comment on column app_public.tasks.run_after is 'It is not claimed before.';
comment on column app_public.tasks.queue_at is 'Its place in the queue: run_after, put forward by 3 hours for critical, 1 hour for high, 20 minutes for normal. Kept by a trigger.';
comment on column app_public.tasks.attempt is 'How often it was claimed: the number of the latest attempt.';
comment on column app_public.tasks.failures is 'How many attempts failed or expired since it was made or retried.';
comment on column app_public.tasks.max_attempts is 'As many failures make it dead.';
comment on column app_public.tasks.workflow_id is 'The workflow of whose step it is the task; null: none, or the workflow was deleted.';
comment on column app_public.tasks.step_key is 'The step''s key in the workflow.';
comment on column app_public.tasks.idempotency_key is 'Enqueued again under the same key it stays one task. Unique in the tenant.';

comment on constraint tasks_pkey on app_public.tasks is E'@behavior -single -update -delete\nA row is known by its tenant and its id.';
comment on constraint tasks_tenant_id_fkey on app_public.tasks is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint tasks_agent_id_fkey on app_public.tasks is E'@fieldName agent\n@foreignFieldName tasks\nWho does the task.';
comment on constraint tasks_workflow_id_fkey on app_public.tasks is E'@fieldName workflow\n@foreignFieldName tasks\nThe workflow of whose step it is the task.';

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

-- What is not kept any longer goes, of one tenant at a time, the one that the worker names: ops.expire_rows.
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
-- Only programs bring history with them.
grant insert (created_at) on app_public.tasks to :SERVICE, :ADMIN;
-- No update of tenant_id, id, idempotency_key or created_at for anybody: keys and beginnings do not change.
grant update (agent_id, description, status, priority, context, result, started_at, completed_at, error_message,
  required_capabilities, run_after, max_attempts) on app_public.tasks to :MEMBER, :SERVICE, :ADMIN;
-- No insert and no update of attempt, failures and queue_at: the functions and triggers keep them. Nor of workflow_id and
-- step_key: a task of a step is made by its workflow.
-- ops.reap_expired_leases, and ops.advance_workflow, which holds tasks back and makes those of the next steps.
grant update (status, failures, error_message, completed_at, run_after) on app_public.tasks to :WORKER;
grant insert (tenant_id, description, priority, agent_id, required_capabilities, max_attempts, workflow_id, step_key,
  context) on app_public.tasks to :WORKER;
grant delete on app_public.tasks to :MEMBER, :SERVICE, :ADMIN;
-- No truncate for anybody: it knows no tenants.
-- What is not kept any longer: ops.expire_rows.
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
comment on type app_public.workflow_overview is 'How far a workflow is.';
comment on column app_public.workflow_overview.workflow_id is 'The workflow''s id.';
comment on column app_public.workflow_overview.status is 'One of draft, pending, running, paused, completed, failed, cancelled.';
comment on column app_public.workflow_overview.progress is 'From 0 to 1: the mean of its steps.';
comment on column app_public.workflow_overview.total is 'How many steps it has.';
comment on column app_public.workflow_overview.pending is 'How many have not begun.';
comment on column app_public.workflow_overview.running is 'How many have a task that waits or is worked on.';
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
comment on table app_public.workflow_steps is E'@unique workflow_id,key|@fieldName workflowStep\nHow far the steps of a started workflow are. Written by the functions of workflows only.';
comment on column app_public.workflow_steps.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.workflow_steps.workflow_id is 'The workflow.';
comment on column app_public.workflow_steps.key is 'The step''s key in its workflow.';
comment on column app_public.workflow_steps.position is 'Its place in the workflow''s steps, from 1.';
comment on column app_public.workflow_steps.depends_on is 'Keys of the steps that come before it.';
comment on column app_public.workflow_steps.on_failure is 'What follows when it fails. fail: the workflow fails; skip: what depends on it is skipped; continue: what depends on it runs.';
comment on column app_public.workflow_steps.definition is 'The step as the workflow had it when it was started or tried again.';
comment on column app_public.workflow_steps.status is 'One of pending, running (its task waits or is worked on), completed, failed, skipped, cancelled.';
comment on column app_public.workflow_steps.task_id is 'Its latest task; null: there was none yet, or it was deleted.';
comment on column app_public.workflow_steps.result is 'The result of its task.';
comment on column app_public.workflow_steps.error_message is 'Why it failed, or for which failure it was skipped; null: it was skipped because its condition did not hold, or all that it depends on was.';
comment on column app_public.workflow_steps.started_at is 'When its task was made.';
comment on column app_public.workflow_steps.completed_at is 'When it ended, well or badly, or was skipped.';
comment on column app_public.workflow_steps.timeout_at is 'When it fails unless it has ended; null: never.';

comment on constraint workflow_steps_pkey on app_public.workflow_steps is E'@behavior -single\nA step is known by its workflow and key.';
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

-- ops.advance_workflow and ops.tend_workflows, as the worker: it ends tasks of every tenant, and their workflows go on.
drop policy if exists select_worker on app_public.workflow_steps;
create policy select_worker on app_public.workflow_steps for select to :WORKER
  using (true);
drop policy if exists update_worker on app_public.workflow_steps;
create policy update_worker on app_public.workflow_steps for update to :WORKER
  using (true)
  with check (true);

revoke all on app_public.workflow_steps from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.workflow_steps to :MEMBER, :SERVICE, :ADMIN, :ANALYST, :WORKER;
-- No insert, update or delete for those who make requests: the functions and triggers keep the state of steps.
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
comment on column app_public.workflows.updated_at is 'When the row last changed; kept by a trigger.';
comment on column app_public.workflows.started_at is 'When start_workflow started it; null: not yet, or its status is kept by somebody else.';
comment on column app_public.workflows.paused_at is 'Since when it is paused; null: it is not.';
comment on column app_public.workflows.completed_at is 'When it ended, well or badly.';
comment on column app_public.workflows.error_message is 'Why it failed or was cancelled.';

comment on constraint workflows_pkey on app_public.workflows is E'@behavior -single -update -delete\nA row is known by its tenant and its id.';
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

-- ops.advance_workflow and ops.tend_workflows, as the worker: it ends tasks of every tenant, and their workflows go on.
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
-- Only programs bring history with them.
grant insert (created_at) on app_public.workflows to :SERVICE, :ADMIN;
-- No update of tenant_id, id or created_at for anybody: keys and beginnings do not change.
grant update (name, description, steps, status, created_by, assigned_to, context) on app_public.workflows to
  :MEMBER, :SERVICE, :ADMIN;
-- No insert and no update of started_at, paused_at, completed_at and error_message: the functions keep them.
-- ops.advance_workflow.
grant update (status, error_message, completed_at) on app_public.workflows to :WORKER;
grant delete on app_public.workflows to :MEMBER, :SERVICE, :ADMIN;
-- No truncate for anybody: it knows no tenants.

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
comment on column app_public.knowledge.id is 'The item''s id; a random one where none is given.';
comment on column app_public.knowledge.agent_id is 'Whose knowledge it is; null: everybody''s, or the agent was removed.';
comment on column app_public.knowledge.category is 'A word to group by.';
comment on column app_public.knowledge.content is 'The text itself.';
comment on column app_public.knowledge.source is 'Where it comes from: a file, an address, a whole quotation.';
comment on column app_public.knowledge.metadata is 'Anything else about it.';
comment on column app_public.knowledge.embedding is 'The content''s embedding, 1536 dimensions; null until it is computed.';
comment on column app_public.knowledge.embedding_error is 'Why the content could not be embedded; null: it was, or it has not been tried. Content that changes is tried again.';
comment on column app_public.knowledge.usage_count is 'How often it was used.';
comment on column app_public.knowledge.relevance_score is 'How useful it proved; 1 is neutral.';
comment on column app_public.knowledge.created_at is 'When it was added.';
comment on column app_public.knowledge.last_used_at is 'When it was last used.';

comment on constraint knowledge_pkey on app_public.knowledge is E'@behavior -single -update -delete\nA row is known by its tenant and its id.';
comment on constraint knowledge_tenant_id_fkey on app_public.knowledge is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint knowledge_agent_id_fkey on app_public.knowledge is E'@fieldName agent\n@foreignFieldName knowledge\nWhose knowledge it is.';

alter table app_public.knowledge enable row level security, force row level security;

-- Everybody of a tenant reads all of its knowledge.
drop policy if exists select_tenant on app_public.knowledge;
create policy select_tenant on app_public.knowledge for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- People, services and administrators add knowledge to their own tenant.
drop policy if exists insert_tenant on app_public.knowledge;
create policy insert_tenant on app_public.knowledge for insert to :MEMBER, :SERVICE, :ADMIN
  with check (tenant_id = (select app_private.current_tenant_id()));

-- They change their tenant's knowledge, and cannot move one out of it.
drop policy if exists update_tenant on app_public.knowledge;
create policy update_tenant on app_public.knowledge for update to :MEMBER, :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));

-- They remove their tenant's knowledge.
drop policy if exists delete_tenant on app_public.knowledge;
create policy delete_tenant on app_public.knowledge for delete to :MEMBER, :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()));

-- Across tenants

-- The search functions, which compare the tenant themselves; below any other policy `@@` and `@>` use no index.
drop policy if exists select_search on app_public.knowledge;
create policy select_search on app_public.knowledge for select to :SEARCH
  using (true);

-- app_public.touch_knowledge.
drop policy if exists update_search on app_public.knowledge;
create policy update_search on app_public.knowledge for update to :SEARCH
  using (true)
  with check (true);

-- The embedding job: what has no embedding, of all tenants.
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
-- Only programs bring history with them.
grant insert (usage_count, relevance_score, created_at, last_used_at) on app_public.knowledge to :SERVICE, :ADMIN;
-- No update of tenant_id, id or created_at for anybody: keys and beginnings do not change.
grant update (agent_id, category, content, source, metadata, embedding) on app_public.knowledge to :MEMBER,
  :SERVICE, :ADMIN;
grant update (usage_count, relevance_score, last_used_at) on app_public.knowledge to :SERVICE, :ADMIN;
grant delete on app_public.knowledge to :MEMBER, :SERVICE, :ADMIN;
-- The search functions and touch_knowledge. Nothing else is theirs to update: updates of :SEARCH are not audited.
grant select on app_public.knowledge to :SEARCH;
grant update (usage_count, last_used_at) on app_public.knowledge to :SEARCH;
-- The embedding job. Nobody else says why an embedding failed.
grant select (tenant_id, id, content, embedding, embedding_error, created_at) on app_public.knowledge to :WORKER;
grant update (embedding, embedding_error) on app_public.knowledge to :WORKER;
-- No truncate for anybody: it knows no tenants.

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

-- Uses are counted without a trace, by app_public.touch_knowledge: :SEARCH may update the counters and nothing else.
select audit.enable_tracking('app_public.knowledge', digested => '{embedding}', counter => ':SEARCH');
--! EndIncluded knowledge/knowledge.sql
--! Included knowledge/knowledge_match.sql
comment on type app_public.knowledge_match is 'An item of knowledge that a search found, and why.';
comment on column app_public.knowledge_match.id is 'The item''s id.';
comment on column app_public.knowledge_match.agent_id is 'Whose knowledge it is.';
comment on column app_public.knowledge_match.category is 'A word to group by.';
comment on column app_public.knowledge_match.content is 'The text itself.';
comment on column app_public.knowledge_match.source is 'Where it comes from.';
comment on column app_public.knowledge_match.metadata is 'Anything else about it.';
comment on column app_public.knowledge_match.usage_count is 'How often it was used.';
comment on column app_public.knowledge_match.relevance_score is 'How useful it proved; 1 is neutral.';
comment on column app_public.knowledge_match.created_at is 'When it was added.';
comment on column app_public.knowledge_match.last_used_at is 'When it was last used.';
comment on column app_public.knowledge_match.score is 'Reciprocal rank fusion of the parts: 1, first in every part; results are in its order.';
comment on column app_public.knowledge_match.similarity is 'By meaning: cosine similarity, -1 to 1; null: that part did not find it.';
comment on column app_public.knowledge_match.vector_rank is 'By meaning: its place, from 1.';
comment on column app_public.knowledge_match.text_relevance is 'By words: how well and how densely they match, more is better; null: that part did not find it.';
comment on column app_public.knowledge_match.text_rank is 'By words: its place, from 1.';
--! EndIncluded knowledge/knowledge_match.sql

--! Included metrics/metric_changes.sql
comment on table ops.metric_changes is 'What metrics have to be rolled up, once more where they were: a row per statement that changed it. Until then readers take the finer table.';
comment on column ops.metric_changes.resolution is 'The rollup that lacks it: minute, hour or day.';
comment on column ops.metric_changes.tenant_id is 'The tenant.';
comment on column ops.metric_changes.bucket is 'When what is lacking begins.';

alter table ops.metric_changes enable row level security, force row level security;

-- Across tenants

-- tg_metrics__mark_changes adds to what has to be rolled up; metric_sources reads it, and compares the tenant itself.
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
-- tg_metrics__mark_changes writes it and metric_sources reads it, as the owner; the worker rolls up what it names, and
-- names what that changes.
grant select, delete on ops.metric_changes to :WORKER;
grant insert (resolution, tenant_id, bucket) on ops.metric_changes to :WORKER;
--! EndIncluded metrics/metric_changes.sql
--! Included metrics/metric_floors.sql
comment on table ops.metric_floors is 'Before when points are refused, because what is older is removed.';
comment on column ops.metric_floors.tenant_id is 'The tenant; null: all of them.';
comment on column ops.metric_floors.kept_from is 'Points from before are refused.';
comment on column ops.metric_floors.closed_to is 'Points from before may be removed: all of them are rolled up, and nobody can add one.';
comment on column ops.metric_floors.moved_by is 'The transaction that moved it: whoever is older may not know.';

alter table ops.metric_floors enable row level security, force row level security;

-- Across tenants

-- ops.move_metric_floors and ops.close_metric_floors keep it as the owner, and the functions that record and read
-- points ask it for the caller's tenant; the worker and operators read it.
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
-- Kept by ops.move_metric_floors and ops.close_metric_floors.
--! EndIncluded metrics/metric_floors.sql
--! Included metrics/metric_rollups.sql
comment on table ops.metric_rollups is 'The rollups of metrics. Who makes one holds its row locked, so that there is one at a time.';
comment on column ops.metric_rollups.resolution is 'minute, hour or day.';
comment on column ops.metric_rollups.rolled_up_at is 'When it was looked at last.';

alter table ops.metric_rollups enable row level security, force row level security;

-- Across tenants

-- ops.roll_up_metrics. It holds nothing of a tenant.
drop policy if exists manage_worker on ops.metric_rollups;
create policy manage_worker on ops.metric_rollups for all to :WORKER
  using (true)
  with check (true);

-- Operators see how far rolling up is.
drop policy if exists select_operator on ops.metric_rollups;
create policy select_operator on ops.metric_rollups for select to :OPERATOR
  using (true);

revoke all on ops.metric_rollups from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
-- Who rolls up holds its row; of no tenant.
grant select on ops.metric_rollups to :WORKER, :OPERATOR;
grant update (rolled_up_at) on ops.metric_rollups to :WORKER;
--! EndIncluded metrics/metric_rollups.sql
--! Included metrics/metrics.sql
comment on table app_public.metrics is 'A measurement of a service at a point in time. Partitioned by day, removed by retention.';
comment on column app_public.metrics.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.metrics.id is 'Tells points of the same instant apart.';
comment on column app_public.metrics.service_name is 'Who measured.';
comment on column app_public.metrics.metric_name is 'What was measured.';
comment on column app_public.metrics.value is 'The value, in the metric''s own unit.';
comment on column app_public.metrics.tags is 'Dimensions to filter and group by: a flat object.';
comment on column app_public.metrics."timestamp" is 'When it was measured.';

comment on constraint metrics_pkey on app_public.metrics is E'@behavior -single -update -delete\nA row is known by its tenant, its time and its id.';
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

-- What is not kept any longer goes, of one tenant at a time, the one that the worker names: ops.expire_rows.
drop policy if exists delete_worker on app_public.metrics;
create policy delete_worker on app_public.metrics for delete to :WORKER
  using (tenant_id = (select app_private.retention_tenant_id()));

-- Across tenants

-- ops.roll_up_metrics: rollups are made for all tenants at once.
drop policy if exists select_worker on app_public.metrics;
create policy select_worker on app_public.metrics for select to :WORKER
  using (true);

revoke all on app_public.metrics from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.metrics to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
-- It rolls points up: ops.roll_up_metrics.
grant select on app_public.metrics to :WORKER;
-- What is not kept any longer: ops.expire_rows.
grant delete on app_public.metrics to :WORKER;
-- No insert of id: it is the database's. No update and no delete for anybody of a tenant: a measurement stands until it expires.
grant insert (tenant_id, service_name, metric_name, value, tags, "timestamp") on app_public.metrics to :SERVICE, :ADMIN;
-- The partitions have no grants and no policies: nobody but the owner can name one.

-- A partitioned table's row triggers are made on its partitions by Postgres, those attached later included.
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
comment on table app_public.metrics_day is 'What the points of a series amount to in a day (of UTC): made by the worker, read by `metric_series` and `metric_percentiles`.';
comment on column app_public.metrics_day.tenant_id is E'@behavior -*\nThe tenant.';
comment on column app_public.metrics_day.service_name is 'Who measured.';
comment on column app_public.metrics_day.metric_name is 'What was measured.';
comment on column app_public.metrics_day.tags is 'The dimensions of the series.';
comment on column app_public.metrics_day.tags_hash is E'@behavior -*\nDigest of the tags, for the key.';
comment on column app_public.metrics_day.bucket is 'When it begins.';
comment on column app_public.metrics_day.count is 'How many points.';
comment on column app_public.metrics_day.sum is 'Their sum; null: it is beyond a double.';
comment on column app_public.metrics_day.min is 'The smallest value.';
comment on column app_public.metrics_day.max is 'The largest value.';
comment on column app_public.metrics_day.last is 'The value that was measured last.';
comment on column app_public.metrics_day.last_at is 'When that was.';
comment on column app_public.metrics_day.sketch_keys is E'@behavior -*\nThe buckets of the histogram that have values, in order; see the documentation of metrics.';
comment on column app_public.metrics_day.sketch_counts is E'@behavior -*\nHow many values each of them has.';

comment on constraint metrics_day_pkey on app_public.metrics_day is E'@behavior -single -update -delete\nA row is known by its tenant, its series and its time.';
comment on constraint metrics_day_tenant_id_fkey on app_public.metrics_day is E'@behavior -*\nA row belongs to a tenant.';

alter table app_public.metrics_day enable row level security, force row level security;

-- Who reads the points reads what they amount to.
drop policy if exists select_tenant on app_public.metrics_day;
create policy select_tenant on app_public.metrics_day for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- What is not kept any longer goes, of one tenant at a time, the one that the worker names: ops.expire_rows.
drop policy if exists delete_worker on app_public.metrics_day;
create policy delete_worker on app_public.metrics_day for delete to :WORKER
  using (tenant_id = (select app_private.retention_tenant_id()));

-- Across tenants

-- ops.roll_up_metrics: rollups are made for all tenants at once.
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
-- What is not kept any longer: ops.expire_rows.
grant delete on app_public.metrics_day to :WORKER;

select audit.enable_tracking('app_public.metrics_day', detail => false);
--! EndIncluded metrics/metrics_day.sql
--! Included metrics/metrics_hour.sql
comment on table app_public.metrics_hour is 'What the points of a series amount to in an hour: made by the worker, read by `metric_series` and `metric_percentiles`.';
comment on column app_public.metrics_hour.tenant_id is E'@behavior -*\nThe tenant.';
comment on column app_public.metrics_hour.service_name is 'Who measured.';
comment on column app_public.metrics_hour.metric_name is 'What was measured.';
comment on column app_public.metrics_hour.tags is 'The dimensions of the series.';
comment on column app_public.metrics_hour.tags_hash is E'@behavior -*\nDigest of the tags, for the key.';
comment on column app_public.metrics_hour.bucket is 'When it begins.';
comment on column app_public.metrics_hour.count is 'How many points.';
comment on column app_public.metrics_hour.sum is 'Their sum; null: it is beyond a double.';
comment on column app_public.metrics_hour.min is 'The smallest value.';
comment on column app_public.metrics_hour.max is 'The largest value.';
comment on column app_public.metrics_hour.last is 'The value that was measured last.';
comment on column app_public.metrics_hour.last_at is 'When that was.';
comment on column app_public.metrics_hour.sketch_keys is E'@behavior -*\nThe buckets of the histogram that have values, in order; see the documentation of metrics.';
comment on column app_public.metrics_hour.sketch_counts is E'@behavior -*\nHow many values each of them has.';

comment on constraint metrics_hour_pkey on app_public.metrics_hour is E'@behavior -single -update -delete\nA row is known by its tenant, its series and its time.';
comment on constraint metrics_hour_tenant_id_fkey on app_public.metrics_hour is E'@behavior -*\nA row belongs to a tenant.';

alter table app_public.metrics_hour enable row level security, force row level security;

-- Who reads the points reads what they amount to.
drop policy if exists select_tenant on app_public.metrics_hour;
create policy select_tenant on app_public.metrics_hour for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- What is not kept any longer goes, of one tenant at a time, the one that the worker names: ops.expire_rows.
drop policy if exists delete_worker on app_public.metrics_hour;
create policy delete_worker on app_public.metrics_hour for delete to :WORKER
  using (tenant_id = (select app_private.retention_tenant_id()));

-- Across tenants

-- ops.roll_up_metrics: rollups are made for all tenants at once.
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
-- What is not kept any longer: ops.expire_rows.
grant delete on app_public.metrics_hour to :WORKER;

select audit.enable_tracking('app_public.metrics_hour', detail => false);
--! EndIncluded metrics/metrics_hour.sql
--! Included metrics/metrics_minute.sql
comment on table app_public.metrics_minute is 'What the points of a series amount to in a minute: made by the worker, read by `metric_series` and `metric_percentiles`.';
comment on column app_public.metrics_minute.tenant_id is E'@behavior -*\nThe tenant.';
comment on column app_public.metrics_minute.service_name is 'Who measured.';
comment on column app_public.metrics_minute.metric_name is 'What was measured.';
comment on column app_public.metrics_minute.tags is 'The dimensions of the series.';
comment on column app_public.metrics_minute.tags_hash is E'@behavior -*\nDigest of the tags, for the key.';
comment on column app_public.metrics_minute.bucket is 'When it begins.';
comment on column app_public.metrics_minute.count is 'How many points.';
comment on column app_public.metrics_minute.sum is 'Their sum; null: it is beyond a double.';
comment on column app_public.metrics_minute.min is 'The smallest value.';
comment on column app_public.metrics_minute.max is 'The largest value.';
comment on column app_public.metrics_minute.last is 'The value that was measured last.';
comment on column app_public.metrics_minute.last_at is 'When that was.';
comment on column app_public.metrics_minute.sketch_keys is E'@behavior -*\nThe buckets of the histogram that have values, in order; see the documentation of metrics.';
comment on column app_public.metrics_minute.sketch_counts is E'@behavior -*\nHow many values each of them has.';

comment on constraint metrics_minute_pkey on app_public.metrics_minute is E'@behavior -single -update -delete\nA row is known by its tenant, its series and its time.';
comment on constraint metrics_minute_tenant_id_fkey on app_public.metrics_minute is E'@behavior -*\nA row belongs to a tenant.';

alter table app_public.metrics_minute enable row level security, force row level security;

-- Who reads the points reads what they amount to.
drop policy if exists select_tenant on app_public.metrics_minute;
create policy select_tenant on app_public.metrics_minute for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- What is not kept any longer goes, of one tenant at a time, the one that the worker names: ops.expire_rows.
drop policy if exists delete_worker on app_public.metrics_minute;
create policy delete_worker on app_public.metrics_minute for delete to :WORKER
  using (tenant_id = (select app_private.retention_tenant_id()));

-- Across tenants

-- ops.roll_up_metrics: rollups are made for all tenants at once.
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
-- What is not kept any longer: ops.expire_rows.
grant delete on app_public.metrics_minute to :WORKER;

-- Made of the points again and again; a row per statement says that it was the worker.
select audit.enable_tracking('app_public.metrics_minute', detail => false);
--! EndIncluded metrics/metrics_minute.sql

--! Included sessions/sessions.sql
comment on table app_public.sessions is E'@unique id|@fieldName session|@updateFieldName updateSession|@deleteFieldName deleteSession\nA user''s login session. The token itself is stored nowhere.';
comment on column app_public.sessions.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.sessions.id is 'The session''s id.';
comment on column app_public.sessions.user_id is 'Whose session it is.';
comment on column app_public.sessions.token is 'SHA-256 of the token, 64 hexadecimal digits. Can be written and never read.';
comment on column app_public.sessions.data is 'What the service keeps in it.';
comment on column app_public.sessions.expires_at is 'When it ends.';
comment on column app_public.sessions.created_at is 'When it was opened.';
comment on column app_public.sessions.role is 'What requests with its token run as: member, service or admin.';
comment on column app_public.sessions.sliding_ttl is 'For how long use prolongs it; null: use does not.';
comment on column app_public.sessions.ends_at is 'Until when use can prolong it.';

comment on constraint sessions_pkey on app_public.sessions is E'@behavior -single -update -delete\nA row is known by its tenant and its id.';
comment on constraint sessions_tenant_id_fkey on app_public.sessions is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint sessions_token_key on app_public.sessions is E'@behavior -*\nA token opens one session, in whichever tenant. Nobody looks up by what they cannot read.';

alter table app_public.sessions enable row level security, force row level security;

-- Services keep the sessions of their tenant's users; administrators look after them.
drop policy if exists select_tenant on app_public.sessions;
create policy select_tenant on app_public.sessions for select to :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()));

-- Services open sessions, and administrators: create_session knows the token for a moment, the digest is stored. The role of
-- an administrator is theirs alone to give (trigger _200_role).
drop policy if exists insert_service on app_public.sessions;
create policy insert_service on app_public.sessions for insert to :SERVICE, :ADMIN
  with check (tenant_id = (select app_private.current_tenant_id()));

-- They prolong them and keep data in them.
drop policy if exists update_service on app_public.sessions;
create policy update_service on app_public.sessions for update to :SERVICE
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));

-- Services end sessions, and administrators throw somebody out.
drop policy if exists delete_tenant on app_public.sessions;
create policy delete_tenant on app_public.sessions for delete to :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()));

-- Everybody ends their own sessions: revoke_own_session, which compares the user.
drop policy if exists delete_owner on app_public.sessions;
create policy delete_owner on app_public.sessions for delete to :OWNER
  using (tenant_id = (select app_private.current_tenant_id()));

-- What is not kept any longer goes, of one tenant at a time, the one that the worker names: ops.expire_rows.
drop policy if exists select_worker on app_public.sessions;
create policy select_worker on app_public.sessions for select to :WORKER
  using (tenant_id = (select app_private.retention_tenant_id()));

drop policy if exists delete_worker on app_public.sessions;
create policy delete_worker on app_public.sessions for delete to :WORKER
  using (tenant_id = (select app_private.retention_tenant_id()));

-- Across tenants

-- ops.session_claims and validate_session find a session by the digest of its token and prolong it: that tells whose tenant
-- it is of, so no tenant can be asked for before. ops.live_sessions looks for those of all tenants at once; own_sessions
-- compares tenant and user itself, the view user_sessions the tenant.
--
-- It has to be `true`. The rows of the caller's tenant are none before the look-up; a setting with the digest that is looked
-- for would hold off nobody who can run a statement as the owner, for they can say any setting; and a role of its own, as
-- :SEARCH, would have these same two policies. So nothing runs as the owner but migrations and the functions named here,
-- and test/db/sessions/sessions.test.ts shows of each that other tenants' sessions are as good as none.
drop policy if exists select_owner on app_public.sessions;
create policy select_owner on app_public.sessions for select to :OWNER
  using (true);
drop policy if exists update_owner on app_public.sessions;
create policy update_owner on app_public.sessions for update to :OWNER
  using (true)
  with check (true);

revoke all on app_public.sessions from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
-- Never the token, not even its digest: who can read it can look for it.
grant select (tenant_id, id, user_id, data, expires_at, created_at, role, sliding_ttl, ends_at)
  on app_public.sessions to :SERVICE, :ADMIN;
grant insert (tenant_id, id, user_id, token, data, expires_at, role, sliding_ttl, ends_at)
  on app_public.sessions to :SERVICE, :ADMIN;
-- Not role: a session keeps what it was opened with.
grant update (data, expires_at) on app_public.sessions to :SERVICE;
grant delete on app_public.sessions to :SERVICE, :ADMIN;
-- Expired ones go: ops.expire_rows. Nothing that says whose they are or what is in them.
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
-- What may be seen of sessions: no token and no data. Runs with the owner's rights, so that nobody needs any on the table
-- for it, and the owner's policy lets session look-ups see all tenants: it is the view that confines to the caller's, and a
-- barrier keeps a caller's functions from seeing rows before that.
create or replace view app_public.user_sessions with (security_barrier) as
select s.tenant_id, s.id, s.user_id, s.expires_at, s.created_at, s.role
from app_public.sessions s
where s.tenant_id = (select app_private.current_tenant_id());

comment on view app_public.user_sessions is E'@primaryKey id|@fieldName userSession\nThe sessions of the tenant''s users, without tokens and data.';
comment on column app_public.user_sessions.tenant_id is E'@behavior -*\nThe tenant.';
comment on column app_public.user_sessions.id is 'The session''s id.';
comment on column app_public.user_sessions.user_id is 'Whose session it is.';
comment on column app_public.user_sessions.expires_at is 'When it ends.';
comment on column app_public.user_sessions.created_at is 'When it was opened.';
comment on column app_public.user_sessions.role is 'What requests with its token run as.';

revoke all on app_public.user_sessions from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.user_sessions to :SERVICE, :ADMIN, :ANALYST;
--! EndIncluded sessions/user_sessions.sql

--! Included jobs/alerts.sql
comment on table ops.alerts is 'What is wrong, and what was: one open row for each kind and subject. Those that are over are resolved by themselves.';
comment on column ops.alerts.id is 'In the order in which they were raised.';
comment on column ops.alerts.kind is 'Which check: ops.check_<kind>.';
comment on column ops.alerts.subject is 'What it is about.';
comment on column ops.alerts.severity is 'warning: look at it; error: something that should happen does not.';
comment on column ops.alerts.message is 'What is wrong, in a sentence.';
comment on column ops.alerts.details is 'The same for programs, an object; no secrets.';
comment on column ops.alerts.raised_at is 'Since when.';
comment on column ops.alerts.last_seen_at is 'When it was last so.';
comment on column ops.alerts.resolved_at is 'When it was over; null: it is open.';

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
-- Jobs that failed as often as they may. Of a task that comes again by itself the next success is enough.
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
comment on column ops.check_dead_jobs.details is 'The same for programs.';

revoke all on ops.check_dead_jobs from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.check_dead_jobs to :OPERATOR, :WORKER;
--! EndIncluded jobs/check_dead_jobs.sql
--! Included jobs/check_late_jobs.sql
-- Scheduled jobs that have not succeeded for one and a quarter of their interval and ten minutes. They get that time anew
-- when the workers start, a day at most: while none ran nothing could succeed.
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
comment on column ops.check_late_jobs.details is 'The same for programs.';

revoke all on ops.check_late_jobs from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.check_late_jobs to :OPERATOR, :WORKER;
--! EndIncluded jobs/check_late_jobs.sql
--! Included jobs/check_lost_workers.sql
-- Workers that were taken for dead in the last hour. Their jobs were given to others; somebody may want to know why they died.
create or replace view ops.check_lost_workers with (security_barrier) as
select
  w.id as subject,
  'warning'::text as severity,
  format(
    'worker %s (process %s on %s) was not seen after %s; its jobs were given to others',
    w.id, w.pid, w.host, to_char(w.seen_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
  ) as message,
  jsonb_build_object('host', w.host, 'pid', w.pid, 'seen_at', w.seen_at) as details
from ops.workers w
where w.lost_at > clock_timestamp() - interval '1 hour';

comment on view ops.check_lost_workers is 'A check of ops.check_alerts. Workers that were taken for dead in the last hour.';
comment on column ops.check_lost_workers.subject is 'What it is about.';
comment on column ops.check_lost_workers.severity is 'warning or error.';
comment on column ops.check_lost_workers.message is 'What is wrong, in a sentence.';
comment on column ops.check_lost_workers.details is 'The same for programs.';

revoke all on ops.check_lost_workers from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.check_lost_workers to :OPERATOR, :WORKER;
--! EndIncluded jobs/check_lost_workers.sql
--! Included jobs/check_quarantined_items.sql
-- What a job sets aside of a tenant, a line for each of both: it goes on with everybody else's.
create or replace view ops.check_quarantined_items with (security_barrier) as
select
  format('%s of tenant %s', q.task, q.tenant_id) as subject,
  'error'::text as severity,
  format(
    '%s sets %s of tenant %s aside since %s: %s failed with %s: %s', q.task,
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

comment on view ops.check_quarantined_items is 'A check of ops.check_alerts. What jobs set aside, by task and tenant.';
comment on column ops.check_quarantined_items.subject is 'What it is about.';
comment on column ops.check_quarantined_items.severity is 'warning or error.';
comment on column ops.check_quarantined_items.message is 'What is wrong, in a sentence.';
comment on column ops.check_quarantined_items.details is 'The same for programs.';

revoke all on ops.check_quarantined_items from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.check_quarantined_items to :OPERATOR, :WORKER;
--! EndIncluded jobs/check_quarantined_items.sql
--! Included jobs/jobs.sql
-- The queue in words. Jobs that are done are not in it: ops.job_runs has what became of them. No payloads: they may hold
-- what operators have no business with.
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

comment on view ops.jobs is 'The queue of jobs, without their payloads. Those that are done are not in it.';
comment on column ops.jobs.id is 'Of graphile-worker.';
comment on column ops.jobs.task is 'What is to be done.';
comment on column ops.jobs.state is 'waiting, running, or failed: it was tried as often as it may.';
comment on column ops.jobs.due_at is 'When it may run, or run again.';
comment on column ops.jobs.attempts is 'How often it was begun.';
comment on column ops.jobs.max_attempts is 'How often it may be.';
comment on column ops.jobs.last_error is 'Why the last attempt failed.';
comment on column ops.jobs.created_at is 'When it came into the queue.';
comment on column ops.jobs.running_since is 'When the attempt under way began.';
comment on column ops.jobs.worker is 'Who runs it; ops.workers has where.';
comment on column ops.jobs.progress is 'Of the attempt under way, from 0 to 1.';
comment on column ops.jobs.note is 'What it is at.';

revoke all on ops.jobs from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.jobs to :OPERATOR, :WORKER;
--! EndIncluded jobs/jobs.sql
--! Included jobs/running.sql
-- What runs now. A run whose process died stays here until its lease is over, a minute at most.
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

comment on view ops.running is 'What runs now: since when, how far it is, and where.';
comment on column ops.running.id is 'The run in ops.job_runs.';
comment on column ops.running.task is 'Which job.';
comment on column ops.running.details is 'What about.';
comment on column ops.running.progress is 'From 0 to 1; null: nobody knows.';
comment on column ops.running.note is 'What it is at.';
comment on column ops.running.started_at is 'When it began.';
comment on column ops.running.running_for is 'How long it has been running.';
comment on column ops.running.updated_at is 'When it was last heard of.';
comment on column ops.running.worker is 'The id of a worker, or host:pid of a command.';
comment on column ops.running.process is 'host:pid.';
comment on column ops.running.job_id is 'Its job in ops.jobs; null: a command.';

revoke all on ops.running from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.running to :OPERATOR, :WORKER;
--! EndIncluded jobs/running.sql
--! Included jobs/check_stuck_runs.sql
-- Runs that take longer than they should: a warning while they say that they get on, an error when they have said nothing
-- new for ten minutes. An hour is what a command may take that is no task.
create or replace view ops.check_stuck_runs with (security_barrier) as
select
  format('%s, run %s', r.task, r.id) as subject,
  case
    when coalesce(r.progressed_at, r.started_at) < clock_timestamp() - interval '10 minutes' then 'error'
    else 'warning'
  end as severity,
  format(
    '%s has been running since %s on %s and should take %s; it is at %s',
    r.task, to_char(r.started_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), r.process,
    coalesce(t.expected, interval '1 hour'), coalesce(r.note, round((r.progress * 100)::numeric) || ' %', 'nothing it told')
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
comment on column ops.check_stuck_runs.details is 'The same for programs.';

revoke all on ops.check_stuck_runs from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.check_stuck_runs to :OPERATOR, :WORKER;
--! EndIncluded jobs/check_stuck_runs.sql
--! Included jobs/job_runs.sql
comment on table ops.job_runs is 'Runs of jobs, by the worker or by a command: how far they are and what came of them. Of runs that had nothing to do only the newest of each task is kept.';
comment on column ops.job_runs.id is 'In the order in which they began.';
comment on column ops.job_runs.task is 'Which job.';
comment on column ops.job_runs.details is 'What about, as an object; no secrets.';
comment on column ops.job_runs.worker is 'Who ran it: the id of a worker, or host:pid of a command.';
comment on column ops.job_runs.job_id is 'The job of graphile-worker; null: a command.';
comment on column ops.job_runs.lock is 'Of those that run, at most one has this name; null: any number may run.';
comment on column ops.job_runs.outcome is 'running, succeeded, failed, or abandoned: its process was not heard of in time.';
comment on column ops.job_runs.progress is 'How much is done, from 0 to 1; null: nobody knows.';
comment on column ops.job_runs.note is 'What it is at, or what it did; a sentence.';
comment on column ops.job_runs.error is 'Why it did not succeed.';
comment on column ops.job_runs.idle is 'It succeeded because there was nothing to do.';
comment on column ops.job_runs.started_at is 'When it began.';
comment on column ops.job_runs.updated_at is 'When it was last heard of.';
comment on column ops.job_runs.progressed_at is 'When it last said something new; null: it has not yet.';
comment on column ops.job_runs.lease_until is 'When it is taken for dead unless it is heard of before.';
comment on column ops.job_runs.finished_at is 'When it ended; null: it runs.';

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
comment on table ops.job_tasks is 'The tasks that the workers know, and when they run by themselves (UTC).';
comment on column ops.job_tasks.task is 'Its name.';
comment on column ops.job_tasks.does is 'What it is for.';
comment on column ops.job_tasks.schedule is 'The pattern of its crontab; null: nothing schedules it.';
comment on column ops.job_tasks.every is 'The longest time between two of its runs; null: nothing schedules it.';
comment on column ops.job_tasks.expected is 'How long a run takes at most; a longer one raises an alert.';
comment on column ops.job_tasks.known_since is 'When a worker first said that it knows it.';

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
comment on table ops.quarantined_items is 'What jobs set aside of single tenants, to go on with everybody else''s. Each is tried again with growing pauses, and forgotten once it does not fail any more.';
comment on column ops.quarantined_items.task is 'The task that it failed in; reap_leases is the look for expired leases, every five seconds.';
comment on column ops.quarantined_items.tenant_id is 'Whose it is.';
comment on column ops.quarantined_items.item is 'What it is, in the task''s terms: a bucket of a rollup, the id of a task, a workflow or knowledge, a policy of retention.';
comment on column ops.quarantined_items.code is 'The SQLSTATE of its last error, or another word for its kind.';
comment on column ops.quarantined_items.reason is 'The message of its last error, 1,000 characters at most.';
comment on column ops.quarantined_items.failures is 'How often it failed.';
comment on column ops.quarantined_items.first_failed_at is 'When it failed first.';
comment on column ops.quarantined_items.last_failed_at is 'When it failed last.';
comment on column ops.quarantined_items.retry_at is 'When it is tried again.';

alter table ops.quarantined_items enable row level security, force row level security;

-- Across tenants

-- ops.quarantine_item and ops.release_items, which jobs call, keep it as the owner; operators and the check of alerts
-- read what is set aside of all tenants.
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
comment on column ops.workers.pid is 'Its process there.';
comment on column ops.workers.version is 'Of this project.';
comment on column ops.workers.started_at is 'When it began.';
comment on column ops.workers.seen_at is 'When it last said that it lives; it does every 15 seconds.';
comment on column ops.workers.stopped_at is 'When it ended as it should; null: it lives or died.';
comment on column ops.workers.lost_at is 'When it was taken for dead; null: it was not.';

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
-- Tables partitioned by time whose partitions end soon: without the next one writes are refused. ensure_partitions keeps two
-- weeks ahead and more, so less than one means that it fails.
create or replace view ops.check_partition_horizon with (security_barrier) as
select
  p.name as subject,
  case when p.until > clock_timestamp() + interval '2 days' then 'warning' else 'error' end as severity,
  case
    when p.until is null then format('%s has no partition for now: writes are refused', p.name)
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
comment on column ops.check_partition_horizon.details is 'The same for programs.';

revoke all on ops.check_partition_horizon from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.check_partition_horizon to :OPERATOR, :WORKER;
--! EndIncluded retention/check_partition_horizon.sql
--! Included retention/partition_horizons.sql
-- How far partitions are made ahead. Without a default partition a row beyond is refused, so less than is needed is an alarm.
create or replace view ops.partition_horizons with (security_barrier) as
select
  p.parent,
  h.reaches_to,
  h.reaches_to - now() as ahead,
  p.needed,
  coalesce(h.reaches_to < now() + p.needed, true) as short
from (
  -- Names and what they mean, apart: nobody who asks needs to see into the schemas.
  values ('app_public.metrics', 'app_public.metrics'::regclass, interval '3 days'),
    ('app_public.metrics_minute', 'app_public.metrics_minute', interval '3 days'),
    ('app_public.metrics_hour', 'app_public.metrics_hour', interval '3 days'),
    ('audit.log', 'audit.log', interval '14 days')
) p(parent, relation, needed)
-- The end of the stretch that holds now.
left join lateral (
  select upper(r.range) as reaches_to
  from unnest(app_private.partition_ranges(p.relation)) r(range)
  where r.range @> now()
) h on true;

comment on view ops.partition_horizons is 'How far partitions are made ahead. `short` is an alarm: rows beyond are refused.';
comment on column ops.partition_horizons.parent is 'The table.';
comment on column ops.partition_horizons.reaches_to is 'The end of the last of the partitions that follow each other from now on.';
comment on column ops.partition_horizons.ahead is 'How far that is.';
comment on column ops.partition_horizons.needed is 'How far it has to be.';
comment on column ops.partition_horizons.short is 'Whether it is less.';

revoke all on ops.partition_horizons from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.partition_horizons to :OPERATOR, :WORKER;
--! EndIncluded retention/partition_horizons.sql
--! Included retention/removal_waits.sql
-- Whom the removal of a partition waits for, for whoever would rather look than call.
create or replace view ops.removal_waits with (security_barrier) as
select w.partition, w.waiting_since, w.pid, w.login, w.application, w.transaction_since, w.query_since
from ops.partition_waits() w;

comment on view ops.removal_waits is 'Whom the removal of a partition waits for, longest first.';
comment on column ops.removal_waits.partition is 'The partition that is to go.';
comment on column ops.removal_waits.waiting_since is 'Since when.';
comment on column ops.removal_waits.pid is 'The session that is waited for.';
comment on column ops.removal_waits.login is 'Its login.';
comment on column ops.removal_waits.application is 'What it calls itself.';
comment on column ops.removal_waits.transaction_since is 'Since when its transaction is open.';
comment on column ops.removal_waits.query_since is 'Since when its statement runs.';

revoke all on ops.removal_waits from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.removal_waits to :OPERATOR, :WORKER;
--! EndIncluded retention/removal_waits.sql
--! Included retention/partition_removals.sql
comment on table ops.partition_removals is 'Partitions whose removal has begun and not ended.';
comment on column ops.partition_removals.partition is 'Its name, with its schema.';
comment on column ops.partition_removals.parent is 'The table that it is, or was, a part of.';
comment on column ops.partition_removals.policy is 'The policy that it goes under.';
comment on column ops.partition_removals.held is 'The times that it holds.';
comment on column ops.partition_removals.rows_by_tenant is 'How many rows of each tenant are in it.';
comment on column ops.partition_removals.began_at is 'When the removal began.';
comment on column ops.partition_removals.tried_at is 'When it was tried last.';
comment on column ops.partition_removals.problem is 'What stood in its way then; ops.removal_waits says who.';

alter table ops.partition_removals enable row level security, force row level security;

-- Across tenants

-- ops.drop_partition ends a removal and ops.removable_partitions reads what is under way, as the owner; the worker and
-- operators read it. A partition holds rows of all tenants.
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
-- The worker notes what it begins and what stands in its way; ops.drop_partition ends it.
grant insert (partition, parent, policy, held, rows_by_tenant), update (tried_at, problem) on ops.partition_removals to :WORKER;
--! EndIncluded retention/partition_removals.sql
--! Included retention/retention_holds.sql
comment on table ops.retention_holds is 'What stays whatever its age: imported history that the operator has not released, a dispute.';
comment on column ops.retention_holds.id is 'Which.';
comment on column ops.retention_holds.policy is 'The policy that it is exempt from.';
comment on column ops.retention_holds.tenant_id is 'The tenant; null: all of them.';
comment on column ops.retention_holds.held is 'Of which time.';
comment on column ops.retention_holds.reason is 'Why, for whoever would remove it.';
comment on column ops.retention_holds.created_at is 'Since when.';

alter table ops.retention_holds enable row level security, force row level security;

-- Across tenants

-- ops.removable_partitions and ops.retention_cutoffs read it as the owner; the worker and operators read what has to
-- stay.
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

-- An operator says what has to stay.
drop policy if exists insert_operator on ops.retention_holds;
create policy insert_operator on ops.retention_holds for insert to :OPERATOR
  with check (true);
drop policy if exists delete_operator on ops.retention_holds;
create policy delete_operator on ops.retention_holds for delete to :OPERATOR
  using (true);

revoke all on ops.retention_holds from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.retention_holds to :OPERATOR, :WORKER;
-- Operators say what has to stay, and when it need not any more.
grant insert (policy, tenant_id, held, reason) on ops.retention_holds to :OPERATOR;
grant delete on ops.retention_holds to :OPERATOR;
--! EndIncluded retention/retention_holds.sql
--! Included retention/retention_overrides.sql
comment on table ops.retention_overrides is 'For how long a tenant keeps something, other than all.';
comment on column ops.retention_overrides.policy is 'The policy.';
comment on column ops.retention_overrides.tenant_id is 'The tenant.';
comment on column ops.retention_overrides.keep is 'How long it is kept; null: for ever.';

alter table ops.retention_overrides enable row level security, force row level security;

-- Across tenants

-- ops.set_retention and ops.reset_retention change it as the owner; the worker and operators read what each tenant
-- keeps.
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
-- Changed by ops.set_retention and ops.reset_retention.
--! EndIncluded retention/retention_overrides.sql
--! Included retention/retention_policies.sql
comment on table ops.retention_policies is 'What is kept for how long. Changed by ops.set_retention.';
comment on column ops.retention_policies.policy is 'Its name.';
comment on column ops.retention_policies.description is 'What it is of.';
comment on column ops.retention_policies.keep is 'How long it is kept; null: for ever.';
comment on column ops.retention_policies.by_tenant is 'Whether it is of tenants, each of which may have another.';

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
-- Changed by ops.set_retention, which checks what it is given.
--! EndIncluded retention/retention_policies.sql
--! Included retention/retention_receipts.sql
comment on table ops.retention_receipts is 'What was removed, under which policy.';
comment on column ops.retention_receipts.id is 'Which.';
comment on column ops.retention_receipts.at is 'When the last of it went.';
comment on column ops.retention_receipts.policy is 'The policy.';
comment on column ops.retention_receipts.tenant_id is 'Whose it was; null: no tenant''s.';
comment on column ops.retention_receipts.older_than is 'It was older than this.';
comment on column ops.retention_receipts.partition is 'The partition that went as a whole; null: rows were deleted.';
comment on column ops.retention_receipts.row_count is 'How many rows.';
comment on column ops.retention_receipts.bytes is 'How much of the disk the partition took, the tenant''s share by rows; null of rows, whose room is used again.';

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
-- A receipt grows with the batches of its run, and is never taken back.
grant insert (policy, tenant_id, older_than, row_count), update (at, row_count) on ops.retention_receipts to :WORKER;
--! EndIncluded retention/retention_receipts.sql

--! Included backup/backups.sql
comment on table ops.backups is 'What backups the store holds, or held: a mirror of its manifests for who asks in SQL. The store is the truth.';
comment on column ops.backups.id is 'Its name; in the order of time.';
comment on column ops.backups.kind is 'full, incremental or snapshot.';
comment on column ops.backups.parent_id is 'What it builds on; null: nothing.';
comment on column ops.backups.started_at is 'When it began, by the server''s clock.';
comment on column ops.backups.ended_at is 'When it ended: the first moment that it can be restored to.';
comment on column ops.backups.objects is 'How many objects it has in the store.';
comment on column ops.backups.bytes is 'Of their content.';
comment on column ops.backups.stored_bytes is 'As they are stored.';
comment on column ops.backups.manifest_sha256 is 'Of its manifest, as it was first recorded: a store that says otherwise was changed.';
comment on column ops.backups.server is 'Where in the server''s WAL it is; null: of an embedded database.';
comment on column ops.backups.recorded_at is 'When it was first seen in the store.';
comment on column ops.backups.removed_at is 'When it was found not to be in the store any more; null: it is there.';

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
-- A backup that should be there and is not, or never was. When one is due say the workers for which backups are configured, which
-- there are the store says: so a job that succeeded and a backup that went since are no excuse. One that is being made is waited
-- for, and so is the first look of a worker that has just started.
create or replace view ops.check_backups with (security_barrier) as
select
  'backups'::text as subject,
  'error'::text as severity,
  case
    when b.recorded = 0 then 'there never was a backup: lightning backup makes one now, and says why when it cannot'
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

comment on view ops.check_backups is 'A check of ops.check_alerts. A backup that should be there and is not.';
comment on column ops.check_backups.subject is 'What it is about.';
comment on column ops.check_backups.severity is 'warning or error.';
comment on column ops.check_backups.message is 'What is wrong, in a sentence.';
comment on column ops.check_backups.details is 'The same for programs.';

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
comment on column ops.check_drills.details is 'The same for programs.';

revoke all on ops.check_drills from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.check_drills to :OPERATOR, :WORKER;
--! EndIncluded backup/check_drills.sql
--! Included backup/check_wal_receivers.sql
-- WAL that is not received: the server keeps it, and its disk fills; or it gives the slot up, and there is a gap.
create or replace view ops.check_wal_receivers with (security_barrier) as
select
  r.slot as subject,
  case when r.wal_status = 'lost' or r.kept_bytes > 4294967296 or r.safe_bytes < 1073741824 then 'error' else 'warning' end
    as severity,
  case
    when r.wal_status = 'lost' then
      format('the server gave slot %s up: WAL is missing, make a full backup (lightning backup --full)', r.slot)
    when r.seen_at < clock_timestamp() - interval '2 minutes' then format(
      'no worker receives WAL through slot %s since %s', r.slot,
      to_char(r.seen_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
    )
    else format('WAL through slot %s: %s MB wait on the server%s', r.slot, r.kept_bytes / 1000000, coalesce('; ' || r.problem, ''))
  end as message,
  jsonb_build_object('kept_bytes', r.kept_bytes, 'safe_bytes', r.safe_bytes, 'received_lsn', r.received_lsn) as details
from ops.wal_receivers r
where r.wal_status = 'lost' or r.seen_at < clock_timestamp() - interval '2 minutes' or r.problem is not null
  or r.kept_bytes > 1073741824 or r.safe_bytes < 1073741824;

comment on view ops.check_wal_receivers is 'A check of ops.check_alerts. WAL that is not received.';
comment on column ops.check_wal_receivers.subject is 'What it is about.';
comment on column ops.check_wal_receivers.severity is 'warning or error.';
comment on column ops.check_wal_receivers.message is 'What is wrong, in a sentence.';
comment on column ops.check_wal_receivers.details is 'The same for programs.';

revoke all on ops.check_wal_receivers from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.check_wal_receivers to :OPERATOR, :WORKER;
--! EndIncluded backup/check_wal_receivers.sql
--! Included backup/drills.sql
comment on table ops.drills is 'Restores that were made to prove backups: what they found, and how long they took.';
comment on column ops.drills.id is 'In the order in which they ended.';
comment on column ops.drills.started_at is 'When it began.';
comment on column ops.drills.finished_at is 'When its verdict was written down.';
comment on column ops.drills.backups is 'Ids of the backups that were restored, the full one first; empty: they could not be.';
comment on column ops.drills."position" is 'Where in the WAL the comparison was made; null for an embedded database.';
comment on column ops.drills.compared_tables is 'How many tables were compared.';
comment on column ops.drills.compared_rows is 'How many rows were compared.';
comment on column ops.drills.restore_time is 'From the first byte read to a database that answers; null: it never did.';
comment on column ops.drills.problems is 'A sentence for each thing that is wrong.';
comment on column ops.drills.self_tests is 'Damages that the drill did to copies on purpose, and how each was noticed: an array of objects with `damage` and `noticed`.';
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
-- Can we restore, to when, and when was that last proven. One row. From the oldest backup's end everything is reachable up to what was received; what the
-- store really holds, and whether it is whole, is said by `lightning backups` and `lightning backup verify`.
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

comment on view ops.recovery is 'Can we restore, and to when. One row.';
comment on column ops.recovery.can_restore is 'Whether there is a backup.';
comment on column ops.recovery.reachable_from is 'The oldest moment that a restore can go to.';
comment on column ops.recovery.newest_backup_at is 'When the newest backup ended.';
comment on column ops.recovery.newest_full_at is 'When the newest full backup ended.';
comment on column ops.recovery.newest_incremental_at is 'When the newest incremental backup ended.';
comment on column ops.recovery.wal_received_lsn is 'Up to where WAL was received: the newest position that a restore can go to.';
comment on column ops.recovery.wal_received_at is 'When that was.';
comment on column ops.recovery.wal_waiting_bytes is 'WAL that the server keeps because it was not received.';
comment on column ops.recovery.wal_problem is 'What went wrong with receiving last; null: all is well.';
comment on column ops.recovery.proven_at is 'When a drill last passed; null: never.';
comment on column ops.recovery.proven_restore_time is 'How long that restore took.';
comment on column ops.recovery.newest_drill_passed is 'Whether the newest drill passed; null: there was none.';

revoke all on ops.recovery from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.recovery to :OPERATOR, :WORKER;
--! EndIncluded backup/recovery.sql
--! Included backup/wal_receivers.sql
comment on table ops.wal_receivers is 'How receiving WAL stands, by replication slot.';
comment on column ops.wal_receivers.slot is 'The slot that the server keeps WAL for.';
comment on column ops.wal_receivers.receiving is 'Whether the worker that said this receives.';
comment on column ops.wal_receivers.received_lsn is 'Up to where WAL was received.';
comment on column ops.wal_receivers.kept_bytes is 'WAL that the server keeps because it was not received.';
comment on column ops.wal_receivers.safe_bytes is 'What may still be written before the server gives the slot up; null: there is no limit.';
comment on column ops.wal_receivers.wal_status is 'Of the slot: reserved, extended, unreserved or lost.';
comment on column ops.wal_receivers.problem is 'What went wrong last; null: all is well.';
comment on column ops.wal_receivers.seen_at is 'When this was said.';

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
