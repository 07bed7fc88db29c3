comment on table app_public.tasks is E'@unique id|@fieldName task|@updateFieldName updateTask|@deleteFieldName deleteTask\nA piece of work for an agent.';
comment on column app_public.tasks.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.tasks.id is 'The task''s id.';
comment on column app_public.tasks.agent_id is 'The agent that should do it; null: any agent, or the agent was removed.';
comment on column app_public.tasks.description is 'What to do.';
comment on column app_public.tasks.status is 'One of pending, assigned, running, completed, failed, cancelled, dead.';
comment on column app_public.tasks.priority is 'One of low, normal, high, critical.';
comment on column app_public.tasks.context is 'What the agent needs to know.';
comment on column app_public.tasks.result is 'The result; null until it is completed.';
comment on column app_public.tasks.created_at is 'When the task was made.';
comment on column app_public.tasks.started_at is 'When the latest attempt began.';
comment on column app_public.tasks.completed_at is 'When it ended, with or without success.';
comment on column app_public.tasks.error_message is 'Why its latest attempt failed, or why it was cancelled.';
comment on column app_public.tasks.required_capabilities is 'Only an agent with all of them may claim it.';
comment on column app_public.tasks.run_after is 'It is not claimed before this time.';
comment on column app_public.tasks.queue_at is 'Its place in the queue: run_after, moved forward by 3 hours for critical, 1 hour for high, 20 minutes for normal. Set by a trigger.';
comment on column app_public.tasks.attempt is 'How often it was claimed: the number of the latest attempt.';
comment on column app_public.tasks.failures is 'How many attempts failed or expired since it was made or retried.';
comment on column app_public.tasks.max_attempts is 'After this many failures it is dead.';
comment on column app_public.tasks.workflow_id is 'The workflow that made it for a step; null: none did, or the workflow was deleted.';
comment on column app_public.tasks.step_key is 'The step''s key in the workflow.';
comment on column app_public.tasks.idempotency_key is 'A task that is enqueued again under the same key stays one task. Unique in the tenant.';

comment on constraint tasks_pkey on app_public.tasks is E'@behavior -single -update -delete\nThe tenant and the id identify a row.';
comment on constraint tasks_tenant_id_fkey on app_public.tasks is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint tasks_agent_id_fkey on app_public.tasks is E'@fieldName agent\n@foreignFieldName tasks\nThe agent that does the task.';
comment on constraint tasks_workflow_id_fkey on app_public.tasks is E'@fieldName workflow\n@foreignFieldName tasks\nThe workflow that made it for a step.';

alter table app_public.tasks enable row level security, force row level security;

-- Everybody of a tenant reads all of its tasks.
drop policy if exists select_tenant on app_public.tasks;
create policy select_tenant on app_public.tasks for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- People, services and administrators add tasks to their own tenant.
drop policy if exists insert_tenant on app_public.tasks;
create policy insert_tenant on app_public.tasks for insert to :MEMBER, :SERVICE, :ADMIN
  with check (tenant_id = (select app_private.current_tenant_id()));

-- They change their tenant's tasks, and cannot move one out of it.
drop policy if exists update_tenant on app_public.tasks;
create policy update_tenant on app_public.tasks for update to :MEMBER, :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));

-- They remove their tenant's tasks.
drop policy if exists delete_tenant on app_public.tasks;
create policy delete_tenant on app_public.tasks for delete to :MEMBER, :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()));

-- The functions of tasks run as the owner, confined to the tenant of whoever calls them.
drop policy if exists select_definer on app_public.tasks;
create policy select_definer on app_public.tasks for select to :OWNER
  using (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists insert_definer on app_public.tasks;
create policy insert_definer on app_public.tasks for insert to :OWNER
  with check (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists update_definer on app_public.tasks;
create policy update_definer on app_public.tasks for update to :OWNER
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));

-- ops.expire_tenant_rows removes expired rows of one tenant at a time: the tenant that it names.
drop policy if exists delete_jobs on app_public.tasks;
create policy delete_jobs on app_public.tasks for delete to :JOBS
  using (tenant_id = (select app_private.retention_tenant_id()));

-- Across tenants

-- ops.reap_expired_leases and ops.tend_workflows, as :JOBS: they take back and end tasks of every tenant.
drop policy if exists select_jobs on app_public.tasks;
create policy select_jobs on app_public.tasks for select to :JOBS
  using (true);
drop policy if exists update_jobs on app_public.tasks;
create policy update_jobs on app_public.tasks for update to :JOBS
  using (true)
  with check (true);

-- ops.advance_workflow and ops.tend_workflows make the tasks of the next steps.
drop policy if exists insert_jobs on app_public.tasks;
create policy insert_jobs on app_public.tasks for insert to :JOBS
  with check (true);

revoke all on app_public.tasks from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on app_public.tasks to :MEMBER, :SERVICE, :ADMIN, :ANALYST, :JOBS;
grant insert (tenant_id, id, agent_id, description, status, priority, context, result, started_at, completed_at,
  error_message, required_capabilities, run_after, max_attempts, idempotency_key) on app_public.tasks to :MEMBER, :SERVICE,
  :ADMIN;
-- Only programs import rows with their history.
grant insert (created_at) on app_public.tasks to :SERVICE, :ADMIN;
-- No update of tenant_id, id, idempotency_key or created_at for anybody: keys and creation times do not change.
grant update (agent_id, description, status, priority, context, result, started_at, completed_at, error_message,
  required_capabilities, run_after, max_attempts) on app_public.tasks to :MEMBER, :SERVICE, :ADMIN;
-- No insert and no update of attempt, failures and queue_at: functions and triggers set them. Nor of workflow_id and
-- step_key: a workflow makes the tasks of its steps.
-- ops.reap_expired_leases, and ops.advance_workflow, which holds tasks back and makes those of the next steps.
grant update (status, failures, error_message, completed_at, run_after) on app_public.tasks to :JOBS;
grant insert (tenant_id, description, priority, agent_id, required_capabilities, max_attempts, workflow_id, step_key,
  context) on app_public.tasks to :JOBS;
grant delete on app_public.tasks to :MEMBER, :SERVICE, :ADMIN;
-- No truncate for anybody: it ignores tenants.
-- For ops.expire_tenant_rows.
grant delete on app_public.tasks to :JOBS;

create or replace trigger _100_queue_insert
  before insert on app_public.tasks
  for each row
  execute function app_private.tg_tasks__place_in_queue();

create or replace trigger _100_queue_update
  before update of priority, run_after on app_public.tasks
  for each row
  execute function app_private.tg_tasks__place_in_queue();

create or replace trigger _200_keys
  before update of tenant_id, id on app_public.tasks
  for each row
  when (old.tenant_id is distinct from new.tenant_id or old.id is distinct from new.id)
  execute function app_private.tg__refuse_key_change();

create or replace trigger _200_states
  before update on app_public.tasks
  for each row
  execute function app_private.tg_tasks__check_update();

create or replace trigger _200_steps
  before delete on app_public.tasks
  for each row
  when (old.workflow_id is not null)
  execute function app_private.tg_tasks__check_delete();

create or replace trigger _200_long_numbers_context
  before insert or update of context on app_public.tasks
  for each row
  when (app_private.may_print_long(new.context))
  execute function app_private.tg__refuse_long_numbers('context');

create or replace trigger _200_long_numbers_result
  before insert or update of result on app_public.tasks
  for each row
  when (app_private.may_print_long(new.result))
  execute function app_private.tg__refuse_long_numbers('result');

-- One trigger per event: a trigger with transition tables can have only one.
create or replace trigger _500_publish_insert
  after insert on app_public.tasks
  referencing new table as changed_rows
  for each statement
  execute function app_private.tg__publish();

create or replace trigger _500_publish_update
  after update on app_public.tasks
  referencing new table as changed_rows
  for each statement
  execute function app_private.tg__publish();

create or replace trigger _500_publish_delete
  after delete on app_public.tasks
  referencing old table as changed_rows
  for each statement
  execute function app_private.tg__publish();

create or replace trigger _500_workflows
  after update on app_public.tasks
  referencing new table as changed_rows
  for each statement
  execute function app_private.tg_tasks__advance_workflows();

-- A deletion of the tenant removes its rows (ops.delete_tenant_rows).
select app_private.allow_tenant_removal('app_public.tasks');

select audit.enable_tracking('app_public.tasks');
