import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { ApolloClient, HttpLink, InMemoryCache, gql } from '@apollo/client';
import { createPersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { Client as UrqlClient, cacheExchange, fetchExchange, subscriptionExchange } from '@urql/core';
import { createClient as createWsClient } from 'graphql-ws';
import type { Client as WsClient } from 'graphql-ws';
import { buildClientSchema, getIntrospectionQuery } from 'postgraphile/graphql';
import type { IntrospectionQuery } from 'postgraphile/graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { apiTargets } from '../support/api-targets.ts';
import type { ApiTarget } from '../support/api-targets.ts';
import { startApp, testToken } from '../support/app.ts';
import type { RunningApp } from '../support/app.ts';

const [kind, open] = apiTargets.at(-1)!;

/** Writes until a subscription has received an event, because a client cannot tell when it began. */
async function whenHeard<T>(event: Promise<T>, write: (attempt: number) => Promise<unknown>): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    await write(attempt);
    const heard = await Promise.race([event.then((value) => ({ value })), pause(100, null)]);
    if (heard) return heard.value;
  }
}

describe(`GraphQL on the ${kind} database, by clients with defaults:`, () => {
  let target: ApiTarget;
  let app: RunningApp;
  let headers: { authorization: string };
  let ws: WsClient;
  /** The requests of the clients, as method and status. */
  let sent: string[] = [];
  const watchedFetch: typeof fetch = async (input, init) => {
    const response = await fetch(input, init);
    sent.push(`${init?.method ?? 'GET'} ${response.status}`);
    return response;
  };

  beforeAll(async () => {
    target = await open();
    app = await startApp(target.database);
    headers = { authorization: `Bearer ${await testToken()}` };
    ws = createWsClient({ url: `${app.url.replace('http', 'ws')}/graphql`, connectionParams: headers });
  });
  afterAll(async () => {
    await ws?.dispose();
    await app?.close();
    await target?.close();
  });

  const list = '{ agents(orderBy: ID_ASC) { nodes { id } } }';
  const create = (id: string) =>
    `mutation { createAgent(input: {agent: {id: "${id}", name: "n", model: "m"}}) { agent { id } } }`;
  const changes = 'subscription { agentChanged(id: null) { operation agentId } }';

  test('graphql-ws', async () => {
    const events = ws.iterate({ query: changes });
    const first = events.next();
    for await (const { data, errors } of ws.iterate({ query: '{ __typename }' })) {
      expect([errors, data]).toEqual([undefined, { __typename: 'Query' }]);
    }
    const heard = await whenHeard(first, async (n) => {
      for await (const { data } of ws.iterate({ query: create(`by-ws-${n}`) })) {
        expect(data).toEqual({ createAgent: { agent: { id: `by-ws-${n}` } } });
      }
    });
    expect(heard.value).toMatchObject({
      data: { agentChanged: { operation: 'INSERT', agentId: expect.stringMatching(/^by-ws-/) as string } },
    });
    await events.return?.();
  });

  test("an error over graphql-ws has the id of the request, which is the client's own if it sent one", async () => {
    const errorsOf = async (query: string, extensions?: Record<string, unknown>) => {
      try {
        const { value } = await ws.iterate({ query, ...(extensions && { extensions }) }).next();
        return value.errors;
      } catch (errors) {
        return errors as { extensions: { requestId: string } }[];
      }
    };
    const known = await errorsOf('{ nothing }', { requestId: 'my-own-1' });
    expect(known).toMatchObject([
      { extensions: { code: 'GRAPHQL_VALIDATION_FAILED', requestId: 'my-own-1' } },
    ]);
    const made = await errorsOf(create('by-ws-0'), { requestId: 'not sane at all' });
    expect(made).toMatchObject([
      { extensions: { code: 'UNIQUE_VIOLATION', requestId: expect.stringMatching(/^[\w-]+$/) as string } },
    ]);
  });

  test('urql, which sends queries by GET', async () => {
    sent = [];
    const client = new UrqlClient({
      url: `${app.url}/graphql`,
      fetch: watchedFetch,
      fetchOptions: { headers },
      exchanges: [
        cacheExchange,
        fetchExchange,
        subscriptionExchange({
          forwardSubscription: ({ query = '', variables }) => ({
            subscribe: (sink) => ({
              unsubscribe: ws.subscribe(
                { query, ...(variables && { variables: { ...variables } }) },
                {
                  next: (result) => sink.next(result as never),
                  error: (error) => sink.error(error),
                  complete: () => sink.complete(),
                },
              ),
            }),
          }),
        }),
      ],
    });
    const made = await client.mutation(create('by-urql'), {}).toPromise();
    expect([made.error, made.data?.createAgent.agent.id]).toEqual([undefined, 'by-urql']);
    const listed = await client.query(list, {}).toPromise();
    expect(listed.error).toBeUndefined();
    expect(listed.data.agents.nodes).toContainEqual(expect.objectContaining({ id: 'by-urql' }));
    expect(sent).toEqual(['POST 200', 'GET 200']);
    const refused = await client.query('{ nothing }', {}).toPromise();
    expect(refused.error?.graphQLErrors[0]?.extensions['code']).toBe('GRAPHQL_VALIDATION_FAILED');

    const event = new Promise<unknown>((resolve) => {
      const { unsubscribe } = client.subscription(changes, {}).subscribe(({ data }) => {
        resolve(data.agentChanged);
        unsubscribe();
      });
    });
    const heard = await whenHeard(event, (n) => client.mutation(create(`by-urql-${n}`), {}).toPromise());
    expect(heard).toMatchObject({ agentId: expect.stringMatching(/^by-urql-/) as string });
  });

  test('Apollo Client', async () => {
    const client = new ApolloClient({
      link: new HttpLink({ uri: `${app.url}/graphql`, headers }),
      cache: new InMemoryCache(),
    });
    const made = await client.mutate({ mutation: gql(create('by-apollo')) });
    expect(made.data).toMatchObject({ createAgent: { agent: { id: 'by-apollo' } } });
    const { data } = await client.query<{ agents: { nodes: unknown[] } }>({ query: gql(list) });
    expect(data?.agents.nodes).toContainEqual(expect.objectContaining({ id: 'by-apollo' }));
    await expect(client.query({ query: gql('{ nothing }') })).rejects.toThrow('Cannot query field "nothing"');

    const live = new ApolloClient({ link: new GraphQLWsLink(ws), cache: new InMemoryCache() });
    const event = new Promise<unknown>((resolve) => {
      live.subscribe({ query: gql(changes) }).subscribe(({ data: change }) => resolve(change));
    });
    const heard = await whenHeard(event, (n) => client.mutate({ mutation: gql(create(`by-apollo-${n}`)) }));
    expect(heard).toMatchObject({
      agentChanged: { agentId: expect.stringMatching(/^by-apollo-/) as string },
    });
  });

  test.each([true, false])('Apollo Client with persisted queries falls back (by GET: %s)', async (byGet) => {
    sent = [];
    const persisted = createPersistedQueryLink({
      sha256: (text) => createHash('sha256').update(text).digest('hex'),
      useGETForHashedQueries: byGet,
    });
    const client = new ApolloClient({
      link: persisted.concat(new HttpLink({ uri: `${app.url}/graphql`, headers, fetch: watchedFetch })),
      cache: new InMemoryCache(),
    });
    const { data } = await client.query<{ agents: { totalCount: number } }>({
      query: gql('{ agents { totalCount } }'),
    });
    expect(data?.agents.totalCount).toBeGreaterThanOrEqual(0);
    expect(sent).toEqual([byGet ? 'GET 400' : 'POST 400', 'POST 200']);
    // The client does not ask again.
    await client.query({ query: gql('{ tasks { totalCount } }') });
    expect(sent.length).toBe(3);
  });

  test('code generators read the whole schema', async () => {
    const query = getIntrospectionQuery({
      descriptions: true,
      directiveIsRepeatable: true,
      inputValueDeprecation: true,
      schemaDescription: true,
      specifiedByUrl: true,
    });
    const { data, errors } = await app.graphql(null, query);
    expect(errors).toBeUndefined();
    const schema = buildClientSchema(data as unknown as IntrospectionQuery);
    expect(schema.getQueryType()?.getFields()).toHaveProperty('agents');
    expect(schema.getSubscriptionType()?.getFields()).toHaveProperty('agentChanged');
  });
});
