-- Before when something of a tenant goes (null: nothing does), under each policy; under those of no tenant with a null one.
-- Metrics go by whole days, and not before they are rolled up and merged; with `planned` as if they were.
--   by_rows  whether rows are deleted: not where the partition goes as a whole, for everybody at the same time
create or replace function ops.retention_cutoffs(at timestamptz default now(), planned boolean default false)
returns table (policy text, tenant_id text, older_than timestamptz, by_rows boolean)
language sql stable security definer
set search_path to pg_catalog, pg_temp
as $$
  with wanted as (
    select
      p.policy, t.id as tenant_id,
      case
        when p.policy like 'metrics.%'
          then date_bin('24 hours', retention_cutoffs.at - ops.retention_of(p.policy, t.id), '2001-01-01 00:00:00Z')
        else retention_cutoffs.at - ops.retention_of(p.policy, t.id)
      end as older_than
    from ops.retention_policies p
    join app_public.tenants t on p.by_tenant
    union all
    select p.policy, null, retention_cutoffs.at - p.keep from ops.retention_policies p where not p.by_tenant
  ),
  -- What has to be there still to be merged. Not for what is set aside: no partition could go, of anybody.
  changes as materialized (
    select c.tenant_id, c.resolution, c.bucket
    from ops.metric_changes c
    where not retention_cutoffs.planned
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
    where not retention_cutoffs.planned
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
  select
    c.policy, c.tenant_id, c.older_than,
    c.policy not in ('metrics.raw', 'metrics.minute', 'metrics.hour')
      or c.older_than > min(c.older_than) over (partition by c.policy)
      or bool_or(c.older_than is null) over (partition by c.policy)
      or exists (select from ops.retention_holds h where h.policy = c.policy)
  from cut c
$$;

comment on function ops.retention_cutoffs(timestamptz, boolean) is 'Before when something of each tenant goes, under each policy; null: nothing does. With `planned` as if all metrics were rolled up.';
grant execute on function ops.retention_cutoffs(timestamptz, boolean) to :OPERATOR, :WORKER;
