import { Logger, parseCronItems, run } from 'graphile-worker';
import type { TaskList } from 'graphile-worker';
import type { Pool } from 'pg';
import type { Executor } from '../db/database.ts';
import type { Embed } from '../embeddings/embedding-client.ts';
import type { Log } from '../log.ts';
import { crontab } from './crontab.ts';
import { embedKnowledge } from './embed-knowledge.ts';
import { ensurePartitions } from './ensure-partitions.ts';
import { maintainEmbedded } from './maintain-embedded.ts';
import { reapLeases } from './reap-leases.ts';
import { repeat } from './repeat.ts';
import { rollUpMetrics } from './roll-up-metrics.ts';
import { tendWorkflows } from './tend-workflows.ts';
import { trimEvents } from './trim-events.ts';

/** What the worker needs. */
export interface WorkerOptions {
  /** Connections of the worker's own login; closed by whoever made it, after `stop`. */
  readonly pool: Pool;
  /** The same database, for the jobs. */
  readonly executor: Executor;
  readonly kind: 'embedded' | 'server';
  /** Null: knowledge without an embedding stays without one. */
  readonly embed: Embed | null;
  readonly log: Log;
  readonly concurrency?: number;
  /** Pause between two looks for expired leases. */
  readonly reapEveryMs?: number;
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
  log,
  concurrency = 2,
  reapEveryMs = 5_000,
}: WorkerOptions): Promise<RunningWorker> {
  const stopping = new AbortController();
  const tasks: TaskList = {
    ensure_partitions: async () => {
      const made = await ensurePartitions(executor);
      if (made.length > 0)
        log({ level: 'info', event: 'partitions-made', message: `made ${made.join(', ')}`, made });
    },
    embed_knowledge: async () => {
      if (!embed) return;
      const { embedded, refused } = await embedKnowledge(executor, embed, stopping.signal);
      if (embedded + refused > 0) {
        const message = `embedded ${embedded} items of knowledge; the endpoint refused ${refused}`;
        log({
          level: refused > 0 ? 'warning' : 'info',
          event: 'knowledge-embedded',
          message,
          embedded,
          refused,
        });
      }
    },
    trim_events: async () => {
      await trimEvents(executor);
    },
    maintain_embedded: async () => {
      if (kind === 'embedded') await maintainEmbedded(executor);
    },
    roll_up_metrics: async () => {
      await rollUpMetrics(executor, { signal: stopping.signal });
    },
    tend_workflows: async () => {
      await tendWorkflows(executor);
    },
  };
  const runner = await run({
    pgPool: pool,
    concurrency,
    // The command that started us handles signals: requests end first, then the worker.
    noHandleSignals: true,
    taskList: tasks,
    parsedCronItems: parseCronItems([...crontab]),
    logger: new Logger(() => (level, message) => {
      if (level === 'error' || level === 'warning') log({ level, event: 'worker', message });
    }),
  });
  const reaper = repeat(
    async () => {
      const count = await reapLeases(executor);
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
      await Promise.all([runner.stop(), reaper.stop()]);
    },
  };
}
