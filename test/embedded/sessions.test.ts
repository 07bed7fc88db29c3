import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { message, sync } from '../../src/embedded/wire.ts';
import { failure, sleep, temporaryDatabase } from './temporary-database.ts';
import type { TemporaryDatabase } from './temporary-database.ts';
import { WireClient, execution, startupPacket } from './wire-client.ts';

// Every client believes that it has a session of its own; the engine has only one.

let db: TemporaryDatabase;
const idleTimeoutMs = 1000;
const queueTimeoutMs = 700;

beforeAll(async () => {
  db = await temporaryDatabase({ idleInTransactionTimeoutMs: idleTimeoutMs, queueTimeoutMs });
  const admin = await db.connect();
  await admin.query(`
    create role alice; create role bob;
    create schema app_public; grant usage on schema app_public to alice, bob;
    create table app_public.notes (id int primary key, author text default current_user);
    grant select, insert on app_public.notes to alice, bob;
    create view app_public.whoami as select current_user::text as name;
    grant select on app_public.whoami to alice, bob;
    create procedure app_public.become(name text) language plpgsql as
      $$ begin perform set_config('role', name, false); end $$;
    create function app_public.forget_to_reset(name text) returns text language plpgsql as
      $$ begin return set_config('role', name, false); end $$`);
  await db.disconnect();
});
afterAll(() => db.close());
beforeEach(async () => {
  const admin = await db.connect();
  await admin.query('truncate app_public.notes');
});
afterEach(() => db.disconnect());

const value = async (client: { query: WireQuery }, sql: string): Promise<unknown> =>
  Object.values((await client.query(sql)).rows[0] ?? {})[0];
type WireQuery = (sql: string) => Promise<{ rows: Record<string, unknown>[] }>;

describe('settings and roles', () => {
  test('a role stays with the client that set it', async () => {
    const [a, b] = await Promise.all([db.connect(), db.connect()]);
    await a.query('set role alice');
    expect(await value(b, 'select current_user')).toBe('postgres');
    expect(await value(a, 'select current_user')).toBe('alice');
    await b.query('set role bob');
    expect([
      await value(a, 'select current_user'),
      await value(b, 'select current_user'),
      await value(a, 'select current_user'),
    ]).toEqual(['alice', 'bob', 'alice']);
  });

  test("a client's role leaves with the client", async () => {
    const a = await db.connect();
    await a.query("set role alice; set app.tenant_id = 'secret'; set statement_timeout = 5000");
    await a.end();
    const b = await db.connect();
    expect(await value(b, 'select current_user')).toBe('postgres');
    expect(await value(b, "select current_setting('app.tenant_id', true)")).toBeOneOf([null, '']);
    expect(await value(b, 'show statement_timeout')).toBe('0');
  });

  test("reset all returns to the client's startup settings, and to app_public first", async () => {
    const a = await db.connect({ application_name: 'mine', statement_timeout: 7000 });
    await a.query("set application_name = 'other'; set search_path = pg_catalog");
    await a.query('reset all');
    expect(await value(a, 'show application_name')).toBe('mine');
    expect(await value(a, 'show statement_timeout')).toBe('7s');
    expect(await value(a, 'show search_path')).toBe('app_public, public');
    await a.query("set application_name = 'other'");
    await a.query('reset application_name');
    expect(await value(a, 'show application_name')).toBe('mine');
  });

  test("discard all empties only the client's own session", async () => {
    const [a, b] = await Promise.all([db.connect({ application_name: 'mine' }), db.connect()]);
    await b.query('set role bob');
    await b.query({ name: 'p', text: 'select 1 as one' });
    await a.query({ name: 'p', text: 'select 2 as two' });
    await a.query('set role alice; listen quiet');
    await a.query('discard all');
    expect(await value(a, 'select current_user')).toBe('postgres');
    expect(await value(a, 'show application_name')).toBe('mine');
    expect(await value(b, 'select current_user')).toBe('bob');
    expect((await b.query({ name: 'p', text: 'select 1 as one' })).rows).toEqual([{ one: 1 }]);
    expect(await failure(a.query({ name: 'p', text: 'select 2 as two' }))).toBe('26000');
  });

  test.each([
    ['a rollback', "begin; set role alice; set app.x = 'a'; rollback"],
    [
      'a rollback to a savepoint',
      "begin; savepoint s; set role alice; set app.x = 'a'; rollback to s; commit",
    ],
    ['a commit of what failed', 'begin; set role alice; select 1/0'],
    ['set local', "begin; set local role alice; select set_config('app.x', 'a', true); commit"],
    ['an error in the same message', 'set role alice; select 1/0'],
  ])('%s leaves no setting', async (_, sql) => {
    const [a, b] = await Promise.all([db.connect(), db.connect()]);
    await a.query(sql).catch(() => undefined);
    if (sql.endsWith('1/0') && sql.startsWith('begin')) await a.query('commit');
    for (const client of [b, a, b, a]) expect(await value(client, 'select current_user')).toBe('postgres');
  });

  test('settings of a committed transaction are kept, even around other clients', async () => {
    const [a, b] = await Promise.all([db.connect(), db.connect()]);
    await a.query('begin');
    await a.query('savepoint s');
    await a.query('set role alice');
    await a.query('release s');
    await a.query('commit');
    expect(await value(b, 'select current_user')).toBe('postgres');
    expect(await value(a, 'select current_user')).toBe('alice');
  });

  test('set_config with literals and parameters is kept as SET is', async () => {
    const [a, b] = await Promise.all([db.connect(), db.connect()]);
    await a.query("select set_config('app.x', 'it''s', false)");
    await a.query('select set_config($1, $2, false)', ['app.y', 'back\\slash']);
    await b.query('select 1');
    await b.query("set app.x = 'b'");
    expect(await value(a, "select current_setting('app.x') || current_setting('app.y')")).toBe(
      "it'sback\\slash",
    );
  });

  test('a role that a procedure or function leaves behind is not passed to others', async () => {
    const [a, b] = await Promise.all([db.connect(), db.connect()]);
    await a.query("call app_public.become('alice')");
    expect(await value(b, 'select current_user')).toBe('postgres');
    await a.query("select app_public.forget_to_reset('alice')");
    expect(await value(b, 'select current_user')).toBe('postgres');
  });

  test("startup settings apply, and a wrong one is refused in Postgres's own words", async () => {
    const a = await db.connect({ options: '-c role=alice -c timezone=Asia/Tokyo', application_name: 'p' });
    const b = await db.connect();
    expect(await value(a, 'select current_user')).toBe('alice');
    expect(await value(b, 'show timezone')).toBe('UTC');
    expect(await value(a, 'show timezone')).toBe('Asia/Tokyo');
    expect(await failure(db.connect({ options: '-c timezone=Nowhere/Land' }))).toBe('22023');
    expect(await failure(db.connect({ options: '-c role=nobody_there' }))).toBe('22023');
    expect(await value(b, 'select 1')).toBe(1);
  });

  test("a client's startup reports are its own", async () => {
    const client = new WireClient(db.directory);
    client.write(startupPacket({ user: 'postgres', database: 'postgres', TimeZone: 'Asia/Tokyo' }));
    const answers = await client.until('Z');
    expect(answers.map((answer) => answer.type).join('')).toMatch(/^RS+KZ$/);
    expect(answers).toContainEqual({ type: 'S', body: 'TimeZone\0Asia/Tokyo\0' });
    expect(answers).toContainEqual({ type: 'S', body: 'search_path\0app_public, public\0' });
    client.write(message('Q', "set timezone = 'UTC'"));
    expect(await client.until('Z')).toContainEqual({ type: 'S', body: 'TimeZone\0UTC\0' });
    client.end();
  });

  test('the defaults are ours: app_public first, UTC, just-in-time compilation off', async () => {
    const a = await db.connect();
    expect((await a.query('select * from whoami')).rows).toEqual([{ name: 'postgres' }]);
    expect(await value(a, 'show timezone')).toBe('UTC');
    expect(await value(a, 'show jit')).toBe('off');
  });

  test('encodings that the engine cannot convert are refused, without harm', async () => {
    const a = await db.connect();
    expect(await failure(a.query("set client_encoding = 'LATIN1'"))).toBe('22023');
    await a.query("set client_encoding = 'UTF8'");
    await a.query("set names 'unicode'");
    expect(await value(a, "select 'é'")).toBe('é');
  });
});

describe('session state that cannot be replayed', () => {
  test('a temporary table is invisible to others, and its owner is told that it is lost', async () => {
    const [a, b] = await Promise.all([db.connect(), db.connect()]);
    const notices: (string | undefined)[] = [];
    a.on('notice', (notice) => notices.push(notice.message));
    await a.query('create temp table notes (id int)');
    await a.query('insert into notes values (1), (2)');
    expect(await value(a, 'select count(*) from notes')).toBe('2');
    expect(await value(b, 'select count(*) from notes')).toBe('0');
    expect(await value(a, 'select count(*) from notes')).toBe('0');
    expect(notices).toEqual(["the embedded database dropped this session's temporary tables"]);
  });

  test('a temporary table stays inside a transaction', async () => {
    const [a, b] = await Promise.all([db.connect(), db.connect()]);
    await a.query('begin');
    await a.query('create temp table mine (id int) on commit drop');
    const other = b.query('select 1');
    await a.query('insert into mine values (1)');
    expect(await value(a, 'select count(*) from mine')).toBe('1');
    await a.query('commit');
    await other;
  });

  test('a cursor with hold is lost too', async () => {
    const [a, b] = await Promise.all([db.connect(), db.connect()]);
    await a.query('declare c cursor with hold for select 1');
    expect(await failure(b.query('fetch c'))).toBe('34000');
  });
});

describe('prepared statements', () => {
  test('two clients may give different statements the same name', async () => {
    const [a, b] = await Promise.all([db.connect(), db.connect()]);
    for (let round = 0; round < 3; round++) {
      expect((await a.query({ name: 'x', text: 'select 1 as a' })).rows).toEqual([{ a: 1 }]);
      expect((await b.query({ name: 'x', text: "select 'b' as b" })).rows).toEqual([{ b: 'b' }]);
    }
  });

  test('names that are longer than Postgres keeps are told apart', async () => {
    const wire = await WireClient.connect(db.directory);
    const zero = Buffer.alloc(2);
    const names = ['1', '2'].map((digit) => 'n'.repeat(70) + digit);
    wire.write(Buffer.concat([...names.map((name) => message('P', name, `select '${name}'`, zero)), sync]));
    expect((await wire.until('Z')).map((answer) => answer.type).join('')).toBe('11Z');
    for (const name of names) {
      wire.write(Buffer.concat([message('B', '', name, zero, zero, zero), message('E', '', 0), sync]));
      expect((await wire.until('Z')).find((answer) => answer.type === 'D')?.body).toContain(name);
    }
    wire.end();
  });

  test('they are closed with their connection', async () => {
    const [a, b] = await Promise.all([db.connect(), db.connect()]);
    await a.query({ name: 'x', text: 'select 1' });
    await a.query('prepare y as select 2');
    await a.end();
    expect(await value(b, 'select count(*) from pg_prepared_statements')).toBe('0');
  });

  test("PREPARE, EXECUTE and DEALLOCATE in SQL work on the client's own names", async () => {
    const [a, b] = await Promise.all([db.connect(), db.connect()]);
    await a.query('prepare x(int) as select $1 + 1 as n');
    await b.query('prepare x(int) as select $1 + 2 as n');
    expect(await value(a, 'execute x(1)')).toBe(2);
    expect(await value(b, 'execute x(1)')).toBe(3);
    await a.query('deallocate x');
    expect(await failure(a.query('execute x(1)'))).toBe('26000');
    await b.query({ name: 'y', text: 'select 1' });
    await a.query('deallocate all');
    expect(await value(b, 'execute x(1)')).toBe(3);
    expect(await value(b, 'execute y')).toBe(1);
  });

  test('a failed Parse leaves no statement behind, and its name can be used again', async () => {
    const a = await db.connect();
    expect(await failure(a.query({ name: 'x', text: 'select bogus' }))).toBe('42703');
    expect((await a.query({ name: 'x', text: 'select 1 as ok' })).rows).toEqual([{ ok: 1 }]);
  });

  test('the unnamed statement belongs to its client too', async () => {
    const [a, b] = await Promise.all([WireClient.connect(db.directory), WireClient.connect(db.directory)]);
    const zero = Buffer.alloc(2);
    const parse = (sql: string) => Buffer.concat([message('P', '', sql, zero), sync]);
    const run = Buffer.concat([message('B', '', '', zero, zero, zero), message('E', '', 0), sync]);
    a.write(parse("select 'a'"));
    await a.until('Z');
    b.write(parse("select 'b'"));
    await b.until('Z');
    for (const [client, letter] of [
      [a, 'a'],
      [b, 'b'],
      [a, 'a'],
    ] as const) {
      client.write(run);
      const answers = await client.until('Z');
      expect(answers.find((answer) => answer.type === 'D')?.body).toContain(letter);
    }
    // A simple Query discards it, as on a server.
    a.write(message('Q', 'select 1'));
    await a.until('Z');
    a.write(run);
    expect((await a.until('Z'))[0]?.body).toContain('26000');
    a.end();
    b.end();
  });
});

describe('transactions of several clients', () => {
  test('many implicit transactions of two roles never mix, however their bytes are cut', async () => {
    const roles = ['alice', 'bob'];
    const clients = await Promise.all(
      [...roles, ...roles].map(async (role) => ({ role, wire: await WireClient.connect(db.directory) })),
    );
    const rounds = 150;
    await Promise.all(
      clients.map(async ({ role, wire }, number) => {
        for (let round = 0; round < rounds; round++) {
          const id = number * rounds + round;
          const batch = Buffer.concat([
            execution(`select set_config('role', '${role}', true)`),
            execution(`insert into app_public.notes (id) values (${id})`),
            execution('select current_user'),
            sync,
          ]);
          const cut = 1 + ((id * 7919) % (batch.length - 1));
          wire.write(batch.subarray(0, cut));
          await new Promise((resolve) => setImmediate(resolve));
          wire.write(batch.subarray(cut));
          const answers = await wire.until('Z');
          expect(answers.findLast((answer) => answer.type === 'D')?.body).toContain(role);
        }
        wire.end();
      }),
    );
    const admin = await db.connect();
    expect(
      (
        await admin.query(
          'select author, count(*)::int as n from app_public.notes group by author order by author',
        )
      ).rows,
    ).toEqual(roles.map((author) => ({ author, n: 2 * rounds })));
    expect(await value(admin, 'select current_user')).toBe('postgres');
  });

  test('a batch whose bytes arrive one by one is one batch', async () => {
    const wire = await WireClient.connect(db.directory);
    const other = await db.connect();
    const batch = Buffer.concat([
      execution("select set_config('role', 'alice', true)"),
      execution('select current_user'),
      sync,
    ]);
    const written = wire.writeSlowly(batch);
    while (!(await Promise.race([written.then(() => true), sleep(1).then(() => false)]))) {
      expect(await value(other, 'select current_user')).toBe('postgres');
    }
    const answers = await wire.until('Z');
    expect(answers.map((answer) => answer.type).join('')).toBe('12DC12DCZ');
    expect(answers.findLast((answer) => answer.type === 'D')?.body).toContain('alice');
    wire.end();
  });

  test('several batches in one packet are answered in order', async () => {
    const wire = await WireClient.connect(db.directory);
    wire.write(
      Buffer.concat([
        message('Q', 'select 1'),
        execution('select 1/0'),
        execution('select 2'),
        sync,
        message('Q', 'select 3'),
      ]),
    );
    const answers = [...(await wire.until('Z')), ...(await wire.until('Z')), ...(await wire.until('Z'))];
    expect(answers.map((answer) => answer.type).join('')).toBe('TDCZ1EZTDCZ');
    wire.end();
  });

  test('after a Flush the client has the engine until its Sync', async () => {
    const wire = await WireClient.connect(db.directory);
    const other = await db.connect();
    wire.write(Buffer.concat([execution("select set_config('role', 'alice', true)"), message('H')]));
    await wire.until('C');
    let answered = false;
    const waiting = value(other, 'select current_user').then((name) => {
      answered = true;
      return name;
    });
    wire.write(Buffer.concat([execution('select current_user'), message('H')]));
    expect((await wire.until('C')).find((answer) => answer.type === 'D')?.body).toContain('alice');
    expect(answered).toBe(false);
    wire.write(sync);
    await wire.until('Z');
    expect(await waiting).toBe('postgres');
    wire.end();
  });

  test('an error after a Flush silences the engine until Sync, as on a server', async () => {
    const wire = await WireClient.connect(db.directory);
    wire.write(Buffer.concat([execution('select 1/0'), message('H')]));
    await wire.until('E');
    wire.write(Buffer.concat([execution('set role alice'), message('H')]));
    await sleep(50);
    wire.write(Buffer.concat([execution('set role alice'), sync]));
    expect((await wire.until('Z')).map((answer) => answer.type).join('')).toBe('Z');
    wire.write(message('Q', 'select current_user'));
    expect((await wire.until('Z')).find((answer) => answer.type === 'D')?.body).toContain('postgres');
    wire.end();
  });

  test('a client that idles in a transaction is cut off and rolled back, and the others continue', async () => {
    const [a, b] = await Promise.all([db.connect(), db.connect()]);
    await a.query('begin');
    await a.query('insert into app_public.notes (id) values (1)');
    await sleep(idleTimeoutMs - queueTimeoutMs + 100);
    // This client waits for less time than a queued batch may.
    expect(await value(b, 'select count(*) from app_public.notes')).toBe('0');
    expect(db.endings).toContain('25P03');
    expect(db.events).toContainEqual(expect.objectContaining({ kind: 'client-ended', code: '25P03' }));
  });

  test('a client that waits too long is told why, and stays connected', async () => {
    const [a, b] = await Promise.all([db.connect(), db.connect()]);
    await a.query('begin');
    const waiting = b.query({ name: 'w', text: 'select 1 as ok' });
    const busy = (async () => {
      for (const until = Date.now() + queueTimeoutMs + 400; Date.now() < until; await sleep(50)) {
        await a.query('select 1');
      }
    })();
    await expect(waiting).rejects.toMatchObject({
      code: '55P03',
      message: expect.stringMatching(
        /one transaction at a time, and another client's has been running for \d+ s/,
      ),
    });
    await busy;
    await a.query('commit');
    expect((await b.query({ name: 'w', text: 'select 1 as ok' })).rows).toEqual([{ ok: 1 }]);
  });

  test('a client that leaves within a transaction leaves nothing of it', async () => {
    const a = await db.connect();
    await a.query('begin; insert into app_public.notes (id) values (1); set role alice');
    a.connection.stream.destroy();
    const b = await db.connect();
    expect(await value(b, 'select count(*) from app_public.notes')).toBe('0');
    expect(await value(b, 'select current_user')).toBe('postgres');
  });

  test('a client that leaves before its Sync leaves nothing behind', async () => {
    const wire = await WireClient.connect(db.directory);
    wire.write(Buffer.concat([execution('insert into app_public.notes (id) values (1)'), message('H')]));
    await wire.until('C');
    wire.end();
    const b = await db.connect();
    expect(await value(b, 'select count(*) from app_public.notes')).toBe('0');
  });

  test('a failed transaction affects only its own client', async () => {
    const [a, b] = await Promise.all([db.connect(), db.connect()]);
    await a.query('begin');
    expect(await failure(a.query('select 1/0'))).toBe('22012');
    const other = value(b, 'select 1');
    expect(await failure(a.query('select 1'))).toBe('25P02');
    await a.query('rollback');
    expect(await other).toBe(1);
    expect(await value(a, 'select 2')).toBe(2);
  });
});

describe('connections', () => {
  test('encryption is declined, and newer minor versions are negotiated down', async () => {
    const wire = new WireClient(db.directory);
    wire.write(Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]));
    expect((await wire.bytes(1)).toString()).toBe('N');
    wire.write(Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x30]));
    expect((await wire.bytes(1)).toString()).toBe('N');
    wire.write(startupPacket({ user: 'postgres', database: 'postgres', '_pq_.fancy': '1' }, 0x30002));
    const [first, ...others] = await wire.until('Z');
    expect(first).toEqual({ type: 'v', body: '\0\0\0\0\0\0\0\x01_pq_.fancy\0' });
    expect(others.at(-1)?.type).toBe('Z');
    wire.end();
  });

  test.each([
    [{ user: 'alice', database: 'postgres' }, '28000'],
    [{ user: 'postgres', database: 'other' }, '3D000'],
    [{ user: 'postgres', database: 'postgres', replication: 'database' }, '0A000'],
    [{ user: 'postgres', database: 'postgres', options: '-x' }, '22023'],
    [{ user: 'postgres', database: 'postgres', client_encoding: 'LATIN1' }, '0A000'],
  ])('%o is refused with %s', async (parameters, code) => {
    const wire = new WireClient(db.directory);
    wire.write(startupPacket(parameters as Record<string, string>));
    const answers = await wire.rest();
    expect(answers[0]?.body).toContain(`SFATAL\0VFATAL\0C${code}\0`);
    expect(db.events).toContainEqual(expect.objectContaining({ kind: 'client-refused', code }));
  });

  test.each([
    ['an impossible length', Buffer.from([0x51, 0xff, 0xff, 0xff, 0xff])],
    ['a message of an unknown type', message('y')],
  ])('%s ends the connection, and only that', async (_, bytes) => {
    const wire = await WireClient.connect(db.directory);
    wire.write(bytes);
    expect((await wire.rest()).at(-1)?.body).toContain('C08P01\0');
    const a = await db.connect();
    expect(await value(a, 'select 1')).toBe(1);
  });

  test('version 2 of the protocol is refused', async () => {
    const wire = new WireClient(db.directory);
    wire.write(startupPacket({ user: 'postgres' }, 0x20000));
    expect((await wire.rest())[0]?.body).toContain('protocol version 2.0');
  });

  test.each([
    ['68 kB', 68_000],
    ['20 MB', 20_000_000],
  ])('a text of %s comes in and goes out', async (_, length) => {
    const a = await db.connect();
    const text = 'ü'.repeat(length / 2);
    const { rows } = await a.query('select $1::text as text, length($1::text) as n', [text]);
    expect(rows[0]?.n).toBe(length / 2);
    expect(rows[0]?.text === text).toBe(true);
    expect(await value(a, `select length('${text}')`)).toBe(length / 2);
  });

  test('a large result is read slowly while the database waits', async () => {
    const wire = await WireClient.connect(db.directory);
    wire.write(message('Q', "select repeat('x', 100000) from generate_series(1, 400)"));
    const answers = await wire.until('Z');
    expect(answers.filter((answer) => answer.type === 'D')).toHaveLength(400);
    wire.end();
  });
});
