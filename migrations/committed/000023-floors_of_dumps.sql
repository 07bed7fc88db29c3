--! Previous: sha1:0546ae3cbe8de93c193b0b34a0d9185caac03b6e
--! Hash: sha1:a44b045fff296399c7a28fe313384f3aa5beb67d
--! Message: floors_of_dumps

-- A floor that came in a dump of another server would have stayed open until this one had made as many transactions.
--! Included metrics/close_metric_floors.sql
-- Closes floors, so that the points below can be removed. A floor closes once every transaction that may not have seen it has
-- ended and everything below it is rolled up. Buckets that are set aside do not count: they would keep everybody's points
-- forever. A floor that a transaction moved which this server has not reached came in a dump of another server, whose writers are not here.
-- Returns how many floors are still open.
create or replace function ops.close_metric_floors() returns integer
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  update ops.metric_floors f
  set closed_to = f.kept_from
  from pg_current_snapshot() c(now)
  where f.closed_to < f.kept_from
    and (pg_snapshot_xmin(c.now) > f.moved_by or pg_snapshot_xmax(c.now) <= f.moved_by)
    and not exists (
      select
      from ops.metric_changes c
      where c.resolution = 'minute' and c.bucket < f.kept_from and (f.tenant_id is null or c.tenant_id = f.tenant_id)
        and (c.tenant_id, ops.metric_item('minute', c.bucket)) not in (
          select q.tenant_id, q.item from ops.quarantined_items q where q.task = 'roll_up_metrics'
        )
    );
  return (select count(*) from ops.metric_floors f where f.closed_to < f.kept_from);
end
$$;

comment on function ops.close_metric_floors() is 'Closes floors whose points are refused and rolled up, so that these can be removed. Returns how many floors still wait for a writer or for the rollup.';
grant execute on function ops.close_metric_floors() to :WORKER;
--! EndIncluded metrics/close_metric_floors.sql

-- The roles that delete workflows have no usage of app_private, so the condition of the trigger asks whether the tenant is being deleted.
--! Included tenancy/is_being_deleted.sql
-- Whether a tenant's deletion has begun and not ended. Definer: nobody reads the deletions. It reveals one bit about a tenant that
-- the caller names.
create or replace function app_private.is_being_deleted(tenant_id text) returns boolean
language sql stable security definer
set search_path to pg_catalog, pg_temp
as $$
  select exists (select from ops.tenant_removals r where r.id = tenant_id and r.ended_at is null)
$$;

comment on function app_private.is_being_deleted(text) is 'Whether a tenant''s deletion has begun and not ended.';
-- The trigger that refuses to delete a workflow under way asks it, as the role that deletes.
grant execute on function app_private.is_being_deleted(text) to :MEMBER, :SERVICE, :ADMIN, :JOBS;
--! EndIncluded tenancy/is_being_deleted.sql
--! Included workflows/tg_workflows__check_delete.sql
-- Refuses to delete a workflow that is under way: its tasks still need it.
create or replace function app_private.tg_workflows__check_delete() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  raise exception 'workflow % is % and cannot be deleted now', OLD.id, OLD.status
    using errcode = 'LTW07', hint = 'Cancel it first: cancel_workflow.';
end
$$;

comment on function app_private.tg_workflows__check_delete() is 'Trigger: refuses to delete a workflow that is under way, with LTW07.';
--! EndIncluded workflows/tg_workflows__check_delete.sql
--! Included workflows/workflows.sql
comment on table app_public.workflows is E'@unique id|@fieldName workflow|@updateFieldName updateWorkflow|@deleteFieldName deleteWorkflow\nSeveral steps of work that belong together.';
comment on column app_public.workflows.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.workflows.id is 'The workflow''s id.';
comment on column app_public.workflows.name is 'The name to show.';
comment on column app_public.workflows.description is 'What it is for.';
comment on column app_public.workflows.steps is 'The steps, a JSON array of objects: key, task (description, priority, agent_id, capabilities, context), depends_on, on_failure, max_attempts, timeout, condition. Checked when it is written.';
comment on column app_public.workflows.status is 'One of draft, pending, running, paused, completed, failed, cancelled.';
comment on column app_public.workflows.created_by is 'Who made it.';
comment on column app_public.workflows.assigned_to is 'Who looks after it.';
comment on column app_public.workflows.context is 'What all steps need to know.';
comment on column app_public.workflows.created_at is 'When the workflow was made.';
comment on column app_public.workflows.updated_at is 'When the row last changed; set by a trigger.';
comment on column app_public.workflows.started_at is 'When start_workflow started it; null: not yet, or another program keeps its status.';
comment on column app_public.workflows.paused_at is 'When it was paused; null: it is not paused.';
comment on column app_public.workflows.completed_at is 'When it ended, with or without success.';
comment on column app_public.workflows.error_message is 'Why it failed or was cancelled.';

comment on constraint workflows_pkey on app_public.workflows is E'@behavior -single -update -delete\nThe tenant and the id identify a row.';
comment on constraint workflows_tenant_id_fkey on app_public.workflows is E'@behavior -*\nA row belongs to a tenant.';

alter table app_public.workflows enable row level security, force row level security;

-- Everybody of a tenant reads all of its workflows.
drop policy if exists select_tenant on app_public.workflows;
create policy select_tenant on app_public.workflows for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- People, services and administrators add workflows to their own tenant.
drop policy if exists insert_tenant on app_public.workflows;
create policy insert_tenant on app_public.workflows for insert to :MEMBER, :SERVICE, :ADMIN
  with check (tenant_id = (select app_private.current_tenant_id()));

-- They change their tenant's workflows, and cannot move one out of it.
drop policy if exists update_tenant on app_public.workflows;
create policy update_tenant on app_public.workflows for update to :MEMBER, :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));

-- They remove their tenant's workflows.
drop policy if exists delete_tenant on app_public.workflows;
create policy delete_tenant on app_public.workflows for delete to :MEMBER, :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()));

-- The functions of workflows run as the owner, confined to the tenant of whoever calls them.
drop policy if exists select_definer on app_public.workflows;
create policy select_definer on app_public.workflows for select to :OWNER
  using (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists update_definer on app_public.workflows;
create policy update_definer on app_public.workflows for update to :OWNER
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));

-- Across tenants

-- ops.reap_expired_leases and ops.tend_workflows, as :JOBS: they end tasks of every tenant and advance their workflows.
drop policy if exists select_jobs on app_public.workflows;
create policy select_jobs on app_public.workflows for select to :JOBS
  using (true);
drop policy if exists update_jobs on app_public.workflows;
create policy update_jobs on app_public.workflows for update to :JOBS
  using (true)
  with check (true);

revoke all on app_public.workflows from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on app_public.workflows to :MEMBER, :SERVICE, :ADMIN, :ANALYST, :JOBS;
grant insert (tenant_id, id, name, description, steps, status, created_by, assigned_to, context) on
  app_public.workflows to :MEMBER, :SERVICE, :ADMIN;
-- Only programs import rows with their history.
grant insert (created_at) on app_public.workflows to :SERVICE, :ADMIN;
-- No update of tenant_id, id or created_at for anybody: keys and creation times do not change.
grant update (name, description, steps, status, created_by, assigned_to, context) on app_public.workflows to
  :MEMBER, :SERVICE, :ADMIN;
-- No insert and no update of started_at, paused_at, completed_at and error_message: the functions set them.
-- ops.advance_workflow.
grant update (status, error_message, completed_at) on app_public.workflows to :JOBS;
grant delete on app_public.workflows to :MEMBER, :SERVICE, :ADMIN;
-- No truncate for anybody: it ignores tenants.

create or replace trigger _100_timestamps
  before update on app_public.workflows
  for each row
  execute function app_private.tg__touch_updated_at();

create or replace trigger _200_keys
  before update of tenant_id, id on app_public.workflows
  for each row
  when (old.tenant_id is distinct from new.tenant_id or old.id is distinct from new.id)
  execute function app_private.tg__refuse_key_change();

create or replace trigger _200_states
  before update on app_public.workflows
  for each row
  execute function app_private.tg_workflows__check_update();

create or replace trigger _200_steps
  before insert or update of steps on app_public.workflows
  for each row
  execute function app_private.tg_workflows__check_steps();

-- Named in the condition, because the roles that delete have no usage of app_private.
create or replace trigger _200_started
  before delete on app_public.workflows
  for each row
  when (old.started_at is not null and old.status in ('running', 'paused') and not app_private.is_being_deleted(old.tenant_id))
  execute function app_private.tg_workflows__check_delete();

create or replace trigger _200_long_numbers_steps
  before insert or update of steps on app_public.workflows
  for each row
  when (app_private.may_print_long(new.steps))
  execute function app_private.tg__refuse_long_numbers('steps');

create or replace trigger _200_long_numbers_context
  before insert or update of context on app_public.workflows
  for each row
  when (app_private.may_print_long(new.context))
  execute function app_private.tg__refuse_long_numbers('context');

-- One trigger per event: a trigger with transition tables can have only one.
create or replace trigger _500_publish_insert
  after insert on app_public.workflows
  referencing new table as changed_rows
  for each statement
  execute function app_private.tg__publish();

create or replace trigger _500_publish_update
  after update on app_public.workflows
  referencing new table as changed_rows
  for each statement
  execute function app_private.tg__publish();

create or replace trigger _500_publish_delete
  after delete on app_public.workflows
  referencing old table as changed_rows
  for each statement
  execute function app_private.tg__publish();

-- A deletion of the tenant removes its rows (ops.delete_tenant_rows).
select app_private.allow_tenant_removal('app_public.workflows');

select audit.enable_tracking('app_public.workflows');
--! EndIncluded workflows/workflows.sql
