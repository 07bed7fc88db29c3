import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';
import { defineJob } from './job.ts';
import { noPayload } from './payload.ts';

/**
 * How long a live client may be away and still get the events that it missed (docs/live.md). Events are removed
 * by marks that earlier runs left, so a job that runs every five minutes keeps them for up to five minutes
 * more.
 */
const keep = '1 hour';

/** Removes events that have been in the outbox of live updates for long enough. Returns the number of rows. */
export async function trimEvents(executor: Executor): Promise<number> {
  const { rows } = await executor.query<{ count: string }>(
    sql`select ops.trim_events(${keep}::interval) as count`,
  );
  return Number(rows[0]?.count ?? 0);
}

export const trimEventsJob = defineJob({
  task: 'trim_events',
  does: 'removes events from the outbox of live updates once every client had time to read them',
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
