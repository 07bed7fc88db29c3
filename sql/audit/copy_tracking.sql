-- Gives a partition the audit triggers of its parent. Statement triggers fire for the table that a statement names, so the
-- parent's do not see a statement that names the partition. (A partition gets row triggers by itself.) Can be called again.
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
    -- The first match: no user-defined name comes before it.
    v_definition := overlay(
      v_definition placing format(' ON %s ', partition) from strpos(v_definition, v_on) for length(v_on)
    );
    execute regexp_replace(v_definition, '^CREATE TRIGGER', 'CREATE OR REPLACE TRIGGER');
  end loop;
end
$$;

comment on function audit.copy_tracking(regclass, regclass) is 'Gives a partition the audit triggers of its parent.';
