import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';
import { withQuarantine } from '../quarantine.ts';
import { defineJob } from './job.ts';
import { noPayload } from './payload.ts';

/** Most workflows that one statement locks. */
const batch = 100;
/** Most statements of a run. The next run continues within a minute. */
const rounds = 100;

/**
 * Ends workflow steps that took too long, and continues their workflows. Returns the number of workflows that
 * it worked on. Workflows that another session holds are left to the next run, and those that fail are set
 * aside. Can run at any time, several runs at once.
 */
export async function tendWorkflows(executor: Executor, signal: AbortSignal): Promise<number> {
  let total = 0;
  await withQuarantine(executor, 'tend_workflows', signal, async () => {
    for (let round = 0; round < rounds && !signal.aborted; round += 1) {
      const { rows } = await executor.query<{ count: number }>(
        sql`select ops.tend_workflows(${batch}) as count`,
      );
      const count = rows[0]?.count ?? 0;
      total += count;
      if (count === 0) break;
    }
  });
  return total;
}

// Missed runs need not be made up for: a run ends every step that is due.
export const tendWorkflowsJob = defineJob({
  task: 'tend_workflows',
  does: 'ends the steps of workflows that took too long',
  schedule: {
    match: '* * * * *',
    everyMinutes: 1,
    options: { backfillPeriod: 0, maxAttempts: 1 },
  },
  changesData: true,
  parse: noPayload,
  run: async (_payload, run, { executor }) => {
    const count = await tendWorkflows(executor, run.signal);
    return count > 0 ? `went on with ${count} workflows` : null;
  },
});
