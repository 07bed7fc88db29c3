import { chmodSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { OperationalError } from '../operational-error.ts';
import type { EmbeddedEvent } from './embedded-event.ts';
import { Front } from './front/front.ts';
import { DirectoryHeld, describeOwner, takeLock } from './lock.ts';
import type { Lock } from './lock.ts';
import { Scheduler } from './turns/scheduler.ts';
import { isListening, socketPath } from './socket-file.ts';

export type { EmbeddedEvent } from './embedded-event.ts';

// The embedded database: PGlite (Postgres 18 in WebAssembly) in a worker thread, behind a Unix socket that speaks the Postgres
// protocol. One session serves all clients; what is done so that they do not notice is in session-state.ts (settings,
// roles, temporary tables), prepared-statements.ts (names), channels.ts (LISTEN) and scheduler.ts (transactions,
// timeouts). What they do notice:
// - one transaction at a time: who waits longer than `queueTimeoutMs` gets 55P03; who idles in a transaction longer than
//   `idleInTransactionTimeoutMs` is cut off (25P03) and rolled back; a program that keeps a transaction open while it
//   works on a second connection (graphile-migrate's `watch` and `commit` do; its `migrate` does not) needs a server;
// - state that outlives its transaction and cannot be replayed is lost when another client comes in between, with a warning:
//   temporary tables, cursors WITH HOLD, settings computed by expressions;
// - one login, `postgres`: `session_user` is always that, and who can open the socket is superuser;
// - advisory locks exclude nobody, a statement's timeout counts for all of a simple Query's statements together, and in
//   memory neither timeouts nor cancellations end a statement;
// - no fsync: acknowledged rows survive the process (kill -9), not the machine's power.

export interface EmbeddedOptions {
  /** Holds the database, its socket and its lock; made if it is not there. Mode 0700 from now on. */
  readonly dataDirectory: string;
  /** `memory`: everything is lost at `close`; only the socket and the lock are in the directory. Default: `disk`. */
  readonly storage?: 'disk' | 'memory' | undefined;
  /** Default: 30,000. */
  readonly idleInTransactionTimeoutMs?: number | undefined;
  /** Default: 30,000. */
  readonly queueTimeoutMs?: number | undefined;
  /** How long a start waits for the process that holds the directory to end. Default: 2,000. */
  readonly lockWaitMs?: number | undefined;
  /** What `Embedded.dump` gave: a new database starts as that one, ten times faster than from scratch. */
  readonly template?: Uint8Array | undefined;
  readonly onEvent?: ((event: EmbeddedEvent) => void) | undefined;
}

/** A running embedded database. `close` it. */
export interface Embedded {
  /** Absolute; `host` for node-postgres, `-h` for psql. */
  readonly socketDirectory: string;
  /** As superuser `postgres` on database `postgres`. */
  readonly connectionString: string;
  /** A tar of the database as it is between two transactions, for `EmbeddedOptions.template`. */
  dump(): Promise<Uint8Array>;
  /**
   * Lets what runs come to its end (five seconds at most), cuts off all clients (57P01), shuts Postgres down and removes
   * socket and lock. May be called more than once.
   */
  close(): Promise<void>;
}

/** Another process has the database of a directory open. */
export class DatabaseOpen extends OperationalError {
  override name = 'DatabaseOpen';
}

/**
 * Opens the database in a directory, making it if there is none. Rejects with DatabaseOpen when a process has it open, and when
 * the path is too long for a socket, the directory cannot be written to, or PGlite does not start.
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  const directory = resolve(options.dataDirectory);
  const path = socketPath(directory);
  const length = Buffer.byteLength(path);
  if (length > longestSocketPath) {
    throw new OperationalError(
      `the socket's path ${path} has ${length} bytes, and the system takes ${longestSocketPath}: ` +
        'set DATA_DIR to a directory with a shorter path',
    );
  }
  makeDirectory(directory);
  const onEvent = options.onEvent ?? (() => undefined);
  const lock = await takeDirectory(directory, options.lockWaitMs ?? 2_000);
  try {
    if (lock.earlier) onEvent({ kind: 'holder-died', pid: lock.earlier.pid, host: lock.earlier.host });
    const postgres = join(directory, 'postgres');
    if (options.storage !== 'memory') checkVersion(postgres);
    const scheduler = new Scheduler({
      engine: {
        directory: options.storage === 'memory' ? null : postgres,
        template: options.template ?? null,
      },
      idleInTransactionTimeoutMs: options.idleInTransactionTimeoutMs ?? 30_000,
      queueTimeoutMs: options.queueTimeoutMs ?? 30_000,
      onEvent,
    });
    await scheduler.start();
    const front = new Front(scheduler, onEvent);
    try {
      await front.listen(path);
    } catch (error) {
      await scheduler.close();
      throw error;
    }
    let closed: Promise<void> | undefined;
    const close = async () => {
      front.stopListening();
      await scheduler.close();
      await front.close();
      lock.release();
    };
    return {
      socketDirectory: directory,
      connectionString: embeddedConnectionString(directory),
      dump: () => scheduler.dump(),
      close: () => (closed ??= close()),
    };
  } catch (error) {
    lock.release();
    throw error;
  }
}

/**
 * How clients of this machine reach the embedded database of a directory, whichever process runs it. The port is part of the
 * socket's name; left out, `PGPORT` of the environment would decide about it.
 */
export function embeddedConnectionString(dataDirectory: string): string {
  return `postgres://postgres@localhost:5432/postgres?host=${encodeURIComponent(resolve(dataDirectory))}`;
}

function makeDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    chmodSync(directory, 0o700);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new OperationalError(
      `the embedded database cannot be in ${directory} (${reason}): set DATA_DIR to a directory that belongs to this user`,
      { cause: error },
    );
  }
}

async function takeDirectory(directory: string, waitMs: number): Promise<Lock> {
  try {
    const lock = await takeLock(directory, waitMs);
    if (!(await isListening(directory))) return lock;
    // It serves, so it is at work: somebody in its process has closed the lock's file, or the file system has no locks.
    lock.release();
    throw new DirectoryHeld(directory, lock.earlier);
  } catch (error) {
    if (!(error instanceof DirectoryHeld)) throw error;
    throw new DatabaseOpen(
      `the database in ${directory} is open already, by ${describeOwner(error.owner)}: ` +
        `stop that process, connect through its socket (psql -h ${directory} -p 5432 -U postgres postgres), ` +
        'or set DATA_DIR to another directory',
      { cause: error },
    );
  }
}

/** Of `sockaddr_un`: 108 bytes with the closing zero, 104 on macOS. */
const longestSocketPath = process.platform === 'darwin' ? 103 : 107;
/** PGlite's major version of Postgres. */
const postgresVersion = '18';

function checkVersion(postgres: string): void {
  const file = join(postgres, 'PG_VERSION');
  if (!existsSync(file)) return;
  const version = readFileSync(file, 'utf8').trim();
  if (version !== postgresVersion) {
    throw new OperationalError(
      `the database in ${postgres} was written by Postgres ${version}, and this is Postgres ${postgresVersion}: ` +
        'export it with the release that wrote it and import it here, or set DATA_DIR to another directory',
    );
  }
}
