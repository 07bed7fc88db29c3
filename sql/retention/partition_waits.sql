-- The sessions that the removal of a partition waits for: they have held its parent since before the last try. Definer: only
-- roles that may read all statistics see other sessions, and the owner may.
create or replace function ops.partition_waits()
returns table (
  partition text, waiting_since timestamptz, pid integer, login name, application text, transaction_since timestamptz, query_since timestamptz
)
language sql stable security definer
set search_path to pg_catalog, pg_temp
as $$
  select r.partition, r.began_at, a.pid, a.usename, a.application_name, a.xact_start, a.query_start
  from ops.partition_removals r
  join lateral (
    select distinct l.pid
    from pg_locks l
    where l.granted and l.locktype = 'relation' and l.pid <> pg_backend_pid()
      and l.database = (select d.oid from pg_database d where d.datname = current_database())
      and l.relation in (to_regclass(r.parent), to_regclass(r.partition))
  ) l on true
  join pg_stat_activity a on a.pid = l.pid
  -- Locks are read before activities. A transaction that ended in between has no start any more, and nobody waits for it.
  where a.xact_start < r.tried_at
  order by a.xact_start
$$;

comment on function ops.partition_waits() is 'The sessions that the removal of a partition waits for, longest first: the session, its login, and when its transaction and its statement began.';
grant execute on function ops.partition_waits() to :OPERATOR, :WORKER;
