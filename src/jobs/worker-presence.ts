import { hostname } from 'node:os';
import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';
import type { Log } from '../log.ts';
import { stackOfBug } from '../operational-error.ts';
import { version } from '../version.ts';
import type { AgendaItem } from './agenda.ts';
import { reportQueue } from './report-queue.ts';
import { giveBackUnheard } from './held-jobs.ts';
import type { HeldJobs } from './held-jobs.ts';
import type { Job } from './job.ts';
import { repeat } from '../repeat.ts';
import type { Repeating } from '../repeat.ts';

export interface PresenceOptions {
  /** The database as the worker. */
  readonly executor: Executor;
  /** The id of the pool, under which graphile-worker locks jobs. */
  readonly id: string;
  /** The jobs that the worker is running. Left out: it takes none. */
  readonly held?: HeldJobs;
  /** The kinds of jobs that the worker can run. */
  readonly jobs: readonly Job[];
  /** The configured jobs that are due by age. Left out: none. */
  readonly agenda?: readonly AgendaItem[];
  readonly log: Log;
  readonly everyMs: number;
}

/**
 * Reports in ops.workers that a worker lives, until `stop`. Each report also takes over the jobs of workers
 * that were not seen for a minute, gives back the worker's own jobs that it never learned of, and shows operators the
 * queue. Errors are logged, and the next report comes as usual.
 */
export function keepPresence({
  executor,
  id,
  held,
  jobs,
  agenda = [],
  log,
  everyMs,
}: PresenceOptions): Repeating {
  let announced = false;
  const loop = repeat(
    async () => {
      if (!announced) await announce(executor, jobs, agenda);
      announced = true;
      if (!(await seeWorker(executor, id))) {
        const message = `worker ${id} was taken for dead while it could not report: other workers have its jobs`;
        log({ level: 'warning', event: 'worker-was-lost', message, worker: id });
      }
      await sweepWorkers(executor, null, log);
      if (held) await giveBackUnheard(executor, id, held, log);
      await reportQueue(executor);
    },
    everyMs,
    (error) =>
      log({ level: 'error', event: 'worker-not-seen', message: String(error), stack: stackOfBug(error) }),
  );
  return {
    stop: async () => {
      await loop.stop();
      await reportQueue(executor);
      await executor.query(sql`select ops.stop_worker(${id})`);
    },
  };
}

/** Marks workers as dead that were not seen for a minute (or for `unseenFor`), and unlocks their jobs. */
export async function sweepWorkers(executor: Executor, unseenFor: string | null, log: Log): Promise<void> {
  const { rows } = await executor.query<{
    job_id: string;
    task: string;
    worker: string;
    runs_again: boolean;
  }>(sql`select * from ops.sweep_workers(coalesce(${unseenFor}::interval, '1 minute'))`);
  for (const { job_id: job, task, worker, runs_again: runsAgain } of rows) {
    const fate = runsAgain ? 'it runs again' : 'it took too many workers down with it and does not run again';
    log({
      level: runsAgain ? 'warning' : 'error',
      event: 'job-taken-over',
      message: `${task}, job ${job}, was taken from worker ${worker}, which is no longer seen: ${fate}`,
      task,
      job,
      worker,
    });
  }
}

/** Tells the database which kinds of jobs there are. */
async function announce(
  executor: Executor,
  jobs: readonly Job[],
  agenda: readonly AgendaItem[],
): Promise<void> {
  const tasks = jobs.map(({ task, does, schedule, expectedMinutes }) => {
    const times = schedule ?? agenda.find((item) => item.task === task) ?? null;
    return {
      task,
      does,
      schedule: times?.match ?? null,
      every: times && `${times.everyMinutes} minutes`,
      expected: `${expectedMinutes} minutes`,
    };
  });
  await executor.query(sql`select ops.set_job_tasks(${JSON.stringify(tasks)}::jsonb)`);
}

async function seeWorker(executor: Executor, id: string): Promise<boolean> {
  const { rows } = await executor.query<{ alive: boolean }>(
    sql`select ops.see_worker(${id}, ${hostname()}, ${process.pid}, ${version}) as alive`,
  );
  return rows[0]?.alive ?? false;
}
