import { cp, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inject } from 'vitest';
import { parseConfig } from '../../src/config.ts';
import { startEmbedded } from '../../src/db/embedded/embedded.ts';
import { migrate } from '../../src/db/migrations.ts';
import { openConnections } from '../../src/open-database.ts';
import { testRolePrefix } from './logins.ts';

/** Embedded databases that nobody has open: test files copy them, which takes a fraction of making one. */
export interface EmbeddedTemplate {
  /** Has `empty` and `migrated` in it, each a data directory of Postgres. */
  readonly directory: string;
  remove(): Promise<void>;
}

declare module 'vitest' {
  interface ProvidedContext {
    embeddedTemplate: string;
  }
}

/** Makes the templates the way `lightning start` makes its database. */
export async function makeEmbeddedTemplate(): Promise<EmbeddedTemplate> {
  const directory = await mkdtemp(join(tmpdir(), 'lightning-template-'));
  const remove = () => rm(directory, { recursive: true, force: true });
  try {
    const embedded = await startEmbedded({ dataDirectory: directory });
    await embedded.close();
    await cp(join(directory, 'postgres'), join(directory, 'empty'), { recursive: true });
    const config = parseConfig({ DATA_DIR: directory, DB_ROLE_PREFIX: testRolePrefix });
    const connections = await openConnections(config, () => {}, { attach: false });
    try {
      await migrate({ connectionString: connections.api, rolePrefix: testRolePrefix, log: console.log });
    } finally {
      await connections.close();
    }
    await rename(join(directory, 'postgres'), join(directory, 'migrated'));
  } catch (error) {
    await remove();
    throw error;
  }
  return { directory, remove };
}

/** A new directory for DATA_DIR with a migrated database in it, to be opened and removed by the caller. */
export function migratedDataDirectory(): Promise<string> {
  return copyOf('migrated');
}

/** The same with an empty database. */
export function emptyDataDirectory(): Promise<string> {
  return copyOf('empty');
}

async function copyOf(name: 'empty' | 'migrated'): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'lightning-'));
  await cp(join(inject('embeddedTemplate'), name), join(directory, 'postgres'), { recursive: true });
  return directory;
}
