import { EventEmitter } from 'node:events';
import { Logger, parseCronItems, run } from 'graphile-worker';
import type { TaskList, WorkerEvents } from 'graphile-worker';
import type { Pool, PoolClient } from 'pg';
import type { Executor } from '../db/database.ts';
import type { Log } from '../log.ts';
import { OperationalError } from '../operational-error.ts';
import { repeat } from '../repeat.ts';
import type { Repeating } from '../repeat.ts';
import { isWithin } from '../within.ts';
import type { AgendaItem } from './agenda.ts';
import { crontab } from './crontab.ts';
import { HeldJobs } from './held-jobs.ts';
import type { Job } from './job.ts';
import type { Run } from './keep-runner.ts';
import { keepPresence } from './worker-presence.ts';

export interface RunOptions {
  /** Connections of the worker's own login; closed by whoever made it, after `stop`. */
  readonly pool: Pool;
  /** The same database, for the presence. */
  readonly executor: Executor;
  readonly jobs: readonly Job[];
  /** The jobs as graphile-worker takes them. */
  readonly taskList: TaskList;
  /** What goes by age and is configured. */
  readonly agenda: readonly AgendaItem[];
  /** Jobs at a time. */
  readonly concurrency: number;
  /** Pause between two signs of life. */
  readonly presenceEveryMs: number;
  /** Pause between two questions to the connection on which graphile-worker listens. */
  readonly listenerPingMs: number;
  readonly log: Log;
}

/** After its last job a run has this long to write what came of it and to give its connections back. */
const windDownMs = 5_000;

/**
 * Begins one run of graphile-worker, with its crontab and its presence in ops.workers. Makes graphile-worker's schema if need be.
 *
 * A run ends when graphile-worker takes no more jobs; its own promise settles long after that, or never.
 */
export async function beginRun({
  pool,
  executor,
  jobs,
  taskList,
  agenda,
  concurrency,
  presenceEveryMs,
  listenerPingMs,
  log,
}: RunOptions): Promise<Run> {
  const events: WorkerEvents = new EventEmitter();
  let poolId = '';
  events.on('pool:create', ({ workerPool }) => {
    poolId = workerPool.id;
  });
  const takesNoMore = endOfTaking(events);
  askListener(events, listenerPingMs);
  const held = new HeldJobs(events);
  const runner = await run({
    pgPool: forgiving(pool),
    // Written at once all the same. Without it nobody takes the rejection of what cannot be written, which ends the process;
    // with it the runner ends, and is begun again.
    preset: { worker: { completeJobBatchDelay: 0, failJobBatchDelay: 0 } },
    events,
    concurrency,
    // Named, because GRAPHILE_WORKER_SCHEMA of the environment would decide otherwise.
    schema: 'graphile_worker',
    // The command that started us handles signals: requests end first, then the worker.
    noHandleSignals: true,
    taskList,
    parsedCronItems: parseCronItems([...crontab]),
    logger: new Logger(() => (level, message) => {
      if (level === 'error' || level === 'warning') log({ level, event: 'worker', message });
    }),
  });
  const finished = runner.promise.catch(() => {});
  const ended = Promise.race([runner.promise, takesNoMore]);
  // Whoever keeps it hears how it ended; so does nobody at first.
  ended.catch(() => {});
  const presence = keepPresence({ executor, id: poolId, held, jobs, agenda, log, everyMs: presenceEveryMs });
  return {
    ended,
    stop: async () => {
      // Rejects when it has stopped by itself.
      runner.stop().catch(() => {});
      await Promise.race([finished, held.allEnded().then(() => isWithin(windDownMs, finished))]);
      await presence.stop();
    },
  };
}

/**
 * The pool for graphile-worker 0.18.0, which releases the connection on which it listens once more when that ends while it is
 * being released (`listenForChanges`). node-postgres throws then, where nobody catches it: the process would end.
 */
function forgiving(pool: Pool): Pool {
  type OnConnection = Parameters<Pool['connect']>[0];
  const connect = (onConnection?: OnConnection): Promise<PoolClient> | void => {
    if (!onConnection) return pool.connect();
    pool.connect((error, client, release) => {
      let isReleased = false;
      onConnection(error, client, (failure) => {
        if (isReleased) return;
        isReleased = true;
        release(failure);
      });
    });
  };
  return new Proxy(pool, {
    get: (target, name): unknown => {
      if (name === 'connect') return connect;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/**
 * Rejects when graphile-worker 0.18.0 takes no more jobs:
 *
 * - It could not write that a job has ended. It shuts down, waits for the jobs under way, and then for the batches of what is to
 *   be written, which it miscounts after the second that failed (`batch`: `backpressure` stays set).
 * - Its first look for a job failed. It keeps that failure as the names of its tasks (`getTaskDetails`), and every later look
 *   fails at once.
 */
function endOfTaking(events: WorkerEvents): Promise<never> {
  return new Promise((_resolve, reject) => {
    const fail = (what: string, error: unknown): void =>
      reject(new OperationalError(`${what}: ${error instanceof Error ? error.message : String(error)}`));
    let hasLooked = false;
    const look = (): void => {
      hasLooked = true;
    };
    events.on('worker:getJob:empty', look);
    events.on('job:start', look);
    events.on('worker:getJob:error', ({ error }) => {
      if (!hasLooked) fail('the first look for a job failed', error);
    });
    // Before the shutdown that follows, which does not say why.
    events.on('pool:fatalError', ({ action, error }) => fail(`${action} failed`, error));
    events.on('pool:gracefulShutdown', ({ message }) => reject(new OperationalError(message)));
  });
}

/**
 * Has the connection on which graphile-worker listens answer every few seconds: nothing else is due on it, so nobody would find
 * out that it was lost without a word. One that does not answer ends with an error, and graphile-worker makes another.
 */
function askListener(events: WorkerEvents, everyMs: number): void {
  let asking: Repeating | null = null;
  const stop = (): void => {
    void asking?.stop();
    asking = null;
  };
  events.on('pool:listen:success', ({ client }) => {
    stop();
    asking = repeat(
      async () => {
        await client.query('select 1');
      },
      everyMs,
      stop,
    );
  });
  events.on('pool:listen:error', stop);
  events.on('pool:listen:release', stop);
}
