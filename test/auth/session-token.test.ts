import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeVerifySession } from '../../src/auth/session-token.ts';
import { TokenError } from '../../src/auth/token-error.ts';
import { post, startApp, testToken } from '../support/app.ts';
import type { RunningApp } from '../support/app.ts';
import { apiTargets } from '../support/api-targets.ts';
import type { ApiTarget } from '../support/api-targets.ts';
import { installationIn } from '../support/installation.ts';

const tenant = 'default';

describe.each(apiTargets)('the token of a session as a bearer token, %s', (_, open) => {
  let target: ApiTarget;
  let app: RunningApp;
  let service: string;

  beforeAll(async () => {
    target = await open();
    app = await startApp(target.database);
    service = await testToken('service', tenant);
  }, 120_000);
  afterAll(async () => {
    await app?.close();
    await target?.close();
  });

  const rest = async (token: string | null, path: string, body?: object) => {
    const response = await fetch(`${app.url}/rest/v1${path}`, {
      method: body ? 'POST' : 'GET',
      headers: {
        ...(token !== null && { authorization: `Bearer ${token}` }),
        ...(body && { 'content-type': 'application/json' }),
      },
      ...(body && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: JSON.parse(text || 'null') };
  };
  /** Opens a session through REST, as a service does. */
  const login = async (user: string, more: object = {}) => {
    const { status, body } = await rest(service, '/rpc/create_session', { user_id: user, ...more });
    if (status !== 200) throw new Error(JSON.stringify(body));
    return body as { session_id: string; token: string };
  };
  const subjectOf = async (token: string) => {
    const found = await rest(token, '/rpc/own_sessions');
    return found.status === 200
      ? (found.body as { is_current: boolean }[]).filter((s) => s.is_current).length
      : found.status;
  };

  test('REST and GraphQL take it in place of a JWT, with the role, tenant and user of the session', async () => {
    const { token, session_id } = await login('ada');
    expect((await rest(token, '/agents')).status).toBe(200);
    const own = await rest(token, '/rpc/own_sessions');
    expect(own.body).toMatchObject([{ session_id, role: 'member', is_current: true }]);
    // Members may not do this.
    expect((await rest(token, '/rpc/create_session', { user_id: 'eve' })).status).toBe(403);
    expect((await rest(token, '/sessions')).status).toBe(403);
    const graphql = await app.graphql(token, '{ ownSessions { nodes { sessionId isCurrent } } }');
    expect(graphql.errors).toBeUndefined();
    expect(graphql.data?.['ownSessions']).toEqual({ nodes: [{ sessionId: session_id, isCurrent: true }] });
    const created = await app.graphql(
      token,
      'mutation { createTask(input: { task: { description: "by a session" } }) { task { id } } }',
    );
    expect(created.errors).toBeUndefined();
    const { rows } = await target.admin.query(
      `select subject, role, tenant_id from audit.log where table_name = 'app_public.tasks' order by id desc limit 1`,
    );
    expect(rows).toEqual([{ subject: 'ada', role: 'lightning_member', tenant_id: tenant }]);
  });

  test('a session of a service has the rights of services, in GraphQL too', async () => {
    const { token } = await login('bot', { role: 'service', ttl: '5 minutes' });
    const opened = await app.graphql(
      token,
      'mutation { openSession(input: { userId: "u" }) { result { token } } }',
    );
    expect(opened.errors).toBeUndefined();
    expect(
      await subjectOf(
        (opened.data?.['openSession'] as { result: { token: string } } | undefined)?.result.token ?? '',
      ),
    ).toBe(1);
  });

  test('no longer counts within a second of being revoked', async () => {
    const { token, session_id } = await login('gone');
    expect(await subjectOf(token)).toBe(1);
    expect((await rest(service, '/rpc/revoke_session', { session_id })).body).toBe(true);
    await sleep(1_050);
    const refused = await rest(token, '/agents');
    expect(refused).toMatchObject({
      status: 401,
      body: {
        code: 'PGRST303',
        message: 'Session ended',
        details: 'the session has ended, was revoked, or never existed',
      },
    });
    expect(refused.headers.get('www-authenticate')).toContain('invalid_token');
    const graphql = await post(app.url, token, '{"query": "{ agents { totalCount } }"}');
    expect([graphql.status, graphql.errors?.[0]?.extensions.code]).toEqual([401, 'SESSION_ENDED']);
  });

  test('no longer counts once the session has expired, even within the second', async () => {
    const { token } = await login('brief', { ttl: '1 second' });
    expect(await subjectOf(token)).toBe(1);
    await sleep(1_000);
    expect(await subjectOf(token)).toBe(401);
  });

  test.each([
    ['that nobody got', `lts_${'B'.repeat(43)}`, 'PGRST303'],
    ['too short', 'lts_short', 'PGRST301'],
    ['with other characters', `lts_${'%'.repeat(43)}`, 'PGRST301'],
  ])('a token %s is refused', async (_name, token, code) => {
    expect(await rest(token, '/agents')).toMatchObject({ status: 401, body: { code } });
  });

  test('a refusal of the functions has the fitting status, in GraphQL too', async () => {
    const admin = await rest(service, '/rpc/create_session', { user_id: 'root', role: 'admin' });
    expect(admin).toMatchObject({ status: 403, body: { code: 'LTU04' } });
    const missing = { session_id: '00000000-0000-4000-8000-000000000000' };
    expect(await rest(service, '/rpc/touch_session', missing)).toMatchObject({
      status: 404,
      body: { code: 'LTU07' },
    });
    expect(await rest(service, '/rpc/create_session', { user_id: '' })).toMatchObject({
      status: 400,
      body: { code: 'LTU01' },
    });
    const graphql = await app.graphql(
      service,
      'mutation { openSession(input: { userId: "root", role: "admin" }) { result { token } } }',
    );
    expect(graphql.errors?.[0]?.extensions).toMatchObject({ code: 'PERMISSION_DENIED', sqlState: 'LTU04' });
  });

  test('a JWT is still accepted', async () => {
    expect((await rest(service, '/agents')).status).toBe(200);
  });

  test('is looked up once a second, and simultaneous requests share one look-up', async () => {
    const { token, session_id } = await login('clock');
    let asked = 0;
    let clock = Date.now();
    const counting = {
      ...target.database,
      queryWith: (...request: Parameters<typeof target.database.queryWith>) => {
        asked += 1;
        return target.database.queryWith(...request);
      },
    } as typeof target.database;
    const verify = makeVerifySession(installationIn(counting), () => clock);
    const [first, second] = await Promise.all([verify(token), verify(token)]);
    expect(second).toBe(first);
    expect(asked).toBe(1);
    clock += 999;
    await verify(token);
    expect(asked).toBe(1);
    await rest(service, '/rpc/revoke_session', { session_id });
    clock += 1;
    await expect(verify(token)).rejects.toThrow(TokenError);
    expect(asked).toBe(2);
    // A token that was not found is not remembered.
    await expect(verify(token)).rejects.toMatchObject({ code: 'SESSION_ENDED' });
    expect(asked).toBe(3);
  });

  test('a failed look-up is not remembered', async () => {
    const { token } = await login('retry');
    let broken = true;
    const failing = {
      queryWith: (...request: Parameters<typeof target.database.queryWith>) =>
        broken ? Promise.reject(new Error('the database is away')) : target.database.queryWith(...request),
    } as typeof target.database;
    const verify = makeVerifySession(installationIn(failing));
    await expect(verify(token)).rejects.toThrow('the database is away');
    broken = false;
    expect((await verify(token)).subject).toBe('retry');
  });
});
