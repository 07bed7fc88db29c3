import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';
import { defineJob } from './job.ts';
import { noPayload } from './payload.ts';

/**
 * How long a live client may be away and still get what it missed (docs/live.md). Removing is by the marks that earlier
 * runs left, so what runs every five minutes keeps up to five minutes more.
 */
const keep = '1 hour';

/** Removes what has been in the outbox of live updates for long enough. Gives the number of rows. */
export async function trimEvents(executor: Executor): Promise<number> {
  const { rows } = await executor.query<{ count: string }>(
    sql`select ops.trim_events(${keep}::interval) as count`,
  );
  return Number(rows[0]?.count ?? 0);
}

export const trimEventsJob = defineJob({
  task: 'trim_events',
  does: 'removes from the outbox of live updates what everybody had time to read',
  schedule: {
    match: '*/5 * * * *',
    everyMinutes: 5,
    options: { backfillPeriod: 300_000, maxAttempts: 1 },
  },
  parse: noPayload,
  run: async (_payload, _run, { executor }) => {
    const removed = await trimEvents(executor);
    return removed > 0 ? `removed ${removed} events` : null;
  },
});
