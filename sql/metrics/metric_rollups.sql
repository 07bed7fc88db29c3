alter table ops.metric_rollups enable row level security, force row level security;

revoke all on ops.metric_rollups from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
-- Who rolls up holds its row; of no tenant.
grant select on ops.metric_rollups to :WORKER, :OPERATOR;
grant update (rolled_up_at) on ops.metric_rollups to :WORKER;
