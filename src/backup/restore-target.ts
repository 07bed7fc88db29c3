import type { Instant } from './instant.ts';
import { parseInstant } from './instant.ts';
import { formatLsn, isLsn, parseLsn } from './server/wal/wal-position.ts';
import type { Lsn } from './server/wal/wal-position.ts';

/** The point up to which a restore replays. */
export type RestoreTarget =
  /** Everything that was received. */
  | { readonly kind: 'latest' }
  /** Every transaction that ended at or before this time, by the server's clock. */
  | { readonly kind: 'time'; readonly time: Instant }
  /** Everything written before this position, as `pg_current_wal_lsn()` gives it. */
  | { readonly kind: 'lsn'; readonly lsn: Lsn };

/**
 * Parses the value of `--to`; null when it is none of the three. A time must have a zone: without one it could mean
 * any moment of a day. Microseconds are kept.
 */
export function parseTarget(text: string): RestoreTarget | null {
  if (text === 'latest') return { kind: 'latest' };
  if (isLsn(text)) return { kind: 'lsn', lsn: parseLsn(text) };
  const time = parseInstant(text);
  return time === null ? null : { kind: 'time', time };
}

/** The target, as text for people. */
export function describeTarget(target: RestoreTarget): string {
  switch (target.kind) {
    case 'latest':
      return 'the latest state';
    case 'time':
      return target.time;
    case 'lsn':
      return `position ${formatLsn(target.lsn)}`;
    default:
      return target satisfies never;
  }
}
