--! Previous: sha1:b7fae860d5608f12677c956491549391bf41e369
--! Hash: sha1:f3dedbe02099cc9564bce5b9f11219a1dc560ff4
--! Message: worker_calls_functions

-- The worker reads and writes no table of tenants any more: it calls functions, which run as :JOBS and check their arguments. What
-- the worker held goes to that role, which `lightning setup` makes (sql/roles.sql). Each table is locked for as long as its policies,
-- rights and triggers are replaced; no row is rewritten.

-- Policies are named after who they are for.
drop policy if exists select_worker on ops.quarantined_items;
drop policy if exists select_worker on app_public.knowledge;
drop policy if exists update_worker on app_public.knowledge;
drop policy if exists manage_worker on ops.metric_changes;
drop policy if exists select_worker on ops.metric_floors;
drop policy if exists manage_worker on ops.metric_rollups;
drop policy if exists delete_worker on app_public.metrics;
drop policy if exists select_worker on app_public.metrics;
drop policy if exists delete_worker on app_public.metrics_day;
drop policy if exists select_worker on app_public.metrics_day;
drop policy if exists insert_worker on app_public.metrics_day;
drop policy if exists update_worker on app_public.metrics_day;
drop policy if exists delete_worker on app_public.metrics_hour;
drop policy if exists select_worker on app_public.metrics_hour;
drop policy if exists insert_worker on app_public.metrics_hour;
drop policy if exists update_worker on app_public.metrics_hour;
drop policy if exists delete_worker on app_public.metrics_minute;
drop policy if exists select_worker on app_public.metrics_minute;
drop policy if exists insert_worker on app_public.metrics_minute;
drop policy if exists update_worker on app_public.metrics_minute;
drop policy if exists select_worker on ops.retention_holds;
drop policy if exists select_worker on ops.retention_overrides;
drop policy if exists select_worker on ops.retention_policies;
drop policy if exists select_worker on ops.retention_receipts;
drop policy if exists insert_worker on ops.retention_receipts;
drop policy if exists update_worker on ops.retention_receipts;
drop policy if exists select_worker on app_public.sessions;
drop policy if exists delete_worker on app_public.sessions;
drop policy if exists select_worker on app_public.task_attempts;
drop policy if exists delete_worker on app_public.task_attempts;
drop policy if exists insert_worker on app_public.task_attempts;
drop policy if exists manage_worker on app_public.task_leases;
drop policy if exists delete_worker on app_public.tasks;
drop policy if exists select_worker on app_public.tasks;
drop policy if exists update_worker on app_public.tasks;
drop policy if exists insert_worker on app_public.tasks;
drop policy if exists select_worker on app_public.workflow_steps;
drop policy if exists update_worker on app_public.workflow_steps;
drop policy if exists select_worker on app_public.workflows;
drop policy if exists update_worker on app_public.workflows;

-- Functions that belong to :JOBS from now on, and the one that depends on one of them.
drop function if exists app_private.reap_for_claim(text, integer);
drop function if exists ops.reap_expired_leases(integer);
drop function if exists ops.tend_workflows(integer);
drop function if exists ops.roll_up_metrics(text, timestamptz, integer, timestamptz);
drop function if exists ops.rows_by_tenant(text, timestamptz, timestamptz);

-- What the functions of jobs call, and the worker does not.
revoke execute on function ops.quarantined(text) from :WORKER;
revoke execute on function ops.due_metric_buckets(text, interval, timestamptz, timestamptz, integer) from :WORKER;
revoke execute on function ops.make_metric_buckets(text, timestamptz[], text) from :WORKER;
revoke execute on function ops.make_metrics(text, timestamptz[]) from :WORKER;
revoke execute on function ops.make_metrics_day(timestamptz[], text) from :WORKER;
revoke execute on function ops.make_metrics_hour(timestamptz[], text) from :WORKER;
revoke execute on function ops.make_metrics_minute(timestamptz[], text) from :WORKER;
revoke execute on function ops.metric_item(text, timestamptz) from :WORKER;
revoke execute on function app_private.metric_key(double precision) from :WORKER;
revoke execute on function app_private.metric_sum(double precision, double precision) from :WORKER;
revoke execute on function ops.expired_metrics_day(text, timestamptz) from :WORKER;
revoke execute on function ops.expired_metrics_hour(text, timestamptz) from :WORKER;
revoke execute on function ops.expired_metrics_minute(text, timestamptz) from :WORKER;
revoke execute on function ops.expired_metrics_raw(text, timestamptz) from :WORKER;
revoke execute on function ops.expired_sessions(text, timestamptz) from :WORKER;
revoke execute on function ops.expired_task_attempts(text, timestamptz) from :WORKER;
revoke execute on function ops.expired_tasks(text, timestamptz) from :WORKER;
revoke execute on function ops.is_held(text, text, timestamptz) from :WORKER;
revoke execute on function ops.retention_of(text, text) from :WORKER;
revoke execute on function app_private.retention_tenant_id() from :WORKER;
revoke execute on function app_private.may_print_long(jsonb) from :WORKER;
revoke execute on function ops.attempt_of(app_public.task_leases, timestamptz, text, text) from :WORKER;
revoke execute on function ops.expire_leases(app_public.task_leases[]) from :WORKER;
revoke execute on function ops.advance_workflow(text, uuid) from :WORKER;
revoke execute on function ops.begin_workflow_step(app_public.workflows, app_public.workflow_steps) from :WORKER;
revoke execute on function ops.cancel_workflow_tasks(text, uuid[], text) from :WORKER;
revoke execute on function ops.lock_waiting_workflow_tasks(text, uuid) from :WORKER;
revoke execute on function ops.lock_workflow(text, uuid) from :WORKER;
revoke execute on function ops.workflow_condition_holds(jsonb, jsonb) from :WORKER;

--! Included tenancy/schemas.sql
-- The schemas and who may look into them. A schema decides who may look, a folder of sql/ what something is about.

comment on schema app_public is E'Agent Lightning DB\nThe state of AI agents. Every table is confined to one tenant by row-level security, and this list follows the caller''s rights: without a token it is almost empty.';
comment on schema app_private is 'Helpers that decide who may see what. Not granted to any role that clients can use.';
comment on schema audit is 'Who changed what: an append-only log, written by triggers in the transaction of the change.';
comment on schema ops is 'Operations across tenants: for operators and the worker.';

-- The rights on a table or function are in its own file.
revoke all on schema app_public, app_private, audit, ops from public;
grant usage on schema app_public to :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :WORKER, :SEARCH, :JOBS;
revoke usage on schema audit from :ADMIN;
grant usage on schema audit to :OPERATOR, :RECORDER;
grant usage on schema ops to :OPERATOR, :WORKER, :JOBS;

-- app_private is not granted to any role that clients can use. Defaults and policies name its functions by identity and need
-- no usage of it. The functions that run as :SEARCH and :JOBS use names.
grant usage on schema app_private to :SEARCH, :JOBS;

-- Every process checks before it serves whether the schema fits. The API does so as an anonymous request, which calls
-- ops.applied_migrations by its full name and so needs usage of the schema.
grant usage on schema ops to :ANON;
--! EndIncluded tenancy/schemas.sql
--! Included rows/may_print_long.sql
-- Searches the stored form, without printing, for numbers beyond a double, numbers that are nearly zero, and zeros, which may
-- have 16,383 digits behind the point.
create or replace function app_private.may_print_long(document jsonb) returns boolean
language sql immutable strict parallel safe
return pg_catalog.jsonb_path_exists(
  document,
  'strict $.** ? (@.type() == "number" && (@ > 1e308 || @ < -1e308 || (@ < 1e-308 && @ > -1e-308)))'
);

comment on function app_private.may_print_long(jsonb) is 'Whether JSON holds numbers that print far longer than they are stored.';
-- Conditions of triggers call it with the rights of whoever writes.
grant execute on function app_private.may_print_long(jsonb) to :MEMBER, :SERVICE, :ADMIN, :JOBS;
--! EndIncluded rows/may_print_long.sql
--! Included retention/refuse_bounds.sql
-- Refuses an argument of maintenance that is out of bounds. A stolen login of the worker may call these functions with any.
create or replace function app_private.refuse_bounds(argument text, holds boolean, expected text) returns void
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
begin
  if holds is not true then
    raise exception '% must be %', argument, expected using errcode = 'LTP06';
  end if;
end
$$;

comment on function app_private.refuse_bounds(text, boolean, text) is 'Raises LTP06 unless the argument keeps its bounds.';
-- Functions that run as the owner or as :JOBS.
grant execute on function app_private.refuse_bounds(text, boolean, text) to :JOBS;
--! EndIncluded retention/refuse_bounds.sql
--! Included retention/retention_tenant_id.sql
-- The tenant whose rows ops.expire_tenant_rows is removing. Policies confine it to this tenant, whatever a statement forgets.
create or replace function app_private.retention_tenant_id() returns text
language sql stable parallel safe
return nullif(pg_catalog.current_setting('app.retention_tenant_id', true), '');

comment on function app_private.retention_tenant_id() is 'The tenant whose rows are being removed, from the setting app.retention_tenant_id; null: none.';
grant execute on function app_private.retention_tenant_id() to :JOBS;
--! EndIncluded retention/retention_tenant_id.sql
--! Included jobs/quarantined_items.sql
comment on table ops.quarantined_items is 'Items of single tenants that jobs set aside, to go on with the other items. Each is tried again with growing pauses, and forgotten once it no longer fails.';
comment on column ops.quarantined_items.task is 'The task that it failed in; reap_leases is the search for expired leases, every five seconds.';
comment on column ops.quarantined_items.tenant_id is 'The tenant whose item it is.';
comment on column ops.quarantined_items.item is 'Its name in the task''s terms: a bucket of a rollup, the id of a task, a workflow or knowledge, a policy of retention.';
comment on column ops.quarantined_items.code is 'The SQLSTATE of its last error, or another word for its kind.';
comment on column ops.quarantined_items.reason is 'The message of its last error, 1,000 characters at most.';
comment on column ops.quarantined_items.failures is 'How often it failed.';
comment on column ops.quarantined_items.first_failed_at is 'When it failed first.';
comment on column ops.quarantined_items.last_failed_at is 'When it failed last.';
comment on column ops.quarantined_items.retry_at is 'When it is tried again.';

alter table ops.quarantined_items enable row level security, force row level security;

-- Across tenants

-- ops.quarantine_item and ops.release_items, which jobs call, keep it as the owner; operators and the check of alerts
-- read the items of all tenants.
drop policy if exists manage_owner on ops.quarantined_items;
create policy manage_owner on ops.quarantined_items for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.quarantined_items;
create policy select_operator on ops.quarantined_items for select to :OPERATOR
  using (true);
drop policy if exists select_jobs on ops.quarantined_items;
create policy select_jobs on ops.quarantined_items for select to :JOBS
  using (true);

revoke all on ops.quarantined_items from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.quarantined_items to :JOBS;
-- Not the reason: the database's message repeats the value that it refused, which is the tenant's.
grant select (task, tenant_id, item, code, failures, first_failed_at, last_failed_at, retry_at) on ops.quarantined_items to :OPERATOR;
-- No insert, update or delete for anybody: ops.quarantine_item and ops.release_items keep it.
--! EndIncluded jobs/quarantined_items.sql
--! Included jobs/quarantined.sql
-- The items that a task leaves out for now. One query without `set`, so that the planner inlines it.
create or replace function ops.quarantined(task text) returns table (tenant_id text, item text)
language sql stable
begin atomic
  select q.tenant_id, q.item
  from ops.quarantined_items q
  where q.task = quarantined.task and q.retry_at > now();
end;

comment on function ops.quarantined(text) is 'The items that a task leaves out until it is time to try them again.';
grant execute on function ops.quarantined(text) to :JOBS;
--! EndIncluded jobs/quarantined.sql
--! Included jobs/quarantine_item.sql
-- Sets one tenant's item aside, with the reason, so that a job goes on with the other items. The item is tried again after a
-- minute, then after twice as long each time, up to an hour (ops.quarantined), and ops.check_quarantined_items tells operators.
-- Functions (in an exception handler) and jobs in TypeScript set items aside in this way only.
--
-- Returns false when the error is not the item's, and the caller has to raise it: the server is shutting down or cannot write,
-- or a connection or a timeout ended the statement. When another session was in the way (40, 55), it returns true without
-- recording anything: the next try will succeed. Definer: nobody writes the table by hand.
create or replace function ops.quarantine_item(task text, tenant_id text, item text, code text, reason text) returns boolean
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  if code ~ '^(08|57|58|531|533)' then
    return false;
  elsif code ~ '^(40|55)' then
    return true;
  end if;
  insert into ops.quarantined_items as q (task, tenant_id, item, code, reason)
  values (
    quarantine_item.task, quarantine_item.tenant_id, quarantine_item.item, quarantine_item.code, left(quarantine_item.reason, 1000)
  )
  on conflict on constraint quarantined_items_pkey do update
  set
    code = excluded.code, reason = excluded.reason, failures = q.failures + 1, last_failed_at = clock_timestamp(),
    retry_at = clock_timestamp() + least(interval '1 hour', interval '1 minute' * 2 ^ least(q.failures, 6));
  return true;
end
$$;

comment on function ops.quarantine_item(text, text, text, text, text) is 'Sets one tenant''s item aside for a task, with the SQLSTATE and the message of its error; it is tried again with growing pauses. False: the error is not the item''s.';
grant execute on function ops.quarantine_item(text, text, text, text, text) to :WORKER, :JOBS;
--! EndIncluded jobs/quarantine_item.sql
--! Included agents/agents.sql
comment on table app_public.agents is E'@unique id|@fieldName agent|@updateFieldName updateAgent|@deleteFieldName deleteAgent\nAn AI agent: who it is, which model it runs on and how it is set up.';
comment on column app_public.agents.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.agents.id is 'The agent''s id in its tenant, e.g. `full_stack_developer`.';
comment on column app_public.agents.name is 'The name to show.';
comment on column app_public.agents.model is 'The language model, e.g. `gpt-4o`.';
comment on column app_public.agents.specialization is 'What it is good at, in a word or two.';
comment on column app_public.agents.status is 'One of idle, busy, paused, offline, error.';
comment on column app_public.agents.config is 'Everything else about it: prompts, capabilities, limits.';
comment on column app_public.agents.created_at is 'When the agent was registered.';
comment on column app_public.agents.updated_at is 'When the row last changed; set by a trigger.';

comment on constraint agents_pkey on app_public.agents is E'@behavior -single -update -delete\nThe tenant and the id identify a row.';
comment on constraint agents_tenant_id_fkey on app_public.agents is E'@behavior -*\nA row belongs to a tenant.';

alter table app_public.agents enable row level security, force row level security;

-- Everybody of a tenant reads all of its agents.
drop policy if exists select_tenant on app_public.agents;
create policy select_tenant on app_public.agents for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- People, services and administrators add agents to their own tenant.
drop policy if exists insert_tenant on app_public.agents;
create policy insert_tenant on app_public.agents for insert to :MEMBER, :SERVICE, :ADMIN
  with check (tenant_id = (select app_private.current_tenant_id()));

-- They change their tenant's agents, and cannot move one out of it.
drop policy if exists update_tenant on app_public.agents;
create policy update_tenant on app_public.agents for update to :MEMBER, :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));

-- Services and administrators remove their tenant's agents.
drop policy if exists delete_tenant on app_public.agents;
create policy delete_tenant on app_public.agents for delete to :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()));

revoke all on app_public.agents from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on app_public.agents to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
grant insert (tenant_id, id, name, model, specialization, status, config) on app_public.agents to :MEMBER,
  :SERVICE, :ADMIN;
-- Only programs import rows with their history.
grant insert (created_at) on app_public.agents to :SERVICE, :ADMIN;
-- No update of tenant_id, id or created_at for anybody: keys and creation times do not change.
grant update (name, model, specialization, status, config) on app_public.agents to :MEMBER, :SERVICE, :ADMIN;
-- No delete for members: an agent's removal clears it from all of its tasks and knowledge.
grant delete on app_public.agents to :SERVICE, :ADMIN;
-- No truncate for anybody: it ignores tenants.

create or replace trigger _100_timestamps
  before update on app_public.agents
  for each row
  execute function app_private.tg__touch_updated_at();

create or replace trigger _200_keys
  before update of tenant_id, id on app_public.agents
  for each row
  when (old.tenant_id is distinct from new.tenant_id or old.id is distinct from new.id)
  execute function app_private.tg__refuse_key_change();

create or replace trigger _200_long_numbers
  before insert or update of config on app_public.agents
  for each row
  when (app_private.may_print_long(new.config))
  execute function app_private.tg__refuse_long_numbers('config');

-- One trigger per event: a trigger with transition tables can have only one.
create or replace trigger _500_publish_insert
  after insert on app_public.agents
  referencing new table as changed_rows
  for each statement
  execute function app_private.tg__publish();

create or replace trigger _500_publish_update
  after update on app_public.agents
  referencing new table as changed_rows
  for each statement
  execute function app_private.tg__publish();

create or replace trigger _500_publish_delete
  after delete on app_public.agents
  referencing old table as changed_rows
  for each statement
  execute function app_private.tg__publish();

select audit.enable_tracking('app_public.agents');
--! EndIncluded agents/agents.sql
--! Included audit/log.sql
comment on table audit.log is 'One row per changed row (or per statement, for tables exempt from detail). Partitioned by month.';
comment on column audit.log.id is 'Orders the rows of the same moment.';
comment on column audit.log.at is 'When the transaction began.';
comment on column audit.log.transaction_id is 'The transaction that made the change.';
comment on column audit.log.tenant_id is 'Whose data it was: the row''s tenant_id. Null for a truncate, which hits all, and for what belongs to the installation.';
comment on column audit.log.table_name is 'The table, with its schema, under its name of that time; the partition if the statement named one; of DDL, the object.';
comment on column audit.log.operation is 'insert, update, delete or truncate; present: the row was there when tracking began; read: somebody read the log; otherwise what was done to the schema or a login.';
comment on column audit.log.row_count is '1 for a row of detail, the number of rows for a summary.';
comment on column audit.log.key is 'The row''s primary key; null in a summary.';
comment on column audit.log.old_values is 'The values before: the whole row of a delete, the changed columns of an update. Secrets and embeddings as sha256:<hex>.';
comment on column audit.log.new_values is 'The values after: the whole row of an insert (or present), the changed columns of an update. Secrets and embeddings as sha256:<hex>.';
comment on column audit.log.subject is 'The verified token''s subject; null for a direct login.';
comment on column audit.log.login is 'The login of the connection.';
comment on column audit.log.role is 'The role that the statement ran under.';
comment on column audit.log.request_id is 'The API request, as in its X-Request-Id header.';

alter table audit.log enable row level security, force row level security;

-- A tenant's administrators and operators read the log through functions that log the read (app_public.audit_search and others,
-- ops.audit_activity), and in no other way.
drop policy if exists select_tenant on audit.log;
drop policy if exists select_truncations on audit.log;

-- The event triggers of sql/database.sql write what changes the schema, and nothing that looks like a change of a row.
drop policy if exists insert_recorder on audit.log;
create policy insert_recorder on audit.log for insert to :RECORDER
  with check (tenant_id is null and key is null and operation not in ('insert', 'update', 'delete', 'truncate', 'read'));

-- Across tenants

-- The audit triggers write as the owner, for every tenant.
drop policy if exists insert_owner on audit.log;
create policy insert_owner on audit.log for insert to :OWNER
  with check (true);

-- The functions that read the log for an administrator of one tenant or an operator, ops.seal_audit_log, and audit.verify.
drop policy if exists select_owner on audit.log;
create policy select_owner on audit.log for select to :OWNER
  using (true);

revoke all on audit.log from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :RECORDER, :JOBS;
-- All columns but those that tell who and when, which are defaults.
grant insert (table_name, operation, row_count, new_values, role) on audit.log to :RECORDER;
-- No grant to anybody else: the triggers write as the owner, who may insert and read, and nothing else.
--! EndIncluded audit/log.sql
--! Included audit/seal_parts.sql
comment on table audit.seal_parts is 'What a link of audit.seals says about the rows of one month. The lists of rows serve to name the row when a digest does not match.';
comment on column audit.seal_parts.number is 'The link.';
comment on column audit.seal_parts.month is 'The month (UTC) in which the rows have their `at`: a partition of the log.';
comment on column audit.seal_parts.row_count is 'How many rows of the stretch are of this month.';
comment on column audit.seal_parts.digest is 'SHA-256 over the ids and the SHA-256 of the rows, in the order of the log.';
comment on column audit.seal_parts.ids is 'The ids of the rows, in the order of the log; null once the partition was removed.';
comment on column audit.seal_parts.leaves is 'The first 16 bytes of the SHA-256 of each row, in the same order; null once the partition was removed.';

alter table audit.seal_parts enable row level security, force row level security;

-- Across tenants

-- ops.seal_audit_log appends as the owner, and retention takes the lists away. It holds digests and nothing of a tenant.
drop policy if exists select_owner on audit.seal_parts;
create policy select_owner on audit.seal_parts for select to :OWNER
  using (true);
drop policy if exists insert_owner on audit.seal_parts;
create policy insert_owner on audit.seal_parts for insert to :OWNER
  with check (true);
drop policy if exists update_owner on audit.seal_parts;
create policy update_owner on audit.seal_parts for update to :OWNER
  using (true)
  with check (true);

create or replace trigger _200_refuse_change before update or delete on audit.seal_parts
  for each row execute function audit.tg__refuse_seal_change();
create or replace trigger _200_refuse_truncate before truncate on audit.seal_parts
  for each statement execute function audit.tg__refuse_seal_change();

revoke all on audit.seal_parts from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
-- No grant to anybody: ops.seal_audit_log appends.
-- Exempt from audit: it seals the audit log.
--! EndIncluded audit/seal_parts.sql
--! Included audit/sealing.sql
comment on table audit.sealing is 'How far the sealing of the audit log has come: one row, whose lock the sealer holds.';
comment on column audit.sealing.only_row is 'Always true.';
comment on column audit.sealing.seen_xmax is 'The first transaction that had not begun to write when the sealer last noted the time.';
comment on column audit.sealing.seen_at is 'When that was.';
comment on column audit.sealing.sealed_through is 'Everything that was written before this moment is sealed.';

alter table audit.sealing enable row level security, force row level security;

-- Across tenants

-- ops.seal_audit_log keeps it as the owner. It holds nothing of a tenant.
drop policy if exists manage_owner on audit.sealing;
create policy manage_owner on audit.sealing for all to :OWNER
  using (true)
  with check (true);

revoke all on audit.sealing from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
-- No grant to anybody: ops.seal_audit_log keeps it, and ops.check_sealing tells of it.
-- Exempt from audit: it is a mark of the sealer.
--! EndIncluded audit/sealing.sql
--! Included audit/seals.sql
comment on table audit.seals is 'The chain that seals the audit log: each link holds the digest of a stretch of rows and the hash of the link before it.';
comment on column audit.seals.number is 'Counts from 1, without gaps.';
comment on column audit.seals.kind is 'rows: it seals rows. removal: it records that retention removed a partition.';
comment on column audit.seals.id_floor is 'The rows of the stretch have greater ids. It grows when transactions are counted anew: a dump was restored into another server.';
comment on column audit.seals.from_transaction_id is 'The stretch begins after the row with this transaction and from_id.';
comment on column audit.seals.from_id is 'See from_transaction_id.';
comment on column audit.seals.to_transaction_id is 'The stretch ends with the row with this transaction and to_id.';
comment on column audit.seals.to_id is 'See to_transaction_id.';
comment on column audit.seals.max_id is 'The greatest id of the stretch.';
comment on column audit.seals.row_count is 'How many rows were sealed, or removed with the partition.';
comment on column audit.seals.total_rows is 'How many rows all links up to this one have sealed.';
comment on column audit.seals.digest is 'SHA-256 over the months, row counts and digests of its parts; of a removal, over the digests of all parts of the month.';
comment on column audit.seals.removed_month is 'The month (UTC) whose partition was removed.';
comment on column audit.seals.removed_partition is 'The name that the partition had.';
comment on column audit.seals.sealed_at is 'When it was made.';
comment on column audit.seals.version is 'The release that made it.';
comment on column audit.seals.previous is 'The hash of the link before it; 32 zero bytes for the first.';
comment on column audit.seals.hash is 'SHA-256 over all other columns (audit.seal_hash).';

alter table audit.seals enable row level security, force row level security;

-- Across tenants

-- ops.seal_audit_log appends as the owner, who may not change or delete. It holds digests and nothing of a tenant.
drop policy if exists select_owner on audit.seals;
create policy select_owner on audit.seals for select to :OWNER
  using (true);
drop policy if exists insert_owner on audit.seals;
create policy insert_owner on audit.seals for insert to :OWNER
  with check (true);

-- Operators read the chain.
drop policy if exists select_operator on audit.seals;
create policy select_operator on audit.seals for select to :OPERATOR
  using (true);

create or replace trigger _200_refuse_change before update or delete on audit.seals
  for each row execute function audit.tg__refuse_seal_change();
create or replace trigger _200_refuse_truncate before truncate on audit.seals
  for each statement execute function audit.tg__refuse_seal_change();

revoke all on audit.seals from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on audit.seals to :OPERATOR;
-- No insert, update or delete for anybody: ops.seal_audit_log appends, and nothing changes a link.
-- Exempt from audit: it seals the audit log.
--! EndIncluded audit/seals.sql
--! Included backup/backups.sql
comment on table ops.backups is 'The backups that the store holds or has held: a copy of its manifests, for queries in SQL. The store is authoritative.';
comment on column ops.backups.id is 'Its name; names sort by time.';
comment on column ops.backups.kind is 'full, incremental or snapshot.';
comment on column ops.backups.parent_id is 'The backup that it builds on; null for a full one.';
comment on column ops.backups.started_at is 'When it began, by the server''s clock.';
comment on column ops.backups.ended_at is 'When it ended: the first moment that it can be restored to.';
comment on column ops.backups.objects is 'How many objects it has in the store.';
comment on column ops.backups.bytes is 'The size of their content.';
comment on column ops.backups.stored_bytes is 'Their size in the store.';
comment on column ops.backups.manifest_sha256 is 'SHA-256 of its manifest when it was first recorded: if the store has another, it was changed.';
comment on column ops.backups.server is 'Its place in the server''s WAL; null for an embedded database.';
comment on column ops.backups.recorded_at is 'When it was first seen in the store.';
comment on column ops.backups.removed_at is 'When it was first missing from the store; null: it is there.';

alter table ops.backups enable row level security, force row level security;

-- Across tenants

-- ops.record_backups keeps it as the owner; operators' views and the worker's checks read it. It holds nothing of a
-- tenant.
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

revoke all on ops.backups from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.backups to :OPERATOR, :WORKER;
-- No insert, update or delete for anybody: ops.record_backups keeps it.
--! EndIncluded backup/backups.sql
--! Included backup/drills.sql
comment on table ops.drills is 'Restores that prove the backups: what they found, and how long they took.';
comment on column ops.drills.id is 'Grows in the order in which drills ended.';
comment on column ops.drills.started_at is 'When it began.';
comment on column ops.drills.finished_at is 'When its verdict was recorded.';
comment on column ops.drills.backups is 'Ids of the restored backups, the full one first; empty: none could be restored.';
comment on column ops.drills."position" is 'The position in the WAL at which rows were compared; null for an embedded database.';
comment on column ops.drills.compared_tables is 'How many tables were compared.';
comment on column ops.drills.compared_rows is 'How many rows were compared.';
comment on column ops.drills.restore_time is 'The time from the first byte read to a database that answers; null: it never answered.';
comment on column ops.drills.problems is 'A sentence for each thing that is wrong.';
comment on column ops.drills.self_tests is 'The damage that the drill did to copies on purpose, and how it was noticed: an array of objects with `damage` and `noticed`.';
comment on column ops.drills.passed is 'Whether the backups are proven: nothing was wrong, and rows were compared.';

alter table ops.drills enable row level security, force row level security;

-- Across tenants

-- ops.record_drill writes it as the owner; operators and the worker read it. It holds nothing of a tenant.
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

revoke all on ops.drills from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.drills to :OPERATOR, :WORKER;
-- No insert, update or delete for anybody: ops.record_drill writes it.
--! EndIncluded backup/drills.sql
--! Included backup/wal_receivers.sql
comment on table ops.wal_receivers is 'The state of receiving WAL, by replication slot.';
comment on column ops.wal_receivers.slot is 'The slot that the server keeps WAL for.';
comment on column ops.wal_receivers.receiving is 'Whether the worker that reported this receives WAL.';
comment on column ops.wal_receivers.received_lsn is 'The last received position of the WAL.';
comment on column ops.wal_receivers.kept_bytes is 'Bytes of WAL that the server keeps because no worker has received them.';
comment on column ops.wal_receivers.safe_bytes is 'Bytes that may still be written before the server gives up the slot; null: no limit.';
comment on column ops.wal_receivers.wal_status is 'The state of the slot: reserved, extended, unreserved or lost.';
comment on column ops.wal_receivers.problem is 'The current problem; null: all is well.';
comment on column ops.wal_receivers.seen_at is 'When this was reported.';

alter table ops.wal_receivers enable row level security, force row level security;

-- Across tenants

-- ops.see_wal_receiver keeps it as the owner; operators' views and the worker's checks read it. It holds nothing of a
-- tenant.
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

revoke all on ops.wal_receivers from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.wal_receivers to :OPERATOR, :WORKER;
-- No insert, update or delete for anybody: ops.see_wal_receiver keeps it.
--! EndIncluded backup/wal_receivers.sql
--! Included jobs/alerts.sql
comment on table ops.alerts is 'Present and past problems: one open row for each kind and subject. An alert resolves by itself when its problem is over.';
comment on column ops.alerts.id is 'Grows in the order in which alerts were raised.';
comment on column ops.alerts.kind is 'The check that raised it: ops.check_<kind>.';
comment on column ops.alerts.subject is 'What it is about.';
comment on column ops.alerts.severity is 'warning: look at it; error: something that should happen does not.';
comment on column ops.alerts.message is 'What is wrong, in a sentence.';
comment on column ops.alerts.details is 'The same as a JSON object, for programs; no secrets.';
comment on column ops.alerts.raised_at is 'When it was raised.';
comment on column ops.alerts.last_seen_at is 'When the check last found it.';
comment on column ops.alerts.resolved_at is 'When it was resolved; null: it is open.';

alter table ops.alerts enable row level security, force row level security;

-- Across tenants

-- ops.report_alerts keeps it as the owner; operators and the worker read it. It holds nothing of a tenant.
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

revoke all on ops.alerts from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.alerts to :OPERATOR, :WORKER;
-- No insert, update or delete for anybody: ops.report_alerts keeps it.
--! EndIncluded jobs/alerts.sql
--! Included jobs/job_runs.sql
comment on table ops.job_runs is 'Runs of jobs, by the worker or by a command: their progress and their outcome. Of runs that had nothing to do, only the newest of each task is kept.';
comment on column ops.job_runs.id is 'Grows in the order in which runs began.';
comment on column ops.job_runs.task is 'The task that it runs.';
comment on column ops.job_runs.details is 'Its parameters, as an object; no secrets.';
comment on column ops.job_runs.worker is 'The process that runs it: the id of a worker, or host:pid of a command.';
comment on column ops.job_runs.job_id is 'The job of graphile-worker; null: a command.';
comment on column ops.job_runs.lock is 'At most one running run has this name; null: any number may run.';
comment on column ops.job_runs.outcome is 'running, succeeded, failed, or abandoned: its process did not report in time.';
comment on column ops.job_runs.progress is 'How much is done, from 0 to 1; null: unknown.';
comment on column ops.job_runs.note is 'What it is doing, or what it did; a sentence.';
comment on column ops.job_runs.error is 'Why it did not succeed.';
comment on column ops.job_runs.idle is 'Whether it succeeded because it had nothing to do.';
comment on column ops.job_runs.started_at is 'When it began.';
comment on column ops.job_runs.updated_at is 'When its process last reported.';
comment on column ops.job_runs.progressed_at is 'When it last reported something new; null: not yet.';
comment on column ops.job_runs.lease_until is 'When it is taken for dead, unless its process reports before.';
comment on column ops.job_runs.finished_at is 'When it ended; null: it is running.';

alter table ops.job_runs enable row level security, force row level security;

-- Across tenants

-- ops.begin_run, ops.renew_run, ops.end_run and ops.abandon_runs keep it as the owner; operators and the worker read
-- it. It holds nothing of a tenant.
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

revoke all on ops.job_runs from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.job_runs to :OPERATOR, :WORKER;
-- No insert, update or delete for anybody: ops.begin_run and its like keep it.
--! EndIncluded jobs/job_runs.sql
--! Included jobs/job_tasks.sql
comment on table ops.job_tasks is 'The tasks that the workers know, and their schedules (UTC).';
comment on column ops.job_tasks.task is 'Its name.';
comment on column ops.job_tasks.does is 'What it is for.';
comment on column ops.job_tasks.schedule is 'Its crontab pattern; null: it is not scheduled.';
comment on column ops.job_tasks.every is 'The longest time between two of its runs; null: it is not scheduled.';
comment on column ops.job_tasks.expected is 'How long a run may take; a longer one raises an alert.';
comment on column ops.job_tasks.known_since is 'When a worker first reported that it knows the task.';

alter table ops.job_tasks enable row level security, force row level security;

-- Across tenants

-- ops.set_job_tasks keeps it as the owner; operators and the worker read it. It holds nothing of a tenant.
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

revoke all on ops.job_tasks from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.job_tasks to :OPERATOR, :WORKER;
-- No insert, update or delete for anybody: ops.set_job_tasks keeps it.
--! EndIncluded jobs/job_tasks.sql
--! Included jobs/queued_jobs.sql
comment on table ops.queued_jobs is 'The jobs in graphile-worker''s queue, as the worker reported them last; ops.jobs shows their state.';
comment on column ops.queued_jobs.id is 'The id of the job in graphile-worker.';
comment on column ops.queued_jobs.task is 'The task that it runs.';
comment on column ops.queued_jobs.queue is 'The queue whose jobs run one after the other; null: none.';
comment on column ops.queued_jobs.due_at is 'When it may run, or run again.';
comment on column ops.queued_jobs.attempts is 'How often it has begun.';
comment on column ops.queued_jobs.max_attempts is 'How often it may begin.';
comment on column ops.queued_jobs.last_error is 'Why the last attempt failed, 2,000 characters at most.';
comment on column ops.queued_jobs.created_at is 'When it came into the queue.';
comment on column ops.queued_jobs.locked_at is 'When the current attempt began; null: it does not run.';
comment on column ops.queued_jobs.worker is 'The worker that runs it.';

alter table ops.queued_jobs enable row level security, force row level security;

-- Across tenants

-- ops.report_jobs keeps it as the owner; operators and the worker read it. It holds nothing of a tenant.
drop policy if exists manage_owner on ops.queued_jobs;
create policy manage_owner on ops.queued_jobs for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.queued_jobs;
create policy select_operator on ops.queued_jobs for select to :OPERATOR
  using (true);
drop policy if exists select_worker on ops.queued_jobs;
create policy select_worker on ops.queued_jobs for select to :WORKER
  using (true);

revoke all on ops.queued_jobs from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.queued_jobs to :OPERATOR, :WORKER;
-- No insert, update or delete for anybody: ops.report_jobs keeps it.
--! EndIncluded jobs/queued_jobs.sql
--! Included jobs/workers.sql
comment on table ops.workers is 'Processes that work on jobs, by the id under which graphile-worker locks jobs for them.';
comment on column ops.workers.id is 'The id of the pool.';
comment on column ops.workers.host is 'The machine that it runs on.';
comment on column ops.workers.pid is 'The id of its process there.';
comment on column ops.workers.version is 'The version of this project that it runs.';
comment on column ops.workers.started_at is 'When it began.';
comment on column ops.workers.seen_at is 'When it last reported that it lives, which it does every 15 seconds.';
comment on column ops.workers.stopped_at is 'When it ended as it should; null: it lives, or it died.';
comment on column ops.workers.lost_at is 'When it was taken for dead; null: never.';

alter table ops.workers enable row level security, force row level security;

-- Across tenants

-- ops.see_worker, ops.stop_worker and ops.lose_workers keep it as the owner; operators and the worker read it. It holds
-- nothing of a tenant.
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

revoke all on ops.workers from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.workers to :OPERATOR, :WORKER;
-- No insert, update or delete for anybody: ops.see_worker, ops.stop_worker and ops.lose_workers keep it.
--! EndIncluded jobs/workers.sql
--! Included keys/api_keys.sql
comment on table app_private.api_keys is 'Keys that services use in place of a JWT. A key itself is stored nowhere, only its digest.';
comment on column app_private.api_keys.id is 'The part of the key after `ltk_`, by which it is found: 12 hexadecimal digits, unique across tenants.';
comment on column app_private.api_keys.tenant_id is 'The tenant; null: an operator''s key, which belongs to no tenant.';
comment on column app_private.api_keys.name is 'The service that uses it: the subject of its requests. Two keys may have one name, so that one can replace the other.';
comment on column app_private.api_keys.role is 'The role of its requests: member, service, admin or operator.';
comment on column app_private.api_keys.digest is 'SHA-256 of the key, 64 hexadecimal digits.';
comment on column app_private.api_keys.created_by is 'The subject that made it, or the login of a direct connection.';
comment on column app_private.api_keys.created_at is 'When it was made.';
comment on column app_private.api_keys.expires_at is 'When it ends; null: never.';
comment on column app_private.api_keys.last_used_at is 'When it was last used, to the minute; null: not yet.';

alter table app_private.api_keys enable row level security, force row level security;

-- Across tenants

-- ops.key_claims finds a key by its id and digest, before its tenant is known, and ops.live_keys looks up keys of all tenants at
-- once, as the owner. create_api_key, list_api_keys and revoke_api_key compare the tenant themselves.
drop policy if exists manage_owner on app_private.api_keys;
create policy manage_owner on app_private.api_keys for all to :OWNER
  using (true)
  with check (true);

revoke all on app_private.api_keys from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
-- No grant to anybody, so that nobody reads a digest: administrators make, list and revoke their tenant's keys by functions.

-- An update of the last use alone leaves no row: it would be one a minute for each key.
select audit.enable_tracking('app_private.api_keys', digested => '{digest}', omitted => '{last_used_at}');
--! EndIncluded keys/api_keys.sql
--! Included knowledge/knowledge.sql
comment on table app_public.knowledge is E'@unique id|@fieldName knowledge|@updateFieldName updateKnowledge|@deleteFieldName deleteKnowledge\nAn item of knowledge that agents look up, with an embedding to find it by meaning.';
comment on column app_public.knowledge.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.knowledge.id is 'The item''s id; random if not given.';
comment on column app_public.knowledge.agent_id is 'The agent whose knowledge it is; null: every agent''s, or the agent was removed.';
comment on column app_public.knowledge.category is 'A word to group by.';
comment on column app_public.knowledge.content is 'The text itself.';
comment on column app_public.knowledge.source is 'Where it comes from: a file, an address, a whole quotation.';
comment on column app_public.knowledge.metadata is 'Anything else about it.';
comment on column app_public.knowledge.embedding is 'The content''s embedding, 1536 dimensions; null until it is computed. One shorter than 0.01 or longer than 65,504 is stored with length 1, which is the same to a search.';
comment on column app_public.knowledge.embedding_error is 'Why the content could not be embedded; null: it was embedded, or this was not tried yet. Changed content is tried again.';
comment on column app_public.knowledge.usage_count is 'How often it was used.';
comment on column app_public.knowledge.relevance_score is 'How useful it proved; 1 is neutral.';
comment on column app_public.knowledge.created_at is 'When it was added.';
comment on column app_public.knowledge.last_used_at is 'When it was last used.';

comment on constraint knowledge_pkey on app_public.knowledge is E'@behavior -single -update -delete\nThe tenant and the id identify a row.';
comment on constraint knowledge_tenant_id_fkey on app_public.knowledge is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint knowledge_agent_id_fkey on app_public.knowledge is E'@fieldName agent\n@foreignFieldName knowledge\nThe agent whose knowledge it is.';

alter table app_public.knowledge enable row level security, force row level security;

-- Everybody of a tenant reads all of its knowledge.
drop policy if exists select_tenant on app_public.knowledge;
create policy select_tenant on app_public.knowledge for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- People, services and administrators add knowledge to their own tenant.
drop policy if exists insert_tenant on app_public.knowledge;
create policy insert_tenant on app_public.knowledge for insert to :MEMBER, :SERVICE, :ADMIN
  with check (tenant_id = (select app_private.current_tenant_id()));

-- They change their tenant's knowledge, and cannot move an item out of it.
drop policy if exists update_tenant on app_public.knowledge;
create policy update_tenant on app_public.knowledge for update to :MEMBER, :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));

-- They remove their tenant's knowledge.
drop policy if exists delete_tenant on app_public.knowledge;
create policy delete_tenant on app_public.knowledge for delete to :MEMBER, :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()));

-- Across tenants

-- The search functions, which compare the tenant themselves. Under any other policy `@@` and `@>` cannot use an index.
drop policy if exists select_search on app_public.knowledge;
create policy select_search on app_public.knowledge for select to :SEARCH
  using (true);

-- app_public.touch_knowledge.
drop policy if exists update_search on app_public.knowledge;
create policy update_search on app_public.knowledge for update to :SEARCH
  using (true)
  with check (true);

-- The embedding job: items without an embedding, of all tenants.
drop policy if exists select_jobs on app_public.knowledge;
create policy select_jobs on app_public.knowledge for select to :JOBS
  using (true);
drop policy if exists update_jobs on app_public.knowledge;
create policy update_jobs on app_public.knowledge for update to :JOBS
  using (true)
  with check (true);

revoke all on app_public.knowledge from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on app_public.knowledge to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
grant insert (tenant_id, id, agent_id, category, content, source, metadata, embedding) on app_public.knowledge
  to :MEMBER, :SERVICE, :ADMIN;
-- Only programs import rows with their history.
grant insert (usage_count, relevance_score, created_at, last_used_at) on app_public.knowledge to :SERVICE, :ADMIN;
-- No update of tenant_id, id or created_at for anybody: keys and creation times do not change.
grant update (agent_id, category, content, source, metadata, embedding) on app_public.knowledge to :MEMBER,
  :SERVICE, :ADMIN;
grant update (usage_count, relevance_score, last_used_at) on app_public.knowledge to :SERVICE, :ADMIN;
grant delete on app_public.knowledge to :MEMBER, :SERVICE, :ADMIN;
-- The search functions and touch_knowledge. They may update nothing else: updates of :SEARCH are not audited.
grant select on app_public.knowledge to :SEARCH;
grant update (usage_count, last_used_at) on app_public.knowledge to :SEARCH;
-- The embedding job. Only it records why an embedding failed.
grant select (tenant_id, id, content, embedding, embedding_error, created_at) on app_public.knowledge to :JOBS;
grant update (embedding, embedding_error) on app_public.knowledge to :JOBS;
-- No truncate for anybody: it ignores tenants.

create or replace trigger _200_keys
  before update of tenant_id, id on app_public.knowledge
  for each row
  when (old.tenant_id is distinct from new.tenant_id or old.id is distinct from new.id)
  execute function app_private.tg__refuse_key_change();

create or replace trigger _200_long_numbers
  before insert or update of metadata on app_public.knowledge
  for each row
  when (app_private.may_print_long(new.metadata))
  execute function app_private.tg__refuse_long_numbers('metadata');

create or replace trigger _200_embedding
  before insert or update of embedding on app_public.knowledge
  for each row
  when (public.vector_norm(new.embedding) not between 0.01 and 65504)
  execute function app_private.tg_knowledge__comparable_embedding();

create or replace trigger _500_clear_embedding
  before update of content on app_public.knowledge
  for each row
  when (old.content is distinct from new.content)
  execute function app_private.tg_knowledge__clear_embedding();

-- app_public.touch_knowledge counts uses without a trace: :SEARCH may update the counters and nothing else.
select audit.enable_tracking('app_public.knowledge', digested => '{embedding}', counter => ':SEARCH');
--! EndIncluded knowledge/knowledge.sql
--! Included live/event_marks.sql
comment on table app_private.event_marks is 'Snapshots by time, for trimming the outbox.';
comment on column app_private.event_marks.at is 'When the snapshot was taken.';
comment on column app_private.event_marks.snapshot is 'The transactions that were visible then.';
comment on column app_private.event_marks.trimmed is 'Whether the outbox was trimmed to this mark; true for one of them.';

alter table app_private.event_marks enable row level security, force row level security;

-- Across tenants

-- ops.read_events and ops.trim_events, as the owner. It holds nothing of a tenant.
drop policy if exists manage_owner on app_private.event_marks;
create policy manage_owner on app_private.event_marks for all to :OWNER
  using (true)
  with check (true);

revoke all on app_private.event_marks from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
-- No grant to anybody: ops.trim_events keeps it.
--! EndIncluded live/event_marks.sql
--! Included live/events.sql
comment on table app_private.events is 'The outbox of live updates: the rows that changed, in one event per statement and tenant. Kept for about an hour.';
comment on column app_private.events.transaction_id is 'The transaction that made the change.';
comment on column app_private.events.id is 'The order within a transaction; it has no meaning across transactions.';
comment on column app_private.events.tenant_id is 'The tenant whose rows changed.';
comment on column app_private.events.topic is 'The table: tasks, workflows, agents.';
comment on column app_private.events.operation is 'One of insert, update, delete.';
comment on column app_private.events.keys is 'The ids of the rows; null when more than 1,000 changed at once.';
comment on column app_private.events.at is 'When the transaction began.';

alter table app_private.events enable row level security, force row level security;

-- Across tenants

-- app_private.tg__publish, ops.read_events, ops.trim_events and the view ops.check_untrimmed_events, as the owner.
drop policy if exists manage_owner on app_private.events;
create policy manage_owner on app_private.events for all to :OWNER
  using (true)
  with check (true);

revoke all on app_private.events from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
-- No grant to anybody: tg__publish writes it, ops.read_events reads it for the API, ops.trim_events trims it.
--! EndIncluded live/events.sql
--! Included metrics/metric_changes.sql
comment on table ops.metric_changes is 'Buckets of metrics that have to be rolled up, or rolled up again: a row for each statement that changed one. Until then readers use the finer table.';
comment on column ops.metric_changes.resolution is 'The rollup that lacks the bucket: minute, hour or day.';
comment on column ops.metric_changes.tenant_id is 'The tenant.';
comment on column ops.metric_changes.bucket is 'When the bucket begins.';

alter table ops.metric_changes enable row level security, force row level security;

-- Across tenants

-- tg_metrics__mark_changes adds buckets that have to be rolled up; metric_sources reads them, and compares the tenant itself.
drop policy if exists manage_owner on ops.metric_changes;
create policy manage_owner on ops.metric_changes for all to :OWNER
  using (true)
  with check (true);

-- ops.roll_up_metrics.
drop policy if exists manage_jobs on ops.metric_changes;
create policy manage_jobs on ops.metric_changes for all to :JOBS
  using (true)
  with check (true);

revoke all on ops.metric_changes from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
-- tg_metrics__mark_changes writes it and metric_sources reads it, as the owner. ops.roll_up_metrics makes the buckets that it names,
-- and adds those that this changes.
grant select, delete on ops.metric_changes to :JOBS;
grant insert (resolution, tenant_id, bucket) on ops.metric_changes to :JOBS;
--! EndIncluded metrics/metric_changes.sql
--! Included metrics/metric_floors.sql
comment on table ops.metric_floors is 'The times before which points are refused, because older points are removed.';
comment on column ops.metric_floors.tenant_id is 'The tenant; null: all tenants.';
comment on column ops.metric_floors.kept_from is 'Points from before this time are refused.';
comment on column ops.metric_floors.closed_to is 'Points from before this time may be removed: all are rolled up, and nobody can add one.';
comment on column ops.metric_floors.moved_by is 'The transaction that moved it: older transactions may not know the new floor.';

alter table ops.metric_floors enable row level security, force row level security;

-- Across tenants

-- ops.move_metric_floors and ops.close_metric_floors keep it as the owner. The functions that record and read points look up
-- the caller's tenant in it; operators and the functions of jobs read it.
drop policy if exists manage_owner on ops.metric_floors;
create policy manage_owner on ops.metric_floors for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.metric_floors;
create policy select_operator on ops.metric_floors for select to :OPERATOR
  using (true);
drop policy if exists select_jobs on ops.metric_floors;
create policy select_jobs on ops.metric_floors for select to :JOBS
  using (true);

revoke all on ops.metric_floors from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.metric_floors to :OPERATOR, :JOBS;
-- No other grant: ops.move_metric_floors and ops.close_metric_floors keep it.
--! EndIncluded metrics/metric_floors.sql
--! Included metrics/metric_rollups.sql
comment on table ops.metric_rollups is 'The rollups of metrics. Whoever makes a rollup locks its row, so that only one does so at a time.';
comment on column ops.metric_rollups.resolution is 'minute, hour or day.';
comment on column ops.metric_rollups.rolled_up_at is 'When it was last checked.';

alter table ops.metric_rollups enable row level security, force row level security;

-- Across tenants

-- ops.roll_up_metrics. It holds nothing of a tenant.
drop policy if exists manage_jobs on ops.metric_rollups;
create policy manage_jobs on ops.metric_rollups for all to :JOBS
  using (true)
  with check (true);

-- Operators see how far the rollups are.
drop policy if exists select_operator on ops.metric_rollups;
create policy select_operator on ops.metric_rollups for select to :OPERATOR
  using (true);

revoke all on ops.metric_rollups from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
-- Whoever makes a rollup locks its row. It holds no tenant's data.
grant select on ops.metric_rollups to :JOBS, :OPERATOR;
grant update (rolled_up_at) on ops.metric_rollups to :JOBS;
--! EndIncluded metrics/metric_rollups.sql
--! Included metrics/metrics.sql
comment on table app_public.metrics is 'A measurement of a service at a point in time. Partitioned by day; retention removes it.';
comment on column app_public.metrics.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.metrics.id is 'Tells points of the same instant apart.';
comment on column app_public.metrics.service_name is 'The service that measured.';
comment on column app_public.metrics.metric_name is 'What was measured.';
comment on column app_public.metrics.value is 'The value, in the metric''s own unit.';
comment on column app_public.metrics.tags is 'Dimensions to filter and group by: a flat object.';
comment on column app_public.metrics."timestamp" is 'When it was measured.';

comment on constraint metrics_pkey on app_public.metrics is E'@behavior -single -update -delete\nThe tenant, the time and the id identify a row.';
comment on constraint metrics_tenant_id_fkey on app_public.metrics is E'@behavior -*\nA row belongs to a tenant.';

alter table app_public.metrics enable row level security, force row level security;

-- Everybody of a tenant reads its metrics.
drop policy if exists select_tenant on app_public.metrics;
create policy select_tenant on app_public.metrics for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- Programs measure; people do not.
drop policy if exists insert_service on app_public.metrics;
create policy insert_service on app_public.metrics for insert to :SERVICE, :ADMIN
  with check (tenant_id = (select app_private.current_tenant_id()));

-- ops.expire_tenant_rows removes expired rows of one tenant at a time: the tenant that it names.
drop policy if exists delete_jobs on app_public.metrics;
create policy delete_jobs on app_public.metrics for delete to :JOBS
  using (tenant_id = (select app_private.retention_tenant_id()));

-- Across tenants

-- ops.roll_up_metrics, which makes rollups for all tenants at once.
drop policy if exists select_jobs on app_public.metrics;
create policy select_jobs on app_public.metrics for select to :JOBS
  using (true);

revoke all on app_public.metrics from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on app_public.metrics to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
-- For ops.roll_up_metrics.
grant select on app_public.metrics to :JOBS;
-- For ops.expire_tenant_rows.
grant delete on app_public.metrics to :JOBS;
-- No insert of id: the database sets it. No update and no delete for anybody of a tenant: a measurement stays until it expires.
grant insert (tenant_id, service_name, metric_name, value, tags, "timestamp") on app_public.metrics to :SERVICE, :ADMIN;
-- The partitions have no grants and no policies: nobody but the owner can name one.

-- Postgres makes a partitioned table's row triggers on its partitions too, including those attached later.
create or replace trigger _200_keys
  before update of tenant_id, id, "timestamp" on app_public.metrics
  for each row
  when (
    old.tenant_id is distinct from new.tenant_id
    or old.id is distinct from new.id
    or old."timestamp" is distinct from new."timestamp"
  )
  execute function app_private.tg__refuse_key_change();

create or replace trigger _200_long_numbers
  before insert or update of tags on app_public.metrics
  for each row
  when (app_private.may_print_long(new.tags))
  execute function app_private.tg__refuse_long_numbers('tags');

-- Nobody but the owner may name a partition, so the parent's trigger sees every statement.
create or replace trigger _500_mark_changes
  after insert on app_public.metrics
  referencing new table as new_rows
  for each statement
  execute function app_private.tg_metrics__mark_changes();

-- Thousands of points a call: a row per statement says who wrote how many.
select audit.enable_tracking('app_public.metrics', detail => false);
--! EndIncluded metrics/metrics.sql
--! Included metrics/metrics_day.sql
comment on table app_public.metrics_day is 'The points of a series aggregated by day (of UTC): made by the worker, read by `metric_series` and `metric_percentiles`.';
comment on column app_public.metrics_day.tenant_id is E'@behavior -*\nThe tenant.';
comment on column app_public.metrics_day.service_name is 'The service that measured.';
comment on column app_public.metrics_day.metric_name is 'What was measured.';
comment on column app_public.metrics_day.tags is 'The dimensions of the series.';
comment on column app_public.metrics_day.tags_hash is E'@behavior -*\nDigest of the tags, for the key.';
comment on column app_public.metrics_day.bucket is 'When it begins.';
comment on column app_public.metrics_day.count is 'How many points.';
comment on column app_public.metrics_day.sum is 'Their sum; null: it exceeds a double.';
comment on column app_public.metrics_day.min is 'The smallest value.';
comment on column app_public.metrics_day.max is 'The largest value.';
comment on column app_public.metrics_day.last is 'The value that was measured last.';
comment on column app_public.metrics_day.last_at is 'When that was.';
comment on column app_public.metrics_day.sketch_keys is E'@behavior -*\nThe buckets of the histogram that have values, in order; see the documentation of metrics.';
comment on column app_public.metrics_day.sketch_counts is E'@behavior -*\nHow many values each of them has.';

comment on constraint metrics_day_pkey on app_public.metrics_day is E'@behavior -single -update -delete\nThe tenant, the series and the time identify a row.';
comment on constraint metrics_day_tenant_id_fkey on app_public.metrics_day is E'@behavior -*\nA row belongs to a tenant.';

alter table app_public.metrics_day enable row level security, force row level security;

-- Everybody who reads the points reads their rollups.
drop policy if exists select_tenant on app_public.metrics_day;
create policy select_tenant on app_public.metrics_day for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- ops.expire_tenant_rows removes expired rows of one tenant at a time: the tenant that it names.
drop policy if exists delete_jobs on app_public.metrics_day;
create policy delete_jobs on app_public.metrics_day for delete to :JOBS
  using (tenant_id = (select app_private.retention_tenant_id()));

-- Across tenants

-- ops.roll_up_metrics, which makes rollups for all tenants at once.
drop policy if exists select_jobs on app_public.metrics_day;
create policy select_jobs on app_public.metrics_day for select to :JOBS
  using (true);
drop policy if exists insert_jobs on app_public.metrics_day;
create policy insert_jobs on app_public.metrics_day for insert to :JOBS
  with check (true);
drop policy if exists update_jobs on app_public.metrics_day;
create policy update_jobs on app_public.metrics_day for update to :JOBS
  using (true)
  with check (true);

revoke all on app_public.metrics_day from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on app_public.metrics_day to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
-- ops.roll_up_metrics makes a row and makes it anew; nobody of a tenant writes one.
grant select on app_public.metrics_day to :JOBS;
grant insert (
    tenant_id, service_name, metric_name, tags, bucket, count, sum, min, max, last, last_at, sketch_keys, sketch_counts
  ),
  update (count, sum, min, max, last, last_at, sketch_keys, sketch_counts)
  on app_public.metrics_day to :JOBS;
-- For ops.expire_tenant_rows.
grant delete on app_public.metrics_day to :JOBS;

select audit.enable_tracking('app_public.metrics_day', detail => false);
--! EndIncluded metrics/metrics_day.sql
--! Included metrics/metrics_hour.sql
comment on table app_public.metrics_hour is 'The points of a series aggregated by hour: made by the worker, read by `metric_series` and `metric_percentiles`.';
comment on column app_public.metrics_hour.tenant_id is E'@behavior -*\nThe tenant.';
comment on column app_public.metrics_hour.service_name is 'The service that measured.';
comment on column app_public.metrics_hour.metric_name is 'What was measured.';
comment on column app_public.metrics_hour.tags is 'The dimensions of the series.';
comment on column app_public.metrics_hour.tags_hash is E'@behavior -*\nDigest of the tags, for the key.';
comment on column app_public.metrics_hour.bucket is 'When it begins.';
comment on column app_public.metrics_hour.count is 'How many points.';
comment on column app_public.metrics_hour.sum is 'Their sum; null: it exceeds a double.';
comment on column app_public.metrics_hour.min is 'The smallest value.';
comment on column app_public.metrics_hour.max is 'The largest value.';
comment on column app_public.metrics_hour.last is 'The value that was measured last.';
comment on column app_public.metrics_hour.last_at is 'When that was.';
comment on column app_public.metrics_hour.sketch_keys is E'@behavior -*\nThe buckets of the histogram that have values, in order; see the documentation of metrics.';
comment on column app_public.metrics_hour.sketch_counts is E'@behavior -*\nHow many values each of them has.';

comment on constraint metrics_hour_pkey on app_public.metrics_hour is E'@behavior -single -update -delete\nThe tenant, the series and the time identify a row.';
comment on constraint metrics_hour_tenant_id_fkey on app_public.metrics_hour is E'@behavior -*\nA row belongs to a tenant.';

alter table app_public.metrics_hour enable row level security, force row level security;

-- Everybody who reads the points reads their rollups.
drop policy if exists select_tenant on app_public.metrics_hour;
create policy select_tenant on app_public.metrics_hour for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- ops.expire_tenant_rows removes expired rows of one tenant at a time: the tenant that it names.
drop policy if exists delete_jobs on app_public.metrics_hour;
create policy delete_jobs on app_public.metrics_hour for delete to :JOBS
  using (tenant_id = (select app_private.retention_tenant_id()));

-- Across tenants

-- ops.roll_up_metrics, which makes rollups for all tenants at once.
drop policy if exists select_jobs on app_public.metrics_hour;
create policy select_jobs on app_public.metrics_hour for select to :JOBS
  using (true);
drop policy if exists insert_jobs on app_public.metrics_hour;
create policy insert_jobs on app_public.metrics_hour for insert to :JOBS
  with check (true);
drop policy if exists update_jobs on app_public.metrics_hour;
create policy update_jobs on app_public.metrics_hour for update to :JOBS
  using (true)
  with check (true);

revoke all on app_public.metrics_hour from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on app_public.metrics_hour to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
-- ops.roll_up_metrics makes a row and makes it anew; nobody of a tenant writes one.
grant select on app_public.metrics_hour to :JOBS;
grant insert (
    tenant_id, service_name, metric_name, tags, bucket, count, sum, min, max, last, last_at, sketch_keys, sketch_counts
  ),
  update (count, sum, min, max, last, last_at, sketch_keys, sketch_counts)
  on app_public.metrics_hour to :JOBS;
-- For ops.expire_tenant_rows.
grant delete on app_public.metrics_hour to :JOBS;

select audit.enable_tracking('app_public.metrics_hour', detail => false);
--! EndIncluded metrics/metrics_hour.sql
--! Included metrics/metrics_minute.sql
comment on table app_public.metrics_minute is 'The points of a series aggregated by minute: made by the worker, read by `metric_series` and `metric_percentiles`.';
comment on column app_public.metrics_minute.tenant_id is E'@behavior -*\nThe tenant.';
comment on column app_public.metrics_minute.service_name is 'The service that measured.';
comment on column app_public.metrics_minute.metric_name is 'What was measured.';
comment on column app_public.metrics_minute.tags is 'The dimensions of the series.';
comment on column app_public.metrics_minute.tags_hash is E'@behavior -*\nDigest of the tags, for the key.';
comment on column app_public.metrics_minute.bucket is 'When it begins.';
comment on column app_public.metrics_minute.count is 'How many points.';
comment on column app_public.metrics_minute.sum is 'Their sum; null: it exceeds a double.';
comment on column app_public.metrics_minute.min is 'The smallest value.';
comment on column app_public.metrics_minute.max is 'The largest value.';
comment on column app_public.metrics_minute.last is 'The value that was measured last.';
comment on column app_public.metrics_minute.last_at is 'When that was.';
comment on column app_public.metrics_minute.sketch_keys is E'@behavior -*\nThe buckets of the histogram that have values, in order; see the documentation of metrics.';
comment on column app_public.metrics_minute.sketch_counts is E'@behavior -*\nHow many values each of them has.';

comment on constraint metrics_minute_pkey on app_public.metrics_minute is E'@behavior -single -update -delete\nThe tenant, the series and the time identify a row.';
comment on constraint metrics_minute_tenant_id_fkey on app_public.metrics_minute is E'@behavior -*\nA row belongs to a tenant.';

alter table app_public.metrics_minute enable row level security, force row level security;

-- Everybody who reads the points reads their rollups.
drop policy if exists select_tenant on app_public.metrics_minute;
create policy select_tenant on app_public.metrics_minute for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- ops.expire_tenant_rows removes expired rows of one tenant at a time: the tenant that it names.
drop policy if exists delete_jobs on app_public.metrics_minute;
create policy delete_jobs on app_public.metrics_minute for delete to :JOBS
  using (tenant_id = (select app_private.retention_tenant_id()));

-- Across tenants

-- ops.roll_up_metrics, which makes rollups for all tenants at once.
drop policy if exists select_jobs on app_public.metrics_minute;
create policy select_jobs on app_public.metrics_minute for select to :JOBS
  using (true);
drop policy if exists insert_jobs on app_public.metrics_minute;
create policy insert_jobs on app_public.metrics_minute for insert to :JOBS
  with check (true);
drop policy if exists update_jobs on app_public.metrics_minute;
create policy update_jobs on app_public.metrics_minute for update to :JOBS
  using (true)
  with check (true);

revoke all on app_public.metrics_minute from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on app_public.metrics_minute to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
-- ops.roll_up_metrics makes a row and makes it anew; nobody of a tenant writes one.
grant select on app_public.metrics_minute to :JOBS;
grant insert (
    tenant_id, service_name, metric_name, tags, bucket, count, sum, min, max, last, last_at, sketch_keys, sketch_counts
  ),
  update (count, sum, min, max, last, last_at, sketch_keys, sketch_counts)
  on app_public.metrics_minute to :JOBS;
-- For ops.expire_tenant_rows.
grant delete on app_public.metrics_minute to :JOBS;

-- The worker makes them again and again from the points; a row per statement says so.
select audit.enable_tracking('app_public.metrics_minute', detail => false);
--! EndIncluded metrics/metrics_minute.sql
--! Included retention/partition_removals.sql
comment on table ops.partition_removals is 'Partitions whose removal has begun but not ended.';
comment on column ops.partition_removals.partition is 'Its name, with its schema.';
comment on column ops.partition_removals.parent is 'The table that it belongs to or did before it was detached.';
comment on column ops.partition_removals.policy is 'The policy by which it is removed.';
comment on column ops.partition_removals.held is 'The times that it holds.';
comment on column ops.partition_removals.rows_by_tenant is 'How many rows of each tenant an earlier version counted; nothing reads it, and the next release drops it.';
comment on column ops.partition_removals.began_at is 'When the removal began.';
comment on column ops.partition_removals.tried_at is 'When it was last tried.';
comment on column ops.partition_removals.problem is 'The obstacle at that try; ops.removal_waits names the sessions.';

alter table ops.partition_removals enable row level security, force row level security;

-- Across tenants

-- The functions that begin, try and end a removal keep it as the owner; the worker and operators read it. A partition holds rows
-- of all tenants.
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

-- No policy to write for the worker: ops.drop_partition drops what stands here.
drop policy if exists insert_worker on ops.partition_removals;
drop policy if exists update_worker on ops.partition_removals;

revoke all on ops.partition_removals from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.partition_removals to :OPERATOR, :WORKER;
-- No insert, update or delete for anybody: ops.begin_partition_removal, ops.note_removal_problem and ops.drop_partition keep it.
--! EndIncluded retention/partition_removals.sql
--! Included retention/retention_holds.sql
comment on table ops.retention_holds is 'Data that stays whatever its age: imported history that the operator has not released, a dispute.';
comment on column ops.retention_holds.id is 'The id of the hold.';
comment on column ops.retention_holds.policy is 'The policy that the data is exempt from.';
comment on column ops.retention_holds.tenant_id is 'The tenant; null: all tenants.';
comment on column ops.retention_holds.held is 'The time of the data.';
comment on column ops.retention_holds.reason is 'The reason, for whoever wants to remove it.';
comment on column ops.retention_holds.created_at is 'When it was made.';

alter table ops.retention_holds enable row level security, force row level security;

-- Across tenants

-- ops.removable_partitions and ops.retention_cutoffs read it as the owner; operators and the functions of jobs read the holds.
drop policy if exists manage_owner on ops.retention_holds;
create policy manage_owner on ops.retention_holds for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.retention_holds;
create policy select_operator on ops.retention_holds for select to :OPERATOR
  using (true);
drop policy if exists select_jobs on ops.retention_holds;
create policy select_jobs on ops.retention_holds for select to :JOBS
  using (true);

-- Operators make and remove holds.
drop policy if exists insert_operator on ops.retention_holds;
create policy insert_operator on ops.retention_holds for insert to :OPERATOR
  with check (true);
drop policy if exists delete_operator on ops.retention_holds;
create policy delete_operator on ops.retention_holds for delete to :OPERATOR
  using (true);

revoke all on ops.retention_holds from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.retention_holds to :OPERATOR, :JOBS;
-- Operators make holds, and remove them.
grant insert (policy, tenant_id, held, reason) on ops.retention_holds to :OPERATOR;
grant delete on ops.retention_holds to :OPERATOR;

select audit.enable_tracking('ops.retention_holds');
--! EndIncluded retention/retention_holds.sql
--! Included retention/retention_overrides.sql
comment on table ops.retention_overrides is 'The retention of single tenants, where it differs from that of all.';
comment on column ops.retention_overrides.policy is 'The policy.';
comment on column ops.retention_overrides.tenant_id is 'The tenant.';
comment on column ops.retention_overrides.keep is 'How long it is kept; null: forever.';

alter table ops.retention_overrides enable row level security, force row level security;

-- Across tenants

-- ops.set_retention and ops.reset_retention change it as the owner; operators and the functions of jobs read it.
drop policy if exists manage_owner on ops.retention_overrides;
create policy manage_owner on ops.retention_overrides for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.retention_overrides;
create policy select_operator on ops.retention_overrides for select to :OPERATOR
  using (true);
drop policy if exists select_jobs on ops.retention_overrides;
create policy select_jobs on ops.retention_overrides for select to :JOBS
  using (true);

revoke all on ops.retention_overrides from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.retention_overrides to :OPERATOR, :JOBS;
-- No other grant: ops.set_retention and ops.reset_retention change it.

select audit.enable_tracking('ops.retention_overrides');
--! EndIncluded retention/retention_overrides.sql
--! Included retention/retention_policies.sql
comment on table ops.retention_policies is 'How long data is kept. ops.set_retention changes it.';
comment on column ops.retention_policies.policy is 'The name of the policy.';
comment on column ops.retention_policies.description is 'The data that it covers.';
comment on column ops.retention_policies.keep is 'How long it is kept; null: forever.';
comment on column ops.retention_policies.by_tenant is 'Whether it covers data of tenants, each of which may have its own.';

alter table ops.retention_policies enable row level security, force row level security;

-- Across tenants

-- ops.set_retention changes it as the owner; operators and the functions of jobs read it. It holds nothing of a tenant.
drop policy if exists manage_owner on ops.retention_policies;
create policy manage_owner on ops.retention_policies for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.retention_policies;
create policy select_operator on ops.retention_policies for select to :OPERATOR
  using (true);
drop policy if exists select_jobs on ops.retention_policies;
create policy select_jobs on ops.retention_policies for select to :JOBS
  using (true);

revoke all on ops.retention_policies from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.retention_policies to :OPERATOR, :JOBS;
-- No other grant: ops.set_retention changes it, and checks its arguments.

select audit.enable_tracking('ops.retention_policies');
--! EndIncluded retention/retention_policies.sql
--! Included retention/retention_receipts.sql
comment on table ops.retention_receipts is 'Removed data, by policy.';
comment on column ops.retention_receipts.id is 'The id of the receipt.';
comment on column ops.retention_receipts.at is 'When the last of it was removed.';
comment on column ops.retention_receipts.policy is 'The policy.';
comment on column ops.retention_receipts.tenant_id is 'The tenant whose data it was; null: no tenant''s.';
comment on column ops.retention_receipts.older_than is 'The data was older than this.';
comment on column ops.retention_receipts.partition is 'The partition that was dropped; null: rows were deleted.';
comment on column ops.retention_receipts.row_count is 'How many rows were removed.';
comment on column ops.retention_receipts.bytes is 'The disk space of the partition, the tenant''s share by its rows; null for deleted rows, whose space is used again.';

alter table ops.retention_receipts enable row level security, force row level security;

-- Across tenants

-- ops.drop_partition writes receipts as the owner; operators read those of all tenants.
drop policy if exists manage_owner on ops.retention_receipts;
create policy manage_owner on ops.retention_receipts for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.retention_receipts;
create policy select_operator on ops.retention_receipts for select to :OPERATOR
  using (true);
drop policy if exists select_jobs on ops.retention_receipts;
create policy select_jobs on ops.retention_receipts for select to :JOBS
  using (true);

-- ops.expire_tenant_rows and ops.note_removed_jobs, which add to the receipt of a run.
drop policy if exists insert_jobs on ops.retention_receipts;
create policy insert_jobs on ops.retention_receipts for insert to :JOBS
  with check (true);
drop policy if exists update_jobs on ops.retention_receipts;
create policy update_jobs on ops.retention_receipts for update to :JOBS
  using (true)
  with check (true);

revoke all on ops.retention_receipts from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.retention_receipts to :OPERATOR, :JOBS;
-- A receipt grows with the batches of its run, and is never removed.
grant insert (policy, tenant_id, older_than, row_count), update (at, row_count) on ops.retention_receipts to :JOBS;
--! EndIncluded retention/retention_receipts.sql
--! Included sessions/sessions.sql
comment on table app_public.sessions is E'@unique id|@fieldName session|@updateFieldName updateSession|@deleteFieldName deleteSession\nA user''s login session. The token itself is stored nowhere.';
comment on column app_public.sessions.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.sessions.id is 'The session''s id.';
comment on column app_public.sessions.user_id is 'The user whose session it is.';
comment on column app_public.sessions.token is 'SHA-256 of the token, 64 hexadecimal digits. Can be written but never read.';
comment on column app_public.sessions.data is 'What the service keeps in it.';
comment on column app_public.sessions.expires_at is 'When it ends.';
comment on column app_public.sessions.created_at is 'When it was opened.';
comment on column app_public.sessions.role is 'The role of requests with its token: member, service or admin.';
comment on column app_public.sessions.sliding_ttl is 'How long each use prolongs it; null: use does not prolong it.';
comment on column app_public.sessions.ends_at is 'Until when use can prolong it.';

comment on constraint sessions_pkey on app_public.sessions is E'@behavior -single -update -delete\nThe tenant and the id identify a row.';
comment on constraint sessions_tenant_id_fkey on app_public.sessions is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint sessions_token_key on app_public.sessions is E'@behavior -*\nA token opens one session, whatever the tenant. Nobody can look up a session by a digest that they cannot read.';

alter table app_public.sessions enable row level security, force row level security;

-- Services keep the sessions of their tenant's users; administrators look after them.
drop policy if exists select_tenant on app_public.sessions;
create policy select_tenant on app_public.sessions for select to :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()));

-- Services and administrators open sessions: create_session knows the token for a moment and stores its digest. Only an
-- administrator may give the role of one (trigger _200_role).
drop policy if exists insert_service on app_public.sessions;
create policy insert_service on app_public.sessions for insert to :SERVICE, :ADMIN
  with check (tenant_id = (select app_private.current_tenant_id()));

-- They prolong them and keep data in them.
drop policy if exists update_service on app_public.sessions;
create policy update_service on app_public.sessions for update to :SERVICE
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));

-- Services end sessions, and administrators sign users out.
drop policy if exists delete_tenant on app_public.sessions;
create policy delete_tenant on app_public.sessions for delete to :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()));

-- Everybody ends their own sessions: revoke_own_session, which compares the user.
drop policy if exists delete_owner on app_public.sessions;
create policy delete_owner on app_public.sessions for delete to :OWNER
  using (tenant_id = (select app_private.current_tenant_id()));

-- ops.expire_tenant_rows removes expired rows of one tenant at a time: the tenant that it names.
drop policy if exists select_jobs on app_public.sessions;
create policy select_jobs on app_public.sessions for select to :JOBS
  using (tenant_id = (select app_private.retention_tenant_id()));
drop policy if exists delete_jobs on app_public.sessions;
create policy delete_jobs on app_public.sessions for delete to :JOBS
  using (tenant_id = (select app_private.retention_tenant_id()));

-- Across tenants

-- ops.session_claims and validate_session find a session by the digest of its token and prolong it. Only this look-up tells its
-- tenant, so no tenant can be compared before. ops.live_sessions looks up sessions of all tenants at once. own_sessions
-- compares tenant and user itself, the view user_sessions the tenant.
--
-- It has to be `true`. Before the look-up the caller has no tenant, and so no rows. A setting with the wanted digest would not
-- stop anybody who can run a statement as the owner, because they can set anything. A role of its own, like :SEARCH, would
-- have these same two policies. So only migrations and the functions named here run as the owner, and
-- test/db/sessions/sessions.test.ts shows for each that it reveals no session of another tenant.
drop policy if exists select_owner on app_public.sessions;
create policy select_owner on app_public.sessions for select to :OWNER
  using (true);
drop policy if exists update_owner on app_public.sessions;
create policy update_owner on app_public.sessions for update to :OWNER
  using (true)
  with check (true);

revoke all on app_public.sessions from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
-- Never the token, not even its digest: whoever can read it can look for it.
grant select (tenant_id, id, user_id, data, expires_at, created_at, role, sliding_ttl, ends_at)
  on app_public.sessions to :SERVICE, :ADMIN;
grant insert (tenant_id, id, user_id, token, data, expires_at, role, sliding_ttl, ends_at)
  on app_public.sessions to :SERVICE, :ADMIN;
-- Not role: a session keeps what it was opened with.
grant update (data, expires_at) on app_public.sessions to :SERVICE;
grant delete on app_public.sessions to :SERVICE, :ADMIN;
-- For ops.expire_tenant_rows, which removes expired sessions. No column that names their user or holds their data.
grant select (tenant_id, id, expires_at), delete on app_public.sessions to :JOBS;

create or replace trigger _200_keys
  before update of tenant_id, id on app_public.sessions
  for each row
  when (old.tenant_id is distinct from new.tenant_id or old.id is distinct from new.id)
  execute function app_private.tg__refuse_key_change();

create or replace trigger _200_role
  before insert or update of role on app_public.sessions
  for each row
  when (new.role = 'admin')
  execute function app_private.tg_sessions__guard_role();

create or replace trigger _200_long_numbers
  before insert or update of data on app_public.sessions
  for each row
  when (app_private.may_print_long(new.data))
  execute function app_private.tg__refuse_long_numbers('data');

select audit.enable_tracking('app_public.sessions', digested => '{token}');
--! EndIncluded sessions/sessions.sql
--! Included tasks/task_attempts.sql
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
select audit.enable_tracking('app_public.task_attempts', detail => false);
--! EndIncluded tasks/task_attempts.sql
--! Included tasks/task_leases.sql
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
--! EndIncluded tasks/task_leases.sql
--! Included tasks/tasks.sql
comment on table app_public.tasks is E'@unique id|@fieldName task|@updateFieldName updateTask|@deleteFieldName deleteTask\nA piece of work for an agent.';
comment on column app_public.tasks.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.tasks.id is 'The task''s id.';
comment on column app_public.tasks.agent_id is 'The agent that should do it; null: any agent, or the agent was removed.';
comment on column app_public.tasks.description is 'What to do.';
comment on column app_public.tasks.status is 'One of pending, assigned, running, completed, failed, cancelled, dead.';
comment on column app_public.tasks.priority is 'One of low, normal, high, critical.';
comment on column app_public.tasks.context is 'What the agent needs to know.';
comment on column app_public.tasks.result is 'The result; null until it is completed.';
comment on column app_public.tasks.created_at is 'When the task was made.';
comment on column app_public.tasks.started_at is 'When the latest attempt began.';
comment on column app_public.tasks.completed_at is 'When it ended, with or without success.';
comment on column app_public.tasks.error_message is 'Why its latest attempt failed, or why it was cancelled.';
comment on column app_public.tasks.required_capabilities is 'Only an agent with all of them may claim it.';
comment on column app_public.tasks.run_after is 'It is not claimed before this time.';
comment on column app_public.tasks.queue_at is 'Its place in the queue: run_after, moved forward by 3 hours for critical, 1 hour for high, 20 minutes for normal. Set by a trigger.';
comment on column app_public.tasks.attempt is 'How often it was claimed: the number of the latest attempt.';
comment on column app_public.tasks.failures is 'How many attempts failed or expired since it was made or retried.';
comment on column app_public.tasks.max_attempts is 'After this many failures it is dead.';
comment on column app_public.tasks.workflow_id is 'The workflow that made it for a step; null: none did, or the workflow was deleted.';
comment on column app_public.tasks.step_key is 'The step''s key in the workflow.';
comment on column app_public.tasks.idempotency_key is 'A task that is enqueued again under the same key stays one task. Unique in the tenant.';

comment on constraint tasks_pkey on app_public.tasks is E'@behavior -single -update -delete\nThe tenant and the id identify a row.';
comment on constraint tasks_tenant_id_fkey on app_public.tasks is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint tasks_agent_id_fkey on app_public.tasks is E'@fieldName agent\n@foreignFieldName tasks\nThe agent that does the task.';
comment on constraint tasks_workflow_id_fkey on app_public.tasks is E'@fieldName workflow\n@foreignFieldName tasks\nThe workflow that made it for a step.';

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

-- ops.expire_tenant_rows removes expired rows of one tenant at a time: the tenant that it names.
drop policy if exists delete_jobs on app_public.tasks;
create policy delete_jobs on app_public.tasks for delete to :JOBS
  using (tenant_id = (select app_private.retention_tenant_id()));

-- Across tenants

-- ops.reap_expired_leases and ops.tend_workflows, as :JOBS: they take back and end tasks of every tenant.
drop policy if exists select_jobs on app_public.tasks;
create policy select_jobs on app_public.tasks for select to :JOBS
  using (true);
drop policy if exists update_jobs on app_public.tasks;
create policy update_jobs on app_public.tasks for update to :JOBS
  using (true)
  with check (true);

-- ops.advance_workflow and ops.tend_workflows make the tasks of the next steps.
drop policy if exists insert_jobs on app_public.tasks;
create policy insert_jobs on app_public.tasks for insert to :JOBS
  with check (true);

revoke all on app_public.tasks from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on app_public.tasks to :MEMBER, :SERVICE, :ADMIN, :ANALYST, :JOBS;
grant insert (tenant_id, id, agent_id, description, status, priority, context, result, started_at, completed_at,
  error_message, required_capabilities, run_after, max_attempts, idempotency_key) on app_public.tasks to :MEMBER, :SERVICE,
  :ADMIN;
-- Only programs import rows with their history.
grant insert (created_at) on app_public.tasks to :SERVICE, :ADMIN;
-- No update of tenant_id, id, idempotency_key or created_at for anybody: keys and creation times do not change.
grant update (agent_id, description, status, priority, context, result, started_at, completed_at, error_message,
  required_capabilities, run_after, max_attempts) on app_public.tasks to :MEMBER, :SERVICE, :ADMIN;
-- No insert and no update of attempt, failures and queue_at: functions and triggers set them. Nor of workflow_id and
-- step_key: a workflow makes the tasks of its steps.
-- ops.reap_expired_leases, and ops.advance_workflow, which holds tasks back and makes those of the next steps.
grant update (status, failures, error_message, completed_at, run_after) on app_public.tasks to :JOBS;
grant insert (tenant_id, description, priority, agent_id, required_capabilities, max_attempts, workflow_id, step_key,
  context) on app_public.tasks to :JOBS;
grant delete on app_public.tasks to :MEMBER, :SERVICE, :ADMIN;
-- No truncate for anybody: it ignores tenants.
-- For ops.expire_tenant_rows.
grant delete on app_public.tasks to :JOBS;

create or replace trigger _100_queue_insert
  before insert on app_public.tasks
  for each row
  execute function app_private.tg_tasks__place_in_queue();

create or replace trigger _100_queue_update
  before update of priority, run_after on app_public.tasks
  for each row
  execute function app_private.tg_tasks__place_in_queue();

create or replace trigger _200_keys
  before update of tenant_id, id on app_public.tasks
  for each row
  when (old.tenant_id is distinct from new.tenant_id or old.id is distinct from new.id)
  execute function app_private.tg__refuse_key_change();

create or replace trigger _200_states
  before update on app_public.tasks
  for each row
  execute function app_private.tg_tasks__check_update();

create or replace trigger _200_steps
  before delete on app_public.tasks
  for each row
  when (old.workflow_id is not null)
  execute function app_private.tg_tasks__check_delete();

create or replace trigger _200_long_numbers_context
  before insert or update of context on app_public.tasks
  for each row
  when (app_private.may_print_long(new.context))
  execute function app_private.tg__refuse_long_numbers('context');

create or replace trigger _200_long_numbers_result
  before insert or update of result on app_public.tasks
  for each row
  when (app_private.may_print_long(new.result))
  execute function app_private.tg__refuse_long_numbers('result');

-- One trigger per event: a trigger with transition tables can have only one.
create or replace trigger _500_publish_insert
  after insert on app_public.tasks
  referencing new table as changed_rows
  for each statement
  execute function app_private.tg__publish();

create or replace trigger _500_publish_update
  after update on app_public.tasks
  referencing new table as changed_rows
  for each statement
  execute function app_private.tg__publish();

create or replace trigger _500_publish_delete
  after delete on app_public.tasks
  referencing old table as changed_rows
  for each statement
  execute function app_private.tg__publish();

create or replace trigger _500_workflows
  after update on app_public.tasks
  referencing new table as changed_rows
  for each statement
  execute function app_private.tg_tasks__advance_workflows();

select audit.enable_tracking('app_public.tasks');
--! EndIncluded tasks/tasks.sql
--! Included tenancy/ended_sessions.sql
comment on table ops.ended_sessions is 'Sessions of analysts'' logins that went beyond their limits and were ended, a row for each login and reason.';
comment on column ops.ended_sessions.login is 'The login.';
comment on column ops.ended_sessions.reason is 'The limit: advisory_lock, connections, idle, idle_in_transaction, notifications, statement or transaction.';
comment on column ops.ended_sessions.count is 'How often.';
comment on column ops.ended_sessions.first_at is 'When that happened first.';
comment on column ops.ended_sessions.last_at is 'When that happened last.';
comment on column ops.ended_sessions.failure is 'Why the newest one could not be ended; null: it was.';

alter table ops.ended_sessions enable row level security, force row level security;

-- Across tenants

-- ops.end_excesses keeps it as the owner; operators and the worker read it. It holds nothing of a tenant.
drop policy if exists manage_owner on ops.ended_sessions;
create policy manage_owner on ops.ended_sessions for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.ended_sessions;
create policy select_operator on ops.ended_sessions for select to :OPERATOR
  using (true);
drop policy if exists select_worker on ops.ended_sessions;
create policy select_worker on ops.ended_sessions for select to :WORKER
  using (true);

revoke all on ops.ended_sessions from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.ended_sessions to :OPERATOR, :WORKER;
-- No insert, update or delete for anybody: ops.end_excesses keeps it.
--! EndIncluded tenancy/ended_sessions.sql
--! Included tenancy/tenant_logins.sql
comment on table app_private.tenant_logins is 'The tenant that a direct login (an analyst''s) sees.';
comment on column app_private.tenant_logins.login is 'The login''s name, as session_user returns it.';
comment on column app_private.tenant_logins.tenant_id is 'The one tenant that it sees.';
comment on column app_private.tenant_logins.created_at is 'When it was bound.';
comment on column app_private.tenant_logins.connections is 'The connections that it may have at a time.';
comment on column app_private.tenant_logins.statement_seconds is 'How long a statement of it may run.';
comment on column app_private.tenant_logins.transaction_seconds is 'How long a transaction of it may be open.';
comment on column app_private.tenant_logins.idle_in_transaction_seconds is 'How long an open transaction of it may do nothing.';
comment on column app_private.tenant_logins.idle_seconds is 'How long a session of it may do nothing.';

alter table app_private.tenant_logins enable row level security, force row level security;

-- Across tenants

-- ops.bind_login and the other functions and views of logins, as the owner.
drop policy if exists manage_owner on app_private.tenant_logins;
create policy manage_owner on app_private.tenant_logins for all to :OWNER
  using (true)
  with check (true);

revoke all on app_private.tenant_logins from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
-- No grant to anybody: login_tenant_id() tells a login its own tenant, ops.tenants lists them for operators.

select audit.enable_tracking('app_private.tenant_logins');
--! EndIncluded tenancy/tenant_logins.sql
--! Included tenancy/tenants.sql
comment on table app_public.tenants is 'A tenant: one customer or team, whose data nobody else sees.';
comment on column app_public.tenants.id is 'A short name in lower case, e.g. `default`. Never changes.';
comment on column app_public.tenants.name is 'The name to show.';
comment on column app_public.tenants.suspended_at is 'When the tenant was suspended; null: it is not suspended.';
comment on column app_public.tenants.created_at is 'When the tenant was made.';
comment on column app_public.tenants.updated_at is 'When the row last changed; set by a trigger.';

alter table app_public.tenants enable row level security, force row level security;

-- Everybody of a tenant reads its own row.
drop policy if exists select_own on app_public.tenants;
create policy select_own on app_public.tenants for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (id = (select app_private.current_tenant_id()));

-- Across tenants

-- ops.create_tenant, ops.set_tenant_suspended, ops.tenants, login_tenant_id, and the functions of sessions and
-- retention that ask which tenants there are, as the owner.
drop policy if exists manage_owner on app_public.tenants;
create policy manage_owner on app_public.tenants for all to :OWNER
  using (true)
  with check (true);

revoke all on app_public.tenants from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on app_public.tenants to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
-- No other grant: tenants are made and suspended by ops functions.

create or replace trigger _100_timestamps
  before update on app_public.tenants
  for each row
  execute function app_private.tg__touch_updated_at();

create or replace trigger _200_keys
  before update of id on app_public.tenants
  for each row
  when (old.id is distinct from new.id)
  execute function app_private.tg__refuse_key_change();

-- The API's processes keep the few suspended tenants in memory; this tells them to look again.
create or replace trigger _500_notify
  after update of suspended_at on app_public.tenants
  for each statement
  execute function app_private.tg_tenants__notify();

select audit.enable_tracking('app_public.tenants');
--! EndIncluded tenancy/tenants.sql
--! Included workflows/workflow_steps.sql
comment on table app_public.workflow_steps is E'@unique workflow_id,key|@fieldName workflowStep\nThe state of a started workflow''s steps. Only the functions of workflows write it.';
comment on column app_public.workflow_steps.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.workflow_steps.workflow_id is 'The workflow.';
comment on column app_public.workflow_steps.key is 'The step''s key in its workflow.';
comment on column app_public.workflow_steps.position is 'Its place in the workflow''s steps, from 1.';
comment on column app_public.workflow_steps.depends_on is 'Keys of the steps that come before it.';
comment on column app_public.workflow_steps.on_failure is 'What follows when it fails. fail: the workflow fails; skip: the steps that depend on it are skipped; continue: they run.';
comment on column app_public.workflow_steps.definition is 'The step as the workflow had it when it was started or tried again.';
comment on column app_public.workflow_steps.status is 'One of pending, running (its task waits or is being worked on), completed, failed, skipped, cancelled.';
comment on column app_public.workflow_steps.task_id is 'Its latest task; null: it has had none yet, or the task was deleted.';
comment on column app_public.workflow_steps.result is 'The result of its task.';
comment on column app_public.workflow_steps.error_message is 'Why it failed, or because of which failure it was skipped. Null for a step that was skipped because its condition did not hold, or because all of its dependencies were skipped.';
comment on column app_public.workflow_steps.started_at is 'When its task was made.';
comment on column app_public.workflow_steps.completed_at is 'When it ended or was skipped.';
comment on column app_public.workflow_steps.timeout_at is 'When it fails unless it has ended; null: never.';

comment on constraint workflow_steps_pkey on app_public.workflow_steps is E'@behavior -single\nThe workflow and the key identify a step.';
comment on constraint workflow_steps_workflow_id_fkey on app_public.workflow_steps is E'@fieldName workflow\n@foreignFieldName stepStates\nThe workflow.';
comment on constraint workflow_steps_task_id_fkey on app_public.workflow_steps is E'@fieldName task\n@foreignFieldName stepStates\nThe step''s latest task.';

alter table app_public.workflow_steps enable row level security, force row level security;

-- Everybody of a tenant sees how far its workflows are.
drop policy if exists select_tenant on app_public.workflow_steps;
create policy select_tenant on app_public.workflow_steps for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- The functions of workflows run as the owner, confined to the tenant of whoever calls them.
drop policy if exists manage_definer on app_public.workflow_steps;
create policy manage_definer on app_public.workflow_steps for all to :OWNER
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));

-- Across tenants

-- ops.reap_expired_leases and ops.tend_workflows, as :JOBS: they end tasks of every tenant and advance their workflows.
drop policy if exists select_jobs on app_public.workflow_steps;
create policy select_jobs on app_public.workflow_steps for select to :JOBS
  using (true);
drop policy if exists update_jobs on app_public.workflow_steps;
create policy update_jobs on app_public.workflow_steps for update to :JOBS
  using (true)
  with check (true);

revoke all on app_public.workflow_steps from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on app_public.workflow_steps to :MEMBER, :SERVICE, :ADMIN, :ANALYST, :JOBS;
-- No insert, update or delete for requests: functions and triggers keep the state of steps.
-- ops.advance_workflow and ops.tend_workflows.
grant update (status, task_id, result, error_message, started_at, completed_at, timeout_at) on app_public.workflow_steps
  to :JOBS;

create or replace trigger _200_keys
  before update of tenant_id, workflow_id, key on app_public.workflow_steps
  for each row
  when (
    old.tenant_id is distinct from new.tenant_id
    or old.workflow_id is distinct from new.workflow_id
    or old.key is distinct from new.key
  )
  execute function app_private.tg__refuse_key_change();

select audit.enable_tracking('app_public.workflow_steps');
--! EndIncluded workflows/workflow_steps.sql
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

create or replace trigger _200_started
  before delete on app_public.workflows
  for each row
  when (old.started_at is not null and old.status in ('running', 'paused'))
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

select audit.enable_tracking('app_public.workflows');
--! EndIncluded workflows/workflows.sql
--! Included audit/check_audit.sql
-- Changes that leave no row in audit.log although the table or its parent is audited: a partition or child was made without the
-- triggers, or triggers were dropped, or disabled and forgotten. Also tables whose columns have changed since tracking was
-- enabled: their log is complete but costs more.
create or replace view ops.check_audit with (security_barrier) as
select
  t.name as subject,
  case when t.missing = '{}' then 'warning' else 'error' end as severity,
  case
    when t.missing = '{}' then format('the columns of %s have changed since its audit was enabled, which makes auditing slower', t.name)
    else format('%s leaves no row in the audit log for %s', t.name, array_to_string(t.missing, ', '))
  end as message,
  jsonb_build_object('missing', t.missing) as details
from (
  select
    format('%s.%s', n.nspname, c.relname) as name,
    array(
      select e.name
      from unnest(array['insert', 'update', 'delete', 'truncate']) e(name)
      where not exists (
        select
        from pg_trigger g
        where g.tgrelid = r.relation and g.tgname = '_800_audit_' || e.name and g.tgenabled in ('O', 'A')
      )
      order by e.name
    ) as missing,
    exists (
      select
      from pg_trigger g
      cross join lateral (select convert_to(audit.table_columns(r.relation)::text, 'UTF8') || '\x00'::bytea as bytes) columns
      where g.tgrelid = r.relation and g.tgname = '_800_audit_update' and g.tgnargs > 0
        and g.tgparentid = 0 and substr(g.tgargs, 1, length(columns.bytes)) <> columns.bytes
    ) as differs
  from (
    with recursive audited as (
      select distinct g.tgrelid as relation
      from pg_trigger g
      -- Leases of tasks are exempt, except for a truncate.
      where g.tgname like '\_800\_audit\_%' and g.tgrelid <> 'app_public.task_leases'::regclass
      union
      select i.inhrelid from audited a join pg_inherits i on i.inhparent = a.relation
    )
    select a.relation from audited a
  ) r
  join pg_class c on c.oid = r.relation
  join pg_namespace n on n.oid = c.relnamespace
) t
where t.missing <> '{}' or t.differs;

comment on view ops.check_audit is 'A check of ops.check_alerts. Tables whose changes the audit log misses, or logs at a higher cost than necessary.';
comment on column ops.check_audit.subject is 'What it is about.';
comment on column ops.check_audit.severity is 'warning or error.';
comment on column ops.check_audit.message is 'What is wrong, in a sentence.';
comment on column ops.check_audit.details is 'The same as JSON, for programs.';

revoke all on ops.check_audit from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.check_audit to :OPERATOR, :WORKER;
--! EndIncluded audit/check_audit.sql
--! Included audit/check_sealing.sql
-- Sealing of the audit log that is behind: something that was written more than ten minutes ago is not sealed, and so nothing
-- proves it yet. When the workers start they get that time anew; without a worker nothing could be sealed. An old transaction that has written keeps it back; the message names the oldest (those of other sessions only to
-- who may read all statistics).
create or replace view ops.check_sealing with (security_barrier) as
select
  'audit.log'::text as subject,
  case when s.behind > interval '1 hour' then 'error' else 'warning' end as severity,
  format(
    'the audit log is sealed up to %s; %s', to_char(s.sealed_through at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
    coalesce(o.held_by, 'look for seal_audit_log in the runs of jobs')
  ) as message,
  jsonb_build_object('sealed_through', s.sealed_through) as details
from (
  select g.sealed_through, clock_timestamp() - greatest(g.sealed_through, w.working_since) as behind
  from ops.sealed_through() g(sealed_through)
  cross join (
    select min(w.started_at) as working_since from ops.workers w where w.stopped_at is null and w.lost_at is null
  ) w
  where w.working_since is not null
) s
left join lateral (
  select h.held_by from (
    select
      format('the transaction of %s in %s (process %s) has been open since %s', a.usename, a.datname, a.pid, to_char(a.xact_start at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')) as held_by,
      a.xact_start as since
    from pg_stat_activity a
    where a.backend_xid is not null and a.xact_start < clock_timestamp() - interval '5 minutes'
    union all
    select format('the prepared transaction %L of %s waits to be committed since %s', p.gid, p.owner, to_char(p.prepared at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')), p.prepared
    from pg_prepared_xacts p
    where p.prepared < clock_timestamp() - interval '5 minutes'
  ) h
  order by h.since
  limit 1
) o on true
where s.behind > interval '10 minutes';

comment on view ops.check_sealing is 'A check of ops.check_alerts. Sealing of the audit log that is behind.';
comment on column ops.check_sealing.subject is 'What it is about.';
comment on column ops.check_sealing.severity is 'warning or error.';
comment on column ops.check_sealing.message is 'What is wrong, in a sentence.';
comment on column ops.check_sealing.details is 'The same as JSON, for programs.';

revoke all on ops.check_sealing from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.check_sealing to :OPERATOR, :WORKER;
--! EndIncluded audit/check_sealing.sql
--! Included audit/refuse_unlogged_table.sql
-- Refuses to tell of rows of a table that the log has no rows of, because silence would look as if nothing had happened. LTA07.
create or replace function audit.refuse_unlogged_table(name text) returns void
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_names text[] := audit.table_names(name);
  v_found boolean;
  v_logger text;
begin
  if name is null then
    perform app_private.refuse_argument('LTA08', 'table', 'it is missing');
  end if;
  select true, t.tgfoid::regproc::text into v_found, v_logger
  from pg_class c
  join pg_namespace n on n.oid = c.relnamespace
  left join pg_trigger t on t.tgrelid = c.oid and t.tgname = '_800_audit_insert'
  where c.relkind in ('r', 'p') and n.nspname || '.' || c.relname = any (v_names)
  order by t.oid
  limit 1;
  -- A table that was dropped, renamed or is not audited any longer may have rows in the log.
  if v_logger = 'audit.tg__log_summary'
    or v_logger is null and not exists (
      -- Not DDL, which is in the log under the name of the table, too.
      select from audit.log l where l.table_name = any (v_names) and l.operation in ('insert', 'update', 'delete')
    )
  then
    raise exception 'the audit log has no rows of %: %', name,
      case
        when v_logger is not null then 'it counts them by statement, which audit_search shows'
        when v_found then 'it is not audited'
        else 'there is no such table, name it as it was called then, with its schema unless that is app_public'
      end
      using errcode = 'LTA07';
  end if;
end
$$;

comment on function audit.refuse_unlogged_table(text) is 'Refuses a table that the log has no rows of.';
--! EndIncluded audit/refuse_unlogged_table.sql
--! Included backup/check_backups.sql
-- A backup that should exist and does not. Workers with configured backups record when one is due, and the store says which
-- exist, so the alert comes even if the job succeeded but its backup is gone. It waits for a backup that is being made, and for
-- the first look of a worker that has just started.
create or replace view ops.check_backups with (security_barrier) as
select
  'backups'::text as subject,
  'error'::text as severity,
  case
    when b.recorded = 0 then 'no backup was ever made: lightning backup makes one now, and says why when it cannot'
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
cross join lateral (
  select min(w.started_at) as working_since from ops.workers w where w.stopped_at is null and w.lost_at is null
) w
where t.task = 'back_up' and t.every is not null
  and (b.newest is null or clock_timestamp() > b.newest + t.every * 1.25 + interval '10 minutes')
  and clock_timestamp() > coalesce(w.working_since, '-infinity') + interval '30 seconds'
  and not exists (select from ops.job_runs r where r.task = 'back_up' and r.outcome = 'running');

comment on view ops.check_backups is 'A check of ops.check_alerts. A backup that should exist and does not.';
comment on column ops.check_backups.subject is 'What it is about.';
comment on column ops.check_backups.severity is 'warning or error.';
comment on column ops.check_backups.message is 'What is wrong, in a sentence.';
comment on column ops.check_backups.details is 'The same as JSON, for programs.';

revoke all on ops.check_backups from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.check_backups to :OPERATOR, :WORKER;
--! EndIncluded backup/check_backups.sql
--! Included backup/check_drills.sql
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
comment on column ops.check_drills.subject is 'What it is about.';
comment on column ops.check_drills.severity is 'warning or error.';
comment on column ops.check_drills.message is 'What is wrong, in a sentence.';
comment on column ops.check_drills.details is 'The same as JSON, for programs.';

revoke all on ops.check_drills from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.check_drills to :OPERATOR, :WORKER;
--! EndIncluded backup/check_drills.sql
--! Included backup/check_wal_receivers.sql
-- WAL that no worker receives: the server keeps it until its disk fills, or gives up the slot, which leaves a gap.
create or replace view ops.check_wal_receivers with (security_barrier) as
select
  r.slot as subject,
  case when r.wal_status = 'lost' or r.kept_bytes > 4294967296 or r.safe_bytes < 1073741824 then 'error' else 'warning' end
    as severity,
  case
    when r.wal_status = 'lost' then
      format('the server gave up slot %s and WAL is missing: make a full backup (lightning backup --full)', r.slot)
    when r.seen_at < clock_timestamp() - interval '2 minutes' then format(
      'no worker has received WAL through slot %s since %s', r.slot,
      to_char(r.seen_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
    )
    else format('WAL through slot %s: %s MB wait on the server%s', r.slot, r.kept_bytes / 1000000, coalesce('; ' || r.problem, ''))
  end as message,
  jsonb_build_object('kept_bytes', r.kept_bytes, 'safe_bytes', r.safe_bytes, 'received_lsn', r.received_lsn) as details
from ops.wal_receivers r
where r.wal_status = 'lost' or r.seen_at < clock_timestamp() - interval '2 minutes' or r.problem is not null
  or r.kept_bytes > 1073741824 or r.safe_bytes < 1073741824;

comment on view ops.check_wal_receivers is 'A check of ops.check_alerts. WAL that no worker receives.';
comment on column ops.check_wal_receivers.subject is 'What it is about.';
comment on column ops.check_wal_receivers.severity is 'warning or error.';
comment on column ops.check_wal_receivers.message is 'What is wrong, in a sentence.';
comment on column ops.check_wal_receivers.details is 'The same as JSON, for programs.';

revoke all on ops.check_wal_receivers from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.check_wal_receivers to :OPERATOR, :WORKER;
--! EndIncluded backup/check_wal_receivers.sql
--! Included backup/recovery.sql
-- Whether a restore is possible, to which time, and when this was last proven. One row. Every moment is reachable from the end
-- of the oldest backup to the last received WAL. `lightning backups` and `lightning backup verify` say what the store really
-- holds and whether it is intact.
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

comment on view ops.recovery is 'Whether a restore is possible, and to which time. One row.';
comment on column ops.recovery.can_restore is 'Whether there is a backup.';
comment on column ops.recovery.reachable_from is 'The oldest moment that a restore can go to.';
comment on column ops.recovery.newest_backup_at is 'When the newest backup ended.';
comment on column ops.recovery.newest_full_at is 'When the newest full backup ended.';
comment on column ops.recovery.newest_incremental_at is 'When the newest incremental backup ended.';
comment on column ops.recovery.wal_received_lsn is 'The last received position of the WAL: the newest that a restore can go to.';
comment on column ops.recovery.wal_received_at is 'When it was received.';
comment on column ops.recovery.wal_waiting_bytes is 'Bytes of WAL that the server keeps because no worker has received them.';
comment on column ops.recovery.wal_problem is 'The current problem with receiving WAL; null: all is well.';
comment on column ops.recovery.proven_at is 'When a drill last passed; null: none has.';
comment on column ops.recovery.proven_restore_time is 'How long that restore took.';
comment on column ops.recovery.newest_drill_passed is 'Whether the newest drill passed; null: there was none.';

revoke all on ops.recovery from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.recovery to :OPERATOR, :WORKER;
--! EndIncluded backup/recovery.sql
--! Included jobs/check_dead_jobs.sql
-- Jobs that have used up their attempts. For a scheduled task, the next success of the task clears the alert.
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
from ops.queued_jobs j
where j.locked_at is null and j.attempts >= j.max_attempts
  and not exists (
    select
    from ops.job_tasks t
    join ops.job_runs r on r.task = t.task and r.outcome = 'succeeded' and r.started_at > j.due_at
    where t.task = j.task and t.every is not null
  )
group by j.task;

comment on view ops.check_dead_jobs is 'A check of ops.check_alerts. Jobs that failed for good.';
comment on column ops.check_dead_jobs.subject is 'What it is about.';
comment on column ops.check_dead_jobs.severity is 'warning or error.';
comment on column ops.check_dead_jobs.message is 'What is wrong, in a sentence.';
comment on column ops.check_dead_jobs.details is 'The same as JSON, for programs.';

revoke all on ops.check_dead_jobs from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.check_dead_jobs to :OPERATOR, :WORKER;
--! EndIncluded jobs/check_dead_jobs.sql
--! Included jobs/check_late_jobs.sql
-- Scheduled jobs that have not succeeded for one and a quarter of their interval plus ten minutes. When the workers start, they
-- get an interval again, a day at most: without a worker nothing could succeed.
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

comment on view ops.check_late_jobs is 'A check of ops.check_alerts. Scheduled jobs that have not succeeded in time.';
comment on column ops.check_late_jobs.subject is 'What it is about.';
comment on column ops.check_late_jobs.severity is 'warning or error.';
comment on column ops.check_late_jobs.message is 'What is wrong, in a sentence.';
comment on column ops.check_late_jobs.details is 'The same as JSON, for programs.';

revoke all on ops.check_late_jobs from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.check_late_jobs to :OPERATOR, :WORKER;
--! EndIncluded jobs/check_late_jobs.sql
--! Included jobs/check_lost_workers.sql
-- Workers that were taken for dead in the last hour. Others have their jobs now, but somebody may want to know why they died.
create or replace view ops.check_lost_workers with (security_barrier) as
select
  w.id as subject,
  'warning'::text as severity,
  format(
    'worker %s (process %s on %s) was last seen at %s; its jobs were given to others',
    w.id, w.pid, w.host, to_char(w.seen_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
  ) as message,
  jsonb_build_object('host', w.host, 'pid', w.pid, 'seen_at', w.seen_at) as details
from ops.workers w
where w.lost_at > clock_timestamp() - interval '1 hour';

comment on view ops.check_lost_workers is 'A check of ops.check_alerts. Workers that were taken for dead in the last hour.';
comment on column ops.check_lost_workers.subject is 'What it is about.';
comment on column ops.check_lost_workers.severity is 'warning or error.';
comment on column ops.check_lost_workers.message is 'What is wrong, in a sentence.';
comment on column ops.check_lost_workers.details is 'The same as JSON, for programs.';

revoke all on ops.check_lost_workers from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.check_lost_workers to :OPERATOR, :WORKER;
--! EndIncluded jobs/check_lost_workers.sql
--! Included jobs/check_quarantined_items.sql
-- Items that a job has set aside, a row for each job and tenant. The job goes on with the items of the other tenants. The message
-- leaves out the reason, because alerts go to operators and webhooks, and it repeats the value that was refused.
create or replace view ops.check_quarantined_items with (security_barrier) as
select
  format('%s of tenant %s', q.task, q.tenant_id) as subject,
  'error'::text as severity,
  format(
    '%s has set aside %s of tenant %s since %s: %s failed with %s', q.task,
    case when count(*) = 1 then 'an item' else count(*) || ' items' end, q.tenant_id,
    to_char(min(q.first_failed_at) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
    (array_agg(q.item order by q.last_failed_at desc))[1], (array_agg(q.code order by q.last_failed_at desc))[1]
  ) as message,
  jsonb_build_object(
    'task', q.task, 'tenant', q.tenant_id, 'count', count(*), 'items',
    to_jsonb((array_agg(q.item order by q.last_failed_at desc))[1:20])
  ) as details
from ops.quarantined_items q
group by q.task, q.tenant_id;

comment on view ops.check_quarantined_items is 'A check of ops.check_alerts. Items that jobs have set aside, by task and tenant.';
comment on column ops.check_quarantined_items.subject is 'What it is about.';
comment on column ops.check_quarantined_items.severity is 'warning or error.';
comment on column ops.check_quarantined_items.message is 'What is wrong, in a sentence.';
comment on column ops.check_quarantined_items.details is 'The same as JSON, for programs.';

revoke all on ops.check_quarantined_items from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.check_quarantined_items to :OPERATOR, :WORKER;
--! EndIncluded jobs/check_quarantined_items.sql
--! Included jobs/check_stuck_runs.sql
-- Runs that take longer than they should: a warning while they report progress, an error when they have reported nothing new
-- for ten minutes. A command that is not a task may take an hour.
create or replace view ops.check_stuck_runs with (security_barrier) as
select
  format('%s, run %s', r.task, r.id) as subject,
  case
    when coalesce(r.progressed_at, r.started_at) < clock_timestamp() - interval '10 minutes' then 'error'
    else 'warning'
  end as severity,
  format(
    '%s has been running since %s on %s and should take at most %s; its last report: %s',
    r.task, to_char(r.started_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), r.process,
    coalesce(t.expected, interval '1 hour'), coalesce(r.note, round((r.progress * 100)::numeric) || ' %', 'none')
  ) as message,
  jsonb_build_object('run', r.id, 'task', r.task, 'worker', r.worker, 'progress', r.progress) as details
from (
  select r.*, u.process from ops.running u join ops.job_runs r on r.id = u.id
) r
left join ops.job_tasks t on t.task = r.task
where r.started_at + coalesce(t.expected, interval '1 hour') < clock_timestamp();

comment on view ops.check_stuck_runs is 'A check of ops.check_alerts. Runs that take longer than they should.';
comment on column ops.check_stuck_runs.subject is 'What it is about.';
comment on column ops.check_stuck_runs.severity is 'warning or error.';
comment on column ops.check_stuck_runs.message is 'What is wrong, in a sentence.';
comment on column ops.check_stuck_runs.details is 'The same as JSON, for programs.';

revoke all on ops.check_stuck_runs from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.check_stuck_runs to :OPERATOR, :WORKER;
--! EndIncluded jobs/check_stuck_runs.sql
--! Included jobs/jobs.sql
-- The queue of jobs as the worker reported it last, every 15 seconds and before it checks for alerts: 1,000 jobs at most. It
-- lacks jobs that are done, whose outcome is in ops.job_runs, and payloads, which may hold data that operators must not see.
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
from ops.queued_jobs j
left join ops.job_runs r on r.job_id = j.id and r.outcome = 'running';

comment on view ops.jobs is 'The queue of jobs as the worker reported it last, without payloads and without jobs that are done.';
comment on column ops.jobs.id is 'The id of the job in graphile-worker.';
comment on column ops.jobs.task is 'The task that it runs.';
comment on column ops.jobs.state is 'waiting, running, or failed: its attempts are used up.';
comment on column ops.jobs.due_at is 'When it may run, or run again.';
comment on column ops.jobs.attempts is 'How often it has begun.';
comment on column ops.jobs.max_attempts is 'How often it may begin.';
comment on column ops.jobs.last_error is 'Why the last attempt failed.';
comment on column ops.jobs.created_at is 'When it came into the queue.';
comment on column ops.jobs.running_since is 'When the current attempt began.';
comment on column ops.jobs.worker is 'The worker that runs it; ops.workers says where.';
comment on column ops.jobs.progress is 'How much of the current attempt is done, from 0 to 1.';
comment on column ops.jobs.note is 'What it is doing.';

revoke all on ops.jobs from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.jobs to :OPERATOR, :WORKER;
--! EndIncluded jobs/jobs.sql
--! Included jobs/running.sql
-- The current runs. A run whose process died stays here until its lease is over, a minute at most.
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

comment on view ops.running is 'The current runs: since when, how far and where.';
comment on column ops.running.id is 'The run in ops.job_runs.';
comment on column ops.running.task is 'The task that it runs.';
comment on column ops.running.details is 'Its parameters.';
comment on column ops.running.progress is 'How much is done, from 0 to 1; null: unknown.';
comment on column ops.running.note is 'What it is doing.';
comment on column ops.running.started_at is 'When it began.';
comment on column ops.running.running_for is 'How long it has been running.';
comment on column ops.running.updated_at is 'When its process last reported.';
comment on column ops.running.worker is 'The id of a worker, or host:pid of a command.';
comment on column ops.running.process is 'host:pid.';
comment on column ops.running.job_id is 'Its job in ops.jobs; null: a command.';

revoke all on ops.running from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.running to :OPERATOR, :WORKER;
--! EndIncluded jobs/running.sql
--! Included live/check_untrimmed_events.sql
-- The outbox of live updates, when it holds more than it should: events older than an hour go within minutes.
create or replace view ops.check_untrimmed_events with (security_barrier) as
select
  'app_private.events'::text as subject,
  'warning'::text as severity,
  format(
    'the outbox of live updates holds events from %s, and should hold one hour',
    to_char(e.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
  ) as message,
  jsonb_build_object('oldest', e.at) as details
from (select e.at from app_private.events e order by e.transaction_id, e.id limit 1) e
where e.at < clock_timestamp() - interval '2 hours';

comment on view ops.check_untrimmed_events is 'A check of ops.check_alerts. The outbox, when it is not trimmed.';
comment on column ops.check_untrimmed_events.subject is 'What it is about.';
comment on column ops.check_untrimmed_events.severity is 'warning or error.';
comment on column ops.check_untrimmed_events.message is 'What is wrong, in a sentence.';
comment on column ops.check_untrimmed_events.details is 'The same as JSON, for programs.';

revoke all on ops.check_untrimmed_events from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.check_untrimmed_events to :OPERATOR, :WORKER;
--! EndIncluded live/check_untrimmed_events.sql
--! Included metrics/due_metric_buckets.sql
-- The oldest buckets from `since` on that a rollup lacks and that are over by `until`, each once, out of a stretch of
-- `how_many`, without those that are set aside. It steps from one to the next by the index, because a minute has a note for
-- each statement that wrote into it.
create or replace function ops.due_metric_buckets(
  resolution text,
  width interval,
  since timestamptz,
  until timestamptz,
  how_many integer
) returns timestamptz[]
language sql stable
begin atomic
  with recursive stretch as materialized (
    select
      min(c.bucket) as first,
      least(
        min(c.bucket) + due_metric_buckets.width * due_metric_buckets.how_many,
        date_bin(due_metric_buckets.width, due_metric_buckets.until, '2001-01-01 00:00:00Z')
      ) as ending
    from ops.metric_changes c
    where c.resolution = due_metric_buckets.resolution and c.bucket >= due_metric_buckets.since
      and (c.tenant_id, ops.metric_item(c.resolution, c.bucket)) not in (select * from ops.quarantined('roll_up_metrics'))
  ),
  due as (
    select s.first as bucket from stretch s where s.first < s.ending
    union all
    select (
      select min(c.bucket)
      from ops.metric_changes c
      where c.resolution = due_metric_buckets.resolution and c.bucket > d.bucket and c.bucket < (select s.ending from stretch s)
        and (c.tenant_id, ops.metric_item(c.resolution, c.bucket)) not in (select * from ops.quarantined('roll_up_metrics'))
    )
    from due d
    where d.bucket is not null
  )
  select coalesce(array_agg(d.bucket order by d.bucket), '{}') from due d where d.bucket is not null;
end;

comment on function ops.due_metric_buckets(text, interval, timestamptz, timestamptz, integer) is 'The oldest buckets from `since` on that a rollup (minute, hour, day) lacks and that are over by `until`, out of a stretch of `how_many`.';
grant execute on function ops.due_metric_buckets(text, interval, timestamptz, timestamptz, integer) to :JOBS, :OPERATOR;
--! EndIncluded metrics/due_metric_buckets.sql
--! Included metrics/make_metric_buckets.sql
-- Makes buckets of a rollup, of one tenant or of all (null), all or none.
create or replace function ops.make_metric_buckets(resolution text, buckets timestamptz[], tenant text) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  case resolution
    when 'minute' then perform ops.make_metrics_minute(buckets, tenant);
    when 'hour' then perform ops.make_metrics_hour(buckets, tenant);
    when 'day' then perform ops.make_metrics_day(buckets, tenant);
  end case;
end
$$;

comment on function ops.make_metric_buckets(text, timestamptz[], text) is 'Makes buckets of a rollup (minute, hour or day) anew, of one tenant or of all. For ops.make_metrics.';
grant execute on function ops.make_metric_buckets(text, timestamptz[], text) to :JOBS;
--! EndIncluded metrics/make_metric_buckets.sql
--! Included metrics/make_metrics.sql
-- Makes buckets of a rollup for all tenants in one statement. If that fails, goes on tenant by tenant, and where a tenant fails
-- bucket by bucket, and sets aside each bucket that fails. The notes of such a bucket stay, so readers use its points.
create or replace function ops.make_metrics(resolution text, buckets timestamptz[]) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_tenant text;
  v_bucket timestamptz;
begin
  begin
    perform ops.make_metric_buckets(resolution, buckets, null);
    return;
  exception
    when others then null;
  end;

  for v_tenant in
    select distinct c.tenant_id
    from ops.metric_changes c
    where c.resolution = make_metrics.resolution and c.bucket = any (buckets)
    order by 1
  loop
    begin
      perform ops.make_metric_buckets(resolution, buckets, v_tenant);
      continue;
    exception
      when others then null;
    end;
    foreach v_bucket in array buckets loop
      begin
        perform ops.make_metric_buckets(resolution, array[v_bucket], v_tenant);
      exception
        when others then
          if not ops.quarantine_item(
            'roll_up_metrics', v_tenant, ops.metric_item(resolution, v_bucket), sqlstate, sqlerrm
          ) then
            raise;
          end if;
      end;
    end loop;
  end loop;
end
$$;

comment on function ops.make_metrics(text, timestamptz[]) is 'Makes buckets of a rollup anew, for the tenants that ops.metric_changes names, and sets aside those that fail. For ops.roll_up_metrics.';
grant execute on function ops.make_metrics(text, timestamptz[]) to :JOBS;
--! EndIncluded metrics/make_metrics.sql
--! Included metrics/make_metrics_day.sql
-- Merges rollups of hours into those of these days (of UTC). Otherwise as ops.make_metrics_hour.
create or replace function ops.make_metrics_day(days timestamptz[], tenant text) returns void
language sql volatile
begin atomic
  with ended as (
    delete from ops.metric_changes c
    where c.resolution = 'day' and c.bucket = any (make_metrics_day.days)
      and (make_metrics_day.tenant is null or c.tenant_id = make_metrics_day.tenant)
      and (c.tenant_id, ops.metric_item('day', c.bucket)) not in (select * from ops.quarantined('roll_up_metrics'))
    returning c.tenant_id, c.bucket
  ),
  changed as materialized (
    select distinct e.tenant_id, e.bucket from ended e
  ),
  source as materialized (
    -- A sum that is null is beyond a double (metric_sum).
    select m.*, c.bucket as merged, coalesce(m.sum, 'Infinity') as total
    from changed c
    join app_public.metrics_hour m
      on m.tenant_id = c.tenant_id and date_bin('24 hours', m.bucket, '2001-01-01 00:00:00Z') = c.bucket
    -- Uses the index of time, which is small.
    where m.bucket >= make_metrics_day.days[1]
      and m.bucket < make_metrics_day.days[cardinality(make_metrics_day.days)] + interval '24 hours'
  ),
  sketches as (
    select
      k.tenant_id, k.service_name, k.metric_name, k.tags_hash, k.merged,
      array_agg(k.key order by k.key) as keys, array_agg(k.count order by k.key) as counts
    from (
      select s.tenant_id, s.service_name, s.metric_name, s.tags_hash, s.merged, k.key, sum(k.count)::bigint as count
      from source s
      cross join lateral unnest(s.sketch_keys, s.sketch_counts) k(key, count)
      group by 1, 2, 3, 4, 5, 6
    ) k
    group by 1, 2, 3, 4, 5
  ),
  totals as (
    select
      s.tenant_id, s.service_name, s.metric_name, s.tags_hash, s.merged, min(s.tags::text)::jsonb as tags,
      sum(s.count) as count,
      app_private.metric_sum(
        sum(s.total) filter (where abs(s.total) <= 1e280), sum(s.total / power(2, 100)) filter (where abs(s.total) > 1e280)
      ) as sum,
      min(s.min) as min, max(s.max) as max,
      max(array[extract(epoch from s.last_at), s.last]) as last
    from source s
    group by 1, 2, 3, 4, 5
  )
  insert into app_public.metrics_day as r (
    tenant_id, service_name, metric_name, tags, bucket, count, sum, min, max, last, last_at, sketch_keys, sketch_counts
  )
  select
    t.tenant_id, t.service_name, t.metric_name, t.tags, t.merged, t.count, t.sum, t.min, t.max,
    t.last[2], to_timestamp(t.last[1]), k.keys, k.counts
  from totals t
  join sketches k using (tenant_id, service_name, metric_name, tags_hash, merged)
  on conflict (tenant_id, service_name, metric_name, bucket, tags_hash) do update set
    count = excluded.count, sum = excluded.sum, min = excluded.min, max = excluded.max,
    last = excluded.last, last_at = excluded.last_at,
    sketch_keys = excluded.sketch_keys, sketch_counts = excluded.sketch_counts;
end;

comment on function ops.make_metrics_day(timestamptz[], text) is 'Makes the rollups of these days anew from those of their hours, where ops.metric_changes has notes of them, of one tenant or of all (null). For ops.make_metrics.';
grant execute on function ops.make_metrics_day(timestamptz[], text) to :JOBS;
--! EndIncluded metrics/make_metrics_day.sql
--! Included metrics/make_metrics_hour.sql
-- Merges rollups of minutes into those of these hours, for one or all (null) of the tenants that ops.metric_changes names.
-- Sketches merge by addition. Otherwise as ops.make_metrics_minute.
create or replace function ops.make_metrics_hour(hours timestamptz[], tenant text) returns void
language sql volatile
begin atomic
  with ended as (
    delete from ops.metric_changes c
    where c.resolution = 'hour' and c.bucket = any (make_metrics_hour.hours)
      and (make_metrics_hour.tenant is null or c.tenant_id = make_metrics_hour.tenant)
      and (c.tenant_id, ops.metric_item('hour', c.bucket)) not in (select * from ops.quarantined('roll_up_metrics'))
    returning c.tenant_id, c.bucket
  ),
  changed as materialized (
    select distinct e.tenant_id, e.bucket from ended e
  ),
  source as materialized (
    -- A sum that is null is beyond a double (metric_sum).
    select m.*, c.bucket as merged, coalesce(m.sum, 'Infinity') as total
    from changed c
    join app_public.metrics_minute m
      on m.tenant_id = c.tenant_id and date_bin('1 hour', m.bucket, '2001-01-01 00:00:00Z') = c.bucket
    -- Uses the index of time, which is small.
    where m.bucket >= make_metrics_hour.hours[1]
      and m.bucket < make_metrics_hour.hours[cardinality(make_metrics_hour.hours)] + interval '1 hour'
  ),
  sketches as (
    select
      k.tenant_id, k.service_name, k.metric_name, k.tags_hash, k.merged,
      array_agg(k.key order by k.key) as keys, array_agg(k.count order by k.key) as counts
    from (
      select s.tenant_id, s.service_name, s.metric_name, s.tags_hash, s.merged, k.key, sum(k.count)::bigint as count
      from source s
      cross join lateral unnest(s.sketch_keys, s.sketch_counts) k(key, count)
      group by 1, 2, 3, 4, 5, 6
    ) k
    group by 1, 2, 3, 4, 5
  ),
  totals as (
    select
      s.tenant_id, s.service_name, s.metric_name, s.tags_hash, s.merged, min(s.tags::text)::jsonb as tags,
      sum(s.count) as count,
      app_private.metric_sum(
        sum(s.total) filter (where abs(s.total) <= 1e280), sum(s.total / power(2, 100)) filter (where abs(s.total) > 1e280)
      ) as sum,
      min(s.min) as min, max(s.max) as max,
      max(array[extract(epoch from s.last_at), s.last]) as last
    from source s
    group by 1, 2, 3, 4, 5
  ),
  made as (
    insert into app_public.metrics_hour as r (
      tenant_id, service_name, metric_name, tags, bucket, count, sum, min, max, last, last_at, sketch_keys, sketch_counts
    )
    select
      t.tenant_id, t.service_name, t.metric_name, t.tags, t.merged, t.count, t.sum, t.min, t.max,
      t.last[2], to_timestamp(t.last[1]), k.keys, k.counts
    from totals t
    join sketches k using (tenant_id, service_name, metric_name, tags_hash, merged)
    on conflict (tenant_id, service_name, metric_name, bucket, tags_hash) do update set
      count = excluded.count, sum = excluded.sum, min = excluded.min, max = excluded.max,
      last = excluded.last, last_at = excluded.last_at,
      sketch_keys = excluded.sketch_keys, sketch_counts = excluded.sketch_counts
  )
  insert into ops.metric_changes (resolution, tenant_id, bucket)
  select distinct 'day', c.tenant_id, date_bin('24 hours', c.bucket, '2001-01-01 00:00:00Z')
  from changed c;
end;

comment on function ops.make_metrics_hour(timestamptz[], text) is 'Makes the rollups of these hours anew from those of their minutes, where ops.metric_changes has notes of them, of one tenant or of all (null). For ops.make_metrics.';
grant execute on function ops.make_metrics_hour(timestamptz[], text) to :JOBS;
--! EndIncluded metrics/make_metrics_hour.sql
--! Included metrics/make_metrics_minute.sql
-- Makes the rollups of these minutes anew from all of their points, for one or all (null) of the tenants that
-- ops.metric_changes names, deletes these notes and adds notes for the hours. One statement does it, so with one snapshot.
-- Points that are committed later have notes of their own.
create or replace function ops.make_metrics_minute(minutes timestamptz[], tenant text) returns void
language sql volatile
-- A tenant's points of a minute are a stretch of the primary key, so one look into the index finds them. The planner does not
-- know how many notes there are and would read whole days.
set enable_hashjoin to off
set enable_mergejoin to off
begin atomic
  with ended as (
    delete from ops.metric_changes c
    where c.resolution = 'minute' and c.bucket = any (make_metrics_minute.minutes)
      and (make_metrics_minute.tenant is null or c.tenant_id = make_metrics_minute.tenant)
      and (c.tenant_id, ops.metric_item('minute', c.bucket)) not in (select * from ops.quarantined('roll_up_metrics'))
    returning c.tenant_id, c.bucket
  ),
  changed as materialized (
    select distinct e.tenant_id, e.bucket
    from ended e
    -- Once the points of a time are being removed it gets no new rollups: half of the points may be gone.
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
      sum(m.value) filter (where abs(m.value) <= 1e280) as small_sum,
      sum(m.value / power(2, 100)) filter (where abs(m.value) > 1e280) as large_sum,
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
      k.tenant_id, k.service_name, k.metric_name, k.tags, k.bucket, sum(k.count),
      app_private.metric_sum(sum(k.small_sum), sum(k.large_sum)), min(k.min), max(k.max),
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

comment on function ops.make_metrics_minute(timestamptz[], text) is 'Makes the rollups of these minutes anew from their points, where ops.metric_changes has notes of them, of one tenant or of all (null). For ops.make_metrics.';
grant execute on function ops.make_metrics_minute(timestamptz[], text) to :JOBS;
--! EndIncluded metrics/make_metrics_minute.sql
--! Included metrics/metric_item.sql
-- The name of a bucket of a rollup in ops.quarantined_items.
create or replace function ops.metric_item(resolution text, bucket timestamptz) returns text
language sql stable
return resolution || pg_catalog.to_char(bucket at time zone 'UTC', ' YYYY-MM-DD HH24:MI"Z"');

comment on function ops.metric_item(text, timestamptz) is 'The name of a bucket of a rollup among quarantined items: `minute 2026-11-29 12:03Z`.';
grant execute on function ops.metric_item(text, timestamptz) to :JOBS, :OPERATOR;
--! EndIncluded metrics/metric_item.sql
--! Included metrics/metric_key.sql
-- The bucket of the sketch that a value falls into. Bucket k of the positive values reaches from 1.0202^(k - 1 - 37500) to
-- 1.0202^(k - 37500), so its middle is within one per cent of each value in it; 1.0202 is 1.01 / 0.99, and 0.0200006667 its
-- logarithm. Zero has bucket 0. A negative value has the negated bucket of its opposite, so buckets are in the order of their
-- values. 37500 makes the smallest double's bucket positive, so every finite value has a bucket.
create or replace function app_private.metric_key(value double precision) returns integer
language sql immutable parallel safe
return case
  when value = 0 then 0
  else (
    pg_catalog.sign(value) * (pg_catalog.ceil(pg_catalog.ln(pg_catalog.abs(value)) / 0.0200006667066695) + 37500)
  )::integer
end;

comment on function app_private.metric_key(double precision) is 'The bucket of a sketch that a finite value falls into.';
grant execute on function app_private.metric_key(double precision)
  to :MEMBER, :SERVICE, :ADMIN, :ANALYST, :JOBS;
--! EndIncluded metrics/metric_key.sql
--! Included metrics/metric_sum.sql
-- A sum of doubles, or null where it exceeds a double: Postgres' own sum raises an error then, and would do so for a whole
-- table. The arguments are two parts, neither of which can overflow: the sum of the values within 1e280, and the sum of the
-- others divided by 2^100, which loses nothing. A sum of sums that exceeded a double (infinite here) exceeds it too.
create or replace function app_private.metric_sum(small double precision, large double precision) returns double precision
language sql immutable parallel safe
return case
  when large is null then small
  when pg_catalog.abs(large + case when pg_catalog.abs(small) > 1e200 then small / pg_catalog.power(2, 100) else 0 end)
    < pg_catalog.power(2, 924)
  then
    (large + case when pg_catalog.abs(small) > 1e200 then small / pg_catalog.power(2, 100) else 0 end) * pg_catalog.power(2, 100)
end;

comment on function app_private.metric_sum(double precision, double precision) is 'The total of a sum of doubles within 1e280 and a sum of others divided by 2^100; null where it exceeds a double.';
grant execute on function app_private.metric_sum(double precision, double precision)
  to :MEMBER, :SERVICE, :ADMIN, :ANALYST, :JOBS;
--! EndIncluded metrics/metric_sum.sql
--! Included retention/add_receipt.sql
-- Adds deleted rows to the receipt of their run. For the functions that delete them, as the role that these run as.
create or replace function ops.add_receipt(policy text, tenant_id text, older_than timestamptz, row_count integer) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  update ops.retention_receipts r
  set row_count = r.row_count + add_receipt.row_count, at = clock_timestamp()
  where r.policy = add_receipt.policy and r.tenant_id is not distinct from add_receipt.tenant_id
    and r.older_than = add_receipt.older_than and r.partition is null;
  if not found then
    insert into ops.retention_receipts (policy, tenant_id, older_than, row_count)
    values (add_receipt.policy, add_receipt.tenant_id, add_receipt.older_than, add_receipt.row_count);
  end if;
end
$$;

comment on function ops.add_receipt(text, text, timestamptz, integer) is 'Adds deleted rows to the receipt of their run.';
grant execute on function ops.add_receipt(text, text, timestamptz, integer) to :JOBS;
--! EndIncluded retention/add_receipt.sql
--! Included retention/check_partition_horizon.sql
-- Tables partitioned by time whose partitions end soon: without the next partition, writes are refused. ensure_partitions stays
-- at least two weeks ahead, so less than one week means that it fails.
create or replace view ops.check_partition_horizon with (security_barrier) as
select
  p.name as subject,
  case when p.until > clock_timestamp() + interval '2 days' then 'warning' else 'error' end as severity,
  case
    when p.until is null then format('%s has no partition for the current time: writes are refused', p.name)
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

comment on view ops.check_partition_horizon is 'A check of ops.check_alerts. Tables whose partitions end within a week.';
comment on column ops.check_partition_horizon.subject is 'What it is about.';
comment on column ops.check_partition_horizon.severity is 'warning or error.';
comment on column ops.check_partition_horizon.message is 'What is wrong, in a sentence.';
comment on column ops.check_partition_horizon.details is 'The same as JSON, for programs.';

revoke all on ops.check_partition_horizon from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.check_partition_horizon to :OPERATOR, :WORKER;
--! EndIncluded retention/check_partition_horizon.sql
--! Included retention/count_expired_rows.sql
-- Counts the rows that a policy does not keep, for a dry run: of a tenant, if the policy is of tenants' rows. Runs as the worker, as
-- ops.expire_rows does.
create or replace function ops.count_expired_rows(policy text, tenant_id text, older_than timestamptz) returns bigint
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_count bigint;
begin
  case count_expired_rows.policy
    when 'job_runs' then
      select count(*) into v_count from ops.expired_job_runs(count_expired_rows.older_than);
    when 'alerts' then
      select count(*) into v_count from ops.expired_alerts(count_expired_rows.older_than);
    when 'drills' then
      select count(*) into v_count from ops.expired_drills(count_expired_rows.older_than);
    when 'backups' then
      select count(*) into v_count from ops.expired_backups(count_expired_rows.older_than);
    when 'dead_jobs' then
      select count(*) into v_count from ops.expired_dead_jobs(count_expired_rows.older_than);
    else
      v_count := ops.count_expired_tenant_rows(
        count_expired_rows.policy, count_expired_rows.tenant_id, count_expired_rows.older_than
      );
  end case;
  return v_count;
end
$$;

comment on function ops.count_expired_rows(text, text, timestamptz) is 'How many rows a policy does not keep, of a tenant or of no tenant. LTP01 no such policy; LTP06 for a time that it keeps.';
grant execute on function ops.count_expired_rows(text, text, timestamptz) to :WORKER;
--! EndIncluded retention/count_expired_rows.sql
--! Included retention/expire_operations.sql
-- Deletes up to `how_many` rows of operations: runs of jobs, resolved alerts, drills, records of removed backups, and adds them to
-- the receipt. Definer: nobody writes these tables by hand.
create or replace function ops.expire_operations(policy text, older_than timestamptz, how_many integer) returns integer
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_count integer;
begin
  -- What a policy keeps stays, whoever asks: runs, alerts and drills tell what happened.
  perform app_private.refuse_bounds(
    'older_than', older_than <= now() - ops.retention_of(expire_operations.policy, null), 'a time that the policy no longer keeps'
  );
  perform app_private.refuse_bounds('how_many', how_many between 1 and 10000, 'between 1 and 10,000');
  case expire_operations.policy
    when 'job_runs' then
      delete from ops.job_runs r
      where r.id in (select o.id from ops.expired_job_runs(expire_operations.older_than) o(id) limit expire_operations.how_many);
    when 'alerts' then
      delete from ops.alerts a
      where a.id in (select o.id from ops.expired_alerts(expire_operations.older_than) o(id) limit expire_operations.how_many);
    when 'drills' then
      delete from ops.drills d
      where d.id in (select o.id from ops.expired_drills(expire_operations.older_than) o(id) limit expire_operations.how_many);
    when 'backups' then
      delete from ops.backups b
      where b.id in (select o.id from ops.expired_backups(expire_operations.older_than) o(id) limit expire_operations.how_many);
  end case;
  get diagnostics v_count = row_count;
  if v_count > 0 then
    perform ops.add_receipt(expire_operations.policy, null, expire_operations.older_than, v_count);
  end if;
  return v_count;
end
$$;

comment on function ops.expire_operations(text, timestamptz, integer) is 'Deletes up to `how_many` rows that the policy job_runs, alerts, drills or backups does not keep, and adds them to the receipt. Returns how many. LTP06 for a time that it keeps.';
grant execute on function ops.expire_operations(text, timestamptz, integer) to :WORKER;
--! EndIncluded retention/expire_operations.sql
--! Included retention/expire_rows.sql
-- Deletes up to `how_many` rows that a policy does not keep, of a tenant if it is a tenant's, and adds them to the receipt. Returns
-- how many it deleted; fewer than `how_many` means that none are left.
--
-- The rule of a policy is one function, ops.expired_<policy>. ops.count_expired_rows uses the same, so that a dry run
-- counts the rows that a run deletes.
--
-- Invoker: nobody with more rights than the worker's runs what is in the worker's queue. Everything else is deleted by functions
-- with rights of their own, which check their arguments.
create or replace function ops.expire_rows(policy text, tenant_id text, older_than timestamptz, how_many integer default 5000)
returns integer
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_count integer := 0;
  v_jobs bigint[];
begin
  case expire_rows.policy
    when 'job_runs', 'alerts', 'drills', 'backups' then
      return ops.expire_operations(expire_rows.policy, expire_rows.older_than, expire_rows.how_many);
    when 'dead_jobs' then
      v_jobs := array(select ops.expired_dead_jobs(expire_rows.older_than, expire_rows.how_many));
      if v_jobs <> '{}' then
        -- The function by which graphile-worker itself removes jobs.
        select count(*) into v_count from graphile_worker.complete_jobs(v_jobs);
        perform ops.note_removed_jobs(expire_rows.older_than, v_count);
      end if;
      return v_count;
    else
      return ops.expire_tenant_rows(
        expire_rows.policy, expire_rows.tenant_id, expire_rows.older_than, expire_rows.how_many
      );
  end case;
end
$$;

comment on function ops.expire_rows(text, text, timestamptz, integer) is 'Deletes up to `how_many` rows that a policy does not keep, and adds them to the receipt. Returns how many. LTP01 no such policy; LTP06 for a time that it keeps.';
grant execute on function ops.expire_rows(text, text, timestamptz, integer) to :WORKER;
--! EndIncluded retention/expire_rows.sql
--! Included retention/expired_metrics_day.sql
create or replace function ops.expired_metrics_day(tenant_id text, older_than timestamptz) returns table (service_name text, metric_name text, bucket timestamptz, tags_hash uuid)
language sql stable
begin atomic
  select m.service_name, m.metric_name, m.bucket, m.tags_hash
  from app_public.metrics_day m
  where m.tenant_id = expired_metrics_day.tenant_id and m.bucket < expired_metrics_day.older_than
    and not ops.is_held('metrics.day', m.tenant_id, m.bucket);
end;

comment on function ops.expired_metrics_day(text, timestamptz) is 'Rollups of a tenant that the policy metrics.day does not keep.';
grant execute on function ops.expired_metrics_day(text, timestamptz) to :JOBS;
--! EndIncluded retention/expired_metrics_day.sql
--! Included retention/expired_metrics_hour.sql
create or replace function ops.expired_metrics_hour(tenant_id text, older_than timestamptz) returns table (service_name text, metric_name text, bucket timestamptz, tags_hash uuid)
language sql stable
begin atomic
  select m.service_name, m.metric_name, m.bucket, m.tags_hash
  from app_public.metrics_hour m
  where m.tenant_id = expired_metrics_hour.tenant_id and m.bucket < expired_metrics_hour.older_than
    and not ops.is_held('metrics.hour', m.tenant_id, m.bucket);
end;

comment on function ops.expired_metrics_hour(text, timestamptz) is 'Rollups of a tenant that the policy metrics.hour does not keep.';
grant execute on function ops.expired_metrics_hour(text, timestamptz) to :JOBS;
--! EndIncluded retention/expired_metrics_hour.sql
--! Included retention/expired_metrics_minute.sql
create or replace function ops.expired_metrics_minute(tenant_id text, older_than timestamptz) returns table (service_name text, metric_name text, bucket timestamptz, tags_hash uuid)
language sql stable
begin atomic
  select m.service_name, m.metric_name, m.bucket, m.tags_hash
  from app_public.metrics_minute m
  where m.tenant_id = expired_metrics_minute.tenant_id and m.bucket < expired_metrics_minute.older_than
    and not ops.is_held('metrics.minute', m.tenant_id, m.bucket);
end;

comment on function ops.expired_metrics_minute(text, timestamptz) is 'Rollups of a tenant that the policy metrics.minute does not keep.';
grant execute on function ops.expired_metrics_minute(text, timestamptz) to :JOBS;
--! EndIncluded retention/expired_metrics_minute.sql
--! Included retention/expired_metrics_raw.sql
create or replace function ops.expired_metrics_raw(tenant_id text, older_than timestamptz) returns table ("timestamp" timestamptz, id bigint)
language sql stable
begin atomic
  select m."timestamp", m.id
  from app_public.metrics m
  where m.tenant_id = expired_metrics_raw.tenant_id and m."timestamp" < expired_metrics_raw.older_than
    and not ops.is_held('metrics.raw', m.tenant_id, m."timestamp");
end;

comment on function ops.expired_metrics_raw(text, timestamptz) is 'Points of a tenant that the policy metrics.raw does not keep.';
grant execute on function ops.expired_metrics_raw(text, timestamptz) to :JOBS;
--! EndIncluded retention/expired_metrics_raw.sql
--! Included retention/expired_sessions.sql
create or replace function ops.expired_sessions(tenant_id text, older_than timestamptz) returns setof uuid
language sql stable
begin atomic
  select s.id
  from app_public.sessions s
  where s.tenant_id = expired_sessions.tenant_id and s.expires_at < expired_sessions.older_than
    and not ops.is_held('sessions', s.tenant_id, s.expires_at);
end;

comment on function ops.expired_sessions(text, timestamptz) is 'Sessions of a tenant that the policy sessions does not keep.';
grant execute on function ops.expired_sessions(text, timestamptz) to :JOBS;
--! EndIncluded retention/expired_sessions.sql
--! Included retention/expired_task_attempts.sql
-- Attempts at a task that has not ended stay.
create or replace function ops.expired_task_attempts(tenant_id text, older_than timestamptz) returns table (task_id uuid, attempt integer)
language sql stable
begin atomic
  select a.task_id, a.attempt
  from app_public.task_attempts a
  join app_public.tasks t on t.tenant_id = a.tenant_id and t.id = a.task_id
  where a.tenant_id = expired_task_attempts.tenant_id and a.ended_at < expired_task_attempts.older_than
    and t.status in ('completed', 'failed', 'dead', 'cancelled')
    and not ops.is_held('task_attempts', a.tenant_id, a.ended_at);
end;

comment on function ops.expired_task_attempts(text, timestamptz) is 'Attempts at tasks of a tenant that the policy task_attempts does not keep.';
grant execute on function ops.expired_task_attempts(text, timestamptz) to :JOBS;
--! EndIncluded retention/expired_task_attempts.sql
--! Included retention/expired_tasks.sql
-- A workflow that has not ended may still ask what became of its tasks: they stay.
create or replace function ops.expired_tasks(tenant_id text, older_than timestamptz) returns setof uuid
language sql stable
begin atomic
  select t.id
  from app_public.tasks t
  left join app_public.workflows w on w.tenant_id = t.tenant_id and w.id = t.workflow_id
  where t.tenant_id = expired_tasks.tenant_id and t.status in ('completed', 'failed', 'dead', 'cancelled')
    and coalesce(t.completed_at, t.created_at) < expired_tasks.older_than
    and (w.id is null or w.status in ('completed', 'failed', 'cancelled'))
    and not ops.is_held('tasks', t.tenant_id, coalesce(t.completed_at, t.created_at));
end;

comment on function ops.expired_tasks(text, timestamptz) is 'Tasks of a tenant that the policy tasks does not keep.';
grant execute on function ops.expired_tasks(text, timestamptz) to :JOBS;
--! EndIncluded retention/expired_tasks.sql
--! Included retention/is_held.sql
-- Whether a tenant's data of a time has to stay whatever its age: an import that the operator has not released, or a dispute.
create or replace function ops.is_held(policy text, tenant_id text, at timestamptz) returns boolean
language sql stable
begin atomic
  select exists (
    select
    from ops.retention_holds h
    where h.policy = is_held.policy and (h.tenant_id is null or h.tenant_id = is_held.tenant_id) and h.held @> is_held.at
  );
end;

comment on function ops.is_held(text, text, timestamptz) is 'Whether ops.retention_holds keeps a tenant''s data of a time.';
grant execute on function ops.is_held(text, text, timestamptz) to :OPERATOR, :JOBS;
--! EndIncluded retention/is_held.sql
--! Included retention/partition_horizons.sql
-- How far ahead partitions exist. There is a default partition nowhere, so a row beyond them is refused: too few are an alarm.
create or replace view ops.partition_horizons with (security_barrier) as
select
  p.parent,
  h.reaches_to,
  h.reaches_to - now() as ahead,
  p.needed,
  coalesce(h.reaches_to < now() + p.needed, true) as short
from (
  -- Names apart from the tables that they mean: callers need not see into the schemas.
  values ('app_public.metrics', 'app_public.metrics'::regclass, interval '3 days'),
    ('app_public.metrics_minute', 'app_public.metrics_minute', interval '3 days'),
    ('app_public.metrics_hour', 'app_public.metrics_hour', interval '3 days'),
    ('audit.log', 'audit.log', interval '14 days')
) p(parent, relation, needed)
-- The end of the unbroken range of partitions that contains now.
left join lateral (
  select upper(r.range) as reaches_to
  from unnest(app_private.partition_ranges(p.relation)) r(range)
  where r.range @> now()
) h on true;

comment on view ops.partition_horizons is 'How far ahead partitions exist. `short` is an alarm: rows beyond them are refused.';
comment on column ops.partition_horizons.parent is 'The table.';
comment on column ops.partition_horizons.reaches_to is 'The end of the last partition in the unbroken row from now on.';
comment on column ops.partition_horizons.ahead is 'How far ahead that is.';
comment on column ops.partition_horizons.needed is 'How far ahead it has to be.';
comment on column ops.partition_horizons.short is 'Whether it is less far ahead than needed.';

revoke all on ops.partition_horizons from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.partition_horizons to :OPERATOR, :WORKER;
--! EndIncluded retention/partition_horizons.sql
--! Included retention/policy_cutoffs.sql
-- For each policy and tenant, or for one of each, the time before which data goes (null: it is kept); for a policy without tenants,
-- the tenant is null. Metrics go by whole days, and not before they are rolled up and merged; `planned` takes them as rolled up.
-- Definer: no other role may read the tenants.
create or replace function ops.policy_cutoffs(
  at timestamptz,
  planned boolean,
  of_policy text default null,
  of_tenant text default null
) returns table (policy text, tenant_id text, older_than timestamptz)
language sql stable security definer
set search_path to pg_catalog, pg_temp
as $$
  with wanted as (
    select
      p.policy, t.id as tenant_id,
      case
        when p.policy like 'metrics.%'
          then date_bin('24 hours', policy_cutoffs.at - ops.retention_of(p.policy, t.id), '2001-01-01 00:00:00Z')
        else policy_cutoffs.at - ops.retention_of(p.policy, t.id)
      end as older_than
    from ops.retention_policies p
    join app_public.tenants t on p.by_tenant
    where (of_policy is null or p.policy = of_policy) and (of_tenant is null or t.id = of_tenant)
    union all
    select p.policy, null, policy_cutoffs.at - p.keep from ops.retention_policies p
    where not p.by_tenant and of_tenant is null and (of_policy is null or p.policy = of_policy)
  ),
  -- Buckets that still have to be merged. Those that are set aside do not count: otherwise no partition could go, of any
  -- tenant.
  changes as materialized (
    select c.tenant_id, c.resolution, c.bucket
    from ops.metric_changes c
    where not policy_cutoffs.planned and (of_tenant is null or c.tenant_id = of_tenant)
      and (c.tenant_id, ops.metric_item(c.resolution, c.bucket)) not in (
        select q.tenant_id, q.item from ops.quarantined_items q where q.task = 'roll_up_metrics'
      )
  ),
  limits as (
    select
      t.id as tenant_id,
      (
        select coalesce(max(f.closed_to), '-infinity')
        from ops.metric_floors f where f.tenant_id is null or f.tenant_id = t.id
      ) as closed_to,
      (
        select coalesce(min(c.bucket), 'infinity')
        from changes c where c.tenant_id = t.id and c.resolution in ('minute', 'hour')
      ) as hours_from,
      (select coalesce(min(c.bucket), 'infinity') from changes c where c.tenant_id = t.id) as days_from
    from app_public.tenants t
    where not policy_cutoffs.planned and (of_tenant is null or t.id = of_tenant)
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
  select c.policy, c.tenant_id, c.older_than from cut c
$$;

comment on function ops.policy_cutoffs(timestamptz, boolean, text, text) is 'For each policy and tenant, or for one of each, the time before which data goes; null: it is kept. For ops.retention_cutoffs and ops.expire_tenant_rows.';
grant execute on function ops.policy_cutoffs(timestamptz, boolean, text, text) to :JOBS;
--! EndIncluded retention/policy_cutoffs.sql
--! Included retention/removable_partitions.sql
-- The partitions that neither a tenant nor a hold keeps any more, and those whose removal has begun, oldest first.
--   state  attached: detach it; pending: finalize what an earlier version left half done; detached: drop it
create or replace function ops.removable_partitions(at timestamptz default now(), planned boolean default false)
returns table (policy text, parent text, partition text, range_start timestamptz, range_end timestamptz, state text)
language sql stable security definer
set search_path to pg_catalog, pg_temp
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

comment on function ops.removable_partitions(timestamptz, boolean) is 'The partitions that can be removed, and the state of each removal, oldest first.';
grant execute on function ops.removable_partitions(timestamptz, boolean) to :OPERATOR, :WORKER, :JOBS;
--! EndIncluded retention/removable_partitions.sql
--! Included retention/removal_waits.sql
-- The sessions that the removal of a partition waits for, as a view for those who would rather not call a function.
create or replace view ops.removal_waits with (security_barrier) as
select w.partition, w.waiting_since, w.pid, w.login, w.application, w.transaction_since, w.query_since
from ops.partition_waits() w;

comment on view ops.removal_waits is 'The sessions that the removal of a partition waits for, longest first.';
comment on column ops.removal_waits.partition is 'The partition that is to be removed.';
comment on column ops.removal_waits.waiting_since is 'When the removal began.';
comment on column ops.removal_waits.pid is 'The process of the session that it waits for.';
comment on column ops.removal_waits.login is 'The login of that session.';
comment on column ops.removal_waits.application is 'The application_name of that session.';
comment on column ops.removal_waits.transaction_since is 'When its transaction began.';
comment on column ops.removal_waits.query_since is 'When its statement began.';

revoke all on ops.removal_waits from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.removal_waits to :OPERATOR, :WORKER;
--! EndIncluded retention/removal_waits.sql
--! Included retention/retention_cutoffs.sql
-- For each policy and tenant, the time before which data goes (null: it is kept); for a policy without tenants, the tenant is
-- null. ops.policy_cutoffs has the rule. `planned` takes all metrics as rolled up.
--   by_rows  whether rows are deleted: not where the partition goes as a whole, for all tenants at the same time
create or replace function ops.retention_cutoffs(at timestamptz default now(), planned boolean default false)
returns table (policy text, tenant_id text, older_than timestamptz, by_rows boolean)
language sql stable security definer
set search_path to pg_catalog, pg_temp
as $$
  select
    c.policy, c.tenant_id, c.older_than,
    -- The audit log goes by whole months (ops.removable_audit_months).
    c.policy <> 'audit' and (
      c.policy not in ('metrics.raw', 'metrics.minute', 'metrics.hour')
      or c.older_than > min(c.older_than) over (partition by c.policy)
      or bool_or(c.older_than is null) over (partition by c.policy)
      or exists (select from ops.retention_holds h where h.policy = c.policy)
    )
  from ops.policy_cutoffs(retention_cutoffs.at, retention_cutoffs.planned) c
$$;

comment on function ops.retention_cutoffs(timestamptz, boolean) is 'For each policy and tenant, the time before which data goes; null: it is kept. `planned` takes all metrics as rolled up.';
grant execute on function ops.retention_cutoffs(timestamptz, boolean) to :OPERATOR, :WORKER;
--! EndIncluded retention/retention_cutoffs.sql
--! Included retention/retention_of.sql
-- How long a policy keeps a tenant's rows: by the tenant's own setting, otherwise by that for all.
create or replace function ops.retention_of(policy text, tenant_id text) returns interval
language sql stable
begin atomic
  select case when o.policy is null then p.keep else o.keep end
  from ops.retention_policies p
  left join ops.retention_overrides o on o.policy = p.policy and o.tenant_id = retention_of.tenant_id
  where p.policy = retention_of.policy;
end;

comment on function ops.retention_of(text, text) is 'How long a policy keeps a tenant''s rows; null: forever.';
grant execute on function ops.retention_of(text, text) to :OPERATOR, :JOBS;
--! EndIncluded retention/retention_of.sql
--! Included sessions/user_sessions.sql
-- The visible part of sessions, without tokens and data. It runs with the owner's rights, so nobody needs rights on the table.
-- The owner's policy lets session look-ups see all tenants, so the view itself confines rows to the caller's tenant, and a
-- barrier keeps a caller's functions from seeing other rows.
create or replace view app_public.user_sessions with (security_barrier) as
select s.tenant_id, s.id, s.user_id, s.expires_at, s.created_at, s.role
from app_public.sessions s
where s.tenant_id = (select app_private.current_tenant_id());

comment on view app_public.user_sessions is E'@primaryKey id|@fieldName userSession\nThe sessions of the tenant''s users, without tokens and data.';
comment on column app_public.user_sessions.tenant_id is E'@behavior -*\nThe tenant.';
comment on column app_public.user_sessions.id is 'The session''s id.';
comment on column app_public.user_sessions.user_id is 'The user whose session it is.';
comment on column app_public.user_sessions.expires_at is 'When it ends.';
comment on column app_public.user_sessions.created_at is 'When it was opened.';
comment on column app_public.user_sessions.role is 'The role of requests with its token.';

revoke all on app_public.user_sessions from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on app_public.user_sessions to :SERVICE, :ADMIN, :ANALYST;
--! EndIncluded sessions/user_sessions.sql
--! Included tasks/attempt_of.sql
-- The attempt that a lease leaves when it ends, for whoever ends it to insert. No definer, no `set`, and a body that is parsed
-- now, so that it is inlined.
create or replace function ops.attempt_of(
  lease app_public.task_leases,
  ended_at timestamptz,
  outcome text,
  error text default null
) returns setof app_public.task_attempts
language sql stable
begin atomic
  select
    lease.tenant_id, lease.task_id, lease.attempt, lease.fencing_token, lease.agent, lease.claimed_at, attempt_of.ended_at,
    attempt_of.outcome, attempt_of.error, lease.progress, lease.note;
end;

comment on function ops.attempt_of(app_public.task_leases, timestamptz, text, text) is 'The attempt that a lease leaves when it ends; one row.';
grant execute on function ops.attempt_of(app_public.task_leases, timestamptz, text, text) to :JOBS;
--! EndIncluded tasks/attempt_of.sql
--! Included tasks/expire_leases.sql
-- Ends expired leases, which the caller has locked, and advances the workflows of their tasks. All or none.
--
-- One statement updates all tasks: the trigger that advances their workflows locks these in order, so two reapers never
-- wait for each other.
create or replace function ops.expire_leases(leases app_public.task_leases[]) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := clock_timestamp();
  v_found record;
begin
  delete from app_public.task_leases l
  using unnest(leases) e
  where l.tenant_id = e.tenant_id and l.task_id = e.task_id;
  insert into app_public.task_attempts
  select a.*
  from unnest(leases) e
  cross join lateral ops.attempt_of(
    e, v_now, 'expired', format('nothing has been heard from %s since %s', e.agent, e.heartbeat_at)
  ) a;
  update app_public.tasks t
  set
    status = case when t.failures + 1 < t.max_attempts then 'pending' else 'dead' end,
    failures = t.failures + 1,
    error_message = format('nothing has been heard from %s since %s', e.agent, e.heartbeat_at),
    completed_at = case when t.failures + 1 < t.max_attempts then null else v_now end
  from unnest(leases) e
  where t.tenant_id = e.tenant_id and t.id = e.task_id;

  -- The trigger advances the workflows of the caller's tenant; the worker has no tenant.
  for v_found in
    select s.tenant_id, s.workflow_id
    from unnest(leases) e
    join app_public.workflow_steps s on s.tenant_id = e.tenant_id and s.task_id = e.task_id and s.status = 'running'
    group by s.tenant_id, s.workflow_id
    order by s.tenant_id, s.workflow_id
  loop
    perform ops.advance_workflow(v_found.tenant_id, v_found.workflow_id);
  end loop;
end
$$;

comment on function ops.expire_leases(app_public.task_leases[]) is 'Ends expired leases and advances the workflows of their tasks. For ops.take_back_leases, which locks them.';
grant execute on function ops.expire_leases(app_public.task_leases[]) to :JOBS;
--! EndIncluded tasks/expire_leases.sql
--! Included tasks/take_back_leases.sql
-- Takes back tasks whose leases have expired. Each waits again at once, in its old place, or is dead when its attempts are
-- used up. Skips leases that their holders are about to extend or end. However many one tenant has, the oldest of every
-- tenant are among those taken.
--
-- Tries all in one statement. If that fails, tries them one by one and sets aside those that cannot be taken back. Returns
-- how many were taken back.
--
-- Invoker: ops.reap_expired_leases runs as :JOBS, which reaches the leases of every tenant; a claim that finds too few tasks reaches
-- those of its tenant.
create or replace function ops.take_back_leases(how_many integer default 1000) returns integer
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := clock_timestamp();
  v_leases app_public.task_leases[];
  v_lease app_public.task_leases;
  v_count integer := 0;
begin
  -- Idle agents call this again and again, so it first takes one look into the index.
  if not exists (select from app_public.task_leases l where l.expires_at <= v_now) then
    return 0;
  end if;
  v_leases := array(
    select l.lease
    from (
      select e.tenant_id, e.task_id, row_number() over (partition by e.tenant_id order by e.expires_at) as turn
      from app_public.task_leases e
      where e.expires_at <= v_now
        and (e.tenant_id, e.task_id::text) not in (select q.tenant_id, q.item from ops.quarantined('reap_leases') q)
      order by turn, e.expires_at
      limit how_many
    ) e
    -- Lateral: each lease is looked up by its key, however many others have not expired.
    cross join lateral (
      select l as lease
      from app_public.task_leases l
      where l.tenant_id = e.tenant_id and l.task_id = e.task_id and l.expires_at <= v_now
      for update of l skip locked
    ) l
  );
  if v_leases = '{}' then
    return 0;
  end if;

  begin
    perform ops.expire_leases(v_leases);
    return cardinality(v_leases);
  exception
    when others then null;
  end;

  -- In the order of locks (ops.lock_workflow).
  for v_lease in
    select l.*
    from unnest(v_leases) l
    join app_public.tasks t on t.tenant_id = l.tenant_id and t.id = l.task_id
    order by l.tenant_id, t.workflow_id, l.task_id
  loop
    begin
      perform ops.expire_leases(array[v_lease]);
      v_count := v_count + 1;
    exception
      when others then
        if not ops.quarantine_item('reap_leases', v_lease.tenant_id, v_lease.task_id::text, sqlstate, sqlerrm) then
          raise;
        end if;
    end;
  end loop;
  return v_count;
end
$$;

comment on function ops.take_back_leases(integer) is 'Takes back up to how_many tasks whose leases expired: they wait again, or are dead when their attempts are used up. Tasks that cannot be taken back are set aside. Returns how many were taken back.';
grant execute on function ops.take_back_leases(integer) to :JOBS;
--! EndIncluded tasks/take_back_leases.sql
--! Included tenancy/check_ended_sessions.sql
-- Logins whose sessions went beyond their limits in the last hour.
create or replace view ops.check_ended_sessions with (security_barrier) as
select
  e.login::text as subject,
  'error'::text as severity,
  format(
    'login %s went beyond its limits, and its sessions were ended: %s%s', e.login,
    string_agg(format('%s (%s)', e.reason, e.count), ', ' order by e.reason),
    coalesce('; not all of them, because ' || max(e.failure), '')
  ) as message,
  jsonb_build_object(
    'login', e.login, 'reasons', jsonb_object_agg(e.reason, e.count),
    'first_at', min(e.first_at), 'last_at', max(e.last_at)
  ) as details
from ops.ended_sessions e
where e.last_at > clock_timestamp() - interval '1 hour'
group by e.login;

comment on view ops.check_ended_sessions is 'A check of ops.check_alerts. Logins whose sessions went beyond their limits in the last hour.';
comment on column ops.check_ended_sessions.subject is 'What it is about.';
comment on column ops.check_ended_sessions.severity is 'warning or error.';
comment on column ops.check_ended_sessions.message is 'What is wrong, in a sentence.';
comment on column ops.check_ended_sessions.details is 'The same as JSON, for programs.';

revoke all on ops.check_ended_sessions from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.check_ended_sessions to :OPERATOR, :WORKER;
--! EndIncluded tenancy/check_ended_sessions.sql
--! Included tenancy/check_unlimited_logins.sql
-- Logins of tenants whose roles lack their limits: an earlier version made them, or somebody took them back.
create or replace view ops.check_unlimited_logins with (security_barrier) as
select
  l.login::text as subject,
  'error'::text as severity,
  format('login %s has no limits on the server: lightning login limit %s', l.login, l.login) as message,
  jsonb_build_object('login', l.login) as details
from ops.login_limits l
join pg_roles r on r.rolname = l.login
where not l.limited;

comment on view ops.check_unlimited_logins is 'A check of ops.check_alerts. Logins of tenants whose roles lack their limits.';
comment on column ops.check_unlimited_logins.subject is 'What it is about.';
comment on column ops.check_unlimited_logins.severity is 'warning or error.';
comment on column ops.check_unlimited_logins.message is 'What is wrong, in a sentence.';
comment on column ops.check_unlimited_logins.details is 'The same as JSON, for programs.';

revoke all on ops.check_unlimited_logins from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.check_unlimited_logins to :OPERATOR, :WORKER;
--! EndIncluded tenancy/check_unlimited_logins.sql
--! Included tenancy/login_limits.sql
-- The logins of tenants with what they may use at most. `limited` says whether the server holds the login to a number of connections,
-- as `lightning login` makes it do.
create or replace view ops.login_limits with (security_barrier) as
select
  l.login, l.tenant_id, l.connections, l.statement_seconds, l.transaction_seconds, l.idle_in_transaction_seconds, l.idle_seconds,
  coalesce(r.rolconnlimit = l.connections, false) as limited
from app_private.tenant_logins l
left join pg_roles r on r.rolname = l.login;

comment on view ops.login_limits is 'The logins of tenants, with what they may use at most.';
comment on column ops.login_limits.login is 'The login''s name.';
comment on column ops.login_limits.tenant_id is 'The tenant that it sees.';
comment on column ops.login_limits.connections is 'The connections that it may have at a time.';
comment on column ops.login_limits.statement_seconds is 'How long a statement of it may run.';
comment on column ops.login_limits.transaction_seconds is 'How long a transaction of it may be open.';
comment on column ops.login_limits.idle_in_transaction_seconds is 'How long an open transaction of it may do nothing.';
comment on column ops.login_limits.idle_seconds is 'How long a session of it may do nothing.';
comment on column ops.login_limits.limited is 'Whether the role has the same number of connections; false: lightning login limit.';

revoke all on ops.login_limits from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :WORKER, :SEARCH, :JOBS;
grant select on ops.login_limits to :OPERATOR;
--! EndIncluded tenancy/login_limits.sql
--! Included tenancy/ops_tenants.sql
-- Every tenant with its logins, for operators: names and dates, no content.
create or replace view ops.tenants with (security_barrier) as
select
  t.id,
  t.name,
  t.suspended_at,
  t.created_at,
  array(select l.login::text from app_private.tenant_logins l where l.tenant_id = t.id order by l.login) as logins
from app_public.tenants t;

comment on view ops.tenants is 'All tenants with their logins.';
comment on column ops.tenants.id is 'The tenant''s id.';
comment on column ops.tenants.name is 'The name to show.';
comment on column ops.tenants.suspended_at is 'When it was suspended; null: it is not suspended.';
comment on column ops.tenants.created_at is 'When it was made.';
comment on column ops.tenants.logins is 'Names of the logins that see it, in order.';

revoke all on ops.tenants from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :WORKER, :SEARCH, :JOBS;
grant select on ops.tenants to :OPERATOR;
--! EndIncluded tenancy/ops_tenants.sql
--! Included workflows/advance_workflow.sql
-- Records how a workflow's tasks ended and advances it: starts steps whose dependencies are done, skips steps that must not
-- run, and ends the workflow when nothing is left. The transaction that ended a task calls it, with the task locked. It can
-- be called at any time and does whatever is due.
--
-- When two transactions end the dependencies of one step at the same time, the second waits here for the first and then sees
-- its changes. A transaction with an older snapshot (repeatable read) gets 40001 from the locks, so it overlooks nothing.
-- That is why all steps are locked and not the workflow alone, whose row may not have changed.
--
-- When a failure stops the workflow, agents that have begun may finish. A waiting task is cancelled, unless somebody is
-- claiming it at this moment: waiting for them would break the order of locks (lock_workflow).
create or replace function ops.advance_workflow(tenant text, workflow uuid) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := clock_timestamp();
  v_workflow app_public.workflows;
  v_step app_public.workflow_steps;
  v_failed app_public.workflow_steps;
  v_tasks uuid[];
  v_status text;
  v_again boolean := true;
begin
  select * into v_workflow
  from app_public.workflows w
  where w.tenant_id = tenant and w.id = workflow
  for no key update;
  if not found or v_workflow.started_at is null or v_workflow.status not in ('running', 'paused') then
    return;
  end if;
  perform
  from app_public.workflow_steps s
  where s.tenant_id = tenant and s.workflow_id = workflow
  order by s.key
  for no key update;

  update app_public.workflow_steps s
  set
    status = case t.status when 'completed' then 'completed' else 'failed' end,
    result = t.result,
    error_message = case t.status
      when 'completed' then null
      when 'cancelled' then concat_ws(': ', 'its task was cancelled', t.error_message)
      else coalesce(t.error_message, 'its task is ' || t.status)
    end,
    completed_at = coalesce(t.completed_at, v_now)
  from app_public.tasks t
  where s.tenant_id = tenant
    and s.workflow_id = workflow
    and s.status = 'running'
    and t.tenant_id = s.tenant_id
    and t.id = s.task_id
    and t.status in ('completed', 'failed', 'dead', 'cancelled');

  if v_workflow.status = 'paused' then
    -- Tasks that wait, for the first time or after a failed attempt, cannot be claimed until resume_workflow.
    v_tasks := ops.lock_waiting_workflow_tasks(tenant, workflow);
    update app_public.tasks t
    set run_after = 'infinity'
    where t.tenant_id = tenant and t.id = any (v_tasks) and t.run_after <> 'infinity';
    return;
  end if;

  while v_again loop
    v_again := false;
    select * into v_failed
    from app_public.workflow_steps s
    where s.tenant_id = tenant and s.workflow_id = workflow and s.status = 'failed' and s.on_failure = 'fail'
    order by s.completed_at, s.position
    limit 1;
    exit when found;

    for v_step in
      select *
      from app_public.workflow_steps s
      where s.tenant_id = tenant
        and s.workflow_id = workflow
        and s.status = 'pending'
        and not exists (
          select
          from app_public.workflow_steps d
          where d.tenant_id = tenant
            and d.workflow_id = workflow
            and d.key = any (s.depends_on)
            and d.status in ('pending', 'running')
        )
      order by s.position
    loop
      v_status := ops.begin_workflow_step(v_workflow, v_step);
      -- The step ended without a task: other steps may now start, or may have to stop.
      v_again := v_again or v_status <> 'running';
      exit when v_status = 'failed';
    end loop;
  end loop;

  if v_failed.key is not null then
    v_tasks := ops.lock_waiting_workflow_tasks(tenant, workflow);
    update app_public.workflow_steps s
    set status = 'cancelled', completed_at = v_now
    where s.tenant_id = tenant
      and s.workflow_id = workflow
      and (s.status = 'pending' or s.status = 'running' and s.task_id = any (v_tasks));
    perform ops.cancel_workflow_tasks(tenant, v_tasks, format('step %s of the workflow failed', v_failed.key));
  end if;

  update app_public.workflows w
  set
    status = case when v_failed.key is null then 'completed' else 'failed' end,
    error_message = format('step %s failed: ', v_failed.key) || v_failed.error_message,
    completed_at = v_now
  where w.tenant_id = tenant
    and w.id = workflow
    and not exists (
      select
      from app_public.workflow_steps s
      where s.tenant_id = tenant and s.workflow_id = workflow and s.status in ('pending', 'running')
    );
end
$$;

comment on function ops.advance_workflow(text, uuid) is 'Records how a workflow''s tasks ended, starts the steps that may start, and ends the workflow when nothing is left.';
grant execute on function ops.advance_workflow(text, uuid) to :JOBS;
--! EndIncluded workflows/advance_workflow.sql
--! Included workflows/begin_workflow_step.sql
-- Makes the task of a step whose dependencies have ended, and returns the step's new status: running, skipped or failed. It
-- fails when its agent does not exist, or when its condition or task cannot be computed from earlier results (one that is
-- too large, say). This must not undo the work of the earlier step. The caller has locked the workflow.
create or replace function ops.begin_workflow_step(workflow app_public.workflows, step app_public.workflow_steps)
returns text
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := clock_timestamp();
  v_inputs jsonb;
  v_template jsonb := step.definition -> 'task';
  v_status text;
  v_error text;
  v_task uuid;
begin
  select
    case
      when d.blocking is not null or d.skipped = cardinality(step.depends_on) and d.skipped > 0 then 'skipped'
    end,
    d.blocking
  into v_status, v_error
  from (
    select
      count(*) filter (where s.status = 'skipped') as skipped,
      -- A failure passes on through steps that were skipped because of it. Steps skipped by a condition have no error.
      (array_agg(
        case s.status when 'failed' then format('step %s failed: %s', s.key, s.error_message) else s.error_message end
        order by s.position
      ) filter (
        where s.status = 'failed' and s.on_failure = 'skip' or s.status = 'skipped' and s.error_message is not null
      ))[1] as blocking
    from app_public.workflow_steps s
    where s.tenant_id = workflow.tenant_id and s.workflow_id = workflow.id and s.key = any (step.depends_on)
  ) d;

  if v_status is null then
    begin
      with recursive earlier as (
        select k as key
        from unnest(step.depends_on) k
        union
        select k
        from earlier e
        join app_public.workflow_steps s on s.tenant_id = workflow.tenant_id and s.workflow_id = workflow.id and s.key = e.key
        cross join unnest(s.depends_on) k
      )
      select
        coalesce(
          jsonb_object_agg(
            s.key,
            jsonb_build_object('status', s.status)
              || case when s.status = 'completed' then jsonb_build_object('result', s.result) else '{}' end
              || case when s.error_message is null then '{}' else jsonb_build_object('error', s.error_message) end
          ),
          '{}'
        )
      into v_inputs
      from earlier e
      join app_public.workflow_steps s on s.tenant_id = workflow.tenant_id and s.workflow_id = workflow.id and s.key = e.key;

      if jsonb_typeof(step.definition -> 'condition') <> 'null'
        and not ops.workflow_condition_holds(step.definition -> 'condition', v_inputs)
      then
        v_status := 'skipped';
      else
        insert into app_public.tasks (
          tenant_id, description, priority, agent_id, required_capabilities, max_attempts, workflow_id, step_key, context
        )
        values (
          workflow.tenant_id, v_template ->> 'description', coalesce(v_template ->> 'priority', 'normal'),
          v_template ->> 'agent_id',
          array(
            select jsonb_array_elements_text(v_template -> 'capabilities')
            where jsonb_typeof(v_template -> 'capabilities') = 'array'
          ),
          -- Whole, but it may be written as 5.0.
          coalesce((step.definition ->> 'max_attempts')::numeric::integer, 5), workflow.id, step.key,
          case when jsonb_typeof(workflow.context) = 'object' then workflow.context else '{}' end
            || coalesce(nullif(v_template -> 'context', 'null'), '{}')
            || jsonb_build_object(
              'workflow', jsonb_build_object('id', workflow.id, 'step', step.key),
              'steps', v_inputs
            )
        )
        returning id into v_task;
        v_status := 'running';
      end if;
    exception
      when foreign_key_violation then
        v_status := 'failed';
        v_error := format('agent %s does not exist', v_template ->> 'agent_id');
      -- Data exceptions, constraints and limits come from the step's own values. No other error is the step's.
      when others then
        if sqlstate !~ '^(22|23|54)' then
          raise;
        end if;
        v_status := 'failed';
        v_error := format('it cannot be started: %s', left(sqlerrm, 1000));
    end;
  end if;

  update app_public.workflow_steps s
  set
    status = v_status,
    task_id = v_task,
    error_message = v_error,
    started_at = case when v_status <> 'skipped' then v_now end,
    completed_at = case when v_status <> 'running' then v_now end,
    timeout_at = case when v_status = 'running' then v_now + (step.definition ->> 'timeout')::interval end
  where s.tenant_id = workflow.tenant_id and s.workflow_id = workflow.id and s.key = step.key;
  return v_status;
end
$$;

comment on function ops.begin_workflow_step(app_public.workflows, app_public.workflow_steps) is 'Makes the task of a step whose dependencies have ended, or skips it. Returns its status.';
grant execute on function ops.begin_workflow_step(app_public.workflows, app_public.workflow_steps) to :JOBS;
--! EndIncluded workflows/begin_workflow_step.sql
--! Included workflows/cancel_workflow_tasks.sql
-- Cancels tasks of a workflow's steps, including claimed ones, whose holders learn of it as with cancel_task. The caller has
-- locked them (lock_workflow) and has already set the status of their steps, which would otherwise count as failed.
create or replace function ops.cancel_workflow_tasks(tenant text, tasks uuid[], reason text) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := clock_timestamp();
begin
  with ended as (
    delete from app_public.task_leases l
    where l.tenant_id = tenant and l.task_id = any (tasks)
    returning l as lease
  )
  insert into app_public.task_attempts
  select a.* from ended e cross join lateral ops.attempt_of(e.lease, v_now, 'cancelled', reason) a;

  update app_public.tasks t
  set status = 'cancelled', completed_at = v_now, error_message = reason
  where t.tenant_id = tenant and t.id = any (tasks) and t.status in ('pending', 'assigned', 'running');
end
$$;

comment on function ops.cancel_workflow_tasks(text, uuid[], text) is 'Cancels tasks and ends their leases.';
grant execute on function ops.cancel_workflow_tasks(text, uuid[], text) to :JOBS;
--! EndIncluded workflows/cancel_workflow_tasks.sql
--! Included workflows/lock_waiting_workflow_tasks.sql
-- Locks the waiting tasks of a workflow's steps, except those that somebody is claiming.
create or replace function ops.lock_waiting_workflow_tasks(tenant text, workflow uuid) returns uuid[]
language sql volatile
begin atomic
  select array(
    select t.id
    from app_public.workflow_steps s
    join app_public.tasks t on t.tenant_id = s.tenant_id and t.id = s.task_id
    where s.tenant_id = tenant and s.workflow_id = workflow and s.status = 'running' and t.status = 'pending'
    order by t.id
    for no key update of t skip locked
  );
end;

comment on function ops.lock_waiting_workflow_tasks(text, uuid) is 'Locks the waiting tasks of a workflow''s steps, except those that somebody is claiming, and returns their ids.';
grant execute on function ops.lock_waiting_workflow_tasks(text, uuid) to :JOBS;
--! EndIncluded workflows/lock_waiting_workflow_tasks.sql
--! Included workflows/lock_workflow.sql
-- Locks a workflow, its unfinished tasks and their leases, so that the caller may change any of them. Returns the workflow,
-- or null when it does not exist.
--
-- Everybody locks in one order, so that no two wait for each other: leases, tasks (by id), workflows (by id), steps. Whoever
-- ends a task holds its lease and the task before locking the workflow (advance_workflow), so a caller that starts from the
-- workflow has to lock these first. If a step started or a task was claimed in between, it lets go and begins again: each
-- lost round is progress of somebody else.
create or replace function ops.lock_workflow(tenant text, workflow uuid) returns app_public.workflows
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_workflow app_public.workflows;
  v_leases uuid[];
  v_tasks uuid[];
begin
  loop
    begin
      v_leases := array(
        select l.task_id
        from app_public.task_leases l
        join app_public.tasks t on t.tenant_id = l.tenant_id and t.id = l.task_id
        where t.tenant_id = tenant and t.workflow_id = workflow
        order by l.task_id
        for update of l
      );
      v_tasks := array(
        select t.id
        from app_public.tasks t
        where t.tenant_id = tenant and t.workflow_id = workflow and t.status in ('pending', 'assigned', 'running')
        order by t.id
        for no key update
      );
      select * into v_workflow
      from app_public.workflows w
      where w.tenant_id = tenant and w.id = workflow
      for no key update;
      perform
      from app_public.workflow_steps s
      where s.tenant_id = tenant and s.workflow_id = workflow
      order by s.key
      for no key update;

      if exists (
        select
        from app_public.tasks t
        left join app_public.task_leases l on l.tenant_id = t.tenant_id and l.task_id = t.id
        where t.tenant_id = tenant
          and t.workflow_id = workflow
          and t.status in ('pending', 'assigned', 'running')
          and (t.id <> all (v_tasks) or l.task_id is not null and l.task_id <> all (v_leases))
      ) then
        raise object_in_use;
      end if;
      return v_workflow;
    exception
      -- This has released the locks of the round.
      when object_in_use then null;
    end;
  end loop;
end
$$;

comment on function ops.lock_workflow(text, uuid) is 'Locks a workflow, its unfinished tasks and their leases, in the common order of locks: leases, tasks, workflows, steps. Null when it does not exist.';
grant execute on function ops.lock_workflow(text, uuid) to :JOBS;
--! EndIncluded workflows/lock_workflow.sql
--! Included workflows/workflow_condition_holds.sql
-- Whether a step's condition holds, given how earlier steps ended: {key: {status, result}}. A missing value is null. Numbers
-- compare with numbers, and strings with strings byte by byte; in any other pair neither is greater.
create or replace function ops.workflow_condition_holds(condition jsonb, inputs jsonb) returns boolean
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_item jsonb;
  v_found jsonb;
  v_value jsonb := condition -> 'value';
  v_order integer;
begin
  if condition ? 'all' then
    for v_item in select jsonb_array_elements(condition -> 'all') loop
      if not ops.workflow_condition_holds(v_item, inputs) then
        return false;
      end if;
    end loop;
    return true;
  elsif condition ? 'any' then
    for v_item in select jsonb_array_elements(condition -> 'any') loop
      if ops.workflow_condition_holds(v_item, inputs) then
        return true;
      end if;
    end loop;
    return false;
  elsif condition ? 'not' then
    return not ops.workflow_condition_holds(condition -> 'not', inputs);
  elsif condition ? 'status' then
    return inputs #>> array[condition ->> 'step', 'status'] = condition ->> 'status';
  end if;

  v_found := coalesce(
    inputs #> (array[condition ->> 'step', 'result'] || array(select jsonb_array_elements_text(condition -> 'path'))),
    'null'
  );
  if condition ->> 'op' in ('gt', 'gte', 'lt', 'lte') then
    if jsonb_typeof(v_found) <> jsonb_typeof(v_value) then
      return false;
    elsif jsonb_typeof(v_value) = 'number' then
      -- Compared and not subtracted: a difference may exceed the range of numeric.
      v_order := case
        when (v_found #>> '{}')::numeric < (v_value #>> '{}')::numeric then -1
        when (v_found #>> '{}')::numeric > (v_value #>> '{}')::numeric then 1
        else 0
      end;
    else
      v_order := case
        when v_found #>> '{}' collate "C" < v_value #>> '{}' then -1
        when v_found #>> '{}' collate "C" > v_value #>> '{}' then 1
        else 0
      end;
    end if;
  end if;
  return case condition ->> 'op'
    when 'eq' then v_found = v_value
    when 'ne' then v_found <> v_value
    when 'gt' then v_order > 0
    when 'gte' then v_order >= 0
    when 'lt' then v_order < 0
    when 'lte' then v_order <= 0
    when 'in' then exists (select from jsonb_array_elements(v_value) e where e = v_found)
    when 'contains' then v_found @> v_value
    when 'exists' then v_found <> 'null'
  end;
end
$$;

comment on function ops.workflow_condition_holds(jsonb, jsonb) is 'Whether a valid condition holds, given {key: {status, result}} of earlier steps.';
grant execute on function ops.workflow_condition_holds(jsonb, jsonb) to :JOBS;
--! EndIncluded workflows/workflow_condition_holds.sql
--! Included tasks/reap_for_claim.sql
-- Takes back expired leases of the tenant, for a claim that finds too few tasks, and returns how many. Idle agents ask again
-- and again, so of those that ask at the same time only one looks: a look takes long where an old snapshot keeps the dead
-- entries of many heartbeats. No definer and no `set`, so that the planner inlines it.
create or replace function app_private.reap_for_claim(tenant_id text, how_many integer) returns integer
language sql volatile
return case
  when pg_try_advisory_xact_lock(hashtextextended('app_private.reap_for_claim ' || tenant_id, 0))
    then ops.take_back_leases(how_many)
  else 0
end;

comment on function app_private.reap_for_claim(text, integer) is 'Takes back expired leases of the tenant, unless another claim is doing so. Returns how many.';
--! EndIncluded tasks/reap_for_claim.sql
--! Included knowledge/refuse_embedding.sql
-- Records why the text of an item cannot be embedded, and returns whether it did: not where the item has an embedding, or another
-- text than that of the digest. Definer: the worker reaches no knowledge itself. Runs as :JOBS.
grant create on schema ops to :JOBS;
set local role :JOBS;

create or replace function ops.refuse_embedding(tenant_id text, id text, digest text, reason text) returns boolean
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  perform app_private.refuse_bounds('reason', length(reason) > 0, 'a sentence');
  update app_public.knowledge k
  set embedding_error = left(refuse_embedding.reason, 1000)
  where k.tenant_id = refuse_embedding.tenant_id and k.id = refuse_embedding.id and k.embedding is null
    and k.embedding_error is null and md5(k.content) = refuse_embedding.digest;
  return found;
end
$$;

comment on function ops.refuse_embedding(text, text, text, text) is 'Records why the text of an item without an embedding cannot be embedded. Returns whether the item still has the text of the digest.';
revoke execute on function ops.refuse_embedding(text, text, text, text) from public;
grant execute on function ops.refuse_embedding(text, text, text, text) to :WORKER;

set local role :OWNER;
revoke create on schema ops from :JOBS;
--! EndIncluded knowledge/refuse_embedding.sql
--! Included knowledge/store_embeddings.sql
-- Stores embeddings, all or none, and returns how many. Only an item that ops.texts_to_embed may show gets one, and only where its text is still the one
-- of the digest. Definer: the worker reaches no knowledge itself. Runs as :JOBS.
grant create on schema ops to :JOBS;
set local role :JOBS;

create or replace function ops.store_embeddings(tenants text[], ids text[], digests text[], embeddings text[]) returns integer
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_count integer;
begin
  perform app_private.refuse_bounds('ids', cardinality(ids) between 1 and 256, 'a list of 1 to 256');
  perform app_private.refuse_bounds(
    'tenants, digests and embeddings',
    cardinality(tenants) = cardinality(ids) and cardinality(digests) = cardinality(ids) and cardinality(embeddings) = cardinality(ids),
    'as many as ids'
  );
  update app_public.knowledge k
  set embedding = e.embedding::public.vector
  from unnest(tenants, ids, digests, embeddings) e(tenant_id, id, digest, embedding)
  where k.tenant_id = e.tenant_id and k.id = e.id and k.embedding is null and k.embedding_error is null and md5(k.content) = e.digest;
  get diagnostics v_count = row_count;
  return v_count;
end
$$;

comment on function ops.store_embeddings(text[], text[], text[], text[]) is 'Stores the embeddings of items that have none and whose text is the one of the digest. Returns how many. LTP06 for lists of different or excessive length.';
revoke execute on function ops.store_embeddings(text[], text[], text[], text[]) from public;
grant execute on function ops.store_embeddings(text[], text[], text[], text[]) to :WORKER;

set local role :OWNER;
revoke create on schema ops from :JOBS;
--! EndIncluded knowledge/store_embeddings.sql
--! Included knowledge/texts_to_embed.sql
-- A batch of texts without an embedding, oldest first, in which each tenant has its share, so that no tenant waits for the thousands
-- of another. Leaves out items that are set aside, and the tenants `passed_over`. Its texts have up to `most_bytes` together, unless a
-- single one is longer. Definer: the worker reaches no knowledge itself, and is shown nothing but what it has to embed. Runs as :JOBS.
grant create on schema ops to :JOBS;
set local role :JOBS;

create or replace function ops.texts_to_embed(
  passed_over text[] default '{}',
  how_many integer default 64,
  most_bytes integer default 1000000
) returns table (tenant_id text, id text, content text, digest text)
language plpgsql stable security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  perform app_private.refuse_bounds('how_many', how_many between 1 and 256, 'between 1 and 256');
  perform app_private.refuse_bounds('most_bytes', most_bytes between 1 and 10000000, 'between 1 and 10,000,000');
  return query
  with recursive tenants as (
    select min(k.tenant_id) as id
    from app_public.knowledge k
    where k.embedding is null and k.embedding_error is null
    union all
    select (
      select min(k.tenant_id)
      from app_public.knowledge k
      where k.embedding is null and k.embedding_error is null and k.tenant_id > t.id
    )
    from tenants t
    where t.id is not null
  ),
  due as (
    select d.*, sum(d.bytes) over (order by d.turn, d.created_at, d.tenant_id, d.id) - d.bytes as bytes_before
    from tenants t
    cross join lateral (
      select
        o.tenant_id, o.id, o.created_at, octet_length(o.content) as bytes, row_number() over (order by o.created_at) as turn
      from (
        select k.tenant_id, k.id, k.created_at, k.content
        from app_public.knowledge k
        where k.tenant_id = t.id and k.tenant_id <> all (passed_over) and k.embedding is null and k.embedding_error is null
          and (k.tenant_id, k.id) not in (select q.tenant_id, q.item from ops.quarantined('embed_knowledge') q)
        order by k.created_at
        limit how_many
      ) o
    ) d
    order by d.turn, d.created_at
    limit how_many
  )
  select k.tenant_id, k.id::text, k.content, md5(k.content)
  from due d
  join app_public.knowledge k on k.tenant_id = d.tenant_id and k.id = d.id
  where d.bytes_before < most_bytes
  order by d.turn, d.created_at;
end
$$;

comment on function ops.texts_to_embed(text[], integer, integer) is 'A batch of texts of all tenants that have no embedding, each with the digest by which ops.store_embeddings knows it. LTP06 for an argument out of bounds.';
revoke execute on function ops.texts_to_embed(text[], integer, integer) from public;
grant execute on function ops.texts_to_embed(text[], integer, integer) to :WORKER;

set local role :OWNER;
revoke create on schema ops from :JOBS;
--! EndIncluded knowledge/texts_to_embed.sql
--! Included metrics/roll_up_metrics.sql
-- Makes the oldest buckets of a rollup that are over by `until` and have changed, of all tenants, out of a stretch of
-- `how_many`: minutes from points, hours from minutes, days from hours. If it is killed, it has done all or nothing. Only one
-- runs at a time for each rollup: a second one finds the row of ops.metric_rollups locked, does nothing and returns null.
-- Definer: the worker reaches no point itself. Runs as :JOBS.
grant create on schema ops to :JOBS;
set local role :JOBS;

create or replace function ops.roll_up_metrics(
  resolution text,
  until timestamptz default now(),
  how_many integer default 60,
  since timestamptz default '-infinity',
  out buckets integer,
  out next timestamptz
)
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_width interval;
  v_due timestamptz[];
begin
  perform app_private.refuse_bounds('resolution', resolution in ('minute', 'hour', 'day'), 'minute, hour or day');
  perform app_private.refuse_bounds('how_many', how_many between 1 and 10000, 'between 1 and 10,000');
  update ops.metric_rollups r set rolled_up_at = clock_timestamp()
  where r.resolution = (
    select l.resolution from ops.metric_rollups l where l.resolution = roll_up_metrics.resolution for update skip locked
  );
  if not found then
    return;
  end if;
  -- A day is 24 hours: a day added in the session's time zone may have 23.
  v_width := case resolution when 'minute' then interval '1 minute' when 'hour' then interval '1 hour' else interval '24 hours' end;
  v_due := ops.due_metric_buckets(resolution, v_width, since, until, how_many);
  buckets := cardinality(v_due);
  if buckets = 0 then
    return;
  end if;
  next := v_due[buckets] + v_width;

  perform ops.make_metrics(resolution, v_due);
end
$$;

comment on function ops.roll_up_metrics(text, timestamptz, integer, timestamptz) is 'Rolls metrics up to minutes, hours or days (`resolution`): the oldest `how_many` that are over by `until` and have changed, from `since` on. Buckets of a tenant that fail are set aside. Returns how many there were (0: none; null: another session is making them) and where to continue: a caller that continues from there comes to an end however fast late points arrive. LTP06 for an argument out of bounds.';
revoke execute on function ops.roll_up_metrics(text, timestamptz, integer, timestamptz) from public;
grant execute on function ops.roll_up_metrics(text, timestamptz, integer, timestamptz) to :WORKER;

set local role :OWNER;
revoke create on schema ops from :JOBS;
--! EndIncluded metrics/roll_up_metrics.sql
--! Included retention/count_expired_tenant_rows.sql
-- Counts the rows of a tenant that a policy does not keep, for a dry run, confined to the tenant. It counts what a policy no longer
-- keeps, whatever time is given. Definer: the worker reaches no row of a tenant itself. Runs as :JOBS.
grant create on schema ops to :JOBS;
set local role :JOBS;

create or replace function ops.count_expired_tenant_rows(policy text, tenant_id text, older_than timestamptz) returns bigint
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_count bigint;
begin
  if not exists (select from ops.retention_policies p where p.policy = count_expired_tenant_rows.policy) then
    raise exception 'policy % does not exist', count_expired_tenant_rows.policy
      using errcode = 'LTP01', hint = 'List them: select policy, keep from ops.retention_policies;';
  end if;
  perform app_private.refuse_bounds(
    'older_than',
    older_than <= now() - ops.retention_of(count_expired_tenant_rows.policy, count_expired_tenant_rows.tenant_id),
    'a time that the policy no longer keeps'
  );
  perform set_config('app.retention_tenant_id', coalesce(count_expired_tenant_rows.tenant_id, ''), true);
  case count_expired_tenant_rows.policy
    when 'metrics.raw' then
      select count(*) into v_count
      from ops.expired_metrics_raw(count_expired_tenant_rows.tenant_id, count_expired_tenant_rows.older_than);
    when 'metrics.minute' then
      select count(*) into v_count
      from ops.expired_metrics_minute(count_expired_tenant_rows.tenant_id, count_expired_tenant_rows.older_than);
    when 'metrics.hour' then
      select count(*) into v_count
      from ops.expired_metrics_hour(count_expired_tenant_rows.tenant_id, count_expired_tenant_rows.older_than);
    when 'metrics.day' then
      select count(*) into v_count
      from ops.expired_metrics_day(count_expired_tenant_rows.tenant_id, count_expired_tenant_rows.older_than);
    when 'sessions' then
      select count(*) into v_count
      from ops.expired_sessions(count_expired_tenant_rows.tenant_id, count_expired_tenant_rows.older_than);
    when 'tasks' then
      select count(*) into v_count
      from ops.expired_tasks(count_expired_tenant_rows.tenant_id, count_expired_tenant_rows.older_than);
    when 'task_attempts' then
      select count(*) into v_count
      from ops.expired_task_attempts(count_expired_tenant_rows.tenant_id, count_expired_tenant_rows.older_than);
    else
      raise exception '% does not hold data of tenants', count_expired_tenant_rows.policy using errcode = 'LTP03', hint = 'Call ops.count_expired_rows.';
  end case;
  perform set_config('app.retention_tenant_id', '', true);
  return v_count;
end
$$;

comment on function ops.count_expired_tenant_rows(text, text, timestamptz) is 'How many rows of a tenant a policy does not keep. For ops.count_expired_rows. LTP01 no such policy; LTP03 not data of tenants; LTP06 for a time that it keeps.';
revoke execute on function ops.count_expired_tenant_rows(text, text, timestamptz) from public;
grant execute on function ops.count_expired_tenant_rows(text, text, timestamptz) to :WORKER;

set local role :OWNER;
revoke create on schema ops from :JOBS;
--! EndIncluded retention/count_expired_tenant_rows.sql
--! Included retention/expire_tenant_rows.sql
-- Deletes up to `how_many` rows of a tenant that a policy does not keep, and adds them to the receipt. Deletes no other
-- tenant's rows: the statements name the tenant, and by the setting row-level security confines :JOBS to it. Returns
-- how many it deleted; fewer than `how_many` means that none are left.
--
-- What a policy keeps is asked of the policies, and of no argument: `older_than` may lie further back, for a run that began a
-- while ago, and never later. What still has to be rolled up or merged stays, also when it has become so since the run began.
--
-- Definer: the worker reaches no row of a tenant itself. Runs as :JOBS.
grant create on schema ops to :JOBS;
set local role :JOBS;

create or replace function ops.expire_tenant_rows(policy text, tenant_id text, older_than timestamptz, how_many integer)
returns integer
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_older_than timestamptz;
  v_count integer;
begin
  if not exists (select from ops.retention_policies p where p.policy = expire_tenant_rows.policy) then
    raise exception 'policy % does not exist', expire_tenant_rows.policy
      using errcode = 'LTP01', hint = 'List them: select policy, keep from ops.retention_policies;';
  end if;
  perform app_private.refuse_bounds('how_many', how_many between 1 and 10000, 'between 1 and 10,000');
  perform app_private.refuse_bounds(
    'older_than', older_than <= now() - ops.retention_of(expire_tenant_rows.policy, expire_tenant_rows.tenant_id),
    'a time that the policy no longer keeps'
  );
  select least(expire_tenant_rows.older_than, c.older_than) into v_older_than
  from ops.policy_cutoffs(now(), false, expire_tenant_rows.policy, expire_tenant_rows.tenant_id) c
  where c.older_than is not null;
  if not found then
    return 0;
  end if;

  perform set_config('app.retention_tenant_id', coalesce(expire_tenant_rows.tenant_id, ''), true);
  case expire_tenant_rows.policy
    when 'metrics.raw' then
      delete from app_public.metrics m
      using (
        select o."timestamp", o.id
        from ops.expired_metrics_raw(expire_tenant_rows.tenant_id, v_older_than) o
        order by o."timestamp"
        limit expire_tenant_rows.how_many
      ) o
      where m.tenant_id = expire_tenant_rows.tenant_id and m."timestamp" = o."timestamp" and m.id = o.id;
    when 'metrics.minute' then
      delete from app_public.metrics_minute m
      using (
        select o.* from ops.expired_metrics_minute(expire_tenant_rows.tenant_id, v_older_than) o limit expire_tenant_rows.how_many
      ) o
      where m.tenant_id = expire_tenant_rows.tenant_id and m.service_name = o.service_name and m.metric_name = o.metric_name
        and m.bucket = o.bucket and m.tags_hash = o.tags_hash;
    when 'metrics.hour' then
      delete from app_public.metrics_hour m
      using (
        select o.* from ops.expired_metrics_hour(expire_tenant_rows.tenant_id, v_older_than) o limit expire_tenant_rows.how_many
      ) o
      where m.tenant_id = expire_tenant_rows.tenant_id and m.service_name = o.service_name and m.metric_name = o.metric_name
        and m.bucket = o.bucket and m.tags_hash = o.tags_hash;
    when 'metrics.day' then
      delete from app_public.metrics_day m
      using (
        select o.* from ops.expired_metrics_day(expire_tenant_rows.tenant_id, v_older_than) o limit expire_tenant_rows.how_many
      ) o
      where m.tenant_id = expire_tenant_rows.tenant_id and m.service_name = o.service_name and m.metric_name = o.metric_name
        and m.bucket = o.bucket and m.tags_hash = o.tags_hash;
    when 'sessions' then
      delete from app_public.sessions s
      where s.tenant_id = expire_tenant_rows.tenant_id and s.id in (
        select o.id from ops.expired_sessions(expire_tenant_rows.tenant_id, v_older_than) o(id) limit expire_tenant_rows.how_many
      );
    when 'tasks' then
      delete from app_public.tasks t
      where t.tenant_id = expire_tenant_rows.tenant_id and t.id in (
        select o.id from ops.expired_tasks(expire_tenant_rows.tenant_id, v_older_than) o(id) limit expire_tenant_rows.how_many
      );
    when 'task_attempts' then
      delete from app_public.task_attempts a
      using (
        select o.* from ops.expired_task_attempts(expire_tenant_rows.tenant_id, v_older_than) o limit expire_tenant_rows.how_many
      ) o
      where a.tenant_id = expire_tenant_rows.tenant_id and a.task_id = o.task_id and a.attempt = o.attempt;
    else
      raise exception '% does not hold data of tenants', expire_tenant_rows.policy using errcode = 'LTP03', hint = 'Call ops.expire_rows.';
  end case;
  get diagnostics v_count = row_count;
  perform set_config('app.retention_tenant_id', '', true);

  if v_count > 0 then
    perform ops.add_receipt(expire_tenant_rows.policy, expire_tenant_rows.tenant_id, v_older_than, v_count);
  end if;
  return v_count;
end
$$;

comment on function ops.expire_tenant_rows(text, text, timestamptz, integer) is 'Deletes up to `how_many` rows of a tenant that a policy does not keep, and adds them to the receipt. Returns how many. For ops.expire_rows. LTP01 no such policy; LTP03 not data of tenants; LTP06 for a time that it keeps.';
revoke execute on function ops.expire_tenant_rows(text, text, timestamptz, integer) from public;
grant execute on function ops.expire_tenant_rows(text, text, timestamptz, integer) to :WORKER;

set local role :OWNER;
revoke create on schema ops from :JOBS;
--! EndIncluded retention/expire_tenant_rows.sql
--! Included retention/note_removed_jobs.sql
-- Adds jobs that the worker removed from its queue to the receipt. The queue is the worker's, so it alone knows their number, and
-- this writes a receipt of dead jobs and of nothing else. Definer: nobody writes receipts by hand. Runs as :JOBS.
grant create on schema ops to :JOBS;
set local role :JOBS;

create or replace function ops.note_removed_jobs(older_than timestamptz, row_count integer) returns void
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  perform app_private.refuse_bounds(
    'older_than', older_than <= now() - ops.retention_of('dead_jobs', null), 'a time that the policy no longer keeps'
  );
  perform app_private.refuse_bounds('row_count', row_count between 1 and 10000, 'between 1 and 10,000');
  perform ops.add_receipt('dead_jobs', null, note_removed_jobs.older_than, note_removed_jobs.row_count);
end
$$;

comment on function ops.note_removed_jobs(timestamptz, integer) is 'Adds jobs that were removed from the queue to the receipt of the policy dead_jobs. LTP06 for a time that it keeps, or a number out of bounds.';
revoke execute on function ops.note_removed_jobs(timestamptz, integer) from public;
grant execute on function ops.note_removed_jobs(timestamptz, integer) to :WORKER;

set local role :OWNER;
revoke create on schema ops from :JOBS;
--! EndIncluded retention/note_removed_jobs.sql
--! Included retention/rows_by_tenant.sql
-- Counts the rows of each tenant in a partition that is still attached, for a dry run. The catalog and the policies say which may be
-- counted, and no argument. Definer: the worker reaches no row of a tenant itself. Runs as :JOBS, which sees all rows.
grant create on schema ops to :JOBS;
set local role :JOBS;

create or replace function ops.rows_by_tenant(parent text, range_start timestamptz, range_end timestamptz) returns jsonb
language plpgsql stable security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_rows jsonb;
begin
  perform app_private.refuse_bounds(
    'range',
    exists (
      select
      from ops.removable_partitions(now(), true) p
      where p.parent = rows_by_tenant.parent and p.range_start = rows_by_tenant.range_start
        and p.range_end = rows_by_tenant.range_end
    ),
    'that of a partition to be removed'
  );
  execute format(
    'select coalesce(jsonb_object_agg(c.tenant_id, c.count), %1$L)
     from (select t.tenant_id, count(*) from %2$s t where t.%3$I >= $1 and t.%3$I < $2 group by 1) c',
    '{}', parent::regclass, case parent when 'app_public.metrics' then 'timestamp' else 'bucket' end
  ) into v_rows using range_start, range_end;
  return v_rows;
end
$$;

comment on function ops.rows_by_tenant(text, timestamptz, timestamptz) is 'How many rows of each tenant a partitioned table of metrics has in the range of a partition that can be removed. LTP06 for any other range.';
revoke execute on function ops.rows_by_tenant(text, timestamptz, timestamptz) from public;
grant execute on function ops.rows_by_tenant(text, timestamptz, timestamptz) to :WORKER;

set local role :OWNER;
revoke create on schema ops from :JOBS;
--! EndIncluded retention/rows_by_tenant.sql
--! Included tasks/reap_expired_leases.sql
-- Takes back tasks of every tenant whose leases have expired, as ops.take_back_leases does. Definer: the worker reaches no lease
-- itself. Runs as :JOBS.
grant create on schema ops to :JOBS;
set local role :JOBS;

create or replace function ops.reap_expired_leases(how_many integer default 1000) returns integer
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  perform app_private.refuse_bounds('how_many', how_many between 1 and 10000, 'between 1 and 10,000');
  return ops.take_back_leases(how_many);
end
$$;

comment on function ops.reap_expired_leases(integer) is 'Takes back up to how_many tasks of all tenants whose leases expired: they wait again, or are dead when their attempts are used up. Tasks that cannot be taken back are set aside. Returns how many were taken back. LTP06 for a how_many out of bounds.';
revoke execute on function ops.reap_expired_leases(integer) from public;
grant execute on function ops.reap_expired_leases(integer) to :WORKER;

set local role :OWNER;
revoke create on schema ops from :JOBS;
--! EndIncluded tasks/reap_expired_leases.sql
--! Included workflows/tend_workflows.sql
-- The worker runs this every few seconds. It ends steps that took too long, and records tasks that somebody without a tenant
-- ended (a superuser, for whom the trigger sees no steps). It leaves a workflow that somebody else holds for the next run, so
-- it never waits long while it holds others. Workflows that fail are set aside. However many one tenant has, the oldest of
-- every tenant are among those that it looks at. Returns how many it advanced. Definer: the worker reaches no workflow itself. Runs
-- as :JOBS.
grant create on schema ops to :JOBS;
set local role :JOBS;

create or replace function ops.tend_workflows(how_many integer default 100) returns integer
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
set lock_timeout to '50ms'
as $$
declare
  v_now timestamptz := clock_timestamp();
  v_found record;
  v_workflow app_public.workflows;
  v_tasks uuid[];
  v_count integer := 0;
begin
  perform app_private.refuse_bounds('how_many', how_many between 1 and 10000, 'between 1 and 10,000');
  for v_found in
    select d.tenant_id, d.workflow_id
    from (
      select
        s.tenant_id, s.workflow_id,
        row_number() over (partition by s.tenant_id order by min(s.timeout_at)) as turn, min(s.timeout_at) as timeout_at
      from app_public.workflow_steps s
      join app_public.workflows w on w.tenant_id = s.tenant_id and w.id = s.workflow_id
      join app_public.tasks t on t.tenant_id = s.tenant_id and t.id = s.task_id
      where s.status = 'running'
        and (
          s.timeout_at <= v_now and w.status = 'running'
          or t.status in ('completed', 'failed', 'dead', 'cancelled')
        )
        and (s.tenant_id, s.workflow_id::text) not in (select q.tenant_id, q.item from ops.quarantined('tend_workflows') q)
      group by s.tenant_id, s.workflow_id
    ) d
    order by d.turn, d.timeout_at
    limit how_many
  loop
    begin
      v_workflow := ops.lock_workflow(v_found.tenant_id, v_found.workflow_id);
      perform ops.advance_workflow(v_found.tenant_id, v_found.workflow_id);
      if v_workflow.status = 'running' then
        with late as (
          update app_public.workflow_steps s
          set
            status = 'failed', completed_at = v_now,
            error_message = format('it took longer than %s', s.definition ->> 'timeout')
          where s.tenant_id = v_found.tenant_id
            and s.workflow_id = v_found.workflow_id
            and s.status = 'running'
            and s.timeout_at <= v_now
          returning s.task_id
        )
        select coalesce(array_agg(l.task_id), '{}') into v_tasks from late l;
        perform ops.cancel_workflow_tasks(v_found.tenant_id, v_tasks, 'the step of the workflow took too long');
        perform ops.advance_workflow(v_found.tenant_id, v_found.workflow_id);
      end if;
      v_count := v_count + 1;
    exception
      when others then
        if not ops.quarantine_item('tend_workflows', v_found.tenant_id, v_found.workflow_id::text, sqlstate, sqlerrm) then
          raise;
        end if;
    end;
  end loop;
  return v_count;
end
$$;

comment on function ops.tend_workflows(integer) is 'Ends steps that took too long, in up to how_many workflows, and advances these. Returns how many it advanced. Workflows that somebody else holds are left for the next run; those that fail are set aside. LTP06 for a how_many out of bounds.';
revoke execute on function ops.tend_workflows(integer) from public;
grant execute on function ops.tend_workflows(integer) to :WORKER;

set local role :OWNER;
revoke create on schema ops from :JOBS;
--! EndIncluded workflows/tend_workflows.sql
