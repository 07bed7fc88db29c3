import { mkdir, open, readdir, rename, rm, rmdir } from 'node:fs/promises';
import path from 'node:path';
import { OperationalError } from '../../operational-error.ts';
import { BackupDamaged } from '../backup-damaged.ts';
import { inParallel } from '../in-parallel.ts';
import type { ReadManifest } from '../manifest.ts';
import { RestoreRefused } from '../restore-refused.ts';
import { ObjectMissing } from '../store/store.ts';
import type { StoredObject, Vault } from '../vault.ts';
import { readIndex } from './file-index.ts';
import type { Chunk, FileIndex, IndexedFile } from './file-index.ts';
import { readFileSet } from './file-set.ts';
import type { OnProgress } from '../../on-progress.ts';

export interface RestoreOptions {
  readonly vault: Vault;
  readonly snapshot: ReadManifest;
  /** The directory that becomes a DATA_DIR. It must be empty or absent. */
  readonly into: string;
  /**
   * False: for a throw-away copy. Default: everything is on disk when it resolves, and survives a crash of the
   * machine.
   */
  readonly durable?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: OnProgress | undefined;
}

const lanes = 8;

/**
 * Restores a snapshot into a new DATA_DIR. Everything is read and checked before the database appears under its name:
 * it is there whole or not at all. Rejects with RestoreRefused when the directory is not empty; rejects with
 * BackupDamaged or ObjectMissing, naming the object, when one cannot be read.
 */
export async function restoreSnapshot(options: RestoreOptions): Promise<void> {
  const { vault, snapshot, into } = options;
  const index = await readIndex(vault, snapshot.manifest);
  checkPaths(index, snapshot.key);
  const made = await mkdir(into, { recursive: true, mode: 0o700 });
  const [found] = await readdir(into);
  if (found !== undefined) {
    throw new RestoreRefused(
      `${into} is not empty (it holds ${found}): name a directory that is new or empty`,
      null,
    );
  }
  const staging = path.join(into, 'postgres.restoring');
  try {
    await writeFiles(index, staging, options);
    checkFileSet(index, staging);
    await rename(staging, path.join(into, 'postgres'));
    if (options.durable !== false) await syncDirectory(into);
  } catch (error) {
    await rm(staging, { recursive: true, force: true });
    if (made !== undefined) await rmdir(into);
    throw error;
  }
}

/** Every object in the store that a snapshot consists of, each once. */
export async function objectsOf(vault: Vault, { manifest }: ReadManifest): Promise<readonly StoredObject[]> {
  const { files } = await readIndex(vault, manifest);
  const chunks = new Map(files.flatMap((file) => file.chunks.map((chunk) => [chunk.key, chunk] as const)));
  return [...manifest.objects, ...chunks.values()];
}

/**
 * Reads every object that a snapshot consists of. Returns a sentence for each one that is damaged or missing, naming
 * it.
 */
export async function verifySnapshot({
  vault,
  snapshot,
  signal,
  onProgress = () => undefined,
}: Omit<RestoreOptions, 'into'>): Promise<{ objects: number; problems: string[] }> {
  const problems: string[] = [];
  let objects: readonly StoredObject[] = snapshot.manifest.objects;
  let done = 0;
  const collect = async (work: () => Promise<unknown>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof BackupDamaged) && !(error instanceof ObjectMissing)) throw error;
      problems.push(error.message);
    }
  };
  await collect(async () => {
    objects = await objectsOf(vault, snapshot);
  });
  await inParallel(objects, lanes, async (object) => {
    signal?.throwIfAborted();
    await collect(() => vault.check(object));
    onProgress(++done / objects.length, object.key);
  });
  return { objects: objects.length, problems: [...new Set(problems)].sort() };
}

async function writeFiles(
  { directories, files }: FileIndex,
  staging: string,
  { vault, durable = true, signal, onProgress = () => undefined }: RestoreOptions,
): Promise<void> {
  await mkdir(staging, { mode: 0o700 });
  for (const directory of directories) await mkdir(path.join(staging, directory), { mode: 0o700 });
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  let done = 0;
  await inParallel(files, lanes, async (file) => {
    signal?.throwIfAborted();
    await writeFile(vault, path.join(staging, file.path), file, durable);
    done += file.bytes;
    onProgress(total === 0 ? 1 : done / total, file.path);
  });
  if (!durable) return;
  for (const directory of [...directories, '']) await syncDirectory(path.join(staging, directory));
}

async function writeFile(
  vault: Vault,
  target: string,
  { bytes, chunks }: IndexedFile,
  durable: boolean,
): Promise<void> {
  const file = await open(target, 'wx', 0o600);
  try {
    for (const chunk of chunks) await file.writeFile(await contentOf(vault, chunk));
    const { size } = await file.stat();
    if (size !== bytes)
      throw new OperationalError(`${target} has ${size} bytes, and the snapshot's file has ${bytes}`);
    if (durable) await file.sync();
  } finally {
    await file.close();
  }
}

async function contentOf(vault: Vault, chunk: Chunk): Promise<Buffer> {
  const content = await vault.readWhole(chunk);
  if (vault.fingerprint(content) !== chunk.fingerprint) {
    throw new BackupDamaged(chunk.key, 'its content does not match its name');
  }
  return content;
}

/** Paths come from a stored file, and must not lead out of the directory. */
function checkPaths({ directories, files }: FileIndex, member: string): void {
  for (const name of [...directories, ...files.map((file) => file.path)]) {
    if (name.split('/').some((part) => part === '' || part === '.' || part === '..' || /[\\\0]/.test(part))) {
      throw new BackupDamaged(member, `it names an unsafe path: ${JSON.stringify(name)}`);
    }
  }
}

/** Checks that no file is missing, none is extra, and each has its length. */
function checkFileSet(index: FileIndex, staging: string): void {
  const { directories, files } = readFileSet(staging);
  const found = [...directories, ...[...files].map(([name, { bytes }]) => `${name} ${bytes}`)].sort();
  const wanted = [
    ...index.directories,
    ...index.files.map(({ path: name, bytes }) => `${name} ${bytes}`),
  ].sort();
  const odd =
    found.find((name, i) => name !== wanted[i]) ?? (found.length === wanted.length ? null : wanted.at(-1));
  if (odd !== null) throw new OperationalError(`${staging} differs from the snapshot at ${odd}`);
}

async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
