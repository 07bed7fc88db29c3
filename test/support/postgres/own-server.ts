import { chown, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { migrate } from '../../../src/db/migrations.ts';
import { recoverServer } from '../../../src/backup/server/recover.ts';
import { keep } from '../../../src/programs/keeper.ts';
import { serverUser } from '../../../src/programs/server-user.ts';
import { setupServer } from '../../../src/setup/setup-server.ts';
import { freePort } from '../free-port.ts';
import { testLogins, testRolePrefix } from '../logins.ts';
import type { KnownLoginUrls } from '../logins.ts';
import { startCluster } from './cluster.ts';

/** A migrated server on its own cluster, which a test may crash and lose. */
export interface OwnServer {
  readonly adminUrl: string;
  readonly urls: KnownLoginUrls;
  readonly dataDirectory: string;
  /** Process id of the server's main process. */
  readonly pid: number;
  /** Sends `kill -9`, then removes the data directory. */
  destroy(): Promise<void>;
  /**
   * Sends `kill -9` and resolves once the connections are gone too. The caller may start another server on the
   * directory, and removes it.
   */
  crash(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts one. It takes some seconds, so a file has one at most. `commandLine`: see `ClusterOptions`. */
export async function startOwnServer(
  binDirectory: string,
  {
    durable = false,
    commandLine,
  }: { readonly durable?: boolean; readonly commandLine?: readonly string[] | undefined } = {},
): Promise<OwnServer> {
  const cluster = await startCluster({
    binDirectory,
    user: await serverUser(),
    durable,
    commandLine,
    leaveAfterCrash: true,
    say: () => {},
  });
  const made = await setupServer({
    adminUrl: cluster.adminUrl,
    databaseName: 'agent_lightning',
    rolePrefix: testRolePrefix,
    logins: testLogins,
    log: () => {},
  });
  const urls = made as KnownLoginUrls;
  await migrate({ connectionString: urls.migrate, rolePrefix: testRolePrefix, log: () => {} });
  const adminUrl = Object.assign(new URL(cluster.adminUrl), { pathname: '/agent_lightning' }).href;
  const dataDirectory = await settingOf(adminUrl, 'data_directory');
  const pid = Number((await readFile(join(dataDirectory, 'postmaster.pid'), 'utf8')).split('\n')[0]);
  return {
    adminUrl,
    urls,
    dataDirectory,
    pid,
    destroy: async () => {
      process.kill(pid, 'SIGKILL');
      await rm(dirname(dataDirectory), { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
    },
    crash: async () => {
      const sessions = await sessionsOf(adminUrl);
      process.kill(pid, 'SIGKILL');
      const deadline = Date.now() + 30_000;
      while ([pid, ...sessions].some(isAlive)) {
        if (Date.now() > deadline) throw new Error('sessions of the killed server live on');
        await sleep(20);
      }
    },
    stop: cluster.stop,
  };
}

/** The server's other processes: they end when they find the main one gone. */
async function sessionsOf(url: string): Promise<number[]> {
  const client = new Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  const { rows } = await client.query<{ pid: number }>('select pid from pg_stat_activity');
  await client.end();
  return rows.map((row) => row.pid);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** A server on a restored data directory, once it accepts writes. */
export interface RestoredServer {
  /** The connection string of the lost server, at the new one's address. */
  at(url: string): string;
  stop(): Promise<void>;
}

/**
 * Starts a server on a directory that a restore made. Everything beside that directory is removed with it when the
 * server stops. Rejects with the server's log when it does not come up.
 */
export async function startRestored(binDirectory: string, dataDirectory: string): Promise<RestoredServer> {
  const port = await freePort();
  const at = (url: string) => Object.assign(new URL(url), { port: String(port) }).href;
  const user = await serverUser();
  const directory = dirname(dataDirectory);
  if (user) await chown(directory, user.uid, user.gid);
  const server = await recoverServer({
    dataDirectory,
    settings: { port: String(port), unix_socket_directories: '', fsync: 'off' },
    launch: (args) =>
      keep({
        directory,
        program: join(binDirectory, 'postgres'),
        args,
        user,
        env: { PATH: process.env['PATH'], LC_ALL: 'C.UTF-8', TZ: 'UTC' },
      }),
    signal: AbortSignal.timeout(startTimeoutMs),
  });
  return { at, stop: server.stop };
}

/** Time limit for the start of a restored server that holds little data. */
const startTimeoutMs = 60_000;

async function settingOf(url: string, name: string): Promise<string> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ value: string }>('select current_setting($1) as value', [name]);
    return rows[0]?.value ?? '';
  } finally {
    await client.end();
  }
}
