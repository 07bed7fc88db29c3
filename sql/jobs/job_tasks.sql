alter table ops.job_tasks enable row level security, force row level security;

-- manage_owner, select_operator and select_worker stand in cross_tenant_policies.sql.

revoke all on ops.job_tasks from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.job_tasks to :OPERATOR, :WORKER;
-- No insert, update or delete for anybody: ops.set_job_tasks keeps it.
