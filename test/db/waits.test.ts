import { setTimeout as pause } from 'node:timers/promises';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { ConnectionLost, DatabaseUnavailable } from '../../src/db/database.ts';
import type { PoolOptions } from '../../src/db/pool.ts';
import type { ConnectionEvent } from '../../src/db/connection-event.ts';
import type { PostgresDatabase } from '../../src/db/postgres.ts';
import { sql } from '../../src/db/statement.ts';
import { freshDatabase } from '../support/db.ts';
import type { FreshDatabase } from '../support/db.ts';
import { serverDatabase } from '../support/server-database.ts';
import { noServer, readyServer } from '../support/server.ts';
import { gateTo } from '../support/tcp-gate.ts';
import type { TcpGate, Treatment } from '../support/tcp-gate.ts';

/** What a wait may take beyond its limit. */
const secondMs = 1_000;

describe.skipIf(noServer)('behind a hostile network', { concurrent: true }, () => {
  let fresh: FreshDatabase;
  let admin: Client;

  beforeAll(async () => {
    fresh = await freshDatabase(readyServer().adminUrl);
    admin = new Client({ connectionString: fresh.url });
    await admin.connect();
  });
  afterAll(async () => {
    for (const { database, gate } of opened) {
      await database.close(0);
      await gate.shut();
    }
    await admin?.end();
    await fresh?.drop();
  });

  interface Behind {
    readonly gate: TcpGate;
    readonly database: PostgresDatabase;
    readonly events: ConnectionEvent[];
  }
  const opened = new Set<Behind>();
  /** A database behind a gate of the test's own. */
  const behindGate = async (options: Partial<PoolOptions>): Promise<Behind> => {
    const gate = await gateTo(fresh.url);
    const events: ConnectionEvent[] = [];
    const database = serverDatabase(gate.through(fresh.url), options, (event) => events.push(event));
    const behind = { gate, database, events };
    opened.add(behind);
    return behind;
  };
  /** Fails unless the work rejects, neither earlier nor later than its limit and what it may take to ask the server about it. */
  const gaveUp = async (work: Promise<unknown>, limitMs: number, askingMs = 0): Promise<unknown> => {
    const began = performance.now();
    const error = await work.then(
      () => expect.unreachable('it was answered'),
      (reason: unknown) => reason,
    );
    const tookMs = performance.now() - began;
    expect(tookMs).toBeGreaterThan(limitMs - 100);
    expect(tookMs).toBeLessThan(limitMs + askingMs + secondMs);
    return error;
  };
  const activeStatements = async (text: string): Promise<number> => {
    const { rowCount } = await admin.query(
      `select from pg_stat_activity where datname = current_database() and state = 'active' and query like $1 and pid <> pg_backend_pid()`,
      [`%${text}%`],
    );
    return rowCount ?? 0;
  };

  test.each<Treatment>(['swallow', 'stall', 'mute'])(
    'a query on a connection that is to %s has its statement timeout and the silence, and the next one is answered',
    async (treatment) => {
      const { gate, database: silent } = await behindGate({
        size: 1,
        overflow: 0,
        statementTimeoutMs: 400,
        silenceMs: 400,
      });
      await silent.query(sql`select 1`);
      expect(gate.treatPresent(treatment)).toBe(1);
      const error = await gaveUp(silent.query(sql`select 2`), 800);
      expect(error).toBeInstanceOf(ConnectionLost);
      expect(error).toMatchObject({ reason: 'silent' });
      expect(gate.lost()).toBeGreaterThan(0);
      expect((await silent.query(sql`select 3 as three`)).rows).toEqual([{ three: 3 }]);
    },
  );

  test('statements of one round trip have their timeouts together, and one of its own counts', async () => {
    const { gate, database: silent } = await behindGate({
      size: 1,
      overflow: 0,
      statementTimeoutMs: 250,
      silenceMs: 250,
    });
    await silent.query(sql`select 1`);
    gate.treatPresent('swallow');
    const three = silent.batch({}, [sql`select 1`, sql`select 2`, sql`select 3`]);
    expect(await gaveUp(three, 1_000)).toMatchObject({ reason: 'silent' });
    await silent.query(sql`select 1`);
    gate.treatPresent('swallow');
    const longer = silent.queryWith({ statement_timeout: '1s' }, sql`select 1`);
    expect(await gaveUp(longer, 1_250)).toMatchObject({ reason: 'silent' });
  });

  test('an answer that is late is waited for', async () => {
    const { gate, database: slow } = await behindGate({
      size: 1,
      overflow: 0,
      statementTimeoutMs: 400,
      silenceMs: 800,
    });
    await slow.query(sql`select 1`);
    gate.treatPresent(250);
    expect((await slow.query(sql`select 2 as two`)).rows).toEqual([{ two: 2 }]);
  });

  test('an error whose end never comes does not keep the next query waiting for ever', async () => {
    const { gate, database: silent } = await behindGate({
      size: 1,
      overflow: 0,
      statementTimeoutMs: 400,
      silenceMs: 400,
    });
    await expect(silent.query(sql`select 1 / 0`)).rejects.toMatchObject({ code: '22012' });
    gate.treatPresent('swallow');
    await gaveUp(
      silent.transaction({}, async (t) => void (await t.query(sql`select 1`))),
      800,
    );
    expect((await silent.query(sql`select 3 as three`)).rows).toEqual([{ three: 3 }]);
  });

  test('all connections of a full pool that go silent at once are replaced, and everybody is answered', async () => {
    const { gate, database: full } = await behindGate({
      size: 8,
      overflow: 0,
      // Far from what the statement takes, so that the server ends none on a busy machine.
      statementTimeoutMs: 1_000,
      silenceMs: 400,
      waitMs: 5_000,
    });
    const ask = () =>
      full.query(sql`select pg_sleep(0.05)`).then(
        () => 'answered',
        (error: unknown) => (error instanceof ConnectionLost ? error.reason : String(error)),
      );
    await Promise.all(Array.from({ length: 8 }, ask));
    expect(gate.treatPresent('swallow')).toBe(8);
    const began = performance.now();
    const outcomes = await Promise.all(Array.from({ length: 80 }, ask));
    const silent = outcomes.filter((outcome) => outcome === 'silent').length;
    // Those that rested for a moment were asked first.
    expect(silent).toBeLessThanOrEqual(8);
    expect(outcomes.filter((outcome) => outcome !== 'silent' && outcome !== 'answered')).toEqual([]);
    expect(performance.now() - began).toBeLessThan(1_400 + 400 + 2 * secondMs);
  });

  test('a statement without a time limit runs as long as the server works on it, and no longer', async () => {
    const { gate, database: patient } = await behindGate({
      size: 1,
      overflow: 0,
      statementTimeoutMs: 0,
      silenceMs: 400,
      connectMs: 1_000,
    });
    await patient.query(sql`select pg_sleep(2.2)`);
    // At once, or the connection would have rested and be asked first.
    gate.treatPresent('swallow');
    // To ask takes a connection and its statements.
    const asking = 1_000 + 2 * 400;
    expect(await gaveUp(patient.query(sql`select 1`), 1_600, asking)).toMatchObject({ reason: 'silent' });
  });

  test('a COPY into a connection that stalls is given up', async () => {
    const { gate, database: patient } = await behindGate({
      size: 1,
      overflow: 0,
      statementTimeoutMs: 0,
      silenceMs: 250,
    });
    await patient.query(sql`create table if not exists copied (line text)`);
    const endless = Readable.from(
      (function* () {
        for (;;) yield Buffer.from(`${'x'.repeat(65_535)}\n`);
      })(),
    );
    setTimeout(() => gate.treatPresent('stall'), 300);
    const copying = patient.transaction({}, (t) => t.copyFrom('copy copied from stdin', endless));
    await expect(copying).rejects.toMatchObject({ reason: 'silent' });
  });

  test.each<Treatment>(['swallow', 'stall'])(
    'a connection whose making is to %s is given up',
    async (treatment) => {
      const { gate, database: away } = await behindGate({ connectMs: 500, waitMs: 5_000 });
      gate.treatComing(treatment);
      const error = await gaveUp(away.query(sql`select 1`), 500);
      expect(error).toBeInstanceOf(DatabaseUnavailable);
      expect(error).toMatchObject({ reason: 'unreachable' });
    },
  );

  test.each([
    ['asked for TLS', Buffer.alloc(0)],
    ['in the handshake of TLS', Buffer.from('S')],
  ])('a server that falls silent when it is %s is given up', async (_, answer) => {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => answer.length > 0 && socket.write(answer));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const url = `postgres://nobody:nothing@127.0.0.1:${port}/none`;
    const away = serverDatabase(url, { ssl: { rejectUnauthorized: false }, connectMs: 500 });
    expect(await gaveUp(away.query(sql`select 1`), 500)).toMatchObject({ reason: 'unreachable' });
    await away.close();
    server.close();
  });

  test('a rested connection that does not answer a ping costs its silence once, however many there are', async () => {
    const { gate, database: rested } = await behindGate({ size: 4, overflow: 0, silenceMs: 300 });
    await Promise.all(Array.from({ length: 4 }, () => rested.query(sql`select pg_sleep(0.05)`)));
    gate.treatPresent('swallow');
    await pause(350);
    const began = performance.now();
    await rested.query(sql`select 1`);
    expect(performance.now() - began).toBeLessThan(300 + secondMs);
  });

  test('who waits for a connection waits no longer than told, whatever it is given', async () => {
    const { gate, database: rested } = await behindGate({
      size: 1,
      overflow: 0,
      silenceMs: 400,
      waitMs: 600,
    });
    await rested.query(sql`select 1`);
    gate.treatPresent('swallow');
    gate.treatComing('swallow');
    await pause(450);
    expect(await gaveUp(rested.query(sql`select 1`), 600)).toMatchObject({ reason: 'busy' });
  });

  test('a listener that hears nothing of itself is replaced, and who listens is told of the gap', async () => {
    const heard: string[] = [];
    let gaps = 0;
    const { gate, database: deaf, events } = await behindGate({ silenceMs: 250, echoMs: 500 });
    await deaf.listen(
      'news',
      (payload) => heard.push(payload),
      () => (gaps += 1),
    );
    expect(deaf.deafSince).toBeNull();
    gate.treatPresent('swallow');
    await vi.waitFor(
      async () => expect(await events.map(({ kind }) => kind)).toContain('listener-lost'),
      500 + 1_250 + secondMs,
    );
    await vi.waitFor(async () => expect(await gaps).toBe(1), 5_000);
    expect(events.map(({ kind }) => kind)).toEqual(['listener-lost', 'listener-restored']);
    expect(events[0]).toMatchObject({ error: { reason: 'silent' } });
    await admin.query(`select pg_notify('news', 'after')`);
    await vi.waitFor(async () => expect(await heard).toEqual(['after']), 5_000);
  });

  test('whoever begins to listen while the connection is lost is told of that, and not of a bug', async () => {
    const { gate, database: broken } = await behindGate({});
    await broken.listen('news', () => {});
    const treated = gate.treatPresent('swallow');
    const many = Promise.allSettled(
      Array.from({ length: 5 }, (_, n) => broken.listen(`news ${n}`, () => {})),
    );
    await pause(100);
    expect(gate.lost()).toBeGreaterThan(0);
    expect(gate.cut()).toBe(treated);
    expect(await many).toEqual(
      Array.from({ length: 5 }, () => ({ status: 'rejected', reason: expect.any(DatabaseUnavailable) })),
    );
  });

  test('a listener to which the network does not come back is known to be deaf', async () => {
    const { gate, database: deaf } = await behindGate({ silenceMs: 250, echoMs: 500, connectMs: 1_000 });
    await deaf.listen('news', () => {});
    gate.treatComing('swallow');
    gate.treatPresent('swallow');
    await vi.waitFor(async () => expect(await deaf.deafSince).not.toBeNull(), 5_000);
    gate.treatComing('pass');
    await vi.waitFor(async () => expect(await deaf.deafSince).toBeNull(), 5_000);
  });

  test('a listener that is heard is left alone, also when it is asked again before the silence is over', async () => {
    const { database: quiet, events } = await behindGate({ silenceMs: 500, echoMs: 50 });
    await quiet.listen('news', () => {});
    await pause(1_500);
    expect(events).toEqual([]);
  });

  test('closing does not wait for a server that does not answer', async () => {
    const behind = await behindGate({ size: 2, overflow: 0, statementTimeoutMs: 20_000 });
    const { gate, database: silent } = behind;
    await silent.listen('news', () => {});
    await Promise.all([silent.query(sql`select pg_sleep(0.05)`), silent.query(sql`select pg_sleep(0.05)`)]);
    const running = silent.query(sql`select pg_sleep(20)`).catch((error: unknown) => error);
    await vi.waitFor(async () => expect(await activeStatements('pg_sleep(20)')).toBe(1), 5_000);
    gate.treatPresent('swallow');
    opened.delete(behind);
    const began = performance.now();
    await silent.close(300);
    expect(performance.now() - began).toBeLessThan(300 + 2 * secondMs);
    expect(await running).toBeInstanceOf(ConnectionLost);
    await vi.waitFor(async () => expect(await activeStatements('pg_sleep(20)')).toBe(0), 5_000);
    await gate.shut();
  });
});

test('a gate passes what it is given on', async () => {
  const echo = createServer((socket) => socket.pipe(socket));
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
  const { port } = echo.address() as AddressInfo;
  const gate = await gateTo(`tcp://127.0.0.1:${port}`);
  const socket = connect(gate.port, '127.0.0.1');
  socket.write('there and back');
  expect(await new Promise((resolve) => socket.once('data', (data) => resolve(String(data))))).toBe(
    'there and back',
  );
  expect(gate.cut()).toBe(1);
  await gate.shut();
  echo.close();
});
