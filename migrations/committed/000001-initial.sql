--! Previous: -
--! Hash: sha1:7a1e48c617d29842d479a1368ca0d69b5c2c3499
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
--! Included app_private/functions/login_tenant_id.sql
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
--! EndIncluded app_private/functions/login_tenant_id.sql
--! Included app_private/functions/current_tenant_id.sql
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
--! EndIncluded app_private/functions/current_tenant_id.sql

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

--! Included app_private/functions/tg__touch_updated_at.sql
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
--! EndIncluded app_private/functions/tg__touch_updated_at.sql
--! Included app_private/functions/tg__refuse_key_change.sql
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
--! EndIncluded app_private/functions/tg__refuse_key_change.sql
--! Included app_private/functions/tg_tasks__notify.sql
-- Tells who listens that tasks changed: at most one NOTIFY per statement and tenant, ids only. The receiver reads the
-- rows again under its own rights. A payload holds 8,000 bytes at most, so a statement that changes more than 150
-- tasks of a tenant sends `"ids": null`: "many, look for yourself".
create or replace function app_private.tg_tasks__notify() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  perform pg_notify(
    'lightning:tasks',
    json_build_object('tenant', c.tenant_id, 'operation', lower(TG_OP), 'ids', c.ids)::text
  )
  from (
    select t.tenant_id, case when count(*) <= 150 then json_agg(t.id) end as ids
    from changed_rows t
    group by t.tenant_id
  ) c;
  return null;
end
$$;
--! EndIncluded app_private/functions/tg_tasks__notify.sql
--! Included app_private/functions/tg_tenants__notify.sql
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
--! EndIncluded app_private/functions/tg_tenants__notify.sql
--! Included audit/functions/actor.sql
-- Who is acting: the subject and request that the API verified, and the role that the statement runs under. The
-- settings of any other login prove nothing and are left out; its name (audit.log.login) says who it is.
create or replace function audit.actor(out subject text, out role name, out request_id text)
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
begin
  role := current_setting('role');
  -- `none` is what a session that never switched says.
  if role = 'none' then
    role := session_user;
  end if;
  if pg_has_role(session_user, ':ANON', 'member') then
    subject := nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub';
    request_id := nullif(current_setting('app.request_id', true), '');
  end if;
end
$$;
--! EndIncluded audit/functions/actor.sql
--! Included audit/functions/digest.sql
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
--! EndIncluded audit/functions/digest.sql
--! Included audit/functions/tg__log_rows.sql
-- Logs each row of a statement: an insert's new values, a delete's old values, of an update what changed and only that
-- (a row written again as it was leaves nothing). One statement trigger with transition tables, so a statement of a
-- thousand rows costs one insert here.
-- Arguments: the key columns, the columns to digest (array literals) and the column that holds the tenant. Definer:
-- nobody may write the log.
--
-- The sub-selects stand here three times instead of in functions of their own: functions that contain one are not
-- inlined, and calling them made an audited insert of one row cost three times as much.
create or replace function audit.tg__log_rows() returns trigger
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_table text := TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME;
  v_key text[] := TG_ARGV[0];
  v_digested text[] := TG_ARGV[1];
  v_tenant_column text := TG_ARGV[2];
  v_actor record;
begin
  v_actor := audit.actor();
  if TG_OP = 'INSERT' then
    insert into audit.log (tenant_id, table_name, operation, row_count, key, new_values, subject, role, request_id)
    select
      n.doc ->> v_tenant_column, v_table, 'insert', 1,
      (select jsonb_object_agg(k, n.doc -> k) from unnest(v_key) k),
      case when v_digested = '{}' then n.doc else audit.digest(n.doc, v_digested) end,
      v_actor.subject, v_actor.role, v_actor.request_id
    from (select to_jsonb(r) as doc from new_rows r) n;
  elsif TG_OP = 'DELETE' then
    insert into audit.log (tenant_id, table_name, operation, row_count, key, old_values, subject, role, request_id)
    select
      o.doc ->> v_tenant_column, v_table, 'delete', 1,
      (select jsonb_object_agg(k, o.doc -> k) from unnest(v_key) k),
      case when v_digested = '{}' then o.doc else audit.digest(o.doc, v_digested) end,
      v_actor.subject, v_actor.role, v_actor.request_id
    from (select to_jsonb(r) as doc from old_rows r) o;
  else
    insert into audit.log (
      tenant_id, table_name, operation, row_count, key, old_values, new_values, subject, role, request_id
    )
    select
      n.doc ->> v_tenant_column, v_table, 'update', 1, n.key,
      case when v_digested = '{}' then c.old_values else audit.digest(c.old_values, v_digested) end,
      case when v_digested = '{}' then c.new_values else audit.digest(c.new_values, v_digested) end,
      v_actor.subject, v_actor.role, v_actor.request_id
    from (
      select d.doc, (select jsonb_object_agg(k, d.doc -> k) from unnest(v_key) k) as key
      from (select to_jsonb(r) as doc from new_rows r) d
    ) n
    join (
      select d.doc, (select jsonb_object_agg(k, d.doc -> k) from unnest(v_key) k) as key
      from (select to_jsonb(r) as doc from old_rows r) d
    ) o using (key)
    cross join lateral (
      select
        jsonb_object_agg(e.key, o.doc -> e.key) as old_values,
        jsonb_object_agg(e.key, e.value) as new_values
      from jsonb_each(n.doc) e
      where e.value is distinct from o.doc -> e.key
    ) c
    where c.new_values is not null;
  end if;
  return null;
end
$$;
--! EndIncluded audit/functions/tg__log_rows.sql
--! Included audit/functions/tg__log_summary.sql
-- Logs one row per statement and tenant with the number of rows: for tables whose rows are too many and too small to
-- keep twice. Definer: nobody may write the log.
create or replace function audit.tg__log_summary() returns trigger
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_actor record;
begin
  v_actor := audit.actor();
  insert into audit.log (tenant_id, table_name, operation, row_count, subject, role, request_id)
  select
    c.tenant_id, TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME, lower(TG_OP), count(*),
    v_actor.subject, v_actor.role, v_actor.request_id
  from changed_rows c
  group by c.tenant_id;
  return null;
end
$$;
--! EndIncluded audit/functions/tg__log_summary.sql
--! Included audit/functions/tg__log_truncate.sql
-- Logs that a table was emptied, of all tenants' rows at once: no tenant, no rows to count. Definer: nobody may write
-- the log.
create or replace function audit.tg__log_truncate() returns trigger
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_actor record;
begin
  v_actor := audit.actor();
  insert into audit.log (table_name, operation, row_count, subject, role, request_id)
  values (
    TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME, 'truncate', 0, v_actor.subject, v_actor.role, v_actor.request_id
  );
  return null;
end
$$;
--! EndIncluded audit/functions/tg__log_truncate.sql
--! Included audit/functions/enable_tracking.sql
-- Puts a table under audit: every insert, update, delete and truncate leaves rows in audit.log, in the transaction that
-- made it. Can be called again, also with other options.
--   digested: columns of which the log keeps a SHA-256 in place of the value
--   detail:   true, a row per row; false, a row per statement and tenant with their number
create or replace function audit.enable_tracking(target regclass, digested text[] default '{}', detail boolean default true)
returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_key text[];
  v_call text;
  v_event record;
begin
  select array_agg(a.attname order by k.position) into v_key
  from pg_index i
  cross join unnest(i.indkey) with ordinality k(attnum, position)
  join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
  where i.indrelid = target and i.indisprimary;

  if v_key is null then
    raise exception 'cannot audit %: it has no primary key', target
      using errcode = 'LTA01', hint = 'The log names rows by their primary key: add one first.';
  end if;

  if detail then
    v_call := format(
      'audit.tg__log_rows(%L, %L, %L)', v_key, digested, case when 'tenant_id' = any (v_key) then 'tenant_id' else 'id' end
    );
  else
    v_call := 'audit.tg__log_summary()';
  end if;

  for v_event in
    select *
    from (values
      ('insert', 'new table as ' || case when detail then 'new_rows' else 'changed_rows' end),
      ('update', case when detail then 'old table as old_rows new table as new_rows' else 'new table as changed_rows' end),
      ('delete', 'old table as ' || case when detail then 'old_rows' else 'changed_rows' end)
    ) e(name, transition_tables)
  loop
    execute format(
      'create or replace trigger _800_audit_%s after %1$s on %s referencing %s for each statement execute function %s',
      v_event.name, target, v_event.transition_tables, v_call
    );
  end loop;
  execute format(
    'create or replace trigger _800_audit_truncate after truncate on %s for each statement '
    'execute function audit.tg__log_truncate()',
    target
  );
  -- Partitions that are there already; create_partition does it for later ones.
  perform audit.copy_tracking(target, i.inhrelid::regclass) from pg_inherits i where i.inhparent = target;
end
$$;
--! EndIncluded audit/functions/enable_tracking.sql
--! Included audit/functions/copy_tracking.sql
-- Gives a partition the audit triggers of its parent: statement triggers fire for the table that a statement names, so
-- the parent's do not see a statement that names the partition. Can be called again.
create or replace function audit.copy_tracking(parent regclass, partition regclass) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_definition text;
begin
  for v_definition in
    select pg_get_triggerdef(t.oid)
    from pg_trigger t
    where t.tgrelid = parent and not t.tgisinternal and t.tgname like '\_800\_audit\_%'
  loop
    -- " ON schema.table " stands once, before the referencing clause; nothing before it can hold a name of a user's.
    v_definition := regexp_replace(v_definition, ' ON \S+ ', format(' ON %s ', partition));
    execute regexp_replace(v_definition, '^CREATE TRIGGER', 'CREATE OR REPLACE TRIGGER');
  end loop;
end
$$;
--! EndIncluded audit/functions/copy_tracking.sql
--! Included app_private/functions/create_partition.sql
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
--! EndIncluded app_private/functions/create_partition.sql
--! Included app_public/views/user_sessions.sql
-- What may be seen of sessions: no token and no data. Runs with the owner's rights, so that nobody needs
-- any on the table for it; the owner's policy on sessions confines it to the caller's tenant, and a barrier keeps a
-- caller's functions from seeing rows before that.
create or replace view app_public.user_sessions with (security_barrier) as
select s.tenant_id, s.id, s.user_id, s.expires_at, s.created_at
from app_public.sessions s;
--! EndIncluded app_public/views/user_sessions.sql
--! Included app_public/triggers/tenants.sql
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
--! EndIncluded app_public/triggers/tenants.sql
--! Included app_public/triggers/agents.sql
create or replace trigger _100_timestamps
  before update on app_public.agents
  for each row
  execute function app_private.tg__touch_updated_at();

create or replace trigger _200_keys
  before update of tenant_id, id on app_public.agents
  for each row
  when (old.tenant_id is distinct from new.tenant_id or old.id is distinct from new.id)
  execute function app_private.tg__refuse_key_change();
--! EndIncluded app_public/triggers/agents.sql
--! Included app_public/triggers/tasks.sql
create or replace trigger _200_keys
  before update of tenant_id, id on app_public.tasks
  for each row
  when (old.tenant_id is distinct from new.tenant_id or old.id is distinct from new.id)
  execute function app_private.tg__refuse_key_change();

-- One trigger per event: a trigger with transition tables can have only one.
create or replace trigger _500_notify_insert
  after insert on app_public.tasks
  referencing new table as changed_rows
  for each statement
  execute function app_private.tg_tasks__notify();

create or replace trigger _500_notify_update
  after update on app_public.tasks
  referencing new table as changed_rows
  for each statement
  execute function app_private.tg_tasks__notify();

create or replace trigger _500_notify_delete
  after delete on app_public.tasks
  referencing old table as changed_rows
  for each statement
  execute function app_private.tg_tasks__notify();
--! EndIncluded app_public/triggers/tasks.sql
--! Included app_public/triggers/knowledge.sql
create or replace trigger _200_keys
  before update of tenant_id, id on app_public.knowledge
  for each row
  when (old.tenant_id is distinct from new.tenant_id or old.id is distinct from new.id)
  execute function app_private.tg__refuse_key_change();
--! EndIncluded app_public/triggers/knowledge.sql
--! Included app_public/triggers/workflows.sql
create or replace trigger _100_timestamps
  before update on app_public.workflows
  for each row
  execute function app_private.tg__touch_updated_at();

create or replace trigger _200_keys
  before update of tenant_id, id on app_public.workflows
  for each row
  when (old.tenant_id is distinct from new.tenant_id or old.id is distinct from new.id)
  execute function app_private.tg__refuse_key_change();
--! EndIncluded app_public/triggers/workflows.sql
--! Included app_public/triggers/sessions.sql
create or replace trigger _200_keys
  before update of tenant_id, id on app_public.sessions
  for each row
  when (old.tenant_id is distinct from new.tenant_id or old.id is distinct from new.id)
  execute function app_private.tg__refuse_key_change();
--! EndIncluded app_public/triggers/sessions.sql
--! Included app_public/triggers/metrics.sql
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
--! EndIncluded app_public/triggers/metrics.sql
--! Included audit/tracked_tables.sql
-- The one list of what is audited, and of what is exempt from row detail. test/db/conventions.test.ts compares it with
-- the catalog: a table of a tenant that is missing here turns it red.
select audit.enable_tracking('app_public.tenants');
select audit.enable_tracking('app_public.agents');
select audit.enable_tracking('app_public.tasks');
select audit.enable_tracking('app_public.knowledge', digested => '{embedding}');
select audit.enable_tracking('app_public.workflows');
select audit.enable_tracking('app_public.sessions', digested => '{token}');
-- Thousands of points a call: a row per statement says who wrote how many.
select audit.enable_tracking('app_public.metrics', detail => false);
--! EndIncluded audit/tracked_tables.sql
--! Included ops/functions/create_tenant.sql
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
--! EndIncluded ops/functions/create_tenant.sql
--! Included ops/functions/set_tenant_suspended.sql
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
--! EndIncluded ops/functions/set_tenant_suspended.sql
--! Included ops/functions/bind_login.sql
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
--! EndIncluded ops/functions/bind_login.sql
--! Included ops/functions/unbind_login.sql
-- Takes a login's tenant away: from its next statement on it sees nothing. Definer, as ops.bind_login.
create or replace function ops.unbind_login(login name) returns boolean
language sql volatile security definer
set search_path to pg_catalog, pg_temp
begin atomic
  with gone as (delete from app_private.tenant_logins l where l.login = unbind_login.login returning 1)
  select exists (select from gone);
end;
--! EndIncluded ops/functions/unbind_login.sql
--! Included ops/functions/ensure_partitions.sql
-- Makes the partitions that are missing between now and the horizons: a day each for metrics, a month each for the
-- audit log. The worker runs it every hour and `lightning migrate` at its end; it can be run at any time and by several
-- at once. Definer: partitions belong to the owner, and this makes only these two kinds.
create or replace function ops.ensure_partitions(
  metrics_days_ahead integer default 14,
  audit_months_ahead integer default 3
) returns setof text
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
set timezone to 'UTC'
as $$
declare
  v_start timestamptz;
  v_name text;
begin
  -- One maker at a time: a second one would find the name taken between the look and the create.
  perform pg_advisory_xact_lock(hashtext('ops.ensure_partitions'));

  -- Yesterday too: a point that is on its way at midnight belongs to the day that ended.
  for v_start in
    select d from generate_series(
      date_trunc('day', now()) - interval '1 day',
      date_trunc('day', now()) + make_interval(days => metrics_days_ahead),
      interval '1 day'
    ) d
  loop
    v_name := 'metrics_p' || to_char(v_start, 'YYYYMMDD');
    if app_private.create_partition('app_public.metrics', v_name, v_start, v_start + interval '1 day') then
      return next 'app_public.' || v_name;
    end if;
  end loop;

  for v_start in
    select m from generate_series(
      date_trunc('month', now()),
      date_trunc('month', now()) + make_interval(months => audit_months_ahead),
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
--! EndIncluded ops/functions/ensure_partitions.sql
--! Included ops/functions/applied_migrations.sql
-- The migrations that this database has, oldest first. For every process that wants to know whether it fits the schema;
-- definer, because the ledger is the owner's, and file names are no secret.
create or replace function ops.applied_migrations() returns setof text
language plpgsql stable security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  return query select m.filename from graphile_migrate.migrations m order by m.filename;
end
$$;
--! EndIncluded ops/functions/applied_migrations.sql
--! Included ops/functions/suspended_tenants.sql
-- The tenants that are locked out. The API asks at its start and whenever `lightning:tenants` is notified, as an
-- anonymous request, and refuses their tokens. Definer: nobody sees a tenant but their own; ids of the suspended ones
-- are all that it gives away.
create or replace function ops.suspended_tenants() returns setof text
language sql stable security definer
set search_path to pg_catalog, pg_temp
as $$
  select t.id from app_public.tenants t where t.suspended_at is not null
$$;
--! EndIncluded ops/functions/suspended_tenants.sql
--! Included ops/views/tenants.sql
-- Every tenant with its logins, for operators: names and dates, no content.
create or replace view ops.tenants with (security_barrier) as
select
  t.id,
  t.name,
  t.suspended_at,
  t.created_at,
  array(select l.login::text from app_private.tenant_logins l where l.tenant_id = t.id order by l.login) as logins
from app_public.tenants t;
--! EndIncluded ops/views/tenants.sql
--! Included app_private/policies/tenant_logins.sql
alter table app_private.tenant_logins enable row level security, force row level security;

revoke all on app_private.tenant_logins from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
-- No grant to anybody: login_tenant_id() tells a login its own tenant, ops.tenants lists them for operators.
--! EndIncluded app_private/policies/tenant_logins.sql
--! Included app_public/policies/tenants.sql
alter table app_public.tenants enable row level security, force row level security;

-- Everybody of a tenant reads its own row.
drop policy if exists select_own on app_public.tenants;
create policy select_own on app_public.tenants for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (id = (select app_private.current_tenant_id()));

revoke all on app_public.tenants from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.tenants to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
-- No other grant: tenants are made and suspended by ops functions.
--! EndIncluded app_public/policies/tenants.sql
--! Included app_public/policies/agents.sql
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
--! EndIncluded app_public/policies/agents.sql
--! Included app_public/policies/tasks.sql
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

revoke all on app_public.tasks from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.tasks to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
grant insert (tenant_id, id, agent_id, description, status, priority, context, result, started_at, completed_at,
  error_message) on app_public.tasks to :MEMBER, :SERVICE, :ADMIN;
-- Only programs bring history with them.
grant insert (created_at) on app_public.tasks to :SERVICE, :ADMIN;
-- No update of tenant_id, id or created_at for anybody: keys and beginnings do not change.
grant update (agent_id, description, status, priority, context, result, started_at, completed_at, error_message)
  on app_public.tasks to :MEMBER, :SERVICE, :ADMIN;
grant delete on app_public.tasks to :MEMBER, :SERVICE, :ADMIN;
-- No truncate for anybody: it knows no tenants.
--! EndIncluded app_public/policies/tasks.sql
--! Included app_public/policies/knowledge.sql
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
-- No truncate for anybody: it knows no tenants.
--! EndIncluded app_public/policies/knowledge.sql
--! Included app_public/policies/workflows.sql
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

revoke all on app_public.workflows from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.workflows to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
grant insert (tenant_id, id, name, description, steps, status, created_by, assigned_to, context) on
  app_public.workflows to :MEMBER, :SERVICE, :ADMIN;
-- Only programs bring history with them.
grant insert (created_at) on app_public.workflows to :SERVICE, :ADMIN;
-- No update of tenant_id, id or created_at for anybody: keys and beginnings do not change.
grant update (name, description, steps, status, created_by, assigned_to, context) on app_public.workflows to
  :MEMBER, :SERVICE, :ADMIN;
grant delete on app_public.workflows to :MEMBER, :SERVICE, :ADMIN;
-- No truncate for anybody: it knows no tenants.
--! EndIncluded app_public/policies/workflows.sql
--! Included app_public/policies/sessions.sql
alter table app_public.sessions enable row level security, force row level security;

-- Services keep the sessions of their tenant's users; administrators look after them.
drop policy if exists select_tenant on app_public.sessions;
create policy select_tenant on app_public.sessions for select to :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()));

-- Only services open sessions: they know the token, of which the digest is stored.
drop policy if exists insert_service on app_public.sessions;
create policy insert_service on app_public.sessions for insert to :SERVICE
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

-- The view user_sessions runs as the owner: it is confined to the tenant of whoever asks.
drop policy if exists select_view on app_public.sessions;
create policy select_view on app_public.sessions for select to :OWNER
  using (tenant_id = (select app_private.current_tenant_id()));

revoke all on app_public.sessions from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
-- Never the token, not even its digest: who can read it can look for it.
grant select (tenant_id, id, user_id, data, expires_at, created_at) on app_public.sessions to :SERVICE, :ADMIN;
grant insert (tenant_id, id, user_id, token, data, expires_at) on app_public.sessions to :SERVICE;
grant update (data, expires_at) on app_public.sessions to :SERVICE;
grant delete on app_public.sessions to :SERVICE, :ADMIN;

revoke all on app_public.user_sessions from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.user_sessions to :SERVICE, :ADMIN, :ANALYST;
--! EndIncluded app_public/policies/sessions.sql
--! Included app_public/policies/metrics.sql
alter table app_public.metrics enable row level security, force row level security;

-- Everybody of a tenant reads its metrics.
drop policy if exists select_tenant on app_public.metrics;
create policy select_tenant on app_public.metrics for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- Programs measure; people do not.
drop policy if exists insert_service on app_public.metrics;
create policy insert_service on app_public.metrics for insert to :SERVICE, :ADMIN
  with check (tenant_id = (select app_private.current_tenant_id()));

revoke all on app_public.metrics from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.metrics to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
-- No insert of id: it is the database's. No update and no delete: a measurement stands until its partition expires.
grant insert (tenant_id, service_name, metric_name, value, tags, "timestamp") on app_public.metrics to :SERVICE, :ADMIN;
-- The partitions have no grants and no policies: nobody but the owner can name one.
--! EndIncluded app_public/policies/metrics.sql
--! Included audit/policies/log.sql
alter table audit.log enable row level security, force row level security;

-- A tenant's administrators read its trail.
drop policy if exists select_tenant on audit.log;
create policy select_tenant on audit.log for select to :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()));

-- A truncate hits all tenants and belongs to none: operators see it.
drop policy if exists select_truncations on audit.log;
create policy select_truncations on audit.log for select to :OPERATOR
  using (operation = 'truncate');

revoke all on audit.log from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on audit.log to :ADMIN, :OPERATOR;
-- No insert, update or delete for anybody: the triggers write as the owner, who may insert and nothing else.
--! EndIncluded audit/policies/log.sql
--! Included cross_tenant_policies.sql
-- Every policy that reaches across tenants, all in this one file. Row-level security is forced, so the owner of the
-- tables sees nothing either: each function or job that needs more has a policy here, for exactly the table and command
-- that it needs. test/db/conventions.test.ts compares this file with the catalog.

-- ops.create_tenant, ops.set_tenant_suspended, ops.tenants and login_tenant_id.
drop policy if exists manage_owner on app_public.tenants;
create policy manage_owner on app_public.tenants for all to :OWNER
  using (true)
  with check (true);

-- ops.bind_login, ops.unbind_login, ops.tenants and login_tenant_id.
drop policy if exists manage_owner on app_private.tenant_logins;
create policy manage_owner on app_private.tenant_logins for all to :OWNER
  using (true)
  with check (true);

-- The audit triggers.
drop policy if exists insert_owner on audit.log;
create policy insert_owner on audit.log for insert to :OWNER
  with check (true);
--! EndIncluded cross_tenant_policies.sql
--! Included grants.sql
-- Who may look into which schema, and who may call what. Rights on tables are in the policy files.

revoke all on schema app_public, app_private, audit, ops from public;
grant usage on schema app_public to :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST;
grant usage on schema audit to :ADMIN, :OPERATOR;
grant usage on schema ops to :OPERATOR, :WORKER;
-- app_private is granted to nobody. Defaults and policies name its functions by identity and need no usage of it.

grant execute on function app_private.current_tenant_id(), app_private.login_tenant_id()
  to :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST;

-- Whether the schema fits is asked by every process before it serves, by the API as an anonymous request. They name the
-- function in full, so they need usage of its schema.
grant usage on schema ops to :ANON;
grant execute on function ops.applied_migrations() to :ANON, :OPERATOR, :WORKER;
-- Which tokens to refuse is asked in the same way.
grant execute on function ops.suspended_tenants() to :ANON, :OPERATOR;
grant execute on function ops.ensure_partitions(integer, integer) to :WORKER;
grant execute on function ops.create_tenant(text, text), ops.set_tenant_suspended(text, boolean) to :OPERATOR;
-- bind_login and unbind_login: the owner's only. They go with creating the login, which operators cannot.

revoke all on ops.tenants from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :WORKER, :SEARCH;
grant select on ops.tenants to :OPERATOR;
--! EndIncluded grants.sql
--! Included app_public/comments.sql
comment on schema app_public is 'What both APIs and analysts see. Every table is confined to one tenant by row-level security.';

comment on table app_public.tenants is 'A tenant: one customer or team, whose data nobody else sees.';
comment on column app_public.tenants.id is 'A short name in lower case, e.g. `default`. Never changes.';
comment on column app_public.tenants.name is 'The name to show.';
comment on column app_public.tenants.suspended_at is 'Since when the tenant is locked out; null: it is not.';
comment on column app_public.tenants.created_at is 'When the tenant was made.';
comment on column app_public.tenants.updated_at is 'When the row last changed; kept by a trigger.';

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

comment on table app_public.tasks is E'@unique id|@fieldName task|@updateFieldName updateTask|@deleteFieldName deleteTask\nA piece of work for an agent.';
comment on column app_public.tasks.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.tasks.id is 'The task''s id.';
comment on column app_public.tasks.agent_id is 'Who does it; null: nobody yet, or the agent was removed.';
comment on column app_public.tasks.description is 'What is to be done.';
comment on column app_public.tasks.status is 'One of pending, assigned, running, completed, failed, cancelled, dead.';
comment on column app_public.tasks.priority is 'One of low, normal, high, critical.';
comment on column app_public.tasks.context is 'What the agent needs to know.';
comment on column app_public.tasks.result is 'What came out; null until it is completed.';
comment on column app_public.tasks.created_at is 'When the task was made.';
comment on column app_public.tasks.started_at is 'When work began.';
comment on column app_public.tasks.completed_at is 'When it ended, well or badly.';
comment on column app_public.tasks.error_message is 'Why it failed.';

comment on table app_public.knowledge is E'@unique id|@fieldName knowledge|@updateFieldName updateKnowledge|@deleteFieldName deleteKnowledge\nAn item of knowledge that agents look up, with an embedding to find it by meaning.';
comment on column app_public.knowledge.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.knowledge.id is 'The item''s id; a random one where none is given.';
comment on column app_public.knowledge.agent_id is 'Whose knowledge it is; null: everybody''s, or the agent was removed.';
comment on column app_public.knowledge.category is 'A word to group by.';
comment on column app_public.knowledge.content is 'The text itself.';
comment on column app_public.knowledge.source is 'Where it comes from: a file, an address, a whole quotation.';
comment on column app_public.knowledge.metadata is 'Anything else about it.';
comment on column app_public.knowledge.embedding is 'The content''s embedding, 1536 dimensions; null until it is computed.';
comment on column app_public.knowledge.usage_count is 'How often it was used.';
comment on column app_public.knowledge.relevance_score is 'How useful it proved; 1 is neutral.';
comment on column app_public.knowledge.created_at is 'When it was added.';
comment on column app_public.knowledge.last_used_at is 'When it was last used.';

comment on table app_public.workflows is E'@unique id|@fieldName workflow|@updateFieldName updateWorkflow|@deleteFieldName deleteWorkflow\nSeveral steps of work that belong together.';
comment on column app_public.workflows.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.workflows.id is 'The workflow''s id.';
comment on column app_public.workflows.name is 'The name to show.';
comment on column app_public.workflows.description is 'What it is for.';
comment on column app_public.workflows.steps is 'The steps, a JSON array.';
comment on column app_public.workflows.status is 'One of draft, pending, running, paused, completed, failed, cancelled.';
comment on column app_public.workflows.created_by is 'Who made it.';
comment on column app_public.workflows.assigned_to is 'Who looks after it.';
comment on column app_public.workflows.context is 'What all steps need to know.';
comment on column app_public.workflows.created_at is 'When the workflow was made.';
comment on column app_public.workflows.updated_at is 'When the row last changed; kept by a trigger.';

comment on table app_public.sessions is E'@unique id|@fieldName session|@updateFieldName updateSession|@deleteFieldName deleteSession\nA user''s login session. The token itself is stored nowhere.';
comment on column app_public.sessions.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.sessions.id is 'The session''s id.';
comment on column app_public.sessions.user_id is 'Whose session it is.';
comment on column app_public.sessions.token is 'SHA-256 of the token, 64 hexadecimal digits. Can be written and never read.';
comment on column app_public.sessions.data is 'What the service keeps in it.';
comment on column app_public.sessions.expires_at is 'When it ends.';
comment on column app_public.sessions.created_at is 'When it was opened.';

comment on table app_public.metrics is 'A measurement of a service at a point in time. Partitioned by day, removed by retention.';
comment on column app_public.metrics.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.metrics.id is 'Tells points of the same instant apart.';
comment on column app_public.metrics.service_name is 'Who measured.';
comment on column app_public.metrics.metric_name is 'What was measured.';
comment on column app_public.metrics.value is 'The value, in the metric''s own unit.';
comment on column app_public.metrics.tags is 'Dimensions to filter and group by: a flat object.';
comment on column app_public.metrics."timestamp" is 'When it was measured.';

comment on view app_public.user_sessions is E'@primaryKey id|@fieldName userSession\nThe sessions of the tenant''s users, without tokens and data.';
comment on column app_public.user_sessions.tenant_id is E'@behavior -*\nThe tenant.';
comment on column app_public.user_sessions.id is 'The session''s id.';
comment on column app_public.user_sessions.user_id is 'Whose session it is.';
comment on column app_public.user_sessions.expires_at is 'When it ends.';
comment on column app_public.user_sessions.created_at is 'When it was opened.';

-- In GraphQL a caller has one tenant and never names it: rows are found by their own id, the keys that hold the tenant
-- and the way from and to the tenant's row are hidden.
comment on constraint agents_pkey on app_public.agents is E'@behavior -single -update -delete\nA row is known by its tenant and its id.';
comment on constraint tasks_pkey on app_public.tasks is E'@behavior -single -update -delete\nA row is known by its tenant and its id.';
comment on constraint knowledge_pkey on app_public.knowledge is E'@behavior -single -update -delete\nA row is known by its tenant and its id.';
comment on constraint workflows_pkey on app_public.workflows is E'@behavior -single -update -delete\nA row is known by its tenant and its id.';
comment on constraint sessions_pkey on app_public.sessions is E'@behavior -single -update -delete\nA row is known by its tenant and its id.';
comment on constraint metrics_pkey on app_public.metrics is E'@behavior -single -update -delete\nA row is known by its tenant, its time and its id.';
comment on constraint agents_tenant_id_fkey on app_public.agents is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint tasks_tenant_id_fkey on app_public.tasks is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint knowledge_tenant_id_fkey on app_public.knowledge is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint workflows_tenant_id_fkey on app_public.workflows is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint sessions_tenant_id_fkey on app_public.sessions is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint metrics_tenant_id_fkey on app_public.metrics is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint sessions_token_key on app_public.sessions is E'@behavior -*\nA token opens one session, in whichever tenant. Nobody looks up by what they cannot read.';
comment on constraint tasks_agent_id_fkey on app_public.tasks is E'@fieldName agent\n@foreignFieldName tasks\nWho does the task.';
comment on constraint knowledge_agent_id_fkey on app_public.knowledge is E'@fieldName agent\n@foreignFieldName knowledge\nWhose knowledge it is.';
--! EndIncluded app_public/comments.sql
--! Included app_private/comments.sql
comment on schema app_private is 'Helpers that decide who may see what. Granted to nobody.';

comment on table app_private.tenant_logins is 'Which tenant a login of its own (an analyst''s) sees.';
comment on column app_private.tenant_logins.login is 'The login''s name, as session_user says it.';
comment on column app_private.tenant_logins.tenant_id is 'The one tenant that it sees.';
comment on column app_private.tenant_logins.created_at is 'When it was bound.';

comment on function app_private.current_tenant_id() is 'The tenant of whoever asks: from the setting app.tenant_id for the API''s login, from app_private.tenant_logins for any other, null for nobody''s.';
comment on function app_private.login_tenant_id() is 'The tenant that the session''s login is bound to; null when it is bound to none or its tenant is suspended.';
comment on function app_private.create_partition(regclass, name, timestamptz, timestamptz) is 'Makes the partition [range_start, range_end) of a table, with row-level security and audit; false when it is there already.';
comment on function app_private.tg__touch_updated_at() is 'Trigger: sets updated_at.';
comment on function app_private.tg__refuse_key_change() is 'Trigger: refuses to change a key, with LTK01.';
comment on function app_private.tg_tasks__notify() is 'Trigger: NOTIFY lightning:tasks with {tenant, operation, ids}; ids is null when more than 150 tasks changed at once.';
comment on function app_private.tg_tenants__notify() is 'Trigger: NOTIFY lightning:tenants without payload when a tenant was suspended or resumed.';
--! EndIncluded app_private/comments.sql
--! Included audit/comments.sql
comment on schema audit is 'Who changed what: an append-only log, written by triggers in the transaction of the change.';

comment on table audit.log is 'One row per changed row (or per statement, for tables exempt from detail). Partitioned by month.';
comment on column audit.log.id is 'Orders the rows of a moment.';
comment on column audit.log.at is 'When the transaction began.';
comment on column audit.log.transaction_id is 'The transaction that made the change.';
comment on column audit.log.tenant_id is 'Whose data it was; null for a truncate, which hits all.';
comment on column audit.log.table_name is 'The table that the statement named, with its schema.';
comment on column audit.log.operation is 'insert, update, delete or truncate.';
comment on column audit.log.row_count is '1 for a row of detail, the number of rows for a summary.';
comment on column audit.log.key is 'The row''s primary key; null in a summary.';
comment on column audit.log.old_values is 'What was there: the whole row of a delete, the changed columns of an update. Secrets and embeddings as sha256:<hex>.';
comment on column audit.log.new_values is 'What came: the whole row of an insert, the changed columns of an update. Secrets and embeddings as sha256:<hex>.';
comment on column audit.log.subject is 'The verified token''s subject; null for a direct login.';
comment on column audit.log.login is 'The login of the connection.';
comment on column audit.log.role is 'The role that the statement ran under.';
comment on column audit.log.request_id is 'The API request, as in its X-Request-Id header.';

comment on function audit.enable_tracking(regclass, text[], boolean) is 'Puts a table under audit. Can be called again. LTA01 when it has no primary key.';
comment on function audit.copy_tracking(regclass, regclass) is 'Gives a partition the audit triggers of its parent.';
comment on function audit.actor() is 'Who is acting: verified subject, role, request id.';
comment on function audit.digest(jsonb, text[]) is 'The object with the named members replaced by their SHA-256.';
comment on function audit.tg__log_rows() is 'Trigger: a log row per changed row.';
comment on function audit.tg__log_summary() is 'Trigger: a log row per statement and tenant.';
comment on function audit.tg__log_truncate() is 'Trigger: a log row per truncate.';
--! EndIncluded audit/comments.sql
--! Included ops/comments.sql
comment on schema ops is 'Operations across tenants: for operators and the worker.';

comment on view ops.tenants is 'All tenants with their logins.';
comment on column ops.tenants.id is 'The tenant''s id.';
comment on column ops.tenants.name is 'The name to show.';
comment on column ops.tenants.suspended_at is 'Since when it is locked out; null: it is not.';
comment on column ops.tenants.created_at is 'When it was made.';
comment on column ops.tenants.logins is 'Names of the logins that see it, in order.';

comment on function ops.create_tenant(text, text) is 'Makes a tenant, or gives back the one of that id and name. LTT01 when the id is taken under another name.';
comment on function ops.set_tenant_suspended(text, boolean) is 'Locks a tenant out, or lets it in again. LTT02 when there is none.';
comment on function ops.suspended_tenants() is 'Ids of the tenants that are locked out.';
comment on function ops.bind_login(name, text) is 'Binds a login to the tenant it will see. LTT02 no such tenant, LTT03 the login is more than a plain one, LTT04 it belongs to another tenant.';
comment on function ops.unbind_login(name) is 'Takes a login''s tenant away; false when it had none.';
comment on function ops.ensure_partitions(integer, integer) is 'Makes the missing partitions of metrics (days ahead) and audit.log (months ahead), and returns their names.';
comment on function ops.applied_migrations() is 'The migrations that this database has, oldest first.';
--! EndIncluded ops/comments.sql

-- ---------------------------------------------------------------------------------------------------------------
-- The partitions of the coming weeks (even the first row of a tenant leaves one in the log), and the tenant that a
-- single-tenant user never sees
-- ---------------------------------------------------------------------------------------------------------------

select ops.ensure_partitions();
select ops.create_tenant('default', 'Default tenant');
