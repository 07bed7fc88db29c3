-- Notes that all writes are stopped, if they are: then it returns the stop. No row while a table is missing (app_private.tables_of_data).
create or replace function app_private.end_stop() returns setof ops.stopped_writes
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_stop ops.stopped_writes;
begin
  if exists (select from app_private.tables_of_data() t where t.stoppable and not t.stopped) then
    return;
  end if;
  select s.* into v_stop from ops.stopped_writes s;
  if v_stop.stopped_at is null then
    update ops.stopped_writes s set stopped_at = clock_timestamp() returning s.* into v_stop;
    -- No stop: another operator has let writes in again meanwhile.
    if not found then
      return;
    end if;
    perform audit.record_event('stop writes', v_stop.id::text, null, jsonb_build_object('reason', v_stop.reason));
  end if;
  return next v_stop;
end
$$;

comment on function app_private.end_stop() is 'Notes that all writes are stopped, and returns the stop; no row while they are not.';
-- No grant: only the owner calls it, as the login of migrations does.
