import type { CronItem } from 'graphile-worker';
import { jobs } from './registry.ts';

/** The schedules of all jobs, in graphile-worker's form. */
export const crontab: readonly CronItem[] = jobs.flatMap(({ task, schedule }) =>
  schedule === null ? [] : [{ task, match: schedule.match, options: schedule.options, identifier: task }],
);
