-- Items that a job has set aside, a row for each job and tenant. The job goes on with the items of the other tenants. The message
-- leaves out the reason, because alerts go to operators and webhooks, and it repeats the value that was refused.
create or replace view ops.check_quarantined_items with (security_barrier) as
select
  format('%s of tenant %s', q.task, q.tenant_id) as subject,
  'error'::text as severity,
  format(
    '%s has set aside %s of tenant %s since %s: %s failed with %s', q.task,
    case when count(*) = 1 then 'an item' else count(*) || ' items' end, q.tenant_id,
    to_char(min(q.first_failed_at) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
    (array_agg(q.item order by q.last_failed_at desc))[1], (array_agg(q.code order by q.last_failed_at desc))[1]
  ) as message,
  jsonb_build_object(
    'task', q.task, 'tenant', q.tenant_id, 'count', count(*), 'items',
    to_jsonb((array_agg(q.item order by q.last_failed_at desc))[1:20])
  ) as details
from ops.quarantined_items q
group by q.task, q.tenant_id;

comment on view ops.check_quarantined_items is 'A check of ops.check_alerts. Items that jobs have set aside, by task and tenant.';
comment on column ops.check_quarantined_items.subject is 'What it is about.';
comment on column ops.check_quarantined_items.severity is 'warning or error.';
comment on column ops.check_quarantined_items.message is 'What is wrong, in a sentence.';
comment on column ops.check_quarantined_items.details is 'The same as JSON, for programs.';

revoke all on ops.check_quarantined_items from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.check_quarantined_items to :OPERATOR, :WORKER;
