import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { apiTargets } from '../../support/api-targets.ts';
import type { ApiTarget } from '../../support/api-targets.ts';
import { taskTenant } from '../../support/task-target.ts';
import type { Row, TaskTenant } from '../../support/task-target.ts';

describe.each(apiTargets)('adding tasks to the queue (%s)', (_, open) => {
  let target: ApiTarget;
  let tenant: TaskTenant;

  beforeAll(async () => {
    target = await open();
  });
  afterAll(() => target?.close());
  beforeEach(async () => {
    tenant = await taskTenant(target);
  });

  const many = (tasks: unknown, role: 'service' | 'member' = 'service') =>
    tenant.call(role, 'enqueue_tasks', { tasks: JSON.stringify(tasks) });

  test('enqueue_task gives the task back, with defaults where nothing was said', async () => {
    expect(await tenant.one('enqueue_task', { description: 'read' })).toMatchObject({
      tenant_id: tenant.name,
      description: 'read',
      status: 'pending',
      priority: 'normal',
      context: {},
      agent_id: null,
      attempt: 0,
      failures: 0,
      max_attempts: 5,
      required_capabilities: [],
      idempotency_key: null,
    });
  });

  test('enqueue_task keeps everything that was said', async () => {
    await tenant
      .as('service')
      .query({ text: "insert into agents (id, name, model) values ('ada', 'A', 'm')" });
    const said = {
      description: 'write',
      context: { pages: [1, 2] },
      priority: 'critical',
      agent_id: 'ada',
      max_attempts: 2,
      required_capabilities: ['gpu', 'net'],
      idempotency_key: 'k',
    };
    const task = await tenant.one('enqueue_task', { ...said, run_after: '2031-01-02T03:04:05Z' });
    expect(task).toMatchObject(said);
    expect(task['run_after']).toEqual(new Date('2031-01-02T03:04:05Z'));
    expect(task['queue_at']).toEqual(new Date('2031-01-02T00:04:05Z'));
  });

  test('the same key gives the same task, whatever else is said, and adds nothing', async () => {
    const first = await tenant.one('enqueue_task', { description: 'once', idempotency_key: 'k' });
    const again = await tenant.one('enqueue_task', {
      description: 'twice',
      priority: 'high',
      idempotency_key: 'k',
    });
    expect(again).toEqual(first);
    expect(await many([{ description: 'thrice', idempotency_key: 'k' }])).toEqual([first]);
    expect(await tenant.call('service', 'enqueue_task', { description: 'other' })).not.toEqual([first]);
  });

  test('another tenant may use the same key', async () => {
    const other = await taskTenant(target);
    const mine = await tenant.one('enqueue_task', { description: 'mine', idempotency_key: 'k' });
    const theirs = await other.one('enqueue_task', { description: 'theirs', idempotency_key: 'k' });
    expect(theirs).toMatchObject({ tenant_id: other.name, description: 'theirs' });
    expect(theirs['id']).not.toBe(mine['id']);
  });

  test('a key is enqueued once by many at once', async () => {
    const tasks = await Promise.all(
      Array.from({ length: 12 }, (_unused, i) =>
        i % 2
          ? tenant.one('enqueue_task', { description: `${i}`, idempotency_key: 'k' })
          : many([{ description: `${i}`, idempotency_key: 'k' }]).then((rows) => rows[0]!),
      ),
    );
    expect(new Set(tasks.map((task) => task['id'])).size).toBe(1);
  });

  test('enqueue_tasks gives a task for each, in their order, which is that of the queue', async () => {
    const tasks = await many(
      Array.from({ length: 40 }, (_unused, i) => ({ description: `${i}`, max_attempts: 1 + i })),
    );
    expect(tasks.map((task) => [task['description'], task['max_attempts']])).toEqual(
      Array.from({ length: 40 }, (_unused, i) => [`${i}`, 1 + i]),
    );
    const claimed = await tenant.call('service', 'claim_tasks', { agent: 'a', how_many: 40 });
    expect(claimed.map((task) => task['task_id'])).toEqual(tasks.map((task) => task['id']));
  });

  test('enqueue_tasks takes a key that stands twice in it as one task', async () => {
    const tasks = await many([
      { description: 'a', idempotency_key: 'k' },
      { description: 'b' },
      { description: 'c', idempotency_key: 'k' },
    ]);
    expect(tasks.map((task) => task['description'])).toEqual(['a', 'b', 'a']);
    expect(tasks[2]).toEqual(tasks[0]);
  });

  test('enqueue_tasks of nothing is nothing', async () => {
    expect(await many([])).toEqual([]);
  });

  test('null is the same as nothing said, but for what has to be there', async () => {
    const [task] = await many([
      {
        description: 'x',
        context: null,
        priority: null,
        agent_id: null,
        run_after: null,
        max_attempts: null,
        required_capabilities: null,
        idempotency_key: null,
      },
    ]);
    expect(task).toMatchObject({
      context: {},
      priority: 'normal',
      agent_id: null,
      max_attempts: 5,
      required_capabilities: [],
      idempotency_key: null,
    });
  });

  test('a task that brings its own history queues by its age', async () => {
    const { rows } = await tenant.as('service').query<Row>({
      text: "insert into tasks (description, priority, created_at) values ('old', 'low', '2020-01-01Z') returning queue_at",
    });
    expect(rows).toEqual([{ queue_at: new Date('2020-01-01T00:00:00Z') }]);
  });

  test('a change of priority or time moves a waiting task', async () => {
    const task = await tenant.one('enqueue_task', { description: 'x', run_after: '2031-01-01T12:00:00Z' });
    const queueAt = async (set: string) => {
      const { rows } = await tenant.as('member').query<Row>({
        text: `update tasks set ${set} where id = $1 returning queue_at`,
        values: [task['id']],
      });
      return rows[0]?.['queue_at'];
    };
    expect(await queueAt("priority = 'low'")).toEqual(new Date('2031-01-01T12:00:00Z'));
    expect(await queueAt("priority = 'high'")).toEqual(new Date('2031-01-01T11:00:00Z'));
    expect(await queueAt("run_after = '2030-01-01Z'")).toEqual(new Date('2029-12-31T23:00:00Z'));
  });

  test.each<[string, Row]>([
    ['description', { description: '' }],
    ['description', { description: null }],
    ['context', { description: 'x', context: null }],
    ['priority', { description: 'x', priority: 'urgent' }],
    ['priority', { description: 'x', priority: null }],
    ['max_attempts', { description: 'x', max_attempts: 0 }],
    ['max_attempts', { description: 'x', max_attempts: null }],
    ['required_capabilities', { description: 'x', required_capabilities: null }],
    ['required_capabilities', { description: 'x', required_capabilities: [null] }],
    ['idempotency_key', { description: 'x', idempotency_key: '' }],
    ['idempotency_key', { description: 'x', idempotency_key: 'k'.repeat(201) }],
    ['agent_id', { description: 'x', agent_id: 'nobody' }],
  ])('enqueue_task refuses a bad %s: %o', async (name, args) => {
    await expect(tenant.call('service', 'enqueue_task', args)).rejects.toMatchObject({
      code: 'LTQ05',
      message: expect.stringMatching(new RegExp(`^invalid ${name}: .`)),
    });
  });

  test.each<[string, unknown]>([
    ['tasks', null],
    ['tasks', {}],
    ['tasks', 'text'],
    ['tasks[1]', [{ description: 'x' }, 3]],
    ['tasks[1].colour', [{ description: 'x' }, { description: 'x', colour: 'red' }]],
    ['tasks[0].description', [{}]],
    ['tasks[0].description', [{ description: '' }]],
    ['tasks[0].description', [{ description: 7 }]],
    ['tasks[0].priority', [{ description: 'x', priority: 'urgent' }]],
    ['tasks[0].max_attempts', [{ description: 'x', max_attempts: 0 }]],
    ['tasks[0].max_attempts', [{ description: 'x', max_attempts: 1.5 }]],
    ['tasks[0].max_attempts', [{ description: 'x', max_attempts: '2' }]],
    ['tasks[0].max_attempts', [{ description: 'x', max_attempts: 3e9 }]],
    ['tasks[0].required_capabilities', [{ description: 'x', required_capabilities: 'gpu' }]],
    ['tasks[0].required_capabilities', [{ description: 'x', required_capabilities: [1] }]],
    ['tasks[0].idempotency_key', [{ description: 'x', idempotency_key: '' }]],
    ['tasks[0].idempotency_key', [{ description: 'x', idempotency_key: 5 }]],
    ['tasks[0].run_after', [{ description: 'x', run_after: 'soon' }]],
    ['tasks[0].run_after', [{ description: 'x', run_after: 5 }]],
    ['tasks[0].agent_id', [{ description: 'x', agent_id: 'nobody' }]],
    ['tasks[0].agent_id', [{ description: 'x', agent_id: 5 }]],
  ])('enqueue_tasks refuses a bad %s and adds nothing: %o', async (place, tasks) => {
    await expect(many(tasks)).rejects.toMatchObject({
      code: 'LTQ05',
      message: expect.stringContaining(`invalid ${place}: `),
    });
    const { rows } = await tenant.as('service').query({ text: 'select from tasks' });
    expect(rows).toEqual([]);
  });

  test('members, services and administrators may; nobody else', async () => {
    for (const role of ['member', 'service', 'admin'] as const) {
      expect(await tenant.call(role, 'enqueue_task', { description: role })).toHaveLength(1);
      expect(await tenant.call(role, 'enqueue_tasks', { tasks: '[{"description": "x"}]' })).toHaveLength(1);
    }
    await expect(tenant.call('anon', 'enqueue_task', { description: 'x' })).rejects.toMatchObject({
      code: '42501',
    });
    await expect(tenant.call('anon', 'enqueue_tasks', { tasks: '[]' })).rejects.toMatchObject({
      code: '42501',
    });
  });
});
