import { Registry } from 'prom-client';
import type { Database, PoolState } from '../db/database.ts';
import type { OnAnswered } from '../http/answered-request.ts';
import type { TrafficState } from '../http/traffic.ts';
import type { OnRunEnded } from '../jobs/run-jobs.ts';
import type { Log } from '../log.ts';
import { measureDatabase } from './database-metrics.ts';
import { countRuns } from './job-metrics.ts';
import { startMetricsServer } from './metrics-server.ts';
import { measurePools, measureProcess, measureTraffic } from './process-metrics.ts';
import { countRequests } from './request-metrics.ts';

/** The metrics of one process, served on an address of their own. `watch...` is called once for each part that the process has. */
export interface Monitor {
  watchRequests(): OnAnswered;
  watchRuns(): OnRunEnded;
  watchPool(name: 'api' | 'worker', state: () => PoolState): void;
  watchTraffic(state: () => TrafficState): void;
  /** What belongs to all processes is measured where the worker runs, under its login. */
  watchDatabase(database: Pick<Database, 'queryWith'>): void;
  /** Ends the server. */
  stop(): Promise<void>;
}

/** Starts to listen at once, with what is known of any process. */
export function startMonitor(address: { readonly host: string; readonly port: number }, log: Log): Monitor {
  const registry = new Registry();
  measureProcess(registry);
  const watchPool = measurePools(registry);
  let lookIntoDatabase = async (): Promise<void> => {};
  const server = startMetricsServer({
    ...address,
    contentType: registry.contentType,
    scrape: async () => {
      await lookIntoDatabase();
      return registry.metrics();
    },
    log,
  });
  return {
    watchRequests: () => countRequests(registry),
    watchRuns: () => countRuns(registry),
    watchPool,
    watchTraffic: (state) => measureTraffic(registry, state),
    watchDatabase: (database) => {
      lookIntoDatabase = measureDatabase(registry, database, log);
    },
    stop: () => server.stop(),
  };
}
