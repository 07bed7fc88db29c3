--! Previous: sha1:65b7e71e0fce95155bb907095c7bc00c73caec4a
--! Hash: sha1:2f166db4651b50c38b2008d99a4be45998b227d4
--! Message: retention

-- Retention: what is kept for how long, for every tenant or for one; what has to go is rolled up first, and leaves a receipt.

do $$
begin
  if not exists (select from pg_catalog.pg_roles where rolname = ':KEEPER') then
    raise exception 'the role :KEEPER is missing' using hint = 'Run `lightning setup` again: it adds what is new.';
  end if;
end
$$;

-- `detach ... concurrently` runs in no function, so whoever removes partitions has to own their parent. That is this role
-- and not the owner of everything: the worker may become it, and gets at metrics by it, all of which it reads anyway. The
-- partitions stay the owner's. Each waits for whoever reads or writes the table, and holds it for an instant.
grant usage, create on schema app_public to :KEEPER;
alter table app_public.metrics owner to :KEEPER;
alter table app_public.metrics_minute owner to :KEEPER;
alter table app_public.metrics_hour owner to :KEEPER;
revoke create on schema app_public from :KEEPER;

create table ops.retention_policies (
  policy text not null,
  description text not null,
  keep interval,
  by_tenant boolean not null,
  constraint retention_policies_pkey primary key (policy),
  constraint retention_policies_keep_check check (keep >= interval '1 hour')
);
insert into ops.retention_policies (policy, description, keep, by_tenant) values
  ('metrics.raw', 'Points, once they are rolled up.', '7 days', true),
  ('metrics.minute', 'Rollups of a minute, once they are merged.', '30 days', true),
  ('metrics.hour', 'Rollups of an hour, once they are merged.', '365 days', true),
  ('metrics.day', 'Rollups of a day.', null, true),
  ('sessions', 'Sessions that have expired; revoked ones go at once.', '7 days', true),
  ('tasks', 'Tasks that are completed, failed, dead or cancelled, with their attempts.', null, true),
  ('task_attempts', 'Attempts of such tasks.', null, true),
  ('job_runs', 'Runs of the worker''s jobs.', '90 days', false),
  ('dead_jobs', 'Jobs of the worker that have used up their attempts.', '30 days', false);

create table ops.retention_overrides (
  policy text not null,
  tenant_id text collate "C" not null,
  keep interval,
  constraint retention_overrides_pkey primary key (policy, tenant_id),
  constraint retention_overrides_policy_fkey foreign key (policy) references ops.retention_policies (policy) on delete cascade,
  constraint retention_overrides_tenant_id_fkey foreign key (tenant_id) references app_public.tenants (id) on delete cascade,
  constraint retention_overrides_keep_check check (keep >= interval '1 hour')
);
create index retention_overrides_tenant_id_idx on ops.retention_overrides (tenant_id);

create table ops.retention_holds (
  id bigint generated always as identity,
  policy text not null,
  tenant_id text collate "C",
  held tstzrange not null,
  reason text not null,
  created_at timestamptz not null default now(),
  constraint retention_holds_pkey primary key (id),
  constraint retention_holds_policy_fkey foreign key (policy) references ops.retention_policies (policy) on delete cascade,
  constraint retention_holds_tenant_id_fkey foreign key (tenant_id) references app_public.tenants (id) on delete cascade
);
create index retention_holds_policy_idx on ops.retention_holds (policy);
create index retention_holds_tenant_id_idx on ops.retention_holds (tenant_id);

-- Before when points of a tenant (null: of all) are refused, and before when nothing of them is to be rolled up any more.
create table ops.metric_floors (
  tenant_id text collate "C",
  kept_from timestamptz not null,
  closed_to timestamptz not null default '-infinity',
  moved_by xid8 not null default pg_current_xact_id(),
  constraint metric_floors_tenant_id_key unique nulls not distinct (tenant_id),
  constraint metric_floors_tenant_id_fkey foreign key (tenant_id) references app_public.tenants (id) on delete cascade,
  constraint metric_floors_closed_to_check check (closed_to <= kept_from)
);

create table ops.partition_removals (
  partition text not null,
  parent text not null,
  policy text not null,
  held tstzrange not null,
  rows_by_tenant jsonb not null,
  began_at timestamptz not null default now(),
  tried_at timestamptz,
  problem text,
  constraint partition_removals_pkey primary key (partition)
);

create table ops.retention_receipts (
  id bigint generated always as identity,
  at timestamptz not null default clock_timestamp(),
  policy text not null,
  tenant_id text collate "C",
  older_than timestamptz not null,
  partition text,
  row_count bigint not null,
  bytes bigint,
  constraint retention_receipts_pkey primary key (id)
);
create index retention_receipts_at_idx on ops.retention_receipts (at);

--! Included app_private/functions/retention_tenant_id.sql
-- The tenant whose rows the worker is removing: it deletes as exactly that tenant, whatever a statement forgets.
create or replace function app_private.retention_tenant_id() returns text
language sql stable parallel safe
return nullif(pg_catalog.current_setting('app.retention_tenant_id', true), '');

comment on function app_private.retention_tenant_id() is 'The tenant whose rows the worker is removing, from the setting app.retention_tenant_id; null: nobody''s.';
grant execute on function app_private.retention_tenant_id() to :WORKER;
--! EndIncluded app_private/functions/retention_tenant_id.sql
--! Included ops/policies/retention_policies.sql
alter table ops.retention_policies enable row level security, force row level security;

revoke all on ops.retention_policies from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.retention_policies to :OPERATOR, :WORKER;
-- Changed by ops.set_retention, which checks what it is given.
--! EndIncluded ops/policies/retention_policies.sql
--! Included ops/policies/retention_overrides.sql
alter table ops.retention_overrides enable row level security, force row level security;

revoke all on ops.retention_overrides from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.retention_overrides to :OPERATOR, :WORKER;
-- Changed by ops.set_retention and ops.reset_retention.
--! EndIncluded ops/policies/retention_overrides.sql
--! Included ops/policies/retention_holds.sql
alter table ops.retention_holds enable row level security, force row level security;

revoke all on ops.retention_holds from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.retention_holds to :OPERATOR, :WORKER;
-- Operators say what has to stay, and when it need not any more.
grant insert (policy, tenant_id, held, reason) on ops.retention_holds to :OPERATOR;
grant delete on ops.retention_holds to :OPERATOR;
--! EndIncluded ops/policies/retention_holds.sql
--! Included ops/policies/metric_floors.sql
alter table ops.metric_floors enable row level security, force row level security;

revoke all on ops.metric_floors from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.metric_floors to :OPERATOR, :WORKER;
-- Kept by ops.move_metric_floors and ops.close_metric_floors.
--! EndIncluded ops/policies/metric_floors.sql
--! Included ops/policies/partition_removals.sql
alter table ops.partition_removals enable row level security, force row level security;

revoke all on ops.partition_removals from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.partition_removals to :OPERATOR, :WORKER;
-- The worker notes what it begins and what stands in its way; ops.drop_partition ends it.
grant insert (partition, parent, policy, held, rows_by_tenant), update (tried_at, problem) on ops.partition_removals to :WORKER;
--! EndIncluded ops/policies/partition_removals.sql
--! Included ops/policies/retention_receipts.sql
alter table ops.retention_receipts enable row level security, force row level security;

revoke all on ops.retention_receipts from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.retention_receipts to :OPERATOR, :WORKER;
-- A receipt grows with the batches of its run, and is never taken back.
grant insert (policy, tenant_id, older_than, row_count), update (at, row_count) on ops.retention_receipts to :WORKER;
--! EndIncluded ops/policies/retention_receipts.sql
--! Included app_public/policies/metrics.sql
alter table app_public.metrics enable row level security, force row level security;

-- Everybody of a tenant reads its metrics.
drop policy if exists select_tenant on app_public.metrics;
create policy select_tenant on app_public.metrics for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- Programs measure; people do not.
drop policy if exists insert_service on app_public.metrics;
create policy insert_service on app_public.metrics for insert to :SERVICE, :ADMIN
  with check (tenant_id = (select app_private.current_tenant_id()));

-- What is not kept any longer goes, of one tenant at a time, the one that the worker names: ops.expire_rows.
drop policy if exists delete_worker on app_public.metrics;
create policy delete_worker on app_public.metrics for delete to :WORKER
  using (tenant_id = (select app_private.retention_tenant_id()));

revoke all on app_public.metrics from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.metrics to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
-- It rolls points up: ops.roll_up_minutes.
grant select on app_public.metrics to :WORKER;
-- What is not kept any longer: ops.expire_rows.
grant delete on app_public.metrics to :WORKER;
-- No insert of id: it is the database's. No update and no delete for anybody of a tenant: a measurement stands until it expires.
grant insert (tenant_id, service_name, metric_name, value, tags, "timestamp") on app_public.metrics to :SERVICE, :ADMIN;
-- The partitions have no grants and no policies: nobody but the owner can name one.
--! EndIncluded app_public/policies/metrics.sql
--! Included app_public/policies/metrics_minute.sql
alter table app_public.metrics_minute enable row level security, force row level security;

-- Who reads the points reads what they amount to.
drop policy if exists select_tenant on app_public.metrics_minute;
create policy select_tenant on app_public.metrics_minute for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- What is not kept any longer goes, of one tenant at a time, the one that the worker names: ops.expire_rows.
drop policy if exists delete_worker on app_public.metrics_minute;
create policy delete_worker on app_public.metrics_minute for delete to :WORKER
  using (tenant_id = (select app_private.retention_tenant_id()));

revoke all on app_public.metrics_minute from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.metrics_minute to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
-- The worker makes a row and makes it anew; nobody of a tenant writes one.
grant select on app_public.metrics_minute to :WORKER;
grant insert (
    tenant_id, service_name, metric_name, tags, bucket, count, sum, min, max, last, last_at, sketch_keys, sketch_counts
  ),
  update (count, sum, min, max, last, last_at, sketch_keys, sketch_counts)
  on app_public.metrics_minute to :WORKER;
-- What is not kept any longer: ops.expire_rows.
grant delete on app_public.metrics_minute to :WORKER;
--! EndIncluded app_public/policies/metrics_minute.sql
--! Included app_public/policies/metrics_hour.sql
alter table app_public.metrics_hour enable row level security, force row level security;

-- Who reads the points reads what they amount to.
drop policy if exists select_tenant on app_public.metrics_hour;
create policy select_tenant on app_public.metrics_hour for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- What is not kept any longer goes, of one tenant at a time, the one that the worker names: ops.expire_rows.
drop policy if exists delete_worker on app_public.metrics_hour;
create policy delete_worker on app_public.metrics_hour for delete to :WORKER
  using (tenant_id = (select app_private.retention_tenant_id()));

revoke all on app_public.metrics_hour from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.metrics_hour to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
-- The worker makes a row and makes it anew; nobody of a tenant writes one.
grant select on app_public.metrics_hour to :WORKER;
grant insert (
    tenant_id, service_name, metric_name, tags, bucket, count, sum, min, max, last, last_at, sketch_keys, sketch_counts
  ),
  update (count, sum, min, max, last, last_at, sketch_keys, sketch_counts)
  on app_public.metrics_hour to :WORKER;
-- What is not kept any longer: ops.expire_rows.
grant delete on app_public.metrics_hour to :WORKER;
--! EndIncluded app_public/policies/metrics_hour.sql
--! Included app_public/policies/metrics_day.sql
alter table app_public.metrics_day enable row level security, force row level security;

-- Who reads the points reads what they amount to.
drop policy if exists select_tenant on app_public.metrics_day;
create policy select_tenant on app_public.metrics_day for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- What is not kept any longer goes, of one tenant at a time, the one that the worker names: ops.expire_rows.
drop policy if exists delete_worker on app_public.metrics_day;
create policy delete_worker on app_public.metrics_day for delete to :WORKER
  using (tenant_id = (select app_private.retention_tenant_id()));

revoke all on app_public.metrics_day from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.metrics_day to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
-- The worker makes a row and makes it anew; nobody of a tenant writes one.
grant select on app_public.metrics_day to :WORKER;
grant insert (
    tenant_id, service_name, metric_name, tags, bucket, count, sum, min, max, last, last_at, sketch_keys, sketch_counts
  ),
  update (count, sum, min, max, last, last_at, sketch_keys, sketch_counts)
  on app_public.metrics_day to :WORKER;
-- What is not kept any longer: ops.expire_rows.
grant delete on app_public.metrics_day to :WORKER;
--! EndIncluded app_public/policies/metrics_day.sql
--! Included app_public/policies/sessions.sql
alter table app_public.sessions enable row level security, force row level security;

-- Services keep the sessions of their tenant's users; administrators look after them.
drop policy if exists select_tenant on app_public.sessions;
create policy select_tenant on app_public.sessions for select to :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()));

-- Services open sessions, and administrators: create_session knows the token for a moment, the digest is stored. The role of
-- an administrator is theirs alone to give (trigger _200_role).
drop policy if exists insert_service on app_public.sessions;
create policy insert_service on app_public.sessions for insert to :SERVICE, :ADMIN
  with check (tenant_id = (select app_private.current_tenant_id()));

-- They prolong them and keep data in them.
drop policy if exists update_service on app_public.sessions;
create policy update_service on app_public.sessions for update to :SERVICE
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));

-- Services end sessions, and administrators throw somebody out.
drop policy if exists delete_tenant on app_public.sessions;
create policy delete_tenant on app_public.sessions for delete to :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()));

-- The view user_sessions and the functions that find a session by its token run as the owner, whose policies are in
-- cross_tenant_policies.sql: they confine themselves.
drop policy if exists select_view on app_public.sessions;

-- Everybody ends their own sessions: revoke_own_session, which compares the user.
drop policy if exists delete_owner on app_public.sessions;
create policy delete_owner on app_public.sessions for delete to :OWNER
  using (tenant_id = (select app_private.current_tenant_id()));

-- What is not kept any longer goes, of one tenant at a time, the one that the worker names: ops.expire_rows.
drop policy if exists select_worker on app_public.sessions;
create policy select_worker on app_public.sessions for select to :WORKER
  using (tenant_id = (select app_private.retention_tenant_id()));

drop policy if exists delete_worker on app_public.sessions;
create policy delete_worker on app_public.sessions for delete to :WORKER
  using (tenant_id = (select app_private.retention_tenant_id()));

revoke all on app_public.sessions from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
-- Never the token, not even its digest: who can read it can look for it.
grant select (tenant_id, id, user_id, data, expires_at, created_at, role, sliding_ttl, ends_at)
  on app_public.sessions to :SERVICE, :ADMIN;
grant insert (tenant_id, id, user_id, token, data, expires_at, role, sliding_ttl, ends_at)
  on app_public.sessions to :SERVICE, :ADMIN;
-- Not role: a session keeps what it was opened with.
grant update (data, expires_at) on app_public.sessions to :SERVICE;
grant delete on app_public.sessions to :SERVICE, :ADMIN;

revoke all on app_public.user_sessions from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.user_sessions to :SERVICE, :ADMIN, :ANALYST;
-- Expired ones go: ops.expire_rows. Nothing that says whose they are or what is in them.
grant select (tenant_id, id, expires_at), delete on app_public.sessions to :WORKER;
--! EndIncluded app_public/policies/sessions.sql
--! Included app_public/policies/tasks.sql
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

-- What is not kept any longer goes, of one tenant at a time, the one that the worker names: ops.expire_rows.
drop policy if exists delete_worker on app_public.tasks;
create policy delete_worker on app_public.tasks for delete to :WORKER
  using (tenant_id = (select app_private.retention_tenant_id()));

revoke all on app_public.tasks from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.tasks to :MEMBER, :SERVICE, :ADMIN, :ANALYST, :WORKER;
grant insert (tenant_id, id, agent_id, description, status, priority, context, result, started_at, completed_at,
  error_message, required_capabilities, run_after, max_attempts, idempotency_key) on app_public.tasks to :MEMBER, :SERVICE,
  :ADMIN;
-- Only programs bring history with them.
grant insert (created_at) on app_public.tasks to :SERVICE, :ADMIN;
-- No update of tenant_id, id, idempotency_key or created_at for anybody: keys and beginnings do not change.
grant update (agent_id, description, status, priority, context, result, started_at, completed_at, error_message,
  required_capabilities, run_after, max_attempts) on app_public.tasks to :MEMBER, :SERVICE, :ADMIN;
-- No insert and no update of attempt, failures and queue_at: the functions and triggers keep them. Nor of workflow_id and
-- step_key: a task of a step is made by its workflow.
-- ops.reap_expired_leases, and ops.advance_workflow, which holds tasks back and makes those of the next steps.
grant update (status, failures, error_message, completed_at, run_after) on app_public.tasks to :WORKER;
grant insert (tenant_id, description, priority, agent_id, required_capabilities, max_attempts, workflow_id, step_key,
  context) on app_public.tasks to :WORKER;
grant delete on app_public.tasks to :MEMBER, :SERVICE, :ADMIN;
-- No truncate for anybody: it knows no tenants.
-- What is not kept any longer: ops.expire_rows.
grant delete on app_public.tasks to :WORKER;
--! EndIncluded app_public/policies/tasks.sql
--! Included app_public/policies/task_attempts.sql
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

-- What is not kept any longer goes, of one tenant at a time, the one that the worker names: ops.expire_rows.
drop policy if exists select_worker on app_public.task_attempts;
create policy select_worker on app_public.task_attempts for select to :WORKER
  using (tenant_id = (select app_private.retention_tenant_id()));

drop policy if exists delete_worker on app_public.task_attempts;
create policy delete_worker on app_public.task_attempts for delete to :WORKER
  using (tenant_id = (select app_private.retention_tenant_id()));

revoke all on app_public.task_attempts from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on app_public.task_attempts to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
grant insert (tenant_id, task_id, attempt, fencing_token, agent, claimed_at, ended_at, outcome, error, progress, note)
  on app_public.task_attempts to :WORKER;
-- No update and no delete for anybody: history goes with its task and not before.
-- What is not kept any longer: ops.expire_rows.
grant select (tenant_id, task_id, attempt, ended_at), delete on app_public.task_attempts to :WORKER;
--! EndIncluded app_public/policies/task_attempts.sql
drop policy manage_worker on app_public.metrics_minute;
drop policy manage_worker on app_public.metrics_hour;
drop policy manage_worker on app_public.metrics_day;
--! Included cross_tenant_policies.sql
-- Every policy that reaches across tenants, all in this one file. Row-level security is forced, so the owner of the
-- tables sees nothing either: each function or job that needs more has a policy here, for exactly the table and command
-- that it needs. test/db/conventions.test.ts compares this file with the catalog.

-- ops.create_tenant, ops.set_tenant_suspended, ops.tenants and login_tenant_id.
drop policy if exists manage_owner on app_public.tenants;
create policy manage_owner on app_public.tenants for all to :OWNER
  using (true)
  with check (true);

-- ops.bind_login, ops.unbind_login, ops.tenants and login_tenant_id.
drop policy if exists manage_owner on app_private.tenant_logins;
create policy manage_owner on app_private.tenant_logins for all to :OWNER
  using (true)
  with check (true);

-- ops.session_claims and validate_session find a session by the digest of its token and prolong it: that tells whose tenant
-- it is of, so no tenant can be asked for before. ops.live_sessions looks for those of all tenants at once; own_sessions
-- compares tenant and user itself, the view user_sessions the tenant.
--
-- It has to be `true`. The rows of the caller's tenant are none before the look-up; a setting with the digest that is looked
-- for would hold off nobody who can run a statement as the owner, for they can say any setting; and a role of its own, as
-- :SEARCH, would have these same two policies. So nothing runs as the owner but migrations and the functions named here,
-- and test/db/app_public/functions/sessions.test.ts shows of each that other tenants' sessions are as good as none.
drop policy if exists select_owner on app_public.sessions;
create policy select_owner on app_public.sessions for select to :OWNER
  using (true);

drop policy if exists update_owner on app_public.sessions;
create policy update_owner on app_public.sessions for update to :OWNER
  using (true)
  with check (true);

-- The audit triggers.
drop policy if exists insert_owner on audit.log;
create policy insert_owner on audit.log for insert to :OWNER
  with check (true);

-- The search functions, which compare the tenant themselves; below any other policy `@@` and `@>` use no index.
drop policy if exists select_search on app_public.knowledge;
create policy select_search on app_public.knowledge for select to :SEARCH
  using (true);

-- app_public.touch_knowledge.
drop policy if exists update_search on app_public.knowledge;
create policy update_search on app_public.knowledge for update to :SEARCH
  using (true)
  with check (true);

-- The embedding job: what has no embedding, of all tenants.
drop policy if exists select_worker on app_public.knowledge;
create policy select_worker on app_public.knowledge for select to :WORKER
  using (true);

drop policy if exists update_worker on app_public.knowledge;
create policy update_worker on app_public.knowledge for update to :WORKER
  using (true)
  with check (true);

-- ops.roll_up_minutes, ops.merge_hours and ops.merge_days: rollups are made for all tenants at once.
drop policy if exists select_worker on app_public.metrics;
create policy select_worker on app_public.metrics for select to :WORKER
  using (true);

drop policy if exists select_worker on app_public.metrics_minute;
create policy select_worker on app_public.metrics_minute for select to :WORKER
  using (true);
drop policy if exists insert_worker on app_public.metrics_minute;
create policy insert_worker on app_public.metrics_minute for insert to :WORKER
  with check (true);
drop policy if exists update_worker on app_public.metrics_minute;
create policy update_worker on app_public.metrics_minute for update to :WORKER
  using (true)
  with check (true);

drop policy if exists select_worker on app_public.metrics_hour;
create policy select_worker on app_public.metrics_hour for select to :WORKER
  using (true);
drop policy if exists insert_worker on app_public.metrics_hour;
create policy insert_worker on app_public.metrics_hour for insert to :WORKER
  with check (true);
drop policy if exists update_worker on app_public.metrics_hour;
create policy update_worker on app_public.metrics_hour for update to :WORKER
  using (true)
  with check (true);

drop policy if exists select_worker on app_public.metrics_day;
create policy select_worker on app_public.metrics_day for select to :WORKER
  using (true);
drop policy if exists insert_worker on app_public.metrics_day;
create policy insert_worker on app_public.metrics_day for insert to :WORKER
  with check (true);
drop policy if exists update_worker on app_public.metrics_day;
create policy update_worker on app_public.metrics_day for update to :WORKER
  using (true)
  with check (true);

-- tg_metrics__mark_changes adds to what has to be rolled up; metric_sources reads it, and compares the tenant itself.
drop policy if exists manage_owner on ops.metric_changes;
create policy manage_owner on ops.metric_changes for all to :OWNER
  using (true)
  with check (true);

-- ops.roll_up_minutes and the like.
drop policy if exists manage_worker on ops.metric_changes;
create policy manage_worker on ops.metric_changes for all to :WORKER
  using (true)
  with check (true);

-- They hold nothing of a tenant.
drop policy if exists manage_worker on ops.metric_rollups;
create policy manage_worker on ops.metric_rollups for all to :WORKER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.metric_rollups;
create policy select_operator on ops.metric_rollups for select to :OPERATOR
  using (true);

-- Retention: ops.set_retention and the like, as the owner; the worker and operators read it all.
drop policy if exists manage_owner on ops.retention_policies;
create policy manage_owner on ops.retention_policies for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.retention_policies;
create policy select_operator on ops.retention_policies for select to :OPERATOR
  using (true);
drop policy if exists select_worker on ops.retention_policies;
create policy select_worker on ops.retention_policies for select to :WORKER
  using (true);
drop policy if exists manage_owner on ops.retention_overrides;
create policy manage_owner on ops.retention_overrides for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.retention_overrides;
create policy select_operator on ops.retention_overrides for select to :OPERATOR
  using (true);
drop policy if exists select_worker on ops.retention_overrides;
create policy select_worker on ops.retention_overrides for select to :WORKER
  using (true);
drop policy if exists manage_owner on ops.retention_holds;
create policy manage_owner on ops.retention_holds for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.retention_holds;
create policy select_operator on ops.retention_holds for select to :OPERATOR
  using (true);
drop policy if exists select_worker on ops.retention_holds;
create policy select_worker on ops.retention_holds for select to :WORKER
  using (true);
drop policy if exists manage_owner on ops.metric_floors;
create policy manage_owner on ops.metric_floors for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.metric_floors;
create policy select_operator on ops.metric_floors for select to :OPERATOR
  using (true);
drop policy if exists select_worker on ops.metric_floors;
create policy select_worker on ops.metric_floors for select to :WORKER
  using (true);
drop policy if exists manage_owner on ops.partition_removals;
create policy manage_owner on ops.partition_removals for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.partition_removals;
create policy select_operator on ops.partition_removals for select to :OPERATOR
  using (true);
drop policy if exists select_worker on ops.partition_removals;
create policy select_worker on ops.partition_removals for select to :WORKER
  using (true);
drop policy if exists manage_owner on ops.retention_receipts;
create policy manage_owner on ops.retention_receipts for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.retention_receipts;
create policy select_operator on ops.retention_receipts for select to :OPERATOR
  using (true);
drop policy if exists select_worker on ops.retention_receipts;
create policy select_worker on ops.retention_receipts for select to :WORKER
  using (true);
-- An operator says what has to stay.
drop policy if exists insert_operator on ops.retention_holds;
create policy insert_operator on ops.retention_holds for insert to :OPERATOR
  with check (true);
drop policy if exists delete_operator on ops.retention_holds;
create policy delete_operator on ops.retention_holds for delete to :OPERATOR
  using (true);
-- ops.begin_partition_removal and ops.expire_rows.
drop policy if exists insert_worker on ops.partition_removals;
create policy insert_worker on ops.partition_removals for insert to :WORKER
  with check (true);
drop policy if exists update_worker on ops.partition_removals;
create policy update_worker on ops.partition_removals for update to :WORKER
  using (true)
  with check (true);
drop policy if exists insert_worker on ops.retention_receipts;
create policy insert_worker on ops.retention_receipts for insert to :WORKER
  with check (true);
drop policy if exists update_worker on ops.retention_receipts;
create policy update_worker on ops.retention_receipts for update to :WORKER
  using (true)
  with check (true);

-- ops.reap_expired_leases, as the worker.
drop policy if exists select_worker on app_public.tasks;
create policy select_worker on app_public.tasks for select to :WORKER
  using (true);
drop policy if exists update_worker on app_public.tasks;
create policy update_worker on app_public.tasks for update to :WORKER
  using (true)
  with check (true);
drop policy if exists manage_worker on app_public.task_leases;
create policy manage_worker on app_public.task_leases for all to :WORKER
  using (true)
  with check (true);
drop policy if exists insert_worker on app_public.task_attempts;
create policy insert_worker on app_public.task_attempts for insert to :WORKER
  with check (true);

-- ops.advance_workflow and ops.tend_workflows, as the worker: it ends tasks of every tenant, and their workflows go on.
drop policy if exists select_worker on app_public.workflows;
create policy select_worker on app_public.workflows for select to :WORKER
  using (true);
drop policy if exists update_worker on app_public.workflows;
create policy update_worker on app_public.workflows for update to :WORKER
  using (true)
  with check (true);
drop policy if exists select_worker on app_public.workflow_steps;
create policy select_worker on app_public.workflow_steps for select to :WORKER
  using (true);
drop policy if exists update_worker on app_public.workflow_steps;
create policy update_worker on app_public.workflow_steps for update to :WORKER
  using (true)
  with check (true);
drop policy if exists insert_worker on app_public.tasks;
create policy insert_worker on app_public.tasks for insert to :WORKER
  with check (true);

-- app_private.tg__publish, ops.read_events and ops.trim_events.
drop policy if exists manage_owner on app_private.events;
create policy manage_owner on app_private.events for all to :OWNER
  using (true)
  with check (true);

-- ops.read_events and ops.trim_events; it holds nothing of a tenant.
drop policy if exists manage_owner on app_private.event_marks;
create policy manage_owner on app_private.event_marks for all to :OWNER
  using (true)
  with check (true);

-- ops.begin_run, ops.renew_run, ops.end_run and ops.abandon_runs; it holds nothing of a tenant.
drop policy if exists manage_owner on ops.job_runs;
create policy manage_owner on ops.job_runs for all to :OWNER
  using (true)
  with check (true);

drop policy if exists select_operator on ops.job_runs;
create policy select_operator on ops.job_runs for select to :OPERATOR
  using (true);

drop policy if exists select_worker on ops.job_runs;
create policy select_worker on ops.job_runs for select to :WORKER
  using (true);

-- Workers, tasks and alerts, which hold nothing of a tenant: the functions that keep them, and who reads them.
drop policy if exists manage_owner on ops.workers;
create policy manage_owner on ops.workers for all to :OWNER
  using (true)
  with check (true);

drop policy if exists select_operator on ops.workers;
create policy select_operator on ops.workers for select to :OPERATOR
  using (true);

drop policy if exists select_worker on ops.workers;
create policy select_worker on ops.workers for select to :WORKER
  using (true);

drop policy if exists manage_owner on ops.job_tasks;
create policy manage_owner on ops.job_tasks for all to :OWNER
  using (true)
  with check (true);

drop policy if exists select_operator on ops.job_tasks;
create policy select_operator on ops.job_tasks for select to :OPERATOR
  using (true);

drop policy if exists select_worker on ops.job_tasks;
create policy select_worker on ops.job_tasks for select to :WORKER
  using (true);

drop policy if exists manage_owner on ops.alerts;
create policy manage_owner on ops.alerts for all to :OWNER
  using (true)
  with check (true);

drop policy if exists select_operator on ops.alerts;
create policy select_operator on ops.alerts for select to :OPERATOR
  using (true);

drop policy if exists select_worker on ops.alerts;
create policy select_worker on ops.alerts for select to :WORKER
  using (true);

-- ops.record_backups, operators' views and the worker's checks; it holds nothing of a tenant.
drop policy if exists manage_owner on ops.backups;
create policy manage_owner on ops.backups for all to :OWNER
  using (true)
  with check (true);

drop policy if exists select_operator on ops.backups;
create policy select_operator on ops.backups for select to :OPERATOR
  using (true);

drop policy if exists select_worker on ops.backups;
create policy select_worker on ops.backups for select to :WORKER
  using (true);

-- ops.see_wal_receiver, operators' views and the worker's checks; it holds nothing of a tenant.
drop policy if exists manage_owner on ops.wal_receivers;
create policy manage_owner on ops.wal_receivers for all to :OWNER
  using (true)
  with check (true);

drop policy if exists select_operator on ops.wal_receivers;
create policy select_operator on ops.wal_receivers for select to :OPERATOR
  using (true);

drop policy if exists select_worker on ops.wal_receivers;
create policy select_worker on ops.wal_receivers for select to :WORKER
  using (true);
--! EndIncluded cross_tenant_policies.sql
drop function ops.ensure_partitions(integer, integer);
--! Included ops/functions/ensure_partitions.sql
-- Makes the partitions that are missing between now and the horizons: a day each for metrics and their rollups of a minute,
-- a month each for the rollups of an hour and for the audit log. The worker runs it every hour and `lightning migrate` at its end; it can be run at any time and by several
-- at once. Definer: partitions belong to the owner, and this makes only these two kinds.
create or replace function ops.ensure_partitions(
  metrics_days_ahead integer default 14,
  audit_months_ahead integer default 3,
  at timestamptz default now()
) returns setof text
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
set timezone to 'UTC'
as $$
declare
  v_parent text;
  v_start timestamptz;
  v_name text;
begin
  -- One maker at a time: a second one would find the name taken between the look and the create.
  perform pg_advisory_xact_lock(hashtext('ops.ensure_partitions'));

  -- Yesterday too: a point that is on its way at midnight belongs to the day that ended.
  for v_start in
    select d from generate_series(
      date_trunc('day', at) - interval '1 day',
      date_trunc('day', at) + make_interval(days => metrics_days_ahead),
      interval '1 day'
    ) d
  loop
    foreach v_parent in array array['metrics', 'metrics_minute'] loop
      v_name := v_parent || '_p' || to_char(v_start, 'YYYYMMDD');
      if app_private.create_partition(
        ('app_public.' || v_parent)::regclass, v_name, v_start, v_start + interval '1 day'
      ) then
        return next 'app_public.' || v_name;
      end if;
    end loop;
  end loop;

  -- As far as the points reach.
  for v_start in
    select m from generate_series(
      date_trunc('month', at - interval '1 day'),
      date_trunc('month', at + make_interval(days => metrics_days_ahead)),
      interval '1 month'
    ) m
  loop
    v_name := 'metrics_hour_p' || to_char(v_start, 'YYYYMM');
    if app_private.create_partition('app_public.metrics_hour', v_name, v_start, v_start + interval '1 month') then
      return next 'app_public.' || v_name;
    end if;
  end loop;

  for v_start in
    select m from generate_series(
      date_trunc('month', at),
      date_trunc('month', at) + make_interval(months => audit_months_ahead),
      interval '1 month'
    ) m
  loop
    v_name := 'log_p' || to_char(v_start, 'YYYYMM');
    if app_private.create_partition('audit.log', v_name, v_start, v_start + interval '1 month') then
      return next 'audit.' || v_name;
    end if;
  end loop;
end
$$;
--! EndIncluded ops/functions/ensure_partitions.sql
--! Included grants.sql
-- Who may look into which schema, and who may call what. Rights on tables are in the policy files.

revoke all on schema app_public, app_private, audit, ops from public;
grant usage on schema app_public to :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :WORKER, :SEARCH;
grant usage on schema audit to :ADMIN, :OPERATOR;
grant usage on schema ops to :OPERATOR, :WORKER;
-- app_private is granted to nobody who can ask anything. Defaults and policies name its functions by identity and need no
-- usage of it; the functions that run as :SEARCH name theirs.
grant usage on schema app_private to :SEARCH;

grant execute on function app_private.current_tenant_id(), app_private.login_tenant_id()
  to :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :SEARCH;

-- Whether the schema fits is asked by every process before it serves, by the API as an anonymous request. They name the
-- function in full, so they need usage of its schema.
grant usage on schema ops to :ANON;
grant execute on function ops.applied_migrations() to :ANON, :OPERATOR, :WORKER;
-- Which tokens to refuse is asked in the same way.
grant execute on function ops.suspended_tenants() to :ANON, :OPERATOR;
-- What changed is read by each process of the API, for all of its subscribers at once, in the same way.
grant execute on function ops.read_events(pg_snapshot, xid8, bigint, text[], integer) to :ANON;
grant execute on function ops.trim_events(interval) to :WORKER;
grant execute on function ops.ensure_partitions(integer, integer, timestamptz) to :WORKER;
grant execute on function ops.reap_expired_leases(integer) to :WORKER;
grant execute on function
  ops.tend_workflows(integer), ops.lock_workflow(text, uuid), ops.advance_workflow(text, uuid),
  ops.begin_workflow_step(app_public.workflows, app_public.workflow_steps), ops.workflow_condition_holds(jsonb, jsonb),
  ops.lock_waiting_workflow_tasks(text, uuid), ops.cancel_workflow_tasks(text, uuid[], text)
  to :WORKER;
grant execute on function ops.create_tenant(text, text), ops.set_tenant_suspended(text, boolean) to :OPERATOR;
-- bind_login and unbind_login: the owner's only. They go with creating the login, which operators cannot.

revoke all on ops.tenants from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :WORKER, :SEARCH;
grant select on ops.tenants to :OPERATOR;

-- Knowledge. The functions that belong to :SEARCH have their grants beside them.
grant execute on function
  app_private.refuse_embedding(public.vector),
  app_private.nearest_knowledge(text, public.vector, text, text, jsonb, text, integer),
  app_private.knowledge_by_text(text, text, text, text, jsonb, integer)
  to :SEARCH;
grant execute on function
  app_public.add_knowledge(text, text, text, text, text, jsonb, public.vector),
  app_public.add_knowledge_items(jsonb)
  to :MEMBER, :SERVICE, :ADMIN;

-- Tasks: everybody who writes may add, cancel and retry them; only programs work on them.
grant execute on function
  app_public.enqueue_task(text, jsonb, text, text, timestamptz, integer, text[], text), app_public.enqueue_tasks(jsonb),
  app_public.cancel_task(uuid, text), app_public.retry_task(uuid, timestamptz)
  to :MEMBER, :SERVICE, :ADMIN;
grant execute on function
  app_public.claim_tasks(text, text[], jsonb, interval, integer), app_public.claim_task(text, text[], jsonb, interval),
  app_public.heartbeat_task(uuid, bigint, double precision, text, interval),
  app_public.complete_task(uuid, bigint, jsonb),
  app_public.fail_task(uuid, bigint, text, boolean, interval), app_public.release_task(uuid, bigint, interval)
  to :SERVICE, :ADMIN;

-- Workflows: everybody who writes may run them, analysts may look.
grant execute on function
  app_public.start_workflow(uuid, jsonb), app_public.pause_workflow(uuid), app_public.resume_workflow(uuid),
  app_public.cancel_workflow(uuid, text), app_public.retry_workflow(uuid, text)
  to :MEMBER, :SERVICE, :ADMIN;
grant execute on function app_public.workflow_progress(uuid) to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
--! EndIncluded grants.sql
--! Included ops/functions/is_held.sql
-- Whether something of a tenant at a time has to stay for another reason than its age: an import that the operator has not
-- released, or a dispute.
create or replace function ops.is_held(policy text, tenant_id text, at timestamptz) returns boolean
language sql stable
begin atomic
  select exists (
    select
    from ops.retention_holds h
    where h.policy = is_held.policy and (h.tenant_id is null or h.tenant_id = is_held.tenant_id) and h.held @> is_held.at
  );
end;

comment on function ops.is_held(text, text, timestamptz) is 'Whether ops.retention_holds keeps something of a tenant at a time.';
grant execute on function ops.is_held(text, text, timestamptz) to :OPERATOR, :WORKER;
--! EndIncluded ops/functions/is_held.sql
--! Included ops/functions/retention_of.sql
-- How long a tenant's rows are kept under a policy: as it chose, otherwise as everybody's.
create or replace function ops.retention_of(policy text, tenant_id text) returns interval
language sql stable
begin atomic
  select case when o.policy is null then p.keep else o.keep end
  from ops.retention_policies p
  left join ops.retention_overrides o on o.policy = p.policy and o.tenant_id = retention_of.tenant_id
  where p.policy = retention_of.policy;
end;

comment on function ops.retention_of(text, text) is 'How long a tenant''s rows are kept under a policy; null: for ever.';
grant execute on function ops.retention_of(text, text) to :OPERATOR, :WORKER;
--! EndIncluded ops/functions/retention_of.sql
--! Included ops/functions/set_retention.sql
-- Sets how long something is kept, for every tenant or for one. What is made of something is kept at least as long as it:
-- otherwise late points would be rolled up to half of what there was.
create or replace function ops.set_retention(policy text, keep interval, tenant_id text default null) returns void
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_policy ops.retention_policies;
  v_broken record;
begin
  select p.* into v_policy from ops.retention_policies p where p.policy = set_retention.policy for update;
  if not found then
    raise exception 'there is no policy %', set_retention.policy
      using errcode = 'LTP01', hint = 'select policy, keep from ops.retention_policies;';
  end if;
  if keep < interval '1 hour' or not isfinite(keep) then
    raise exception '% cannot be kept for %', policy, keep
      using errcode = 'LTP02', hint = 'An hour is the least; null is for ever.';
  end if;

  if set_retention.tenant_id is null then
    update ops.retention_policies p set keep = set_retention.keep where p.policy = set_retention.policy;
  elsif not v_policy.by_tenant then
    raise exception '% is of no tenant', policy using errcode = 'LTP03', hint = 'Leave the tenant out.';
  elsif not exists (select from app_public.tenants t where t.id = set_retention.tenant_id) then
    raise exception 'there is no tenant %', set_retention.tenant_id using errcode = 'LTT02';
  else
    insert into ops.retention_overrides as o (policy, tenant_id, keep)
    values (set_retention.policy, set_retention.tenant_id, set_retention.keep)
    on conflict on constraint retention_overrides_pkey do update set keep = excluded.keep;
  end if;

  select c.* into v_broken
  from app_public.tenants t
  cross join lateral (
    select s.finer, s.coarser, ops.retention_of(s.finer, t.id) as finer_keep, ops.retention_of(s.coarser, t.id) as coarser_keep,
      t.id as tenant_id
    from (
      values ('metrics.raw', 'metrics.minute'), ('metrics.minute', 'metrics.hour'), ('metrics.hour', 'metrics.day')
    ) s(finer, coarser)
  ) c
  where coalesce(c.finer_keep, 'infinity') > coalesce(c.coarser_keep, 'infinity')
  limit 1;
  if found then
    raise exception '% of % would be kept for %, and % for %', v_broken.finer, v_broken.tenant_id,
      coalesce(v_broken.finer_keep::text, 'ever'), v_broken.coarser, coalesce(v_broken.coarser_keep::text, 'ever')
      using errcode = 'LTP04', hint = 'What is made of it is kept as long, or longer: raw, minute, hour, day.';
  end if;
end
$$;

comment on function ops.set_retention(text, interval, text) is 'Sets how long something is kept, for all tenants or for one; null is for ever. LTP01 no such policy, LTP02 too short, LTP03 not of tenants, LTP04 less than what it is made of, LTT02 no such tenant.';
grant execute on function ops.set_retention(text, interval, text) to :OPERATOR;
--! EndIncluded ops/functions/set_retention.sql
--! Included ops/functions/reset_retention.sql
-- Takes a tenant's own choice back.
create or replace function ops.reset_retention(policy text, tenant_id text) returns boolean
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  delete from ops.retention_overrides o
  where o.policy = reset_retention.policy and o.tenant_id = reset_retention.tenant_id;
  return found;
end
$$;

comment on function ops.reset_retention(text, text) is 'Takes back how long a tenant''s rows are kept: as everybody''s again. False when it had no choice of its own.';
grant execute on function ops.reset_retention(text, text) to :OPERATOR;
--! EndIncluded ops/functions/reset_retention.sql
--! Included app_private/functions/metrics_kept_from.sql
-- Before when points of the caller's tenant are refused. Definer: nobody of a tenant reads the floors.
create or replace function app_private.metrics_kept_from() returns timestamptz
language sql stable security definer
set search_path to pg_catalog, pg_temp
as $$
  select coalesce(max(f.kept_from), '-infinity')
  from ops.metric_floors f
  where f.tenant_id is null or f.tenant_id = (select app_private.current_tenant_id())
$$;

comment on function app_private.metrics_kept_from() is 'Since when points of the caller''s tenant are kept.';
grant execute on function app_private.metrics_kept_from() to :SERVICE, :ADMIN;
--! EndIncluded app_private/functions/metrics_kept_from.sql
--! Included app_private/functions/tg_metrics__mark_changes.sql
-- Notes the minutes that points arrived in, a row per statement, tenant and minute: what the worker has to roll up, and
-- what readers take from the points until it has. Rows are only added, so that writers never wait for each other or for
-- the worker. Points of a time that is being removed are refused: they would be rolled up without those that have gone.
-- Definer: nobody may write the notes.
create or replace function app_private.tg_metrics__mark_changes() returns trigger
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_gone timestamptz;
begin
  with marked as (
    insert into ops.metric_changes (resolution, tenant_id, bucket)
    select distinct 'minute', n.tenant_id, date_bin('1 minute', n."timestamp", '2001-01-01 00:00:00Z')
    from new_rows n
    returning tenant_id, bucket
  )
  select min(m.bucket) into v_gone
  from marked m
  join ops.metric_floors f on (f.tenant_id = m.tenant_id or f.tenant_id is null) and m.bucket < f.kept_from
  where not ops.is_held('metrics.raw', m.tenant_id, m.bucket);
  if v_gone is not null then
    raise exception 'points of % are not kept any more', v_gone
      using errcode = 'LTM09', hint = 'Leave out what is older than the retention of metrics.raw.';
  end if;
  return null;
end
$$;

comment on function app_private.tg_metrics__mark_changes() is 'Trigger: notes in ops.metric_changes the minutes that points arrived in. LTM09 when points of then are not kept any more.';
--! EndIncluded app_private/functions/tg_metrics__mark_changes.sql
--! Included app_private/functions/metric_sources.sql
-- Which table answers for which part of a range: the coarsest rollup that has it, points where none does. A rollup has
-- everything but what ops.metric_changes says it lacks; points and their notes are committed together, rollups and the end
-- of the notes, too, so a statement never sees a part of a rollup as the whole. A rollup can serve buckets that are a
-- multiple of its own width, and whole ones only; a null bucket is any.
-- Definer: it reads the notes, of the caller's tenant.
create or replace function app_private.metric_sources(
  range_start timestamptz,
  range_end timestamptz,
  bucket interval
) returns table (resolution text, range_start timestamptz, range_end timestamptz)
language sql stable security definer rows 4
set search_path to pg_catalog, pg_temp
as $$
  with changed as materialized (
    select c.resolution, c.bucket
    from ops.metric_changes c
    where c.tenant_id = (select app_private.current_tenant_id())
      and c.bucket >= metric_sources.range_start and c.bucket < metric_sources.range_end
      -- Of a time whose points are being removed, what is rolled up counts.
      and (
        c.bucket >= (
          select coalesce(max(f.closed_to), '-infinity')
          from ops.metric_floors f
          where f.tenant_id is null or f.tenant_id = (select app_private.current_tenant_id())
        )
        or ops.is_held('metrics.raw', c.tenant_id, c.bucket)
      )
    group by c.resolution, c.bucket
  ),
  -- What is changed in a minute is changed in its hour and its day.
  lacking as (
    select
      w.resolution, w.width,
      range_agg(tstzrange(c.bucket, c.bucket + w.width)) filter (where c.bucket is not null) as ranges
    from (
      values ('minute', interval '1 minute', '{minute}'::text[]),
        ('hour', interval '1 hour', '{minute,hour}'),
        ('day', interval '24 hours', '{minute,hour,day}')
    ) w(resolution, width, finer)
    left join lateral (
      select distinct date_bin(w.width, n.bucket, '2001-01-01 00:00:00Z') as bucket
      from changed n
      where n.resolution = any (w.finer)
    ) c on true
    group by w.resolution, w.width
  ),
  covered as (
    select l.resolution, tstzmultirange(tstzrange(b.range_start, b.range_end)) - coalesce(l.ranges, '{}') as ranges
    from lacking l
    cross join lateral (
      select
        date_bin(l.width, metric_sources.range_start + l.width - interval '1 microsecond', '2001-01-01 00:00:00Z') as range_start,
        date_bin(l.width, metric_sources.range_end, '2001-01-01 00:00:00Z') as range_end
    ) b
    where b.range_start < b.range_end
      and (metric_sources.bucket is null or extract(epoch from metric_sources.bucket) % extract(epoch from l.width) = 0)
  ),
  resolutions as (
    select
      coalesce(range_agg(c.ranges) filter (where c.resolution = 'day'), '{}') as days,
      coalesce(range_agg(c.ranges) filter (where c.resolution = 'hour'), '{}') as hours,
      coalesce(range_agg(c.ranges) filter (where c.resolution = 'minute'), '{}') as minutes
    from covered c
  )
  select s.resolution, lower(r.range), upper(r.range)
  from resolutions c
  cross join lateral (
    values
      ('day', c.days),
      ('hour', c.hours - c.days),
      ('minute', c.minutes - c.hours - c.days),
      (
        'raw',
        tstzmultirange(tstzrange(metric_sources.range_start, metric_sources.range_end)) - c.minutes - c.hours - c.days
      )
  ) s(resolution, ranges)
  cross join lateral unnest(s.ranges) r(range)
$$;

comment on function app_private.metric_sources(timestamptz, timestamptz, interval) is 'Which of day, hour, minute and raw answers for which part of a range, for the caller''s tenant.';
grant execute on function app_private.metric_sources(timestamptz, timestamptz, interval)
  to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
--! EndIncluded app_private/functions/metric_sources.sql
--! Included app_public/functions/record_metrics.sql
-- Stores the good ones of many points in one statement, and says of the others why not. A point is read with
-- json_to_record, in one pass; only what cannot make it fail is let in: texts that have no escape that text cannot hold.
-- Every cast of a value from outside stands in a `case` behind the question whether it can be cast.
create or replace function app_public.record_metrics(points json, out stored integer, out rejected jsonb)
language sql volatile
set timezone to 'UTC'
begin atomic
  with elements as (
    select
      (e.position - 1)::integer as index,
      e.point,
      json_typeof(e.point) = 'object' as is_object,
      position('\u' in e.point::text) = 0 or pg_input_is_valid(e.point::text, 'jsonb') as is_storable
    from json_array_elements(app_private.metric_points(record_metrics.points)) with ordinality e(point, position)
  ),
  fields as (
    select
      e.index, e.point, e.is_object, e.is_storable, r.service_name, r.metric_name, r.value, r.tags,
      case
        when r."timestamp" is null then now()
        when pg_input_is_valid(r."timestamp", 'timestamptz') then r."timestamp"::timestamptz
      end as at,
      r."timestamp"
    from elements e
    left join lateral json_to_record(case when e.is_object and e.is_storable then e.point end)
      r(service_name text, metric_name text, value text, tags json, "timestamp" text) on true
  ),
  checked as materialized (
    select
      f.index, f.service_name, f.metric_name, f.value, f.tags, f.at,
      case
        when not f.is_object then 'a point is an object, not ' || json_typeof(f.point)
        when not f.is_storable then 'it holds a character that cannot be stored, \u0000 or half of a pair'
        when f.service_name is null or f.service_name = '' then 'service_name is missing'
        when length(f.service_name) > 50 then 'service_name is longer than 50 characters'
        when f.metric_name is null or f.metric_name = '' then 'metric_name is missing'
        when length(f.metric_name) > 100 then 'metric_name is longer than 100 characters'
        when f.value is null then 'value is missing'
        when not pg_input_is_valid(f.value, 'double precision') then 'value is not a number, or too large: ' || left(f.value, 40)
        when not (f.value::double precision > '-Infinity' and f.value::double precision < 'Infinity')
          then 'value is not finite: ' || left(f.value, 40)
        when f.at is null then 'timestamp is not a time: ' || left(f."timestamp", 40)
        when not (select app_private.partition_ranges('app_public.metrics')) @> f.at
          or f.at < (select app_private.metrics_kept_from())
          then 'timestamp is out of the range that is kept: ' || f.at
        when f.tags is null then null
        when json_typeof(f.tags) <> 'object' then 'tags is not an object'
        when not pg_input_is_valid(f.tags::text, 'jsonb') then 'tags has a number that cannot be stored'
        when f.tags::text ~ '^.+[[{]' and exists (
          select from json_each(f.tags) t where json_typeof(t.value) in ('object', 'array')
        ) then 'tags is not flat: a tag is a text, a number or a boolean'
      end as reason
    from fields f
  ),
  stored as (
    insert into app_public.metrics (tenant_id, service_name, metric_name, value, tags, "timestamp")
    select
      (select app_private.current_tenant_id()), c.service_name, c.metric_name, c.value::double precision,
      coalesce(c.tags::jsonb, '{}'), c.at
    from checked c
    where c.reason is null
  )
  select
    count(*) filter (where c.reason is null)::integer,
    coalesce(
      jsonb_agg(jsonb_build_object('index', c.index, 'reason', c.reason) order by c.index) filter (where c.reason is not null),
      '[]'
    )
  from checked c;
end;

comment on function app_public.record_metrics(json) is
  E'Records points, one object or an array of thousands. A point has `service_name`, `metric_name`, `value` (a finite number), and may have `tags` (a flat object) and `timestamp` (now; UTC where it names no zone). Answers with how many were `stored` and which were `rejected`: `[{"index": 3, "reason": "value is missing"}]`, counted from 0. Good points are stored whatever the others are. LTM01 when `points` is neither an object nor an array.';
grant execute on function app_public.record_metrics(json) to :SERVICE, :ADMIN;
--! EndIncluded app_public/functions/record_metrics.sql
--! Included ops/functions/make_metrics_minute.sql
-- Makes the rollups of these minutes anew from all of their points, for the tenants that ops.metric_changes names, ends
-- the notes and notes the hours: one statement and so of one snapshot. Points that are committed later have notes of their
-- own. For ops.roll_up_minutes; parsed ahead, because the worker may not name what is in app_private.
create or replace function ops.make_metrics_minute(minutes timestamptz[]) returns void
language sql volatile
-- The tenant's points of a minute are a stretch of the primary key: one look into the index for each. The planner does not
-- know how many notes there are, and would read whole days.
set enable_hashjoin to off
set enable_mergejoin to off
begin atomic
  with ended as (
    delete from ops.metric_changes c where c.resolution = 'minute' and c.bucket = any (make_metrics_minute.minutes)
    returning c.tenant_id, c.bucket
  ),
  changed as materialized (
    select distinct e.tenant_id, e.bucket
    from ended e
    -- Of a time whose points are being removed nothing is made any more: there may be half of them.
    where not exists (
        select
        from ops.metric_floors f
        where (f.tenant_id is null or f.tenant_id = e.tenant_id) and e.bucket < f.closed_to
      )
      or ops.is_held('metrics.raw', e.tenant_id, e.bucket)
  ),
  keyed as (
    select
      c.tenant_id, m.service_name, m.metric_name, m.tags, c.bucket,
      app_private.metric_key(m.value) as key,
      count(*) as count,
      sum(m.value) as sum,
      min(m.value) as min,
      max(m.value) as max,
      -- Arrays are compared from the left.
      max(array[extract(epoch from m."timestamp"), m.value]) as last
    from changed c
    join app_public.metrics m
      on m.tenant_id = c.tenant_id and m."timestamp" >= c.bucket and m."timestamp" < c.bucket + interval '1 minute'
    -- Lets the planner leave out partitions.
    where m."timestamp" >= make_metrics_minute.minutes[1] and m."timestamp" < make_metrics_minute.minutes[cardinality(make_metrics_minute.minutes)] + interval '1 minute'
    group by 1, 2, 3, 4, 5, 6
  ),
  made as (
    insert into app_public.metrics_minute as r (
      tenant_id, service_name, metric_name, tags, bucket, count, sum, min, max, last, last_at, sketch_keys, sketch_counts
    )
    select
      k.tenant_id, k.service_name, k.metric_name, k.tags, k.bucket, sum(k.count), sum(k.sum), min(k.min), max(k.max),
      (max(k.last))[2], to_timestamp((max(k.last))[1]), array_agg(k.key order by k.key), array_agg(k.count order by k.key)
    from keyed k
    group by k.tenant_id, k.service_name, k.metric_name, k.tags, k.bucket
    on conflict (tenant_id, service_name, metric_name, bucket, tags_hash) do update set
      count = excluded.count, sum = excluded.sum, min = excluded.min, max = excluded.max,
      last = excluded.last, last_at = excluded.last_at,
      sketch_keys = excluded.sketch_keys, sketch_counts = excluded.sketch_counts
  )
  insert into ops.metric_changes (resolution, tenant_id, bucket)
  select distinct 'hour', c.tenant_id, date_bin('1 hour', c.bucket, '2001-01-01 00:00:00Z')
  from changed c;
end;

comment on function ops.make_metrics_minute(timestamptz[]) is 'Makes the rollups of these minutes anew from their points, where ops.metric_changes has notes of them. For ops.roll_up_minutes.';
grant execute on function ops.make_metrics_minute(timestamptz[]) to :WORKER;
--! EndIncluded ops/functions/make_metrics_minute.sql
--! Included ops/functions/move_metric_floors.sql
-- Moves up the time before which points are refused, to the midnight before which no tenant (for each that keeps less: it)
-- keeps them. Never down. What is refused can be removed once it is closed: ops.close_metric_floors.
create or replace function ops.move_metric_floors(at timestamptz default now()) returns void
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  with wanted as (
    select t.id as tenant_id, date_bin('24 hours', move_metric_floors.at - ops.retention_of('metrics.raw', t.id), '2001-01-01 00:00:00Z') as kept_from
    from app_public.tenants t
  ),
  everybody as (
    select min(w.kept_from) as kept_from from wanted w having bool_and(w.kept_from is not null)
  )
  insert into ops.metric_floors as f (tenant_id, kept_from)
  select null, e.kept_from from everybody e
  union all
  select w.tenant_id, w.kept_from
  from wanted w
  where w.kept_from > coalesce((select e.kept_from from everybody e), '-infinity')
  on conflict (tenant_id) do update set kept_from = excluded.kept_from, moved_by = pg_current_xact_id()
  where excluded.kept_from > f.kept_from;
end
$$;

comment on function ops.move_metric_floors(timestamptz) is 'Moves up the time before which points are refused, as the retention of metrics.raw says.';
grant execute on function ops.move_metric_floors(timestamptz) to :WORKER;
--! EndIncluded ops/functions/move_metric_floors.sql
--! Included ops/functions/close_metric_floors.sql
-- Closes what is refused, for removal: when everybody who may not have seen the new floor has ended, and everything below it
-- is rolled up. Returns how many floors are left open.
create or replace function ops.close_metric_floors() returns integer
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  update ops.metric_floors f
  set closed_to = f.kept_from
  where f.closed_to < f.kept_from
    and pg_snapshot_xmin(pg_current_snapshot()) > f.moved_by
    and not exists (
      select
      from ops.metric_changes c
      where c.resolution = 'minute' and c.bucket < f.kept_from and (f.tenant_id is null or c.tenant_id = f.tenant_id)
    );
  return (select count(*) from ops.metric_floors f where f.closed_to < f.kept_from);
end
$$;

comment on function ops.close_metric_floors() is 'Closes for removal what is refused and rolled up. Returns how many floors wait for a writer or for the rolling up.';
grant execute on function ops.close_metric_floors() to :WORKER;
--! EndIncluded ops/functions/close_metric_floors.sql
--! Included ops/functions/retention_cutoffs.sql
-- Before when something of a tenant goes (null: nothing does), under each policy; under those of no tenant with a null one.
-- Metrics go by whole days, and not before they are rolled up and merged; with `planned` as if they were.
--   by_rows  whether rows are deleted: not where the partition goes as a whole, for everybody at the same time
create or replace function ops.retention_cutoffs(at timestamptz default now(), planned boolean default false)
returns table (policy text, tenant_id text, older_than timestamptz, by_rows boolean)
language sql stable security definer
set search_path to pg_catalog, pg_temp
-- Compiling it takes seconds, running it milliseconds; the planner takes tenants and policies for thousands.
set jit to off
as $$
  with wanted as (
    select
      p.policy, t.id as tenant_id,
      case
        when p.policy like 'metrics.%'
          then date_bin('24 hours', retention_cutoffs.at - ops.retention_of(p.policy, t.id), '2001-01-01 00:00:00Z')
        else retention_cutoffs.at - ops.retention_of(p.policy, t.id)
      end as older_than
    from ops.retention_policies p
    join app_public.tenants t on p.by_tenant
    union all
    select p.policy, null, retention_cutoffs.at - p.keep from ops.retention_policies p where not p.by_tenant
  ),
  -- What has to be there still to be merged.
  limits as (
    select
      t.id as tenant_id,
      (
        select coalesce(max(f.closed_to), '-infinity')
        from ops.metric_floors f where f.tenant_id is null or f.tenant_id = t.id
      ) as closed_to,
      (
        select coalesce(min(c.bucket), 'infinity')
        from ops.metric_changes c where c.tenant_id = t.id and c.resolution in ('minute', 'hour')
      ) as hours_from,
      (select coalesce(min(c.bucket), 'infinity') from ops.metric_changes c where c.tenant_id = t.id) as days_from
    from app_public.tenants t
    where not retention_cutoffs.planned
  ),
  cut as (
    select
      w.policy, w.tenant_id,
      case
        when w.older_than is null or l.tenant_id is null then w.older_than
        when w.policy = 'metrics.raw' then least(w.older_than, l.closed_to)
        when w.policy = 'metrics.minute'
          then least(w.older_than, l.closed_to, date_bin('24 hours', l.hours_from, '2001-01-01 00:00:00Z'))
        when w.policy in ('metrics.hour', 'metrics.day')
          then least(w.older_than, l.closed_to, date_bin('24 hours', l.days_from, '2001-01-01 00:00:00Z'))
        else w.older_than
      end as older_than
    from wanted w
    left join limits l on l.tenant_id = w.tenant_id
  )
  select
    c.policy, c.tenant_id, c.older_than,
    c.policy not in ('metrics.raw', 'metrics.minute', 'metrics.hour')
      or c.older_than > min(c.older_than) over (partition by c.policy)
      or bool_or(c.older_than is null) over (partition by c.policy)
      or exists (select from ops.retention_holds h where h.policy = c.policy)
  from cut c
$$;

comment on function ops.retention_cutoffs(timestamptz, boolean) is 'Before when something of each tenant goes, under each policy; null: nothing does. With `planned` as if all metrics were rolled up.';
grant execute on function ops.retention_cutoffs(timestamptz, boolean) to :OPERATOR, :WORKER;
--! EndIncluded ops/functions/retention_cutoffs.sql
--! Included ops/functions/removable_partitions.sql
-- The partitions that no tenant keeps any more and no hold does, and those whose removal has begun, oldest first.
--   state  attached: detach it; pending: finalize that; detached: drop it
create or replace function ops.removable_partitions(at timestamptz default now(), planned boolean default false)
returns table (policy text, parent text, partition text, range_start timestamptz, range_end timestamptz, state text)
language sql stable security definer
set search_path to pg_catalog, pg_temp
-- Compiling it takes seconds, running it milliseconds; the planner takes tenants and policies for thousands.
set jit to off
set datestyle to 'ISO'
set timezone to 'UTC'
as $$
  with cutoffs as (
    select c.policy, min(c.older_than) as older_than
    from ops.retention_cutoffs(removable_partitions.at, removable_partitions.planned) c
    group by c.policy
    having bool_and(c.older_than is not null)
  ),
  partitions as (
    select
      p.policy, format('%I.%I', pn.nspname, pc.relname) as parent, format('%I.%I', n.nspname, c.relname) as partition,
      b.ends[1]::timestamptz as range_start, b.ends[2]::timestamptz as range_end, i.inhdetachpending
    from (
      values ('metrics.raw', 'app_public.metrics'::regclass), ('metrics.minute', 'app_public.metrics_minute'),
        ('metrics.hour', 'app_public.metrics_hour')
    ) p(policy, parent)
    join pg_inherits i on i.inhparent = p.parent
    join pg_class c on c.oid = i.inhrelid
    join pg_namespace n on n.oid = c.relnamespace
    join pg_class pc on pc.oid = i.inhparent
    join pg_namespace pn on pn.oid = pc.relnamespace
    cross join regexp_match(
      pg_get_expr(c.relpartbound, c.oid), $bounds$^FOR VALUES FROM \('([^']+)'\) TO \('([^']+)'\)$bounds$
    ) b(ends)
  )
  select p.policy, p.parent, p.partition, p.range_start, p.range_end, case when p.inhdetachpending then 'pending' else 'attached' end
  from partitions p
  left join cutoffs c on c.policy = p.policy
  where p.inhdetachpending
    or (
      p.range_end <= c.older_than
      and not exists (
        select from ops.retention_holds h where h.policy = p.policy and h.held && tstzrange(p.range_start, p.range_end)
      )
    )
  union all
  select r.policy, r.parent, r.partition, lower(r.held), upper(r.held), 'detached'
  from ops.partition_removals r
  where to_regclass(r.partition) is not null and not exists (select from partitions p where p.partition = r.partition)
  order by 4, 1
$$;

comment on function ops.removable_partitions(timestamptz, boolean) is 'The partitions that can go, and how far each is on its way, oldest first.';
grant execute on function ops.removable_partitions(timestamptz, boolean) to :OPERATOR, :WORKER;
--! EndIncluded ops/functions/removable_partitions.sql
--! Included ops/functions/rows_by_tenant.sql
-- How many rows of each tenant a table that is partitioned by time has of a range. Runs as the worker, which sees all of them.
create or replace function ops.rows_by_tenant(parent text, range_start timestamptz, range_end timestamptz) returns jsonb
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_rows jsonb;
begin
  execute format(
    'select coalesce(jsonb_object_agg(c.tenant_id, c.count), %1$L)
     from (select t.tenant_id, count(*) from %2$s t where t.%3$I >= $1 and t.%3$I < $2 group by 1) c',
    '{}', parent::regclass, case parent when 'app_public.metrics' then 'timestamp' else 'bucket' end
  ) into v_rows using range_start, range_end;
  return v_rows;
end
$$;

comment on function ops.rows_by_tenant(text, timestamptz, timestamptz) is 'How many rows of each tenant a partitioned table of metrics has of a range of time.';
grant execute on function ops.rows_by_tenant(text, timestamptz, timestamptz) to :WORKER;
--! EndIncluded ops/functions/rows_by_tenant.sql
--! Included ops/functions/begin_partition_removal.sql
-- Notes that a partition is going to be removed, and how many rows of whom are in it: nobody can count them once it is
-- detached. Nothing is added to it any more. Runs as the worker, which sees the rows of all tenants.
create or replace function ops.begin_partition_removal(
  policy text,
  parent text,
  partition text,
  range_start timestamptz,
  range_end timestamptz
) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  insert into ops.partition_removals (partition, parent, policy, held, rows_by_tenant)
  select begin_partition_removal.partition, begin_partition_removal.parent, begin_partition_removal.policy,
    tstzrange(range_start, range_end), ops.rows_by_tenant(parent, range_start, range_end)
  where not exists (select from ops.partition_removals r where r.partition = begin_partition_removal.partition)
  on conflict on constraint partition_removals_pkey do nothing;
end
$$;

comment on function ops.begin_partition_removal(text, text, text, timestamptz, timestamptz) is 'Notes in ops.partition_removals that a partition is going to be removed, with its rows by tenant.';
grant execute on function ops.begin_partition_removal(text, text, text, timestamptz, timestamptz) to :WORKER;
--! EndIncluded ops/functions/begin_partition_removal.sql
--! Included ops/functions/drop_partition.sql
-- Drops a partition that has been detached, with a receipt and a row of the audit log for each tenant. That takes the table
-- of tenants for an instant, because the partition's foreign key goes: it gives up after 200 ms, so that whoever queues
-- behind waits no longer. Definer: partitions belong to the owner, and this drops only what ops.partition_removals names.
create or replace function ops.drop_partition(partition text) returns void
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
set lock_timeout to '200ms'
as $$
declare
  v_removal ops.partition_removals;
  v_table regclass := to_regclass(partition);
  v_bytes bigint;
  v_rows bigint;
begin
  select r.* into v_removal from ops.partition_removals r where r.partition = drop_partition.partition for update;
  if not found or v_table is null or exists (select from pg_inherits i where i.inhrelid = v_table) then
    raise exception '% is not a detached partition', partition
      using errcode = 'LTP05', hint = 'It is detached first: `lightning retention`, or the worker, does it.';
  end if;

  v_bytes := pg_total_relation_size(v_table);
  select coalesce(sum(r.count::bigint), 0) into v_rows from jsonb_each_text(v_removal.rows_by_tenant) r(tenant_id, count);
  execute format('drop table %s', v_table);

  insert into ops.retention_receipts (policy, tenant_id, older_than, partition, row_count, bytes)
  select v_removal.policy, r.tenant_id, upper(v_removal.held), partition, coalesce(r.count::bigint, 0),
    case when v_rows = 0 then v_bytes else v_bytes * r.count::bigint / v_rows end
  from (select) one
  left join jsonb_each_text(v_removal.rows_by_tenant) r(tenant_id, count) on true;
  insert into audit.log (tenant_id, table_name, operation, row_count, subject, role, request_id)
  select r.tenant_id, v_removal.parent, 'delete', least(r.count::bigint, 2147483647), a.subject, a.role, a.request_id
  from jsonb_each_text(v_removal.rows_by_tenant) r(tenant_id, count)
  cross join audit.actor() a;
  delete from ops.partition_removals r where r.partition = drop_partition.partition;
end
$$;

comment on function ops.drop_partition(text) is 'Drops a partition that has been detached, and leaves receipts. LTP05 when it is none.';
grant execute on function ops.drop_partition(text) to :WORKER;
--! EndIncluded ops/functions/drop_partition.sql
--! Included ops/functions/expire_job_runs.sql
-- Deletes up to `how_many` runs of jobs that ended before. Definer: nobody writes the table by hand.
create or replace function ops.expire_job_runs(older_than timestamptz, how_many integer) returns integer
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_count integer;
begin
  delete from ops.job_runs r
  where r.id in (
    select o.id from ops.job_runs o
    where o.outcome <> 'running' and o.finished_at < expire_job_runs.older_than
    limit expire_job_runs.how_many
  );
  get diagnostics v_count = row_count;
  return v_count;
end
$$;

comment on function ops.expire_job_runs(timestamptz, integer) is 'Deletes up to `how_many` runs of jobs that ended before; returns how many.';
grant execute on function ops.expire_job_runs(timestamptz, integer) to :WORKER;
--! EndIncluded ops/functions/expire_job_runs.sql
--! Included ops/functions/expire_rows.sql
-- Deletes up to `how_many` rows of a tenant that are older than a policy keeps them, and adds them to the receipt. The
-- tenant's rows and no other's: the statements name it, and row-level security lets the worker delete nobody else's while the
-- setting says so. Returns how many went: less than asked for, there are no more. Runs as the worker.
create or replace function ops.expire_rows(policy text, tenant_id text, older_than timestamptz, how_many integer default 5000)
returns integer
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_count integer;
begin
  perform set_config('app.retention_tenant_id', coalesce(expire_rows.tenant_id, ''), true);
  case expire_rows.policy
    when 'metrics.raw' then
      delete from app_public.metrics m
      using (
        select o."timestamp", o.id
        from app_public.metrics o
        where o.tenant_id = expire_rows.tenant_id and o."timestamp" < expire_rows.older_than
          and not ops.is_held('metrics.raw', o.tenant_id, o."timestamp")
        order by o."timestamp"
        limit expire_rows.how_many
      ) o
      where m.tenant_id = expire_rows.tenant_id and m."timestamp" = o."timestamp" and m.id = o.id;
    when 'metrics.minute' then
      delete from app_public.metrics_minute m
      using (
        select o.service_name, o.metric_name, o.bucket, o.tags_hash
        from app_public.metrics_minute o
        where o.tenant_id = expire_rows.tenant_id and o.bucket < expire_rows.older_than
          and not ops.is_held('metrics.minute', o.tenant_id, o.bucket)
        limit expire_rows.how_many
      ) o
      where m.tenant_id = expire_rows.tenant_id and m.service_name = o.service_name and m.metric_name = o.metric_name
        and m.bucket = o.bucket and m.tags_hash = o.tags_hash;
    when 'metrics.hour' then
      delete from app_public.metrics_hour m
      using (
        select o.service_name, o.metric_name, o.bucket, o.tags_hash
        from app_public.metrics_hour o
        where o.tenant_id = expire_rows.tenant_id and o.bucket < expire_rows.older_than
          and not ops.is_held('metrics.hour', o.tenant_id, o.bucket)
        limit expire_rows.how_many
      ) o
      where m.tenant_id = expire_rows.tenant_id and m.service_name = o.service_name and m.metric_name = o.metric_name
        and m.bucket = o.bucket and m.tags_hash = o.tags_hash;
    when 'metrics.day' then
      delete from app_public.metrics_day m
      using (
        select o.service_name, o.metric_name, o.bucket, o.tags_hash
        from app_public.metrics_day o
        where o.tenant_id = expire_rows.tenant_id and o.bucket < expire_rows.older_than
          and not ops.is_held('metrics.day', o.tenant_id, o.bucket)
        limit expire_rows.how_many
      ) o
      where m.tenant_id = expire_rows.tenant_id and m.service_name = o.service_name and m.metric_name = o.metric_name
        and m.bucket = o.bucket and m.tags_hash = o.tags_hash;
    when 'sessions' then
      delete from app_public.sessions s
      where s.tenant_id = expire_rows.tenant_id and s.id in (
        select o.id
        from app_public.sessions o
        where o.tenant_id = expire_rows.tenant_id and o.expires_at < expire_rows.older_than
          and not ops.is_held('sessions', o.tenant_id, o.expires_at)
        limit expire_rows.how_many
      );
    when 'tasks' then
      -- Not those of a workflow that may still ask what became of them.
      delete from app_public.tasks t
      where t.tenant_id = expire_rows.tenant_id and t.id in (
        select o.id
        from app_public.tasks o
        left join app_public.workflows w on w.tenant_id = o.tenant_id and w.id = o.workflow_id
        where o.tenant_id = expire_rows.tenant_id and o.status in ('completed', 'failed', 'dead', 'cancelled')
          and coalesce(o.completed_at, o.created_at) < expire_rows.older_than
          and (w.id is null or w.status in ('completed', 'failed', 'cancelled'))
          and not ops.is_held('tasks', o.tenant_id, coalesce(o.completed_at, o.created_at))
        limit expire_rows.how_many
      );
    when 'task_attempts' then
      delete from app_public.task_attempts a
      using (
        select o.task_id, o.attempt
        from app_public.task_attempts o
        join app_public.tasks t on t.tenant_id = o.tenant_id and t.id = o.task_id
        where o.tenant_id = expire_rows.tenant_id and o.ended_at < expire_rows.older_than
          and t.status in ('completed', 'failed', 'dead', 'cancelled')
          and not ops.is_held('task_attempts', o.tenant_id, o.ended_at)
        limit expire_rows.how_many
      ) o
      where a.tenant_id = expire_rows.tenant_id and a.task_id = o.task_id and a.attempt = o.attempt;
    when 'job_runs' then
      v_count := ops.expire_job_runs(expire_rows.older_than, expire_rows.how_many);
    when 'dead_jobs' then
      if to_regclass('graphile_worker.jobs') is null then
        return 0;
      end if;
      -- graphile-worker's own way to remove them. A literal: the schema is the worker's, made when it first starts.
      execute 'select count(*) from graphile_worker.complete_jobs(array(
          select j.id from graphile_worker.jobs j
          where j.attempts >= j.max_attempts and j.locked_at is null and j.updated_at < $1 limit $2))'
        into v_count using expire_rows.older_than, expire_rows.how_many;
    else
      raise exception 'there is no policy %', expire_rows.policy
        using errcode = 'LTP01', hint = 'select policy, keep from ops.retention_policies;';
  end case;
  if v_count is null then
    get diagnostics v_count = row_count;
  end if;
  perform set_config('app.retention_tenant_id', '', true);

  if v_count > 0 then
    update ops.retention_receipts r
    set row_count = r.row_count + v_count, at = clock_timestamp()
    where r.policy = expire_rows.policy and r.tenant_id is not distinct from expire_rows.tenant_id
      and r.older_than = expire_rows.older_than and r.partition is null;
    if not found then
      insert into ops.retention_receipts (policy, tenant_id, older_than, row_count)
      values (expire_rows.policy, expire_rows.tenant_id, expire_rows.older_than, v_count);
    end if;
  end if;
  return v_count;
end
$$;

comment on function ops.expire_rows(text, text, timestamptz, integer) is 'Deletes up to `how_many` rows of a tenant that a policy does not keep, and adds them to the receipt. Returns how many. LTP01 no such policy.';
grant execute on function ops.expire_rows(text, text, timestamptz, integer) to :WORKER;
--! EndIncluded ops/functions/expire_rows.sql
--! Included ops/functions/count_expired_rows.sql
-- How many rows of a tenant are older than a policy keeps them: what a dry run says. Runs as the worker, of one tenant.
create or replace function ops.count_expired_rows(policy text, tenant_id text, older_than timestamptz) returns bigint
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_count bigint;
begin
  perform set_config('app.retention_tenant_id', coalesce(count_expired_rows.tenant_id, ''), true);
  case count_expired_rows.policy
    when 'metrics.raw' then
      select count(*) into v_count from app_public.metrics o
      where o.tenant_id = count_expired_rows.tenant_id and o."timestamp" < count_expired_rows.older_than
        and not ops.is_held('metrics.raw', o.tenant_id, o."timestamp");
    when 'metrics.minute' then
      select count(*) into v_count from app_public.metrics_minute o
      where o.tenant_id = count_expired_rows.tenant_id and o.bucket < count_expired_rows.older_than
        and not ops.is_held('metrics.minute', o.tenant_id, o.bucket);
    when 'metrics.hour' then
      select count(*) into v_count from app_public.metrics_hour o
      where o.tenant_id = count_expired_rows.tenant_id and o.bucket < count_expired_rows.older_than
        and not ops.is_held('metrics.hour', o.tenant_id, o.bucket);
    when 'metrics.day' then
      select count(*) into v_count from app_public.metrics_day o
      where o.tenant_id = count_expired_rows.tenant_id and o.bucket < count_expired_rows.older_than
        and not ops.is_held('metrics.day', o.tenant_id, o.bucket);
    when 'sessions' then
      select count(*) into v_count from app_public.sessions o
      where o.tenant_id = count_expired_rows.tenant_id and o.expires_at < count_expired_rows.older_than
        and not ops.is_held('sessions', o.tenant_id, o.expires_at);
    when 'tasks' then
      select count(*) into v_count
      from app_public.tasks o
      left join app_public.workflows w on w.tenant_id = o.tenant_id and w.id = o.workflow_id
      where o.tenant_id = count_expired_rows.tenant_id and o.status in ('completed', 'failed', 'dead', 'cancelled')
        and coalesce(o.completed_at, o.created_at) < count_expired_rows.older_than
        and (w.id is null or w.status in ('completed', 'failed', 'cancelled'))
        and not ops.is_held('tasks', o.tenant_id, coalesce(o.completed_at, o.created_at));
    when 'task_attempts' then
      select count(*) into v_count
      from app_public.task_attempts o
      join app_public.tasks t on t.tenant_id = o.tenant_id and t.id = o.task_id
      where o.tenant_id = count_expired_rows.tenant_id and o.ended_at < count_expired_rows.older_than
        and t.status in ('completed', 'failed', 'dead', 'cancelled')
        and not ops.is_held('task_attempts', o.tenant_id, o.ended_at);
    when 'job_runs' then
      select count(*) into v_count from ops.job_runs r
      where r.outcome <> 'running' and r.finished_at < count_expired_rows.older_than;
    when 'dead_jobs' then
      if to_regclass('graphile_worker.jobs') is not null then
        execute 'select count(*) from graphile_worker.jobs j
          where j.attempts >= j.max_attempts and j.locked_at is null and j.updated_at < $1'
          into v_count using count_expired_rows.older_than;
      end if;
    else
      raise exception 'there is no policy %', count_expired_rows.policy
        using errcode = 'LTP01', hint = 'select policy, keep from ops.retention_policies;';
  end case;
  perform set_config('app.retention_tenant_id', '', true);
  return coalesce(v_count, 0);
end
$$;

comment on function ops.count_expired_rows(text, text, timestamptz) is 'How many rows of a tenant a policy does not keep. LTP01 no such policy.';
grant execute on function ops.count_expired_rows(text, text, timestamptz) to :WORKER;
--! EndIncluded ops/functions/count_expired_rows.sql
--! Included ops/functions/partition_waits.sql
-- Whom the removal of a partition waits for: sessions that have held its parent since before it was tried last. Definer:
-- what a session does is shown to those who may read all statistics, which the owner may.
create or replace function ops.partition_waits()
returns table (
  partition text, waiting_since timestamptz, pid integer, login name, application text, transaction_since timestamptz, query_since timestamptz
)
language sql stable security definer
set search_path to pg_catalog, pg_temp
as $$
  select r.partition, r.began_at, a.pid, a.usename, a.application_name, a.xact_start, a.query_start
  from ops.partition_removals r
  join lateral (
    select distinct l.pid
    from pg_locks l
    where l.granted and l.locktype = 'relation' and l.pid <> pg_backend_pid()
      and l.database = (select d.oid from pg_database d where d.datname = current_database())
      and l.relation in (to_regclass(r.parent), to_regclass(r.partition))
  ) l on true
  join pg_stat_activity a on a.pid = l.pid
  where r.tried_at is not null and coalesce(a.xact_start < r.tried_at, true)
  order by a.xact_start
$$;

comment on function ops.partition_waits() is 'Whom the removal of a partition waits for, longest first: the session, its login, and since when its transaction and its statement run.';
grant execute on function ops.partition_waits() to :OPERATOR, :WORKER;
--! EndIncluded ops/functions/partition_waits.sql
--! Included ops/views/removal_waits.sql
-- Whom the removal of a partition waits for, for whoever would rather look than call.
create or replace view ops.removal_waits with (security_barrier) as
select w.partition, w.waiting_since, w.pid, w.login, w.application, w.transaction_since, w.query_since
from ops.partition_waits() w;

revoke all on ops.removal_waits from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.removal_waits to :OPERATOR, :WORKER;
--! EndIncluded ops/views/removal_waits.sql
--! Included app_private/functions/partition_ranges.sql
-- What a table that is partitioned by range of one time holds, read from the bounds as the catalog shows them.
create or replace function app_private.partition_ranges(parent regclass) returns tstzmultirange
language sql stable
set search_path to pg_catalog, pg_temp
set datestyle to 'ISO'
set timezone to 'UTC'
as $$
  select coalesce(range_agg(tstzrange(b.ends[1]::timestamptz, b.ends[2]::timestamptz)), '{}')
  from pg_inherits i
  join pg_class c on c.oid = i.inhrelid
  cross join regexp_match(
    pg_get_expr(c.relpartbound, c.oid), $bounds$^FOR VALUES FROM \('([^']+)'\) TO \('([^']+)'\)$bounds$
  ) b(ends)
  where i.inhparent = parent and not i.inhdetachpending
$$;

comment on function app_private.partition_ranges(regclass) is 'The times for which a table partitioned by time has partitions.';
grant execute on function app_private.partition_ranges(regclass) to :SERVICE, :ADMIN, :OPERATOR, :WORKER;
--! EndIncluded app_private/functions/partition_ranges.sql
--! Included ops/views/partition_horizons.sql
-- How far partitions are made ahead. Without a default partition a row beyond is refused, so less than is needed is an alarm.
create or replace view ops.partition_horizons with (security_barrier) as
select
  p.parent,
  h.reaches_to,
  h.reaches_to - now() as ahead,
  p.needed,
  coalesce(h.reaches_to < now() + p.needed, true) as short
from (
  -- Names and what they mean, apart: nobody who asks needs to see into the schemas.
  values ('app_public.metrics', 'app_public.metrics'::regclass, interval '3 days'),
    ('app_public.metrics_minute', 'app_public.metrics_minute', interval '3 days'),
    ('app_public.metrics_hour', 'app_public.metrics_hour', interval '3 days'),
    ('audit.log', 'audit.log', interval '14 days')
) p(parent, relation, needed)
-- The end of the stretch that holds now.
left join lateral (
  select upper(r.range) as reaches_to
  from unnest(app_private.partition_ranges(p.relation)) r(range)
  where r.range @> now()
) h on true;

revoke all on ops.partition_horizons from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.partition_horizons to :OPERATOR, :WORKER;
--! EndIncluded ops/views/partition_horizons.sql
--! Included ops/comments.sql
comment on schema ops is 'Operations across tenants: for operators and the worker.';

comment on view ops.tenants is 'All tenants with their logins.';
comment on column ops.tenants.id is 'The tenant''s id.';
comment on column ops.tenants.name is 'The name to show.';
comment on column ops.tenants.suspended_at is 'Since when it is locked out; null: it is not.';
comment on column ops.tenants.created_at is 'When it was made.';
comment on column ops.tenants.logins is 'Names of the logins that see it, in order.';

comment on table ops.job_runs is 'Runs of jobs, by the worker or by a command: how far they are and what came of them. Of runs that had nothing to do only the newest of each task is kept.';
comment on column ops.job_runs.id is 'In the order in which they began.';
comment on column ops.job_runs.task is 'Which job.';
comment on column ops.job_runs.details is 'What about, as an object; no secrets.';
comment on column ops.job_runs.worker is 'Who ran it: the id of a worker, or host:pid of a command.';
comment on column ops.job_runs.job_id is 'The job of graphile-worker; null: a command.';
comment on column ops.job_runs.lock is 'Of those that run, at most one has this name; null: any number may run.';
comment on column ops.job_runs.outcome is 'running, succeeded, failed, or abandoned: its process was not heard of in time.';
comment on column ops.job_runs.progress is 'How much is done, from 0 to 1; null: nobody knows.';
comment on column ops.job_runs.note is 'What it is at, or what it did; a sentence.';
comment on column ops.job_runs.error is 'Why it did not succeed.';
comment on column ops.job_runs.idle is 'It succeeded because there was nothing to do.';
comment on column ops.job_runs.started_at is 'When it began.';
comment on column ops.job_runs.updated_at is 'When it was last heard of.';
comment on column ops.job_runs.progressed_at is 'When it last said something new; null: it has not yet.';
comment on column ops.job_runs.lease_until is 'When it is taken for dead unless it is heard of before.';
comment on column ops.job_runs.finished_at is 'When it ended; null: it runs.';

comment on table ops.workers is 'Processes that work on jobs, by the id under which graphile-worker locks jobs for them.';
comment on column ops.workers.id is 'The id of the pool.';
comment on column ops.workers.host is 'The machine that it runs on.';
comment on column ops.workers.pid is 'Its process there.';
comment on column ops.workers.version is 'Of this project.';
comment on column ops.workers.started_at is 'When it began.';
comment on column ops.workers.seen_at is 'When it last said that it lives; it does every 15 seconds.';
comment on column ops.workers.stopped_at is 'When it ended as it should; null: it lives or died.';
comment on column ops.workers.lost_at is 'When it was taken for dead; null: it was not.';

comment on table ops.job_tasks is 'The tasks that the workers know, and when they run by themselves (UTC).';
comment on column ops.job_tasks.task is 'Its name.';
comment on column ops.job_tasks.does is 'What it is for.';
comment on column ops.job_tasks.schedule is 'The pattern of its crontab; null: nothing schedules it.';
comment on column ops.job_tasks.every is 'The longest time between two of its runs; null: nothing schedules it.';
comment on column ops.job_tasks.expected is 'How long a run takes at most; a longer one raises an alert.';
comment on column ops.job_tasks.known_since is 'When a worker first said that it knows it.';

comment on table ops.alerts is 'What is wrong, and what was: one open row for each kind and subject. Those that are over are resolved by themselves.';
comment on column ops.alerts.id is 'In the order in which they were raised.';
comment on column ops.alerts.kind is 'Which check: ops.check_<kind>.';
comment on column ops.alerts.subject is 'What it is about.';
comment on column ops.alerts.severity is 'warning: look at it; error: something that should happen does not.';
comment on column ops.alerts.message is 'What is wrong, in a sentence.';
comment on column ops.alerts.details is 'The same for programs, an object; no secrets.';
comment on column ops.alerts.raised_at is 'Since when.';
comment on column ops.alerts.last_seen_at is 'When it was last so.';
comment on column ops.alerts.resolved_at is 'When it was over; null: it is open.';

comment on view ops.running is 'What runs now: since when, how far it is, and where.';
comment on column ops.running.id is 'The run in ops.job_runs.';
comment on column ops.running.task is 'Which job.';
comment on column ops.running.details is 'What about.';
comment on column ops.running.progress is 'From 0 to 1; null: nobody knows.';
comment on column ops.running.note is 'What it is at.';
comment on column ops.running.started_at is 'When it began.';
comment on column ops.running.running_for is 'How long it has been running.';
comment on column ops.running.updated_at is 'When it was last heard of.';
comment on column ops.running.worker is 'The id of a worker, or host:pid of a command.';
comment on column ops.running.process is 'host:pid.';
comment on column ops.running.job_id is 'Its job in ops.jobs; null: a command.';

comment on view ops.jobs is 'The queue of jobs, without their payloads. Those that are done are not in it.';
comment on column ops.jobs.id is 'Of graphile-worker.';
comment on column ops.jobs.task is 'What is to be done.';
comment on column ops.jobs.state is 'waiting, running, or failed: it was tried as often as it may.';
comment on column ops.jobs.due_at is 'When it may run, or run again.';
comment on column ops.jobs.attempts is 'How often it was begun.';
comment on column ops.jobs.max_attempts is 'How often it may be.';
comment on column ops.jobs.last_error is 'Why the last attempt failed.';
comment on column ops.jobs.created_at is 'When it came into the queue.';
comment on column ops.jobs.running_since is 'When the attempt under way began.';
comment on column ops.jobs.worker is 'Who runs it; ops.workers has where.';
comment on column ops.jobs.progress is 'Of the attempt under way, from 0 to 1.';
comment on column ops.jobs.note is 'What it is at.';

comment on view ops.check_dead_jobs is 'A check of ops.check_alerts. Jobs that failed for good.';
comment on column ops.check_dead_jobs.subject is 'What it is about.';
comment on column ops.check_dead_jobs.severity is 'warning or error.';
comment on column ops.check_dead_jobs.message is 'What is wrong, in a sentence.';
comment on column ops.check_dead_jobs.details is 'The same for programs.';

comment on view ops.check_stuck_runs is 'A check of ops.check_alerts. Runs that take longer than they should.';
comment on column ops.check_stuck_runs.subject is 'What it is about.';
comment on column ops.check_stuck_runs.severity is 'warning or error.';
comment on column ops.check_stuck_runs.message is 'What is wrong, in a sentence.';
comment on column ops.check_stuck_runs.details is 'The same for programs.';

comment on view ops.check_late_jobs is 'A check of ops.check_alerts. Scheduled jobs that have not succeeded in time.';
comment on column ops.check_late_jobs.subject is 'What it is about.';
comment on column ops.check_late_jobs.severity is 'warning or error.';
comment on column ops.check_late_jobs.message is 'What is wrong, in a sentence.';
comment on column ops.check_late_jobs.details is 'The same for programs.';

comment on view ops.check_lost_workers is 'A check of ops.check_alerts. Workers that were taken for dead in the last hour.';
comment on column ops.check_lost_workers.subject is 'What it is about.';
comment on column ops.check_lost_workers.severity is 'warning or error.';
comment on column ops.check_lost_workers.message is 'What is wrong, in a sentence.';
comment on column ops.check_lost_workers.details is 'The same for programs.';

comment on view ops.check_partition_horizon is 'A check of ops.check_alerts. Tables whose partitions end within a week.';
comment on column ops.check_partition_horizon.subject is 'What it is about.';
comment on column ops.check_partition_horizon.severity is 'warning or error.';
comment on column ops.check_partition_horizon.message is 'What is wrong, in a sentence.';
comment on column ops.check_partition_horizon.details is 'The same for programs.';

comment on view ops.check_untrimmed_events is 'A check of ops.check_alerts. The outbox, when it is not trimmed.';
comment on column ops.check_untrimmed_events.subject is 'What it is about.';
comment on column ops.check_untrimmed_events.severity is 'warning or error.';
comment on column ops.check_untrimmed_events.message is 'What is wrong, in a sentence.';
comment on column ops.check_untrimmed_events.details is 'The same for programs.';

comment on function ops.create_tenant(text, text) is 'Makes a tenant, or gives back the one of that id and name. LTT01 when the id is taken under another name.';
comment on function ops.set_tenant_suspended(text, boolean) is 'Locks a tenant out, or lets it in again. LTT02 when there is none.';
comment on function ops.suspended_tenants() is 'Ids of the tenants that are locked out.';
comment on function ops.bind_login(name, text) is 'Binds a login to the tenant it will see. LTT02 no such tenant, LTT03 the login is more than a plain one, LTT04 it belongs to another tenant.';
comment on function ops.unbind_login(name) is 'Takes a login''s tenant away; false when it had none.';
comment on function ops.ensure_partitions(integer, integer, timestamptz) is 'Makes the missing partitions of metrics and their rollups (days ahead) and of audit.log (months ahead), and returns their names.';
comment on function ops.applied_migrations() is 'The migrations that this database has, oldest first.';
comment on function ops.reap_expired_leases(integer) is 'Takes back up to how_many tasks whose leases expired: they wait again, or are dead when their attempts are used up. Returns their number.';
comment on function ops.tend_workflows(integer) is 'Ends the steps that took too long, in up to how_many workflows, and goes on with them. Returns how many it was at; those that somebody else holds are left for the next time.';
comment on function ops.lock_workflow(text, uuid) is 'Locks a workflow, its tasks that are not over and their leases, in the one order of locks: leases, tasks, workflows, steps. Null when there is none.';
comment on function ops.advance_workflow(text, uuid) is 'Takes in what became of a workflow''s tasks, starts the steps that may start, and ends the workflow when nothing is left.';
comment on function ops.begin_workflow_step(app_public.workflows, app_public.workflow_steps) is 'Makes the task of a step whose dependencies have ended, or skips it. Returns its status.';
comment on function ops.workflow_condition_holds(jsonb, jsonb) is 'Whether a valid condition holds, given {key: {status, result}} of earlier steps.';
comment on function ops.lock_waiting_workflow_tasks(text, uuid) is 'Locks the tasks of a workflow''s steps that wait, passing over those that somebody is claiming, and gives their ids.';
comment on function ops.cancel_workflow_tasks(text, uuid[], text) is 'Cancels tasks, with the leases that they are under.';
comment on function ops.read_events(pg_snapshot, xid8, bigint, text[], integer) is 'Reads the outbox of these tenants on from a position, at most max_rows rows: the snapshot of now, the one that the outbox is trimmed to, and rows {transaction, id, tenantId, topic, operation, keys} in the order to deliver them.';
comment on function ops.trim_events(interval) is 'Removes from the outbox what could be read for at least as long as `keep`; gives the number of rows.';

comment on table ops.metric_changes is 'What metrics have to be rolled up, once more where they were: a row per statement that changed it. Until then readers take the finer table.';
comment on column ops.metric_changes.resolution is 'The rollup that lacks it: minute, hour or day.';
comment on column ops.metric_changes.tenant_id is 'The tenant.';
comment on column ops.metric_changes.bucket is 'When what is lacking begins.';
comment on table ops.metric_rollups is 'The rollups of metrics. Who makes one holds its row locked, so that there is one at a time.';
comment on column ops.metric_rollups.resolution is 'minute, hour or day.';
comment on column ops.metric_rollups.rolled_up_at is 'When it was looked at last.';

comment on table ops.backups is 'What backups the store holds, or held: a mirror of its manifests for who asks in SQL. The store is the truth.';
comment on column ops.backups.id is 'Its name; in the order of time.';
comment on column ops.backups.kind is 'full, incremental or snapshot.';
comment on column ops.backups.parent_id is 'What it builds on; null: nothing.';
comment on column ops.backups.started_at is 'When it began, by the server''s clock.';
comment on column ops.backups.ended_at is 'When it ended: the first moment that it can be restored to.';
comment on column ops.backups.objects is 'How many objects it has in the store.';
comment on column ops.backups.bytes is 'Of their content.';
comment on column ops.backups.stored_bytes is 'As they are stored.';
comment on column ops.backups.manifest_sha256 is 'Of its manifest, as it was first recorded: a store that says otherwise was changed.';
comment on column ops.backups.server is 'Where in the server''s WAL it is; null: of an embedded database.';
comment on column ops.backups.recorded_at is 'When it was first seen in the store.';
comment on column ops.backups.removed_at is 'When it was found not to be in the store any more; null: it is there.';

comment on table ops.wal_receivers is 'How receiving WAL stands, by replication slot.';
comment on column ops.wal_receivers.slot is 'The slot that the server keeps WAL for.';
comment on column ops.wal_receivers.receiving is 'Whether the worker that said this receives.';
comment on column ops.wal_receivers.received_lsn is 'Up to where WAL was received.';
comment on column ops.wal_receivers.kept_bytes is 'WAL that the server keeps because it was not received.';
comment on column ops.wal_receivers.safe_bytes is 'What may still be written before the server gives the slot up; null: there is no limit.';
comment on column ops.wal_receivers.wal_status is 'Of the slot: reserved, extended, unreserved or lost.';
comment on column ops.wal_receivers.problem is 'What went wrong last; null: all is well.';
comment on column ops.wal_receivers.seen_at is 'When this was said.';

comment on view ops.recovery is 'Can we restore, and to when. One row.';
comment on column ops.recovery.can_restore is 'Whether there is a backup.';
comment on column ops.recovery.reachable_from is 'The oldest moment that a restore can go to.';
comment on column ops.recovery.newest_backup_at is 'When the newest backup ended.';
comment on column ops.recovery.newest_full_at is 'When the newest full backup ended.';
comment on column ops.recovery.newest_incremental_at is 'When the newest incremental backup ended.';
comment on column ops.recovery.wal_received_lsn is 'Up to where WAL was received: the newest position that a restore can go to.';
comment on column ops.recovery.wal_received_at is 'When that was.';
comment on column ops.recovery.wal_waiting_bytes is 'WAL that the server keeps because it was not received.';
comment on column ops.recovery.wal_problem is 'What went wrong with receiving last; null: all is well.';

comment on view ops.check_wal_receivers is 'A check of ops.check_alerts. WAL that is not received.';
comment on column ops.check_wal_receivers.subject is 'What it is about.';
comment on column ops.check_wal_receivers.severity is 'warning or error.';
comment on column ops.check_wal_receivers.message is 'What is wrong, in a sentence.';
comment on column ops.check_wal_receivers.details is 'The same for programs.';
comment on table ops.retention_policies is 'What is kept for how long. Changed by ops.set_retention.';
comment on column ops.retention_policies.policy is 'Its name.';
comment on column ops.retention_policies.description is 'What it is of.';
comment on column ops.retention_policies.keep is 'How long it is kept; null: for ever.';
comment on column ops.retention_policies.by_tenant is 'Whether it is of tenants, each of which may have another.';
comment on table ops.retention_overrides is 'For how long a tenant keeps something, other than all.';
comment on column ops.retention_overrides.policy is 'The policy.';
comment on column ops.retention_overrides.tenant_id is 'The tenant.';
comment on column ops.retention_overrides.keep is 'How long it is kept; null: for ever.';
comment on table ops.retention_holds is 'What stays whatever its age: imported history that the operator has not released, a dispute.';
comment on column ops.retention_holds.id is 'Which.';
comment on column ops.retention_holds.policy is 'The policy that it is exempt from.';
comment on column ops.retention_holds.tenant_id is 'The tenant; null: all of them.';
comment on column ops.retention_holds.held is 'Of which time.';
comment on column ops.retention_holds.reason is 'Why, for whoever would remove it.';
comment on column ops.retention_holds.created_at is 'Since when.';
comment on table ops.metric_floors is 'Before when points are refused, because what is older is removed.';
comment on column ops.metric_floors.tenant_id is 'The tenant; null: all of them.';
comment on column ops.metric_floors.kept_from is 'Points from before are refused.';
comment on column ops.metric_floors.closed_to is 'Points from before may be removed: all of them are rolled up, and nobody can add one.';
comment on column ops.metric_floors.moved_by is 'The transaction that moved it: whoever is older may not know.';
comment on table ops.partition_removals is 'Partitions whose removal has begun and not ended.';
comment on column ops.partition_removals.partition is 'Its name, with its schema.';
comment on column ops.partition_removals.parent is 'The table that it is, or was, a part of.';
comment on column ops.partition_removals.policy is 'The policy that it goes under.';
comment on column ops.partition_removals.held is 'The times that it holds.';
comment on column ops.partition_removals.rows_by_tenant is 'How many rows of each tenant are in it.';
comment on column ops.partition_removals.began_at is 'When the removal began.';
comment on column ops.partition_removals.tried_at is 'When it was tried last.';
comment on column ops.partition_removals.problem is 'What stood in its way then; ops.removal_waits says who.';
comment on table ops.retention_receipts is 'What was removed, under which policy.';
comment on column ops.retention_receipts.id is 'Which.';
comment on column ops.retention_receipts.at is 'When the last of it went.';
comment on column ops.retention_receipts.policy is 'The policy.';
comment on column ops.retention_receipts.tenant_id is 'Whose it was; null: no tenant''s.';
comment on column ops.retention_receipts.older_than is 'It was older than this.';
comment on column ops.retention_receipts.partition is 'The partition that went as a whole; null: rows were deleted.';
comment on column ops.retention_receipts.row_count is 'How many rows.';
comment on column ops.retention_receipts.bytes is 'How much of the disk the partition took, the tenant''s share by rows; null of rows, whose room is used again.';
comment on view ops.removal_waits is 'Whom the removal of a partition waits for, longest first.';
comment on column ops.removal_waits.partition is 'The partition that is to go.';
comment on column ops.removal_waits.waiting_since is 'Since when.';
comment on column ops.removal_waits.pid is 'The session that is waited for.';
comment on column ops.removal_waits.login is 'Its login.';
comment on column ops.removal_waits.application is 'What it calls itself.';
comment on column ops.removal_waits.transaction_since is 'Since when its transaction is open.';
comment on column ops.removal_waits.query_since is 'Since when its statement runs.';
comment on view ops.partition_horizons is 'How far partitions are made ahead. `short` is an alarm: rows beyond are refused.';
comment on column ops.partition_horizons.parent is 'The table.';
comment on column ops.partition_horizons.reaches_to is 'The end of the last of the partitions that follow each other from now on.';
comment on column ops.partition_horizons.ahead is 'How far that is.';
comment on column ops.partition_horizons.needed is 'How far it has to be.';
comment on column ops.partition_horizons.short is 'Whether it is less.';
--! EndIncluded ops/comments.sql
