import type { Client } from 'pg';
import { claimsOf } from '../../src/auth/claims.ts';
import type { RequestRole } from '../../src/auth/claims.ts';
import type { Database, Executor } from '../../src/db/database.ts';
import { asRequester } from '../../src/auth/requester.ts';
import type { ScopedDatabase } from '../../src/db/scoped-database.ts';
import { sql } from '../../src/db/statement.ts';
import { testRolePrefix } from './logins.ts';
import { installationIn } from './installation.ts';

/** A step as a test writes it; a default `task` is filled in where it is left out. */
export interface Step {
  readonly key: string;
  readonly task?: Readonly<Record<string, unknown>>;
  readonly depends_on?: readonly string[];
  readonly on_failure?: string;
  readonly max_attempts?: number;
  readonly timeout?: string;
  readonly condition?: unknown;
}

/** A claimed task with its step. */
export interface Claimed {
  readonly task_id: string;
  readonly fencing_token: string;
  readonly description: string;
  readonly context: {
    readonly workflow: { readonly id: string; readonly step: string };
    readonly steps: Readonly<Record<string, unknown>>;
    readonly [name: string]: unknown;
  };
}

/** The database as a role of a tenant. */
export function as(
  database: Database,
  role: Exclude<RequestRole, 'anon'>,
  tenant = 'default',
): ScopedDatabase {
  return asRequester(installationIn(database), claimsOf(role, tenant, `${role}@${tenant}`));
}

/** Adds a workflow of these steps; returns its id. */
export async function addWorkflow(executor: Executor, steps: readonly Step[]): Promise<string> {
  const { rows } = await executor.query<{ id: string }>(
    sql`insert into workflows (name, steps) values ('test', ${JSON.stringify(whole(steps))}::jsonb) returning id`,
  );
  return rows[0]!.id;
}

/** Adds and starts a workflow; returns its id. */
export async function startWorkflow(executor: Executor, steps: readonly Step[]): Promise<string> {
  const id = await addWorkflow(executor, steps);
  await executor.query(sql`select start_workflow(${id})`);
  return id;
}

/** The steps with the default `task` filled in. */
export function whole(steps: readonly Step[]): unknown[] {
  return steps.map((step) => ({ task: { description: `do ${step.key}` }, ...step }));
}

/** Claims every task of a workflow that can be claimed; returns them by the step's key. */
export async function claimAll(executor: Executor, workflow: string): Promise<Map<string, Claimed>> {
  const { rows } = await executor.query<Claimed>(
    sql`select task_id, fencing_token, description, context
        from claim_tasks('agent', '{}', jsonb_build_object('workflow', jsonb_build_object('id', ${workflow}::text)), '1 hour', 100)`,
  );
  return new Map(rows.map((row) => [row.context.workflow.step, row]));
}

/** Completes a claimed task with this `result`. */
export async function complete(
  executor: Executor,
  task: Claimed | undefined,
  result: unknown = {},
): Promise<void> {
  if (!task) throw new Error('expected a claimed task, got none');
  await executor.query(
    sql`select complete_task(${task.task_id}, ${task.fencing_token}, ${JSON.stringify(result)}::jsonb)`,
  );
}

/** Fails a claimed task permanently. */
export async function fail(executor: Executor, task: Claimed | undefined, error = 'broken'): Promise<void> {
  if (!task) throw new Error('expected a claimed task, got none');
  await executor.query(sql`select fail_task(${task.task_id}, ${task.fencing_token}, ${error}, false)`);
}

/**
 * Claims and completes tasks until nothing of the workflow can be claimed. Returns the keys in the order of completion.
 */
export async function workOff(executor: Executor, workflow: string): Promise<string[]> {
  const done: string[] = [];
  for (;;) {
    const claimed = await claimAll(executor, workflow);
    if (claimed.size === 0) return done;
    for (const [key, task] of claimed) {
      await complete(executor, task, { from: key });
      done.push(key);
    }
  }
}

/** The status of the workflow, and of its steps by key. */
export async function stateOf(executor: Executor, workflow: string): Promise<Record<string, string>> {
  const { rows } = await executor.query<{ key: string; status: string }>(
    sql`select '' as key, status, 0 as position from workflows where id = ${workflow}
        union all
        select key, status, position from workflow_steps where workflow_id = ${workflow} order by position`,
  );
  return Object.fromEntries(rows.map((row) => [row.key === '' ? 'workflow' : row.key, row.status]));
}

/** Runs one statement as the worker, which has no tenant; returns its rows. */
export async function asWorker<Row>(admin: Client, text: string): Promise<Row[]> {
  await admin.query('begin');
  try {
    await admin.query(`set local role ${testRolePrefix}_worker`);
    const { rows } = await admin.query(text);
    await admin.query('commit');
    return rows as Row[];
  } catch (error) {
    await admin.query('rollback');
    throw error;
  }
}
