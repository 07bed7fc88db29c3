import { chmod, mkdir, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { UnpackSync } from 'tar';
import { BackupDamaged } from '../backup-damaged.ts';
import type { ReadManifest } from '../manifest.ts';
import type { Vault } from '../vault.ts';
import { baseRole } from './base-backup.ts';

/**
 * Unpacks one backup of a chain into a new directory: a whole cluster from a full one, changed blocks from an
 * incremental one.
 */
export async function unpackBackup(
  vault: Vault,
  backup: ReadManifest,
  directory: string,
  onBytes: (bytes: number) => void,
  signal: AbortSignal,
): Promise<void> {
  await mkdir(directory, { mode: 0o700 });
  // Synchronous, because each of thousands of small files would otherwise cost several turns of the event loop.
  const unpack = new UnpackSync({ cwd: directory, strict: true, preserveOwner: false, noMtime: true });
  let failure: unknown;
  unpack.on('error', (error) => (failure = error));
  for (const member of backup.manifest.objects) {
    if (member.role !== baseRole) continue;
    for await (const chunk of (await vault.read(member)) as AsyncIterable<Buffer>) {
      signal.throwIfAborted();
      if (failure !== undefined) throw failure;
      unpack.write(chunk);
      onBytes(chunk.length);
    }
  }
  unpack.end();
  if (failure !== undefined) throw failure;
  if (!(await readdir(directory)).includes('backup_manifest')) {
    throw new BackupDamaged(backup.key, 'its content ends before its backup_manifest');
  }
  // Postgres refuses a directory that other users may enter.
  await chmod(directory, 0o700);
}

/** Makes everything below a directory survive a power cut. */
export async function syncTree(directory: string): Promise<void> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile() || (entry.isDirectory() && process.platform !== 'win32'))
    .map((entry) => join(entry.parentPath, entry.name));
  // A file system writes many files at once faster than one after the other.
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      for (let path = paths.pop(); path !== undefined; path = paths.pop()) await sync(path);
    }),
  );
  if (process.platform !== 'win32') await sync(directory);
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
