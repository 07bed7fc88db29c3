-- Points as the legacy system's models have them: the columns of app_public.metrics that they know. Postgres writes it by itself.
create or replace view legacy.metrics with (security_barrier, security_invoker) as
select m.id, m.service_name, m.metric_name, m.value, m.tags, m."timestamp"
from app_public.metrics m;

comment on view legacy.metrics is 'Points as the legacy system''s models have them.';
comment on column legacy.metrics.id is 'Tells points of the same instant apart. The database sets it.';
comment on column legacy.metrics.service_name is 'The service that measured.';
comment on column legacy.metrics.metric_name is 'What was measured.';
comment on column legacy.metrics.value is 'The value, in the metric''s own unit.';
comment on column legacy.metrics.tags is 'Dimensions to filter and group by: a flat object.';
comment on column legacy.metrics."timestamp" is 'When it was measured.';

revoke all on legacy.metrics from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on legacy.metrics to :SERVICE;
grant insert (service_name, metric_name, value, tags, "timestamp") on legacy.metrics to :SERVICE;
-- No update and no delete for anybody: a measurement stays until it expires.
