import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';
import { OperationalError } from '../operational-error.ts';

// While a rollback lasts, a file in DATA_DIR names the export with the critical data. A process that keeps everything in memory waits with its doors closed until it
// has them, so that nobody is told that a task does not exist which is on its way. One that is started anew has lost them, and waits again.

/** The process in memory waited for its data, and they did not come. */
export class LoadMissing extends OperationalError {
  override name = 'LoadMissing';
}

function fileOf(dataDirectory: string): string {
  return path.join(dataDirectory, 'in-memory-awaits');
}

/** Makes every process in memory wait for the data of this export. */
export async function announceLoad(dataDirectory: string, exportId: string): Promise<void> {
  await mkdir(dataDirectory, { recursive: true, mode: 0o700 });
  await writeFile(fileOf(dataDirectory), `${exportId}\n`, { mode: 0o600 });
}

/** Ends that, at the end of a rollback. */
export async function endLoad(dataDirectory: string): Promise<void> {
  await rm(fileOf(dataDirectory), { force: true });
}

/** The id of the export that a process in memory waits for; null: it waits for none. */
export async function awaitedLoad(dataDirectory: string): Promise<string | null> {
  try {
    return (await readFile(fileOf(dataDirectory), 'utf8')).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** Whether the database has imported an export. `owner` runs as the owner. */
export async function isImported(owner: Executor, exportId: string): Promise<boolean> {
  const { rows } = await owner.query(
    sql`select from audit.log where operation = 'import' and table_name = ${exportId}`,
  );
  return rows.length > 0;
}

/** How often it looks. */
const lookMs = 200;

/**
 * Waits until the data are in, or nobody waits for them any more. Rejects with LoadMissing after `withinMs`, and with the signal's reason when it
 * aborts.
 */
export async function untilLoaded(
  owner: Executor,
  dataDirectory: string,
  { withinMs, signal }: { readonly withinMs: number; readonly signal?: AbortSignal | undefined },
): Promise<void> {
  const until = performance.now() + withinMs;
  for (;;) {
    const id = await awaitedLoad(dataDirectory);
    if (id === null || (await isImported(owner, id))) return;
    if (performance.now() >= until) {
      throw new LoadMissing(
        `lightning rollback has not loaded the critical data within ${withinMs / 1000} s: run it again, or remove ${fileOf(dataDirectory)} to start without them`,
      );
    }
    await pause(lookMs, undefined, { signal });
  }
}
