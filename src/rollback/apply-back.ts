import { createHash } from 'node:crypto';
import type { Transaction } from '../db/database.ts';
import type { Installation } from '../db/installation.ts';
import { quoteIdentifier, sql } from '../db/statement.ts';
import { auditTables } from '../export/left-out.ts';
import { cellsOf, linesOf } from '../export/json-line.ts';
import { printSettings, readLines } from '../export/lines.ts';
import { alterOf, planLoad, readGuards } from '../export/load-plan.ts';
import type { Target } from '../export/load-plan.ts';
import { makePartitions, moveSequences } from '../export/load-places.ts';
import { ExportRefused } from '../export/manifest.ts';
import type { Manifest } from '../export/manifest.ts';
import type { OpenedExport } from '../export/open-export.ts';
import { become, explained, insertStaged, stageTables } from '../export/stage-tables.ts';
import type { OnProgress } from '../on-progress.ts';
import { computedTables } from './part.ts';
import type { Part } from './part.ts';
import { RollbackRefused } from './rollback-file.ts';

/** What is to be brought back, and where to. */
export interface BackOptions {
  /** The database with the stop of writes. Its login may become the owner of the tables. */
  readonly installation: Installation;
  /** The export of everything that is in memory. */
  readonly opened: OpenedExport;
  /** The rows that went into memory. */
  readonly part: Part;
  /** The id of the export that went into memory. */
  readonly imported: string;
  /** The stop with which the rollback began. */
  readonly stop: string;
  readonly onProgress: OnProgress;
  readonly signal?: AbortSignal | undefined;
}

/** What was brought back into a table. */
export interface Change {
  readonly table: string;
  /** Rows that were written in memory, new or changed. */
  readonly written: number;
  /** Rows that were deleted there. */
  readonly deleted: number;
}

/**
 * Brings what was written in memory back into the database, and lets writes in again, in one transaction. The database has not changed since the rows went into memory, so
 * a row that went there and is missing now was deleted there, and a row that is not as the database has it was written there. At the end every row that is in memory is
 * read back, and has to be what the export has. Rejects with ExportRefused or RollbackRefused; then nothing is changed. Returns the tables that changed; a second call
 * changes nothing, and returns null.
 */
export async function applyBack(options: BackOptions): Promise<readonly Change[] | null> {
  const { installation, opened, part, stop } = options;
  const { manifest } = opened;
  await refuseOtherMemory(options);
  return installation.database.transaction(printSettings, async (transaction) => {
    await become(transaction, installation, 'owner');
    if (await isBack(transaction, stop)) return null;
    await refuseOtherStop(transaction, stop);
    const targets = (await planLoad(transaction, manifest)).filter(
      ({ table }) => !computedTables.has(table.name) && !auditTables.includes(table.name),
    );
    const staged = await stageTables(options, transaction, targets);
    // First of all, because points that come in leave notes in tables that nothing is brought back into. Nobody else writes before the end: the tables are
    // locked.
    await explained('the tables', () => transaction.query(sql`select from app_private.start_writes()`));
    await transaction.query({ text: "set local lock_timeout = '10s'" });
    const guards = await readGuards(
      transaction,
      targets.map(({ table }) => table),
      true,
    );
    for (const guard of guards) {
      const text = alterOf(guard, true);
      if (text !== null) await explained(guard.relation, () => transaction.query({ text }));
    }
    await makePartitions(transaction, targets);
    await moveSequences(transaction, withoutLog(manifest), targets);
    const deleted = new Map<string, number>();
    // What refers to others goes first.
    for (const target of targets.toReversed())
      deleted.set(target.table.name, await removeMissing(transaction, target, staged, part));
    const changes: Change[] = [];
    for (const target of targets) {
      options.onProgress(changes.length / targets.length, `bringing back ${target.table.name}`);
      changes.push({
        table: target.table.name,
        written: await write(transaction, target, staged),
        deleted: deleted.get(target.table.name) ?? 0,
      });
    }
    for (const target of targets) await verify(transaction, target, staged, part);
    await transaction.query({ text: 'set constraints all immediate' });
    for (const guard of guards) {
      const text = alterOf(guard, false);
      if (text !== null) await transaction.query({ text });
    }
    await transaction.query(
      sql`select audit.record_event('back from memory', ${stop}, null, ${JSON.stringify({ export: manifest.id })}::jsonb)`,
    );
    return changes.filter(({ written, deleted: gone }) => written > 0 || gone > 0);
  });
}

/** The manifest without the numbers of the audit log, of which each database has its own. */
function withoutLog(manifest: Manifest): Manifest {
  const sequences = Object.entries(manifest.sequences).filter(([name]) => !name.startsWith('audit.'));
  return { ...manifest, part: true, sequences: Object.fromEntries(sequences) };
}

/** Whether an earlier call has brought everything back, and its answer was lost. */
async function isBack(transaction: Transaction, stop: string): Promise<boolean> {
  const { rows } = await transaction.query(
    sql`select from audit.log where operation = 'back from memory' and table_name = ${stop}`,
  );
  return rows.length > 0;
}

/**
 * Refuses the export of a process in memory that was started anew: what it has lost would be taken for deleted. Its audit log says what it has
 * imported.
 */
async function refuseOtherMemory({ opened, imported }: BackOptions): Promise<void> {
  const log = opened.manifest.tables.find(({ table }) => table === 'audit.log');
  if (log !== undefined) {
    const { columns } = log;
    const what = (cells: readonly string[], name: string): string | undefined => cells[columns.indexOf(name)];
    for await (const lines of linesOf(opened.read(log)))
      for (const line of lines) {
        if (!line.includes(imported)) continue;
        const { cells } = cellsOf(line, columns);
        if (what(cells, 'operation') === '"import"' && what(cells, 'table_name') === `"${imported}"`) return;
      }
  }
  throw new RollbackRefused(
    `the process in memory never had the critical data (${imported}): it was started anew and has lost them, so nothing is brought back`,
  );
}

/** Refuses a database that was written to since the rows went into memory. */
async function refuseOtherStop(transaction: Transaction, stop: string): Promise<void> {
  const { rows } = await transaction.query<{ id: string }>(sql`select id from ops.stopped_writes`);
  if (rows[0]?.id === stop) return;
  throw new RollbackRefused(
    rows.length === 0
      ? 'the database has taken writes since this rollback began, so what was written in memory cannot be put into it: both have a history of their own. The exports in the folder have all rows'
      : 'the writes of the database were stopped anew since this rollback began: it is not the one that the folder belongs to',
  );
}

/** The condition under which a row `t` of the table and a staged row `s` are the same one. */
function sameKey({ table, file }: Target): string {
  const types = new Map(table.columns.map(({ name, type }) => [name, type]));
  // Without a key all columns are the order, and some may be null. A plain comparison can be hashed.
  const same = table.key.length > 0 ? '=' : 'is not distinct from';
  return file.order
    .map((name) => {
      const quoted = quoteIdentifier(name);
      return `t.${quoted} ${same} s.${quoted}::${types.get(name)}`;
    })
    .join(' and ');
}

/** Deletes what went into memory and is not there any more. */
async function removeMissing(
  transaction: Transaction,
  target: Target,
  staged: ReadonlyMap<string, string>,
  part: Part,
): Promise<number> {
  const where = part.get(target.table.name);
  const from = staged.get(target.file.table);
  if (where === undefined || from === undefined) return 0;
  const { rowCount } = await explained(target.table.name, () =>
    transaction.query({
      text: `
        delete from ${target.table.relation} t
        where ${where === '' ? 'true' : where} and not exists (select from ${from} s where ${sameKey(target)})`,
    }),
  );
  return rowCount ?? 0;
}

/** Writes what is not yet in the table as it is in memory. */
async function write(
  transaction: Transaction,
  target: Target,
  staged: ReadonlyMap<string, string>,
): Promise<number> {
  const from = staged.get(target.file.table);
  if (from === undefined) return 0;
  const { table, file } = target;
  const types = new Map(table.columns.map(({ name, type }) => [name, type]));
  const ours = file.columns.map((name) => `t.${quoteIdentifier(name)}`).join(', ');
  const theirs = file.columns.map((name) => `s.${quoteIdentifier(name)}::${types.get(name)}`).join(', ');
  const numbers = new Set(table.columns.filter(({ identity }) => identity).map(({ name }) => name));
  const others = file.columns
    .filter((name) => !table.key.includes(name) && !numbers.has(name))
    .map(quoteIdentifier);
  const key = table.key.map(quoteIdentifier).join(', ');
  const conflict =
    table.key.length === 0
      ? ''
      : others.length === 0
        ? `on conflict (${key}) do nothing`
        : `on conflict (${key}) do update set ${others.map((name) => `${name} = excluded.${name}`).join(', ')}`;
  // Rows are compared by how they print, because not every type has an equality.
  return insertStaged(
    transaction,
    target,
    from,
    `where not exists (
      select from ${table.relation} t where ${sameKey(target)} and row(${ours})::text = row(${theirs})::text
    ) ${conflict}`,
  );
}

/** Reads back every row that is in memory, and every row that went there. They have to be the rows of the export, to the byte. */
async function verify(
  transaction: Transaction,
  target: Target,
  staged: ReadonlyMap<string, string>,
  part: Part,
): Promise<void> {
  const { table, file } = target;
  const from = staged.get(file.table);
  if (from === undefined) return;
  const went = part.get(table.name);
  const among = `exists (select from ${from} s where ${sameKey(target)})`;
  // A row that went there and was changed may not meet the condition any more: then it is among those that came.
  const where =
    went === undefined ? `where ${among}` : `where ${went === '' ? 'true' : `(${went} or ${among})`}`;
  const hash = createHash('sha256');
  let rows = 0;
  for await (const piece of readLines(transaction, {
    table,
    columns: file.columns,
    order: file.order,
    where,
  })) {
    hash.update(piece.bytes);
    rows += piece.rows;
  }
  if (rows !== file.rows || hash.digest('hex') !== file.sha256)
    throw new ExportRefused(
      `${table.name} would have other rows than there are in memory: ${rows} were read back, and there are ${file.rows}`,
    );
}
