import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';

/** How many leases one statement takes at most. */
const batch = 1_000;

/**
 * Takes back the tasks, of all tenants, whose holders were not heard of in time; those that a holder or another reaper is at
 * are left to them. Gives the number of tasks. Can be run at any time, by several at once. Needs the worker's policies.
 */
export async function reapLeases(executor: Executor): Promise<number> {
  let total = 0;
  for (;;) {
    const { rows } = await executor.query<{ count: number }>(
      sql`select ops.reap_expired_leases(${batch}) as count`,
    );
    const count = rows[0]?.count ?? 0;
    total += count;
    if (count < batch) return total;
  }
}
