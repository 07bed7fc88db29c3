-- Ends a run as succeeded, or with an error as failed. Of a task's runs that had nothing to do it keeps only the newest,
-- which is enough to see when the task last looked. Returns false when the run was taken for dead before. Definer: nobody
-- writes the table by hand.
create or replace function ops.end_run(
  run_id bigint,
  error text default null,
  note text default null,
  idle boolean default false
) returns boolean
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_task text;
begin
  update ops.job_runs r
  set
    outcome = case when end_run.error is null then 'succeeded' else 'failed' end,
    finished_at = clock_timestamp(),
    updated_at = clock_timestamp(),
    error = end_run.error,
    note = coalesce(end_run.note, r.note),
    progress = case when end_run.error is null then 1 else r.progress end,
    idle = end_run.error is null and end_run.idle
  where r.id = end_run.run_id and r.outcome = 'running'
  returning r.task into v_task;
  if not found then
    -- Did it report the same end before, and the answer was lost?
    return exists (
      select
      from ops.job_runs r
      where r.id = end_run.run_id
        and r.outcome = case when end_run.error is null then 'succeeded' else 'failed' end
    );
  end if;
  if end_run.idle and end_run.error is null then
    delete from ops.job_runs r where r.task = v_task and r.idle and r.id < end_run.run_id;
  end if;
  return true;
end
$$;

comment on function ops.end_run(bigint, text, text, boolean) is 'Ends a run as succeeded, or with an error as failed. False when it was taken for dead before.';
grant execute on function ops.end_run(bigint, text, text, boolean) to :WORKER;
