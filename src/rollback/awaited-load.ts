import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { OperationalError } from '../operational-error.ts';

// A rollback leaves a file in DATA_DIR. The process that then keeps everything in memory waits with its doors closed until the critical data is in, so
// that nobody is told that a task does not exist which is on its way.

/** The process in memory waited for its data, and they did not come. */
export class LoadMissing extends OperationalError {
  override name = 'LoadMissing';
}

function fileOf(dataDirectory: string): string {
  return path.join(dataDirectory, 'in-memory-awaits');
}

/** Makes the next process in memory wait for its data. `folder` is named in what it says. */
export async function announceLoad(dataDirectory: string, folder: string): Promise<void> {
  await mkdir(dataDirectory, { recursive: true, mode: 0o700 });
  await writeFile(fileOf(dataDirectory), `${folder}\n`, { mode: 0o600 });
}

/** Lets the process in memory open its doors. */
export async function endLoad(dataDirectory: string): Promise<void> {
  await rm(fileOf(dataDirectory), { force: true });
}

/** Whether a rollback is to load data into the process in memory. */
export function isLoadAwaited(dataDirectory: string): boolean {
  return existsSync(fileOf(dataDirectory));
}

/** How often it looks. */
const lookMs = 200;

/** Waits until the data are in. Rejects with LoadMissing after `withinMs`, and with the signal's reason when it aborts. */
export async function untilLoaded(
  dataDirectory: string,
  { withinMs, signal }: { readonly withinMs: number; readonly signal?: AbortSignal | undefined },
): Promise<void> {
  const until = performance.now() + withinMs;
  while (isLoadAwaited(dataDirectory)) {
    if (performance.now() >= until) {
      throw new LoadMissing(
        `lightning rollback has not loaded the critical data within ${withinMs / 1000} s: run it again, or remove ${fileOf(dataDirectory)} to start without them`,
      );
    }
    await pause(lookMs, undefined, { signal });
  }
}
