import { constants } from 'node:fs';
import { lstat, open, readdir } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import path from 'node:path';
import type { BackupKeys } from '../backup/store/open-store.ts';
import type { OnProgress } from '../on-progress.ts';
import { ExportRefused, fileOf, isManifestName, labelOf, readManifest } from './manifest.ts';
import type { Manifest, TableFile } from './manifest.ts';
import { readFile } from './table-file.ts';

/** An export whose every file was checked. */
export interface OpenedExport {
  readonly manifest: Manifest;
  /** Tables whose lines stand in another order than `order` says, so that their digest is `unorderedDigest`. Left out: none. */
  readonly unordered?: ReadonlySet<string>;
  /** The lines of a table, checked once more on the way: the file may have changed since. */
  read(table: TableFile): AsyncGenerator<Buffer>;
}

/** The largest manifest that is read. */
const manifestBytes = 20 * 1024 * 1024;

/** Whether a folder is an export: it has the manifest of one. */
export async function isExport(folder: string): Promise<boolean> {
  const names = await readdir(folder).catch(() => []);
  return names.some(isManifestName);
}

/**
 * Opens an export and checks all of it: the manifest, that every file is there and no other, sizes, digests and lines. Rejects with
 * ExportRefused, which names the file.
 */
export async function openExport(
  folder: string,
  keys: BackupKeys,
  onProgress: OnProgress,
  signal?: AbortSignal,
): Promise<OpenedExport> {
  const names = await readdir(folder);
  const manifests = names.filter(isManifestName);
  const [name = ''] = manifests;
  if (manifests.length !== 1) {
    throw new ExportRefused(`${folder} has ${manifests.length} manifests; expected one`);
  }
  const manifest = await withFile(folder, name, async (file) => {
    const { size } = await file.stat();
    if (size > manifestBytes)
      throw new ExportRefused(`${name} has ${size} bytes; expected ${manifestBytes} at most`);
    return readManifest(name, await file.readFile(), keys);
  });
  if (manifest.content === 'csv') {
    throw new ExportRefused(
      `${name} is of an export as CSV, which other programs read; expected one without --format`,
    );
  }
  const files = new Map(manifest.tables.map((table) => [fileOf(table.table, manifest.storage), table]));
  const missing = [...files.keys()].find((file) => !names.includes(file));
  if (missing !== undefined) throw new ExportRefused(`${missing} is missing from ${folder}`);
  const extra = names.find((file) => file !== name && !files.has(file));
  if (extra !== undefined)
    throw new ExportRefused(`${extra} is in ${folder}, and the manifest does not name it`);

  const read = async function* (table: TableFile): AsyncGenerator<Buffer> {
    const file = fileOf(table.table, manifest.storage);
    const handle = await openRegular(folder, file);
    try {
      const { size } = await handle.stat();
      if (size !== table.storedBytes) {
        throw new ExportRefused(
          `${file} is damaged: it has ${size} bytes, and the manifest says ${table.storedBytes}`,
        );
      }
      const stored = {
        storage: manifest.storage,
        label: labelOf(manifest.id, file),
        key: keys.encryptionKey,
      };
      yield* readFile(file, handle, table, stored);
    } finally {
      await handle.close();
    }
  };
  const total = manifest.tables.reduce((sum, { bytes }) => sum + bytes, 0);
  let done = 0;
  for (const table of manifest.tables) {
    for await (const piece of read(table)) {
      signal?.throwIfAborted();
      done += piece.length;
      onProgress(done / total, `checking ${table.table}`);
    }
  }
  return { manifest, read };
}

async function withFile<T>(folder: string, name: string, work: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await openRegular(folder, name);
  try {
    return await work(file);
  } finally {
    await file.close();
  }
}

/** Opens a file of the folder. A link is refused, wherever it leads, and so is what is not a file. */
async function openRegular(folder: string, name: string): Promise<FileHandle> {
  const full = path.join(folder, name);
  const found = await lstat(full);
  if (found.isSymbolicLink()) throw new ExportRefused(`${name} is a symbolic link; expected a file`);
  if (!found.isFile()) throw new ExportRefused(`${name} is not a file`);
  const file = await open(full, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0));
  const opened = await file.stat();
  if (opened.ino === found.ino && opened.dev === found.dev) return file;
  await file.close();
  throw new ExportRefused(`${name} was replaced while it was read`);
}
