import type { Transaction } from '../db/database.ts';
import { asOwner } from '../db/installation.ts';
import type { Installation } from '../db/installation.ts';
import { sql } from '../db/statement.ts';
import { version } from '../version.ts';
import { orderedDigest, unorderedDigest } from './line-digest.ts';
import { printSettings, readLines, whereOf } from './lines.ts';
import { alterOf, planLoad, readGuards } from './load-plan.ts';
import type { Target } from './load-plan.ts';
import { makePartitions, moveSequences } from './load-places.ts';
import { narrowExport } from './narrow-export.ts';
import { makeRoom, moveOwnEntries, refuseExistingTenant } from './make-room.ts';
import { ExportRefused } from './manifest.ts';
import type { Manifest } from './manifest.ts';
import { become, copyInto, explained, insertStaged, stageTables } from './stage-tables.ts';
import type { StageOptions } from './stage-tables.ts';

/** An import of an export that was opened. */
export interface LoadOptions extends StageOptions {
  /** The only tenant to load of an export of everything; null: what the export has. */
  readonly tenant: string | null;
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
    const staged = manifest.tenant === null ? null : await stageTables(options, transaction, targets);
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
        await copyInto(options, transaction, target, target.table.relation, i / targets.length);
      } else await insertStaged(transaction, target, from);
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
