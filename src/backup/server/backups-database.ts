import type { Config } from '../../config/config.ts';
import type { Database } from '../../db/database.ts';
import { logConnectionEvent } from '../../db/log-connection-event.ts';
import { PostgresDatabase } from '../../db/postgres.ts';
import type { Log } from '../../log.ts';
import type { ServerConnection } from './server-facts.ts';

/** A small pool for drills, with the backup login, which reads every row. The caller closes it. */
export function backupsDatabase({ url, ssl }: ServerConnection, pool: Config['pool'], log: Log): Database {
  const options = { ...pool, connectionString: url, ssl, applicationName: 'agent_lightning drill' };
  return new PostgresDatabase(
    'server',
    { ...options, size: 1, overflow: 1, statementTimeoutMs: 0 },
    (event) => logConnectionEvent(event, log),
  );
}
