import type { Backups } from '../backup/backups.ts';

/** A job that is due once a day or once a week, from a time of day (UTC) on. */
export interface AgendaItem {
  readonly task: 'back_up' | 'drill';
  /** The schedule in crontab form. The hourly look comes at the same minute. */
  readonly match: string;
  readonly hour: number;
  /** 0 is Sunday. Null: every day. */
  readonly weekday: number | null;
  readonly everyMinutes: number;
}

/** Minute of each hour at which due jobs are looked for. */
export const agendaMinute = 13;

/**
 * Jobs that are due by age and not by the clock, because a machine that is on only in the evenings is never on
 * at two in the night. A job is due when the newest of its kind began before the last time that it should have
 * begun. So a machine that is always on runs the job at that time, and a machine that was off runs it once when
 * it is on again.
 */
export const agenda: readonly AgendaItem[] = [
  { task: 'back_up', match: '13 2 * * *', hour: 2, weekday: null, everyMinutes: 1_440 },
  // The drill comes after the full backup of the week.
  { task: 'drill', match: '13 6 * * 0', hour: 6, weekday: 0, everyMinutes: 7 * 1_440 },
];

/** Day of the week of the full backup, if later backups build on it. */
const fullWeekday = 0;

/** The moments when the newest of each kind began. Null: there never was one, or none is left. */
export interface NewestBackups {
  readonly backup: Date | null;
  /** The newest full backup that others build on. A snapshot does not count. */
  readonly full: Date | null;
  readonly drill: Date | null;
}

/** A job that has to begin now. */
export interface DueJob {
  readonly task: AgendaItem['task'];
  readonly payload: { readonly kind?: 'full' };
}

/**
 * The jobs that are due at `now`. `buildsOnEarlier`: a backup may build on an earlier one, so a full one is due
 * each week. A drill without a backup has nothing to prove, so it is never due.
 */
export function dueJobs(
  newest: NewestBackups,
  { buildsOnEarlier }: Pick<Backups, 'buildsOnEarlier'>,
  now: Date,
): DueJob[] {
  return agenda.flatMap((item): DueJob[] => {
    const due = lastTime(item.hour, item.weekday, now);
    if (item.task === 'drill') {
      return newest.backup && isOlder(newest.drill, due) ? [{ task: 'drill', payload: {} }] : [];
    }
    const full = buildsOnEarlier && isOlder(newest.full, lastTime(item.hour, fullWeekday, now));
    return full || isOlder(newest.backup, due)
      ? [{ task: 'back_up', payload: full ? { kind: 'full' } : {} }]
      : [];
  });
}

function isOlder(at: Date | null, than: Date): boolean {
  return at === null || at < than;
}

/** The last time at or before `now` with this hour and day of the week, at the minute of the look. */
function lastTime(hour: number, weekday: number | null, now: Date): Date {
  const at = new Date(now);
  at.setUTCHours(hour, agendaMinute, 0, 0);
  if (at > now) at.setUTCDate(at.getUTCDate() - 1);
  if (weekday !== null) at.setUTCDate(at.getUTCDate() - ((at.getUTCDay() - weekday + 7) % 7));
  return at;
}
