import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { Readable, addAbortSignal } from 'node:stream';
import { OperationalError } from '../../operational-error.ts';
import { ObjectMissing, checkKey } from './store.ts';
import type { ListedObject, Store } from './store.ts';

/** The disk of the store has no room, or the quota of its owner is used up. Nothing was stored. */
export class StoreFull extends OperationalError {
  override name = 'StoreFull';
  /** As the system says it: nobody tries again at once. */
  readonly code = 'ENOSPC';

  constructor(store: string, options: ErrorOptions) {
    super(
      `the backup store ${store} is full: make room there, or keep less (BACKUP_RETENTION_DAYS)`,
      options,
    );
  }
}

/** The folder of objects that are being written. A key never begins with a dot, so none collides with it. */
const draftsName = '.drafts';
/** A draft older than this was left by a process that was killed. */
const staleDraftMs = 24 * 3_600_000;

/**
 * A store in a directory, which is made at the first write. Each object is a file named by its key. It is written
 * under another name, synced and renamed; then its directory is synced.
 */
export class DirectoryStore implements Store {
  readonly name: string;
  readonly #root: string;
  #swept: Promise<void> | undefined;

  /** `root`: an absolute path. */
  constructor(root: string) {
    this.#root = root;
    this.name = root;
  }

  async put(key: string, source: Readable | Uint8Array, signal?: AbortSignal): Promise<void> {
    checkKey(key);
    const drafts = path.join(this.#root, draftsName);
    await makeDirectory(drafts);
    await (this.#swept ??= removeStale(drafts));
    const draft = path.join(drafts, randomBytes(12).toString('hex'));
    try {
      const file = await open(draft, 'wx', 0o600);
      try {
        await write(file, source, signal);
        await file.sync();
      } finally {
        await file.close();
      }
      const target = path.join(this.#root, key);
      await makeDirectory(path.dirname(target));
      await rename(draft, target);
      await syncDirectory(path.dirname(target));
    } catch (error) {
      await rm(draft, { force: true });
      throw isFull(error) ? new StoreFull(this.name, { cause: error }) : error;
    }
  }

  async get(key: string): Promise<Readable> {
    checkKey(key);
    let file: FileHandle;
    try {
      file = await open(path.join(this.#root, key), 'r');
    } catch (error) {
      throw isAbsent(error) ? new ObjectMissing(key, this.name, { cause: error }) : error;
    }
    if (!(await file.stat()).isFile()) {
      await file.close();
      throw new ObjectMissing(key, this.name);
    }
    return file.createReadStream({ highWaterMark: readBytes });
  }

  async *list(prefix: string): AsyncIterable<ListedObject> {
    yield* this.#walk('', prefix);
  }

  async remove(key: string): Promise<void> {
    checkKey(key);
    const target = path.join(this.#root, key);
    try {
      await rm(target);
    } catch (error) {
      if (isAbsent(error)) return;
      throw error;
    }
    await syncDirectory(path.dirname(target));
  }

  /** `folder` is empty or ends with a slash. */
  async *#walk(folder: string, prefix: string): AsyncIterable<ListedObject> {
    const entries = await this.#entries(folder);
    for (const entry of entries) {
      const key = `${folder}${entry}`;
      if (entry.endsWith('/')) {
        if (key.startsWith(prefix) || prefix.startsWith(key)) yield* this.#walk(key, prefix);
      } else if (key.startsWith(prefix)) {
        const found = await statOf(path.join(this.#root, key));
        if (found) yield { key, bytes: found.size };
      }
    }
  }

  /** Names in a folder in the order of keys, folders with a trailing slash: `a-b` comes before `a/`. */
  async #entries(folder: string): Promise<string[]> {
    try {
      const found = await readdir(path.join(this.#root, folder), { withFileTypes: true });
      return found
        .filter((entry) => !entry.name.startsWith('.') && (entry.isDirectory() || entry.isFile()))
        .map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name))
        .sort();
    } catch (error) {
      if (isAbsent(error)) return [];
      throw error;
    }
  }
}

const readBytes = 256 * 1024;

async function write(file: FileHandle, source: Readable | Uint8Array, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  // After an abort, a source that has nothing to give ends as well.
  if (signal && source instanceof Readable) addAbortSignal(signal, source);
  await file.writeFile(source);
}

/** Makes a directory, and makes its entry in the parent durable. */
async function makeDirectory(directory: string): Promise<void> {
  const first = await mkdir(directory, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  for (let made = directory; made.length >= first.length; made = path.dirname(made)) {
    await syncDirectory(path.dirname(made));
  }
}

async function syncDirectory(directory: string): Promise<void> {
  // Windows cannot open directories, and journals its names.
  if (process.platform === 'win32') return;
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function removeStale(drafts: string): Promise<void> {
  for (const name of await readdir(drafts)) {
    const draft = path.join(drafts, name);
    const found = await statOf(draft);
    if (found && Date.now() - found.mtimeMs > staleDraftMs) await rm(draft, { force: true });
  }
}

async function statOf(file: string): Promise<{ size: number; mtimeMs: number } | undefined> {
  try {
    return await stat(file);
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

function isFull(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT');
}

function isAbsent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
}
