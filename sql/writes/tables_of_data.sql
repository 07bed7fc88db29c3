-- The tables whose writes are stopped: all but the audit log, the queue of jobs, the ledger of migrations, and what workers and backups of
-- one installation note. Tables that others made in this database are among them; `stoppable` is false where a
-- table belongs to another role. Partitions are stopped with their table: nobody has a right on a partition itself.
create or replace function app_private.tables_of_data() returns table (relation regclass, stoppable boolean, stopped boolean)
language sql stable
set search_path to pg_catalog, pg_temp
begin atomic
  select c.oid::regclass, pg_has_role(c.relowner, 'usage'),
    exists (
      select from pg_trigger t
      where t.tgrelid = c.oid and t.tgfoid = 'app_private.tg__refuse_write'::regproc and t.tgenabled = 'A'
    )
  from pg_class c
  join pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p')
    and not c.relispartition
    and c.relpersistence <> 't'
    and n.nspname not in ('pg_catalog', 'pg_toast', 'information_schema', 'audit', 'graphile_worker', 'graphile_migrate')
    and (n.nspname <> 'ops' or c.relname like 'retention\_%' or c.relname in ('metric_changes', 'metric_floors', 'tenant_removals'))
    -- The outbox of live updates: nothing comes into it while nothing is written, and what is old has to leave it.
    and not (n.nspname = 'app_private' and c.relname in ('events', 'event_marks'))
    and not exists (
      select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'
    )
  order by n.nspname, c.relname;
end;

comment on function app_private.tables_of_data() is 'The tables of data: whether their writes can be stopped, and whether they are.';
