import { rm } from 'node:fs/promises';
import { startEmbedded } from '../../../src/embedded/embedded.ts';
import { PostgresDatabase } from '../../../src/db/postgres.ts';
import type { ConformanceDatabase } from './load-schema.ts';
import { loadSchema } from './load-schema.ts';
import { poolOptions } from '../../support/server-database.ts';

/**
 * Makes the database in this directory, which is new or holds an empty embedded database, and is removed at the end.
 * The API is superuser there, and switches roles.
 */
export async function embeddedConformanceDatabase(directory: string): Promise<ConformanceDatabase> {
  const embedded = await startEmbedded({ dataDirectory: directory });
  await loadSchema(embedded.connectionString);
  const database = new PostgresDatabase('embedded', poolOptions(embedded.connectionString, {}), () => {});
  return {
    database,
    close: async () => {
      await database.close();
      await embedded.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
