import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { post, startApp, testToken } from '../support/app.ts';
import type { RunningApp } from '../support/app.ts';
import { migratedDatabase } from '../support/db.ts';
import type { MigratedDatabase } from '../support/db.ts';
import { serverDatabase } from '../support/server-database.ts';
import { noServer } from '../support/server.ts';

describe.skipIf(noServer)('GraphQL', () => {
  let fresh: MigratedDatabase;
  let database: Database;
  let app: RunningApp;
  let service: string;
  const query = (text: string, variables?: object) => app.graphql(service, text, variables);

  beforeAll(async () => {
    fresh = await migratedDatabase();
    database = serverDatabase(fresh.urls.api);
    app = await startApp(database);
    service = await testToken();
  });
  afterAll(async () => {
    await app?.close();
    await database?.close();
    await fresh?.drop();
  });

  const createAgent = (id: string) =>
    query('mutation($a: AgentInput!) { createAgent(input: {agent: $a}) { agent { id status } } }', {
      a: { id, name: id.toUpperCase(), model: 'gpt-4o' },
    });

  test('creates, reads, changes and deletes a row by its own id', async () => {
    expect((await createAgent('crud')).data).toEqual({
      createAgent: { agent: { id: 'crud', status: 'idle' } },
    });
    const get = () => query('{ agent(id: "crud") { id name } }');
    expect((await get()).data).toEqual({ agent: { id: 'crud', name: 'CRUD' } });
    const patched = await query(
      'mutation { updateAgent(input: {id: "crud", patch: {name: "New"}}) { agent { name } } }',
    );
    expect(patched.data).toEqual({ updateAgent: { agent: { name: 'New' } } });
    await query('mutation { deleteAgent(input: {id: "crud"}) { agent { id } } }');
    expect((await get()).data).toEqual({ agent: null });
  });

  test('lists with a filter (even by a related row), an order and a cursor', async () => {
    await createAgent('lister');
    for (const description of ['a', 'b', 'c']) {
      await query('mutation($t: TaskInput!) { createTask(input: {task: $t}) { task { id } } }', {
        t: { description, agentId: 'lister', priority: description === 'b' ? 'low' : 'high' },
      });
    }
    const list = (after: string | null) =>
      query(
        `query($after: Cursor) { tasks(
          filter: {agent: {name: {equalTo: "LISTER"}}, priority: {equalTo: "high"}}
          orderBy: DESCRIPTION_DESC, first: 1, after: $after
        ) { totalCount nodes { description agent { id } } pageInfo { endCursor hasNextPage } } }`,
        { after },
      );
    const first = await list(null);
    expect(first.data).toMatchObject({
      tasks: {
        totalCount: 2,
        nodes: [{ description: 'c', agent: { id: 'lister' } }],
        pageInfo: { hasNextPage: true },
      },
    });
    const { tasks } = first.data as unknown as { tasks: { pageInfo: { endCursor: string } } };
    expect((await list(tasks.pageInfo.endCursor)).data).toMatchObject({
      tasks: { nodes: [{ description: 'a' }], pageInfo: { hasNextPage: false } },
    });
  });

  test('groups aggregates by status', async () => {
    await createAgent('grouped');
    for (const status of ['pending', 'pending', 'failed']) {
      await query('mutation($t: TaskInput!) { createTask(input: {task: $t}) { task { id } } }', {
        t: { description: 'x', agentId: 'grouped', status },
      });
    }
    const { data } = await query(
      '{ agent(id: "grouped") { tasks { groupedAggregates(groupBy: STATUS) { keys distinctCount { id } } } } }',
    );
    const { agent } = data as unknown as { agent: { tasks: { groupedAggregates: unknown[] } } };
    expect(agent.tasks.groupedAggregates).toHaveLength(2);
    expect(agent.tasks.groupedAggregates).toEqual(
      expect.arrayContaining([
        { keys: ['failed'], distinctCount: { id: '1' } },
        { keys: ['pending'], distinctCount: { id: '2' } },
      ]),
    );
  });

  test('an embedding is read as it was written, as a variable and as a literal', async () => {
    const create =
      'mutation($k: KnowledgeInput!) { createKnowledge(input: {knowledge: $k}) { knowledge { embedding } } }';
    const embedding = Array.from({ length: 1536 }, (_, i) => i / 8);
    const variable = await query(create, { k: { id: 'variable', content: 'x', embedding } });
    expect(variable.data).toEqual({ createKnowledge: { knowledge: { embedding } } });
    const literal = await query(
      `mutation { createKnowledge(input: {knowledge: {id: "literal", content: "x", embedding: [${embedding}]}})
        { knowledge { embedding } } }`,
    );
    expect(literal.data).toEqual({ createKnowledge: { knowledge: { embedding } } });
  });

  test('an embedding of another dimension is refused in a sentence, and nothing is written', async () => {
    const { errors } = await query(
      'mutation { createKnowledge(input: {knowledge: {id: "short", content: "x", embedding: [1, 2, 3]}}) { knowledge { id } } }',
    );
    expect(errors).toMatchObject([
      {
        message: 'invalid input.knowledge.embedding: expected 1536 dimensions, not 3',
        extensions: { code: 'INVALID_VALUE' },
      },
    ]);
    expect((await query('{ knowledge(id: "short") { id } }')).data).toEqual({ knowledge: null });
  });

  test('the schema names no tenant, shows no token, and offers only what some role may do', async () => {
    const { data } = await query(
      '{ __schema { types { name fields { name } inputFields { name } enumValues { name } } } }',
    );
    const { __schema } = data as unknown as {
      __schema: {
        types: {
          name: string;
          fields: Named[] | null;
          inputFields: Named[] | null;
          enumValues: Named[] | null;
        }[];
      };
    };
    const membersOf = (type: string): string[] => {
      const found = __schema.types.find((t) => t.name === type);
      return [...(found?.fields ?? []), ...(found?.inputFields ?? []), ...(found?.enumValues ?? [])].map(
        (m) => m.name,
      );
    };
    const tenantColumns = __schema.types.filter((t) =>
      membersOf(t.name).some((m) => /^(tenantId|TENANT_ID)/.test(m)),
    );
    expect(tenantColumns.map((t) => t.name)).toEqual([]);
    for (const type of ['Session', 'SessionFilter', 'SessionCondition', 'SessionOrderBy']) {
      expect(membersOf(type)).not.toEqual([]);
      expect(membersOf(type).filter((m) => /token/i.test(m))).toEqual([]);
    }
    expect(membersOf('SessionInput')).toContain('token');
    expect(
      membersOf('Mutation')
        .filter((m) => /Metric/.test(m))
        .toSorted(),
    ).toEqual(['createMetric', 'recordMetrics']);
    expect(membersOf('Query')).toEqual(
      expect.arrayContaining(['agent', 'task', 'knowledge', 'workflow', 'session']),
    );
  });

  test('rows of another tenant are invisible', async () => {
    await createAgent('mine');
    await database.query({ text: 'select 1' });
    const stranger = await testToken('service', 'another');
    const { data } = await app.graphql(stranger, '{ agent(id: "mine") { id } agents { totalCount } }');
    expect(data).toEqual({ agent: null, agents: { totalCount: 0 } });
  });

  test("a role without the privilege gets Postgres's error", async () => {
    await createAgent('kept');
    const member = await testToken('member');
    const { errors } = await app.graphql(
      member,
      'mutation { deleteAgent(input: {id: "kept"}) { agent { id } } }',
    );
    expect(errors?.[0]?.extensions.code).toBe('PERMISSION_DENIED');
    const anonymous = await app.graphql(null, '{ agent(id: "kept") { id } }');
    expect(anonymous.errors?.[0]?.extensions.code).toBe('PERMISSION_DENIED');
  });

  const nested = `{ agent(id: "x") ${'{ tasks { nodes { agent '.repeat(10)}{ id }${' } } }'.repeat(10)} }`;
  const bad: [string, number, string, string][] = [
    ['malformed JSON', 400, 'MALFORMED_BODY', '{"query": '],
    ['a body that is not an object', 400, 'MALFORMED_BODY', '[]'],
    ['a query that is not a string', 400, 'MALFORMED_BODY', '{"query": 1}'],
    ['a query that is not GraphQL', 400, 'GRAPHQL_PARSE_FAILED', '{"query": "{ agent("}'],
    ['an unknown field', 400, 'GRAPHQL_VALIDATION_FAILED', '{"query": "{ agents { nothing } }"}'],
    ['a bad UUID', 400, 'GRAPHQL_VALIDATION_FAILED', '{"query": "{ task(id: \\"zzz\\") { id } }"}'],
    [
      'a bad UUID in a variable',
      400,
      'BAD_USER_INPUT',
      '{"query": "query($id: UUID!) { task(id: $id) { id } }", "variables": {"id": "zzz"}}',
    ],
    ['a query nested 30 deep', 400, 'QUERY_TOO_DEEP', JSON.stringify({ query: nested })],
    [
      'a subscription over HTTP',
      400,
      'SUBSCRIPTIONS_OVER_WEBSOCKET',
      '{"query": "subscription { taskChanged { operation } }"}',
    ],
  ];
  test.each(bad)('%s is %i %s', async (_what, status, code, body) => {
    const answer = await post(app.url, service, body);
    expect(answer.errors?.[0]?.extensions.code).toBe(code);
    expect(answer.status).toBe(status);
    expect(JSON.stringify(answer.errors)).not.toMatch(/ at .*\.(ts|js)/);
  });

  test('expired, forged and garbled tokens are each 401 with their code', async () => {
    const forged = `${service.slice(0, -6)}AAAAAA`;
    for (const [token, code] of [
      [await testToken('service', 'default', -60), 'TOKEN_EXPIRED'],
      [forged, 'TOKEN_FORGED'],
      ['garbage', 'TOKEN_MALFORMED'],
    ] as const) {
      const answer = await app.graphql(token, '{ agents { totalCount } }');
      expect(answer).toMatchObject({ status: 401, data: undefined, errors: [{ extensions: { code } }] });
    }
  });

  test('a body of 50 MB is 413, before it is read', async () => {
    const answer = await post(app.url, service, 'x'.repeat(50_000_000));
    expect(answer).toMatchObject({ status: 413, errors: [{ extensions: { code: 'BODY_TOO_LARGE' } }] });
  });

  test('a violated constraint has its code, and the other mutations of the request remain', async () => {
    await createAgent('twice');
    expect((await createAgent('twice')).errors?.[0]?.extensions.code).toBe('UNIQUE_VIOLATION');
    const { errors } = await query(
      'mutation { createAgent(input: {agent: {id: "odd", name: "x", model: "m", status: "odd"}}) { agent { id } } }',
    );
    expect(errors?.[0]).toMatchObject({ extensions: { code: 'CHECK_VIOLATION' } });
    expect(errors?.[0]?.message).toContain('agents_status_check');
  });

  test('a bug of ours is masked, and logged under the id that the client received', async () => {
    await createAgent('masked');
    const admin = serverDatabase(fresh.adminUrl);
    await admin.query({ text: 'alter table app_public.agents rename column specialization to renamed' });
    const { data, errors } = await query('{ agent(id: "masked") { specialization } }');
    await admin.query({ text: 'alter table app_public.agents rename column renamed to specialization' });
    await admin.close();
    expect(data).toEqual({ agent: null });
    const requestId = errors?.[0]?.extensions.requestId ?? 'none';
    expect(errors?.[0]).toMatchObject({ extensions: { code: 'INTERNAL_ERROR' } });
    expect(errors?.[0]?.message).toContain(requestId);
    expect(errors?.[0]?.message).not.toContain('specialization');
    expect(app.logged).toContainEqual(
      expect.objectContaining({
        event: 'internal-error',
        requestId,
        message: expect.stringContaining('specialization'),
      }),
    );
  });

  test('an update or delete of a missing row says so', async () => {
    for (const mutation of [
      'deleteAgent(input: {id: "ghost"}) { agent { id } }',
      'updateAgent(input: {id: "ghost", patch: {name: "x"}}) { agent { id } }',
    ]) {
      const { errors } = await query(`mutation { ${mutation} }`);
      expect(errors?.[0]?.extensions.code).toBe('ROW_NOT_FOUND');
    }
  });

  test('the audit trail has the request id that the client sent', async () => {
    const response = await fetch(`${app.url}/graphql`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${service}`,
        'x-request-id': 'trace-1',
      },
      body: JSON.stringify({
        query:
          'mutation { createAgent(input: {agent: {id: "traced", name: "x", model: "m"}}) { agent { id } } }',
      }),
    });
    expect(response.headers.get('x-request-id')).toBe('trace-1');
    const admin = serverDatabase(fresh.adminUrl);
    const { rows } = await admin.query({
      text: `select request_id, subject from audit.log where key->>'id' = 'traced'`,
    });
    await admin.close();
    expect(rows).toEqual([{ request_id: 'trace-1', subject: 'test service' }]);
  });
});

interface Named {
  readonly name: string;
}
