import type { Client } from 'pg';
import type { Database } from '../../../src/db/database.ts';
import { testRolePrefix } from '../../support/logins.ts';
import { as, claimAll, complete, startWorkflow, stateOf } from '../../support/workflow.ts';
import type { Claimed, Step } from '../../support/workflow.ts';

/** Ten steps: a diamond (plan, research and outline, draft), a branch that is to fail (check, fix), and two that are not. */
export const tenSteps = (onFailure: string): readonly Step[] => [
  { key: 'plan' },
  { key: 'research', depends_on: ['plan'] },
  { key: 'outline', depends_on: ['plan'] },
  { key: 'draft', depends_on: ['research', 'outline'] },
  { key: 'check', depends_on: ['draft'], on_failure: onFailure },
  { key: 'fix', depends_on: ['check'] },
  { key: 'illustrate', depends_on: ['draft'] },
  { key: 'publish', depends_on: ['fix', 'illustrate'] },
  { key: 'announce', depends_on: ['publish'] },
  {
    key: 'archive',
    depends_on: ['draft'],
    condition: { step: 'draft', path: ['from'], op: 'eq', value: 'draft' },
  },
];

/** A workflow in the middle of completing a step. */
export interface Middle {
  readonly id: string;
  /** Of check, illustrate and archive, by key; all are claimed. */
  readonly claimed: Readonly<Record<string, Claimed>>;
  /** What others see: the step's transaction is open. */
  readonly before: Readonly<Record<string, string>>;
  /** What the transaction sees of check, and of fix, which waited for it. */
  readonly inside: Readonly<Record<string, string>>;
}

/**
 * Runs the first four of ten steps, claims the three that follow, and completes `check` in a transaction of `client` that
 * stays open: there the step is done and the next one has its task.
 */
export async function runIntoTheMiddle(database: Database, client: Client): Promise<Middle> {
  const service = as(database, 'service');
  const id = await startWorkflow(service, tenSteps('fail'));
  for (let layer = 0; layer < 3; layer += 1)
    for (const [key, task] of await claimAll(service, id)) await complete(service, task, { from: key });
  const claimed = Object.fromEntries(await claimAll(service, id));
  const before = await stateOf(service, id);
  const check = claimed['check'];
  await client.query('begin');
  await client.query(`set local role ${testRolePrefix}_service`);
  await client.query("select set_config('app.tenant_id', 'default', true)");
  await client.query('select app_public.complete_task($1, $2)', [check?.task_id, check?.fencing_token]);
  const { rows } = await client.query<{ key: string; status: string }>(
    "select key, status from app_public.workflow_steps where workflow_id = $1 and key in ('check', 'fix')",
    [id],
  );
  return { id, claimed, before, inside: Object.fromEntries(rows.map(({ key, status }) => [key, status])) };
}
