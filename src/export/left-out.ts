/** Schemas whose tables are not carried, with the reasons. */
export const leftOutSchemas: ReadonlyMap<string, string> = new Map([
  [
    'graphile_worker',
    'the queue of jobs belongs to the workers of one installation; they plan their jobs anew',
  ],
  ['graphile_migrate', 'the migrations of the database; the manifest has them as "migrations"'],
]);

/** Tables that are not carried, with the reasons. The manifest has them, so that nobody looks for them. */
export const leftOut: ReadonlyMap<string, string> = new Map([
  [
    'app_private.tenant_logins',
    'logins are roles of the server, with passwords: lightning login create makes them anew',
  ],
  ['app_private.events', 'changes on their way to live clients, which are kept for an hour'],
  ['app_private.event_marks', 'snapshots of one server, by which the outbox of live updates is trimmed'],
  ['audit.sealing', 'how far the sealing of one server has come, in transactions of that server'],
  ['ops.alerts', 'problems of one installation'],
  ['ops.backups', 'backups of one installation: their store has them'],
  ['ops.drills', 'drills with the backups of one installation'],
  ['ops.ended_sessions', 'what logins of one server did'],
  ['ops.job_runs', 'what the workers of one installation did'],
  ['ops.job_tasks', 'the jobs of one release: its worker writes them'],
  ['ops.metric_rollups', 'when the rollups of one installation were last checked'],
  ['ops.partition_removals', 'partitions of one database that retention is removing'],
  ['ops.quarantined_items', 'items that jobs of one installation set aside; they try them anew'],
  ['ops.queued_jobs', 'a copy of the queue of jobs'],
  ['ops.refused_callers', 'callers that asked one installation for too much, for a day'],
  ['ops.stopped_writes', 'whether one installation takes writes'],
  ['ops.wal_receivers', 'who receives the WAL of one server'],
  ['ops.workers', 'the workers of one installation'],
]);

/** Tables of the audit log, which are carried on demand: they hold what was in rows that are gone. */
export const auditTables: readonly string[] = ['audit.log', 'audit.seals', 'audit.seal_parts'];

/** Tables that are carried although they have no column tenant_id. */
export const alsoCarried: ReadonlySet<string> = new Set([
  'app_public.tenants',
  // What an operator chose. With the defaults in its place, retention would remove what was to be kept.
  'ops.retention_policies',
  // Which ids were other tenants before: their entries of the audit log are not those of a new tenant.
  'ops.tenant_removals',
]);

/**
 * Tables of which a database without data of tenants may have rows all the same: migrations write policies, and the worker moves
 * floors. An import of everything replaces them.
 */
export const replacedTables: ReadonlySet<string> = new Set([
  'ops.metric_changes',
  'ops.metric_floors',
  'ops.retention_policies',
]);

/** Columns that are not carried, by table: they mean something on the server that wrote them only. */
export const leftOutColumns: ReadonlyMap<string, readonly string[]> = new Map([
  // The transaction that moved a floor. Of another server, it would keep the floor from closing.
  ['ops.metric_floors', ['moved_by']],
]);

/** The reason why the manifest of an export without `--audit` has no audit log. */
export const auditLeftOut = 'the audit log is exported with --audit';

/** The reason for a table that no list decides. A test finds those of our own schemas. */
export const undecided = 'it has no column tenant_id';
