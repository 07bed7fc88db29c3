--! Previous: sha1:4d8058fc4f9f7177ff7dc7545ba8cc4361b786ec
--! Hash: sha1:5df5e59b4ec3afa7117a8281ab3e4d1222b88b0f
--! Message: queue_state

-- Enter migration here
--! Included tasks/queue_state.sql
-- The queue of all tenants in numbers, for /metrics. Definer: the worker reads no table of tenants, and learns here of no tenant, task or
-- text. Runs as :JOBS.
--
-- It looks at 100,000 waiting tasks and as many leases at most: a scrape has a second, and a queue that long is an alarm whatever its
-- length. A task waits from run_after, but not from before it was made: a tenant sets the one and not the other.
grant create on schema ops to :JOBS;
set local role :JOBS;

create or replace function ops.queue_state()
returns table (priority text, waiting bigint, delayed bigint, longest_wait interval, leases bigint, expired_leases bigint)
language sql stable security definer
set search_path to pg_catalog, pg_temp
begin atomic
  select
    p.priority, coalesce(w.waiting, 0), coalesce(w.delayed, 0), coalesce(w.longest_wait, '0'), coalesce(l.leases, 0),
    coalesce(l.expired_leases, 0)
  from unnest(array['critical', 'high', 'normal', 'low']) p(priority)
  left join (
    select
      q.priority,
      count(*) filter (where q.run_after <= statement_timestamp()) as waiting,
      count(*) filter (where q.run_after > statement_timestamp()) as delayed,
      max(statement_timestamp() - greatest(q.run_after, q.created_at)) filter (where q.run_after <= statement_timestamp()) as longest_wait
    from (
      select t.priority, t.run_after, t.created_at from app_public.tasks t where t.status = 'pending' limit 100000
    ) q
    group by q.priority
  ) w on w.priority = p.priority
  left join (
    select
      t.priority,
      count(*) as leases,
      count(*) filter (where h.expires_at <= statement_timestamp()) as expired_leases
    from (select c.tenant_id, c.task_id, c.expires_at from app_public.task_leases c limit 100000) h
    join app_public.tasks t on t.tenant_id = h.tenant_id and t.id = h.task_id
    group by t.priority
  ) l on l.priority = p.priority;
end;

comment on function ops.queue_state() is 'Each priority with how many tasks of all tenants wait, how many wait for a later time, how long the first has waited, and how many leases there are and have expired; 100,000 tasks and leases at most.';
revoke execute on function ops.queue_state() from public;
grant execute on function ops.queue_state() to :WORKER;

set local role :OWNER;
revoke create on schema ops from :JOBS;
--! EndIncluded tasks/queue_state.sql
--! Included backup/replicas.sql
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
--! EndIncluded backup/replicas.sql
