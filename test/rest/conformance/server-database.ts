import { serverDatabase } from '../../support/server-database.ts';
import { readyServer } from '../../support/server.ts';
import type { ConformanceDatabase } from './load-schema.ts';
import { makeConformanceDatabase } from './make-database.ts';

/** Makes the database on the run's server, with a login that may only switch roles. */
export async function serverConformanceDatabase(): Promise<ConformanceDatabase> {
  const made = await makeConformanceDatabase(readyServer().adminUrl);
  const database = serverDatabase(made.url, { size: 2 });
  return {
    database,
    close: async () => {
      await database.close();
      await made.drop();
    },
  };
}
