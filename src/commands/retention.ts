import type { Executor } from '../db/database.ts';
import { planRetention } from '../retention/plan-retention.ts';

/** What retention would remove at a time, as lines for people; `executor` is the worker's. */
export async function dryRun(executor: Executor, now: Date): Promise<string[]> {
  const planned = await planRetention(executor, now);
  if (planned.length === 0) return ['nothing would go'];
  const lines = planned.map(({ policy, tenant, olderThan, partition, rows, bytes }) =>
    [
      policy.padEnd(16),
      (tenant ?? '-').padEnd(16),
      `before ${olderThan.toISOString().slice(0, 16)}Z`,
      `${rows} rows`.padStart(14),
      partition === null ? '' : `with ${partition} (${Math.ceil((bytes ?? 0) / 1024)} kB)`,
    ]
      .join(' ')
      .trimEnd(),
  );
  const total = planned.reduce((sum, { rows }) => sum + rows, 0);
  const partitions = new Set(planned.flatMap(({ partition }) => partition ?? [])).size;
  return [...lines, `${total} rows would go, some with ${partitions} partitions`];
}
