alter table ops.drills enable row level security, force row level security;

-- manage_owner, select_operator and select_worker stand in cross_tenant_policies.sql.

revoke all on ops.drills from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.drills to :OPERATOR, :WORKER;
-- No insert, update or delete for anybody: ops.record_drill writes it.
