import { Logger, makeWorkerUtils } from 'graphile-worker';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sql } from '../../../src/db/statement.ts';
import { workerTargets } from '../../support/worker-target.ts';
import type { WorkerTarget } from '../../support/worker-target.ts';

const dayMs = 86_400_000;
/** A policy keeps what is not older than the next midnight: a fresh database has partitions from yesterday on. */
const olderThan = new Date((Math.floor(Date.now() / dayMs) - 1) * dayMs);
const expired = new Date(olderThan.getTime() - dayMs);
const held = new Date(olderThan.getTime() - 2 * dayMs);

/** The rows of a policy. `row` inserts one of an age ($1) and, if it is a tenant's, of a tenant ($2). */
interface Rows {
  readonly table: string;
  readonly row: string;
  /** Inserts rows that stay although they are as old ($1). */
  readonly kept?: readonly string[];
}

const rollup = (resolution: string): Rows => ({
  table: `app_public.metrics_${resolution}`,
  row: `insert into app_public.metrics_${resolution} (
      tenant_id, service_name, metric_name, bucket, count, sum, min, max, last, last_at, sketch_keys, sketch_counts
    ) values ($2, 's', gen_random_uuid()::text, $1, 1, 1, 1, 1, 1, $1, '{1}', '{1}')`,
});
const task = (status: string, workflow = 'null') =>
  `insert into app_public.tasks (tenant_id, description, status, completed_at, workflow_id)
   select 'acme', 'x', '${status}', $1::timestamptz, ${workflow}`;
const attempt = (tenant: string, status: string) =>
  `with t as (
     insert into app_public.tasks (tenant_id, description, status) values (${tenant}, 'x', '${status}') returning tenant_id, id
   )
   insert into app_public.task_attempts (tenant_id, task_id, attempt, fencing_token, agent, claimed_at, ended_at, outcome)
   select tenant_id, id, 1, 1, 'ada', $1, $1, 'failed' from t`;
const drill = (problems: string) =>
  `insert into ops.drills (started_at, finished_at, backups, compared_tables, compared_rows, restore_time, problems, self_tests)
   values ($1, $1, '{b}', 1, 1, '1 second', '${problems}', '[]')`;
const backup = (removedAt: string) =>
  `insert into ops.backups (id, kind, started_at, ended_at, objects, bytes, stored_bytes, manifest_sha256, removed_at)
   values (gen_random_uuid(), 'full', $1, $1, 1, 1, 1, 'x', ${removedAt})`;
const job = (attempts: number, lockedAt: string) =>
  `insert into graphile_worker._private_jobs (task_id, attempts, max_attempts, updated_at, locked_at)
   select id, ${attempts}, 2, $1, ${lockedAt} from graphile_worker._private_tasks`;

const byTenant: Readonly<Record<string, Rows>> = {
  'metrics.raw': {
    table: 'app_public.metrics',
    row: `insert into app_public.metrics (tenant_id, service_name, metric_name, value, "timestamp") values ($2, 's', 'm', 1, $1)`,
  },
  'metrics.minute': rollup('minute'),
  'metrics.hour': rollup('hour'),
  'metrics.day': rollup('day'),
  sessions: {
    table: 'app_public.sessions',
    row: `insert into app_public.sessions (tenant_id, user_id, token, expires_at)
      values ($2, 'user', encode(sha256(gen_random_uuid()::text::bytea), 'hex'), $1)`,
  },
  tasks: {
    table: 'app_public.tasks',
    row: "insert into app_public.tasks (tenant_id, description, status, completed_at) values ($2, 'x', 'dead', $1)",
    kept: [task('pending'), task('completed', "(select id from app_public.workflows where name = 'open')")],
  },
  task_attempts: {
    table: 'app_public.task_attempts',
    row: attempt('$2', 'completed'),
    kept: [attempt("'acme'", 'pending')],
  },
  threads: {
    table: 'app_public.threads',
    row: 'insert into app_public.threads (tenant_id, last_message_at) values ($2, $1)',
    kept: ["insert into app_public.threads (tenant_id, created_at) values ('acme', $1)"],
  },
};
const ofNoTenant: Readonly<Record<string, Rows>> = {
  job_runs: {
    table: 'ops.job_runs',
    row: `insert into ops.job_runs (task, worker, outcome, lease_until, started_at, finished_at)
      values ('t', 'w', 'succeeded', $1, $1, $1)`,
    kept: ["insert into ops.job_runs (task, worker, lease_until, started_at) values ('t', 'w', $1, $1)"],
  },
  alerts: {
    table: 'ops.alerts',
    row: `insert into ops.alerts (kind, subject, severity, message, resolved_at)
      values ('k', gen_random_uuid(), 'error', 'm', $1)`,
    kept: [
      "insert into ops.alerts (kind, subject, severity, message, raised_at) values ('k', 'open', 'error', 'm', $1)",
    ],
  },
  // The newest that passed, and the newest.
  drills: { table: 'ops.drills', row: drill('{}'), kept: [drill('{}'), drill('{red}')] },
  backups: { table: 'ops.backups', row: backup('$1'), kept: [backup('null')] },
  dead_jobs: {
    table: 'graphile_worker._private_jobs',
    row: job(2, 'null'),
    kept: [job(1, 'null'), job(2, '$1')],
  },
};

/** Two rows that are not kept: what a dry run counts is what goes, and nothing else goes. */
const twoGone = { found: [2, 1, 0], gone: [1, 1], left: 0 };

describe.each(workerTargets)('the rules of retention (%s)', (_kind, open) => {
  let target: WorkerTarget;

  beforeAll(async () => {
    target = await open();
    for (const tenant of ['acme', 'rival'])
      await target.admin.query('select ops.create_tenant($1, $1)', [tenant]);
    await target.admin.query("insert into app_public.workflows (tenant_id, name) values ('acme', 'open')");
    // The time of this test is one that no policy keeps, and has partitions.
    await target.admin.query("select ops.ensure_partitions(6, 0, now() - interval '5 days')");
    await target.admin.query("update ops.retention_policies set keep = '1 hour'");
  });
  afterAll(() => target?.close());

  const number = async (statement: ReturnType<typeof sql>): Promise<number> =>
    Number((await target.database.query<{ count: string }>(statement)).rows[0]?.count);
  const planned = (policy: string, tenant: string | null) =>
    number(sql`select ops.count_expired_rows(${policy}, ${tenant}, ${olderThan}) as count`);
  const expire = (policy: string, tenant: string | null, howMany: number) =>
    number(sql`select ops.expire_rows(${policy}, ${tenant}, ${olderThan}, ${howMany}) as count`);
  const rowsOf = async (table: string): Promise<number> =>
    (await target.admin.query(`select count(*)::int as count from ${table}`)).rows[0].count;

  /** Takes points of any time again. */
  const openFloors = () => target.admin.query('delete from ops.metric_floors');
  /** Nothing older takes points any more, and all of it is rolled up. */
  const closeFloors = async () => {
    await target.admin.query('delete from ops.metric_changes');
    await openFloors();
    await target.admin.query('insert into ops.metric_floors (kept_from, closed_to) values ($1, $1)', [
      olderThan,
    ]);
  };

  /**
   * Inserts rows, two of which are not kept, and expires them in two steps. Returns what dry runs counted before,
   * between and after, what went, and how many rows are left beyond those that have to stay.
   */
  const tryPolicy = async (policy: string, { table, row, kept = [] }: Rows, tenant: string | null) => {
    const insert = (at: Date, owner = tenant) => target.admin.query(row, owner === null ? [at] : [at, owner]);
    const before = await rowsOf(table);
    await openFloors();
    for (const at of [expired, expired, olderThan]) await insert(at);
    for (const text of kept) await target.admin.query(text, [expired]);
    if (tenant !== null) {
      await insert(held);
      await insert(expired, 'rival');
      await target.admin.query(
        `insert into ops.retention_holds (policy, tenant_id, held, reason)
         values ($1, $2, tstzrange($3, $3, '[]'), 'disputed')`,
        [policy, tenant, held],
      );
    }
    await closeFloors();
    const stay = before + 1 + kept.length + (tenant === null ? 0 : 2);
    expect(await rowsOf(table)).toBe(stay + 2);
    const found = [await planned(policy, tenant)];
    const gone = [await expire(policy, tenant, 1)];
    found.push(await planned(policy, tenant));
    gone.push(await expire(policy, tenant, 5));
    found.push(await planned(policy, tenant));
    return { found, gone, left: (await rowsOf(table)) - stay };
  };

  test('every policy of the catalog has a rule, which a dry run and a run both follow', async () => {
    const { rows } = await target.admin.query<{ policy: string; by_tenant: boolean }>(
      // The audit log goes by whole months (test/retention/remove-audit-months.test.ts).
      "select policy, by_tenant from ops.retention_policies where policy <> 'audit' order by policy",
    );
    expect(rows.length).toBeGreaterThan(0);
    for (const { policy, by_tenant } of rows) {
      const tenant = by_tenant ? 'acme' : null;
      // A policy without a branch is refused with LTP01. The queue does not exist before the first worker, and has no dead jobs.
      expect([policy, await planned(policy, tenant), await expire(policy, tenant, 1)]).toEqual([
        policy,
        0,
        0,
      ]);
    }
    const { rows: functions } = await target.admin.query<{ name: string }>(
      `select proname as name from pg_proc where pronamespace = 'ops'::regnamespace and proname ~ '^expired_' order by 1`,
    );
    expect(functions.map(({ name }) => name)).toEqual(
      rows.map(({ policy }) => `expired_${policy.replace('.', '_')}`).toSorted(),
    );
    const named = (of: boolean) => rows.flatMap((row) => (row.by_tenant === of ? [row.policy] : []));
    expect([Object.keys(byTenant).toSorted(), Object.keys(ofNoTenant).toSorted()]).toEqual([
      named(true).toSorted(),
      named(false).toSorted(),
    ]);
  });

  test('rows that a policy keeps stay, whatever time is given', async () => {
    const refusal = { code: 'LTP06', message: 'older_than must be a time that the policy no longer keeps' };
    for (const policy of [
      ...Object.keys(byTenant),
      ...Object.keys(ofNoTenant).filter((name) => name !== 'dead_jobs'),
    ]) {
      const tenant = policy in byTenant ? 'acme' : null;
      await expect(
        number(sql`select ops.expire_rows(${policy}, ${tenant}, now() - interval '59 minutes', 5) as count`),
      ).rejects.toMatchObject(refusal);
    }
  });

  test('metrics stay that still have to be rolled up or merged, although no policy keeps them', async () => {
    const from = async (policy: string) => {
      const { table, row } = byTenant[policy]!;
      await openFloors();
      await target.admin.query(row, [expired, 'acme']);
      await closeFloors();
      const arrange = {
        'metrics.raw': `update ops.metric_floors set closed_to = '-infinity'`,
        'metrics.minute': `insert into ops.metric_changes (resolution, tenant_id, bucket) values ('hour', 'acme', $1)`,
        'metrics.hour': `insert into ops.metric_changes (resolution, tenant_id, bucket) values ('day', 'acme', $1)`,
      }[policy]!;
      await target.admin.query(arrange, arrange.includes('$1') ? [expired] : []);
      const kept = await expire(policy, 'acme', 5);
      await closeFloors();
      return [table, kept, await expire(policy, 'acme', 5)];
    };
    for (const policy of ['metrics.raw', 'metrics.minute', 'metrics.hour'])
      expect(await from(policy)).toEqual([byTenant[policy]!.table, 0, 1]);
  });

  test('a batch is bounded', async () => {
    for (const policy of ['tasks', 'alerts'])
      for (const howMany of [0, 10_001])
        await expect(expire(policy, policy === 'tasks' ? 'acme' : null, howMany)).rejects.toMatchObject({
          code: 'LTP06',
          message: 'how_many must be between 1 and 10,000',
        });
  });

  test('a policy that does not exist is refused', async () => {
    const refusal = { code: 'LTP01', message: 'policy nothing does not exist' };
    await expect(planned('nothing', 'acme')).rejects.toMatchObject(refusal);
    await expect(expire('nothing', 'acme', 1)).rejects.toMatchObject(refusal);
  });

  test.each(Object.entries(byTenant))('a run removes what a dry run counts: %s', async (policy, rows) => {
    expect(await tryPolicy(policy, rows, 'acme')).toEqual(twoGone);
  });

  test.each(Object.entries(ofNoTenant))('a run removes what a dry run counts: %s', async (policy, rows) => {
    if (policy === 'dead_jobs') {
      const queue = await makeWorkerUtils({ pgPool: target.pool, logger: new Logger(() => () => {}) });
      await queue.migrate();
      await queue.release();
      await target.admin.query("insert into graphile_worker._private_tasks (identifier) values ('work')");
    }
    expect(await tryPolicy(policy, rows, null)).toEqual(twoGone);
  });
});
