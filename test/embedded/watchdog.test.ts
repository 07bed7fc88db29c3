import { setInterval as ticks } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Client } from 'pg';
import { message, sync } from '../../src/embedded/wire.ts';
import { emptyTemplate, failure, sleep, temporaryDatabase } from './temporary-database.ts';
import type { TemporaryDatabase } from './temporary-database.ts';
import { WireClient, execution } from './wire-client.ts';

// Statements that take too long, and engines that end.

let db: TemporaryDatabase;
let template: Uint8Array;
beforeAll(async () => {
  template = await emptyTemplate();
  db = await temporaryDatabase({ storage: 'disk', template, idleInTransactionTimeoutMs: 5000 });
  const admin = await db.connect();
  await admin.query('create table public.kept (id int primary key, note text)');
  await db.disconnect();
}, 60_000);
afterAll(() => db.close());
afterEach(async () => {
  await db.disconnect();
  db.events.length = 0;
});

/** Keeps the engine busy for longer than any test lasts, without a system call in between. */
const endless = 'select count(*) from generate_series(1, 2000000000)';
const one = async (client: Client) => (await client.query('select 1 as one')).rows[0]?.one;
const restarts = () => db.events.filter((event) => event.kind === 'engine-restarted');
/** Waits for the engine, because the client is told before the engine is back. */
async function restarted(): Promise<void> {
  await expect.poll(restarts, { timeout: 20_000 }).toHaveLength(1);
}

/** Sends a CancelRequest, as psql does on Ctrl-C. */
function cancel(client: Client) {
  const { processID, secretKey } = client as Client & { processID: number; secretKey: number };
  const wire = new WireClient(db.directory);
  wire.write(message('?', 80877102, processID, secretKey).subarray(1));
  return wire.rest();
}

describe('statement_timeout', () => {
  test('ends the statement, keeps acknowledged rows, and leaves its client connected', async () => {
    const client = await db.connect({ statement_timeout: 300 });
    const other = await db.connect();
    for (let id = 0; id < 200; id++) await client.query('insert into public.kept values ($1)', [id]);
    const began = Date.now();
    await expect(client.query(endless)).rejects.toMatchObject({
      code: '57014',
      message: 'canceling statement due to statement timeout',
    });
    expect(Date.now() - began).toBeLessThan(5000);
    // The timeout took effect: the engine is another one.
    await restarted();
    expect(restarts()).toEqual([
      expect.objectContaining({ reason: 'canceling statement due to statement timeout' }),
    ]);
    expect((await client.query('select count(*)::int as n from public.kept')).rows).toEqual([{ n: 200 }]);
    expect(await one(other)).toBe(1);
    expect(db.endings).toEqual([]);
  });

  test('applies when the client sets it, and when the same batch sets it locally', async () => {
    const client = await db.connect();
    await client.query("set statement_timeout = '200ms'");
    expect(await failure(client.query(endless))).toBe('57014');
    const patient = await WireClient.connect(db.directory, { statement_timeout: '200' });
    patient.write(
      Buffer.concat([
        execution("select set_config('statement_timeout', '0', true)"),
        execution('select pg_sleep(0.6)'),
        sync,
      ]),
    );
    expect((await patient.until('Z')).map((answer) => answer.type).join('')).toBe('12DC12DCZ');
    patient.write(message('Q', 'select pg_sleep(5)'));
    expect((await patient.until('Z')).map((answer) => answer.type).join('')).toBe('EZ');
    patient.end();
  });

  test('ends the transaction as well, and its client', async () => {
    const client = await db.connect({ statement_timeout: 300 });
    await client.query('begin');
    await client.query("insert into public.kept values (10000, 'never')");
    expect(await failure(client.query(endless))).toBe('57014');
    await expect.poll(() => db.endings).toContain('57P01');
    const other = await db.connect();
    expect((await other.query('select * from public.kept where id = 10000')).rows).toEqual([]);
  });

  test('leaves waiting clients their sessions: settings, prepared statements, LISTEN', async () => {
    const guilty = await db.connect({ statement_timeout: 400 });
    const waiting = await db.connect();
    const heard: (string | undefined)[] = [];
    waiting.on('notification', ({ payload }) => heard.push(payload));
    await waiting.query("set application_name = 'mine'; listen jobs");
    await waiting.query('prepare p as select 2 as two');
    await waiting.query({ name: 'x', text: 'select 1 as one' });
    const ended = failure(guilty.query(endless));
    await sleep(50);
    const answer = waiting.query({ name: 'x', text: 'select 1 as one' });
    expect(await ended).toBe('57014');
    expect((await answer).rows).toEqual([{ one: 1 }]);
    expect((await waiting.query('show application_name')).rows).toEqual([{ application_name: 'mine' }]);
    expect((await waiting.query('execute p')).rows).toEqual([{ two: 2 }]);
    await guilty.query("notify jobs, 'still there'");
    await expect.poll(() => heard, { timeout: 10_000 }).toEqual(['still there']);
    await restarted();
    expect(db.endings).toEqual([]);
  });
});

describe('cancellation', () => {
  test('ends the running statement of the client that it names', async () => {
    const client = await db.connect();
    const running = client.query(endless).catch((error: unknown) => error);
    await sleep(200);
    await cancel(client);
    expect(await running).toMatchObject({
      code: '57014',
      message: 'canceling statement due to user request',
    });
    expect(await one(client)).toBe(1);
    await restarted();
  });

  test('of a waiting statement does not touch the running one', async () => {
    const [holder, waiting] = await Promise.all([db.connect(), db.connect()]);
    await holder.query('begin');
    const waits = failure(waiting.query('select 1'));
    await sleep(100);
    await cancel(waiting);
    expect(await waits).toBe('57014');
    expect(await one(holder)).toBe(1);
    await holder.query('commit');
    expect(restarts()).toEqual([]);
  });

  test('has no effect with a wrong key', async () => {
    const client = await db.connect();
    const running = client.query('select pg_sleep(0.5), 1 as one');
    await sleep(100);
    const wire = new WireClient(db.directory);
    const { processID } = client as Client & { processID: number };
    wire.write(message('?', 80877102, processID, 1).subarray(1));
    await wire.rest();
    expect((await running).rows[0]?.one).toBe(1);
    expect(restarts()).toEqual([]);
  });
});

describe('an engine that ends by itself', () => {
  // PGlite does not have conversion modules: calling one throws an exception of JavaScript, not an error of Postgres.
  const crash = "select set_config('client_encoding', 'LATIN1', true); select 'é'";

  test('is started again, tells the client that caused it, and loses nothing acknowledged', async () => {
    const [client, bystander, inTransaction] = await Promise.all([db.connect(), db.connect(), db.connect()]);
    await client.query("insert into public.kept values (20000, 'kept')");
    await expect(client.query(crash)).rejects.toMatchObject({
      code: '58000',
      message: expect.stringContaining('crashed while it ran this statement'),
    });
    await restarted();
    expect(await one(bystander)).toBe(1);
    expect((await client.query('select note from public.kept where id = 20000')).rows).toEqual([
      { note: 'kept' },
    ]);
    await inTransaction.query("begin; insert into public.kept values (20001, 'never')");
    expect(await failure(inTransaction.query(crash))).toBe('58000');
    await expect.poll(() => db.endings).toContain('57P01');
    expect((await client.query('select note from public.kept where id = 20001')).rows).toEqual([]);
  });

  test('survives deep recursion, which is an error of Postgres', async () => {
    const client = await db.connect();
    const nested = `${'['.repeat(40_000)}${']'.repeat(40_000)}`;
    expect(await failure(client.query(`select '${nested}'::jsonb`))).toBe('54001');
    await client.query(
      "create or replace function public.forever(int) returns int language plpgsql as 'begin return public.forever($1 + 1); end'",
    );
    expect(await failure(client.query('select public.forever(1)'))).toBe('54001');
    expect(restarts()).toEqual([]);
  });

  test(
    'is given up when it ends again and again, with an event that says so',
    { timeout: 60_000 },
    async () => {
      const doomed = await temporaryDatabase({ storage: 'disk', template });
      const client = await doomed.connect();
      await client.query('create table public.kept as select 1 as one');
      const codes: (string | undefined)[] = [];
      while (!doomed.events.some((event) => event.kind === 'engine-failed'))
        codes.push(await failure(client.query(crash)));
      expect(codes.length).toBeGreaterThan(3);
      expect(new Set(codes)).toEqual(new Set(['58000']));
      expect(await failure(doomed.connect())).toBe('57P03');
      await doomed.disconnect();
      await doomed.embedded.close();
      const again = await temporaryDatabase({ storage: 'disk', dataDirectory: doomed.directory });
      expect((await (await again.connect()).query('select one from public.kept')).rows).toEqual([{ one: 1 }]);
      await again.disconnect();
      await again.close();
    },
  );

  test('loses everything in memory, and tells every client', async () => {
    const memory = await temporaryDatabase({ template });
    const [client] = await Promise.all([memory.connect(), memory.connect()]);
    expect(await failure(client.query(crash))).toBe('58000');
    await expect.poll(() => memory.events).toContainEqual(expect.objectContaining({ kind: 'engine-failed' }));
    await expect.poll(() => memory.endings).toEqual(['57P03', '57P03']);
    await memory.disconnect();
    await memory.close();
  }, 60_000);
});

describe('while a statement runs', () => {
  test('for ten seconds, the process answers at all times', { timeout: 60_000 }, async () => {
    const client = await db.connect();
    const began = Date.now();
    const running = failure(client.query(endless));
    // Counts what the thread itself computed in a gap between two ticks: the machine may have other work.
    let longestMs = 0;
    let last = { at: began, cpu: process.threadCpuUsage() };
    for await (const _ of ticks(10)) {
      const now = { at: Date.now(), cpu: process.threadCpuUsage() };
      const computedMs = (now.cpu.user + now.cpu.system - last.cpu.user - last.cpu.system) / 1000;
      longestMs = Math.max(longestMs, Math.min(now.at - last.at, computedMs));
      last = now;
      if (now.at - began > 10_000) break;
    }
    expect(longestMs).toBeLessThan(200);
    // The statement ran all the time, until it was cancelled.
    await cancel(client);
    expect(await running).toBe('57014');
    await restarted();
  });
});
