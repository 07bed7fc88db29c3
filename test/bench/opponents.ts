import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { signToken } from '../../src/auth/jwt.ts';
import type { BenchDatabases } from './databases.ts';
import { tenantCount } from './keys.ts';
import type { Identity, OpponentName } from './scenarios.ts';

/** The servers, each a separate process (both of ours are one), and the identities that send requests. */
export interface Opponents {
  readonly urls: Readonly<Record<OpponentName, string>>;
  /** 100 identities over all tenants; half are members, half are services. */
  readonly identities: readonly Identity[];
  stop(): Promise<void>;
}

/** The size of each opponent's connection pool. */
export const poolSize = 20;

const tokensPerTenant = 10;
const startTimeoutMs = 30_000;

/**
 * Starts all servers in production mode. Ours is `lightning serve` itself. With `profileDirectory` each writes a CPU
 * profile there when it is stopped.
 */
export async function startOpponents(
  databases: BenchDatabases,
  profileDirectory: string | undefined,
): Promise<Opponents> {
  const secret = randomBytes(32).toString('hex');
  const flags = profileDirectory ? ['--cpu-prof', `--cpu-prof-dir=${profileDirectory}`] : [];
  const started: RunningServer[] = [];
  const start = async (file: string, args: readonly string[], env: Record<string, string>) => {
    const script = fileURLToPath(new URL(file, import.meta.url));
    const server = await startServer([...flags, script, ...args], { ...env, DB_POOL_SIZE: String(poolSize) });
    started.push(server);
    return server.url;
  };
  const stop = async () => void (await Promise.all(started.map((server) => server.stop())));
  try {
    const plain = { DATABASE_URL: databases.plainUrl };
    const plainHttp = await start('plain-http.ts', [], plain);
    const plainPostgraphile = await start('plain-postgraphile.ts', [], plain);
    const ours = await start('../../bin/lightning', ['serve'], {
      DATABASE_URL: databases.protectedUrl,
      DB_ROLE_PREFIX: databases.rolePrefix,
      DB_POOL_OVERFLOW: '0',
      // The log names one address, that of the API.
      METRICS_PORT: 'off',
      JWT_SECRET: secret,
      PORT: '0',
    });
    const urls = {
      'node:http + pg': plainHttp,
      'plain PostGraphile': plainPostgraphile,
      'Agent Lightning GraphQL': ours,
      'Agent Lightning REST': ours,
    };
    return { urls, identities: await makeIdentities(secret), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A server in a separate process. `stop` it. */
export interface RunningServer {
  readonly url: string;
  stop(): Promise<void>;
}

/** Starts a server that prints where it listens, in production mode. */
export async function startServer(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<RunningServer> {
  const child = spawn(process.execPath, args, {
    env: { PATH: process.env['PATH'], NODE_ENV: 'production', GRAPHILE_ENV: 'production', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = once(child, 'exit');
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    await ended;
  };
  // The servers end when the benchmark dies.
  process.once('exit', () => child.kill('SIGKILL'));
  try {
    return { url: await announcedUrl(child), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function announcedUrl(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = '';
    const fail = (why: string) => reject(new Error(`${child.spawnargs.join(' ')} ${why}:\n${output}`));
    const timer = setTimeout(() => fail('did not listen in time'), startTimeoutMs);
    child.once('exit', (code) => {
      clearTimeout(timer);
      fail(`ended with ${code}`);
    });
    // Its warnings matter only when it does not come up.
    child.stderr?.on('data', (chunk: Buffer) => void (output = (output + chunk.toString()).slice(-4_000)));
    child.stdout?.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      const url = /http:\/\/[^\s/]+/.exec(output)?.[0];
      if (!url) return;
      clearTimeout(timer);
      resolve(url);
    });
  });
}

function makeIdentities(secret: string): Promise<Identity[]> {
  const now = new Date();
  return Promise.all(
    Array.from({ length: tenantCount * tokensPerTenant }, async (_, i) => {
      const tenantId = `tenant-${i % tenantCount}`;
      const role = i < (tenantCount * tokensPerTenant) / 2 ? 'member' : 'service';
      const request = { role, tenantId, subject: `subject-${i}`, lifetimeSeconds: 86_400 } as const;
      return { tenantId, token: await signToken(secret, request, now) };
    }),
  );
}
