import type { Backups } from '../backup/backups.ts';

/** A job that is due once in a day or a week, from a time of the day (UTC) on. */
export interface AgendaItem {
  readonly task: 'back_up' | 'drill';
  /** As a crontab has it; the hourly look is at the same minute. */
  readonly match: string;
  readonly hour: number;
  /** 0 is Sunday. Null: every day. */
  readonly weekday: number | null;
  readonly everyMinutes: number;
}

/** Minute of each hour at which is looked what is due. */
export const agendaMinute = 13;

/**
 * What goes by age rather than by the clock: a machine that is on in the evenings only is never on at two in the night. Each is due
 * when the newest of its kind began before the last time it should have; so whoever is always on does it at that time, and whoever
 * was off does it when it is on again, once.
 */
export const agenda: readonly AgendaItem[] = [
  { task: 'back_up', match: '13 2 * * *', hour: 2, weekday: null, everyMinutes: 1_440 },
  // After the full backup of the week.
  { task: 'drill', match: '13 6 * * 0', hour: 6, weekday: 0, everyMinutes: 7 * 1_440 },
];

/** Day of the week of the full backup, where others build on it. */
const fullWeekday = 0;

/** When the newest of each kind began; null: there never was one, or none is left. */
export interface NewestBackups {
  readonly backup: Date | null;
  /** Of the kind that others build on; a snapshot is not one of them. */
  readonly full: Date | null;
  readonly drill: Date | null;
}

/** A job that is to be begun now. */
export interface DueJob {
  readonly task: AgendaItem['task'];
  readonly payload: { readonly kind?: 'full' };
}

/**
 * What is due at `now`. `buildsOnEarlier`: a backup may build on an earlier one, so that a full one is due each week. A drill without a
 * backup has nothing to prove.
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

/** The last time at or before `now` that it was this hour, of this day of the week, at the minute of the look. */
function lastTime(hour: number, weekday: number | null, now: Date): Date {
  const at = new Date(now);
  at.setUTCHours(hour, agendaMinute, 0, 0);
  if (at > now) at.setUTCDate(at.getUTCDate() - 1);
  if (weekday !== null) at.setUTCDate(at.getUTCDate() - ((at.getUTCDay() - weekday + 7) % 7));
  return at;
}
