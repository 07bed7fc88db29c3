-- Counts the rows of each tenant in a partition that is still attached, for a dry run. The catalog and the policies say which may be
-- counted, and no argument. Definer: the worker reaches no row of a tenant itself. Runs as :JOBS, which sees all rows.
grant create on schema ops to :JOBS;
set local role :JOBS;

create or replace function ops.rows_by_tenant(parent text, range_start timestamptz, range_end timestamptz) returns jsonb
language plpgsql stable security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_rows jsonb;
begin
  perform app_private.refuse_bounds(
    'range',
    exists (
      select
      from ops.removable_partitions(now(), true) p
      where p.parent = rows_by_tenant.parent and p.range_start = rows_by_tenant.range_start
        and p.range_end = rows_by_tenant.range_end
    ),
    'that of a partition to be removed'
  );
  execute format(
    'select coalesce(jsonb_object_agg(c.tenant_id, c.count), %1$L)
     from (select t.tenant_id, count(*) from %2$s t where t.%3$I >= $1 and t.%3$I < $2 group by 1) c',
    '{}', parent::regclass, case parent when 'app_public.metrics' then 'timestamp' else 'bucket' end
  ) into v_rows using range_start, range_end;
  return v_rows;
end
$$;

comment on function ops.rows_by_tenant(text, timestamptz, timestamptz) is 'How many rows of each tenant a partitioned table of metrics has in the range of a partition that can be removed. LTP06 for any other range.';
revoke execute on function ops.rows_by_tenant(text, timestamptz, timestamptz) from public;
grant execute on function ops.rows_by_tenant(text, timestamptz, timestamptz) to :WORKER;

set local role :OWNER;
revoke create on schema ops from :JOBS;
