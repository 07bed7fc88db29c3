import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../support/free-port.ts';
import { migratedDatabase } from '../support/db.ts';
import type { MigratedDatabase } from '../support/db.ts';
import { lightning, spawnLightning } from '../support/lightning.ts';
import { testRolePrefix } from '../support/logins.ts';
import { startRestProcess } from '../support/rest-process.ts';
import { noServer } from '../support/server.ts';
import { tcpGate } from '../support/tcp-gate.ts';
import { strongSecret } from '../support/token-keys.ts';

describe.skipIf(noServer)('a process that starts while its server is away', () => {
  let made: MigratedDatabase;
  beforeAll(async () => {
    made = await migratedDatabase();
  });
  afterAll(() => made?.drop());

  const envAt = (at: (url: string) => string, more: Record<string, string> = {}): Record<string, string> => ({
    DATABASE_URL: at(made.urls.api),
    MIGRATE_DATABASE_URL: at(made.urls.migrate),
    WORKER_DATABASE_URL: at(made.urls.worker),
    DB_ROLE_PREFIX: testRolePrefix,
    JWT_SECRET: strongSecret,
    PORT: '0',
    ...more,
  });
  const address = () => {
    const { hostname, port } = new URL(made.urls.api);
    return { host: hostname, port: Number(port) };
  };

  test.each([
    ['start', /GraphQL +http/],
    ['serve', /GraphQL +http/],
    ['work', /^/],
    ['migrate', /^/],
  ])('%s waits for it, says so once, and goes on', { timeout: 60_000 }, async (command, listens) => {
    const gate = await tcpGate(address());
    const child = spawnLightning([command], envAt(gate.through));
    let printed = '';
    child.process.stdout.on('data', (data) => (printed += String(data)));
    try {
      await expect.poll(() => child.log(), { timeout: 20_000 }).toContain('"event":"server-awaited"');
      // Several attempts later there is still one line.
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      expect(child.log().match(/"event":"server-awaited"/g)).toHaveLength(1);
      expect(child.log()).toMatch(
        /the server at \S+ does not answer \(connect ECONNREFUSED [^)]+\): waiting for it, 60 s at most/,
      );
      await gate.open();
      await expect.poll(() => child.log(), { timeout: 20_000 }).toMatch(/the server answers, after \d+ s/);
      await expect.poll(() => printed, { timeout: 30_000 }).toMatch(listens);
    } finally {
      // A migration ends by itself.
      if (command !== 'migrate') child.process.kill('SIGTERM');
      expect((await child.ended).status, child.log()).toBe(0);
      await gate.shut();
    }
  });

  test('waits for one that starts up (57P03)', { timeout: 60_000 }, async () => {
    let refused = 0;
    const starting = createServer((client) => {
      if (refused >= 3) {
        const upstream = connect(address());
        client.pipe(upstream).pipe(client);
        for (const socket of [client, upstream]) socket.on('error', () => client.destroy());
        return;
      }
      client.on('error', () => {});
      client.once('data', () => {
        refused += 1;
        const fields = Buffer.from('SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0');
        const head = Buffer.alloc(5);
        head.write('E');
        head.writeInt32BE(fields.length + 4, 1);
        client.end(Buffer.concat([head, fields]));
      });
    });
    starting.listen(0, '127.0.0.1');
    await once(starting, 'listening');
    const port = String((starting.address() as AddressInfo).port);
    try {
      const at = (url: string) => Object.assign(new URL(url), { port }).href;
      const done = await lightning(['migrate'], envAt(at, { DB_SSL: 'off' }));
      expect(done.stderr).toContain('does not answer (the database system is starting up): waiting for it');
      expect(done.status, done.stderr).toBe(0);
    } finally {
      starting.close();
    }
  });

  test.each(['start', 'serve', 'work'])(
    '%s ends at once when it is told to, and has not failed',
    async (command) => {
      const port = String(await freePort());
      const child = spawnLightning(
        [command],
        envAt((url) => Object.assign(new URL(url), { port }).href),
      );
      await expect.poll(() => child.log(), { timeout: 20_000 }).toContain('"event":"server-awaited"');
      const toldAt = performance.now();
      child.process.kill('SIGTERM');
      const { status, stderr } = await child.ended;
      expect(performance.now() - toldAt).toBeLessThan(3_000);
      expect(stderr).toContain('"event":"stopped"');
      expect(status).toBe(0);
    },
    60_000,
  );

  test('ends with a sentence and 1 when the time is over', async () => {
    const port = String(await freePort());
    const away = envAt((url) => Object.assign(new URL(url), { port }).href, { DB_START_WAIT_MS: '1200' });
    for (const command of ['start', 'serve', 'work', 'migrate']) {
      const { status, stderr } = await lightning([command], away);
      expect(stderr).toMatch(
        /^lightning: the server at \S+ does not answer \(connect ECONNREFUSED \S+\), and was waited for 1.2 s \(DB_START_WAIT_MS\): start it, or correct \w*DATABASE_URL$/m,
      );
      expect(status).toBe(1);
    }
    const nowhere = envAt((url) => Object.assign(new URL(url), { hostname: 'no-such-host.invalid' }).href, {
      DB_START_WAIT_MS: '1200',
      DB_SSL: 'off',
    });
    const unnamed = await lightning(['serve'], nowhere);
    expect(unnamed.stderr).toMatch(
      /does not answer \(getaddrinfo (?:ENOTFOUND|EAI_AGAIN) no-such-host.invalid\), and was waited/,
    );
    expect(unnamed.status).toBe(1);
  }, 120_000);

  test.each<[string, (url: URL) => void, RegExp]>([
    [
      'a wrong password',
      (url) => (url.password = 'wrong'),
      /password authentication failed for user "agent_/,
    ],
    ['a missing database', (url) => (url.pathname = '/no_such'), /database "no_such" does not exist/],
    [
      'a missing login',
      (url) => (url.username = 'nobody_such'),
      /password authentication failed for user "nobody_such"/,
    ],
  ])(
    'does not wait with %s',
    async (_, change, says) => {
      const wrong = (text: string): string => {
        const url = new URL(text);
        change(url);
        return url.href;
      };
      for (const command of ['start', 'serve', 'work', 'migrate']) {
        const { status, stderr } = await lightning([command], envAt(wrong));
        expect(stderr).toMatch(
          /^lightning: the server refuses the login of \w+DATABASE_URL: |^lightning: the server refuses the login of DATABASE_URL: /m,
        );
        expect(stderr).toMatch(says);
        expect(stderr).not.toContain('server-awaited');
        expect(status).toBe(1);
      }
    },
    60_000,
  );

  test('rest waits as PostgREST does, and ends at once when it is told to', async () => {
    const port = String(await freePort());
    const rest = startRestProcess({
      PGRST_DB_URI: Object.assign(new URL(made.urls.api), { port }).href,
      PGRST_DB_SCHEMAS: 'app_public',
      PGRST_DB_ANON_ROLE: `${testRolePrefix}_anon`,
      PGRST_SERVER_PORT: '0',
    });
    await rest.next('retry');
    const toldAt = performance.now();
    expect(await rest.ended('SIGTERM')).toBe(0);
    expect(performance.now() - toldAt).toBeLessThan(3_000);
  }, 60_000);
});
