--! Previous: sha1:0b2fa678467e5cb00cdca33f317674142d4b3088
--! Hash: sha1:c7fe285c5bec0bd12dbd56754e3a21946233296d
--! Message: audit-cost

-- An audited statement costs less: rows are made into JSON once, and who acts is found out in line.

drop function audit.actor();
--! Included audit/functions/actor.sql
-- Who is acting: the subject and request that the API verified, and the role that the statement runs under. The
-- settings of any other login prove nothing and are left out; its name (audit.log.login) says who it is. One row.
--
-- No definer and no `set`, and a set, so that the planner inlines it into the triggers' statements: a function that is
-- called cost every audited statement 15 microseconds of 190.
create or replace function audit.actor() returns table (subject text, role name, request_id text)
language sql stable parallel safe rows 1
begin atomic
  select
    case
      when a.is_api then nullif(pg_catalog.current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
    end,
    -- `none` is what a session that never switched says.
    coalesce(nullif(pg_catalog.current_setting('role'), 'none')::name, session_user),
    case when a.is_api then nullif(pg_catalog.current_setting('app.request_id', true), '') end
  from (select pg_catalog.pg_has_role(session_user, ':ANON', 'member') as is_api) a;
end;
--! EndIncluded audit/functions/actor.sql
--! Included audit/functions/tg__log_rows.sql
-- Logs each row of a statement: an insert's new values, a delete's old values, of an update what changed and only that
-- (a row written again as it was leaves nothing). One statement trigger with transition tables, so a statement of a
-- thousand rows costs one insert here.
-- Arguments: the key columns, the columns to digest (array literals) and the column that holds the tenant. Definer:
-- nobody may write the log.
--
-- The sub-selects stand here three times instead of in functions of their own: functions that contain one are not
-- inlined, and calling them made an audited insert of one row cost three times as much. `offset 0` keeps a row from being
-- made into JSON once for each of its columns. An update of a single row, the usual one, has nothing to join: it takes a
-- way of its own, at half the cost.
create or replace function audit.tg__log_rows() returns trigger
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_table text := TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME;
  v_key text[] := TG_ARGV[0];
  v_digested text[] := TG_ARGV[1];
  v_tenant_column text := TG_ARGV[2];
  v_old jsonb;
  v_new jsonb;
  v_changed record;
begin
  if TG_OP = 'INSERT' then
    insert into audit.log (tenant_id, table_name, operation, row_count, key, new_values, subject, role, request_id)
    select
      n.doc ->> v_tenant_column, v_table, 'insert', 1,
      (select jsonb_object_agg(k, n.doc -> k) from unnest(v_key) k),
      case when v_digested = '{}' then n.doc else audit.digest(n.doc, v_digested) end,
      a.subject, a.role, a.request_id
    from (select to_jsonb(r) as doc from new_rows r offset 0) n cross join audit.actor() a;
  elsif TG_OP = 'DELETE' then
    insert into audit.log (tenant_id, table_name, operation, row_count, key, old_values, subject, role, request_id)
    select
      o.doc ->> v_tenant_column, v_table, 'delete', 1,
      (select jsonb_object_agg(k, o.doc -> k) from unnest(v_key) k),
      case when v_digested = '{}' then o.doc else audit.digest(o.doc, v_digested) end,
      a.subject, a.role, a.request_id
    from (select to_jsonb(r) as doc from old_rows r offset 0) o cross join audit.actor() a;
  elsif (select count(*) = 1 from new_rows) then
    select to_jsonb(r) into v_old from old_rows r;
    select to_jsonb(r) into v_new from new_rows r;
    select jsonb_object_agg(e.key, v_old -> e.key) as old_values, jsonb_object_agg(e.key, e.value) as new_values
    into v_changed
    from jsonb_each(v_new) e
    where e.value is distinct from v_old -> e.key;
    if v_changed.new_values is not null then
      insert into audit.log (
        tenant_id, table_name, operation, row_count, key, old_values, new_values, subject, role, request_id
      )
      select
        v_new ->> v_tenant_column, v_table, 'update', 1,
        (select jsonb_object_agg(k, v_new -> k) from unnest(v_key) k),
        audit.digest(v_changed.old_values, v_digested), audit.digest(v_changed.new_values, v_digested),
        a.subject, a.role, a.request_id
      from audit.actor() a;
    end if;
  else
    insert into audit.log (
      tenant_id, table_name, operation, row_count, key, old_values, new_values, subject, role, request_id
    )
    select
      n.doc ->> v_tenant_column, v_table, 'update', 1, n.key,
      case when v_digested = '{}' then c.old_values else audit.digest(c.old_values, v_digested) end,
      case when v_digested = '{}' then c.new_values else audit.digest(c.new_values, v_digested) end,
      a.subject, a.role, a.request_id
    from (
      select d.doc, (select jsonb_object_agg(k, d.doc -> k) from unnest(v_key) k) as key
      from (select to_jsonb(r) as doc from new_rows r offset 0) d
    ) n
    join (
      select d.doc, (select jsonb_object_agg(k, d.doc -> k) from unnest(v_key) k) as key
      from (select to_jsonb(r) as doc from old_rows r offset 0) d
    ) o using (key)
    cross join lateral (
      select
        jsonb_object_agg(e.key, o.doc -> e.key) as old_values,
        jsonb_object_agg(e.key, e.value) as new_values
      from jsonb_each(n.doc) e
      where e.value is distinct from o.doc -> e.key
    ) c
    cross join audit.actor() a
    where c.new_values is not null;
  end if;
  return null;
end
$$;
--! EndIncluded audit/functions/tg__log_rows.sql
--! Included audit/functions/tg__log_summary.sql
-- Logs one row per statement and tenant with the number of rows: for tables whose rows are too many and too small to
-- keep twice. Definer: nobody may write the log.
create or replace function audit.tg__log_summary() returns trigger
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  insert into audit.log (tenant_id, table_name, operation, row_count, subject, role, request_id)
  select
    c.tenant_id, TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME, lower(TG_OP), count(*),
    a.subject, a.role, a.request_id
  from changed_rows c
  cross join audit.actor() a
  group by c.tenant_id, a.subject, a.role, a.request_id;
  return null;
end
$$;
--! EndIncluded audit/functions/tg__log_summary.sql
--! Included audit/functions/tg__log_truncate.sql
-- Logs that a table was emptied, of all tenants' rows at once: no tenant, no rows to count. Definer: nobody may write
-- the log.
create or replace function audit.tg__log_truncate() returns trigger
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  insert into audit.log (table_name, operation, row_count, subject, role, request_id)
  select TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME, 'truncate', 0, a.subject, a.role, a.request_id
  from audit.actor() a;
  return null;
end
$$;
--! EndIncluded audit/functions/tg__log_truncate.sql
--! Included audit/comments.sql
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
comment on function audit.copy_tracking(regclass, regclass) is 'Gives a partition the audit triggers of its parent.';
comment on function audit.actor() is 'Who is acting: verified subject, role, request id.';
comment on function audit.digest(jsonb, text[]) is 'The object with the named members replaced by their SHA-256.';
comment on function audit.tg__log_rows() is 'Trigger: a log row per changed row.';
comment on function audit.tg__log_summary() is 'Trigger: a log row per statement and tenant.';
comment on function audit.tg__log_truncate() is 'Trigger: a log row per truncate.';
--! EndIncluded audit/comments.sql
