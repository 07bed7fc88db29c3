create or replace function ops.expired_metrics_raw(tenant_id text, older_than timestamptz) returns table ("timestamp" timestamptz, id bigint)
language sql stable
begin atomic
  select m."timestamp", m.id
  from app_public.metrics m
  where m.tenant_id = expired_metrics_raw.tenant_id and m."timestamp" < expired_metrics_raw.older_than
    and not ops.is_held('metrics.raw', m.tenant_id, m."timestamp");
end;

comment on function ops.expired_metrics_raw(text, timestamptz) is 'Points of a tenant that the policy metrics.raw does not keep.';
grant execute on function ops.expired_metrics_raw(text, timestamptz) to :JOBS;
