-- Reports that a run lives, and its progress; null keeps the last report. Returns false when the run was taken for dead: it has
-- to stop, because another may have taken its place. Definer: nobody writes the table by hand.
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
  -- A lease that is over can be renewed as long as the run was not abandoned.
  update ops.job_runs r
  set
    lease_until = clock_timestamp() + renew_run.lease,
    updated_at = clock_timestamp(),
    progressed_at = case
      when renew_run.progress is null and renew_run.note is null then r.progressed_at
      else clock_timestamp()
    end,
    -- least and greatest ignore null.
    progress = case when renew_run.progress is null then r.progress else least(greatest(renew_run.progress, 0), 1) end,
    note = coalesce(renew_run.note, r.note)
  where r.id = renew_run.run_id and r.outcome = 'running';
  return found;
end
$$;

comment on function ops.renew_run(bigint, interval, double precision, text) is 'Extends the lease of a run and reports its progress. False when the run was taken for dead or has ended.';
grant execute on function ops.renew_run(bigint, interval, double precision, text) to :WORKER;
