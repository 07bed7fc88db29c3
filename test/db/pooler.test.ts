import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CallerLeft } from '../../src/db/database.ts';
import type { GapCause } from '../../src/db/database.ts';
import type { PoolOptions } from '../../src/db/pool.ts';
import type { ConnectionEvent } from '../../src/db/connection-event.ts';
import type { PostgresDatabase } from '../../src/db/postgres.ts';
import { sql } from '../../src/db/statement.ts';
import { prepareDatabase } from '../../src/setup/prepare-database.ts';
import { describeDatabase } from '../conformance/database.ts';
import { freshDatabase } from '../support/db.ts';
import type { FreshDatabase } from '../support/db.ts';
import { testRolePrefix } from '../support/logins.ts';
import { pgbouncerLacking } from '../support/pgbouncer/available.ts';
import { pgbouncerSetups, startPgbouncer } from '../support/pgbouncer/start.ts';
import type { Pgbouncer, PgbouncerSetup } from '../support/pgbouncer/start.ts';
import { serverDatabase } from '../support/server-database.ts';
import { noServer, readyServer } from '../support/server.ts';

const unavailable = noServer || (await pgbouncerLacking()) !== null;

describe.skipIf(unavailable).each(pgbouncerSetups)('behind $name', (setup) => {
  let fresh: FreshDatabase;
  let pooler: Pgbouncer;
  const opened: PostgresDatabase[] = [];

  beforeAll(async () => {
    ({ fresh, pooler } = await pooledDatabase(setup));
  });
  afterAll(async () => {
    await Promise.all(opened.map((database) => database.close()));
    await pooler?.stop();
    await fresh?.drop();
  });

  const open = (
    options: Partial<PoolOptions> = {},
    onEvent: (event: ConnectionEvent) => void = () => {},
    query = '',
  ) => {
    const database = serverDatabase(`${pooler.through(fresh.url)}${query}`, options, onEvent);
    opened.push(database);
    return database;
  };
  /** One session of the server after the other, as clients of the pooler get them, each held by a transaction. */
  const onSessions = <T>(database: PostgresDatabase, count: number, ask: () => Promise<T>) => {
    const busy = { text: 'select pg_sleep(0.05)' };
    return Promise.all(Array.from({ length: count }, () => Promise.all([database.query(busy), ask()])));
  };

  test('a caller who leaves has its statement cancelled, and nobody else has', async () => {
    const database = open({ size: 2, overflow: 0 });
    const others = open({ size: 2, overflow: 0 });
    const failures: unknown[] = [];
    let cancelled = 0;
    let innocent = 0;
    const until = performance.now() + 3_000;
    const leave = async (): Promise<void> => {
      while (performance.now() < until) {
        const leaving = new AbortController();
        const running = database.until(leaving.signal).queryWith({}, sql`select pg_sleep(20)`);
        setTimeout(() => leaving.abort(), 20 + Math.random() * 50);
        await running.catch((error: unknown) => {
          if (error instanceof CallerLeft) cancelled += 1;
          else failures.push(error);
        });
      }
    };
    const stay = async (on: PostgresDatabase): Promise<void> => {
      while (performance.now() < until) {
        await on.query(sql`select pg_sleep(0.01)`).catch((error: unknown) => failures.push(error));
        innocent += 1;
      }
    };
    await Promise.all([leave(), leave(), stay(database), stay(others), stay(others)]);
    expect(failures).toEqual([]);
    expect(cancelled).toBeGreaterThan(5);
    expect(innocent).toBeGreaterThan(20);
  });

  test('a statement is bound in time, in a transaction, too, and no other client is', async () => {
    const database = open({ size: 1, overflow: 0, statementTimeoutMs: 150 });
    const slow = sql`select pg_sleep(5)`;
    await expect(database.query(slow)).rejects.toMatchObject({ code: '57014' });
    await expect(
      database.batch({}, [slow], { isolationLevel: 'serializable', end: 'commit' }),
    ).rejects.toMatchObject({ code: '57014' });
    await expect(database.transaction({}, (t) => t.query(slow))).rejects.toMatchObject({ code: '57014' });
    // A caller's own limit counts, as that of a role of PostgREST's does.
    await database.queryWith({ statement_timeout: '3000' }, sql`select pg_sleep(0.3)`);
    const stranger = new Client({ connectionString: pooler.through(fresh.url) });
    await stranger.connect();
    try {
      expect((await stranger.query('show statement_timeout')).rows).toEqual([{ statement_timeout: '0' }]);
      const { rows } = await stranger.query('select name from pg_prepared_statements where name like $1', [
        'lightning%',
      ]);
      expect(rows).toEqual([]);
    } finally {
      await stranger.end();
    }
  });

  test('settings of the connection string hold in every transaction', async () => {
    const options = '?options=-c%20role%3Dlightning_anon%20-c%20search_path%3Dpg_catalog%20-c%20a.b%3D1';
    const database = open({ size: 1, overflow: 0 }, undefined, options);
    const asked = sql`select current_user::text as who, current_setting('search_path') as path, current_setting('a.b') as ab`;
    const rows = [{ who: 'lightning_anon', path: 'pg_catalog', ab: '1' }];
    expect((await database.query(asked)).rows).toEqual(rows);
    expect((await database.transaction({}, (t) => t.query(asked))).rows).toEqual(rows);
    const member = { role: 'lightning_member' };
    expect((await database.queryWith(member, asked)).rows).toMatchObject([{ who: 'lightning_member' }]);
  });

  test('a prepared statement returns what its table is now, on every session of the server', async () => {
    const database = open({ size: 8, overflow: 0 });
    await database.query(sql`create table public.changing as select 1 as a`);
    const read = { text: 'select * from public.changing', prepare: true };
    await onSessions(database, 8, () => database.query(read));
    for (const [change, row] of [
      [sql`alter table public.changing add column b text default 'b'`, { a: 1, b: 'b' }],
      [sql`alter table public.changing drop column a`, { b: 'b' }],
      [sql`alter table public.changing add column a text default 'a'`, { b: 'b', a: 'a' }],
    ] as const) {
      await database.query(change);
      const answers = await onSessions(database, 16, () => database.query(read));
      expect(answers.map(([, { rows }]) => rows)).toEqual(answers.map(() => [row]));
    }
  });

  test('a statement that fails while it is prepared is in nobody’s way afterwards', async () => {
    const database = open({ size: 1, overflow: 0 });
    const early = { text: 'select * from public.made_later', prepare: true };
    for (const _ of [1, 2]) {
      await expect(database.batch({}, [early, early])).rejects.toMatchObject({ code: '42P01' });
    }
    await database.query(sql`create table public.made_later as select 1 as a`);
    expect((await database.query(early)).rows).toEqual([{ a: 1 }]);
  });

  test('who listens is told to look every second, and once that it cannot listen', async () => {
    const events: string[] = [];
    const database = open({}, (event) => events.push(event.kind));
    const causes: GapCause[] = [];
    const unlisten = await database.listen(
      'news',
      () => {},
      (cause) => causes.push(cause),
    );
    await database.listen('other news', () => {});
    await expect.poll(() => causes, { timeout: 5_000 }).toEqual(['cannot-listen', 'cannot-listen']);
    await unlisten();
    expect(events).toEqual(['cannot-listen']);
  });

  test('a pooler that nobody noticed never fails a statement for its name', async () => {
    // `off` takes the pooler for the server, as one would be that tells its clients the server’s own process.
    const pools = [1, 2].map(() => open({ size: 4, overflow: 0, pooler: 'off', statementTimeoutMs: 0 }));
    const ask = async (n: number) => {
      const database = pools[n % 2]!;
      const value = `v${n % 7}`;
      const mode = n % 3 === 0 ? ({ isolationLevel: null, end: 'commit' } as const) : undefined;
      const statement = { text: `select $1::text || '${value}' as v`, values: ['x'], prepare: true };
      const [result] = await database.batch({ 'a.b': '1' }, [statement], mode);
      return (result!.rows[0] as { v: string }).v === `x${value}`;
    };
    const answers = await Promise.all(Array.from({ length: 200 }, (_, n) => ask(n)));
    expect(answers.filter((right) => !right)).toEqual([]);
  });
});

// The whole contract behind the two that differ most.
describe.skipIf(unavailable).each(pgbouncerSetups.filter(({ lines }) => lines.length === 0))(
  'PostgresDatabase',
  (setup) => {
    describeDatabase(setup.name, async () => {
      const { fresh, pooler } = await pooledDatabase(setup);
      return {
        open: (options) =>
          serverDatabase(pooler.through(fresh.url), { listen: { connectionString: fresh.url }, ...options }),
        close: async () => {
          await pooler.stop();
          await fresh.drop();
        },
      };
    });
  },
);

async function pooledDatabase(setup: PgbouncerSetup): Promise<{ fresh: FreshDatabase; pooler: Pgbouncer }> {
  const fresh = await freshDatabase(readyServer().adminUrl);
  const admin = new Client({ connectionString: fresh.url });
  await admin.connect();
  await prepareDatabase(admin, testRolePrefix);
  await admin.end();
  return { fresh, pooler: await startPgbouncer(setup, [fresh.url]) };
}
