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
