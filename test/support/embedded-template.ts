import { createHash } from 'node:crypto';
import { cpSync } from 'node:fs';
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
 * A directory that holds `empty` and `migrated`, two data directories of Postgres that no process has open. Test files
 * copy them, which takes a fraction of creating one. It stays in the cache for later runs of the same day on the same
 * sources.
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

/**
 * A digest of everything that shapes the templates: the SQL, the code that runs it, the engine, and the day, since
 * partitions are created for the coming weeks.
 */
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

/** Fills the folder with templates, made the way `lightning start` makes its database. */
async function makeTemplates(folder: string): Promise<void> {
  await removeOutdated(dirname(folder));
  // They are made elsewhere at first: the path of a socket has at most 107 bytes, and the folder's path may be longer.
  const directory = await mkdtemp(join(tmpdir(), 'lightning-template-'));
  try {
    const embedded = await startEmbedded({ dataDirectory: directory });
    await embedded.close();
    await cp(join(directory, 'postgres'), join(folder, 'empty'), { recursive: true });
    const config = parseConfig({ DATA_DIR: directory, DB_ROLE_PREFIX: testRolePrefix });
    const connections = await openConnections(config, () => {}, { attach: false });
    try {
      await migrate({ connectionString: connections.api!, rolePrefix: testRolePrefix, log: console.log });
    } finally {
      await connections.close();
    }
    await cp(join(directory, 'postgres'), join(folder, 'migrated'), { recursive: true });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Removes the templates of other days. */
async function removeOutdated(cache: string): Promise<void> {
  for (const name of await readdir(cache)) {
    if (!/^embedded-template-\w+$/.test(name)) continue;
    const { mtimeMs } = await stat(join(cache, name));
    if (Date.now() - mtimeMs > 24 * 60 * 60_000)
      await rm(join(cache, name), { recursive: true, force: true });
  }
}

/** A new directory for DATA_DIR with a migrated database in it. The caller opens and removes it. */
export function migratedDataDirectory(): Promise<string> {
  return copyOf('migrated');
}

/** The same with an empty database. */
export function emptyDataDirectory(): Promise<string> {
  return copyOf('empty');
}

async function copyOf(name: 'empty' | 'migrated'): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'lightning-'));
  copyDataDirectory(join(inject('embeddedTemplate'), name), join(directory, 'postgres'));
  return directory;
}

/** Copies a data directory of 1,400 files, at once: `cp` of node:fs/promises takes eight times the CPU time. */
export function copyDataDirectory(from: string, to: string): void {
  cpSync(from, to, { recursive: true });
}
