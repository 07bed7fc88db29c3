import { DatabaseError } from 'pg';
import type { Transaction } from '../../src/db/database.ts';
import type { Statement } from '../../src/db/statement.ts';
import { accessEntries } from './access-entries.ts';
import type { AccessEntry } from './access-entries.ts';
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
 * - `no row` the insert of the entry inserted nothing: it has to be mended, because it proves nothing
 * - `may` truncate is granted; it does not work by rows
 *
 * Any other outcome is shown as it came, so that it never matches an expectation.
 */
export type Reach = string;

/** Tables of which a partition is tried too. */
const partitioned = accessEntries
  .filter(({ reachesOfPartition }) => reachesOfPartition !== undefined)
  .map(({ name }) => name);

const commands = ['select', 'insert', 'update', 'delete', 'truncate'] as const;

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
    partitioned.map(async (parent) => {
      const whole = accessEntries.find((entry) => entry.name === parent);
      if (!whole) throw new Error(`${parent} has no entry`);
      return { ...whole, ...(await partitionOf(world, parent)), shown: `${parent} (a partition)` };
    }),
  );
  const lines = [['table', 'actor', ...commands]];
  const counts = await countRows(world, [...accessEntries, ...partitions]);
  const targets: readonly (AccessEntry & { readonly shown?: string })[] = [
    ...accessEntries,
    ...partitions,
  ].filter(({ name, countedIn }) => !table || name === table || countedIn === table);
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

/**
 * A sentence for each table, and each view of app_public, without an entry, and for each entry without a table. An
 * empty result means that entries and catalog agree.
 */
export async function tablesWithoutEntry({ admin }: Pick<TwoTenants, 'admin'>): Promise<string[]> {
  const { rows } = await admin.query<{ name: string }>(
    `select format('%I.%I', n.nspname, c.relname) as name
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where not c.relispartition and (
       n.nspname in ('app_public', 'app_private', 'audit', 'ops', 'legacy') and c.relkind in ('r', 'p')
       or n.nspname = 'app_public' and c.relkind in ('v', 'm')
     )
     order by 1`,
  );
  const present = new Set(rows.map(({ name }) => name));
  const listed = new Set(accessEntries.map(({ name }) => name));
  return [
    ...[...present]
      .filter((name) => !listed.has(name))
      .map((name) => `${name} has no entry in test/support/access-entries.ts: say who reaches what of it`),
    ...[...listed]
      .filter((name) => !present.has(name) && name !== 'ops.tenants')
      .map((name) => `${name} has an entry in test/support/access-entries.ts and is not there`),
  ];
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

type Counts = ReadonlyMap<string, ReadonlyMap<string | null, number>>;

/**
 * The number of rows that each tenant has in each relation. Throws unless several tenants have some: otherwise nothing
 * would be proven.
 */
async function countRows({ admin }: TwoTenants, targets: readonly AccessEntry[]): Promise<Counts> {
  const counts = new Map<string, Map<string | null, number>>();
  for (const { name, tenantColumn = 'tenant_id', countedIn = name } of targets) {
    const { rows } = await admin.query<{ tenant: string | null; count: number }>(
      `select ${tenantColumn} as tenant, count(*)::int as count from ${countedIn} group by 1`,
    );
    counts.set(name, new Map(rows.map((row) => [row.tenant, row.count])));
  }
  for (const { name, tenants = [own, other, suspended] } of accessEntries) {
    for (const tenant of tenants)
      if (!counts.get(name)?.has(tenant))
        throw new Error(
          `${name} has no row of ${tenant ?? 'nobody'}: its entry in test/support/access-entries.ts needs a fill`,
        );
  }
  return counts;
}

async function reachOf(
  transaction: Transaction,
  actor: Actor,
  { name, insert, set, setBy }: AccessEntry,
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
  // A `select` that finds nothing inserts nothing, and proves nothing.
  if (mine.kind === 'done' && mine.count === 0) return 'no row';
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
