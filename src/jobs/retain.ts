import type { Executor } from '../db/database.ts';
import type { AsKeeper } from '../retention/keeper.ts';
import { runRetention } from '../retention/run-retention.ts';
import type { JobRun } from './job-run.ts';

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
