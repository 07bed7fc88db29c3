import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';
import { withQuarantine } from '../quarantine.ts';
import { defineJob } from './job.ts';
import { noPayload } from './payload.ts';

/** How many workflows one statement locks at most. */
const batch = 100;
/** The next run goes on: it comes within a minute. */
const rounds = 100;

/**
 * Ends the steps of workflows that took too long, and goes on with their workflows. Returns how many workflows it was at;
 * those that somebody else holds are left for the next run, those that fail are set aside. Can be run at any time, by several
 * at once.
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

// Missed minutes need no making up: a run ends every step that is due.
export const tendWorkflowsJob = defineJob({
  task: 'tend_workflows',
  does: 'ends the steps of workflows that took too long',
  schedule: {
    match: '* * * * *',
    everyMinutes: 1,
    options: { backfillPeriod: 0, maxAttempts: 1 },
  },
  parse: noPayload,
  run: async (_payload, run, { executor }) => {
    const count = await tendWorkflows(executor, run.signal);
    return count > 0 ? `went on with ${count} workflows` : null;
  },
});
