import { setTimeout as sleep } from 'node:timers/promises';
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

/** What an attacker has: a plain login of an analyst, and a token of a member of the same tenant. */
interface Attacker {
  /** Another session of the login. */
  connect(): Promise<Client>;
  readonly url: string;
  readonly token: string;
  /** Aborted when the time is over. */
  readonly over: AbortSignal;
  /** Notes that something was refused, ended or throttled. */
  stopped(how: string): void;
}

/** Each goes on until `over`, and starts again when it is ended. */
export const attacks: Readonly<Record<string, (attacker: Attacker) => Promise<void>>> = {
  notifications: (attacker) =>
    repeatedly(attacker, async () => {
      const [holder, other] = await Promise.all([attacker.connect(), attacker.connect()]);
      await holder.query('listen flood');
      await holder.query('begin; select 1');
      const held = endOf(holder);
      while (!attacker.over.aborted)
        await Promise.race([
          held,
          other.query(
            `do $$ begin for i in 1..1000 loop execute format('notify flood, %L', i || repeat('x', 7900)); end loop; end $$`,
          ),
        ]);
    }),
  connections: (attacker) =>
    repeatedly(attacker, async () => {
      for (let n = 0; n < 200; n++) await attacker.connect();
    }),
  memory: (attacker) =>
    withFour(attacker, (client) =>
      client.query(`set work_mem = '1GB'; set hash_mem_multiplier = 1000; set statement_timeout = 0;
        select count(*) from generate_series(1, 3000000) a join generate_series(1, 3000000) b on a = b`),
    ),
  'temporary files': (attacker) =>
    withFour(attacker, (client) =>
      client.query(`set work_mem = '64kB'; set statement_timeout = 0; set transaction_timeout = 0;
        select count(*) from (select i, repeat('x', 500) as x from generate_series(1, 20000000) i order by -i) s`),
    ),
  'messages in the WAL': (attacker) =>
    withFour(attacker, (client) =>
      client.query("select pg_logical_emit_message(true, 'x', repeat('x', 100000000))"),
    ),
  'advisory locks': (attacker) =>
    withFour(attacker, (client) =>
      client.query("select pg_advisory_lock(hashtext('agent_lightning troubles')), pg_sleep(3600)"),
    ),
  'large objects': (attacker) =>
    withFour(attacker, (client) => client.query("select lo_from_bytea(0, repeat('x', 100000000)::bytea)")),
  'notify pgrst': (attacker) =>
    withFour(attacker, async (client) => {
      while (!attacker.over.aborted) await client.query("notify pgrst, 'reload schema'");
    }),
  'a transaction left open': (attacker) =>
    withFour(attacker, async (client) => {
      await client.query(
        'set idle_in_transaction_session_timeout = 0; set transaction_timeout = 0; begin; select count(*) from app_public.tasks',
      );
      await Promise.race([endOf(client), overOf(attacker.over)]);
    }),
  requests: async (attacker) => {
    await Promise.all(
      Array.from({ length: 50 }, () =>
        repeatedly(attacker, async () => {
          const { status } = await ask(attacker, '/rest/v1/tasks?limit=100');
          if (status >= 400) throw new Error(String(status));
        }),
      ),
    );
  },
  streams: async (attacker) => {
    await Promise.all(
      Array.from({ length: 200 }, () =>
        repeatedly(attacker, async () => {
          const response = await fetch(`${attacker.url}/events?topics=tasks`, {
            headers: { authorization: `Bearer ${attacker.token}` },
            signal: attacker.over,
          });
          if (response.status >= 400) throw new Error(String(response.status));
          await response.text();
        }),
      ),
    );
  },
};

/** What one attack did to a second tenant, whose requests went on. */
export interface AttackReport {
  readonly attack: string;
  /** What stopped the attacker, each with how often and the seconds until it came first. */
  readonly stopped: readonly {
    readonly how: string;
    readonly count: number;
    readonly afterSeconds: number;
  }[];
  readonly requests: number;
  /** Answers of the second tenant that are not 2xx. */
  readonly failed: readonly string[];
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Alerts that name the login. */
  readonly alerts: readonly string[];
}

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
    const bad = { url: api.url, token: await token('default') };
    while (Number((await admin.query('select from ops.workers where stopped_at is null')).rowCount) === 0)
      await sleep(100);
    // The first requests find nothing compiled and no connection made.
    await loadOf(good, rate, AbortSignal.timeout(3_000));
    for (const attack of names) {
      await sessionsEnded(admin);
      await admin.query('delete from ops.ended_sessions; delete from ops.alerts');
      const sessions: Client[] = [];
      const over = AbortSignal.timeout(seconds * 1000);
      const began = performance.now();
      const stops = new Map<string, { count: number; afterSeconds: number }>();
      const stopped = (how: string): void => {
        const known = stops.get(how) ?? {
          count: 0,
          afterSeconds: Number(((performance.now() - began) / 1000).toFixed(1)),
        };
        stops.set(how, { ...known, count: known.count + 1 });
      };
      const connect = async (): Promise<Client> => {
        const client = new Client({
          connectionString: Object.assign(new URL(server.adminUrl), { username: 'mallory', password }).href,
        });
        client.on('error', () => {});
        sessions.push(client);
        await client.connect();
        return client;
      };
      const attacker: Attacker = { ...bad, connect, over, stopped };
      const attacking = attack === 'none' ? overOf(over) : attacks[attack]!(attacker);
      const load = await loadOf(good, rate, over);
      await Promise.race([attacking, sleep(5_000)]);
      const { rows } = await admin.query<{ message: string }>(
        "select message from ops.alerts where subject = 'mallory'",
      );
      await Promise.all(sessions.map((client) => Promise.race([client.end().catch(() => {}), sleep(1_000)])));
      const report = {
        attack,
        stopped: [...stops].map(([how, found]) => ({ how, ...found })),
        ...load,
        alerts: rows.map(({ message }) => message),
      };
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

async function ask(
  { url, token }: { readonly url: string; readonly token: string },
  path: string,
  body?: unknown,
): Promise<Response> {
  const response = await fetch(`${url}${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(10_000),
  });
  await response.arrayBuffer();
  return response;
}

async function withFour(attacker: Attacker, act: (client: Client) => Promise<unknown>): Promise<void> {
  await Promise.all(
    Array.from({ length: 4 }, () =>
      repeatedly(attacker, async () => {
        const client = await attacker.connect();
        try {
          await act(client);
        } finally {
          void client.end().catch(() => {});
        }
      }),
    ),
  );
}

/** Does it again and again, and notes why it ended. */
async function repeatedly({ over, stopped }: Attacker, act: () => Promise<unknown>): Promise<void> {
  while (!over.aborted) {
    try {
      await act();
    } catch (error) {
      if (over.aborted) return;
      const code =
        error instanceof Error && 'code' in error && typeof error.code === 'string' ? `${error.code} ` : '';
      stopped(`${code}${error instanceof Error ? error.message : String(error)}`);
      await sleep(50);
    }
  }
}

function endOf(client: Client): Promise<never> {
  return new Promise((_, reject) => {
    client.once('error', reject);
    client.once('end', () => reject(new Error('the session was ended')));
  });
}

function overOf(over: AbortSignal): Promise<void> {
  return new Promise((resolve) => over.addEventListener('abort', () => resolve(), { once: true }));
}
