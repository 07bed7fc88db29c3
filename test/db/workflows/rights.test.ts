import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sql } from '../../../src/db/statement.ts';
import { apiTargets } from '../../support/api-targets.ts';
import type { ApiTarget } from '../../support/api-targets.ts';
import { asRequester } from '../../../src/auth/requester.ts';
import { anonymous } from '../../../src/auth/claims.ts';
import { installationIn } from '../../support/installation.ts';
import {
  addWorkflow,
  as,
  claimAll,
  complete,
  fail,
  startWorkflow,
  stateOf,
  workOff,
} from '../../support/workflow.ts';
import type { Step } from '../../support/workflow.ts';

const two: readonly Step[] = [{ key: 'one' }, { key: 'two', depends_on: ['one'] }];
const unknown = '00000000-0000-4000-8000-000000000000';
const functions = [
  'start_workflow',
  'pause_workflow',
  'resume_workflow',
  'cancel_workflow',
  'retry_workflow',
  'workflow_progress',
] as const;

describe.each(apiTargets)('who may do what with a workflow, %s', (_, open) => {
  let target: ApiTarget;
  const of = (role: 'member' | 'service' | 'admin', tenant?: string) => as(target.database, role, tenant);
  const call = (
    name: string,
    id: string | null,
    role: 'member' | 'service' | 'admin' = 'service',
    tenant?: string,
  ) => of(role, tenant).query({ text: `select (${name}($1)).status`, values: [id] });

  beforeAll(async () => {
    target = await open();
    await target.admin.query("select ops.create_tenant('rival', 'Rival')");
  });
  afterAll(() => target?.close());

  test.each(['member', 'service', 'admin'] as const)('a %s may run one', async (role) => {
    const id = await addWorkflow(of(role), two);
    for (const [name, status] of [
      ['start_workflow', 'running'],
      ['pause_workflow', 'paused'],
      ['pause_workflow', 'paused'],
      ['resume_workflow', 'running'],
      ['resume_workflow', 'running'],
      ['cancel_workflow', 'cancelled'],
      ['cancel_workflow', 'cancelled'],
      ['retry_workflow', 'running'],
      ['workflow_progress', 'running'],
    ] as const)
      expect([name, (await call(name, id, role)).rows]).toEqual([name, [{ status }]]);
    await workOff(of('service'), id);
    expect(await stateOf(of(role), id)).toEqual({
      workflow: 'completed',
      one: 'completed',
      two: 'completed',
    });
  });

  test.each(functions)('%s cannot be called without a tenant', async (name) => {
    const nobody = asRequester(installationIn(target.database), anonymous);
    await expect(nobody.query({ text: `select ${name}($1)`, values: [unknown] })).rejects.toMatchObject({
      code: '42501',
    });
  });

  test.each(functions)(
    "%s finds no workflow of another tenant's, nor one that is not there",
    async (name) => {
      const id = await startWorkflow(of('service'), two);
      const before = await stateOf(of('service'), id);
      await expect(call(name, id, 'admin', 'rival')).rejects.toMatchObject({
        code: 'LTW01',
        message: `workflow ${id} does not exist`,
      });
      await expect(call(name, unknown)).rejects.toMatchObject({ code: 'LTW01' });
      await expect(call(name, null)).rejects.toMatchObject({
        code: 'LTW05',
        message: 'invalid workflow_id: it is missing',
      });
      expect(await stateOf(of('service'), id)).toEqual(before);
      expect(await stateOf(of('admin', 'rival'), id)).toEqual({});
    },
  );

  test('two tenants run workflows of the same keys side by side', async () => {
    const [mine, theirs] = [
      await startWorkflow(of('service'), two),
      await startWorkflow(of('service', 'rival'), two),
    ];
    expect(await workOff(of('service'), mine)).toEqual(['one', 'two']);
    expect(await stateOf(of('service', 'rival'), theirs)).toEqual({
      workflow: 'running',
      one: 'running',
      two: 'pending',
    });
  });

  test('the state of steps cannot be written but by the functions', async () => {
    const id = await startWorkflow(of('service'), two);
    for (const role of ['member', 'service', 'admin'] as const)
      for (const text of [
        `update workflow_steps set status = 'completed' where workflow_id = '${id}'`,
        `delete from workflow_steps where workflow_id = '${id}'`,
        `insert into workflow_steps (workflow_id, key, position, depends_on, on_failure, definition)
         values ('${id}', 'x', 9, '{}', 'fail', '{}')`,
        `update tasks set workflow_id = null where workflow_id = '${id}'`,
        `update tasks set step_key = 'two' where workflow_id = '${id}'`,
        `insert into tasks (description, workflow_id, step_key) values ('x', '${id}', 'two')`,
        `update workflows set started_at = null where id = '${id}'`,
        `update workflows set completed_at = now(), status = 'completed' where id = '${id}'`,
        `select ops.advance_workflow('default', '${id}')`,
        `select ops.tend_workflows()`,
      ])
        await expect(of(role).query({ text })).rejects.toMatchObject({ code: '42501' });
  });

  const states = ['draft', 'pending', 'running', 'paused', 'completed', 'failed', 'cancelled'] as const;
  /** A workflow in a state that the functions brought it to. */
  const inState = async (state: (typeof states)[number]): Promise<string> => {
    const service = of('service');
    const id = await addWorkflow(service, two);
    if (state === 'draft') return id;
    if (state === 'pending') {
      await service.query(sql`update workflows set status = 'pending' where id = ${id}`);
      return id;
    }
    await call('start_workflow', id);
    if (state === 'paused') await call('pause_workflow', id);
    if (state === 'cancelled') await call('cancel_workflow', id);
    if (state === 'completed') await workOff(service, id);
    if (state === 'failed') await fail(service, (await claimAll(service, id)).get('one'));
    expect((await stateOf(service, id))['workflow']).toBe(state);
    return id;
  };
  /** What a function makes of a workflow in each state; what is missing is refused. */
  const outcomes: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    start_workflow: { draft: 'running', pending: 'running' },
    pause_workflow: { running: 'paused', paused: 'paused' },
    resume_workflow: { running: 'running', paused: 'running' },
    cancel_workflow: {
      draft: 'cancelled',
      pending: 'cancelled',
      running: 'cancelled',
      paused: 'cancelled',
      cancelled: 'cancelled',
    },
    // A completed one has nothing to run again unless a step is named.
    retry_workflow: { failed: 'running', cancelled: 'running', completed: 'LTW05' },
  };

  test.each(Object.keys(outcomes))('%s refuses every state that it is not for, naming both', async (name) => {
    for (const state of states) {
      const id = await inState(state);
      const outcome = await call(name, id).then(
        ({ rows }) => rows[0]?.['status'],
        ({ code, message }: { code?: string; message: string }) =>
          new RegExp(`^workflow ${id} is ${state} and cannot become \\w+$`).test(message) ? 'refused' : code,
      );
      expect([state, outcome]).toEqual([state, outcomes[name]?.[state] ?? 'refused']);
    }
  });

  test('arguments that make no sense are refused', async () => {
    const service = of('service');
    const empty = await addWorkflow(service, []);
    await expect(call('start_workflow', empty)).rejects.toMatchObject({
      code: 'LTW05',
      message: 'invalid workflow_id: the workflow has no steps',
    });
    const id = await addWorkflow(service, two);
    await expect(service.query(sql`select start_workflow(${id}, '[]')`)).rejects.toMatchObject({
      code: 'LTW05',
      message: 'invalid context: must be an object',
    });
    await call('start_workflow', id);
    await workOff(service, id);
    await expect(service.query(sql`select retry_workflow(${id}, 'three')`)).rejects.toMatchObject({
      code: 'LTW05',
      message: 'invalid from_step: step three does not exist',
    });
    await expect(service.query(sql`select retry_workflow(${id})`)).rejects.toMatchObject({
      code: 'LTW05',
      message: 'invalid from_step: no step failed or was cancelled: name the step to run again',
    });
    expect(await stateOf(service, id)).toMatchObject({ workflow: 'completed' });
  });

  test('the status of a started one is not written past its steps', async () => {
    const service = of('service');
    for (const [state, next] of [
      ['running', 'paused'],
      ['running', 'completed'],
      ['running', 'failed'],
      ['running', 'cancelled'],
      ['paused', 'running'],
      ['paused', 'cancelled'],
      ['failed', 'running'],
    ] as const) {
      const id = await inState(state);
      await expect(
        service.query(sql`update workflows set status = ${next} where id = ${id}`),
      ).rejects.toMatchObject({ code: 'LTW06' });
    }
  });

  test('a service may keep the status of its own workflows, in the order of states', async () => {
    const service = of('service');
    const set = (id: string, status: string) =>
      service.query(sql`update workflows set status = ${status} where id = ${id}`);
    const id = await addWorkflow(service, []);
    for (const status of ['pending', 'running', 'paused', 'running', 'completed', 'running', 'failed'])
      await set(id, status);
    for (const status of ['draft', 'paused', 'completed', 'cancelled'])
      await expect(set(id, status)).rejects.toMatchObject({
        code: 'LTW04',
        message: `workflow ${id} is failed and cannot become ${status}`,
      });
  });

  test('what runs keeps its steps, its row and its tasks', async () => {
    const service = of('service');
    const id = await startWorkflow(service, two);
    await expect(
      service.query(sql`update workflows set steps = '[]' where id = ${id}`),
    ).rejects.toMatchObject({
      code: 'LTW03',
    });
    await expect(service.query(sql`delete from workflows where id = ${id}`)).rejects.toMatchObject({
      code: 'LTW07',
    });
    await expect(service.query(sql`delete from tasks where workflow_id = ${id}`)).rejects.toMatchObject({
      code: 'LTW09',
    });
    await complete(service, (await claimAll(service, id)).get('one'));
    await service.query(sql`delete from tasks where workflow_id = ${id} and step_key = 'one'`);
    expect(await workOff(service, id)).toEqual(['two']);
    await service.query(sql`delete from workflows where id = ${id}`);
    expect(await stateOf(service, id)).toEqual({});
    const { rows } = await service.query(
      sql`select workflow_id from tasks where step_key = 'two' and context #>> '{workflow,id}' = ${id}`,
    );
    expect(rows).toEqual([{ workflow_id: null }]);
  });

  test("a step's task cannot be retried by itself", async () => {
    const service = of('service');
    const id = await inState('failed');
    await expect(
      service.query(sql`select retry_task(id) from tasks where workflow_id = ${id}`),
    ).rejects.toMatchObject({ code: 'LTW08' });
    await expect(
      service.query(sql`update tasks set status = 'pending' where workflow_id = ${id}`),
    ).rejects.toMatchObject({ code: 'LTW08' });
  });
});
