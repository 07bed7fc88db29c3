-- Deletes up to `how_many` rows of what operators look at: runs of jobs, alerts that are resolved, drills, backups that are
-- gone. The newest drill and the newest that passed stay: ops.recovery answers by them. Definer: nobody writes these tables by
-- hand.
create or replace function ops.expire_operations(policy text, older_than timestamptz, how_many integer) returns integer
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_count integer;
begin
  case expire_operations.policy
    when 'job_runs' then
      delete from ops.job_runs r
      where r.id in (
        select o.id from ops.job_runs o
        where o.outcome <> 'running' and o.finished_at < expire_operations.older_than
        limit expire_operations.how_many
      );
    when 'alerts' then
      delete from ops.alerts a
      where a.id in (
        select o.id from ops.alerts o
        where o.resolved_at < expire_operations.older_than
        limit expire_operations.how_many
      );
    when 'drills' then
      delete from ops.drills d
      where d.id in (
        select o.id from ops.drills o
        where o.finished_at < expire_operations.older_than
          and o.id < (select max(n.id) from ops.drills n)
          and o.id is distinct from (select max(p.id) from ops.drills p where p.passed)
        limit expire_operations.how_many
      );
    when 'backups' then
      delete from ops.backups b
      where b.id in (
        select o.id from ops.backups o
        where o.removed_at < expire_operations.older_than
        limit expire_operations.how_many
      );
  end case;
  get diagnostics v_count = row_count;
  return v_count;
end
$$;

comment on function ops.expire_operations(text, timestamptz, integer) is 'Deletes up to `how_many` rows that the policy job_runs, alerts, drills or backups does not keep; returns how many.';
grant execute on function ops.expire_operations(text, timestamptz, integer) to :WORKER;
