comment on schema audit is 'Who changed what: an append-only log, written by triggers in the transaction of the change.';

comment on table audit.log is 'One row per changed row (or per statement, for tables exempt from detail). Partitioned by month.';
comment on column audit.log.id is 'Orders the rows of a moment.';
comment on column audit.log.at is 'When the transaction began.';
comment on column audit.log.transaction_id is 'The transaction that made the change.';
comment on column audit.log.tenant_id is 'Whose data it was; null for a truncate, which hits all.';
comment on column audit.log.table_name is 'The table that the statement named, with its schema.';
comment on column audit.log.operation is 'insert, update, delete or truncate.';
comment on column audit.log.row_count is '1 for a row of detail, the number of rows for a summary.';
comment on column audit.log.key is 'The row''s primary key; null in a summary.';
comment on column audit.log.old_values is 'What was there: the whole row of a delete, the changed columns of an update. Secrets and embeddings as sha256:<hex>.';
comment on column audit.log.new_values is 'What came: the whole row of an insert, the changed columns of an update. Secrets and embeddings as sha256:<hex>.';
comment on column audit.log.subject is 'The verified token''s subject; null for a direct login.';
comment on column audit.log.login is 'The login of the connection.';
comment on column audit.log.role is 'The role that the statement ran under.';
comment on column audit.log.request_id is 'The API request, as in its X-Request-Id header.';

comment on function audit.enable_tracking(regclass, text[], boolean, name) is 'Puts a table under audit. Can be called again. LTA01 when it has no primary key.';
comment on function audit.create_row_logger(regclass, text[], text[]) is 'Writes the trigger function that logs the rows of a table.';
comment on function audit.copy_tracking(regclass, regclass) is 'Gives a partition the audit triggers of its parent.';
comment on function audit.actor() is 'Who is acting: verified subject, role, request id.';
comment on function audit.digest(jsonb, text[]) is 'The object with the named members replaced by their SHA-256.';
comment on function audit.tg__log_summary() is 'Trigger: a log row per statement and tenant.';
comment on function audit.tg__log_truncate() is 'Trigger: a log row per truncate.';
