-- Replaces what operators see of the queue: {id, task, queue, due_at, attempts, max_attempts, last_error, created_at, locked_at,
-- worker}. The worker reads its own queue and passes the list, because nobody with more rights may read what the worker owns: a
-- view there can be replaced by one that calls anything. Definer: nobody writes the table by hand.
create or replace function ops.report_jobs(jobs jsonb) returns void
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  if jsonb_array_length(jobs) > 1000 then
    raise exception 'expected at most 1000 jobs, not %', jsonb_array_length(jobs)
      using errcode = 'LTJ02', hint = 'Report those that run, then those that failed, then those that are due first.';
  end if;
  -- One report at a time; readers go on.
  lock table ops.queued_jobs in share row exclusive mode;
  delete from ops.queued_jobs q
  where not exists (select from jsonb_to_recordset(report_jobs.jobs) n(id bigint) where n.id = q.id);
  insert into ops.queued_jobs as q (id, task, queue, due_at, attempts, max_attempts, last_error, created_at, locked_at, worker)
  select
    n.id, left(n.task, 200), left(n.queue, 200), n.due_at, n.attempts, n.max_attempts, left(n.last_error, 2000), n.created_at,
    n.locked_at, left(n.worker, 200)
  from jsonb_to_recordset(report_jobs.jobs) n(
    id bigint, task text, queue text, due_at timestamptz, attempts integer, max_attempts integer, last_error text,
    created_at timestamptz, locked_at timestamptz, worker text
  )
  on conflict on constraint queued_jobs_pkey do update
  set
    task = excluded.task, queue = excluded.queue, due_at = excluded.due_at, attempts = excluded.attempts,
    max_attempts = excluded.max_attempts, last_error = excluded.last_error, created_at = excluded.created_at,
    locked_at = excluded.locked_at, worker = excluded.worker
  where (q.*) is distinct from (excluded.*);
end
$$;

comment on function ops.report_jobs(jsonb) is 'Replaces the list of queued jobs that operators see. LTJ02 for more than 1,000.';
grant execute on function ops.report_jobs(jsonb) to :WORKER;
