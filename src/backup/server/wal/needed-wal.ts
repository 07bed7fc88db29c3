import { BackupDamaged } from '../../backup-damaged.ts';
import { ObjectMissing } from '../../store/store.ts';
import type { OnProgress } from '../../../on-progress.ts';
import { RestoreRefused } from '../../restore-refused.ts';
import type { Instant } from '../../instant.ts';
import { instantOf } from '../../instant.ts';
import type { ServerPrograms } from '../programs.ts';
import { describeTarget } from '../../restore-target.ts';
import type { RestoreTarget } from '../../restore-target.ts';
import { scanWal } from './scan-wal.ts';
import type { ScannedWal } from './scan-wal.ts';
import { formatLsn, parseSegmentFile } from './wal-position.ts';
import type { Lsn } from './wal-position.ts';
import type { WalFile, WalRun } from './wal-run.ts';

/** The end of a run of consecutive WAL. */
export interface WalEnd {
  /** The position where the last whole record begins; `end` is where it ends. */
  readonly lastRecord: Lsn;
  readonly lsn: Lsn;
  /** The time of the last transaction in it; null: it holds no transaction. */
  readonly time: Instant | null;
}

export interface ScanContext {
  readonly segmentBytes: number;
  readonly programs: ServerPrograms;
  /** A directory for short-lived files. */
  readonly directory: string;
}

/** The end of a run of WAL, from the records in its last segments. Null: it does not hold a record. */
export async function endOfRun(files: readonly WalFile[], context: ScanContext): Promise<WalEnd | null> {
  let end: ScannedWal | null = null;
  for (const wal of files.toReversed()) {
    const scanned = await scan(wal, context);
    end ??= scanned.end === null ? null : scanned;
    if (end?.end != null && end.lastRecord !== null && scanned.lastEnd !== null) {
      return { lastRecord: end.lastRecord, lsn: end.end, time: scanned.lastEnd };
    }
  }
  return end?.end != null && end.lastRecord !== null
    ? { lastRecord: end.lastRecord, lsn: end.end, time: null }
    : null;
}

/** The WAL that a restore replays. */
export interface NeededWal {
  readonly files: readonly WalFile[];
  /**
   * The target at which replay stops by itself. Null: it runs to the end of the WAL, because the target is exactly
   * that, or the latest.
   */
  readonly stopAt: Exclude<RestoreTarget, { kind: 'latest' }> | null;
}

/**
 * The files needed to reach the target, each checked. Rejects with RestoreRefused, naming the file, when one is
 * missing or damaged, and when the target lies after the end of the received WAL.
 */
export async function neededWal(
  run: WalRun,
  target: RestoreTarget,
  context: ScanContext,
  onProgress: OnProgress | undefined,
  signal: AbortSignal,
): Promise<NeededWal> {
  const wanted = filesUntil(run, target, context.segmentBytes);
  for (const [index, wal] of wanted.entries()) {
    signal.throwIfAborted();
    await check(wal);
    onProgress?.((index + 1) / wanted.length, `checked ${wal.file}`);
  }
  switch (target.kind) {
    case 'latest':
      if (run.broken) throw lost(run);
      return { files: wanted, stopAt: null };
    case 'lsn':
      return { files: wanted, stopAt: await stopAtLsn(run, wanted, target, context) };
    case 'time':
      return await untilTime(run, wanted, target, context);
    default:
      return target satisfies never;
  }
}

/**
 * For `lsn`: the files up to the segment that holds it. For `time`: the files up to one that was certainly received
 * after it.
 */
function filesUntil(run: WalRun, target: RestoreTarget, segmentBytes: number): readonly WalFile[] {
  if (target.kind === 'latest') return run.files;
  if (target.kind === 'lsn') {
    const last = target.lsn / BigInt(segmentBytes);
    return run.files.filter(({ file }) => (parseSegmentFile(file, segmentBytes)?.number ?? 0n) <= last);
  }
  const after = run.files.findIndex(({ at }) => instantOf(at) > target.time);
  return after < 0 ? run.files : run.files.slice(0, after + 1);
}

async function stopAtLsn(
  run: WalRun,
  files: readonly WalFile[],
  target: Extract<RestoreTarget, { kind: 'lsn' }>,
  context: ScanContext,
): Promise<NeededWal['stopAt']> {
  if (files.length < run.files.length) return target;
  const end = await endOfRun(files, context);
  if (end && target.lsn <= end.lastRecord) return target;
  if (end && target.lsn <= end.lsn) return null;
  throw outside(run, target, end);
}

async function untilTime(
  run: WalRun,
  wanted: readonly WalFile[],
  target: Extract<RestoreTarget, { kind: 'time' }>,
  context: ScanContext,
): Promise<NeededWal> {
  const files = [...wanted];
  // Replay stops at the first transaction that ended after the target, so the WAL has to hold one.
  const last = files.at(-1);
  if (last && ((await scan(last, context)).lastEnd ?? '') > target.time) return { files, stopAt: target };
  for (const wal of run.files.slice(files.length)) {
    await check(wal);
    files.push(wal);
    if (((await scan(wal, context)).lastEnd ?? '') > target.time) return { files, stopAt: target };
  }
  const end = await endOfRun(files, context);
  if (end && end.time === target.time && !run.broken) return { files, stopAt: null };
  throw outside(run, target, end);
}

async function check(wal: WalFile): Promise<void> {
  try {
    await wal.check();
  } catch (error) {
    throw refused(wal, error);
  }
}

async function scan(wal: WalFile, { directory, segmentBytes, programs }: ScanContext): Promise<ScannedWal> {
  try {
    return await scanWal(wal, directory, segmentBytes, programs);
  } catch (error) {
    throw refused(wal, error);
  }
}

function refused(wal: WalFile, error: unknown): unknown {
  return error instanceof BackupDamaged || error instanceof ObjectMissing
    ? new RestoreRefused(`WAL ${wal.file} cannot be used: ${error.message}`, wal.place, { cause: error })
    : error;
}

function lost(run: WalRun): RestoreRefused {
  return new RestoreRefused(
    `WAL ${run.next} is missing, and there is WAL after it: restore to a time or position before it`,
    run.next,
  );
}

function outside(run: WalRun, target: RestoreTarget, end: WalEnd | null): RestoreRefused {
  if (run.broken) {
    return new RestoreRefused(
      `${describeTarget(target)} cannot be reached: WAL ${run.next} is missing`,
      run.next,
    );
  }
  const until = end
    ? `ends at position ${formatLsn(end.lsn)}${end.time === null ? '' : `, its last transaction at ${end.time}`}`
    : 'holds no record';
  return new RestoreRefused(
    `${describeTarget(target)} is after the end of what was received: the WAL ${until}. --to latest restores all of it`,
    null,
  );
}
