import { randomBytes } from 'node:crypto';
import { cpus } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Client, Pool } from 'pg';
import { roleName } from '../../src/db/roles.ts';
import type { Executor } from '../../src/db/database.ts';
import { migrate } from '../../src/db/migrations.ts';
import { removablePartitions, removePartitions } from '../../src/retention/remove-partitions.ts';
import { setupServer } from '../../src/setup/setup-server.ts';
import { dropEverything } from '../bench/databases.ts';
import { provideServer } from '../support/postgres/provide.ts';

const help = `node test/retention/detach-waits.ts [options]

Measures how long writers of points wait while retention takes partitions away: in a quiet time, while partitions go and nobody is in
the way, and while a query of an analyst holds the table, so that every attempt gives up. Four writers insert one point at a time
without a pause. The removal runs again as soon as it has ended, which the worker does once an hour.

  --seconds N   of each of the three times (default 20)
  --points N    points in each partition that goes (default 100000)
  --help        this text

TEST_DATABASE_URL names the server; without it one is started, and its data removed at the end.
`;

const writers = 4;
const dayMs = 86_400_000;

/** How long writes took, in milliseconds. */
interface Waits {
  readonly writes: number;
  readonly p50: number;
  readonly p99: number;
  readonly longest: number;
}

async function main(argv: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      seconds: { type: 'string', default: '20' },
      points: { type: 'string', default: '100000' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return;
  }
  const server = await provideServer({ durable: true });
  if (server.kind === 'unavailable') throw new Error(`no server: ${server.reason}`);
  const prefix = `detach_${randomBytes(4).toString('hex')}`;
  const logins = {
    api: `${prefix}_a`,
    migrate: `${prefix}_m`,
    worker: `${prefix}_w`,
    backup: `${prefix}_b`,
  };
  try {
    const urls = await setupServer({
      adminUrl: server.adminUrl,
      databaseName: prefix,
      rolePrefix: prefix,
      logins,
      log: () => {},
    });
    if (urls.api === null || urls.migrate === null || urls.worker === null)
      throw new Error(`the logins ${prefix}_* exist already`);
    await migrate({ connectionString: urls.migrate, rolePrefix: prefix, log: () => {} });
    const admin = Object.assign(new URL(server.adminUrl), { pathname: `/${prefix}` }).href;
    await measure(
      { admin, api: urls.api, worker: urls.worker },
      prefix,
      Number(values.seconds) * 1_000,
      Number(values.points),
    );
  } finally {
    await dropEverything(server.adminUrl, prefix, [prefix]);
    await server.stop();
  }
}

async function measure(
  urls: { readonly admin: string; readonly api: string; readonly worker: string },
  prefix: string,
  forMs: number,
  points: number,
): Promise<void> {
  const admin = new Client(urls.admin);
  const analyst = new Client(urls.admin);
  const pool = new Pool({ connectionString: urls.worker, max: 2 });
  await Promise.all([admin.connect(), analyst.connect()]);
  const executor: Executor = { query: ({ text, values }) => pool.query(text, [...(values ?? [])]) as never };
  const { signal } = new AbortController();
  const remove = async () => {
    const outcomes = await removePartitions(executor, { now: new Date(), signal, onOutcome: () => {} });
    return outcomes.filter(({ kind }) => kind === 'removed').length;
  };
  try {
    await admin.query("select ops.create_tenant('acme', 'Acme')");
    process.stdout.write(`${writers} writers, ${cpus().length} cores, partitions of ${points} points\n`);
    print('in a quiet time', await whileWriting(urls.api, prefix, forMs, async () => 0));
    await fill(admin, points, Math.ceil(forMs / 1_000));
    const due = (await removablePartitions(executor, new Date(), false)).length;
    if (due === 0) throw new Error('no partition is due: nothing would be measured');
    print('while partitions go', await whileWriting(urls.api, prefix, forMs, remove));
    await fill(admin, points, 1);
    await analyst.query('begin');
    await analyst.query('select from app_public.metrics limit 1');
    print('while a query holds the table', await whileWriting(urls.api, prefix, forMs, remove));
    await analyst.query('rollback');
  } finally {
    await Promise.all([admin.end(), analyst.end(), pool.end()]);
  }
}

function print(when: string, { waits, removed, runs }: Awaited<ReturnType<typeof whileWriting>>): void {
  const { writes, p50, p99, longest } = waits;
  process.stdout.write(
    `${when}: ${writes} writes, p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, longest ${longest.toFixed(0)} ms; ` +
      `${runs} runs removed ${removed} partitions\n`,
  );
}

/** Partitions of past days with points that nobody keeps: rolled up, and below a closed floor. */
async function fill(admin: Client, points: number, days: number): Promise<void> {
  const first = Math.floor(Date.now() / dayMs) - 300;
  await admin.query('truncate ops.metric_floors');
  for (let day = first; day < first + days; day += 1) {
    const at = new Date(day * dayMs + dayMs / 2);
    await admin.query('select ops.ensure_partitions(0, 0, $1)', [at]);
    await admin.query(
      `insert into app_public.metrics (tenant_id, service_name, metric_name, value, "timestamp")
       select 'acme', 's', 'm', i, $1::timestamptz + i * interval '100 ms' from generate_series(1, $2::int) i`,
      [at, points],
    );
  }
  await admin.query('truncate ops.metric_changes');
  await admin.query('select ops.move_metric_floors()');
  await admin.query('update ops.metric_floors set closed_to = kept_from');
}

/** Writes for so long while `work` runs again and again, and returns how long the writes took and what the work returned in sum. */
async function whileWriting(
  url: string,
  prefix: string,
  forMs: number,
  work: () => Promise<number>,
): Promise<{ readonly waits: Waits; readonly removed: number; readonly runs: number }> {
  const until = performance.now() + forMs;
  const times: number[] = [];
  const write = async () => {
    const client = new Client(url);
    await client.connect();
    try {
      await client.query(`set role ${roleName(prefix, 'service')}`);
      await client.query("select set_config('app.tenant_id', 'acme', false)");
      while (performance.now() < until) {
        const began = performance.now();
        await client.query(
          "insert into app_public.metrics (service_name, metric_name, value) values ('s', 'live', 1)",
        );
        times.push(performance.now() - began);
      }
    } finally {
      await client.end();
    }
  };
  const writing = Promise.all(Array.from({ length: writers }, write));
  let [removed, runs] = [0, 0];
  while (performance.now() < until) {
    removed += await work();
    runs += 1;
    await pause(50);
  }
  await writing;
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return { waits: { writes: sorted.length, p50: at(0.5), p99: at(0.99), longest: at(1) }, removed, runs };
}

await main(process.argv.slice(2));
