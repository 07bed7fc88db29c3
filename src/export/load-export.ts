import { Readable } from 'node:stream';
import { DatabaseError } from 'pg';
import type { Transaction } from '../db/database.ts';
import { asOwner } from '../db/installation.ts';
import type { Installation } from '../db/installation.ts';
import { roleName } from '../db/roles.ts';
import { quoteIdentifier, sql } from '../db/statement.ts';
import { copyLines } from '../import/copy-lines.ts';
import type { OnProgress } from '../on-progress.ts';
import { version } from '../version.ts';
import { jsonColumnsOf } from './catalog.ts';
import { LineError, linesOf, valuesOf } from './json-line.ts';
import { orderedDigest, unorderedDigest } from './line-digest.ts';
import { printSettings, readLines, whereOf } from './lines.ts';
import { alterOf, planLoad, readGuards } from './load-plan.ts';
import type { Target } from './load-plan.ts';
import { makePartitions, moveSequences } from './load-places.ts';
import { narrowExport } from './narrow-export.ts';
import { makeRoom, moveOwnEntries, refuseExistingTenant } from './make-room.ts';
import { ExportRefused } from './manifest.ts';
import type { Manifest } from './manifest.ts';
import type { OpenedExport } from './open-export.ts';

/** An import of an export that was opened. */
export interface LoadOptions {
  /** Its login may become the owner of the tables. */
  readonly installation: Installation;
  readonly opened: OpenedExport;
  /** The only tenant to load of an export of everything; null: what the export has. */
  readonly tenant: string | null;
  readonly onProgress: OnProgress;
  readonly signal?: AbortSignal | undefined;
}

/** What was loaded. */
export interface Loaded {
  readonly rows: number;
  /** The tables, with the rows and digests of what is loaded. */
  readonly manifest: Manifest;
}

/**
 * Loads an export into a database without data of its tenants, in one transaction, and compares what is stored then with the
 * export, row by row. Rejects with ExportRefused when the database has data that are in the way, or
 * cannot hold the rows; nothing is changed then.
 */
export async function loadExport(given: LoadOptions): Promise<Loaded> {
  const { installation, tenant } = given;
  const opened =
    tenant === null
      ? given.opened
      : await narrowExport(asOwner(installation), given.opened, tenant, given.onProgress);
  const options = { ...given, opened };
  const { manifest } = opened;
  await refuseExistingTenant(asOwner(installation), manifest.tenant);
  const rows = await installation.database.transaction(printSettings, async (transaction) => {
    await become(transaction, installation, 'owner');
    const targets = await planLoad(transaction, manifest);
    const guards = await readGuards(
      transaction,
      targets.map(({ table }) => table),
    );
    // Of one tenant, the long part comes before others have to wait.
    const staged = manifest.tenant === null ? null : await stage(options, transaction, targets);
    await transaction.query({ text: "set local lock_timeout = '10s'" });
    for (const guard of guards) {
      const text = alterOf(guard, true);
      if (text !== null) await explained(guard.relation, () => transaction.query({ text }));
    }
    await makeRoom(transaction, manifest, targets);
    await makePartitions(transaction, targets);
    await moveSequences(transaction, manifest, targets);
    if (hasLog(manifest)) await moveOwnEntries(transaction, targets);
    let total = 0;
    for (const [i, target] of targets.entries()) {
      const from = staged?.get(target.file.table);
      if (from === undefined) {
        await copy(options, transaction, target, target.table.relation, i / targets.length);
      } else await move(transaction, target, from);
      await verify(transaction, target, options, manifest.tenant);
      total += target.file.rows;
    }
    await transaction.query({ text: 'set constraints all immediate' });
    for (const guard of guards) {
      const text = alterOf(guard, false);
      if (text !== null) await transaction.query({ text });
    }
    await record(transaction, options, total);
    return total;
  });
  // A later transaction could have a number among those of the log that came; what is sealed by then is in order.
  if (hasLog(manifest)) await sealAll(installation);
  return { rows, manifest };
}

function hasLog({ tables }: Manifest): boolean {
  return tables.some(({ table }) => table === 'audit.log');
}

/**
 * Loads the files into temporary tables, as the login: the owner may not make any. Their columns are texts, because the login may not
 * know every type. Returns their names, by table.
 */
async function stage(
  options: LoadOptions,
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
    await copy(options, transaction, target, name, (i / targets.length) * 0.9);
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
async function become(
  transaction: Transaction,
  { database, rolePrefix }: Installation,
  who: 'owner' | 'login',
): Promise<void> {
  if (database.kind === 'embedded') return;
  const role = who === 'owner' ? roleName(rolePrefix, 'owner') : 'none';
  await transaction.query(sql`select set_config('role', ${role}, true)`);
}

async function copy(
  { opened, onProgress, signal }: LoadOptions,
  transaction: Transaction,
  { file, table }: Target,
  into: string,
  fraction: number,
): Promise<void> {
  const columns = file.columns.map(quoteIdentifier).join(', ');
  const jsonColumns = jsonColumnsOf(table);
  let rows = 0;
  const source = async function* (): AsyncGenerator<Buffer> {
    for await (const lines of linesOf(opened.read(file))) {
      signal?.throwIfAborted();
      const values = lines.map((line, i) => {
        try {
          return valuesOf(line, file.columns, jsonColumns);
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

async function move(transaction: Transaction, { table, file }: Target, from: string): Promise<void> {
  const types = new Map(table.columns.map(({ name, type }) => [name, type]));
  const columns = file.columns.map(quoteIdentifier).join(', ');
  const values = file.columns.map((name) => `${quoteIdentifier(name)}::${types.get(name)}`).join(', ');
  await explained(file.table, () =>
    transaction.query({
      text: `insert into ${table.relation} (${columns}) overriding system value select ${values} from ${from}`,
    }),
  );
}

/** Reads the rows back. They have to be the ones of the file, to the byte. */
async function verify(
  transaction: Transaction,
  { table, file }: Target,
  { opened, onProgress }: LoadOptions,
  tenant: string | null,
): Promise<void> {
  const hash = opened.unordered?.has(table.name) ? unorderedDigest() : orderedDigest();
  let rows = 0;
  // The log has entries of this database as well, behind those that came.
  const last = table.name === 'audit.log' ? (opened.manifest.sequences['audit.log_id_seq'] ?? '0') : null;
  const where = last === null ? whereOf(table, tenant) : `where t.id <= ${BigInt(last)}`;
  const extract = { table, columns: file.columns, order: file.order, where };
  for await (const piece of readLines(transaction, extract)) {
    hash.add(piece.bytes);
    rows += piece.rows;
    onProgress(null, `comparing ${file.table}, ${rows} of ${file.rows} rows`);
  }
  if (rows !== file.rows || hash.digest() !== file.sha256) {
    throw new ExportRefused(
      `${file.table} would have other rows than the export: ${rows} were read back, and the export has ${file.rows}`,
    );
  }
}

async function record(transaction: Transaction, { opened }: LoadOptions, rows: number): Promise<void> {
  const { id, at, tenant, release, tables } = opened.manifest;
  const details = JSON.stringify({
    exported_at: at,
    release,
    rows,
    tables: Object.fromEntries(
      tables.map(({ table, rows: count, sha256 }) => [table, { rows: count, sha256 }]),
    ),
  });
  await transaction.query(sql`select audit.record_event('import', ${id}, ${tenant}, ${details}::jsonb)`);
}

async function sealAll(installation: Installation): Promise<void> {
  const owner = asOwner(installation);
  for (;;) {
    const { rows } = await owner.query(sql`select from ops.seal_audit_log(${version})`);
    if (rows.length === 0) return;
  }
}

/** Errors of Postgres that concern the rows or the table, in a sentence that names the table. */
async function explained<T>(table: string, work: () => Promise<T>): Promise<T> {
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
