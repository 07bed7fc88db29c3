-- Forgets the items of a task that were due to be tried again by a time and have not failed since: they have succeeded or no
-- longer exist. A job calls it at the end of a run, with the time at which the run began. Returns their number. Definer: nobody
-- writes the table by hand.
create or replace function ops.release_items(task text, before timestamptz) returns integer
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_count integer;
begin
  delete from ops.quarantined_items q where q.task = release_items.task and q.retry_at <= release_items.before;
  get diagnostics v_count = row_count;
  return v_count;
end
$$;

comment on function ops.release_items(text, timestamptz) is 'Forgets the items of a task that were due to be tried again by a time, and have not failed since. Returns their number.';
grant execute on function ops.release_items(text, timestamptz) to :WORKER;
