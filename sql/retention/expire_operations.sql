-- Deletes up to `how_many` rows of operations: runs of jobs, resolved alerts, drills, records of removed backups, and adds them to
-- the receipt. Definer: nobody writes these tables by hand.
create or replace function ops.expire_operations(policy text, older_than timestamptz, how_many integer) returns integer
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_count integer;
begin
  -- What a policy keeps stays, whoever asks: runs, alerts and drills tell what happened.
  perform app_private.refuse_bounds(
    'older_than', older_than <= now() - ops.retention_of(expire_operations.policy, null), 'a time that the policy no longer keeps'
  );
  perform app_private.refuse_bounds('how_many', how_many between 1 and 10000, 'between 1 and 10,000');
  case expire_operations.policy
    when 'job_runs' then
      delete from ops.job_runs r
      where r.id in (select o.id from ops.expired_job_runs(expire_operations.older_than) o(id) limit expire_operations.how_many);
    when 'alerts' then
      delete from ops.alerts a
      where a.id in (select o.id from ops.expired_alerts(expire_operations.older_than) o(id) limit expire_operations.how_many);
    when 'drills' then
      delete from ops.drills d
      where d.id in (select o.id from ops.expired_drills(expire_operations.older_than) o(id) limit expire_operations.how_many);
    when 'backups' then
      delete from ops.backups b
      where b.id in (select o.id from ops.expired_backups(expire_operations.older_than) o(id) limit expire_operations.how_many);
  end case;
  get diagnostics v_count = row_count;
  if v_count > 0 then
    perform ops.add_receipt(expire_operations.policy, null, expire_operations.older_than, v_count);
  end if;
  return v_count;
end
$$;

comment on function ops.expire_operations(text, timestamptz, integer) is 'Deletes up to `how_many` rows that the policy job_runs, alerts, drills or backups does not keep, and adds them to the receipt. Returns how many. LTP06 for a time that it keeps.';
grant execute on function ops.expire_operations(text, timestamptz, integer) to :WORKER;
