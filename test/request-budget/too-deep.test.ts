import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { apiTargets } from '../support/api-targets.ts';
import type { ApiTarget } from '../support/api-targets.ts';
import { startApp, testSecret, testToken } from '../support/app.ts';
import type { RunningApp } from '../support/app.ts';

const nested = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`;
const deep = nested(100_000);
/** Text that nests as deep as the head of a request allows. */
const deepText = nested(3_500);

interface Request {
  readonly path: string;
  readonly method?: string;
  readonly body?: string;
}

const requests: readonly Request[] = [
  { path: '/rest/v1/agents', body: `{"id": "d", "name": "n", "model": "m", "configuration": ${deep}}` },
  { path: '/rest/v1/agents', body: deep },
  { path: '/rest/v1/agents', body: `[{"id": "d", "name": "n", "model": "m", "configuration": ${deep}}]` },
  { path: '/rest/v1/agents?id=eq.a', method: 'PATCH', body: `{"configuration": ${deep}}` },
  { path: '/rest/v1/rpc/record_metrics', body: `{"points": ${deep}}` },
  { path: '/rest/v1/rpc/add_knowledge', body: `{"content": "x", "metadata": ${deep}}` },
  { path: '/rest/v1/rpc/search_knowledge', body: `{"query_text": "x", "metadata": ${deep}}` },
  { path: '/rest/v1/rpc/no_such_function', body: deep },
  { path: `/rest/v1/rpc/search_knowledge?query_text=x&metadata=${deepText}` },
  { path: `/rest/v1/agents?id=in.${deepText}` },
  { path: `/rest/v1/agents?order=${deepText}` },
  { path: '/graphql', body: deep },
  { path: '/graphql', body: `{"query": ${deep}}` },
  {
    path: '/graphql',
    body: `{"query": "mutation($c: JSON!) { updateAgent(input: {id: \\"a\\", patch: {configuration: $c}}) { clientMutationId } }", "variables": {"c": ${deep}}}`,
  },
  { path: `/graphql?query=${encodeURIComponent('{ __typename }')}&variables=${deepText}` },
  { path: `/events?topics=${deepText}` },
];

describe.each(apiTargets)('input that nests too deep, %s', (_kind, open) => {
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

  const send = async (
    token: string,
    { path, body, method = body === undefined ? 'GET' : 'POST' }: Request,
  ) => {
    const response = await fetch(`${app.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body !== undefined && { body }),
    });
    return { status: response.status, text: await response.text() };
  };

  test("is an error of the client's with a code, and not an error of ours", async () => {
    const token = await testToken('member');
    const wrong: string[] = [];
    for (const request of requests) {
      const { status, text } = await send(token, request);
      if (status < 400 || status >= 500 || !/"code": ?"\w+"/.test(text))
        wrong.push(
          `${request.path.slice(0, 60)} ${request.body?.slice(0, 60)}: ${status} ${text.slice(0, 200)}`,
        );
    }
    expect(wrong).toEqual([]);
    expect(app.logged.filter(({ level }) => level === 'error')).toEqual([]);
  });

  test('is refused in the same way in a token that was signed with the secret', async () => {
    const encode = (json: string): string => Buffer.from(json).toString('base64url');
    const claims = `{"role": "member", "tenant_id": "default", "sub": "s", "exp": ${Math.floor(Date.now() / 1000) + 600}, "deep": ${deepText}}`;
    const signed = `${encode('{"alg":"HS256","typ":"JWT"}')}.${encode(claims)}`;
    const token = `${signed}.${createHmac('sha256', testSecret).update(signed).digest('base64url')}`;
    for (const request of [
      { path: '/rest/v1/agents' },
      { path: '/graphql', body: '{"query": "{ agents { totalCount } }"}' },
      { path: '/rest/v1/rpc/current_workload' },
    ]) {
      const { status, text } = await send(token, request);
      expect([request.path, status < 500, text.slice(0, 200)]).toEqual([
        request.path,
        true,
        text.slice(0, 200),
      ]);
    }
    expect(app.logged.filter(({ level }) => level === 'error')).toEqual([]);
  });
});
