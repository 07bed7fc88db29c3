import { utcMoment } from '../utc-moment.ts';

/** Whether a text is an offset from UTC: `+02:00`. */
export function isOffset(text: string): boolean {
  return /^[+-](?:0\d|1[0-4]):[0-5]\d$/.test(text);
}

/** Zone of the legacy host's clock, because its JSON files do not name one. */
export const legacyZone = '+02:00';

const form = /^(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?\s*(Z|[+-]\d\d(?::?\d\d)?)?$/;

/**
 * An instant as Postgres reads it. `exact` is false where Postgres would round it, because it keeps
 * microseconds.
 */
export interface Instant {
  readonly text: string;
  readonly exact: boolean;
}

/**
 * Reads an ISO 8601 time of the legacy system. A time without a zone is one of `clock`; the JSON files were written at UTC+02:00,
 * all year round. Null for a text that is not a time (`2025-02-30T00:00:00`).
 */
export function legacyInstant(text: string, clock: string = legacyZone): Instant | null {
  const match = form.exec(text);
  if (!match) return null;
  const [, year, month, day, hour, minute, second = '00', fraction = '', zone] = match;
  const exists = Number(year) > 0 && utcMoment([year, month, day, hour, minute, second].map(Number)) !== null;
  const offset = zone ?? clock;
  // Postgres accepts offsets up to 15:59.
  if (!exists || (offset !== 'Z' && !/^[+-](0\d|1[0-5])(:?[0-5]\d)?$/.test(offset))) return null;
  return {
    text: `${year}-${month}-${day}T${hour}:${minute}:${second}${fraction === '' ? '' : `.${fraction}`}${offset}`,
    exact: /^0*$/.test(fraction.slice(6)),
  };
}
