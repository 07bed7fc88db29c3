import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { startEmbedded } from '../../src/embedded/embedded.ts';
import { PostgresDatabase } from '../../src/db/postgres.ts';
import { prepareDatabase } from '../../src/setup/prepare-database.ts';
import { describeDatabase } from '../conformance/database.ts';
import { testRolePrefix } from '../support/logins.ts';
import { poolOptions } from '../support/server-database.ts';

describeDatabase('the embedded database', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'lightning-'));
  const embedded = await startEmbedded({ dataDirectory: directory });
  const client = new Client({ connectionString: embedded.connectionString });
  await client.connect();
  await prepareDatabase(client, testRolePrefix);
  await client.end();
  return {
    open: (options) =>
      new PostgresDatabase('embedded', poolOptions(embedded.connectionString, options), () => {}),
    close: async () => {
      await embedded.close();
      await rm(directory, { recursive: true });
    },
  };
});
