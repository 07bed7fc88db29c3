import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';
import { withQuarantine } from '../quarantine.ts';

/** How many leases one statement takes at most. */
const batch = 1_000;

/**
 * Takes back the tasks, of all tenants, whose holders were not heard of in time; those that a holder or another reaper is at
 * are left to them, and what cannot be taken back is set aside. Gives the number of tasks. Can be run at any time, by several at
 * once. Needs the worker's policies.
 */
export async function reapLeases(executor: Executor, signal: AbortSignal): Promise<number> {
  let total = 0;
  await withQuarantine(executor, 'reap_leases', signal, async () => {
    let count: number;
    do {
      const { rows } = await executor.query<{ count: number }>(
        sql`select ops.reap_expired_leases(${batch}) as count`,
      );
      count = rows[0]?.count ?? 0;
      total += count;
    } while (count > 0 && !signal.aborted);
  });
  return total;
}
