import { randomBytes } from 'node:crypto';
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { keep, type Kept } from '../../../src/programs/keeper.ts';
import { freePort } from '../free-port.ts';
import type { Say } from './progress.ts';
import type { CommandUser } from '../../../src/programs/command.ts';
import { temporaryDirectory } from '../../../src/programs/server-user.ts';

/** A server on a new, empty cluster of its own. */
export interface Cluster {
  /** The URL of a superuser, database `postgres`, by loopback TCP and password. */
  readonly adminUrl: string;
  /** Closes all connections, stops the server and removes its directory. May be called more than once. */
  stop(): Promise<void>;
}

/** Options of `startCluster`. */
export interface ClusterOptions {
  readonly binDirectory: string;
  readonly user: CommandUser | undefined;
  /** Whether a commit survives a power cut (`fsync`). A benchmark must pay for that; tests need not. */
  readonly durable: boolean;
  /**
   * Further arguments of the server, after those that it needs. When left out, the settings are in its configuration
   * file.
   */
  readonly commandLine?: readonly string[] | undefined;
  /**
   * Whether a killed server leaves its data directory for the caller, who starts another one on it and removes it.
   * Default false.
   */
  readonly leaveAfterCrash?: boolean;
  /** Called when the server ends by itself, with the end of its log. */
  readonly say: Say;
}

const startTimeoutMs = 60_000;

const systemLocale = process.platform === 'linux' ? 'C.UTF-8' : 'C';

/**
 * Creates a cluster in a temporary directory and starts it on a free port of 127.0.0.1 and on a socket in that
 * directory. The server ends and the directory is removed when this process ends, however it ends. Throws with the
 * server's log when the server does not come up.
 */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const { user, durable } = options;
  const directory = await mkdtemp(join(await temporaryDirectory(user, durable), 'agent-lightning-pg-'));
  try {
    if (user) await chown(directory, user.uid, user.gid);
    const password = randomBytes(18).toString('hex');
    await initializeCluster(directory, password, options);
    for (let attempt = 1; ; attempt += 1) {
      const port = await freePort();
      const adminUrl = `postgresql://postgres:${password}@127.0.0.1:${port}/postgres`;
      const server = await launch(directory, port, options);
      try {
        await untilReady(adminUrl, server);
        server.unref();
        void reportUnexpectedEnd(server, directory, options);
        return { adminUrl, stop: server.stop };
      } catch (error) {
        // Another process may take a free port before the server uses it.
        if (attempt === 3 || !(error as Error).message.includes('could not bind')) throw error;
      }
    }
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

async function initializeCluster(
  directory: string,
  password: string,
  options: ClusterOptions,
): Promise<void> {
  const { binDirectory, user, durable } = options;
  const passwordFile = join(directory, 'password');
  await writeFile(passwordFile, password, { mode: 0o600 });
  if (user) await chown(passwordFile, user.uid, user.gid);
  const args = [
    `--pgdata=${join(directory, 'data')}`,
    '--username=postgres',
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--data-checksums',
    '--encoding=UTF8',
    // Postgres's builtin locale makes order and case independent of the machine's C library. Full-text search still
    // reads the C library's locale, and only Linux has C.UTF-8 everywhere.
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    `--locale=${systemLocale}`,
    ...(options.commandLine
      ? []
      : [
          '--set=max_connections=200',
          '--set=reserved_connections=10',
          '--set=wal_level=replica',
          '--set=summarize_wal=on',
          '--set=max_prepared_transactions=5',
        ]),
    ...(durable ? [] : ['--no-sync']),
  ];
  const program = join(binDirectory, 'initdb');
  const initdb = await keep({ directory, program, args, user, env: serverEnvironment() });
  await initdb.ended;
  if (initdb.exitCode() !== 0) throw new Error(`initdb failed:\n${await initdb.log()}`);
  await rm(passwordFile);
}

function launch(
  directory: string,
  port: number,
  { binDirectory, user, durable, commandLine = [] }: ClusterOptions,
): Promise<Kept> {
  const args = [
    '-D',
    join(directory, 'data'),
    `--port=${port}`,
    `--unix_socket_directories=${directory}`,
    '--listen_addresses=127.0.0.1',
    `--fsync=${durable ? 'on' : 'off'}`,
    // A benchmark's rows stay in memory, whoever reads them; the default suffices for tests.
    ...(durable ? ['--shared_buffers=512MB'] : []),
    ...commandLine,
  ];
  return keep({ directory, program: join(binDirectory, 'postgres'), args, user, env: serverEnvironment() });
}

async function untilReady(adminUrl: string, server: Kept): Promise<void> {
  const deadline = Date.now() + startTimeoutMs;
  let lastError: unknown;
  while (!server.hasEnded() && Date.now() < deadline) {
    const client = new Client({ connectionString: adminUrl, connectionTimeoutMillis: 2_000 });
    // A client whose server goes away also emits an event, which ends the process when nothing listens for it.
    client.on('error', () => {});
    try {
      await client.connect();
      await client.query('select 1');
      return;
    } catch (error) {
      lastError = error;
      await sleep(50);
    } finally {
      await client.end().catch(() => {});
    }
  }
  const log = await server.log();
  if (!server.hasEnded()) await server.stop();
  throw new Error(`the server did not come up (${String(lastError)}); the end of its log:\n${log}`);
}

async function reportUnexpectedEnd(
  server: Kept,
  directory: string,
  { say, leaveAfterCrash }: ClusterOptions,
): Promise<void> {
  await server.ended;
  if (server.isStopping()) return;
  say(`the test server ended by itself; the end of its log:\n${await server.log()}`);
  if (!leaveAfterCrash) await rm(directory, { recursive: true, force: true });
}

/**
 * The environment of the server's programs, without this process's `PG*` variables, which would change what initdb and
 * postgres do.
 */
function serverEnvironment(): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'], LC_ALL: systemLocale, TZ: 'UTC' };
}
