--! Previous: sha1:269c844f7ff9256309d6076f945e0b001f8c8421
--! Hash: sha1:4baec1ef7c7986404056cd2648ca91b44ec75521
--! Message: workers_and_alerts

-- Workers that are alive, the tasks that they know, and alerts.

create table ops.workers (
  id text not null,
  host text not null,
  pid integer not null,
  version text not null,
  started_at timestamptz not null default clock_timestamp(),
  seen_at timestamptz not null default clock_timestamp(),
  stopped_at timestamptz,
  lost_at timestamptz,
  constraint workers_pkey primary key (id)
) with (fillfactor = 50);

-- `every` is null for tasks that nothing schedules.
create table ops.job_tasks (
  task text not null,
  does text not null,
  schedule text,
  every interval,
  expected interval not null,
  known_since timestamptz not null default clock_timestamp(),
  constraint job_tasks_pkey primary key (task),
  constraint job_tasks_every_check check ((schedule is null) = (every is null))
);

create table ops.alerts (
  id bigint generated always as identity,
  kind text not null,
  subject text not null,
  severity text not null,
  message text not null,
  details jsonb not null default '{}',
  raised_at timestamptz not null default clock_timestamp(),
  last_seen_at timestamptz not null default clock_timestamp(),
  resolved_at timestamptz,
  constraint alerts_pkey primary key (id),
  constraint alerts_severity_check check (severity in ('warning', 'error'))
) with (fillfactor = 50);

-- One that is open for each thing that is wrong.
create unique index alerts_kind_subject_idx on ops.alerts (kind, subject) where resolved_at is null;

-- When a run last said something new; its lease is renewed without that.
alter table ops.job_runs add column progressed_at timestamptz;
-- How often a job took its worker with it.
create index job_runs_job_id_idx on ops.job_runs (job_id) where job_id is not null;

--! Included ops/policies/workers.sql
alter table ops.workers enable row level security, force row level security;

-- manage_owner, select_operator and select_worker stand in cross_tenant_policies.sql.

revoke all on ops.workers from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.workers to :OPERATOR, :WORKER;
-- No insert, update or delete for anybody: ops.see_worker, ops.stop_worker and ops.lose_workers keep it.
--! EndIncluded ops/policies/workers.sql
--! Included ops/policies/job_tasks.sql
alter table ops.job_tasks enable row level security, force row level security;

-- manage_owner, select_operator and select_worker stand in cross_tenant_policies.sql.

revoke all on ops.job_tasks from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.job_tasks to :OPERATOR, :WORKER;
-- No insert, update or delete for anybody: ops.set_job_tasks keeps it.
--! EndIncluded ops/policies/job_tasks.sql
--! Included ops/policies/alerts.sql
alter table ops.alerts enable row level security, force row level security;

-- manage_owner, select_operator and select_worker stand in cross_tenant_policies.sql.

revoke all on ops.alerts from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.alerts to :OPERATOR, :WORKER;
-- No insert, update or delete for anybody: ops.report_alerts keeps it.
--! EndIncluded ops/policies/alerts.sql
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

-- ops.session_claims and validate_session find a session by its token, before its tenant is known, and prolong it;
-- own_sessions compares tenant and user itself, the view user_sessions the tenant.
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

drop policy if exists manage_worker on app_public.metrics_minute;
create policy manage_worker on app_public.metrics_minute for all to :WORKER
  using (true)
  with check (true);

drop policy if exists manage_worker on app_public.metrics_hour;
create policy manage_worker on app_public.metrics_hour for all to :WORKER
  using (true)
  with check (true);

drop policy if exists manage_worker on app_public.metrics_day;
create policy manage_worker on app_public.metrics_day for all to :WORKER
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
--! EndIncluded cross_tenant_policies.sql
--! Included ops/functions/renew_run.sql
-- Says that a run lives, and how far it is; null leaves what was said last. False: it was taken for dead, and somebody else
-- may be at the same by now, so that it has to stop. Definer: nobody writes the table by hand.
create or replace function ops.renew_run(
  run_id bigint,
  lease interval,
  progress double precision default null,
  note text default null
) returns boolean
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  -- A lease that is over and was not taken from it is as good as before.
  update ops.job_runs r
  set
    lease_until = clock_timestamp() + renew_run.lease,
    updated_at = clock_timestamp(),
    progressed_at = case
      when renew_run.progress is null and renew_run.note is null then r.progressed_at
      else clock_timestamp()
    end,
    progress = coalesce(least(greatest(renew_run.progress, 0), 1), r.progress),
    note = coalesce(renew_run.note, r.note)
  where r.id = renew_run.run_id and r.outcome = 'running';
  return found;
end
$$;

comment on function ops.renew_run(bigint, interval, double precision, text) is 'Extends the lease of a run and says how far it is. False when the run was taken for dead, or has ended.';
grant execute on function ops.renew_run(bigint, interval, double precision, text) to :WORKER;
--! EndIncluded ops/functions/renew_run.sql
--! Included ops/functions/see_worker.sql
-- Says that a worker lives. False: it was taken for dead since it last said so, and its jobs were given to others. Definer:
-- nobody writes the table by hand.
create or replace function ops.see_worker(id text, host text, pid integer, version text) returns boolean
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_lost_at timestamptz;
begin
  select w.lost_at into v_lost_at from ops.workers w where w.id = see_worker.id for update;
  insert into ops.workers (id, host, pid, version)
  values (see_worker.id, see_worker.host, see_worker.pid, see_worker.version)
  on conflict on constraint workers_pkey do update set seen_at = clock_timestamp(), lost_at = null;
  return v_lost_at is null;
end
$$;

comment on function ops.see_worker(text, text, integer, text) is 'Says that a worker lives. False when it was taken for dead since it last said so.';
grant execute on function ops.see_worker(text, text, integer, text) to :WORKER;
--! EndIncluded ops/functions/see_worker.sql
--! Included ops/functions/stop_worker.sql
-- Says that a worker has ended as it should. Definer: nobody writes the table by hand.
create or replace function ops.stop_worker(id text) returns void
language sql volatile security definer
set search_path to pg_catalog, pg_temp
begin atomic
  update ops.workers w set stopped_at = clock_timestamp(), seen_at = clock_timestamp() where w.id = stop_worker.id;
end;

comment on function ops.stop_worker(text) is 'Says that a worker has ended as it should.';
grant execute on function ops.stop_worker(text) to :WORKER;
--! EndIncluded ops/functions/stop_worker.sql
--! Included ops/functions/lose_workers.sql
-- Gives up workers and the runs that they were at. Forgets those that ended a week ago. Definer: nobody writes the tables by
-- hand.
create or replace function ops.lose_workers(ids text[]) returns void
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  -- In one order, so that two who look at the same time do not wait for each other.
  perform from ops.workers w where w.id = any (ids) order by w.id for update;
  update ops.workers w set lost_at = clock_timestamp() where w.id = any (ids) and w.lost_at is null;
  update ops.job_runs r
  set
    outcome = 'abandoned',
    finished_at = clock_timestamp(),
    error = format('worker %s was not seen any more', r.worker)
  where r.outcome = 'running' and r.worker = any (ids);
  delete from ops.workers w where coalesce(w.stopped_at, w.lost_at) < clock_timestamp() - interval '7 days';
end
$$;

comment on function ops.lose_workers(text[]) is 'Takes workers for dead: their runs are abandoned.';
grant execute on function ops.lose_workers(text[]) to :WORKER;
--! EndIncluded ops/functions/lose_workers.sql
--! Included ops/functions/sweep_workers.sql
-- Takes the workers that were not seen for so long for dead, and gives their jobs to whoever works next: graphile-worker by
-- itself leaves them locked for four hours. A job that took its worker with it gets its attempt back, up to three times: one
-- that is tried once would otherwise be lost with the first worker that is killed. Gives the jobs.
--
-- Invoker: the queue belongs to the worker's role, not to the owner.
create or replace function ops.sweep_workers(unseen_for interval default '1 minute')
returns table (job_id bigint, task text, worker text, runs_again boolean)
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_lost text[];
begin
  perform ops.abandon_runs();
  v_lost := array(
    select w.id
    from ops.workers w
    where w.seen_at <= clock_timestamp() - unseen_for and w.lost_at is null and w.stopped_at is null
  );
  -- A database whose first worker has not started yet.
  if pg_catalog.to_regclass('graphile_worker.jobs') is null then
    perform ops.lose_workers(v_lost);
    return;
  end if;
  -- Who never said that it lives, or no more, and holds a job all the same.
  v_lost := v_lost || array(
    select distinct j.locked_by
    from graphile_worker.jobs j
    where j.locked_at <= clock_timestamp() - unseen_for
      and not exists (select from ops.workers w where w.id = j.locked_by and w.lost_at is null and w.stopped_at is null)
  );
  if v_lost = '{}' then
    return;
  end if;

  perform ops.lose_workers(v_lost);
  for job_id, task, worker, runs_again in
    select
      j.id, j.task_identifier, j.locked_by,
      j.attempts < j.max_attempts
        or (select count(*) from ops.job_runs r where r.job_id = j.id and r.outcome = 'abandoned') <= 3
    from graphile_worker.jobs j
    where j.locked_by = any (v_lost)
    order by j.id
  loop
    perform graphile_worker.force_unlock_workers(v_lost);
    perform graphile_worker.reschedule_jobs(array[j.id], attempts => j.max_attempts - 1)
    from graphile_worker.jobs j
    where j.id = sweep_workers.job_id and j.attempts >= j.max_attempts and sweep_workers.runs_again;
    return next;
  end loop;
  -- Queues that are locked without a job.
  perform graphile_worker.force_unlock_workers(v_lost);
end
$$;

comment on function ops.sweep_workers(interval) is 'Takes workers for dead that were not seen for so long, and unlocks their jobs. Gives the jobs, and whether they run again.';
grant execute on function ops.sweep_workers(interval) to :WORKER;
--! EndIncluded ops/functions/sweep_workers.sql
--! Included ops/functions/set_job_tasks.sql
-- Replaces what is known of the tasks: a list of {task, does, schedule, every, expected}, the last two as intervals, schedule
-- and every null for what nothing schedules. Each worker says it when it starts. Definer: nobody writes the table by hand.
create or replace function ops.set_job_tasks(tasks jsonb) returns void
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  insert into ops.job_tasks as t (task, does, schedule, every, expected)
  select n.task, n.does, n.schedule, n.every, n.expected
  from jsonb_to_recordset(tasks) n(task text, does text, schedule text, every interval, expected interval)
  order by n.task
  on conflict on constraint job_tasks_pkey do update
  set does = excluded.does, schedule = excluded.schedule, every = excluded.every, expected = excluded.expected
  where (t.does, t.schedule, t.every, t.expected)
    is distinct from (excluded.does, excluded.schedule, excluded.every, excluded.expected);
  delete from ops.job_tasks t
  where not exists (select from jsonb_array_elements(tasks) n where n ->> 'task' = t.task);
end
$$;

comment on function ops.set_job_tasks(jsonb) is 'Replaces what is known of the tasks: a list of {task, does, schedule, every, expected}.';
grant execute on function ops.set_job_tasks(jsonb) to :WORKER;
--! EndIncluded ops/functions/set_job_tasks.sql
--! Included ops/functions/open_job_queue.sql
-- Lets the owner read graphile-worker's view of the queue, which has no payloads, so that ops.jobs can show it. Each worker
-- calls it when it starts; it changes something once.
--
-- Invoker: the schema belongs to the worker's role, which makes it after all migrations.
create or replace function ops.open_job_queue() returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  if not has_schema_privilege(':OWNER', 'graphile_worker', 'usage') then
    grant usage on schema graphile_worker to :OWNER;
  end if;
  if not has_table_privilege(':OWNER', 'graphile_worker.jobs', 'select') then
    grant select on graphile_worker.jobs to :OWNER;
  end if;
end
$$;

comment on function ops.open_job_queue() is 'Lets the owner read graphile_worker.jobs, for ops.jobs.';
grant execute on function ops.open_job_queue() to :WORKER;
--! EndIncluded ops/functions/open_job_queue.sql
--! Included ops/functions/queued_jobs.sql
-- The jobs in graphile-worker's queue; none before the first worker has made it. Definer: operators may see the queue and
-- nothing else of that schema (ops.open_job_queue).
create or replace function ops.queued_jobs() returns table (
  id bigint,
  task text,
  queue text,
  due_at timestamptz,
  attempts integer,
  max_attempts integer,
  last_error text,
  created_at timestamptz,
  locked_at timestamptz,
  worker text
)
language plpgsql stable security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  if to_regnamespace('graphile_worker') is null then
    return;
  end if;
  return query
  select
    j.id, j.task_identifier, j.queue_name, j.run_at, j.attempts::integer, j.max_attempts::integer, j.last_error,
    j.created_at, j.locked_at, j.locked_by
  from graphile_worker.jobs j;
end
$$;

comment on function ops.queued_jobs() is 'The jobs in the queue, without their payloads; ops.jobs says in words what they are at.';
grant execute on function ops.queued_jobs() to :OPERATOR, :WORKER;
--! EndIncluded ops/functions/queued_jobs.sql
--! Included ops/views/running.sql
-- What runs now. A run whose process died stays here until its lease is over, a minute at most.
create or replace view ops.running with (security_barrier) as
select
  r.id,
  r.task,
  r.details,
  r.progress,
  r.note,
  r.started_at,
  date_trunc('second', clock_timestamp() - r.started_at) as running_for,
  r.updated_at,
  r.worker,
  coalesce(w.host || ':' || w.pid, r.worker) as process,
  r.job_id
from ops.job_runs r
left join ops.workers w on w.id = r.worker
where r.outcome = 'running' and r.lease_until > clock_timestamp();

revoke all on ops.running from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.running to :OPERATOR, :WORKER;
--! EndIncluded ops/views/running.sql
--! Included ops/views/jobs.sql
-- The queue in words. Jobs that are done are not in it: ops.job_runs has what became of them. No payloads: they may hold
-- what operators have no business with.
create or replace view ops.jobs with (security_barrier) as
select
  j.id,
  j.task,
  case
    when j.locked_at is not null then 'running'
    when j.attempts >= j.max_attempts then 'failed'
    else 'waiting'
  end as state,
  j.due_at,
  j.attempts,
  j.max_attempts,
  j.last_error,
  j.created_at,
  j.locked_at as running_since,
  j.worker,
  r.progress,
  r.note
from ops.queued_jobs() j
left join ops.job_runs r on r.job_id = j.id and r.outcome = 'running';

revoke all on ops.jobs from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.jobs to :OPERATOR, :WORKER;
--! EndIncluded ops/views/jobs.sql
--! Included ops/functions/alert_event.sql
-- What happened to an alert, as the log and the webhook have it. `text` is what chat programs show.
create or replace function ops.alert_event(event text, alert ops.alerts) returns jsonb
language sql stable
return jsonb_build_object(
  'event', event,
  'text', format('%s %s: %s', case event when 'resolved' then 'resolved' else alert.severity end, alert.kind, alert.message),
  'alert', to_jsonb(alert)
);

comment on function ops.alert_event(text, ops.alerts) is 'What happened to an alert: {event, text, alert}.';
grant execute on function ops.alert_event(text, ops.alerts) to :WORKER;
--! EndIncluded ops/functions/alert_event.sql
--! Included ops/functions/report_alerts.sql
-- Brings the alerts of a kind in line with what is wrong now: a list of {subject, severity, message, details}. What is new is
-- raised, what is not there any more is resolved. Gives an event for each alert that was raised, whose severity changed, or
-- that was resolved: what the log and the webhook say. Definer: nobody writes the table by hand.
create or replace function ops.report_alerts(of_kind text, findings jsonb) returns setof jsonb
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_before jsonb;
  v_alert ops.alerts;
  v_severity text;
begin
  select coalesce(jsonb_object_agg(a.subject, a.severity), '{}') into v_before
  from ops.alerts a
  where a.kind = of_kind and a.resolved_at is null;

  for v_alert in
    insert into ops.alerts (kind, subject, severity, message, details)
    select of_kind, f.subject, f.severity, f.message, coalesce(f.details, '{}')
    from jsonb_to_recordset(findings) f(subject text, severity text, message text, details jsonb)
    order by f.subject
    on conflict (kind, subject) where resolved_at is null do update
    set
      severity = excluded.severity, message = excluded.message, details = excluded.details,
      last_seen_at = clock_timestamp()
    returning *
  loop
    v_severity := v_before ->> v_alert.subject;
    if v_severity is distinct from v_alert.severity then
      return next ops.alert_event(case when v_severity is null then 'raised' else 'changed' end, v_alert);
    end if;
  end loop;

  for v_alert in
    update ops.alerts a
    set resolved_at = clock_timestamp()
    where a.kind = of_kind and a.resolved_at is null
      and not exists (select from jsonb_array_elements(findings) f where f ->> 'subject' = a.subject)
    returning *
  loop
    return next ops.alert_event('resolved', v_alert);
  end loop;
end
$$;

comment on function ops.report_alerts(text, jsonb) is 'Brings the alerts of a kind in line with what is wrong now, a list of {subject, severity, message, details}. Gives an event {event, text, alert} for each that was raised, changed its severity or was resolved.';
grant execute on function ops.report_alerts(text, jsonb) to :WORKER;
--! EndIncluded ops/functions/report_alerts.sql
--! Included ops/functions/check_alerts.sql
-- Looks whether something is wrong: asks every view ops.check_<kind> (subject, severity, message, details), and gives the
-- events of alerts that were raised, changed or resolved. To add a check, add a view. One that fails is itself an alert, and
-- keeps no other from being asked. Definer: nobody writes alerts by hand.
create or replace function ops.check_alerts() returns setof jsonb
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_check name;
  v_findings jsonb;
  v_broken jsonb := '[]';
begin
  for v_check in
    select c.relname
    from pg_class c
    where c.relnamespace = 'ops'::regnamespace and c.relkind = 'v' and c.relname like 'check\_%'
    order by c.relname
  loop
    begin
      execute format(
        $query$
          select coalesce(jsonb_agg(jsonb_build_object(
            'subject', f.subject, 'severity', f.severity, 'message', f.message, 'details', f.details
          )), '[]')
          from ops.%I f
        $query$,
        v_check
      ) into v_findings;
      return query select e from ops.report_alerts(substr(v_check, 7), v_findings) e;
    exception
      when others then
        v_broken := v_broken || jsonb_build_object(
          'subject', v_check, 'severity', 'error', 'message', format('ops.%s cannot be asked: %s', v_check, sqlerrm),
          'details', '{}'::jsonb
        );
    end;
  end loop;
  return query select e from ops.report_alerts('checks', v_broken) e;
end
$$;

comment on function ops.check_alerts() is 'Asks every view ops.check_<kind> what is wrong, and gives the events of alerts that were raised, changed or resolved.';
grant execute on function ops.check_alerts() to :WORKER;
--! EndIncluded ops/functions/check_alerts.sql
--! Included ops/views/check_dead_jobs.sql
-- Jobs that failed as often as they may. Of a task that comes again by itself the next success is enough.
create or replace view ops.check_dead_jobs with (security_barrier) as
select
  j.task as subject,
  'error'::text as severity,
  format(
    '%s %s of %s failed for good, the last with: %s',
    count(*), case when count(*) = 1 then 'job' else 'jobs' end, j.task,
    coalesce((array_agg(j.last_error order by j.id desc))[1], 'its worker was lost')
  ) as message,
  jsonb_build_object('jobs', (array_agg(j.id order by j.id desc))[1:20]) as details
from ops.queued_jobs() j
where j.locked_at is null and j.attempts >= j.max_attempts
  and not exists (
    select
    from ops.job_tasks t
    join ops.job_runs r on r.task = t.task and r.outcome = 'succeeded' and r.started_at > j.due_at
    where t.task = j.task and t.every is not null
  )
group by j.task;

revoke all on ops.check_dead_jobs from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.check_dead_jobs to :OPERATOR, :WORKER;
--! EndIncluded ops/views/check_dead_jobs.sql
--! Included ops/views/check_stuck_runs.sql
-- Runs that take longer than they should: a warning while they say that they get on, an error when they have said nothing
-- new for ten minutes. An hour is what a command may take that is no task.
create or replace view ops.check_stuck_runs with (security_barrier) as
select
  format('%s, run %s', r.task, r.id) as subject,
  case
    when coalesce(r.progressed_at, r.started_at) < clock_timestamp() - interval '10 minutes' then 'error'
    else 'warning'
  end as severity,
  format(
    '%s has been running since %s on %s and should take %s; it is at %s',
    r.task, to_char(r.started_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), r.process,
    coalesce(t.expected, interval '1 hour'), coalesce(r.note, round((r.progress * 100)::numeric) || ' %', 'nothing it told')
  ) as message,
  jsonb_build_object('run', r.id, 'task', r.task, 'worker', r.worker, 'progress', r.progress) as details
from (
  select r.*, u.process from ops.running u join ops.job_runs r on r.id = u.id
) r
left join ops.job_tasks t on t.task = r.task
where r.started_at + coalesce(t.expected, interval '1 hour') < clock_timestamp();

revoke all on ops.check_stuck_runs from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.check_stuck_runs to :OPERATOR, :WORKER;
--! EndIncluded ops/views/check_stuck_runs.sql
--! Included ops/views/check_late_jobs.sql
-- Scheduled jobs that have not succeeded for one and a quarter of their interval and ten minutes. They get that time anew
-- when the workers start, a day at most: while none ran nothing could succeed.
create or replace view ops.check_late_jobs with (security_barrier) as
select
  t.task as subject,
  'error'::text as severity,
  format(
    '%s should succeed every %s and has not since %s%s',
    t.task, t.every, to_char(coalesce(l.succeeded_at, t.known_since) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
    coalesce('; the last failure: ' || f.error, '')
  ) as message,
  jsonb_build_object('last_success', l.succeeded_at) as details
from ops.job_tasks t
cross join lateral (
  select max(r.finished_at) as succeeded_at from ops.job_runs r where r.task = t.task and r.outcome = 'succeeded'
) l
left join lateral (
  select r.error
  from ops.job_runs r
  where r.task = t.task and r.outcome in ('failed', 'abandoned') and r.finished_at > coalesce(l.succeeded_at, t.known_since)
  order by r.started_at desc
  limit 1
) f on true
cross join lateral (
  select min(w.started_at) as working_since from ops.workers w where w.stopped_at is null and w.lost_at is null
) w
where clock_timestamp() > greatest(
  coalesce(l.succeeded_at, t.known_since) + t.every * 1.25,
  w.working_since + least(t.every, interval '1 day')
) + interval '10 minutes';

revoke all on ops.check_late_jobs from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.check_late_jobs to :OPERATOR, :WORKER;
--! EndIncluded ops/views/check_late_jobs.sql
--! Included ops/views/check_lost_workers.sql
-- Workers that were taken for dead in the last hour. Their jobs were given to others; somebody may want to know why they died.
create or replace view ops.check_lost_workers with (security_barrier) as
select
  w.id as subject,
  'warning'::text as severity,
  format(
    'worker %s (process %s on %s) was not seen after %s; its jobs were given to others',
    w.id, w.pid, w.host, to_char(w.seen_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
  ) as message,
  jsonb_build_object('host', w.host, 'pid', w.pid, 'seen_at', w.seen_at) as details
from ops.workers w
where w.lost_at > clock_timestamp() - interval '1 hour';

revoke all on ops.check_lost_workers from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.check_lost_workers to :OPERATOR, :WORKER;
--! EndIncluded ops/views/check_lost_workers.sql
--! Included ops/views/check_partition_horizon.sql
-- Tables partitioned by time whose partitions end soon: without the next one writes are refused. ensure_partitions keeps two
-- weeks ahead and more, so less than one means that it fails.
create or replace view ops.check_partition_horizon with (security_barrier) as
select
  p.name as subject,
  case when p.until > clock_timestamp() + interval '2 days' then 'warning' else 'error' end as severity,
  case
    when p.until is null then format('%s has no partition for now: writes are refused', p.name)
    else format('%s has partitions until %s only', p.name, to_char(p.until at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
  end as message,
  jsonb_build_object('until', p.until) as details
from (
  select
    format('%s.%s', n.nspname, c.relname) as name,
    (
      select upper(r)
      from unnest(app_private.partition_ranges(c.oid)) r
      where r @> clock_timestamp()
    ) as until
  from pg_partitioned_table t
  join pg_class c on c.oid = t.partrelid
  join pg_namespace n on n.oid = c.relnamespace
  join pg_attribute a on a.attrelid = c.oid and a.attnum = t.partattrs[0]
  where t.partstrat = 'r' and t.partnatts = 1 and a.atttypid = 'timestamptz'::regtype
    and n.nspname in ('app_public', 'app_private', 'audit', 'ops')
) p
where p.until is null or p.until < clock_timestamp() + interval '7 days';

revoke all on ops.check_partition_horizon from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.check_partition_horizon to :OPERATOR, :WORKER;
grant execute on function app_private.partition_ranges(regclass) to :OPERATOR, :WORKER;
--! EndIncluded ops/views/check_partition_horizon.sql
--! Included ops/views/check_untrimmed_events.sql
-- The outbox of live updates, when it holds more than it should: what is older than an hour goes within minutes.
create or replace view ops.check_untrimmed_events with (security_barrier) as
select
  'app_private.events'::text as subject,
  'warning'::text as severity,
  format(
    'the outbox of live updates holds events of %s, and should hold an hour',
    to_char(e.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
  ) as message,
  jsonb_build_object('oldest', e.at) as details
from (select e.at from app_private.events e order by e.transaction_id, e.id limit 1) e
where e.at < clock_timestamp() - interval '2 hours';

revoke all on ops.check_untrimmed_events from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.check_untrimmed_events to :OPERATOR, :WORKER;
--! EndIncluded ops/views/check_untrimmed_events.sql
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
comment on function ops.ensure_partitions(integer, integer) is 'Makes the missing partitions of metrics and their rollups (days ahead) and of audit.log (months ahead), and returns their names.';
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
--! EndIncluded ops/comments.sql
