-- How far ahead partitions exist. There is a default partition nowhere, so a row beyond them is refused: too few are an alarm.
create or replace view ops.partition_horizons with (security_barrier) as
select
  p.parent,
  h.reaches_to,
  h.reaches_to - now() as ahead,
  p.needed,
  coalesce(h.reaches_to < now() + p.needed, true) as short
from (
  -- Names apart from the tables that they mean: callers need not see into the schemas.
  values ('app_public.metrics', 'app_public.metrics'::regclass, interval '3 days'),
    ('app_public.metrics_minute', 'app_public.metrics_minute', interval '3 days'),
    ('app_public.metrics_hour', 'app_public.metrics_hour', interval '3 days'),
    ('audit.log', 'audit.log', interval '14 days')
) p(parent, relation, needed)
-- The end of the unbroken range of partitions that contains now.
left join lateral (
  select upper(r.range) as reaches_to
  from unnest(app_private.partition_ranges(p.relation)) r(range)
  where r.range @> now()
) h on true;

comment on view ops.partition_horizons is 'How far ahead partitions exist. `short` is an alarm: rows beyond them are refused.';
comment on column ops.partition_horizons.parent is 'The table.';
comment on column ops.partition_horizons.reaches_to is 'The end of the last partition in the unbroken row from now on.';
comment on column ops.partition_horizons.ahead is 'How far ahead that is.';
comment on column ops.partition_horizons.needed is 'How far ahead it has to be.';
comment on column ops.partition_horizons.short is 'Whether it is less far ahead than needed.';

revoke all on ops.partition_horizons from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.partition_horizons to :OPERATOR, :WORKER;
