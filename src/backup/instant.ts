import { utcMoment } from '../utc-moment.ts';

/** A moment to the microsecond, as `2026-11-27T13:30:00.123456Z`: sorting such texts sorts by time. */
export type Instant = string;

/** Converts a time that Postgres printed in UTC, such as `2026-11-27 13:30:00.1234`. */
export function instantFromPostgres(time: string): Instant {
  const [seconds = '', fraction = ''] = time.replace(' ', 'T').split('.');
  return `${seconds}.${fraction.padEnd(6, '0')}Z`;
}

export function instantOf(date: Date): Instant {
  return date.toISOString().replace(/\.(\d{3})Z$/, '.$1000Z');
}

const form =
  /^(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?(?: ?(?:Z|UTC|GMT)|([+-])(\d\d)(?::?(\d\d))?)$/i;

/**
 * Parses a time with its zone, in ISO 8601 or as Postgres prints it (`2026-11-27 13:30:00.123456+05:30`, and
 * `... UTC` in its log). Null for any other text, for a date or a time that does not exist (November 31, 24:00), and
 * for more digits than microseconds.
 */
export function parseInstant(text: string): Instant | null {
  const match = form.exec(text);
  if (!match) return null;
  const [
    ,
    year,
    month,
    day,
    hour,
    minute,
    second = '0',
    fraction = '',
    sign,
    zoneHour = '0',
    zoneMinute = '0',
  ] = match;
  const local = utcMoment([year, month, day, hour, minute, second].map(Number));
  // Postgres accepts offsets up to 15:59.
  if (local === null || Number(zoneHour) > 15 || Number(zoneMinute) > 59) return null;
  const offset = (Number(zoneHour) * 60 + Number(zoneMinute)) * (sign === '-' ? -1 : 1);
  const utc = new Date(local.getTime() - offset * 60_000);
  // Four digits, or texts would no longer sort by time.
  if (utc.getUTCFullYear() < 1 || utc.getUTCFullYear() > 9999) return null;
  return `${utc.toISOString().slice(0, 19)}.${fraction.padEnd(6, '0')}Z`;
}
