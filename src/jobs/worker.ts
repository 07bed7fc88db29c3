import { EventEmitter } from 'node:events';
import { Logger, parseCronItems, run } from 'graphile-worker';
import type { WorkerEvents } from 'graphile-worker';
import type { Pool } from 'pg';
import type { Executor } from '../db/database.ts';
import type { Secret } from '../config.ts';
import type { Embed } from '../embeddings/embedding-client.ts';
import type { Log } from '../log.ts';
import type { BackUp } from './back-up.ts';
import type { Drill } from './drill.ts';
import type { AsKeeper } from '../retention/keeper.ts';
import { agenda } from './agenda.ts';
import { crontab } from './crontab.ts';
import { HeldJobs } from './held-jobs.ts';
import { reapLeases } from './reap-leases.ts';
import { makeJobs } from './registry.ts';
import { keepRunner } from './keep-runner.ts';
import type { Run } from './keep-runner.ts';
import { repeat } from '../repeat.ts';
import type { Repeating } from '../repeat.ts';
import { taskListOf } from './run-jobs.ts';
import { lookAfterStart } from './schedule-backups.ts';
import { keepPresence, sweepWorkers } from './worker-presence.ts';

/** What the worker needs. */
export interface WorkerOptions {
  /** Connections of the worker's own login; closed by whoever made it, after `stop`. */
  readonly pool: Pool;
  /** The same database, for the jobs. */
  readonly executor: Executor;
  readonly kind: 'embedded' | 'server';
  /** Null: knowledge without an embedding stays without one. */
  readonly embed: Embed | null;
  /** Where alerts are sent; null: nowhere, they are in ops.alerts and in the log. */
  readonly alertWebhook: Secret | null;
  /** Left out or null: nothing says where to. */
  readonly backUp?: BackUp | null;
  /** Left out or null: there are no backups to prove. */
  readonly drill?: Drill | null;
  /** Without it nothing is removed. */
  readonly asKeeper?: AsKeeper;
  readonly log: Log;
  readonly concurrency?: number;
  /** Pause between two looks for expired leases. */
  readonly reapEveryMs?: number;
  /** Pause between two signs of life, and between two looks for those that give none. */
  readonly presenceEveryMs?: number;
  /** Pause between two questions to the connection on which graphile-worker listens. */
  readonly listenerPingMs?: number;
}

/** A running worker. */
export interface RunningWorker {
  /** Lets the running jobs end, then stops. */
  stop(): Promise<void>;
}

/** Starts graphile-worker with every task of the project and the crontab. Makes graphile-worker's schema if need be. */
export async function startWorker({
  pool,
  executor,
  kind,
  embed,
  alertWebhook,
  backUp = null,
  drill = null,
  asKeeper,
  log,
  concurrency = 4,
  reapEveryMs = 5_000,
  presenceEveryMs = 15_000,
  listenerPingMs = 12_000,
}: WorkerOptions): Promise<RunningWorker> {
  const stopping = new AbortController();
  const jobs = makeJobs({
    executor,
    kind,
    embed,
    alertWebhook,
    backUp,
    drill,
    log,
    ...(asKeeper && { asKeeper }),
  });
  // Whoever worked on an embedded database died with it: nobody has to wait until that is certain.
  if (kind === 'embedded') await sweepWorkers(executor, '0 seconds', log);
  const tasks = taskListOf(jobs, {
    executor,
    signal: stopping.signal,
    log,
    // On an embedded database one long statement, such as vacuum, keeps all others waiting, renewals too.
    leaseMs: kind === 'embedded' ? 600_000 : 60_000,
  });
  const begin = async (): Promise<Run> => {
    const events: WorkerEvents = new EventEmitter();
    let poolId = '';
    events.on('pool:create', ({ workerPool }) => {
      poolId = workerPool.id;
    });
    askListener(events, listenerPingMs);
    const held = new HeldJobs(events);
    const runner = await run({
      pgPool: pool,
      // Written at once all the same. Without it nobody takes the rejection of what cannot be written, which ends the process;
      // with it the runner ends, and is begun again.
      preset: { worker: { completeJobBatchDelay: 0, failJobBatchDelay: 0 } },
      events,
      concurrency,
      // Named, because GRAPHILE_WORKER_SCHEMA of the environment would decide otherwise.
      schema: 'graphile_worker',
      // The command that started us handles signals: requests end first, then the worker.
      noHandleSignals: true,
      taskList: tasks,
      parsedCronItems: parseCronItems([...crontab]),
      logger: new Logger(() => (level, message) => {
        if (level === 'error' || level === 'warning') log({ level, event: 'worker', message });
      }),
    });
    // Whoever stops it hears how it ended; so does nobody at first.
    runner.promise.catch(() => {});
    const presence = keepPresence({
      executor,
      id: poolId,
      held,
      jobs,
      agenda: agenda.filter(({ task }) => (task === 'back_up' ? backUp : drill) !== null),
      log,
      everyMs: presenceEveryMs,
    });
    return {
      ended: runner.promise,
      stop: async () => {
        // Rejects when it has stopped by itself.
        await runner.stop().catch(() => {});
        await presence.stop();
      },
    };
  };
  const keeping = await keepRunner(begin, log);
  if (backUp || drill) await lookAfterStart(executor);
  const reaper = repeat(
    async () => {
      const count = await reapLeases(executor, stopping.signal);
      if (count > 0)
        log({
          level: 'info',
          event: 'leases-reaped',
          message: `took back ${count} tasks whose agents were not heard of in time`,
          tasks: count,
        });
    },
    reapEveryMs,
    (error) => log({ level: 'error', event: 'leases-not-reaped', message: String(error) }),
  );
  return {
    stop: async () => {
      stopping.abort();
      await Promise.all([keeping.stop(), reaper.stop()]);
    },
  };
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
