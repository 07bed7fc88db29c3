import type { Config } from '../config/config.ts';
import { openConnections } from '../open-database.ts';
import type { Connections } from '../open-database.ts';
import type { CommandContext } from './command-context.ts';

/**
 * Finds the database of the configuration, and gives `work` where it is reached. An embedded one that this process had to start is
 * closed afterwards; with `make` one that is not there is made, without it that rejects with NoDatabase.
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

/** Does the work, and closes what was opened for it, whatever came of the work. */
export async function closing<T>(opened: { close(): Promise<void> }, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } finally {
    await opened.close();
  }
}
