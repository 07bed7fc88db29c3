-- Begins to stop all writes of data, or returns the stop that is there. The tables follow one by one (app_private.stop_writes_to), and app_private.end_stop says
-- when all of them are stopped. One by one, because a transaction that locked all of them at once would wait for writers that wait for it.
create or replace function app_private.begin_stop(reason text) returns ops.stopped_writes
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_stop ops.stopped_writes;
begin
  if coalesce(trim(reason), '') = '' or length(reason) > 500 then
    perform app_private.refuse_argument('LTO02', 'reason', 'it has to have 1 to 500 characters');
  end if;
  -- There is one stop at a time.
  lock table ops.stopped_writes in share row exclusive mode;
  select s.* into v_stop from ops.stopped_writes s;
  if not found then
    insert into ops.stopped_writes (reason) values (begin_stop.reason) returning * into v_stop;
  end if;
  return v_stop;
end
$$;

comment on function app_private.begin_stop(text) is 'Begins to stop all writes of data, and returns the stop; the one that is there already if there is one.';
-- No grant: only the owner calls it, as the login of migrations does.
