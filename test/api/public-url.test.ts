import { once } from 'node:events';
import { createServer, request as ask } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeCorsPolicy } from '../../src/http/cors.ts';
import { apiTargets } from '../support/api-targets.ts';
import type { ApiTarget } from '../support/api-targets.ts';
import { startApp, testToken } from '../support/app.ts';
import type { RunningApp } from '../support/app.ts';
import { testRolePrefix } from '../support/logins.ts';

const [, open] = apiTargets[0]!;

/** A reverse proxy that serves the API under `prefix`, removes that part, and names its own host to the API. */
async function startProxy(
  prefix: string,
): Promise<{ server: Server; url: string; lead: (to: string) => void }> {
  let target = '';
  const server = createServer((incoming, response) => {
    const path = incoming.url ?? '/';
    if (!path.startsWith(`${prefix}/`)) return response.writeHead(404).end('not the API');
    const { hostname, port } = new URL(target);
    const outgoing = ask(
      {
        hostname,
        port,
        path: path.slice(prefix.length),
        method: incoming.method,
        headers: { ...incoming.headers, host: 'inside' },
      },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      },
    );
    return incoming.pipe(outgoing);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}${prefix}`;
  return { server, url, lead: (to) => void (target = to) };
}

describe.each([
  ['at the root of its host', ''],
  ['behind a proxy that removes /lightning', '/lightning'],
  ['behind a proxy that removes /a/b c', '/a/b%20c'],
])('every address that the API gives out leads to its place, %s', (_, prefix) => {
  let target: ApiTarget;
  let app: RunningApp;
  let proxy: Awaited<ReturnType<typeof startProxy>> | null;
  let url: string;
  let headers: Record<string, string>;

  beforeAll(async () => {
    target = await open();
    await target.admin.query(`
      create table app_public."odd name/ü" (id int primary key);
      grant select, insert on app_public."odd name/ü" to ${testRolePrefix}_service`);
    proxy = prefix === '' ? null : await startProxy(prefix);
    app = await startApp(target.database, proxy === null ? {} : { publicUrl: proxy.url });
    proxy?.lead(app.url);
    url = proxy?.url ?? app.url;
    headers = { authorization: `Bearer ${await testToken()}`, 'content-type': 'application/json' };
  }, 60_000);
  afterAll(async () => {
    await app?.close();
    proxy?.server.close();
    await target?.close();
  });
  const get = (address: string) => fetch(new URL(address, `${url}/`), { headers });

  test.each([
    ['agents', { id: 'a/b c', name: 'n', model: 'm' }],
    ['odd name/ü', { id: 7 }],
  ])('Location and Content-Location of %s', async (relation, row) => {
    const made = await fetch(`${url}/rest/v1/${encodeURIComponent(relation)}`, {
      method: 'POST',
      headers: { ...headers, prefer: 'return=headers-only' },
      body: JSON.stringify(row),
    });
    expect(made.status).toBe(201);
    const found = await get(made.headers.get('location') ?? '');
    expect([found.status, await found.json()]).toMatchObject([200, [row]]);
    const again = await get(found.headers.get('content-location') ?? '');
    expect([again.status, await again.json()]).toMatchObject([200, [row]]);
  });

  test('the address in the OpenAPI document', async () => {
    const document = (await (await get(`${url}/rest/v1/`)).json()) as { servers: { url: string }[] };
    const served = await fetch(`${document.servers[0]!.url}/agents?limit=1`, { headers });
    expect(served.status).toBe(200);
  });

  test('the first page, and everything that it loads and asks', async () => {
    const first = await fetch(`${url}/`);
    expect([first.status, first.headers.get('content-type')]).toEqual([
      200,
      expect.stringContaining('text/html'),
    ]);
    const page = await first.text();
    const config = /\{[^{}]*"endpoint":\s*"([^"]+)"[^{}]*\}/.exec(page);
    expect(config, page.slice(0, 2_000)).not.toBeNull();
    const answer = await fetch(new URL(config![1]!, first.url), {
      method: 'POST',
      headers,
      body: JSON.stringify({ query: '{ __typename }' }),
    });
    expect(await answer.json()).toEqual({ data: { __typename: 'Query' } });
    expect(JSON.parse(config![0]!).subscriptionEndpoint).toBe(config![1]);
    await expectLoads(page, first.url);
  });

  test('the reference page, and everything that it loads', async () => {
    const page = await fetch(`${url}/rest/v1/`, { headers: { accept: 'text/html' } });
    const html = await page.text();
    await expectLoads(html, page.url);
    expect((await get(/data-url="([^"]+)"/.exec(html)![1]!)).status).toBe(200);
  });

  test('the hint of a path that does not exist', async () => {
    const { errors } = (await (await get(`${url}/agents`)).json()) as {
      errors: { extensions: { hint: string } }[];
    };
    const meant = /Did you mean (\S+)\?$/.exec(errors[0]!.extensions.hint)?.[1];
    expect((await get(meant ?? 'missing')).status).toBe(200);
  });

  async function expectLoads(html: string, base: string): Promise<void> {
    const files = [...html.matchAll(/(?:src|href)="([^"]+)"/g)]
      .map(([, file]) => file!)
      .filter((file) => !file.startsWith('data:'));
    expect(files.length).toBeGreaterThan(0);
    for (const file of files) {
      const { status } = await fetch(new URL(file, base));
      expect([file, status]).toEqual([file, 200]);
    }
  }
});

test('a WebSocket is open to the pages of the public address, though a proxy names another host', () => {
  const { allowsWebSocket } = makeCorsPolicy(['https://app.example'], 'https://api.example');
  expect(allowsWebSocket({ origin: 'https://api.example', host: 'inside:3000' })).toBe(true);
  expect(allowsWebSocket({ origin: 'https://evil.example', host: 'inside:3000' })).toBe(false);
});
