import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';

/** Who has a data directory open. */
export interface LockOwner {
  readonly pid: number;
  /** ISO 8601. */
  readonly startedAt: string;
  /** Tells apart two processes that were given the same pid; null where the system does not say. */
  readonly processStart: string | null;
  readonly host: string;
}

/** A lock that is held. */
export interface Lock {
  /** The owner whose stale lock was taken over, if there was one. */
  readonly stale: LockOwner | null;
  /** May be called more than once. */
  release(): void;
}

/** Path of a data directory's socket: where Postgres' clients look for it. */
export function socketPath(dataDirectory: string): string {
  return join(dataDirectory, '.s.PGSQL.5432');
}

/**
 * The living owner of a data directory; null: nobody has it open. A command that finds one works through its socket
 * (`embeddedConnectionString`).
 */
export async function readLock(dataDirectory: string): Promise<LockOwner | null> {
  const owner = readOwner(lockPath(dataDirectory));
  return owner && (await isAlive(owner, dataDirectory)) ? owner : null;
}

/**
 * Takes a data directory for this process. The lock of a process that is gone is taken over; that of a living one is
 * refused, with an error that names it.
 */
export async function takeLock(dataDirectory: string): Promise<Lock> {
  const path = lockPath(dataDirectory);
  let stale: LockOwner | null = null;
  // A lock may be taken over by somebody else between two looks at it; then it has a living owner at the next.
  for (let attempt = 0; attempt < 10; attempt++) {
    if (create(path)) return { stale, release: () => release(path) };
    const found = readOwner(path);
    if (found && (await isAlive(found, dataDirectory))) throw new Error(refusal(dataDirectory, found));
    if (remove(path, found)) stale = found;
  }
  throw new Error(`the lock ${path} cannot be taken: others are starting on this directory at the same time`);
}

function lockPath(dataDirectory: string): string {
  return join(dataDirectory, 'lightning.lock');
}

function refusal(dataDirectory: string, owner: LockOwner): string {
  return (
    `the database in ${dataDirectory} is open already, by process ${owner.pid} since ${owner.startedAt}: ` +
    `stop that process (kill ${owner.pid}), connect through its socket (psql -h ${dataDirectory} -U postgres postgres), ` +
    'or set DATA_DIR to another directory'
  );
}

/** Makes the lock with its content in one step: nobody ever reads half of one. False: there is one. */
function create(path: string): boolean {
  const owner: LockOwner = {
    pid: process.pid,
    startedAt: new Date().toISOString(),
    processStart: processStart(process.pid),
    host: hostname(),
  };
  const draft = `${path}.${process.pid}.${Math.random().toString(36).slice(2)}`;
  writeFileSync(draft, `${JSON.stringify(owner)}\n`, { mode: 0o600, flag: 'wx' });
  try {
    linkSync(draft, path);
    return true;
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Removes a stale lock, and only that: somebody else may have put a new one there since it was read. */
function remove(path: string, expected: LockOwner | null): boolean {
  const aside = `${path}.stale.${process.pid}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (isCode(error, 'ENOENT')) return false;
    throw error;
  }
  const moved = readOwner(aside);
  if (JSON.stringify(moved) !== JSON.stringify(expected)) {
    try {
      linkSync(aside, path);
    } catch (error) {
      if (!isCode(error, 'EEXIST')) throw error;
    }
    rmSync(aside, { force: true });
    return false;
  }
  rmSync(aside, { force: true });
  return true;
}

function release(path: string): void {
  const owner = readOwner(path);
  if (owner?.pid === process.pid && owner.processStart === processStart(process.pid)) {
    rmSync(path, { force: true });
  }
}

function readOwner(path: string): LockOwner | null {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (isCode(error, 'ENOENT')) return null;
    throw error;
  }
  try {
    const { pid, startedAt, processStart: start, host } = JSON.parse(text) as Partial<LockOwner>;
    if (typeof pid !== 'number') return null;
    return { pid, startedAt: startedAt ?? 'an unknown time', processStart: start ?? null, host: host ?? '' };
  } catch {
    // Not one of ours, or the disk was full: no owner that could be asked.
    return null;
  }
}

async function isAlive(owner: LockOwner, dataDirectory: string): Promise<boolean> {
  // Another host, or another container on the same volume: pids say nothing.
  if (owner.host !== hostname()) return answers(socketPath(dataDirectory));
  if (!processExists(owner.pid)) return false;
  const start = processStart(owner.pid);
  if (start !== null && owner.processStart !== null) return start === owner.processStart;
  return answers(socketPath(dataDirectory));
}

function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it exists and is somebody else's.
    return isCode(error, 'EPERM');
  }
}

/** When a process began, in the kernel's ticks since boot; null: no such process, or no /proc. */
function processStart(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in parentheses, which may contain blanks; the start is the 22nd.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}

function answers(path: string): Promise<boolean> {
  return new Promise((settle) => {
    const socket = createConnection(path);
    const end = (alive: boolean) => {
      socket.destroy();
      settle(alive);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
    socket.setTimeout(2000, () => end(false));
  });
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
