-- Jobs that failed for good, in graphile-worker's queue. Its schema is the worker's, made when it first starts.
create or replace function ops.expired_dead_jobs(older_than timestamptz, how_many integer default null) returns setof bigint
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
begin
  if to_regclass('graphile_worker.jobs') is null then
    return;
  end if;
  return query
  select j.id
  from graphile_worker.jobs j
  where j.attempts >= j.max_attempts and j.locked_at is null and j.updated_at < older_than
  limit how_many;
end
$$;

comment on function ops.expired_dead_jobs(timestamptz, integer) is 'Up to `how_many` jobs (null: all) that the policy dead_jobs does not keep.';
grant execute on function ops.expired_dead_jobs(timestamptz, integer) to :WORKER;
