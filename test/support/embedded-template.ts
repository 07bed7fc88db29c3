import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inject } from 'vitest';
import { parseConfig } from '../../src/config.ts';
import { migrate } from '../../src/db/migrations.ts';
import { openConnections } from '../../src/open-database.ts';
import { testRolePrefix } from './logins.ts';

/** A migrated embedded database that nobody has open: test files copy it, which takes a tenth of making one. */
export interface EmbeddedTemplate {
  readonly directory: string;
  remove(): Promise<void>;
}

declare module 'vitest' {
  interface ProvidedContext {
    embeddedTemplate: string;
  }
}

/** Makes the template the way `lightning start` makes its database. */
export async function makeEmbeddedTemplate(): Promise<EmbeddedTemplate> {
  const directory = await mkdtemp(join(tmpdir(), 'lightning-template-'));
  const remove = () => rm(directory, { recursive: true, force: true });
  try {
    const config = parseConfig({ DATA_DIR: directory, DB_ROLE_PREFIX: testRolePrefix });
    const connections = await openConnections(config, () => {}, { attach: false });
    try {
      await migrate({ connectionString: connections.api, rolePrefix: testRolePrefix, log: console.log });
    } finally {
      await connections.close();
    }
  } catch (error) {
    await remove();
    throw error;
  }
  return { directory, remove };
}

/** A new directory for DATA_DIR with a migrated database in it, to be opened and removed by the caller. */
export async function migratedDataDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'lightning-'));
  await cp(join(inject('embeddedTemplate'), 'postgres'), join(directory, 'postgres'), { recursive: true });
  return directory;
}
