-- Attempts at a task that has not ended stay.
create or replace function ops.expired_task_attempts(tenant_id text, older_than timestamptz) returns table (task_id uuid, attempt integer)
language sql stable
begin atomic
  select a.task_id, a.attempt
  from app_public.task_attempts a
  join app_public.tasks t on t.tenant_id = a.tenant_id and t.id = a.task_id
  where a.tenant_id = expired_task_attempts.tenant_id and a.ended_at < expired_task_attempts.older_than
    and t.status in ('completed', 'failed', 'dead', 'cancelled')
    and not ops.is_held('task_attempts', a.tenant_id, a.ended_at);
end;

comment on function ops.expired_task_attempts(text, timestamptz) is 'Attempts at tasks of a tenant that the policy task_attempts does not keep.';
grant execute on function ops.expired_task_attempts(text, timestamptz) to :JOBS;
