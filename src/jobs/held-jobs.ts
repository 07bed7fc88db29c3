import type { WorkerEvents } from 'graphile-worker';
import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';
import type { Log } from '../log.ts';

/** How long the database may not know yet that a job has ended, or the runner that it was given one. */
const onItsWayMs = 60_000;

/** The jobs that a runner works on, or finished a moment ago. */
export class HeldJobs {
  /** The end of each job as performance.now(), by id; null: the job runs. */
  readonly #endedAt = new Map<string, number | null>();
  readonly #waiting: (() => void)[] = [];

  /** @param events the runner's, from before it takes its first job */
  constructor(events: WorkerEvents) {
    events.on('job:start', ({ job }) => this.#endedAt.set(job.id, null));
    events.on('job:complete', ({ job }) => {
      this.#endedAt.set(job.id, performance.now());
      if (this.#running === 0) for (const resolve of this.#waiting.splice(0)) resolve();
    });
  }

  /** Resolves when no job runs. */
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
 * Unlocks the jobs that a worker was given a minute ago but never learned of, because the connection ended
 * between the database's commit and its answer. graphile-worker would leave them locked for four hours, since
 * other workers do not look at a live worker's jobs. The jobs get their attempt back, because nothing was
 * tried.
 *
 * graphile-worker can only unlock all of a worker's jobs, including the running ones (force_unlock_workers).
 * Therefore this changes its tables.
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
    const message = `job ${job} was given to worker ${worker}, which never received it: it runs again`;
    log({ level: 'warning', event: 'job-unheard', message, worker, job });
  }
}
