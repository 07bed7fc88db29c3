--! Previous: sha1:62561f4d2d0d1431f8925d3d9bc43cbc3736e65d
--! Hash: sha1:d39283b779f853cdd8829139e9415bcdb31fdd97
--! Message: job_runs

-- Runs of jobs: what ran when, how far it is, what came of it.

create table ops.job_runs (
  id bigint generated always as identity,
  task text not null,
  details jsonb not null default '{}',
  worker text not null,
  job_id bigint,
  lock text,
  outcome text not null default 'running',
  progress double precision,
  note text,
  error text,
  idle boolean not null default false,
  started_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  lease_until timestamptz not null,
  finished_at timestamptz,
  constraint job_runs_pkey primary key (id),
  constraint job_runs_outcome_check check (outcome in ('running', 'succeeded', 'failed', 'abandoned')),
  constraint job_runs_progress_check check (progress between 0 and 1),
  constraint job_runs_finished_check check ((outcome = 'running') = (finished_at is null)),
  constraint job_runs_error_check check ((outcome in ('failed', 'abandoned')) = (error is not null)),
  constraint job_runs_idle_check check (outcome = 'succeeded' or not idle)
) with (fillfactor = 50);

-- Single flight.
create unique index job_runs_lock_idx on ops.job_runs (lock) where outcome = 'running';
-- The last runs of a task.
create index job_runs_task_started_at_idx on ops.job_runs (task, started_at);

--! Included ops/policies/job_runs.sql
alter table ops.job_runs enable row level security, force row level security;

-- manage_owner, select_operator and select_worker stand in cross_tenant_policies.sql.

revoke all on ops.job_runs from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.job_runs to :OPERATOR, :WORKER;
-- No insert, update or delete for anybody: ops.begin_run and its like keep it.
--! EndIncluded ops/policies/job_runs.sql
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

-- ops.roll_up_metrics and ops.merge_metrics: rollups are made for all tenants at once.
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
--! EndIncluded cross_tenant_policies.sql
--! Included ops/functions/abandon_runs.sql
-- Gives up the runs whose processes were not heard of in time, all of them or those under one lock; gives their number.
-- Definer: nobody writes the table by hand.
create or replace function ops.abandon_runs(lock text default null) returns integer
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_count integer;
begin
  update ops.job_runs r
  set
    outcome = 'abandoned',
    finished_at = clock_timestamp(),
    error = format('nothing was heard of %s since %s', r.worker, r.updated_at)
  where r.outcome = 'running' and r.lease_until <= clock_timestamp()
    and (abandon_runs.lock is null or r.lock = abandon_runs.lock);
  get diagnostics v_count = row_count;
  return v_count;
end
$$;

comment on function ops.abandon_runs(text) is 'Gives up the runs whose leases are over, of one lock or of all. Returns their number.';
grant execute on function ops.abandon_runs(text) to :WORKER;
--! EndIncluded ops/functions/abandon_runs.sql
--! Included ops/functions/begin_run.sql
-- Writes down that a run of a job begins, and gives its id. With a `lock` it is the only one under that name: LTJ01 while
-- another one lives. Who runs it has to say so again (ops.renew_run) before the lease is over, or is taken for dead.
-- Definer: nobody writes the table by hand.
create or replace function ops.begin_run(
  task text,
  worker text,
  lease interval,
  lock text default null,
  details jsonb default '{}',
  job_id bigint default null
) returns bigint
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_id bigint;
  v_holder ops.job_runs;
begin
  loop
    perform ops.abandon_runs(begin_run.lock);
    insert into ops.job_runs (task, worker, lock, details, job_id, lease_until)
    values (
      begin_run.task, begin_run.worker, begin_run.lock, begin_run.details, begin_run.job_id, clock_timestamp() + begin_run.lease
    )
    -- The one index that a running lock can collide with.
    on conflict do nothing
    returning id into v_id;
    if found then
      return v_id;
    end if;

    select r.* into v_holder from ops.job_runs r where r.lock = begin_run.lock and r.outcome = 'running';
    -- It may have ended in between.
    if found then
      raise exception '% is running already: run % of %, since %', begin_run.lock, v_holder.id, v_holder.worker,
        to_char(v_holder.started_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
        using errcode = 'LTJ01', hint = 'Wait for its end: select * from ops.job_runs where outcome = ''running''.';
    end if;
  end loop;
end
$$;

comment on function ops.begin_run(text, text, interval, text, jsonb, bigint) is 'Begins a run of a job and gives its id; under a lock it is the only one. LTJ01 when another one holds the lock.';
grant execute on function ops.begin_run(text, text, interval, text, jsonb, bigint) to :WORKER;
--! EndIncluded ops/functions/begin_run.sql
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
    progress = coalesce(least(greatest(renew_run.progress, 0), 1), r.progress),
    note = coalesce(renew_run.note, r.note)
  where r.id = renew_run.run_id and r.outcome = 'running';
  return found;
end
$$;

comment on function ops.renew_run(bigint, interval, double precision, text) is 'Extends the lease of a run and says how far it is. False when the run was taken for dead, or has ended.';
grant execute on function ops.renew_run(bigint, interval, double precision, text) to :WORKER;
--! EndIncluded ops/functions/renew_run.sql
--! Included ops/functions/end_run.sql
-- Ends a run: succeeded, or failed when there is an error. Of runs that had nothing to do only the newest of a task is kept:
-- enough to see when it last looked. False: it was taken for dead before. Definer: nobody writes the table by hand.
create or replace function ops.end_run(
  run_id bigint,
  error text default null,
  note text default null,
  idle boolean default false
) returns boolean
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_task text;
begin
  update ops.job_runs r
  set
    outcome = case when end_run.error is null then 'succeeded' else 'failed' end,
    finished_at = clock_timestamp(),
    updated_at = clock_timestamp(),
    error = end_run.error,
    note = coalesce(end_run.note, r.note),
    progress = case when end_run.error is null then 1 else r.progress end,
    idle = end_run.error is null and end_run.idle
  where r.id = end_run.run_id and r.outcome = 'running'
  returning r.task into v_task;
  if not found then
    -- Its own end, said twice because the answer was lost?
    return exists (
      select
      from ops.job_runs r
      where r.id = end_run.run_id
        and r.outcome = case when end_run.error is null then 'succeeded' else 'failed' end
    );
  end if;
  if end_run.idle and end_run.error is null then
    delete from ops.job_runs r where r.task = v_task and r.idle and r.id < end_run.run_id;
  end if;
  return true;
end
$$;

comment on function ops.end_run(bigint, text, text, boolean) is 'Ends a run: succeeded, or failed with an error. False when it was taken for dead before.';
grant execute on function ops.end_run(bigint, text, text, boolean) to :WORKER;
--! EndIncluded ops/functions/end_run.sql
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
comment on column ops.job_runs.lease_until is 'When it is taken for dead unless it is heard of before.';
comment on column ops.job_runs.finished_at is 'When it ended; null: it runs.';

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
--! EndIncluded ops/comments.sql
