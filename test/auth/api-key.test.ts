import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from 'graphql-ws';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { hasKeyForm, makeVerifyApiKey } from '../../src/auth/api-key.ts';
import { createKey } from '../../src/commands/key.ts';
import type { Database } from '../../src/db/database.ts';
import { post, startApp, testToken } from '../support/app.ts';
import type { RunningApp } from '../support/app.ts';
import { apiTargets } from '../support/api-targets.ts';
import type { ApiTarget } from '../support/api-targets.ts';
import { openEvents } from '../support/event-client.ts';
import { installationIn } from '../support/installation.ts';

/** A key of the right form, with the right checksum, that nobody made. */
function forgedKey(id = randomBytes(6).toString('hex')): string {
  const body = `ltk_${id}_${randomBytes(32).toString('base64url')}`;
  return body + createHash('sha256').update(body).digest('base64url').slice(0, 6);
}

/** Everything that answers a request of this database, counted. */
function counting(database: Database): { readonly database: Database; readonly asked: () => number } {
  let asked = 0;
  return {
    asked: () => asked,
    database: {
      ...database,
      queryWith: (...request: Parameters<Database['queryWith']>) => {
        asked += 1;
        return database.queryWith(...request);
      },
    } as Database,
  };
}

describe('the form of a key', () => {
  test('has a checksum, so that a key with one wrong, missing or further character never reaches the database', () => {
    const key = forgedKey();
    expect(hasKeyForm(key)).toBe(true);
    for (let i = 0; i < key.length; i++) {
      const other = key[i] === '0' ? '1' : '0';
      expect(hasKeyForm(key.slice(0, i) + other + key.slice(i + 1))).toBe(false);
      expect(hasKeyForm(key.slice(0, i))).toBe(false);
    }
    expect(hasKeyForm(`${key}A`)).toBe(false);
    expect(hasKeyForm(` ${key}`)).toBe(false);
  });
});

describe.each(apiTargets)('API keys, %s', (_kind, open) => {
  let target: ApiTarget;
  let app: RunningApp;
  let admin: string;
  let stranger: string;

  beforeAll(async () => {
    target = await open();
    for (const id of ['other', 'gone'])
      await target.admin.query({ text: 'select ops.create_tenant($1, $1)', values: [id] });
    app = await startApp(target.database);
    admin = await testToken('admin');
    stranger = await testToken('admin', 'other');
  }, 120_000);
  afterAll(async () => {
    await app?.close();
    await target?.close();
  });

  const rest = async (token: string, path: string, body?: object, header = 'authorization') => {
    const response = await fetch(`${app.url}/rest/v1${path}`, {
      method: body ? 'POST' : 'GET',
      headers: {
        [header]: header === 'authorization' ? `Bearer ${token}` : token,
        ...(body && { 'content-type': 'application/json' }),
      },
      ...(body && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: JSON.parse(text || 'null') };
  };
  /** Makes a key through REST, as an administrator does. */
  const create = async (name: string, more: object = {}, by = admin) => {
    const { status, body } = await rest(by, '/rpc/create_api_key', { name, ...more });
    if (status !== 200) throw new Error(JSON.stringify(body));
    return body as { id: string; token: string; expires_at: string };
  };
  const codeOf = async (token: string) => {
    const { status, body } = await rest(token, '/agents?limit=1');
    return status === 200 ? 200 : `${status} ${body.code}`;
  };
  const refused = '401 PGRST303';
  const malformed = '401 PGRST301';
  const websocket = async (token: string) => {
    const client = createClient({
      url: `${app.url.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      retryAttempts: 0,
      lazy: false,
      connectionParams: { authorization: `Bearer ${token}` },
      onNonLazyError: () => {},
    });
    const closed = new Promise<{ code: number; reason: string }>((resolve) =>
      client.on('closed', (event) => resolve(event as never)),
    );
    const connected = new Promise<'connected'>((resolve) =>
      client.on('connected', () => resolve('connected')),
    );
    return { closed, first: await Promise.race([connected, closed]), client };
  };

  test('open REST, GraphQL, event streams and WebSockets, and the log names the key as the subject', async () => {
    const { token, id } = await create('importer');
    expect(token).toMatch(new RegExp(`^ltk_${id}_`));
    expect(await codeOf(token)).toBe(200);
    expect((await rest(token, '/agents', undefined, 'apikey')).status).toBe(200);
    const created = await app.graphql(
      token,
      'mutation { createTask(input: { task: { description: "by a key" } }) { task { id } } }',
    );
    expect(created.errors).toBeUndefined();
    const events = await openEvents(app.url, token);
    expect(await events.next()).toMatchObject({ event: 'ready' });
    events.close();
    const socket = await websocket(token);
    expect(socket.first).toBe('connected');
    await socket.client.dispose();
    const { rows } = await target.admin.query(
      `select subject, role, tenant_id from audit.log where table_name = 'app_public.tasks' order by id desc limit 1`,
    );
    expect(rows).toEqual([{ subject: 'importer', role: 'lightning_service', tenant_id: 'default' }]);
  });

  test('become the claims of a JWT, with the id of the key', async () => {
    const { token, id } = await create('claims', { role: 'member', ttl: '1 hour' });
    const claims = await makeVerifyApiKey(installationIn(target.database), () => {})(token);
    expect(claims).toMatchObject({ role: 'member', tenantId: 'default', subject: 'claims', apiKeyId: id });
    expect(JSON.parse(claims.json)).toMatchObject({
      role: 'member',
      tenant_id: 'default',
      sub: 'claims',
      key_id: id,
      exp: expect.any(Number) as number,
    });
  });

  test('are made, listed and revoked by an administrator of their tenant and by nobody else, in GraphQL too', async () => {
    const { id } = await create('listed');
    const graphql = await app.graphql(
      admin,
      'mutation { createApiKey(input: { name: "by graphql", role: "member" }) { result { id token } } }',
    );
    expect(graphql.errors).toBeUndefined();
    const listed = (await rest(admin, '/rpc/list_api_keys')).body as { id: string; name: string }[];
    expect(listed.map(({ name }) => name)).toEqual(expect.arrayContaining(['listed', 'by graphql']));
    expect(JSON.stringify(listed)).not.toMatch(/ltk_|digest|[0-9a-f]{64}/);
    expect((await rest(stranger, '/rpc/list_api_keys')).body).toEqual([]);
    expect((await rest(stranger, '/rpc/revoke_api_key', { id })).body).toBe(false);
    for (const role of ['member', 'service'] as const) {
      const token = await testToken(role);
      expect((await rest(token, '/rpc/create_api_key', { name: 'x' })).status).toBe(403);
      expect((await rest(token, '/rpc/list_api_keys')).status).toBe(403);
      expect((await rest(token, '/rpc/revoke_api_key', { id })).status).toBe(403);
    }
    expect((await rest(admin, '/api_keys')).status).toBe(404);
    expect((await rest(admin, '/rpc/revoke_api_key', { id })).body).toBe(true);
    expect((await rest(admin, '/rpc/revoke_api_key', { id })).body).toBe(false);
  });

  test.each([
    [{ name: '' }, 400, 'LTU08'],
    [{ name: 'x'.repeat(101) }, 400, 'LTU08'],
    [{ name: 'x', role: 'operator' }, 400, 'LTU09'],
    [{ name: 'x', role: 'anon' }, 400, 'LTU09'],
    [{ name: 'x', role: null }, 400, 'LTU09'],
    [{ name: 'x', ttl: '2 years' }, 400, 'LTU10'],
    [{ name: 'x', ttl: '0 seconds' }, 400, 'LTU10'],
    [{ name: 'x', ttl: null }, 400, 'LTU10'],
  ])('a key with %j is refused', async (asked, status, code) => {
    expect(await rest(admin, '/rpc/create_api_key', asked)).toMatchObject({ status, body: { code } });
  });

  test.each([
    ['acme', 'x', 'owner', 'LTU09'],
    ['acme', 'x', null, 'LTU09'],
    [null, 'x', 'service', 'LTU12'],
    ['acme', 'x', 'operator', 'LTU12'],
    ['nowhere', 'x', 'service', 'LTT02'],
    ['default', '', 'service', 'LTU08'],
  ])(
    'of tenant %s under the name %j with the role %s are refused to the owner too',
    async (tenant, name, role, code) => {
      await expect(
        target.admin.query({
          text: "select ops.create_api_key($1, $2, $3, interval '1 day')",
          values: [tenant, name, role],
        }),
      ).rejects.toMatchObject({ code });
    },
  );

  test('store a digest only, and the log digests even that', async () => {
    const { id, token } = await create('secret');
    const { rows } = await target.admin.query({
      text: 'select k::text as stored from app_private.api_keys k where id = $1',
      values: [id],
    });
    expect(rows[0].stored).toContain(createHash('sha256').update(token).digest('hex'));
    expect(rows[0].stored).not.toContain(token.slice(17));
    const { rows: logged } = await target.admin.query({
      text: `select new_values::text as logged, subject, tenant_id from audit.log
        where table_name = 'app_private.api_keys' and key ->> 'id' = $1`,
      values: [id],
    });
    expect(logged).toMatchObject([{ subject: 'test admin', tenant_id: 'default' }]);
    expect(logged[0].logged).not.toContain(createHash('sha256').update(token).digest('hex'));
  });

  test('are refused when forged, malformed, truncated, or with the id of one and the secret of another', async () => {
    const { token, id } = await create('target');
    const body = `ltk_${id}_${randomBytes(32).toString('base64url')}`;
    const wrongSecret = body + createHash('sha256').update(body).digest('base64url').slice(0, 6);
    const expected: [string, string][] = [
      [forgedKey(), refused],
      [wrongSecret, refused],
      [token.slice(0, -1), malformed],
      [token.slice(0, 30), malformed],
      ['ltk_', malformed],
      [`${token}${token}`, malformed],
      [token.toUpperCase().replace('LTK_', 'ltk_'), malformed],
      [`ltk_${'%'.repeat(62)}`, malformed],
    ];
    for (const [forged, code] of expected) expect([forged, await codeOf(forged)]).toEqual([forged, code]);
    const graphql = await post(app.url, wrongSecret, '{"query": "{ agents { totalCount } }"}');
    expect([graphql.status, graphql.errors?.[0]?.extensions.code]).toEqual([401, 'KEY_ENDED']);
    expect((await openEvents(app.url, wrongSecret)).status).toBe(401);
    expect((await websocket(wrongSecret)).first).toMatchObject({ code: 4401 });
    // The honest one is not harmed by what others try with its id.
    expect(await codeOf(token)).toBe(200);
  });

  test('see their own tenant only', async () => {
    await rest(admin, '/agents', { id: 'mine', name: 'Mine', model: 'm' });
    const { token } = await create('foreigner', {}, stranger);
    expect(await rest(token, '/agents')).toEqual({ status: 200, body: [] });
  });

  test('end when they expire, even within the second in which a look-up is remembered', async () => {
    const { token } = await create('brief', { ttl: '1 second' });
    expect(await codeOf(token)).toBe(200);
    await sleep(1_050);
    expect(await codeOf(token)).toBe(refused);
  });

  test('that are revoked open nothing within two seconds, and their streams are closed', async () => {
    const [mine, others] = [await create('revoked'), await create('revoked')];
    const stream = await openEvents(app.url, mine.token);
    const stays = await openEvents(app.url, others.token);
    expect(await stream.next()).toMatchObject({ event: 'ready' });
    expect(await stays.next()).toMatchObject({ event: 'ready' });
    const socket = await websocket(mine.token);
    expect(socket.first).toBe('connected');
    await rest(admin, '/rpc/revoke_api_key', { id: mine.id });
    const revokedAt = performance.now();
    expect(await stream.next()).toMatchObject({ event: 'end', data: { code: 'KEY_ENDED' } });
    expect(await socket.closed).toMatchObject({ code: 4401, reason: 'KEY_ENDED' });
    // Two seconds, plus what a busy machine adds.
    expect(performance.now() - revokedAt).toBeLessThan(4_000);
    expect(await codeOf(mine.token)).toBe(refused);
    expect(await codeOf(others.token)).toBe(200);
    stays.close();
  });

  test('of a suspended tenant open nothing, and its streams are closed, also when no notification tells of it', async () => {
    const { token } = await create('suspended', {}, await testToken('admin', 'gone'));
    const jwt = await openEvents(app.url, await testToken('member', 'gone'));
    expect(await jwt.next()).toMatchObject({ event: 'ready' });
    await target.admin.query('alter table app_public.tenants disable trigger _500_notify');
    await target.admin.query("select ops.set_tenant_suspended('gone', true)");
    await target.admin.query('alter table app_public.tenants enable trigger _500_notify');
    expect(await jwt.next()).toMatchObject({ event: 'end', data: { code: 'TENANT_SUSPENDED' } });
    await sleep(1_000);
    // As for any token that was looked up anew: the database finds no such key.
    expect(['401 PGRST303', '403 LTR403']).toContain(await codeOf(token));
  });

  test('whose role this version does not know, or does not fit the tenant, open nothing', async () => {
    const { token, id } = await create('odd');
    const alter = (text: string) => target.admin.query(`alter table app_private.api_keys ${text}`);
    await alter('drop constraint api_keys_role_check');
    await alter('drop constraint api_keys_tenant_id_role_check');
    for (const role of ['root', 'anon', 'operator']) {
      await target.admin.query({
        text: 'update app_private.api_keys set role = $1 where id = $2',
        values: [role, id],
      });
      await expect(makeVerifyApiKey(installationIn(target.database), () => {})(token)).rejects.toMatchObject({
        code: 'KEY_ENDED',
      });
    }
    await target.admin.query({ text: 'delete from app_private.api_keys where id = $1', values: [id] });
    await alter(
      "add constraint api_keys_role_check check (role in ('member', 'service', 'admin', 'operator'))",
    );
    await alter(
      "add constraint api_keys_tenant_id_role_check check ((role = 'operator') = (tenant_id is null))",
    );
  });

  test('10,000 wrong keys are few statements and no memory, and nobody with a good key waits or is refused', async () => {
    const { token } = await create('honest');
    const { database, asked } = counting(target.database);
    const verify = makeVerifyApiKey(installationIn(database), () => {});
    expect((await verify(token)).subject).toBe('honest');
    const before = asked();
    const wrong = Array.from({ length: 10_000 }, () =>
      verify(forgedKey()).catch((error: { code: string }) => error.code),
    );
    const random = Array.from({ length: 10_000 }, () =>
      verify(`ltk_${randomBytes(6).toString('hex')}_${randomBytes(36).toString('base64url')}a`).catch(
        (error: { code: string }) => error.code,
      ),
    );
    await sleep(1_001);
    expect((await verify(token)).subject).toBe('honest');
    const codes = Map.groupBy(await Promise.all(wrong), (code) => code);
    expect([...codes.keys()].toSorted()).toEqual(['DATABASE_BUSY', 'KEY_ENDED']);
    expect(new Set(await Promise.all(random))).toEqual(new Set(['TOKEN_MALFORMED']));
    // A thousand wait, in statements of a hundred, beside the first four; the honest key has one of its own.
    expect(asked() - before).toBeLessThanOrEqual(4 + 10 + 1);
    expect(asked() - before).toBeGreaterThan(4);
  });

  test('tell when they were last used, with one write a minute at most, which the log leaves out', async () => {
    const { token, id } = await create('used');
    const used = async () =>
      (
        await target.admin.query<{ last_used_at: Date | null }>({
          text: 'select last_used_at from app_private.api_keys where id = $1',
          values: [id],
        })
      ).rows[0]?.last_used_at ?? null;
    expect(await used()).toBeNull();
    for (let i = 0; i < 20; i++) expect(await codeOf(token)).toBe(200);
    await expect.poll(used, { timeout: 10_000 }).not.toBeNull();
    const first = await used();
    await target.admin.query({ text: 'select ops.note_key_use(array[$1])', values: [id] });
    expect(await used()).toEqual(first);
    const { rows } = await target.admin.query({
      text: "select count(*)::int as n from audit.log where table_name = 'app_private.api_keys' and key ->> 'id' = $1",
      values: [id],
    });
    expect(rows).toEqual([{ n: 1 }]);
  });

  test('rotate without a failed request: two keys of one name are good at once, and the old one is revoked after', async () => {
    const old = await create('rotated');
    let inUse = old.token;
    const done = new AbortController();
    const statuses: (number | string)[] = [];
    const load = Array.from({ length: 4 }, async () => {
      while (!done.signal.aborted) statuses.push(await codeOf(inUse));
    });
    await sleep(300);
    const fresh = await create('rotated');
    inUse = fresh.token;
    // What was sent with the old key has been answered by then.
    await sleep(300);
    await rest(admin, '/rpc/revoke_api_key', { id: old.id });
    await sleep(1_500);
    done.abort();
    await Promise.all(load);
    expect(statuses.length).toBeGreaterThan(20);
    expect(new Set(statuses)).toEqual(new Set([200]));
    expect(await codeOf(old.token)).toBe(refused);
  });

  test('of the command line belong to a tenant or to the operator, as their role asks', async () => {
    // The embedded database's login is a superuser; on a server the command takes the migrations' login.
    if (_kind === 'server') return;
    const installation = installationIn(target.database);
    const token = await createKey(installation, 'cli', {
      role: 'service',
      expires: 'never',
      tenant: 'other',
    });
    expect(await codeOf(token)).toBe(200);
    await expect(
      createKey(installation, 'cli', { role: 'operator', expires: '1d', tenant: 'other' }),
    ).rejects.toThrow('an operator belongs to no tenant');
    await expect(
      createKey(installation, 'cli', { role: 'service', expires: '1d', tenant: 'nobody' }),
    ).rejects.toMatchObject({ code: 'LTT02' });
    await expect(createKey(installation, 'cli', { role: 'root', expires: '1d' })).rejects.toThrow('--role');
  });
});
