import type { Pool } from 'pg';
import type { Backups } from '../backup/backups.ts';
import type { Executor } from '../db/database.ts';
import type { Secret } from '../config/secret.ts';
import type { Embed } from '../embeddings/embedding-client.ts';
import type { Log } from '../log.ts';
import { stackOfBug } from '../operational-error.ts';

import type { AsKeeper } from '../retention/keeper.ts';
import { agenda } from './agenda.ts';
import { beginRun } from './begin-run.ts';
import { reapLeases } from './reap-leases.ts';
import type { JobResources } from './job-resources.ts';
import { jobs } from './registry.ts';
import { keepRunner } from './keep-runner.ts';
import type { Run } from './keep-runner.ts';
import { repeat } from '../repeat.ts';
import { taskListOf } from './run-jobs.ts';
import { lookAfterStart } from './schedule-backups.ts';
import { sweepWorkers } from './worker-presence.ts';

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
  /** Left out or null: the configuration does not say where to. */
  readonly backups?: Backups | null;
  /** Without it nothing is removed. */
  readonly asKeeper?: AsKeeper | null;
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
  backups = null,
  asKeeper = null,
  log,
  concurrency = 4,
  reapEveryMs = 5_000,
  presenceEveryMs = 15_000,
  listenerPingMs = 12_000,
}: WorkerOptions): Promise<RunningWorker> {
  const stopping = new AbortController();
  const resources: JobResources = {
    executor,
    kind,
    embed,
    alertWebhook,
    backups,
    asKeeper,
    log,
    now: () => new Date(),
  };
  // Whoever worked on an embedded database died with it: nobody has to wait until that is certain.
  if (kind === 'embedded') await sweepWorkers(executor, '0 seconds', log);
  const tasks = taskListOf(jobs, {
    resources,
    signal: stopping.signal,
    // On an embedded database one long statement, such as vacuum, keeps all others waiting, renewals too.
    leaseMs: kind === 'embedded' ? 600_000 : 60_000,
  });
  const begin = (): Promise<Run> =>
    beginRun({
      pool,
      executor,
      jobs,
      taskList: tasks,
      agenda: backups ? agenda : [],
      concurrency,
      presenceEveryMs,
      listenerPingMs,
      log,
    });
  const keeping = await keepRunner(begin, log);
  if (backups) await lookAfterStart(executor);
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
    (error) =>
      log({ level: 'error', event: 'leases-not-reaped', message: String(error), stack: stackOfBug(error) }),
  );
  return {
    stop: async () => {
      stopping.abort();
      await Promise.all([keeping.stop(), reaper.stop()]);
    },
  };
}
