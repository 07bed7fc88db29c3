import { PostgresDatabase } from '../../src/db/postgres.ts';
import type { ConnectionEvent } from '../../src/db/connection-event.ts';
import type { PoolOptions } from '../../src/db/pool.ts';

/** A Database on the run's server with a small pool. `close` it. */
export function serverDatabase(
  connectionString: string,
  options: Partial<PoolOptions> = {},
  onEvent: (event: ConnectionEvent) => void = () => {},
): PostgresDatabase {
  return new PostgresDatabase(
    'server',
    poolOptions(connectionString, { pooler: 'auto', ...options }),
    onEvent,
  );
}

/** Options of a small pool for tests. */
export function poolOptions(connectionString: string, options: Partial<PoolOptions>): PoolOptions {
  return {
    connectionString,
    applicationName: 'agent_lightning test',
    size: 1,
    overflow: 3,
    waitMs: 10_000,
    connectMs: 5_000,
    recycleSeconds: 3_600,
    statementTimeoutMs: 20_000,
    ...options,
  };
}
