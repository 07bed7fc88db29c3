-- Whether a restore is possible, to which time, and when this was last proven. One row. Every moment is reachable from the end
-- of the oldest backup to the last received WAL. `lightning backups` and `lightning backup verify` say what the store really
-- holds and whether it is intact.
create or replace view ops.recovery with (security_barrier) as
select
  b.oldest is not null as can_restore,
  b.oldest as reachable_from,
  b.newest as newest_backup_at,
  b.newest_full as newest_full_at,
  b.newest_incremental as newest_incremental_at,
  w.received_lsn as wal_received_lsn,
  w.seen_at as wal_received_at,
  w.kept_bytes as wal_waiting_bytes,
  w.problem as wal_problem,
  d.finished_at as proven_at,
  d.restore_time as proven_restore_time,
  (select n.passed from ops.drills n order by n.id desc limit 1) as newest_drill_passed
from (
  select
    min(k.ended_at) as oldest,
    max(k.ended_at) as newest,
    max(k.ended_at) filter (where k.kind = 'full') as newest_full,
    max(k.ended_at) filter (where k.kind = 'incremental') as newest_incremental
  from ops.backups k
  where k.removed_at is null
) b
left join lateral (
  select r.* from ops.wal_receivers r order by r.seen_at desc limit 1
) w on true
left join lateral (
  select p.* from ops.drills p where p.passed order by p.id desc limit 1
) d on true;

comment on view ops.recovery is 'Whether a restore is possible, and to which time. One row.';
comment on column ops.recovery.can_restore is 'Whether there is a backup.';
comment on column ops.recovery.reachable_from is 'The oldest moment that a restore can go to.';
comment on column ops.recovery.newest_backup_at is 'When the newest backup ended.';
comment on column ops.recovery.newest_full_at is 'When the newest full backup ended.';
comment on column ops.recovery.newest_incremental_at is 'When the newest incremental backup ended.';
comment on column ops.recovery.wal_received_lsn is 'The last received position of the WAL: the newest that a restore can go to.';
comment on column ops.recovery.wal_received_at is 'When it was received.';
comment on column ops.recovery.wal_waiting_bytes is 'Bytes of WAL that the server keeps because no worker has received them.';
comment on column ops.recovery.wal_problem is 'The current problem with receiving WAL; null: all is well.';
comment on column ops.recovery.proven_at is 'When a drill last passed; null: none has.';
comment on column ops.recovery.proven_restore_time is 'How long that restore took.';
comment on column ops.recovery.newest_drill_passed is 'Whether the newest drill passed; null: there was none.';

revoke all on ops.recovery from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH, :JOBS;
grant select on ops.recovery to :OPERATOR, :WORKER;
