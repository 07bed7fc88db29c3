-- Gives a partition the audit triggers of its parent: statement triggers fire for the table that a statement names, so
-- the parent's do not see a statement that names the partition. (Row triggers come by themselves.) Can be called again.
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
    where t.tgrelid = parent and not t.tgisinternal and t.tgname like '\_800\_audit\_%' and t.tgtype & 1 = 0
  loop
    -- " ON schema.table " stands once, before the referencing clause; nothing before it can hold a name of a user's.
    v_definition := regexp_replace(v_definition, ' ON \S+ ', format(' ON %s ', partition));
    execute regexp_replace(v_definition, '^CREATE TRIGGER', 'CREATE OR REPLACE TRIGGER');
  end loop;
end
$$;
