import { OperationalError } from '../../../operational-error.ts';
import { parseLsn } from '../wal/wal-position.ts';
import type { Lsn } from '../wal/wal-position.ts';
/** A WAL record that made a transaction final. */
export interface CommitRecord {
  /** The 32-bit id, as WAL records hold it. */
  readonly transactionId: number;
  /** The position where the record begins. */
  readonly lsn: Lsn;
}

/**
 * The place of a snapshot in the WAL: the first position up to which the commits are exactly those that the snapshot
 * sees. `commits` are all commits, in order, of a stretch that begins before the snapshot and ends at `end`, after
 * it.
 *
 * Null when such a position does not exist: a transaction becomes visible a moment after its record is written, once
 * the record is on disk, and of two that wait for the same disk the later one may become visible first. Another
 * snapshot will do.
 */
export function placeSnapshot(snapshot: string, commits: readonly CommitRecord[], end: Lsn): Lsn | null {
  const isSeen = visibility(snapshot);
  const firstUnseen = commits.findIndex(({ transactionId }) => !isSeen(transactionId));
  if (firstUnseen === -1) return end;
  const later = commits.slice(firstUnseen);
  return later.some(({ transactionId }) => isSeen(transactionId)) ? null : (later[0]?.lsn ?? end);
}

/**
 * The commits in the output of `pg_waldump --rmgr=Transaction`, in order. Throws on two-phase commits, whose records
 * name another transaction.
 */
export function parseCommits(output: string): readonly CommitRecord[] {
  const commits: CommitRecord[] = [];
  for (const line of output.split('\n')) {
    const [, transactionId, lsn, kind] =
      /^rmgr: Transaction .*? tx: +(\d+), lsn: ([0-9A-F/]+), .*?desc: (COMMIT\w*)/.exec(line) ?? [];
    if (transactionId === undefined || lsn === undefined) continue;
    if (kind !== 'COMMIT') throw new OperationalError(`a two-phase commit is in the way: ${line.trim()}`);
    commits.push({ transactionId: Number(transactionId), lsn: parseLsn(lsn) });
  }
  return commits;
}

/**
 * Tells whether the snapshot sees a committed transaction. The snapshot is a text `xmin:xmax:in-progress,...` of
 * 64-bit ids.
 */
function visibility(snapshot: string): (transactionId: number) => boolean {
  const [, xmin, xmax, inProgress] = /^(\d+):(\d+):([\d,]*)$/.exec(snapshot) ?? [];
  if (xmin === undefined || xmax === undefined)
    throw new RangeError(`${JSON.stringify(snapshot)} is not a snapshot; one looks like 10:20:10,14`);
  const running = new Set((inProgress ?? '').split(',').filter(Boolean).map(BigInt));
  const [first, next] = [BigInt(xmin), BigInt(xmax)];
  return (transactionId) => {
    // Extends the id to the 64-bit one nearest to the snapshot's: within two billion transactions exactly one fits.
    const distance = BigInt.asIntN(32, BigInt(transactionId) - next);
    const id = next + distance;
    return id < first || (id < next && !running.has(id));
  };
}
