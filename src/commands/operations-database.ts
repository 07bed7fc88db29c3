import type { Config } from '../config/config.ts';
import type { Executor } from '../db/database.ts';
import { roleName } from '../db/roles.ts';
import { scopedTo } from '../db/scoped-database.ts';
import type { Log } from '../log.ts';
import { operatorDatabase, workerDatabase } from '../open-database.ts';
import type { Connections } from '../open-database.ts';

/** Who may read the ops views. `close` it. */
export interface OperationsDatabase {
  readonly executor: Executor;
  close(): Promise<void>;
}

/** As the worker where its login is configured, else as the owner through that of the migrations; null where neither is. */
export function operationsDatabase(
  connections: Connections,
  config: Config,
  log: Log,
): OperationsDatabase | null {
  if (connections.worker !== null) {
    const { database, close } = workerDatabase(connections, config, log);
    return { executor: database, close };
  }
  if (connections.migrate === null) return null;
  const database = operatorDatabase(connections, config, log);
  return {
    executor: scopedTo(database, { role: roleName(config.rolePrefix, 'owner') }),
    close: () => database.close(),
  };
}
