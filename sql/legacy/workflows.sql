-- Workflows as the legacy system's models have them. A program writes it through tg_workflows__write.
create or replace view legacy.workflows with (security_barrier, security_invoker) as
select
  coalesce(f.id, w.id::text)::varchar as id, w.name, w.description,
  case when legacy.workflow_steps(f.steps) = w.steps then coalesce(f.steps, w.steps) else w.steps end as steps,
  (case when legacy.workflow_status(f.status) = w.status then coalesce(f.status, w.status) else w.status end)::varchar as status,
  w.created_by, w.assigned_to, w.context, w.created_at, w.updated_at, f.steps_encrypted, f.context_encrypted
from app_public.workflows w
left join legacy.workflow_fields f on f.tenant_id = w.tenant_id and f.workflow_id = w.id;

comment on view legacy.workflows is 'Workflows as the legacy system''s models have them.';
comment on column legacy.workflows.id is 'The workflow''s id; a text, which is the one that it was made with.';
comment on column legacy.workflows.name is 'The name to show.';
comment on column legacy.workflows.description is 'What it is for.';
comment on column legacy.workflows.steps is 'Its steps, in the shape in which they were written.';
comment on column legacy.workflows.status is 'Its state: draft, active, pending, running, paused, completed, failed or cancelled.';
comment on column legacy.workflows.created_by is 'Who made it.';
comment on column legacy.workflows.assigned_to is 'Who looks after it.';
comment on column legacy.workflows.context is 'What all steps need to know.';
comment on column legacy.workflows.created_at is 'When it was made.';
comment on column legacy.workflows.updated_at is 'When the row last changed. What is written is ignored: the database sets it.';
comment on column legacy.workflows.steps_encrypted is 'Ciphertext, which nobody here can read.';
comment on column legacy.workflows.context_encrypted is 'Ciphertext, which nobody here can read.';

alter view legacy.workflows alter column id set default gen_random_uuid()::text;
alter view legacy.workflows alter column status set default 'draft';

revoke all on legacy.workflows from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select, delete on legacy.workflows to :SERVICE;
grant insert (id, name, description, steps, status, created_by, assigned_to, context, created_at, updated_at, steps_encrypted,
  context_encrypted) on legacy.workflows to :SERVICE;
grant update (name, description, steps, status, created_by, assigned_to, context, updated_at,
  steps_encrypted, context_encrypted) on legacy.workflows to :SERVICE;

create or replace trigger _500_write
  instead of insert or update or delete on legacy.workflows
  for each row
  execute function legacy.tg_workflows__write();
