-- The cluster's roles. `lightning setup` runs this file as an administrator, once per server, before any migration:
-- roles belong to the cluster and not to the database, so graphile-migrate asks to keep them out of migrations.
-- It can be run again: it keeps existing roles and adds missing ones.
--
-- :OWNER and the other names stand for `<prefix>_owner` and so on (DB_ROLE_PREFIX, default `lightning`). src/setup makes
-- the logins, because they have passwords.

-- Roles belong to the whole server, so two setups of different databases alter the same rows, and Postgres refuses one of them
-- ("tuple concurrently updated"). Holds until the transaction ends. Only a superuser may lock this table; without it,
-- `lightning setup` takes turns through an advisory lock of the database that it is connected to.
do $$
begin
  lock table pg_catalog.pg_authid in share row exclusive mode;
exception
  when insufficient_privilege then null;
end
$$;

do $$
declare
  v_role text;
begin
  foreach v_role in array array[':OWNER', ':ANON', ':MEMBER', ':SERVICE', ':ADMIN', ':ANALYST', ':OPERATOR', ':WORKER', ':SEARCH', ':RECORDER', ':JOBS'] loop
    if not exists (select from pg_catalog.pg_roles where rolname = v_role) then
      execute pg_catalog.format('create role %I nologin noinherit', v_role);
    end if;
    -- Each must be a plain role, even if somebody else made it before.
    execute pg_catalog.format('alter role %I nologin noinherit nocreatedb nocreaterole', v_role);
  end loop;
end
$$;

-- Migrations make the functions of searches and of jobs as the roles that these run as. Without inheritance, so that the owner sees no rows.
grant :SEARCH to :OWNER with inherit false, set true;
grant :JOBS to :OWNER with inherit false, set true;

-- ops.partition_waits shows whose query a removal waits for, and since when. Only an administrator of this role can grant it;
-- without it, logins are shown without times.
do $$
begin
  grant pg_read_all_stats to :OWNER with inherit true, set false;
exception
  when insufficient_privilege then
    raise notice 'no pg_read_all_stats for :OWNER: the administrator may not grant it';
end
$$;

-- ops.end_excesses ends sessions of analysts that go beyond their limits. Only an administrator of this role can grant it; without
-- it, what goes beyond is only reported.
do $$
begin
  grant pg_signal_backend to :OWNER with inherit true, set false;
exception
  when insufficient_privilege then
    raise notice 'no pg_signal_backend for :OWNER: the administrator may not grant it';
end
$$;

-- An analyst's login inherits what the group may read; it never switches to the group.
comment on role :ANALYST is 'Group of the analysts'' logins: they read tables and views without secrets, of one tenant each.';
comment on role :OWNER is 'Owns every object of the database. Nobody logs in as it; migrations switch to it.';
comment on role :ANON is 'A request without credentials: it sees nothing of any tenant.';
comment on role :MEMBER is 'A person of a tenant: reads all of it, writes what people write.';
comment on role :SERVICE is 'A service or agent of a tenant: reads and writes its data, ingests metrics.';
comment on role :ADMIN is 'A tenant''s administrator: has the rights of members and services, and reads its audit log and sessions.';
comment on role :OPERATOR is 'Operations across tenants: the ops views, no tenant content.';
comment on role :WORKER is 'Background work: it calls the functions of its jobs, owns its queue, and reads no table of tenants.';
comment on role :RECORDER is 'Owner of the event trigger''s function that records DDL. Nobody is a member: who could replace the function would run code as whoever makes a table.';
comment on role :SEARCH is 'Owner of the search functions: named policies on exactly the tables that they read.';
comment on role :JOBS is 'Owner of the functions that jobs call: named policies on exactly the tables that they work on. Nobody becomes it.';
