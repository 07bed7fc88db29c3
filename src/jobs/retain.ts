import type { Executor } from '../db/database.ts';
import { runRetention } from '../retention/run-retention.ts';
import type { JobRun } from './job-run.ts';
import { defineJob } from './job.ts';
import { noPayload } from './payload.ts';

/** At most one run of retention lives at a time, whether the worker or an operator began it. */
export const retentionLock = 'retention';

/**
 * Removes what the policies no longer keep, under retentionLock. The executor is the worker's, and commits each statement by
 * itself. Returns lines for people about it; empty: nothing was removed.
 */
export async function retain(
  executor: Executor,
  now: Date,
  run: Pick<JobRun, 'signal' | 'progress'>,
): Promise<string[]> {
  const { partitions, months, rows, openFloors } = await runRetention(executor, {
    now,
    signal: run.signal,
    onProgress: (fraction, note) => run.progress(fraction, note),
  });
  const lines = [
    ...partitions.map((outcome) =>
      outcome.kind === 'removed'
        ? `${outcome.partition} removed`
        : `${outcome.partition} waits: ${outcome.problem}; see ops.removal_waits for the sessions in the way`,
    ),
    ...months.map((outcome) =>
      outcome.kind === 'removed'
        ? `${outcome.partition} removed, and the chain says so`
        : `${outcome.partition} waits: ${outcome.problem}`,
    ),
    ...rows.map(
      ({ policy, tenant, rows: count }) => `${policy} of ${tenant ?? 'no tenant'}: ${count} rows deleted`,
    ),
  ];
  if (openFloors > 0)
    lines.push(`expired points wait for a writer, or to be rolled up: ${openFloors} stretches`);
  return lines;
}

// Days expire at midnight, but the job comes every hour, because a session that is in the way may be gone
// later.
export const retentionJob = defineJob({
  task: 'retention',
  does: 'removes what the retention policies no longer keep',
  schedule: {
    match: '37 * * * *',
    everyMinutes: 60,
    options: {
      backfillPeriod: 3_600_000,
      maxAttempts: 1,
      jobKey: 'retention',
      jobKeyMode: 'preserve_run_at',
    },
  },
  changesData: true,
  parse: noPayload,
  lock: retentionLock,
  expectedMinutes: 60,
  run: async (_payload, run, { executor }) => {
    const lines = await retain(executor, new Date(), run);
    return lines.length > 0 ? lines.join('; ') : null;
  },
});
