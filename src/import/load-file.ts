import type { DatabaseError } from 'pg';
import type { Transaction } from '../db/database.ts';
import { sql } from '../db/statement.ts';
import { OperationalError } from '../operational-error.ts';
import { refuseItem } from './quarantine.ts';
import type { Refusal } from './quarantine.ts';
import { becomeTenant, makeStaging, stageRows, storeRange } from './staging.ts';
import type { Importer } from './staging.ts';
import type { FileContent, ImportRow, Target } from './store.ts';

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
 */
export async function loadFile(
  importer: Importer,
  target: Target,
  { path, rows }: Pick<FileContent, 'path' | 'rows'>,
  options: { readonly createAgents: readonly string[]; readonly onRows: (count: number) => void },
): Promise<LoadedFile> {
  return importer.installation.database.transaction({}, async (transaction) => {
    await makeStaging(transaction, target.columns, importer);
    await stageRows(
      transaction,
      target.columns,
      rows.map(({ values }) => values),
    );
    await transaction.query({ text: 'analyze pg_temp.import_rows' });
    await becomeTenant(transaction, importer);
    const agentsCreated: string[] = [];
    for (const id of options.createAgents) if (await createAgent(transaction, id)) agentsCreated.push(id);

    const before = await compare(transaction, target);
    const reasons = new Map<number, string>();
    const insert = async (inner: Transaction, first: number, last: number): Promise<void> => {
      await inner.query({ text: target.insert, values: [first, last] });
    };
    const onRefused = (ordinal: number, { message, code = '' }: DatabaseError): void => {
      reasons.set(ordinal, `Postgres refused it: ${message} (${code})`);
    };
    let now = before;
    for (let attempt = 1; attempt <= attempts; attempt += 1) {
      const missing = now.filter((row) => row.stored_id === null && !reasons.has(row.ordinal));
      if (missing.length === 0) break;
      for (const [first, last] of ranges(missing.map(({ ordinal }) => ordinal))) {
        await storeRange(transaction, [first, last], insert, onRefused);
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

async function createAgent(transaction: Transaction, id: string): Promise<boolean> {
  const config = JSON.stringify({ created_by: 'import' });
  const { rowCount } = await transaction.query(
    sql`insert into app_public.agents (id, name, model, config) values (${id}, ${id}, 'unknown', ${config}::jsonb)
      on conflict (tenant_id, id) do nothing`,
  );
  return rowCount === 1;
}

interface Compared {
  readonly ordinal: number;
  readonly stored_id: string | null;
  readonly differs: readonly string[];
}

async function compare(transaction: Transaction, { compare: text }: Target): Promise<Compared[]> {
  return (await transaction.query<Compared>({ text })).rows;
}

/** Splits ascending ordinals into ranges of at most `rowsPerInsert`. A range may include rows that need nothing. */
function* ranges(ordinals: readonly number[]): Generator<[number, number]> {
  for (let i = 0; i < ordinals.length; i += rowsPerInsert) {
    const run = ordinals.slice(i, i + rowsPerInsert);
    yield [run[0] ?? 0, run.at(-1) ?? 0];
  }
}
