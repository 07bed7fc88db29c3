--! Previous: sha1:7ec82d744a1d07a8a1f7954d97571d49111ad898
--! Hash: sha1:153a1e73d1dd98ce1b925fe118f01b84313d575c
--! Message: readable_audit_log

-- An entry of the log, as a tenant's administrators read it.
create type app_public.audit_entry as (
  at timestamptz,
  id bigint,
  transaction_id text,
  table_name text,
  operation text,
  row_count integer,
  key jsonb,
  old_values jsonb,
  new_values jsonb,
  subject text,
  login text,
  role text,
  request_id text,
  cursor text
);

-- A row as the log knows it.
create type app_public.audit_row as (
  state text,
  row_values jsonb,
  unknown_columns text[],
  digested_columns text[],
  note text
);

-- Searches. Each index locks the log against writers while it is made, some seconds for a million rows.
create index log_tenant_id_at_id_idx on audit.log (tenant_id, at, id);
drop index audit.log_tenant_id_at_idx;
create index log_key_idx on audit.log (jsonb_hash_extended(key, 0));
-- A range of 32 pages each: small, and cheap for writers.
create index log_table_name_subject_request_id_idx on audit.log
  using brin (table_name text_bloom_ops, subject text_bloom_ops, request_id text_bloom_ops)
  with (pages_per_range = 32, autosummarize = on);

--! Included tenancy/schemas.sql
-- The schemas and who may look into them. A schema decides who may look, a folder of sql/ what something is about.

comment on schema app_public is E'Agent Lightning DB\nThe state of AI agents. Every table is confined to one tenant by row-level security, and this list follows the caller''s rights: without a token it is almost empty.';
comment on schema app_private is 'Helpers that decide who may see what. Not granted to any role that clients can use.';
comment on schema audit is 'Who changed what: an append-only log, written by triggers in the transaction of the change.';
comment on schema ops is 'Operations across tenants: for operators and the worker.';

-- The rights on a table or function are in its own file.
revoke all on schema app_public, app_private, audit, ops from public;
grant usage on schema app_public to :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :WORKER, :SEARCH;
revoke usage on schema audit from :ADMIN;
grant usage on schema audit to :OPERATOR, :RECORDER;
grant usage on schema ops to :OPERATOR, :WORKER;

-- app_private is not granted to any role that clients can use. Defaults and policies name its functions by identity and need
-- no usage of it. The functions that run as :SEARCH use names.
grant usage on schema app_private to :SEARCH;

-- Every process checks before it serves whether the schema fits. The API does so as an anonymous request, which calls
-- ops.applied_migrations by its full name and so needs usage of the schema.
grant usage on schema ops to :ANON;
--! EndIncluded tenancy/schemas.sql
--! Included audit/log.sql
comment on table audit.log is 'One row per changed row (or per statement, for tables exempt from detail). Partitioned by month.';
comment on column audit.log.id is 'Orders the rows of the same moment.';
comment on column audit.log.at is 'When the transaction began.';
comment on column audit.log.transaction_id is 'The transaction that made the change.';
comment on column audit.log.tenant_id is 'Whose data it was: the row''s tenant_id. Null for a truncate, which hits all, and for what belongs to the installation.';
comment on column audit.log.table_name is 'The table, with its schema, under its name of that time; the partition if the statement named one; of DDL, the object.';
comment on column audit.log.operation is 'insert, update, delete or truncate; present: the row was there when tracking began; read: somebody read the log; otherwise what was done to the schema or a login.';
comment on column audit.log.row_count is '1 for a row of detail, the number of rows for a summary.';
comment on column audit.log.key is 'The row''s primary key; null in a summary.';
comment on column audit.log.old_values is 'The values before: the whole row of a delete, the changed columns of an update. Secrets and embeddings as sha256:<hex>.';
comment on column audit.log.new_values is 'The values after: the whole row of an insert (or present), the changed columns of an update. Secrets and embeddings as sha256:<hex>.';
comment on column audit.log.subject is 'The verified token''s subject; null for a direct login.';
comment on column audit.log.login is 'The login of the connection.';
comment on column audit.log.role is 'The role that the statement ran under.';
comment on column audit.log.request_id is 'The API request, as in its X-Request-Id header.';

alter table audit.log enable row level security, force row level security;

-- A tenant's administrators and operators read the log through functions that log the read (app_public.audit_search and others,
-- ops.audit_activity), and in no other way.
drop policy if exists select_tenant on audit.log;
drop policy if exists select_truncations on audit.log;

-- The event triggers of sql/database.sql write what changes the schema, and nothing that looks like a change of a row.
drop policy if exists insert_recorder on audit.log;
create policy insert_recorder on audit.log for insert to :RECORDER
  with check (tenant_id is null and key is null and operation not in ('insert', 'update', 'delete', 'truncate', 'read'));

-- Across tenants

-- The audit triggers write as the owner, for every tenant.
drop policy if exists insert_owner on audit.log;
create policy insert_owner on audit.log for insert to :OWNER
  with check (true);

-- The functions that read the log for an administrator of one tenant or an operator, ops.seal_audit_log, and audit.verify.
drop policy if exists select_owner on audit.log;
create policy select_owner on audit.log for select to :OWNER
  using (true);

revoke all on audit.log from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :RECORDER;
-- All columns but those that tell who and when, which are defaults.
grant insert (table_name, operation, row_count, new_values, role) on audit.log to :RECORDER;
-- No grant to anybody else: the triggers write as the owner, who may insert and read, and nothing else.
--! EndIncluded audit/log.sql
--! Included audit/audit_entry.sql
comment on type app_public.audit_entry is 'An entry of the audit log: a changed row, a statement that changed many, or a read of the log itself.';
comment on column app_public.audit_entry.at is 'When the transaction began.';
comment on column app_public.audit_entry.id is 'Orders the changes of a row.';
comment on column app_public.audit_entry.transaction_id is 'The transaction that made the change.';
comment on column app_public.audit_entry.table_name is 'The table with its schema, as it was called then.';
comment on column app_public.audit_entry.operation is 'insert, update, delete, truncate; present: the row was there when tracking began; read: somebody read the log.';
comment on column app_public.audit_entry.row_count is '1 for a row; the number of rows of a statement that is logged as a whole; of a read, how many entries it gave.';
comment on column app_public.audit_entry.key is 'The primary key of the row.';
comment on column app_public.audit_entry.old_values is 'The row of a delete; of an update the former values of the columns that changed.';
comment on column app_public.audit_entry.new_values is 'The row of an insert; of an update the new values of the columns that changed; of a read its arguments.';
comment on column app_public.audit_entry.subject is 'The verified subject of the token; null for a direct login.';
comment on column app_public.audit_entry.login is 'The login of the connection.';
comment on column app_public.audit_entry.role is 'The role that the statement ran under.';
comment on column app_public.audit_entry.request_id is 'The API request, as in its X-Request-Id header.';
comment on column app_public.audit_entry.cursor is 'Pass it to go on after this entry.';
--! EndIncluded audit/audit_entry.sql
--! Included audit/audit_row.sql
comment on type app_public.audit_row is 'A row at a moment, as far as the audit log knows it.';
comment on column app_public.audit_row.state is 'present, absent, or unknown: the log has nothing about the row.';
comment on column app_public.audit_row.row_values is 'The values that the log knows, under the names of that time; null unless the row is present.';
comment on column app_public.audit_row.unknown_columns is 'Columns that the row may have and whose value the log cannot tell.';
comment on column app_public.audit_row.digested_columns is 'Columns of which the log has a SHA-256 and not the value.';
comment on column app_public.audit_row.note is 'Why something is not known; null when everything is.';
--! EndIncluded audit/audit_row.sql
--! Included audit/log_row.sql
-- Logs a change of one row of a table as the table is at this moment: it reads names, key and columns from the catalog. It
-- takes several times as long as a function of create_row_logger, but also serves tables that have changed since tracking was
-- enabled, and partitioned ones.
--   source     the table, or the partition, that holds the row
--   operation  INSERT, UPDATE, DELETE; PRESENT: the row was there when tracking began
--   known      the columns when tracking was enabled, as audit.table_columns gives them
--   digested   the columns whose values the log replaces by their SHA-256
--   omitted    the columns that the log leaves out
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
--! Included audit/enable_tracking.sql
-- Puts a table under audit: every insert, update, delete and truncate leaves rows in audit.log, in the transaction that
-- made it. The column tenant_id says whose a row is. Rows that are there already are logged as `present`, so that the log can
-- be held against the table from here on. Can be called again, also with other options.
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
  -- Rows of partitioned tables are logged by row triggers, which partitions inherit; and those of a table of operations without a
  -- tenant, which belong to the installation.
  v_by_row boolean;
  v_is_operations boolean := exists (
    select from pg_class c where c.oid = target and c.relnamespace = 'ops'::regnamespace
  );
  -- The log has the table row by row already.
  v_is_logged boolean;
  v_is_forced boolean;
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
      when audit.tenant_column(target) is null and not v_is_operations then 'it has no column tenant_id'
      when unknown.name is not null then format('it has no column %s', unknown.name)
      when audit.tenant_column(target) = any (digested || omitted) or v_key && omitted
        then 'the log needs the tenant and the key of a row'
    end,
    case
      when c.relispartition then format('Audit %s: that includes its partitions.', pg_partition_root(target))
      when audit.tenant_column(target) is null and not v_is_operations
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

  v_is_logged := exists (
    select from pg_trigger t
    where t.tgrelid = target and t.tgname = '_800_audit_insert' and t.tgfoid <> 'audit.tg__log_summary()'::regprocedure
  );
  v_by_row := detail and (v_kind = 'p' or audit.tenant_column(target) is null);
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

  if detail and not v_is_logged then
    -- The triggers' lock keeps writers out until the end of the transaction. Forced policies may hide rows from the owner.
    select c.relforcerowsecurity into strict v_is_forced from pg_class c where c.oid = target;
    if v_is_forced then
      execute format('alter table %s no force row level security', target);
    end if;
    execute format('select audit.log_row(%L, ''PRESENT'', r.*, r.*, $1, $2, $3) from %s r', target, target)
    using v_columns, digested, omitted;
    if v_is_forced then
      execute format('alter table %s force row level security', target);
    end if;
  end if;
end
$$;

comment on function audit.enable_tracking(regclass, text[], boolean, name, text[]) is 'Puts a table under audit. Can be called again. LTA01 when it has no primary key, LTA02 when the log could not say whose its rows are, or cannot do what was asked.';
--! EndIncluded audit/enable_tracking.sql
--! Included tasks/refuse_argument.sql
-- Refuses an argument of a function of tasks (LTQ05), workflows (LTW05) or the audit log (LTA08). Functions that run as their caller raise the same
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

comment on function app_private.refuse_argument(text, text, text) is 'Raises that an argument cannot be used, and why: LTQ05 in functions of tasks, LTW05 in those of workflows, LTA08 in those that read the audit log.';
--! EndIncluded tasks/refuse_argument.sql
--! Included audit/log_read.sql
-- Logs that somebody read the log: which function, with which arguments, and how many entries it gave. Only functions that read
-- the log for others call it, as its owner.
create or replace function audit.log_read(tenant_id text, function_name text, arguments jsonb, entries bigint) returns void
language sql volatile
set search_path to pg_catalog, pg_temp
begin atomic
  insert into audit.log (tenant_id, table_name, operation, row_count, new_values, subject, role, request_id)
  select
    log_read.tenant_id, 'audit.log', 'read', log_read.entries,
    jsonb_build_object('function', log_read.function_name, 'arguments', jsonb_strip_nulls(log_read.arguments)),
    a.subject, a.role, a.request_id
  from audit.actor() a;
end;

comment on function audit.log_read(text, text, jsonb, bigint) is 'Logs that somebody read the log.';
-- No grant: whoever could call it could forge entries.
--! EndIncluded audit/log_read.sql
--! Included audit/table_names.sql
-- The names that a table may have in the log when a caller says `tasks` or `app_public.tasks`.
create or replace function audit.table_names(name text) returns text[]
language sql immutable strict parallel safe
return array[name, 'app_public.' || name];

comment on function audit.table_names(text) is 'The names in the log that a caller may mean by a name.';
--! EndIncluded audit/table_names.sql
--! Included audit/possible_keys.sql
-- The keys in the log that a caller may mean; null without a key. The caller gives the primary key without the tenant as an object, or, of a key of one
-- column, its value. The log has the key with the tenant where the table's key has it, and the values as the column's type prints
-- them, so where the table exists the given value becomes one of that type (an uuid in capitals, a number as text).
create or replace function audit.possible_keys(table_names text[], key jsonb, tenant_id text) returns jsonb[]
language plpgsql stable strict
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
  v_given jsonb := case when jsonb_typeof(key) = 'object' then key else jsonb_build_object('id', key) end;
  v_keys jsonb[] := array[v_given, jsonb_build_object('tenant_id', tenant_id) || v_given];
  v_table record;
  v_column record;
  v_key jsonb;
  v_value jsonb;
begin
  for v_table in
    select c.oid::regclass as name, audit.tenant_column(c.oid) as tenant_column, audit.key_columns(c.oid) as key_columns
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and n.nspname || '.' || c.relname = any (table_names)
  loop
    v_key := '{}';
    for v_column in
      select a.attname as name, format_type(a.atttypid, a.atttypmod) as type
      from pg_attribute a where a.attrelid = v_table.name and a.attname = any (v_table.key_columns)
    loop
      v_value := case
        when jsonb_typeof(key) = 'object' and key ? v_column.name then key -> v_column.name
        when v_column.name = v_table.tenant_column then to_jsonb(tenant_id)
        when jsonb_typeof(key) = 'object' then null
        when cardinality(v_table.key_columns) - (v_table.tenant_column = any (v_table.key_columns))::integer = 1 then key
      end;
      begin
        execute format('select to_jsonb($1::%s)', v_column.type) into v_value using v_value #>> '{}';
      exception
        -- Not a value of the type: no row has it now, an earlier one may.
        when data_exception or check_violation then null;
      end;
      v_key := v_key || jsonb_build_object(v_column.name, v_value);
    end loop;
    v_keys := v_keys || v_key;
  end loop;
  return v_keys;
end
$$;

comment on function audit.possible_keys(text[], jsonb, text) is 'The keys in the log that a caller may mean by a key.';
--! EndIncluded audit/possible_keys.sql
--! Included audit/cursor_position.sql
-- The place in the log that a cursor stands for, and the check of how many entries a caller may ask for. LTA08.
create or replace function audit.cursor_position(cursor text, max_rows integer, out at timestamptz, out id bigint)
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
begin
  if max_rows is null or max_rows not between 1 and 1000 then
    perform app_private.refuse_argument('LTA08', 'max_rows', format('%s; expected 1 to 1000', coalesce(max_rows::text, 'null')));
  end if;
  if cursor is not null then
    if cursor !~ '^\d{1,18}-\d{1,18}$' then
      perform app_private.refuse_argument('LTA08', 'cursor', 'expected the cursor of an entry');
    end if;
    at := timestamptz 'epoch' + split_part(cursor, '-', 1)::bigint * interval '1 microsecond';
    id := split_part(cursor, '-', 2)::bigint;
  end if;
end
$$;

comment on function audit.cursor_position(text, integer) is 'The place in the log that a cursor stands for.';
--! EndIncluded audit/cursor_position.sql
--! Included audit/refuse_unlogged_table.sql
-- Refuses to tell of rows of a table that the log has no rows of, because silence would look as if nothing had happened. LTA07.
create or replace function audit.refuse_unlogged_table(name text) returns void
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_names text[] := audit.table_names(name);
  v_found boolean;
  v_logger text;
begin
  if name is null then
    perform app_private.refuse_argument('LTA08', 'table', 'it is missing');
  end if;
  select true, t.tgfoid::regproc::text into v_found, v_logger
  from pg_class c
  join pg_namespace n on n.oid = c.relnamespace
  left join pg_trigger t on t.tgrelid = c.oid and t.tgname = '_800_audit_insert'
  where c.relkind in ('r', 'p') and n.nspname || '.' || c.relname = any (v_names)
  order by t.oid
  limit 1;
  -- A table that was dropped, renamed or is not audited any longer may have rows in the log.
  if v_logger = 'audit.tg__log_summary'
    or v_logger is null and not exists (select from audit.log l where l.table_name = any (v_names))
  then
    raise exception 'the audit log has no rows of %: %', name,
      case
        when v_logger is not null then 'it counts them by statement, which audit_search shows'
        when v_found then 'it is not audited'
        else 'there is no such table, name it as it was called then, with its schema unless that is app_public'
      end
      using errcode = 'LTA07';
  end if;
end
$$;

comment on function audit.refuse_unlogged_table(text) is 'Refuses a table that the log has no rows of.';
--! EndIncluded audit/refuse_unlogged_table.sql
--! Included audit/matching_entries.sql
-- The newest entries of the log that match, before a place in it. Conditions that are null are left out of the statement, so that
-- the planner sees those that are there, with their values.
--   tenant_id    whose entries; with all_tenants null is everybody's
--   before_at, before_id  the place
create or replace function audit.matching_entries(
  tenant_id text, all_tenants boolean, table_names text[], keys jsonb[], subject text, "from" timestamptz, "to" timestamptz,
  operation text, role text, request_id text, before_at timestamptz, before_id bigint, max_rows integer
) returns setof audit.log
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_variable
begin
  return query execute concat_ws(
    ' and ',
    'select l.* from audit.log l where true',
    case when not all_tenants or tenant_id is not null then 'l.tenant_id = $1' end,
    -- A hold tells of a dispute, which may be with the tenant.
    case when not all_tenants then 'l.table_name <> ''ops.retention_holds''' end,
    case when table_names is not null then 'l.table_name = any ($2)' end,
    case when keys is not null then 'jsonb_hash_extended(l.key, 0) = any (array(select jsonb_hash_extended(k, 0) from unnest($3) k)) and l.key = any ($3)' end,
    case when subject is not null then 'l.subject = $4' end,
    case when "from" is not null then 'l.at >= $5' end,
    case when "to" is not null then 'l.at < $6' end,
    case when operation is not null then 'l.operation = $7' end,
    case when role is not null then 'l.role = any (array[$8, regexp_replace('':ADMIN'', ''admin$'', '''') || $8]::name[])' end,
    case when request_id is not null then 'l.request_id = $9' end,
    case when before_at is not null then '(l.at, l.id) < ($10, $11)' end
  ) || ' order by l.at desc, l.id desc limit $12'
  using
    tenant_id, table_names, keys, subject, "from", "to", lower(operation), role, request_id, before_at, before_id, max_rows;
end
$$;

comment on function audit.matching_entries(text, boolean, text[], jsonb[], text, timestamptz, timestamptz, text, text, text, timestamptz, bigint, integer) is 'The newest entries of the log that match, before a place in it.';
-- No grant: the functions that log their reads call it.
--! EndIncluded audit/matching_entries.sql
--! Included audit/entry_of.sql
-- A row of the log as callers see it.
create or replace function audit.entry_of(entry audit.log) returns app_public.audit_entry
language sql stable
set search_path to pg_catalog, pg_temp
return row(
  (entry).at, (entry).id, (entry).transaction_id::text, (entry).table_name, (entry).operation, (entry).row_count, (entry).key,
  (entry).old_values, (entry).new_values, (entry).subject, (entry).login::text, (entry).role::text, (entry).request_id,
  (extract(epoch from (entry).at) * 1000000)::bigint || '-' || (entry).id
)::app_public.audit_entry;

comment on function audit.entry_of(audit.log) is 'A row of the log as callers see it.';
--! EndIncluded audit/entry_of.sql
--! Included audit/audit_search.sql
-- Definer: nobody reads the log but through functions that log the read.
create or replace function app_public.audit_search(
  "table" text default null,
  key jsonb default null,
  subject text default null,
  "from" timestamptz default null,
  "to" timestamptz default null,
  operation text default null,
  role text default null,
  request_id text default null,
  before text default null,
  max_rows integer default 100
) returns setof app_public.audit_entry
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
  v_tenant_id text := app_private.current_tenant_id();
  v_place record := audit.cursor_position(before, max_rows);
  v_entries app_public.audit_entry[];
begin
  if key is not null and "table" is null then
    perform app_private.refuse_argument('LTA08', 'table', 'a key was given without its table');
  end if;
  select array_agg(audit.entry_of(l) order by l.at desc, l.id desc) into v_entries
  from audit.matching_entries(
    v_tenant_id, false, audit.table_names("table"), audit.possible_keys(audit.table_names("table"), key, v_tenant_id), subject,
    "from", "to", operation, role, request_id, v_place.at, v_place.id, max_rows
  ) l;
  perform audit.log_read(
    v_tenant_id, 'audit_search',
    jsonb_build_object(
      'table', "table", 'key', key, 'subject', subject, 'from', "from", 'to', "to", 'operation', operation, 'role', role,
      'request_id', request_id, 'before', before, 'max_rows', max_rows
    ),
    cardinality(coalesce(v_entries, '{}'))
  );
  return query select (e).* from unnest(v_entries) e;
end
$$;

comment on function app_public.audit_search(text, jsonb, text, timestamptz, timestamptz, text, text, text, text, integer) is
  E'Entries of the tenant''s audit log, the newest first: of a table (`tasks`; with its schema where that is not app_public), of a row (`key` is its primary key without the tenant, or the single value), by a subject, in [from, to), of an operation, by a role, of a request. The next page begins `before` the cursor of the last entry. `max_rows` is 1 to 1000. Is logged. LTA08 an argument.';
grant execute on function app_public.audit_search(text, jsonb, text, timestamptz, timestamptz, text, text, text, text, integer) to :ADMIN;
--! EndIncluded audit/audit_search.sql
--! Included audit/row_entries.sql
-- The entries about one row of a tenant, and the truncates that may have ended it. In the order of `id` they are in the order in
-- which they happened: a change takes its id while it holds the lock of the row.
create or replace function audit.row_entries(table_names text[], keys jsonb[], tenant_id text) returns setof audit.log
language sql stable
set search_path to pg_catalog, pg_temp
begin atomic
  select l.*
  from audit.log l
  where jsonb_hash_extended(l.key, 0) = any (array(select jsonb_hash_extended(k, 0) from unnest(row_entries.keys) k))
    and l.key = any (row_entries.keys) and l.tenant_id = row_entries.tenant_id and l.table_name = any (row_entries.table_names)
  union all
  select l.*
  from audit.log l
  where l.tenant_id is null and l.operation = 'truncate' and l.table_name = any (row_entries.table_names);
end;

comment on function audit.row_entries(text[], jsonb[], text) is 'The entries about one row, and the truncates of its table.';
-- No grant: the functions that log their reads call it.
--! EndIncluded audit/row_entries.sql
--! Included audit/row_history.sql
-- Definer, as app_public.audit_search.
create or replace function app_public.row_history("table" text, key jsonb, after text default null, max_rows integer default 100)
returns setof app_public.audit_entry
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
  v_tenant_id text := app_private.current_tenant_id();
  v_place record := audit.cursor_position(after, max_rows);
  v_names text[] := audit.table_names("table");
  v_keys jsonb[] := audit.possible_keys(v_names, key, v_tenant_id);
  v_first bigint;
  v_entries app_public.audit_entry[];
begin
  perform audit.refuse_unlogged_table("table");
  if key is null then
    perform app_private.refuse_argument('LTA08', 'key', 'it is missing');
  end if;
  -- A truncate before the row was there says nothing of it.
  select min(e.id) into v_first from audit.row_entries(v_names, v_keys, v_tenant_id) e where e.key is not null;
  select array_agg(audit.entry_of(page.l) order by (page.l).id) into v_entries
  from (
    select e from audit.row_entries(v_names, v_keys, v_tenant_id) e
    where e.id >= v_first and e.id > coalesce(v_place.id, 0)
    order by e.id
    limit max_rows
  ) page(l);
  perform audit.log_read(
    v_tenant_id, 'row_history', jsonb_build_object('table', "table", 'key', key, 'after', after, 'max_rows', max_rows),
    cardinality(coalesce(v_entries, '{}'))
  );
  return query select (e).* from unnest(v_entries) e;
end
$$;

comment on function app_public.row_history(text, jsonb, text, integer) is
  E'Every change of a row, the oldest first. `key` is its primary key without the tenant, or the single value. The next page begins `after` the cursor of the last entry. `max_rows` is 1 to 1000. Is logged. LTA07 the log has no rows of the table, LTA08 an argument.';
grant execute on function app_public.row_history(text, jsonb, text, integer) to :ADMIN;
--! EndIncluded audit/row_history.sql
--! Included audit/row_as_of.sql
-- Rebuilds a row from the log. The row at a moment is what the changes before the first later one made of it. From the insert, or
-- the entry `present`, on they give the whole row. Before that (retention removed that part), a later delete has the whole row, from
-- which the changes between are taken back; and without it the columns are known that a change before or after names.
-- Definer, as app_public.audit_search.
create or replace function app_public.row_as_of("table" text, key jsonb, at timestamptz) returns app_public.audit_row
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
  v_tenant_id text := app_private.current_tenant_id();
  v_names text[] := audit.table_names("table");
  v_keys jsonb[] := audit.possible_keys(v_names, key, v_tenant_id);
  v_first bigint;
  v_next bigint;
  v_last text;
  v_insert bigint;
  v_end bigint;
  v_following text;
  v_whole boolean := true;
  v_row app_public.audit_row;
  v_omitted text[];
begin
  perform audit.refuse_unlogged_table("table");
  if key is null or at is null then
    perform app_private.refuse_argument('LTA08', case when key is null then 'key' else 'at' end, 'it is missing');
  end if;
  select min(e.id), min(e.id) filter (where e.at > at) into v_first, v_next
  from audit.row_entries(v_names, v_keys, v_tenant_id) e;
  -- The last change before the moment; the insert that this row began with.
  select
    (array_agg(e.operation order by e.id desc))[1],
    max(e.id) filter (where e.operation in ('insert', 'present'))
  into v_last, v_insert
  from audit.row_entries(v_names, v_keys, v_tenant_id) e
  where v_next is null or e.id < v_next;
  -- The first change after it, and the one that the row ended with.
  select (array_agg(e.operation order by e.id))[1], min(e.id) filter (where e.operation <> 'update')
  into v_following, v_end
  from audit.row_entries(v_names, v_keys, v_tenant_id) e
  where e.id >= v_next;

  v_row.state := case
    when v_last in ('insert', 'present', 'update') then 'present'
    when v_last in ('delete', 'truncate') then 'absent'
    when v_following = 'insert' then 'absent'
    when v_following in ('update', 'delete') then 'present'
    else 'unknown'
  end;
  -- A truncate of a table in which the row was never seen.
  if v_last = 'truncate' and v_following in ('update', 'delete') then
    v_row.state := 'present';
  end if;

  if v_row.state = 'present' then
    -- An earlier insert whose row ended is another row's.
    if exists (
      select from audit.row_entries(v_names, v_keys, v_tenant_id) e
      where e.operation in ('delete', 'truncate') and e.id > v_insert and (v_next is null or e.id < v_next)
    ) then
      v_insert := null;
    end if;
    select jsonb_object_agg(c.key, c.value order by c.place)
    into v_row.row_values
    from (
      -- What comes later in this order wins: what is taken back, the oldest last; then what was done, the newest last.
      select v.key, v.value, row_number() over (order by e.id >= coalesce(v_next, e.id + 1) desc, case when e.id >= v_next then -e.id else e.id end) as place
      from audit.row_entries(v_names, v_keys, v_tenant_id) e
      cross join lateral jsonb_each(case when e.id >= v_next then e.old_values else e.new_values end) v
      where case
        when v_insert is not null then e.id >= v_insert and (v_next is null or e.id < v_next)
        when e.id >= v_next then e.id <= coalesce(v_end, e.id) and e.operation in ('update', 'delete')
        else e.operation = 'update' and e.id > coalesce((
          select max(x.id) from audit.row_entries(v_names, v_keys, v_tenant_id) x
          where x.operation in ('delete', 'truncate') and x.id < coalesce(v_next, x.id + 1)
        ), 0)
      end
    ) c;
    v_whole := v_insert is not null or exists (
      select from audit.row_entries(v_names, v_keys, v_tenant_id) e where e.id = v_end and e.operation = 'delete'
    );
    select coalesce(array_agg(v.key order by v.key), '{}') into v_row.digested_columns
    from jsonb_each(v_row.row_values) v
    where jsonb_typeof(v.value) = 'string' and v.value #>> '{}' ~ '^sha256:[0-9a-f]{64}$';
    select
      coalesce(array_agg(a.attname::text order by a.attnum), '{}'), coalesce(max(o.names), '{}')
    into v_row.unknown_columns, v_omitted
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    -- The arguments of the trigger: columns, digested, omitted.
    left join lateral (
      select split_part(encode(t.tgargs, 'escape'), '\000', 3)::text[] as names
      from pg_trigger t where t.tgrelid = c.oid and t.tgname = '_800_audit_insert' and t.tgnargs = 3
    ) o on true
    where n.nspname || '.' || c.relname = any (v_names) and not v_row.row_values ? a.attname
      and (not v_whole or a.attname = any (o.names));
    v_row.note := nullif(concat_ws('; ',
      case when not v_whole then 'the log does not have the beginning of the row, so it knows only columns that changed' end,
      case when v_omitted <> '{}' then 'the log leaves columns out' end,
      case when v_row.digested_columns <> '{}' then 'the log has digests of some columns' end
    ), '');
  elsif v_row.state = 'unknown' then
    v_row.note := 'the log has nothing about the row: it was never there, or did not change since the log began';
  end if;
  perform audit.log_read(v_tenant_id, 'row_as_of', jsonb_build_object('table', "table", 'key', key, 'at', at), 1);
  return v_row;
end
$$;

comment on function app_public.row_as_of(text, jsonb, timestamptz) is
  E'A row as it was at a moment, rebuilt from the audit log: what transactions did that had begun by then. `key` is its primary key without the tenant, or the single value. `state` is absent when it did not exist. What the log cannot tell is said and not guessed. Is logged. LTA07 the log has no rows of the table, LTA08 an argument.';
grant execute on function app_public.row_as_of(text, jsonb, timestamptz) to :ADMIN;
--! EndIncluded audit/row_as_of.sql
--! Included audit/audit_activity.sql
-- The log across tenants, for operators: who, when, where, how much, and no value of a tenant. `details` are of what belongs to the
-- installation alone: DDL, grants, logins, retention. Definer, as app_public.audit_search.
create or replace function ops.audit_activity(
  tenant_id text default null,
  "table" text default null,
  subject text default null,
  "from" timestamptz default null,
  "to" timestamptz default null,
  operation text default null,
  role text default null,
  request_id text default null,
  before text default null,
  max_rows integer default 100
) returns table (
  at timestamptz, id bigint, transaction_id text, of_tenant text, table_name text, what text, row_count integer, by_subject text,
  login text, as_role text, request text, details jsonb, cursor text
)
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
  v_place record := audit.cursor_position(before, max_rows);
  v_entries audit.log[];
begin
  select array_agg(l order by l.at desc, l.id desc) into v_entries
  from audit.matching_entries(
    tenant_id, true, audit.table_names("table"), null, subject, "from", "to", operation, role, request_id, v_place.at,
    v_place.id, max_rows
  ) l;
  perform audit.log_read(
    null, 'ops.audit_activity',
    jsonb_build_object(
      'tenant_id', tenant_id, 'table', "table", 'subject', subject, 'from', "from", 'to', "to", 'operation', operation,
      'role', role, 'request_id', request_id, 'before', before, 'max_rows', max_rows
    ),
    cardinality(coalesce(v_entries, '{}'))
  );
  return query
    select
      c.at, c.id, c.transaction_id, l.tenant_id, c.table_name, c.operation, c.row_count, c.subject, c.login, c.role, c.request_id,
      case
        when l.table_name like 'ops.%' or l.tenant_id is null and l.operation not in ('insert', 'update', 'delete')
          then jsonb_strip_nulls(jsonb_build_object('key', l.key, 'old', l.old_values, 'new', l.new_values))
      end,
      c.cursor
    from unnest(v_entries) l
    cross join lateral audit.entry_of(l) c;
end
$$;

comment on function ops.audit_activity(text, text, text, timestamptz, timestamptz, text, text, text, text, integer) is
  'Entries of the audit log across tenants without their values, the newest first. Arguments are those of app_public.audit_search, and a tenant. Is logged. LTA08 an argument.';
grant execute on function ops.audit_activity(text, text, text, timestamptz, timestamptz, text, text, text, text, integer) to :OPERATOR;
--! EndIncluded audit/audit_activity.sql
--! Included audit/record_event.sql
-- Records what no trigger sees: a password that was changed, a login that was made. The migrations' login calls it in the
-- transaction of the change, as the owner.
--   event   two or three words, such as `rotate login`
--   object  what it was done to
create or replace function audit.record_event(event text, object text, tenant_id text default null, details jsonb default null) returns void
language sql volatile
set search_path to pg_catalog, pg_temp
begin atomic
  insert into audit.log (tenant_id, table_name, operation, row_count, new_values, subject, role, request_id)
  select record_event.tenant_id, record_event.object, record_event.event, 1, record_event.details, a.subject, a.role, a.request_id
  from audit.actor() a;
end;

comment on function audit.record_event(text, text, text, jsonb) is 'Records in the audit log what no trigger sees.';
-- No grant: only the owner calls it. Whoever else could would forge entries.
--! EndIncluded audit/record_event.sql
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
--! Included tenancy/tenant_logins.sql
comment on table app_private.tenant_logins is 'The tenant that a direct login (an analyst''s) sees.';
comment on column app_private.tenant_logins.login is 'The login''s name, as session_user returns it.';
comment on column app_private.tenant_logins.tenant_id is 'The one tenant that it sees.';
comment on column app_private.tenant_logins.created_at is 'When it was bound.';
comment on column app_private.tenant_logins.connections is 'The connections that it may have at a time.';
comment on column app_private.tenant_logins.statement_seconds is 'How long a statement of it may run.';
comment on column app_private.tenant_logins.transaction_seconds is 'How long a transaction of it may be open.';
comment on column app_private.tenant_logins.idle_in_transaction_seconds is 'How long an open transaction of it may do nothing.';
comment on column app_private.tenant_logins.idle_seconds is 'How long a session of it may do nothing.';

alter table app_private.tenant_logins enable row level security, force row level security;

-- Across tenants

-- ops.bind_login and the other functions and views of logins, as the owner.
drop policy if exists manage_owner on app_private.tenant_logins;
create policy manage_owner on app_private.tenant_logins for all to :OWNER
  using (true)
  with check (true);

revoke all on app_private.tenant_logins from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
-- No grant to anybody: login_tenant_id() tells a login its own tenant, ops.tenants lists them for operators.

select audit.enable_tracking('app_private.tenant_logins');
--! EndIncluded tenancy/tenant_logins.sql
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

select audit.enable_tracking('ops.retention_policies');
--! EndIncluded retention/retention_policies.sql
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

select audit.enable_tracking('ops.retention_overrides');
--! EndIncluded retention/retention_overrides.sql
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

select audit.enable_tracking('ops.retention_holds');
--! EndIncluded retention/retention_holds.sql
