import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sql } from '../../../src/db/statement.ts';
import type { ScopedDatabase } from '../../../src/db/scoped-database.ts';
import { apiTargets } from '../../support/api-targets.ts';
import type { ApiTarget } from '../../support/api-targets.ts';
import { testRolePrefix } from '../../support/logins.ts';
import {
  addWorkflow,
  as,
  asWorker,
  claimAll,
  complete,
  fail,
  startWorkflow,
  stateOf,
  workOff,
} from '../../support/workflow.ts';
import type { Claimed, Step } from '../../support/workflow.ts';
import { tenSteps as ten } from './the-middle.ts';

describe.each(apiTargets)('a workflow of ten steps, %s', (_, open) => {
  let target: ApiTarget;
  let service: ScopedDatabase;

  beforeAll(async () => {
    target = await open();
    service = as(target.database, 'service');
  });
  afterAll(() => target?.close());

  /** Runs the first four steps; gives the claims of the three that follow, check among them. */
  const untilDraft = async (id: string): Promise<Map<string, Claimed>> => {
    for (const expected of [['plan'], ['outline', 'research'], ['draft']]) {
      const claimed = await claimAll(service, id);
      expect([...claimed.keys()].toSorted()).toEqual(expected);
      for (const [key, task] of claimed) await complete(service, task, { from: key });
    }
    const claimed = await claimAll(service, id);
    expect([...claimed.keys()].toSorted()).toEqual(['archive', 'check', 'illustrate']);
    return claimed;
  };
  const errorOf = async (id: string) =>
    (
      await service.query<{ error_message: string | null }>(
        sql`select error_message from workflows where id = ${id}`,
      )
    ).rows[0]?.error_message;

  test('completes when nothing fails', async () => {
    const id = await startWorkflow(service, ten('fail'));
    const order = await workOff(service, id);
    expect(order.toSorted()).toEqual(
      ten('fail')
        .map(({ key }) => key)
        .toSorted(),
    );
    for (const { key, depends_on = [] } of ten('fail'))
      for (const before of depends_on)
        expect([key, order.indexOf(before) < order.indexOf(key)]).toEqual([key, true]);
    expect(new Set(Object.values(await stateOf(service, id)))).toEqual(new Set(['completed']));
  });

  test('gives each step what the steps before it came to', async () => {
    const id = await startWorkflow(service, ten('fail'));
    const claimed = await untilDraft(id);
    expect(claimed.get('check')?.context).toEqual({
      workflow: { id, step: 'check' },
      steps: Object.fromEntries(
        ['plan', 'research', 'outline', 'draft'].map((key) => [
          key,
          { status: 'completed', result: { from: key } },
        ]),
      ),
    });
  });

  test('fails under `fail`: what was begun is finished, what waits is cancelled', async () => {
    const id = await startWorkflow(service, ten('fail'));
    const claimed = await untilDraft(id);
    await service.query(
      sql`select release_task(${claimed.get('archive')!.task_id}, ${claimed.get('archive')!.fencing_token})`,
    );
    await fail(service, claimed.get('check'));
    const stopped = {
      workflow: 'running',
      plan: 'completed',
      research: 'completed',
      outline: 'completed',
      draft: 'completed',
      check: 'failed',
      fix: 'cancelled',
      illustrate: 'running',
      publish: 'cancelled',
      announce: 'cancelled',
      archive: 'cancelled',
    };
    expect(await stateOf(service, id)).toEqual(stopped);
    await complete(service, claimed.get('illustrate'));
    expect(await stateOf(service, id)).toEqual({ ...stopped, workflow: 'failed', illustrate: 'completed' });
    expect(await errorOf(id)).toBe('step check failed: broken');
    const { rows } = await service.query(
      sql`select step_key, error_message from tasks where workflow_id = ${id} and status = 'cancelled'`,
    );
    expect(rows).toEqual([{ step_key: 'archive', error_message: 'step check of the workflow failed' }]);
  });

  test('fails under `fail` also when what was begun is given back or fails for now', async () => {
    const id = await startWorkflow(service, ten('fail'));
    const claimed = await untilDraft(id);
    await fail(service, claimed.get('check'));
    const { task_id: first, fencing_token: token } = claimed.get('illustrate')!;
    await service.query(sql`select fail_task(${first}, ${token}, 'once more')`);
    const { task_id: second, fencing_token: other } = claimed.get('archive')!;
    await service.query(sql`select release_task(${second}, ${other})`);
    expect(await stateOf(service, id)).toMatchObject({
      workflow: 'failed',
      check: 'failed',
      illustrate: 'cancelled',
      archive: 'cancelled',
    });
  });

  test('completes under `skip`, without what depends on what failed', async () => {
    const id = await startWorkflow(service, ten('skip'));
    const claimed = await untilDraft(id);
    await fail(service, claimed.get('check'));
    await complete(service, claimed.get('illustrate'));
    await complete(service, claimed.get('archive'));
    expect(await stateOf(service, id)).toEqual({
      workflow: 'completed',
      plan: 'completed',
      research: 'completed',
      outline: 'completed',
      draft: 'completed',
      check: 'failed',
      fix: 'skipped',
      illustrate: 'completed',
      publish: 'skipped',
      announce: 'skipped',
      archive: 'completed',
    });
    expect(await errorOf(id)).toBeNull();
    const { rows } = await service.query(
      sql`select distinct error_message from workflow_steps where workflow_id = ${id} and status = 'skipped'`,
    );
    expect(rows).toEqual([{ error_message: 'step check failed: broken' }]);
  });

  test('completes under `continue`, and what depends on what failed is told', async () => {
    const id = await startWorkflow(service, ten('continue'));
    const claimed = await untilDraft(id);
    await fail(service, claimed.get('check'));
    const fix = (await claimAll(service, id)).get('fix');
    expect(fix?.context.steps['check']).toEqual({ status: 'failed', error: 'broken' });
    await complete(service, fix);
    await complete(service, claimed.get('illustrate'));
    await complete(service, claimed.get('archive'));
    expect(await workOff(service, id)).toEqual(['publish', 'announce']);
    const { check, ...others } = await stateOf(service, id);
    expect(check).toBe('failed');
    expect(new Set(Object.values(others))).toEqual(new Set(['completed']));
  });

  test('that is paused starts and hands out nothing, takes results in, and goes on when it is resumed', async () => {
    const id = await startWorkflow(service, ten('fail'));
    await complete(service, (await claimAll(service, id)).get('plan'));
    const { rows } = await service.query<Claimed>(
      sql`select task_id, fencing_token, context
          from claim_task('agent', '{}', jsonb_build_object('workflow', jsonb_build_object('id', ${id}::text)))`,
    );
    const begun = rows[0]!;
    const waiting = begun.context.workflow.step === 'research' ? 'outline' : 'research';
    const paused = await service.query(
      sql`select status, paused_at is not null as since from pause_workflow(${id})`,
    );
    expect(paused.rows).toEqual([{ status: 'paused', since: true }]);
    expect(await claimAll(service, id)).toEqual(new Map());
    // Given back meanwhile, it waits, too.
    await service.query(sql`select release_task(${begun.task_id}, ${begun.fencing_token})`);
    expect(await claimAll(service, id)).toEqual(new Map());
    await service.query(sql`select resume_workflow(${id})`);
    const again = await claimAll(service, id);
    expect([...again.keys()].toSorted()).toEqual(['outline', 'research']);

    await service.query(sql`select pause_workflow(${id})`);
    for (const task of again.values()) await complete(service, task);
    expect(await stateOf(service, id)).toMatchObject({
      workflow: 'paused',
      [waiting]: 'completed',
      research: 'completed',
      draft: 'pending',
    });
    await service.query(sql`select resume_workflow(${id})`);
    expect(await stateOf(service, id)).toMatchObject({ workflow: 'running', draft: 'running' });
    expect(await workOff(service, id)).toHaveLength(7);
    expect(await stateOf(service, id)).toMatchObject({ workflow: 'completed', announce: 'completed' });
  });

  test('survives the loss of the connection that completes a step, and of the agent, in the middle', async () => {
    const id = await startWorkflow(service, ten('fail'));
    const claimed = await untilDraft(id);
    const check = claimed.get('check')!;
    const before = await stateOf(service, id);

    const { host, port, user, password, database } = target.admin;
    const client = new Client({ host, port, user, database, ...(password ? { password } : {}) });
    client.on('error', () => {});
    await client.connect();
    await client.query('begin');
    await client.query(`set local role ${testRolePrefix}_service`);
    await client.query("select set_config('app.tenant_id', 'default', true)");
    await client.query('select app_public.complete_task($1, $2)', [check.task_id, check.fencing_token]);
    const inside = await client.query(
      "select key, status from app_public.workflow_steps where workflow_id = $1 and key in ('check', 'fix') order by key",
      [id],
    );
    // The fault strikes in the middle: there the step is done, and the next one has its task.
    expect(inside.rows).toEqual([
      { key: 'check', status: 'completed' },
      { key: 'fix', status: 'running' },
    ]);
    client.connection.stream.destroy();

    // As a whole it did not happen.
    await expect.poll(() => stateOf(service, id)).toEqual(before);
    expect((await claimAll(service, id)).size).toBe(0);

    // The agent is gone, too: its lease runs out, somebody else does it.
    await target.admin.query(
      "update app_public.task_leases set expires_at = now() - interval '1 second' where task_id = $1",
      [check.task_id],
    );
    expect(await asWorker(target.admin, 'select ops.reap_expired_leases() as count')).toEqual([{ count: 1 }]);
    const second = (await claimAll(service, id)).get('check');
    expect(second?.task_id).toBe(check.task_id);
    await expect(complete(service, check)).rejects.toMatchObject({ code: 'LTQ02' });
    for (const task of [second, claimed.get('illustrate'), claimed.get('archive')])
      await complete(service, task);
    expect(await workOff(service, id)).toEqual(['fix', 'publish', 'announce']);
    expect(new Set(Object.values(await stateOf(service, id)))).toEqual(new Set(['completed']));
  });

  test('goes on where numbers of steps and conditions are as large, or written as, JSON has them', async () => {
    // The difference of both is more than a number of Postgres holds.
    const large = `9e${'131071'}`;
    const { rows } = await service.query<{ id: string }>(
      sql`insert into workflows (name, steps) values ('test', ${`[
        {"key": "a", "task": {"description": "a"}},
        {"key": "b", "task": {"description": "b"}, "depends_on": ["a"], "max_attempts": 5.0,
         "condition": {"step": "a", "path": [], "op": "gt", "value": -${large}}}]`}::jsonb) returning id`,
    );
    const id = rows[0]!.id;
    await service.query(sql`select start_workflow(${id})`);
    const { a } = Object.fromEntries(await claimAll(service, id));
    await service.query(sql`select complete_task(${a!.task_id}, ${a!.fencing_token}, ${large}::jsonb)`);
    expect(await stateOf(service, id)).toMatchObject({ workflow: 'running', a: 'completed', b: 'running' });
    await service.query(sql`select cancel_workflow(${id})`);
  });

  test('fails at a step whose task cannot be made, and keeps what was done before it', async () => {
    const id = await startWorkflow(service, [{ key: 'a' }, { key: 'b', depends_on: ['a'] }]);
    const { a } = Object.fromEntries(await claimAll(service, id));
    // A rule of somebody's own.
    await target.admin.query(
      "alter table app_public.tasks add constraint tasks_context_check check (context::text not like '%forbidden%')",
    );
    try {
      await complete(service, a, { text: 'forbidden' });
      expect(await stateOf(service, id)).toMatchObject({ workflow: 'failed', a: 'completed', b: 'failed' });
      const { rows } = await service.query<{ error: string }>(
        sql`select error_message as error from workflows where id = ${id}`,
      );
      expect(rows[0]!.error).toMatch(
        /^step b failed: it cannot be started: new row .* "tasks_context_check"$/,
      );
    } finally {
      await target.admin.query('alter table app_public.tasks drop constraint tasks_context_check');
    }
  });

  test('fails when the worker finds the agent of a step dead for the last time', async () => {
    const id = await startWorkflow(
      service,
      ten('fail').map((step) => (step.key === 'check' ? { ...step, max_attempts: 1 } : step)),
    );
    const claimed = await untilDraft(id);
    await target.admin.query(
      "update app_public.task_leases set expires_at = now() - interval '1 second' where task_id = $1",
      [claimed.get('check')!.task_id],
    );
    await asWorker(target.admin, 'select ops.reap_expired_leases()');
    expect(await stateOf(service, id)).toMatchObject({
      workflow: 'running',
      check: 'failed',
      fix: 'cancelled',
    });
    await complete(service, claimed.get('illustrate'));
    await complete(service, claimed.get('archive'));
    expect(await stateOf(service, id)).toMatchObject({ workflow: 'failed' });
    expect(await errorOf(id)).toMatch(/^step check failed: nothing has been heard from agent since /);
  });

  test('is cancelled with what is worked on, and can be tried again', async () => {
    const id = await startWorkflow(service, ten('fail'));
    const claimed = await untilDraft(id);
    await complete(service, claimed.get('illustrate'));
    await service.query(sql`select cancel_workflow(${id}, 'not needed')`);
    expect(await stateOf(service, id)).toMatchObject({
      workflow: 'cancelled',
      draft: 'completed',
      illustrate: 'completed',
      check: 'cancelled',
      announce: 'cancelled',
    });
    expect(await errorOf(id)).toBe('not needed');
    await expect(complete(service, claimed.get('check'))).rejects.toMatchObject({ code: 'LTQ03' });
    expect((await claimAll(service, id)).size).toBe(0);

    await service.query(sql`select retry_workflow(${id})`);
    expect(await stateOf(service, id)).toMatchObject({
      workflow: 'running',
      draft: 'completed',
      check: 'running',
    });
    expect((await workOff(service, id)).toSorted()).toEqual([
      'announce',
      'archive',
      'check',
      'fix',
      'publish',
    ]);
    expect(new Set(Object.values(await stateOf(service, id)))).toEqual(new Set(['completed']));
  });

  test('runs again from a step, with all that depends on it and nothing else', async () => {
    const id = await startWorkflow(service, ten('fail'));
    await workOff(service, id);
    await service.query(sql`select retry_workflow(${id}, 'check')`);
    expect(await workOff(service, id)).toEqual(['check', 'fix', 'publish', 'announce']);
    expect(await stateOf(service, id)).toMatchObject({ workflow: 'completed' });
    const { rows } = await service.query(
      sql`select step_key, count(*)::int as count from tasks where workflow_id = ${id} group by 1 having count(*) > 1 order by 1`,
    );
    expect(rows).toEqual(['announce', 'check', 'fix', 'publish'].map((key) => ({ step_key: key, count: 2 })));
  });

  test('that failed goes on with steps that were mended', async () => {
    const id = await startWorkflow(service, ten('fail'));
    const claimed = await untilDraft(id);
    await complete(service, claimed.get('illustrate'));
    await complete(service, claimed.get('archive'));
    await fail(service, claimed.get('check'));
    expect(await stateOf(service, id)).toMatchObject({ workflow: 'failed' });
    await service.query(sql`
      update workflows
      set steps = jsonb_set(steps, '{4,task,description}', '"check gently"') || '[{"key": "eleventh", "task": {"description": "new"}}]'
      where id = ${id}`);
    await service.query(sql`select retry_workflow(${id})`);
    const again = await claimAll(service, id);
    expect([...again.values()].map(({ description }) => description).toSorted()).toEqual([
      'check gently',
      'new',
    ]);
    for (const task of again.values()) await complete(service, task);
    expect(await workOff(service, id)).toEqual(['fix', 'publish', 'announce']);
    expect(await stateOf(service, id)).toMatchObject({ workflow: 'completed', eleventh: 'completed' });
  });

  test('a step that takes too long fails, and the time of a pause does not count', async () => {
    const steps: readonly Step[] = [
      { key: 'slow', timeout: '1 minute', on_failure: 'continue' },
      { key: 'after', depends_on: ['slow'] },
    ];
    const id = await startWorkflow(service, steps);
    const slow = (await claimAll(service, id)).get('slow');
    const late = () =>
      target.admin.query(
        "update app_public.workflow_steps set timeout_at = now() - interval '1 second' where workflow_id = $1 and status = 'running'",
        [id],
      );
    await service.query(sql`select pause_workflow(${id})`);
    await late();
    await asWorker(target.admin, 'select ops.tend_workflows()');
    expect(await stateOf(service, id)).toEqual({ workflow: 'paused', slow: 'running', after: 'pending' });
    await target.admin.query(
      "update app_public.workflows set paused_at = paused_at - interval '1 hour' where id = $1",
      [id],
    );
    await service.query(sql`select resume_workflow(${id})`);
    await asWorker(target.admin, 'select ops.tend_workflows()');
    expect(await stateOf(service, id)).toEqual({ workflow: 'running', slow: 'running', after: 'pending' });

    await late();
    expect(await asWorker(target.admin, 'select ops.tend_workflows() as count')).toEqual([{ count: 1 }]);
    expect(await stateOf(service, id)).toEqual({ workflow: 'running', slow: 'failed', after: 'running' });
    await expect(complete(service, slow)).rejects.toMatchObject({ code: 'LTQ03' });
    const after = (await claimAll(service, id)).get('after');
    expect(after?.context.steps['slow']).toEqual({ status: 'failed', error: 'it took longer than 1 minute' });
  });

  test('a condition chooses the branch, and what joins the branches runs with the one that ran', async () => {
    const branch = (op: string) => ({ step: 'score', path: ['marks', 0], op, value: 0.5 });
    const steps: readonly Step[] = [
      { key: 'score' },
      { key: 'good', depends_on: ['score'], condition: branch('gt') },
      { key: 'bad', depends_on: ['score'], condition: { not: branch('gt') } },
      { key: 'only_bad', depends_on: ['bad'] },
      { key: 'join', depends_on: ['good', 'bad'] },
    ];
    const id = await startWorkflow(service, steps);
    await complete(service, (await claimAll(service, id)).get('score'), { marks: [0.7] });
    expect(await stateOf(service, id)).toMatchObject({
      good: 'running',
      bad: 'skipped',
      only_bad: 'skipped',
    });
    expect(await workOff(service, id)).toEqual(['good', 'join']);
    expect(await stateOf(service, id)).toMatchObject({ workflow: 'completed', join: 'completed' });
  });

  test('a step whose agent is not there fails, and the step before it is completed all the same', async () => {
    const steps: readonly Step[] = [
      { key: 'first' },
      { key: 'second', depends_on: ['first'], task: { description: 'x', agent_id: 'nobody' } },
      { key: 'third', depends_on: ['second'] },
    ];
    const id = await startWorkflow(service, steps);
    await complete(service, (await claimAll(service, id)).get('first'));
    expect(await stateOf(service, id)).toEqual({
      workflow: 'failed',
      first: 'completed',
      second: 'failed',
      third: 'cancelled',
    });
    expect(await errorOf(id)).toBe('step second failed: agent nobody does not exist');
  });

  test('a task that is cancelled by itself is a step that failed', async () => {
    const id = await startWorkflow(service, [
      { key: 'one', on_failure: 'continue' },
      { key: 'two', depends_on: ['one'] },
    ]);
    await as(target.database, 'member').query(
      sql`select cancel_task(id, 'no use') from tasks where workflow_id = ${id}`,
    );
    expect(await stateOf(service, id)).toEqual({ workflow: 'running', one: 'failed', two: 'running' });
    const { rows } = await service.query(
      sql`select error_message from workflow_steps where workflow_id = ${id} and key = 'one'`,
    );
    expect(rows).toEqual([{ error_message: 'its task was cancelled: no use' }]);
  });

  test('a task that a superuser ended is taken in by the worker', async () => {
    const id = await startWorkflow(service, [{ key: 'one' }, { key: 'two', depends_on: ['one'] }]);
    for (const status of ['running', 'completed'])
      await target.admin.query('update app_public.tasks set status = $1 where workflow_id = $2', [
        status,
        id,
      ]);
    expect(await stateOf(service, id)).toEqual({ workflow: 'running', one: 'running', two: 'pending' });
    await asWorker(target.admin, 'select ops.tend_workflows()');
    expect(await stateOf(service, id)).toEqual({ workflow: 'running', one: 'completed', two: 'running' });
  });

  test('tasks are made from the template, with the context of all', async () => {
    await service.query(
      sql`insert into agents (id, name, model) values ('writer', 'Writer', 'm') on conflict do nothing`,
    );
    const id = await addWorkflow(service, [
      {
        key: 'one',
        max_attempts: 2,
        task: {
          description: 'write',
          priority: 'high',
          agent_id: 'writer',
          capabilities: ['prose'],
          context: { tone: 'dry', topic: 'own' },
        },
      },
    ]);
    await service.query(
      sql`update workflows set context = '{"topic": "all", "language": "en"}' where id = ${id}`,
    );
    await service.query(sql`select start_workflow(${id}, '{"language": "de"}')`);
    const { rows } = await service.query(
      sql`select description, priority, agent_id, required_capabilities, max_attempts, step_key, context
          from tasks where workflow_id = ${id}`,
    );
    expect(rows).toEqual([
      {
        description: 'write',
        priority: 'high',
        agent_id: 'writer',
        required_capabilities: ['prose'],
        max_attempts: 2,
        step_key: 'one',
        context: { tone: 'dry', topic: 'own', language: 'de', workflow: { id, step: 'one' }, steps: {} },
      },
    ]);
  });

  test('its progress is told per step and overall, as anybody of the tenant', async () => {
    const id = await addWorkflow(service, [
      { key: 'one' },
      { key: 'two', depends_on: ['one'] },
      { key: 'three', depends_on: ['two'] },
      { key: 'four', depends_on: ['two'] },
    ]);
    const progress = async (): Promise<Record<string, unknown>> =>
      (await as(target.database, 'member').query(sql`select * from workflow_progress(${id})`)).rows[0]!;
    expect(await progress()).toMatchObject({
      status: 'draft',
      progress: 0,
      total: 4,
      pending: 4,
      started_at: null,
    });
    await service.query(sql`select start_workflow(${id})`);
    await complete(service, (await claimAll(service, id)).get('one'));
    const two = (await claimAll(service, id)).get('two')!;
    await service.query(sql`select heartbeat_task(${two.task_id}, ${two.fencing_token}, 0.5, 'half way')`);
    const overview = await progress();
    expect(overview).toMatchObject({
      workflow_id: id,
      status: 'running',
      progress: 0.375,
      total: 4,
      pending: 2,
      running: 1,
      completed: 1,
      failed: 0,
      skipped: 0,
      cancelled: 0,
      error_message: null,
    });
    expect(overview['steps']).toMatchObject([
      { key: 'one', status: 'completed', progress: 1, task_status: 'completed' },
      {
        key: 'two',
        status: 'running',
        progress: 0.5,
        note: 'half way',
        agent: 'agent',
        attempt: 1,
        task_id: two.task_id,
      },
      { key: 'three', status: 'pending', progress: 0, task_id: null },
      { key: 'four', status: 'pending', progress: 0, task_id: null },
    ]);
  });
});
