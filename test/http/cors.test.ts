import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import type { Database } from '../../src/db/database.ts';
import { makeCorsPolicy } from '../../src/http/cors.ts';
import { startApp, testToken } from '../support/app.ts';
import type { RunningApp } from '../support/app.ts';
import { migratedDatabase } from '../support/db.ts';
import type { MigratedDatabase } from '../support/db.ts';
import { serverDatabase } from '../support/server-database.ts';
import { noServer } from '../support/server.ts';

const page = 'https://app.example';
const stranger = 'https://elsewhere.example';

describe('the policy', () => {
  const preflight = { origin: page, 'access-control-request-method': 'POST' };

  test('lets a page on a public address into a private network only if it asks', () => {
    const { crossOrigin } = makeCorsPolicy(null);
    const asked = { ...preflight, 'access-control-request-private-network': 'true' };
    expect(crossOrigin('OPTIONS', asked).preflight).toContainEqual([
      'Access-Control-Allow-Private-Network',
      'true',
    ]);
    expect(JSON.stringify(crossOrigin('OPTIONS', preflight).preflight)).not.toContain('Private-Network');
  });

  test('treats a preflight for an unknown method as any OPTIONS request', () => {
    const odd = { origin: page, 'access-control-request-method': 'TRACE' };
    expect(makeCorsPolicy(null).crossOrigin('OPTIONS', odd).preflight).toBeNull();
  });

  test('does not take another origin for a listed one', () => {
    const { crossOrigin, allowsWebSocket } = makeCorsPolicy([page]);
    for (const origin of [
      `${page}.evil.example`,
      `${page}:8443`,
      'http://app.example',
      `${page}/`,
      'null',
      '',
    ]) {
      expect(crossOrigin('GET', { origin }).headers).toEqual([['Vary', 'Origin']]);
      expect(crossOrigin('OPTIONS', { ...preflight, origin }).preflight).toBeNull();
      expect([origin, allowsWebSocket({ origin, host: 'api.example' })]).toEqual([origin, false]);
    }
  });

  test("opens WebSockets for programs, for listed pages and for the server's own pages", () => {
    const { allowsWebSocket } = makeCorsPolicy([page]);
    expect(allowsWebSocket({ host: 'api.example' })).toBe(true);
    expect(allowsWebSocket({ origin: page, host: 'api.example' })).toBe(true);
    expect(allowsWebSocket({ origin: 'https://api.example', host: 'api.example' })).toBe(true);
    expect(allowsWebSocket({ origin: 'https://api.example:1', host: 'api.example' })).toBe(false);
    expect(makeCorsPolicy(null).allowsWebSocket({ origin: stranger, host: 'api.example' })).toBe(true);
  });
});

describe.skipIf(noServer)('a page of another origin', () => {
  let fresh: MigratedDatabase;
  let database: Database;
  let open: RunningApp;
  let listed: RunningApp;
  let token: string;

  beforeAll(async () => {
    fresh = await migratedDatabase();
    database = serverDatabase(fresh.urls.api);
    [open, listed] = [await startApp(database), await startApp(database, { corsOrigins: [page] })];
    token = await testToken();
  });
  afterAll(async () => {
    await open?.close();
    await listed?.close();
    await database?.close();
    await fresh?.drop();
  });

  /** Each door, with an answer and with a refusal. */
  const requests: readonly (readonly [what: string, method: string, path: string, status: number])[] = [
    ['REST', 'GET', '/rest/v1/agents', 200],
    ['REST', 'GET', '/rest/v1/nothing', 404],
    ['REST', 'PROPFIND', '/rest/v1/agents', 405],
    ['the reference of REST', 'GET', '/rest/v1/.reference/start.js', 200],
    ['GraphQL', 'POST', '/graphql', 200],
    ['GraphQL', 'PUT', '/graphql', 405],
    ['live changes', 'GET', '/events', 200],
    ['live changes', 'GET', '/events?topics=nothing', 400],
    ['liveness', 'GET', '/livez', 200],
    ['health', 'GET', '/healthz', 200],
    ['readiness', 'GET', '/readyz', 200],
    ['GraphiQL', 'GET', '/graphiql', 200],
    ['no icon', 'GET', '/favicon.ico', 204],
    ['an unknown path', 'GET', '/nothing', 404],
    ['an unknown path', 'POST', '/', 405],
  ];

  const ask = async (app: RunningApp, method: string, path: string, headers: Record<string, string>) => {
    const abort = new AbortController();
    const answer = await fetch(`${app.url}${path}`, {
      method,
      headers,
      signal: abort.signal,
      redirect: 'manual',
      ...(method === 'POST' && { body: '{"query": "{ agents { totalCount } }"}' }),
    });
    abort.abort();
    return answer;
  };
  const authorized = (origin: string) => ({
    origin,
    authorization: `Bearer ${token}`,
    'content-type': 'application/json',
  });

  test.each(requests)('may read the answer of %s to %s %s (%i)', async (_what, method, path, status) => {
    const any = await ask(open, method, path, authorized(page));
    expect([any.status, any.headers.get('access-control-allow-origin')]).toEqual([status, '*']);
    expect(any.headers.get('access-control-expose-headers')).toContain('X-Request-Id');
    expect(any.headers.get('access-control-allow-credentials')).toBeNull();
    const named = await ask(listed, method, path, authorized(page));
    expect([named.status, named.headers.get('access-control-allow-origin')]).toEqual([status, page]);
    expect(named.headers.get('access-control-allow-credentials')).toBe('true');
    expect(named.headers.get('vary')).toMatch(/\bOrigin\b/);
    const other = await ask(listed, method, path, authorized(stranger));
    expect([other.status, other.headers.get('access-control-allow-origin')]).toEqual([status, null]);
    expect(other.headers.get('vary')).toMatch(/\bOrigin\b/);
  });

  test.each(requests)(
    'may read the refusal of an invalid token at %s (%s %s)',
    async (_what, method, path) => {
      const answer = await ask(open, method, path, { ...authorized(page), authorization: 'Bearer nonsense' });
      expect(answer.headers.get('access-control-allow-origin')).toBe('*');
    },
  );

  test.each([...new Set(requests.map(([, , path]) => path))])('is let through to %s', async (path) => {
    const headers = {
      origin: page,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization,x-anything',
    };
    const any = await fetch(`${open.url}${path}`, { method: 'OPTIONS', headers });
    expect([any.status, await any.text()]).toEqual([200, '']);
    expect(Object.fromEntries(any.headers)).toMatchObject({
      'access-control-allow-origin': '*',
      'access-control-allow-headers': 'authorization,x-anything',
      'access-control-allow-methods': expect.stringContaining('POST') as string,
      'access-control-max-age': '86400',
    });
    const refused = await ask(listed, 'OPTIONS', path, { ...headers, origin: stranger });
    expect(refused.headers.get('access-control-allow-origin')).toBeNull();
    expect(refused.headers.get('access-control-allow-methods')).toBeNull();
  });

  const handshake = (app: RunningApp, path: string, origin: string): Promise<string> =>
    new Promise((resolve) => {
      const socket = new WebSocket(`${app.url.replace('http', 'ws')}${path}`, 'graphql-transport-ws', {
        origin,
      });
      socket.on('open', () => {
        socket.terminate();
        resolve('open');
      });
      socket.on('unexpected-response', (_request, response) => {
        let text = '';
        response
          .on('data', (data) => (text += String(data)))
          .on('end', () => resolve(`${response.statusCode} ${text}`));
      });
    });

  test('opens a WebSocket if it may use the API', async () => {
    expect(await handshake(open, '/graphql', stranger)).toBe('open');
    expect(await handshake(listed, '/graphql', page)).toBe('open');
    expect(await handshake(listed, '/graphql/', listed.url)).toBe('open');
    expect(await handshake(listed, '/graphql', stranger)).toMatch(/^403 .*ORIGIN_NOT_ALLOWED.*CORS_ORIGINS/);
    expect(await handshake(listed, '/nothing', page)).toMatch(
      /^404 .*no WebSocket is served at \/nothing.*NOT_FOUND/,
    );
  });

  test('may read that its URL is too long', async () => {
    const socket = connect(Number(new URL(open.url).port), '127.0.0.1');
    let answer = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => (answer += chunk));
    const closed = new Promise((resolve) => socket.on('error', () => {}).on('close', resolve));
    socket.write(`GET /rest/v1/agents?id=in.(${'a'.repeat(200_000)}) HTTP/1.1\r\nOrigin: ${page}\r\n\r\n`);
    await closed;
    expect(answer).toMatch(/^HTTP\/1\.1 431 .*\r\nAccess-Control-Allow-Origin: \*\r\n[\s\S]*LTR431/s);
    expect(answer).toMatch(/X-Request-Id: \S+/);
  });
});
