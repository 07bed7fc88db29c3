import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createClient } from 'graphql-ws';
import type { Client } from 'graphql-ws';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { followKeys } from '../../src/auth/followed-keys.ts';
import type { FollowedKeys } from '../../src/auth/followed-keys.ts';
import { ownKeys, parseJwtSecret } from '../../src/auth/jwt-keys.ts';
import { signToken } from '../../src/auth/jwt.ts';
import { apiTargets } from '../support/api-targets.ts';
import type { ApiTarget } from '../support/api-targets.ts';
import { startApp } from '../support/app.ts';
import type { RunningApp } from '../support/app.ts';
import { openEvents } from '../support/event-client.ts';

const key = (kid: string) => ({ kty: 'oct', k: Buffer.from(kid.repeat(32)).toString('base64url'), kid });
const setOf = (...kids: string[]) => JSON.stringify({ keys: kids.map(key) });
const tokenOf = (kid: string) =>
  signToken(
    JSON.stringify(key(kid)),
    { role: 'service', tenantId: 'default', subject: kid, lifetimeSeconds: 3_600 },
    new Date(),
  );

let folder: string;
let target: ApiTarget;
let keys: FollowedKeys;
let app: RunningApp;
const sockets: Client[] = [];

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'lightning-removed-'));
  await putKeys('a', 'b');
  target = await apiTargets[0]![1]();
  const own = parseJwtSecret(Buffer.from(setOf('a', 'b')), ownKeys);
  keys = await followKeys(
    { own, file: path.join(folder, 'keys'), url: null, urlEverySeconds: 300 },
    () => {},
  );
  app = await startApp(target.database, { tokenKeys: keys });
});
afterAll(async () => {
  for (const socket of sockets) await socket.dispose();
  await app?.close();
  await keys?.close();
  await target?.close();
  await rm(folder, { recursive: true, force: true });
});

async function putKeys(...kids: string[]): Promise<void> {
  await writeFile(path.join(folder, 'new'), setOf(...kids));
  await rename(path.join(folder, 'new'), path.join(folder, 'keys'));
}

/** Opens a WebSocket; resolves once it is acknowledged. */
async function openSocket(
  kid: string,
): Promise<{ readonly ended: Promise<{ code: number; reason: string }> }> {
  const authorization = `Bearer ${await tokenOf(kid)}`;
  return new Promise((resolve) => {
    let end: (event: { code: number; reason: string }) => void = () => {};
    const ended = new Promise<{ code: number; reason: string }>((done) => (end = done));
    sockets.push(
      createClient({
        url: `${app.url.replace('http', 'ws')}/graphql`,
        webSocketImpl: WebSocket,
        retryAttempts: 0,
        lazy: false,
        onNonLazyError: () => {},
        connectionParams: { authorization },
        on: {
          connected: () => resolve({ ended }),
          closed: (event) => end(event as { code: number; reason: string }),
        },
      }),
    );
  });
}

test('a key that is removed ends its streams and sockets within two seconds, shuts every door to its tokens, and leaves those of others alone', async () => {
  const [tokenA, tokenB] = [await tokenOf('a'), await tokenOf('b')];
  const [streamA, streamB] = [await openEvents(app.url, tokenA), await openEvents(app.url, tokenB)];
  expect([await streamA.next(), await streamB.next()]).toMatchObject([
    { event: 'ready' },
    { event: 'ready' },
  ]);
  const [socketA, socketB] = [await openSocket('a'), await openSocket('b')];
  const statuses = async (token: string) => {
    const authorization = `Bearer ${token}`;
    const rest = await fetch(`${app.url}/rest/v1/tasks?limit=1`, { headers: { authorization } });
    return [rest.status, (await app.graphql(token, '{ tasks(first: 1) { totalCount } }')).status];
  };
  expect(await statuses(tokenA)).toEqual([200, 200]);
  expect(await statuses(tokenB)).toEqual([200, 200]);

  let others = 0;
  for (const each of [streamB.ended, socketB.ended]) void each.then(() => (others += 1));
  const removed = performance.now();
  await putKeys('b');
  const [{ code, reason }] = await Promise.all([socketA.ended, streamA.ended]);
  expect(performance.now() - removed).toBeLessThan(3_000);
  expect([code, reason]).toEqual([4401, 'SESSION_ENDED']);
  expect(streamA.events.at(-1)).toMatchObject({ event: 'end', data: { code: 'SESSION_ENDED' } });

  expect(await statuses(tokenA)).toEqual([401, 401]);
  expect((await fetch(`${app.url}/events`, { headers: { authorization: `Bearer ${tokenA}` } })).status).toBe(
    401,
  );
  expect(await statuses(tokenB)).toEqual([200, 200]);
  expect(others).toBe(0);
  streamB.close();
});
