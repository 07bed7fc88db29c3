import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client } from 'pg';
import { clientExecutor } from '../../db/client-executor.ts';
import type { Executor } from '../../db/database.ts';
import { startEmbedded } from '../../embedded/embedded.ts';
import { BackupDamaged } from '../backup-damaged.ts';
import { compareTables } from '../digests/compare-tables.ts';
import type { Comparison } from '../digests/compare-tables.ts';
import { damagedTable, digestTables, listTables } from '../digests/table-digests.ts';
import type { TableDigest } from '../digests/table-digests.ts';
import { DamagedStore } from '../store/damaged-store.ts';
import { unnoticed } from '../drill-verdict.ts';
import type { DrillVerdict, SelfTest } from '../drill-verdict.ts';
import { examineAudit } from '../examine-audit.ts';
import type { EmbeddedState, ReadManifest } from '../manifest.ts';
import type { Vault } from '../vault.ts';
import { readIndex } from './file-index.ts';
import { restoreSnapshot } from './restore.ts';
import type { OnProgress } from '../../on-progress.ts';

export interface DrillOptions {
  readonly vault: Vault;
  readonly snapshot: ReadManifest;
  readonly signal?: AbortSignal;
  readonly onProgress?: OnProgress | undefined;
  /** The parent of the throw-away directory. Default: the system's temporary directory. */
  readonly directory?: string;
}

/**
 * Restores a snapshot into a throw-away directory, opens it, and compares its tables with the digests that the
 * snapshot took of the live database at its moment. Then it tests itself, with a row and a byte. A problem is part of
 * the verdict, not an error.
 */
export async function drillSnapshot(options: DrillOptions): Promise<DrillVerdict> {
  const { snapshot, signal, onProgress = () => undefined } = options;
  const { embedded } = snapshot.manifest;
  if (!embedded) throw new Error(`${snapshot.id} is not a snapshot of an embedded database`);
  const home = await mkdtemp(path.join(options.directory ?? tmpdir(), 'drill-'));
  const problems: string[] = [];
  const selfTests: SelfTest[] = [];
  let compared: Pick<Comparison, 'comparedTables' | 'comparedRows'> = { comparedTables: 0, comparedRows: 0 };
  let sealedRows = 0;
  let restoreMs: number | null = null;
  try {
    const began = performance.now();
    const into = path.join(home, 'data');
    await restoreSnapshot({ ...options, into, durable: false });
    await withDatabase(into, async (restored) => {
      restoreMs = Math.round(performance.now() - began);
      onProgress(null, 'comparing tables');
      const { differences, ...counts } = await compareWith(embedded, restored, signal);
      compared = counts;
      problems.push(...differences);
      for (const table of embedded.undigested) {
        problems.push(`${table} was not compared: it was too large to be digested while writers wait`);
      }
      onProgress(null, 'verifying the sealed audit log');
      const audit = await examineAudit(restored, [snapshot.manifest.auditHead ?? []].flat());
      ({ sealedRows } = audit);
      problems.push(...audit.problems);
      selfTests.push(...audit.selfTests);
      onProgress(null, 'testing the drill itself');
      selfTests.push(...(await loseRow(embedded.tables, restored)));
    });
    selfTests.push(...(await flipByte(options, path.join(home, 'damaged'))));
  } catch (error) {
    signal?.throwIfAborted();
    problems.push(error instanceof Error ? error.message : String(error));
  } finally {
    await rm(home, { recursive: true, force: true });
  }
  return {
    backups: [snapshot.id],
    position: null,
    ...compared,
    sealedRows,
    restoreMs,
    problems: [...problems, ...unnoticed(selfTests)],
    selfTests,
  };
}

async function withDatabase(
  dataDirectory: string,
  work: (database: Executor) => Promise<void>,
): Promise<void> {
  const running = await startEmbedded({ dataDirectory });
  try {
    const client = new Client({ connectionString: running.connectionString });
    client.on('error', () => undefined);
    await client.connect();
    try {
      await work(clientExecutor(client));
    } finally {
      await client.end();
    }
  } finally {
    await running.close();
  }
}

async function compareWith(
  { tables, undigested }: EmbeddedState,
  restored: Executor,
  signal: AbortSignal | undefined,
): Promise<Comparison> {
  await restored.query({ text: 'begin' });
  const found = (await listTables(restored)).filter((table) => !undigested.includes(table));
  const digests = await digestTables(restored, found, () => signal?.throwIfAborted());
  await restored.query({ text: 'rollback' });
  return compareTables(tables, digests);
}

/** Takes a row away from the copy: the comparison has to notice. */
async function loseRow(original: readonly TableDigest[], restored: Executor): Promise<SelfTest[]> {
  // The tenants' table, since the first table with rows may be a materialized view. A database without our schema
  // gives another table.
  const victim =
    original.find(({ table }) => table === damagedTable) ?? original.find(({ rows }) => rows > 0);
  if (!victim) return [];
  const { table } = victim;
  await restored.query({ text: 'begin' });
  // Keeps triggers, and the foreign keys of other tables, from interfering.
  await restored.query({ text: 'set local session_replication_role = replica' });
  await restored.query({
    text: `delete from only ${table} where ctid = (select ctid from only ${table} limit 1)`,
  });
  const { differences } = compareTables([victim], await digestTables(restored, [table]));
  await restored.query({ text: 'rollback' });
  return [{ damage: `a row of ${table} was deleted from the copy`, noticed: differences[0] ?? null }];
}

/** Restores from a store with one byte of one chunk changed: the restore has to be refused, naming the chunk. */
async function flipByte(options: DrillOptions, into: string): Promise<SelfTest[]> {
  const { vault, snapshot } = options;
  const { files } = await readIndex(vault, snapshot.manifest);
  const victim = files.flatMap(({ chunks }) => chunks).at(0);
  if (!victim) return [];
  const damaged = new DamagedStore(vault.store, 'byte flipped', (key) => key === victim.key);
  const damage = `a byte of ${victim.key} was flipped`;
  try {
    await restoreSnapshot({ ...options, vault: vault.over(damaged), into, durable: false });
    return [{ damage, noticed: null }];
  } catch (error) {
    if (!(error instanceof BackupDamaged) || error.member !== victim.key) throw error;
    return [{ damage, noticed: error.message }];
  }
}
