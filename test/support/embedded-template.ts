import { createHash } from 'node:crypto';
import { access, cp, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inject } from 'vitest';
import { parseConfig } from '../../src/config/parse-config.ts';
import { startEmbedded } from '../../src/embedded/embedded.ts';
import { migrate } from '../../src/db/migrations.ts';
import { openConnections } from '../../src/open-database.ts';
import { testRolePrefix } from './logins.ts';
import { cacheDirectory, publishFolder } from './postgres/cache.ts';

declare module 'vitest' {
  interface ProvidedContext {
    embeddedTemplate: string;
  }
}

/**
 * A directory with `empty` and `migrated` in it, each a data directory of Postgres that nobody has open: test files copy them,
 * which takes a fraction of making one. It stays in the cache for the runs of the same day on the same sources.
 */
export async function embeddedTemplate(): Promise<string> {
  const directory = join(await cacheDirectory(undefined), `embedded-template-${await templateKey()}`);
  const isThere = () =>
    access(join(directory, 'migrated')).then(
      () => true,
      () => false,
    );
  await publishFolder(directory, isThere, makeTemplates);
  return directory;
}

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Changes with whatever the templates are made of: the SQL, the code that runs it, the engine, and the day, since partitions are made for the coming weeks. */
async function templateKey(): Promise<string> {
  const hash = createHash('sha256').update(new Date().toISOString().slice(0, 10));
  hash.update(await readFile(join(root, 'package-lock.json')));
  for (const folder of ['migrations/committed', 'sql', 'src/db', 'src/setup']) {
    const entries = await readdir(join(root, folder), { recursive: true, withFileTypes: true });
    const files = entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
    for (const file of files.toSorted()) hash.update(file).update(await readFile(file));
  }
  return hash.digest('hex').slice(0, 16);
}

/** Fills the folder with templates that are made the way `lightning start` makes its database. */
async function makeTemplates(folder: string): Promise<void> {
  await removeOutdated(dirname(folder));
  // Elsewhere at first: the path of a socket has 107 bytes at most, and the folder's may be longer.
  const directory = await mkdtemp(join(tmpdir(), 'lightning-template-'));
  try {
    const embedded = await startEmbedded({ dataDirectory: directory });
    await embedded.close();
    await cp(join(directory, 'postgres'), join(folder, 'empty'), { recursive: true });
    const config = parseConfig({ DATA_DIR: directory, DB_ROLE_PREFIX: testRolePrefix });
    const connections = await openConnections(config, () => {}, { attach: false });
    try {
      await migrate({ connectionString: connections.api, rolePrefix: testRolePrefix, log: console.log });
    } finally {
      await connections.close();
    }
    await cp(join(directory, 'postgres'), join(folder, 'migrated'), { recursive: true });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Templates of another day. */
async function removeOutdated(cache: string): Promise<void> {
  for (const name of await readdir(cache)) {
    if (!/^embedded-template-\w+$/.test(name)) continue;
    const { mtimeMs } = await stat(join(cache, name));
    if (Date.now() - mtimeMs > 24 * 60 * 60_000)
      await rm(join(cache, name), { recursive: true, force: true });
  }
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
