--! Previous: sha1:153a1e73d1dd98ce1b925fe118f01b84313d575c
--! Hash: sha1:e90e32cb4f585a90fae28fc1798d05e62b632143
--! Message: retention_of_audit_log

-- The audit log has a policy of retention, like other data. It is kept for ever until an operator says otherwise.
insert into ops.retention_policies (policy, description, keep, by_tenant) values
  ('audit', 'Months of the audit log, once they are over and sealed.', null, false)
on conflict do nothing;

--! Included audit/remove_partition.sql
-- Removes a month of the log, with a link of the chain that says so: audit.verify then takes its rows for removed, and a partition that
-- somebody dropped by hand for tampered with. Refused unless the month is over, every row of it is sealed, and no hold on any data
-- of that time exists (ops.retention_holds). Only the owner may call this: the worker does through ops.remove_audit_month.
create or replace function audit.remove_partition(partition text, version text) returns bigint
language plpgsql volatile
set search_path to pg_catalog, pg_temp
set lock_timeout to '200ms'
set datestyle to 'ISO'
set timezone to 'UTC'
as $$
#variable_conflict use_variable
declare
  v_name text;
  v_table regclass;
  v_start timestamptz;
  v_end timestamptz;
  v_rows bigint;
  v_sealed bigint;
  v_reason text;
  v_head audit.seals;
  v_last audit.seals;
  v_seal audit.seals;
begin
  select format('%I.%I', n.nspname, c.relname), c.oid::regclass, b.ends[1]::timestamptz, b.ends[2]::timestamptz
  into v_name, v_table, v_start, v_end
  from pg_inherits i
  join pg_class c on c.oid = i.inhrelid
  join pg_namespace n on n.oid = c.relnamespace
  cross join regexp_match(pg_get_expr(c.relpartbound, c.oid), $bounds$^FOR VALUES FROM \('([^']+)'\) TO \('([^']+)'\)$bounds$) b(ends)
  where i.inhparent = 'audit.log'::regclass and format('%I.%I', n.nspname, c.relname) = partition;
  if v_name is not null then
    -- The sealer waits, so that no link comes in between.
    perform from audit.sealing g where g.only_row for update;
    execute format('lock table %s in share mode', v_table);
    select count(*) into strict v_rows from audit.log r where r.at >= v_start and r.at < v_end;
    select coalesce(sum(p.row_count), 0) into strict v_sealed from audit.seal_parts p where p.month = v_start;
  end if;
  v_reason := case
    when v_name is null then 'it is not a partition of audit.log'
    when v_end <> v_start + interval '1 month' or date_trunc('month', v_start) <> v_start then 'it is not a month'
    when v_end > now() then 'its month is not over'
    when v_rows <> v_sealed or v_rows = 0 then format('%s of its rows are sealed, and it has %s', v_sealed, v_rows)
    when exists (select from ops.retention_holds h where h.held && tstzrange(v_start, v_end)) then 'data of its time is held'
  end;
  if v_reason is not null then
    raise exception '% cannot be removed: %', partition, v_reason using errcode = 'LTA06';
  end if;

  select s.* into strict v_head from audit.seals s order by s.number desc limit 1;
  select s.* into strict v_last from audit.seals s where s.kind = 'rows' order by s.number desc limit 1;
  v_seal := v_last;
  v_seal.number := v_head.number + 1;
  v_seal.kind := 'removal';
  v_seal.row_count := v_rows;
  v_seal.total_rows := v_head.total_rows;
  select sha256(string_agg(p.digest, ''::bytea order by p.number)) into strict v_seal.digest from audit.seal_parts p where p.month = v_start;
  v_seal.removed_month := v_start;
  v_seal.removed_partition := v_name;
  v_seal.sealed_at := clock_timestamp();
  v_seal.version := version;
  v_seal.previous := v_head.hash;
  v_seal.hash := audit.seal_hash(v_seal);
  insert into audit.seals select (v_seal).*;
  update audit.seal_parts p set ids = null, leaves = null where p.month = v_start;
  execute format('alter table audit.log detach partition %s', v_table);
  execute format('drop table %s', v_table);
  insert into ops.retention_receipts (policy, tenant_id, older_than, partition, row_count, bytes) values ('audit', null, v_end, v_name, v_rows, 0);
  return v_rows;
end
$$;

comment on function audit.remove_partition(text, text) is 'Removes a month of the log and records it in the chain. Returns its rows. LTA06 when it is not a sealed month that is over and not held.';
--! EndIncluded audit/remove_partition.sql
--! Included retention/retention_cutoffs.sql
-- For each policy and tenant, the time before which data goes (null: it is kept); for a policy without tenants, the tenant is
-- null. Metrics go by whole days, and not before they are rolled up and merged; `planned` takes them as rolled up.
--   by_rows  whether rows are deleted: not where the partition goes as a whole, for all tenants at the same time
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
  -- Buckets that still have to be merged. Those that are set aside do not count: otherwise no partition could go, of any
  -- tenant.
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
    -- The audit log goes by whole months (ops.removable_audit_months).
    c.policy <> 'audit' and (
      c.policy not in ('metrics.raw', 'metrics.minute', 'metrics.hour')
      or c.older_than > min(c.older_than) over (partition by c.policy)
      or bool_or(c.older_than is null) over (partition by c.policy)
      or exists (select from ops.retention_holds h where h.policy = c.policy)
    )
  from cut c
$$;

comment on function ops.retention_cutoffs(timestamptz, boolean) is 'For each policy and tenant, the time before which data goes; null: it is kept. `planned` takes all metrics as rolled up.';
grant execute on function ops.retention_cutoffs(timestamptz, boolean) to :OPERATOR, :WORKER;
--! EndIncluded retention/retention_cutoffs.sql
--! Included retention/removable_audit_months.sql
-- The months of the audit log that its policy does not keep and no hold does, oldest first: each a partition, with the rows that the
-- chain counts in it. One that is not wholly sealed yet is among them, and audit.remove_partition refuses it.
create or replace function ops.removable_audit_months(at timestamptz default now())
returns table (partition text, range_end timestamptz, row_count bigint, bytes bigint)
language sql stable security definer
set search_path to pg_catalog, pg_temp
set datestyle to 'ISO'
set timezone to 'UTC'
as $$
  select
    format('%I.%I', n.nspname, c.relname), b.ends[2]::timestamptz,
    coalesce((select sum(p.row_count) from audit.seal_parts p where p.month = b.ends[1]::timestamptz), 0)::bigint,
    pg_total_relation_size(c.oid)
  from ops.retention_policies r
  join pg_inherits i on i.inhparent = 'audit.log'::regclass
  join pg_class c on c.oid = i.inhrelid
  join pg_namespace n on n.oid = c.relnamespace
  cross join regexp_match(
    pg_get_expr(c.relpartbound, c.oid), $bounds$^FOR VALUES FROM \('([^']+)'\) TO \('([^']+)'\)$bounds$
  ) b(ends)
  where r.policy = 'audit' and b.ends[2]::timestamptz <= removable_audit_months.at - r.keep
    and not exists (
      select from ops.retention_holds h where h.held && tstzrange(b.ends[1]::timestamptz, b.ends[2]::timestamptz)
    )
  order by 2
$$;

comment on function ops.removable_audit_months(timestamptz) is 'The months of the audit log that neither its policy nor a hold keeps, oldest first, with the rows that the chain counts in them.';
grant execute on function ops.removable_audit_months(timestamptz) to :OPERATOR, :WORKER;
--! EndIncluded retention/removable_audit_months.sql
--! Included retention/remove_audit_month.sql
-- Removes a month of the audit log that the policy `audit` does not keep by the clock of the server, whatever the caller says. Returns
-- its rows. Definer: only the owner may remove a partition of the log.
create or replace function ops.remove_audit_month(partition text, version text) returns bigint
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  if not exists (select from ops.removable_audit_months() m where m.partition = remove_audit_month.partition) then
    raise exception '% is not a partition to be removed', partition
      using errcode = 'LTP05', hint = 'List those that can be: select * from ops.removable_audit_months();';
  end if;
  return audit.remove_partition(partition, version);
end
$$;

comment on function ops.remove_audit_month(text, text) is 'Removes a month of the audit log that its policy does not keep, with a link of the chain that says so. Returns its rows. LTA06 when it is not wholly sealed, LTP05 when it is kept.';
grant execute on function ops.remove_audit_month(text, text) to :WORKER;
--! EndIncluded retention/remove_audit_month.sql
