import type { Config } from '../config/config.ts';
import { openConnections } from '../open-database.ts';
import type { Connections } from '../open-database.ts';
import type { CommandContext } from './command-context.ts';

/**
 * Finds the database of the configuration and passes the way to it to `work`. An embedded database that this
 * process had to start is closed afterwards. With `make`, a missing one is made; without it, a missing one
 * rejects with NoDatabase.
 */
export async function withConnections<T>(
  { log }: CommandContext,
  config: Config,
  { make }: { readonly make: boolean },
  work: (connections: Connections) => Promise<T>,
): Promise<T> {
  const connections = await openConnections(config, log, { attach: true, make });
  return closing(connections, () => work(connections));
}

/** Does the work and then closes what was opened for it, whether the work succeeded or not. */
export async function closing<T>(opened: { close(): Promise<void> }, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } finally {
    await opened.close();
  }
}
