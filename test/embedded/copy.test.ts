import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Client } from 'pg';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';
import { message, sync } from '../../src/embedded/wire.ts';
import { failure, temporaryDatabase } from './temporary-database.ts';
import type { TemporaryDatabase } from './temporary-database.ts';
import { WireClient, execution } from './wire-client.ts';

let db: TemporaryDatabase;
const idleTimeoutMs = 600;

beforeAll(async () => {
  db = await temporaryDatabase({ idleInTransactionTimeoutMs: idleTimeoutMs });
  const admin = await db.connect();
  await admin.query(`
    create role writer;
    create table public.lines (id int, line text);
    grant select, insert on public.lines to writer`);
});
afterAll(() => db.close());
beforeEach(async () => {
  await (await db.connect()).query('truncate public.lines');
});
afterEach(() => db.disconnect());

const copyIn = (
  client: Client,
  chunks: Iterable<string> | AsyncIterable<string>,
  sql = 'copy public.lines from stdin',
) => pipeline(Readable.from(chunks), client.query(copyFrom(sql)));

async function count(client: Client): Promise<number> {
  return (await client.query('select count(*)::int as n from public.lines')).rows[0]?.n;
}

describe('copy in', () => {
  test('rows that are cut anywhere arrive whole, and the connection continues', async () => {
    const client = await db.connect();
    await copyIn(client, ['1\ton', 'e\n2\ttwo\n3', '\tthree\n']);
    expect((await client.query('select * from public.lines order by id')).rows).toEqual([
      { id: 1, line: 'one' },
      { id: 2, line: 'two' },
      { id: 3, line: 'three' },
    ]);
  });

  test('works under the privileges of a role, and within its transaction', async () => {
    const client = await db.connect();
    await client.query('set role writer');
    await client.query('begin');
    await copyIn(client, ['1\tx\n']);
    expect(await count(client)).toBe(1);
    await client.query('rollback');
    expect(await count(client)).toBe(0);
    expect(await failure(copyIn(client, ['1\n'], 'copy pg_catalog.pg_class from stdin'))).toBe('42501');
    expect(await count(client)).toBe(0);
  });

  test("formats are the engine's own: csv with a header, binary", async () => {
    const client = await db.connect();
    await copyIn(client, ['id,line\n7,"a, b"\n'], 'copy public.lines from stdin with (format csv, header)');
    const chunks: Buffer[] = [];
    await pipeline(
      client.query(copyTo('copy public.lines to stdout with (format binary)')),
      new Writable({
        write: (chunk: Buffer, _encoding, done) => {
          chunks.push(chunk);
          done();
        },
      }),
    );
    await pipeline(
      Readable.from(chunks),
      client.query(copyFrom('copy public.lines from stdin with (format binary)')),
    );
    expect((await client.query('select line from public.lines')).rows).toEqual([
      { line: 'a, b' },
      { line: 'a, b' },
    ]);
  });

  test('bad data is an error, and the data after it is ignored', async () => {
    const client = await db.connect();
    const rows = Array.from({ length: 50_000 }, (_, i) => (i === 10 ? 'not a number\tx\n' : `${i}\tx\n`));
    expect(await failure(copyIn(client, rows))).toBe('22P02');
    expect(await count(client)).toBe(0);
  });

  test('a client that gives up stores nothing', async () => {
    const client = await db.connect();
    const giveUp = async function* () {
      yield '1\tx\n';
      await delay(10);
      throw new Error('out of data');
    };
    await expect(copyIn(client, giveUp())).rejects.toThrow('out of data');
    expect(await count(client)).toBe(0);
  });

  test('a client that vanishes stores nothing and does not block others', async () => {
    const client = await db.connect();
    const stream = client.query(copyFrom('copy public.lines from stdin'));
    stream.on('error', () => undefined);
    stream.write('1\tx\n');
    await delay(50);
    client.connection.stream.destroy();
    expect(await count(await db.connect())).toBe(0);
  });

  test('a client that stops in the middle is cut off after the idle timeout', async () => {
    const [client, other] = await Promise.all([db.connect(), db.connect()]);
    const stuck = async function* () {
      yield '1\tx\n';
      await delay(idleTimeoutMs * 3);
      yield '2\tx\n';
    };
    const copying = failure(copyIn(client, stuck()));
    await delay(50);
    expect(await count(other)).toBe(0);
    expect(await copying).toBe('57014');
    expect(await count(client)).toBe(0);
  });

  test('200,000 rows from 50 MB of text are stored with bounded memory', async () => {
    const client = await db.connect();
    const line = 'x'.repeat(240);
    const rows = function* () {
      for (let i = 0; i < 200_000; i += 100) {
        yield Array.from({ length: 100 }, (_, k) => `${i + k}\t${line}\n`).join('');
      }
    };
    const before = process.memoryUsage().external;
    await copyIn(client, rows());
    expect(await count(client)).toBe(200_000);
    expect(process.memoryUsage().external - before).toBeLessThan(64 * 1024 * 1024);
  });

  test('the extended protocol works as libpq uses it, with Sync before and after the data', async () => {
    const wire = await WireClient.connect(db.directory);
    wire.write(Buffer.concat([execution('copy public.lines from stdin'), sync]));
    expect((await wire.until('G')).map((answer) => answer.type).join('')).toBe('12G');
    wire.write(Buffer.concat([message('d', Buffer.from('1\tx\n')), message('c')]));
    expect((await wire.until('C')).at(-1)?.body).toBe('COPY 1\0');
    wire.write(sync);
    expect((await wire.until('Z')).at(-1)?.body).toBe('I');
    wire.write(message('Q', 'select count(*) from public.lines'));
    expect((await wire.until('Z')).map((answer) => answer.type).join('')).toBe('TDCZ');
    wire.end();
  });

  test('two copies work in the middle of a text of several statements', async () => {
    const wire = await WireClient.connect(db.directory);
    wire.write(
      message('Q', 'select 1; copy public.lines from stdin; copy public.lines from stdin; select 2'),
    );
    await wire.until('G');
    wire.write(Buffer.concat([message('d', Buffer.from('1\tx\n')), message('c')]));
    await wire.until('G');
    wire.write(Buffer.concat([message('d', Buffer.from('2\tx\n')), message('c')]));
    expect((await wire.until('Z')).map((answer) => answer.type).join('')).toBe('CTDCZ');
    wire.end();
    expect(await count(await db.connect())).toBe(2);
  });

  test('the data may follow at once, without waiting for the answer', async () => {
    const wire = await WireClient.connect(db.directory);
    wire.write(
      Buffer.concat([
        message('Q', 'copy public.lines from stdin'),
        message('d', Buffer.from('1\tx\n')),
        message('c'),
        message('Q', 'select 1'),
      ]),
    );
    const answers = [...(await wire.until('Z')), ...(await wire.until('Z'))];
    expect(answers.map((answer) => answer.type).join('')).toBe('GCZTDCZ');
    wire.end();
  });

  test('another message in the middle of the data ends the connection, but not the database', async () => {
    const wire = await WireClient.connect(db.directory);
    wire.write(message('Q', 'copy public.lines from stdin'));
    await wire.until('G');
    wire.write(message('Q', 'select 1'));
    expect((await wire.rest()).some((answer) => answer.body.includes('C08P01\0'))).toBe(true);
    expect(await count(await db.connect())).toBe(0);
  });
});

describe('copy out', () => {
  test('a large table streams to a slow reader', async () => {
    const client = await db.connect();
    await client.query(
      "insert into public.lines select i, repeat('x', 200) from generate_series(1, 200000) i",
    );
    let bytes = 0;
    await pipeline(
      client.query(copyTo('copy public.lines to stdout')),
      new Writable({
        highWaterMark: 16 * 1024,
        write: (chunk: Buffer, _encoding, done) => {
          bytes += chunk.length;
          setImmediate(done);
        },
      }),
    );
    expect(bytes).toBeGreaterThan(200_000 * 200);
    expect(await count(client)).toBe(200_000);
  });

  test('a reader that stops reading is cut off after the idle timeout, and the others continue', async () => {
    const client = await db.connect();
    await client.query(
      "insert into public.lines select i, repeat('x', 1000) from generate_series(1, 60000) i",
    );
    const stuck = await WireClient.connect(db.directory);
    stuck.stopReading();
    stuck.write(message('Q', 'copy (select * from public.lines, generate_series(1, 3)) to stdout'));
    await delay(100);
    const other = await db.connect();
    expect(await count(other)).toBe(60_000);
    expect(db.events).toContainEqual(expect.objectContaining({ kind: 'client-ended', code: '08006' }));
  });
});
