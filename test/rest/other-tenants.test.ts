import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { startApp, testToken } from '../support/app.ts';
import type { RunningApp } from '../support/app.ts';
import { migratedDatabase } from '../support/db.ts';
import type { MigratedDatabase } from '../support/db.ts';
import { serverDatabase } from '../support/server-database.ts';
import { noServer } from '../support/server.ts';

const json = { 'content-type': 'application/json', prefer: 'tx=rollback' };
const write = (body: unknown) => ({ method: 'POST', headers: json, body: JSON.stringify(body) });
/** The first filter matches more rows than are counted one by one; for the second the planner adds its guess. */
const either = 'or=(specialization.eq.common,specialization.eq.secret)';
const counting = (filter: string, count: string): Request => [
  `/rest/v1/agents?select=id&limit=1&${filter}`,
  { headers: { prefer: `count=${count}` } },
];
type Request = readonly [target: string, init: RequestInit];

/** Every request with which a tenant can ask about a value that only another tenant has. */
const requests: readonly Request[] = [
  ...['planned', 'estimated', 'exact'].flatMap((count) => [
    counting('specialization=eq.secret', count),
    counting(either, count),
    counting('', count),
    counting('specialization=eq.secret&offset=5', count),
    [
      '/rest/v1/rpc/own_sessions?role=eq.secret',
      { method: 'HEAD', headers: { prefer: `count=${count}` } },
    ] as const,
    [
      '/rest/v1/agents?specialization=eq.secret',
      {
        method: 'PATCH',
        headers: { ...json, prefer: `tx=rollback, count=${count}` },
        body: '{"status": "idle"}',
      },
    ] as const,
  ]),
  ...['', '; options=analyze|verbose|buffers'].map((options): Request => [
    '/rest/v1/agents?specialization=eq.secret',
    { headers: { accept: `application/vnd.pgrst.plan+json${options}` } },
  ]),
  ['/rest/v1/tasks', write({ description: 'x', agent_id: 'rival-1' })],
  ['/rest/v1/agents', write({ id: 'rival-1', name: 'x', model: 'm' })],
  ['/rest/v1/agents?id=eq.rival-1', { method: 'DELETE', headers: json }],
  [
    '/graphql',
    {
      method: 'POST',
      headers: json,
      body: JSON.stringify({
        query: '{ agents(condition: {specialization: "secret"}, first: 1) { totalCount nodes { id } } }',
      }),
    },
  ],
];

describe.skipIf(noServer)('the answer to a tenant', () => {
  let fresh: MigratedDatabase;
  let database: Database;
  let admin: Client;
  let app: RunningApp;
  let token: string;

  beforeAll(async () => {
    fresh = await migratedDatabase();
    database = serverDatabase(fresh.urls.api);
    admin = new Client({ connectionString: fresh.adminUrl });
    await admin.connect();
    await admin.query(`
      select ops.create_tenant('rival', 'Rival');
      insert into app_public.agents (id, name, model, specialization, tenant_id)
        select n::text, 'x', 'm', case when n % 3 > 0 then 'common' else 'other' || n end, 'default' from generate_series(1, 2000) n;
      analyze app_public.agents`);
    app = await startApp(database);
    token = await testToken('service');
  });
  afterAll(async () => {
    await app?.close();
    await database?.close();
    await admin?.end();
    await fresh?.drop();
  });

  /** The answer, without the headers that differ in every answer. */
  const ask = async ([target, init]: Request) => {
    const response = await fetch(`${app.url}${target}`, {
      ...init,
      headers: { ...init.headers, authorization: `Bearer ${token}` },
    });
    const headers = [...response.headers].filter(
      ([name]) => !['date', 'server-timing', 'x-request-id'].includes(name),
    );
    return { target, init, status: response.status, headers, body: await response.text() };
  };

  test('is the same whatever other tenants have', async () => {
    const before = await Promise.all(requests.map(ask));
    await admin.query(`
      insert into app_public.agents (id, name, model, specialization, tenant_id)
        select 'rival-' || n, 'x', 'm', 'secret', 'rival' from generate_series(1, 3000) n;
      analyze app_public.agents`);
    const after = await Promise.all(requests.map(ask));
    expect(after).toEqual(before);
    // The requests were valid.
    const ranges = before.map(({ headers }) => new Map(headers).get('content-range'));
    expect(ranges).toContain('*/0');
    expect(ranges).toContain('0-0/1334');
    const statuses = new Set(before.map(({ status }) => status));
    expect([...statuses].toSorted()).toEqual([200, 201, 204, 206, 406, 409, 416].toSorted());
  });

  test('is a plan only where the configuration shows plans', async () => {
    const shown = await startApp(database, { rest: { plans: true } });
    const response = await fetch(`${shown.url}/rest/v1/agents`, {
      headers: { accept: 'application/vnd.pgrst.plan', authorization: `Bearer ${token}` },
    });
    await shown.close();
    expect([response.status, await response.text()]).toEqual([200, expect.stringContaining('cost=')]);
  });
});
