-- Makes buckets of a rollup, of one tenant or of all (null), all or none.
create or replace function ops.make_metric_buckets(resolution text, buckets timestamptz[], tenant text) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  case resolution
    when 'minute' then perform ops.make_metrics_minute(buckets, tenant);
    when 'hour' then perform ops.make_metrics_hour(buckets, tenant);
    when 'day' then perform ops.make_metrics_day(buckets, tenant);
  end case;
end
$$;

comment on function ops.make_metric_buckets(text, timestamptz[], text) is 'Makes buckets of a rollup (minute, hour or day) anew, of one tenant or of all. For ops.make_metrics.';
grant execute on function ops.make_metric_buckets(text, timestamptz[], text) to :JOBS;
