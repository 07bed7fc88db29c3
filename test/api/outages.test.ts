import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from 'graphql-ws';
import { Client, DatabaseError } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { ConnectionLost, DatabaseUnavailable } from '../../src/db/database.ts';
import type { Database } from '../../src/db/database.ts';
import { databaseErrorToAppError, outageOf } from '../../src/db/errors.ts';
import { errorCodes, outages } from '../../src/errors.ts';
import { databaseError } from '../../src/rest/response/database-error.ts';
import { errorResponse } from '../../src/rest/response/error-response.ts';
import { post, startApp, testToken } from '../support/app.ts';
import type { RunningApp } from '../support/app.ts';
import { openEvents } from '../support/event-client.ts';
import { startOwnServer } from '../support/postgres/own-server.ts';
import type { OwnServer } from '../support/postgres/own-server.ts';
import { noServer, readyServer } from '../support/server.ts';
import { serverDatabase } from '../support/server-database.ts';
import { gateTo } from '../support/tcp-gate.ts';
import type { TcpGate } from '../support/tcp-gate.ts';

const refused = (code: string, severity: 'ERROR' | 'FATAL' = 'ERROR'): DatabaseError =>
  Object.assign(new DatabaseError('what Postgres says', 0, 'error'), { code, severity });

/** One error of each kind that the table of docs/doors.md lists, by its first column. */
const examples: Readonly<Record<string, readonly Error[]>> = {
  'no connection can be made': [new DatabaseUnavailable('connect ECONNREFUSED')],
  'all connections are in use': [new DatabaseUnavailable('busy', { reason: 'busy' })],
  'the connection was lost': [new ConnectionLost('read ECONNRESET', { reason: 'cut' })],
  'no answer came in time': [new ConnectionLost('silent', { reason: 'silent' })],
  'the server ended the connection': ['57P01', '57P02', '57P03', '57P05', '08006'].map((code) =>
    refused(code, 'FATAL'),
  ),
  'too little memory, disk or connections': ['53000', '53100', '53200', '53300'].map((code) => refused(code)),
  'the statement took too long': [refused('57014')],
  'it collided with another request': ['40001', '40P01'].map((code) => refused(code)),
  'a lock was not to be had': [refused('55P03')],
};

describe('the table of outages in docs/doors.md', () => {
  test('says what each door answers', async () => {
    const page = await readFile(new URL('../../docs/doors.md', import.meta.url), 'utf8');
    const [, section = ''] = page.split('\n## When the database is away\n');
    const written = section
      .split('\n## ')[0]!
      .split('\n')
      .filter((line) => line.startsWith('| '))
      .map((line) => line.split('|').map((cell) => cell.trim()))
      .slice(1)
      .filter(([, first = '']) => !first.startsWith('-'));
    const actual = Object.entries(examples).flatMap(([what, errors]) => {
      const rows = new Set(errors.map((error) => JSON.stringify(rowOf(what, error))));
      return [...rows].map((row) => JSON.parse(row) as string[]);
    });
    expect(written).toEqual(actual);
  });

  test('has every outage', () => {
    const met = new Set(Object.values(examples).flatMap((errors) => errors.map((error) => outageOf(error))));
    met.delete(null);
    expect([...met].toSorted()).toEqual(Object.keys(outages).toSorted());
  });

  test('does not have what will be the same the next time', () => {
    expect(outageOf(refused('53400'))).toBeNull();
    expect(databaseErrorToAppError(refused('53400'))).toBeNull();
    expect(databaseError(refused('53400'), false, true)?.status).toBe(500);
  });
});

/** What the two kinds of door answer to an error, in the table's columns. */
function rowOf(what: string, error: Error): string[] {
  const rest = databaseError(error, false, true);
  const other = databaseErrorToAppError(error);
  if (rest === null || other === null) throw new Error(`${what} is an internal error`);
  const { headers } = errorResponse(rest, 'verbose');
  const retry = headers.find(([name]) => name === 'Retry-After')?.[1];
  const restCode =
    rest.code.startsWith('PGRST') || rest.code.startsWith('LTR') ? `\`${rest.code}\`` : 'SQLSTATE';
  const { status } = errorCodes[other.code];
  expect(status === 503).toBe(retry !== undefined);
  const effect =
    outageOf(error) === null ? 'no' : other.hint?.includes('may have taken effect') ? 'perhaps' : 'no';
  return [
    '',
    what,
    restCode,
    String(rest.status),
    `\`${other.code}\``,
    String(status),
    retry ?? '',
    effect,
    '',
  ];
}

interface Seen {
  readonly door: string;
  /** The code of REST or of `extensions`; null: it was answered. */
  readonly code: string | null;
  readonly status: number | null;
  readonly retryAfter: string | null;
}

describe.skipIf(noServer || !readyServer().binDirectory)(
  'while the server loses connections and restarts',
  () => {
    let server: OwnServer;
    let database: Database;
    let admin: Client;
    let gate: TcpGate;
    let app: RunningApp;
    let token: string;
    let sessionToken: string;
    const seen: Seen[] = [];
    const over = new AbortController();

    beforeAll(async () => {
      server = await startOwnServer(readyServer().binDirectory!);
      await reconnect();
      await admin.query(
        `create function app_public.nap(ms integer) returns integer language sql volatile
         as $$ select 1 from pg_catalog.pg_sleep(ms / 1000.0) $$;
       grant execute on function app_public.nap(integer) to lightning_service`,
      );
      gate = await gateTo(server.urls.api);
      database = serverDatabase(gate.through(server.urls.api), { size: 4, overflow: 16 });
      app = await startApp(database);
      token = await testToken('service');
      const session = await rest('/rpc/create_session', { user_id: 'ada', role: 'service' });
      sessionToken = ((await session.json()) as { token: string }).token;
    }, 120_000);
    afterAll(async () => {
      await app?.close();
      await database?.close(0);
      await gate?.shut();
      await admin?.end().catch(() => {});
      await server?.stop();
    });

    /** A connection for the test itself, once the server takes one. */
    const reconnect = async (): Promise<void> => {
      for (;;) {
        admin = new Client({ connectionString: server.adminUrl });
        admin.on('error', () => {});
        const connected = await admin.connect().then(
          () => true,
          () => false,
        );
        if (connected) return;
        await sleep(50);
      }
    };

    const rest = (path: string, body?: object): Promise<Response> =>
      fetch(`${app.url}/rest/v1${path}`, {
        method: body ? 'POST' : 'GET',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        ...(body && { body: JSON.stringify(body) }),
      });

    const note = (
      door: string,
      code: string | null,
      status: number | null = null,
      headers?: Headers,
    ): void => {
      seen.push({ door, code, status, retryAfter: headers?.get('retry-after') ?? null });
    };

    const restDoor = (door: string, ask: () => Promise<Response>) => async () => {
      const answer = await ask();
      const body = (await answer.json()) as { code?: string };
      note(door, answer.ok ? null : (body.code ?? ''), answer.status, answer.headers);
    };

    const graphqlDoor = (door: string, query: string) => async () => {
      const { errors, status, headers } = await post(app.url, token, JSON.stringify({ query }));
      note(door, errors?.[0]?.extensions.code ?? null, status, headers);
    };

    /** An operation over a WebSocket of its own; the first result or the end is noted. */
    const webSocketDoor = (door: string, query: string, with_: () => string) => () =>
      new Promise<void>((resolve) => {
        let closed: { code: number; reason: string } | null = null;
        const client = createClient({
          url: `${app.url.replace('http', 'ws')}/graphql`,
          webSocketImpl: WebSocket,
          retryAttempts: 0,
          connectionParams: { authorization: `Bearer ${with_()}` },
          on: { closed: (event) => (closed = event as { code: number; reason: string }) },
        });
        let timer: NodeJS.Timeout | undefined;
        const end = (code: string | null): void => {
          clearTimeout(timer);
          note(door, code);
          resolve();
          void client.dispose();
        };
        // A subscription that got through stays silent.
        if (query.startsWith('subscription')) timer = setTimeout(end, 1_000, null);
        client.subscribe<unknown>(
          { query },
          {
            next: ({ errors }) => {
              if (errors === undefined && query.startsWith('subscription')) return;
              end((errors?.[0]?.extensions?.['code'] as string | undefined) ?? null);
            },
            error: (error) => {
              const code = Array.isArray(error)
                ? (error as { extensions: { code: string } }[])[0]?.extensions.code
                : closed?.reason.split(':')[0];
              end(code ?? `an error: ${String(error)}`);
            },
            complete: () => {},
          },
        );
      });

    const eventsDoor = async (): Promise<void> => {
      const stream = await openEvents(app.url, token, { topics: 'tasks' });
      const timer = setTimeout(() => stream.close(), 1_000);
      await stream.ended;
      clearTimeout(timer);
      const last = stream.events.at(-1);
      note('events', last?.event === 'end' ? (last.data.code ?? '') : null);
    };

    const doors: readonly (() => Promise<void>)[] = [
      restDoor('rest read', () => rest('/tasks?limit=1')),
      restDoor('rest call', () => rest('/rpc/nap', { ms: 40 })),
      // What the subscribers below hear of.
      restDoor('rest write', () => rest('/rpc/enqueue_task', { description: 'x' })),
      graphqlDoor('graphql query', '{ tasks(first: 1) { totalCount nodes { id agent { id } } } }'),
      graphqlDoor('graphql mutation', 'mutation { nap(input: { ms: 40 }) { result } }'),
      webSocketDoor('websocket', 'mutation { nap(input: { ms: 40 }) { result } }', () => token),
      webSocketDoor('websocket session', '{ tasks(first: 1) { nodes { id } } }', () => sessionToken),
      webSocketDoor(
        'subscription',
        'subscription { taskChanged(id: null) { taskId task { status } } }',
        () => token,
      ),
      eventsDoor,
    ];

    test(
      'every door calls it an outage, with one code and status, and goes on',
      { timeout: 120_000 },
      async () => {
        const load = doors.flatMap((ask) =>
          [1, 2].map(async () => {
            while (!over.signal.aborted)
              await ask().catch((error: unknown) => note('the test', String(error)));
          }),
        );
        const login = decodeURIComponent(new URL(server.urls.api).username);
        const ours = `select pid from pg_stat_activity where usename = '${login}' order by random()`;
        for (let round = 0; round < 40; round++) {
          await sleep(120);
          try {
            if (round % 10 === 5) {
              // One process that crashes takes all connections with it, and the server recovers.
              const { rows } = await admin.query<{ pid: number }>(`${ours} limit 1`);
              if (rows[0]) process.kill(rows[0].pid, 'SIGKILL');
            } else if (round % 10 === 8) {
              await gate.shut();
              await sleep(100);
              await gate.open();
            } else if (round % 2 === 0) gate.cut();
            else await admin.query(`select pg_terminate_backend(pid) from (${ours}) at`);
          } catch {
            await reconnect();
          }
        }
        over.abort();
        await Promise.all(load);

        const failures = seen.filter(({ code }) => code !== null);
        const byDoor: Record<string, Record<string, number>> = {};
        for (const { door, code, status } of failures) {
          const counts = (byDoor[door] ??= {});
          const name = status === null || status === 200 ? code! : `${status} ${code}`;
          counts[name] = (counts[name] ?? 0) + 1;
        }
        const doorNames = [...new Set(seen.map(({ door }) => door))].toSorted();
        expect(doorNames).not.toContain('the test');
        // The fault struck every door.
        expect(Object.keys(byDoor).toSorted()).toEqual(doorNames);
        const known =
          /^(503 (PGRST00[012]|57P0\d|08\d\d\d|53\d\d\d)|504 PGRST003|DATABASE_(UNAVAILABLE|BUSY))$/;
        const unknown = Object.entries(byDoor).flatMap(([door, counts]) =>
          Object.entries(counts)
            .filter(([name]) => !known.test(name))
            .map(([name, n]) => `${door}: ${n} × ${name}`),
        );
        expect(unknown).toEqual([]);
        const isAway = ({ status, code }: Seen) =>
          status === 503 || (status === 200 && code === 'DATABASE_UNAVAILABLE');
        expect(failures.filter(isAway).filter(({ retryAfter }) => retryAfter !== '1')).toEqual([]);
        expect(app.logged.filter(({ event }) => event === 'internal-error')).toEqual([]);
        // Every door is open again.
        seen.splice(0);
        await expect
          .poll(
            async () => {
              seen.splice(0);
              await Promise.all(doors.map((ask) => ask()));
              return seen.filter(({ code }) => code !== null);
            },
            { timeout: 20_000 },
          )
          .toEqual([]);
        expect(seen).toHaveLength(doors.length);
      },
    );
  },
);
