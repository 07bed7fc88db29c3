comment on table app_public.workflow_steps is E'@unique workflow_id,key|@fieldName workflowStep\nThe state of a started workflow''s steps. Only the functions of workflows write it.';
comment on column app_public.workflow_steps.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.workflow_steps.workflow_id is 'The workflow.';
comment on column app_public.workflow_steps.key is 'The step''s key in its workflow.';
comment on column app_public.workflow_steps.position is 'Its place in the workflow''s steps, from 1.';
comment on column app_public.workflow_steps.depends_on is 'Keys of the steps that come before it.';
comment on column app_public.workflow_steps.on_failure is 'What follows when it fails. fail: the workflow fails; skip: the steps that depend on it are skipped; continue: they run.';
comment on column app_public.workflow_steps.definition is 'The step as the workflow had it when it was started or tried again.';
comment on column app_public.workflow_steps.status is 'One of pending, running (its task waits or is being worked on), completed, failed, skipped, cancelled.';
comment on column app_public.workflow_steps.task_id is 'Its latest task; null: it has had none yet, or the task was deleted.';
comment on column app_public.workflow_steps.result is 'The result of its task.';
comment on column app_public.workflow_steps.error_message is 'Why it failed, or because of which failure it was skipped. Null for a step that was skipped because its condition did not hold, or because all of its dependencies were skipped.';
comment on column app_public.workflow_steps.started_at is 'When its task was made.';
comment on column app_public.workflow_steps.completed_at is 'When it ended or was skipped.';
comment on column app_public.workflow_steps.timeout_at is 'When it fails unless it has ended; null: never.';

comment on constraint workflow_steps_pkey on app_public.workflow_steps is E'@behavior -single\nThe workflow and the key identify a step.';
comment on constraint workflow_steps_workflow_id_fkey on app_public.workflow_steps is E'@fieldName workflow\n@foreignFieldName stepStates\nThe workflow.';
comment on constraint workflow_steps_task_id_fkey on app_public.workflow_steps is E'@fieldName task\n@foreignFieldName stepStates\nThe step''s latest task.';

alter table app_public.workflow_steps enable row level security, force row level security;

-- Everybody of a tenant sees how far its workflows are.
drop policy if exists select_tenant on app_public.workflow_steps;
create policy select_tenant on app_public.workflow_steps for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- The functions of workflows run as the owner, confined to the tenant of whoever calls them.
drop policy if exists manage_definer on app_public.workflow_steps;
create policy manage_definer on app_public.workflow_steps for all to :OWNER
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));

-- Across tenants

-- ops.reap_expired_leases and ops.tend_workflows, as :JOBS: they end tasks of every tenant and advance their workflows.
drop policy if exists select_jobs on app_public.workflow_steps;
create policy select_jobs on app_public.workflow_steps for select to :JOBS
  using (true);
drop policy if exists update_jobs on app_public.workflow_steps;
create policy update_jobs on app_public.workflow_steps for update to :JOBS
  using (true)
  with check (true);

revoke all on app_public.workflow_steps from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on app_public.workflow_steps to :MEMBER, :SERVICE, :ADMIN, :ANALYST, :JOBS;
-- No insert, update or delete for requests: functions and triggers keep the state of steps.
-- ops.advance_workflow and ops.tend_workflows.
grant update (status, task_id, result, error_message, started_at, completed_at, timeout_at) on app_public.workflow_steps
  to :JOBS;

create or replace trigger _200_keys
  before update of tenant_id, workflow_id, key on app_public.workflow_steps
  for each row
  when (
    old.tenant_id is distinct from new.tenant_id
    or old.workflow_id is distinct from new.workflow_id
    or old.key is distinct from new.key
  )
  execute function app_private.tg__refuse_key_change();

-- A deletion of the tenant removes its rows (ops.delete_tenant_rows).
select app_private.allow_tenant_removal('app_public.workflow_steps');

select audit.enable_tracking('app_public.workflow_steps');
