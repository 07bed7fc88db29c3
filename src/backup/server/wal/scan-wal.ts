import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { programFile } from '../programs.ts';
import type { ServerPrograms } from '../programs.ts';
import type { Instant } from '../../instant.ts';
import { instantFromPostgres } from '../../instant.ts';
import { parseLsn } from './wal-position.ts';
import type { Lsn } from './wal-position.ts';
import type { WalFile } from './wal-run.ts';

/** The content of a segment. */
export interface ScannedWal {
  /** The position of the last whole record; null: the segment does not hold a whole record. */
  readonly lastRecord: Lsn | null;
  /** The position where the next record would begin; null in the same case. */
  readonly end: Lsn | null;
  /** The times when its first and its last transaction ended, by the server's clock; null: it holds none. */
  readonly firstEnd: Instant | null;
  readonly lastEnd: Instant | null;
}

const transactionEnd =
  /desc: (?:COMMIT|ABORT|COMMIT_PREPARED|ABORT_PREPARED)\b.*?(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?) UTC/;
const recordPlace = /len \(rec\/tot\):\s*\d+\/\s*(\d+),.* lsn: ([0-9A-F]+\/[0-9A-F]+),/;

/** Reads a segment with `pg_waldump`, from a temporary file in `directory`. Rejects when the file cannot be read. */
export async function scanWal(
  wal: WalFile,
  directory: string,
  segmentBytes: number,
  programs: ServerPrograms,
): Promise<ScannedWal> {
  const content = await wal.read();
  // The beginning of a segment may have been read before its full length was allocated.
  await writeFile(join(directory, wal.file), padded(content, segmentBytes));
  const child = spawn(programFile(programs, 'pg_waldump'), [`--path=${directory}`, wal.file], {
    env: programs.environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (chunk) => (said = `${said}${String(chunk)}`.slice(-4_000)));
  const closed = new Promise<void>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', () => resolve());
  });
  let last: { readonly lsn: string; readonly bytes: number } | null = null;
  let firstEnd: Instant | null = null;
  let lastEnd: Instant | null = null;
  for await (const line of createInterface({ input: child.stdout })) {
    const [, bytes, lsn] = recordPlace.exec(line) ?? [];
    if (bytes !== undefined && lsn !== undefined) last = { lsn, bytes: Number(bytes) };
    const time = transactionEnd.exec(line)?.[1];
    if (time !== undefined) {
      lastEnd = instantFromPostgres(time);
      firstEnd ??= lastEnd;
    }
  }
  await closed;
  if (last === null) return { lastRecord: null, end: null, firstEnd, lastEnd };
  const lastRecord = parseLsn(last.lsn);
  return { lastRecord, end: endOf(lastRecord, last.bytes, said), firstEnd, lastEnd };
}

/** A segment, padded to its full length. */
export function padded(content: Buffer, segmentBytes: number): Buffer {
  return content.length >= segmentBytes
    ? content
    : Buffer.concat([content, Buffer.alloc(segmentBytes - content.length)]);
}

/**
 * The end of the last record. `pg_waldump` says where it could not go on, and that is the end if it lies after the
 * last record. Otherwise the record's length gives it, except for the headers of pages that the record crosses.
 */
function endOf(lastRecord: Lsn, bytes: number, said: string): Lsn {
  const places = [...said.matchAll(/\bat ([0-9A-F]+\/[0-9A-F]+)/g)].map(([, place = '0/0']) =>
    parseLsn(place),
  );
  const beyond = places.find((place) => place > lastRecord);
  const aligned = lastRecord + BigInt(Math.ceil(bytes / 8) * 8);
  return beyond !== undefined && beyond >= aligned ? beyond : aligned;
}
