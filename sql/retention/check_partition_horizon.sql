-- Tables partitioned by time whose partitions end soon: without the next partition, writes are refused. ensure_partitions stays
-- at least two weeks ahead, so less than one week means that it fails.
create or replace view ops.check_partition_horizon with (security_barrier) as
select
  p.name as subject,
  case when p.until > clock_timestamp() + interval '2 days' then 'warning' else 'error' end as severity,
  case
    when p.until is null then format('%s has no partition for the current time: writes are refused', p.name)
    else format('%s has partitions until %s only', p.name, to_char(p.until at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
  end as message,
  jsonb_build_object('until', p.until) as details
from (
  select
    format('%s.%s', n.nspname, c.relname) as name,
    (
      select upper(r)
      from unnest(app_private.partition_ranges(c.oid)) r
      where r @> clock_timestamp()
    ) as until
  from pg_partitioned_table t
  join pg_class c on c.oid = t.partrelid
  join pg_namespace n on n.oid = c.relnamespace
  join pg_attribute a on a.attrelid = c.oid and a.attnum = t.partattrs[0]
  where t.partstrat = 'r' and t.partnatts = 1 and a.atttypid = 'timestamptz'::regtype
    and n.nspname in ('app_public', 'app_private', 'audit', 'ops')
) p
where p.until is null or p.until < clock_timestamp() + interval '7 days';

comment on view ops.check_partition_horizon is 'A check of ops.check_alerts. Tables whose partitions end within a week.';
comment on column ops.check_partition_horizon.subject is 'What it is about.';
comment on column ops.check_partition_horizon.severity is 'warning or error.';
comment on column ops.check_partition_horizon.message is 'What is wrong, in a sentence.';
comment on column ops.check_partition_horizon.details is 'The same as JSON, for programs.';

revoke all on ops.check_partition_horizon from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.check_partition_horizon to :OPERATOR, :WORKER;
