-- Deletes up to `how_many` rows that a policy does not keep, of a tenant if it is a tenant's, and adds them to the receipt. Returns
-- how many it deleted; fewer than `how_many` means that none are left.
--
-- The rule of a policy is one function, ops.expired_<policy>. ops.count_expired_rows uses the same, so that a dry run
-- counts the rows that a run deletes.
--
-- Invoker: nobody with more rights than the worker's runs what is in the worker's queue. Everything else is deleted by functions
-- with rights of their own, which check their arguments.
create or replace function ops.expire_rows(policy text, tenant_id text, older_than timestamptz, how_many integer default 5000)
returns integer
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_count integer := 0;
  v_jobs bigint[];
begin
  case expire_rows.policy
    when 'job_runs', 'alerts', 'drills', 'backups' then
      return ops.expire_operations(expire_rows.policy, expire_rows.older_than, expire_rows.how_many);
    when 'dead_jobs' then
      v_jobs := array(select ops.expired_dead_jobs(expire_rows.older_than, expire_rows.how_many));
      if v_jobs <> '{}' then
        -- The function by which graphile-worker itself removes jobs.
        select count(*) into v_count from graphile_worker.complete_jobs(v_jobs);
        perform ops.note_removed_jobs(expire_rows.older_than, v_count);
      end if;
      return v_count;
    else
      return ops.expire_tenant_rows(
        expire_rows.policy, expire_rows.tenant_id, expire_rows.older_than, expire_rows.how_many
      );
  end case;
end
$$;

comment on function ops.expire_rows(text, text, timestamptz, integer) is 'Deletes up to `how_many` rows that a policy does not keep, and adds them to the receipt. Returns how many. LTP01 no such policy; LTP06 for a time that it keeps.';
grant execute on function ops.expire_rows(text, text, timestamptz, integer) to :WORKER;
