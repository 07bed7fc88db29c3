import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Database } from '../../../src/db/database.ts';
import type { PostgresDatabase } from '../../../src/db/postgres.ts';
import { sql } from '../../../src/db/statement.ts';
import { tendWorkflows } from '../../../src/jobs/tend-workflows.ts';
import { migratedDatabase } from '../../support/db.ts';
import type { MigratedDatabase } from '../../support/db.ts';
import { serverDatabase } from '../../support/server-database.ts';
import { noServer } from '../../support/server.ts';
import { settingsOf } from '../../support/two-tenants.ts';
import { as, claimAll, complete, startWorkflow, stateOf, workOff } from '../../support/workflow.ts';
import type { Step } from '../../support/workflow.ts';

/** Steps that depend on nothing, and one that depends on all of them. */
const fan = (width: number, more: Partial<Step> = {}): readonly Step[] => {
  const keys = Array.from({ length: width }, (_, i) => `s${i}`);
  return [...keys.map((key) => ({ key, ...more })), { key: 'join', depends_on: keys }];
};

// One session knows no two at a time.
describe.skipIf(noServer)('workflows under many hands', () => {
  let made: MigratedDatabase;
  let database: PostgresDatabase;
  let worker: Database;
  /** Superuser: arranges and looks. */
  let admin: Database;

  beforeAll(async () => {
    made = await migratedDatabase();
    database = serverDatabase(made.urls.api, { size: 12, overflow: 8 });
    worker = serverDatabase(made.urls.worker, { size: 2 });
    admin = serverDatabase(made.adminUrl);
  });
  afterAll(async () => {
    await worker?.close();
    await admin?.close();
    await database?.close();
    await made?.drop();
  });

  const tasksOf = async (id: string, key: string): Promise<number> =>
    (
      await as(database, 'service').query<{ count: number }>(
        sql`select count(*)::int as count from tasks where workflow_id = ${id} and step_key = ${key}`,
      )
    ).rows[0]!.count;

  /** Makes steps overdue, and leases expired. */
  const arrange = async (late: readonly string[], lost: readonly string[]): Promise<void> => {
    await admin.query(
      sql`update app_public.workflow_steps set timeout_at = now() - interval '1 second' where task_id = any (${late})`,
    );
    await admin.query(
      sql`update app_public.task_leases set expires_at = now() - interval '1 second' where task_id = any (${lost})`,
    );
  };

  test('the last of those that complete at the same time starts what depends on all, once', async () => {
    const service = as(database, 'service');
    let overlapped = 0;
    for (let round = 0; round < 10; round++) {
      const id = await startWorkflow(service, fan(8));
      const claimed = [...(await claimAll(service, id)).values()];
      expect(claimed).toHaveLength(8);
      // All have completed theirs before any has committed, but for the one that the others wait for.
      let inside = 0;
      await Promise.all(
        claimed.map((task) =>
          service.transaction(async (t) => {
            inside += 1;
            if (inside > 1) overlapped += 1;
            await complete(t, task);
            inside -= 1;
          }),
        ),
      );
      expect(await tasksOf(id, 'join')).toBe(1);
      expect(await stateOf(service, id)).toMatchObject({
        workflow: 'running',
        s0: 'completed',
        join: 'running',
      });
    }
    expect(overlapped).toBeGreaterThan(10);
  });

  test('the second waits for the first, and sees what it did', async () => {
    const service = as(database, 'service');
    const id = await startWorkflow(service, fan(2));
    const claimed = await claimAll(service, id);
    let second: Promise<void> | undefined;
    let settled = false;
    await service.transaction(async (t) => {
      await complete(t, claimed.get('s0'));
      second = complete(service, claimed.get('s1')).finally(() => (settled = true));
      await expect
        .poll(
          async () =>
            (
              await admin.query(
                sql`select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`,
              )
            ).rowCount,
        )
        .toBeGreaterThan(0);
      expect(settled).toBe(false);
      expect(await tasksOf(id, 'join')).toBe(0);
    });
    await second;
    expect(await tasksOf(id, 'join')).toBe(1);
  });

  test('a transaction that cannot see what was done meanwhile is sent back', async () => {
    const service = as(database, 'service');
    const id = await startWorkflow(service, fan(2));
    const claimed = await claimAll(service, id);
    const client = new Client({ connectionString: made.urls.api });
    await client.connect();
    try {
      await client.query('begin isolation level repeatable read');
      for (const [name, value] of Object.entries(settingsOf('service', 'default')))
        await client.query('select set_config($1, $2, true)', [name, value]);
      await client.query('select status from app_public.workflow_steps where workflow_id = $1', [id]);
      await complete(service, claimed.get('s0'));
      const { task_id: task, fencing_token: token } = claimed.get('s1')!;
      await expect(
        client.query('select app_public.complete_task($1, $2)', [task, token]),
      ).rejects.toMatchObject({ code: '40001' });
    } finally {
      await client.end();
    }
    expect(await stateOf(service, id)).toEqual({
      workflow: 'running',
      s0: 'completed',
      s1: 'running',
      join: 'pending',
    });
    await complete(service, claimed.get('s1'));
    expect(await tasksOf(id, 'join')).toBe(1);
  });

  test('nobody waits in a circle, whoever pauses, cancels, times out, reaps and completes at once', async () => {
    const service = as(database, 'service');
    const codes = new Map<string, number>();
    const count = (code: string) => codes.set(code, (codes.get(code) ?? 0) + 1);
    const tried = (work: Promise<unknown>) =>
      work.then(
        () => count('done'),
        (error: { code?: string }) => count(error.code ?? String(error)),
      );
    const ids: string[] = [];
    for (let round = 0; round < 12; round++) {
      const pair = [
        await startWorkflow(service, fan(6, { timeout: '1 hour', on_failure: 'continue' })),
        await startWorkflow(service, fan(6, { timeout: '1 hour', on_failure: 'continue' })),
      ];
      ids.push(...pair);
      const work: Promise<unknown>[] = [];
      for (const id of pair) {
        const claimed = [...(await claimAll(service, id)).values()];
        // Two of each take too long, and two are not heard of any more.
        const late = claimed.slice(0, 2).map(({ task_id }) => task_id);
        const lost = claimed.slice(2, 4).map(({ task_id }) => task_id);
        await arrange(late, lost);
        work.push(
          ...claimed.map((task) => tried(complete(service, task))),
          tried(service.query(sql`select pause_workflow(${id})`)),
          tried(service.query(sql`select resume_workflow(${id})`)),
          tried(service.query(sql`select claim_tasks('other', '{}', '{}', '1 hour', 3)`)),
        );
        if (round % 3 === 0) work.push(tried(service.query(sql`select cancel_workflow(${id})`)));
      }
      work.push(
        tried(tendWorkflows(worker, new AbortController().signal)),
        tried(worker.query(sql`select ops.reap_expired_leases()`)),
        tried(service.query(sql`select ops.reap_expired_leases()`)),
      );
      await Promise.all(work);
    }
    // LTQ02 and LTQ03: too late. LTW04: paused or resumed when it was over. 42501: a service is no worker.
    expect(
      [...codes.keys()].toSorted().filter((code) => !/^(done|LTQ0[23]|LTW04|42501)$/.test(code)),
    ).toEqual([]);
    expect(codes.get('done')).toBeGreaterThan(100);
    expect(codes.size).toBeGreaterThan(2);

    // Whatever came first, each ends.
    await service.query(
      sql`select release_task(task_id, fencing_token) from task_leases where agent = 'other'`,
    );
    for (const id of ids) {
      if ((await stateOf(service, id))['workflow'] === 'paused')
        await service.query(sql`select resume_workflow(${id})`);
      await workOff(service, id);
      const { workflow, join } = await stateOf(service, id);
      expect([workflow, join]).toEqual(
        workflow === 'cancelled' ? ['cancelled', 'cancelled'] : ['completed', 'completed'],
      );
      expect(await tasksOf(id, 'join')).toBeLessThan(2);
    }
  });
});
