import { logRequests } from '../api/request-log.ts';
import type { Config } from '../config/config.ts';
import type { OnAnswered } from '../http/answered-request.ts';
import type { Log } from '../log.ts';
import type { Monitor } from '../monitoring/monitor.ts';

/** The usual ports of /metrics: a worker beside an API on one machine has its own. */
const usualPorts = { api: 9464, worker: 9465 } as const;

/** Starts to serve the metrics of a process, which its caller ends. Null: the configuration wants none. */
export async function beginMonitor(
  { metrics }: Config,
  process: keyof typeof usualPorts,
  log: Log,
): Promise<Monitor | null> {
  if (metrics === null) return null;
  // Loaded only when needed: other commands have no metrics.
  const { startMonitor } = await import('../monitoring/monitor.ts');
  return startMonitor({ host: metrics.host, port: metrics.port ?? usualPorts[process] }, log);
}

/**
 * Tells of each answered request: the log, and the metrics where there are any.
 *
 * @param slowMs see `logRequests`
 */
export function onAnsweredOf(log: Log, slowMs: () => number, monitor: Monitor | null): OnAnswered {
  const write = logRequests(log, slowMs);
  if (monitor === null) return write;
  const count = monitor.watchRequests();
  return (answered) => {
    write(answered);
    count(answered);
  };
}
