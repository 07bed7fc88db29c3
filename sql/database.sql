-- What a database needs from an administrator before the first migration: the extension, and who may connect and create.
-- `lightning setup` runs this file in the new database after roles.sql, graphile-migrate after each reset of a shadow
-- database. It can be run again.

create extension if not exists vector with schema public;

-- Any client that connects finds the tables by their bare names.
alter database ":DATABASE_NAME" set search_path to app_public, public;

-- Statements here are meant to take milliseconds, and to compile one takes some hundred of them. The planner would do it
-- wherever a plan looks expensive: where a function steers it (enable_sort), or where it takes a handful for thousands.
-- Analysts may switch it on.
alter database ":DATABASE_NAME" set jit to off;

revoke all on database ":DATABASE_NAME" from public;
-- The migrations' schemas, and graphile-worker's.
grant create on database ":DATABASE_NAME" to :OWNER, :WORKER;
grant connect on database ":DATABASE_NAME" to :OWNER, :ANALYST, :OPERATOR, :WORKER;

-- Every process that serves this database keeps a snapshot of its catalog, and hears here that it is out of date. Only a
-- superuser can make event triggers; without this one the processes look by themselves every few seconds.
create or replace function public.tg__notify_catalog_change() returns event_trigger
  language plpgsql
  set search_path = ''
as $$
begin
  -- What changes no name, type or right, and what only one session sees.
  if TG_TAG in ('CREATE INDEX', 'DROP INDEX', 'ALTER INDEX', 'REINDEX', 'CREATE STATISTICS', 'REFRESH MATERIALIZED VIEW') then
    return;
  end if;
  if not exists (select from pg_event_trigger_ddl_commands() c)
    or exists (select from pg_event_trigger_ddl_commands() c where c.schema_name is distinct from 'pg_temp')
  then
    perform pg_notify('pgrst', 'reload schema');
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
    raise notice 'no event trigger: the administrator is no superuser';
end
$$;
