-- Takes for dead the workers that were not seen for `unseen_for`, and frees their jobs for other workers: graphile-worker
-- itself leaves them locked for four hours. A job whose worker died gets its attempt back, up to three times: otherwise a
-- job with a single attempt would be lost with the first worker that is killed. Returns the jobs.
--
-- Invoker: the queue belongs to the worker's role, not to the owner.
create or replace function ops.sweep_workers(unseen_for interval default '1 minute')
returns table (job_id bigint, task text, worker text, runs_again boolean)
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_lost text[];
begin
  perform ops.abandon_runs();
  v_lost := array(
    select w.id
    from ops.workers w
    where w.seen_at <= clock_timestamp() - unseen_for and w.lost_at is null and w.stopped_at is null
  );
  -- No worker has started on this database yet.
  if pg_catalog.to_regclass('graphile_worker.jobs') is null then
    perform ops.lose_workers(v_lost);
    return;
  end if;
  -- Workers that hold a job but never reported that they live, or no longer do.
  v_lost := v_lost || array(
    select distinct j.locked_by
    from graphile_worker.jobs j
    where j.locked_at <= clock_timestamp() - unseen_for
      and not exists (select from ops.workers w where w.id = j.locked_by and w.lost_at is null and w.stopped_at is null)
  );
  if v_lost = '{}' then
    return;
  end if;

  perform ops.lose_workers(v_lost);
  for job_id, task, worker, runs_again in
    select
      j.id, j.task_identifier, j.locked_by,
      j.attempts < j.max_attempts
        or (select count(*) from ops.job_runs r where r.job_id = j.id and r.outcome = 'abandoned') <= 3
    from graphile_worker.jobs j
    where j.locked_by = any (v_lost)
    order by j.id
  loop
    perform graphile_worker.force_unlock_workers(v_lost);
    perform graphile_worker.reschedule_jobs(array[j.id], attempts => j.max_attempts - 1)
    from graphile_worker.jobs j
    where j.id = sweep_workers.job_id and j.attempts >= j.max_attempts and sweep_workers.runs_again;
    return next;
  end loop;
  -- Frees queues that are locked without a job.
  perform graphile_worker.force_unlock_workers(v_lost);
end
$$;

comment on function ops.sweep_workers(interval) is 'Takes for dead the workers that were not seen for `unseen_for`, and unlocks their jobs. Returns the jobs, and whether they run again.';
grant execute on function ops.sweep_workers(interval) to :WORKER;
