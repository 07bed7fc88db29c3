import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';
import type { Statement } from '../db/statement.ts';

/** How many buckets were rolled up, of all tenants together. */
export interface RolledUp {
  readonly minutes: number;
  readonly hours: number;
  readonly days: number;
}

/** Each step, the finer before what is made of it, and how many buckets one statement takes. */
const steps = [
  ['minutes', (until) => sql`select ops.roll_up_minutes(${until}, 60) as count`],
  ['hours', (until) => sql`select ops.merge_hours(${until}, 24) as count`],
  ['days', (until) => sql`select ops.merge_days(${until}, 7) as count`],
] as const satisfies readonly (readonly [keyof RolledUp, (until: Date) => Statement])[];

/**
 * Rolls up the metrics that have changed, of all tenants, in the order of time, until nothing is left that is over by
 * `until`, or the signal ends it between two statements. Each statement stands by itself: a run that is killed is taken up by
 * the next. One at a time: a step that another process is at is left to it. `onProgress` is called after each statement.
 * Needs the worker's policies.
 */
export async function rollUpMetrics(
  executor: Executor,
  {
    until = new Date(),
    signal,
    onProgress = () => {},
  }: { until?: Date; signal: AbortSignal; onProgress?: (done: RolledUp) => void },
): Promise<RolledUp> {
  const done = { minutes: 0, hours: 0, days: 0 };
  for (const [step, statement] of steps) {
    while (!signal.aborted) {
      const { rows } = await executor.query<{ count: number | null }>(statement(until));
      const count = rows[0]?.count ?? 0;
      if (count === 0) break;
      done[step] += count;
      onProgress(done);
    }
  }
  return done;
}
