import { setTimeout as pause } from 'node:timers/promises';
import { Client, Pool } from 'pg';
import { partitionsStatus } from '../../src/commands/partitions-status.ts';
import type { Executor } from '../../src/db/database.ts';
import { roleName } from '../../src/db/roles.ts';
import { rollUpMetrics } from '../../src/retention/roll-up-metrics.ts';
import { runRetention } from '../../src/retention/run-retention.ts';
import { makeRandom } from '../bench/keys.ts';
import { compareRollup } from '../support/rollup-differences.ts';
import type { Resolution, RollupComparison } from '../support/rollup-differences.ts';

/** The database and the parameters of a simulation. */
export interface Simulation {
  readonly urls: { readonly admin: string; readonly api: string; readonly worker: string };
  readonly rolePrefix: string;
  readonly days: number;
  /** The number of points of each tenant per day. */
  readonly pointsPerDay: number;
  /** The number of days for which every tenant keeps points, minutes and hours. */
  readonly keepDays: { readonly raw: number; readonly minute: number; readonly hour: number };
  /** The time for which an analyst's query holds the table, on the last day but one. */
  readonly analystSeconds: number;
  readonly seed: number;
  readonly onDay?: (day: DaySize) => void;
}

/** The size of the table at the end of a simulated day. */
export interface DaySize {
  readonly day: number;
  readonly partitions: number;
  readonly bytes: number;
}

/** The results of a simulation. */
export interface SimulationReport {
  readonly sizes: readonly DaySize[];
  readonly points: number;
  readonly late: number;
  /** Points of a time that had already been removed: each of them has to be refused. */
  readonly tooLate: { readonly sent: number; readonly refused: number };
  readonly rollups: Readonly<Record<Resolution, RollupComparison>>;
  /** By count: rows that remain although their tenant no longer keeps them, and rows missing although it does. */
  readonly raw: Readonly<Record<string, { readonly kept: number; readonly expected: number }>>;
  readonly writer: {
    readonly writes: number;
    readonly longestMs: number;
    readonly errors: readonly string[];
  };
  readonly analyst: AnalystReport;
  readonly receipts: { readonly rows: number; readonly partitions: number };
}

/** The events during the analyst's query. */
export interface AnalystReport {
  readonly heldMs: number;
  /** The number of retention runs that waited for the query, and below the partitions that were due and stayed. */
  readonly runsThatWaited: number;
  readonly waitedFor: readonly string[];
  readonly pid: number;
  readonly login: string;
  /** The entries of ops.removal_waits: pid and login, as text. */
  readonly shown: readonly string[];
  /** The last line of `lightning status` about removals. */
  readonly status: string;
  readonly partitionsMadeMeanwhile: number;
  readonly writesMeanwhile: number;
  readonly readsMeanwhile: number;
  readonly longestReadMs: number;
  readonly removedAfter: readonly string[];
}

const dayMs = 86_400_000;
/**
 * Tenants, by the number of days that they keep points longer (or shorter) than the default; `usual` has no setting of
 * its own.
 */
const tenants = { usual: null, longer: 3, shorter: -1 } as const;

/**
 * Lives through days of metrics on a simulated clock. Every day points arrive, some of them late; they are rolled up
 * several times a day and retention runs at its end, while a writer continues without a pause. On the last day but one
 * an analyst's query holds the table. A copy of all points is kept, to compute the rollups anew at the end. When the
 * writer waits for a lock for more than a second, that is one of its errors. The database must be migrated and empty.
 */
export async function simulateMetrics(simulation: Simulation): Promise<SimulationReport> {
  const { urls, rolePrefix, days, keepDays } = simulation;
  const [admin, service, writer, reader, analyst] = [
    new Client(urls.admin),
    new Client(urls.api),
    new Client(urls.api),
    new Client(urls.api),
    new Client(urls.admin),
  ];
  const pool = new Pool({
    connectionString: withOptions(urls.worker, `-c role=${roleName(rolePrefix, 'worker')}`),
    max: 3,
  });
  await Promise.all([admin, service, writer, reader, analyst].map((client) => client.connect()));
  const worker: Executor = { query: ({ text, values }) => pool.query(text, [...(values ?? [])]) as never };
  const { signal } = new AbortController();
  const start = Math.floor(Date.now() / dayMs) * dayMs - days * dayMs;
  const at = (day: number) => new Date(start + day * dayMs);
  const random = makeRandom(simulation.seed);

  const state = { clock: start, stop: false, writes: 0, longestMs: 0, errors: [] as string[] };
  const counts = { points: 0, late: 0, tooLateSent: 0, tooLateRefused: 0 };
  const sizes: DaySize[] = [];
  let analystReport: AnalystReport | undefined;
  let writing: Promise<void> | undefined;
  try {
    await prepare(admin, rolePrefix, keepDays);
    for (let day = 0; day < days; day += 1) {
      await worker.query({ text: 'select ops.ensure_partitions(3, 0, $1)', values: [at(day)] });
      state.clock = start + day * dayMs;
      writing ??= write(writer, rolePrefix, state);
      for (const [quarter] of Array.from({ length: 4 }).entries()) {
        for (const [tenant, longer] of Object.entries(tenants)) {
          const kept = keepDays.raw + (longer ?? 0);
          const sent = makeTimes(random, simulation.pointsPerDay / 4, start, day + quarter / 4, kept);
          await insert(service, rolePrefix, tenant, sent.times, random);
          counts.points += sent.times.length;
          counts.late += sent.late;
          if (quarter === 1 && day > kept + 2) {
            counts.tooLateSent += 1;
            const refused = await insert(
              service,
              rolePrefix,
              tenant,
              [at(day - kept - 1).getTime() - 1],
              random,
            ).then(
              () => false,
              // The time is no longer kept, or its partition is gone.
              (error: { code?: string }) => error.code === 'LTM09' || error.code === '23514',
            );
            if (refused) counts.tooLateRefused += 1;
          }
        }
        state.clock = start + (day + (quarter + 1) / 4) * dayMs - 1_000;
        if (quarter === 1) await rollUpTo(worker, new Date(state.clock), signal);
      }
      const retain = () => runRetention(worker, { now: at(day + 1), signal });
      if (day === days - 2)
        analystReport = await holdTable({
          simulation,
          admin,
          analyst,
          reader,
          worker,
          retain,
          state,
          now: at(day + 1),
        });
      else await retain();
      sizes.push({ day, ...(await sizeOf(admin)) });
      const last = sizes.at(-1);
      if (last) simulation.onDay?.(last);
    }
    state.stop = true;
    await writing;
    // Rolls up the writer's last points.
    await rollUpTo(worker, at(days), signal);
    if (!analystReport) throw new Error('no analyst came: too few days');
    return {
      sizes,
      points: counts.points,
      late: counts.late,
      tooLate: { sent: counts.tooLateSent, refused: counts.tooLateRefused },
      rollups: {
        minute: await compareRollup(admin, 'minute', {
          points: 'public.all_points',
          from: at(days - keepDays.minute + 1).toISOString(),
          until: at(days).toISOString(),
        }),
        hour: await compareRollup(admin, 'hour', {
          points: 'public.all_points',
          from: at(Math.max(0, days - keepDays.hour + 1)).toISOString(),
          until: at(days).toISOString(),
        }),
        day: await compareRollup(admin, 'day', {
          points: 'public.all_points',
          until: at(days).toISOString(),
        }),
      },
      raw: await countRaw(admin, (tenant) => at(days - keepDays.raw - (tenants[tenant] ?? 0))),
      writer: { writes: state.writes, longestMs: state.longestMs, errors: state.errors },
      analyst: analystReport,
      receipts: await countReceipts(admin),
    };
  } finally {
    state.stop = true;
    await writing?.catch(() => {});
    await Promise.allSettled([admin, service, writer, reader, analyst].map((client) => client.end()));
    await pool.end();
  }
}

type Tenant = keyof typeof tenants;

async function prepare(admin: Client, rolePrefix: string, keepDays: Simulation['keepDays']): Promise<void> {
  for (const tenant of Object.keys(tenants)) await admin.query('select ops.create_tenant($1, $1)', [tenant]);
  const set = (policy: string, days: number, tenant: string | null = null) =>
    admin.query('select ops.set_retention($1, make_interval(days => $2), $3)', [policy, days, tenant]);
  // These are shorter than the defaults, so the finer come first: a resolution is never kept longer than the rollups
  // made of it.
  await set('metrics.raw', keepDays.raw);
  await set('metrics.minute', keepDays.minute);
  await set('metrics.hour', keepDays.hour);
  for (const [tenant, longer] of Object.entries(tenants))
    if (longer !== null) await set('metrics.raw', keepDays.raw + longer, tenant);
  await admin.query('create table public.all_points (like app_public.metrics)');
  await admin.query('alter table public.all_points drop column id');
  await admin.query(`grant insert on public.all_points to ${roleName(rolePrefix, 'service')}`);
}

/** Times of points from a quarter of a day on. One in twenty is late, by less than the tenant keeps. */
function makeTimes(random: () => number, count: number, start: number, from: number, keptDays: number) {
  let late = 0;
  const times = Array.from({ length: Math.ceil(count) }, () => {
    const time = start + (from + random() / 4) * dayMs;
    if (random() >= 0.05) return time;
    const earlier = time - random() * (keptDays - 1) * dayMs;
    if (earlier < start) return time;
    late += 1;
    return earlier;
  });
  return { times, late };
}

/** Records points as a service of the tenant, and stores a copy, in one transaction. */
async function insert(
  client: Client,
  rolePrefix: string,
  tenant: string,
  times: readonly number[],
  random: () => number,
): Promise<void> {
  await client.query('begin');
  try {
    await client.query("select set_config('role', $1, true), set_config('app.tenant_id', $2, true)", [
      roleName(rolePrefix, 'service'),
      tenant,
    ]);
    await client.query(
      `with p as (
         insert into app_public.metrics (service_name, metric_name, value, tags, "timestamp")
         select 'service', 'metric_' || i % 2, v, jsonb_build_object('host', 'host-' || i % 3), t
         from unnest($1::timestamptz[], $2::float8[]) with ordinality p(t, v, i)
         returning tenant_id, service_name, metric_name, value, tags, "timestamp"
       )
       insert into public.all_points (tenant_id, service_name, metric_name, value, tags, "timestamp") select * from p`,
      [
        times.map((time) => new Date(time)),
        times.map(() => Math.round(Math.exp(random() * 8) * 1000) / 1000 - 5),
      ],
    );
    await client.query('commit');
  } catch (error) {
    await client.query('rollback');
    throw error;
  }
}

/** Writes a point at a time without a pause until it is told to stop, and measures the longest write. */
async function write(
  client: Client,
  rolePrefix: string,
  state: { clock: number; stop: boolean; writes: number; longestMs: number; errors: string[] },
): Promise<void> {
  await client.query("set lock_timeout = '1s'");
  const random = makeRandom(5);
  while (!state.stop) {
    const began = performance.now();
    try {
      await insert(client, rolePrefix, 'usual', [state.clock], random);
    } catch (error) {
      state.errors.push((error as Error).message);
      if (state.errors.length > 20) return;
    }
    state.writes += 1;
    state.longestMs = Math.max(state.longestMs, performance.now() - began);
    await pause(5);
  }
}

async function rollUpTo(worker: Executor, until: Date, signal: AbortSignal): Promise<void> {
  await rollUpMetrics(worker, { until, signal });
}

/**
 * An analyst's statement holds the table, while retention runs repeatedly, partitions are created, and others read and
 * write.
 */
async function holdTable(given: {
  simulation: Simulation;
  admin: Client;
  analyst: Client;
  reader: Client;
  worker: Executor;
  retain: () => Promise<{ partitions: readonly { partition: string; kind: string }[] }>;
  state: { writes: number };
  now: Date;
}): Promise<AnalystReport> {
  const { simulation, admin, analyst, reader, worker, retain, state, now } = given;
  const role = roleName(simulation.rolePrefix, 'analyst');
  await analyst.query(`set role ${role}`);
  await analyst.query("select set_config('app.tenant_id', 'usual', false)");
  const pid = (await analyst.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]?.pid ?? 0;
  const began = performance.now();
  const held = { ended: false };
  const query = analyst
    .query('select pg_sleep($1) from app_public.metrics limit 1', [simulation.analystSeconds])
    .finally(() => (held.ended = true));
  // The query holds the table before retention begins.
  for (;;) {
    const { rowCount } = await admin.query(
      "select from pg_locks where pid = $1 and granted and relation = 'app_public.metrics'::regclass",
      [pid],
    );
    if (rowCount) break;
    if (held.ended) throw new Error('the analyst saw no point, and held nothing');
    await pause(5);
  }
  const writesBefore = state.writes;
  let status = '';
  const [waitedFor, shown, removedAfter] = [new Set<string>(), new Set<string>(), new Set<string>()];
  let [runsThatWaited, partitionsMadeMeanwhile, readsMeanwhile, longestReadMs] = [0, 0, 0, 0];
  for (let turn = 0; !held.ended; turn += 1) {
    const { partitions } = await retain();
    const waiting = partitions.filter(({ kind }) => kind === 'waits');
    if (held.ended) {
      for (const { partition, kind } of partitions) if (kind === 'removed') removedAfter.add(partition);
      break;
    }
    if (waiting.length > 0) runsThatWaited += 1;
    for (const { partition } of waiting) waitedFor.add(partition);
    const { rows } = await admin.query<{ shown: string }>(
      "select format('%s %s', pid, login) as shown from ops.removal_waits where query_since is not null",
    );
    for (const row of rows) shown.add(row.shown);
    const lines = (await partitionsStatus(worker)).filter(({ name }) => name === 'retention');
    if (lines.length > 0) status = lines.map(({ found }) => found).join('; ');
    const made = await worker.query({
      // Later than the partitions of `lightning migrate`, and as far as the function goes.
      text: 'select ops.ensure_partitions($1, 0)',
      values: [Math.min(15 + turn, 62)],
    });
    partitionsMadeMeanwhile += made.rowCount ?? 0;
    const readBegan = performance.now();
    await read(reader, simulation.rolePrefix, now);
    readsMeanwhile += 1;
    longestReadMs = Math.max(longestReadMs, performance.now() - readBegan);
    await pause(Math.min(5_000, simulation.analystSeconds * 50));
  }
  await query;
  const heldMs = performance.now() - began;
  const writesMeanwhile = state.writes - writesBefore;
  // A lock of the writer may prevent a drop; the next run makes up for it.
  for (let attempt = 0; attempt < 10 && removedAfter.size < waitedFor.size; attempt += 1)
    for (const { partition, kind } of (await retain()).partitions)
      if (kind === 'removed') removedAfter.add(partition);
  return {
    heldMs,
    runsThatWaited,
    waitedFor: [...waitedFor],
    pid,
    login: (await analyst.query<{ login: string }>('select session_user as login')).rows[0]?.login ?? '',
    shown: [...shown],
    status,
    partitionsMadeMeanwhile,
    writesMeanwhile,
    readsMeanwhile,
    longestReadMs,
    removedAfter: [...removedAfter],
  };
}

async function read(client: Client, rolePrefix: string, now: Date): Promise<void> {
  await client.query('begin');
  await client.query("select set_config('role', $1, true), set_config('app.tenant_id', 'usual', true)", [
    roleName(rolePrefix, 'member'),
  ]);
  await client.query(
    `select from app_public.metric_series('service', 'metric_0', $1::timestamptz - interval '1 day', $1, '1 hour')`,
    [now],
  );
  await client.query('commit');
}

async function sizeOf(admin: Client): Promise<Omit<DaySize, 'day'>> {
  const { rows } = await admin.query<{ partitions: number; bytes: string }>(
    `select (count(*) filter (where c.relispartition))::int as partitions, sum(pg_total_relation_size(c.oid)) as bytes
     from pg_class c where c.relname like 'metrics%' and c.relkind = 'r' and c.relnamespace = 'app_public'::regnamespace`,
  );
  return { partitions: rows[0]?.partitions ?? 0, bytes: Number(rows[0]?.bytes) };
}

/** The number of each tenant's points in the table, and of those that arrived for the time that it keeps. */
async function countRaw(
  admin: Client,
  keptFrom: (tenant: Tenant) => Date,
): Promise<Record<string, { kept: number; expected: number }>> {
  const counted: Record<string, { kept: number; expected: number }> = {};
  for (const tenant of Object.keys(tenants) as Tenant[]) {
    const { rows } = await admin.query<{ kept: number; expected: number }>(
      `select (select count(*)::int from app_public.metrics where tenant_id = $1) as kept,
         (select count(*)::int from public.all_points where tenant_id = $1 and "timestamp" >= $2) as expected`,
      [tenant, keptFrom(tenant)],
    );
    counted[tenant] = rows[0] ?? { kept: 0, expected: -1 };
  }
  return counted;
}

async function countReceipts(admin: Client): Promise<{ rows: number; partitions: number }> {
  const { rows } = await admin.query<{ rows: number; partitions: number }>(
    `select coalesce(sum(row_count) filter (where policy = 'metrics.raw'), 0)::int as rows,
       count(distinct partition)::int as partitions
     from ops.retention_receipts`,
  );
  return rows[0] ?? { rows: 0, partitions: 0 };
}

function withOptions(url: string, options: string): string {
  const changed = new URL(url);
  changed.searchParams.set('options', options);
  return changed.href;
}
