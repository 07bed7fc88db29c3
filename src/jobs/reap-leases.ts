import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';
import { withQuarantine } from '../quarantine.ts';

/** Most leases that one statement ends. */
const batch = 1_000;

/**
 * Takes back tasks of all tenants whose agents were not heard of in time. Tasks that their agent or another
 * reaper is working on are left to them, and tasks that cannot be taken back are set aside. Returns the number
 * of tasks taken back. Can run at any time, several runs at once. Needs the worker's role.
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
