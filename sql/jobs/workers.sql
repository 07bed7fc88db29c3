alter table ops.workers enable row level security, force row level security;

-- manage_owner, select_operator and select_worker stand in cross_tenant_policies.sql.

revoke all on ops.workers from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.workers to :OPERATOR, :WORKER;
-- No insert, update or delete for anybody: ops.see_worker, ops.stop_worker and ops.lose_workers keep it.
