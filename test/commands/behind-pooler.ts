import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { migrate } from '../../src/db/migrations.ts';
import { setupServer } from '../../src/setup/setup-server.ts';
import { dropEverything } from '../bench/databases.ts';
import { makeConformanceDatabase } from '../rest/conformance/make-database.ts';
import type { CasesReport } from '../rest/conformance/run-cases.ts';
import { pgbouncerSetups, startPgbouncer } from '../support/pgbouncer/start.ts';
import type { PgbouncerSetup } from '../support/pgbouncer/start.ts';
import { provideServer } from '../support/postgres/provide.ts';
import { letTwoServe } from './two-serves.ts';

const help = `node test/commands/behind-pooler.ts [options]

Behind each PgBouncer in transaction mode (${pgbouncerSetups.map(({ name }) => name).join('; ')}):
the cases of REST's conformance suite, in two processes at once on one database; two \`lightning serve\` beside each other
with REST, GraphQL, events and subscriptions, with LISTEN_DATABASE_URL and without; and a storm of tasks.

  --setup NAME    only this one; may be given more than once
  --rounds N      agents that live in each pair of serves (default 100)
  --help          this text

TEST_DATABASE_URL names the server; without it one is started, and its data removed at the end. Takes some minutes. Exits
with 1 when anything differs from a run without a pooler.
`;

const say = (line: string) => void process.stdout.write(`${line}\n`);

async function main(argv: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      setup: { type: 'string', multiple: true },
      rounds: { type: 'string', default: '100' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  const names = values.setup ?? pgbouncerSetups.map(({ name }) => name);
  const setups = pgbouncerSetups.filter(({ name }) => names.includes(name));
  const rounds = Number(values.rounds);
  if (setups.length < names.length || !Number.isInteger(rounds) || rounds < 1 || rounds > 10_000) {
    process.stderr.write('behind-pooler: --help lists the options\n');
    return 2;
  }
  const server = await provideServer();
  if (server.kind === 'unavailable') {
    process.stderr.write(`behind-pooler: no server: ${server.reason}\n`);
    return 1;
  }
  try {
    let problems = 0;
    for (const setup of setups) {
      say(setup.name);
      problems += await conformance(server.adminUrl, setup);
      for (const listen of [true, false]) problems += await twoServes(server.adminUrl, setup, listen, rounds);
      problems += await storm(server.adminUrl, setup);
    }
    say(problems === 0 ? 'everything is the same as without a pooler' : `${problems} problems`);
    return problems === 0 ? 0 : 1;
  } finally {
    await server.stop();
  }
}

async function conformance(adminUrl: string, setup: PgbouncerSetup): Promise<number> {
  const began = performance.now();
  const made = await makeConformanceDatabase(adminUrl);
  try {
    const pooler = await startPgbouncer(setup, [made.url]);
    try {
      const reports = await Promise.all(
        [1, 2].map(async () => {
          const { stdout, stderr } = await node(
            '../rest/conformance/run-cases.ts',
            [pooler.through(made.url)],
            {},
          );
          if (stdout === '') throw new Error(`the cases did not run: ${stderr}`);
          return JSON.parse(stdout) as CasesReport;
        }),
      );
      const problems = reports.flatMap(({ wrong, logged }) => [...wrong, ...logged]);
      const [{ cases = 0 } = {}] = reports;
      const requests = reports.reduce((sum, report) => sum + report.requests, 0);
      say(`  conformance: two processes, ${cases} cases each, ${requests} requests, ${since(began)}`);
      return tell(problems);
    } finally {
      await pooler.stop();
    }
  } finally {
    await made.drop();
  }
}

async function twoServes(
  adminUrl: string,
  setup: PgbouncerSetup,
  listen: boolean,
  rounds: number,
): Promise<number> {
  const prefix = `pooled_${randomBytes(4).toString('hex')}`;
  const login = (kind: string) => `${prefix}_${kind}`;
  try {
    const urls = await setupServer({
      adminUrl,
      databaseName: prefix,
      rolePrefix: prefix,
      logins: {
        api: login('api'),
        migrate: login('migrate'),
        worker: login('work'),
        backup: login('backup'),
      },
      log: () => {},
    });
    await migrate({ connectionString: urls.migrate ?? '', rolePrefix: prefix, log: () => {} });
    const report = await letTwoServe({
      apiUrl: urls.api ?? '',
      rolePrefix: prefix,
      setup,
      listen,
      rounds,
    });
    say(
      `  two serves, ${listen ? 'listening past the pooler' : 'not listening'}: ${report.answers} answers, ` +
        `${report.changes} changes to each of 3 listeners, ${report.seconds.toFixed(1)} s`,
    );
    return tell(report.problems);
  } finally {
    await dropEverything(adminUrl, prefix, [prefix]);
  }
}

async function storm(adminUrl: string, setup: PgbouncerSetup): Promise<number> {
  const size = '--tasks 500 --claimers 12 --processes 4 --kills 3 --stalls 1 --lease 1';
  const { status, stdout, stderr } = await node(
    '../db/tasks/storm.ts',
    [...size.split(' '), '--pooler', setup.name],
    { TEST_DATABASE_URL: adminUrl },
  );
  say(`  storm: ${stdout.trim().replaceAll('\n', '\n         ')}`);
  return status === 0
    ? 0
    : tell([`the storm ended with ${status}: ${stderr.split('\n').slice(-5).join(' ')}`]);
}

function node(
  script: string,
  args: readonly string[],
  env: Record<string, string>,
): Promise<{ status: number; stdout: string; stderr: string }> {
  const path = fileURLToPath(new URL(script, import.meta.url));
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [path, ...args],
      { env: { ...process.env, ...env }, maxBuffer: 50_000_000 },
      (_error, stdout, stderr) => resolve({ status: child.exitCode ?? -1, stdout, stderr }),
    );
  });
}

function tell(problems: readonly string[]): number {
  for (const problem of problems.slice(0, 20)) say(`    ${problem}`);
  if (problems.length > 20) say(`    and ${problems.length - 20} more`);
  return problems.length;
}

function since(began: number): string {
  return `${((performance.now() - began) / 1000).toFixed(1)} s`;
}

process.exitCode = await main(process.argv.slice(2));
