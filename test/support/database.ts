import type { Database } from '../../src/db/database.ts';
import { PostgresDatabase } from '../../src/db/postgres.ts';

/** A Database of a few connections on a server URL, with limits short enough for a test to see them. `close` it. */
export function serverDatabase(connectionString: string, size = 4): Database {
  return new PostgresDatabase(
    'server',
    {
      connectionString,
      applicationName: 'agent_lightning test',
      size,
      overflow: 0,
      waitMs: 5_000,
      connectMs: 5_000,
      recycleSeconds: 3_600,
      statementTimeoutMs: 20_000,
    },
    () => {},
  );
}
