--! Previous: sha1:e90e32cb4f585a90fae28fc1798d05e62b632143
--! Hash: sha1:b7fae860d5608f12677c956491549391bf41e369
--! Message: updates_logged_together

-- Updates are logged by statement triggers, a statement a thousand rows. A table of somebody else's has them as soon as
-- audit.enable_tracking is called again, and is logged as before until then.
--! Included audit/create_row_logger.sql
-- Writes the trigger function that logs the rows of one table: the new values of an insert, the old values of a delete, and of
-- an update only the changed columns (a row that is written again unchanged leaves nothing). enable_tracking calls it.
--
-- Each table has its own function, because PL/pgSQL cannot name a column of OLD and NEW by a variable. One function for all
-- would have to convert both rows to JSON and compare these, which takes twice as long, for a single row as for each of a
-- thousand. Inserts and deletes log whole rows, for which one statement over the transition table is the shortest way.
-- An update compares the rows before and after, and logs a thousand of them in one statement: a statement each would take
-- several times as long as the update. Postgres adds both rows of an update to the transition tables at the same moment, so the
-- first before belongs to the first after, also where the key was changed.
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
  v_insert text;
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
    format('jsonb_build_object(%s)', string_agg(format('%1$L, v_after.%1$I', k), ', '))
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
          v_old := v_old || jsonb_build_object(%1$L, v_before.%1$I);
          v_new := v_new || jsonb_build_object(%1$L, v_after.%1$I);
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
          ) and coalesce(c.collisdeterministic, true) then 'v_after.%1$I is distinct from v_before.%1$I'
          else 'record_image_ne(row(v_after.%1$I), row(v_before.%1$I))'
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

  v_insert := $insert$insert into audit.log (
            tenant_id, table_name, operation, row_count, key, old_values, new_values, subject, role, request_id
          )
          select
            e.of_tenant, TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME, 'update', 1, e.of_key, e.before, e.after, a.subject, a.role, a.request_id
          from unnest(v_tenants, v_keys, v_olds, v_news) e(of_tenant, of_key, before, after)
          cross join audit.actor() a;$insert$;

  execute format(
    'create or replace function audit.%I() returns trigger language plpgsql volatile security definer '
    'set search_path to pg_catalog, pg_temp as %L',
    v_name,
    format(
      $template$
#variable_conflict use_variable
declare
  v_row record;
  v_before record;
  v_after record;
  v_old jsonb;
  v_new jsonb;
  v_befores refcursor;
  v_afters refcursor;
  v_changed boolean;
  -- Entries that are not written yet: whose they are, keys, values before and after.
  v_tenants text[] := '{}';
  v_keys jsonb[] := '{}';
  v_olds jsonb[] := '{}';
  v_news jsonb[] := '{}';
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

  open v_afters no scroll for select r.* from new_rows r;
  fetch v_afters into v_after;
  if not found then
    close v_afters;
    return null;
  end if;
  begin
    v_changed := %5$s;
    if not v_changed then
      open v_befores no scroll for select r.* from old_rows r;
      loop
        fetch v_befores into v_before;
        exit when not found;
        v_old := '{}';
        v_new := '{}';%6$s
        -- A row that moves to another tenant is logged at both.
        if v_after.%2$I is distinct from v_before.%2$I or v_new = '{}' and v_after *<> v_before then
          perform audit.log_row(
            TG_RELID, TG_OP, v_before, v_after, TG_ARGV[0]::text[], TG_ARGV[1]::text[], TG_ARGV[2]::text[]
          );
        elsif v_new <> '{}' then
          v_tenants := v_tenants || v_after.%2$I::text;
          v_keys := v_keys || %7$s;
          v_olds := v_olds || %8$s;
          v_news := v_news || %9$s;
          if cardinality(v_keys) = 1000 then
            %10$s
            v_tenants := '{}';
            v_keys := '{}';
            v_olds := '{}';
            v_news := '{}';
          end if;
        end if;
        fetch v_afters into v_after;
      end loop;
      close v_befores;
      close v_afters;
    end if;
  exception
    when others then
      -- A column is gone or has another type. What was written is undone.
      v_changed := true;
  end;
  if v_changed then
    close v_afters;
    open v_befores no scroll for select r.* from old_rows r;
    for v_after in select r.* from new_rows r loop
      fetch v_befores into v_before;
      perform audit.log_row(
        TG_RELID, TG_OP, v_before, v_after, TG_ARGV[0]::text[], TG_ARGV[1]::text[], TG_ARGV[2]::text[]
      );
    end loop;
    close v_befores;
  elsif v_keys <> '{}' then
    %10$s
  end if;
  return null;
end
$template$,
      v_nameable, v_tenant_column, v_row_key, format(v_logged, v_doc), v_changed, v_comparisons, v_new_key,
      format(v_logged, 'v_old'), format(v_logged, 'v_new'), v_insert
    )
  );
  execute format('comment on function audit.%I() is %L', v_name, format('Trigger: a log row per changed row of %s.', target));
  return format('audit.%I', v_name)::regproc;
end
$$;

comment on function audit.create_row_logger(regclass, text[], text[]) is 'Writes the trigger function that logs the rows of a table.';
--! EndIncluded audit/create_row_logger.sql
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
    select e.name, e.rows, v_by_row as by_row
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
        when detail and v_event.name = 'update'
          then 'referencing old table as old_rows new table as new_rows for each statement'
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
select audit.enable_tracking('app_private.tenant_logins');
select audit.enable_tracking('app_private.api_keys', digested => '{digest}', omitted => '{last_used_at}');
select audit.enable_tracking('app_public.tenants');
select audit.enable_tracking('app_public.agents');
select audit.enable_tracking('app_public.tasks');
select audit.enable_tracking('app_public.workflows');
select audit.enable_tracking('app_public.workflow_steps');
select audit.enable_tracking('app_public.sessions', digested => '{token}');
select audit.enable_tracking('app_public.knowledge', digested => '{embedding}', counter => ':SEARCH');
select audit.enable_tracking('ops.retention_overrides');
select audit.enable_tracking('ops.retention_policies');
select audit.enable_tracking('ops.retention_holds');
