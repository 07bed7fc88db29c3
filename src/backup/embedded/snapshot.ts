import { constants } from 'node:fs';
import { copyFile, mkdir, rm, truncate } from 'node:fs/promises';
import path from 'node:path';
import { readHead } from '../../audit/anchor.ts';
import type { Anchor } from '../../audit/anchor.ts';
import type { Executor } from '../../db/database.ts';
import { sql } from '../../db/statement.ts';
import { DirectoryHeld, describeOwner, takeLock } from '../../embedded/lock.ts';
import type { Lock } from '../../embedded/lock.ts';
import { OperationalError } from '../../operational-error.ts';
import { inParallel } from '../in-parallel.ts';
import { BackupDamaged } from '../backup-damaged.ts';
import { listManifests, newBackupId, readManifest, writeManifest } from '../manifest.ts';
import type { ReadManifest } from '../manifest.ts';
import { ObjectMissing } from '../store/store.ts';
import type { Vault } from '../vault.ts';
import { ChunkStore } from './chunk-store.ts';
import { digestHeld, plainDigests } from './digest-tables.ts';
import type { HeldDigests } from './digest-tables.ts';
import { readIndex, writeIndex } from './file-index.ts';
import type { FileIndex, IndexedFile } from './file-index.ts';
import { hasRested, isSame, readFileSet } from './file-set.ts';
import type { FileIdentity, FileSet } from './file-set.ts';
import { holdDatabase } from './hold.ts';
import { markSnapshot } from './marks.ts';
import type { OnProgress } from '../../on-progress.ts';

export interface SnapshotOptions {
  /** DATA_DIR of the embedded database, which has to run, in this process or another. */
  readonly dataDirectory: string;
  readonly connectionString: string;
  readonly vault: Vault;
  readonly now: () => Date;
  /**
   * Reads and stores everything again, even objects that the store already has: for a store with damaged objects.
   * Default: false.
   */
  readonly everything?: boolean;
  readonly signal?: AbortSignal;
  /** The fraction is from 0 to 1; null: unknown. */
  readonly onProgress?: OnProgress | undefined;
}

/** Another snapshot of the same database is being taken. */
export class SnapshotRunning extends OperationalError {
  override name = 'SnapshotRunning';
}

/** Files read and stored at the same time. */
const lanes = 8;

/**
 * Takes a snapshot of the embedded database at one moment between two transactions. Almost everything is stored
 * before that moment, while others write. At the moment, the files changed since are copied aside, and the tables are
 * digested. Files unchanged since the last snapshot are neither read nor stored again.
 */
export async function takeSnapshot(options: SnapshotOptions): Promise<ReadManifest> {
  const { dataDirectory, vault, now, onProgress = () => undefined } = options;
  const startedAt = now();
  const id = newBackupId('snapshot', startedAt);
  const spool = await takeSpool(dataDirectory);
  try {
    const unmark = await markSnapshot(vault.store, now, options.signal);
    try {
      onProgress(null, 'looking what the store has');
      const earlier = options.everything ? null : await newestIndex(vault);
      const chunks = new ChunkStore(vault);
      if (earlier) await chunks.learn(earlier);
      const root = path.join(dataDirectory, 'postgres');
      const stored = await storeAhead(root, chunks, earlier, options);
      onProgress(null, 'copying what has changed meanwhile; writers wait');
      const { result: moment, heldMs } = await holdDatabase(options.connectionString, (held) =>
        copyMoment(held, { root, spool: spool.directory, stored, earlier, now }),
      );
      const files = await storeCopies(moment, stored, chunks, options);
      const index: FileIndex = {
        format: 1,
        directories: moment.files.directories,
        files,
        digests: moment.digests.known,
      };
      const member = await writeIndex(vault, id, index);
      return await writeManifest(vault, {
        format: 1,
        id,
        kind: 'snapshot',
        parent: null,
        startedAt: startedAt.toISOString(),
        endedAt: now().toISOString(),
        objects: [member],
        server: null,
        embedded: {
          version: moment.version,
          files: files.length,
          bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
          newBytes: chunks.newBytes + member.storedBytes,
          heldMs: Math.round(heldMs),
          tables: plainDigests(moment.digests.known),
          undigested: moment.digests.undigested,
        },
        auditHead: moment.auditHead,
      });
    } finally {
      await unmark();
    }
  } finally {
    await spool.release();
  }
}

/** The state captured at the moment. */
interface Moment {
  readonly version: string;
  readonly files: FileSet;
  readonly lookedAt: Date;
  readonly digests: HeldDigests;
  readonly auditHead: Anchor | null;
  /** The paths of the copies, by the paths of the files. */
  readonly copies: ReadonlyMap<string, string>;
}

/** Files as they were stored, each with its identity from before it was read. */
type Stored = Map<string, IndexedFile & { readonly identity: FileIdentity }>;

/** Stores the files that have rested for a while, while others write. A change after that is seen at the moment. */
async function storeAhead(
  root: string,
  chunks: ChunkStore,
  earlier: FileIndex | null,
  { now, signal, onProgress = () => undefined }: SnapshotOptions,
): Promise<Stored> {
  const before = new Map(earlier?.files.map((file) => [file.path, file]));
  const lookedAt = now();
  const { files } = readFileSet(root);
  const total = sumOf(files.values());
  const stored: Stored = new Map();
  let done = 0;
  await inParallel(files, lanes, async ([name, identity]) => {
    signal?.throwIfAborted();
    const known = before.get(name);
    if (known && isSame(known.identity, identity) && (await chunks.has(known.chunks))) {
      stored.set(name, { ...known, identity });
    } else if (hasRested(identity, lookedAt) && !isLog(name)) {
      const found = await storeIfThere(chunks, path.join(root, name), signal);
      if (found) stored.set(name, { path: name, identity, ...found });
    }
    done += identity.bytes;
    onProgress(done / total, name);
  });
  return stored;
}

/** At the held moment: digests the tables, and copies aside the files whose present state is not stored. */
async function copyMoment(
  held: Executor,
  {
    root,
    spool,
    stored,
    earlier,
    now,
  }: { root: string; spool: string; stored: Stored; earlier: FileIndex | null; now: () => Date },
): Promise<Moment> {
  await held.query({ text: 'checkpoint' });
  const digests = await digestHeld(held, readFileSet(root), earlier);
  const auditHead = await readHead(held);
  // Reading rows sets hint bits for their visibility, which changes their pages.
  if (digests.computed > 0) await held.query({ text: 'checkpoint' });
  const log = await readLogRange(held);
  const lookedAt = now();
  const all = readFileSet(root);
  const files = new Map([...all.files].filter(([name]) => !isLog(name) || isNeeded(name, log)));
  const changed = [...files].filter(
    ([name, identity]) => !isSame(stored.get(name)?.identity ?? null, identity),
  );
  const copies = new Map(changed.map(([name], i) => [name, path.join(spool, String(i))]));
  await inParallel(copies, lanes, async ([name, copy]) => {
    // Where the file system supports clones, nothing is copied until one of the two files is written to.
    await copyFile(path.join(root, name), copy, constants.COPYFILE_FICLONE);
  });
  return {
    version: log.version,
    files: { directories: all.directories, files },
    lookedAt,
    digests,
    auditHead,
    copies: await cutLog(copies, files, log),
  };
}

/** Stores the copies. Returns all files of the snapshot in the order of their paths. */
async function storeCopies(
  { files: { files }, copies, lookedAt }: Moment,
  stored: Stored,
  chunks: ChunkStore,
  { signal, onProgress = () => undefined }: SnapshotOptions,
): Promise<IndexedFile[]> {
  const indexed = new Map<string, IndexedFile>();
  for (const [name] of files) {
    const known = stored.get(name);
    if (known && !copies.has(name)) indexed.set(name, known);
  }
  let done = 0;
  await inParallel(copies, lanes, async ([name, copy]) => {
    const identity = files.get(name);
    if (!identity) return;
    const found = await chunks.storeFile(copy, signal);
    await rm(copy);
    const rested = hasRested(identity, lookedAt) && !isLog(name);
    indexed.set(name, { path: name, identity: rested ? identity : null, ...found });
    onProgress(++done / copies.size, name);
  });
  return [...indexed.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** The part of the write-ahead log that belongs to the moment. */
interface LogRange {
  readonly version: string;
  /** Names of segments. */
  readonly first: string;
  readonly last: string;
  /** Bytes written to the last segment; the rest is left over from its earlier use. */
  readonly lastBytes: number;
}

async function readLogRange(held: Executor): Promise<LogRange> {
  const { rows } = await held.query<LogRange>(sql`
    select current_setting('server_version_num')::integer / 10000 || '' as version,
      c.redo_wal_file as first, i.file_name as last, i.file_offset as "lastBytes"
    from pg_catalog.pg_control_checkpoint() c, pg_catalog.pg_walfile_name_offset(pg_catalog.pg_current_wal_insert_lsn()) i`);
  const [range] = rows;
  if (!range) throw new Error('pg_control_checkpoint gave no row');
  return range;
}

const logPattern = /^pg_wal\/([0-9A-F]{24})$/;

function isLog(name: string): boolean {
  return logPattern.test(name);
}

function isNeeded(name: string, { first, last }: LogRange): boolean {
  const segment = logPattern.exec(name)?.[1] ?? '';
  return segment >= first && segment <= last;
}

/** Empties the rest of the last segment's copy, so that old log is not stored again and again. */
async function cutLog(
  copies: ReadonlyMap<string, string>,
  files: ReadonlyMap<string, FileIdentity>,
  { last, lastBytes }: LogRange,
): Promise<ReadonlyMap<string, string>> {
  const name = `pg_wal/${last}`;
  const copy = copies.get(name);
  const identity = files.get(name);
  if (copy !== undefined && identity) {
    await truncate(copy, lastBytes);
    await truncate(copy, identity.bytes);
  }
  return copies;
}

/** Null when the file is gone. */
async function storeIfThere(chunks: ChunkStore, file: string, signal?: AbortSignal) {
  try {
    return await chunks.storeFile(file, signal);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}

/**
 * The files of the newest readable snapshot. A damaged snapshot is useless here, but it is not a reason to refuse
 * another.
 */
async function newestIndex(vault: Vault): Promise<FileIndex | null> {
  for (const listed of (await listManifests(vault)).toReversed()) {
    try {
      const { manifest } = await readManifest(vault, listed);
      if (manifest.kind === 'snapshot') return await readIndex(vault, manifest);
    } catch (error) {
      if (!(error instanceof BackupDamaged) && !(error instanceof ObjectMissing)) throw error;
    }
  }
  return null;
}

/**
 * Makes a directory for copies, on the database's own file system, for one snapshot at a time. Removes the remains of
 * a killed one.
 */
async function takeSpool(
  dataDirectory: string,
): Promise<{ directory: string; release: () => Promise<void> }> {
  const home = path.join(dataDirectory, 'snapshot');
  await mkdir(home, { recursive: true, mode: 0o700 });
  const lock = await takeHome(home, dataDirectory);
  const directory = path.join(home, 'copies');
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { mode: 0o700 });
  return {
    directory,
    release: async () => {
      await rm(directory, { recursive: true, force: true });
      lock.release();
    },
  };
}

async function takeHome(home: string, dataDirectory: string): Promise<Lock> {
  try {
    return await takeLock(home, 0);
  } catch (error) {
    if (!(error instanceof DirectoryHeld)) throw error;
    throw new SnapshotRunning(
      `a snapshot of ${dataDirectory} is being taken by ${describeOwner(error.owner)}: wait for it to end`,
      { cause: error },
    );
  }
}

function sumOf(files: Iterable<FileIdentity>): number {
  let sum = 0;
  for (const { bytes } of files) sum += bytes;
  return sum;
}
