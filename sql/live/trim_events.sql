-- Removes events that have been visible in the outbox for at least `keep`, and returns their number. The worker runs it every
-- few minutes: each run leaves a mark that a later one trims to. Definer: nobody may write the outbox.
create or replace function ops.trim_events(keep interval default '1 hour') returns bigint
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_mark app_private.event_marks;
  v_count bigint := 0;
begin
  -- Streams read an event within a second or two of its commit.
  perform app_private.refuse_bounds('keep', keep >= interval '1 minute', 'at least a minute');
  -- Only one runs at a time, and none waits. A lock of a table that nobody else may lock: anybody can take an advisory lock.
  begin
    lock table app_private.event_marks in share update exclusive mode nowait;
  exception
    when lock_not_available then
      return 0;
  end;
  insert into app_private.event_marks default values;
  select m.* into v_mark
  from app_private.event_marks m
  where m.at <= clock_timestamp() - keep
  order by m.at desc
  limit 1;
  if not found then
    return 0;
  end if;
  delete from app_private.events e
  where e.transaction_id < pg_snapshot_xmax(v_mark.snapshot)
    and pg_visible_in_snapshot(e.transaction_id, v_mark.snapshot);
  get diagnostics v_count = row_count;
  delete from app_private.event_marks m where m.at < v_mark.at;
  update app_private.event_marks m set trimmed = true where m.at = v_mark.at;
  return v_count;
end
$$;

comment on function ops.trim_events(interval) is 'Removes events that have been visible in the outbox for at least `keep`. Returns their number. LTP06 for less than a minute.';
grant execute on function ops.trim_events(interval) to :WORKER;
