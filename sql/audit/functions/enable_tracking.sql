-- Puts a table under audit: every insert, update, delete and truncate leaves rows in audit.log, in the transaction that
-- made it. Can be called again, also with other options.
--   digested: columns of which the log keeps a SHA-256 in place of the value
--   detail:   true, a row per row; false, a row per statement and tenant with their number
--   counter:  a role whose updates are not logged at all: it counts uses, and may update nothing but the counters
create or replace function audit.enable_tracking(
  target regclass,
  digested text[] default '{}',
  detail boolean default true,
  counter name default null
) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_key text[];
  v_logger regprocedure := 'audit.tg__log_summary()';
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
    v_logger := audit.create_row_logger(target, v_key, digested);
  end if;

  for v_event in
    select *
    from (values
      ('insert', 'referencing new table as changed_rows for each statement'),
      ('update', case when detail then 'for each row' else 'referencing new table as changed_rows for each statement' end),
      ('delete', 'referencing old table as changed_rows for each statement')
    ) e(name, scope)
  loop
    execute format(
      'create or replace trigger _800_audit_%s after %1$s on %s %s %s execute function %s',
      v_event.name, target, v_event.scope,
      case when v_event.name = 'update' and counter is not null then format('when (current_user <> %L)', counter) end,
      v_logger
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
