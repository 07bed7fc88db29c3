import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type * as Sqlite from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { OperationalError } from '../operational-error.ts';

// Only one process may work in a directory. The operating system decides which: the holder has a write transaction open on an
// SQLite file of the directory (`lock.sqlite`, always empty), and SQLite locks bytes of that file (fcntl on Unix, LockFileEx
// on Windows). The kernel releases them when the holder ends, in whatever way, before anybody has reaped its process, and it
// keeps apart processes of other containers, pid namespaces and host names that share the directory. A pid could not: it means
// somebody else there. `lock.json` says who holds the lock, for messages; nothing is decided by it.
//
// What there is besides: Node offers neither flock nor fcntl, a native package would have to be built for every platform, and a
// file made with O_EXCL outlives its maker.
//
// Two things that SQLite's documentation warns of. A process loses its fcntl locks when it opens and closes the file by any other
// way than SQLite, so nothing here reads it (`startEmbedded` asks the socket too, should somebody do it all the same). And a
// network file system may not pass locks on: DATA_DIR belongs on a local one.

/** Who holds a lock, as it said itself. */
export interface LockOwner {
  readonly pid: number;
  readonly host: string;
  /** ISO 8601. */
  readonly startedAt: string;
}

/** A lock that is held by this process, until `release` or its end. */
export interface Lock {
  /** The holder before, if it ended without letting go: it was killed, or has crashed. */
  readonly earlier: LockOwner | null;
  /** May be called more than once. */
  release(): void;
}

/** Another process holds the directory, or this one does already. */
export class DirectoryHeld extends OperationalError {
  override name = 'DirectoryHeld';
  /** Null when the holder left no word. */
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
    : 'a process that left no word';
}

/**
 * Takes a directory, which exists, for this process. Rejects with DirectoryHeld when another holder has not let go of it within
 * `waitMs`: that is for a holder that is ending, such as a process that was killed a moment ago.
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

/** What is held. Without a reference the garbage collector would close the database, and so let go of the lock. */
const held = new Set<Sqlite.DatabaseSync>();

function hold(directory: string, database: Sqlite.DatabaseSync): Lock {
  held.add(database);
  const earlier = readOwner(ownerPath(directory));
  try {
    writeOwner(ownerPath(directory));
    // Of releases that trusted a pid.
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

/** Null: somebody holds it. */
function tryLock(path: string): Sqlite.DatabaseSync | null {
  let database: Sqlite.DatabaseSync | undefined;
  try {
    database = new (sqlite().DatabaseSync)(path, { timeout: 0 });
    // Of two that begin at once, `immediate` lets one pass, where `exclusive` may refuse both. The write makes sure that the
    // transaction is one: on a file that it cannot write, SQLite begins a mere read instead. It stays in memory.
    database.exec('pragma journal_mode = memory; begin immediate; pragma user_version = 1');
    return database;
  } catch (error) {
    database?.close();
    if (isBusy(error)) return null;
    const reason = error instanceof Error ? error.message : String(error);
    throw new OperationalError(
      `the lock ${path} cannot be taken (${reason}): its directory has to be writable for this user, ` +
        'on a file system that has locks',
      { cause: error },
    );
  }
}

/** SQLITE_BUSY, with whatever detail in the higher bits. */
function isBusy(error: unknown): boolean {
  return (
    error instanceof Error &&
    'errcode' in error &&
    typeof error.errcode === 'number' &&
    (error.errcode & 0xff) === 5
  );
}

let loaded: typeof Sqlite | undefined;

/** Node 22 warns on stderr that its SQLite is experimental; what is used here has been the same in every release since. */
function sqlite(): typeof Sqlite {
  if (loaded) return loaded;
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    loaded = process.getBuiltinModule('node:sqlite');
  } finally {
    process.emitWarning = emitWarning;
  }
  // A distribution may have left it out.
  if (!loaded) throw new OperationalError(`this Node (${process.execPath}) was built without node:sqlite`);
  return loaded;
}

function ownerPath(directory: string): string {
  return join(directory, 'lock.json');
}

/** Whole or not at all: others read it at any time. */
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
    // It is only for a message.
    return null;
  }
}
