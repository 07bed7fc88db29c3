-- Counts the rows that a policy does not keep, for a dry run: of a tenant, if the policy is of tenants' rows. Runs as the worker, as
-- ops.expire_rows does.
create or replace function ops.count_expired_rows(policy text, tenant_id text, older_than timestamptz) returns bigint
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_count bigint;
begin
  case count_expired_rows.policy
    when 'job_runs' then
      select count(*) into v_count from ops.expired_job_runs(count_expired_rows.older_than);
    when 'alerts' then
      select count(*) into v_count from ops.expired_alerts(count_expired_rows.older_than);
    when 'drills' then
      select count(*) into v_count from ops.expired_drills(count_expired_rows.older_than);
    when 'backups' then
      select count(*) into v_count from ops.expired_backups(count_expired_rows.older_than);
    when 'dead_jobs' then
      select count(*) into v_count from ops.expired_dead_jobs(count_expired_rows.older_than);
    else
      v_count := ops.count_expired_tenant_rows(
        count_expired_rows.policy, count_expired_rows.tenant_id, count_expired_rows.older_than
      );
  end case;
  return v_count;
end
$$;

comment on function ops.count_expired_rows(text, text, timestamptz) is 'How many rows a policy does not keep, of a tenant or of no tenant. LTP01 no such policy; LTP06 for a time that it keeps.';
grant execute on function ops.count_expired_rows(text, text, timestamptz) to :WORKER;
