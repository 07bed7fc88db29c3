import { performance } from 'node:perf_hooks';
import { Counter, Gauge, collectDefaultMetrics } from 'prom-client';
import type { Registry } from 'prom-client';
import type { PoolState } from '../db/database.ts';
import type { TrafficState } from '../http/traffic.ts';
import { version } from '../version.ts';

/** Metrics of prom-client whose names break Prometheus' conventions: gauges that end in `_total`. Others of it say the same. */
const misnamed = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
];

/** Measures this process: memory, CPU, garbage collection, the event loop, and its version. */
export function measureProcess(registry: Registry): void {
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  for (const name of misnamed) registry.removeSingleMetric(name);
  new Gauge({
    name: 'lightning_build_info',
    help: 'Always 1; the label is the version of this program.',
    labelNames: ['version'],
    registers,
  }).set({ version }, 1);
  let last = performance.eventLoopUtilization();
  registry.registerMetric(
    new Gauge({
      name: 'lightning_event_loop_utilization_ratio',
      help: 'Share of the time since the last scrape in which the event loop was not idle.',
      registers: [],
      collect() {
        const now = performance.eventLoopUtilization();
        this.set(performance.eventLoopUtilization(now, last).utilization);
        last = now;
      },
    }),
  );
}

/** Measures pools of connections. The returned function adds one, under a name that no client chose. */
export function measurePools(registry: Registry): (pool: string, state: () => PoolState) => void {
  const pools = new Map<string, () => PoolState>();
  const labelNames = ['pool'] as const;
  const gauge = (name: string, help: string, valueOf: (state: PoolState) => number): void => {
    registry.registerMetric(
      new Gauge({
        name,
        help,
        labelNames,
        registers: [],
        collect() {
          for (const [pool, state] of pools) this.set({ pool }, valueOf(state()));
        },
      }),
    );
  };
  gauge('lightning_pool_connections', 'Open connections of the pool.', ({ total }) => total);
  gauge('lightning_pool_idle_connections', 'Open connections that are not in use.', ({ idle }) => idle);
  gauge('lightning_pool_waiting', 'Callers that wait for a connection.', ({ waiting }) => waiting);
  gauge('lightning_pool_max_connections', 'Most connections that the pool opens.', ({ max }) => max);
  registry.registerMetric(
    new Counter({
      name: 'lightning_pool_timeouts_total',
      help: 'Callers that got no connection in time.',
      labelNames,
      registers: [],
      collect() {
        this.reset();
        for (const [pool, state] of pools) this.inc({ pool }, state().timeouts);
      },
    }),
  );
  return (pool, state) => void pools.set(pool, state);
}

/** Measures what goes on at the API's doors. */
export function measureTraffic(registry: Registry, state: () => TrafficState): void {
  const gauge = (name: string, help: string, valueOf: (now: TrafficState) => number): void => {
    registry.registerMetric(
      new Gauge({
        name,
        help,
        registers: [],
        collect() {
          this.set(valueOf(state()));
        },
      }),
    );
  };
  gauge(
    'lightning_http_connections',
    'Open connections, those of proxies left out.',
    (now) => now.connections,
  );
  gauge(
    'lightning_http_requests_in_progress',
    'Requests with a token that are worked on.',
    (now) => now.requests,
  );
  gauge('lightning_http_streams', 'Open streams of events and WebSockets.', (now) => now.streams);
  gauge('lightning_http_subscriptions', 'Subscriptions in progress.', (now) => now.subscriptions);
}
