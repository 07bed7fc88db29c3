import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { DatabaseError } from 'pg';
import { roleName } from '../../../src/db/roles.ts';
import { testRolePrefix } from '../../support/logins.ts';
import type { Row, TaskTenant } from '../../support/task-target.ts';
import type { ModelClaim, ModelTask, Priority, QueueModel } from './queue-model.ts';

/** A step of a random history: done to the model and to the database, which are then compared in full. */
export type QueueCommand = fc.AsyncCommand<QueueModel, TaskTenant>;

/**
 * Numbers choose among what there is at that moment, the newest first, so that any history can be shortened. Mostly what is
 * going on, and now and then what is long over.
 */
const which = fc.oneof(fc.nat(2), fc.nat(50));

/** Every kind of step that a history is made of; some come more often, or most steps would find nothing to do. */
export const queueCommands: readonly fc.Arbitrary<QueueCommand>[] = [
  ...times(
    5,
    fc
      .record({
        priority: fc.constantFrom<Priority>('low', 'normal', 'high', 'critical'),
        maxAttempts: fc.integer({ min: 1, max: 3 }),
        key: fc.option(fc.constantFrom('one', 'two')),
      })
      .map(({ priority, maxAttempts, key }) =>
        command(`enqueue ${priority}, ${maxAttempts} attempts, key ${key}`, async (model, tenant) => {
          const task = await tenant.one('enqueue_task', {
            description: 'work',
            priority,
            max_attempts: maxAttempts,
            ...(key !== null && { idempotency_key: key }),
          });
          const known = key === null ? undefined : model.byKey.get(key);
          if (known) assert.equal(task['id'], known.id);
          else model.enqueue(String(task['id']), priority, maxAttempts, key);
        }),
      ),
  ),
  ...times(
    8,
    fc.constant(
      command('claim', async (model, tenant) => {
        const [claimed] = await tenant.call('service', 'claim_task', { agent: 'ada' });
        const expected = model.nextClaimed();
        assert.equal(claimed?.['task_id'], expected?.id);
        if (!claimed || !expected) return;
        model.claimed(expected, String(claimed['fencing_token']));
        assert.equal(claimed['attempt'], expected.attempt);
      }),
    ),
  ),
  ...times(
    4,
    byHolder('complete', 'complete_task', { result: { done: true } }, (model, claim) =>
      model.complete(claim),
    ),
  ),
  byHolder('heartbeat', 'heartbeat_task', { progress: 0.5 }, (model, claim) => model.heartbeat(claim)),
  byHolder('fail', 'fail_task', { error: 'x', retry_in: '0' }, (model, claim) => model.fail(claim, true)),
  byHolder('give up', 'fail_task', { error: 'x', retryable: false }, (model, claim) =>
    model.fail(claim, false),
  ),
  ...times(
    2,
    byHolder('release', 'release_task', {}, (model, claim) => model.release(claim)),
  ),
  ...times(
    3,
    which.map((n) =>
      command(
        `expire ${n}`,
        async (model, tenant) => {
          const task = choose(alive(model), n);
          await tenant.expire(task.id);
          model.expire(task);
        },
        (model) => alive(model).length > 0,
      ),
    ),
  ),
  fc.constant(
    command('reap', async (model, { admin }) => {
      await admin.query(`set role ${roleName(testRolePrefix, 'worker')}`);
      await admin.query('select ops.reap_expired_leases()').finally(() => admin.query('reset role'));
      model.reap();
    }),
  ),
  byAnybody('cancel', 'cancel_task', (model, task) => model.cancel(task)),
  byAnybody('retry', 'retry_task', (model, task) => model.retry(task)),
];

function command(
  name: string,
  run: (model: QueueModel, tenant: TaskTenant) => Promise<void>,
  check: (model: Readonly<QueueModel>) => boolean = () => true,
): QueueCommand {
  return {
    check,
    run: async (model, tenant) => {
      await run(model, tenant);
      assert.deepEqual(await read(tenant), stateOf(model));
    },
    toString: () => name,
  };
}

/** Somebody calls with a token that they were once given: as the model says it succeeds, or is refused and changes nothing. */
function byHolder(
  name: string,
  fn: string,
  args: Row,
  onSuccess: (model: QueueModel, claim: ModelClaim) => void,
): fc.Arbitrary<QueueCommand> {
  return which.map((n) =>
    command(
      `${name} ${n}`,
      async (model, tenant) => {
        const claim = choose(model.claims, n);
        const held = { task_id: claim.task.id, fencing_token: claim.token };
        const refusal = model.refusal(claim);
        assert.equal(await codeOf(tenant.one(fn, { ...held, ...args })), refusal);
        if (refusal === null) onSuccess(model, claim);
      },
      (model) => model.claims.length > 0,
    ),
  );
}

function byAnybody(
  name: string,
  fn: string,
  isAllowed: (model: QueueModel, task: ModelTask) => boolean,
): fc.Arbitrary<QueueCommand> {
  return which.map((n) =>
    command(
      `${name} ${n}`,
      async (model, tenant) => {
        const task = choose(model.tasks, n);
        const code = await codeOf(tenant.one(fn, { task_id: task.id }));
        assert.equal(code, isAllowed(model, task) ? null : 'LTQ04');
      },
      (model) => model.tasks.length > 0,
    ),
  );
}

const alive = (model: Readonly<QueueModel>) => model.tasks.filter(({ lease }) => lease?.expiredAt === null);

function times<T>(count: number, item: T): readonly T[] {
  return Array.from({ length: count }, () => item);
}

function choose<T>(items: readonly T[], n: number): T {
  return items.at(-1 - (n % items.length))!;
}

async function codeOf(call: Promise<unknown>): Promise<string | null> {
  try {
    await call;
    return null;
  } catch (error) {
    if (error instanceof DatabaseError) return error.code ?? 'none';
    throw error;
  }
}

/** All that the database holds of the tenant's queue, by task. */
async function read({ admin, name }: TaskTenant): Promise<unknown[]> {
  const { rows } = await admin.query<{ state: unknown }>(
    `select jsonb_build_object(
       'id', t.id, 'status', t.status, 'attempt', t.attempt, 'failures', t.failures,
       'token', (select l.fencing_token::text from app_public.task_leases l where l.task_id = t.id),
       'ended', (
         select coalesce(jsonb_agg(jsonb_build_object('token', a.fencing_token::text, 'outcome', a.outcome) order by a.attempt), '[]')
         from app_public.task_attempts a where a.task_id = t.id
       )
     ) as state
     from app_public.tasks t where t.tenant_id = $1 order by t.created_at`,
    [name],
  );
  return rows.map(({ state }) => state);
}

function stateOf(model: QueueModel): unknown[] {
  return model.tasks.map(({ id, status, attempt, failures, lease, ended }) => ({
    id,
    status,
    attempt,
    failures,
    token: lease?.token ?? null,
    ended,
  }));
}
