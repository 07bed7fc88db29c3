-- Makes buckets of a rollup for all tenants in one statement. If that fails, goes on tenant by tenant, and where a tenant fails
-- bucket by bucket, and sets aside each bucket that fails. The notes of such a bucket stay, so readers use its points.
create or replace function ops.make_metrics(resolution text, buckets timestamptz[]) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_tenant text;
  v_bucket timestamptz;
begin
  begin
    perform ops.make_metric_buckets(resolution, buckets, null);
    return;
  exception
    when others then null;
  end;

  for v_tenant in
    select distinct c.tenant_id
    from ops.metric_changes c
    where c.resolution = make_metrics.resolution and c.bucket = any (buckets)
    order by 1
  loop
    begin
      perform ops.make_metric_buckets(resolution, buckets, v_tenant);
      continue;
    exception
      when others then null;
    end;
    foreach v_bucket in array buckets loop
      begin
        perform ops.make_metric_buckets(resolution, array[v_bucket], v_tenant);
      exception
        when others then
          if not ops.quarantine_item(
            'roll_up_metrics', v_tenant, ops.metric_item(resolution, v_bucket), sqlstate, sqlerrm
          ) then
            raise;
          end if;
      end;
    end loop;
  end loop;
end
$$;

comment on function ops.make_metrics(text, timestamptz[]) is 'Makes buckets of a rollup anew, for the tenants that ops.metric_changes names, and sets aside those that fail. For ops.roll_up_metrics.';
grant execute on function ops.make_metrics(text, timestamptz[]) to :JOBS;
