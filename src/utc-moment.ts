/**
 * The moment with these parts in UTC: year (from 0), month (from 1), day, hour, minute, second. Null where the calendar
 * or the clock has none, such as November 31 and 24:00. Date itself takes that for December 1, and the years 0 to 99 for
 * the 20th century.
 */
export function utcMoment(parts: readonly number[]): Date | null {
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts;
  const moment = new Date(0);
  moment.setUTCFullYear(year, month - 1, day);
  moment.setUTCHours(hour, minute, second);
  const same = [
    moment.getUTCFullYear(),
    moment.getUTCMonth() + 1,
    moment.getUTCDate(),
    moment.getUTCHours(),
    moment.getUTCMinutes(),
    moment.getUTCSeconds(),
  ].every((part, i) => part === parts[i]);
  return same ? moment : null;
}
