import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { apiTargets } from '../../support/api-targets.ts';
import type { ApiTarget } from '../../support/api-targets.ts';
import { startApp, testToken } from '../../support/app.ts';
import type { RunningApp } from '../../support/app.ts';

describe.each(apiTargets)('groups of rows in GraphQL, on the %s database', (_kind, open) => {
  let target: ApiTarget;
  let app: RunningApp;
  let token: string;
  beforeAll(async () => {
    target = await open();
    app = await startApp(target.database);
    token = await testToken();
    await target.admin.query(
      `insert into app_public.tasks (tenant_id, description)
       select 'default', 'a ' || i from generate_series(1, 1000) i union all select 'default', 'a 1'`,
    );
  }, 60_000);
  afterAll(async () => {
    await app?.close();
    await target?.close();
  });
  const groups = async (more = '') => {
    const { data, errors } = await app.graphql(
      token,
      `{ tasks(first: 1${more}) { groupedAggregates(groupBy: DESCRIPTION) { keys distinctCount { id } } } }`,
    );
    const tasks = data?.['tasks'] as unknown as {
      groupedAggregates: { keys: string[]; distinctCount: { id: string } }[];
    } | null;
    return { groups: tasks?.groupedAggregates ?? null, errors };
  };

  test('come all, as many as a list may have rows, and one more is refused', async () => {
    const full = await groups();
    expect(full.errors).toBeUndefined();
    expect(full.groups).toHaveLength(1_000);
    expect(full.groups?.find(({ keys }) => keys[0] === 'a 1')?.distinctCount.id).toBe('2');

    await target.admin.query("insert into app_public.tasks (tenant_id, description) values ('default', 'b')");
    const { groups: none, errors } = await groups();
    expect([none, errors?.map(({ message, extensions }) => [extensions.code, message])]).toEqual([
      null,
      [['PAGE_TOO_LARGE', 'groupedAggregates would have more than 1000 groups']],
    ]);
    expect((await groups(', filter: { description: { startsWith: "b" } }')).groups).toHaveLength(1);
  });
});
