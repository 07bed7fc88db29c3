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
  /** Connections of the worker's own login. Their owner closes them after `stop`. */
  readonly pool: Pool;
  /** The same database, used for the worker's presence. */
  readonly executor: Executor;
  readonly jobs: readonly Job[];
  /** The jobs in graphile-worker's form. */
  readonly taskList: TaskList;
  /** The configured jobs that are due by age. */
  readonly agenda: readonly AgendaItem[];
  /** Number of jobs at a time. */
  readonly concurrency: number;
  /** Pause between two signs of life. */
  readonly presenceEveryMs: number;
  /** Pause between two pings of the connection on which graphile-worker listens. */
  readonly listenerPingMs: number;
  readonly log: Log;
}

/** Time that a run has after its last job to record the job's outcome and to return its connections. */
const windDownMs = 5_000;

/**
 * Begins one run of graphile-worker, with its crontab and its presence in ops.workers. Makes graphile-worker's
 * schema if it is missing.
 *
 * A run ends when graphile-worker takes no more jobs. graphile-worker's own promise settles long after that, or
 * never.
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
    // A delay of 0 still writes at once. Without the option, a write that fails rejects a promise that nobody
    // handles, which ends the process. With it the runner ends, and is begun again.
    preset: { worker: { completeJobBatchDelay: 0, failJobBatchDelay: 0 } },
    events,
    concurrency,
    // Named here, because GRAPHILE_WORKER_SCHEMA from the environment would win otherwise.
    schema: 'graphile_worker',
    // The command that started the worker handles signals: requests end first, then the worker.
    noHandleSignals: true,
    taskList,
    parsedCronItems: parseCronItems([...crontab]),
    logger: new Logger(() => (level, message) => {
      if (level === 'error' || level === 'warning') log({ level, event: 'worker', message });
    }),
  });
  const finished = runner.promise.catch(() => {});
  const ended = Promise.race([runner.promise, takesNoMore]);
  // keepRunner awaits `ended`, but not from the first moment.
  ended.catch(() => {});
  const presence = keepPresence({ executor, id: poolId, held, jobs, agenda, log, everyMs: presenceEveryMs });
  return {
    ended,
    stop: async () => {
      // Rejects when the runner has already stopped by itself.
      runner.stop().catch(() => {});
      await Promise.race([finished, held.allEnded().then(() => isWithin(windDownMs, finished))]);
      await presence.stop();
    },
  };
}

/**
 * The pool for graphile-worker 0.18.0, which releases its listening connection a second time when that
 * connection ends during its release (`listenForChanges`). node-postgres then throws where nothing catches it,
 * and the process would end.
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
 * Rejects when graphile-worker 0.18.0 takes no more jobs, for one of two reasons:
 *
 * - It could not record that a job has ended. It shuts down and waits for the running jobs and then for its
 * batches of writes, which it miscounts after the second failed one (`batch`: `backpressure` stays set).
 * - Its first look for a job failed. It keeps that failure in place of the names of its tasks
 * (`getTaskDetails`), and every later look fails at once.
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
    // This event comes before the shutdown, which does not give the reason.
    events.on('pool:fatalError', ({ action, error }) => fail(`${action} failed`, error));
    events.on('pool:gracefulShutdown', ({ message }) => reject(new OperationalError(message)));
  });
}

/**
 * Pings the connection on which graphile-worker listens every few seconds. Nothing else is expected on that
 * connection, so a silent loss would go unnoticed. A connection that does not answer ends with an error, and
 * graphile-worker makes another.
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
