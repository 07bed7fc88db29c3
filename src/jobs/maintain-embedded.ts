import type { Executor } from '../db/database.ts';
import { defineJob } from './job.ts';
import { noPayload } from './payload.ts';

/** Does the work of a server's autovacuum: removes dead rows and updates the planner's statistics. */
export async function maintainEmbedded(executor: Executor): Promise<void> {
  await executor.query({ text: 'vacuum (analyze)' });
}

export const maintainEmbeddedJob = defineJob({
  task: 'maintain_embedded',
  does: 'vacuums an embedded database, which has no autovacuum',
  schedule: {
    match: '23 * * * *',
    everyMinutes: 60,
    // A machine that is never on at that minute catches up on the last hour when it starts.
    options: { backfillPeriod: 3_600_000, maxAttempts: 1 },
  },
  parse: noPayload,
  run: async (_payload, _run, { executor, kind }) => {
    if (kind === 'server') return null;
    await maintainEmbedded(executor);
    return 'vacuumed and analyzed all tables';
  },
});
