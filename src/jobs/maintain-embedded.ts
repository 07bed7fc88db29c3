import type { Executor } from '../db/database.ts';

/** What autovacuum does on a server: removes dead rows and brings the planner's statistics up to date. */
export async function maintainEmbedded(executor: Executor): Promise<void> {
  await executor.query({ text: 'vacuum (analyze)' });
}
