import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { OperationalError } from '../../operational-error.ts';
import type { OnProgress } from '../../on-progress.ts';

/** The server does not come up on a restored directory. The message ends with its log. */
export class CopyUnusable extends OperationalError {
  override name = 'CopyUnusable';
}

/** A server process, however it was started. */
export interface ServerProcess {
  hasEnded(): boolean;
  /** The last lines that it wrote. */
  log(): Promise<string>;
  /** Ends it in order, if it has not ended. */
  stop(): Promise<void>;
}

export interface RecoverOptions<Server extends ServerProcess> {
  /** Restored: it says itself how far to replay. */
  readonly dataDirectory: string;
  /** Where the server listens; in a drill also what keeps it to itself. Stronger than what stands in the directory. */
  readonly settings: Readonly<Record<string, string>>;
  /** Starts Postgres with these arguments, what it writes going to a log. */
  readonly launch: (args: readonly string[]) => Promise<Server>;
  /** Given the last line of the log every few seconds. */
  readonly onProgress?: OnProgress | undefined;
  readonly signal: AbortSignal;
}

const pollMs = 100;
const showEveryMs = 5_000;

/**
 * Starts a server on a restored directory, and resolves once it has replayed and takes writes. `lightning recover`, drills and tests
 * all do it here, so that a drill proves what somebody meets at night. Replay of files that are there ends; when the server ends
 * before, this rejects with CopyUnusable. When it rejects the server is stopped.
 */
export async function recoverServer<Server extends ServerProcess>({
  dataDirectory,
  settings,
  launch,
  onProgress,
  signal,
}: RecoverOptions<Server>): Promise<Server> {
  // A server that was killed leaves its lock file.
  const before = await lockFile(dataDirectory);
  const server = await launch(serverArguments(dataDirectory, settings));
  try {
    let shownAt = performance.now();
    for (;;) {
      const lock = await lockFile(dataDirectory);
      if (lock !== before && saysReady(lock)) return server;
      if (server.hasEnded()) {
        throw new CopyUnusable(
          `the server does not come up on ${dataDirectory}; the end of its log:\n${await server.log()}`,
        );
      }
      if (performance.now() - shownAt > showEveryMs) {
        shownAt = performance.now();
        onProgress?.(null, (await server.log()).split('\n').at(-1) ?? '');
      }
      await sleep(pollMs, undefined, { signal });
    }
  } catch (error) {
    await server.stop();
    throw error;
  }
}

function serverArguments(
  dataDirectory: string,
  settings: Readonly<Record<string, string>>,
): readonly string[] {
  const given = {
    // A configuration that names another directory would start a server there.
    data_directory: dataDirectory,
    // What it says is to be seen here, not in a file of the lost server's choice.
    logging_collector: 'off',
    log_destination: 'stderr',
    ...settings,
  };
  return [
    '-D',
    dataDirectory,
    ...Object.entries(given).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ];
}

/** `postmaster.pid`; null: there is none. */
async function lockFile(dataDirectory: string): Promise<string | null> {
  try {
    return await readFile(join(dataDirectory, 'postmaster.pid'), 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}

/**
 * Whether the server takes writes, as it says itself to whoever waits for it, in the last line of its lock file: without a hot standby
 * that is `starting` or `standby` while it replays. No login takes part in it, which after a loss is one more thing that may be wrong.
 */
function saysReady(lock: string | null): boolean {
  return lock?.split('\n')[7]?.trim() === 'ready';
}
