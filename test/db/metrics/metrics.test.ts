import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sql } from '../../../src/db/statement.ts';
import { startApp, testToken } from '../../support/app.ts';
import type { RunningApp } from '../../support/app.ts';
import { apiTargets } from '../../support/api-targets.ts';
import type { ApiTarget } from '../../support/api-targets.ts';
import { at, metricTenants } from '../../support/metric-tenants.ts';
import type { MetricTenants, Recorded } from '../../support/metric-tenants.ts';
import { own, other, settingsOf } from '../../support/two-tenants.ts';

describe.each(apiTargets)('metrics, %s', (_, open) => {
  let target: ApiTarget;
  let as: MetricTenants['as'];
  let record: MetricTenants['record'];
  let series: MetricTenants['series'];
  let failing: MetricTenants['failing'];

  beforeAll(async () => {
    target = await open();
    ({ as, record, series, failing } = await metricTenants(target));
  }, 120_000);
  afterAll(() => target?.close());

  describe('record_metrics', () => {
    test('stores an array, with the time and tags that points have, or now and none', async () => {
      const points = [
        {
          service_name: 'array',
          metric_name: 'm',
          value: 1.5,
          tags: { route: '/', ok: true, n: 1 },
          timestamp: at(1),
        },
        { service_name: 'array', metric_name: 'm', value: '2e3', timestamp: '2020-01-01', tags: null },
        { service_name: 'array', metric_name: 'm', value: -2 },
      ];
      expect(await record([points[0], points[2]])).toEqual({ stored: 2, rejected: [] });
      const { rows } = await as<object>(
        sql`select value, tags, "timestamp" > now() - interval '1 minute' as recent from app_public.metrics
            where service_name = 'array' order by id`,
      );
      expect(rows).toEqual([
        { value: 1.5, tags: { route: '/', ok: true, n: 1 }, recent: false },
        { value: -2, tags: {}, recent: true },
      ]);
    });

    test('stores one object', async () => {
      expect(await record({ service_name: 'one', metric_name: 'm', value: 0 })).toEqual({
        stored: 1,
        rejected: [],
      });
    });

    test('takes a time without a zone for UTC, whatever the session is set to', async () => {
      const { rows } = await target.database.queryWith<Recorded>(
        { ...settingsOf('service', own), timezone: 'America/New_York' },
        sql`select * from app_public.record_metrics(${JSON.stringify({ service_name: 'zone', metric_name: 'm', value: 1, timestamp: at(0).slice(0, 19) })}::json)`,
      );
      expect(rows[0]?.stored).toBe(1);
      expect(await series('zone', 0, 60, { bucket: '1 minute' })).toMatchObject([{ points: 1 }]);
    });

    const good = { service_name: 'bad', metric_name: 'm', value: 1 };
    test.each([
      ['no object', 7, 'a point must be an object, not number'],
      ['null', null, 'a point must be an object, not null'],
      ['no service', { ...good, service_name: undefined }, 'service_name is missing'],
      ['an empty service', { ...good, service_name: '' }, 'service_name is missing'],
      [
        'a long service',
        { ...good, service_name: 's'.repeat(51) },
        'service_name is longer than 50 characters',
      ],
      ['no metric', { ...good, metric_name: null }, 'metric_name is missing'],
      [
        'a long metric',
        { ...good, metric_name: 'm'.repeat(101) },
        'metric_name is longer than 100 characters',
      ],
      ['no value', { ...good, value: undefined }, 'value is missing'],
      ['a text for a value', { ...good, value: 'many' }, 'value is not a number, or too large: many'],
      ['an object for a value', { ...good, value: {} }, 'value is not a number, or too large: {}'],
      ['a value too large', { ...good, value: '1e999' }, 'value is not a number, or too large: 1e999'],
      ['not a number', { ...good, value: 'NaN' }, 'value is not finite: NaN'],
      ['infinity', { ...good, value: '-inf' }, 'value is not finite: -inf'],
      ['no time', { ...good, timestamp: 'soon' }, 'timestamp is not a time: soon'],
      [
        'long ago',
        { ...good, timestamp: '1999-12-31T00:00:00Z' },
        'timestamp is outside the range that is kept: 1999-12-31 00:00:00+00',
      ],
      ['never', { ...good, timestamp: 'infinity' }, 'timestamp is outside the range that is kept: infinity'],
      ['a list of tags', { ...good, tags: ['a'] }, 'tags must be an object'],
      [
        'tags in tags',
        { ...good, tags: { a: { b: 1 } } },
        'tags must be flat: a tag is a string, a number or a boolean',
      ],
      [
        'a zero character',
        { ...good, service_name: 'a\u0000' },
        'it contains a character that cannot be stored: \\u0000 or half of a surrogate pair',
      ],
      [
        'a half character in tags',
        { ...good, tags: { a: '\ud800' } },
        'it contains a character that cannot be stored: \\u0000 or half of a surrogate pair',
      ],
    ])('says why of a point with %s, and stores those around it', async (_name, bad, reason) => {
      expect(await record([good, bad, { ...good, tags: { text: '{[\u00e9' } }])).toEqual({
        stored: 2,
        rejected: [{ index: 1, reason }],
      });
    });

    test('says why of a number in tags that jsonb cannot hold', async () => {
      const points = `[{"service_name":"bad","metric_name":"m","value":1,"tags":{"a":1e200000}}]`;
      const { rows } = await as<Recorded>(sql`select * from app_public.record_metrics(${points}::json)`);
      expect(rows).toEqual([
        { stored: 0, rejected: [{ index: 0, reason: 'tags contains a number that cannot be stored' }] },
      ]);
    });

    test('stores nothing of an empty array', async () => {
      expect(await record([])).toEqual({ stored: 0, rejected: [] });
    });

    test.each([
      ['"text"', 'string'],
      ['7', 'number'],
      ['null', 'null'],
    ])('refuses %s as a whole', async (points, type) => {
      expect(await failing(sql`select * from app_public.record_metrics(${points}::json)`)).toBe(
        `LTM01: points must be an object or an array of objects, not ${type}`,
      );
    });

    test('is for programs: people and strangers are refused', async () => {
      const statement = sql`select * from app_public.record_metrics('[]')`;
      expect(await failing(statement, 'member')).toMatch(/^42501/);
      expect(await failing(statement, 'anon')).toMatch(/^42501/);
    });

    test("stores under the caller's tenant, and leaves one row in the log for all points", async () => {
      await record([
        { ...good, service_name: 'mine' },
        { ...good, service_name: 'mine' },
      ]);
      const { rows } = await target.admin.query(
        `select tenant_id, row_count from audit.log where table_name = 'app_public.metrics' order by id desc limit 1`,
      );
      expect(rows).toEqual([{ tenant_id: own, row_count: 2 }]);
      const ofOther = await series('mine', 0, 2 * 86_400, { bucket: '48 hours' }, other);
      expect(ofOther.length).toBeGreaterThan(0);
      expect(ofOther.every((b) => b.points === 0)).toBe(true);
    });
  });

  describe('metric_series', () => {
    beforeAll(async () => {
      const point = (service_name: string, seconds: number, value: number, tags = {}) => ({
        service_name,
        metric_name: 'm',
        value,
        tags,
        timestamp: at(seconds),
      });
      await record([
        point('series', 0, 1, { route: '/a' }),
        point('series', 30, 3, { route: '/a' }),
        point('series', 59.999, 5, { route: '/b' }),
        point('series', 180, 10),
      ]);
      await record([point('series', 0, 1_000)], 'service', other);
    });

    test('has a bucket for every step, empty ones too, and only the points of the tenant', async () => {
      const [date] = at(0).slice(8).split('T');
      expect(await series('series', 0, 240, { bucket: '1 minute' })).toEqual([
        { at: `${date} 00:00:00`, tag: null, value: 3, points: 3 },
        { at: `${date} 00:01:00`, tag: null, value: null, points: 0 },
        { at: `${date} 00:02:00`, tag: null, value: null, points: 0 },
        { at: `${date} 00:03:00`, tag: null, value: 10, points: 1 },
      ]);
    });

    test.each([
      ['avg', [3, null, null, 10]],
      ['sum', [9, 0, 0, 10]],
      ['rate', [0.15, 0, 0, 10 / 60]],
      ['count', [3, 0, 0, 1]],
      ['min', [1, null, null, 10]],
      ['max', [5, null, null, 10]],
      ['last', [5, null, null, 10]],
      ['p0', [1, null, null, 10]],
      ['p99.9', [3, null, null, 10]],
    ])('aggregates with %s', async (aggregate, expected) => {
      const values = (await series('series', 0, 240, { bucket: '1 minute', aggregate })).map((b) => b.value);
      expect(values).toHaveLength(expected.length);
      // Of a percentile, one per cent.
      const near = values.map((value, index) => {
        const exact = expected[index] ?? null;
        return value === null || exact === null ? value === exact : Math.abs(value - exact) <= exact * 0.01;
      });
      expect(near).toEqual(expected.map(() => true));
    });

    test.each([
      ['null', [3, null, null, 10, null]],
      ['zero', [3, 0, 0, 10, 0]],
      ['previous', [3, 3, 3, 10, 10]],
    ])('fills gaps with %s', async (fill, expected) => {
      expect((await series('series', 0, 300, { bucket: '1 minute', fill })).map((b) => b.value)).toEqual(
        expected,
      );
    });

    test('keeps to points with all of the tags', async () => {
      expect(
        (await series('series', 0, 60, { bucket: '1 minute', tags: '{"route": "/a"}' })).map((b) => b.points),
      ).toEqual([2]);
    });

    test('gives a series for each value of a tag, with gaps of its own', async () => {
      const rows = await series('series', 0, 240, {
        bucket: '1 minute',
        group_by: 'route',
        aggregate: 'max',
      });
      expect(rows.map(({ tag, value }) => [tag, value])).toEqual([
        ...[3, null, null, null].map((value) => ['/a', value]),
        ...[5, null, null, null].map((value) => ['/b', value]),
        ...[null, null, null, 10].map((value) => [null, value]),
      ]);
    });

    test('widens the range to whole buckets', async () => {
      const rows = await series('series', 90, 181, { bucket: '2 minutes' });
      expect(rows.map((b) => [b.at.slice(3), b.points])).toEqual([
        ['00:00:00', 3],
        ['00:02:00', 1],
      ]);
    });

    test('chooses a bucket that gives at most 200, whatever the session calls a day', async () => {
      expect(await series('series', 0, 200 * 60)).toHaveLength(200);
      expect((await series('series', 0, 201 * 60)).length).toBe(41);
      expect(await series('series', -86_400 * 20, 0)).toHaveLength(80);
    });

    test('has no row of a group, and a gap for all, where there is nothing', async () => {
      expect(await series('nobody', 0, 60, { bucket: '1 minute' })).toMatchObject([
        { points: 0, value: null },
      ]);
      expect(await series('nobody', 0, 60, { bucket: '1 minute', group_by: 'route' })).toEqual([]);
    });

    // A plan for any arguments asks for the bounds of the range at each point, and sums up for every aggregate.
    test('is planned for its arguments each time, however often a statement is repeated', async () => {
      const { admin } = target;
      await admin.query('begin');
      try {
        await admin.query(
          `insert into app_public.metrics (tenant_id, service_name, metric_name, value, "timestamp")
           select $1, 'planned', 'm', n, $2::timestamptz + n * interval '4 seconds' from generate_series(1, 20000) n`,
          [own, at(0)],
        );
        await admin.query('analyze app_public.metrics');
        await admin.query(
          `prepare planned (timestamptz, timestamptz, text) as
           select * from app_public.metric_series('planned', 'm', $1, $2, aggregate => $3)`,
        );
        for (let i = 0; i < 8; i += 1)
          await admin.query(`execute planned ('${at(0)}', '${at(86_400)}', 'avg')`);
        const { rows } = await admin.query(
          `select generic_plans::int as generic, custom_plans::int as custom
           from pg_prepared_statements where statement like 'prepare%metric_series%'`,
        );
        expect(rows).toEqual([{ generic: 0, custom: 8 }]);
      } finally {
        await admin.query('rollback; deallocate planned');
      }
    });

    const ask = (rest: string) => ({
      text: `select * from app_public.metric_series('s', 'm', ${rest})`,
    });
    test.each([
      ['now(), now()', /^LTM02: the range must run from one finite time to a later one, not from/],
      ["now(), now() - interval '1 hour'", /^LTM02: /],
      ['null, now()', /^LTM02: the range must run from one finite time to a later one, not from null/],
      ["now(), 'infinity'", /^LTM02: .* to infinity/],
      ["now(), now() + interval '1 hour', '0 s'", /^LTM03: a series from .* cannot have buckets of 00:00:00/],
      ["now(), now() + interval '1 hour', '-1 s'", /^LTM03: /],
      ["now(), now() + interval '1 hour', '1 month'", /^LTM03: .* buckets of 1 mon/],
      ["now(), now() + interval '1 day', '1 s'", /^LTM03: /],
      ["'0001-01-01', '9999-12-31'", /^LTM03: .* buckets of 7 days/],
      ["'0001-01-01', '9999-12-31', null", /^LTM03: .* buckets of 7 days/],
      ["now(), now() + interval '192 years'", /^LTM03: .* buckets of 7 days/],
      ["now(), now() + interval '1 hour', aggregate => 'median'", /^LTM04: unknown aggregate median/],
      ["now(), now() + interval '1 hour', aggregate => 'p100'", /^LTM04: /],
      ["now(), now() + interval '1 hour', aggregate => null", /^LTM04: unknown aggregate null/],
      [`now(), now() + interval '1 hour', tags => '[]'`, /^LTM05: tags must be a flat object, not array/],
      [`now(), now() + interval '1 hour', tags => '{"a": []}'`, /^LTM05: /],
      ["now(), now() + interval '1 hour', fill => 'linear'", /^LTM06: unknown fill linear/],
    ])('refuses %s', async (rest, message) => {
      expect(await failing(ask(rest), 'member')).toMatch(message);
      expect(await failing(ask("now() - interval '1 hour', now()"), 'anon')).toMatch(/^42501/);
    });
  });

  describe('metric_latest', () => {
    beforeAll(async () => {
      const point = (metric_name: string, minutes: number, value: number, tags = {}) => ({
        service_name: 'latest',
        metric_name,
        value,
        tags,
        timestamp: new Date(Date.now() - minutes * 60_000).toISOString(),
      });
      await record([
        point('cpu', 3, 1, { host: 'a' }),
        point('cpu', 2, 2, { host: 'b' }),
        point('cpu', 1, 3, { host: 'a' }),
        point('memory', 5, 7),
      ]);
      await record([{ service_name: 'latest', metric_name: 'disk', value: 9 }], 'service', other);
    });
    const latest = async (rest: string) =>
      (
        await as<Record<string, unknown>>(
          {
            text: `select metric_name as m, tag_value as t, value as v from app_public.metric_latest(${rest})`,
          },
          'member',
        )
      ).rows.map(({ m, t, v }) => [m, t, v]);

    test.each([
      [
        "'latest'",
        [
          ['cpu', null, 3],
          ['memory', null, 7],
        ],
      ],
      ["'latest', 'memory'", [['memory', null, 7]]],
      ["'latest', 'disk'", []],
      [`'latest', tags => '{"host": "b"}'`, [['cpu', null, 2]]],
      [
        "'latest', group_by => 'host'",
        [
          ['cpu', 'a', 3],
          ['cpu', 'b', 2],
          ['memory', null, 7],
        ],
      ],
      ["'latest', since => now() - interval '4 minutes'", [['cpu', null, 3]]],
      ["'nobody'", []],
    ])('of %s', async (rest, expected) => {
      expect(await latest(rest)).toEqual(expected);
    });

    test('refuses a time that is none, tags that are none, and strangers', async () => {
      const ask = (rest: string) => ({ text: `select * from app_public.metric_latest('latest'${rest})` });
      expect(await failing(ask(', since => null'))).toMatch(/^LTM02: /);
      expect(await failing(ask(", tags => '7'"))).toMatch(/^LTM05: /);
      expect(await failing(ask(''), 'anon')).toMatch(/^42501/);
    });
  });

  describe('metric_percentiles', () => {
    const values = Array.from({ length: 1_000 }, (_each, index) => (index - 200) * 1.37);
    beforeAll(async () => {
      await record(
        values.map((value, index) => ({
          service_name: 'percentiles',
          metric_name: 'm',
          value,
          tags: { half: value < 0 ? 'below' : 'above' },
          timestamp: at(index),
        })),
      );
    });
    const percentiles = async (rest: string, from = 0, to = 1_000) =>
      (
        await as<{ tag_value: string | null; percentile: number; value: number; points: number }>(
          {
            text: `select tag_value, percentile, value, points::int as points
              from app_public.metric_percentiles('percentiles', 'm', $1, $2${rest})`,
            values: [at(from), at(to)],
          },
          'member',
        )
      ).rows;

    test('are within one per cent of the exact ones, negative values and zero included', async () => {
      const rows = await percentiles(`, '{0,1,20,20.02,50,90,99,100}'`);
      expect(rows.map((row) => row.percentile)).toEqual([0, 1, 20, 20.02, 50, 90, 99, 100]);
      for (const { percentile, value, points } of rows) {
        const exact = values[Math.floor((percentile / 100) * (values.length - 1))] ?? NaN;
        expect(Math.abs(value - exact)).toBeLessThanOrEqual(Math.abs(exact) * 0.01 + 1e-12);
        expect(points).toBe(1_000);
      }
    });

    test('are 50, 90, 95 and 99 by default, of exactly the range that is asked for', async () => {
      const rows = await percentiles('', 0, 10);
      expect(rows.map((row) => [row.percentile, row.points])).toEqual([50, 90, 95, 99].map((p) => [p, 10]));
    });

    test('can be grouped by a tag, and filtered', async () => {
      const rows = await percentiles(`, '{50}', group_by => 'half'`);
      expect(rows.map((row) => [row.tag_value, row.points])).toEqual([
        ['above', 800],
        ['below', 200],
      ]);
      expect(await percentiles(`, '{50}', tags => '{"half": "below"}'`)).toMatchObject([{ points: 200 }]);
      expect(await percentiles(`, '{50}', tags => '{"half": "none"}'`)).toEqual([]);
    });

    test('have no buckets, and so any range that is finite', async () => {
      const all = async (range: string) =>
        (
          await as(
            { text: `select from app_public.metric_percentiles('percentiles', 'm', ${range})` },
            'member',
          )
        ).rows;
      expect(await all("'0001-01-01', '9999-12-31'")).toHaveLength(4);
      await expect(all("'0001-01-01', 'infinity'")).rejects.toMatchObject({ code: 'LTM02' });
      await expect(all("'0001-01-01', null")).rejects.toMatchObject({ code: 'LTM02' });
      await expect(all("'2026-01-01', '2025-01-01'")).rejects.toMatchObject({ code: 'LTM02' });
    });

    test('hold for the smallest and the largest numbers there are', async () => {
      const extremes = [5e-324, 1e-300, 1, 1e300, 1.7976931348623157e308, -1.7976931348623157e308];
      await record(
        extremes.map((value) => ({
          service_name: 'extremes',
          metric_name: 'm',
          value,
          tags: { value: String(value) },
          timestamp: at(0),
        })),
      );
      const { rows } = await as<{ tag_value: string; value: number }>(
        sql`select tag_value, value from app_public.metric_percentiles('extremes', 'm', ${at(0)}, ${at(1)}, '{50}', group_by => 'value')`,
      );
      expect(rows).toHaveLength(extremes.length);
      for (const { tag_value, value } of rows) expect(value).toBe(Number(tag_value));
    });

    test.each([`'{}'`, 'null', `'{101}'`, `'{-1}'`, `'{NaN}'`, `'{null}'`])('refuses %s', async (list) => {
      expect(
        await failing({
          text: `select * from app_public.metric_percentiles('s', 'm', now() - interval '1 hour', now(), ${list})`,
        }),
      ).toMatch(/^LTM07: percentiles must be 1 to 100 numbers from 0 to 100, not /);
    });

    test('refuses what is no range, tags that are none, and strangers', async () => {
      const ask = (rest: string) => ({
        text: `select * from app_public.metric_percentiles('s', 'm', ${rest})`,
      });
      expect(await failing(ask('now(), now()'))).toMatch(/^LTM02: /);
      expect(await failing(ask("now() - interval '1 hour', now(), tags => '[]'"))).toMatch(/^LTM05: /);
      expect(await failing(ask("now() - interval '1 hour', now()"), 'anon')).toMatch(/^42501/);
    });
  });

  describe('over HTTP', () => {
    let app: RunningApp;
    beforeAll(async () => {
      app = await startApp(target.database);
    });
    afterAll(() => app?.close());
    const points = [
      { service_name: 'http', metric_name: 'm', value: 1, timestamp: at(0) },
      { service_name: 'http', metric_name: 'm' },
    ];

    test('REST records, reads, and says 400 with the code of what is wrong', async () => {
      const headers = { authorization: `Bearer ${await testToken('service', own)}` };
      const recorded = await fetch(`${app.url}/rest/v1/rpc/record_metrics`, {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json' },
        body: JSON.stringify({ points }),
      });
      expect(await recorded.json()).toEqual({
        stored: 1,
        rejected: [{ index: 1, reason: 'value is missing' }],
      });
      const ask = async (rest: string) => {
        const response = await fetch(`${app.url}/rest/v1/rpc/metric_series?service=http&metric=m&${rest}`, {
          headers,
        });
        return [response.status, await response.json()];
      };
      expect(await ask(`from=${at(0)}&to=${at(60)}&bucket=1m&aggregate=sum&select=value,points`)).toEqual([
        200,
        [{ value: 1, points: 1 }],
      ]);
      expect(await ask(`from=${at(60)}&to=${at(0)}`)).toMatchObject([400, { code: 'LTM02' }]);
    });

    test('GraphQL records and reads', async () => {
      const token = await testToken('service', own);
      const recorded = await app.graphql(
        token,
        'mutation ($points: JSON!) { recordMetrics(input: { points: $points }) { result { stored rejected } } }',
        { points },
      );
      expect(recorded.errors).toBeUndefined();
      expect(recorded.data?.['recordMetrics']).toEqual({
        result: { stored: 1, rejected: [{ index: 1, reason: 'value is missing' }] },
      });
      const read = await app.graphql(
        token,
        `query ($from: Datetime!, $to: Datetime!) {
          metricSeries(service: "http", metric: "m", from: $from, to: $to, bucket: { minutes: 1 }, aggregate: "max") {
            nodes { value }
          }
        }`,
        { from: at(0), to: at(60) },
      );
      expect(read.errors).toBeUndefined();
      expect(read.data?.['metricSeries']).toEqual({ nodes: [{ value: 1 }] });
    });
  });
});
