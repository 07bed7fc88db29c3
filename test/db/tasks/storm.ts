import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Pool } from 'pg';
import { migrate } from '../../../src/db/migrations.ts';
import { reapLeases } from '../../../src/jobs/reap-leases.ts';
import { repeat } from '../../../src/repeat.ts';
import { setupServer } from '../../../src/setup/setup-server.ts';
import { dropEverything } from '../../bench/databases.ts';
import { pgbouncerSetups, startPgbouncer } from '../../support/pgbouncer/start.ts';
import type { PgbouncerSetup } from '../../support/pgbouncer/start.ts';
import { provideServer } from '../../support/postgres/provide.ts';
import { serverDatabase } from '../../support/server-database.ts';
import { judgeStorm } from './judge-storm.ts';
import type { Strike, StormFacts } from './judge-storm.ts';
import { readJournal } from './journal.ts';
import { makeCrowd } from './storm-crowd.ts';
import type { Crowd } from './storm-crowd.ts';
import { strikeOne } from './strike-one.ts';

const help = `node test/db/tasks/storm.ts [options]

Claimers in many processes work off a queue while processes are killed, and others stopped until their leases are over, each
at a moment when it holds a lease and works on its task. Then the database, the audit log and what the claimers wrote down
are held against each other: every task completed exactly once, none lost, whoever came late refused.

  --tasks N       tasks (default 20000)
  --claimers N    claimers at a time, each with a connection (default 60)
  --processes N   processes that they are spread over (default 20)
  --kills N       processes to kill, each replaced by a new one (default 25)
  --stalls N      processes to stop until their leases are over (default 10)
  --lease N       seconds of a lease (default 5)
  --pooler NAME   claimers come through a PgBouncer: ${pgbouncerSetups.map(({ name }) => `"${name}"`).join(', ')}
  --json FILE     write all numbers there, too
  --help          this text

TEST_DATABASE_URL names the server; without it one is started, and its data removed at the end. Exits with 1 when anything was
lost, done twice, or written by somebody whose lease was over.
`;

/** What a storm came to. */
export interface StormReport {
  readonly tasks: number;
  readonly claimers: number;
  readonly seconds: number;
  readonly kills: number;
  readonly stalls: number;
  /** Leases that the killed and the stopped held. */
  readonly heldLeases: number;
  /** Attempts by how they ended. */
  readonly outcomes: Readonly<Record<string, number>>;
  readonly refused: number;
  /** Completions whose claimer was killed before it heard of it. */
  readonly unheard: number;
  readonly problems: readonly string[];
}

interface Options {
  readonly tasks: number;
  readonly claimers: number;
  readonly processes: number;
  readonly kills: number;
  readonly stalls: number;
  readonly lease: number;
}

const limits = {
  tasks: 1_000_000,
  claimers: 150,
  processes: 150,
  kills: 10_000,
  stalls: 10_000,
  lease: 3600,
};
const defaults = { tasks: 20_000, claimers: 60, processes: 20, kills: 25, stalls: 10, lease: 5 };
const tenant = 'storm';
const say = (line: string) => void process.stderr.write(`${line}\n`);

async function main(argv: readonly string[]): Promise<number> {
  const parsed = parseOptions(argv);
  if (typeof parsed === 'string') {
    say(`storm: ${parsed} (--help lists what is allowed)`);
    return 2;
  }
  if (parsed === null) {
    process.stdout.write(help);
    return 0;
  }
  const server = await provideServer();
  if (server.kind === 'unavailable') {
    say(`storm: no server: ${server.reason}`);
    return 1;
  }
  const directory = await mkdtemp(path.join(tmpdir(), 'lightning-storm-'));
  try {
    const { options, pooler } = parsed;
    const report = await runStorm(server.adminUrl, options, pooler, path.join(directory, 'journal'));
    process.stdout.write(format(report));
    if (parsed.json !== undefined) await writeFile(parsed.json, `${JSON.stringify(report, null, 2)}\n`);
    return report.problems.length === 0 ? 0 : 1;
  } finally {
    await rm(directory, { recursive: true, force: true });
    await server.stop();
  }
}

async function runStorm(
  adminUrl: string,
  options: Options,
  setup: PgbouncerSetup | null,
  journal: string,
): Promise<StormReport> {
  const prefix = `storm_${randomBytes(4).toString('hex')}`;
  const login = (kind: string) => `${prefix}_login_${kind}`;
  try {
    const urls = await setupServer({
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
    if (urls.api === null || urls.migrate === null || urls.worker === null)
      throw new Error(`the logins ${prefix}_* exist already`);
    await migrate({ connectionString: urls.migrate, rolePrefix: prefix, log: () => {} });
    const admin = new Pool({
      connectionString: Object.assign(new URL(adminUrl), { pathname: `/${prefix}` }).href,
    });
    const pooler = setup && (await startPgbouncer(setup, [urls.api]));
    const worker = serverDatabase(urls.worker);
    // As the worker does it (src/jobs/worker.ts), more often, so that a storm is over sooner.
    const reaper = repeat(
      async () => void (await reapLeases(worker, new AbortController().signal)),
      500,
      (error) => say(`the reaper: ${String(error)}`),
    );
    try {
      const crowd = makeCrowd({
        url: pooler?.through(urls.api) ?? urls.api,
        rolePrefix: prefix,
        tenant,
        claimers: options.claimers / options.processes,
        leaseSeconds: options.lease,
        workMs: 100,
        journal,
      });
      return await letLoose(admin, crowd, options, journal);
    } finally {
      await reaper.stop();
      await worker.close();
      await pooler?.stop();
      await admin.end();
    }
  } finally {
    await dropEverything(adminUrl, prefix, [prefix]);
  }
}

async function letLoose(admin: Pool, crowd: Crowd, options: Options, journal: string): Promise<StormReport> {
  await admin.query('select ops.create_tenant($1, $1)', [tenant]);
  await admin.query(
    `insert into app_public.tasks (tenant_id, description, context, max_attempts)
     select $1, 'task ' || n, case when n % $3 = 0 then '{"long": true}' else '{}' end::jsonb, 1000
     from generate_series(1, $2::int) n`,
    [tenant, options.tasks, Math.max(2, Math.min(500, Math.floor(options.tasks / 4)))],
  );
  const began = performance.now();
  const strikes: Strike[] = [];
  let done = 0;
  const watch = repeat(
    async () => {
      done = await countCompleted(admin);
      const count = (kind: Strike['kind']) => strikes.filter((strike) => strike.kind === kind).length;
      say(`${done} of ${options.tasks} completed, ${count('kill')} killed, ${count('stall')} stopped`);
    },
    2_000,
    (error) => say(String(error)),
  );
  try {
    for (let i = 0; i < options.processes; i += 1) crowd.add();
    const strike = async (kind: Strike['kind'], times: number) => {
      for (let i = 0; i < times; i += 1) {
        const struck = await strikeOne(admin, crowd, kind, journal, () => done < options.tasks);
        if (struck !== null) strikes.push(struck);
      }
    };
    // A stopped process stays so for a lease and longer, so three are at a time, or the tasks are done before the last.
    const stalls = [0, 1, 2].map((lane) => strike('stall', Math.floor((options.stalls + lane) / 3)));
    await Promise.all([strike('kill', options.kills), ...stalls]);
    while ((await countCompleted(admin)) < options.tasks) {
      crowd.check();
      if ((performance.now() - began) / 1000 > 60 + options.tasks / 20)
        throw new Error('the tasks do not come to an end');
      await sleep(100);
    }
  } finally {
    await watch.stop();
    await crowd.end();
  }
  const seconds = (performance.now() - began) / 1000;
  const [facts, entries] = [await readFacts(admin), await readJournal(journal)];
  const problems = judgeStorm(options.tasks, facts, entries, strikes);
  for (const kind of ['kill', 'stall'] as const) {
    const [count, wanted] = [strikes.filter((strike) => strike.kind === kind).length, options[`${kind}s`]];
    if (count < wanted)
      problems.push(`the tasks were done after ${count} of ${wanted} ${kind}s: give it more`);
  }
  const told = entries.filter(({ event }) => event === 'completed').length;
  return {
    tasks: facts.tasks.length,
    claimers: options.claimers,
    seconds,
    kills: strikes.filter(({ kind }) => kind === 'kill').length,
    stalls: strikes.filter(({ kind }) => kind === 'stall').length,
    heldLeases: strikes.reduce((sum, { tokens }) => sum + tokens.length, 0),
    outcomes: Object.fromEntries(
      [...Map.groupBy(facts.attempts, ({ outcome }) => outcome)].map(([outcome, { length }]) => [
        outcome,
        length,
      ]),
    ),
    refused: entries.filter(({ event }) => event === 'refused').length,
    unheard: facts.attempts.filter(({ outcome }) => outcome === 'completed').length - told,
    problems,
  };
}

async function countCompleted(admin: Pool): Promise<number> {
  const { rows } = await admin.query<{ count: number }>(
    "select count(*)::int as count from app_public.tasks where status = 'completed'",
  );
  return rows[0]?.count ?? 0;
}

async function readFacts(admin: Pool): Promise<StormFacts> {
  const [tasks, attempts, leases, logged] = [
    await admin.query(
      `select id, status, attempt, result ->> 'token' as "resultToken" from app_public.tasks`,
    ),
    await admin.query(
      `select task_id as task, attempt, fencing_token as token, outcome, split_part(agent, '.', 1) as process
       from app_public.task_attempts order by task_id, attempt`,
    ),
    await admin.query('select count(*)::int as count from app_public.task_leases'),
    await admin.query(
      `select key ->> 'id' as task from audit.log
       where table_name = 'app_public.tasks' and operation = 'update' and new_values ->> 'status' = 'completed'`,
    ),
  ];
  return {
    tasks: tasks.rows,
    attempts: attempts.rows,
    leases: leases.rows[0].count,
    loggedCompletions: logged.rows.map((row: { task: string }) => row.task),
  };
}

function format(report: StormReport): string {
  const { problems } = report;
  return [
    `${report.tasks} tasks, ${report.claimers} claimers, ${report.seconds.toFixed(0)} s`,
    `${report.kills} processes killed and ${report.stalls} stopped, with ${report.heldLeases} leases held and work begun`,
    `attempts: ${Object.entries(report.outcomes)
      .map(([outcome, count]) => `${count} ${outcome}`)
      .join(', ')}`,
    `${report.refused} late calls refused; ${report.unheard} completions whose claimer was killed before it heard of it`,
    ...(problems.length === 0
      ? ['every task was completed exactly once, and nothing was lost']
      : [`${problems.length} problems:`, ...problems.slice(0, 50).map((problem) => `  ${problem}`)]),
    '',
  ].join('\n');
}

/** Null: help is asked for. A text: what is wrong. */
function parseOptions(
  argv: readonly string[],
):
  | { readonly options: Options; readonly pooler: PgbouncerSetup | null; readonly json: string | undefined }
  | string
  | null {
  const names = Object.keys(defaults) as (keyof Options)[];
  let values;
  try {
    ({ values } = parseArgs({
      args: [...argv],
      options: {
        tasks: { type: 'string' },
        claimers: { type: 'string' },
        processes: { type: 'string' },
        kills: { type: 'string' },
        stalls: { type: 'string' },
        lease: { type: 'string' },
        pooler: { type: 'string' },
        json: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    }));
  } catch (error) {
    return (error as Error).message;
  }
  if (values.help) return null;
  const options: Record<keyof Options, number> = { ...defaults };
  for (const name of names) {
    const given = values[name];
    if (given !== undefined) options[name] = Number(given);
    const least = name === 'kills' || name === 'stalls' ? 0 : 1;
    if (!Number.isInteger(options[name]) || options[name] < least || options[name] > limits[name])
      return `--${name} is ${JSON.stringify(given)}; a whole number from ${least} to ${limits[name]} is needed`;
  }
  if (options.claimers % options.processes !== 0)
    return `${options.claimers} claimers cannot be spread over ${options.processes} processes evenly`;
  const pooler = pgbouncerSetups.find(({ name }) => name === values.pooler) ?? null;
  if (values.pooler !== undefined && pooler === null)
    return `--pooler is ${JSON.stringify(values.pooler)}; --help has the names`;
  return { options, pooler, json: values.json };
}

process.exitCode = await main(process.argv.slice(2));
