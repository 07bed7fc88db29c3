-- Lets writes in again. Returns the stop that has ended; no row if there was none. The triggers stay, switched off, because to drop
-- them would hold up readers.
create or replace function app_private.start_writes() returns setof ops.stopped_writes
language plpgsql volatile
set search_path to pg_catalog, pg_temp
set lock_timeout to '500ms'
as $$
declare
  v_table regclass;
  v_stop ops.stopped_writes;
begin
  for v_table in
    select t.tgrelid::regclass
    from pg_trigger t
    where t.tgname = '_000_stopped' and t.tgfoid = 'app_private.tg__refuse_write'::regproc and t.tgenabled <> 'D' and t.tgparentid = 0
    order by t.tgrelid::regclass::text
  loop
    execute format('alter table %s disable trigger _000_stopped', v_table);
  end loop;
  delete from ops.stopped_writes s returning s.* into v_stop;
  if found then
    perform audit.record_event('start writes', v_stop.id::text);
    return next v_stop;
  end if;
end
$$;

comment on function app_private.start_writes() is 'Lets writes in again, and returns the stop that has ended. 55P03 when another transaction keeps a table for half a second.';
-- No grant: only the owner calls it, as the login of migrations does.
