--! Previous: sha1:2f166db4651b50c38b2008d99a4be45998b227d4
--! Hash: sha1:6b29868fa3b55437c4dd2dfdd059b9de56efb579
--! Message: drills

-- What drills found: whether backups can be restored, when that was last proven, and how long it takes.

create table ops.drills (
  id bigint generated always as identity,
  started_at timestamptz not null,
  finished_at timestamptz not null default clock_timestamp(),
  backups text[] not null,
  "position" text,
  compared_tables integer not null,
  compared_rows bigint not null,
  restore_time interval,
  problems text[] not null,
  self_tests jsonb not null,
  passed boolean not null generated always as (cardinality(problems) = 0) stored,
  constraint drills_pkey primary key (id),
  -- A drill that compared nothing has not passed, whoever says so.
  constraint drills_passed_check check (
    cardinality(problems) > 0 or compared_rows > 0 and cardinality(backups) > 0 and restore_time is not null
  )
);

--! Included ops/policies/drills.sql
alter table ops.drills enable row level security, force row level security;

-- manage_owner, select_operator and select_worker stand in cross_tenant_policies.sql.

revoke all on ops.drills from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.drills to :OPERATOR, :WORKER;
-- No insert, update or delete for anybody: ops.record_drill writes it.
--! EndIncluded ops/policies/drills.sql
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

-- Drills, which hold nothing of a tenant: ops.record_drill, and who reads them.
drop policy if exists manage_owner on ops.drills;
create policy manage_owner on ops.drills for all to :OWNER
  using (true)
  with check (true);

drop policy if exists select_operator on ops.drills;
create policy select_operator on ops.drills for select to :OPERATOR
  using (true);

drop policy if exists select_worker on ops.drills;
create policy select_worker on ops.drills for select to :WORKER
  using (true);
--! EndIncluded cross_tenant_policies.sql
--! Included ops/functions/record_drill.sql
-- Writes down what a drill found, and says whether the backups are proven: nothing was wrong. Definer: nobody writes a
-- verdict by hand.
create or replace function ops.record_drill(
  started_at timestamptz,
  backups text[],
  "position" text,
  compared_tables integer,
  compared_rows bigint,
  restore_ms bigint,
  problems text[],
  self_tests jsonb
) returns boolean
language sql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
  insert into ops.drills (started_at, backups, "position", compared_tables, compared_rows, restore_time, problems, self_tests)
  values ($1, $2, $3, $4, $5, $6 * interval '1 millisecond', $7, $8)
  returning passed
$$;

comment on function ops.record_drill(timestamptz, text[], text, integer, bigint, bigint, text[], jsonb) is 'Writes down what a drill found; true when it passed.';
grant execute on function ops.record_drill(timestamptz, text[], text, integer, bigint, bigint, text[], jsonb) to :WORKER;
--! EndIncluded ops/functions/record_drill.sql
--! Included ops/views/check_drills.sql
-- Backups that the newest drill could not restore.
create or replace view ops.check_drills with (security_barrier) as
select
  'backups'::text as subject,
  'error'::text as severity,
  format(
    'the drill of %s did not pass: %s',
    to_char(d.started_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), array_to_string(d.problems[1:3], '; ')
  ) as message,
  jsonb_build_object('drill', d.id, 'backups', to_jsonb(d.backups), 'problems', to_jsonb(d.problems)) as details
from (select * from ops.drills order by id desc limit 1) d
where not d.passed;

comment on view ops.check_drills is 'A check of ops.check_alerts. Backups that the newest drill could not restore.';
revoke all on ops.check_drills from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.check_drills to :OPERATOR, :WORKER;
--! EndIncluded ops/views/check_drills.sql
--! Included ops/views/recovery.sql
-- Can we restore, to when, and when was that last proven. One row. From the oldest backup's end everything is reachable up to what was received; what the
-- store really holds, and whether it is whole, is said by `lightning backups` and `lightning backup verify`.
create or replace view ops.recovery with (security_barrier) as
select
  b.oldest is not null as can_restore,
  b.oldest as reachable_from,
  b.newest as newest_backup_at,
  b.newest_full as newest_full_at,
  b.newest_incremental as newest_incremental_at,
  w.received_lsn as wal_received_lsn,
  w.seen_at as wal_received_at,
  w.kept_bytes as wal_waiting_bytes,
  w.problem as wal_problem,
  d.finished_at as proven_at,
  d.restore_time as proven_restore_time,
  (select n.passed from ops.drills n order by n.id desc limit 1) as newest_drill_passed
from (
  select
    min(k.ended_at) as oldest,
    max(k.ended_at) as newest,
    max(k.ended_at) filter (where k.kind = 'full') as newest_full,
    max(k.ended_at) filter (where k.kind = 'incremental') as newest_incremental
  from ops.backups k
  where k.removed_at is null
) b
left join lateral (
  select r.* from ops.wal_receivers r order by r.seen_at desc limit 1
) w on true
left join lateral (
  select p.* from ops.drills p where p.passed order by p.id desc limit 1
) d on true;

revoke all on ops.recovery from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.recovery to :OPERATOR, :WORKER;
--! EndIncluded ops/views/recovery.sql
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

comment on column ops.recovery.proven_at is 'When a drill last passed; null: never.';
comment on column ops.recovery.proven_restore_time is 'How long that restore took.';
comment on column ops.recovery.newest_drill_passed is 'Whether the newest drill passed; null: there was none.';

comment on table ops.drills is 'Restores that were made to prove backups: what they found, and how long they took.';
comment on column ops.drills.id is 'In the order in which they ended.';
comment on column ops.drills.started_at is 'When it began.';
comment on column ops.drills.finished_at is 'When its verdict was written down.';
comment on column ops.drills.backups is 'Ids of the backups that were restored, the full one first; empty: they could not be.';
comment on column ops.drills."position" is 'Where in the WAL the comparison was made; null for an embedded database.';
comment on column ops.drills.compared_tables is 'How many tables were compared.';
comment on column ops.drills.compared_rows is 'How many rows were compared.';
comment on column ops.drills.restore_time is 'From the first byte read to a database that answers; null: it never did.';
comment on column ops.drills.problems is 'A sentence for each thing that is wrong.';
comment on column ops.drills.self_tests is 'Damages that the drill did to copies on purpose, and how each was noticed: an array of objects with `damage` and `noticed`.';
comment on column ops.drills.passed is 'Whether the backups are proven: nothing was wrong, and rows were compared.';
comment on column ops.check_drills.subject is 'What it is about.';
comment on column ops.check_drills.severity is 'warning or error.';
comment on column ops.check_drills.message is 'What is wrong, in a sentence.';
comment on column ops.check_drills.details is 'The same for programs.';
--! EndIncluded ops/comments.sql
