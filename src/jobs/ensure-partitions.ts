import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';
import { defineJob } from './job.ts';
import { noPayload } from './payload.ts';

/** Makes the partitions of the coming weeks that are missing. Returns their names. Can be run at any time. */
export async function ensurePartitions(executor: Executor): Promise<string[]> {
  const { rows } = await executor.query<{ name: string }>(
    sql`select name from ops.ensure_partitions() as name`,
  );
  return rows.map((row) => row.name);
}

export const ensurePartitionsJob = defineJob({
  task: 'ensure_partitions',
  does: 'makes the partitions of the coming weeks',
  schedule: {
    match: '7 * * * *',
    everyMinutes: 60,
    options: { backfillPeriod: 3_600_000, maxAttempts: 5 },
  },
  parse: noPayload,
  run: async (_payload, _run, { executor }) => {
    const made = await ensurePartitions(executor);
    return made.length > 0 ? `made ${made.join(', ')}` : null;
  },
});
