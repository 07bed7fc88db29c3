import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CallerLeft } from '../../src/db/database.ts';
import type { PoolOptions } from '../../src/db/pool.ts';
import type { PostgresDatabase } from '../../src/db/postgres.ts';
import { sql } from '../../src/db/statement.ts';
import { freshDatabase } from '../support/db.ts';
import type { FreshDatabase } from '../support/db.ts';
import { serverDatabase } from '../support/server-database.ts';
import { noServer, readyServer } from '../support/server.ts';
import { gateTo } from '../support/tcp-gate.ts';
import type { TcpGate } from '../support/tcp-gate.ts';

const nap = (ms: number) => sql`select pg_backend_pid() as pid, pg_sleep(${ms / 1000}) as napped`;

describe.skipIf(noServer)('a caller who leaves', () => {
  let fresh: FreshDatabase;
  let admin: Client;
  let gate: TcpGate;
  const opened: PostgresDatabase[] = [];

  beforeAll(async () => {
    fresh = await freshDatabase(readyServer().adminUrl);
    gate = await gateTo(fresh.url);
    admin = new Client({ connectionString: fresh.url });
    await admin.connect();
    await admin.query('create table written (id integer)');
  });
  afterAll(async () => {
    for (const database of opened) await database.close(0);
    await gate?.shut();
    await admin?.end();
    await fresh?.drop();
  });

  const databaseOf = (size: number, options: Partial<PoolOptions> = {}): PostgresDatabase => {
    const database = serverDatabase(gate.through(fresh.url), { size, overflow: 0, ...options });
    opened.push(database);
    return database;
  };
  const pidOf = async (database: PostgresDatabase): Promise<number | undefined> =>
    (await database.query<{ pid: number }>(sql`select pg_backend_pid() as pid`)).rows[0]?.pid;
  const active = async (part: string): Promise<number> => {
    const { rowCount } = await admin.query(
      `select from pg_stat_activity where datname = current_database() and state = 'active' and query like $1 and pid <> pg_backend_pid()`,
      [`%${part}%`],
    );
    return rowCount ?? 0;
  };
  const written = async (): Promise<unknown> =>
    (await admin.query('select array_agg(id order by id) as ids from written')).rows[0].ids;

  test.each([
    ['a statement', (left: AbortSignal, on: PostgresDatabase) => on.until(left).queryWith({}, nap(20_000))],
    [
      'a batch',
      (left: AbortSignal, on: PostgresDatabase) =>
        on.until(left).batch({}, [sql`insert into written values (1)`, nap(20_000)], {
          isolationLevel: null,
          end: 'commit',
        }),
    ],
    [
      'a transaction',
      (left: AbortSignal, on: PostgresDatabase) =>
        on.until(left).transaction({}, async (t) => {
          await t.query(sql`insert into written values (2)`);
          await t.query(nap(20_000));
        }),
    ],
    [
      'a transaction that goes on',
      (left: AbortSignal, on: PostgresDatabase) =>
        on.until(left).transaction({}, async (t) => {
          await t.query(sql`insert into written values (3)`);
          await sleep(400);
          await t.query(sql`insert into written values (4)`);
        }),
    ],
  ])('has %s cancelled, and the next caller gets the same connection', async (_, run) => {
    const database = databaseOf(1);
    const pid = await pidOf(database);
    const leaving = new AbortController();
    const running = run(leaving.signal, database);
    await sleep(200);
    const began = performance.now();
    leaving.abort();
    await expect(running).rejects.toBeInstanceOf(CallerLeft);
    expect(await pidOf(database)).toBe(pid);
    expect(performance.now() - began).toBeLessThan(2_000);
    expect(await written()).toBeNull();
    expect(database.poolState()).toMatchObject({ total: 1, idle: 1, waiting: 0 });
  });

  test('does not wait for a connection, and one that comes later is passed on', async () => {
    const database = databaseOf(1);
    const busy = database.query(nap(700));
    const leaving = new AbortController();
    const waiting = Array.from({ length: 60 }, () =>
      database.until(leaving.signal).queryWith({}, sql`insert into written values (9)`),
    );
    const next = database.query(sql`select 1 as one`);
    await sleep(100);
    leaving.abort();
    const began = performance.now();
    for (const { status, ...rest } of await Promise.allSettled(waiting))
      expect({ status, ...rest }).toEqual({ status: 'rejected', reason: expect.any(CallerLeft) });
    expect(performance.now() - began).toBeLessThan(300);
    await busy;
    expect((await next).rows).toEqual([{ one: 1 }]);
    expect(await written()).toBeNull();
    await expect(database.until(leaving.signal).queryWith({}, sql`select 1`)).rejects.toBeInstanceOf(
      CallerLeft,
    );
  });

  test('gets what was done before the cancellation came', async () => {
    const database = databaseOf(1);
    const leaving = new AbortController();
    await pidOf(database);
    const running = database.until(leaving.signal).queryWith({}, nap(40));
    await sleep(10);
    leaving.abort();
    expect((await running).rows).toHaveLength(1);
  });

  test('is cancelled again when the function goes on after the first time', async () => {
    const database = databaseOf(1);
    const leaving = new AbortController();
    const running = database.until(leaving.signal).queryWith(
      {},
      {
        text: `do $$ begin
        begin perform pg_sleep(20); exception when query_canceled then null; end;
        perform pg_sleep(20);
      end $$`,
      },
    );
    await sleep(200);
    leaving.abort();
    await expect(running).rejects.toBeInstanceOf(CallerLeft);
    expect(await active('pg_sleep(20)')).toBe(0);
  });

  test('whose cancel request does not arrive costs the connection, once the statement has ended', async () => {
    const database = databaseOf(1);
    const pid = await pidOf(database);
    const leaving = new AbortController();
    const running = database.until(leaving.signal).queryWith({}, nap(700));
    await sleep(100);
    gate.treatComing('swallow');
    leaving.abort();
    await sleep(400);
    expect(gate.lost()).toBe(16);
    gate.treatComing('pass');
    expect((await running).rows).toHaveLength(1);
    expect(await pidOf(database)).not.toBe(pid);
  });

  test('is the only one who is cancelled, however late the request comes', { timeout: 60_000 }, async () => {
    const database = databaseOf(4, { waitMs: 30_000 });
    // All connections of the pool are there before the requests to come are made late.
    await Promise.all([1, 2, 3, 4].map(() => database.query(nap(200))));
    gate.treatComing(70);
    const count = { innocent: 0, answered: 0, cancelled: 0 };
    const failures: unknown[] = [];
    const until = performance.now() + 8_000;
    const leavers = Array.from({ length: 12 }, async () => {
      while (performance.now() < until) {
        const leaving = new AbortController();
        const ms = 100 + Math.random() * 150;
        const running = database.until(leaving.signal).queryWith({}, nap(ms));
        setTimeout(() => leaving.abort(), Math.random() * 400);
        await running.then(
          () => (count.answered += 1),
          (error: unknown) => {
            if (error instanceof CallerLeft) count.cancelled += 1;
            else failures.push(error);
          },
        );
      }
    });
    const innocents = Array.from({ length: 6 }, async () => {
      while (performance.now() < until) {
        const staying = new AbortController();
        await database
          .until(staying.signal)
          .queryWith({}, nap(20))
          .catch((error: unknown) => failures.push(error));
        await database
          .transaction({}, async (t) => {
            await t.query(nap(5));
            await t.query(nap(5));
          })
          .catch((error: unknown) => failures.push(error));
        count.innocent += 2;
      }
    });
    await Promise.all([...leavers, ...innocents]);
    gate.treatComing('pass');
    expect(failures).toEqual([]);
    expect(count.innocent).toBeGreaterThan(50);
    expect(count.cancelled).toBeGreaterThan(20);
    expect(count.answered).toBeGreaterThan(20);
  });
});
