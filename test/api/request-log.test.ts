import { connect } from 'node:net';
import { createClient } from 'graphql-ws';
import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { logRequests } from '../../src/api/request-log.ts';
import type { LogEntry } from '../../src/log.ts';
import type { Database } from '../../src/db/database.ts';
import { startApp, testToken } from '../support/app.ts';
import type { RunningApp } from '../support/app.ts';
import { migratedDatabase } from '../support/db.ts';
import type { MigratedDatabase } from '../support/db.ts';
import { serverDatabase } from '../support/server-database.ts';
import { noServer } from '../support/server.ts';

const slowMs = 400;

describe.skipIf(noServer)('the log of requests', () => {
  let fresh: MigratedDatabase;
  let database: Database;
  let app: RunningApp;
  let token: string;
  const entries: LogEntry[] = [];

  beforeAll(async () => {
    fresh = await migratedDatabase();
    database = serverDatabase(fresh.urls.api);
    app = await startApp(database, {
      onAnswered: logRequests(
        (entry) => entries.push(entry),
        () => slowMs,
      ),
    });
    token = await testToken('admin');
  });
  afterAll(async () => {
    await app?.close();
    await database?.close();
    await fresh?.drop();
  });
  afterEach(() => entries.splice(0));

  const send = (path: string, headers: Record<string, string> = {}, init: RequestInit = {}) =>
    fetch(`${app.url}${path}`, {
      ...init,
      redirect: 'manual',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
    });
  /** The entry of the request with this id, once it is there: an answer may arrive before its entry is written. */
  const entryOf = async (requestId: string): Promise<LogEntry> => {
    await expect.poll(() => entries.filter((entry) => entry.requestId === requestId)).toHaveLength(1);
    return entries.find((entry) => entry.requestId === requestId)!;
  };

  const doors: readonly {
    readonly request: string;
    readonly expected: Partial<LogEntry>;
    readonly body?: string;
    readonly headers?: Record<string, string>;
  }[] = [
    {
      request: 'GET /rest/v1/tasks?description=eq.x',
      expected: { route: '/rest/v1/tasks', status: 200, level: 'info' },
    },
    {
      request: 'POST /rest/v1/agents',
      expected: { route: '/rest/v1/agents', status: 201 },
      body: '{"id":"a","name":"A","model":"m"}',
    },
    {
      request: 'POST /rest/v1/rpc/list_api_keys',
      expected: { route: '/rest/v1/rpc/list_api_keys', status: 200 },
      body: '{}',
    },
    {
      request: 'OPTIONS /rest/v1/tasks',
      expected: { route: '/rest/v1/tasks', status: 200, method: 'OPTIONS' },
    },
    { request: 'GET /rest/v1/', expected: { route: '/rest/v1/', status: 200 } },
    {
      request: 'GET /rest/v1/nothing-of-this-name',
      expected: { route: '/rest/v1/{unknown}', status: 404, code: 'PGRST205' },
    },
    {
      request: 'GET /rest/v1/tasks?nothing=eq.1',
      expected: { route: '/rest/v1/tasks', status: 400, code: '42703' },
    },
    { request: 'MKCOL /rest/v1/tasks', expected: { method: 'OTHER', status: 405, level: 'warning' } },
    {
      request: 'GET /ops/v1/status',
      expected: { route: '/ops/v1/{unknown}', status: 403, level: 'warning' },
    },
    {
      request: 'POST /graphql',
      expected: { route: '/graphql', status: 200, code: undefined },
      body: '{"query":"{ __typename }"}',
    },
    {
      request: 'POST /graphql',
      expected: { route: '/graphql', status: 400, code: 'GRAPHQL_VALIDATION_FAILED' },
      body: '{"query":"{ x }"}',
    },
    {
      request: 'POST /ops/graphql',
      expected: { route: '/ops/graphql', status: 403, code: 'PERMISSION_DENIED' },
      body: '{}',
    },
    { request: 'HEAD /events', expected: { route: '/events', status: 200 } },
    { request: 'GET /healthz', expected: { route: '/healthz', status: 200, level: 'debug', tenantId: null } },
    { request: 'GET /readyz', expected: { route: '/readyz', status: 200, level: 'debug' } },
    { request: 'GET /favicon.ico', expected: { route: '/favicon.ico', status: 204 } },
    {
      request: 'GET /nothing/of/this/name',
      expected: { route: '{unknown}', status: 404, code: 'NOT_FOUND' },
    },
    { request: 'GET /storage/v1/x', expected: { route: '/storage/v1', status: 404, code: 'LTR404' } },
    {
      request: 'GET /rest/v1/tasks',
      expected: { route: '/rest/v1/tasks', status: 401, code: 'PGRST301', tenantId: null, role: null },
      headers: { authorization: 'Bearer forged.forged.forged' },
    },
  ];
  test.each(doors)('$request has one entry, with its id', async ({ request, expected, body, headers }) => {
    const [method = '', path = ''] = request.split(' ');
    const requestId = `door-${Math.random()}`;
    const answer = await send(
      path,
      { 'x-request-id': requestId, ...headers },
      { method, ...(body && { body }) },
    );
    await answer.text();
    const entry = await entryOf(requestId);
    expect({ code: undefined, ...entry }).toMatchObject({ event: 'request', method, ...expected });
    expect(entry.message).toContain(`${entry['method']} ${entry['route']} ${entry['status']}`);
    expect(entry['durationMs']).toBeGreaterThanOrEqual(0);
  });

  test('an entry names the tenant, the subject and the role of the token', async () => {
    await send('/rest/v1/tasks', { 'x-request-id': 'who' });
    expect(await entryOf('who')).toMatchObject({ tenantId: 'default', subject: 'test admin', role: 'admin' });
  });

  test('a slow request is a warning, a client that leaves is 499, and a failure of ours is an error', async () => {
    const locking = new Client({ connectionString: fresh.adminUrl });
    await locking.connect();
    try {
      await locking.query('begin; lock table app_public.agents in access exclusive mode');
      const slow = send('/rest/v1/agents?limit=1', { 'x-request-id': 'slow' });
      const leaving = new AbortController();
      const left = send('/rest/v1/agents?limit=1', { 'x-request-id': 'left' }, { signal: leaving.signal });
      await new Promise((resolve) => {
        setTimeout(resolve, slowMs + 50);
      });
      leaving.abort();
      await expect(left).rejects.toThrow('aborted');
      expect(await entryOf('left')).toMatchObject({ status: 499 });
      await locking.query('commit');
      await (await slow).text();
    } finally {
      await locking.end();
    }
    expect(await entryOf('slow')).toMatchObject({ level: 'warning', status: 200 });
    expect((await entryOf('slow')).message).toMatch(/, which is slow$/);
  });

  test('a stream has its entry when it ends, however long it lasted', async () => {
    const leaving = new AbortController();
    const stream = await send('/events', { 'x-request-id': 'stream' }, { signal: leaving.signal });
    await new Promise((resolve) => {
      setTimeout(resolve, slowMs + 50);
    });
    expect(entries.filter(({ requestId }) => requestId === 'stream')).toEqual([]);
    leaving.abort();
    await stream.text().catch(() => {});
    const entry = await entryOf('stream');
    expect(entry).toMatchObject({ level: 'info', route: '/events', status: 200 });
    expect(entry['durationMs']).toBeGreaterThan(slowMs);
  });

  test('a WebSocket has an entry, and so has each of its operations', async () => {
    const client = createClient({
      url: `${app.url.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      connectionParams: { authorization: `Bearer ${token}` },
    });
    const run = (query: string, requestId: string): Promise<unknown> =>
      new Promise((resolve, reject) => {
        client.subscribe(
          { query, extensions: { requestId } },
          { next: () => {}, error: reject, complete: () => resolve(null) },
        );
      });
    await run('{ __typename }', 'operation');
    await run('{ nothing }', 'refused').catch(() => {});
    expect(await entryOf('operation')).toMatchObject({ method: 'WS', route: '/graphql', status: 200 });
    expect(await entryOf('refused')).toMatchObject({ status: 400, code: 'GRAPHQL_VALIDATION_FAILED' });
    await client.dispose();
    await expect
      .poll(() => entries.filter(({ status }) => status === 101))
      .toMatchObject([{ method: 'GET', route: '/graphql', subject: 'test admin' }]);
  });

  test('a refused handshake and what is not HTTP have entries', async () => {
    const raw = (text: string): Promise<void> =>
      new Promise((resolve) => {
        const socket = connect(Number(new URL(app.url).port), '127.0.0.1');
        socket.resume().on('close', () => resolve());
        socket.write(text);
      });
    const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\nX-Request-Id: handshake\r\n';
    await raw(`GET /no-door HTTP/1.1\r\nHost: h\r\n${upgrade}\r\n`);
    expect(await entryOf('handshake')).toMatchObject({ route: '{unknown}', status: 404, code: 'NOT_FOUND' });
    await raw('HELLO\r\n\r\n');
    await expect.poll(() => entries.filter(({ code }) => code === 'LTR400')).toHaveLength(1);
  });

  test('nothing that a client sends reaches the log, except its request id', async () => {
    const secret = 'hunter2-correct-horse';
    const everywhere = [
      send(`/rest/v1/agents?name=eq.${secret}&select=${secret}`),
      send(`/rest/v1/${secret}`),
      send(`/rest/v1/rpc/${secret}?${secret}=1`),
      send('/rest/v1/agents', {}, { method: 'POST', body: JSON.stringify({ [secret]: secret }) }),
      send('/rest/v1/agents', {}, { method: 'POST', body: `{"name": "${secret}` }),
      send('/rest/v1/agents', { authorization: `Bearer ${secret}` }),
      send('/rest/v1/agents', { apikey: secret, cookie: secret, prefer: secret, accept: secret }),
      send(`/graphql?query={${secret}}`),
      send('/graphql', {}, { method: 'POST', body: JSON.stringify({ query: `{ ${secret} }` }) }),
      send(`/${secret}?${secret}`),
      send(`/events?topics=${secret}`),
      send('/events', { 'last-event-id': secret, authorization: `Basic ${secret}` }),
      send('/healthz', { 'x-request-id': `${secret} with a blank` }),
    ];
    for (const answer of everywhere) await (await answer).text();
    await expect.poll(() => entries.length).toBe(everywhere.length);
    expect(JSON.stringify(entries)).not.toContain(secret);
    expect(JSON.stringify(app.logged)).not.toContain(secret);
    expect(JSON.stringify(entries)).not.toContain(token);
  });
});
