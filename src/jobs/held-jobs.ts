import type { WorkerEvents } from 'graphile-worker';
import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';
import type { Log } from '../log.ts';

/** So long the database may not know yet that a job has ended, and a runner that it was given one. */
const onItsWayMs = 60_000;

/** The jobs that a runner is at, or has ended a moment ago. */
export class HeldJobs {
  /** By id: when it ended, as performance.now(); null: it runs. */
  readonly #endedAt = new Map<string, number | null>();
  readonly #waiting: (() => void)[] = [];

  /** @param events of the runner, from before it takes its first job */
  constructor(events: WorkerEvents) {
    events.on('job:start', ({ job }) => this.#endedAt.set(job.id, null));
    events.on('job:complete', ({ job }) => {
      this.#endedAt.set(job.id, performance.now());
      if (this.#running === 0) for (const resolve of this.#waiting.splice(0)) resolve();
    });
  }

  /** Resolves when none runs. */
  allEnded(): Promise<void> {
    return this.#running === 0 ? Promise.resolve() : new Promise((resolve) => this.#waiting.push(resolve));
  }

  get #running(): number {
    return [...this.#endedAt.values()].filter((endedAt) => endedAt === null).length;
  }

  get ids(): readonly string[] {
    const since = performance.now() - onItsWayMs;
    for (const [id, endedAt] of this.#endedAt) {
      if (endedAt !== null && endedAt < since) this.#endedAt.delete(id);
    }
    return [...this.#endedAt.keys()];
  }
}

/**
 * Unlocks the jobs that a worker was given a minute ago and never heard of, because the connection ended between the database's
 * commit and its answer: graphile-worker leaves them locked for four hours, and for a worker that lives nobody else looks. They
 * have their attempt back, as nothing was tried.
 *
 * graphile-worker can unlock all of a worker's jobs only (force_unlock_workers), those that run, too; hence its tables.
 */
export async function giveBackUnheard(
  executor: Executor,
  worker: string,
  held: HeldJobs,
  log: Log,
): Promise<void> {
  const { rows } = await executor.query<{ id: string }>(sql`
    with unheard as (
      update graphile_worker._private_jobs j
      set locked_at = null, locked_by = null, attempts = greatest(j.attempts - 1, 0)
      where j.locked_by = ${worker}
        and j.locked_at < clock_timestamp() - ${onItsWayMs}::integer * interval '1 ms'
        and j.id <> all (${held.ids}::bigint[])
      returning j.id, j.job_queue_id
    ),
    queues as (
      update graphile_worker._private_job_queues q
      set locked_at = null, locked_by = null
      where q.locked_by = ${worker} and q.id in (select u.job_queue_id from unheard u)
    )
    select u.id::text from unheard u`);
  for (const { id: job } of rows) {
    const message = `job ${job} was given to worker ${worker}, which did not hear of it: it runs again`;
    log({ level: 'warning', event: 'job-unheard', message, worker, job });
  }
}
