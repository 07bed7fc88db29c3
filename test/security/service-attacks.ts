import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { signToken } from '../../src/auth/jwt.ts';
import { createLogin } from '../../src/commands/login.ts';
import { createTenant } from '../../src/commands/tenant.ts';
import { commandLines } from '../support/command-lines.ts';
import { installationIn } from '../support/installation.ts';
import { spawnLightning, startLightning } from '../support/lightning.ts';
import { testRolePrefix } from '../support/logins.ts';
import { startOwnServer } from '../support/postgres/own-server.ts';
import { serverDatabase } from '../support/server-database.ts';
import { strongSecret } from '../support/token-keys.ts';
import { ask, overOf } from './ask.ts';
import type { Attack, Stops } from './attacker.ts';

/** What one attack did to a second tenant, whose requests went on. */
export interface AttackReport {
  readonly attack: string;
  readonly stopped: Stops;
  readonly requests: number;
  /** Answers of the second tenant that are not 2xx. */
  readonly failed: readonly string[];
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Alerts that name the login, or the tenant of the token. */
  readonly alerts: readonly string[];
}

/** What an operator sets whose tenants have some tens of agents each. The defaults are for fleets. */
const limits = { MAX_REQUESTS_PER_SUBJECT: '40', MAX_STREAMS_PER_TENANT: '150' };

/**
 * Runs attacks one after the other for `seconds` each, on a server of its own with the settings of docker-compose.yml, `serve` and
 * `work`, while a second tenant sends `rate` requests a second. The attack `none` is the measure of the others.
 */
export async function attackService(
  binDirectory: string,
  names: readonly string[],
  { seconds, rate, say }: { seconds: number; rate: number; say: (report: AttackReport) => void },
): Promise<AttackReport[]> {
  const server = await startOwnServer(binDirectory, {
    commandLine: await commandLines['docker-compose.yml'](),
  });
  const operator = installationIn(serverDatabase(server.urls.migrate));
  const admin = new Client({ connectionString: server.adminUrl });
  await admin.connect();
  await createTenant(operator, 'acme', 'Acme');
  const password = await createLogin(operator, 'mallory', 'default');
  await operator.database.close();
  const env = {
    DATABASE_URL: server.urls.api,
    WORKER_DATABASE_URL: server.urls.worker,
    JWT_SECRET: strongSecret,
    DB_ROLE_PREFIX: testRolePrefix,
    ...limits,
  };
  const api = await startLightning(env, ['serve']);
  const worker = spawnLightning(['work'], env);
  const token = (tenantId: string) =>
    signToken(
      strongSecret,
      { role: 'member', tenantId, subject: tenantId, lifetimeSeconds: 36_000 },
      new Date(),
    );
  const reports: AttackReport[] = [];
  try {
    const good = { url: api.url, token: await token('acme') };
    const connectionString = Object.assign(new URL(server.adminUrl), { username: 'mallory', password }).href;
    const bad = { url: api.url, token: await token('default'), connectionString };
    while (Number((await admin.query('select from ops.workers where stopped_at is null')).rowCount) === 0)
      await sleep(100);
    // The first requests find nothing compiled and no connection made.
    await loadOf(good, rate, AbortSignal.timeout(3_000));
    for (const attack of names) {
      await sessionsEnded(admin);
      await admin.query(
        'delete from ops.ended_sessions; delete from ops.refused_callers; delete from ops.alerts',
      );
      const over = AbortSignal.timeout(seconds * 1000);
      const attacking =
        attack === 'none' ? overOf(over).then(() => []) : attacked({ name: attack, ...bad, seconds });
      const load = await loadOf(good, rate, over);
      const stopped = await attacking;
      const { rows } = await admin.query<{ message: string }>(
        `select message from ops.alerts where subject = 'mallory' or subject like 'tenant default%'`,
      );
      const report = { attack, stopped, ...load, alerts: rows.map(({ message }) => message) };
      say(report);
      reports.push(report);
    }
    return reports;
  } finally {
    worker.process.kill('SIGTERM');
    await Promise.all([api.stop(), worker.ended]);
    await admin.end();
    await server.stop();
  }
}

/** Attacks in another process, and returns what stopped it. */
async function attacked(attack: Attack): Promise<Stops> {
  const child = fork(fileURLToPath(new URL('attacker.ts', import.meta.url)));
  try {
    child.send(attack);
    const [stops] = (await Promise.race([
      once(child, 'message'),
      once(child, 'exit').then(() => Promise.reject(new Error('the attacker ended without a word'))),
    ])) as [Stops];
    return stops;
  } finally {
    child.kill('SIGKILL');
  }
}

/** Waits until the attack before has left no session, so that each is measured alone. */
async function sessionsEnded(admin: Client): Promise<void> {
  for (const until = Date.now() + 30_000; ; await sleep(200)) {
    const { rowCount } = await admin.query("select from pg_stat_activity where usename = 'mallory'");
    if (rowCount === 0) return;
    if (Date.now() > until) throw new Error('sessions of the attack before are still there after 30 s');
  }
}

/** The second tenant: reads and writes in turn, evenly spaced, however long the answers take. */
async function loadOf(
  good: { readonly url: string; readonly token: string },
  rate: number,
  over: AbortSignal,
): Promise<Pick<AttackReport, 'requests' | 'failed' | 'p50Ms' | 'p99Ms'>> {
  const took: number[] = [];
  const failed: string[] = [];
  const send = async (n: number): Promise<void> => {
    const began = performance.now();
    try {
      const { status } =
        n % 2
          ? await ask(good, '/rest/v1/tasks?limit=10')
          : await ask(good, '/rest/v1/tasks', { description: `task ${n}` });
      if (status >= 300) failed.push(String(status));
    } catch (error) {
      failed.push(String(error));
    }
    took.push(performance.now() - began);
  };
  const sent: Promise<void>[] = [];
  for (let n = 0; !over.aborted; n++) {
    sent.push(send(n));
    await sleep(1000 / rate);
  }
  await Promise.all(sent);
  const sorted = took.toSorted((a, b) => a - b);
  const at = (part: number) => Math.round(sorted[Math.floor(part * (sorted.length - 1))] ?? 0);
  return { requests: took.length, failed, p50Ms: at(0.5), p99Ms: at(0.99) };
}
