import { readFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { apiTargets } from '../support/api-targets.ts';
import type { ApiTarget } from '../support/api-targets.ts';
import { startApp, testToken } from '../support/app.ts';
import type { RunningApp } from '../support/app.ts';

const [kind, open] = apiTargets.at(-1)!;
const page = await readFile(new URL('../../docs/doors.md', import.meta.url), 'utf8');
const section = page.split('\n## What each door has\n')[1]?.split('\n## ')[0] ?? '';
const rows = [...section.matchAll(/^\|(.*)\|$/gm)].map(([, line = '']) =>
  line.split('|').map((cell) => cell.trim()),
);
const [head = [], , ...doors] = rows;
const limit = 10_000;

/** A path that succeeds at each door, and a path that is refused there. */
const samples: Readonly<Record<string, { readonly path: string; readonly refused: string }>> = {
  REST: { path: '/rest/v1/agents', refused: '/rest/v1/nothing' },
  'its reference page': { path: '/rest/v1/.reference/start.js', refused: '/rest/v1/.reference/nothing' },
  'GraphQL over HTTP': { path: '/graphql?query={__typename}', refused: '/graphql' },
  'live events': { path: '/events', refused: '/events?topics=nothing' },
  liveness: { path: '/livez', refused: '/livez/nothing' },
  readiness: { path: '/readyz', refused: '/readyz/nothing' },
  health: { path: '/healthz', refused: '/healthz/nothing' },
  GraphiQL: { path: '/graphiql', refused: '/graphiql/static/%ff' },
  'no icon': { path: '/favicon.ico', refused: '/favicon.ico/nothing' },
  "Supabase's other services": { path: '/auth/v1/user', refused: '/auth/v1/user' },
  'any other path': { path: '/nothing', refused: '/nothing' },
};

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

describe(`the table of docs/doors.md on the ${kind} database`, () => {
  let target: ApiTarget;
  let app: RunningApp;
  let token: string;

  beforeAll(async () => {
    [target, token] = await Promise.all([open(), testToken()]);
    app = await startApp(target.database, { maxBodyBytes: limit });
  });
  afterAll(async () => {
    await app?.close();
    await target?.close();
  });

  /** Sends a request; reads only the beginning of a stream. */
  const ask = (
    path: string,
    method = 'GET',
    further: Record<string, string> = {},
    body = '',
  ): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const headers = {
        authorization: `Bearer ${token}`,
        origin: 'https://app.example',
        'x-request-id': 'my-id',
        ...further,
      };
      const outgoing = httpRequest(`${app.url}${path}`, { method, headers, agent: false }, (response) => {
        let text = '';
        const end = () => {
          resolve({ status: response.statusCode ?? 0, headers: response.headers as never, body: text });
          outgoing.destroy();
        };
        response.on('data', (chunk) => {
          text += String(chunk);
          if (path.startsWith('/events') && response.statusCode === 200) end();
        });
        response.on('end', end);
      });
      outgoing.on('error', reject);
      outgoing.end(body);
    });

  const probes: Readonly<Record<string, (path: string, refused: string) => Promise<boolean>>> = {
    CORS: async (path, refused) =>
      (await ask(path)).headers['access-control-allow-origin'] === '*' &&
      (await ask(refused)).headers['access-control-allow-origin'] === '*',
    'request id': async (path, refused) =>
      (await ask(path)).headers['x-request-id'] === 'my-id' &&
      (await ask(refused)).headers['x-request-id'] === 'my-id',
    'JSON errors': async (_path, refused) => {
      const { status, headers, body } = await ask(refused);
      const parsed = JSON.parse(body) as { message?: string; errors?: { message: string }[] };
      return (
        status >= 400 &&
        status < 500 &&
        headers['content-type'] === 'application/json; charset=utf-8' &&
        (parsed.message ?? parsed.errors?.[0]?.message) !== undefined
      );
    },
    '405 and Allow': async (path) => {
      const { status, headers } = await ask(path, 'PROPFIND');
      const options = await ask(path, 'OPTIONS');
      return (
        status === 405 && headers['allow'] !== undefined && options.headers['allow'] === headers['allow']
      );
    },
    HEAD: async (path) => {
      const [get, headed] = [await ask(path), await ask(path, 'HEAD')];
      return headed.body === '' && headed.status === get.status;
    },
    'size limit': async (path) => {
      const type = { 'content-type': 'application/json' };
      return (await ask(path.replace(/\?.*/, ''), 'POST', type, 'x'.repeat(limit + 1))).status === 413;
    },
    'Server-Timing': async (path, refused) => {
      // The page says that refusals do not have the header.
      expect((await ask(refused)).headers['server-timing']).toBeUndefined();
      return /^\w+;dur=/.test((await ask(path)).headers['server-timing'] ?? '');
    },
    'no-store': async (path) => (await ask(path)).headers['cache-control'] === 'no-store',
    'security headers': async (path, refused) => {
      const answers = [await ask(path), await ask(refused), await ask(path, 'OPTIONS')];
      return answers.every(
        ({ headers }) =>
          headers['x-content-type-options'] === 'nosniff' &&
          headers['referrer-policy'] === 'no-referrer' &&
          headers['x-frame-options'] === 'DENY' &&
          headers['cross-origin-resource-policy'] === 'cross-origin' &&
          headers['x-powered-by'] === undefined,
      );
    },
    compressed: async (path) =>
      (await ask(path, 'GET', { 'accept-encoding': 'gzip, br' })).headers['content-encoding'] !== undefined,
  };

  test('has a probe for each column, a sample for each door, and an explanation for each cell', () => {
    expect(head.slice(2)).toEqual(Object.keys(probes));
    expect(doors.map(([door]) => door)).toEqual(Object.keys(samples));
    for (const cell of doors.flatMap((cells) => cells.slice(2))) {
      expect(cell).toMatch(/^(yes|\([a-z]\))$/);
      expect(cell === 'yes' || page.includes(`\n- ${cell} `)).toBe(true);
    }
  });

  test.each(doors.map((cells) => [cells[0] ?? '', cells] as const))('is true of %s', async (door, cells) => {
    const { path, refused } = samples[door]!;
    const found: string[] = [];
    for (const name of head.slice(2)) {
      const probe = probes[name];
      if (probe) found.push(`${name}: ${(await probe(path, refused)) ? 'yes' : 'no'}`);
      else throw new Error(`column ${name} has no probe`);
    }
    expect(found).toEqual(
      head.slice(2).map((name, at) => `${name}: ${cells[at + 2] === 'yes' ? 'yes' : 'no'}`),
    );
    expect(app.logged.filter(({ level }) => level === 'error')).toEqual([]);
  });

  test('a request that offers HTTP/2, or has an unknown expectation, is answered like any other', async () => {
    const http2 = { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c', 'http2-settings': 'AAMAAABkAAQ' };
    for (const path of ['/rest/v1/agents', '/graphql?query={__typename}', '/healthz']) {
      expect([path, (await ask(path, 'GET', http2)).status]).toEqual([path, 200]);
    }
    expect((await ask('/healthz', 'GET', { expect: 'the-unexpected' })).status).toBe(200);
  });

  test("a path without REST's mount point is answered with the path that was meant", async () => {
    const hintOf = async (path: string) =>
      (JSON.parse((await ask(path)).body) as { errors: { extensions: { hint: string } }[] }).errors[0]
        ?.extensions.hint;
    expect(await hintOf('/agents?select=id')).toBe('Did you mean /rest/v1/agents?');
    expect(await hintOf('/rpc/enqueue_task')).toBe('Did you mean /rest/v1/rpc/enqueue_task?');
    expect(await hintOf('/nothing')).toContain('REST is at /rest/v1');
  });
});
