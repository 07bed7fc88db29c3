import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbedded } from '../../../src/db/embedded/embedded.ts';
import { PostgresDatabase } from '../../../src/db/postgres.ts';
import type { ConformanceDatabase } from './load-schema.ts';
import { loadSchema } from './load-schema.ts';
import { poolOptions } from '../../support/server-database.ts';

/** On an embedded database of its own: the API is superuser there, and switches roles. */
export async function embeddedConformanceDatabase(): Promise<ConformanceDatabase> {
  const directory = await mkdtemp(join(tmpdir(), 'lightning-'));
  const embedded = await startEmbedded({ dataDirectory: directory, storage: 'memory' });
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
