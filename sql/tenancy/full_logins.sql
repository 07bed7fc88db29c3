-- Bound logins that have held all of their connections for ten seconds, since the newest of them was made: the server refuses another one
-- (53300), and tells nobody but its own log. Definer: only who may read all statistics sees since when sessions are there.
create or replace function ops.full_logins() returns table (login name, connections integer, since timestamptz)
language sql stable security definer
set search_path to pg_catalog, pg_temp
begin atomic
  select l.login, l.connections, max(a.backend_start)
  from app_private.tenant_logins l
  join pg_stat_activity a on a.usename = l.login and a.backend_type = 'client backend'
  group by l.login, l.connections
  having count(*) >= l.connections and max(a.backend_start) < clock_timestamp() - interval '10 seconds';
end;

comment on function ops.full_logins() is 'Logins of tenants that have held all of their connections for ten seconds, and since when.';
-- The view ops.check_full_logins.
grant execute on function ops.full_logins() to :OPERATOR, :WORKER;
