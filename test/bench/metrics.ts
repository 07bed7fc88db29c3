import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Client } from 'pg';
import { from as copyFromStdin } from 'pg-copy-streams';
import { signToken } from '../../src/auth/jwt.ts';
import { migrate } from '../../src/db/migrations.ts';
import { rollUpMetrics } from '../../src/retention/roll-up-metrics.ts';
import { setupServer } from '../../src/setup/setup-server.ts';
import { provideServer } from '../support/postgres/provide.ts';
import { dropEverything } from './databases.ts';
import { makeRandom } from './keys.ts';
import { startServer } from './opponents.ts';

const help = `node test/bench/metrics.ts [options]

The rate at which record_metrics stores points through REST (/rest/v1/rpc/record_metrics), in turns with a superuser's COPY of
the same rows into the same table; and the time of metric_series over the day that they fill, from points and from rollups.

  --points N         points for each of the two (default 1000000)
  --call N           points per call (default 5000)
  --connections N    simultaneous calls (default 1; COPY is one statement)
  --json FILE        write all numbers there too
  --help             this text

TEST_DATABASE_URL names the server; without it one is started, and its data removed at the end. Exits with 1 when the rows in
the database are not those that were sent.
`;

/** The results of a run. Rates are points per second, times are milliseconds. */
export interface MetricsReport {
  readonly points: number;
  readonly recorded: number;
  readonly copied: number;
  readonly recordRate: number;
  readonly copyRate: number;
  /** The ratio of the two rates in each turn, sorted. */
  readonly ratios: readonly number[];
  /** Median and largest time of each question. */
  readonly series: readonly {
    readonly question: string;
    readonly from: 'points' | 'rollups';
    readonly median: number;
    readonly most: number;
  }[];
  readonly rollUpMs: number;
}

interface Options {
  readonly points: number;
  readonly call: number;
  readonly connections: number;
  readonly jsonFile: string | undefined;
}

/** Points per turn: short turns make a temporary disturbance of the machine affect both. */
const pointsPerTurn = 50_000;
const askedTimes = 15;
const dayMs = 86_400_000;

/** Yesterday: its partitions exist, and the day is over. */
const day = Math.floor(Date.now() / dayMs) * dayMs - dayMs;

async function main(argv: readonly string[]): Promise<number> {
  const options = parseOptions(argv);
  if (typeof options === 'string') {
    process.stderr.write(`metrics: ${options} (--help lists the options)\n`);
    return 2;
  }
  if (options === null) {
    process.stdout.write(help);
    return 0;
  }
  const server = await provideServer({ durable: true });
  if (server.kind === 'unavailable') {
    process.stderr.write(`metrics: no server: ${server.reason}\n`);
    return 1;
  }
  try {
    const report = await measure(server.adminUrl, options);
    process.stdout.write(format(report, options));
    if (options.jsonFile !== undefined) {
      await writeFile(options.jsonFile, `${JSON.stringify(report, null, 2)}\n`);
    }
    return report.recorded === report.points && report.copied === report.points ? 0 : 1;
  } finally {
    await server.stop();
  }
}

async function measure(adminUrl: string, options: Options): Promise<MetricsReport> {
  const prefix = `bench_${randomBytes(4).toString('hex')}`;
  const url = Object.assign(new URL(adminUrl), { pathname: `/${prefix}` }).href;
  try {
    const login = (kind: string) => `${prefix}_login_${kind}`;
    const made = await setupServer({
      adminUrl,
      databaseName: prefix,
      rolePrefix: prefix,
      logins: {
        api: login('api'),
        migrate: login('migrate'),
        worker: login('worker'),
        backup: login('backup'),
      },
      log: () => {},
    });
    if (made.api === null || made.migrate === null || made.worker === null)
      throw new Error(`the logins ${prefix}_* exist already`);
    await migrate({ connectionString: made.migrate, rolePrefix: prefix, log: () => {} });
    const secret = randomBytes(32).toString('hex');
    const api = await startServer([fileURLToPath(new URL('../../bin/lightning', import.meta.url)), 'serve'], {
      DATABASE_URL: made.api,
      DB_ROLE_PREFIX: prefix,
      // The log names one address, that of the API.
      METRICS_PORT: 'off',
      JWT_SECRET: secret,
      PORT: '0',
    });
    const admin = new Client({ connectionString: url });
    const worker = new Client({ connectionString: made.worker });
    await Promise.all([admin.connect(), worker.connect()]);
    try {
      await admin.query(`select ops.create_tenant(t, t) from unnest('{recorded,copied}'::text[]) t`);
      const request = {
        role: 'service',
        tenantId: 'recorded',
        subject: 'bench',
        lifetimeSeconds: 86_400,
      } as const;
      return await measureBoth(
        `${api.url}/rest/v1/rpc`,
        await signToken(secret, request, new Date()),
        admin,
        worker,
        options,
      );
    } finally {
      await Promise.all([admin.end(), worker.end()]);
      await api.stop();
    }
  } finally {
    await dropEverything(adminUrl, prefix, [prefix]);
  }
}

async function measureBoth(
  rpc: string,
  token: string,
  admin: Client,
  worker: Client,
  options: Options,
): Promise<MetricsReport> {
  const random = makeRandom(4);
  const times: { record: number; copy: number }[] = [];
  let recorded = 0;
  for (let first = 0; first < options.points; first += pointsPerTurn) {
    const points = makePoints(random, first, Math.min(pointsPerTurn, options.points - first), options.points);
    const bodies: string[] = [];
    for (let at = 0; at < points.length; at += options.call)
      bodies.push(JSON.stringify({ points: points.slice(at, at + options.call) }));
    const lines = points.map(copyLine).join('');
    let [record, copy] = [0, 0];
    const takeRecord = async () => {
      const began = performance.now();
      recorded += await postAll(rpc, token, bodies, options.connections);
      record = performance.now() - began;
    };
    const takeCopy = async () => {
      const began = performance.now();
      const columns = 'tenant_id, service_name, metric_name, value, tags, "timestamp"';
      await pipeline(
        Readable.from([lines]),
        admin.query(copyFromStdin(`copy app_public.metrics (${columns}) from stdin`)),
      );
      copy = performance.now() - began;
    };
    // The order changes with each turn.
    for (const take of times.length % 2 === 0 ? [takeRecord, takeCopy] : [takeCopy, takeRecord]) await take();
    times.push({ record, copy });
    process.stderr.write(
      `${first + points.length} points  record_metrics ${Math.round((points.length / record) * 1000)}/s  ` +
        `COPY ${Math.round((points.length / copy) * 1000)}/s\n`,
    );
  }
  await admin.query('vacuum (analyze) app_public.metrics');
  const fromPoints = await askSeries(rpc, token, 'points');
  const began = performance.now();
  await rollUpMetrics(
    { query: ({ text, values }) => worker.query(text, [...(values ?? [])]) as never },
    { signal: new AbortController().signal },
  );
  const rollUpMs = performance.now() - began;
  await admin.query(
    'vacuum (analyze) app_public.metrics_minute, app_public.metrics_hour, app_public.metrics_day',
  );
  const fromRollups = await askSeries(rpc, token, 'rollups');
  const { rows } = await admin.query<{ tenant_id: string; count: number }>(
    'select tenant_id, count(*)::int as count from app_public.metrics group by 1',
  );
  const counted = (tenant: string) => rows.find((row) => row.tenant_id === tenant)?.count ?? 0;
  if (counted('recorded') !== recorded)
    throw new Error(`the answers report ${recorded} stored points, the database has another number`);
  const sum = (key: 'record' | 'copy') => times.reduce((total, time) => total + time[key], 0);
  return {
    points: options.points,
    recorded: counted('recorded'),
    copied: counted('copied'),
    recordRate: (options.points / sum('record')) * 1000,
    copyRate: (options.points / sum('copy')) * 1000,
    ratios: times.map(({ record, copy }) => copy / record).toSorted((a, b) => a - b),
    series: [...fromPoints, ...fromRollups],
    rollUpMs,
  };
}

interface Point {
  readonly service_name: string;
  readonly metric_name: string;
  readonly value: number;
  readonly tags: Readonly<Record<string, string>>;
  readonly timestamp: string;
}

/**
 * 25 metrics of five services, each from two hosts and two routes, in order of time over the day: 40,000 of each metric
 * in a million.
 */
function makePoints(random: () => number, first: number, count: number, all: number): Point[] {
  return Array.from({ length: count }, (_, i) => ({
    service_name: `service-${Math.floor(random() * 5)}`,
    metric_name: `metric_${Math.floor(random() * 5)}`,
    value: Math.round(Math.exp(random() * 8) * 1000) / 1000,
    tags: { host: `host-${Math.floor(random() * 2)}`, route: `/route/${Math.floor(random() * 2)}` },
    timestamp: new Date(day + Math.floor(((first + i) / all) * dayMs)).toISOString(),
  }));
}

function copyLine(point: Point): string {
  const { service_name, metric_name, value, tags, timestamp } = point;
  return `copied\t${service_name}\t${metric_name}\t${value}\t${JSON.stringify(tags)}\t${timestamp}\n`;
}

/** Posts all points, that many at a time; returns how many were stored according to the answers. */
async function postAll(
  rpc: string,
  token: string,
  bodies: readonly string[],
  connections: number,
): Promise<number> {
  const rest = bodies.values();
  const senders = Array.from({ length: connections }, async () => {
    let stored = 0;
    for (const body of rest) {
      const response = await fetch(`${rpc}/record_metrics`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body,
      });
      const text = await response.text();
      if (!response.ok) throw new Error(`${response.status} ${text}`);
      stored += (JSON.parse(text) as { stored: number }).stored;
    }
    return stored;
  });
  return (await Promise.all(senders)).reduce((sum, stored) => sum + stored, 0);
}

const questions: readonly (readonly [question: string, parameters: Readonly<Record<string, string>>])[] = [
  ['average, 5 minutes', { bucket: '5 minutes' }],
  ['average, 1 hour', { bucket: '1 hour' }],
  ['p95, 15 minutes', { bucket: '15 minutes', aggregate: 'p95' }],
  ['maximum by route, 1 hour', { bucket: '1 hour', aggregate: 'max', group_by: 'route' }],
  ['count of a host, 10 minutes', { bucket: '10 minutes', aggregate: 'count', tags: '{"host": "host-1"}' }],
];

async function askSeries(
  rpc: string,
  token: string,
  from: 'points' | 'rollups',
): Promise<MetricsReport['series'][number][]> {
  const answers: MetricsReport['series'][number][] = [];
  for (const [question, parameters] of questions) {
    const times: number[] = [];
    for (let i = 0; i < askedTimes; i += 1) {
      const query = new URLSearchParams({
        service: `service-${i % 5}`,
        metric: `metric_${(i * 3) % 5}`,
        from: new Date(day).toISOString(),
        to: new Date(day + dayMs).toISOString(),
        ...parameters,
      });
      const began = performance.now();
      const response = await fetch(`${rpc}/metric_series?${query}`, {
        headers: { authorization: `Bearer ${token}` },
      });
      const rows = (await response.json()) as { points: number }[];
      times.push(performance.now() - began);
      if (!response.ok || rows.every((row) => row.points === 0))
        throw new Error(`${response.status} ${JSON.stringify(rows).slice(0, 500)}`);
    }
    times.sort((a, b) => a - b);
    answers.push({ question, from, median: times[times.length >> 1] ?? NaN, most: times.at(-1) ?? NaN });
  }
  return answers;
}

function format(report: MetricsReport, options: Options): string {
  const rate = (value: number) => `${Math.round(value).toLocaleString('en')} points/s`;
  const ratio = (value: number | undefined) => (value ?? NaN).toFixed(2);
  const { ratios } = report;
  return [
    `record_metrics through REST, ${options.call} points a call, ${options.connections} at a time: ${rate(report.recordRate)}`,
    `COPY of the same rows into the same table: ${rate(report.copyRate)}`,
    `record_metrics / COPY: ${ratio(report.recordRate / report.copyRate)} (turns: ${ratio(ratios[0])}-${ratio(ratios.at(-1))})`,
    '',
    `metric_series over the day, through REST (median, most of ${askedTimes}):`,
    ...report.series.map(
      ({ question, from, median, most }) =>
        `  ${question.padEnd(28)} from ${from.padEnd(8)} ${median.toFixed(1)} ms, ${most.toFixed(1)} ms`,
    ),
    `rolling up the day of both tenants: ${(report.rollUpMs / 1000).toFixed(1)} s`,
    '',
  ].join('\n');
}

/** The options. Null asks for help; a text is the mistake. */
function parseOptions(argv: readonly string[]): Options | string | null {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...argv],
      options: {
        points: { type: 'string', default: '1000000' },
        call: { type: 'string', default: '5000' },
        connections: { type: 'string', default: '1' },
        json: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    }));
  } catch (error) {
    return (error as Error).message;
  }
  if (values.help) return null;
  const limits = { points: 100_000_000, call: 6_000, connections: 100 };
  for (const name of ['points', 'call', 'connections'] as const) {
    const number = Number(values[name]);
    if (!Number.isInteger(number) || number < 1 || number > limits[name])
      return `--${name} is ${JSON.stringify(values[name])}; a whole number from 1 to ${limits[name]} is needed`;
  }
  return {
    points: Number(values.points),
    call: Number(values.call),
    connections: Number(values.connections),
    jsonFile: values.json,
  };
}

process.exitCode = await main(process.argv.slice(2));
