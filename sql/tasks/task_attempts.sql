comment on table app_public.task_attempts is 'How each claim of a task ended. Only the functions of tasks write it.';
comment on column app_public.task_attempts.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.task_attempts.task_id is 'The task.';
comment on column app_public.task_attempts.attempt is 'The number of the attempt, from 1.';
comment on column app_public.task_attempts.fencing_token is 'The fencing token of the attempt.';
comment on column app_public.task_attempts.agent is 'The agent that claimed it, by the name that it gave.';
comment on column app_public.task_attempts.claimed_at is 'When it was claimed.';
comment on column app_public.task_attempts.ended_at is 'When it ended.';
comment on column app_public.task_attempts.outcome is 'One of completed, failed, expired, released, cancelled.';
comment on column app_public.task_attempts.error is 'Why it failed, expired or was cancelled.';
comment on column app_public.task_attempts.progress is 'How far it came, from 0 to 1; null: not reported.';
comment on column app_public.task_attempts.note is 'The last note of its holder.';

comment on constraint task_attempts_pkey on app_public.task_attempts is E'@behavior -single\nThe task and the number identify an attempt.';
comment on constraint task_attempts_task_id_fkey on app_public.task_attempts is E'@fieldName task\n@foreignFieldName attempts\nThe task of the attempt.';

alter table app_public.task_attempts enable row level security, force row level security;

-- Everybody of a tenant reads the history of its tasks.
drop policy if exists select_tenant on app_public.task_attempts;
create policy select_tenant on app_public.task_attempts for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- The functions that end leases run as the owner, confined to the tenant of whoever calls them.
drop policy if exists select_definer on app_public.task_attempts;
create policy select_definer on app_public.task_attempts for select to :OWNER
  using (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists insert_definer on app_public.task_attempts;
create policy insert_definer on app_public.task_attempts for insert to :OWNER
  with check (tenant_id = (select app_private.current_tenant_id()));

-- ops.expire_tenant_rows removes expired rows of one tenant at a time: the tenant that it names.
drop policy if exists select_jobs on app_public.task_attempts;
create policy select_jobs on app_public.task_attempts for select to :JOBS
  using (tenant_id = (select app_private.retention_tenant_id()));
drop policy if exists delete_jobs on app_public.task_attempts;
create policy delete_jobs on app_public.task_attempts for delete to :JOBS
  using (tenant_id = (select app_private.retention_tenant_id()));

-- Across tenants

-- ops.reap_expired_leases, as :JOBS: an expired lease leaves an attempt.
drop policy if exists insert_jobs on app_public.task_attempts;
create policy insert_jobs on app_public.task_attempts for insert to :JOBS
  with check (true);

revoke all on app_public.task_attempts from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on app_public.task_attempts to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
grant insert (tenant_id, task_id, attempt, fencing_token, agent, claimed_at, ended_at, outcome, error, progress, note)
  on app_public.task_attempts to :JOBS;
-- No update and no delete for anybody of a tenant: history goes with its task, not before.
-- For ops.expire_tenant_rows.
grant select (tenant_id, task_id, attempt, ended_at), delete on app_public.task_attempts to :JOBS;

create or replace trigger _200_keys
  before update of tenant_id, task_id, attempt on app_public.task_attempts
  for each row
  when (
    old.tenant_id is distinct from new.tenant_id
    or old.task_id is distinct from new.task_id
    or old.attempt is distinct from new.attempt
  )
  execute function app_private.tg__refuse_key_change();

-- The end of an attempt is a change of its task, which is logged in detail.
-- A deletion of the tenant removes its rows (ops.delete_tenant_rows).
select app_private.allow_tenant_removal('app_public.task_attempts');

select audit.enable_tracking('app_public.task_attempts', detail => false);
