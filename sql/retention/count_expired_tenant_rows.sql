-- Counts the rows of a tenant that a policy does not keep, for a dry run, confined to the tenant. It counts what a policy no longer
-- keeps, whatever time is given. Definer: the worker reaches no row of a tenant itself. Runs as :JOBS.
grant create on schema ops to :JOBS;
set local role :JOBS;

create or replace function ops.count_expired_tenant_rows(policy text, tenant_id text, older_than timestamptz) returns bigint
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_count bigint;
begin
  if not exists (select from ops.retention_policies p where p.policy = count_expired_tenant_rows.policy) then
    raise exception 'policy % does not exist', count_expired_tenant_rows.policy
      using errcode = 'LTP01', hint = 'List them: select policy, keep from ops.retention_policies;';
  end if;
  perform app_private.refuse_bounds(
    'older_than',
    older_than <= now() - ops.retention_of(count_expired_tenant_rows.policy, count_expired_tenant_rows.tenant_id),
    'a time that the policy no longer keeps'
  );
  perform set_config('app.retention_tenant_id', coalesce(count_expired_tenant_rows.tenant_id, ''), true);
  case count_expired_tenant_rows.policy
    when 'metrics.raw' then
      select count(*) into v_count
      from ops.expired_metrics_raw(count_expired_tenant_rows.tenant_id, count_expired_tenant_rows.older_than);
    when 'metrics.minute' then
      select count(*) into v_count
      from ops.expired_metrics_minute(count_expired_tenant_rows.tenant_id, count_expired_tenant_rows.older_than);
    when 'metrics.hour' then
      select count(*) into v_count
      from ops.expired_metrics_hour(count_expired_tenant_rows.tenant_id, count_expired_tenant_rows.older_than);
    when 'metrics.day' then
      select count(*) into v_count
      from ops.expired_metrics_day(count_expired_tenant_rows.tenant_id, count_expired_tenant_rows.older_than);
    when 'sessions' then
      select count(*) into v_count
      from ops.expired_sessions(count_expired_tenant_rows.tenant_id, count_expired_tenant_rows.older_than);
    when 'tasks' then
      select count(*) into v_count
      from ops.expired_tasks(count_expired_tenant_rows.tenant_id, count_expired_tenant_rows.older_than);
    when 'task_attempts' then
      select count(*) into v_count
      from ops.expired_task_attempts(count_expired_tenant_rows.tenant_id, count_expired_tenant_rows.older_than);
    when 'threads' then
      select coalesce(sum(o.rows), 0) into v_count
      from ops.expired_threads(count_expired_tenant_rows.tenant_id, count_expired_tenant_rows.older_than) o;
    else
      raise exception '% does not hold data of tenants', count_expired_tenant_rows.policy using errcode = 'LTP03', hint = 'Call ops.count_expired_rows.';
  end case;
  perform set_config('app.retention_tenant_id', '', true);
  return v_count;
end
$$;

comment on function ops.count_expired_tenant_rows(text, text, timestamptz) is 'How many rows of a tenant a policy does not keep. For ops.count_expired_rows. LTP01 no such policy; LTP03 not data of tenants; LTP06 for a time that it keeps.';
revoke execute on function ops.count_expired_tenant_rows(text, text, timestamptz) from public;
grant execute on function ops.count_expired_tenant_rows(text, text, timestamptz) to :WORKER;

set local role :OWNER;
revoke create on schema ops from :JOBS;
