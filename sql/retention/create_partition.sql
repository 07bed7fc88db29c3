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
