import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { Client } from 'pg';
import type { Executor } from '../../db/database.ts';
import { startEmbedded } from '../../db/embedded/embedded.ts';
import { BackupDamaged } from '../backup-damaged.ts';
import { compareTables } from '../drill/compare-tables.ts';
import type { Comparison } from '../drill/compare-tables.ts';
import { digestTables, listTables } from '../drill/table-digests.ts';
import type { TableDigest } from '../drill/table-digests.ts';
import type { ReadManifest } from '../manifest.ts';
import type { Vault } from '../vault.ts';
import { readIndex } from './file-index.ts';
import { restoreSnapshot } from './restore.ts';

export interface DrillVerdict {
  /** No problem, and rows were compared. */
  readonly ok: boolean;
  readonly comparedTables: number;
  readonly comparedRows: number;
  /** From the store to a database that answers. */
  readonly restoreMs: number;
  /** A sentence each. */
  readonly problems: readonly string[];
}

export interface DrillOptions {
  readonly vault: Vault;
  readonly snapshot: ReadManifest;
  readonly signal?: AbortSignal;
  readonly onProgress?: (fraction: number | null, note: string) => void;
  /** Where the throw-away directory is made. Default: that of the system. */
  readonly directory?: string;
}

/**
 * Restores a snapshot into a throw-away directory, opens it and compares what its tables hold with what the snapshot noted of the live
 * database in the moment it was taken. Then it tests itself: a flipped bit in a chunk has to stop a restore, and a row taken
 * away has to be noticed. A problem is a verdict, not an error.
 */
export async function drillSnapshot(options: DrillOptions): Promise<DrillVerdict> {
  const { snapshot, signal, onProgress = () => undefined } = options;
  const { embedded } = snapshot.manifest;
  if (!embedded) throw new Error(`${snapshot.id} is no snapshot of an embedded database`);
  const home = await mkdtemp(path.join(options.directory ?? tmpdir(), 'drill-'));
  const problems: string[] = [];
  let comparison: Comparison = { comparedTables: 0, comparedRows: 0, differences: [] };
  let restoreMs = 0;
  try {
    const began = performance.now();
    const into = path.join(home, 'data');
    try {
      await restoreSnapshot({ ...options, into, durable: false });
      await withDatabase(into, async (restored) => {
        restoreMs = Math.round(performance.now() - began);
        onProgress(null, 'comparing tables');
        comparison = await compareWith(embedded.tables, restored, embedded.undigested, signal);
        problems.push(...comparison.differences);
        for (const table of embedded.undigested) {
          problems.push(`${table} was not compared: it was too large to be digested while writers wait`);
        }
        onProgress(null, 'testing the drill itself');
        if (comparison.comparedRows > 0) problems.push(...(await missRow(embedded.tables, restored)));
      });
      problems.push(...(await missFlippedBit(options, path.join(home, 'damaged'))));
    } catch (error) {
      signal?.throwIfAborted();
      problems.push(error instanceof Error ? error.message : String(error));
    }
  } finally {
    await rm(home, { recursive: true, force: true });
  }
  const { comparedTables, comparedRows } = comparison;
  if (problems.length === 0 && comparedRows === 0) problems.push('no row was compared');
  return { ok: problems.length === 0, comparedTables, comparedRows, restoreMs, problems };
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
      await work({
        query: async <Row>({ text, values }: { text: string; values?: readonly unknown[] | undefined }) => {
          const { rows, rowCount } = await client.query(text, values && [...values]);
          return { rows: rows as Row[], rowCount };
        },
      });
    } finally {
      await client.end();
    }
  } finally {
    await running.close();
  }
}

async function compareWith(
  original: readonly TableDigest[],
  restored: Executor,
  left: readonly string[],
  signal: AbortSignal | undefined,
): Promise<Comparison> {
  await restored.query({ text: 'begin' });
  const tables = (await listTables(restored)).filter((table) => !left.includes(table));
  const digests = await digestTables(restored, tables, () => signal?.throwIfAborted());
  await restored.query({ text: 'rollback' });
  return compareTables(original, digests);
}

/** A row is taken away from the copy. Empty: the comparison notices. */
async function missRow(original: readonly TableDigest[], restored: Executor): Promise<string[]> {
  const victim = original.find(({ rows }) => rows > 0);
  if (!victim) return [];
  await restored.query({ text: 'begin' });
  // No trigger, and no other table's rule, has a say in it.
  await restored.query({ text: 'set local session_replication_role = replica' });
  await restored.query({
    text: `delete from only ${victim.table} where ctid = (select ctid from only ${victim.table} limit 1)`,
  });
  const digests = await digestTables(restored, [victim.table]);
  await restored.query({ text: 'rollback' });
  const { differences } = compareTables([victim], digests);
  return differences.length > 0 ? [] : [`the drill did not notice a row missing in ${victim.table}`];
}

/** A restore from a store that flips a bit of one chunk. Empty: it is refused, by name. */
async function missFlippedBit(options: DrillOptions, into: string): Promise<string[]> {
  const { files } = await readIndex(options.vault, options.snapshot.manifest);
  const victim = files.flatMap(({ chunks }) => chunks).at(0);
  if (!victim) return ['the drill found no chunk to damage'];
  try {
    await restoreSnapshot({ ...options, vault: flipping(options.vault, victim.key), into, durable: false });
  } catch (error) {
    if (error instanceof BackupDamaged && error.member === victim.key) return [];
    return [`the drill damaged ${victim.key} and got another error: ${String(error)}`];
  }
  return [`the drill did not notice a flipped bit in ${victim.key}`];
}

/** The same vault over a store that flips a bit in the middle of one object as it is read. */
function flipping(vault: Vault, victim: string): Vault {
  const { store } = vault;
  return vault.over({
    name: store.name,
    put: (key, source, signal) => store.put(key, source, signal),
    list: (prefix) => store.list(prefix),
    remove: (key) => store.remove(key),
    get: async (key) => {
      const source = await store.get(key);
      if (key !== victim) return source;
      const bytes = await buffer(source);
      const middle = bytes.length >> 1;
      bytes.writeUInt8(bytes.readUInt8(middle) ^ 1, middle);
      return Readable.from([bytes], { objectMode: false });
    },
  });
}
