-- The oldest buckets from `since` on that a rollup lacks and that are over by `until`, each once, out of a stretch of
-- `how_many`, without those that are set aside. It steps from one to the next by the index, because a minute has a note for
-- each statement that wrote into it.
create or replace function ops.due_metric_buckets(
  resolution text,
  width interval,
  since timestamptz,
  until timestamptz,
  how_many integer
) returns timestamptz[]
language sql stable
begin atomic
  with recursive stretch as materialized (
    select
      min(c.bucket) as first,
      least(
        min(c.bucket) + due_metric_buckets.width * due_metric_buckets.how_many,
        date_bin(due_metric_buckets.width, due_metric_buckets.until, '2001-01-01 00:00:00Z')
      ) as ending
    from ops.metric_changes c
    where c.resolution = due_metric_buckets.resolution and c.bucket >= due_metric_buckets.since
      and (c.tenant_id, ops.metric_item(c.resolution, c.bucket)) not in (select * from ops.quarantined('roll_up_metrics'))
  ),
  due as (
    select s.first as bucket from stretch s where s.first < s.ending
    union all
    select (
      select min(c.bucket)
      from ops.metric_changes c
      where c.resolution = due_metric_buckets.resolution and c.bucket > d.bucket and c.bucket < (select s.ending from stretch s)
        and (c.tenant_id, ops.metric_item(c.resolution, c.bucket)) not in (select * from ops.quarantined('roll_up_metrics'))
    )
    from due d
    where d.bucket is not null
  )
  select coalesce(array_agg(d.bucket order by d.bucket), '{}') from due d where d.bucket is not null;
end;

comment on function ops.due_metric_buckets(text, interval, timestamptz, timestamptz, integer) is 'The oldest buckets from `since` on that a rollup (minute, hour, day) lacks and that are over by `until`, out of a stretch of `how_many`.';
grant execute on function ops.due_metric_buckets(text, interval, timestamptz, timestamptz, integer) to :JOBS, :OPERATOR;
