import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseConfig } from '../../src/config/parse-config.ts';
import { apiTargets } from '../support/api-targets.ts';
import type { ApiTarget } from '../support/api-targets.ts';
import { startApp, testToken } from '../support/app.ts';
import type { RunningApp } from '../support/app.ts';

const [kind, open] = apiTargets[0]!;
let target: ApiTarget;
let app: RunningApp;
let token: string;

beforeAll(async () => {
  [target, token] = await Promise.all([open(), testToken()]);
  app = await startApp(target.database, { showsSchemaToAll: false });
});
afterAll(async () => {
  await app?.close();
  await target?.close();
});

const queries = [
  '{ __schema { queryType { name } } }',
  '{ x: __type(name: "Agent") { name } }',
  '{ ...f } fragment f on Query { __schema { types { name } } }',
];

test(`the schema is shown to nobody without a token, on the ${kind} database`, async () => {
  for (const query of queries) {
    const refused = await app.graphql(null, query);
    expect([refused.status, refused.errors?.[0]?.extensions.code]).toEqual([401, 'AUTHENTICATION_REQUIRED']);
    const shown = await app.graphql(token, query);
    expect([shown.status, shown.errors]).toEqual([200, undefined]);
  }
  expect((await app.graphql(null, '{ __typename }')).status).toBe(200);
  const rest = (headers: Record<string, string>) => fetch(`${app.url}/rest/v1/`, { headers });
  for (const accept of ['application/json', 'application/openapi+json', 'text/html']) {
    const refused = await rest({ accept });
    expect([accept, refused.status]).toEqual([accept, 404]);
    expect(await refused.json()).toMatchObject({ code: 'PGRST126' });
    expect((await rest({ accept, authorization: `Bearer ${token}` })).status).toBe(200);
  }
  for (const path of ['/graphiql', '/graphiql/static/ruru.js']) {
    expect([path, (await fetch(app.url + path)).status]).toEqual([path, 404]);
  }
});

test('production shows it to nobody without a token unless asked, and development to everybody', () => {
  const shows = (env: Record<string, string>) => parseConfig(env).http.showsSchemaToAll;
  expect(shows({})).toBe(true);
  expect(shows({ DEPLOYMENT: 'production' })).toBe(false);
  expect(shows({ DEPLOYMENT: 'production', ANONYMOUS_INTROSPECTION: 'true' })).toBe(true);
  expect(shows({ ANONYMOUS_INTROSPECTION: 'false' })).toBe(false);
});
