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
