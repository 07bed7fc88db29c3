import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { apiTargets } from '../support/api-targets.ts';
import type { ApiTarget } from '../support/api-targets.ts';
import { startApp, testToken } from '../support/app.ts';
import type { RunningApp } from '../support/app.ts';

const [kind, open] = apiTargets.at(-1)!;

describe(`GET /graphql on the ${kind} database`, () => {
  let target: ApiTarget;
  let app: RunningApp;
  let headers: Record<string, string>;

  beforeAll(async () => {
    target = await open();
    app = await startApp(target.database);
    headers = { authorization: `Bearer ${await testToken()}` };
  });
  afterAll(async () => {
    await app?.close();
    await target?.close();
  });

  const get = async (parameters: Record<string, string> | string, method = 'GET') => {
    const response = await fetch(`${app.url}/graphql?${new URLSearchParams(parameters)}`, {
      method,
      headers,
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body: text === '' ? null : JSON.parse(text),
    };
  };

  test('answers a query, with its variables and the name of its operation', async () => {
    const query = 'query One { __typename } query Two($n: Int!) { agents(first: $n) { totalCount } }';
    const two = await get({ query, operationName: 'Two', variables: '{"n": 5}', extensions: '{}' });
    expect([two.status, two.body]).toEqual([200, { data: { agents: { totalCount: 0 } } }]);
    expect(two.headers.get('cache-control')).toBe('no-store');
    expect(two.headers.get('server-timing')).toMatch(
      /^jwt;dur=[\d.]+, parse;dur=[\d.]+, execute;dur=[\d.]+, response;dur=[\d.]+$/,
    );
    const empty = await get({ query: '{ __typename }', operationName: '', variables: '', extensions: '' });
    expect([empty.status, empty.body]).toEqual([200, { data: { __typename: 'Query' } }]);
  });

  test('answers HEAD like GET, without the body', async () => {
    const head = await get({ query: '{ __typename }' }, 'HEAD');
    expect([head.status, head.body, head.headers.get('content-length')]).toEqual([200, null, '31']);
  });

  test('never runs a mutation, even behind the name of a query', async () => {
    const create = 'createAgent(input: {agent: {id: "by-get", name: "n", model: "m"}}) { clientMutationId }';
    for (const parameters of [
      { query: `mutation { ${create} }` },
      { query: `query Q { __typename } mutation M { ${create} }`, operationName: 'M' },
    ]) {
      const refused = await get(parameters);
      expect([refused.status, refused.headers.get('allow')]).toEqual([405, 'POST']);
      expect(refused.body).toMatchObject({ errors: [{ extensions: { code: 'METHOD_NOT_ALLOWED' } }] });
    }
    // The request does not say which operation is meant, so nothing runs.
    const ambiguous = await get({ query: `query Q { __typename } mutation M { ${create} }` });
    expect(ambiguous.status).toBe(400);
    const { rows } = await target.admin.query(`select from app_public.agents where id = 'by-get'`);
    expect(rows).toEqual([]);
  });

  test.each([
    ['nothing', '', 'MALFORMED_BODY', '`query` is missing'],
    ['two queries', 'query=%7Ba%7D&query=%7Bb%7D', 'MALFORMED_BODY', '`query` comes more than once'],
    [
      'variables that are not JSON',
      'query=%7Ba%7D&variables=%7B',
      'MALFORMED_BODY',
      '`variables` of the URL',
    ],
    [
      'variables that are a list',
      'query=%7Ba%7D&variables=[]',
      'MALFORMED_BODY',
      '`variables` is not an object',
    ],
    [
      'a subscription',
      'query=subscription{taskChanged{taskId}}',
      'SUBSCRIPTIONS_OVER_WEBSOCKET',
      'WebSocket',
    ],
    ['a query that does not parse', 'query=%7B', 'GRAPHQL_PARSE_FAILED', 'Syntax Error'],
    [
      'a hash alone',
      'extensions={"persistedQuery":{"version":1,"sha256Hash":"x"}}',
      'PERSISTED_QUERY_NOT_SUPPORTED',
      'PersistedQueryNotSupported',
    ],
  ])('refuses %s', async (_what, parameters, code, message) => {
    const { status, body } = await get(parameters);
    expect([status, body]).toEqual([
      400,
      {
        errors: [
          expect.objectContaining({
            message: expect.stringContaining(message),
            extensions: expect.objectContaining({ code }),
          }),
        ],
      },
    ]);
  });
});
