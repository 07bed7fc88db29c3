-- Says that a run lives, and how far it is; null leaves what was said last. False: it was taken for dead, and somebody else
-- may be at the same by now, so that it has to stop. Definer: nobody writes the table by hand.
create or replace function ops.renew_run(
  run_id bigint,
  lease interval,
  progress double precision default null,
  note text default null
) returns boolean
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  -- A lease that is over and was not taken from it is as good as before.
  update ops.job_runs r
  set
    lease_until = clock_timestamp() + renew_run.lease,
    updated_at = clock_timestamp(),
    progressed_at = case
      when renew_run.progress is null and renew_run.note is null then r.progressed_at
      else clock_timestamp()
    end,
    -- least and greatest pass over null.
    progress = case when renew_run.progress is null then r.progress else least(greatest(renew_run.progress, 0), 1) end,
    note = coalesce(renew_run.note, r.note)
  where r.id = renew_run.run_id and r.outcome = 'running';
  return found;
end
$$;

comment on function ops.renew_run(bigint, interval, double precision, text) is 'Extends the lease of a run and says how far it is. False when the run was taken for dead, or has ended.';
grant execute on function ops.renew_run(bigint, interval, double precision, text) to :WORKER;
