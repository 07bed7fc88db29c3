import { createServer, connect } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { DatabaseUnavailable } from '../../src/db/database.ts';
import type { ConnectionEvent } from '../../src/db/connection-event.ts';
import { sql } from '../../src/db/statement.ts';
import { freshDatabase } from '../support/db.ts';
import { serverDatabase } from '../support/server-database.ts';
import { noServer, readyServer } from '../support/server.ts';

describe.skipIf(noServer)('connections that fail', () => {
  let fresh: Awaited<ReturnType<typeof freshDatabase>>;
  let admin: Client;

  beforeAll(async () => {
    fresh = await freshDatabase(readyServer().adminUrl);
    admin = new Client({ connectionString: readyServer().adminUrl });
    await admin.connect();
  });
  afterEach(() => void vi.useRealTimers());
  afterAll(async () => {
    await admin?.end();
    await fresh?.drop();
  });

  const kill = async (pid: number) => {
    const { rows } = await admin.query('select pg_terminate_backend($1) as killed', [pid]);
    expect(rows).toEqual([{ killed: true }]);
  };
  const pidOf = async (database: ReturnType<typeof serverDatabase>) =>
    (await database.query<{ pid: number }>(sql`select pg_backend_pid() as pid`)).rows[0]!.pid;

  test('are waited for no longer than told, and the refusal says what is the matter', async () => {
    const database = serverDatabase(fresh.url, { size: 1, overflow: 0, waitMs: 300 });
    const busy = database.query(sql`select pg_sleep(1)`);
    const waiting = database.query(sql`select 1`);
    await expect(waiting).rejects.toBeInstanceOf(DatabaseUnavailable);
    await expect(waiting).rejects.toThrow('no connection became free within 0.3 s (1 open');
    await busy;
    expect((await database.query(sql`select 1 as one`)).rows).toEqual([{ one: 1 }]);
    await database.close();
  });

  test('to a server that is not there are refused as such', async () => {
    const database = serverDatabase('postgres://nobody@127.0.0.1:1/none');
    await expect(database.query(sql`select 1`)).rejects.toBeInstanceOf(DatabaseUnavailable);
    await expect(database.transaction({}, async () => {})).rejects.toThrow(/cannot connect.*ECONNREFUSED/);
    await expect(database.listen('x', () => {})).rejects.toBeInstanceOf(DatabaseUnavailable);
    await database.close();
  });

  test('while idle are replaced at the next use, and somebody is told', async () => {
    const events: ConnectionEvent[] = [];
    const database = serverDatabase(fresh.url, {}, (event) => events.push(event));
    const pid = await pidOf(database);
    await kill(pid);
    await expect.poll(() => events).toMatchObject([{ kind: 'idle-connection-lost' }]);
    expect(await pidOf(database)).not.toBe(pid);
    await database.close();
  });

  test('in the middle of a statement fail that statement only', async () => {
    const database = serverDatabase(fresh.url, { size: 1, overflow: 0 });
    const pid = await pidOf(database);
    const failure = database.query(sql`select pg_sleep(20)`).catch((error: unknown) => error);
    await expect
      .poll(async () => (await admin.query('select state from pg_stat_activity where pid = $1', [pid])).rows)
      .toEqual([{ state: 'active' }]);
    await kill(pid);
    expect(await failure).toMatchObject({ code: '57P01' });
    expect(await pidOf(database)).not.toBe(pid);
    await database.close();
  });

  test('between two statements of a transaction fail that transaction only, and never the process', async () => {
    const database = serverDatabase(fresh.url, { size: 1, overflow: 0 });
    const pid = await pidOf(database);
    await expect(
      database.transaction({}, async (t) => {
        await t.query(sql`select 1`);
        await kill(pid);
        // The death arrives while nobody asks anything of the connection.
        await new Promise((resolve) => setTimeout(resolve, 200));
        await t.query(sql`select 1`);
      }),
    ).rejects.toThrow(/terminat|not queryable/i);
    expect(await pidOf(database)).not.toBe(pid);
    await database.close();
  });

  test('that went silent while idle are found out by a ping before they are used', async () => {
    const proxy = await silentProxy(new URL(fresh.url));
    const url = Object.assign(new URL(fresh.url), { port: String(proxy.port) }).href;
    const database = serverDatabase(url, { size: 1, overflow: 0 });
    const pid = await pidOf(database);
    proxy.silence();
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 6_000 });
    expect(await pidOf(database)).not.toBe(pid);
    expect(proxy.swallowed()).toBeGreaterThan(0);
    await database.close();
    proxy.close();
  }, 20_000);

  test('that listen are made anew, and who listens learns that something may be missing', async () => {
    const events: string[] = [];
    const database = serverDatabase(fresh.url, {}, (event) => events.push(event.kind));
    const got: string[] = [];
    let gaps = 0;
    await database.listen(
      'news',
      (payload) => got.push(payload),
      () => (gaps += 1),
    );
    const { rows } = await admin.query(
      `select pid from pg_stat_activity where datname = $1 and query = 'listen "news"'`,
      [new URL(fresh.url).pathname.slice(1)],
    );
    expect(rows).toHaveLength(1);
    await kill(rows[0].pid);
    await expect.poll(() => gaps, { timeout: 5_000 }).toBe(1);
    expect(events).toEqual(['listener-lost', 'listener-restored']);
    await database.query(sql`select pg_notify('news', 'after')`);
    await expect.poll(() => got).toEqual(['after']);
    await database.close();
  });
});

/** A TCP proxy whose present connections can be made to swallow everything, as a firewall that forgot them does. */
async function silentProxy(target: URL) {
  let swallowed = 0;
  const silenced = new WeakSet<Socket>();
  const open = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      open.add(from);
      from.on('data', (chunk) => {
        if (silenced.has(client)) swallowed += 1;
        else to.write(chunk);
      });
      from.on('error', () => to.destroy());
      from.on('close', () => to.destroy());
    }
    current.add(client);
  });
  const current = new Set<Socket>();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    silence: () => current.forEach((client) => silenced.add(client)),
    swallowed: () => swallowed,
    close: () => {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}
