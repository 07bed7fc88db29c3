alter table ops.quarantined_items enable row level security, force row level security;

-- manage_owner, select_operator and select_worker stand in cross_tenant_policies.sql.

revoke all on ops.quarantined_items from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.quarantined_items to :OPERATOR, :WORKER;
-- No insert, update or delete for anybody: ops.quarantine_item and ops.release_items keep it.
