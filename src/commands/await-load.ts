import type { Config } from '../config/config.ts';
import { asOwner } from '../db/installation.ts';
import type { Log } from '../log.ts';
import { operatorDatabase } from '../open-database.ts';
import type { Connections } from '../open-database.ts';
import { awaitedLoad, untilLoaded } from '../rollback/awaited-load.ts';
import { closing } from './with-connections.ts';

/** How long a process in memory keeps its doors closed for data that a rollback is to load. */
const loadWaitMs = 3_600_000;

/** Waits for the data of a rollback, if there is one. */
export async function awaitLoad(
  connections: Connections,
  config: Config,
  log: Log,
  signal: AbortSignal | undefined,
): Promise<void> {
  if ((await awaitedLoad(config.dataDirectory)) === null) return;
  log({
    level: 'info',
    event: 'load-awaited',
    message:
      'waiting for the critical data: run lightning rollback to-memory, also once more if this process was started anew; the API opens then',
  });
  const database = operatorDatabase(connections, config, log);
  await closing(database, () =>
    untilLoaded(asOwner({ database, rolePrefix: config.rolePrefix }), config.dataDirectory, {
      withinMs: loadWaitMs,
      signal,
    }),
  );
  log({ level: 'info', event: 'load-ended', message: 'the critical data are in memory' });
}
