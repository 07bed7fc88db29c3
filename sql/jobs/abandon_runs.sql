-- Abandons runs whose processes have not reported in time, all of them or those under one lock, and returns their number.
-- Definer: nobody writes the table by hand.
create or replace function ops.abandon_runs(lock text default null) returns integer
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_count integer;
begin
  update ops.job_runs r
  set
    outcome = 'abandoned',
    finished_at = clock_timestamp(),
    error = format('nothing has been heard from %s since %s', r.worker, r.updated_at)
  where r.outcome = 'running' and r.lease_until <= clock_timestamp()
    and (abandon_runs.lock is null or r.lock = abandon_runs.lock);
  get diagnostics v_count = row_count;
  return v_count;
end
$$;

comment on function ops.abandon_runs(text) is 'Abandons the runs whose leases are over, of one lock or of all. Returns their number.';
grant execute on function ops.abandon_runs(text) to :WORKER;
