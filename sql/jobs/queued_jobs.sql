-- The jobs in graphile-worker's queue; none before the first worker has made it. Definer: operators may see the queue and
-- nothing else of that schema (ops.open_job_queue).
create or replace function ops.queued_jobs() returns table (
  id bigint,
  task text,
  queue text,
  due_at timestamptz,
  attempts integer,
  max_attempts integer,
  last_error text,
  created_at timestamptz,
  locked_at timestamptz,
  worker text
)
language plpgsql stable security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  if to_regnamespace('graphile_worker') is null then
    return;
  end if;
  return query
  select
    j.id, j.task_identifier, j.queue_name, j.run_at, j.attempts::integer, j.max_attempts::integer, j.last_error,
    j.created_at, j.locked_at, j.locked_by
  from graphile_worker.jobs j;
end
$$;

comment on function ops.queued_jobs() is 'The jobs in the queue, without their payloads; ops.jobs says in words what they are at.';
grant execute on function ops.queued_jobs() to :OPERATOR, :WORKER;
