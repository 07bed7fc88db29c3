import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';
import type { Statement } from '../db/statement.ts';

/** How many buckets were rolled up, of all tenants together. */
export interface RolledUp {
  readonly minutes: number;
  readonly hours: number;
  readonly days: number;
}

/** What one statement did: null buckets, another process is at it; `next`, from where to go on. */
interface Stretch {
  readonly buckets: number | null;
  readonly next: Date | null;
}

/** Each step, the finer before what is made of it, and how many buckets one statement takes. */
const steps = [
  ['minutes', (until, since) => sql`select * from ops.roll_up_minutes(${until}, 240, ${since})`],
  ['hours', (until, since) => sql`select * from ops.merge_hours(${until}, 48, ${since})`],
  ['days', (until, since) => sql`select * from ops.merge_days(${until}, 31, ${since})`],
] as const satisfies readonly (readonly [keyof RolledUp, (until: Date, since: Date | string) => Statement])[];

/**
 * Rolls up the metrics that have changed and are over by `until`, of all tenants, once from the oldest to the newest, or
 * until the signal ends it between two statements. What changes behind it is left to the next run: points that come late
 * without a pause would hold it for ever. Each statement stands by itself: a run that is killed is taken up by the next. One
 * at a time: a step that another process is at is left to it. `onProgress` is called after each statement.
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
    let since: Date | string = '-infinity';
    while (!signal.aborted) {
      const { buckets, next } = await rollUpStretch(executor, statement(until, since));
      if (!buckets || !next) break;
      done[step] += buckets;
      since = next;
      onProgress(done);
    }
  }
  return done;
}

async function rollUpStretch(executor: Executor, statement: Statement): Promise<Stretch> {
  const { rows } = await executor.query<Stretch>(statement);
  return rows[0] ?? { buckets: null, next: null };
}
