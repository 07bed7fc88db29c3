alter table ops.retention_overrides enable row level security, force row level security;

revoke all on ops.retention_overrides from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.retention_overrides to :OPERATOR, :WORKER;
-- Changed by ops.set_retention and ops.reset_retention.
