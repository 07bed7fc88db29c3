--! Previous: sha1:6b29868fa3b55437c4dd2dfdd059b9de56efb579
--! Hash: sha1:65b8b5311b9fbf473c0847258916b3ce01ebd470
--! Message: expire_operations

-- What operators look at expires, too; a backup that should be there and is not is an alert.

insert into ops.retention_policies (policy, description, keep, by_tenant) values
  ('alerts', 'Alerts, after they were resolved.', '365 days', false),
  ('drills', 'Drills, but the newest and the newest that passed.', '730 days', false),
  ('backups', 'Records of backups, after these were removed.', '365 days', false);
drop function ops.expire_job_runs(timestamptz, integer);

--! Included ops/functions/expire_operations.sql
-- Deletes up to `how_many` rows of what operators look at: runs of jobs, alerts that are resolved, drills, backups that are
-- gone. The newest drill and the newest that passed stay: ops.recovery answers by them. Definer: nobody writes these tables by
-- hand.
create or replace function ops.expire_operations(policy text, older_than timestamptz, how_many integer) returns integer
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_count integer;
begin
  case expire_operations.policy
    when 'job_runs' then
      delete from ops.job_runs r
      where r.id in (
        select o.id from ops.job_runs o
        where o.outcome <> 'running' and o.finished_at < expire_operations.older_than
        limit expire_operations.how_many
      );
    when 'alerts' then
      delete from ops.alerts a
      where a.id in (
        select o.id from ops.alerts o
        where o.resolved_at < expire_operations.older_than
        limit expire_operations.how_many
      );
    when 'drills' then
      delete from ops.drills d
      where d.id in (
        select o.id from ops.drills o
        where o.finished_at < expire_operations.older_than
          and o.id < (select max(n.id) from ops.drills n)
          and o.id is distinct from (select max(p.id) from ops.drills p where p.passed)
        limit expire_operations.how_many
      );
    when 'backups' then
      delete from ops.backups b
      where b.id in (
        select o.id from ops.backups o
        where o.removed_at < expire_operations.older_than
        limit expire_operations.how_many
      );
  end case;
  get diagnostics v_count = row_count;
  return v_count;
end
$$;

comment on function ops.expire_operations(text, timestamptz, integer) is 'Deletes up to `how_many` rows that the policy job_runs, alerts, drills or backups does not keep; returns how many.';
grant execute on function ops.expire_operations(text, timestamptz, integer) to :WORKER;
--! EndIncluded ops/functions/expire_operations.sql
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
    when 'job_runs', 'alerts', 'drills', 'backups' then
      v_count := ops.expire_operations(expire_rows.policy, expire_rows.older_than, expire_rows.how_many);
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
    when 'alerts' then
      select count(*) into v_count from ops.alerts a where a.resolved_at < count_expired_rows.older_than;
    when 'drills' then
      select count(*) into v_count from ops.drills d
      where d.finished_at < count_expired_rows.older_than
        and d.id < (select max(n.id) from ops.drills n)
        and d.id is distinct from (select max(p.id) from ops.drills p where p.passed);
    when 'backups' then
      select count(*) into v_count from ops.backups b where b.removed_at < count_expired_rows.older_than;
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
--! Included ops/views/check_backups.sql
-- A backup that should be there and is not. When one is due say the workers, which there are the store says: so a job that
-- succeeded and a backup that went since are no excuse. Where no backup was ever made nobody asked for any, or the job fails,
-- which is an alert of its own.
create or replace view ops.check_backups with (security_barrier) as
select
  'backups'::text as subject,
  'error'::text as severity,
  case
    when b.newest is null then 'no backup is left in the store: lightning backup --full makes one now'
    else format(
      'the newest backup ended at %s, and one is due every %s: lightning backup makes one now',
      to_char(b.newest at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), t.every
    )
  end as message,
  jsonb_build_object('newest', b.newest) as details
from ops.job_tasks t
cross join (
  select max(k.ended_at) filter (where k.removed_at is null) as newest, count(*) as recorded
  from ops.backups k
) b
where t.task = 'back_up' and b.recorded > 0
  and (b.newest is null or clock_timestamp() > b.newest + t.every * 1.25 + interval '10 minutes');

revoke all on ops.check_backups from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.check_backups to :OPERATOR, :WORKER;
--! EndIncluded ops/views/check_backups.sql
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
comment on view ops.check_backups is 'A check of ops.check_alerts. A backup that should be there and is not.';
comment on column ops.check_backups.subject is 'What it is about.';
comment on column ops.check_backups.severity is 'warning or error.';
comment on column ops.check_backups.message is 'What is wrong, in a sentence.';
comment on column ops.check_backups.details is 'The same for programs.';
--! EndIncluded ops/comments.sql
