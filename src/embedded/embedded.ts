import { chmodSync, existsSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { OperationalError } from '../operational-error.ts';
import type { EmbeddedEvent } from './embedded-event.ts';
import { DatabaseDamaged, examineDirectory } from './examine-directory.ts';
import { Front } from './front/front.ts';
import { DirectoryHeld, describeOwner, takeLock } from './lock.ts';
import type { Lock } from './lock.ts';
import { Scheduler } from './turns/scheduler.ts';
import { isListening, socketPath } from './socket-file.ts';

export type { EmbeddedEvent } from './embedded-event.ts';

// The embedded database: PGlite (Postgres 18 in WebAssembly) in a worker thread, behind a Unix socket that
// speaks the Postgres protocol. One session serves all clients. The code that hides this from them is in
// session-state.ts (settings, roles, temporary tables), client-statements.ts (names of prepared statements),
// channels.ts (LISTEN) and scheduler.ts (transactions, timeouts). Clients do notice that:
// - Transactions run one at a time. A client that waits longer than `queueTimeoutMs` gets 55P03. A client that
// idles in a transaction longer than `idleInTransactionTimeoutMs` is cut off (25P03) and rolled back. A program
// that keeps a transaction open while it works on a second connection needs a server (graphile-migrate's
// `watch` and `commit` do this; its `migrate` does not).
// - State that outlives its transaction and cannot be replayed is lost, with a warning, when another client
// runs in between: temporary tables, cursors WITH HOLD, settings computed by expressions.
// - The only login is `postgres`: `session_user` is always that, and anyone who can open the socket is
// superuser.
// - Advisory locks exclude nobody. A statement's timeout covers all statements of a simple Query together. In
// memory, neither timeouts nor cancellations end a statement.
// - Nothing is fsynced: acknowledged rows survive a kill -9 of the process, but not a loss of power.

export interface EmbeddedOptions {
  /** Directory for the database, its socket and its lock. It is made if it is missing, and gets mode 0700. */
  readonly dataDirectory: string;
  /** `memory`: everything is lost at `close`; only the socket and the lock are in the directory. Default: `disk`. */
  readonly storage?: 'disk' | 'memory' | undefined;
  /** Default: 30,000. */
  readonly idleInTransactionTimeoutMs?: number | undefined;
  /** Default: 30,000. */
  readonly queueTimeoutMs?: number | undefined;
  /** How long a start waits for another process to let go of the directory. Default: 2,000. */
  readonly lockWaitMs?: number | undefined;
  /**
   * The output of `Embedded.dump`: a new database starts as a copy of that one, ten times faster than from
   * scratch.
   */
  readonly template?: Uint8Array | undefined;
  readonly onEvent?: ((event: EmbeddedEvent) => void) | undefined;
}

/** A running embedded database. The caller closes it. */
export interface Embedded {
  /** Absolute path: `host` for node-postgres, `-h` for psql. */
  readonly socketDirectory: string;
  /** Connects as superuser `postgres` to the database `postgres`. */
  readonly connectionString: string;
  /** Returns a tar of the database as it stands between two transactions, for `EmbeddedOptions.template`. */
  dump(): Promise<Uint8Array>;
  /**
   * Gives running work up to five seconds to finish, cuts off all clients (57P01), shuts Postgres down and
   * removes the socket and the lock. May be called more than once.
   */
  close(): Promise<void>;
  /** The same without a shutdown of Postgres, which would write to the tables: for a database that is damaged. */
  abandon(): Promise<void>;
}

/** Another process has the database of a directory open. */
export class DatabaseOpen extends OperationalError {
  override name = 'DatabaseOpen';
}

/**
 * Opens the database in a directory, and creates it if there is none. Rejects with DatabaseOpen when another
 * process has it open, with DatabaseDamaged when an existing one does not start, and with OperationalError when the
 * socket's path is too long, the directory is something else's or not writable, or PGlite does not start.
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  const directory = resolve(options.dataDirectory);
  const path = socketPath(directory);
  const length = Buffer.byteLength(path);
  if (length > longestSocketPath) {
    throw new OperationalError(
      `the socket's path ${path} has ${length} bytes, and the system allows ${longestSocketPath}: ` +
        'set DATA_DIR to a directory with a shorter path',
    );
  }
  examineDirectory(directory);
  makeDirectory(directory);
  const onEvent = options.onEvent ?? (() => undefined);
  const lock = await takeDirectory(directory, options.lockWaitMs ?? 2_000);
  try {
    if (lock.earlier) onEvent({ kind: 'holder-died', pid: lock.earlier.pid, host: lock.earlier.host });
    const postgres = join(directory, 'postgres');
    const existed = options.storage !== 'memory' && existsSync(join(postgres, 'PG_VERSION'));
    const scheduler = new Scheduler({
      engine: {
        directory: options.storage === 'memory' ? null : postgres,
        template: options.template ?? null,
      },
      idleInTransactionTimeoutMs: options.idleInTransactionTimeoutMs ?? 30_000,
      queueTimeoutMs: options.queueTimeoutMs ?? 30_000,
      onEvent,
    });
    await scheduler.start().catch((error: unknown) => {
      throw existed ? asDamage(directory, error) : error;
    });
    const front = new Front(scheduler, onEvent);
    try {
      await front.listen(path);
    } catch (error) {
      await scheduler.close();
      throw error;
    }
    let closed: Promise<void> | undefined;
    const close = async (rough: boolean) => {
      front.stopListening();
      await scheduler.close(rough);
      await front.close();
      lock.release();
    };
    return {
      socketDirectory: directory,
      connectionString: embeddedConnectionString(directory),
      dump: () => scheduler.dump(),
      close: () => (closed ??= close(false)),
      abandon: () => (closed ??= close(true)),
    };
  } catch (error) {
    lock.release();
    throw error;
  }
}

/**
 * The connection string that clients on this machine use for the embedded database of a directory, whichever
 * process runs it. The port is part of the socket's name; if it were left out, `PGPORT` from the environment
 * would decide.
 */
export function embeddedConnectionString(dataDirectory: string): string {
  return `postgres://postgres@localhost:5432/postgres?host=${encodeURIComponent(resolve(dataDirectory))}`;
}

/** The failure of an existing database to start, as what it means for the operator. */
export function asDamage(directory: string, error: unknown): OperationalError {
  const found = error instanceof Error ? error.message : String(error);
  if (/No space left|ENOSPC|EDQUOT|Disk quota/i.test(found)) {
    return new OperationalError(
      `the disk of ${directory} is full (${found}): make room on it, then start again`,
      {
        cause: error,
      },
    );
  }
  return new DatabaseDamaged(resolve(directory), `it does not start (${found})`, {
    cause: error,
    // Postgres has noted in its own files that it was started.
    unchanged: 'No table of it was changed',
  });
}

function makeDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    chmodSync(directory, 0o700);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new OperationalError(
      `the embedded database cannot be kept in ${directory} (${reason}): set DATA_DIR to a directory that this user owns`,
      { cause: error },
    );
  }
}

async function takeDirectory(directory: string, waitMs: number): Promise<Lock> {
  try {
    const lock = await takeLock(directory, waitMs);
    if (!(await isListening(directory))) return lock;
    // The socket answers, so another process serves it: something in that process closed the lock's file, or
    // the file system has no locks.
    lock.release();
    throw new DirectoryHeld(directory, lock.earlier);
  } catch (error) {
    if (!(error instanceof DirectoryHeld)) throw error;
    throw new DatabaseOpen(
      `the database in ${directory} is already open in ${describeOwner(error.owner)}: ` +
        `stop that process, connect through its socket (psql -h ${directory} -p 5432 -U postgres postgres), ` +
        'or set DATA_DIR to another directory',
      { cause: error },
    );
  }
}

/** Longest path that fits `sockaddr_un`: 108 bytes with the closing zero, 104 on macOS. */
const longestSocketPath = process.platform === 'darwin' ? 103 : 107;
