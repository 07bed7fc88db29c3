comment on table ops.retention_policies is 'What is kept for how long. Changed by ops.set_retention.';
comment on column ops.retention_policies.policy is 'Its name.';
comment on column ops.retention_policies.description is 'What it is of.';
comment on column ops.retention_policies.keep is 'How long it is kept; null: for ever.';
comment on column ops.retention_policies.by_tenant is 'Whether it is of tenants, each of which may have another.';

alter table ops.retention_policies enable row level security, force row level security;

-- Across tenants

-- ops.set_retention changes it as the owner; the worker and operators read it. It holds nothing of a tenant.
drop policy if exists manage_owner on ops.retention_policies;
create policy manage_owner on ops.retention_policies for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.retention_policies;
create policy select_operator on ops.retention_policies for select to :OPERATOR
  using (true);
drop policy if exists select_worker on ops.retention_policies;
create policy select_worker on ops.retention_policies for select to :WORKER
  using (true);

revoke all on ops.retention_policies from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.retention_policies to :OPERATOR, :WORKER;
-- Changed by ops.set_retention, which checks what it is given.
