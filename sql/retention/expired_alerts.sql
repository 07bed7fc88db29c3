create or replace function ops.expired_alerts(older_than timestamptz) returns setof bigint
language sql stable
begin atomic
  select a.id from ops.alerts a where a.resolved_at < expired_alerts.older_than;
end;

comment on function ops.expired_alerts(timestamptz) is 'Resolved alerts that the policy alerts does not keep.';
grant execute on function ops.expired_alerts(timestamptz) to :WORKER;
