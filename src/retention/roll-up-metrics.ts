import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';
import { withQuarantine } from '../quarantine.ts';

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
  { step: 'minutes', resolution: 'minute', stretch: 240 },
  { step: 'hours', resolution: 'hour', stretch: 48 },
  { step: 'days', resolution: 'day', stretch: 31 },
] as const satisfies readonly { step: keyof RolledUp; resolution: string; stretch: number }[];

/** Newer buckets come first in each step. */
const freshMs = 4 * 3_600_000;

/**
 * Rolls up the metrics that have changed and are over by `until`, of all tenants, once from the oldest to the newest, or
 * until the signal ends it between two statements. What changes behind it is left to the next run: points that come late
 * without a pause would hold it for ever. Each statement stands by itself: a run that is killed is taken up by the next. One
 * at a time: a step that another process is at is left to it. `onProgress` is called after each statement.
 *
 * The last hours come first, and what is older gets `backlogMs` in each step: a tenant that brings in months of points
 * delays nobody else's for longer. What cannot be rolled up is set aside (ops.make_metrics). Needs the worker's policies.
 */
export async function rollUpMetrics(
  executor: Executor,
  {
    until = new Date(),
    signal,
    onProgress = () => {},
    backlogMs = 300_000,
  }: {
    until?: Date;
    signal: AbortSignal;
    onProgress?: (done: RolledUp) => void;
    backlogMs?: number;
  },
): Promise<RolledUp> {
  const done = { minutes: 0, hours: 0, days: 0 };
  const fresh = new Date(Math.max(until.getTime() - freshMs, 0));
  await withQuarantine(executor, 'roll_up_metrics', signal, async () => {
    for (const { step, resolution, stretch } of steps) {
      const rollUp = async (from: Date | string, to: Date, deadline: number): Promise<void> => {
        let since = from;
        while (!signal.aborted && performance.now() < deadline) {
          const { buckets, next } = await rollUpStretch(executor, resolution, to, stretch, since);
          if (!buckets || !next) break;
          done[step] += buckets;
          since = next;
          onProgress(done);
        }
      };
      await rollUp(fresh, until, Infinity);
      await rollUp('-infinity', until, performance.now() + backlogMs);
    }
  });
  return done;
}

async function rollUpStretch(
  executor: Executor,
  resolution: string,
  until: Date,
  stretch: number,
  since: Date | string,
): Promise<Stretch> {
  const { rows } = await executor.query<Stretch>(
    sql`select * from ops.roll_up_metrics(${resolution}, ${until}, ${stretch}, ${since})`,
  );
  return rows[0] ?? { buckets: null, next: null };
}
