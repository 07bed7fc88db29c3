import { Readable } from 'node:stream';
import { DatabaseError } from 'pg';
import type { Transaction } from '../db/database.ts';
import type { Installation } from '../db/installation.ts';
import { roleName } from '../db/roles.ts';
import { quoteIdentifier, sql } from '../db/statement.ts';
import { copyLines } from '../import/copy-lines.ts';
import type { OnProgress } from '../on-progress.ts';
import { LineError, linesOf, valuesOf } from './json-line.ts';
import { lineColumnsOf } from './lines.ts';
import type { Target } from './load-plan.ts';
import { ExportRefused } from './manifest.ts';
import type { OpenedExport } from './open-export.ts';

/** An export that was opened, and the database that takes its rows. */
export interface StageOptions {
  /** Its login may become the owner of the tables. */
  readonly installation: Installation;
  readonly opened: OpenedExport;
  readonly onProgress: OnProgress;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Loads the files into temporary tables, as the login: the owner may not make any. Their columns are texts, because the login may not
 * know every type. Returns their names, by table.
 */
export async function stageTables(
  options: StageOptions,
  transaction: Transaction,
  targets: readonly Target[],
): Promise<ReadonlyMap<string, string>> {
  const { installation } = options;
  const owner = quoteIdentifier(roleName(installation.rolePrefix, 'owner'));
  await become(transaction, installation, 'login');
  const staged = new Map<string, string>();
  for (const [i, target] of targets.entries()) {
    const name = `pg_temp.import_${i}`;
    const columns = target.file.columns.map((column) => `${quoteIdentifier(column)} text`);
    await transaction.query({
      text: `create temporary table import_${i} (${columns.join(', ')}) on commit drop`,
    });
    await copyInto(options, transaction, target, name, (i / targets.length) * 0.9);
    // Without statistics a join of millions of rows would be planned as one of a thousand.
    await transaction.query({ text: `analyze ${name}` });
    await transaction.query({ text: `grant select on ${name} to ${owner}` });
    staged.set(target.file.table, name);
  }
  await become(transaction, installation, 'owner');
  return staged;
}

/**
 * On a server the owner loads. The embedded database turns COPY into reading a file, which takes its superuser, whom no policy
 * binds.
 */
export async function become(
  transaction: Transaction,
  { database, rolePrefix }: Installation,
  who: 'owner' | 'login',
): Promise<void> {
  if (database.kind === 'embedded') return;
  const role = who === 'owner' ? roleName(rolePrefix, 'owner') : 'none';
  await transaction.query(sql`select set_config('role', ${role}, true)`);
}

/** Feeds the rows of a file into a table. Rejects with ExportRefused for a line that is not a row, or a row that the table does not take. */
export async function copyInto(
  { opened, onProgress, signal }: StageOptions,
  transaction: Transaction,
  { file, table }: Target,
  into: string,
  fraction: number,
): Promise<void> {
  const columns = file.columns.map(quoteIdentifier).join(', ');
  const lineColumns = lineColumnsOf(table, file.columns);
  let rows = 0;
  const source = async function* (): AsyncGenerator<Buffer> {
    for await (const lines of linesOf(opened.read(file))) {
      signal?.throwIfAborted();
      const values = lines.map((line, i) => {
        try {
          return valuesOf(line, lineColumns);
        } catch (error) {
          if (!(error instanceof LineError)) throw error;
          throw new ExportRefused(`line ${rows + i + 1} of ${file.table} is not a row: ${error.message}`, {
            cause: error,
          });
        }
      });
      yield* copyLines(values);
      rows += lines.length;
      onProgress(fraction, `loading ${file.table}, ${rows} of ${file.rows} rows`);
    }
  };
  await explained(file.table, () =>
    transaction.copyFrom(
      `copy ${into} (${columns}) from stdin`,
      Readable.from(source(), { objectMode: false }),
    ),
  );
}

/**
 * Inserts the rows of a temporary table of `stageTables`, each value cast to the type of its column. `s` stands for a staged row in `clauses`, the rest of
 * the statement. Returns how many rows were inserted, or updated by `on conflict`.
 */
export async function insertStaged(
  transaction: Transaction,
  { table, file }: Target,
  from: string,
  clauses = '',
): Promise<number> {
  const types = new Map(table.columns.map(({ name, type }) => [name, type]));
  const columns = file.columns.map(quoteIdentifier).join(', ');
  const values = file.columns.map((name) => `s.${quoteIdentifier(name)}::${types.get(name)}`).join(', ');
  const { rowCount } = await explained(file.table, () =>
    transaction.query({
      text: `insert into ${table.relation} (${columns}) overriding system value select ${values} from ${from} s ${clauses}`,
    }),
  );
  return rowCount ?? 0;
}

/** Errors of Postgres that concern the rows or the table, in a sentence that names the table. */
export async function explained<T>(table: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error;
    if (error.code === '55P03') {
      throw new ExportRefused(
        `other transactions keep ${table} from being loaded; try again when they have ended (${error.message})`,
        { cause: error },
      );
    }
    if (!['22', '23', '44', '54', 'P0', 'LT'].includes(String(error.code).slice(0, 2))) throw error;
    const detail = error.detail === undefined ? '' : `; ${error.detail}`;
    throw new ExportRefused(
      `the database does not take the rows of ${table}: ${error.message} (${error.code}${detail})`,
      { cause: error },
    );
  }
}
