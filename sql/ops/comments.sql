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
