import { Readable } from 'node:stream';
import { DatabaseError } from 'pg';
import type { Claims } from '../auth/claims.ts';
import type { Transaction } from '../db/database.ts';
import type { Installation } from '../db/installation.ts';
import { requesterSettings } from '../auth/requester.ts';
import { quoteIdentifier, sql } from '../db/statement.ts';
import { OperationalError } from '../operational-error.ts';
import { copyLines } from './copy-lines.ts';
import { refuseItem } from './quarantine.ts';
import type { Refusal } from './quarantine.ts';
import type { FileContent, ImportRow, Target } from './store.ts';

/** The installation that rows are stored in, and the identity under which they are. */
export interface Importer {
  readonly installation: Installation;
  readonly claims: Claims;
}

/** A row that is now in the table. */
export interface StoredRow {
  readonly row: ImportRow;
  readonly id: string;
  /** False: the row existed before. */
  readonly inserted: boolean;
  /** Columns in which a row that existed before differs from the file. The row was left alone. */
  readonly differs: readonly string[];
}

/** The result for a file's rows. Each row is in one of the two lists. */
export interface LoadedFile {
  readonly stored: readonly StoredRow[];
  readonly refusals: readonly Refusal[];
  /** The agents that were made, because they had no definition and the caller asked for it. */
  readonly agentsCreated: readonly string[];
}

/** Rows per statement: enough to make the statement's own cost negligible, few enough to show progress. */
const rowsPerInsert = 1_000;
/**
 * Another session may take an id between the comparison and the insert. A second comparison then gives the item
 * its derived id.
 */
const attempts = 3;

/**
 * Loads a file's rows in one transaction: COPY into a temporary table, and from there into the store's table as
 * the tenant's role, under row-level security. A row that Postgres refuses does not affect the others. `onRows`
 * is called with the number of rows that are finished.
 *
 * The role is set after the COPY, and not by the usual door, because a tenant's role cannot COPY everywhere.
 * COPY into a table under row-level security is refused. Making the temporary table takes a right that a role
 * may lack. And the embedded database turns COPY into reading a file, which takes a superuser. So the login
 * stages the file, and from then on the transaction is the tenant's.
 */
export async function loadFile(
  importer: Importer,
  target: Target,
  { path, rows }: Pick<FileContent, 'path' | 'rows'>,
  options: { readonly createAgents: readonly string[]; readonly onRows: (count: number) => void },
): Promise<LoadedFile> {
  return importer.installation.database.transaction({}, async (transaction) => {
    await stage(transaction, target, rows, importer);
    await becomeTenant(transaction, importer);
    const agentsCreated: string[] = [];
    for (const id of options.createAgents) if (await createAgent(transaction, id)) agentsCreated.push(id);

    const before = await compare(transaction, target);
    const reasons = new Map<number, string>();
    let now = before;
    for (let attempt = 1; attempt <= attempts; attempt += 1) {
      const missing = now.filter((row) => row.stored_id === null && !reasons.has(row.ordinal));
      if (missing.length === 0) break;
      for (const [first, last] of ranges(missing.map(({ ordinal }) => ordinal))) {
        await insertRange(transaction, target, first, last, reasons);
        if (attempt === 1) options.onRows(last - first + 1);
      }
      now = await compare(transaction, target);
    }
    options.onRows(before.filter((row) => row.stored_id !== null).length);

    const stored: StoredRow[] = [];
    const refusals: Refusal[] = [];
    for (const { ordinal, stored_id: id, differs } of now) {
      const row = rows[ordinal];
      if (!row) throw new Error(`${path}: the database returned row ${ordinal}, which it was not sent`);
      const inserted = before[ordinal]?.stored_id === null && row.repeats !== true;
      if (id === null) {
        const reason =
          reasons.get(ordinal) ??
          'Postgres reported no error but did not store it: its id and the derived id belong to other rows, or a trigger drops it';
        refusals.push(refuseItem(path, row, reason));
      } else if (inserted && differs.length > 0) {
        throw new OperationalError(
          `${path}: ${id} was stored, but differs from the file in ${differs.join(', ')}`,
        );
      } else {
        stored.push({ row, id, inserted, differs });
      }
    }
    return { stored, refusals, agentsCreated };
  });
}

async function stage(
  transaction: Transaction,
  { columns }: Target,
  rows: readonly ImportRow[],
  { claims, installation }: Importer,
): Promise<void> {
  const names = columns.map(quoteIdentifier);
  const role = quoteIdentifier(requesterSettings(claims, installation)['role'] ?? '');
  await transaction.query({
    text: `create temporary table import_rows (ordinal integer, ${names.map((name) => `${name} text`).join(', ')})
      on commit drop`,
  });
  const sent = await transaction.copyFrom(
    `copy pg_temp.import_rows (ordinal, ${names.join(', ')}) from stdin`,
    Readable.from(copyLines(rows.map(({ values }, ordinal) => [String(ordinal), ...values]))),
  );
  if (sent !== rows.length)
    throw new Error(`expected COPY to store ${rows.length} rows, and it stored ${sent}`);
  await transaction.query({ text: 'analyze pg_temp.import_rows' });
  await transaction.query({ text: `grant select on pg_temp.import_rows to ${role}` });
}

/** Turns the transaction into the tenant's. A load's statements may take longer than a request's. */
async function becomeTenant(transaction: Transaction, { claims, installation }: Importer): Promise<void> {
  const settings = Object.entries({ statement_timeout: '0', ...requesterSettings(claims, installation) });
  await transaction.query({
    text: `select ${settings.map((_, i) => `pg_catalog.set_config($${2 * i + 1}, $${2 * i + 2}, true)`).join(', ')}`,
    values: settings.flat(),
  });
}

async function createAgent(transaction: Transaction, id: string): Promise<boolean> {
  const config = JSON.stringify({ created_by: 'import' });
  const { rowCount } = await transaction.query(
    sql`insert into app_public.agents (id, name, model, config) values (${id}, ${id}, 'unknown', ${config}::jsonb)
      on conflict (tenant_id, id) do nothing`,
  );
  return rowCount === 1;
}

/** What functions refuse of a row: a legacy word that nothing stands for, a message, a thread that is full, a number too long to print. */
const refusedRows: ReadonlySet<string> = new Set(['LTL01', 'LTC03', 'LTC05', 'LTK02']);

interface Compared {
  readonly ordinal: number;
  readonly stored_id: string | null;
  readonly differs: readonly string[];
}

async function compare(transaction: Transaction, { compare: text }: Target): Promise<Compared[]> {
  return (await transaction.query<Compared>({ text })).rows;
}

/**
 * Stores as many of the rows numbered `first` to `last` as possible, and adds the reasons for the others to
 * `reasons`.
 */
async function insertRange(
  transaction: Transaction,
  target: Target,
  first: number,
  last: number,
  reasons: Map<number, string>,
): Promise<void> {
  try {
    await transaction.savepoint((inner) => inner.query({ text: target.insert, values: [first, last] }));
  } catch (error) {
    if (!(error instanceof DatabaseError) || !isAboutARow(error)) throw error;
    if (first === last) {
      reasons.set(first, `Postgres refused it: ${error.message} (${error.code ?? ''})`);
      return;
    }
    const middle = Math.floor((first + last) / 2);
    await insertRange(transaction, target, first, middle, reasons);
    await insertRange(transaction, target, middle + 1, last, reasons);
  }
}

/**
 * Whether an error concerns one row: data, constraint, limit, or a trigger's refusal. Others (rights, disk,
 * connection) would hit every row.
 */
function isAboutARow({ code = '' }: DatabaseError): boolean {
  return refusedRows.has(code) || ['22', '23', '44', '54', 'P0'].includes(code.slice(0, 2));
}

/** Splits ascending ordinals into ranges of at most `rowsPerInsert`. A range may include rows that need nothing. */
function* ranges(ordinals: readonly number[]): Generator<[number, number]> {
  for (let i = 0; i < ordinals.length; i += rowsPerInsert) {
    const run = ordinals.slice(i, i + rowsPerInsert);
    yield [run[0] ?? 0, run.at(-1) ?? 0];
  }
}
