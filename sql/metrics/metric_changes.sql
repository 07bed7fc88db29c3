alter table ops.metric_changes enable row level security, force row level security;

revoke all on ops.metric_changes from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
-- tg_metrics__mark_changes writes it and metric_sources reads it, as the owner; the worker rolls up what it names, and
-- names what that changes.
grant select, delete on ops.metric_changes to :WORKER;
grant insert (resolution, tenant_id, bucket) on ops.metric_changes to :WORKER;
