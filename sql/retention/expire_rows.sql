-- Deletes up to `how_many` rows of a tenant that are older than a policy keeps them, and adds them to the receipt. The
-- tenant's rows and no other's: the statements name it, and row-level security lets the worker delete nobody else's while the
-- setting says so. Returns how many went: less than asked for, there are no more. Runs as the worker.
create or replace function ops.expire_rows(policy text, tenant_id text, older_than timestamptz, how_many integer default 5000)
returns integer
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_count integer;
begin
  perform set_config('app.retention_tenant_id', coalesce(expire_rows.tenant_id, ''), true);
  case expire_rows.policy
    when 'metrics.raw' then
      delete from app_public.metrics m
      using (
        select o."timestamp", o.id
        from app_public.metrics o
        where o.tenant_id = expire_rows.tenant_id and o."timestamp" < expire_rows.older_than
          and not ops.is_held('metrics.raw', o.tenant_id, o."timestamp")
        order by o."timestamp"
        limit expire_rows.how_many
      ) o
      where m.tenant_id = expire_rows.tenant_id and m."timestamp" = o."timestamp" and m.id = o.id;
    when 'metrics.minute' then
      delete from app_public.metrics_minute m
      using (
        select o.service_name, o.metric_name, o.bucket, o.tags_hash
        from app_public.metrics_minute o
        where o.tenant_id = expire_rows.tenant_id and o.bucket < expire_rows.older_than
          and not ops.is_held('metrics.minute', o.tenant_id, o.bucket)
        limit expire_rows.how_many
      ) o
      where m.tenant_id = expire_rows.tenant_id and m.service_name = o.service_name and m.metric_name = o.metric_name
        and m.bucket = o.bucket and m.tags_hash = o.tags_hash;
    when 'metrics.hour' then
      delete from app_public.metrics_hour m
      using (
        select o.service_name, o.metric_name, o.bucket, o.tags_hash
        from app_public.metrics_hour o
        where o.tenant_id = expire_rows.tenant_id and o.bucket < expire_rows.older_than
          and not ops.is_held('metrics.hour', o.tenant_id, o.bucket)
        limit expire_rows.how_many
      ) o
      where m.tenant_id = expire_rows.tenant_id and m.service_name = o.service_name and m.metric_name = o.metric_name
        and m.bucket = o.bucket and m.tags_hash = o.tags_hash;
    when 'metrics.day' then
      delete from app_public.metrics_day m
      using (
        select o.service_name, o.metric_name, o.bucket, o.tags_hash
        from app_public.metrics_day o
        where o.tenant_id = expire_rows.tenant_id and o.bucket < expire_rows.older_than
          and not ops.is_held('metrics.day', o.tenant_id, o.bucket)
        limit expire_rows.how_many
      ) o
      where m.tenant_id = expire_rows.tenant_id and m.service_name = o.service_name and m.metric_name = o.metric_name
        and m.bucket = o.bucket and m.tags_hash = o.tags_hash;
    when 'sessions' then
      delete from app_public.sessions s
      where s.tenant_id = expire_rows.tenant_id and s.id in (
        select o.id
        from app_public.sessions o
        where o.tenant_id = expire_rows.tenant_id and o.expires_at < expire_rows.older_than
          and not ops.is_held('sessions', o.tenant_id, o.expires_at)
        limit expire_rows.how_many
      );
    when 'tasks' then
      -- Not those of a workflow that may still ask what became of them.
      delete from app_public.tasks t
      where t.tenant_id = expire_rows.tenant_id and t.id in (
        select o.id
        from app_public.tasks o
        left join app_public.workflows w on w.tenant_id = o.tenant_id and w.id = o.workflow_id
        where o.tenant_id = expire_rows.tenant_id and o.status in ('completed', 'failed', 'dead', 'cancelled')
          and coalesce(o.completed_at, o.created_at) < expire_rows.older_than
          and (w.id is null or w.status in ('completed', 'failed', 'cancelled'))
          and not ops.is_held('tasks', o.tenant_id, coalesce(o.completed_at, o.created_at))
        limit expire_rows.how_many
      );
    when 'task_attempts' then
      delete from app_public.task_attempts a
      using (
        select o.task_id, o.attempt
        from app_public.task_attempts o
        join app_public.tasks t on t.tenant_id = o.tenant_id and t.id = o.task_id
        where o.tenant_id = expire_rows.tenant_id and o.ended_at < expire_rows.older_than
          and t.status in ('completed', 'failed', 'dead', 'cancelled')
          and not ops.is_held('task_attempts', o.tenant_id, o.ended_at)
        limit expire_rows.how_many
      ) o
      where a.tenant_id = expire_rows.tenant_id and a.task_id = o.task_id and a.attempt = o.attempt;
    when 'job_runs', 'alerts', 'drills', 'backups' then
      v_count := ops.expire_operations(expire_rows.policy, expire_rows.older_than, expire_rows.how_many);
    when 'dead_jobs' then
      if to_regclass('graphile_worker.jobs') is null then
        return 0;
      end if;
      -- graphile-worker's own way to remove them. A literal: the schema is the worker's, made when it first starts.
      execute 'select count(*) from graphile_worker.complete_jobs(array(
          select j.id from graphile_worker.jobs j
          where j.attempts >= j.max_attempts and j.locked_at is null and j.updated_at < $1 limit $2))'
        into v_count using expire_rows.older_than, expire_rows.how_many;
    else
      raise exception 'there is no policy %', expire_rows.policy
        using errcode = 'LTP01', hint = 'select policy, keep from ops.retention_policies;';
  end case;
  if v_count is null then
    get diagnostics v_count = row_count;
  end if;
  perform set_config('app.retention_tenant_id', '', true);

  if v_count > 0 then
    update ops.retention_receipts r
    set row_count = r.row_count + v_count, at = clock_timestamp()
    where r.policy = expire_rows.policy and r.tenant_id is not distinct from expire_rows.tenant_id
      and r.older_than = expire_rows.older_than and r.partition is null;
    if not found then
      insert into ops.retention_receipts (policy, tenant_id, older_than, row_count)
      values (expire_rows.policy, expire_rows.tenant_id, expire_rows.older_than, v_count);
    end if;
  end if;
  return v_count;
end
$$;

comment on function ops.expire_rows(text, text, timestamptz, integer) is 'Deletes up to `how_many` rows of a tenant that a policy does not keep, and adds them to the receipt. Returns how many. LTP01 no such policy.';
grant execute on function ops.expire_rows(text, text, timestamptz, integer) to :WORKER;
