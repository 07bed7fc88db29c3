-- Lets the owner read graphile-worker's view of the queue, which has no payloads, so that ops.jobs can show it. Each worker
-- calls it when it starts; it changes something once.
--
-- Invoker: the schema belongs to the worker's role, which makes it after all migrations.
create or replace function ops.open_job_queue() returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  if not has_schema_privilege(':OWNER', 'graphile_worker', 'usage') then
    grant usage on schema graphile_worker to :OWNER;
  end if;
  if not has_table_privilege(':OWNER', 'graphile_worker.jobs', 'select') then
    grant select on graphile_worker.jobs to :OWNER;
  end if;
end
$$;

comment on function ops.open_job_queue() is 'Lets the owner read graphile_worker.jobs, for ops.jobs.';
grant execute on function ops.open_job_queue() to :WORKER;
