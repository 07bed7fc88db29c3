import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';

/** Makes the partitions of the coming weeks that are missing. Returns their names. Can be run at any time. */
export async function ensurePartitions(executor: Executor): Promise<string[]> {
  const { rows } = await executor.query<{ name: string }>(
    sql`select name from ops.ensure_partitions() as name`,
  );
  return rows.map((row) => row.name);
}
