create or replace function ops.expired_job_runs(older_than timestamptz) returns setof bigint
language sql stable
begin atomic
  select r.id from ops.job_runs r where r.outcome <> 'running' and r.finished_at < expired_job_runs.older_than;
end;

comment on function ops.expired_job_runs(timestamptz) is 'Runs of jobs that the policy job_runs does not keep.';
grant execute on function ops.expired_job_runs(timestamptz) to :WORKER;
