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
