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
