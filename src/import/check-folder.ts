import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { FileRefused, kindOf, reasonOf, refuseWayOut } from './regular-file.ts';
import { beginning, isSqlite } from './sqlite.ts';

/** The largest file of the legacy system that is read. Its files are held in memory, those of SQLite row by row. */
export const mostLegacyBytes = 256 * 1024 * 1024;
export const mostSqliteBytes = 1024 * 1024 * 1024;

/**
 * Looks at what these entries of a folder are, and at what is in those that are folders, before anything of it is read. Rejects with FileRefused
 * for a link that leads out of the folder, for a pipe, a socket or a device, and for a file that is too large.
 */
export async function checkFolder(folder: string, entries: ReadonlySet<string>): Promise<void> {
  for (const name of (await readdir(folder)).filter((entry) => entries.has(entry)).toSorted()) {
    await check(folder, name);
    const inside = await readdir(path.join(folder, name)).catch(() => []);
    for (const file of inside.toSorted()) await check(folder, `${name}/${file}`);
  }
}

async function check(folder: string, name: string): Promise<void> {
  const full = path.join(folder, name);
  try {
    await refuseWayOut(full, name, folder);
  } catch (error) {
    if (error instanceof FileRefused) throw error;
    throw new FileRefused(`${name} cannot be read: ${reasonOf(error)}`, { cause: error });
  }
  const entry = await stat(full);
  if (entry.isDirectory()) return;
  if (!entry.isFile()) throw new FileRefused(`${name} is ${kindOf(entry)}; expected a file`);
  if (entry.size <= mostLegacyBytes) return;
  const most = isSqlite(await beginning(full)) ? mostSqliteBytes : mostLegacyBytes;
  if (entry.size > most)
    throw new FileRefused(
      `${name} has ${entry.size} bytes; expected ${most} at most, because the files of the legacy system are held in memory`,
    );
}
