-- Deletes up to `how_many` runs of jobs that ended before. Definer: nobody writes the table by hand.
create or replace function ops.expire_job_runs(older_than timestamptz, how_many integer) returns integer
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_count integer;
begin
  delete from ops.job_runs r
  where r.id in (
    select o.id from ops.job_runs o
    where o.outcome <> 'running' and o.finished_at < expire_job_runs.older_than
    limit expire_job_runs.how_many
  );
  get diagnostics v_count = row_count;
  return v_count;
end
$$;

comment on function ops.expire_job_runs(timestamptz, integer) is 'Deletes up to `how_many` runs of jobs that ended before; returns how many.';
grant execute on function ops.expire_job_runs(timestamptz, integer) to :WORKER;
