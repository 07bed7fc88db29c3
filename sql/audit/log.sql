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

-- The setting by its own name: the recorder of DDL may execute no function of app_private.
create or replace trigger _200_deleted_tenant
  before insert on audit.log
  for each row
  when (new.operation = 'delete' and new.tenant_id = current_setting('app.retention_tenant_id', true))
  execute function audit.tg_log__leave_out_values();
