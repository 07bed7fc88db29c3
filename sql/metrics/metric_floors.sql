alter table ops.metric_floors enable row level security, force row level security;

revoke all on ops.metric_floors from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.metric_floors to :OPERATOR, :WORKER;
-- Kept by ops.move_metric_floors and ops.close_metric_floors.
