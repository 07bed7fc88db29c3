import { mkdir, open, readFile, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** A WAL file as `pg_receivewal` leaves it in its directory. */
export interface SpooledWal {
  readonly kind: 'segment' | 'partial' | 'history';
  /** The name that Postgres gives it, without `.partial`. */
  readonly file: string;
  readonly path: string;
  /** The modification time, which changes whenever WAL is received into the file. */
  readonly modifiedMs: number;
  readonly bytes: number;
}

/** The WAL that has been received and not yet archived, in order. A missing directory counts as empty. */
export async function listSpool(directory: string): Promise<SpooledWal[]> {
  const names = await readdir(directory).catch(() => [] as string[]);
  const found: SpooledWal[] = [];
  for (const name of names.toSorted()) {
    const match = /^([0-9A-F]{24}|[0-9A-F]{8}\.history)(\.partial)?$/.exec(name);
    if (!match?.[1]) continue;
    const path = join(directory, name);
    const state = await stat(path).catch(() => null);
    // It was renamed to its final name meanwhile, and the next listing finds it there.
    if (state === null) continue;
    const file = match[1];
    const kind = file.endsWith('.history') ? 'history' : match[2] ? 'partial' : 'segment';
    found.push({ kind, file, path, modifiedMs: state.mtimeMs, bytes: state.size });
  }
  return found;
}

/** The content; null when the file was renamed or archived since it was listed. */
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
  // Fails here, naming the directory, rather than in the program a moment later.
  const handle = await open(directory, 'r');
  await handle.close();
}
