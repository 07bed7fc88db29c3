import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { apiTargets } from '../support/api-targets.ts';
import type { ApiTarget } from '../support/api-targets.ts';
import { startApp, testToken } from '../support/app.ts';
import type { RunningApp } from '../support/app.ts';

const answerBytes = 200_000;
const rows = 150;

describe.each(apiTargets)('an answer, %s', (_kind, open) => {
  let target: ApiTarget;
  let app: RunningApp;
  let token: string;

  beforeAll(async () => {
    target = await open();
    app = await startApp(target.database, { budget: { answerBytes } });
    token = await testToken('member');
    await target.admin.query(
      `insert into app_public.agents (tenant_id, id, name, model) values ('default', 'a', 'A', 'm')`,
    );
    await target.admin.query(
      `insert into app_public.tasks (tenant_id, agent_id, description)
       select 'default', 'a', repeat('x', 5000) from generate_series(1, $1) n`,
      [rows],
    );
  });
  afterAll(async () => {
    await app?.close();
    await target?.close();
  });

  const rest = async (path: string, method = 'GET', body?: object) => {
    const response = await fetch(`${app.url}/rest/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        prefer: 'return=representation',
      },
      ...(body && { body: JSON.stringify(body) }),
    });
    const answer = (await response.json()) as { readonly code?: string };
    return { status: response.status, answer };
  };
  const refused = { status: 400, answer: { code: 'LTR011' } };
  const count = async (condition: string): Promise<number> => {
    const { rows: counted } = await target.admin.query(`select 1 from app_public.tasks where ${condition}`);
    return counted.length;
  };

  test('a REST list of more bytes than allowed is refused, and the next request is answered', async () => {
    expect(await rest('/tasks?select=description')).toMatchObject(refused);
    expect(await rest('/tasks?select=description&limit=2')).toMatchObject({ status: 200 });
  });

  test('a GraphQL list of more bytes than allowed is refused, and the next request is answered', async () => {
    const { status, errors } = await app.graphql(token, '{ tasks { nodes { description } } }');
    // Counts the database's answer: other fields of the query add their own bytes.
    expect([status, errors?.[0]?.extensions.code]).toEqual([200, 'ANSWER_TOO_LARGE']);
    expect(await app.graphql(token, '{ tasks(first: 2) { nodes { description } } }')).toMatchObject({
      status: 200,
      errors: undefined,
    });
  });

  test('a repeated value is counted as often as it is shown', async () => {
    const often = Array.from({ length: 90 }, (_, k) => `a${k}: description`).join(' ');
    const { status, errors } = await app.graphql(token, `{ tasks(first: 1) { nodes { ${often} } } }`);
    expect([status, errors?.[0]?.extensions.code]).toEqual([400, 'ANSWER_TOO_LARGE']);
  });

  test('a REST write whose answer is too large is rolled back', async () => {
    const description = 'y'.repeat(answerBytes + 100_000);
    expect(await rest('/tasks', 'POST', { agent_id: 'a', description })).toMatchObject(refused);
    expect(await rest('/tasks?agent_id=eq.a', 'PATCH', { priority: 'low' })).toMatchObject(refused);
    expect(await rest('/tasks?agent_id=eq.a', 'DELETE')).toMatchObject(refused);
    expect(await count(`description like 'y%' or priority = 'low'`)).toBe(0);
    expect(await count('true')).toBe(rows);
  });

  test('a GraphQL mutation takes effect even when its answer is too large', async () => {
    const { errors } = await app.graphql(
      token,
      `mutation { createTask(input: {task: {agentId: "a", description: "z"}}) { query { tasks { nodes { description } } } } }`,
    );
    expect(errors?.[0]?.extensions.code).toBe('ANSWER_TOO_LARGE');
    expect(await count(`description = 'z'`)).toBe(1);
  });

  test('a GraphQL list has 100 rows on each level, unless the query asks for another number', async () => {
    const query = `query($n: Int) {
      default: tasks { pageInfo { hasNextPage } nodes { id } }
      asked: tasks(first: 120) { nodes { id } }
      last: tasks(last: 110) { nodes { id } }
      variable: tasks(first: $n) { nodes { id } }
      agents(first: 1) { nodes { tasks { nodes { id } } } }
    }`;
    type Ids = { nodes: { id: string }[] };
    const lengthsFor = async (n?: number) => {
      const { data, errors } = await app.graphql(token, query, { n });
      expect(errors).toBeUndefined();
      const got = data as unknown as Record<'default' | 'asked' | 'last' | 'variable', Ids> & {
        default: { pageInfo: { hasNextPage: boolean } };
        agents: { nodes: { tasks: Ids }[] };
      };
      expect(got.default.pageInfo.hasNextPage).toBe(true);
      const lists = [got.default, got.asked, got.last, got.variable, got.agents.nodes[0]?.tasks];
      return lists.map((list) => list?.nodes.length);
    };
    expect(await lengthsFor(130)).toEqual([100, 120, 110, 130, 100]);
    expect(await lengthsFor()).toEqual([100, 120, 110, 100, 100]);
  });
});
