import type { Executor } from '../db/database.ts';
import type { AsKeeper } from '../retention/keeper.ts';
import { runRetention } from '../retention/run-retention.ts';
import type { JobRun } from './job-run.ts';
import { defineJob } from './job.ts';
import { noPayload } from './payload.ts';

/** Only one run of retention lives at a time, whether the worker's or an operator's. */
export const retentionLock = 'retention';

/** What retention works with; the executor is the worker's, and commits each statement by itself. */
export interface RetentionResources {
  readonly executor: Executor;
  readonly asKeeper: AsKeeper;
}

/** Removes what the policies do not keep, under retentionLock, and gives what it did as lines for people; none: nothing. */
export async function retain(
  { executor, asKeeper }: RetentionResources,
  now: Date,
  run: Pick<JobRun, 'signal' | 'progress'>,
): Promise<string[]> {
  const { partitions, rows, openFloors } = await asKeeper((keeper) =>
    runRetention(executor, keeper, {
      now,
      signal: run.signal,
      onProgress: (fraction, note) => run.progress(fraction, note),
    }),
  );
  const lines = [
    ...partitions.map((outcome) =>
      outcome.kind === 'removed'
        ? `${outcome.partition} removed`
        : `${outcome.partition} waits: ${outcome.problem}; ops.removal_waits says for whom`,
    ),
    ...rows.map(
      ({ policy, tenant, rows: count }) => `${policy} of ${tenant ?? 'nobody'}: ${count} rows deleted`,
    ),
  ];
  if (openFloors > 0)
    lines.push(`points that are due wait for a writer, or to be rolled up: ${openFloors} stretches`);
  return lines;
}

// Days expire at midnight; every hour, because whoever is in the way then may be gone later.
export const retentionJob = defineJob({
  task: 'retention',
  does: 'removes what the policies of retention do not keep',
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
  parse: noPayload,
  lock: retentionLock,
  expectedMinutes: 60,
  run: async (_payload, run, { executor, asKeeper }) => {
    if (!asKeeper) return null;
    const lines = await retain({ executor, asKeeper }, new Date(), run);
    return lines.length > 0 ? lines.join('; ') : null;
  },
});
