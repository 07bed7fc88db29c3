-- How many rows of a tenant are older than a policy keeps them: what a dry run says. Runs as the worker, of one tenant.
create or replace function ops.count_expired_rows(policy text, tenant_id text, older_than timestamptz) returns bigint
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_count bigint;
begin
  perform set_config('app.retention_tenant_id', coalesce(count_expired_rows.tenant_id, ''), true);
  case count_expired_rows.policy
    when 'metrics.raw' then
      select count(*) into v_count from app_public.metrics o
      where o.tenant_id = count_expired_rows.tenant_id and o."timestamp" < count_expired_rows.older_than
        and not ops.is_held('metrics.raw', o.tenant_id, o."timestamp");
    when 'metrics.minute' then
      select count(*) into v_count from app_public.metrics_minute o
      where o.tenant_id = count_expired_rows.tenant_id and o.bucket < count_expired_rows.older_than
        and not ops.is_held('metrics.minute', o.tenant_id, o.bucket);
    when 'metrics.hour' then
      select count(*) into v_count from app_public.metrics_hour o
      where o.tenant_id = count_expired_rows.tenant_id and o.bucket < count_expired_rows.older_than
        and not ops.is_held('metrics.hour', o.tenant_id, o.bucket);
    when 'metrics.day' then
      select count(*) into v_count from app_public.metrics_day o
      where o.tenant_id = count_expired_rows.tenant_id and o.bucket < count_expired_rows.older_than
        and not ops.is_held('metrics.day', o.tenant_id, o.bucket);
    when 'sessions' then
      select count(*) into v_count from app_public.sessions o
      where o.tenant_id = count_expired_rows.tenant_id and o.expires_at < count_expired_rows.older_than
        and not ops.is_held('sessions', o.tenant_id, o.expires_at);
    when 'tasks' then
      select count(*) into v_count
      from app_public.tasks o
      left join app_public.workflows w on w.tenant_id = o.tenant_id and w.id = o.workflow_id
      where o.tenant_id = count_expired_rows.tenant_id and o.status in ('completed', 'failed', 'dead', 'cancelled')
        and coalesce(o.completed_at, o.created_at) < count_expired_rows.older_than
        and (w.id is null or w.status in ('completed', 'failed', 'cancelled'))
        and not ops.is_held('tasks', o.tenant_id, coalesce(o.completed_at, o.created_at));
    when 'task_attempts' then
      select count(*) into v_count
      from app_public.task_attempts o
      join app_public.tasks t on t.tenant_id = o.tenant_id and t.id = o.task_id
      where o.tenant_id = count_expired_rows.tenant_id and o.ended_at < count_expired_rows.older_than
        and t.status in ('completed', 'failed', 'dead', 'cancelled')
        and not ops.is_held('task_attempts', o.tenant_id, o.ended_at);
    when 'job_runs' then
      select count(*) into v_count from ops.job_runs r
      where r.outcome <> 'running' and r.finished_at < count_expired_rows.older_than;
    when 'alerts' then
      select count(*) into v_count from ops.alerts a where a.resolved_at < count_expired_rows.older_than;
    when 'drills' then
      select count(*) into v_count from ops.drills d
      where d.finished_at < count_expired_rows.older_than
        and d.id < (select max(n.id) from ops.drills n)
        and d.id is distinct from (select max(p.id) from ops.drills p where p.passed);
    when 'backups' then
      select count(*) into v_count from ops.backups b where b.removed_at < count_expired_rows.older_than;
    when 'dead_jobs' then
      if to_regclass('graphile_worker.jobs') is not null then
        execute 'select count(*) from graphile_worker.jobs j
          where j.attempts >= j.max_attempts and j.locked_at is null and j.updated_at < $1'
          into v_count using count_expired_rows.older_than;
      end if;
    else
      raise exception 'there is no policy %', count_expired_rows.policy
        using errcode = 'LTP01', hint = 'select policy, keep from ops.retention_policies;';
  end case;
  perform set_config('app.retention_tenant_id', '', true);
  return coalesce(v_count, 0);
end
$$;

comment on function ops.count_expired_rows(text, text, timestamptz) is 'How many rows of a tenant a policy does not keep. LTP01 no such policy.';
grant execute on function ops.count_expired_rows(text, text, timestamptz) to :WORKER;
