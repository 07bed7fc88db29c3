import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseEnv } from 'node:util';
import { Client, escapeIdentifier } from 'pg';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { signToken } from '../../src/auth/jwt.ts';
import { lightningHere } from '../support/lightning-here.ts';
import { spawnLightning, startLightning } from '../support/lightning.ts';
import type { Started } from '../support/lightning.ts';
import { noServer, readyServer } from '../support/server.ts';

/** Unique names: roles and logins belong to the whole server, and other files use the usual ones. */
const suffix = randomBytes(3).toString('hex');
const rolePrefix = `rotate${suffix}`;
const databaseName = `test_rotate_${suffix}`;
const secret = randomBytes(32).toString('hex');
const kinds = ['api', 'migrate', 'worker', 'backup'] as const;
const loginOf = (kind: string, generation: number) => `rotate_${kind}${generation}_${suffix}`;

// As SECURITY.md says it: a second set of logins beside the first, processes that take it, and the first set dropped.
describe.skipIf(noServer)('the passwords of the four logins', { timeout: 120_000 }, () => {
  let admin: Client;
  const serving: Started[] = [];

  beforeAll(async () => {
    admin = new Client({ connectionString: readyServer().adminUrl });
    await admin.connect();
  });
  afterAll(async () => {
    for (const { stop } of serving) await stop();
    await admin.query(`drop database if exists ${escapeIdentifier(databaseName)} with (force)`);
    const { rows } = await admin.query<{ rolname: string }>(
      "select rolname from pg_roles where starts_with(rolname, $1) or rolname like 'rotate\\_%\\_' || $2",
      [`${rolePrefix}_`, suffix],
    );
    for (const { rolname } of rows)
      await admin.query(`drop owned by ${escapeIdentifier(rolname)}; drop role ${escapeIdentifier(rolname)}`);
    await admin.end();
  });

  const lightning = async (line: string, env: Record<string, string> = {}): Promise<string> => {
    const { status, stdout, stderr } = await lightningHere(line.split(' '), {
      DB_ROLE_PREFIX: rolePrefix,
      JWT_SECRET: secret,
      ...env,
    });
    expect([line, status], stderr).toEqual([line, 0]);
    return stdout;
  };
  /** The variables that setup prints. */
  const setUp = async (generation: number): Promise<Record<string, string>> => {
    const names = kinds.map((kind) => `--${kind}-login ${loginOf(kind, generation)}`).join(' ');
    const printed = await lightning(
      `setup --admin-url ${readyServer().adminUrl} --database ${databaseName} ${names}`,
    );
    const urls = parseEnv(printed) as Record<string, string>;
    expect(Object.keys(urls)).toHaveLength(4);
    return urls;
  };
  const serve = async (urls: Record<string, string>): Promise<Started> => {
    const env = { DATABASE_URL: urls['DATABASE_URL']!, DB_ROLE_PREFIX: rolePrefix, JWT_SECRET: secret };
    const started = await startLightning(env, ['serve']);
    serving.push(started);
    return started;
  };

  /** Runs a worker for as long as it takes to do a job. */
  const doJob = async (urls: Record<string, string>): Promise<void> => {
    const worker = spawnLightning(['work'], {
      WORKER_DATABASE_URL: urls['WORKER_DATABASE_URL']!,
      DB_ROLE_PREFIX: rolePrefix,
    });
    try {
      await vi.waitFor(() => lightning('jobs run trim_events', urls), { timeout: 60_000, interval: 500 });
    } finally {
      worker.process.kill('SIGTERM');
    }
    const { status, stderr } = await worker.ended;
    expect(status, stderr).toBe(0);
  };

  test('are changed under load, without a failed request, and the old ones open nothing any more', async () => {
    const first = await setUp(1);
    await lightning('migrate', first);
    await doJob(first);
    const token = await signToken(
      secret,
      { role: 'service', tenantId: 'default', subject: 'load', lifetimeSeconds: 600 },
      new Date(),
    );
    let current = await serve(first);
    const over = new AbortController();
    const answers: (number | string)[] = [];
    const underWay = new Map<Started, number>();
    const send = async (to: Started, description: string): Promise<void> => {
      underWay.set(to, (underWay.get(to) ?? 0) + 1);
      try {
        const response = await fetch(`${to.url}/rest/v1/tasks`, {
          method: 'POST',
          headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
          body: JSON.stringify({ description }),
        });
        await response.arrayBuffer();
        answers.push(response.status);
      } catch (error) {
        answers.push(String((error as Error).cause));
      } finally {
        underWay.set(to, (underWay.get(to) ?? 1) - 1);
      }
    };
    const clients = Array.from({ length: 8 }, async (_, client) => {
      for (let n = 0; !over.signal.aborted; n++) await send(current, `${client} ${n}`);
    });

    const second = await setUp(2);
    const before = current;
    current = await serve(second);
    // As a balancer does it: no new requests for the first process, and it ends once the others are answered.
    await vi.waitFor(() => expect(underWay.get(before)).toBe(0), { timeout: 10_000 });
    expect((await before.stop()).status).toBe(0);
    const atTheSwitch = answers.length;
    const own = new Client({
      connectionString: Object.assign(new URL(readyServer().adminUrl), { pathname: `/${databaseName}` }).href,
    });
    await own.connect();
    try {
      for (const kind of kinds) {
        const login = escapeIdentifier(loginOf(kind, 1));
        await own.query(`reassign owned by ${login} to ${escapeIdentifier(loginOf(kind, 2))}`);
        await own.query(`drop owned by ${login}`);
        await own.query(`drop role ${login}`);
      }
    } finally {
      await own.end();
    }
    await sleep(500);
    over.abort();
    await Promise.all(clients);

    expect(atTheSwitch).toBeGreaterThan(10);
    expect(answers.length).toBeGreaterThan(atTheSwitch + 10);
    expect(answers.filter((status) => status !== 201)).toEqual([]);
    for (const url of Object.values(first)) {
      const client = new Client({ connectionString: url });
      await expect(client.connect()).rejects.toThrow(/password authentication failed|role .* does not exist/);
    }
    // The new logins do all that the old ones did.
    await lightning('migrate', second);
    await doJob(second);
    const state = await lightning('status', { ...second, BACKUP_DATABASE_URL: '' });
    expect(state).toMatch(/^ok +schema +current$/m);
  });
});
