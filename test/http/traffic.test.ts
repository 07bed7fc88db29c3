import { request as httpRequest } from 'node:http';
import type { ClientRequest } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import type { TrafficConfig } from '../../src/config/config.ts';
import { apiTargets } from '../support/api-targets.ts';
import type { ApiTarget } from '../support/api-targets.ts';
import { startApp, testToken } from '../support/app.ts';
import type { RunningApp } from '../support/app.ts';

const [kind, open] = apiTargets[0]!;

interface Answer {
  readonly status: number;
  readonly retryAfter: string | null;
  readonly body: unknown;
}

describe(`too many requests on the ${kind} database`, { timeout: 90_000 }, () => {
  let target: ApiTarget;
  let app: RunningApp;
  let token: string;
  let otherSubject: string;

  beforeAll(async () => {
    [target, token, otherSubject] = await Promise.all([open(), testToken(), testToken('member')]);
  });
  afterEach(() => app?.close());
  afterAll(() => target?.close());

  const start = async (traffic: Partial<TrafficConfig>) => {
    app = await startApp(target.database, { traffic });
  };

  const ask = (
    path: string,
    as: string | null = token,
    headers: Record<string, string> = {},
    body?: string,
  ) =>
    new Promise<Answer>((resolve, reject) => {
      const all = { ...headers, ...(as !== null && { authorization: `Bearer ${as}` }) };
      const outgoing = httpRequest(
        `${app.url}${path}`,
        { headers: all, method: body ? 'POST' : 'GET', agent: false },
        (response) => {
          let text = '';
          const end = () => {
            const json: unknown = text.startsWith('{') ? JSON.parse(text) : text;
            resolve({
              status: response.statusCode ?? 0,
              retryAfter: response.headers['retry-after'] ?? null,
              body: json,
            });
            outgoing.destroy();
          };
          response.on('data', (chunk) => {
            text += String(chunk);
            if (text.includes('event: ready')) end();
          });
          response.on('end', end);
        },
      );
      outgoing.on('error', reject);
      outgoing.end(body);
    });

  const doors = [
    [
      '/rest/v1/agents',
      {
        code: 'LTR429',
        message: expect.stringContaining('too many requests'),
        details: null,
        hint: expect.any(String),
      },
    ],
    [
      '/graphql?query={__typename}',
      {
        errors: [
          {
            message: expect.any(String),
            extensions: { code: 'TOO_MANY_REQUESTS', hint: expect.any(String) },
          },
        ],
      },
    ],
    [
      '/events',
      {
        errors: [
          {
            message: expect.any(String),
            extensions: { code: 'TOO_MANY_REQUESTS', hint: expect.any(String) },
          },
        ],
      },
    ],
  ] as const;

  test.each([{ perSubject: 1 }, { perTenant: 1 }, { perAddress: 1 }] as const)(
    'a limit of %o a second is answered in the words of each door, and says when to come again',
    async (limits) => {
      await start(limits);
      // Two seconds at once.
      for (let i = 0; i < 2; i++) expect((await ask('/rest/v1/agents')).status).toBe(200);
      for (const [path, body] of doors) {
        // So many at once that no machine is slow enough to earn them all.
        const answers = await Promise.all(Array.from({ length: 12 }, () => ask(path)));
        const refused = answers.filter(({ status }) => status !== 200);
        expect(refused.length).toBeGreaterThan(0);
        for (const each of refused)
          expect([path, each]).toEqual([path, { status: 429, retryAfter: '1', body }]);
      }
      // Others go on, as far as the limit is not theirs, and health is never counted.
      const other = await ask('/rest/v1/agents', otherSubject);
      expect(other.status).toBe('perSubject' in limits ? 200 : 429);
      expect((await ask('/healthz', null)).status).toBe(200);
      expect(app.logged.filter(({ event }) => event === 'too-many-requests')).toHaveLength(1);
      await sleep(2_000);
      expect((await ask('/rest/v1/agents')).status).toBe(200);
    },
  );

  test('who is refused is told to the database, by tenant, subject or address, with the limit and how often', async () => {
    await target.admin.query({ text: 'delete from ops.refused_callers' });
    await start({ perSubject: 1, perAddress: 20 });
    const answers = await Promise.all(Array.from({ length: 60 }, () => ask('/rest/v1/agents')));
    const refused = answers.filter(({ status }) => status === 429).length;
    await app.close();
    const { rows } = await target.admin.query<{ caller: string; what: string; count: string }>({
      text: 'select caller, what, count::text from ops.refused_callers order by caller desc',
    });
    expect(rows).toEqual([
      {
        caller: 'tenant default, subject test service',
        what: 'requests a second',
        count: expect.any(String),
      },
      { caller: 'address 127.0.0.1', what: 'requests a second', count: expect.any(String) },
    ]);
    expect(rows.reduce((sum, { count }) => sum + Number(count), 0)).toBe(refused);
    // Another process adds to it; of what nobody may say so often, no more than the bound is kept.
    await target.admin.query({
      text: `select ops.note_refusals((
        select jsonb_agg(jsonb_build_object('caller', 'address ' || i, 'what', 'connections', 'count', -5))
          || '[{"caller": "address 127.0.0.1", "what": "requests a second", "count": 7}, {"what": "x"}]'
        from generate_series(1, 900) i))`,
    });
    await target.admin.query({
      text: `select ops.note_refusals((
        select jsonb_agg(jsonb_build_object('caller', repeat('x', 1000) || i, 'what', 'connections', 'count', 1))
          || (select jsonb_agg(jsonb_build_object('caller', 'net ' || i, 'what', 'y', 'count', 1e10::bigint)) from generate_series(1, 900) i)
        from generate_series(1, 5000) i))`,
    });
    const { rows: kept } = await target.admin.query<{ kept: number; ours: string; longest: number }>({
      text: `select count(*)::int as kept, max(length(caller)) as longest, max(count)::text as most,
        min(count)::text as least from ops.refused_callers`,
    });
    expect(kept).toEqual([{ kept: 1000, longest: 300, most: '1000000', least: '1' }]);
  });

  test('an address is counted before its token is looked at, and no header of its own changes it', async () => {
    await start({ perAddress: 2 });
    const answers = await Promise.all(
      Array.from({ length: 25 }, (_, i) =>
        ask('/rest/v1/agents', 'forged', { 'x-forwarded-for': `203.0.113.${i}` }),
      ),
    );
    const statuses = answers.map(({ status }) => status);
    expect([...new Set(statuses)].toSorted()).toEqual([401, 429]);
  });

  test('behind a proxy that is configured each client is counted for itself', async () => {
    await start({ perAddress: 2, trustedProxies: ['127.0.0.1'] });
    for (let i = 0; i < 10; i++) {
      const { status } = await ask('/rest/v1/agents', token, { 'x-forwarded-for': `203.0.113.${i}` });
      expect(status).toBe(200);
    }
    const flood = await Promise.all(
      Array.from({ length: 25 }, () =>
        ask('/rest/v1/agents', token, { 'x-forwarded-for': '1.2.3.4, 203.0.113.99' }),
      ),
    );
    expect(flood.filter(({ status }) => status === 429).length).toBeGreaterThan(0);
  });

  test('requests in progress are counted until they are answered, at REST and GraphQL together', async () => {
    await start({ requestsOfTenant: 3 });
    // Their bodies do not end, so they are in progress for as long as this test wants. One that meets a question of this test
    // is refused, and sent again.
    const held = new Set<ClientRequest>();
    const hold = (): void => {
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
      const outgoing = httpRequest(`${app.url}/graphql`, { method: 'POST', headers, agent: false });
      outgoing.on('error', () => {});
      outgoing.on('response', (refused) => {
        refused.resume();
        held.delete(outgoing);
        hold();
      });
      outgoing.write('{"query":');
      held.add(outgoing);
    };
    for (let i = 0; i < 3; i++) hold();
    await vi.waitFor(
      async () => {
        expect((await ask('/rest/v1/agents')).status).toBe(429);
        expect((await ask('/graphql?query={__typename}')).status).toBe(429);
      },
      { timeout: 30_000, interval: 50 },
    );
    for (const outgoing of held) outgoing.destroy();
    await vi.waitFor(async () => expect((await ask('/rest/v1/agents')).status).toBe(200), {
      timeout: 30_000,
      interval: 50,
    });
    for (let i = 0; i < 10; i++) expect((await ask('/rest/v1/agents')).status).toBe(200);
  });

  test('streams and WebSockets of a tenant are counted together, until they end', async () => {
    await start({ streamsOfTenant: 2 });
    const first = httpRequest(`${app.url}/events`, { headers: { authorization: `Bearer ${token}` } });
    first.on('error', () => {});
    first.end();
    await new Promise((resolve) => first.once('response', resolve));
    const socket = await webSocket();
    expect(await socket.next()).toMatchObject({ type: 'connection_ack' });
    expect((await ask('/events')).status).toBe(429);
    const refused = await webSocket();
    expect(await refused.closed).toEqual({
      code: 4429,
      reason: expect.stringMatching(/^TOO_MANY_REQUESTS: too many streams/),
    });
    first.destroy();
    socket.socket.terminate();
    await sleep(100);
    expect((await ask('/events')).status).toBe(200);
  });

  test('subscriptions of a tenant are counted, an operation too many is answered, and completing one makes room', async () => {
    await start({ subscriptionsOfTenant: 1 });
    const socket = await webSocket();
    expect(await socket.next()).toMatchObject({ type: 'connection_ack' });
    const subscribe = (id: string) =>
      socket.send({
        type: 'subscribe',
        id,
        payload: { query: 'subscription { taskChanged { operation } }' },
      });
    subscribe('one');
    await sleep(100);
    subscribe('two');
    expect(await socket.next()).toMatchObject({
      type: 'error',
      id: 'two',
      payload: [{ extensions: { code: 'TOO_MANY_REQUESTS' } }],
    });
    socket.send({ type: 'complete', id: 'one' });
    await sleep(200);
    subscribe('three');
    socket.send({ type: 'subscribe', id: 'alive', payload: { query: '{ __typename }' } });
    expect(await socket.next()).toMatchObject({ type: 'next', id: 'alive' });
    socket.socket.terminate();
  });

  test('messages of a WebSocket count as requests', async () => {
    await start({ perSubject: 2 });
    const socket = await webSocket();
    expect(await socket.next()).toMatchObject({ type: 'connection_ack' });
    for (let i = 0; i < 5; i++)
      socket.send({ type: 'subscribe', id: `q${i}`, payload: { query: '{ __typename }' } });
    const messages: { type: string; id: string }[] = [];
    while (!messages.some(({ type }) => type === 'error')) messages.push((await socket.next()) as never);
    expect(messages.find(({ type }) => type === 'error')).toMatchObject({
      id: 'q4',
      payload: [{ extensions: { code: 'TOO_MANY_REQUESTS' } }],
    });
    socket.send({ type: 'ping' });
    expect(await socket.closed).toMatchObject({ code: 4429 });
  });

  test('a handshake too many is refused with 429', async () => {
    await start({ perAddress: 1 });
    await Promise.all(Array.from({ length: 25 }, () => ask('/rest/v1/agents')));
    const socket = new WebSocket(`${app.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
    const response = await new Promise<{ statusCode?: number; headers: Record<string, unknown> }>(
      (resolve) => {
        socket.on('unexpected-response', (_request, answered) => resolve(answered as never));
        socket.on('error', () => {});
      },
    );
    expect([response.statusCode, response.headers['retry-after']]).toEqual([429, '1']);
    socket.terminate();
  });

  test('connections beyond the most of an address are closed, and those that are open are served', async () => {
    await start({ connectionsOfAddress: 3 });
    const { port } = new URL(app.url);
    const sockets = Array.from({ length: 3 }, () => connect({ host: '127.0.0.1', port: Number(port) }));
    await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('connect', resolve))));
    await sleep(50);
    await expect(ask('/healthz', null)).rejects.toThrow(/hang up|ECONNRESET|closed/);
    sockets[0]!.destroy();
    await sleep(50);
    expect((await ask('/healthz', null)).status).toBe(200);
    for (const socket of sockets) socket.destroy();
  });

  async function webSocket() {
    const socket = new WebSocket(`${app.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
    const received: unknown[] = [];
    const waiting: ((message: unknown) => void)[] = [];
    socket.on('message', (data) => {
      const message: unknown = JSON.parse(String(data));
      const next = waiting.shift();
      if (next) next(message);
      else received.push(message);
    });
    const closed = new Promise<{ code: number; reason: string }>((resolve) => {
      socket.on('close', (code, reason) => resolve({ code, reason: String(reason) }));
    });
    await new Promise((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', reject);
    });
    const send = (message: object): void => socket.send(JSON.stringify(message));
    send({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } });
    const next = (): Promise<unknown> =>
      received.length > 0
        ? Promise.resolve(received.shift())
        : new Promise((resolve) => waiting.push(resolve));
    return { socket, send, next, closed };
  }
});
