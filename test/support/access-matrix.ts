import { DatabaseError } from 'pg';
import type { Transaction } from '../../src/db/database.ts';
import type { Statement } from '../../src/db/statement.ts';
import { other, own, somePartition, suspended, tryAs } from './two-tenants.ts';
import type { Actor, ActorName, TwoTenants } from './two-tenants.ts';

/**
 * The rows of a table that an actor reaches with a command.
 * - `-` the command is not granted
 * - `none` the command is granted but reaches no row (or row-level security refuses the row)
 * - `own` rows of the actor's own tenant only
 * - `all` rows of other tenants
 * - `nobody's` only rows that belong to no tenant
 * - `held` the command reaches rows that a constraint holds
 * - `may` truncate is granted; it does not work by rows
 *
 * Any other outcome is shown as it came, so that it never matches an expectation.
 */
export type Reach = string;

const commands = ['select', 'insert', 'update', 'delete', 'truncate'] as const;

/**
 * A table or view, and how a tenant writes to it. No statement reads a column, so the policies of update and delete
 * alone confine them, not select's.
 */
interface Relation {
  readonly name: string;
  readonly tenantColumn: string;
  /** The relation whose rows are counted: a view shows a superuser none of its rows, because it runs as its owner. */
  readonly countedIn: string;
  readonly insert: string;
  readonly set: string;
  /** Other columns, for actors that may not update the usual ones. */
  readonly setBy?: Partial<Record<ActorName, string>>;
}

const relations: readonly Relation[] = [
  relation('app_public.tenants', "(id, name) values ($1, 'New')", "name = 'x'", 'id'),
  relation('app_public.agents', "(tenant_id, id, name, model) values ($1, 'new', 'New', 'm')", "name = 'x'"),
  relation('app_public.tasks', "(tenant_id, description) values ($1, 'new')", "error_message = 'x'"),
  relation(
    'app_public.task_leases',
    `(tenant_id, task_id, fencing_token, attempt, agent, lease, claimed_at, heartbeat_at, expires_at)
     values ($1, gen_random_uuid(), 9, 9, 'a', '1 hour', now(), now(), now())`,
    'heartbeat_at = now()',
  ),
  relation(
    'app_public.task_attempts',
    `(tenant_id, task_id, attempt, fencing_token, agent, claimed_at, ended_at, outcome)
     values ($1, gen_random_uuid(), 9, 9, 'a', now(), now(), 'failed')`,
    "note = 'x'",
  ),
  {
    ...relation('app_public.knowledge', "(tenant_id, content) values ($1, 'new')", "content = 'x'"),
    setBy: { worker: 'embedding = null', search: 'usage_count = 1' },
  },
  relation('app_public.workflows', "(tenant_id, name) values ($1, 'new')", "status = 'cancelled'"),
  relation(
    'app_public.workflow_steps',
    `(tenant_id, workflow_id, key, position, depends_on, on_failure, definition)
     values ($1, gen_random_uuid(), 'new', 9, '{}', 'fail', '{}')`,
    "error_message = 'x'",
  ),
  relation(
    'app_public.sessions',
    "(tenant_id, user_id, token, expires_at) values ($1, 'new', repeat('0', 64), now())",
    "data = '{}'",
  ),
  {
    ...relation('app_public.user_sessions', "(tenant_id, user_id) values ($1, 'new')", "user_id = 'x'"),
    countedIn: 'app_public.sessions',
  },
  relation(
    'app_public.metrics',
    "(tenant_id, service_name, metric_name, value) values ($1, 's', 'm', 1)",
    'value = 2',
  ),
  ...['minute', 'hour', 'day'].map((width) =>
    relation(
      `app_public.metrics_${width}`,
      `(tenant_id, service_name, metric_name, bucket, count, sum, min, max, last, last_at, sketch_keys, sketch_counts)
       values ($1, 's', 'new', date_trunc('day', now(), 'UTC'), 1, 1, 1, 1, 1, now(), '{37500}', '{1}')`,
      'last = 2',
    ),
  ),
  relation(
    'audit.log',
    "(tenant_id, table_name, operation, row_count, role) values ($1, 'x', 'insert', 1, 'r')",
    'row_count = 2',
  ),
  {
    ...relation('ops.tenants', "(id, name) values ($1, 'New')", "name = 'x'", 'id'),
    countedIn: 'app_public.tenants',
  },
  relation('app_private.tenant_logins', "(login, tenant_id) values ('new', $1)", 'created_at = now()'),
  relation(
    'ops.metric_changes',
    "(resolution, tenant_id, bucket) values ('minute', $1, now())",
    'bucket = bucket',
  ),
  relation(
    'ops.retention_policies',
    "(policy, description, by_tenant) select 'new', 'new', true where $1::text is not null",
    "description = 'x'",
    'null::text',
  ),
  relation('ops.retention_overrides', "(policy, tenant_id) values ('tasks', $1)", 'keep = keep'),
  relation(
    'ops.retention_holds',
    "(policy, tenant_id, held, reason) values ('tasks', $1, '(,)', 'new')",
    "reason = 'x'",
  ),
  relation(
    'ops.quarantined_items',
    "(task, tenant_id, item, code, reason) values ('new', $1, 'x', 'x', 'x')",
    "reason = 'x'",
  ),
  relation('ops.metric_floors', '(tenant_id, kept_from) values ($1, now())', 'kept_from = kept_from'),
  {
    ...relation(
      'ops.partition_removals',
      "(partition, parent, policy, held, rows_by_tenant) select 'p', 'x', 'y', '(,)', '{}' where $1::text is not null",
      "parent = 'x'",
      'null::text',
    ),
    setBy: { worker: "problem = 'x'" },
  },
  {
    ...relation(
      'ops.retention_receipts',
      "(policy, tenant_id, older_than, row_count) values ('tasks', $1, now(), 1)",
      "policy = 'x'",
    ),
    setBy: { worker: 'row_count = 2' },
  },
  relation(
    'ops.metric_rollups',
    "(resolution) select 'minute' where $1::text is not null",
    'rolled_up_at = now()',
    'null::text',
  ),
  relation(
    'app_private.events',
    "(tenant_id, topic, operation) values ($1, 'tasks', 'insert')",
    "topic = 'x'",
  ),
  // This row belongs to no tenant.
  relation(
    'app_private.event_marks',
    '(at) select now() where $1::text is not null',
    'at = at',
    'null::text',
  ),
  relation(
    'ops.backups',
    `(id, kind, started_at, ended_at, objects, bytes, stored_bytes, manifest_sha256)
     select 'x', 'full', now(), now(), 1, 1, 1, 'x' where $1::text is not null`,
    'removed_at = now()',
    'null::text',
  ),
  relation(
    'ops.wal_receivers',
    "(slot, receiving) select 'x', true where $1::text is not null",
    'seen_at = now()',
    'null::text',
  ),
  relation(
    'ops.drills',
    `(started_at, backups, compared_tables, compared_rows, problems, self_tests)
     select now(), '{}', 0, 0, '{x}', '[]' where $1::text is not null`,
    "problems = '{y}'",
    'null::text',
  ),
  relation(
    'ops.workers',
    "(id, host, pid, version) select 'x', 'x', 1, 'x' where $1::text is not null",
    'seen_at = now()',
    'null::text',
  ),
  relation(
    'ops.job_tasks',
    "(task, does, expected) select 'x', 'x', '1 hour' where $1::text is not null",
    "does = 'x'",
    'null::text',
  ),
  relation(
    'ops.alerts',
    "(kind, subject, severity, message) select 'x', 'x', 'error', 'x' where $1::text is not null",
    "message = 'x'",
    'null::text',
  ),
  relation(
    'ops.job_runs',
    "(task, worker, lease_until) select 'x', 'x', now() where $1::text is not null",
    "note = 'x'",
    'null::text',
  ),
];

/**
 * Tries every command on every table and view, and on one partition of each kind, as each actor; everything is rolled
 * back. Returns aligned lines, one per table and actor; an actor that reaches nothing of a table has no line. `names`
 * limits the actors, and `table` limits the relations to one table and the views of its rows.
 */
export async function accessMatrix(
  world: TwoTenants,
  names?: readonly ActorName[],
  table?: string,
): Promise<string> {
  const partitions = await Promise.all(
    ['app_public.metrics', 'audit.log'].map(async (parent) => {
      const whole = relations.find((r) => r.name === parent);
      if (!whole) throw new Error(`${parent} is missing in the list`);
      return { ...whole, ...(await partitionOf(world, parent)), shown: `${parent} (a partition)` };
    }),
  );
  const lines = [['table', 'actor', ...commands]];
  const counts = await countRows(world, [...relations, ...partitions]);
  const targets: readonly (Relation & { readonly shown?: string })[] = [...relations, ...partitions].filter(
    ({ name, countedIn }) => !table || name === table || countedIn === table,
  );
  const columns = new Map<string, Map<string, Reach[]>>();
  for (const actor of world.actors.filter(({ name }) => !names || names.includes(name))) {
    await tryAs(actor, async (transaction) => {
      for (const target of targets) {
        const row = await reachOf(transaction, actor, target, counts);
        const byActor = columns.get(target.name) ?? new Map<string, Reach[]>();
        columns.set(target.name, byActor.set(actor.name, row));
      }
    });
  }
  for (const target of targets) {
    for (const [actor, row] of columns.get(target.name) ?? []) {
      if (row.some((reach) => reach !== '-')) lines.push([target.shown ?? target.name, actor, ...row]);
    }
  }
  return alignColumns(lines);
}

/** Aligns a table of text in the same way as `accessMatrix`: two or more spaces part columns. */
export function alignTable(text: string): string {
  return alignColumns(
    text
      .trim()
      .split('\n')
      .map((line) => line.trim().split(/ {2,}/)),
  );
}

async function partitionOf({ admin }: TwoTenants, parent: string) {
  const name = await somePartition(admin, parent);
  return { name, countedIn: name };
}

function relation(name: string, insert: string, set: string, tenantColumn = 'tenant_id'): Relation {
  return { name, insert, set, tenantColumn, countedIn: name };
}

type Counts = ReadonlyMap<string, ReadonlyMap<string | null, number>>;

/** Relations in which some tenants have no rows. */
const neededTenants: Readonly<Record<string, readonly (string | null)[]>> = {
  'app_private.tenant_logins': [own, suspended],
  'app_private.event_marks': [null],
  'ops.job_runs': [null],
  'ops.backups': [null],
  'ops.wal_receivers': [null],
  'ops.drills': [null],
  'ops.workers': [null],
  'ops.job_tasks': [null],
  'ops.alerts': [null],
  'ops.metric_rollups': [null],
  'ops.retention_policies': [null],
  'ops.partition_removals': [null],
};

/**
 * The number of rows that each tenant has in each relation. Throws unless several tenants have some: otherwise nothing
 * would be proven.
 */
async function countRows({ admin }: TwoTenants, targets: readonly Relation[]): Promise<Counts> {
  const counts = new Map<string, Map<string | null, number>>();
  for (const { name, tenantColumn, countedIn } of targets) {
    const { rows } = await admin.query<{ tenant: string | null; count: number }>(
      `select ${tenantColumn} as tenant, count(*)::int as count from ${countedIn} group by 1`,
    );
    counts.set(name, new Map(rows.map((row) => [row.tenant, row.count])));
  }
  for (const { name } of relations) {
    const tenants = counts.get(name);
    const needed = neededTenants[name] ?? [own, other, suspended];
    for (const tenant of needed)
      if (!tenants?.has(tenant)) throw new Error(`${name} has no row of ${tenant}`);
  }
  return counts;
}

async function reachOf(
  transaction: Transaction,
  actor: Actor,
  { name, insert, set, setBy }: Relation,
  counts: Counts,
): Promise<Reach[]> {
  const ofTenants = counts.get(name) ?? new Map<string | null, number>();
  const total = [...ofTenants.values()].reduce((sum, count) => sum + count, 0);
  const rowsReached = (outcome: Outcome): Reach => {
    if (outcome.kind !== 'done') return outcome.kind === 'other' ? outcome.code : shownAs[outcome.kind];
    if (outcome.count === 0) return 'none';
    if (outcome.count === total && total !== ofTenants.get(actor.tenant)) return 'all';
    if (outcome.count === ofTenants.get(null)) return "nobody's";
    return outcome.count === ofTenants.get(actor.tenant) ? 'own' : `${outcome.count} rows of ${total}`;
  };
  const select = await attempt(transaction, { text: `select count(*)::int as count from ${name}` });
  const insertOwn = await attempt(transaction, {
    text: `insert into ${name} ${insert}`,
    values: [actor.tenant],
  });
  const insertOther = await attempt(transaction, { text: `insert into ${name} ${insert}`, values: [other] });
  const update = await attempt(transaction, {
    text: `update ${name} set ${setBy?.[actor.name] ?? set}`,
  });
  const remove = await attempt(transaction, { text: `delete from ${name}` });
  const truncate = await attempt(transaction, { text: `truncate ${name}` });
  return [
    rowsReached(select),
    insertReach(insertOwn, insertOther),
    rowsReached(update),
    rowsReached(remove),
    // 0A000 and 42809: the command is granted, but other tables refer to this one, or it is a view.
    truncate.kind === 'denied' || (truncate.kind === 'other' && truncate.code === '42809') ? '-' : 'may',
  ];
}

const shownAs = { denied: '-', filtered: 'none', held: 'held' } as const;

function insertReach(mine: Outcome, others: Outcome): Reach {
  const took = (outcome: Outcome) => outcome.kind === 'done' || outcome.kind === 'held';
  if (took(others)) return 'all';
  if (others.kind === 'other') return others.code;
  if (mine.kind === 'other') return mine.code;
  if (took(mine)) return 'own';
  return mine.kind === 'denied' && others.kind === 'denied' ? '-' : 'none';
}

type Outcome =
  | { readonly kind: 'done'; readonly count: number }
  /** The privilege is missing. */
  | { readonly kind: 'denied' }
  /** Row-level security refused the row. */
  | { readonly kind: 'filtered' }
  /** Security let the row through, and a constraint or the guard of keys held it. */
  | { readonly kind: 'held' }
  | { readonly kind: 'other'; readonly code: string };

async function attempt(transaction: Transaction, statement: Statement): Promise<Outcome> {
  const undo = new Error('undone on purpose');
  let outcome: Outcome | undefined;
  try {
    await transaction.savepoint(async (savepoint) => {
      const { rows, rowCount } = await savepoint.query<{ count?: number }>(statement);
      outcome = { kind: 'done', count: rows[0]?.count ?? rowCount ?? 0 };
      throw undo;
    });
  } catch (error) {
    if (outcome && error === undo) return outcome;
    if (!(error instanceof DatabaseError)) throw error;
    const { code = '', message } = error;
    if (code === '42501') return { kind: message.includes('row-level security') ? 'filtered' : 'denied' };
    if (code.startsWith('23')) return { kind: 'held' };
    return { kind: 'other', code };
  }
  throw new Error('a savepoint neither threw nor did its work');
}

function alignColumns(lines: readonly (readonly string[])[]): string {
  const widths =
    lines[0]?.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0))) ?? [];
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
