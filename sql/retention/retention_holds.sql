alter table ops.retention_holds enable row level security, force row level security;

revoke all on ops.retention_holds from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.retention_holds to :OPERATOR, :WORKER;
-- Operators say what has to stay, and when it need not any more.
grant insert (policy, tenant_id, held, reason) on ops.retention_holds to :OPERATOR;
grant delete on ops.retention_holds to :OPERATOR;
