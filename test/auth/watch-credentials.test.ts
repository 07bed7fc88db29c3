import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from 'graphql-ws';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { claimsOf } from '../../src/auth/claims.ts';
import { fixedKeys } from '../../src/auth/token-keys.ts';
import { watchCredentials } from '../../src/auth/watch-credentials.ts';
import type { Database } from '../../src/db/database.ts';
import { asRequester } from '../../src/auth/requester.ts';
import { sql } from '../../src/db/statement.ts';
import { apiTargets } from '../support/api-targets.ts';
import type { ApiTarget } from '../support/api-targets.ts';
import { startApp, testToken } from '../support/app.ts';
import type { RunningApp } from '../support/app.ts';
import { openEvents } from '../support/event-client.ts';
import { installationIn } from '../support/installation.ts';

describe.each(apiTargets)('streams of a session that is revoked, %s', (_kind, open) => {
  let target: ApiTarget;
  let app: RunningApp;

  beforeAll(async () => {
    target = await open();
    app = await startApp(target.database);
  });
  afterAll(async () => {
    await app?.close();
    await target?.close();
  });

  const login = async (): Promise<{ session_id: string; token: string }> => {
    const service = asRequester(installationIn(target.database), claimsOf('service', 'default', 'portal'));
    const { rows } = await service.query<{ session_id: string; token: string }>(
      sql`select session_id, token from app_public.create_session('ada')`,
    );
    return rows[0]!;
  };
  const revoke = (id: string) => target.admin.query('delete from app_public.sessions where id = $1', [id]);
  /** Opens an event stream and waits until it is live. */
  const events = async (token: string) => {
    const client = await openEvents(app.url, token);
    expect(await client.next()).toMatchObject({ event: 'ready' });
    return client;
  };
  /** Opens a WebSocket and waits until it is acknowledged; `closed` settles with its end. */
  const websocket = async (token: string) => {
    const client = createClient({
      url: `${app.url.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      retryAttempts: 0,
      lazy: false,
      connectionParams: { authorization: `Bearer ${token}` },
      onNonLazyError: () => {},
    });
    const closed = new Promise<unknown>((resolve) => client.on('closed', resolve));
    await new Promise((resolve) => client.on('connected', resolve));
    return { closed, client };
  };

  test('are closed within two seconds, whatever they are, and those of others stay open', async () => {
    const [mine, others] = [await login(), await login()];
    const ends = [await events(mine.token), await events(mine.token)];
    const socket = await websocket(mine.token);
    const stay = [await events(others.token), await events(await testToken('member'))];
    await revoke(mine.session_id);
    const revokedAt = performance.now();
    for (const client of ends) {
      expect(await client.next()).toMatchObject({ event: 'end', data: { code: 'SESSION_ENDED' } });
      await client.ended;
    }
    expect(await socket.closed).toMatchObject({ code: 4401, reason: 'SESSION_ENDED' });
    // Two seconds, plus what a busy machine adds.
    expect(performance.now() - revokedAt).toBeLessThan(4_000);
    await target.admin.query(
      "insert into app_public.agents (tenant_id, id, name, model) values ('default', 'a', 'A', 'm')",
    );
    for (const client of stay) {
      expect(await client.next()).toMatchObject({ event: 'agents' });
      client.close();
    }
  });

  test('a stream that opens in the second when a revoked token still counts is closed too', async () => {
    const { token, session_id } = await login();
    // From now on the process remembers the session.
    const before = await events(token);
    await revoke(session_id);
    const after = await openEvents(app.url, token);
    for (const client of [before, after]) await client.ended;
    expect(after.events.at(-1)).toMatchObject({ event: 'end', data: { code: 'SESSION_ENDED' } });
  });

  test('cost one statement a second for all sessions together, and none without a session', async () => {
    const asked: number[] = [];
    let failing = false;
    const counting = {
      queryWith: (...request: Parameters<Database['queryWith']>) => {
        asked.push(performance.now());
        return failing ? Promise.reject(new Error('away')) : target.database.queryWith(...request);
      },
    } as Database;
    const errors: unknown[] = [];
    const sessions = watchCredentials(installationIn(counting), fixedKeys([]).watch, (error) =>
      errors.push(error),
    );
    const jwt = sessions.watch(claimsOf('member', 'default', 'ada'), () => {});
    await sleep(100);
    expect(asked).toHaveLength(0);

    const { session_id: sessionId } = await login();
    const claims = { ...claimsOf('member', 'default', 'ada'), sessionId };
    let ended = 0;
    const calledOff = sessions.watch(claims, () => (ended += 100));
    for (let i = 0; i < 50; i += 1) sessions.watch(claims, () => (ended += 1));
    await expect.poll(() => asked.length, { timeout: 5_000 }).toBeGreaterThan(1);
    expect(asked[1]! - asked[0]!).toBeGreaterThan(900);
    // A failed check ends no stream.
    failing = true;
    await expect.poll(() => errors.length, { timeout: 5_000 }).toBe(1);
    expect(ended).toBe(0);
    failing = false;
    calledOff();
    await revoke(sessionId);
    await expect.poll(() => ended, { timeout: 5_000 }).toBe(50);
    expect(errors).toHaveLength(1);
    jwt();
    await sessions.close();
  });
});
