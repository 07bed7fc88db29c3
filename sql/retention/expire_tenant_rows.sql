-- Deletes up to `how_many` rows of a tenant that a policy does not keep, and adds them to the receipt. Deletes no other
-- tenant's rows: the statements name the tenant, and by the setting row-level security confines :JOBS to it. Returns
-- how many it deleted; fewer than `how_many` means that none are left. The last thread may go beyond, because it goes as a whole.
--
-- What a policy keeps is asked of the policies, and of no argument: `older_than` may lie further back, for a run that began a
-- while ago, and never later. What still has to be rolled up or merged stays, also when it has become so since the run began.
--
-- Definer: the worker reaches no row of a tenant itself. Runs as :JOBS.
grant create on schema ops to :JOBS;
set local role :JOBS;

create or replace function ops.expire_tenant_rows(policy text, tenant_id text, older_than timestamptz, how_many integer)
returns integer
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_older_than timestamptz;
  v_count integer;
  v_rows integer;
begin
  if not exists (select from ops.retention_policies p where p.policy = expire_tenant_rows.policy) then
    raise exception 'policy % does not exist', expire_tenant_rows.policy
      using errcode = 'LTP01', hint = 'List them: select policy, keep from ops.retention_policies;';
  end if;
  perform app_private.refuse_bounds('how_many', how_many between 1 and 10000, 'between 1 and 10,000');
  perform app_private.refuse_bounds(
    'older_than', older_than <= now() - ops.retention_of(expire_tenant_rows.policy, expire_tenant_rows.tenant_id),
    'a time that the policy no longer keeps'
  );
  select least(expire_tenant_rows.older_than, c.older_than) into v_older_than
  from ops.policy_cutoffs(now(), false, expire_tenant_rows.policy, expire_tenant_rows.tenant_id) c
  where c.older_than is not null;
  if not found then
    return 0;
  end if;

  perform set_config('app.retention_tenant_id', coalesce(expire_tenant_rows.tenant_id, ''), true);
  case expire_tenant_rows.policy
    when 'metrics.raw' then
      delete from app_public.metrics m
      using (
        select o."timestamp", o.id
        from ops.expired_metrics_raw(expire_tenant_rows.tenant_id, v_older_than) o
        order by o."timestamp"
        limit expire_tenant_rows.how_many
      ) o
      where m.tenant_id = expire_tenant_rows.tenant_id and m."timestamp" = o."timestamp" and m.id = o.id;
    when 'metrics.minute' then
      delete from app_public.metrics_minute m
      using (
        select o.* from ops.expired_metrics_minute(expire_tenant_rows.tenant_id, v_older_than) o limit expire_tenant_rows.how_many
      ) o
      where m.tenant_id = expire_tenant_rows.tenant_id and m.service_name = o.service_name and m.metric_name = o.metric_name
        and m.bucket = o.bucket and m.tags_hash = o.tags_hash;
    when 'metrics.hour' then
      delete from app_public.metrics_hour m
      using (
        select o.* from ops.expired_metrics_hour(expire_tenant_rows.tenant_id, v_older_than) o limit expire_tenant_rows.how_many
      ) o
      where m.tenant_id = expire_tenant_rows.tenant_id and m.service_name = o.service_name and m.metric_name = o.metric_name
        and m.bucket = o.bucket and m.tags_hash = o.tags_hash;
    when 'metrics.day' then
      delete from app_public.metrics_day m
      using (
        select o.* from ops.expired_metrics_day(expire_tenant_rows.tenant_id, v_older_than) o limit expire_tenant_rows.how_many
      ) o
      where m.tenant_id = expire_tenant_rows.tenant_id and m.service_name = o.service_name and m.metric_name = o.metric_name
        and m.bucket = o.bucket and m.tags_hash = o.tags_hash;
    when 'sessions' then
      delete from app_public.sessions s
      where s.tenant_id = expire_tenant_rows.tenant_id and s.id in (
        select o.id from ops.expired_sessions(expire_tenant_rows.tenant_id, v_older_than) o(id) limit expire_tenant_rows.how_many
      );
    when 'tasks' then
      delete from app_public.tasks t
      where t.tenant_id = expire_tenant_rows.tenant_id and t.id in (
        select o.id from ops.expired_tasks(expire_tenant_rows.tenant_id, v_older_than) o(id) limit expire_tenant_rows.how_many
      );
    when 'task_attempts' then
      delete from app_public.task_attempts a
      using (
        select o.* from ops.expired_task_attempts(expire_tenant_rows.tenant_id, v_older_than) o limit expire_tenant_rows.how_many
      ) o
      where a.tenant_id = expire_tenant_rows.tenant_id and a.task_id = o.task_id and a.attempt = o.attempt;
    when 'threads' then
      -- Whole threads, the oldest first, until there are as many rows: deleting a thread deletes its messages.
      with gone as (
        delete from app_public.threads t
        where t.tenant_id = expire_tenant_rows.tenant_id and t.id in (
          select o.id
          from (
            select o.id, sum(o.rows) over (order by o.last_message_at, o.id) - o.rows as before
            from (
              select o.*
              from ops.expired_threads(expire_tenant_rows.tenant_id, v_older_than) o
              order by o.last_message_at, o.id
              limit expire_tenant_rows.how_many
            ) o
          ) o
          where o.before < expire_tenant_rows.how_many
        )
          -- Asked again of a thread that somebody has appended to meanwhile: it stays.
          and t.last_message_at < v_older_than
        returning t.version + 1 as rows
      )
      select coalesce(sum(g.rows), 0) into v_rows from gone g;
    else
      raise exception '% does not hold data of tenants', expire_tenant_rows.policy using errcode = 'LTP03', hint = 'Call ops.expire_rows.';
  end case;
  get diagnostics v_count = row_count;
  v_count := coalesce(v_rows, v_count);
  perform set_config('app.retention_tenant_id', '', true);

  if v_count > 0 then
    perform ops.add_receipt(expire_tenant_rows.policy, expire_tenant_rows.tenant_id, v_older_than, v_count);
  end if;
  return v_count;
end
$$;

comment on function ops.expire_tenant_rows(text, text, timestamptz, integer) is 'Deletes up to `how_many` rows of a tenant that a policy does not keep, and adds them to the receipt. Returns how many. For ops.expire_rows. LTP01 no such policy; LTP03 not data of tenants; LTP06 for a time that it keeps.';
revoke execute on function ops.expire_tenant_rows(text, text, timestamptz, integer) from public;
grant execute on function ops.expire_tenant_rows(text, text, timestamptz, integer) to :WORKER;

set local role :OWNER;
revoke create on schema ops from :JOBS;
