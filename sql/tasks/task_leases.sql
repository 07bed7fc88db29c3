comment on table app_public.task_leases is E'@unique task_id|@fieldName taskLease\nThe agent that works on a task now, and until when. Only the functions of tasks write it.';
comment on column app_public.task_leases.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.task_leases.task_id is 'The task.';
comment on column app_public.task_leases.fencing_token is 'Grows with every claim; every write of the task needs the current one.';
comment on column app_public.task_leases.attempt is 'The number of the attempt, from 1.';
comment on column app_public.task_leases.agent is 'The agent that claimed it, by the name that it gave.';
comment on column app_public.task_leases.lease is 'How long each heartbeat extends it.';
comment on column app_public.task_leases.claimed_at is 'When it was claimed.';
comment on column app_public.task_leases.heartbeat_at is 'When the last heartbeat came.';
comment on column app_public.task_leases.expires_at is 'When it ends, and others may claim the task.';
comment on column app_public.task_leases.progress is 'How far the work is, from 0 to 1; null: not reported.';
comment on column app_public.task_leases.note is 'The last note of its holder.';
comment on sequence app_private.fencing_tokens is 'Fencing tokens of leases: a later claim has a larger one.';

comment on constraint task_leases_pkey on app_public.task_leases is E'@behavior -single\nA task has one lease at a time.';
comment on constraint task_leases_task_id_fkey on app_public.task_leases is E'@fieldName task\n@foreignSingleFieldName lease\nThe task that is being worked on.';

alter table app_public.task_leases enable row level security, force row level security;

-- Everybody of a tenant sees who works on what.
drop policy if exists select_tenant on app_public.task_leases;
create policy select_tenant on app_public.task_leases for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- The functions that claim, extend and end leases run as the owner, confined to the tenant of whoever calls them.
drop policy if exists manage_definer on app_public.task_leases;
create policy manage_definer on app_public.task_leases for all to :OWNER
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));

-- Across tenants

-- ops.reap_expired_leases, as :JOBS: it takes back expired leases of every tenant.
drop policy if exists manage_jobs on app_public.task_leases;
create policy manage_jobs on app_public.task_leases for all to :JOBS
  using (true)
  with check (true);

revoke all on app_public.task_leases from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on app_public.task_leases to :MEMBER, :SERVICE, :ADMIN, :ANALYST, :JOBS;
-- No insert, update or delete for requests: a fencing token that they could write would prove nothing.
-- ops.reap_expired_leases removes expired leases. A role can lock a row only where it may update a column.
grant update (heartbeat_at) on app_public.task_leases to :JOBS;
grant delete on app_public.task_leases to :JOBS;

create or replace trigger _200_keys
  before update of tenant_id, task_id on app_public.task_leases
  for each row
  when (old.tenant_id is distinct from new.tenant_id or old.task_id is distinct from new.task_id)
  execute function app_private.tg__refuse_key_change();

-- Exempt from audit, but for a truncate: app_public.task_leases. A heartbeat means nothing once its lease
-- has ended, and the end is an attempt. A truncate, which ends all leases at once, is logged.
create or replace trigger _800_audit_truncate
  after truncate on app_public.task_leases
  for each statement
  execute function audit.tg__log_truncate();

-- A deletion of the tenant removes its rows (ops.delete_tenant_rows).
select app_private.allow_tenant_removal('app_public.task_leases');
