comment on table ops.retention_overrides is 'For how long a tenant keeps something, other than all.';
comment on column ops.retention_overrides.policy is 'The policy.';
comment on column ops.retention_overrides.tenant_id is 'The tenant.';
comment on column ops.retention_overrides.keep is 'How long it is kept; null: for ever.';

alter table ops.retention_overrides enable row level security, force row level security;

-- Across tenants

-- ops.set_retention and ops.reset_retention change it as the owner; the worker and operators read what each tenant
-- keeps.
drop policy if exists manage_owner on ops.retention_overrides;
create policy manage_owner on ops.retention_overrides for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.retention_overrides;
create policy select_operator on ops.retention_overrides for select to :OPERATOR
  using (true);
drop policy if exists select_worker on ops.retention_overrides;
create policy select_worker on ops.retention_overrides for select to :WORKER
  using (true);

revoke all on ops.retention_overrides from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.retention_overrides to :OPERATOR, :WORKER;
-- Changed by ops.set_retention and ops.reset_retention.
