--! Previous: sha1:424878e2fe8ac00cbd0151774892e2eea3179bd4
--! Hash: sha1:4d4f6f22759922a3b3ad80c4aedbf9ae666c7cf9
--! Message: marked_text

--! Included metrics/record_metrics.sql
-- Stores the valid points among many in one statement, and returns a reason for each of the others. json_to_record reads a
-- point in one pass. It gets only points that cannot make it fail: those without an escape that the type text cannot hold.
-- The doors of the API put U+FFFD in the place of such an escape. A name that has it is refused, because names of two series could have
-- become one. Every cast of a value from outside stands in a `case`, after a check that the cast will succeed.
create or replace function app_public.record_metrics(points json, out stored integer, out rejected jsonb)
language sql volatile
set timezone to 'UTC'
begin atomic
  with elements as (
    select
      (e.position - 1)::integer as index,
      e.point,
      json_typeof(e.point) = 'object' as is_object,
      position('\u' in e.point::text) = 0 or pg_input_is_valid(e.point::text, 'jsonb') as is_storable
    from json_array_elements(app_private.metric_points(record_metrics.points)) with ordinality e(point, position)
  ),
  fields as (
    select
      e.index, e.point, e.is_object, e.is_storable, r.service_name, r.metric_name, r.value, r.tags,
      case
        when r."timestamp" is null then now()
        when pg_input_is_valid(r."timestamp", 'timestamptz') then r."timestamp"::timestamptz
      end as at,
      r."timestamp"
    from elements e
    left join lateral json_to_record(case when e.is_object and e.is_storable then e.point end)
      r(service_name text, metric_name text, value text, tags json, "timestamp" text) on true
  ),
  checked as materialized (
    select
      f.index, f.service_name, f.metric_name, f.value, f.tags, f.at,
      case
        when not f.is_object then 'a point must be an object, not ' || json_typeof(f.point)
        when not f.is_storable then 'it contains a character that cannot be stored: \u0000 or half of a surrogate pair'
        when f.service_name is null or f.service_name = '' then 'service_name is missing'
        when position(chr(65533) in f.service_name) > 0
          then 'service_name has U+FFFD, which stands for a character that cannot be stored'
        when length(f.service_name) > 50 then 'service_name is longer than 50 characters'
        when f.metric_name is null or f.metric_name = '' then 'metric_name is missing'
        when position(chr(65533) in f.metric_name) > 0
          then 'metric_name has U+FFFD, which stands for a character that cannot be stored'
        when length(f.metric_name) > 100 then 'metric_name is longer than 100 characters'
        when f.value is null then 'value is missing'
        when not pg_input_is_valid(f.value, 'double precision') then 'value is not a number, or too large: ' || left(f.value, 40)
        when not (f.value::double precision > '-Infinity' and f.value::double precision < 'Infinity')
          then 'value is not finite: ' || left(f.value, 40)
        when f.at is null then 'timestamp is not a time: ' || left(f."timestamp", 40)
        when not (select app_private.partition_ranges('app_public.metrics')) @> f.at
          or f.at < (select app_private.metrics_kept_from())
          then 'timestamp is outside the range that is kept: ' || f.at
        when f.tags is null then null
        when json_typeof(f.tags) <> 'object' then 'tags must be an object'
        when not pg_input_is_valid(f.tags::text, 'jsonb') then 'tags contains a number that cannot be stored'
        when position(chr(65533) in case when position('\u' in f.tags::text) > 0 then f.tags::jsonb::text else f.tags::text end) > 0
          then 'tags has U+FFFD, which stands for a character that cannot be stored'
        when f.tags::text ~ '^.+[[{]' and exists (
          select from json_each(f.tags) t where json_typeof(t.value) in ('object', 'array')
        ) then 'tags must be flat: a tag is a string, a number or a boolean'
      end as reason
    from fields f
  ),
  stored as (
    insert into app_public.metrics (tenant_id, service_name, metric_name, value, tags, "timestamp")
    select
      (select app_private.current_tenant_id()), c.service_name, c.metric_name, c.value::double precision,
      coalesce(c.tags::jsonb, '{}'), c.at
    from checked c
    where c.reason is null
  )
  select
    count(*) filter (where c.reason is null)::integer,
    coalesce(
      jsonb_agg(jsonb_build_object('index', c.index, 'reason', c.reason) order by c.index) filter (where c.reason is not null),
      '[]'
    )
  from checked c;
end;

comment on function app_public.record_metrics(json) is
  E'Records points, one object or an array of thousands. A point has `service_name`, `metric_name`, `value` (a finite number), and may have `tags` (a flat object) and `timestamp` (default: now; UTC unless it names a zone). Returns how many were `stored` and which were `rejected`: `[{"index": 3, "reason": "value is missing"}]`, counted from 0. Valid points are stored whatever the others are. LTM01 when `points` is neither an object nor an array.';
grant execute on function app_public.record_metrics(json) to :SERVICE, :ADMIN;
--! EndIncluded metrics/record_metrics.sql
