create or replace function ops.expired_metrics_day(tenant_id text, older_than timestamptz) returns table (service_name text, metric_name text, bucket timestamptz, tags_hash uuid)
language sql stable
begin atomic
  select m.service_name, m.metric_name, m.bucket, m.tags_hash
  from app_public.metrics_day m
  where m.tenant_id = expired_metrics_day.tenant_id and m.bucket < expired_metrics_day.older_than
    and not ops.is_held('metrics.day', m.tenant_id, m.bucket);
end;

comment on function ops.expired_metrics_day(text, timestamptz) is 'Rollups of a tenant that the policy metrics.day does not keep.';
grant execute on function ops.expired_metrics_day(text, timestamptz) to :JOBS;
