-- How far partitions are made ahead. Without a default partition a row beyond is refused, so less than is needed is an alarm.
create or replace view ops.partition_horizons with (security_barrier) as
select
  p.parent,
  h.reaches_to,
  h.reaches_to - now() as ahead,
  p.needed,
  coalesce(h.reaches_to < now() + p.needed, true) as short
from (
  -- Names and what they mean, apart: nobody who asks needs to see into the schemas.
  values ('app_public.metrics', 'app_public.metrics'::regclass, interval '3 days'),
    ('app_public.metrics_minute', 'app_public.metrics_minute', interval '3 days'),
    ('app_public.metrics_hour', 'app_public.metrics_hour', interval '3 days'),
    ('audit.log', 'audit.log', interval '14 days')
) p(parent, relation, needed)
-- The end of the stretch that holds now.
left join lateral (
  select upper(r.range) as reaches_to
  from unnest(app_private.partition_ranges(p.relation)) r(range)
  where r.range @> now()
) h on true;

comment on view ops.partition_horizons is 'How far partitions are made ahead. `short` is an alarm: rows beyond are refused.';
comment on column ops.partition_horizons.parent is 'The table.';
comment on column ops.partition_horizons.reaches_to is 'The end of the last of the partitions that follow each other from now on.';
comment on column ops.partition_horizons.ahead is 'How far that is.';
comment on column ops.partition_horizons.needed is 'How far it has to be.';
comment on column ops.partition_horizons.short is 'Whether it is less.';

revoke all on ops.partition_horizons from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.partition_horizons to :OPERATOR, :WORKER;
