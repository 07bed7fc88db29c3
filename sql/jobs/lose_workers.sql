-- Takes workers for dead and abandons their runs. Deletes workers that ended a week ago. Definer: nobody writes the tables by
-- hand.
create or replace function ops.lose_workers(ids text[]) returns void
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  -- Locked in one order, so that two callers do not wait for each other.
  perform from ops.workers w where w.id = any (ids) order by w.id for update;
  update ops.workers w set lost_at = clock_timestamp() where w.id = any (ids) and w.lost_at is null;
  update ops.job_runs r
  set
    outcome = 'abandoned',
    finished_at = clock_timestamp(),
    error = format('worker %s is no longer seen', r.worker)
  where r.outcome = 'running' and r.worker = any (ids);
  delete from ops.workers w where coalesce(w.stopped_at, w.lost_at) < clock_timestamp() - interval '7 days';
end
$$;

comment on function ops.lose_workers(text[]) is 'Takes workers for dead and abandons their runs.';
grant execute on function ops.lose_workers(text[]) to :WORKER;
