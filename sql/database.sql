-- Everything that a database needs from an administrator before the first migration: the extension, and the rights to connect
-- and create. `lightning setup` runs this file in the new database after roles.sql; graphile-migrate runs it after each reset
-- of a shadow database. It can be run again.

-- The audit log records DDL (at the end of this file), and not what this file does again: it runs at each setup, and at each start
-- of an embedded database.
do $$
begin
  drop event trigger if exists _800_record_ddl;
  drop event trigger if exists _800_record_drop;
exception
  when insufficient_privilege then
    -- Said at the end.
    null;
end
$$;

create extension if not exists vector with schema public;

-- Lets every client find the tables by their bare names.
alter database ":DATABASE_NAME" set search_path to app_public, public;

-- Statements here should take milliseconds, and compiling one takes some hundred. The planner would compile wherever a plan
-- looks expensive: where a function steers it (enable_sort), or where it mistakes a handful of rows for thousands. Analysts
-- may switch it on.
alter database ":DATABASE_NAME" set jit to off;

revoke all on database ":DATABASE_NAME" from public;
-- The migrations' schemas. Nobody else makes any: in a schema of its own a stolen login would keep what it likes.
grant create on database ":DATABASE_NAME" to :OWNER;
revoke create on database ":DATABASE_NAME" from :WORKER;
grant connect on database ":DATABASE_NAME" to :OWNER, :ANALYST, :SERVICE, :OPERATOR, :WORKER;

-- graphile-worker's schema belongs to the worker, and so does all in it: nobody with more rights may run or read anything there.
-- graphile-worker would make both itself, and would need the right to make schemas for it.
do $$
begin
  if to_regnamespace('graphile_worker') is null then
    create schema graphile_worker;
    create table graphile_worker.migrations (
      id integer primary key,
      ts timestamptz not null default now(),
      breaking boolean not null default false
    );
    alter table graphile_worker.migrations owner to :WORKER;
    alter schema graphile_worker owner to :WORKER;
  end if;
  -- Earlier versions let the owner read the queue.
  if has_schema_privilege(':OWNER', 'graphile_worker', 'usage') then
    revoke all on schema graphile_worker from :OWNER;
  end if;
end
$$;

-- Every process that serves this database keeps a snapshot of its catalog; this tells it that the snapshot is out of date. Only
-- a superuser can make event triggers. With and without this one, the processes look by themselves every few seconds.
create or replace function public.tg__notify_catalog_change() returns event_trigger
  language plpgsql
  set search_path = ''
as $$
begin
  -- Ignores commands that change no name, type or right, and objects that only one session sees.
  if TG_TAG in ('CREATE INDEX', 'DROP INDEX', 'ALTER INDEX', 'REINDEX', 'CREATE STATISTICS', 'REFRESH MATERIALIZED VIEW') then
    return;
  end if;
  if not exists (select from pg_event_trigger_ddl_commands() c)
    or exists (select from pg_event_trigger_ddl_commands() c where c.schema_name is distinct from 'pg_temp')
  then
    -- The statement, because analysts may not execute pg_notify. Without it where a login has filled the queue of notifications,
    -- which would fail this command: the processes look by themselves as well.
    if pg_notification_queue_usage() < 0.1 then
      notify pgrst, 'reload schema';
    end if;
  end if;
end
$$;
comment on function public.tg__notify_catalog_change() is 'Tells the processes that serve this database to read its catalog anew.';
revoke all on function public.tg__notify_catalog_change() from public;

do $$
begin
  if not exists (select from pg_event_trigger t where t.evtname = '_500_notify_catalog_change') then
    create event trigger _500_notify_catalog_change on ddl_command_end execute function public.tg__notify_catalog_change();
  end if;
exception
  when insufficient_privilege then
    raise notice 'no event trigger: the administrator is not a superuser';
end
$$;

-- Postgres lets everybody do these, and rows do not filter them: large objects, which an owner may open to all tenants; advisory
-- locks, whose numbers are everybody's; messages in the WAL; notifications by the thousand in one statement; and who else is
-- connected, what is locked, how much is read and written. PUBLIC loses them, and the roles get back what they use; src/setup gives
-- the logins theirs. `pg_advisory_unlock` stays, because drivers call it when they reset a connection, and it ends no lock of
-- another session. So does what psql's \d and \dt+ ask for: pg_class, and the sizes of tables (SECURITY.md). Only a superuser may.
do $$
declare
  v_function record;
begin
  if not (select r.rolsuper from pg_catalog.pg_roles r where r.rolname = current_user) then
    raise notice 'large objects, advisory locks and statistics stay open to everybody: the administrator is not a superuser';
    return;
  end if;
  for v_function in
    select
      p.oid::pg_catalog.regprocedure as name,
      case
        when p.proname ~ '^(pg_stat_get_|pg_lock_status$)' then ':OWNER, :OPERATOR, :WORKER, pg_monitor, pg_read_all_stats'
        when p.proname ~ '^(pg_notify$|pg_(try_)?advisory_)' then ':OWNER, :WORKER'
      end as grantees
    from pg_catalog.pg_proc p
    where p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace and p.prokind = 'f'
      and p.proname ~ '^(lo_.+|loread|lowrite|pg_logical_emit_message|pg_notify|pg_advisory_(xact_)?lock.*|pg_try_advisory_.+|pg_lock_status|pg_stat_get_.+)$'
  loop
    execute pg_catalog.format('revoke execute on function %s from public', v_function.name);
    if v_function.grantees is not null then
      execute pg_catalog.format('grant execute on function %s to %s', v_function.name, v_function.grantees);
    end if;
  end loop;
end
$$;

-- Records DDL, grants among it, in the audit log: a row for each statement, with the objects and without the statement's text,
-- which may hold a password. Of a grant the catalog names no object, so a grant that was sent by itself is there with its text.
-- Roles and databases belong to the whole server, which has no such trigger: who makes a login records it (audit.record_event).
-- Objects of one session are left out. Of more than twenty objects the first are named.
--
-- Definer, as a role without members: as the caller it could not write the log, and as the administrator it would run the triggers
-- that the owner of the log may have made. What is missing before the migrations are done keeps nobody from making a table, nor
-- does a log without a partition for today, because making one is DDL.
do $setup$
begin
  execute $function$
    create or replace function public.tg__record_ddl() returns event_trigger
      language plpgsql security definer
      set search_path to pg_catalog, pg_temp
    as $$
    declare
      v_objects jsonb;
      v_count bigint;
      v_name text;
      v_statement text;
    begin
      -- One by one: each may be asked only when those before it hold.
      if to_regnamespace('audit') is null or not has_schema_privilege(to_regnamespace('audit'), 'usage') then
        return;
      elsif to_regclass('audit.log') is null or not has_column_privilege(to_regclass('audit.log'), 'operation', 'insert') then
        return;
      end if;
      if TG_EVENT = 'sql_drop' then
        -- An ALTER that drops something is recorded at its end.
        if TG_TAG not like 'DROP %' then
          return;
        end if;
        select jsonb_agg(jsonb_build_object('type', o.object_type, 'name', o.object_identity)) filter (where o.number <= 20), count(*), min(o.object_identity) filter (where o.number = 1)
        into v_objects, v_count, v_name
        from (
          select d.object_type, d.object_identity, row_number() over () as number
          from pg_event_trigger_dropped_objects() d
          where d.original and not d.is_temporary
        ) o;
      else
        if TG_TAG like 'DROP %' or TG_TAG in ('REINDEX', 'REFRESH MATERIALIZED VIEW') then
          return;
        end if;
        select jsonb_agg(jsonb_strip_nulls(jsonb_build_object('type', o.object_type, 'name', o.object_identity))) filter (where o.number <= 20), count(*), min(coalesce(o.object_identity, o.object_type)) filter (where o.number = 1)
        into v_objects, v_count, v_name
        from (
          select c.object_type, c.object_identity, row_number() over () as number
          from pg_event_trigger_ddl_commands() c
          where c.schema_name is distinct from 'pg_temp'
        ) o;
        if TG_TAG in ('GRANT', 'REVOKE') and current_query() ~* '^\s*(grant|revoke)\M[^;]*;?\s*$' then
          v_statement := left(current_query(), 1000);
        end if;
      end if;
      if v_count = 0 then
        return;
      end if;
      insert into audit.log (table_name, operation, row_count, new_values, role)
      values (
        coalesce(v_name, lower(TG_TAG)), lower(TG_TAG), v_count,
        jsonb_strip_nulls(jsonb_build_object('objects', v_objects, 'statement', v_statement)),
        coalesce(nullif(current_setting('role'), 'none')::name, session_user)
      );
    exception
      -- Between two statements of a migration the policy of this role may be missing.
      when check_violation or insufficient_privilege then
        raise warning 'the audit log does not have %: %', TG_TAG, sqlerrm
          using hint = 'lightning migrate makes a partition that is missing.';
    end
    $$
  $function$;
  comment on function public.tg__record_ddl() is 'Records DDL in the audit log.';
  revoke all on function public.tg__record_ddl() from public;
  alter function public.tg__record_ddl() owner to :RECORDER;
  create event trigger _800_record_ddl on ddl_command_end execute function public.tg__record_ddl();
  create event trigger _800_record_drop on sql_drop execute function public.tg__record_ddl();
exception
  when insufficient_privilege then
    raise notice 'DDL is not recorded in the audit log: the administrator is not a superuser';
end
$setup$;
