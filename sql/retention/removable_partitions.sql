-- The partitions that neither a tenant nor a hold keeps any more, and those whose removal has begun, oldest first.
--   state  attached: detach it; pending: finalize what an earlier version left half done; detached: drop it
create or replace function ops.removable_partitions(at timestamptz default now(), planned boolean default false)
returns table (policy text, parent text, partition text, range_start timestamptz, range_end timestamptz, state text)
language sql stable security definer
set search_path to pg_catalog, pg_temp
set datestyle to 'ISO'
set timezone to 'UTC'
as $$
  with cutoffs as (
    select c.policy, min(c.older_than) as older_than
    from ops.retention_cutoffs(removable_partitions.at, removable_partitions.planned) c
    group by c.policy
    having bool_and(c.older_than is not null)
  ),
  partitions as (
    select
      p.policy, format('%I.%I', pn.nspname, pc.relname) as parent, format('%I.%I', n.nspname, c.relname) as partition,
      b.ends[1]::timestamptz as range_start, b.ends[2]::timestamptz as range_end, i.inhdetachpending
    from (
      values ('metrics.raw', 'app_public.metrics'::regclass), ('metrics.minute', 'app_public.metrics_minute'),
        ('metrics.hour', 'app_public.metrics_hour')
    ) p(policy, parent)
    join pg_inherits i on i.inhparent = p.parent
    join pg_class c on c.oid = i.inhrelid
    join pg_namespace n on n.oid = c.relnamespace
    join pg_class pc on pc.oid = i.inhparent
    join pg_namespace pn on pn.oid = pc.relnamespace
    cross join regexp_match(
      pg_get_expr(c.relpartbound, c.oid), $bounds$^FOR VALUES FROM \('([^']+)'\) TO \('([^']+)'\)$bounds$
    ) b(ends)
  )
  select p.policy, p.parent, p.partition, p.range_start, p.range_end, case when p.inhdetachpending then 'pending' else 'attached' end
  from partitions p
  left join cutoffs c on c.policy = p.policy
  where p.inhdetachpending
    or (
      p.range_end <= c.older_than
      and not exists (
        select from ops.retention_holds h where h.policy = p.policy and h.held && tstzrange(p.range_start, p.range_end)
      )
    )
  union all
  select r.policy, r.parent, r.partition, lower(r.held), upper(r.held), 'detached'
  from ops.partition_removals r
  where to_regclass(r.partition) is not null and not exists (select from partitions p where p.partition = r.partition)
  order by 4, 1
$$;

comment on function ops.removable_partitions(timestamptz, boolean) is 'The partitions that can be removed, and the state of each removal, oldest first.';
grant execute on function ops.removable_partitions(timestamptz, boolean) to :OPERATOR, :WORKER, :JOBS;
