-- How many rows of each tenant a table that is partitioned by time has of a range. Runs as the worker, which sees all of them.
create or replace function ops.rows_by_tenant(parent text, range_start timestamptz, range_end timestamptz) returns jsonb
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_rows jsonb;
begin
  execute format(
    'select coalesce(jsonb_object_agg(c.tenant_id, c.count), %1$L)
     from (select t.tenant_id, count(*) from %2$s t where t.%3$I >= $1 and t.%3$I < $2 group by 1) c',
    '{}', parent::regclass, case parent when 'app_public.metrics' then 'timestamp' else 'bucket' end
  ) into v_rows using range_start, range_end;
  return v_rows;
end
$$;

comment on function ops.rows_by_tenant(text, timestamptz, timestamptz) is 'How many rows of each tenant a partitioned table of metrics has of a range of time.';
grant execute on function ops.rows_by_tenant(text, timestamptz, timestamptz) to :WORKER;
