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
-- and test/db/sessions/sessions.test.ts shows of each that other tenants' sessions are as good as none.
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

-- ops.roll_up_metrics: rollups are made for all tenants at once.
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

-- ops.roll_up_metrics.
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

-- What jobs set aside, of all tenants: ops.quarantine_item and ops.release_items, which jobs call; operators and the check
-- of alerts read it.
drop policy if exists manage_owner on ops.quarantined_items;
create policy manage_owner on ops.quarantined_items for all to :OWNER
  using (true)
  with check (true);

drop policy if exists select_operator on ops.quarantined_items;
create policy select_operator on ops.quarantined_items for select to :OPERATOR
  using (true);

drop policy if exists select_worker on ops.quarantined_items;
create policy select_worker on ops.quarantined_items for select to :WORKER
  using (true);
