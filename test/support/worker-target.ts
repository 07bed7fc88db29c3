import { rm } from 'node:fs/promises';
import { Client } from 'pg';
import { parseConfig } from '../../src/config/parse-config.ts';
import type { Config } from '../../src/config/config.ts';
import { openConnections, workerDatabase } from '../../src/open-database.ts';
import { migratedDatabase } from './db.ts';
import { migratedDataDirectory } from './embedded-template.ts';
import { testRolePrefix } from './logins.ts';
import { noServer } from './server.ts';
import { strongSecret } from './token-keys.ts';

/** A migrated database as the worker receives it. */
export interface WorkerTarget extends ReturnType<typeof workerDatabase> {
  readonly kind: 'embedded' | 'server';
  readonly config: Config;
  /** The environment with which another process reaches it. */
  readonly env: Readonly<Record<string, string>>;
  /** A superuser, to arrange and inspect. */
  readonly admin: Client;
  /** Ends the worker's connections and removes the database. */
  close(): Promise<void>;
}

/** Both kinds of database by name, to be opened in a hook. The server is missing where there is none. */
export const workerTargets: readonly (readonly [kind: string, open: () => Promise<WorkerTarget>])[] = [
  ['embedded', openEmbedded],
  ...(noServer ? [] : [['server', openOnServer] as const]),
];

async function openEmbedded(): Promise<WorkerTarget> {
  const directory = await migratedDataDirectory();
  return open({ DATA_DIR: directory }, null, () => rm(directory, { recursive: true, force: true }));
}

async function openOnServer(): Promise<WorkerTarget> {
  const { urls, adminUrl, drop } = await migratedDatabase();
  const env = {
    DATABASE_URL: urls.api,
    MIGRATE_DATABASE_URL: urls.migrate,
    WORKER_DATABASE_URL: urls.worker,
    JWT_SECRET: strongSecret,
  };
  return open(env, adminUrl, drop);
}

async function open(
  settings: Record<string, string>,
  adminUrl: string | null,
  remove: () => Promise<void>,
): Promise<WorkerTarget> {
  const env = { ...settings, DB_ROLE_PREFIX: testRolePrefix };
  const config = parseConfig(env);
  const connections = await openConnections(config, () => {}, { attach: false });
  const worker = workerDatabase(connections, config, () => {});
  const admin = new Client({ connectionString: adminUrl ?? connections.api! });
  await admin.connect();
  return {
    ...worker,
    kind: connections.kind,
    config,
    env,
    admin,
    close: async () => {
      await admin.end();
      await worker.close();
      await connections.close();
      await remove();
    },
  };
}
