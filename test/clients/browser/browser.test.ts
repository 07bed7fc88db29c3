import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Page } from 'playwright-core';
import { apiTargets } from '../../support/api-targets.ts';
import type { ApiTarget } from '../../support/api-targets.ts';
import { startApp, testToken } from '../../support/app.ts';
import type { RunningApp } from '../../support/app.ts';
import { docBlocks } from '../../support/doc-blocks.ts';
import { lacks } from '../../support/lacks.ts';
import { openPages } from './open-page.ts';
import type { Pages } from './open-page.ts';
import type { Clients } from './page.ts';

const [kind, open] = apiTargets.at(-1)!;

describe.skipIf(lacks('chromium'))(`in Chromium, on the ${kind} database`, () => {
  let target: ApiTarget;
  let app: RunningApp;
  let pages: Pages;
  let page: Page;
  let token: string;

  beforeAll(async () => {
    [target, pages, token] = await Promise.all([open(), openPages(), testToken()]);
    app = await startApp(target.database);
    page = await pages.open(pages.origins[0]);
  });
  afterAll(async () => {
    await pages?.close();
    await app?.close();
    await target?.close();
  });

  /** Runs a function of page.ts in the page. */
  const run = async <Name extends keyof Clients>(
    name: Name,
    ...args: Parameters<Clients[Name]>
  ): Promise<Awaited<ReturnType<Clients[Name]>>> => runIn(page, name, ...args);

  describe('a page of another origin uses', () => {
    test('supabase-js', async () => {
      expect(await run('supabase', app.url, token)).toEqual({
        errors: [null, null, null],
        read: { id: 'supabase' },
        count: 1,
        session: expect.stringContaining('this server has no sign-in') as string,
        channel: expect.stringMatching(/^CHANNEL_ERROR .*GET \/events/) as string,
      });
    });

    test('postgrest-js', async () => {
      expect(await run('postgrest', app.url, token)).toEqual({ status: 201, missing: 'PGRST205' });
    });

    test('urql', async () => {
      expect(await run('urql', app.url, token)).toEqual({
        error: undefined,
        ids: expect.arrayContaining(['urql']) as string[],
        refused: expect.stringContaining('Cannot query field "nothing"') as string,
      });
    });

    test('Apollo Client', async () => {
      expect(await run('apollo', app.url, token)).toContain('apollo');
    });

    test('graphql-ws', async () => {
      expect(await run('graphqlWs', app.url, token)).toBe('{"__typename":"Query"}');
    });

    test('eventsource', async () => {
      expect(await run('eventsource', app.url, token)).toBe('{"topics":["agents"]}');
    });

    test('fetch, and reads the headers of answers and refusals at every door', async () => {
      const list = await run('fetch', app.url, token, '/rest/v1/agents?order=id&limit=1&after=');
      expect(list).toMatchObject({
        status: 200,
        headers: {
          'next-cursor': expect.any(String) as string,
          'content-range': '0-0/*',
          'server-timing': expect.stringContaining('transaction') as string,
          'x-request-id': expect.any(String) as string,
        },
      });
      for (const [path, method, status] of [
        ['/rest/v1/nothing', 'GET', 404],
        ['/rest/v1/agents', 'GET', 401],
        ['/graphql', 'DELETE', 405],
        ['/events', 'GET', 401],
        ['/healthz', 'DELETE', 405],
        ['/nothing', 'GET', 404],
        ['/auth/v1/user', 'GET', 404],
      ] as const) {
        const nobody = await run('fetch', app.url, status === 401 ? null : token, path, method);
        expect([path, nobody]).toMatchObject([path, { headers: { 'x-request-id': expect.any(String) } }]);
        expect([path, (nobody as { status: number }).status]).toEqual([path, status]);
      }
    });
  });

  describe('live events, as docs/live.md shows them in a browser:', () => {
    const insertAgent = async (): Promise<void> => {
      const { status } = await app.graphql(
        token,
        `mutation { createAgent(input: {agent: {id: "${randomUUID()}", name: "n", model: "m"}}) { clientMutationId } }`,
      );
      expect(status).toBe(200);
    };
    /**
     * Runs code that passes what it hears to `seen`, in a new page, and returns the first value while agents are
     * inserted.
     */
    const firstSeen = async (code: string): Promise<unknown> => {
      const own = await pages.open(pages.origins[0]);
      try {
        const local = code.replaceAll('http://127.0.0.1:3000', app.url);
        await own.evaluate(
          `globalThis.heard = []; const seen = (what) => heard.push(what);
          void (async () => { ${local} })().catch((error) => seen(String(error)))`,
        );
        let first: unknown;
        await expect
          .poll(async () => {
            await insertAgent();
            [first] = await own.evaluate<unknown[]>('heard');
            return first;
          })
          .toBeDefined();
        return first;
      } finally {
        await own.close();
      }
    };
    const given = (its: string): string =>
      `const token = () => ${JSON.stringify(its)}; const [show, readAgain, signIn] = [seen, seen, seen];`;

    test('the package shows inserted rows, and reports the status when the token is not accepted', async () => {
      const [block = '', ...others] = await docBlocks('docs/live.md', 'js');
      expect(others).toHaveLength(1);
      const code = block.replace(/^import (.*) from '(.*)';$/m, 'const $1 = packages["$2"];');
      expect(await firstSeen(given(token) + code)).toMatchObject({
        topic: 'agents',
        operation: 'insert',
      });
      expect(await firstSeen(given('nonsense') + code)).toBe(401);
    });

    test('the few lines read the stream, even where streams cannot be iterated, as in Safari', async () => {
      const [, block = ''] = await docBlocks('docs/live.md', 'js');
      const uniterable = 'delete ReadableStream.prototype[Symbol.asyncIterator];';
      const read = `for await (const each of events('${app.url}/events', '${token}')) if (each.event === 'agents') return seen(each);`;
      expect(await firstSeen(`${uniterable}\n${block}\n${read}`)).toMatchObject({
        id: expect.any(String) as string,
        data: expect.stringContaining('"operation":"insert"') as string,
      });
    });

    test("the browser's own EventSource is refused, and gives up", async () => {
      const code = `const source = new EventSource('${app.url}/events'); source.onerror = () => seen(source.readyState);`;
      expect(await firstSeen(code)).toBe(2);
    });
  });

  test(
    'a page that is not listed gets nothing, and a listed one everything',
    { timeout: 60_000 },
    async () => {
      const [listed, stranger] = pages.origins;
      const closed = await startApp(target.database, { corsOrigins: [listed] });
      const strange = await pages.open(stranger);
      try {
        for (const path of ['/rest/v1/agents', '/graphql?query={__typename}', '/events', '/healthz']) {
          expect([path, await runIn(strange, 'fetch', closed.url, token, path)]).toEqual([
            path,
            'TypeError: Failed to fetch',
          ]);
          expect(await run('fetch', closed.url, token, path)).toMatchObject({ status: 200 });
        }
        await expect(runIn(strange, 'graphqlWs', closed.url, token)).rejects.toThrow(/evaluate/);
        expect(await run('graphqlWs', closed.url, token)).toBe('{"__typename":"Query"}');
        expect((await run('supabase', closed.url, token)).count).toBe(1);
      } finally {
        await strange.close();
        await closed.close();
      }
    },
  );
});

function runIn<Name extends keyof Clients>(
  page: Page,
  name: Name,
  ...args: Parameters<Clients[Name]>
): Promise<Awaited<ReturnType<Clients[Name]>>> {
  return page.evaluate(
    ([called, given]) => {
      const { clients } = globalThis as unknown as {
        clients: Record<string, (...all: unknown[]) => unknown>;
      };
      return clients[called]!(...given);
    },
    [name, args] as const,
  ) as Promise<Awaited<ReturnType<Clients[Name]>>>;
}
