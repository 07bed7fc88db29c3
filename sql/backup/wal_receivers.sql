alter table ops.wal_receivers enable row level security, force row level security;

-- manage_owner, select_operator and select_worker stand in cross_tenant_policies.sql.

revoke all on ops.wal_receivers from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.wal_receivers to :OPERATOR, :WORKER;
-- No insert, update or delete for anybody: ops.see_wal_receiver keeps it.
