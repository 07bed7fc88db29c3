import { sql } from '../db/statement.ts';
import type { Statement } from '../db/statement.ts';

/** A gauge whose value the database knows. */
export interface Measure {
  readonly help: string;
  /** Null: it has one value. */
  readonly label: string | null;
}

/** A statement and the gauges that it fills. Each statement is bounded in its rows. */
export interface Collector {
  readonly name: string;
  /** Returns rows of `metric` (a key of `measures`), `label` and `value`; a null value says nothing. */
  readonly statement: Statement;
  readonly measures: Readonly<Record<string, Measure>>;
}

/** A row of a collector's statement. */
export interface Sample {
  readonly metric: string;
  readonly label: string | null;
  readonly value: number | null;
}

const one = (help: string): Measure => ({ help, label: null });
const by = (label: string, help: string): Measure => ({ help, label });

/**
 * What is measured in the database, as the worker's login may read it: across tenants, without the name of one. A collector fails alone.
 */
export const collectors: readonly Collector[] = [
  {
    name: 'queue',
    statement: sql`
      select m.metric, q.priority as label, m.value
      from ops.queue_state() q
      cross join lateral (values
        ('lightning_queue_waiting_tasks', q.waiting::float8),
        ('lightning_queue_delayed_tasks', q.delayed::float8),
        ('lightning_queue_longest_wait_seconds', extract(epoch from q.longest_wait)::float8),
        ('lightning_queue_leases', q.leases::float8),
        ('lightning_queue_expired_leases', q.expired_leases::float8)
      ) m(metric, value)`,
    measures: {
      lightning_queue_waiting_tasks: by(
        'priority',
        'Tasks of all tenants that may be claimed; 100,000 are counted at most.',
      ),
      lightning_queue_delayed_tasks: by(
        'priority',
        'Tasks that wait for a later time or for a step of their workflow.',
      ),
      lightning_queue_longest_wait_seconds: by(
        'priority',
        'How long the task has waited that has waited longest.',
      ),
      lightning_queue_leases: by('priority', 'Tasks that agents work on.'),
      lightning_queue_expired_leases: by('priority', 'Leases that are over and were not taken back yet.'),
    },
  },
  {
    name: 'jobs',
    statement: sql`
      select 'lightning_workers' as metric, null::text as label, count(*)::float8 as value
      from ops.workers w
      where w.stopped_at is null and w.lost_at is null and w.seen_at > clock_timestamp() - interval '1 minute'
      union all
      select 'lightning_jobs', s.state, count(j.id)::float8
      from unnest(array['waiting', 'running', 'failed']) s(state)
      left join ops.jobs j on j.state = s.state
      group by s.state
      union all
      select 'lightning_jobs_longest_overdue_seconds', null,
        coalesce(extract(epoch from max(clock_timestamp() - j.due_at) filter (where j.state = 'waiting' and j.due_at < clock_timestamp())), 0)::float8
      from ops.jobs j
      union all
      select m.metric, t.task, m.value
      from (select * from ops.job_tasks order by task limit 100) t
      cross join lateral (
        select max(r.finished_at) as succeeded_at from ops.job_runs r where r.task = t.task and r.outcome = 'succeeded'
      ) l
      cross join lateral (values
        ('lightning_job_interval_seconds', extract(epoch from t.every)::float8),
        ('lightning_job_last_success_timestamp_seconds', extract(epoch from coalesce(l.succeeded_at, t.known_since))::float8)
      ) m(metric, value)
      where t.every is not null
      union all
      (select 'lightning_alerts_open', a.kind, count(*)::float8
      from ops.alerts a
      where a.resolved_at is null
      group by a.kind
      order by a.kind
      limit 100)`,
    measures: {
      lightning_workers: one('Workers that were seen in the last minute.'),
      lightning_jobs: by('state', 'Jobs in the queue as the worker reported it last; 1,000 at most.'),
      lightning_jobs_longest_overdue_seconds: one('How long the waiting job is overdue that was due first.'),
      lightning_job_interval_seconds: by('job', 'Longest expected time between two runs of a scheduled job.'),
      lightning_job_last_success_timestamp_seconds: by(
        'job',
        'When a scheduled job last succeeded in any process; before its first success, since when it is known.',
      ),
      lightning_alerts_open: by('kind', 'Open alerts; docs/worker.md says what to do about each kind.'),
    },
  },
  {
    name: 'backups',
    // A backup that is due and was never made has the time 0.
    statement: sql`
      select m.metric, null::text as label, m.value
      from (select * from ops.backups b where b.removed_at is null order by b.ended_at desc limit 1) n
      right join (select count(*) as due from ops.job_tasks t where t.task = 'back_up' and t.every is not null) d on true
      cross join lateral (values
        ('lightning_backup_newest_timestamp_seconds',
          coalesce(extract(epoch from n.ended_at)::float8, case when d.due > 0 then 0 end)),
        ('lightning_backup_newest_bytes', n.bytes::float8)
      ) m(metric, value)
      union all
      select m.metric, null, m.value
      from (select * from ops.drills order by id desc limit 1) d
      cross join lateral (values
        ('lightning_drill_newest_timestamp_seconds', extract(epoch from d.finished_at)::float8),
        ('lightning_drill_newest_passed', d.passed::integer::float8)
      ) m(metric, value)
      union all
      select m.metric, r.slot, m.value
      from (select * from ops.wal_receivers order by slot limit 20) r
      cross join lateral (values
        ('lightning_wal_receiver_kept_bytes', r.kept_bytes::float8),
        ('lightning_wal_receiver_safe_bytes', r.safe_bytes::float8),
        ('lightning_wal_receiver_seen_timestamp_seconds', extract(epoch from r.seen_at)::float8)
      ) m(metric, value)`,
    measures: {
      lightning_backup_newest_timestamp_seconds: one(
        'When the newest backup in the store ended; 0: one is due, and there is none.',
      ),
      lightning_backup_newest_bytes: one('Size of what the newest backup holds.'),
      lightning_drill_newest_timestamp_seconds: one('When the newest drill ended.'),
      lightning_drill_newest_passed: one(
        'Whether the newest drill restored the backups without a difference: 1 or 0.',
      ),
      lightning_wal_receiver_kept_bytes: by(
        'slot',
        'WAL that the server keeps because no worker has received it.',
      ),
      lightning_wal_receiver_safe_bytes: by(
        'slot',
        'WAL that may still be written before the server gives up the slot.',
      ),
      lightning_wal_receiver_seen_timestamp_seconds: by(
        'slot',
        'When a worker last reported on receiving WAL.',
      ),
    },
  },
  {
    name: 'replication',
    statement: sql`
      (select 'lightning_replication_slot_retained_bytes' as metric, s.slot_name::text as label,
        pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn)::float8 as value
      from pg_catalog.pg_replication_slots s
      order by s.slot_name
      limit 20)
      union all
      select m.metric, r.name, m.value
      from ops.replicas() r
      cross join lateral (values
        ('lightning_replication_lag_bytes', r.behind_bytes::float8),
        ('lightning_replication_lag_seconds', coalesce(extract(epoch from r.lag), 0)::float8)
      ) m(metric, value)`,
    measures: {
      lightning_replication_slot_retained_bytes: by(
        'slot',
        'WAL that the server keeps for a replication slot.',
      ),
      lightning_replication_lag_bytes: by('replica', 'WAL that a replicating server has not applied.'),
      lightning_replication_lag_seconds: by(
        'replica',
        'How far behind a replicating server is; 0: it has applied all.',
      ),
    },
  },
  {
    name: 'audit',
    statement: sql`
      select 'lightning_audit_sealing_lag_seconds' as metric, null::text as label,
        greatest(extract(epoch from clock_timestamp() - ops.sealed_through()), 0)::float8 as value`,
    measures: {
      lightning_audit_sealing_lag_seconds: one(
        'Age of the oldest entry of the audit log that may not be sealed yet.',
      ),
    },
  },
  {
    name: 'sizes',
    statement: sql`
      select 'lightning_database_size_bytes' as metric, null::text as label,
        pg_catalog.pg_database_size(pg_catalog.current_database())::float8 as value
      union all
      (select 'lightning_table_size_bytes', n.nspname || '.' || c.relname,
        sum(pg_catalog.pg_total_relation_size(coalesce(p.relid, c.oid)))::float8
      from pg_catalog.pg_class c
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      left join lateral (
        select t.relid from pg_catalog.pg_partition_tree(c.oid) t where t.isleaf
      ) p on c.relkind = 'p'
      where c.relkind in ('r', 'p') and not c.relispartition and n.nspname in ('app_public', 'audit', 'ops', 'graphile_worker')
      group by n.nspname, c.relname
      order by 3 desc
      limit 100)`,
    measures: {
      lightning_database_size_bytes: one('Size of the database on the disk of its server.'),
      lightning_table_size_bytes: by(
        'table',
        'Size of a table with its indexes and partitions, the 100 largest.',
      ),
    },
  },
];
