import { OperationalError } from '../../../operational-error.ts';
import { parseLsn } from '../wal/wal-position.ts';
import type { Lsn } from '../wal/wal-position.ts';
/** A record of the WAL with which a transaction became final. */
export interface CommitRecord {
  /** As records have it: 32 bits. */
  readonly transactionId: number;
  /** Where the record begins. */
  readonly lsn: Lsn;
}

/**
 * Where in the WAL a snapshot belongs: the first place up to which the commits are exactly those that the snapshot sees.
 * `commits` are all of a stretch that begins before the snapshot and ends at `end`, after it, in their order.
 *
 * Null when there is none: a transaction is seen a moment after its record is written, once that is on disk, and of two that
 * wait for the same disk the later one may be seen first. Another snapshot will do.
 */
export function placeSnapshot(snapshot: string, commits: readonly CommitRecord[], end: Lsn): Lsn | null {
  const isSeen = visibility(snapshot);
  const firstUnseen = commits.findIndex(({ transactionId }) => !isSeen(transactionId));
  if (firstUnseen === -1) return end;
  const later = commits.slice(firstUnseen);
  return later.some(({ transactionId }) => isSeen(transactionId)) ? null : (later[0]?.lsn ?? end);
}

/** The commits of what `pg_waldump --rmgr=Transaction` prints, in order. Throws on two-phase commits, whose records name another transaction. */
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

/** Whether a transaction that committed is seen by the snapshot, a text `xmin:xmax:in-progress,...` of 64-bit ids. */
function visibility(snapshot: string): (transactionId: number) => boolean {
  const [, xmin, xmax, inProgress] = /^(\d+):(\d+):([\d,]*)$/.exec(snapshot) ?? [];
  if (xmin === undefined || xmax === undefined)
    throw new RangeError(`${JSON.stringify(snapshot)} is not a snapshot; one looks like 10:20:10,14`);
  const running = new Set((inProgress ?? '').split(',').filter(Boolean).map(BigInt));
  const [first, next] = [BigInt(xmin), BigInt(xmax)];
  return (transactionId) => {
    // The 64-bit id next to the snapshot's: within two billion transactions there is one.
    const distance = BigInt.asIntN(32, BigInt(transactionId) - next);
    const id = next + distance;
    return id < first || (id < next && !running.has(id));
  };
}
