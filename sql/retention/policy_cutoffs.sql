-- For each policy and tenant, or for one of each, the time before which data goes (null: it is kept); for a policy without tenants,
-- the tenant is null. Metrics go by whole days, and not before they are rolled up and merged; `planned` takes them as rolled up.
-- Definer: no other role may read the tenants.
create or replace function ops.policy_cutoffs(
  at timestamptz,
  planned boolean,
  of_policy text default null,
  of_tenant text default null
) returns table (policy text, tenant_id text, older_than timestamptz)
language sql stable security definer
set search_path to pg_catalog, pg_temp
as $$
  with wanted as (
    select
      p.policy, t.id as tenant_id,
      case
        when p.policy like 'metrics.%'
          then date_bin('24 hours', policy_cutoffs.at - ops.retention_of(p.policy, t.id), '2001-01-01 00:00:00Z')
        else policy_cutoffs.at - ops.retention_of(p.policy, t.id)
      end as older_than
    from ops.retention_policies p
    join app_public.tenants t on p.by_tenant
    where (of_policy is null or p.policy = of_policy) and (of_tenant is null or t.id = of_tenant)
    union all
    select p.policy, null, policy_cutoffs.at - p.keep from ops.retention_policies p
    where not p.by_tenant and of_tenant is null and (of_policy is null or p.policy = of_policy)
  ),
  -- Buckets that still have to be merged. Those that are set aside do not count: otherwise no partition could go, of any
  -- tenant.
  changes as materialized (
    select c.tenant_id, c.resolution, c.bucket
    from ops.metric_changes c
    where not policy_cutoffs.planned and (of_tenant is null or c.tenant_id = of_tenant)
      and (c.tenant_id, ops.metric_item(c.resolution, c.bucket)) not in (
        select q.tenant_id, q.item from ops.quarantined_items q where q.task = 'roll_up_metrics'
      )
  ),
  limits as (
    select
      t.id as tenant_id,
      (
        select coalesce(max(f.closed_to), '-infinity')
        from ops.metric_floors f where f.tenant_id is null or f.tenant_id = t.id
      ) as closed_to,
      (
        select coalesce(min(c.bucket), 'infinity')
        from changes c where c.tenant_id = t.id and c.resolution in ('minute', 'hour')
      ) as hours_from,
      (select coalesce(min(c.bucket), 'infinity') from changes c where c.tenant_id = t.id) as days_from
    from app_public.tenants t
    where not policy_cutoffs.planned and (of_tenant is null or t.id = of_tenant)
  ),
  cut as (
    select
      w.policy, w.tenant_id,
      case
        when w.older_than is null or l.tenant_id is null then w.older_than
        when w.policy = 'metrics.raw' then least(w.older_than, l.closed_to)
        when w.policy = 'metrics.minute'
          then least(w.older_than, l.closed_to, date_bin('24 hours', l.hours_from, '2001-01-01 00:00:00Z'))
        when w.policy in ('metrics.hour', 'metrics.day')
          then least(w.older_than, l.closed_to, date_bin('24 hours', l.days_from, '2001-01-01 00:00:00Z'))
        else w.older_than
      end as older_than
    from wanted w
    left join limits l on l.tenant_id = w.tenant_id
  )
  select c.policy, c.tenant_id, c.older_than from cut c
$$;

comment on function ops.policy_cutoffs(timestamptz, boolean, text, text) is 'For each policy and tenant, or for one of each, the time before which data goes; null: it is kept. For ops.retention_cutoffs and ops.expire_tenant_rows.';
grant execute on function ops.policy_cutoffs(timestamptz, boolean, text, text) to :JOBS;
