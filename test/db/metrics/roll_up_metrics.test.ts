import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { roleName } from '../../../src/db/roles.ts';
import { sql } from '../../../src/db/statement.ts';
import { apiTargets } from '../../support/api-targets.ts';
import type { ApiTarget } from '../../support/api-targets.ts';
import { testRolePrefix } from '../../support/logins.ts';
import { at, metricTenants } from '../../support/metric-tenants.ts';
import type { Bucket, MetricTenants } from '../../support/metric-tenants.ts';
import { other, own } from '../../support/two-tenants.ts';

describe.each(apiTargets)('rollups of metrics, %s', (_, open) => {
  const hours = 20;
  let target: ApiTarget;
  let as: MetricTenants['as'];
  let record: MetricTenants['record'];
  let series: MetricTenants['series'];
  let failing: MetricTenants['failing'];

  beforeAll(async () => {
    target = await open();
    ({ as, record, series, failing } = await metricTenants(target));
    // A point every 50 seconds, two routes, the second three hours late.
    const points = Array.from({ length: (hours * 3600) / 50 }, (_each, index) => ({
      service_name: 'rolled',
      metric_name: 'm',
      value: ((index * 7919) % 1_000) - 100,
      tags: { route: index % 3 === 0 && index > 216 ? '/b' : '/a' },
      timestamp: at(index * 50),
    }));
    await record(points);
  }, 120_000);
  afterAll(() => target?.close());

  /** As the worker: its role, all tenants. */
  const asWorker = async (text: string, values: readonly unknown[]): Promise<number> => {
    await target.admin.query('begin');
    try {
      await target.admin.query(`set local role ${roleName(testRolePrefix, 'worker')}`);
      const { rows } = await target.admin.query<{ made: number }>(`select (${text}).buckets as made`, [
        ...values,
      ]);
      return rows[0]?.made ?? 0;
    } finally {
      await target.admin.query('commit');
    }
  };
  /** Rolls up what has changed in minutes, out of a stretch from the first one that has. */
  const rollUp = (minutes = 1440): Promise<number> =>
    asWorker("ops.roll_up_metrics('minute', $1, $2)", [at(86_400), minutes]);

  const everything = async () => {
    const aggregates = ['avg', 'count', 'max', 'last', 'p99'];
    const answers: unknown[] = [];
    for (const aggregate of aggregates)
      for (const bucket of ['90 s', '5 minutes', '1 hour', '6 hours', '1 day'])
        answers.push(
          [aggregate, bucket],
          rounded(await series('rolled', 0, 86_400, { bucket, aggregate, group_by: 'route' })),
          rounded(await series('rolled', 3_700, 86_300, { bucket, aggregate, tags: '{"route": "/a"}' })),
        );
    for (const [from, to] of [
      [0, 86_400],
      [3_725, 70_011],
      [10, 20],
    ] as const) {
      const { rows } = await as(
        sql`select * from app_public.metric_percentiles('rolled', 'm', ${at(from)}, ${at(to)}, '{0,1,50,99,100}', group_by => 'route')`,
      );
      answers.push(rows);
    }
    return answers;
  };
  /** Sums of doubles differ in the last digits with the order of adding. */
  const rounded = (rows: readonly Bucket[]) =>
    rows.map((row) => ({ ...row, value: row.value === null ? null : Number(row.value.toPrecision(12)) }));
  /** As the tenant's readers find them. */
  const sources = async (from: number, to: number, bucket: string | null) => {
    await target.admin.query('begin');
    try {
      await target.admin.query("select set_config('app.tenant_id', $1, true)", [own]);
      const { rows } = await target.admin.query<{ resolution: string; from: number; to: number }>(
        `select resolution, extract(epoch from range_start - $4)::float8 as "from", extract(epoch from range_end - $4)::float8 as "to"
         from app_private.metric_sources($1, $2, $3) order by 2`,
        [at(from), at(to), bucket, at(0)],
      );
      return rows.map((row) => [row.resolution, row.from / 3600, row.to / 3600]);
    } finally {
      await target.admin.query('commit');
    }
  };

  test('answer as the points did, at every stage of rolling up, and are what is read', async () => {
    const exact = await everything();
    // Where there are no points, what is rolled up is whole.
    expect(await sources(0, 86_400, '1 hour')).toEqual([
      ['raw', 0, hours],
      ['hour', hours, 24],
    ]);

    expect(await rollUp(12 * 60)).toBe(12 * 60);
    expect(await sources(0, 86_400, '1 hour')).toEqual([
      ['minute', 0, 12],
      ['raw', 12, hours],
      ['hour', hours, 24],
    ]);
    expect(await sources(0, 86_400, '90 s')).toEqual([['raw', 0, 24]]);
    expect(await everything()).toEqual(exact);

    expect(await asWorker("ops.roll_up_metrics('hour', $1, $2)", [at(86_400), 11])).toBe(11);
    expect(await sources(0, 86_400, '1 hour')).toEqual([
      ['hour', 0, 11],
      ['minute', 11, 12],
      ['raw', 12, hours],
      ['hour', hours, 24],
    ]);
    expect(await sources(1_830, 86_400, null)).toEqual([
      ['raw', 1_830 / 3600, 31 / 60],
      ['minute', 31 / 60, 1],
      ['hour', 1, 11],
      ['minute', 11, 12],
      ['raw', 12, hours],
      ['hour', hours, 24],
    ]);
    expect(await everything()).toEqual(exact);

    expect(await rollUp()).toBe((hours - 12) * 60);
    expect(await asWorker("ops.roll_up_metrics('hour', $1)", [at(86_400)])).toBe(hours - 11);
    expect(await asWorker("ops.roll_up_metrics('day', $1)", [at(86_400)])).toBe(1);
    expect(await sources(0, 86_400, '1 day')).toEqual([['day', 0, 24]]);
    expect(await sources(0, 86_400, '6 hours')).toEqual([['hour', 0, 24]]);
    expect(await everything()).toEqual(exact);

    // Once points have gone, what is rolled up still answers.
    await target.admin.query("delete from app_public.metrics where service_name = 'rolled'");
    const [counted] = await series('rolled', 0, 86_400, { bucket: '1 day', aggregate: 'count' });
    expect(counted?.points).toBe((hours * 3600) / 50);
    expect((await series('rolled', 0, 3600, { bucket: '90 s' })).every((b) => b.points === 0)).toBe(true);
  }, 120_000);

  test('are made again when points came late, which readers see before', async () => {
    const point = { service_name: 'late', metric_name: 'm', value: 1, timestamp: at(5) };
    await record(point);
    expect(await rollUp()).toBe(1);
    expect(await rollUp()).toBe(0);
    await record({ ...point, value: 3, timestamp: at(6) });
    const late = () => series('late', 0, 60, { bucket: '1 minute' });
    expect(await sources(0, 60, '1 minute')).toEqual([['raw', 0, 1 / 60]]);
    expect(await late()).toMatchObject([{ value: 2, points: 2 }]);
    expect(await rollUp()).toBe(1);
    expect(await sources(0, 60, '1 minute')).toEqual([['minute', 0, 1 / 60]]);
    expect(await late()).toMatchObject([{ value: 2, points: 2 }]);
  });

  test('have no sum where it is beyond a double, and everything else: so it is with points, and at every stage', async () => {
    const most = Number.MAX_VALUE;
    const values = {
      beyond: [most, most],
      below: [-most, -most, 1],
      both: [most, -most, most, -most],
      alone: [most],
      tiny: [5e-324, 0],
      zero: [-0, -0],
    };
    await record(
      Object.entries(values).flatMap(([name, list]) =>
        list.map((value, i) => ({
          service_name: 'extreme',
          metric_name: 'm',
          value,
          tags: { name },
          timestamp: at(i),
        })),
      ),
    );
    const aggregates = ['count', 'sum', 'avg', 'rate', 'min', 'max', 'last', 'p50'];
    const expected = {
      beyond: [2, null, null, null, most, most, most, most],
      below: [3, null, null, null, -most, 1, 1, -most],
      both: [4, 0, 0, 0, -most, most, -most, -most],
      alone: [1, most, most, most / 86_400, most, most, most, most],
      tiny: [2, 5e-324, 0, 0, 0, 5e-324, 0, 0],
      zero: [2, -0, -0, -0, -0, -0, -0, -0],
    };
    const read = async (bucket: string) => {
      const found: Record<string, (number | null)[]> = {};
      for (const aggregate of aggregates)
        for (const name of Object.keys(values)) {
          const tags = JSON.stringify({ name });
          const [first] = await series('extreme', 0, 86_400, { bucket, aggregate, tags, fill: 'previous' });
          (found[name] ??= []).push(first!.value);
        }
      return found;
    };
    const close = (found: Record<string, (number | null)[]>) => {
      for (const [name, list] of Object.entries(expected))
        for (const [i, value] of list.entries()) {
          const was = found[name]![i]!;
          const isClose =
            value === null
              ? was === null
              : was !== null && Math.abs(was / 1.01 - value / 1.01) <= Math.abs(value) / 99;
          expect([name, aggregates[i], was, isClose]).toEqual([name, aggregates[i], was, true]);
        }
    };
    close(await read('1 day'));
    expect(await rollUp()).toBe(1);
    close(await read('1 day'));
    await asWorker("ops.roll_up_metrics('hour', $1)", [at(86_400)]);
    close(await read('1 day'));
    await asWorker("ops.roll_up_metrics('day', $1)", [at(86_400)]);
    expect(await sources(0, 86_400, '1 day')).toEqual([['day', 0, 24]]);
    close(await read('1 day'));
    // The sum of a rollup that has none is none, too; a sum a microsecond may be beyond where the sum is not.
    const rate = await series('extreme', 0, 2, {
      bucket: '1 millisecond',
      aggregate: 'rate',
      tags: '{"name": "alone"}',
    });
    expect(rate[0]).toMatchObject({ value: null, points: 1 });
    const { rows } = await target.admin.query(
      `select tags ->> 'name' as name from app_public.metrics_day where service_name = 'extreme' and sum is null order by 1`,
    );
    expect(rows).toEqual([{ name: 'below' }, { name: 'beyond' }]);
  }, 60_000);

  test('are not made of a minute, an hour or a day that is not over', async () => {
    await record({ service_name: 'over', metric_name: 'm', value: 1, timestamp: at(30) });
    expect(await asWorker("ops.roll_up_metrics('minute', $1)", [at(59.9)])).toBe(0);
    expect(await asWorker("ops.roll_up_metrics('minute', $1)", [at(60)])).toBe(1);
    expect(await asWorker("ops.roll_up_metrics('hour', $1)", [at(3599)])).toBe(0);
    expect(await asWorker("ops.roll_up_metrics('hour', $1)", [at(3600)])).toBe(1);
    expect(await asWorker("ops.roll_up_metrics('day', $1)", [at(86_399)])).toBe(0);
    expect(await asWorker("ops.roll_up_metrics('day', $1)", [at(86_400)])).toBe(1);
  });

  test('of another tenant are not seen', async () => {
    expect((await series('late', 0, 60, { bucket: '1 minute' }, other)).map((b) => b.points)).toEqual([0]);
  });

  test('are made by the worker only', async () => {
    expect(await failing(sql`select ops.roll_up_metrics('minute')`)).toMatch(/^42501/);
    expect(await failing(sql`delete from app_public.metrics_minute`)).toMatch(/^42501/);
    expect(await failing(sql`delete from ops.metric_changes`)).toMatch(/^42501/);
  });
});
