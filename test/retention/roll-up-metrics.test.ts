import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Executor } from '../../src/db/database.ts';
import { roleName } from '../../src/db/roles.ts';
import { rollUpMetrics } from '../../src/retention/roll-up-metrics.ts';
import { makeRandom } from '../bench/keys.ts';
import { apiTargets } from '../support/api-targets.ts';
import type { ApiTarget } from '../support/api-targets.ts';
import { migratedDatabase } from '../support/db.ts';
import type { MigratedDatabase } from '../support/db.ts';
import { testRolePrefix } from '../support/logins.ts';
import { compareRollup } from '../support/rollup-differences.ts';
import { noServer } from '../support/server.ts';

/** Midnight of yesterday: the whole day is over, and its partitions exist. */
const day = new Date(Math.floor(Date.now() / 86_400_000) * 86_400_000 - 86_400_000);
const at = (seconds: number) => new Date(day.getTime() + seconds * 1000);
const until = at(86_400);
const { signal } = new AbortController();

/** Inserts points at these seconds of the day, in this order. */
async function insert(client: Client, tenant: string, seconds: readonly number[]): Promise<void> {
  await client.query(
    `insert into app_public.metrics (tenant_id, service_name, metric_name, value, tags, "timestamp")
     select $1, 's', 'm' || i % 2, (i * 7919) % 1000 - 300, jsonb_build_object('host', i % 3), at
     from unnest($2::timestamptz[]) with ordinality t(at, i)`,
    [tenant, seconds.map(at)],
  );
}

describe.each(apiTargets)('rolling up metrics, %s', (_kind, open) => {
  let target: ApiTarget;
  let worker: Executor;

  beforeAll(async () => {
    target = await open();
    for (const tenant of ['acme', 'rival'])
      await target.admin.query('select ops.create_tenant($1, $1)', [tenant]);
    worker = asWorker(target.admin);
  }, 60_000);
  afterAll(() => target?.close());

  test('gives the totals of the points, whenever they arrived', async () => {
    const random = makeRandom(11);
    let seconds = 0;
    for (let turn = 0; turn < 12; turn += 1) {
      // Two hours later, with points that are late by up to the whole day so far.
      const fresh = Array.from({ length: 150 }, () => seconds + random() * 7_200);
      const late = Array.from({ length: 10 }, () => random() * (seconds + 1));
      await insert(target.admin, turn % 3 === 0 ? 'rival' : 'acme', [...fresh, ...late]);
      seconds += 7_200;
      await rollUpMetrics(worker, { until: at(seconds), signal });
    }
    for (const resolution of ['minute', 'hour', 'day'] as const) {
      const { compared, different } = await compareRollup(target.admin, resolution, {
        until: until.toISOString(),
      });
      expect(compared).toBeGreaterThan(5);
      expect(different).toBe(0);
    }
    const { rows } = await target.admin.query('select from ops.metric_changes');
    expect(rows).toEqual([]);
  }, 60_000);

  test('reports progress, changes nothing when nothing has changed, and ends when it is told to', async () => {
    await insert(target.admin, 'acme', [10, 5_000]);
    const said: string[] = [];
    const done = await rollUpMetrics(worker, {
      until,
      signal,
      onProgress: ({ minutes, hours, days }) => said.push(`${minutes} ${hours} ${days}`),
    });
    expect(done).toEqual({ minutes: 2, hours: 2, days: 1 });
    expect(said).toEqual(['2 0 0', '2 2 0', '2 2 1']);
    expect(await rollUpMetrics(worker, { until, signal })).toEqual({ minutes: 0, hours: 0, days: 0 });
    await insert(target.admin, 'acme', [10]);
    expect(await rollUpMetrics(worker, { until, signal: AbortSignal.abort() })).toEqual({
      minutes: 0,
      hours: 0,
      days: 0,
    });
  });

  test('comes to an end, and reaches the days, however fast late points arrive', async () => {
    await insert(target.admin, 'acme', [10, 5_000]);
    // Each statement finds a changed minute that the one before has just rolled up.
    const hurried: Executor = {
      query: async (statement) => {
        const result = await worker.query(statement);
        await insert(target.admin, 'acme', [10]);
        return result as never;
      },
    };
    const done = await rollUpMetrics(hurried, { until, signal });
    expect(done).toEqual({ minutes: 2, hours: 2, days: 1 });
    expect((await rollUpMetrics(worker, { until, signal })).minutes).toBe(1);
    expect(await compareRollup(target.admin, 'day', { until: until.toISOString() })).toMatchObject({
      different: 0,
    });
  }, 30_000);
});

describe.skipIf(noServer)('rolling up metrics beside others', () => {
  let fresh: MigratedDatabase;
  let admin: Client;
  let second: Client;
  let worker: Client;

  beforeAll(async () => {
    fresh = await migratedDatabase();
    [admin, second] = [new Client(fresh.adminUrl), new Client(fresh.adminUrl)];
    worker = new Client(fresh.urls.worker);
    worker.on('error', () => {}); // It is killed.
    await Promise.all([admin.connect(), second.connect(), worker.connect()]);
  });
  afterAll(async () => {
    await Promise.allSettled([admin?.end(), second?.end(), worker?.end()]);
    await fresh?.drop();
  });

  /** The number of points of the first hour that the tenant's readers see, by the minute. */
  const read = async () => {
    await admin.query('begin');
    await admin.query("select set_config('app.tenant_id', 'default', true)");
    await admin.query(`set local role ${roleName(testRolePrefix, 'service')}`);
    const { rows } = await admin.query<{ points: number }>(
      `select sum(points)::int as points from app_public.metric_series('s', 'm0', $1, $2, '1 minute')`,
      [at(0), at(3_600)],
    );
    await admin.query('commit');
    return rows[0]?.points;
  };

  test('loses no point that is committed while its minute is rolled up', async () => {
    await insert(admin, 'default', [1, 1, 1, 1]);
    await second.query('begin');
    await insert(second, 'default', [2, 2, 2, 2]);
    expect(await read()).toBe(2);
    expect((await rollUpMetrics(asWorker(worker), { until, signal })).minutes).toBe(1);
    expect(await read()).toBe(2);
    await second.query('commit');
    expect(await read()).toBe(4);
    expect((await rollUpMetrics(asWorker(worker), { until, signal })).minutes).toBe(1);
    expect(await read()).toBe(4);
  });

  test('is done by one run at a time, and the other leaves it without a loss', async () => {
    await insert(admin, 'default', [61]);
    await second.query('begin');
    await second.query("select from ops.metric_rollups where resolution = 'minute' for update");
    expect((await rollUpMetrics(asWorker(worker), { until, signal })).minutes).toBe(0);
    await second.query('rollback');
    expect((await rollUpMetrics(asWorker(worker), { until, signal })).minutes).toBe(1);
  });

  test('has no effect when it is killed in the middle, and the next run does all of it', async () => {
    await insert(
      admin,
      'default',
      Array.from({ length: 120 }, (_each, index) => index * 30),
    );
    const before = await read();
    await second.query('begin');
    await second.query('lock table app_public.metrics_minute in share mode');
    const pid = (await worker.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]?.pid;
    const run = rollUpMetrics(asWorker(worker), { until, signal }).then(
      () => 'done',
      (error: Error) => error.message,
    );
    // The kill comes while it writes: it has taken the marks, and waits for the table.
    await expect
      .poll(
        async () =>
          (
            await admin.query(
              `select from pg_locks where pid = $1 and not granted and relation = 'app_public.metrics_minute'::regclass`,
              [pid],
            )
          ).rowCount,
        { timeout: 10_000 },
      )
      .toBe(1);
    await admin.query('select pg_terminate_backend($1)', [pid]);
    expect(await run).toMatch(/terminating connection|Connection terminated/);
    await second.query('rollback');
    expect(await read()).toBe(before);
    const { rows } = await admin.query<{ count: number }>(
      "select count(distinct bucket)::int as count from ops.metric_changes where resolution = 'minute'",
    );
    expect(rows[0]?.count).toBe(60);

    worker = new Client(fresh.urls.worker);
    await worker.connect();
    expect((await rollUpMetrics(asWorker(worker), { until, signal })).minutes).toBe(60);
    expect(await compareRollup(admin, 'hour', { until: until.toISOString() })).toEqual({
      compared: 6,
      different: 0,
    });
    expect(await read()).toBe(before);
  });
});

/** Runs the client's statements as the worker's role, each in a transaction of its own. */
function asWorker(client: Client): Executor {
  return {
    query: async ({ text, values }) => {
      await client.query('begin');
      try {
        await client.query(`set local role ${roleName(testRolePrefix, 'worker')}`);
        const result = await client.query(text, [...(values ?? [])]);
        await client.query('commit');
        return result as never;
      } catch (error) {
        await client.query('rollback').catch(() => {});
        throw error;
      }
    },
  };
}
