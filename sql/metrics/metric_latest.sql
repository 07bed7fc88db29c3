-- The newest point of each metric of a service, or of each value of a tag. Without a tag to group by, it jumps from metric to
-- metric and reads the newest point of each. With one, it has to read all points since then.
create or replace function app_public.metric_latest(
  service text,
  metric text default null,
  tags jsonb default '{}',
  group_by text default null,
  since timestamptz default (now() - interval '1 day')
) returns table (
  metric_name text,
  tag_value text,
  value double precision,
  point_tags jsonb,
  measured_at timestamptz
)
language sql stable
begin atomic
  with recursive request as materialized (
    select q.range_start
    from app_private.metric_request(
      metric_latest.since, metric_latest.since + interval '1 day', null, 'last', 'null', metric_latest.tags
    ) q
  ),
  names as (
    select coalesce(
      metric_latest.metric,
      (
        select min(m.metric_name)::text
        from app_public.metrics m
        where m.service_name = metric_latest.service and m."timestamp" >= metric_latest.since
      )
    ) as metric_name
    from request
    union all
    select (
      select m.metric_name::text
      from app_public.metrics m
      where m.service_name = metric_latest.service
        and m.metric_name > n.metric_name
        and m."timestamp" >= metric_latest.since
      order by m.metric_name
      limit 1
    )
    from names n
    where n.metric_name is not null and metric_latest.metric is null
  ),
  newest as (
    select n.metric_name, null::text as tag_value, p.value, p.tags, p."timestamp"
    from names n
    cross join lateral (
      select m.value, m.tags, m."timestamp"
      from app_public.metrics m
      where m.service_name = metric_latest.service
        and m.metric_name = n.metric_name
        and m."timestamp" >= metric_latest.since
        and m.tags @> metric_latest.tags
      order by m."timestamp" desc
      limit 1
    ) p
    where metric_latest.group_by is null
    union all
    select p.metric_name, p.tag_value, p.value, p.tags, p."timestamp"
    from (
      select distinct on (n.metric_name, m.tags ->> metric_latest.group_by)
        n.metric_name, m.tags ->> metric_latest.group_by as tag_value, m.value, m.tags, m."timestamp"
      from names n
      join app_public.metrics m
        on m.service_name = metric_latest.service
        and m.metric_name = n.metric_name
        and m."timestamp" >= metric_latest.since
        and m.tags @> metric_latest.tags
      where metric_latest.group_by is not null
      order by n.metric_name, m.tags ->> metric_latest.group_by, m."timestamp" desc
    ) p
  )
  select n.metric_name, n.tag_value, n.value, n.tags, n."timestamp"
  from newest n
  order by n.metric_name, n.tag_value;
end;

comment on function app_public.metric_latest(text, text, jsonb, text, timestamptz) is
  E'The newest point of each metric of a service (or of the one that `metric` names) `since` a time, by default a day ago. `tags` keeps to points that have all of these tags. `group_by` names a tag: the newest point of each of its values is returned (null: of points without the tag). LTM02 since, LTM05 tags.';
grant execute on function app_public.metric_latest(text, text, jsonb, text, timestamptz)
  to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
