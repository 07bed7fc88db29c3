alter table ops.retention_policies enable row level security, force row level security;

revoke all on ops.retention_policies from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.retention_policies to :OPERATOR, :WORKER;
-- Changed by ops.set_retention, which checks what it is given.
