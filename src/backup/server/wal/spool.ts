import { mkdir, open, readFile, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** A file of WAL as `pg_receivewal` leaves it in its directory. */
export interface SpooledWal {
  readonly kind: 'segment' | 'partial' | 'history';
  /** As Postgres names it, without `.partial`. */
  readonly file: string;
  readonly path: string;
  /** Changes whenever something was received into it. */
  readonly modifiedMs: number;
  readonly bytes: number;
}

/** What has been received and not yet been archived, in order. A directory that is not there is empty. */
export async function listSpool(directory: string): Promise<SpooledWal[]> {
  const names = await readdir(directory).catch(() => [] as string[]);
  const found: SpooledWal[] = [];
  for (const name of names.toSorted()) {
    const match = /^([0-9A-F]{24}|[0-9A-F]{8}\.history)(\.partial)?$/.exec(name);
    if (!match?.[1]) continue;
    const path = join(directory, name);
    const state = await stat(path).catch(() => null);
    // It got its final name meanwhile: the next look finds it under that.
    if (state === null) continue;
    const file = match[1];
    const kind = file.endsWith('.history') ? 'history' : match[2] ? 'partial' : 'segment';
    found.push({ kind, file, path, modifiedMs: state.mtimeMs, bytes: state.size });
  }
  return found;
}

/** The content; null when it got another name, or was archived, since it was listed. */
export async function readSpooled({ path }: SpooledWal): Promise<Buffer | null> {
  try {
    return await readFile(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}

export async function removeSpooled({ path }: SpooledWal): Promise<void> {
  await rm(path, { force: true });
}

/** Makes the spool, readable by its owner only: it holds every row that is written. */
export async function makeSpool(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  // Refused here, with a name, rather than by the program a moment later.
  const handle = await open(directory, 'r');
  await handle.close();
}
