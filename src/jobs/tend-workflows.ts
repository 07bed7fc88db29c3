import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';

/** How many workflows one statement locks at most. */
const batch = 100;

/**
 * Ends the steps of workflows that took too long, and goes on with their workflows. Returns how many workflows it was at;
 * those that somebody else holds are left for the next run. Can be run at any time, by several at once.
 */
export async function tendWorkflows(executor: Executor): Promise<number> {
  let total = 0;
  for (;;) {
    const { rows } = await executor.query<{ count: number }>(
      sql`select ops.tend_workflows(${batch}) as count`,
    );
    const count = rows[0]?.count ?? 0;
    total += count;
    if (count < batch) return total;
  }
}
