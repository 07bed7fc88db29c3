import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chown, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { runCommand } from './command.ts';
import { keeperScript } from './keeper.ts';
import type { Say } from './progress.ts';
import { type ServerUser, temporaryDirectory } from './server-user.ts';

/** A server of our own on a new, empty cluster. */
export interface Cluster {
  /** Superuser, database `postgres`, by loopback TCP and password. */
  readonly adminUrl: string;
  /** Ends all sessions, stops the server and removes its directory. May be called more than once. */
  stop(): Promise<void>;
}

/** What `startCluster` needs to know. */
export interface ClusterOptions {
  readonly binDirectory: string;
  readonly user: ServerUser | undefined;
  /** Whether a commit survives a power cut (`fsync`); tests need not pay for that, a benchmark must. */
  readonly durable: boolean;
  /** Told of a server that ends by itself, with the end of its log. */
  readonly say: Say;
}

const startTimeoutMs = 60_000;

const systemLocale = process.platform === 'linux' ? 'C.UTF-8' : 'C';

/**
 * Makes a cluster in a temporary directory and starts it on a free port of 127.0.0.1 and on a socket in that directory.
 * The server ends and the directory goes when this process ends, however it ends. Throws with the server's log when it
 * does not come up.
 */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const { binDirectory, user, durable } = options;
  const directory = await mkdtemp(join(await temporaryDirectory(user, durable), 'agent-lightning-pg-'));
  try {
    if (user) await chown(directory, user.uid, user.gid);
    const password = randomBytes(18).toString('hex');
    await initializeCluster(directory, password, options);
    for (let attempt = 1; ; attempt += 1) {
      const port = await freePort();
      const adminUrl = `postgresql://postgres:${password}@127.0.0.1:${port}/postgres`;
      const server = await launch(directory, join(binDirectory, 'postgres'), port, options);
      try {
        await untilReady(adminUrl, server);
        void server.watch(options.say);
        return { adminUrl, stop: server.stop };
      } catch (error) {
        // Between finding a free port and using it somebody else may take it.
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
  await runCommand(
    join(binDirectory, 'initdb'),
    [
      `--pgdata=${join(directory, 'data')}`,
      '--username=postgres',
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--data-checksums',
      '--encoding=UTF8',
      // Postgres's own locale, so that order and case do not depend on the machine's C library; the C library's is
      // still what full-text search reads, and only Linux has C.UTF-8 everywhere.
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      `--locale=${systemLocale}`,
      '--set=max_connections=200',
      '--set=wal_level=replica',
      '--set=summarize_wal=on',
      ...(durable ? [] : ['--no-sync']),
    ],
    { user, timeoutMs: startTimeoutMs, env: serverEnvironment() },
  );
  await rm(passwordFile);
}

interface RunningServer {
  readonly ended: Promise<unknown>;
  hasEnded(): boolean;
  log(): Promise<string>;
  stop(): Promise<void>;
  /** Settles when the server ends; one that was not asked to is reported, and its directory removed. */
  watch(say: Say): Promise<void>;
}

async function launch(
  directory: string,
  postgres: string,
  port: number,
  { user, durable }: ClusterOptions,
): Promise<RunningServer> {
  const logPath = join(directory, 'log');
  const logFile = await open(logPath, 'a');
  const child = spawn(
    'sh',
    [
      '-c',
      keeperScript,
      'keeper',
      directory,
      postgres,
      '-D',
      join(directory, 'data'),
      `--port=${port}`,
      `--unix_socket_directories=${directory}`,
      '--listen_addresses=127.0.0.1',
      `--fsync=${durable ? 'on' : 'off'}`,
    ],
    {
      cwd: directory,
      env: serverEnvironment(),
      // A session of its own: Ctrl-C reaches this process only, which then stops the server in order.
      detached: true,
      stdio: ['pipe', logFile.fd, logFile.fd],
      ...user,
    },
  );
  const ended = once(child, 'exit').catch(() => undefined);
  await logFile.close();
  // Neither may keep this process alive: its end is what ends the server.
  child.unref();
  const stdin = child.stdin as typeof child.stdin & { unref(): void };
  stdin.unref();
  stdin.on('error', () => {}); // The keeper is gone already; `ended` tells.

  let ending = false;
  let stopping: Promise<void> | undefined;
  const log = async () =>
    (await readFile(logPath, 'utf8').catch(() => '')).split('\n').slice(-20).join('\n').trim();
  const stop = async () => {
    ending = true;
    child.ref();
    stdin.end();
    await ended;
    await rm(directory, { recursive: true, force: true });
  };
  return {
    ended,
    hasEnded: () => child.exitCode !== null || child.signalCode !== null || child.pid === undefined,
    log,
    stop: () => (stopping ??= stop()),
    watch: async (say) => {
      await ended;
      if (ending) return;
      say(`the test server ended by itself; the end of its log:\n${await log()}`);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function untilReady(adminUrl: string, server: RunningServer): Promise<void> {
  const deadline = Date.now() + startTimeoutMs;
  let lastError: unknown;
  while (!server.hasEnded() && Date.now() < deadline) {
    const client = new Client({ connectionString: adminUrl, connectionTimeoutMillis: 2_000 });
    // A client whose server goes away says so by an event as well, which without a listener ends the process.
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

/** Nothing of ours reaches the server: `PG*` variables would change what initdb and postgres do. */
function serverEnvironment(): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'], LC_ALL: systemLocale, TZ: 'UTC' };
}

async function freePort(): Promise<number> {
  const probe = createServer();
  probe.listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  if (address === null || typeof address === 'string') throw new Error('no free port on 127.0.0.1');
  return address.port;
}
