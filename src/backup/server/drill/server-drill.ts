import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from 'pg';
import type { Database } from '../../../db/database.ts';
import { sql } from '../../../db/statement.ts';
import { OperationalError } from '../../../operational-error.ts';
import { serverUser } from '../../../programs/server-user.ts';
import { BackupDamaged } from '../../backup-damaged.ts';
import { readManifests } from '../../manifest.ts';
import type { OnProgress } from '../../../on-progress.ts';
import { RestoreRefused } from '../../restore-refused.ts';
import { chooseChain } from '../choose-backup.ts';
import { CopyUnusable } from '../recover.ts';
import { restoreServerBackup } from '../restore.ts';
import type { RestoreTarget } from '../../restore-target.ts';
import type { ServerFacts } from '../server-facts.ts';
import { formatLsn } from '../wal/wal-position.ts';
import type { Lsn } from '../wal/wal-position.ts';
import type { Vault } from '../../vault.ts';
import type { DrillPrograms } from './drill-programs.ts';
import { checkPages, examineCopy, readDamagedBlock } from './examine-copy.ts';
import { placeSnapshot } from './place-snapshot.ts';
import { readCommits } from './read-commits.ts';
import { damageStore, flipBlock } from './self-tests.ts';
import { digestTables } from '../../digests/table-digests.ts';
import type { TableDigest } from '../../digests/table-digests.ts';
import { startThrowAwayServer } from './throw-away-server.ts';
import type { ThrowAwayServer } from './throw-away-server.ts';
import { unnoticed } from '../../drill-verdict.ts';
import type { DrillVerdict } from '../../drill-verdict.ts';
import { withMoment } from './with-moment.ts';

export interface ServerDrillOptions {
  /** A pool with the backup login, which reads every row of every tenant. */
  readonly database: Database;
  readonly facts: Pick<ServerFacts, 'systemIdentifier' | 'timeline' | 'segmentBytes'>;
  readonly vault: Vault;
  readonly programs: DrillPrograms;
  /**
   * The directory for the copy, which is removed again. It needs room for the whole server, twice for incremental
   * backups.
   */
  readonly workDirectory: string;
  /** How long no further WAL may arrive in the store while some is needed. Default: 2 minutes. */
  readonly patienceMs?: number;
  readonly onProgress?: OnProgress | undefined;
  readonly signal: AbortSignal;
  /** Called with the copy before the comparison: a test damages the copy here, and the drill has to notice. */
  readonly beforeComparison?: (copy: Client) => Promise<void>;
}

const nothingCompared = { comparedTables: 0, comparedRows: 0, sealedRows: 0, restoreMs: null, selfTests: [] };

/** The most attempts at finding a snapshot that has a place in the WAL. */
const mostSnapshots = 20;

/**
 * Proves the newest backups by restoring them: it reads the database at one exact place in its WAL, restores the
 * backups to that place on a server of their own, and compares every table, row by row, without tolerance. Then it
 * checks the copy's pages and indexes. Last, it tests itself: damage done on purpose has to be noticed.
 *
 * Resolves with its findings, good or bad; rejects when the drill could not be held at all, which says nothing about
 * the backups.
 */
export async function drillServer(options: ServerDrillOptions): Promise<DrillVerdict> {
  const { workDirectory, onProgress } = options;
  onProgress?.(0, 'reading the original');
  let original: Original;
  try {
    original = await readOriginal(options);
  } catch (error) {
    // These two come from the WAL of this moment, without which the snapshot has no place: a finding about the
    // backups.
    if (!(error instanceof BackupDamaged || error instanceof RestoreRefused)) throw error;
    return { ...nothingCompared, position: null, backups: [], problems: [error.message] };
  }
  await mkdir(workDirectory, { recursive: true });
  const folder = await mkdtemp(join(workDirectory, 'drill-'));
  try {
    // The copy's server runs as another user when this process is root.
    await chmod(folder, 0o711);
    return await compareWithCopy(options, original, join(folder, 'data'));
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** The original, as it was when its WAL was at `place`. */
interface Original {
  readonly place: Lsn;
  readonly databaseName: string;
  readonly superuser: string;
  readonly tables: readonly TableDigest[];
}

async function readOriginal(options: ServerDrillOptions): Promise<Original> {
  const { database, facts, patienceMs = 120_000 } = options;
  const { rows } = await database.query<{ database: string; superuser: string }>(sql`
    select pg_catalog.current_database() as database, rolname as superuser from pg_catalog.pg_roles where oid = 10`);
  const { database: databaseName = '', superuser = '' } = rows[0] ?? {};
  for (let n = 0; n < mostSnapshots; n += 1) {
    const found = await withMoment(database, async (reader, moment) => {
      const commits = await readCommits({ ...options, server: facts, patienceMs }, moment);
      const place = placeSnapshot(moment.snapshot, commits, moment.wal.end);
      return place === null ? null : { place, tables: await digestTables(reader, moment.tables) };
    });
    if (found) return { ...found, databaseName, superuser };
  }
  throw new OperationalError(
    `none of ${mostSnapshots} snapshots had a place in the WAL; try again at a quieter time`,
  );
}

async function compareWithCopy(
  options: ServerDrillOptions,
  original: Original,
  dataDirectory: string,
): Promise<DrillVerdict> {
  const { vault, programs, signal, onProgress } = options;
  const startedAt = performance.now();
  const user = await serverUser();
  const target: RestoreTarget = { kind: 'lsn', lsn: original.place };
  const red = { ...nothingCompared, position: formatLsn(original.place) };
  let backups: readonly string[];
  try {
    const restored = await restoreServerBackup({
      vault,
      // In a loss, the receiver's spool is gone with its machine, so the drill does without it.
      spoolDirectory: null,
      target,
      into: dataDirectory,
      programs,
      owner: user,
      durable: false,
      onProgress: (fraction, note) => onProgress?.(fraction === null ? null : 0.1 + 0.5 * fraction, note),
      signal,
    });
    backups = restored.backups;
  } catch (error) {
    if (!(error instanceof RestoreRefused)) throw error;
    return { ...red, backups: [], problems: [error.message] };
  }

  onProgress?.(0.6, 'starting a server on the copy');
  const start = () =>
    startThrowAwayServer({ programs, dataDirectory, user, superuser: original.superuser, signal });
  let server: ThrowAwayServer;
  try {
    server = await start();
  } catch (error) {
    if (!(error instanceof CopyUnusable)) throw error;
    return { ...red, backups, problems: [error.message] };
  }
  const restoreMs = Math.round(performance.now() - startedAt);
  try {
    onProgress?.(0.7, 'comparing every table');
    const { manifests, damaged } = await readManifests(vault);
    const anchors = manifests
      .filter(({ id }) => backups.includes(id))
      .flatMap(({ manifest }) => manifest.auditHead ?? []);
    const { comparison, audit, rowTest, relationFile } = await examineCopy(
      server.url(original.databaseName),
      { tables: original.tables, anchors },
      options.beforeComparison,
    );
    onProgress?.(0.85, 'checking pages and indexes');
    const problems = [
      ...comparison.differences,
      ...audit.problems,
      ...(await checkPages(programs, server, original)),
    ];

    onProgress?.(0.95, 'testing the drill itself');
    const from = backups.at(-1) ?? null;
    const storeTests = await damageStore(vault, chooseChain({ backups: manifests, damaged, target, from }));
    await server.stop();
    await flipBlock(dataDirectory, relationFile);
    server = await start();
    const blockTest = await readDamagedBlock(server.url(original.databaseName), relationFile);
    const selfTests = [rowTest, ...audit.selfTests, ...storeTests, blockTest];
    return {
      backups,
      position: red.position,
      comparedTables: comparison.comparedTables,
      comparedRows: comparison.comparedRows,
      sealedRows: audit.sealedRows,
      restoreMs,
      problems: [...problems, ...unnoticed(selfTests)],
      selfTests,
    };
  } finally {
    await server.stop();
  }
}
