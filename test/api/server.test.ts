import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { DatabaseUnavailable } from '../../src/db/database.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { startApp, testToken } from '../support/app.ts';
import type { RunningApp } from '../support/app.ts';
import { migratedDatabase } from '../support/db.ts';
import type { MigratedDatabase } from '../support/db.ts';
import { serverDatabase } from '../support/server-database.ts';
import { noServer } from '../support/server.ts';
import { version } from '../../src/version.ts';

describe.skipIf(noServer)('the HTTP server', () => {
  let fresh: MigratedDatabase;
  let database: Database;
  let app: RunningApp;
  let readiness: () => Promise<{ ready: boolean; reason?: string }> = async () => ({ ready: true });

  beforeAll(async () => {
    fresh = await migratedDatabase();
    database = serverDatabase(fresh.urls.api);
    app = await startApp(database, { isReady: () => readiness() });
  });
  afterAll(async () => {
    await app?.close();
    await database?.close();
    await fresh?.drop();
  });

  /** The answer to bytes that no client would send. */
  const raw = (text: string): Promise<string> =>
    new Promise((resolve) => {
      const socket = connect(Number(new URL(app.url).port), '127.0.0.1');
      let answer = '';
      socket.setEncoding('utf8').on('data', (chunk: string) => (answer += chunk));
      socket.on('error', () => {}).on('close', () => resolve(answer));
      socket.write(text);
    });
  const get = (path: string, headers: Record<string, string> = {}) =>
    fetch(`${app.url}${path}`, { headers, redirect: 'manual' });

  test('/livez is fine whatever the database does, and /healthz says for people how it is', async () => {
    const health = async (headers: Record<string, string> = {}) => {
      const answer = await get('/healthz', headers);
      return [answer.status, await answer.json()];
    };
    expect(await health()).toEqual([
      200,
      {
        status: 'ok',
        version,
        uptimeSeconds: expect.any(Number),
        storage: 'kept',
        connections: expect.objectContaining({ total: expect.any(Number), waiting: 0 }),
      },
    ]);
    readiness = async () => ({ ready: false, reason: 'behind' });
    expect(await health()).toMatchObject([200, { status: 'degraded', reason: 'behind' }]);
    readiness = () => new Promise(() => {});
    expect((await get('/livez')).status).toBe(200);
    expect(await health()).toMatchObject([
      200,
      { status: 'degraded', reason: expect.stringMatching(/did not answer/) },
    ]);
    readiness = async () => ({ ready: true });
  });

  test('in production /healthz has one word for all but operators', async () => {
    const own = await startApp(database, { showsHealthToAll: false });
    const health = async (token: string | null) => {
      const headers = token === null ? {} : { authorization: `Bearer ${token}` };
      return (await fetch(`${own.url}/healthz`, { headers })).json();
    };
    for (const token of [null, 'forged', await testToken('admin'), await testToken('service')]) {
      expect(await health(token)).toEqual({ status: 'ok' });
    }
    expect(await health(await testToken('operator'))).toMatchObject({ status: 'ok', version });
    await own.close();
  });

  test('any number of looks at its health is one look at the database at a time', async () => {
    let looks = 0;
    readiness = async () => {
      looks += 1;
      await pause(100);
      return { ready: true };
    };
    const statuses = await Promise.all(Array.from({ length: 50 }, async () => (await get('/readyz')).status));
    expect(new Set(statuses)).toEqual(new Set([200]));
    // Those who came when the first had ended share the next one.
    expect(looks).toBeLessThan(5);
    readiness = async () => ({ ready: true });
  });

  test('a browser that shows an answer as a page is told once a day that there is no icon', async () => {
    for (const method of ['GET', 'HEAD']) {
      const response = await fetch(`${app.url}/favicon.ico`, { method });
      expect([response.status, await response.text()]).toEqual([204, '']);
      expect(response.headers.get('cache-control')).toBe('public, max-age=86400');
      expect(response.headers.get('content-type')).toBeNull();
    }
    expect((await fetch(`${app.url}/favicon.ico`, { method: 'POST' })).status).toBe(405);
    // Elsewhere the name is a name like any other.
    expect((await get('/rest/v1/favicon.ico')).status).toBe(404);
    expect(app.logged.filter(({ level }) => level !== 'info')).toEqual([]);
  });

  test('a URL of ten megabytes is refused in JSON, and one of 100 kilobytes is read', async () => {
    const refused = await raw(`GET /rest/v1/agents?id=in.(${'a'.repeat(10_000_000)}) HTTP/1.1\r\n\r\n`);
    expect(refused).toMatch(/^HTTP\/1\.1 431 [\s\S]*"code":"LTR431"/);
    const read = await get(`/rest/v1/agents?id=in.(${'a'.repeat(100_000)})`);
    expect([read.status, await read.json()]).toEqual([401, expect.objectContaining({ code: '42501' })]);
  });

  test('bytes that are not HTTP are refused in JSON', async () => {
    expect(await raw('HELO there\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 [\s\S]*"code":"LTR400"/);
    expect((await get('/healthz')).status).toBe(200);
  });

  test('/readyz gives the reason when it is not ready, and does not wait for a silent database', async () => {
    expect((await get('/readyz')).status).toBe(200);
    readiness = async () => ({ ready: false, reason: 'behind' });
    const behind = await get('/readyz');
    expect([behind.status, await behind.json()]).toEqual([503, { status: 'not ready', reason: 'behind' }]);
    readiness = () => new Promise(() => {});
    const before = Date.now();
    expect((await get('/readyz')).status).toBe(503);
    expect(Date.now() - before).toBeLessThan(2_000);
    readiness = async () => {
      throw new DatabaseUnavailable('connect ECONNREFUSED 10.0.0.7:5432');
    };
    const away = await get('/readyz');
    expect(away.headers.get('retry-after')).toBe('1');
    expect(await away.json()).toEqual({
      status: 'not ready',
      reason: 'the database cannot be reached at the moment',
    });
  });

  test('a sane request id is taken over, and any other is replaced', async () => {
    expect((await get('/healthz', { 'x-request-id': 'abc-1' })).headers.get('x-request-id')).toBe('abc-1');
    const made = (await get('/healthz', { 'x-request-id': 'no spaces "please"' })).headers.get(
      'x-request-id',
    );
    expect(made).toMatch(/^[\w-]+-[0-9a-z]+$/);
  });

  test('an unknown path is 404 with a code, and a PUT to /graphql is 405', async () => {
    const missing = await get('/nothing');
    expect([missing.status, await missing.json()]).toMatchObject([
      404,
      { errors: [{ extensions: { code: 'NOT_FOUND' } }] },
    ]);
    const method = await fetch(`${app.url}/graphql`, { method: 'PUT' });
    expect([method.status, method.headers.get('allow')]).toEqual([405, 'GET, HEAD, POST, OPTIONS']);
  });

  test('the server itself serves GraphiQL and everything that its page names', async () => {
    expect((await get('/')).headers.get('location')).toBe('/graphiql');
    const page = await (await get('/graphiql')).text();
    expect(page.match(/(src|href|from|import)\s*[=(]?\s*["']https?:/g)).toBeNull();
    const files = [...page.matchAll(/["'](\/graphiql\/static\/[\w.-]+)["']/g)].map((match) => match[1] ?? '');
    expect(new Set(files).size).toBeGreaterThanOrEqual(2);
    for (const file of new Set(files)) {
      const response = await get(file);
      expect([file, response.status]).toEqual([file, 200]);
      expect((await response.text()).length).toBeGreaterThan(1_000);
    }
  });

  test('a drain says no at /readyz, goes on serving, and ends each connection with its next answer', async () => {
    const own = await startApp(database);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const ask = (path: string): Promise<[status: number | undefined, connection: string | undefined]> =>
      new Promise((resolve, reject) => {
        request(`${own.url}${path}`, { agent }, (response) => {
          response.resume().on('end', () => resolve([response.statusCode, response.headers.connection]));
        })
          .on('error', reject)
          .end();
      });
    expect(await ask('/readyz')).toEqual([200, 'keep-alive']);
    const closed = own.close(1_000);
    // The connection that was kept is not reset, and new ones are accepted.
    expect(await ask('/rest/v1/')).toEqual([200, 'close']);
    for (const path of ['/graphql?query={__typename}', '/livez', '/nothing', '/graphiql']) {
      expect([path, (await ask(path))[1]]).toEqual([path, 'close']);
    }
    expect(await ask('/readyz')).toEqual([503, 'close']);
    expect(await (await fetch(`${own.url}/healthz`)).json()).toMatchObject({ status: 'draining' });
    const began = Date.now();
    await closed;
    expect(Date.now() - began).toBeGreaterThan(100);
    await expect(ask('/livez')).rejects.toThrow('ECONNREFUSED');
    agent.destroy();
  });

  test('a drain ends at once where no connection is open and nothing asks /readyz', async () => {
    const own = await startApp(database);
    await (await fetch(`${own.url}/livez`, { headers: { connection: 'close' } })).text();
    const began = Date.now();
    await own.close(2_000);
    expect(Date.now() - began).toBeLessThan(1_500);
  });

  test('closing lets a request in flight finish and accepts no new one', async () => {
    const own = await startApp(database);
    const body = JSON.stringify({ query: '{ agents { totalCount } }' });
    const authorization = `Bearer ${await testToken()}`;
    const answer = new Promise<number | undefined>((resolve, reject) => {
      const outgoing = request(`${own.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'content-length': body.length, authorization },
      });
      outgoing.on('response', (response) => resolve(response.resume().statusCode));
      outgoing.on('error', reject);
      outgoing.write(body.slice(0, 5));
      void pause(400).then(() => outgoing.end(body.slice(5)));
    });
    await pause(100);
    const closed = own.close();
    await expect(fetch(`${own.url}/healthz`)).rejects.toThrow('fetch failed');
    expect(await answer).toBe(200);
    const answeredAt = Date.now();
    await closed;
    expect(Date.now() - answeredAt).toBeLessThan(1_000);
  });

  test('closing cuts off requests that exceed the time limit', async () => {
    const own = await startApp(database, { shutdownMs: 200 });
    const cutOff = new Promise<Error>((resolve) => {
      const outgoing = request(`${own.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'content-length': 100 },
      });
      outgoing.on('error', resolve);
      outgoing.write('{');
    });
    await pause(100);
    const before = Date.now();
    await own.close();
    expect(Date.now() - before).toBeLessThan(2_000);
    expect(await cutOff).toMatchObject({ code: 'ECONNRESET' });
    expect(own.logged.filter(({ level }) => level !== 'info')).toEqual([]);
  });
});
