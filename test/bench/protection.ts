import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Client } from 'pg';
import { provideServer } from '../support/postgres/provide.ts';
import { makeDatabases } from './databases.ts';
import type { BenchDatabases } from './databases.ts';
import { agentsPerTenant, busyAgentsPerTenant } from './keys.ts';
import { pgbench } from './pgbench.ts';
import { spreadOf } from './report.ts';
import type { Spread } from './report.ts';

const operations = {
  get: { without: 'row security' },
  list: { without: 'row security' },
  insert: { without: 'row security' },
  'insert of one row': { without: 'audit' },
  'update of one row': { without: 'audit' },
  'insert of 1,000 rows': { without: 'audit', rows: 1_000 },
  'update of 1,000 rows': { without: 'audit', rows: 1_000 },
} as const satisfies Record<string, { readonly without: Protection; readonly rows?: number }>;

const help = `node test/bench/protection.ts [options]

The cost of row-level security on get, list and insert, and of the audit log on writes of one row and of a thousand. The same
statements in the same database under the same role and settings, in turns: as shipped, with row-level security switched off
(and the tenant named in the statement, as one would without it), and with the triggers of the audit log switched off.

  --operation NAME  ${Object.keys(operations).join(', ')}; may be given several times (default all)
  --no-wait         commits do not wait for the disk, so that processor time does not hide behind it
  --rounds N        turns of each (default 5, after one of warm-up)
  --seconds N       length of a turn (default 3)
  --connections N   simultaneous connections (default 4; one where a thousand rows are written)
  --json FILE       write all numbers there too
  --help            this text

TEST_DATABASE_URL names the server; without it one is started, and its data removed at the end. A ratio is the time of a
transaction as shipped divided by that without the protection, in turns that follow each other: 1.1 is 10 % more.
`;

type Protection = 'row security' | 'audit';
type Operation = keyof typeof operations;

/** The results of a run: the ratios of each operation over the rounds. */
export type ProtectionReport = Readonly<Partial<Record<Operation, Spread>>>;

interface Options {
  readonly operations: readonly Operation[];
  readonly waits: boolean;
  readonly rounds: number;
  readonly seconds: number;
  readonly connections: number;
  readonly json: string | undefined;
}

const say = (line: string) => void process.stderr.write(`${line}\n`);

async function main(argv: readonly string[]): Promise<number> {
  const options = parseOptions(argv);
  if (typeof options === 'string') {
    say(`protection: ${options} (--help lists the options)`);
    return 2;
  }
  if (options === null) {
    process.stdout.write(help);
    return 0;
  }
  const server = await provideServer({ durable: true });
  if (server.kind === 'unavailable' || server.binDirectory === undefined) {
    say(
      `protection: ${server.kind === 'unavailable' ? `no server: ${server.reason}` : 'pgbench is missing'}`,
    );
    return 1;
  }
  const directory = await mkdtemp(path.join(tmpdir(), 'lightning-bench-'));
  let databases: BenchDatabases | undefined;
  try {
    say('filling the database');
    databases = await makeDatabases(server.adminUrl);
    const report = await measure(databases, options, server.binDirectory, directory);
    process.stdout.write(format(report, options));
    if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(report, null, 2)}\n`);
    return 0;
  } catch (error) {
    say(`protection: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  } finally {
    await databases?.drop();
    await rm(directory, { recursive: true, force: true });
    await server.stop();
  }
}

async function measure(
  { protectedUrl, adminUrls, rolePrefix }: BenchDatabases,
  options: Options,
  binDirectory: string,
  directory: string,
): Promise<ProtectionReport> {
  const admin = new Client({ connectionString: adminUrls.protected });
  await admin.connect();
  const perSecond = async (operation: Operation, isProtected: boolean): Promise<number> => {
    const { without } = operations[operation];
    await admin.query(switchOf[without](isProtected));
    try {
      const script = scriptOf(operation, rolePrefix, isProtected || without !== 'row security');
      const run = { binDirectory, directory, url: protectedUrl, role: `${rolePrefix}_service` };
      // Statements that write the same thousand rows would wait for each other.
      const connections = 'rows' in operations[operation] ? 1 : options.connections;
      const { seconds, waits } = options;
      return (await pgbench(script, { ...run, connections, seconds, waits })).perSecond;
    } finally {
      await admin.query(switchOf[without](true));
      // The next turn must not wait for what this one left to be written.
      await admin.query('checkpoint');
    }
  };
  try {
    const ratios = new Map<Operation, number[]>();
    for (let round = 0; round <= options.rounds; round += 1) {
      for (const operation of options.operations) {
        // Which of the two goes first changes with the round, and the first round warms up.
        const first = round % 2 === 0;
        const one = await perSecond(operation, first);
        const other = await perSecond(operation, !first);
        const ratio = first ? other / one : one / other;
        say(`${round === 0 ? 'warming up' : `round ${round}`}: ${operation}, ${ratio.toFixed(2)}`);
        if (round > 0) ratios.set(operation, [...(ratios.get(operation) ?? []), ratio]);
      }
    }
    return Object.fromEntries(
      [...ratios].map(([operation, values]) => [operation, spreadOf(values)]),
    ) as ProtectionReport;
  } finally {
    await admin.end();
  }
}

/** Statements of a superuser that switch a protection of agents and tasks on or off. */
const switchOf: Record<Protection, (isOn: boolean) => string> = {
  'row security': (isOn) =>
    ['agents', 'tasks']
      .map((table) => `alter table app_public.${table} ${isOn ? 'enable' : 'disable'} row level security;`)
      .join('\n'),
  audit: (isOn) => `
    do $$
    declare
      v_trigger record;
      v_count int := 0;
    begin
      for v_trigger in
        select t.tgname, t.tgrelid::regclass as relation from pg_trigger t join pg_proc p on p.oid = t.tgfoid
        where p.pronamespace = 'audit'::regnamespace
          and t.tgrelid in ('app_public.agents'::regclass, 'app_public.tasks'::regclass)
      loop
        execute format('alter table %s ${isOn ? 'enable' : 'disable'} trigger %I', v_trigger.relation, v_trigger.tgname);
        v_count := v_count + 1;
      end loop;
      if v_count = 0 then
        raise exception 'no trigger of the audit log was found, so nothing would be compared';
      end if;
    end
    $$;`,
};

/** The messages that the API sends: the settings of the transaction and the statement, in one round trip. */
function scriptOf(operation: Operation, rolePrefix: string, hasRowSecurity: boolean): string {
  // Without policies the statement names the tenant itself.
  const tenant = hasRowSecurity ? '' : `tenant_id = 'tenant-1' and `;
  const statements: Record<Operation, string> = {
    get: `select * from app_public.agents where ${tenant}id = 'agent-' || :agent;`,
    list: `select id, description, status, priority, context, created_at from app_public.tasks where ${tenant}agent_id = 'agent-' || :busy and status = 'completed' order by created_at desc limit 50;`,
    insert: insertOf(1),
    'insert of one row': insertOf(1),
    'update of one row': `update app_public.agents set specialization = 'changed ' || :value where ${tenant}id = 'agent-' || :agent;`,
    'insert of 1,000 rows': insertOf(1_000),
    'update of 1,000 rows': `update app_public.agents set specialization = 'changed ' || :value;`,
  };
  return `\\set agent random(0, ${agentsPerTenant - 1})
\\set busy random(0, ${busyAgentsPerTenant - 1})
\\set value random(1, 1000000)
\\startpipeline
select set_config('role', '${rolePrefix}_service', true), set_config('app.tenant_id', 'tenant-1', true), set_config('request.jwt.claims', '{"role":"service","tenant_id":"tenant-1","sub":"bench"}', true), set_config('app.request_id', 'bench', true);
${statements[operation]}
\\endpipeline
`;
}

function insertOf(rows: number): string {
  return `insert into app_public.tasks (description, context, priority) select 'Task ' || n, '{"page": 1}', 'normal' from generate_series(1, ${rows}) n;`;
}

function format(report: ProtectionReport, { connections, rounds, seconds, waits }: Options): string {
  return [
    `${connections} connections, ${rounds} rounds of ${seconds} s; commits ${waits ? '' : 'do not '}wait for the disk; ${availableParallelism()} cores (${cpus()[0]?.model.trim()})`,
    '',
    '| operation | without | time as shipped to without: median (least to most) |',
    '| --- | --- | --- |',
    ...(Object.entries(report) as [Operation, Spread][]).map(
      ([operation, { median, min, max }]) =>
        `| ${operation} | ${operations[operation].without} | ${median.toFixed(2)} (${min.toFixed(2)} to ${max.toFixed(2)}) |`,
    ),
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
        operation: { type: 'string', multiple: true, default: Object.keys(operations) },
        'no-wait': { type: 'boolean', default: false },
        rounds: { type: 'string', default: '5' },
        seconds: { type: 'string', default: '3' },
        connections: { type: 'string', default: '4' },
        json: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    }));
  } catch (error) {
    return (error as Error).message;
  }
  if (values.help) return null;
  const unknown = values.operation.find((name) => !(name in operations));
  if (unknown !== undefined)
    return `--operation is ${JSON.stringify(unknown)}; expected one of ${Object.keys(operations).join(', ')}`;
  for (const [name, most] of [
    ['rounds', 1_000],
    ['seconds', 3_600],
    ['connections', 150],
  ] as const) {
    const number = Number(values[name]);
    if (!Number.isInteger(number) || number < 1 || number > most)
      return `--${name} is ${JSON.stringify(values[name])}; a whole number from 1 to ${most} is needed`;
  }
  return {
    operations: values.operation as Operation[],
    waits: !values['no-wait'],
    rounds: Number(values.rounds),
    seconds: Number(values.seconds),
    connections: Number(values.connections),
    json: values.json,
  };
}

process.exitCode = await main(process.argv.slice(2));
