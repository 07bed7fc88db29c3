--! Previous: sha1:d28830071ba3e70d1e13c4d67cf004108be0ab92
--! Hash: sha1:0546ae3cbe8de93c193b0b34a0d9185caac03b6e
--! Message: deleted_tenants

-- Tenants that are deleted: which, by whom, and what is left of the work. Locks nothing that exists.
create table ops.tenant_removals (
  id text collate "C" not null,
  begun_at timestamptz not null default clock_timestamp(),
  begun_by name not null default session_user,
  export_id text,
  row_counts jsonb not null default '{}',
  ended_at timestamptz,
  constraint tenant_removals_pkey primary key (id),
  constraint tenant_removals_row_counts_check check (jsonb_typeof(row_counts) = 'object')
);

--! Included tenancy/tenant_removals.sql
comment on table ops.tenant_removals is 'Tenants that were deleted, or are being deleted: the last deletion of each id.';
comment on column ops.tenant_removals.id is 'The id of the tenant.';
comment on column ops.tenant_removals.begun_at is 'When the deletion began.';
comment on column ops.tenant_removals.begun_by is 'The login that began it.';
comment on column ops.tenant_removals.export_id is 'The id of the export that was made before; null: none was.';
comment on column ops.tenant_removals.row_counts is 'How many rows were deleted so far, by table.';
comment on column ops.tenant_removals.ended_at is 'When it ended; null: it is under way, or was interrupted.';

alter table ops.tenant_removals enable row level security, force row level security;

-- Across tenants

-- The functions that delete a tenant, and those that ask whether one is being deleted, as the owner; operators read it.
drop policy if exists manage_owner on ops.tenant_removals;
create policy manage_owner on ops.tenant_removals for all to :OWNER
  using (true)
  with check (true);
drop policy if exists select_operator on ops.tenant_removals;
create policy select_operator on ops.tenant_removals for select to :OPERATOR
  using (true);

revoke all on ops.tenant_removals from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.tenant_removals to :OPERATOR;
-- No insert, update or delete for anybody: the functions that delete a tenant keep it.
-- Exempt from audit: its counts change with every batch. The log has an entry when a deletion begins and one when it ends.
--! EndIncluded tenancy/tenant_removals.sql
--! Included tenancy/is_being_deleted.sql
-- Whether a tenant's deletion has begun and not ended. Definer: nobody reads the deletions. It reveals one bit about a tenant that
-- the caller names.
create or replace function app_private.is_being_deleted(tenant_id text) returns boolean
language sql stable security definer
set search_path to pg_catalog, pg_temp
as $$
  select exists (select from ops.tenant_removals r where r.id = tenant_id and r.ended_at is null)
$$;

comment on function app_private.is_being_deleted(text) is 'Whether a tenant''s deletion has begun and not ended.';
-- Triggers that refuse to delete what is under way ask it, as the role that deletes.
grant execute on function app_private.is_being_deleted(text) to :MEMBER, :SERVICE, :ADMIN, :JOBS;
--! EndIncluded tenancy/is_being_deleted.sql
--! Included tenancy/refuse_deleted_tenant.sql
-- Refuses to let a tenant in, or to give it anything, while it is being deleted.
create or replace function app_private.refuse_deleted_tenant(tenant_id text) returns void
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
begin
  if app_private.is_being_deleted(tenant_id) then
    raise exception 'tenant % is being deleted', tenant_id
      using errcode = 'LTT05', hint = 'Let the deletion end first: lightning tenant delete ' || tenant_id;
  end if;
end
$$;

comment on function app_private.refuse_deleted_tenant(text) is 'Raises LTT05 while the tenant is being deleted.';
-- No grant: the functions that manage tenants call it, as the owner.
--! EndIncluded tenancy/refuse_deleted_tenant.sql
--! Included tenancy/refuse_held_tenant.sql
-- Refuses to delete a tenant of whose data a hold keeps a part, and names the hold. A hold on the data of all tenants counts.
create or replace function app_private.refuse_held_tenant(tenant_id text) returns void
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_hold ops.retention_holds;
begin
  select h.* into v_hold
  from ops.retention_holds h
  where h.tenant_id is null or h.tenant_id = refuse_held_tenant.tenant_id
  order by h.id
  limit 1;
  if found then
    raise exception 'hold % keeps data of % of tenant %: %', v_hold.id, v_hold.policy, refuse_held_tenant.tenant_id, v_hold.reason
      using errcode = 'LTT06', hint = format('Remove the hold first: delete from ops.retention_holds where id = %s', v_hold.id);
  end if;
end
$$;

comment on function app_private.refuse_held_tenant(text) is 'Raises LTT06 while a hold keeps data of the tenant.';
-- No grant: the functions that delete a tenant call it, as the owner.
--! EndIncluded tenancy/refuse_held_tenant.sql
--! Included tenancy/schemas.sql
-- The schemas and who may look into them. A schema decides who may look, a folder of sql/ what something is about.

comment on schema app_public is E'Agent Lightning DB\nThe state of AI agents. Every table is confined to one tenant by row-level security, and this list follows the caller''s rights: without a token it is almost empty.';
comment on schema app_private is 'Helpers that decide who may see what. Not granted to any role that clients can use.';
comment on schema audit is 'Who changed what: an append-only log, written by triggers in the transaction of the change.';
comment on schema legacy is 'Views for services that were written for the legacy system, and what they keep that nobody else does.';
comment on schema ops is 'Operations across tenants: for operators and the worker.';

-- The rights on a table or function are in its own file.
revoke all on schema app_public, app_private, audit, legacy, ops from public;
grant usage on schema app_public to :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :WORKER, :SEARCH, :JOBS;
revoke usage on schema audit from :ADMIN;
grant usage on schema audit to :OPERATOR, :RECORDER;
grant usage on schema ops to :OPERATOR, :WORKER, :JOBS;
grant usage on schema legacy to :SERVICE, :JOBS;

-- app_private is not granted to any role that clients can use. Defaults and policies name its functions by identity and need
-- no usage of it. The functions that run as :SEARCH and :JOBS use names.
grant usage on schema app_private to :SEARCH, :JOBS;

-- Every process checks before it serves whether the schema fits. The API does so as an anonymous request, which calls
-- ops.applied_migrations by its full name and so needs usage of the schema.
grant usage on schema ops to :ANON;
--! EndIncluded tenancy/schemas.sql
--! Included tenancy/allow_tenant_removal.sql
-- Lets the role of jobs delete the rows of one tenant from a table with a column tenant_id: the tenant that
-- app_private.retention_tenant_id() names. What the table grants the role already stays as it is. The file of each table of tenants
-- calls it, and the deletion of a tenant does where no file did.
--
-- A row is found by its place (ctid), in a partitioned table by its key. No other column can be read.
create or replace function app_private.allow_tenant_removal(target regclass) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_command text;
  v_schema name;
  v_columns text;
begin
  foreach v_command in array array['select', 'delete'] loop
    if not exists (
      select
      from pg_policy p
      where p.polrelid = target and p.polcmd in ('*', case v_command when 'select' then 'r' else 'd' end)
        and ':JOBS'::regrole = any (p.polroles)
    ) then
      execute format(
        'create policy %1$s_jobs on %2$s for %1$s to %3$I using (tenant_id::text = (select app_private.retention_tenant_id()))',
        v_command, target, ':JOBS'
      );
    end if;
  end loop;
  select n.nspname into strict v_schema from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = target;
  if not has_schema_privilege(':JOBS', v_schema, 'usage') then
    execute format('grant usage on schema %I to %I', v_schema, ':JOBS');
  end if;
  execute format('grant delete on %s to %I', target, ':JOBS');
  if not has_table_privilege(':JOBS', target, 'select') then
    select string_agg(distinct quote_ident(k), ', ') into strict v_columns
    from pg_class c
    cross join unnest(case c.relkind when 'p' then audit.key_columns(c.oid) else '{ctid}' end || '{tenant_id}'::text[]) k
    where c.oid = target;
    execute format('grant select (%s) on %s to %I', v_columns, target, ':JOBS');
  end if;
end
$$;

comment on function app_private.allow_tenant_removal(regclass) is 'Lets the role of jobs delete the rows of one tenant from a table, the tenant that app_private.retention_tenant_id() names.';
-- No grant: only the owner calls it.
--! EndIncluded tenancy/allow_tenant_removal.sql
--! Included tenancy/tables_of_tenants.sql
-- Every table whose rows go with their tenant: those with a column tenant_id, whatever made them, partitions by their table. Of each it
-- says as which role rows are deleted, and why they cannot be. The role of jobs is confined to one tenant by policies; where the owner
-- is not filtered, or no file of the table lets the role of jobs in yet, that stands there too.
--
-- Not among them: app_public.tenants, whose row goes last; and audit.log, of which nothing is deleted.
create or replace function ops.tables_of_tenants() returns table (name text, source regclass, deletes_as text, problem text)
language sql stable
set search_path to pg_catalog, pg_temp
as $$
  select
    n.nspname || '.' || c.relname, c.oid::regclass,
    case
      when x.jobs then 'jobs'
      when x.owned and x.unfiltered or not x.owned and x.granted and not c.relrowsecurity then 'owner'
      when x.owned then 'nobody yet'
    end,
    case
      when not (x.jobs or x.owned or x.granted and not c.relrowsecurity)
      then format('%s belongs to %s, and %s may not delete its rows', c.oid::regclass, c.relowner::regrole, ':OWNER')
    end
  from pg_class c
  join pg_namespace n on n.oid = c.relnamespace
  cross join lateral (
    select
      has_table_privilege(':JOBS', c.oid, 'delete') and has_schema_privilege(':JOBS', n.oid, 'usage')
        and (c.relkind = 'p' or has_column_privilege(':JOBS', c.oid, 'ctid', 'select')) as jobs,
      pg_has_role(':OWNER', c.relowner, 'usage') as owned,
      has_table_privilege(':OWNER', c.oid, 'select') and has_table_privilege(':OWNER', c.oid, 'delete') as granted,
      not (c.relrowsecurity and c.relforcerowsecurity) or exists (
        select
        from pg_policy p
        where p.polrelid = c.oid and p.polcmd = '*' and ':OWNER'::regrole = any (p.polroles)
          and pg_get_expr(p.polqual, p.polrelid) = 'true'
      ) as unfiltered
  ) x
  where c.relkind in ('r', 'p') and not c.relispartition and c.relpersistence <> 't'
    and n.nspname not like 'pg\_%' and n.nspname <> 'information_schema'
    and exists (
      select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id' and a.attnum > 0 and not a.attisdropped
    )
    and c.oid not in ('app_public.tenants'::regclass, 'audit.log'::regclass)
  order by (n.nspname || '.' || c.relname) collate "C"
$$;

comment on function ops.tables_of_tenants() is 'The tables whose rows go with their tenant, as which role they are deleted, and why they cannot be.';
-- No grant: only the owner calls it.
--! EndIncluded tenancy/tables_of_tenants.sql
--! Included tenancy/suspended_tenants.sql
-- The suspended tenants. The API asks at its start and at each notification of `lightning:tenants`, as an anonymous request,
-- and refuses their tokens, and those of deleted tenants. Definer: nobody sees another tenant. It reveals only the ids of both.
create or replace function ops.suspended_tenants() returns setof text
language sql stable security definer
set search_path to pg_catalog, pg_temp
as $$
  select t.id from app_public.tenants t where t.suspended_at is not null
  union all
  -- A token of a tenant that was deleted may live on for a while. It would write points and events of nobody.
  select r.id
  from ops.tenant_removals r
  where not exists (select from app_public.tenants t where t.id = r.id)
$$;

comment on function ops.suspended_tenants() is 'Ids of the tenants that are suspended or were deleted.';
-- Each process of the API asks which tokens to refuse, as an anonymous request.
grant execute on function ops.suspended_tenants() to :ANON, :OPERATOR;
--! EndIncluded tenancy/suspended_tenants.sql
--! Included tenancy/create_tenant.sql
-- Makes a tenant, or returns the existing one if its name is the same. Definer: only the owner's policy on tenants may write
-- them.
create or replace function ops.create_tenant(tenant_id text, name text) returns app_public.tenants
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_tenant app_public.tenants;
begin
  perform app_private.refuse_deleted_tenant(create_tenant.tenant_id);
  insert into app_public.tenants (id, name)
  values (create_tenant.tenant_id, create_tenant.name)
  on conflict (id) do nothing
  returning * into v_tenant;
  if not found then
    select * into strict v_tenant from app_public.tenants t where t.id = create_tenant.tenant_id;
    if v_tenant.name <> create_tenant.name then
      raise exception 'tenant % already exists, under the name %', v_tenant.id, v_tenant.name
        using errcode = 'LTT01', hint = 'Choose another id.';
    end if;
  end if;
  return v_tenant;
end
$$;

comment on function ops.create_tenant(text, text) is 'Makes a tenant, or returns the one with that id and name. LTT01 when the id is taken under another name, LTT05 while the tenant is being deleted.';
grant execute on function ops.create_tenant(text, text) to :OPERATOR;
--! EndIncluded tenancy/create_tenant.sql
--! Included tenancy/set_tenant_suspended.sql
-- Suspends a tenant or lets it in again. The tokens of a suspended tenant are refused and its logins see nothing; its data
-- stays as it is. Definer, as ops.create_tenant.
create or replace function ops.set_tenant_suspended(tenant_id text, suspended boolean) returns app_public.tenants
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_tenant app_public.tenants;
begin
  if not suspended then
    perform app_private.refuse_deleted_tenant(set_tenant_suspended.tenant_id);
  end if;
  update app_public.tenants t
  set suspended_at = case when suspended then coalesce(t.suspended_at, now()) end
  where t.id = set_tenant_suspended.tenant_id
  returning * into v_tenant;
  if not found then
    raise exception 'tenant % does not exist', set_tenant_suspended.tenant_id
      using errcode = 'LTT02', hint = 'List them: select * from ops.tenants.';
  end if;
  return v_tenant;
end
$$;

comment on function ops.set_tenant_suspended(text, boolean) is 'Suspends a tenant, or lets it in again. LTT02 when it does not exist, LTT05 while it is being deleted.';
grant execute on function ops.set_tenant_suspended(text, boolean) to :OPERATOR;
--! EndIncluded tenancy/set_tenant_suspended.sql
--! Included tenancy/bind_login.sql
-- Binds a login to the tenant that it will see. Refuses a login with rights beyond one tenant, and one that belongs to another
-- tenant, whose open connections would change tenant. Definer: nobody may write the bindings.
create or replace function ops.bind_login(login name, tenant_id text) returns void
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_bound text;
begin
  if not exists (select from app_public.tenants t where t.id = bind_login.tenant_id) then
    raise exception 'tenant % does not exist', bind_login.tenant_id
      using errcode = 'LTT02', hint = 'List them: select * from ops.tenants.';
  end if;
  perform app_private.refuse_deleted_tenant(bind_login.tenant_id);
  if exists (
    select from pg_roles r
    where r.rolname = bind_login.login
      and (r.rolsuper or r.rolbypassrls or pg_has_role(r.oid, ':OWNER', 'member') or pg_has_role(r.oid, ':ANON', 'member'))
  ) then
    raise exception 'login % has rights beyond one tenant', bind_login.login
      using errcode = 'LTT03', hint = 'Create a login for this tenant: lightning login create NAME --tenant ' || bind_login.tenant_id;
  end if;
  insert into app_private.tenant_logins (login, tenant_id)
  values (bind_login.login, bind_login.tenant_id)
  on conflict on constraint tenant_logins_pkey do nothing;
  select l.tenant_id into strict v_bound from app_private.tenant_logins l where l.login = bind_login.login;
  if v_bound <> bind_login.tenant_id then
    raise exception 'login % belongs to tenant %', bind_login.login, v_bound
      using errcode = 'LTT04', hint = 'Drop it first: lightning login drop ' || bind_login.login;
  end if;
end
$$;

comment on function ops.bind_login(name, text) is 'Binds a login to the tenant that it will see. LTT02 no such tenant, LTT03 the login has rights beyond one tenant, LTT04 it belongs to another tenant, LTT05 the tenant is being deleted.';
-- No grant: only the owner calls it, when it creates or drops the login, which operators cannot do.
--! EndIncluded tenancy/bind_login.sql
--! Included audit/own_log_from.sql
-- From when on the log is a tenant's own: after the last deletion of its id. What is older is another tenant's, which is gone.
create or replace function audit.own_log_from(tenant_id text) returns timestamptz
language sql stable
set search_path to pg_catalog, pg_temp
begin atomic
  select coalesce((select r.ended_at from ops.tenant_removals r where r.id = own_log_from.tenant_id), '-infinity');
end;

comment on function audit.own_log_from(text) is 'From when on the log is the tenant''s own: after the last deletion of its id.';
-- No grant: the functions that log their reads call it.
--! EndIncluded audit/own_log_from.sql
--! Included audit/row_entries.sql
-- The entries about one row of a tenant, and the truncates that may have ended it. In the order of `id` they are in the order in
-- which they happened: a change takes its id while it holds the lock of the row.
create or replace function audit.row_entries(table_names text[], keys jsonb[], tenant_id text) returns setof audit.log
language sql stable
set search_path to pg_catalog, pg_temp
begin atomic
  select l.*
  from audit.log l
  where jsonb_hash_extended(l.key, 0) = any (array(select jsonb_hash_extended(k, 0) from unnest(row_entries.keys) k))
    and l.key = any (row_entries.keys) and l.tenant_id = row_entries.tenant_id and l.table_name = any (row_entries.table_names)
    and l.at > (select audit.own_log_from(row_entries.tenant_id))
  union all
  select l.*
  from audit.log l
  where l.tenant_id is null and l.operation = 'truncate' and l.table_name = any (row_entries.table_names);
end;

comment on function audit.row_entries(text[], jsonb[], text) is 'The entries about one row, and the truncates of its table.';
-- No grant: the functions that log their reads call it.
--! EndIncluded audit/row_entries.sql
--! Included audit/matching_entries.sql
-- The newest entries of the log that match, before a place in it. Conditions that are null are left out of the statement, so that
-- the planner sees those that are there, with their values.
--   tenant_id    whose entries; with all_tenants null is everybody's
--   before_at, before_id  the place
create or replace function audit.matching_entries(
  tenant_id text, all_tenants boolean, table_names text[], keys jsonb[], subject text, "from" timestamptz, "to" timestamptz,
  operation text, role text, request_id text, before_at timestamptz, before_id bigint, max_rows integer
) returns setof audit.log
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_variable
begin
  return query execute concat_ws(
    ' and ',
    'select l.* from audit.log l where true',
    case when not all_tenants or tenant_id is not null then 'l.tenant_id = $1' end,
    case when not all_tenants then 'l.at > (select audit.own_log_from($1))' end,
    -- A hold tells of a dispute, which may be with the tenant.
    case when not all_tenants then 'l.table_name <> ''ops.retention_holds''' end,
    case when table_names is not null then 'l.table_name = any ($2)' end,
    case when keys is not null then 'jsonb_hash_extended(l.key, 0) = any (array(select jsonb_hash_extended(k, 0) from unnest($3) k)) and l.key = any ($3)' end,
    case when subject is not null then 'l.subject = $4' end,
    case when "from" is not null then 'l.at >= $5' end,
    case when "to" is not null then 'l.at < $6' end,
    case when operation is not null then 'l.operation = $7' end,
    case when role is not null then 'l.role = any (array[$8, regexp_replace('':ADMIN'', ''admin$'', '''') || $8]::name[])' end,
    case when request_id is not null then 'l.request_id = $9' end,
    case when before_at is not null then '(l.at, l.id) < ($10, $11)' end
  ) || ' order by l.at desc, l.id desc limit $12'
  using
    tenant_id, table_names, keys, subject, "from", "to", lower(operation), role, request_id, before_at, before_id, max_rows;
end
$$;

comment on function audit.matching_entries(text, boolean, text[], jsonb[], text, timestamptz, timestamptz, text, text, text, timestamptz, bigint, integer) is 'The newest entries of the log that match, before a place in it.';
-- No grant: the functions that log their reads call it.
--! EndIncluded audit/matching_entries.sql
--! Included audit/tg_log__leave_out_values.sql
-- Leaves the values of a row out of its entry when the row goes with its tenant: who deletes a tenant does not want its data written once
-- more. The key stays, so that the log still tells of every row that it is gone. Only the owner can begin the deletion of a tenant, so
-- that nobody else gets rid of values by the setting.
create or replace function audit.tg_log__leave_out_values() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  if app_private.is_being_deleted(NEW.tenant_id) then
    NEW.old_values := null;
  end if;
  return NEW;
end
$$;

comment on function audit.tg_log__leave_out_values() is 'Trigger: leaves the values out of the entry about a row that goes with its tenant.';
--! EndIncluded audit/tg_log__leave_out_values.sql
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

-- The setting by its own name: the recorder of DDL may execute no function of app_private.
create or replace trigger _200_deleted_tenant
  before insert on audit.log
  for each row
  when (new.operation = 'delete' and new.tenant_id = current_setting('app.retention_tenant_id', true))
  execute function audit.tg_log__leave_out_values();
--! EndIncluded audit/log.sql
--! Included tenancy/begin_tenant_removal.sql
-- Begins to delete a tenant, or goes on where an earlier deletion was interrupted: suspends it, and lets the role of jobs delete its rows
-- from tables that nobody let it into. Refuses while a hold keeps some of its data, and where a table will not give its rows. The steps
-- that follow are ops.delete_tenant_rows (ops.delete_tenant_circle), again and again, and ops.end_tenant_removal.
create or replace function ops.begin_tenant_removal(tenant_id text) returns ops.tenant_removals
language plpgsql volatile
set search_path to pg_catalog, pg_temp
set lock_timeout to '2s'
as $$
declare
  v_removal ops.tenant_removals;
  v_source regclass;
  v_problem text;
begin
  perform from app_public.tenants t where t.id = begin_tenant_removal.tenant_id for no key update;
  if not found then
    raise exception 'tenant % does not exist', begin_tenant_removal.tenant_id
      using errcode = 'LTT02', hint = 'List them: select * from ops.tenants.';
  end if;
  perform app_private.refuse_held_tenant(begin_tenant_removal.tenant_id);
  select t.problem into v_problem from ops.tables_of_tenants() t where t.problem is not null order by t.name limit 1;
  if found then
    raise exception 'the rows of tenant % cannot be deleted: %', begin_tenant_removal.tenant_id, v_problem
      using errcode = 'LTT07', hint = 'Give the table to :OWNER: alter table ... owner to :OWNER. Or drop it.';
  end if;
  for v_source in select t.source from ops.tables_of_tenants() t where t.deletes_as = 'nobody yet' order by t.name loop
    perform app_private.allow_tenant_removal(v_source);
  end loop;

  perform ops.set_tenant_suspended(begin_tenant_removal.tenant_id, true);
  insert into ops.tenant_removals (id) values (begin_tenant_removal.tenant_id)
  on conflict on constraint tenant_removals_pkey do update
  set begun_at = excluded.begun_at, begun_by = excluded.begun_by, export_id = null, row_counts = '{}', ended_at = null
  where tenant_removals.ended_at is not null
  returning * into v_removal;
  if found then
    perform audit.record_event('delete tenant', begin_tenant_removal.tenant_id);
  else
    select r.* into strict v_removal from ops.tenant_removals r where r.id = begin_tenant_removal.tenant_id;
  end if;
  return v_removal;
end
$$;

comment on function ops.begin_tenant_removal(text) is 'Begins to delete a tenant, or goes on with it, and suspends it. LTT02 when it does not exist, LTT06 while a hold keeps some of its data, LTT07 where a table will not give its rows.';
-- No grant: only the owner calls it.
--! EndIncluded tenancy/begin_tenant_removal.sql
--! Included tenancy/count_removed_rows.sql
-- Adds to the rows that were deleted of a tenant, by table.
create or replace function app_private.count_removed_rows(tenant_id text, table_name text, row_count bigint) returns void
language sql volatile
set search_path to pg_catalog, pg_temp
begin atomic
  update ops.tenant_removals r
  set row_counts = r.row_counts || jsonb_build_object(
    count_removed_rows.table_name,
    coalesce((r.row_counts ->> count_removed_rows.table_name)::bigint, 0) + count_removed_rows.row_count
  )
  where r.id = count_removed_rows.tenant_id;
end;

comment on function app_private.count_removed_rows(text, text, bigint) is 'Adds to the rows that were deleted of a tenant, by table.';
-- No grant: the functions that delete a tenant call it, as the owner.
--! EndIncluded tenancy/count_removed_rows.sql
--! Included tenancy/delete_tenant_rows.sql
-- Deletes up to `how_many` rows of a tenant that is being deleted from one table, and counts them. Returns how many. It locks these rows
-- and no other tenant's, and waits two seconds for them at most. A partitioned table without a key gives all of its rows at once.
--
-- Not a definer: the owner calls it, and it becomes the role of jobs, whose policies confine it to the tenant. An entry of the log about
-- a row that goes with its tenant has the key and not the values (audit.tg_log__leave_out_values).
create or replace function ops.delete_tenant_rows(tenant_id text, source regclass, how_many integer) returns bigint
language plpgsql volatile
set search_path to pg_catalog, pg_temp
set lock_timeout to '2s'
as $$
declare
  v_table record;
  v_owner name := current_user;
  v_of_tenant text;
  v_key text[];
  v_statement text;
  v_count bigint;
begin
  perform app_private.refuse_bounds('how_many', how_many between 1 and 10000, 'between 1 and 10,000');
  perform app_private.refuse_bounds(
    'tenant_id', app_private.is_being_deleted(delete_tenant_rows.tenant_id), 'a tenant whose deletion has begun'
  );
  perform app_private.refuse_held_tenant(delete_tenant_rows.tenant_id);
  select t.*, c.relkind into v_table
  from ops.tables_of_tenants() t
  join pg_class c on c.oid = t.source
  where t.source = delete_tenant_rows.source and t.deletes_as in ('jobs', 'owner');
  perform app_private.refuse_bounds('source', found, 'a table whose rows go with their tenant');

  -- As a text where it is another type; then no index helps.
  select case when a.atttypid in ('text'::regtype, 'varchar'::regtype) then 't.tenant_id = $1' else 't.tenant_id::text = $1' end
  into strict v_of_tenant
  from pg_attribute a where a.attrelid = source and a.attname = 'tenant_id';
  v_key := audit.key_columns(source);
  v_statement := case
    when v_table.relkind = 'p' and v_key = '{}' then format('delete from %s t where %s', source, v_of_tenant)
    when v_table.relkind = 'p' then format(
      'delete from %1$s d using (select %2$s from %1$s t where %3$s limit $2) t where %4$s',
      source, (select string_agg(format('t.%I', k), ', ') from unnest(v_key) k), v_of_tenant,
      (select string_agg(format('d.%1$I = t.%1$I', k), ' and ') from unnest(v_key) k)
    )
    else format(
      'delete from %1$s d where d.ctid = any (array(select t.ctid from %1$s t where %2$s limit $2))', source, v_of_tenant
    )
  end;

  perform set_config('app.retention_tenant_id', delete_tenant_rows.tenant_id, true);
  if v_table.deletes_as = 'jobs' then
    perform set_config('role', ':JOBS', true);
  end if;
  execute v_statement using delete_tenant_rows.tenant_id, how_many;
  get diagnostics v_count = row_count;
  perform set_config('role', v_owner, true);
  -- What constraints and triggers have put off is done under the setting, too.
  set constraints all immediate;
  perform set_config('app.retention_tenant_id', '', true);

  if v_count > 0 then
    perform app_private.count_removed_rows(delete_tenant_rows.tenant_id, v_table.name, v_count);
  end if;
  return v_count;
end
$$;

comment on function ops.delete_tenant_rows(text, regclass, integer) is 'Deletes up to `how_many` rows of a tenant that is being deleted from one table, and counts them. Returns how many. LTT06 while a hold keeps some of its data, LTP06 an argument.';
-- No grant: only the owner calls it.
--! EndIncluded tenancy/delete_tenant_rows.sql
--! Included tenancy/delete_tenant_circle.sql
-- Deletes all rows of a tenant that is being deleted from tables whose rows refer to each other in a circle, or from one whose rows refer
-- to others of it: in one statement, at whose end the foreign keys are checked. Returns how many. As ops.delete_tenant_rows else.
create or replace function ops.delete_tenant_circle(tenant_id text, sources regclass[]) returns bigint
language plpgsql volatile
set search_path to pg_catalog, pg_temp
set lock_timeout to '2s'
as $$
declare
  v_owner name := current_user;
  v_roles text[];
  v_deletes text;
  v_counts jsonb;
begin
  perform app_private.refuse_bounds(
    'tenant_id', app_private.is_being_deleted(delete_tenant_circle.tenant_id), 'a tenant whose deletion has begun'
  );
  perform app_private.refuse_held_tenant(delete_tenant_circle.tenant_id);
  select
    array_agg(distinct t.deletes_as),
    string_agg(format('d%s as (delete from %s t where t.tenant_id::text = $1 returning %L as name)', t.n, t.source, t.name), ', ')
      || ' select jsonb_object_agg(c.name, c.count) from (select r.name, count(*) from ('
      || string_agg(format('select d.name from d%s d', t.n), ' union all ') || ') r group by 1) c'
  into v_roles, v_deletes
  from (
    select t.*, row_number() over () as n
    from ops.tables_of_tenants() t
    where t.source = any (delete_tenant_circle.sources) and t.deletes_as in ('jobs', 'owner')
  ) t
  having count(*) = cardinality(delete_tenant_circle.sources);
  perform app_private.refuse_bounds('sources', v_roles is not null, 'tables whose rows go with their tenant');

  perform set_config('app.retention_tenant_id', delete_tenant_circle.tenant_id, true);
  if 'jobs' = any (v_roles) then
    perform set_config('role', ':JOBS', true);
  end if;
  set constraints all deferred;
  execute 'with ' || v_deletes into v_counts using delete_tenant_circle.tenant_id;
  set constraints all immediate;
  perform set_config('role', v_owner, true);
  perform set_config('app.retention_tenant_id', '', true);

  perform app_private.count_removed_rows(delete_tenant_circle.tenant_id, c.key, c.value::bigint) from jsonb_each_text(v_counts) c;
  return coalesce((select sum(c.value::bigint) from jsonb_each_text(v_counts) c), 0);
end
$$;

comment on function ops.delete_tenant_circle(text, regclass[]) is 'Deletes all rows of a tenant that is being deleted from tables whose rows refer to each other, in one statement. Returns how many. LTT06 while a hold keeps some of its data, LTP06 an argument.';
-- No grant: only the owner calls it.
--! EndIncluded tenancy/delete_tenant_circle.sql
--! Included tenancy/end_tenant_removal.sql
-- Ends the deletion of a tenant, unless a table still has rows of it: then it returns their names and changes nothing. The row of the
-- tenant goes, with what only operators keep about it, and an entry of the log says who deleted how many rows of which tables.
create or replace function ops.end_tenant_removal(tenant_id text) returns text[]
language plpgsql volatile
set search_path to pg_catalog, pg_temp
set lock_timeout to '2s'
as $$
declare
  v_owner name := current_user;
  v_table record;
  v_found boolean;
  v_left text[] := '{}';
  v_removal ops.tenant_removals;
begin
  perform app_private.refuse_bounds(
    'tenant_id', app_private.is_being_deleted(end_tenant_removal.tenant_id), 'a tenant whose deletion has begun'
  );
  perform app_private.refuse_held_tenant(end_tenant_removal.tenant_id);
  perform set_config('app.retention_tenant_id', end_tenant_removal.tenant_id, true);
  for v_table in select t.* from ops.tables_of_tenants() t loop
    if v_table.deletes_as is distinct from 'owner' then
      perform set_config('role', ':JOBS', true);
    end if;
    execute format('select exists (select from %s t where t.tenant_id::text = $1)', v_table.source)
    into v_found using end_tenant_removal.tenant_id;
    perform set_config('role', v_owner, true);
    if v_found then
      v_left := v_left || v_table.name;
    end if;
  end loop;
  perform set_config('app.retention_tenant_id', '', true);
  if v_left <> '{}' then
    return v_left;
  end if;

  delete from app_public.tenants t where t.id = end_tenant_removal.tenant_id;
  delete from ops.refused_callers c
  where c.caller = 'tenant ' || end_tenant_removal.tenant_id or starts_with(c.caller, 'tenant ' || end_tenant_removal.tenant_id || ', ');
  update ops.tenant_removals r
  set ended_at = clock_timestamp()
  where r.id = end_tenant_removal.tenant_id
  returning * into strict v_removal;
  perform audit.record_event(
    'tenant deleted', v_removal.id, null,
    jsonb_build_object(
      'rows', v_removal.row_counts, 'begun_at', v_removal.begun_at, 'begun_by', v_removal.begun_by, 'export_id', v_removal.export_id
    )
  );
  return v_left;
end
$$;

comment on function ops.end_tenant_removal(text) is 'Ends the deletion of a tenant and returns nothing, or returns the tables that still have rows of it. LTT06 while a hold keeps some of its data, LTP06 when its deletion has not begun.';
-- No grant: only the owner calls it.
--! EndIncluded tenancy/end_tenant_removal.sql
--! Included workflows/tg_workflows__check_delete.sql
-- Refuses to delete a workflow that is under way: its tasks still need it, unless they go with their tenant, too.
create or replace function app_private.tg_workflows__check_delete() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  if app_private.is_being_deleted(OLD.tenant_id) then
    return OLD;
  end if;
  raise exception 'workflow % is % and cannot be deleted now', OLD.id, OLD.status
    using errcode = 'LTW07', hint = 'Cancel it first: cancel_workflow.';
end
$$;

comment on function app_private.tg_workflows__check_delete() is 'Trigger: refuses to delete a workflow that is under way, with LTW07.';
--! EndIncluded workflows/tg_workflows__check_delete.sql

-- The functions that delete a tenant may delete its rows, in each of these tables (a policy takes an exclusive lock for an instant).
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

-- A deletion of the tenant removes its rows (ops.delete_tenant_rows).
select app_private.allow_tenant_removal('app_public.agents');

select audit.enable_tracking('app_public.agents');
--! EndIncluded agents/agents.sql
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

-- A deletion of the tenant removes its rows (ops.delete_tenant_rows).
select app_private.allow_tenant_removal('app_public.tasks');

select audit.enable_tracking('app_public.tasks');
--! EndIncluded tasks/tasks.sql
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

-- A deletion of the tenant removes its rows (ops.delete_tenant_rows).
select app_private.allow_tenant_removal('app_public.task_leases');
--! EndIncluded tasks/task_leases.sql
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
-- A deletion of the tenant removes its rows (ops.delete_tenant_rows).
select app_private.allow_tenant_removal('app_public.task_attempts');

select audit.enable_tracking('app_public.task_attempts', detail => false);
--! EndIncluded tasks/task_attempts.sql
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

-- A deletion of the tenant removes its rows (ops.delete_tenant_rows).
select app_private.allow_tenant_removal('app_public.workflows');

select audit.enable_tracking('app_public.workflows');
--! EndIncluded workflows/workflows.sql
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

-- A deletion of the tenant removes its rows (ops.delete_tenant_rows).
select app_private.allow_tenant_removal('app_public.workflow_steps');

select audit.enable_tracking('app_public.workflow_steps');
--! EndIncluded workflows/workflow_steps.sql
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
-- A deletion of the tenant removes its rows (ops.delete_tenant_rows).
select app_private.allow_tenant_removal('app_public.knowledge');

select audit.enable_tracking('app_public.knowledge', digested => '{embedding}', counter => ':SEARCH');
--! EndIncluded knowledge/knowledge.sql
--! Included conversations/threads.sql
comment on table app_public.threads is E'@unique id|@fieldName thread|@updateFieldName updateThread|@deleteFieldName deleteThread\nA conversation: messages in order. Deleting it deletes its messages.';
comment on column app_public.threads.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.threads.id is 'The thread''s id; random if not given.';
comment on column app_public.threads.title is 'The title to show.';
comment on column app_public.threads.agent_id is 'The agent whose conversation it is; null: none''s, or the agent was removed.';
comment on column app_public.threads.task_id is 'The task that it is about; null: none, or the task was deleted.';
comment on column app_public.threads.metadata is 'Anything else about it.';
comment on column app_public.threads.version is 'The number of its last message, and so how many it has: 0 at first. append_messages counts.';
comment on column app_public.threads.last_message_at is 'When its last message came; before the first one, when the thread was made. append_messages sets it.';
comment on column app_public.threads.created_at is 'When the thread was made.';

comment on constraint threads_pkey on app_public.threads is E'@behavior -single -update -delete\nThe tenant and the id identify a row.';
comment on constraint threads_tenant_id_fkey on app_public.threads is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint threads_agent_id_fkey on app_public.threads is E'@fieldName agent\n@foreignFieldName threads\nThe agent whose conversation it is.';
comment on constraint threads_task_id_fkey on app_public.threads is E'@fieldName task\n@foreignFieldName threads\nThe task that it is about.';

alter table app_public.threads enable row level security, force row level security;

-- Everybody of a tenant reads all of its threads.
drop policy if exists select_tenant on app_public.threads;
create policy select_tenant on app_public.threads for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- People, services and administrators begin threads in their own tenant.
drop policy if exists insert_tenant on app_public.threads;
create policy insert_tenant on app_public.threads for insert to :MEMBER, :SERVICE, :ADMIN
  with check (tenant_id = (select app_private.current_tenant_id()));

-- They change what is said about their tenant's threads, and cannot move one out of it.
drop policy if exists update_tenant on app_public.threads;
create policy update_tenant on app_public.threads for update to :MEMBER, :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));

-- They delete their tenant's threads, each with all of its messages.
drop policy if exists delete_tenant on app_public.threads;
create policy delete_tenant on app_public.threads for delete to :MEMBER, :SERVICE, :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()));

-- app_public.append_messages runs as the owner, confined to the tenant of whoever calls it. It locks the thread, and counts.
drop policy if exists select_definer on app_public.threads;
create policy select_definer on app_public.threads for select to :OWNER
  using (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists update_definer on app_public.threads;
create policy update_definer on app_public.threads for update to :OWNER
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));

-- ops.expire_tenant_rows removes expired rows of one tenant at a time: the tenant that it names.
drop policy if exists select_jobs on app_public.threads;
create policy select_jobs on app_public.threads for select to :JOBS
  using (tenant_id = (select app_private.retention_tenant_id()));
drop policy if exists delete_jobs on app_public.threads;
create policy delete_jobs on app_public.threads for delete to :JOBS
  using (tenant_id = (select app_private.retention_tenant_id()));

revoke all on app_public.threads from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on app_public.threads to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
grant insert (tenant_id, id, title, agent_id, task_id, metadata) on app_public.threads to :MEMBER, :SERVICE, :ADMIN;
-- Only programs import rows with their history.
grant insert (created_at) on app_public.threads to :SERVICE, :ADMIN;
-- No insert and no update of version and last_message_at for anybody: append_messages counts. No update of tenant_id, id or
-- created_at: keys and creation times do not change.
grant update (title, agent_id, task_id, metadata) on app_public.threads to :MEMBER, :SERVICE, :ADMIN;
grant delete on app_public.threads to :MEMBER, :SERVICE, :ADMIN;
-- No truncate for anybody: it ignores tenants.
-- For ops.expire_tenant_rows.
grant select (tenant_id, id, version, last_message_at), delete on app_public.threads to :JOBS;

create or replace trigger _200_keys
  before update of tenant_id, id on app_public.threads
  for each row
  when (old.tenant_id is distinct from new.tenant_id or old.id is distinct from new.id)
  execute function app_private.tg__refuse_key_change();

create or replace trigger _200_long_numbers
  before insert or update of metadata on app_public.threads
  for each row
  when (app_private.may_print_long(new.metadata))
  execute function app_private.tg__refuse_long_numbers('metadata');

-- One trigger per event: a trigger with transition tables can have only one.
create or replace trigger _500_publish_insert
  after insert on app_public.threads
  referencing new table as changed_rows
  for each statement
  execute function app_private.tg__publish();

create or replace trigger _500_publish_update
  after update on app_public.threads
  referencing new table as changed_rows
  for each statement
  execute function app_private.tg__publish();

create or replace trigger _500_publish_delete
  after delete on app_public.threads
  referencing old table as changed_rows
  for each statement
  execute function app_private.tg__publish();

-- An append is in the log as the messages that it added. What it counts follows from them.
-- A deletion of the tenant removes its rows (ops.delete_tenant_rows).
select app_private.allow_tenant_removal('app_public.threads');

select audit.enable_tracking('app_public.threads', omitted => '{version,last_message_at}');
--! EndIncluded conversations/threads.sql
--! Included conversations/messages.sql
comment on table app_public.messages is E'@unique id|@fieldName message\nWhat was said in a thread. append_messages adds messages; nobody changes one, and they go with their thread.';
comment on column app_public.messages.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.messages.id is 'The message''s id; random if not given.';
comment on column app_public.messages.thread_id is 'The thread that it is in.';
comment on column app_public.messages.number is 'Its place in the thread: from 1, without a gap.';
comment on column app_public.messages.role is 'Who speaks: one of system, developer, user, assistant, tool; null: an imported message that does not say.';
comment on column app_public.messages.name is 'Who speaks, where several of a role do: a person, an agent, a tool.';
comment on column app_public.messages.content is 'The text; null: it only calls tools.';
comment on column app_public.messages.tool_calls is 'The calls of tools that it asks for: an array of objects, in whatever form the model gives them.';
comment on column app_public.messages.tool_call_id is 'The call of a tool that it answers.';
comment on column app_public.messages.input_tokens is 'How many tokens the model read to make it; null: not known.';
comment on column app_public.messages.output_tokens is 'How many tokens it has as the model counts; null: not known.';
comment on column app_public.messages.metadata is 'Anything else about it: the model, why it ended, parts that are not text.';
comment on column app_public.messages.idempotency_key is 'The key of the call that added it. That call again with the same key adds nothing.';
comment on column app_public.messages.created_at is 'When it was added, or said, where it was imported.';

comment on constraint messages_pkey on app_public.messages is E'@behavior -single -update -delete\nThe tenant and the id identify a row.';
comment on constraint messages_tenant_id_fkey on app_public.messages is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint messages_thread_id_fkey on app_public.messages is E'@fieldName thread\n@foreignFieldName messages\nThe thread that it is in.';
comment on constraint messages_thread_id_number_key on app_public.messages is E'@behavior -single -update -delete\nA number stands once in a thread.';

alter table app_public.messages enable row level security, force row level security;

-- Everybody of a tenant reads all of its messages.
drop policy if exists select_tenant on app_public.messages;
create policy select_tenant on app_public.messages for select to :MEMBER, :SERVICE, :ADMIN, :ANALYST
  using (tenant_id = (select app_private.current_tenant_id()));

-- app_public.append_messages runs as the owner, confined to the tenant of whoever calls it.
drop policy if exists select_definer on app_public.messages;
create policy select_definer on app_public.messages for select to :OWNER
  using (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists insert_definer on app_public.messages;
create policy insert_definer on app_public.messages for insert to :OWNER
  with check (tenant_id = (select app_private.current_tenant_id()));

revoke all on app_public.messages from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on app_public.messages to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
-- No insert for anybody: append_messages numbers them. No update: what was said stays as it was said. No delete: they go with their
-- thread, so that numbers have no gap.

create or replace trigger _200_long_numbers_tool_calls
  before insert or update of tool_calls on app_public.messages
  for each row
  when (app_private.may_print_long(new.tool_calls))
  execute function app_private.tg__refuse_long_numbers('tool_calls');

create or replace trigger _200_long_numbers_metadata
  before insert or update of metadata on app_public.messages
  for each row
  when (app_private.may_print_long(new.metadata))
  execute function app_private.tg__refuse_long_numbers('metadata');

-- One trigger per event: a trigger with transition tables can have only one. Nobody updates messages.
create or replace trigger _500_publish_insert
  after insert on app_public.messages
  referencing new table as changed_rows
  for each statement
  execute function app_private.tg__publish();

create or replace trigger _500_publish_delete
  after delete on app_public.messages
  referencing old table as changed_rows
  for each statement
  execute function app_private.tg__publish();

-- A deletion of the tenant removes its rows (ops.delete_tenant_rows).
select app_private.allow_tenant_removal('app_public.messages');

select audit.enable_tracking('app_public.messages');
--! EndIncluded conversations/messages.sql
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

-- A deletion of the tenant removes its rows (ops.delete_tenant_rows).
select app_private.allow_tenant_removal('app_public.sessions');

select audit.enable_tracking('app_public.sessions', digested => '{token}');
--! EndIncluded sessions/sessions.sql
--! Included legacy/agent_fields.sql
comment on table legacy.agent_fields is 'What the legacy system keeps of an agent and app_public.agents does not: one row beside it.';
comment on column legacy.agent_fields.tenant_id is 'The tenant. By default the caller''s.';
comment on column legacy.agent_fields.agent_id is 'The agent.';
comment on column legacy.agent_fields.status is 'Its state in the words of the legacy system; it counts while the agent has the state that it stands for.';
comment on column legacy.agent_fields.capabilities is 'What it can, as the legacy system lists it.';
comment on column legacy.agent_fields.config_encrypted is 'Ciphertext, which nobody here can read.';
comment on column legacy.agent_fields.capabilities_encrypted is 'Ciphertext, which nobody here can read.';

alter table legacy.agent_fields enable row level security, force row level security;

-- Services that were written for the legacy system, in their own tenant.
drop policy if exists select_service on legacy.agent_fields;
create policy select_service on legacy.agent_fields for select to :SERVICE
  using (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists insert_service on legacy.agent_fields;
create policy insert_service on legacy.agent_fields for insert to :SERVICE
  with check (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists update_service on legacy.agent_fields;
create policy update_service on legacy.agent_fields for update to :SERVICE
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists delete_service on legacy.agent_fields;
create policy delete_service on legacy.agent_fields for delete to :SERVICE
  using (tenant_id = (select app_private.current_tenant_id()));

revoke all on legacy.agent_fields from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select, delete on legacy.agent_fields to :SERVICE;
grant insert (tenant_id, agent_id, status, capabilities, config_encrypted,
  capabilities_encrypted) on legacy.agent_fields to :SERVICE;
grant update (status, capabilities, config_encrypted, capabilities_encrypted) on legacy.agent_fields to :SERVICE;
-- No truncate for anybody: it ignores tenants.

create or replace trigger _200_keys
  before update of tenant_id, agent_id on legacy.agent_fields
  for each row
  when (old.tenant_id is distinct from new.tenant_id or old.agent_id is distinct from new.agent_id)
  execute function app_private.tg__refuse_key_change();

create or replace trigger _200_long_numbers
  before insert or update of capabilities on legacy.agent_fields
  for each row
  when (app_private.may_print_long(new.capabilities))
  execute function app_private.tg__refuse_long_numbers('capabilities');

-- A deletion of the tenant removes its rows (ops.delete_tenant_rows).
select app_private.allow_tenant_removal('legacy.agent_fields');

select audit.enable_tracking('legacy.agent_fields');
--! EndIncluded legacy/agent_fields.sql
--! Included legacy/task_fields.sql
comment on table legacy.task_fields is 'What the legacy system keeps of a task and app_public.tasks does not: one row beside it.';
comment on column legacy.task_fields.tenant_id is 'The tenant. By default the caller''s.';
comment on column legacy.task_fields.task_id is 'The task.';
comment on column legacy.task_fields.id is 'The id that the legacy system gave it, where that is not a UUID.';
comment on column legacy.task_fields.status is 'Its state in the words of the legacy system; it counts while the task has the state that it stands for.';

alter table legacy.task_fields enable row level security, force row level security;

-- Services that were written for the legacy system, in their own tenant.
drop policy if exists select_service on legacy.task_fields;
create policy select_service on legacy.task_fields for select to :SERVICE
  using (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists insert_service on legacy.task_fields;
create policy insert_service on legacy.task_fields for insert to :SERVICE
  with check (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists update_service on legacy.task_fields;
create policy update_service on legacy.task_fields for update to :SERVICE
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists delete_service on legacy.task_fields;
create policy delete_service on legacy.task_fields for delete to :SERVICE
  using (tenant_id = (select app_private.current_tenant_id()));

revoke all on legacy.task_fields from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select, delete on legacy.task_fields to :SERVICE;
grant insert (tenant_id, task_id, id, status) on legacy.task_fields to :SERVICE;
grant update (status) on legacy.task_fields to :SERVICE;
-- No truncate for anybody: it ignores tenants.

create or replace trigger _200_keys
  before update of tenant_id, task_id on legacy.task_fields
  for each row
  when (old.tenant_id is distinct from new.tenant_id or old.task_id is distinct from new.task_id)
  execute function app_private.tg__refuse_key_change();

-- A deletion of the tenant removes its rows (ops.delete_tenant_rows).
select app_private.allow_tenant_removal('legacy.task_fields');

select audit.enable_tracking('legacy.task_fields');
--! EndIncluded legacy/task_fields.sql
--! Included legacy/turns.sql
comment on table legacy.turns is 'A question and its answer as one row, as the legacy system keeps conversations. The texts are two messages of a thread.';
comment on column legacy.turns.tenant_id is 'The tenant. By default the caller''s.';
comment on column legacy.turns.id is 'The id of the turn.';
comment on column legacy.turns.thread_id is 'The thread that holds both texts.';
comment on column legacy.turns.number is 'The number of the question; the answer is the next message.';
comment on column legacy.turns.task_id is 'The task, by whatever id the legacy system knew it.';
comment on column legacy.turns.context is 'What the agent was given beside the question.';
comment on column legacy.turns.knowledge_metadata is 'What it was told of the knowledge that it used.';
comment on column legacy.turns.success is 'Whether it succeeded.';
comment on column legacy.turns.knowledge_used is 'How many items of knowledge it used.';
comment on column legacy.turns.rl_enhanced is 'Whether reinforcement learning had a part in it.';
comment on column legacy.turns.user_query_encrypted is 'Ciphertext, which nobody here can read.';
comment on column legacy.turns.agent_response_encrypted is 'Ciphertext, which nobody here can read.';

alter table legacy.turns enable row level security, force row level security;

-- Services that were written for the legacy system, in their own tenant.
drop policy if exists select_service on legacy.turns;
create policy select_service on legacy.turns for select to :SERVICE
  using (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists insert_service on legacy.turns;
create policy insert_service on legacy.turns for insert to :SERVICE
  with check (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists update_service on legacy.turns;
create policy update_service on legacy.turns for update to :SERVICE
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists delete_service on legacy.turns;
create policy delete_service on legacy.turns for delete to :SERVICE
  using (tenant_id = (select app_private.current_tenant_id()));

revoke all on legacy.turns from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select, delete on legacy.turns to :SERVICE;
grant insert (tenant_id, id, thread_id, number, task_id, context, knowledge_metadata, success, knowledge_used, rl_enhanced,
  user_query_encrypted, agent_response_encrypted) on legacy.turns to :SERVICE;
grant update (context, knowledge_metadata, success, knowledge_used, rl_enhanced, user_query_encrypted,
  agent_response_encrypted) on legacy.turns to :SERVICE;
-- No truncate for anybody: it ignores tenants.

create or replace trigger _200_keys
  before update of tenant_id, id on legacy.turns
  for each row
  when (old.tenant_id is distinct from new.tenant_id or old.id is distinct from new.id)
  execute function app_private.tg__refuse_key_change();

create or replace trigger _200_long_numbers_context
  before insert or update of context on legacy.turns
  for each row
  when (app_private.may_print_long(new.context))
  execute function app_private.tg__refuse_long_numbers('context');

create or replace trigger _200_long_numbers_knowledge_metadata
  before insert or update of knowledge_metadata on legacy.turns
  for each row
  when (app_private.may_print_long(new.knowledge_metadata))
  execute function app_private.tg__refuse_long_numbers('knowledge_metadata');

-- A deletion of the tenant removes its rows (ops.delete_tenant_rows).
select app_private.allow_tenant_removal('legacy.turns');

select audit.enable_tracking('legacy.turns');
--! EndIncluded legacy/turns.sql
--! Included legacy/users.sql
comment on table legacy.users is 'Users as the legacy system keeps them. They are nothing to this database: nobody signs in with them here.';
comment on column legacy.users.tenant_id is 'The tenant. By default the caller''s.';
comment on column legacy.users.id is 'The id of the user.';
comment on column legacy.users.username is 'The name to sign in with.';
comment on column legacy.users.email is 'The address.';
comment on column legacy.users.password_hash is 'A digest that the services made.';
comment on column legacy.users.role is 'A word of the services.';
comment on column legacy.users.is_active is 'Whether the services let the user in.';
comment on column legacy.users.created_at is 'When the user was made.';
comment on column legacy.users.updated_at is 'When the row last changed; set by a trigger.';
comment on column legacy.users.email_encrypted is 'Ciphertext, which nobody here can read.';
comment on column legacy.users.password_hash_encrypted is 'Ciphertext, which nobody here can read.';

alter table legacy.users enable row level security, force row level security;

-- Services that were written for the legacy system, in their own tenant.
drop policy if exists select_service on legacy.users;
create policy select_service on legacy.users for select to :SERVICE
  using (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists insert_service on legacy.users;
create policy insert_service on legacy.users for insert to :SERVICE
  with check (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists update_service on legacy.users;
create policy update_service on legacy.users for update to :SERVICE
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists delete_service on legacy.users;
create policy delete_service on legacy.users for delete to :SERVICE
  using (tenant_id = (select app_private.current_tenant_id()));

revoke all on legacy.users from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select, delete on legacy.users to :SERVICE;
grant insert (tenant_id, id, username, email, password_hash, role, is_active, created_at, updated_at, email_encrypted,
  password_hash_encrypted) on legacy.users to :SERVICE;
grant update (username, email, password_hash, role, is_active, updated_at, email_encrypted,
  password_hash_encrypted) on legacy.users to :SERVICE;
-- No truncate for anybody: it ignores tenants.

create or replace trigger _100_timestamps
  before update on legacy.users
  for each row
  execute function app_private.tg__touch_updated_at();

create or replace trigger _200_keys
  before update of tenant_id, id on legacy.users
  for each row
  when (old.tenant_id is distinct from new.tenant_id or old.id is distinct from new.id)
  execute function app_private.tg__refuse_key_change();

-- A deletion of the tenant removes its rows (ops.delete_tenant_rows).
select app_private.allow_tenant_removal('legacy.users');

select audit.enable_tracking('legacy.users', digested => '{password_hash}');
--! EndIncluded legacy/users.sql
--! Included legacy/workflow_fields.sql
comment on table legacy.workflow_fields is 'What the legacy system keeps of a workflow and app_public.workflows does not: one row beside it.';
comment on column legacy.workflow_fields.tenant_id is 'The tenant. By default the caller''s.';
comment on column legacy.workflow_fields.workflow_id is 'The workflow.';
comment on column legacy.workflow_fields.id is 'The id that the legacy system gave it, where that is not a UUID.';
comment on column legacy.workflow_fields.status is 'Its state in the words of the legacy system; it counts while the workflow has the state that it stands for.';
comment on column legacy.workflow_fields.steps is 'Its steps in the shape of the legacy system; they count while the workflow has the steps that they stand for.';
comment on column legacy.workflow_fields.steps_encrypted is 'Ciphertext, which nobody here can read.';
comment on column legacy.workflow_fields.context_encrypted is 'Ciphertext, which nobody here can read.';

alter table legacy.workflow_fields enable row level security, force row level security;

-- Services that were written for the legacy system, in their own tenant.
drop policy if exists select_service on legacy.workflow_fields;
create policy select_service on legacy.workflow_fields for select to :SERVICE
  using (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists insert_service on legacy.workflow_fields;
create policy insert_service on legacy.workflow_fields for insert to :SERVICE
  with check (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists update_service on legacy.workflow_fields;
create policy update_service on legacy.workflow_fields for update to :SERVICE
  using (tenant_id = (select app_private.current_tenant_id()))
  with check (tenant_id = (select app_private.current_tenant_id()));
drop policy if exists delete_service on legacy.workflow_fields;
create policy delete_service on legacy.workflow_fields for delete to :SERVICE
  using (tenant_id = (select app_private.current_tenant_id()));

revoke all on legacy.workflow_fields from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select, delete on legacy.workflow_fields to :SERVICE;
grant insert (tenant_id, workflow_id, id, status, steps, steps_encrypted,
  context_encrypted) on legacy.workflow_fields to :SERVICE;
grant update (status, steps, steps_encrypted, context_encrypted) on legacy.workflow_fields to :SERVICE;
-- No truncate for anybody: it ignores tenants.

create or replace trigger _200_keys
  before update of tenant_id, workflow_id on legacy.workflow_fields
  for each row
  when (old.tenant_id is distinct from new.tenant_id or old.workflow_id is distinct from new.workflow_id)
  execute function app_private.tg__refuse_key_change();

create or replace trigger _200_long_numbers
  before insert or update of steps on legacy.workflow_fields
  for each row
  when (app_private.may_print_long(new.steps))
  execute function app_private.tg__refuse_long_numbers('steps');

-- A deletion of the tenant removes its rows (ops.delete_tenant_rows).
select app_private.allow_tenant_removal('legacy.workflow_fields');

select audit.enable_tracking('legacy.workflow_fields');
--! EndIncluded legacy/workflow_fields.sql
