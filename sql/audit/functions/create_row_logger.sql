-- Writes the trigger function that logs the rows of one table, audit.tg_<table>__log_rows: an insert's new values, a
-- delete's old values, of an update what changed and only that (a row written again as it was leaves nothing). Called by
-- enable_tracking, and so once more by the migration that gives the table another column.
--
-- A function per table, because PL/pgSQL cannot name a column of OLD and NEW by a variable. One function for all had to
-- make JSON of both rows and compare these, which took twice as long, for a single row as for each of a thousand. Inserts and
-- deletes log whole rows, for which one statement over the transition table is the shortest way.
--
-- What it writes is a definer: nobody may write the log.
create or replace function audit.create_row_logger(target regclass, key text[], digested text[]) returns regprocedure
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_schema name;
  v_table name;
  v_function text;
  -- How an expression of JSON is logged: as it is, or with secrets digested.
  v_logged text := case when digested = '{}' then '%s' else format('audit.digest(%%s, %L)', digested) end;
begin
  select n.nspname, c.relname into strict v_schema, v_table
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.oid = target;
  v_function := format('audit.%I', 'tg_' || v_table || '__log_rows');

  execute format(
    $template$
create or replace function %1$s() returns trigger
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $function$
declare
  v_old jsonb := '{}';
  v_new jsonb := '{}';
begin
  if TG_OP <> 'UPDATE' then
    insert into audit.log (
      tenant_id, table_name, operation, row_count, key, old_values, new_values, subject, role, request_id
    )
    select
      r.%2$I, %3$L, lower(TG_OP), 1, jsonb_build_object(%4$s), case when TG_OP = 'DELETE' then %5$s end,
      case when TG_OP = 'INSERT' then %5$s end, a.subject, a.role, a.request_id
    from changed_rows r cross join audit.actor() a;
    return null;
  end if;
%6$s
  if v_new = '{}' then
    return null;
  end if;
  insert into audit.log (
    tenant_id, table_name, operation, row_count, key, old_values, new_values, subject, role, request_id
  )
  select NEW.%2$I, %3$L, 'update', 1, jsonb_build_object(%7$s), %8$s, %9$s, a.subject, a.role, a.request_id
  from audit.actor() a;
  return null;
end
$function$
    $template$,
    v_function,
    case when 'tenant_id' = any (key) then 'tenant_id' else 'id' end,
    v_schema || '.' || v_table,
    (select string_agg(format('%1$L, r.%1$I', k), ', ') from unnest(key) k),
    format(v_logged, 'to_jsonb(r)'),
    (
      select string_agg(
        format(
          $template$
  if %2$s then
    v_old := v_old || jsonb_build_object(%1$L, OLD.%1$I);
    v_new := v_new || jsonb_build_object(%1$L, NEW.%1$I);
  end if;$template$,
          a.attname,
          -- An extension's types have their operators elsewhere than in the search path: compared are their images.
          format(
            case t.typnamespace
              when 'pg_catalog'::regnamespace then 'NEW.%1$I is distinct from OLD.%1$I'
              else 'record_image_ne(row(NEW.%1$I), row(OLD.%1$I))'
            end,
            a.attname
          )
        ),
        '' order by a.attnum
      )
      from pg_attribute a join pg_type t on t.oid = a.atttypid
      where a.attrelid = target and a.attnum > 0 and not a.attisdropped
    ),
    (select string_agg(format('%1$L, NEW.%1$I', k), ', ') from unnest(key) k),
    format(v_logged, 'v_old'),
    format(v_logged, 'v_new')
  );
  execute format(
    'comment on function %s() is %L', v_function, format('Trigger: a log row per changed row of %I.%I.', v_schema, v_table)
  );
  return (v_function || '()')::regprocedure;
end
$$;
