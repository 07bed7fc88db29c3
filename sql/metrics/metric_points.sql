-- One point or many, as an array.
create or replace function app_private.metric_points(points json) returns json
language plpgsql immutable parallel safe
set search_path to pg_catalog, pg_temp
as $$
begin
  case json_typeof(points)
    when 'array' then return points;
    when 'object' then return json_build_array(points);
    else
      raise exception 'points must be an object or an array of objects, not %', coalesce(json_typeof(points), 'null')
        using errcode = 'LTM01',
          hint = 'A point: {"service_name": "api", "metric_name": "latency_ms", "value": 12.5, "tags": {"route": "/"}}.';
  end case;
end
$$;

comment on function app_private.metric_points(json) is 'The points as an array. LTM01 when they are neither an object nor an array.';
grant execute on function app_private.metric_points(json) to :SERVICE, :ADMIN;
