alter table ops.alerts enable row level security, force row level security;

-- manage_owner, select_operator and select_worker stand in cross_tenant_policies.sql.

revoke all on ops.alerts from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.alerts to :OPERATOR, :WORKER;
-- No insert, update or delete for anybody: ops.report_alerts keeps it.
