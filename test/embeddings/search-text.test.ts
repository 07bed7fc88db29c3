import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { makeEmbed } from '../../src/embeddings/embedding-client.ts';
import { startApp, testToken } from '../support/app.ts';
import type { RunningApp } from '../support/app.ts';
import { apiTargets } from '../support/api-targets.ts';
import type { ApiTarget } from '../support/api-targets.ts';
import { answerJson, embeddingOf, refusedWord, startEmbeddingsServer } from '../support/embeddings-server.ts';
import type { EmbeddingsServer } from '../support/embeddings-server.ts';

const contents = ['red apples and pears', 'green apples', 'engines of steel', 'steel bridges over rivers'];

describe.each(apiTargets)('search_knowledge_text on %s', (_kind, open) => {
  let target: ApiTarget;
  let server: EmbeddingsServer;
  let app: RunningApp;
  /** An app without an endpoint. */
  let bare: RunningApp;
  let token: string;

  beforeAll(async () => {
    target = await open();
    server = await startEmbeddingsServer();
    const embed = makeEmbed(
      { url: server.url, model: 'm', apiKey: null },
      { attempts: 1, timeoutMs: 5_000, firstPauseMs: 1 },
    );
    app = await startApp(target.database, { embed });
    bare = await startApp(target.database);
    token = await testToken('member');
    for (const [i, content] of contents.entries()) {
      await target.admin.query(
        `insert into app_public.knowledge (tenant_id, id, content, embedding) values ('default', $1, $2, $3)`,
        [`k${i}`, content, JSON.stringify(embeddingOf(content))],
      );
    }
  }, 120_000);
  afterEach(() => {
    server.requests.length = 0;
    server.next.length = 0;
  });
  afterAll(async () => {
    await app?.close();
    await bare?.close();
    await server?.close();
    await target?.close();
  });

  const rest = async (path: string, init: RequestInit & { token?: string | null; on?: RunningApp } = {}) => {
    const bearer = init.token === undefined ? token : init.token;
    const response = await fetch(`${(init.on ?? app).url}/rest/v1/rpc/${path}`, {
      ...init,
      headers: {
        'content-type': 'application/json',
        ...(init.headers as Record<string, string>),
        ...(bearer !== null && { authorization: `Bearer ${bearer}` }),
      },
    });
    return { status: response.status, body: (await response.json()) as never };
  };
  const call = (body: object, more: Parameters<typeof rest>[1] = {}) =>
    rest('search_knowledge_text', { method: 'POST', body: JSON.stringify(body), ...more });

  const asked = { query_text: 'steel', match_count: 2 };

  test('finds by meaning and by words through REST, with GET as with POST, and takes the dialect’s parameters', async () => {
    const posted = await rest('search_knowledge_text?select=id&vector_rank=not.is.null', {
      method: 'POST',
      body: JSON.stringify({ query_text: 'steel', match_count: 2 }),
    });
    expect(posted.status).toBe(200);
    expect((posted.body as { id: string }[]).map(({ id }) => id).toSorted()).toEqual(['k2', 'k3']);
    expect(server.requests.map(({ input }) => input)).toEqual([['steel']]);
    const got = await rest('search_knowledge_text?query_text=green%20apples&match_count=1');
    expect(got).toMatchObject({
      status: 200,
      body: [{ id: 'k1', vector_rank: 1, text_rank: 1, score: 1, similarity: 1 }],
    });
    const form = await rest('search_knowledge_text', {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: 'query_text=green+apples&match_count=1',
    });
    expect(form.body).toEqual(got.body);
  });

  test('finds through GraphQL, for a text in the query and another in a variable, with one request to the endpoint', async () => {
    const { data, errors } = await app.graphql(
      token,
      `query($text: String!) {
        one: searchKnowledgeText(queryText: "green apples", matchCount: 1) { nodes { id vectorRank textRank score } }
        two: searchKnowledgeText(queryText: $text, matchCount: 1) { nodes { id vectorRank textRank } }
      }`,
      { text: 'engines of steel' },
    );
    expect(errors).toBeUndefined();
    expect(data).toEqual({
      one: { nodes: [{ id: 'k1', vectorRank: 1, textRank: 1, score: 1 }] },
      two: { nodes: [{ id: 'k2', vectorRank: 1, textRank: 1 }] },
    });
    expect(server.requests.map(({ input }) => input)).toEqual([['green apples', 'engines of steel']]);
  });

  test('does not ask the endpoint without a token, or for another call', async () => {
    expect((await call(asked, { token: null })).status).toBe(401);
    await app.graphql(null, '{ searchKnowledgeText(queryText: "x") { nodes { id } } }');
    await rest('search_knowledge', { method: 'POST', body: JSON.stringify({ query_text: 'steel' }) });
    expect(server.requests).toEqual([]);
  });

  test('says that no endpoint is configured, with 503', async () => {
    expect(await call(asked, { on: bare })).toMatchObject({ status: 503, body: { code: 'LTS11' } });
    const { errors } = await bare.graphql(token, '{ searchKnowledgeText(queryText: "x") { nodes { id } } }');
    expect(errors?.[0]?.message).toContain('has no embedding');
  });

  test('says that the endpoint cannot be reached, with 503', async () => {
    for (let i = 0; i < 2; i++)
      server.next.push((response) => answerJson(response, 500, { error: 'broken' }));
    expect(await call(asked)).toMatchObject({
      status: 503,
      body: { code: 'LTR503', details: 'the embeddings endpoint answered 500: broken' },
    });
    const { status, errors } = await app.graphql(
      token,
      '{ searchKnowledgeText(queryText: "x") { nodes { id } } }',
    );
    expect(status).toBe(503);
    expect(errors).toMatchObject([{ extensions: { code: 'EMBEDDINGS_UNAVAILABLE' } }]);
  });

  test('says that the endpoint refused the text, with 400', async () => {
    expect(await call({ query_text: refusedWord })).toMatchObject({ status: 400, body: { code: 'LTR012' } });
    const { status, errors } = await app.graphql(
      token,
      `{ searchKnowledgeText(queryText: "${refusedWord}") { nodes { id } } }`,
    );
    expect([status, errors?.[0]?.extensions.code]).toEqual([400, 'BAD_USER_INPUT']);
  });

  test.each([
    [{ query_text: '  ' }, 'LTS10'],
    [{ query_text: 'x', match_count: 0 }, 'LTS03'],
  ])('refuses %j with 400 and %s', async (body, code) => {
    expect(await call(body)).toMatchObject({ status: 400, body: { code } });
  });

  test.each([7, true, [], {}])('refuses %j, which is JSON but not a text, with 400', async (value) => {
    const { status, body } = await call({ query_text: value });
    expect([status, body]).toMatchObject([
      400,
      { code: 'LTR012', details: expect.stringContaining('a JSON string is expected') },
    ]);
    expect(server.requests).toEqual([]);
  });

  test('does not ask the endpoint to embed a text that is too long', async () => {
    const { errors } = await app.graphql(
      token,
      'query($text: String!) { searchKnowledgeText(queryText: $text) { nodes { id } } }',
      { text: 'w '.repeat(100_000) },
    );
    expect(errors?.[0]?.message).toBe('query_text must have at most 10000 characters, not 200000');
    expect(server.requests).toEqual([]);
  });

  test('is not called by a body that is not its own', async () => {
    expect((await rest('search_knowledge_text', { method: 'POST', body: '{"query_text": ' })).status).toBe(
      400,
    );
    expect((await call({ text: 'x' })).status).toBe(404);
    expect(server.requests).toEqual([]);
  });
});
