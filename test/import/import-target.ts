import { rm } from 'node:fs/promises';
import { Client } from 'pg';
import { parseConfig } from '../../src/config/parse-config.ts';
import type { Database } from '../../src/db/database.ts';
import { openConnections, operatorDatabase } from '../../src/open-database.ts';
import { migratedDatabase } from '../support/db.ts';
import { migratedDataDirectory } from '../support/embedded-template.ts';
import { serverDatabase } from '../support/server-database.ts';

/** A migrated database as the import command gets it. */
export interface ImportTarget {
  /** The connection of the login that `lightning import` uses: on the server a plain one. */
  readonly database: Database;
  /** A superuser, to arrange and inspect. */
  readonly admin: Client;
  close(): Promise<void>;
}

export async function onServer(): Promise<ImportTarget> {
  const made = await migratedDatabase();
  const database = serverDatabase(made.urls.migrate);
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

export async function onEmbedded(): Promise<ImportTarget> {
  const directory = await migratedDataDirectory();
  const config = parseConfig({ DATA_DIR: directory });
  const connections = await openConnections(config, () => {}, { attach: false });
  const database = operatorDatabase(connections, config, () => {});
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
