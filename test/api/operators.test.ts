import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { getIntrospectionQuery } from 'postgraphile/graphql';
import { signToken } from '../../src/auth/jwt.ts';
import { createKey } from '../../src/commands/key.ts';
import { post, startApp, testSecret, testToken } from '../support/app.ts';
import type { RunningApp } from '../support/app.ts';
import { apiTargets } from '../support/api-targets.ts';
import type { ApiTarget } from '../support/api-targets.ts';
import { openEvents } from '../support/event-client.ts';
import { installationIn } from '../support/installation.ts';

/** A text that only a tenant has. */
const content = 'what-only-the-tenant-knows';

describe.each(apiTargets)('operators, %s', (kind, open) => {
  let target: ApiTarget;
  let app: RunningApp;
  let operator: string;

  beforeAll(async () => {
    target = await open();
    app = await startApp(target.database);
    operator = await testToken('operator');
    // The first operator waits for the catalog and the schema.
    await opsGraphql(operator, '{ __typename }');
    const service = await testToken('service');
    for (const [path, body] of [
      ['agents', { id: content, name: content, model: content }],
      ['tasks', { description: content }],
    ] as const) {
      const { status } = await get(service, `/rest/v1/${path}`, {}, body);
      if (status !== 201) throw new Error(`${path}: ${status}`);
    }
    await target.admin.query(
      `insert into ops.quarantined_items (task, tenant_id, item, code, reason)
       values ('embed_knowledge', 'default', 'one', '22P02', 'invalid input: ${content}')`,
    );
    await target.admin.query(
      'insert into ops.retention_receipts (policy, tenant_id, older_than, row_count) values ($1, $2, now(), 1)',
      ['sessions', 'default'],
    );
  }, 120_000);
  afterAll(async () => {
    await app?.close();
    await target?.close();
  });

  const get = async (token: string | null, path: string, headers: object = {}, body?: object) => {
    const response = await fetch(app.url + path, {
      method: body ? 'POST' : 'GET',
      headers: {
        ...(token !== null && { authorization: `Bearer ${token}` }),
        ...(body && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, text, body: JSON.parse(text || 'null') };
  };
  const opsGraphql = async (token: string | null, query: string) => {
    const { status, body } = await get(token, '/ops/graphql', {}, { query });
    return { status, data: body.data, code: body.errors?.[0]?.extensions.code };
  };

  test('read the ops views and functions through REST and GraphQL', async () => {
    expect(await get(operator, '/ops/v1/tenants?select=id')).toMatchObject({
      status: 200,
      body: [{ id: 'default' }],
    });
    expect((await get(operator, '/ops/v1/rpc/applied_migrations')).status).toBe(200);
    const graphql = await opsGraphql(operator, '{ tenants { nodes { id } } }');
    expect(graphql).toMatchObject({ status: 200, data: { tenants: { nodes: [{ id: 'default' }] } } });
  });

  test('reach nothing of a tenant through any door', async () => {
    for (const path of ['/rest/v1/agents', '/rest/v1/', '/rest/v1/rpc/own_sessions']) {
      expect(await get(operator, path)).toMatchObject({ status: 403, body: { code: '42501' } });
    }
    expect(await get(operator, '/rest/v1/agents', { 'accept-profile': 'ops' })).toMatchObject({
      status: 403,
    });
    for (const path of [
      '/ops/v1/agents',
      '/ops/v1/tasks',
      '/ops/v1/sessions',
      '/ops/v1/api_keys',
      '/ops/v1/log',
    ]) {
      expect((await get(operator, path)).status).toBe(404);
    }
    for (const profile of ['app_public', 'public', 'audit', 'app_private', 'graphile_worker']) {
      expect(await get(operator, '/ops/v1/agents', { 'accept-profile': profile })).toMatchObject({
        status: 406,
        body: { code: 'PGRST106' },
      });
    }
    const graphql = await post(app.url, operator, '{"query": "{ agents { totalCount } }"}');
    expect([graphql.status, graphql.errors?.[0]?.extensions.code]).toEqual([403, 'PERMISSION_DENIED']);
    expect((await openEvents(app.url, operator)).status).toBe(403);
    for (const call of ['create_api_key', 'revoke_api_key', 'bind_login', 'session_claims', 'key_claims']) {
      const { status } = await get(operator, `/ops/v1/rpc/${call}`, {}, {});
      expect([call, [403, 404].includes(status)]).toEqual([call, true]);
    }
  });

  test('see no content of a tenant in any column of any relation that they may read', async () => {
    const { rows } = await target.admin.query<{ name: string; columns: string[] }>(
      `select c.relname as name, array_agg(a.attname::text) as columns
       from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
       where c.relnamespace = 'ops'::regnamespace and c.relkind in ('r', 'p', 'v')
         and has_column_privilege('lightning_operator', c.oid, a.attnum, 'select')
       group by c.relname`,
    );
    expect(rows.length).toBeGreaterThan(15);
    for (const { name, columns } of rows) {
      const read = await get(operator, `/ops/v1/${name}?select=${columns.join()}`);
      expect([name, read.status]).toEqual([name, 200]);
      expect([name, read.text.includes(content)]).toEqual([name, false]);
    }
    // The reason stands where the item is: it is there, and they may not read it.
    expect((await get(operator, '/ops/v1/quarantined_items?select=item')).body).toEqual([{ item: 'one' }]);
    expect((await get(operator, '/ops/v1/quarantined_items?select=reason')).status).toBe(403);
    const check = await get(operator, '/ops/v1/check_quarantined_items?select=message');
    expect(check.body[0].message).toContain('22P02');
  });

  test('have doors that are open to nobody else, and that say nothing to others', async () => {
    for (const role of ['member', 'service', 'admin'] as const) {
      const token = await testToken(role);
      for (const path of [
        '/ops/v1/tenants',
        '/ops/v1/',
        '/ops/v1/nothing',
        '/ops/v1/rpc/suspended_tenants',
      ]) {
        const answered = await get(token, path);
        expect(answered).toMatchObject({ status: 403, body: { code: '42501' } });
        expect(answered.text).not.toContain('suspended_at');
      }
      const introspected = await opsGraphql(token, getIntrospectionQuery());
      expect(introspected).toMatchObject({ status: 403, code: 'PERMISSION_DENIED' });
      const profile = await get(token, '/rest/v1/tenants', { 'accept-profile': 'ops' });
      expect(profile).toMatchObject({ status: 406, body: { code: 'PGRST106' } });
      expect(profile.body.hint).not.toContain('ops');
    }
    expect((await get(null, '/ops/v1/tenants')).status).toBe(401);
    expect((await opsGraphql(null, '{ tenants { nodes { id } } }')).status).toBe(401);
  });

  test('leave no trace in the OpenAPI document and the schema of tenants, whose names do not show in theirs', async () => {
    const admin = await testToken('admin');
    const openapi = await get(admin, '/rest/v1/');
    const schema = await post(app.url, admin, JSON.stringify({ query: getIntrospectionQuery() }));
    expect(openapi.text).toContain('create_api_key');
    expect(JSON.stringify(schema.data)).toContain('createApiKey');
    for (const text of [openapi.text, JSON.stringify(schema.data)]) {
      expect(text).not.toMatch(/quarantin|retention_polic|retentionPolic|job_runs|jobRuns/i);
    }
    const own = await get(operator, '/ops/v1/');
    expect(own.status).toBe(200);
    expect(own.text).toContain('retention_policies');
    expect(own.text).not.toMatch(/knowledge\b.*embedding|create_task|own_sessions/);
    const ownSchema = await opsGraphql(operator, getIntrospectionQuery());
    expect(JSON.stringify(ownSchema.data)).toContain('retentionPolicies');
    expect(JSON.stringify(ownSchema.data)).not.toMatch(/createTask|ownSessions|searchKnowledge/);
  });

  test('have no tenant: a token with one is refused, and so is any other role without', async () => {
    const sign = (role: 'operator' | 'member' | 'admin', tenantId: string | null) =>
      signToken(testSecret, { role, tenantId, subject: 'x', lifetimeSeconds: 60 }, new Date());
    const withTenant = await sign('operator', 'default');
    for (const path of ['/ops/v1/tenants', '/rest/v1/agents'])
      expect(await get(withTenant, path)).toMatchObject({ status: 401, body: { code: 'PGRST303' } });
    for (const role of ['member', 'admin'] as const) {
      const without = await sign(role, null);
      for (const path of ['/ops/v1/tenants', '/rest/v1/agents'])
        expect(await get(without, path)).toMatchObject({ status: 401, body: { code: 'PGRST303' } });
    }
  });

  test('may have a key', async () => {
    // The embedded database's login is a superuser; on a server the command takes the migrations' login.
    if (kind === 'server') return;
    const key = await createKey(installationIn(target.database), 'dashboard', {
      role: 'operator',
      expires: '1d',
    });
    expect((await get(key, '/ops/v1/tenants')).status).toBe(200);
    expect((await get(key, '/rest/v1/agents')).status).toBe(403);
  });
});
