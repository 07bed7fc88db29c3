comment on table ops.retention_policies is 'How long data is kept. ops.set_retention changes it.';
comment on column ops.retention_policies.policy is 'The name of the policy.';
comment on column ops.retention_policies.description is 'The data that it covers.';
comment on column ops.retention_policies.keep is 'How long it is kept; null: forever.';
comment on column ops.retention_policies.by_tenant is 'Whether it covers data of tenants, each of which may have its own.';

alter table ops.retention_policies enable row level security, force row level security;

-- Across tenants

-- ops.set_retention changes it as the owner; operators and the functions of jobs read it. It holds nothing of a tenant.
drop policy if exists manage_owner on ops.retention_policies;
create policy manage_owner on ops.retention_policies for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.retention_policies;
create policy select_operator on ops.retention_policies for select to :OPERATOR
  using (true);
drop policy if exists select_jobs on ops.retention_policies;
create policy select_jobs on ops.retention_policies for select to :JOBS
  using (true);

revoke all on ops.retention_policies from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.retention_policies to :OPERATOR, :JOBS;
-- No other grant: ops.set_retention changes it, and checks its arguments.

select audit.enable_tracking('ops.retention_policies');
