import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type * as Sqlite from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { OperationalError } from '../operational-error.ts';

// Only one process may work in a directory. The operating system decides which: the holder has a write
// transaction open on an SQLite file of the directory (`lock.sqlite`, always empty), and SQLite locks bytes of
// that file (fcntl on Unix, LockFileEx on Windows). The kernel releases them when the holder ends, however it
// ends, before its process is reaped. It also keeps apart processes in other containers, pid namespaces and
// hosts that share the directory. A pid could not do that, because it means another process there. `lock.json`
// names the holder for messages; nothing is decided by it.
//
// Alternatives: Node offers neither flock nor fcntl, a native package would have to be built for every
// platform, and a file made with O_EXCL outlives its maker.
//
// SQLite's documentation warns of two things. A process loses its fcntl locks when it opens and closes the file
// by any way other than SQLite, so nothing here reads the file (`startEmbedded` also asks the socket, in case
// something does). And a network file system may not pass locks on: DATA_DIR belongs on a local one.

/** The holder of a lock, as it described itself. */
export interface LockOwner {
  readonly pid: number;
  readonly host: string;
  /** ISO 8601. */
  readonly startedAt: string;
}

/** A lock that this process holds until `release` or its own end. */
export interface Lock {
  /** The previous holder, if it was killed or crashed before it let go. */
  readonly earlier: LockOwner | null;
  /** May be called more than once. */
  release(): void;
}

/** The directory is held, by another process or by this one. */
export class DirectoryHeld extends OperationalError {
  override name = 'DirectoryHeld';
  /** Null when the holder left no description. */
  readonly owner: LockOwner | null;

  constructor(directory: string, owner: LockOwner | null) {
    super(`${directory} is in use by ${describeOwner(owner)}`);
    this.owner = owner;
  }
}

/** The holder in words, such as `process 17 on host web-1 since 2026-11-29T18:00:00.000Z`. */
export function describeOwner(owner: LockOwner | null): string {
  return owner
    ? `process ${owner.pid} on host ${owner.host} since ${owner.startedAt}`
    : 'a process that did not identify itself';
}

/**
 * Takes an existing directory for this process. Rejects with DirectoryHeld when its holder has not let go
 * within `waitMs`; the wait is for a holder that is ending, such as a process that was killed a moment ago.
 */
export async function takeLock(directory: string, waitMs: number): Promise<Lock> {
  const until = performance.now() + waitMs;
  for (;;) {
    const database = tryLock(join(directory, 'lock.sqlite'));
    if (database) return hold(directory, database);
    if (performance.now() >= until) throw new DirectoryHeld(directory, readOwner(ownerPath(directory)));
    await sleep(retryMs);
  }
}

const retryMs = 25;

/**
 * The locks that are held. Without a reference the garbage collector would close the database and let go of the
 * lock.
 */
const held = new Set<Sqlite.DatabaseSync>();

function hold(directory: string, database: Sqlite.DatabaseSync): Lock {
  held.add(database);
  const earlier = readOwner(ownerPath(directory));
  try {
    writeOwner(ownerPath(directory));
    // The lock file of earlier releases, which trusted a pid.
    rmSync(join(directory, 'lightning.lock'), { force: true });
  } catch (error) {
    letGo(database);
    throw error;
  }
  return {
    earlier,
    release: () => {
      if (!held.has(database)) return;
      rmSync(ownerPath(directory), { force: true });
      letGo(database);
    },
  };
}

function letGo(database: Sqlite.DatabaseSync): void {
  held.delete(database);
  database.close();
}

/** Null: another process holds the lock. */
function tryLock(path: string): Sqlite.DatabaseSync | null {
  let database: Sqlite.DatabaseSync | undefined;
  try {
    database = new (sqlite().DatabaseSync)(path, { timeout: 0 });
    // When two processes begin at once, `immediate` lets one pass, while `exclusive` may refuse both. The
    // write makes sure that the transaction is a write: on a file that it cannot write, SQLite would begin a
    // mere read. The write stays in memory.
    database.exec('pragma journal_mode = memory; begin immediate; pragma user_version = 1');
    return database;
  } catch (error) {
    database?.close();
    if (isBusy(error)) return null;
    const reason = error instanceof Error ? error.message : String(error);
    throw new OperationalError(
      `cannot take the lock ${path} (${reason}): its directory must be writable for this user, ` +
        'on a file system that supports locks',
      { cause: error },
    );
  }
}

/** SQLITE_BUSY, whatever the detail in the higher bits. */
function isBusy(error: unknown): boolean {
  return (
    error instanceof Error &&
    'errcode' in error &&
    typeof error.errcode === 'number' &&
    (error.errcode & 0xff) === 5
  );
}

let loaded: typeof Sqlite | undefined;

/**
 * Loads node:sqlite without the warning of Node 22 that it is experimental; the part used here has not changed
 * since.
 */
function sqlite(): typeof Sqlite {
  if (loaded) return loaded;
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    loaded = process.getBuiltinModule('node:sqlite');
  } finally {
    process.emitWarning = emitWarning;
  }
  // A distribution may have built Node without it.
  if (!loaded) throw new OperationalError(`this Node (${process.execPath}) was built without node:sqlite`);
  return loaded;
}

function ownerPath(directory: string): string {
  return join(directory, 'lock.json');
}

/** Writes the whole file or nothing, because others may read it at any time. */
function writeOwner(path: string): void {
  const owner: LockOwner = { pid: process.pid, host: hostname(), startedAt: new Date().toISOString() };
  const draft = `${path}.new`;
  writeFileSync(draft, `${JSON.stringify(owner)}\n`, { mode: 0o600 });
  renameSync(draft, path);
}

function readOwner(path: string): LockOwner | null {
  try {
    const { pid, host, startedAt } = JSON.parse(readFileSync(path, 'utf8')) as Partial<LockOwner>;
    return typeof pid === 'number' && typeof host === 'string' && typeof startedAt === 'string'
      ? { pid, host, startedAt }
      : null;
  } catch {
    // The owner is only needed for a message.
    return null;
  }
}
