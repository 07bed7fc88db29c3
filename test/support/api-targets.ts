import { rm } from 'node:fs/promises';
import { Client } from 'pg';
import { parseConfig } from '../../src/config/parse-config.ts';
import type { Database } from '../../src/db/database.ts';
import { apiDatabase, openConnections } from '../../src/open-database.ts';
import { migratedDatabase } from './db.ts';
import { migratedDataDirectory } from './embedded-template.ts';
import { testRolePrefix } from './logins.ts';
import { serverDatabase } from './server-database.ts';
import { noServer } from './server.ts';

/** A migrated database as the API receives it. */
export interface ApiTarget {
  readonly database: Database;
  /** A superuser, to arrange and inspect. */
  readonly admin: Client;
  close(): Promise<void>;
}

/** Both kinds of database by name, to be opened in a hook. The server is missing where there is none. */
export const apiTargets: readonly (readonly [kind: string, open: () => Promise<ApiTarget>])[] = [
  ['embedded', openEmbedded],
  ...(noServer ? [] : [['server', openOnServer] as const]),
];

async function openOnServer(): Promise<ApiTarget> {
  const made = await migratedDatabase();
  const database = serverDatabase(made.urls.api);
  const admin = await connected(made.adminUrl);
  return {
    database,
    admin,
    close: async () => {
      await admin.end();
      await database.close();
      await made.drop();
    },
  };
}

async function openEmbedded(): Promise<ApiTarget> {
  const directory = await migratedDataDirectory();
  const config = parseConfig({ DATA_DIR: directory, DB_ROLE_PREFIX: testRolePrefix });
  const connections = await openConnections(config, () => {}, { attach: false });
  const database = apiDatabase(connections, config, () => {});
  const admin = await connected(connections.api!);
  return {
    database,
    admin,
    close: async () => {
      await admin.end();
      await database.close();
      await connections.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function connected(connectionString: string): Promise<Client> {
  const client = new Client({ connectionString });
  await client.connect();
  return client;
}
