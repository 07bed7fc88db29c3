/** A position in the write-ahead log, in bytes from its beginning. */
export type Lsn = bigint;

const lsnPattern = /^([0-9A-F]{1,8})\/([0-9A-F]{1,8})$/i;

/** Whether a text is a position, such as `0/16B3748`. */
export function isLsn(text: string): boolean {
  return lsnPattern.test(text);
}

/** Parses a position. Throws for any other text. */
export function parseLsn(text: string): Lsn {
  const [, high, low] = lsnPattern.exec(text) ?? [];
  if (high === undefined || low === undefined) {
    throw new Error(`${JSON.stringify(text)} is not a position in the WAL; one looks like 0/16B3748`);
  }
  return (BigInt(`0x${high}`) << 32n) + BigInt(`0x${low}`);
}

/** The position in Postgres's notation. */
export function formatLsn(lsn: Lsn): string {
  return `${(lsn >> 32n).toString(16)}/${(lsn & 0xffffffffn).toString(16)}`.toUpperCase();
}

/** A segment, which is one file of WAL. */
export interface Segment {
  readonly timeline: number;
  /** Counted from the beginning of the WAL, over all timelines. */
  readonly number: bigint;
}

/** The number of the segment that holds the byte at a position. */
export function segmentNumber(lsn: Lsn, segmentBytes: number): bigint {
  return lsn / BigInt(segmentBytes);
}

/** The name of a segment's file, 24 hexadecimal digits. */
export function segmentFile({ timeline, number }: Segment, segmentBytes: number): string {
  const perFourGigabytes = 0x100000000n / BigInt(segmentBytes);
  const hex = (value: bigint) => value.toString(16).toUpperCase().padStart(8, '0');
  return hex(BigInt(timeline)) + hex(number / perFourGigabytes) + hex(number % perFourGigabytes);
}

/** The segment that a file holds; null: the name is not that of a segment. */
export function parseSegmentFile(name: string, segmentBytes: number): Segment | null {
  if (!/^[0-9A-F]{24}$/.test(name)) return null;
  const part = (from: number) => BigInt(`0x${name.slice(from, from + 8)}`);
  const perFourGigabytes = 0x100000000n / BigInt(segmentBytes);
  return { timeline: Number(part(0)), number: part(8) * perFourGigabytes + part(16) };
}
