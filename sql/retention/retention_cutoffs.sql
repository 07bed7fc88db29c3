-- For each policy and tenant, the time before which data goes (null: it is kept); for a policy without tenants, the tenant is
-- null. ops.policy_cutoffs has the rule. `planned` takes all metrics as rolled up.
--   by_rows  whether rows are deleted: not where the partition goes as a whole, for all tenants at the same time
create or replace function ops.retention_cutoffs(at timestamptz default now(), planned boolean default false)
returns table (policy text, tenant_id text, older_than timestamptz, by_rows boolean)
language sql stable security definer
set search_path to pg_catalog, pg_temp
as $$
  select
    c.policy, c.tenant_id, c.older_than,
    -- The audit log goes by whole months (ops.removable_audit_months).
    c.policy <> 'audit' and (
      c.policy not in ('metrics.raw', 'metrics.minute', 'metrics.hour')
      or c.older_than > min(c.older_than) over (partition by c.policy)
      or bool_or(c.older_than is null) over (partition by c.policy)
      or exists (select from ops.retention_holds h where h.policy = c.policy)
    )
  from ops.policy_cutoffs(retention_cutoffs.at, retention_cutoffs.planned) c
$$;

comment on function ops.retention_cutoffs(timestamptz, boolean) is 'For each policy and tenant, the time before which data goes; null: it is kept. `planned` takes all metrics as rolled up.';
grant execute on function ops.retention_cutoffs(timestamptz, boolean) to :OPERATOR, :WORKER;
