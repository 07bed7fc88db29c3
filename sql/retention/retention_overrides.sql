comment on table ops.retention_overrides is 'The retention of single tenants, where it differs from that of all.';
comment on column ops.retention_overrides.policy is 'The policy.';
comment on column ops.retention_overrides.tenant_id is 'The tenant.';
comment on column ops.retention_overrides.keep is 'How long it is kept; null: forever.';

alter table ops.retention_overrides enable row level security, force row level security;

-- Across tenants

-- ops.set_retention and ops.reset_retention change it as the owner; operators and the functions of jobs read it.
drop policy if exists manage_owner on ops.retention_overrides;
create policy manage_owner on ops.retention_overrides for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.retention_overrides;
create policy select_operator on ops.retention_overrides for select to :OPERATOR
  using (true);
drop policy if exists select_jobs on ops.retention_overrides;
create policy select_jobs on ops.retention_overrides for select to :JOBS
  using (true);

revoke all on ops.retention_overrides from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.retention_overrides to :OPERATOR, :JOBS;
-- No other grant: ops.set_retention and ops.reset_retention change it.

select audit.enable_tracking('ops.retention_overrides');
