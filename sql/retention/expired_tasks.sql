-- A workflow that has not ended may still ask what became of its tasks: they stay.
create or replace function ops.expired_tasks(tenant_id text, older_than timestamptz) returns setof uuid
language sql stable
begin atomic
  select t.id
  from app_public.tasks t
  left join app_public.workflows w on w.tenant_id = t.tenant_id and w.id = t.workflow_id
  where t.tenant_id = expired_tasks.tenant_id and t.status in ('completed', 'failed', 'dead', 'cancelled')
    and coalesce(t.completed_at, t.created_at) < expired_tasks.older_than
    and (w.id is null or w.status in ('completed', 'failed', 'cancelled'))
    and not ops.is_held('tasks', t.tenant_id, coalesce(t.completed_at, t.created_at));
end;

comment on function ops.expired_tasks(text, timestamptz) is 'Tasks of a tenant that the policy tasks does not keep.';
grant execute on function ops.expired_tasks(text, timestamptz) to :JOBS;
