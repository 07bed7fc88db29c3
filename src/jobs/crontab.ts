import type { CronItem } from 'graphile-worker';
import { agendaMinute } from './agenda.ts';

/** A line of the crontab. */
export interface ScheduledJob extends CronItem {
  readonly match: string;
  /** The longest time between two of them, for who looks whether they come. */
  readonly everyMinutes: number;
}

/** What runs by itself, and when (UTC). Payloads are parsed by the tasks; `backfill` makes up for time asleep. */
export const crontab: readonly ScheduledJob[] = [
  {
    task: 'ensure_partitions',
    match: '7 * * * *',
    everyMinutes: 60,
    options: { backfillPeriod: 3_600_000, maxAttempts: 5 },
    identifier: 'ensure_partitions',
  },
  // One at a time: two would pay for the same embeddings. What a run does not get to, the next one does.
  {
    task: 'embed_knowledge',
    match: '* * * * *',
    everyMinutes: 1,
    options: {
      backfillPeriod: 0,
      maxAttempts: 1,
      queueName: 'embed_knowledge',
      jobKey: 'embed_knowledge',
      jobKeyMode: 'preserve_run_at',
    },
    identifier: 'embed_knowledge',
  },
  {
    task: 'trim_events',
    match: '*/5 * * * *',
    everyMinutes: 5,
    options: { backfillPeriod: 300_000, maxAttempts: 1 },
    identifier: 'trim_events',
  },
  // An embedded database has no autovacuum; on a server this does nothing.
  {
    task: 'maintain_embedded',
    match: '23 * * * *',
    everyMinutes: 60,
    // For whoever is never on at that minute: a start makes up for the last hour.
    options: { backfillPeriod: 3_600_000, maxAttempts: 1 },
    identifier: 'maintain_embedded',
  },
  // What came in the last minute, and what came late. What a run does not get to, the next one does.
  {
    task: 'roll_up_metrics',
    match: '* * * * *',
    everyMinutes: 1,
    options: {
      backfillPeriod: 0,
      maxAttempts: 1,
      queueName: 'roll_up_metrics',
      jobKey: 'roll_up_metrics',
      jobKeyMode: 'preserve_run_at',
    },
    identifier: 'roll_up_metrics',
  },
  // Days expire at midnight; every hour, because whoever is in the way then may be gone later.
  {
    task: 'retention',
    match: '37 * * * *',
    everyMinutes: 60,
    options: {
      backfillPeriod: 3_600_000,
      maxAttempts: 1,
      jobKey: 'retention',
      jobKeyMode: 'preserve_run_at',
    },
    identifier: 'retention',
  },
  // Steps that took too long. Missed minutes need no making up: a run ends all that is due.
  {
    task: 'tend_workflows',
    match: '* * * * *',
    everyMinutes: 1,
    options: { backfillPeriod: 0, maxAttempts: 1 },
    identifier: 'tend_workflows',
  },
  // Before all others: it is what notices that they come late.
  {
    task: 'check_alerts',
    match: '* * * * *',
    everyMinutes: 1,
    options: { backfillPeriod: 0, maxAttempts: 1, priority: -10 },
    identifier: 'check_alerts',
  },
  // Backups and drills go by age: agenda.ts. Shortly after each start there is a look, too.
  {
    task: 'schedule_backups',
    match: `${agendaMinute} * * * *`,
    everyMinutes: 60,
    options: { backfillPeriod: 0, maxAttempts: 1 },
    identifier: 'schedule_backups',
  },
];
