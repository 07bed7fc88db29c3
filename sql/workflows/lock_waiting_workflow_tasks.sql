-- Locks the waiting tasks of a workflow's steps, except those that somebody is claiming.
create or replace function ops.lock_waiting_workflow_tasks(tenant text, workflow uuid) returns uuid[]
language sql volatile
begin atomic
  select array(
    select t.id
    from app_public.workflow_steps s
    join app_public.tasks t on t.tenant_id = s.tenant_id and t.id = s.task_id
    where s.tenant_id = tenant and s.workflow_id = workflow and s.status = 'running' and t.status = 'pending'
    order by t.id
    for no key update of t skip locked
  );
end;

comment on function ops.lock_waiting_workflow_tasks(text, uuid) is 'Locks the waiting tasks of a workflow''s steps, except those that somebody is claiming, and returns their ids.';
grant execute on function ops.lock_waiting_workflow_tasks(text, uuid) to :JOBS;
