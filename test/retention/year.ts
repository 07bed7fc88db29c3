import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { migrate } from '../../src/db/migrations.ts';
import { setupServer } from '../../src/setup/setup-server.ts';
import { dropEverything } from '../bench/databases.ts';
import { provideServer } from '../support/postgres/provide.ts';
import { simulateMetrics } from './simulate-metrics.ts';
import type { DaySize, SimulationReport } from './simulate-metrics.ts';

const help = `node test/retention/year.ts [options]

Lives through more than a year of metrics on a compressed clock: three tenants record points every day, one of twenty late,
they are rolled up twice a day and retention runs at its end, while a writer continues without a pause. On the last day
but one an analyst's query holds the table. At the end the rollups are computed anew from all points.

  --days N           simulated days (default 440, enough for a full year of hours)
  --points N         points per tenant and day (default 2000)
  --raw, --minute, --hour N
                     days that points and rollups are kept (default 7, 30 and 365)
  --analyst N        seconds that the analyst's query takes (default 600)
  --seed N           default 1
  --json FILE        write all results there too
  --help             this text

TEST_DATABASE_URL names the server; without it one is started, and its data removed at the end. Exits with 1 when a
check fails.
`;

const defaults = { days: 440, points: 2_000, raw: 7, minute: 30, hour: 365, analyst: 600, seed: 1 } as const;
type Options = Readonly<Record<keyof typeof defaults, number>> & { readonly json: string | undefined };

async function main(argv: readonly string[]): Promise<number> {
  const options = parseOptions(argv);
  if (typeof options === 'string') {
    process.stderr.write(`year: ${options} (--help lists the options)\n`);
    return 2;
  }
  if (options === null) {
    process.stdout.write(help);
    return 0;
  }
  const server = await provideServer({ durable: true });
  if (server.kind === 'unavailable') {
    process.stderr.write(`year: no server: ${server.reason}\n`);
    return 1;
  }
  const prefix = `year_${randomBytes(4).toString('hex')}`;
  try {
    const login = (kind: string) => `${prefix}_login_${kind}`;
    const made = await setupServer({
      adminUrl: server.adminUrl,
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
    const began = performance.now();
    const report = await simulateMetrics({
      urls: {
        admin: Object.assign(new URL(server.adminUrl), { pathname: `/${prefix}` }).href,
        api: made.api,
        worker: made.worker,
      },
      rolePrefix: prefix,
      days: options.days,
      pointsPerDay: options.points,
      keepDays: { raw: options.raw, minute: options.minute, hour: options.hour },
      analystSeconds: options.analyst,
      seed: options.seed,
      onDay: ({ day, partitions, bytes }) => {
        if (day % 10 === 0 || day >= options.days - 3)
          process.stderr.write(
            `day ${day + 1} of ${options.days}: ${partitions} partitions, ${megabytes(bytes)}, ${seconds(performance.now() - began)}\n`,
          );
      },
    });
    if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(report, null, 2)}\n`);
    const problems = problemsOf(report);
    process.stdout.write(format(report, performance.now() - began));
    for (const problem of problems) process.stdout.write(`WRONG: ${problem}\n`);
    return problems.length === 0 ? 0 : 1;
  } finally {
    await dropEverything(server.adminUrl, prefix, [prefix]);
    await server.stop();
  }
}

/**
 * The largest of the last thirty days relative to the largest of the thirty before: a ratio of 1 is a plateau. Counts
 * up to the analyst's day, on which partitions are created far ahead.
 */
function growth(sizes: readonly DaySize[]): number {
  const before = sizes.slice(0, -2);
  const largest = (part: readonly DaySize[]) => Math.max(...part.map(({ bytes }) => bytes));
  return largest(before.slice(-30)) / largest(before.slice(-60, -30));
}

function problemsOf(report: SimulationReport): string[] {
  const { rollups, raw, writer, analyst, tooLate, sizes } = report;
  return [
    ...Object.entries(rollups).flatMap(([resolution, { compared, different }]) =>
      compared > 0 && different === 0 ? [] : [`${different} of ${compared} rollups by ${resolution} differ`],
    ),
    ...Object.entries(raw).flatMap(([tenant, { kept, expected }]) =>
      kept === expected ? [] : [`expected ${expected} points of ${tenant}, got ${kept}`],
    ),
    ...writer.errors.map((error) => `the writer: ${error}`),
    ...(tooLate.refused === tooLate.sent
      ? []
      : [`${tooLate.sent - tooLate.refused} points were stored although they came too late`]),
    ...(growth(sizes) <= 1.05 ? [] : [`the last thirty days grew by ${growth(sizes).toFixed(3)}`]),
    ...(analyst.runsThatWaited > 0 && analyst.waitedFor.length > 0
      ? []
      : ['no removal waited for the analyst']),
    ...(analyst.shown.length === 1 && analyst.shown[0] === `${analyst.pid} ${analyst.login}`
      ? []
      : [
          `ops.removal_waits showed ${analyst.shown.join(', ') || 'nobody'}, not ${analyst.pid} ${analyst.login}`,
        ]),
    ...(analyst.waitedFor.every((name) => analyst.removedAfter.includes(name))
      ? []
      : ['partitions that waited were not removed afterwards']),
    ...(analyst.partitionsMadeMeanwhile > 0
      ? []
      : ['no partition was made while the analyst held the table']),
  ];
}

function format(report: SimulationReport, elapsedMs: number): string {
  const { sizes, points, late, tooLate, rollups, writer, analyst, receipts } = report;
  const size = (day: number) => megabytes(sizes.at(day)?.bytes ?? NaN);
  return [
    `${sizes.length} days in ${seconds(elapsedMs)}: ${points.toLocaleString('en')} points, ${late.toLocaleString('en')} of them late; ` +
      `${tooLate.refused} of ${tooLate.sent} too late refused`,
    `size at the end of day 60, 180, 300, ${sizes.length - 2}: ${[59, 179, 299, -3].map(size).join(', ')}; last thirty days to those before: ${growth(sizes).toFixed(3)}`,
    ...Object.entries(rollups).map(
      ([resolution, { compared, different }]) =>
        `rollups of a ${resolution} beside a computation from all points: ${compared.toLocaleString('en')} compared, ${different} differ`,
    ),
    `removed: ${receipts.partitions} partitions; ${receipts.rows.toLocaleString('en')} points by receipts`,
    `the writer: ${writer.writes.toLocaleString('en')} writes, the longest ${writer.longestMs.toFixed(0)} ms, ${writer.errors.length} errors`,
    `the analyst held the table for ${seconds(analyst.heldMs)}: ${analyst.runsThatWaited} runs waited, with ${analyst.waitedFor.join(', ')}; ` +
      `meanwhile ${analyst.writesMeanwhile} writes, ${analyst.readsMeanwhile} reads (the longest ${analyst.longestReadMs.toFixed(0)} ms), ` +
      `${analyst.partitionsMadeMeanwhile} partitions made; shown: ${analyst.shown.join(', ')}, in status: ${analyst.status}; removed afterwards: ${analyst.removedAfter.join(', ')}`,
    '',
  ].join('\n');
}

const megabytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MB`;
const seconds = (ms: number) => `${(ms / 1000).toFixed(0)} s`;

/** The options. Null asks for help; a text is the mistake. */
function parseOptions(argv: readonly string[]): Options | string | null {
  const names = Object.keys(defaults) as (keyof typeof defaults)[];
  let values;
  try {
    ({ values } = parseArgs({
      args: [...argv],
      options: {
        ...Object.fromEntries(names.map((name) => [name, { type: 'string' as const }])),
        json: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    }));
  } catch (error) {
    return (error as Error).message;
  }
  const given: Readonly<Record<string, string | boolean | undefined>> = values;
  if (given['help'] === true) return null;
  const numbers: Record<string, number> = {};
  for (const name of names) {
    const number = Number(given[name] ?? defaults[name]);
    if (!Number.isInteger(number) || number < 1 || number > 100_000)
      return `--${name} is ${JSON.stringify(given[name])}; a whole number from 1 to 100000 is needed`;
    numbers[name] = number;
  }
  const json = typeof given['json'] === 'string' ? given['json'] : undefined;
  return { ...(numbers as Record<keyof typeof defaults, number>), json };
}

process.exitCode = await main(process.argv.slice(2));
