-- Tasks as the legacy system's models have them. A program writes it through tg_tasks__write.
create or replace view legacy.tasks with (security_barrier, security_invoker) as
select
  coalesce(f.id, t.id::text)::varchar as id, t.agent_id, t.description,
  (case when legacy.task_status(f.status) = t.status then coalesce(f.status, t.status) else t.status end)::varchar as status,
  t.priority, t.context, t.result, t.error_message, t.created_at, t.started_at, t.completed_at
from app_public.tasks t
left join legacy.task_fields f on f.tenant_id = t.tenant_id and f.task_id = t.id;

comment on view legacy.tasks is 'Tasks as the legacy system''s models have them.';
comment on column legacy.tasks.id is 'The task''s id; a text, which is the one that it was made with.';
comment on column legacy.tasks.agent_id is 'The agent that should do it.';
comment on column legacy.tasks.description is 'What to do.';
comment on column legacy.tasks.status is 'Its state: pending, assigned, started, in_progress, running, completed, failed, cancelled or dead.';
comment on column legacy.tasks.priority is 'One of low, normal, high, critical.';
comment on column legacy.tasks.context is 'What the agent needs to know.';
comment on column legacy.tasks.result is 'The result; null until it is completed.';
comment on column legacy.tasks.error_message is 'Why it failed.';
comment on column legacy.tasks.created_at is 'When it was made.';
comment on column legacy.tasks.started_at is 'When it was begun.';
comment on column legacy.tasks.completed_at is 'When it ended.';

alter view legacy.tasks alter column id set default gen_random_uuid()::text;
alter view legacy.tasks alter column priority set default 'normal';

revoke all on legacy.tasks from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select, delete on legacy.tasks to :SERVICE;
grant insert (id, agent_id, description, status, priority, context, result, error_message, created_at, started_at,
  completed_at) on legacy.tasks to :SERVICE;
grant update (agent_id, description, status, priority, context, result, error_message, started_at,
  completed_at) on legacy.tasks to :SERVICE;

create or replace trigger _500_write
  instead of insert or update or delete on legacy.tasks
  for each row
  execute function legacy.tg_tasks__write();
