import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { apiTargets } from '../support/api-targets.ts';
import type { ApiTarget } from '../support/api-targets.ts';
import { startApp, testToken } from '../support/app.ts';
import type { RunningApp } from '../support/app.ts';
import { countingDatabase } from '../support/counting-database.ts';
import type { CountingDatabase } from '../support/counting-database.ts';
import { bombs, requestOf } from './bombs.ts';
import type { GraphqlBomb } from './bombs.ts';

const graphqlBombs = bombs.filter((bomb) => bomb.door === 'graphql');

describe.each(apiTargets.slice(0, 1))(
  'a request that is small to send and large to answer, %s',
  (_kind, open) => {
    let target: ApiTarget;
    let counting: CountingDatabase;
    let app: RunningApp;
    let callers: readonly (readonly [name: string, token: string | null])[];

    beforeAll(async () => {
      target = await open();
      counting = countingDatabase(target.database);
      app = await startApp(counting.database, { maxBodyBytes: 10_485_760 });
      callers = [
        ['a member', await testToken('member')],
        ['nobody', null],
      ];
    });
    afterAll(async () => {
      await app?.close();
      await target?.close();
    });

    const post = async (path: string, token: string | null, body?: string, type = 'application/json') => {
      const response = await fetch(`${app.url}${path}`, {
        method: body === undefined ? 'GET' : 'POST',
        headers: { 'content-type': type, ...(token !== null && { authorization: `Bearer ${token}` }) },
        ...(body !== undefined && { body }),
      });
      return { status: response.status, text: await response.text() };
    };

    test('is refused with its code over HTTP, and never reaches the database', async () => {
      const wrong: string[] = [];
      const before = counting.ofRequests();
      for (const [name, token] of callers) {
        for (const bomb of bombs) {
          const { status, text } =
            bomb.door === 'graphql'
              ? await post('/graphql', token, requestOf(bomb))
              : await post(`/rest/v1${bomb.path}`, token, bomb.body, bomb.contentType);
          if (status < 400 || status >= 500 || !text.includes(`"${bomb.code}"`))
            wrong.push(`${bomb.name}, by ${name}: ${status} ${text.slice(0, 200)}`);
        }
      }
      expect(wrong).toEqual([]);
      expect(counting.ofRequests()).toBe(before);
      expect(app.logged.filter(({ level }) => level === 'error')).toEqual([]);
    });

    test('is refused with its code over a WebSocket of any origin', async () => {
      const before = counting.ofRequests();
      for (const [name, token] of callers) {
        const wrong = await sendOverOneSocket(app.url, token, graphqlBombs);
        expect([name, wrong]).toEqual([name, []]);
      }
      expect(counting.ofRequests()).toBe(before);
      expect(app.logged.filter(({ level }) => level === 'error')).toEqual([]);
    });

    test('does not keep the same caller from a request that fits', async () => {
      const { status, text } = await post(
        '/graphql',
        callers[0]?.[1] ?? null,
        '{"query": "{ agents { totalCount } }"}',
      );
      expect([status, text]).toEqual([200, '{"data":{"agents":{"totalCount":0}}}']);
      expect(counting.ofRequests()).toBeGreaterThan(0);
    });
  },
);

/** The bombs that were not refused as expected. */
async function sendOverOneSocket(
  url: string,
  token: string | null,
  sent: readonly GraphqlBomb[],
): Promise<string[]> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', {
    origin: 'https://elsewhere.example',
  });
  const wrong: string[] = [];
  try {
    await new Promise<void>((resolve, reject) => {
      let answered = 0;
      socket.once('error', reject);
      socket.once('close', (code, reason) => reject(new Error(`closed: ${code} ${String(reason)}`)));
      socket.once('open', () => {
        const payload = token === null ? {} : { authorization: `Bearer ${token}` };
        socket.send(JSON.stringify({ type: 'connection_init', payload }));
      });
      socket.on('message', (data: Buffer) => {
        const { type, id } = JSON.parse(String(data)) as { type: string; id?: string };
        if (type === 'connection_ack') {
          for (const [index, bomb] of sent.entries())
            socket.send(`{"type": "subscribe", "id": "${index}", "payload": ${requestOf(bomb)}}`);
          return;
        }
        const bomb = sent[Number(id)];
        if (type !== 'error' || bomb === undefined || !String(data).includes(`"${bomb.code}"`))
          wrong.push(`${bomb?.name}: ${String(data).slice(0, 200)}`);
        if (++answered === sent.length) resolve();
      });
    });
  } finally {
    socket.removeAllListeners('close').close();
  }
  return wrong;
}
