import type { DatabaseError } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { apiTargets } from '../../support/api-targets.ts';
import type { ApiTarget } from '../../support/api-targets.ts';
import { callOf, taskTenant } from '../../support/task-target.ts';
import type { Row, TaskTenant } from '../../support/task-target.ts';

const nowhere = '00000000-0000-4000-8000-000000000000';

describe.each(apiTargets)('claimed tasks (%s)', (kind, open) => {
  let target: ApiTarget;
  let tenant: TaskTenant;

  beforeAll(async () => {
    target = await open();
  });
  afterAll(() => target?.close());
  beforeEach(async () => {
    tenant = await taskTenant(target);
  });

  const enqueue = (description: string, more: Row = {}) =>
    tenant.one('enqueue_task', { description, ...more });
  const claim = (more: Row = {}) => tenant.call('service', 'claim_task', { agent: 'ada', ...more });
  /** A task that is claimed, with its token: the arguments of every call about it. */
  const claimed = async (more: Row = {}): Promise<{ task_id: unknown; fencing_token: unknown }> => {
    await enqueue('work', more);
    const [task] = await claim();
    return { task_id: task!['task_id'], fencing_token: task!['fencing_token'] };
  };
  const claimAll = async (more: Row = {}): Promise<unknown[]> => {
    const tasks = await tenant.call('service', 'claim_tasks', { agent: 'ada', how_many: 1000, ...more });
    return tasks.map((task) => task['description']);
  };

  describe('claim_task and claim_tasks', () => {
    test('give the task with an attempt, a token and a lease', async () => {
      const task = await enqueue('work', { context: { a: 1 }, priority: 'high', max_attempts: 3 });
      const before = Date.now();
      const [got] = await claim({ lease: '30 seconds' });
      expect(got).toMatchObject({
        task_id: task['id'],
        attempt: 1,
        max_attempts: 3,
        description: 'work',
        priority: 'high',
        context: { a: 1 },
        created_at: task['created_at'],
      });
      expect(Math.abs((got!['expires_at'] as Date).getTime() - before - 30_000)).toBeLessThan(5_000);
      expect(await tenant.task(task['id'])).toMatchObject({
        status: 'running',
        attempt: 1,
        started_at: expect.any(Date),
      });
      const { rows } = await tenant.as('member').query<Row>({ text: 'select * from task_leases' });
      expect(rows).toMatchObject([
        { task_id: task['id'], agent: 'ada', attempt: 1, fencing_token: got!['fencing_token'] },
      ]);
    });

    test('give nothing when nothing waits, and a task to one only', async () => {
      expect(await claim()).toEqual([]);
      await enqueue('work');
      expect(await claim()).toHaveLength(1);
      expect(await claim()).toEqual([]);
    });

    test('give no task of another tenant', async () => {
      const other = await taskTenant(target);
      await other.one('enqueue_task', { description: 'theirs' });
      expect(await claim()).toEqual([]);
      expect(await other.call('service', 'claim_task', { agent: 'ada' })).toHaveLength(1);
    });

    test('each claim of a task has a larger token', async () => {
      const first = await claimed();
      await tenant.one('release_task', first);
      const [second] = await claim();
      expect(second!['task_id']).toBe(first.task_id);
      expect(BigInt(String(second!['fencing_token']))).toBeGreaterThan(BigInt(String(first.fencing_token)));
    });

    test('serve by priority, then age', async () => {
      for (const priority of ['low', 'normal', 'high', 'critical', 'low', 'critical'])
        await enqueue(priority, { priority });
      expect(await claimAll()).toEqual(['critical', 'critical', 'high', 'normal', 'low', 'low']);
    });

    test('serve a low task before a critical one that came more than three hours later', async () => {
      const ago = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString();
      await enqueue('critical now', { priority: 'critical' });
      await enqueue('low 181 minutes ago', { priority: 'low', run_after: ago(181) });
      await enqueue('low 179 minutes ago', { priority: 'low', run_after: ago(179) });
      await enqueue('normal 19 minutes ago', { priority: 'normal', run_after: ago(19) });
      await enqueue('high now', { priority: 'high' });
      expect(await claimAll()).toEqual([
        'low 181 minutes ago',
        'critical now',
        'low 179 minutes ago',
        'high now',
        'normal 19 minutes ago',
      ]);
    });

    test('pass over what is not due, whatever its priority', async () => {
      await enqueue('later', {
        priority: 'critical',
        run_after: new Date(Date.now() + 60_000).toISOString(),
      });
      await enqueue('now', { priority: 'low' });
      expect(await claimAll()).toEqual(['now']);
    });

    test('give a task that needs capabilities to who has all of them', async () => {
      await enqueue('both', { required_capabilities: ['gpu', 'net'] });
      await enqueue('none');
      expect(await claimAll()).toEqual(['none']);
      expect(await claimAll({ capabilities: ['gpu'] })).toEqual([]);
      expect(await claimAll({ capabilities: ['net', 'disk', 'gpu'] })).toEqual(['both']);
    });

    test('give what the filter is contained in', async () => {
      await enqueue('red', { context: { kind: 'paint', colour: 'red' } });
      await enqueue('blue', { context: { kind: 'paint', colour: 'blue' } });
      expect(await claimAll({ filter: { colour: 'blue' } })).toEqual(['blue']);
      expect(await claimAll({ filter: { kind: 'paint' } })).toEqual(['red']);
    });

    test('give a task for an agent to no other', async () => {
      await tenant
        .as('service')
        .query({ text: "insert into agents (id, name, model) values ('grace', 'G', 'm')" });
      await enqueue('hers', { agent_id: 'grace' });
      expect(await claimAll()).toEqual([]);
      expect(await claimAll({ agent: 'grace' })).toEqual(['hers']);
    });

    test('give as many as asked for, in order', async () => {
      for (let i = 0; i < 5; i += 1) await enqueue(`${i}`);
      expect(await claimAll({ how_many: 3 })).toEqual(['0', '1', '2']);
      expect(await claimAll({ how_many: 3 })).toEqual(['3', '4']);
    });

    test('take over what expired when too little waits', async () => {
      const lost = await claimed();
      await tenant.expire(lost.task_id);
      const [mine] = await claim({ agent: 'grace' });
      expect(mine).toMatchObject({ task_id: lost.task_id, attempt: 2 });
      expect(await tenant.attempts(lost.task_id)).toMatchObject([
        { attempt: 1, agent: 'ada', outcome: 'expired', fencing_token: lost.fencing_token },
      ]);
      for (const late of ['complete_task', 'heartbeat_task', 'release_task'])
        await expect(tenant.one(late, lost)).rejects.toMatchObject({
          code: 'LTQ02',
          detail: 'That attempt ended: expired. The task is running.',
        });
      await expect(tenant.one('fail_task', { ...lost, error: 'x' })).rejects.toMatchObject({ code: 'LTQ02' });
      const { task_id, fencing_token } = mine!;
      expect(
        await tenant.one('complete_task', { task_id, fencing_token, result: { by: 'grace' } }),
      ).toMatchObject({
        status: 'completed',
        result: { by: 'grace' },
      });
    });

    test('do not take over what is only late', async () => {
      const late = await claimed();
      await enqueue('another');
      await tenant.expire(late.task_id);
      expect(await claimAll({ how_many: 1 })).toEqual(['another']);
      // Nobody took it: its token still is the current one.
      expect(await tenant.one('heartbeat_task', late)).toMatchObject({ task_id: late.task_id });
      expect(await claim()).toEqual([]);
      expect(await tenant.one('complete_task', late)).toMatchObject({ status: 'completed' });
    });

    // One session knows no two at a time.
    test.skipIf(kind === 'embedded')('leave it to another of the tenant that is looking for it', async () => {
      const lost = await claimed();
      const other = await taskTenant(target);
      await other.one('enqueue_task', { description: 'theirs' });
      const [theirs] = await other.call('service', 'claim_task', { agent: 'ada' });
      await tenant.as('service').transaction(async (transaction) => {
        const { rows } = await transaction.query(callOf('claim_task', { agent: 'grace' }));
        expect(rows).toEqual([]);
        await tenant.expire(lost.task_id);
        await other.expire(theirs!['task_id']);
        expect(await claim()).toEqual([]);
        expect(await claimAll()).toEqual([]);
        expect(await other.call('service', 'claim_task', { agent: 'ada' })).toMatchObject([
          { task_id: theirs!['task_id'], attempt: 2 },
        ]);
      });
      expect(await claim()).toMatchObject([{ task_id: lost.task_id, attempt: 2 }]);
    });

    test.each<[string, Row]>([
      ['agent', { agent: '' }],
      ['agent', { agent: null }],
      ['agent', { agent: 'a'.repeat(201) }],
      ['capabilities', { agent: 'a', capabilities: null }],
      ['filter', { agent: 'a', filter: null }],
      ['lease', { agent: 'a', lease: '0 seconds' }],
      ['lease', { agent: 'a', lease: '25 hours' }],
      ['lease', { agent: 'a', lease: null }],
      ['how_many', { agent: 'a', how_many: 0 }],
      ['how_many', { agent: 'a', how_many: 1001 }],
      ['how_many', { agent: 'a', how_many: null }],
    ])('refuse a bad %s: %o', async (name, args) => {
      const functions = 'how_many' in args ? ['claim_tasks'] : ['claim_tasks', 'claim_task'];
      for (const fn of functions)
        await expect(tenant.call('service', fn, args)).rejects.toMatchObject({
          code: 'LTQ05',
          message: expect.stringMatching(new RegExp(`^invalid ${name}: `)),
        });
    });
  });

  describe('heartbeat_task', () => {
    test('extends the lease by what it was claimed for, or as said, and keeps what was said before', async () => {
      await enqueue('work');
      const [got] = await claim({ lease: '10 minutes' });
      const it = { task_id: got!['task_id'], fencing_token: got!['fencing_token'] };
      await tenant.expire(it.task_id);
      const first = await tenant.one('heartbeat_task', { ...it, progress: 0.25, note: 'begun' });
      expect(first).toMatchObject({ progress: 0.25, note: 'begun' });
      const until = (row: Row) => ((row['expires_at'] as Date).getTime() - Date.now()) / 60_000;
      expect(until(first)).toBeCloseTo(10, 0);
      const second = await tenant.one('heartbeat_task', { ...it, lease: '20 minutes' });
      expect(second).toMatchObject({ progress: 0.25, note: 'begun' });
      expect(until(second)).toBeCloseTo(20, 0);
      await tenant.one('complete_task', it);
      expect(await tenant.attempts(it.task_id)).toMatchObject([{ progress: 0.25, note: 'begun' }]);
    });

    test('neither writes the task nor the audit log', async () => {
      const it = await claimed();
      const look = () =>
        tenant.admin.query(
          `select (select count(*) from audit.log) as logged, xmin::text as version
           from app_public.tasks where id = $1`,
          [it.task_id],
        );
      const before = (await look()).rows;
      await tenant.one('heartbeat_task', { ...it, progress: 0.5 });
      expect((await look()).rows).toEqual(before);
    });

    test.each<[string, Row]>([
      ['progress', { progress: -0.01 }],
      ['progress', { progress: 1.01 }],
      ['progress', { progress: 'NaN' }],
      ['lease', { lease: '0.5 seconds' }],
    ])('refuses a bad %s: %o', async (name, args) => {
      const it = await claimed();
      await expect(tenant.one('heartbeat_task', { ...it, ...args })).rejects.toMatchObject({
        code: 'LTQ05',
        message: expect.stringMatching(new RegExp(`^invalid ${name}: `)),
      });
    });
  });

  describe('complete_task', () => {
    test('keeps the result and the attempt', async () => {
      const it = await claimed();
      expect(await tenant.one('complete_task', { ...it, result: { words: 3 } })).toMatchObject({
        id: it.task_id,
        status: 'completed',
        result: { words: 3 },
        completed_at: expect.any(Date),
      });
      expect(await tenant.attempts(it.task_id)).toMatchObject([
        { attempt: 1, agent: 'ada', outcome: 'completed', error: null, ended_at: expect.any(Date) },
      ]);
      const { rows } = await tenant.as('service').query({ text: 'select from task_leases' });
      expect(rows).toEqual([]);
    });

    test('is accepted once', async () => {
      const it = await claimed();
      const outcomes = await Promise.allSettled(
        [1, 2, 3].map((n) => tenant.one('complete_task', { ...it, result: { n } })),
      );
      expect(outcomes.map((outcome) => outcome.status).toSorted()).toEqual([
        'fulfilled',
        'rejected',
        'rejected',
      ]);
      await expect(tenant.one('complete_task', it)).rejects.toMatchObject({
        code: 'LTQ02',
        detail: 'That attempt ended: completed. The task is completed.',
      });
    });
  });

  describe('fail_task', () => {
    test('waits longer after each failure, between half and all of 2, 4, 8 ... seconds', async () => {
      await enqueue('hard', { max_attempts: 100 });
      const waits: number[] = [];
      for (let failure = 1; failure <= 14; failure += 1) {
        const [got] = await claim();
        const { task_id, fencing_token } = got!;
        const before = Date.now();
        const task = await tenant.one('fail_task', { task_id, fencing_token, error: `error ${failure}` });
        const wait = ((task['run_after'] as Date).getTime() - before) / 1000;
        const whole = Math.min(3600, 2 ** failure);
        expect(wait).toBeGreaterThanOrEqual(whole / 2 - 0.1);
        expect(wait).toBeLessThanOrEqual(whole + 5);
        waits.push(wait / whole);
        expect(task).toMatchObject({
          status: 'pending',
          failures: failure,
          error_message: `error ${failure}`,
        });
        expect(await claim()).toEqual([]);
        await tenant.admin.query('update app_public.tasks set run_after = now() where id = $1', [task_id]);
      }
      expect(new Set(waits.map((wait) => wait.toFixed(2))).size).toBeGreaterThan(3);
    });

    test('waits as long as it is told', async () => {
      const it = await claimed();
      const task = await tenant.one('fail_task', { ...it, error: 'x', retry_in: '2 hours' });
      expect(((task['run_after'] as Date).getTime() - Date.now()) / 3_600_000).toBeCloseTo(2, 1);
    });

    test('makes it dead when its attempts are used up, with all of its history', async () => {
      const task = await enqueue('hopeless', { max_attempts: 3 });
      for (const error of ['one', 'two', 'three']) {
        const { task_id, fencing_token } = (await claim({ agent: `after ${error}` }))[0]!;
        await tenant.one('fail_task', { task_id, fencing_token, error, retry_in: '0' });
      }
      expect(await tenant.task(task['id'])).toMatchObject({
        status: 'dead',
        failures: 3,
        error_message: 'three',
        completed_at: expect.any(Date),
      });
      expect(await tenant.attempts(task['id'])).toMatchObject([
        { attempt: 1, agent: 'after one', outcome: 'failed', error: 'one' },
        { attempt: 2, agent: 'after two', outcome: 'failed', error: 'two' },
        { attempt: 3, agent: 'after three', outcome: 'failed', error: 'three' },
      ]);
      expect(await claim()).toEqual([]);
    });

    test('makes it failed at once when it cannot be retried', async () => {
      const it = await claimed();
      expect(await tenant.one('fail_task', { ...it, error: 'no such page', retryable: false })).toMatchObject(
        {
          status: 'failed',
          error_message: 'no such page',
          completed_at: expect.any(Date),
        },
      );
      expect(await claim()).toEqual([]);
    });

    test.each<[string, Row]>([
      ['error', { error: '' }],
      ['error', { error: null }],
      ['retryable', { error: 'x', retryable: null }],
      ['retry_in', { error: 'x', retry_in: '-1 second' }],
      ['retry_in', { error: 'x', retry_in: '31 days' }],
    ])('refuses a bad %s: %o', async (name, args) => {
      const it = await claimed();
      await expect(tenant.one('fail_task', { ...it, ...args })).rejects.toMatchObject({
        code: 'LTQ05',
        message: expect.stringMatching(new RegExp(`^invalid ${name}: `)),
      });
      expect(await tenant.task(it.task_id)).toMatchObject({ status: 'running' });
    });
  });

  describe('release_task', () => {
    test('puts it back in its old place, and does not count', async () => {
      const it = await claimed({ max_attempts: 1 });
      await enqueue('younger');
      expect(await tenant.one('release_task', it)).toMatchObject({ status: 'pending', failures: 0 });
      expect(await claimAll()).toEqual(['work', 'younger']);
      expect(await tenant.attempts(it.task_id)).toMatchObject([{ outcome: 'released' }]);
    });

    test('keeps it back for as long as it is told', async () => {
      const it = await claimed();
      const task = await tenant.one('release_task', { ...it, delay: '1 hour' });
      expect(((task['run_after'] as Date).getTime() - Date.now()) / 3_600_000).toBeCloseTo(1, 1);
      expect(await claim()).toEqual([]);
    });

    test.each([['-1 second'], ['31 days'], [null]])('refuses a delay of %s', async (delay) => {
      const it = await claimed();
      await expect(tenant.one('release_task', { ...it, delay })).rejects.toMatchObject({ code: 'LTQ05' });
    });
  });

  describe('cancel_task', () => {
    test('ends a task that waits, and one that is cancelled stays so', async () => {
      const task = await enqueue('work');
      const cancelled = await tenant.call('member', 'cancel_task', {
        task_id: task['id'],
        reason: 'no need',
      });
      expect(cancelled).toMatchObject([{ status: 'cancelled', error_message: 'no need' }]);
      expect(await tenant.call('member', 'cancel_task', { task_id: task['id'] })).toEqual(cancelled);
      expect(await claim()).toEqual([]);
    });

    test('ends a task that is worked on; its holder learns it at the next call', async () => {
      const it = await claimed();
      await tenant.call('member', 'cancel_task', { task_id: it.task_id, reason: 'changed my mind' });
      for (const [fn, more] of [
        ['heartbeat_task', {}],
        ['complete_task', {}],
        ['fail_task', { error: 'x' }],
        ['release_task', {}],
      ] as const)
        await expect(tenant.one(fn, { ...it, ...more })).rejects.toMatchObject({ code: 'LTQ03' });
      expect(await tenant.task(it.task_id)).toMatchObject({ status: 'cancelled', result: null });
      expect(await tenant.attempts(it.task_id)).toMatchObject([
        { outcome: 'cancelled', error: 'changed my mind' },
      ]);
    });

    test.each(['completed', 'failed', 'dead'])('refuses one that is %s', async (status) => {
      const { rows } = await tenant.as('service').query<Row>({
        text: 'insert into tasks (description, status) values ($1, $2) returning id',
        values: ['work', status],
      });
      await expect(tenant.one('cancel_task', { task_id: rows[0]!['id'] })).rejects.toMatchObject({
        code: 'LTQ04',
        message: `task ${String(rows[0]!['id'])} is ${status} and cannot become cancelled`,
      });
    });
  });

  describe('retry_task', () => {
    test.each(['failed', 'dead'])('gives one that is %s all of its attempts again', async (status) => {
      const it = await claimed({ max_attempts: 1 });
      const failed = await tenant.one('fail_task', { ...it, error: 'x', retryable: status === 'dead' });
      expect(failed).toMatchObject({ status });
      expect(await tenant.call('member', 'retry_task', { task_id: it.task_id })).toMatchObject([
        { status: 'pending', failures: 0, error_message: null, completed_at: null },
      ]);
      expect(await claim()).toMatchObject([{ task_id: it.task_id, attempt: 2 }]);
      expect(await tenant.attempts(it.task_id)).toMatchObject([
        { attempt: 1, outcome: 'failed', error: 'x' },
      ]);
    });

    test('keeps it back until it is told', async () => {
      const it = await claimed({ max_attempts: 1 });
      await tenant.one('fail_task', { ...it, error: 'x' });
      const run_after = new Date(Date.now() + 60_000).toISOString();
      await tenant.one('retry_task', { task_id: it.task_id, run_after });
      expect(await claim()).toEqual([]);
    });

    test.each(['pending', 'assigned', 'running', 'completed', 'cancelled'])(
      'refuses one that is %s',
      async (status) => {
        const { rows } = await tenant.as('service').query<Row>({
          text: 'insert into tasks (description, status) values ($1, $2) returning id',
          values: ['work', status],
        });
        await expect(tenant.one('retry_task', { task_id: rows[0]!['id'] })).rejects.toMatchObject({
          code: 'LTQ04',
          message: `task ${String(rows[0]!['id'])} is ${status} and cannot become pending`,
        });
      },
    );
  });

  describe('every call about a task', () => {
    const calls: readonly [fn: string, more: Row][] = [
      ['heartbeat_task', {}],
      ['complete_task', {}],
      ['fail_task', { error: 'x' }],
      ['release_task', {}],
    ];

    test.each(calls)(
      '%s refuses a token that is not the current one, and changes nothing',
      async (fn, more) => {
        const it = await claimed();
        const before = await tenant.task(it.task_id);
        for (const fencing_token of ['0', String(BigInt(String(it.fencing_token)) + 1n)])
          await expect(tenant.one(fn, { ...it, ...more, fencing_token })).rejects.toMatchObject({
            code: 'LTQ02',
            message: `the lease of task ${String(it.task_id)} with fencing token ${fencing_token} is over`,
          });
        expect(await tenant.task(it.task_id)).toEqual(before);
        expect(await tenant.one('complete_task', it)).toMatchObject({ status: 'completed' });
      },
    );

    test.each(calls)('%s refuses a task that was never claimed', async (fn, more) => {
      const task = await enqueue('work');
      await expect(tenant.one(fn, { task_id: task['id'], fencing_token: 1, ...more })).rejects.toMatchObject({
        code: 'LTQ02',
        detail: 'No attempt has this token. The task is pending.',
      });
    });

    test.each(calls)('%s knows no task of another tenant, nor one that is not there', async (fn, more) => {
      const it = await claimed();
      const other = await taskTenant(target);
      await expect(other.one(fn, { ...it, ...more })).rejects.toMatchObject({ code: 'LTQ01' });
      await expect(tenant.one(fn, { ...it, task_id: nowhere, ...more })).rejects.toMatchObject({
        code: 'LTQ01',
        message: `task ${nowhere} does not exist`,
      });
    });

    test.each(calls)('%s needs both the task and the token', async (fn, more) => {
      const it = await claimed();
      for (const name of ['task_id', 'fencing_token'])
        await expect(tenant.one(fn, { ...it, ...more, [name]: null })).rejects.toMatchObject({
          code: 'LTQ05',
          message: `invalid ${name}: it is missing`,
        });
    });

    test('cancel_task and retry_task know no task of another tenant, and need one', async () => {
      const task = await enqueue('work');
      const other = await taskTenant(target);
      for (const fn of ['cancel_task', 'retry_task']) {
        await expect(other.one(fn, { task_id: task['id'] })).rejects.toMatchObject({ code: 'LTQ01' });
        await expect(tenant.one(fn, { task_id: null })).rejects.toMatchObject({ code: 'LTQ05' });
      }
    });

    test('only programs work on tasks; members may cancel and retry; anonymous callers nothing', async () => {
      const it = await claimed();
      const work: readonly [string, Row][] = [
        ['claim_task', { agent: 'a' }],
        ['claim_tasks', { agent: 'a' }],
        ...calls.map(([fn, more]): [string, Row] => [fn, { ...it, ...more }]),
      ];
      for (const [fn, args] of work) {
        for (const role of ['anon', 'member'] as const)
          await expect(tenant.call(role, fn, args)).rejects.toMatchObject({ code: '42501' });
      }
      for (const fn of ['cancel_task', 'retry_task'])
        await expect(tenant.call('anon', fn, { task_id: it.task_id })).rejects.toMatchObject({
          code: '42501',
        });
      await expect(
        tenant.as('admin').query({ text: 'select ops.reap_expired_leases()' }),
      ).rejects.toMatchObject({ code: '42501' });
      expect(await tenant.call('admin', 'complete_task', it)).toMatchObject([{ status: 'completed' }]);
    });
  });

  describe('ops.reap_expired_leases', () => {
    test('takes back what expired, of every tenant, and nothing else', async () => {
      const expired = await claimed();
      const alive = await claimed();
      const other = await taskTenant(target);
      await other.one('enqueue_task', { description: 'theirs', max_attempts: 1 });
      const [theirs] = await other.call('service', 'claim_task', { agent: 'grace' });
      await tenant.expire(expired.task_id);
      await other.expire(theirs!['task_id']);
      await tenant.admin.query('set role lightning_worker');
      try {
        const reap = 'select ops.reap_expired_leases($1) as count';
        expect((await tenant.admin.query(reap, [1])).rows).toEqual([{ count: 1 }]);
        expect((await tenant.admin.query(reap, [1000])).rows).toEqual([{ count: 1 }]);
        expect((await tenant.admin.query(reap, [1000])).rows).toEqual([{ count: 0 }]);
      } finally {
        await tenant.admin.query('reset role');
      }
      expect(await tenant.task(expired.task_id)).toMatchObject({ status: 'pending', failures: 1 });
      expect(await tenant.task(alive.task_id)).toMatchObject({ status: 'running' });
      // It was the only attempt that it had.
      expect(await tenant.task(theirs!['task_id'])).toMatchObject({
        status: 'dead',
        error_message: expect.stringMatching(/^nothing has been heard from grace since /),
      });
      expect(await tenant.attempts(theirs!['task_id'])).toMatchObject([{ outcome: 'expired' }]);
    });
  });

  describe('direct writers', () => {
    const states = ['pending', 'assigned', 'running', 'completed', 'failed', 'cancelled', 'dead'] as const;
    const legal: Readonly<Record<string, readonly string[]>> = {
      pending: ['assigned', 'running', 'cancelled'],
      assigned: ['pending', 'running', 'cancelled'],
      running: ['pending', 'completed', 'failed', 'dead', 'cancelled'],
      failed: ['pending'],
      dead: ['pending'],
    };

    test.each(states)('may change %s to what the machine allows, and to nothing else', async (from) => {
      for (const to of states) {
        const { rows } = await tenant.as('service').query<Row>({
          text: 'insert into tasks (description, status) values ($1, $2) returning id',
          values: [`${from} to ${to}`, from],
        });
        const id = rows[0]!['id'];
        const outcome = await tenant
          .as('member')
          .query<Row>({
            text: 'update tasks set status = $2 where id = $1 returning status',
            values: [id, to],
          })
          .then(
            ({ rows: [task] }) => task?.['status'],
            (error: DatabaseError) => `${error.code}: ${error.message}`,
          );
        const allowed = from === to || legal[from]?.includes(to);
        expect(outcome).toBe(allowed ? to : `LTQ04: task ${String(id)} is ${from} and cannot become ${to}`);
        expect(await tenant.task(id)).toMatchObject({ status: allowed ? to : from });
      }
    });

    test.each([
      "status = 'completed'",
      "status = 'cancelled'",
      "result = '{}'",
      "description = 'x'",
      "error_message = 'x'",
      `context = '{"a": 1}'`,
      "priority = 'low'",
      'max_attempts = 9',
    ])('are refused on a claimed task, superusers too: %s', async (set) => {
      const it = await claimed();
      const text = `update app_public.tasks set ${set} where id = $1`;
      const values = [it.task_id];
      for (const role of ['member', 'service', 'admin'] as const)
        await expect(tenant.as(role).query({ text, values })).rejects.toMatchObject({
          code: 'LTQ06',
          message: `task ${String(it.task_id)} is claimed by ada`,
        });
      await expect(tenant.admin.query(text, values)).rejects.toMatchObject({ code: 'LTQ06' });
      expect(await tenant.one('complete_task', it)).toMatchObject({ description: 'work', result: null });
    });

    test('may remove the agent of a claimed task, and the task itself', async () => {
      await tenant
        .as('service')
        .query({ text: "insert into agents (id, name, model) values ('ada', 'A', 'm')" });
      const it = await claimed({ agent_id: 'ada' });
      await tenant.as('service').query({ text: "delete from agents where id = 'ada'" });
      expect(await tenant.task(it.task_id)).toMatchObject({ agent_id: null, status: 'running' });
      await tenant.as('member').query({ text: 'delete from tasks where id = $1', values: [it.task_id] });
      await expect(tenant.one('complete_task', it)).rejects.toMatchObject({ code: 'LTQ01' });
    });

    test('may work on a task without claiming it, and nobody claims it meanwhile', async () => {
      const task = await enqueue('by hand');
      const set = (status: string) =>
        tenant.as('member').query({
          text: 'update tasks set status = $2 where id = $1',
          values: [task['id'], status],
        });
      await set('running');
      expect(await claim()).toEqual([]);
      expect(await tenant.one('cancel_task', { task_id: task['id'] })).toMatchObject({ status: 'cancelled' });
    });

    test('write neither leases nor attempts, nor what the functions keep', async () => {
      const it = await claimed();
      for (const text of [
        'update task_leases set fencing_token = 0',
        "update task_leases set expires_at = 'infinity'",
        'delete from task_leases',
        'insert into task_leases select * from task_leases',
        'delete from task_attempts',
        "update task_attempts set outcome = 'completed'",
        'insert into task_attempts select * from task_attempts',
        'update tasks set attempt = 0',
        'update tasks set failures = 0',
        'update tasks set queue_at = now()',
        "update tasks set idempotency_key = 'k'",
        "insert into tasks (description, attempt) values ('x', 3)",
        "select nextval('app_private.fencing_tokens')",
      ])
        for (const role of ['member', 'service', 'admin'] as const)
          await expect(tenant.as(role).query({ text })).rejects.toMatchObject({ code: '42501' });
      await tenant.one('complete_task', it);
    });
  });

  test('a claim and a completion are in the audit log, in detail', async () => {
    const it = await claimed();
    await tenant.one('complete_task', { ...it, result: { a: 1 } });
    const { rows } = await tenant.admin.query<Row>(
      `select operation, role, subject, old_values ->> 'status' as before, new_values ->> 'status' as after
       from audit.log where table_name = 'app_public.tasks' and key ->> 'id' = $1 order by id`,
      [it.task_id],
    );
    const who = { role: 'lightning_service', subject: `service@${tenant.name}` };
    expect(rows).toEqual([
      { ...who, operation: 'insert', before: null, after: 'pending' },
      { ...who, operation: 'update', before: 'pending', after: 'running' },
      { ...who, operation: 'update', before: 'running', after: 'completed' },
    ]);
  });

  test('who waits is woken within milliseconds', async () => {
    const woken: number[] = [];
    const unlisten = await target.database.listen(
      'lightning:tasks',
      () => woken.push(performance.now()),
      () => {},
    );
    const took: number[] = [];
    const wakes = async (event: () => Promise<unknown>) => {
      woken.length = 0;
      await event();
      const committed = performance.now();
      await expect.poll(() => woken.length, { interval: 1, timeout: 5_000 }).toBeGreaterThan(0);
      took.push(Math.max(0, woken[0]! - committed));
    };
    for (let i = 0; i < 9; i += 1) await wakes(() => enqueue(`task ${i}`));
    await wakes(() => tenant.call('service', 'enqueue_tasks', { tasks: '[{"description": "x"}]' }));
    const [got] = await claim();
    await wakes(() =>
      tenant.one('release_task', { task_id: got!['task_id'], fencing_token: got!['fencing_token'] }),
    );
    await unlisten();
    const median = took.toSorted((a, b) => a - b)[Math.floor(took.length / 2)]!;
    console.log(
      `${kind}: woken after ${median.toFixed(1)} ms (median), ${Math.max(...took).toFixed(1)} ms at most`,
    );
    expect(median).toBeLessThan(50);
  });
});
