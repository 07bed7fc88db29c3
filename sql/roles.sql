-- The cluster's roles. `lightning setup` runs this file as an administrator, once per server, before any migration:
-- roles belong to the cluster and not to the database, so graphile-migrate asks to keep them out of migrations.
-- It can be run again: what exists is kept, what is missing is added.
--
-- :OWNER and the other names stand for `<prefix>_owner` and so on (DB_ROLE_PREFIX, default `lightning`). Logins are
-- not made here but in src/setup: they have passwords.

do $$
declare
  v_role text;
begin
  foreach v_role in array array[':OWNER', ':ANON', ':MEMBER', ':SERVICE', ':ADMIN', ':ANALYST', ':OPERATOR', ':WORKER', ':SEARCH', ':KEEPER'] loop
    if not exists (select from pg_catalog.pg_roles where rolname = v_role) then
      execute pg_catalog.format('create role %I nologin noinherit', v_role);
    end if;
    -- Nobody may be more than a plain role, whoever made it before us.
    execute pg_catalog.format('alter role %I nologin noinherit nocreatedb nocreaterole', v_role);
  end loop;
end
$$;

-- Migrations make the search functions as the role that they run as. Without inheritance: the owner itself sees no row.
grant :SEARCH to :OWNER with inherit false, set true;

-- Migrations change the tables that are the keeper's. With inheritance: there is no policy for the keeper to inherit.
grant :KEEPER to :OWNER with inherit true, set true;

-- ops.partition_waits says whose query a removal waits for, since when. Only an administrator of that role can grant it;
-- without it logins are shown without times.
do $$
begin
  grant pg_read_all_stats to :OWNER with inherit true, set false;
exception
  when insufficient_privilege then
    raise notice 'no pg_read_all_stats for :OWNER: the administrator may not grant it';
end
$$;

-- An analyst's login inherits what the group may read; it never switches to the group.
comment on role :ANALYST is 'Group of the analysts'' logins: select on tables and views without secrets, one tenant each.';
comment on role :OWNER is 'Owns every object of the database. Nobody logs in as it; migrations switch to it.';
comment on role :ANON is 'A request without credentials: nothing of any tenant.';
comment on role :MEMBER is 'A person of a tenant: reads all of it, writes what people write.';
comment on role :SERVICE is 'A service or agent of a tenant: reads and writes its data, ingests metrics.';
comment on role :ADMIN is 'A tenant''s administrator: what members and services may, and its audit trail and sessions.';
comment on role :OPERATOR is 'Operations across tenants: the ops views, no tenant content.';
comment on role :WORKER is 'Background work: named policies on exactly the tables that its jobs need.';
comment on role :KEEPER is 'Owner of the tables of metrics that retention takes partitions from. The worker becomes it for that.';
comment on role :SEARCH is 'Owner of the search functions: named policies on exactly the tables that they read.';
