import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { apiTargets } from '../support/api-targets.ts';
import type { ApiTarget } from '../support/api-targets.ts';
import { startApp, testToken } from '../support/app.ts';
import type { RunningApp } from '../support/app.ts';
import { own } from '../support/tenants.ts';

describe.each(apiTargets)('the audit log, read through the API (%s)', (_, open) => {
  let target: ApiTarget;
  let app: RunningApp;
  let token: string;

  beforeAll(async () => {
    target = await open();
    await target.admin.query('select ops.create_tenant($1, $1)', [own]);
    await target.admin.query(
      `insert into app_public.agents (tenant_id, id, name, model) values ('${own}', 'a', 'A', 'm')`,
    );
    app = await startApp(target.database);
    token = await testToken('admin', own);
  });
  afterAll(async () => {
    await app?.close();
    await target?.close();
  });

  const call = async (name: string, init: RequestInit, bearer = token) => {
    const response = await fetch(`${app.url}/rest/v1/rpc/${name}`, {
      ...init,
      headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
    });
    return { status: response.status, body: (await response.json().catch(() => null)) as unknown };
  };
  const reads = async () =>
    (await target.admin.query("select count(*)::int as count from audit.log where operation = 'read'"))
      .rows[0].count as number;

  test('answers REST by POST, and not by GET, which could not log the read', async () => {
    const before = await reads();
    const body = JSON.stringify({ table: 'agents', key: 'a' });
    expect(await call('audit_search', { method: 'POST', body })).toMatchObject({
      status: 200,
      body: [{ operation: 'insert', key: { id: 'a' }, new_values: { name: 'A' } }],
    });
    expect(await call('row_history', { method: 'POST', body })).toMatchObject({
      status: 200,
      body: [{ operation: 'insert' }],
    });
    expect(
      await call('row_as_of', {
        method: 'POST',
        body: JSON.stringify({ table: 'agents', key: { id: 'a' }, at: '2999-01-01' }),
      }),
    ).toMatchObject({ status: 200, body: { state: 'present', row_values: { name: 'A' } } });
    expect(await reads()).toBe(before + 3);
    for (const path of [
      'audit_search',
      'row_history?table=agents&key="a"',
      'row_as_of?table=agents&key="a"&at=now',
    ])
      expect(await call(path, { method: 'GET' })).toMatchObject({ status: 405 });
    expect(await reads()).toBe(before + 3);
    for (const role of ['member', 'service'] as const)
      expect(
        (await call('audit_search', { method: 'POST', body: '{}' }, await testToken(role, own))).status,
      ).toBe(403);
    expect(await call('row_history', { method: 'POST', body: '{"table": "taks", "key": 1}' })).toMatchObject({
      status: 400,
      body: { code: 'LTA07' },
    });
  });

  test('answers GraphQL as mutations, each of which is logged', async () => {
    const before = await reads();
    const { data, errors } = await app.graphql(
      token,
      `mutation {
        auditSearch(input: { table: "agents", subject: null, maxRows: 5 }) { result { operation newValues cursor } }
        rowHistory(input: { table: "agents", key: "a" }) { result { operation oldValues } }
        rowAsOf(input: { table: "agents", key: "a", at: "2999-01-01T00:00:00Z" }) { result { state rowValues unknownColumns } }
      }`,
    );
    expect(errors).toBeUndefined();
    expect(data).toMatchObject({
      auditSearch: { result: [{ operation: 'insert', newValues: { name: 'A' } }] },
      rowHistory: { result: [{ operation: 'insert', oldValues: null }] },
      rowAsOf: { result: { state: 'present', rowValues: { name: 'A' }, unknownColumns: [] } },
    });
    expect(await reads()).toBe(before + 3);
    const refused = await app.graphql(
      await testToken('member', own),
      'mutation { auditSearch(input: {}) { result { operation } } }',
    );
    expect(refused.errors?.[0]?.extensions.code).toBe('PERMISSION_DENIED');
  });
});
