import type { Pool } from 'pg';
import type { Backups } from '../backup/backups.ts';
import type { Executor } from '../db/database.ts';
import type { Secret } from '../config/secret.ts';
import type { Embed } from '../embeddings/embedding-client.ts';
import type { Log } from '../log.ts';
import { OperationalError, stackOfBug } from '../operational-error.ts';
import { agenda } from './agenda.ts';
import type { AnchorTargets } from './anchor-targets.ts';
import { beginRun } from './begin-run.ts';
import { reapLeases } from './reap-leases.ts';
import type { JobResources } from './job-resources.ts';
import { jobs } from './registry.ts';
import { keepRunner } from './keep-runner.ts';
import type { Run } from './keep-runner.ts';
import { isWriteStopped } from './stopped-writes.ts';
import { repeat } from '../repeat.ts';
import type { Repeating } from '../repeat.ts';
import { taskListOf } from './run-jobs.ts';
import type { OnRunEnded } from './run-jobs.ts';
import { lookAfterStart } from './schedule-backups.ts';
import { watchLogins } from './watch-logins.ts';
import { sweepWorkers } from './worker-presence.ts';

/** Options of the worker. */
export interface WorkerOptions {
  /** Connections of the worker's own login. Their owner closes them after `stop`. */
  readonly pool: Pool;
  /** The same database, used by the jobs. */
  readonly executor: Executor;
  readonly kind: 'embedded' | 'server';
  /** Null: knowledge without an embedding stays without one. */
  readonly embed: Embed | null;
  /** Address for alerts, read each time that it is used. Null: alerts are only in ops.alerts and in the log. */
  readonly alertWebhook: Secret | null;
  /** Where the heads of the sealed audit log go, read each time. Left out: only into the log. */
  readonly anchors?: AnchorTargets;
  /** Left out or null: no store is configured. */
  readonly backups?: Backups | null;
  readonly log: Log;
  readonly onRunEnded?: OnRunEnded | undefined;
  readonly concurrency?: number;
  /** Pause between two looks for expired leases. */
  readonly reapEveryMs?: number;
  /** Pause between two looks for analysts' sessions that go beyond their limits. */
  readonly watchEveryMs?: number;
  /** Pause between two signs of life, and between two looks for workers that give none. */
  readonly presenceEveryMs?: number;
  /** Pause between two pings of the connection on which graphile-worker listens. */
  readonly listenerPingMs?: number;
}

/** A running worker. */
export interface RunningWorker {
  /** Lets the running jobs end, then stops. */
  stop(): Promise<void>;
}

/**
 * Starts graphile-worker with every job of the project and the crontab. Makes graphile-worker's schema if it is
 * missing.
 */
export async function startWorker(options: WorkerOptions): Promise<RunningWorker> {
  const {
    pool,
    executor,
    kind,
    embed,
    backups = null,
    log,
    onRunEnded,
    concurrency = 4,
    reapEveryMs = 5_000,
    watchEveryMs = 3_000,
    presenceEveryMs = 15_000,
    listenerPingMs = 12_000,
  } = options;
  const stopping = new AbortController();
  const resources: JobResources = {
    executor,
    kind,
    embed,
    get alertWebhook() {
      return options.alertWebhook;
    },
    get anchors() {
      return options.anchors ?? { file: null, webhook: null };
    },
    backups,
    log,
    now: () => new Date(),
  };
  // Earlier workers of an embedded database died with it, so their jobs are taken over without the usual wait.
  if (kind === 'embedded') await sweepWorkers(executor, '0 seconds', log);
  const tasks = taskListOf(jobs, {
    resources,
    signal: stopping.signal,
    onRunEnded,
    // On an embedded database one long statement, such as vacuum, keeps all others waiting, lease renewals
    // included.
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
    (error) => {
      // An alert tells of the stop. The leases are taken back after it.
      if (isWriteStopped(error)) return;
      log({ level: 'error', event: 'leases-not-reaped', message: String(error), stack: stackOfBug(error) });
    },
  );
  // An embedded database has no logins.
  const watch = kind === 'server' ? keepWatch(resources, watchEveryMs) : null;
  return {
    stop: async () => {
      stopping.abort(new OperationalError('the worker was told to stop'));
      await Promise.all([keeping.stop(), reaper.stop(), watch?.stop()]);
    },
  };
}

function keepWatch(resources: JobResources, everyMs: number): Repeating {
  const { executor, log } = resources;
  return repeat(
    async () => {
      await watchLogins(executor, resources.alertWebhook !== null, log);
    },
    everyMs,
    (error) =>
      log({ level: 'error', event: 'logins-not-watched', message: String(error), stack: stackOfBug(error) }),
  );
}
