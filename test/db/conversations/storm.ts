import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { migrate } from '../../../src/db/migrations.ts';
import { sql } from '../../../src/db/statement.ts';
import { setupServer } from '../../../src/setup/setup-server.ts';
import { dropEverything } from '../../bench/databases.ts';
import { provideServer } from '../../support/postgres/provide.ts';
import { serverDatabase } from '../../support/server-database.ts';
import { letLoose } from './let-loose.ts';
import type { StormReport, StormSize } from './let-loose.ts';

const help = `node test/db/conversations/storm.ts [options]

Writers in processes of their own append to one thread, a few messages in a call, half of the calls expecting a version, some made twice at
once. Meanwhile the processes are killed, and connections cut in the middle of calls, and each writer makes the call again whose end it was
not told. Then thread, messages, audit log and what the writers were told are held against each other: no message lost, none twice, numbers
without a gap.

  --writers N    writers (default 2)
  --messages N   messages of each (default 1000)
  --kills N      how often each is killed (default 10)
  --cuts N       how often a connection of each is cut (default 10)
  --json FILE    write all numbers there, too
  --help         this text

TEST_DATABASE_URL names the server; without it one is started, and its data removed at the end. Exits with 1 when a message was lost, is there
twice, or has another number than its writer was told.
`;

const limits = { writers: 50, messages: 100_000, kills: 1_000, cuts: 1_000 };
const defaults: StormSize = { writers: 2, messages: 1_000, kills: 10, cuts: 10 };
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
    const report = await runStorm(server.adminUrl, parsed.size, path.join(directory, 'journal'));
    process.stdout.write(format(report));
    if (parsed.json !== undefined) await writeFile(parsed.json, `${JSON.stringify(report, null, 2)}\n`);
    return report.problems.length === 0 ? 0 : 1;
  } finally {
    await rm(directory, { recursive: true, force: true });
    await server.stop();
  }
}

async function runStorm(adminUrl: string, size: StormSize, journal: string): Promise<StormReport> {
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
    if (urls.api === null || urls.migrate === null) throw new Error(`the logins ${prefix}_* exist already`);
    await migrate({ connectionString: urls.migrate, rolePrefix: prefix, log: () => {} });
    const admin = serverDatabase(Object.assign(new URL(adminUrl), { pathname: `/${prefix}` }).href);
    try {
      await admin.query(sql`select ops.create_tenant(${tenant}, ${tenant})`);
      return await letLoose(admin, { url: urls.api, rolePrefix: prefix, tenant, journal }, size);
    } finally {
      await admin.close();
    }
  } finally {
    await dropEverything(adminUrl, prefix, [prefix]);
  }
}

function format(report: StormReport): string {
  const { problems } = report;
  return [
    `${report.messages} messages, ${report.seconds.toFixed(0)} s`,
    `${report.kills} writers killed, ${report.inCall} of them in the middle of a call, of which ${report.unheard} were carried out unheard`,
    `${report.lost} calls lost with their connection, ${report.refused} refused because the other writer had spoken; all made again`,
    ...(problems.length === 0
      ? ['no message was lost, none is there twice, and the numbers have no gap']
      : [`${problems.length} problems:`, ...problems.slice(0, 50).map((problem) => `  ${problem}`)]),
    '',
  ].join('\n');
}

/** Null: help is asked for. A text: what is wrong. */
function parseOptions(
  argv: readonly string[],
): { readonly size: StormSize; readonly json: string | undefined } | string | null {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...argv],
      options: {
        writers: { type: 'string' },
        messages: { type: 'string' },
        kills: { type: 'string' },
        cuts: { type: 'string' },
        json: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    }));
  } catch (error) {
    return (error as Error).message;
  }
  if (values.help) return null;
  const size = { ...defaults };
  for (const name of Object.keys(defaults) as (keyof StormSize)[]) {
    const given = values[name];
    if (given === undefined) continue;
    const number = Number(given);
    const least = name === 'kills' || name === 'cuts' ? 0 : 1;
    if (!Number.isInteger(number) || number < least || number > limits[name])
      return `--${name} is ${JSON.stringify(given)}; a whole number from ${least} to ${limits[name]} is needed`;
    Object.assign(size, { [name]: number });
  }
  if (size.writers * size.messages > 100_000)
    return 'a thread holds 100000 messages: give fewer writers or messages';
  return { size, json: values.json };
}

process.exitCode = await main(process.argv.slice(2));
