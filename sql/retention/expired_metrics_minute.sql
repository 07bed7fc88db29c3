create or replace function ops.expired_metrics_minute(tenant_id text, older_than timestamptz) returns table (service_name text, metric_name text, bucket timestamptz, tags_hash uuid)
language sql stable
begin atomic
  select m.service_name, m.metric_name, m.bucket, m.tags_hash
  from app_public.metrics_minute m
  where m.tenant_id = expired_metrics_minute.tenant_id and m.bucket < expired_metrics_minute.older_than
    and not ops.is_held('metrics.minute', m.tenant_id, m.bucket);
end;

comment on function ops.expired_metrics_minute(text, timestamptz) is 'Rollups of a tenant that the policy metrics.minute does not keep.';
grant execute on function ops.expired_metrics_minute(text, timestamptz) to :JOBS;
