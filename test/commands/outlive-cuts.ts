import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Client } from 'pg';
import { signToken } from '../../src/auth/jwt.ts';
import { migrate } from '../../src/db/migrations.ts';
import { setupServer } from '../../src/setup/setup-server.ts';
import { openEvents } from '../support/event-client.ts';
import type { EventClient } from '../support/event-client.ts';
import { spawnLightning, startLightning } from '../support/lightning.ts';
import { provideServer } from '../support/postgres/provide.ts';
import { gateTo } from '../support/tcp-gate.ts';
import type { TcpGate } from '../support/tcp-gate.ts';
import { strongSecret } from '../support/token-keys.ts';

const help = `node test/commands/outlive-cuts.ts [options]

Real processes (lightning serve, work and start) on a real server, each behind a gate of its own, whose connections are cut
at random moments, some or all of them, while rows are written past the gates, live streams listen and jobs are added. Then
every process must still run and answer, every stream must have told of every row, and every job must have run.

  --cuts N     cuts for each process (default 100)
  --serve --work --start   only these (default: all three)
  --json       print the numbers as JSON too
  --help       this text

TEST_DATABASE_URL names the server; without it one is started, and its data removed at the end. Exits with 1 when anything
was lost. Ends by itself: within ten minutes.
`;

/** The commands, their migrated database, and the number of cuts that each has to survive. */
export interface CutsOptions {
  readonly commands: readonly ('serve' | 'work' | 'start')[];
  readonly cuts: number;
  /** Whether the worker gets jobs to run, where one of the commands has a worker. */
  readonly addsJobs: boolean;
  /** URLs of the logins, and below of an administrator of the same database. */
  readonly urls: { readonly api: string; readonly migrate: string; readonly worker: string };
  readonly adminUrl: string;
  readonly rolePrefix: string;
}

/** The result. */
export interface CutsReport {
  /** The number of connections that were cut, of all processes. */
  readonly cutConnections: number;
  readonly rowsWritten: number;
  /** The number of rows that a stream did not report, by command. */
  readonly rowsMissed: Readonly<Record<string, number>>;
  readonly jobsAdded: number;
  readonly jobsLeft: number;
  /** Exit statuses after SIGTERM, by command. */
  readonly statuses: Readonly<Record<string, number | null>>;
  /** Each fault as a sentence; empty when every process survived. */
  readonly problems: readonly string[];
}

/**
 * A job that is locked for a worker that never heard of it is unlocked after a minute. A job that was cut off several
 * times waits for its next attempt as long as graphile-worker says: 55 s after the fourth, 148 s after the fifth.
 */
const catchUpMs = 240_000;
const secret = strongSecret;

interface Victim {
  readonly command: string;
  readonly gate: TcpGate;
  /** Null when the command does not listen. */
  readonly url: string | null;
  readonly exitCode: () => number | null;
  readonly log: () => string;
  readonly stop: () => Promise<number | null>;
}

/** Starts the commands, cuts their connections, and checks what was lost. The database remains the caller's. */
export async function outliveCuts(options: CutsOptions): Promise<CutsReport> {
  const admin = new Client({ connectionString: options.adminUrl });
  await admin.connect();
  const victims: Victim[] = [];
  const problems: string[] = [];
  const done = new AbortController();
  try {
    for (const command of options.commands) victims.push(await startVictim(command, options));
    const token = await signToken(
      secret,
      { role: 'service', tenantId: 'default', subject: 'cuts', lifetimeSeconds: 3_600 },
      new Date(),
    );
    const streams = [];
    for (const { command, url } of victims) {
      if (url !== null) streams.push({ command, heard: await keepHearing(url, token, done.signal) });
    }
    // The queue's schema exists only once a worker has run.
    const hasWorker = options.commands.some((command) => command !== 'serve');
    if (hasWorker) await untilWorkerIsThere(admin);

    let cutConnections = 0;
    const writing = new AbortController();
    const written = write(admin, hasWorker && options.addsJobs, writing.signal);
    for (let cut = 0; cut < options.cuts; cut++) {
      await pause(20 + Math.random() * 250);
      for (const { gate } of victims) {
        const share = Math.random() < 0.3 ? 1 : Math.random();
        cutConnections += gate.cut(() => Math.random() < share);
      }
    }
    writing.abort();
    const { ids, jobs } = await written;

    const missing = (heard: ReadonlySet<string>): number => ids.filter((id) => !heard.has(id)).length;
    const jobsLeft = async (): Promise<number> => {
      if (!hasWorker) return 0;
      const { rows } = await admin.query<{ left: number }>(
        `select count(*)::int as left from graphile_worker.jobs where key like 'cuts-%'`,
      );
      return rows[0]?.left ?? 0;
    };
    const until = performance.now() + catchUpMs;
    while (
      performance.now() < until &&
      (streams.some(({ heard }) => missing(heard) > 0) || (await jobsLeft()) > 0)
    ) {
      await pause(200);
    }
    const left = await jobsLeft();
    if (left > 0) problems.push(`${left} of ${jobs} jobs did not run`);
    for (const { command, heard } of streams) {
      if (missing(heard) > 0) problems.push(`the stream of ${command} missed ${missing(heard)} rows`);
    }
    for (const { command, url, exitCode, log } of victims) {
      if (exitCode() !== null) problems.push(`${command} ended with ${exitCode()}: ${log().slice(-2_000)}`);
      else if (url !== null) problems.push(...(await refusals(command, url, token)));
    }
    const rowsMissed = Object.fromEntries(streams.map(({ command, heard }) => [command, missing(heard)]));
    done.abort();
    const statuses: Record<string, number | null> = {};
    for (const { command, stop } of victims.splice(0)) {
      statuses[command] = await stop();
      if (statuses[command] !== 0) problems.push(`${command} ended with ${statuses[command]} after SIGTERM`);
    }
    return {
      cutConnections,
      rowsWritten: ids.length,
      rowsMissed,
      jobsAdded: jobs,
      jobsLeft: left,
      statuses,
      problems,
    };
  } finally {
    done.abort();
    for (const { stop } of victims) await stop();
    await admin.end();
  }
}

async function untilWorkerIsThere(admin: Client): Promise<void> {
  for (let tries = 0; tries < 600; tries++) {
    const { rows } = await admin.query<{ there: boolean }>('select count(*) > 0 as there from ops.workers');
    if (rows[0]?.there) return;
    await pause(200);
  }
  throw new Error('no worker began within two minutes');
}

async function startVictim(
  command: CutsOptions['commands'][number],
  { urls, rolePrefix }: CutsOptions,
): Promise<Victim> {
  const gate = await gateTo(urls.api);
  const env = {
    DATABASE_URL: gate.through(urls.api),
    MIGRATE_DATABASE_URL: gate.through(urls.migrate),
    WORKER_DATABASE_URL: gate.through(urls.worker),
    DB_ROLE_PREFIX: rolePrefix,
    JWT_SECRET: secret,
    DB_STATEMENT_TIMEOUT_MS: '3000',
    DB_SILENCE_MS: '2000',
    DB_ECHO_MS: '5000',
    SHUTDOWN_MS: '10000',
  };
  if (command === 'work') {
    const { process: child, ended, log } = spawnLightning(['work'], env);
    const stop = async () => {
      child.kill('SIGTERM');
      const { status } = await ended;
      await gate.shut();
      return status;
    };
    return { command, gate, url: null, exitCode: () => child.exitCode, log, stop };
  }
  const { process: child, url, stop: end } = await startLightning(env, [command]);
  let log = '';
  child.stderr.on('data', (data) => (log = `${log}${String(data)}`.slice(-10_000)));
  const stop = async () => {
    const { status } = await end();
    await gate.shut();
    return status;
  };
  return { command, gate, url, exitCode: () => child.exitCode, log: () => log, stop };
}

/**
 * Ids of the rows that a stream reports, from the moment that this resolves; whenever the stream ends, a new one
 * continues where it was. Only after `ready` or a later message has given an id can it continue: a stream that was cut
 * earlier owes no row.
 */
async function keepHearing(url: string, token: string, signal: AbortSignal): Promise<ReadonlySet<string>> {
  const heard = new Set<string>();
  let lastEventId = '';
  const open = (): Promise<EventClient> =>
    openEvents(url, token, { topics: 'agents', ...(lastEventId !== '' && { lastEventId }) });
  const read = async (stream: EventClient): Promise<void> => {
    const close = (): void => stream.close();
    signal.addEventListener('abort', close);
    try {
      for (;;) {
        const { data } = await stream.next();
        if (data.id !== undefined) heard.add(data.id);
      }
    } finally {
      lastEventId = stream.lastEventId();
      signal.removeEventListener('abort', close);
      close();
    }
  };
  const first = await open();
  const { event } = await first.next();
  if (event !== 'ready') throw new Error(`the stream of ${url} began with "${event}"`);
  void (async () => {
    await read(first).catch(() => {});
    while (!signal.aborted) {
      await pause(100);
      await open()
        .then(read)
        .catch(() => {});
    }
  })();
  return heard;
}

/** Writes rows, and jobs if asked to, past the gates, until it is told to stop. */
async function write(
  admin: Client,
  addsJobs: boolean,
  signal: AbortSignal,
): Promise<{ ids: string[]; jobs: number }> {
  const ids: string[] = [];
  const run = randomBytes(4).toString('hex');
  let jobs = 0;
  while (!signal.aborted) {
    const id = `cut-${run}-${ids.length}`;
    await admin.query(
      `insert into app_public.agents (tenant_id, id, name, model) values ('default', $1, $1, 'none')`,
      [id],
    );
    ids.push(id);
    if (addsJobs && ids.length % 10 === 0) {
      await admin.query(`select graphile_worker.add_job('trim_events', '{}', job_key => $1)`, [
        `cuts-${run}-${jobs++}`,
      ]);
    }
    await pause(20);
  }
  return { ids, jobs };
}

/** Every wrong answer of the API, half a minute after the last cut at the latest. */
async function refusals(command: string, url: string, token: string): Promise<string[]> {
  for (let tries = 0; ; tries++) {
    const refused = await refusalsNow(command, url, token);
    if (refused.length === 0 || tries >= 60) return refused;
    await pause(500);
  }
}

async function refusalsNow(command: string, url: string, token: string): Promise<string[]> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const query = JSON.stringify({ query: '{ agents(first: 1) { nodes { id } } }' });
  const answers = await Promise.all([
    fetch(`${url}/rest/v1/agents?limit=1`, { headers }),
    fetch(`${url}/graphql`, { method: 'POST', headers, body: query }),
    fetch(`${url}/readyz`),
  ]);
  return answers.flatMap((answer) =>
    answer.ok ? [] : [`${command} answers ${answer.status} at ${answer.url}`],
  );
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      cuts: { type: 'string', default: '100' },
      serve: { type: 'boolean', default: false },
      work: { type: 'boolean', default: false },
      start: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  setTimeout(() => {
    console.error('expected an end within ten minutes');
    process.exit(1);
  }, 600_000).unref();
  const server = await provideServer();
  if (server.kind === 'unavailable') throw new Error(server.reason);
  const rolePrefix = `cuts_${randomBytes(3).toString('hex')}`;
  const databaseName = rolePrefix;
  try {
    const logins = {
      api: `${rolePrefix}_api`,
      migrate: `${rolePrefix}_migrate`,
      worker: `${rolePrefix}_work`,
      backup: `${rolePrefix}_backup`,
    };
    const urls = await setupServer({
      adminUrl: server.adminUrl,
      databaseName,
      rolePrefix,
      logins,
      log: () => {},
    });
    const { api, migrate: migrateUrl, worker } = urls;
    if (api === null || migrateUrl === null || worker === null)
      throw new Error('the server already has these logins');
    await migrate({ connectionString: migrateUrl, rolePrefix, log: () => {} });
    const adminUrl = Object.assign(new URL(server.adminUrl), { pathname: `/${databaseName}` }).href;
    const all = ['serve', 'work', 'start'] as const;
    const chosen = all.filter((command) => values[command]);
    const report = await outliveCuts({
      commands: chosen.length > 0 ? chosen : all,
      cuts: Number(values.cuts),
      addsJobs: true,
      urls: { api, migrate: migrateUrl, worker },
      adminUrl,
      rolePrefix,
    });
    const { cutConnections, rowsWritten, rowsMissed, jobsAdded, jobsLeft, statuses, problems } = report;
    console.log(
      `${values.cuts} cuts of ${cutConnections} connections; exit statuses ${JSON.stringify(statuses)}`,
    );
    console.log(
      `${rowsWritten} rows written, missed ${JSON.stringify(rowsMissed)}; ${jobsAdded} jobs, ${jobsLeft} left`,
    );
    for (const problem of problems) console.log(`PROBLEM ${problem}`);
    if (values.json) console.log(JSON.stringify(report));
    return problems.length > 0 ? 1 : 0;
  } finally {
    const admin = new Client({ connectionString: server.adminUrl });
    await admin.connect();
    await admin.query(`drop database if exists ${databaseName} with (force)`);
    await admin.end();
    await server.stop();
  }
}

if (import.meta.main) process.exitCode = await main();
