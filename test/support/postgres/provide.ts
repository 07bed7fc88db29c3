import { join } from 'node:path';
import { Client } from 'pg';
import { type Binaries, findInstalledBinaries, inspectBinaries, oldestMajor } from './binaries.ts';
import { cacheDirectory } from './cache.ts';
import { startCluster } from './cluster.ts';
import { fetchPrograms, isFinished } from './debian-programs.ts';
import type { DebianPrograms } from './debian-programs.ts';
import { type Say, withProgress } from './progress.ts';
import type { CommandUser } from '../../../src/programs/command.ts';
import { serverUser } from '../../../src/programs/server-user.ts';

/** A Postgres server for tests and benchmarks, or why there is none. */
export type ProvidedServer =
  | {
      readonly kind: 'ready';
      /** The URL of a superuser: TCP on 127.0.0.1 with a password, unless `TEST_DATABASE_URL` names the server. */
      readonly adminUrl: string;
      /**
       * The folder with psql, pg_basebackup and the others, at least as new as the server; missing when there is none.
       */
      readonly binDirectory?: string;
      /** A version such as `17.11`. */
      readonly version: string;
      /** Stops the server and removes its data; leaves a server that `TEST_DATABASE_URL` names as it is. */
      stop(): Promise<void>;
    }
  | {
      readonly kind: 'unavailable';
      /** For people: each attempt, and why it failed. */
      readonly reason: string;
    };

/** All options are optional. */
export interface ProvideOptions {
  /** Commits survive a power cut, and the data is on a disk: for benchmarks. Default false. */
  readonly durable?: boolean;
  /** Receives progress line by line; default standard error. */
  readonly say?: Say;
  /**
   * The environment from which `TEST_DATABASE_URL`, `LIGHTNING_TEST_NO_SERVER`, `PATH` and proxies are read; default
   * the process's own.
   */
  readonly env?: NodeJS.ProcessEnv;
  /** The folder for downloads, an absolute path without links; default the one that `cacheDirectory` chooses. */
  readonly cache?: string;
}

/**
 * A Postgres of version 17 or newer with pgvector: the one that `TEST_DATABASE_URL` names, or a new, empty cluster. The
 * cluster's binaries are installed, or an earlier run downloaded them, or they are downloaded from Debian now. The
 * caller stops the server; it also ends by itself when this process does.
 *
 * Throws when `TEST_DATABASE_URL` is set and its server is unusable: a caller who names a server means that one.
 */
export async function provideServer(options: ProvideOptions = {}): Promise<ProvidedServer> {
  const { env = process.env, say = (line) => void process.stderr.write(`${line}\n`) } = options;
  if (env['LIGHTNING_TEST_NO_SERVER'] === '1') {
    return { kind: 'unavailable', reason: 'LIGHTNING_TEST_NO_SERVER=1 forbids it' };
  }
  try {
    const user = await serverUser();
    const url = env['TEST_DATABASE_URL'];
    if (url) return await useServer(url, env, user, options.cache);
    const binaries = await findBinaries({ env, user, say, cache: options.cache });
    const { adminUrl, stop } = await withProgress(say, `starting Postgres ${binaries.version}`, () =>
      startCluster({ binDirectory: binaries.binDirectory, user, durable: options.durable ?? false, say }),
    );
    return { kind: 'ready', adminUrl, ...binaries, stop };
  } catch (error) {
    if (error instanceof NamedServerError) throw error;
    return { kind: 'unavailable', reason: (error as Error).message };
  }
}

/** The server that `TEST_DATABASE_URL` names is unusable. The message never contains its password. */
class NamedServerError extends Error {
  override readonly name = 'NamedServerError';

  constructor(why: string, cause?: unknown) {
    super(`TEST_DATABASE_URL names a server that the tests cannot use: ${why}`, { cause });
  }
}

async function useServer(
  url: string,
  env: NodeJS.ProcessEnv,
  user: CommandUser | undefined,
  cache: string | undefined,
): Promise<ProvidedServer> {
  const { version, major } = await examineServer(url);
  const found = await findInstalledBinaries(env, user);
  const folder = folderIn(cache ?? (await cacheDirectory(user)));
  const binaries = 'lacking' in found ? await inspectFolder(folder, user) : found;
  const newEnough = !('lacking' in binaries) && Number.parseInt(binaries.version, 10) >= major;
  return {
    kind: 'ready',
    adminUrl: url,
    ...(newEnough && { binDirectory: binaries.binDirectory }),
    version,
    stop: async () => {},
  };
}

async function examineServer(url: string): Promise<{ version: string; major: number }> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  client.on('error', () => {}); // The query below fails too, with the reason.
  try {
    await client.connect();
    const { rows } = await client.query<{
      version: string;
      number: string;
      superuser: boolean;
      vector: boolean;
    }>(`
      select current_setting('server_version') as version, current_setting('server_version_num') as number,
        (select rolsuper from pg_roles where rolname = current_user) as superuser,
        exists (select from pg_available_extensions where name = 'vector') as vector`);
    const [server] = rows;
    if (!server) throw new NamedServerError('it does not answer');
    const major = Math.floor(Number(server.number) / 10_000);
    if (major < oldestMajor)
      throw new NamedServerError(`it is ${server.version}, and ${oldestMajor} is the oldest that does`);
    if (!server.superuser) throw new NamedServerError('its user is not a superuser');
    if (!server.vector) throw new NamedServerError('the extension vector is not installed there');
    return { version: server.version.split(' ')[0] ?? server.version, major };
  } catch (error) {
    throw error instanceof NamedServerError ? error : new NamedServerError((error as Error).message, error);
  } finally {
    await client.end().catch(() => {});
  }
}

interface Search {
  readonly env: NodeJS.ProcessEnv;
  readonly user: CommandUser | undefined;
  readonly say: Say;
  readonly cache: string | undefined;
}

async function findBinaries({ env, user, say, cache }: Search): Promise<Binaries> {
  const installed = await findInstalledBinaries(env, user);
  if (!('lacking' in installed)) return installed;
  const folder = folderIn(cache ?? (await cacheDirectory(user)));
  try {
    await fetchPrograms(debianPostgres, folder, env, say);
  } catch (error) {
    throw new Error(
      `no Postgres ${oldestMajor} with pgvector here (${installed.lacking}), and none available from Debian (${(error as Error).message})`,
      { cause: error },
    );
  }
  const built = await inspectFolder(folder, user);
  // The folder is not replaced automatically: other processes may be running from it, and the fault may be this
  // machine's.
  if ('lacking' in built) {
    throw new Error(
      `Postgres from Debian does not run here (${built.lacking}); remove ${folder} to have it downloaded anew`,
    );
  }
  return built;
}

const binariesInFolder = join('usr', 'lib', 'postgresql', '17', 'bin');

const debianPostgres: DebianPrograms = {
  // This release has Postgres 17, with pgvector 0.8 for it.
  release: 'trixie',
  packages: ['postgresql-17', 'postgresql-client-17', 'postgresql-17-pgvector', 'patchelf'],
  description: 'Postgres 17 and pgvector, about 97 MB',
  binaries: binariesInFolder,
  kept: [join('usr', 'lib', 'postgresql'), join('usr', 'share', 'postgresql')],
};

function folderIn(cache: string): string {
  return join(cache, `postgres-${oldestMajor}`);
}

async function inspectFolder(
  folder: string,
  user: CommandUser | undefined,
): Promise<Binaries | { readonly lacking: string }> {
  if (!(await isFinished(folder))) return { lacking: `nothing finished in ${folder}` };
  return inspectBinaries(join(folder, binariesInFolder), user);
}
