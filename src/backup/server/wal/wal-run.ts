import { ObjectMissing } from '../../store/store.ts';
import type { Vault } from '../../vault.ts';
import { listSpool, readSpooled } from './spool.ts';
import type { SpooledWal } from './spool.ts';
import { isOnPath, timelinePath } from './timeline-history.ts';
import type { TimelineStep } from './timeline-history.ts';
import { checkArchivedWal, isTrusted, listArchivedWal, readArchivedWal } from './wal-archive.ts';
import type { ArchivedWal } from './wal-archive.ts';
import { segmentFile, segmentNumber } from './wal-position.ts';
import type { Lsn } from './wal-position.ts';

/** A WAL file, wherever it is kept. */
export interface WalFile {
  readonly kind: 'segment' | 'partial' | 'history';
  readonly file: string;
  readonly timeline: number;
  /** When it was received or archived, by the clock of the machine that did it. */
  readonly at: Date;
  /** Its key in the store or its path in the spool, for messages. */
  readonly place: string;
  /** Rejects with BackupDamaged or ObjectMissing. A file in the spool has no digest to compare with. */
  check(): Promise<void>;
  /** The content, checked. */
  read(): Promise<Buffer>;
}

/** All WAL of a cluster. */
export interface WalInventory {
  /** Whole segments, and the beginnings of unfinished ones, by file name. */
  readonly segments: ReadonlyMap<string, WalFile>;
  readonly histories: readonly WalFile[];
}

/** Consecutive WAL. */
export interface WalRun {
  readonly path: readonly TimelineStep[];
  readonly files: readonly WalFile[];
  /** The file that would come next. */
  readonly next: string;
  /** Whether there is WAL after `next`: then `next` is lost, rather than still to come. */
  readonly broken: boolean;
}

/** Finds all WAL of a cluster in the vault, and in a spool when there is one. */
export async function findWal(
  vault: Vault,
  systemIdentifier: string,
  spoolDirectory: string | null,
): Promise<WalInventory> {
  const findAgain = async (file: string) =>
    (await findWal(vault, systemIdentifier, spoolDirectory)).segments.get(file);
  const archived = await listArchivedWal(vault, systemIdentifier);
  const found = (await withoutRivals(vault, archived)).map((wal) =>
    archivedFile(vault, systemIdentifier, wal),
  );
  if (spoolDirectory !== null) found.push(...(await listSpool(spoolDirectory)).map(spooledFile));
  const segments = new Map<string, WalFile>();
  const histories = new Map<string, WalFile>();
  for (const wal of found) {
    const files = wal.kind === 'history' ? histories : segments;
    const other = files.get(wal.file);
    // A whole segment wins over a beginning, and of two beginnings the later one wins.
    if (!other || rank(wal) > rank(other) || (rank(wal) === rank(other) && wal.at > other.at)) {
      files.set(wal.file, wal.kind === 'history' ? wal : replaceable(wal, findAgain));
    }
  }
  return { segments, histories: [...histories.values()] };
}

/**
 * The WAL from a position on, as far as it goes without a gap, along the newest timeline that leads through that
 * position.
 */
export async function walRun(
  { segments, histories }: WalInventory,
  { timeline, lsn, segmentBytes }: { timeline: number; lsn: Lsn; segmentBytes: number },
): Promise<WalRun> {
  const path = await newestPath(histories, timeline, lsn);
  const fileOf = (number: bigint): string => {
    const step = path.findLast(({ from }) => segmentNumber(from, segmentBytes) <= number);
    return segmentFile({ timeline: step?.timeline ?? timeline, number }, segmentBytes);
  };
  const files: WalFile[] = [];
  let number = segmentNumber(lsn, segmentBytes);
  for (;;) {
    const wal = segments.get(fileOf(number));
    if (!wal) break;
    files.push(wal);
    number += 1n;
    if (wal.kind === 'partial') break;
  }
  // After a beginning, only the rest of its own segment can be missing.
  const last = files.at(-1);
  const lost = last?.kind === 'partial' ? last.file : fileOf(number);
  const timelines = new Set(path.map((step) => step.timeline));
  const broken = [...segments.values()].some((wal) => wal.file > lost && timelines.has(wal.timeline));
  return { path, files, next: lost, broken };
}

async function newestPath(
  histories: readonly WalFile[],
  timeline: number,
  lsn: Lsn,
): Promise<readonly TimelineStep[]> {
  for (const history of histories.toSorted((a, b) => b.timeline - a.timeline)) {
    if (history.timeline <= timeline) break;
    const path = timelinePath(history.timeline, (await history.read()).toString('utf8'));
    if (isOnPath(path, timeline, lsn)) return path;
  }
  const own = histories.find((history) => history.timeline === timeline);
  return timelinePath(timeline, own ? (await own.read()).toString('utf8') : null);
}

/**
 * The files, without those that are not trusted where a trusted one has the same name. One that has no rival stays, so
 * that its use is refused by name.
 */
async function withoutRivals(vault: Vault, archived: readonly ArchivedWal[]): Promise<ArchivedWal[]> {
  const kept: ArchivedWal[] = [];
  for (const files of Map.groupBy(archived, ({ file }) => file).values()) {
    const trusted: ArchivedWal[] = [];
    if (files.length > 1) {
      for (const wal of files) if (await isTrusted(vault, wal)) trusted.push(wal);
    }
    kept.push(...(trusted.length > 0 ? trusted : files));
  }
  return kept;
}

function archivedFile(vault: Vault, systemIdentifier: string, wal: ArchivedWal): WalFile {
  return {
    kind: wal.kind,
    file: wal.file,
    timeline: wal.timeline,
    at: new Date(wal.archivedAt),
    place: wal.key,
    check: () => checkArchivedWal(vault, wal),
    read: () => readArchivedWal(vault, systemIdentifier, wal),
  };
}

function spooledFile(spooled: SpooledWal): WalFile {
  const read = async (): Promise<Buffer> => {
    const content = await readSpooled(spooled);
    if (content === null) throw new ObjectMissing(spooled.path, 'the spool');
    return content;
  };
  return {
    kind: spooled.kind,
    file: spooled.file,
    timeline: Number.parseInt(spooled.file.slice(0, 8), 16),
    at: new Date(spooled.modifiedMs),
    place: spooled.path,
    check: async () => {
      await read();
    },
    read,
  };
}

/**
 * While a receiver is at work, a longer beginning replaces a shorter one, and a whole segment moves from the spool to
 * the vault. So a file that is gone from its place is searched for again, and its replacement holds everything that
 * it held.
 */
function replaceable(wal: WalFile, findAgain: (file: string) => Promise<WalFile | undefined>): WalFile {
  const orElsewhere = async <T>(use: (wal: WalFile) => Promise<T>): Promise<T> => {
    try {
      return await use(wal);
    } catch (error) {
      if (!(error instanceof ObjectMissing)) throw error;
      const elsewhere = await findAgain(wal.file);
      if (!elsewhere || elsewhere.place === wal.place) throw error;
      return use(elsewhere);
    }
  };
  return {
    ...wal,
    check: () => orElsewhere((file) => file.check()),
    read: () => orElsewhere((file) => file.read()),
  };
}

function rank({ kind }: WalFile): number {
  return kind === 'partial' ? 0 : 1;
}
