import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';
import { withQuarantine } from '../quarantine.ts';

/** Numbers of buckets that were rolled up, for all tenants together. */
export interface RolledUp {
  readonly minutes: number;
  readonly hours: number;
  readonly days: number;
}

/** The result of one statement. `buckets` null: another process is doing this step. `next`: where to continue. */
interface Stretch {
  readonly buckets: number | null;
  readonly next: Date | null;
}

/**
 * The steps, with finer ones before those that build on them, and the number of buckets that one statement
 * takes.
 */
const steps = [
  { step: 'minutes', resolution: 'minute', stretch: 240 },
  { step: 'hours', resolution: 'hour', stretch: 48 },
  { step: 'days', resolution: 'day', stretch: 31 },
] as const satisfies readonly { step: keyof RolledUp; resolution: string; stretch: number }[];

/** Buckets newer than this come first in each step. */
const freshMs = 4 * 3_600_000;

/**
 * Rolls up the changed metrics of all tenants that are complete by `until`, once from the oldest to the newest,
 * or until the signal ends it between two statements. Changes to buckets that were already passed are left to
 * the next run, because a steady stream of late points would hold this one for ever. Each statement stands by
 * itself, so the next run continues a run that was killed. One process at a time does a step; the others leave
 * it alone. `onProgress` is called after each statement.
 *
 * The last hours come first, and older buckets get `backlogMs` in each step, so a tenant that imports months of
 * points delays the others for no longer than that. Metrics that cannot be rolled up are set aside
 * (ops.make_metrics). Needs the worker's role.
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
