import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { OperationalError } from '../../operational-error.ts';
import type { OnProgress } from '../../on-progress.ts';

/** The server does not come up on a restored directory. The message ends with the server's log. */
export class CopyUnusable extends OperationalError {
  override name = 'CopyUnusable';
}

/** A server process, however it was started. */
export interface ServerProcess {
  hasEnded(): boolean;
  /** The last lines that the server wrote. */
  log(): Promise<string>;
  /** Stops the server in order, if it is still running. */
  stop(): Promise<void>;
}

export interface RecoverOptions<Server extends ServerProcess> {
  /** A restored data directory. Its own settings say how far to replay. */
  readonly dataDirectory: string;
  /**
   * The server's addresses, and in a drill the settings that isolate it. They override the settings in the directory.
   */
  readonly settings: Readonly<Record<string, string>>;
  /** Starts Postgres with these arguments, its output going to a log. */
  readonly launch: (args: readonly string[]) => Promise<Server>;
  /** Called every few seconds with the last line of the log. */
  readonly onProgress?: OnProgress | undefined;
  readonly signal: AbortSignal;
}

const pollMs = 100;
const showEveryMs = 5_000;

/**
 * Starts a server on a restored directory, and resolves once it has replayed its WAL and takes writes. `lightning
 * recover`, drills and tests all use it, so that a drill proves the procedure that an operator runs at night. Replay
 * from files always ends; when the server ends before it takes writes, this rejects with CopyUnusable. On a rejection
 * the server is stopped.
 */
export async function recoverServer<Server extends ServerProcess>({
  dataDirectory,
  settings,
  launch,
  onProgress,
  signal,
}: RecoverOptions<Server>): Promise<Server> {
  // A killed server leaves its lock file.
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
    // The log has to come here, not to a file that the lost server chose.
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

/** The content of `postmaster.pid`; null: the file does not exist. */
async function lockFile(dataDirectory: string): Promise<string | null> {
  try {
    return await readFile(join(dataDirectory, 'postmaster.pid'), 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}

/**
 * Whether the server takes writes, according to the last line of its lock file, which it writes for programs that
 * wait. Without a hot standby that line is `starting` or `standby` during replay. This works without a login, which
 * after a loss is one more thing that may be wrong.
 */
function saysReady(lock: string | null): boolean {
  return lock?.split('\n')[7]?.trim() === 'ready';
}
