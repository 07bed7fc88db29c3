import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { workerTargets } from '../../support/worker-target.ts';
import type { WorkerTarget } from '../../support/worker-target.ts';

describe.each(workerTargets)('the attempt that a lease leaves (%s)', (_kind, open) => {
  let target: WorkerTarget;

  beforeAll(async () => {
    target = await open();
  });
  afterAll(() => target?.close());

  test('has every column of the lease that both have, and how it ended', async () => {
    await target.admin.query(
      `with task as (
         insert into app_public.tasks (tenant_id, description, status) values ('default', 'work', 'running') returning id
       )
       insert into app_public.task_leases (
         tenant_id, task_id, fencing_token, attempt, agent, lease, claimed_at, heartbeat_at, expires_at, progress, note
       )
       select 'default', id, 77, 3, 'ada', '1 minute', now() - interval '2 minutes', now() - interval '1 minute', now(), 0.25, 'begun'
       from task`,
    );
    const ended = '2026-11-29T00:00:00+00:00';
    const { rows } = await target.admin.query<{
      lease: Record<string, unknown>;
      attempt: Record<string, unknown>;
    }>({
      text: `select to_jsonb(l) as lease, to_jsonb(a) as attempt
        from app_public.task_leases l cross join lateral ops.attempt_of(l, $1, 'failed', 'broken') a`,
      values: [ended],
    });
    expect(rows).toHaveLength(1);
    const { lease, attempt } = rows[0]!;
    const shared = Object.fromEntries(Object.entries(lease).filter(([name]) => name in attempt));
    expect(Object.keys(shared)).toHaveLength(8);
    expect({ ...attempt, ended_at: new Date(attempt['ended_at'] as string) }).toEqual({
      ...shared,
      ended_at: new Date(ended),
      outcome: 'failed',
      error: 'broken',
    });
  });

  test('keeps its key, and so does the lease, whoever writes', async () => {
    await target.admin.query(
      `insert into app_public.task_attempts (tenant_id, task_id, attempt, fencing_token, agent, claimed_at, ended_at, outcome)
       select tenant_id, task_id, attempt, fencing_token, agent, claimed_at, now(), 'failed' from app_public.task_leases`,
    );
    for (const change of [
      `task_attempts set attempt = attempt + 1`,
      `task_attempts set task_id = gen_random_uuid()`,
      `task_leases set task_id = gen_random_uuid()`,
      `task_leases set tenant_id = 'other'`,
    ])
      await expect(target.admin.query(`update app_public.${change}`), change).rejects.toMatchObject({
        code: 'LTK01',
      });
  });
});
