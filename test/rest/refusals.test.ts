import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { apiTargets } from '../support/api-targets.ts';
import type { ApiTarget } from '../support/api-targets.ts';
import { startApp, testToken } from '../support/app.ts';
import type { RunningApp } from '../support/app.ts';

const nowhere = '00000000-0000-4000-8000-000000000000';
const held = { task_id: nowhere, fencing_token: 1 };
const series = {
  service: 's',
  metric: 'm',
  from: '2026-01-01T00:00:00Z',
  to: '2026-01-02T00:00:00Z',
};

/** JSON that Postgres stores in a few bytes per number. JavaScript does not have such numbers: see `bodyOf`. */
function longNumbers(number: string, count: number): object {
  return { numbers: Array.from({ length: count }, () => `number ${number}`) };
}

/** The body as it is sent. */
function bodyOf(args: object): string {
  return JSON.stringify(args).replaceAll(/"number ([^"]*)"/g, '$1');
}

/** Every stored function that a request can call, with arguments that it refuses, the code, and the HTTP status. */
const refusals: readonly (readonly [name: string, args: object, code: string, status: number])[] = [
  ['add_knowledge', { content: '' }, 'LTS15', 400],
  ['add_knowledge_items', { items: [] }, 'LTS16', 400],
  ['add_knowledge_items', { items: [{ content: 'x', id: 7 }] }, 'LTS17', 400],
  ['append_messages', { thread_id: nowhere, messages: [{ role: 'user', content: 'x' }] }, 'LTC01', 404],
  ['append_messages', { thread_id: nowhere, messages: [{ role: 'user', content: 7 }] }, 'LTC03', 400],
  ['cancel_task', { task_id: nowhere }, 'LTQ01', 404],
  ['cancel_task', { task_id: 'x' }, '22P02', 400],
  ['cancel_workflow', { workflow_id: nowhere }, 'LTW01', 404],
  ['claim_task', { agent: '' }, 'LTQ05', 400],
  ['claim_tasks', { agent: 'a', how_many: 0 }, 'LTQ05', 400],
  ['complete_task', held, 'LTQ01', 404],
  // A service does not read the log; test/db/audit/read_log.test.ts has what an administrator is refused.
  ['audit_search', {}, '42501', 403],
  // A service makes no keys; test/auth/api-key.test.ts has what an administrator is refused.
  ['create_api_key', { name: 'x' }, '42501', 403],
  ['create_session', { user_id: '' }, 'LTU01', 400],
  ['create_session', { user_id: 'u', ttl: '0 s' }, 'LTU02', 400],
  ['create_session', { user_id: 'u', role: 'anon' }, 'LTU03', 400],
  ['create_session', { user_id: 'u', role: 'admin' }, 'LTU04', 403],
  ['create_session', { user_id: 'u', data: [] }, 'LTU05', 400],
  ['create_session', { user_id: 'u', data: longNumbers('-1e131071', 100) }, 'LTK02', 400],
  ['enqueue_task', { description: '' }, 'LTQ05', 400],
  ['enqueue_task', { description: 'x', context: longNumbers('1e131071', 100) }, 'LTK02', 400],
  ['enqueue_task', { description: 'x', context: longNumbers('0e-16383', 1_000) }, 'LTK02', 400],
  ['enqueue_tasks', { tasks: {} }, 'LTQ05', 400],
  ['fail_task', { ...held, error: '' }, 'LTQ05', 400],
  ['heartbeat_task', { ...held, progress: 2 }, 'LTQ05', 400],
  ['list_api_keys', {}, '42501', 403],
  ['metric_latest', { service: 's', tags: [] }, 'LTM05', 400],
  ['metric_percentiles', { ...series, percentiles: [101] }, 'LTM07', 400],
  ['metric_series', { ...series, to: series.from }, 'LTM02', 400],
  ['metric_series', { ...series, bucket: '0 s' }, 'LTM03', 400],
  ['metric_series', { ...series, aggregate: 'mode' }, 'LTM04', 400],
  ['metric_series', { ...series, fill: 'x' }, 'LTM06', 400],
  ['own_sessions', { session_id: nowhere }, 'PGRST202', 404],
  ['pause_workflow', { workflow_id: nowhere }, 'LTW01', 404],
  ['record_metrics', { points: 'x' }, 'LTM01', 400],
  ['release_task', { ...held, delay: '-1 s' }, 'LTQ05', 400],
  ['resume_workflow', { workflow_id: nowhere }, 'LTW01', 404],
  ['retry_task', { task_id: nowhere }, 'LTQ01', 404],
  ['retry_workflow', { workflow_id: nowhere }, 'LTW01', 404],
  ['revoke_api_key', { id: 'x' }, '42501', 403],
  ['revoke_own_session', { session_id: 'x' }, '22P02', 400],
  ['revoke_session', { session_id: 'x' }, '22P02', 400],
  ['revoke_user_sessions', {}, 'PGRST202', 404],
  ['row_as_of', { table: 'tasks', key: nowhere, at: series.from }, '42501', 403],
  ['row_history', { table: 'tasks', key: nowhere }, '42501', 403],
  ['search_knowledge', {}, 'LTS04', 400],
  ['search_knowledge', { query_text: 'x', match_count: 0 }, 'LTS03', 400],
  ['search_knowledge', { query_embedding: '[1,2]' }, 'LTS01', 400],
  ['search_knowledge', { query_text: 'w '.repeat(5_001) }, 'LTS18', 400],
  ['search_knowledge_text', { query_text: '' }, 'LTS10', 400],
  ['search_knowledge_text', { query_text: 'w '.repeat(5_001) }, 'LTS18', 400],
  ['search_knowledge_text', { query_text: 'x' }, 'LTS11', 503],
  ['similar_knowledge', { id: 'none' }, 'LTS12', 404],
  ['start_workflow', { workflow_id: nowhere }, 'LTW01', 404],
  ['touch_knowledge', { ids: null }, 'LTS14', 400],
  ['touch_session', { session_id: nowhere }, 'LTU07', 404],
  ['touch_session', { session_id: nowhere, ttl: '0 s' }, 'LTU06', 400],
  ['validate_session', {}, 'PGRST202', 404],
  ['workflow_progress', { workflow_id: nowhere }, 'LTW01', 404],
  ['workflow_progress', { workflow_id: null }, 'LTW05', 400],
];

/** Arguments of functions that accept every value: any text may be a user or a token. */
const refusesNothing: Readonly<Record<string, object>> = {
  own_sessions: {},
  revoke_user_sessions: { user_id: 'u' },
  validate_session: { token: 't' },
};

describe.each(apiTargets)('bad input to the stored functions, %s', (_kind, open) => {
  let target: ApiTarget;
  let app: RunningApp;
  let token: string;

  beforeAll(async () => {
    target = await open();
    app = await startApp(target.database);
    token = await testToken('service');
  });
  afterAll(async () => {
    await app?.close();
    await target?.close();
  });

  const call = async (name: string, args: object, as: string | null) => {
    const response = await fetch(`${app.url}/rest/v1/rpc/${name}`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(as !== null && { authorization: `Bearer ${as}` }),
      },
      body: bodyOf(args),
    });
    const { code, message, details } = (await response.json()) as Record<string, string | undefined>;
    return { code, status: response.status, message, details };
  };

  test('is refused with a stable code, its status and a reason', async () => {
    const wrong: string[] = [];
    for (const [name, args, code, status] of refusals) {
      const answer = await call(name, args, token);
      if (answer.code !== code || answer.status !== status || !answer.message)
        wrong.push(`${name} ${JSON.stringify(args)}: ${JSON.stringify(answer)}, not ${code} ${status}`);
    }
    expect(wrong).toEqual([]);
  });

  test('of a version that is over tells in REST which version there is', async () => {
    const { rows } = await target.admin.query<{ id: string }>(
      "insert into app_public.threads (tenant_id, version) values ('default', 7) returning id",
    );
    const args = { thread_id: rows[0]!.id, messages: [{ role: 'user', content: 'x' }], expected_version: 5 };
    expect(await call('append_messages', args, token)).toEqual({
      code: 'LTC02',
      status: 409,
      message: `thread ${rows[0]!.id} has version 7, not 5`,
      details: '{"version": 7}',
    });
  });

  test('is tried with every function that some role may call, and none may be called without a token', async () => {
    const { rows } = await target.admin.query<{ name: string }>(
      `select distinct p.proname as name from pg_proc p
       where p.pronamespace = 'app_public'::regnamespace and p.prorettype <> 'trigger'::regtype order by 1`,
    );
    expect(rows.length).toBeGreaterThan(30);
    expect([...new Set(refusals.map(([name]) => name))].toSorted()).toEqual(rows.map(({ name }) => name));
    for (const [name, args] of refusals) {
      const { status } = await call(name, refusesNothing[name] ?? args, null);
      expect([name, status]).toEqual([name, 401]);
    }
  });
});
