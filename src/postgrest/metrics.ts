import type { PostgrestService } from './service.ts';

/** The sources of the metrics. */
export interface MetricsSources {
  readonly service: PostgrestService;
  /** Number of requests refused because no connection became free in time. */
  readonly poolTimeouts: () => number;
}

type Sample = readonly [
  name: string,
  type: 'counter' | 'gauge',
  help: string,
  value: number,
  labels?: string,
];

/** The metrics in Prometheus's text format, under PostgREST's names (Observability, Metrics). */
export function metricsText({ service, poolTimeouts }: MetricsSources): string {
  const { succeeded, failed, seconds } = service.loads;
  const { idle, waiting } = service.database.poolState();
  const { requests, hits, evictions } = service.identification.cacheCounts();
  const loads = 'The total number of times the schema cache was loaded';
  const samples: Sample[] = [
    [
      'pgrst_db_pool_timeouts_total',
      'counter',
      'The total number of pool connection timeouts',
      poolTimeouts(),
    ],
    ['pgrst_db_pool_available', 'gauge', 'Available connections in the pool', idle],
    ['pgrst_db_pool_waiting', 'gauge', 'Requests waiting to acquire a pool connection', waiting],
    ['pgrst_db_pool_max', 'gauge', 'Max pool connections', service.config.database.poolSize],
    ['pgrst_schema_cache_loads_total', 'counter', loads, succeeded, '{status="SUCCESS"}'],
    ['pgrst_schema_cache_loads_total', 'counter', loads, failed, '{status="FAIL"}'],
    [
      'pgrst_schema_cache_query_time_seconds',
      'gauge',
      'The time in seconds of the last schema cache load',
      seconds ?? 0,
    ],
    ['pgrst_jwt_cache_requests_total', 'counter', 'The total number of JWT cache lookups', requests],
    ['pgrst_jwt_cache_hits_total', 'counter', 'The total number of JWT cache hits', hits],
    ['pgrst_jwt_cache_evictions_total', 'counter', 'The total number of JWT cache evictions', evictions],
  ];
  let text = '';
  let described = '';
  for (const [name, type, help, value, labels = ''] of samples) {
    if (name !== described) text += `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
    described = name;
    text += `${name}${labels} ${value}\n`;
  }
  return text;
}
