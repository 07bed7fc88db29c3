--! Previous: sha1:7cd8c33c8dac9fab3870247b4a6ff5379ee95d35
--! Hash: sha1:6369cfc237cebbc5d6de25e94e31d598fc716872
--! Message: audit_follows

-- The audit log follows its tables as they are changed, and says whose a row is by its column tenant_id. No table is changed;
-- triggers are replaced, which keeps writers out of each audited table for the moment of this migration.

-- Other parameters and results.
drop function audit.enable_tracking(regclass, text[], boolean, name);
drop function audit.create_row_logger(regclass, text[], text[]);

--! Included audit/functions/table_columns.sql
-- The columns of a table by their numbers; null stands for one that was dropped. What a logger was made for.
create or replace function audit.table_columns(source regclass) returns text[]
language sql stable parallel safe
set search_path to pg_catalog, pg_temp
begin atomic
  select pg_catalog.array_agg(case when not a.attisdropped then a.attname::text end order by a.attnum)
  from pg_catalog.pg_attribute a
  where a.attrelid = source and a.attnum > 0;
end;
--! EndIncluded audit/functions/table_columns.sql
--! Included audit/functions/key_columns.sql
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
--! EndIncluded audit/functions/key_columns.sql
--! Included audit/functions/tenant_column.sql
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
--! EndIncluded audit/functions/tenant_column.sql
--! Included audit/functions/document.sql
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
--! EndIncluded audit/functions/document.sql
--! Included audit/functions/log_row.sql
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
--! EndIncluded audit/functions/log_row.sql
--! Included audit/functions/tg__log_row.sql
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
--! EndIncluded audit/functions/tg__log_row.sql
--! Included audit/functions/tg__log_summary.sql
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
--! EndIncluded audit/functions/tg__log_summary.sql
--! Included audit/functions/create_row_logger.sql
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
--! EndIncluded audit/functions/create_row_logger.sql
--! Included audit/functions/copy_tracking.sql
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
--! EndIncluded audit/functions/copy_tracking.sql
--! Included audit/functions/enable_tracking.sql
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
--! EndIncluded audit/functions/enable_tracking.sql
--! Included audit/comments.sql
comment on schema audit is 'Who changed what: an append-only log, written by triggers in the transaction of the change.';

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

comment on function audit.enable_tracking(regclass, text[], boolean, name, text[]) is 'Puts a table under audit. Can be called again. LTA01 when it has no primary key, LTA02 when the log could not say whose its rows are or what was asked for.';
comment on function audit.create_row_logger(regclass, text[], text[]) is 'Writes the trigger function that logs the rows of a table.';
comment on function audit.copy_tracking(regclass, regclass) is 'Gives a partition the audit triggers of its parent.';
comment on function audit.log_row(regclass, text, record, record, text[], text[], text[]) is 'Logs a change of a row of a table as the table is at this moment.';
comment on function audit.table_columns(regclass) is 'The columns of a table by their numbers; null for one that was dropped.';
comment on function audit.key_columns(regclass) is 'The columns of a table''s primary key, in its order.';
comment on function audit.tenant_column(regclass) is 'The column that says whose a row is; null: none does.';
comment on function audit.document(regclass, record) is 'A row as JSON; of one that jsonb cannot hold, the texts of its values.';
comment on function audit.actor() is 'Who is acting: verified subject, role, request id.';
comment on function audit.digest(jsonb, text[]) is 'The object with the named members replaced by their SHA-256.';
comment on function audit.tg__log_row() is 'Trigger: a log row per changed row of a partitioned table.';
comment on function audit.tg__log_summary() is 'Trigger: a log row per statement and tenant.';
comment on function audit.tg__log_truncate() is 'Trigger: a log row per truncate.';
--! EndIncluded audit/comments.sql
--! Included ops/views/check_audit.sql
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
grant execute on function audit.table_columns(regclass) to :OPERATOR, :WORKER;
--! EndIncluded ops/views/check_audit.sql
--! Included audit/tracked_tables.sql
-- The one list of what is audited, and of what is exempt from row detail. test/db/conventions.test.ts compares it with
-- the catalog: a table of a tenant that is missing here turns it red.
select audit.enable_tracking('app_public.tenants');
select audit.enable_tracking('app_public.agents');
select audit.enable_tracking('app_public.tasks');
-- The end of an attempt is a change of its task, which is logged in detail.
select audit.enable_tracking('app_public.task_attempts', detail => false);
-- Exempt, but for a truncate: app_public.task_leases. Heartbeats say nothing that outlives their lease; how it ended is
-- an attempt.
-- Uses are counted without a trace, by app_public.touch_knowledge: :SEARCH may update the counters and nothing else.
select audit.enable_tracking('app_public.knowledge', digested => '{embedding}', counter => ':SEARCH');
select audit.enable_tracking('app_public.workflows');
select audit.enable_tracking('app_public.workflow_steps');
select audit.enable_tracking('app_public.sessions', digested => '{token}');
-- Thousands of points a call: a row per statement says who wrote how many.
select audit.enable_tracking('app_public.metrics', detail => false);
-- Made of the points again and again; a row per statement says that it was the worker.
select audit.enable_tracking('app_public.metrics_minute', detail => false);
select audit.enable_tracking('app_public.metrics_hour', detail => false);
select audit.enable_tracking('app_public.metrics_day', detail => false);
--! EndIncluded audit/tracked_tables.sql
