import { rollUpMetrics } from '../retention/roll-up-metrics.ts';
import type { RolledUp } from '../retention/roll-up-metrics.ts';
import { defineJob } from './job.ts';
import { noPayload } from './payload.ts';

// Covers the points of the last minute, and those that came late. The next run continues where this one ended.
export const rollUpMetricsJob = defineJob({
  task: 'roll_up_metrics',
  does: 'rolls up the metrics that came in or changed',
  schedule: {
    match: '* * * * *',
    everyMinutes: 1,
    options: {
      backfillPeriod: 0,
      maxAttempts: 1,
      queueName: 'roll_up_metrics',
      jobKey: 'roll_up_metrics',
      jobKeyMode: 'preserve_run_at',
    },
  },
  changesData: true,
  parse: noPayload,
  lock: 'roll_up_metrics',
  expectedMinutes: 60,
  run: async (_payload, run, { executor }) => {
    const done = await rollUpMetrics(executor, {
      signal: run.signal,
      onProgress: (sofar) => run.progress(null, `${inWords(sofar)} so far`),
    });
    return done.minutes + done.hours + done.days > 0 ? `rolled up ${inWords(done)}` : null;
  },
});

function inWords({ minutes, hours, days }: RolledUp): string {
  return `${minutes} minutes, ${hours} hours and ${days} days`;
}
