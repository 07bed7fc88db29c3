alter table ops.partition_removals enable row level security, force row level security;

revoke all on ops.partition_removals from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.partition_removals to :OPERATOR, :WORKER;
-- The worker notes what it begins and what stands in its way; ops.drop_partition ends it.
grant insert (partition, parent, policy, held, rows_by_tenant), update (tried_at, problem) on ops.partition_removals to :WORKER;
