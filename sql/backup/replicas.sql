-- The servers that replicate this one, for /metrics. Definer: pg_stat_replication shows other logins' rows only to members of
-- pg_read_all_stats, which the owner is where an administrator could grant it. Receivers of WAL apply nothing, and are left out.
create or replace function ops.replicas() returns table (name text, behind_bytes numeric, lag interval)
language sql volatile security definer
set search_path to pg_catalog, pg_temp
begin atomic
  select r.application_name, max(pg_wal_lsn_diff(pg_current_wal_lsn(), r.replay_lsn)), max(r.replay_lag)
  from pg_stat_replication r
  where r.replay_lsn is not null
  group by r.application_name
  order by r.application_name
  limit 20;
end;

comment on function ops.replicas() is 'The servers that replicate this one, 20 at most: their names, the bytes of WAL that they have not applied, and for how long; a null lag: they have applied all.';
grant execute on function ops.replicas() to :WORKER;
