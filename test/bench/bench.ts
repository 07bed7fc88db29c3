import { writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { Client } from 'pg';
import { provideServer } from '../support/postgres/provide.ts';
import { makeDatabases } from './databases.ts';
import { measure } from './measure.ts';
import type { Plan, Turn } from './measure.ts';
import { poolSize, startOpponents } from './opponents.ts';
import { formatReport, summarise } from './report.ts';
import { scenarioNames } from './scenarios.ts';
import type { ScenarioName } from './scenarios.ts';

const help = `npm run bench -- [options]

The cost of this project's GraphQL and REST, with verified tokens, roles, row-level security and the audit log, beside a
hand-written handler (node:http and pg) and PostGraphile with defaults, which lack all of these. On a real Postgres server.

  --rounds N         counted rounds, after one of warm-up (default 5)
  --seconds N        seconds under load for each opponent, scenario and round (default 5)
  --scenario NAME    ${scenarioNames.join(', ')}; may be given several times (default all)
  --json FILE        write all numbers there too
  --profile DIR      let each server write a CPU profile there at its end (slows all of them down)
  --help             this text

TEST_DATABASE_URL names the server; without it one is started, and its data removed at the end. Exits with 1 when any answer
was wrong or the rows in the database do not match the answers.
`;

/** Runs the benchmark for a command line and returns its exit status. */
async function main(argv: readonly string[]): Promise<number> {
  const options = parseOptions(argv);
  if (typeof options === 'string') {
    process.stderr.write(`bench: ${options} (--help lists the options)\n`);
    return 2;
  }
  if (options.help) {
    process.stdout.write(help);
    return 0;
  }
  const { plan } = options;
  const server = await provideServer({ durable: true });
  if (server.kind === 'unavailable') {
    process.stderr.write(`bench: no server: ${server.reason}\n`);
    return 1;
  }
  try {
    say('making two databases of 10,000 agents and 200,000 tasks');
    const databases = await makeDatabases(server.adminUrl);
    say(`in ${databases.rolePrefix} and ${databases.rolePrefix}_plain`);
    try {
      const environment = await describeEnvironment(server.adminUrl);
      const opponents = await startOpponents(databases, options.profileDirectory);
      let turns: Turn[];
      try {
        turns = await measure(plan, databases, opponents, (turn) => say(describeTurn(turn, plan)));
      } finally {
        await opponents.stop();
      }
      const summaries = plan.scenarios.map((scenario) => summarise(scenario, turns));
      const problems = turns.flatMap((turn) =>
        turn.problem === null
          ? []
          : [`${turn.opponent}, ${turn.scenario}, round ${turn.round}: ${turn.problem}`],
      );
      process.stdout.write(formatReport(summaries, plan, environment, problems));
      if (options.jsonFile !== undefined) {
        const rounds = turns.map((turn) => ({ ...turn, latencies: undefined }));
        const all = { environment, plan, scenarios: summaries, rounds, problems };
        await writeFile(options.jsonFile, `${JSON.stringify(all, null, 2)}\n`);
      }
      return problems.length > 0 ? 1 : 0;
    } finally {
      await databases.drop();
    }
  } finally {
    await server.stop();
  }
}

interface Options {
  readonly help: boolean;
  readonly plan: Plan;
  readonly jsonFile: string | undefined;
  readonly profileDirectory: string | undefined;
}

/** Returns the faults as text, if there are any. */
function parseOptions(argv: readonly string[]): Options | string {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...argv],
      options: {
        rounds: { type: 'string', default: '5' },
        seconds: { type: 'string', default: '5' },
        scenario: { type: 'string', multiple: true, default: [...scenarioNames] },
        json: { type: 'string' },
        profile: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    }));
  } catch (error) {
    return (error as Error).message;
  }
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 1000) {
    return `--rounds is ${JSON.stringify(values.rounds)}; a whole number from 1 to 1000 is needed`;
  }
  const seconds = Number(values.seconds);
  if (!(seconds >= 0.5 && seconds <= 3600)) {
    return `--seconds is ${JSON.stringify(values.seconds)}; a number from 0.5 to 3600 is needed`;
  }
  const unknown = values.scenario.find((name) => !scenarioNames.some((known) => known === name));
  if (unknown !== undefined) {
    return `--scenario is ${JSON.stringify(unknown)}; allowed are ${scenarioNames.join(', ')}`;
  }
  const chosen: ScenarioName[] = scenarioNames.filter((name) => values.scenario.includes(name));
  return {
    help: values.help,
    plan: { rounds, seconds, scenarios: chosen },
    jsonFile: values.json,
    profileDirectory: values.profile,
  };
}

async function describeEnvironment(adminUrl: string): Promise<string[]> {
  const client = new Client({ connectionString: adminUrl });
  await client.connect();
  try {
    const { rows } = await client.query<Record<'version' | 'fsync' | 'commit' | 'buffers', string>>(`
      select split_part(current_setting('server_version'), ' ', 1) as version, current_setting('fsync') as fsync,
             current_setting('synchronous_commit') as commit, current_setting('shared_buffers') as buffers`);
    const { version, fsync, commit, buffers } = rows[0]!;
    return [
      `${availableParallelism()} cores (${cpus()[0]?.model.trim() ?? 'unknown'}), ${Math.round(totalmem() / 2 ** 30)} GiB, ` +
        `Node ${process.version}, Postgres ${version} (fsync ${fsync}, synchronous_commit ${commit}, shared_buffers ${buffers}).`,
      'Database, server and load generator share these cores: ratios say more than rates.',
      `Pool of ${poolSize} connections each; 100 tokens of 10 tenants; 10,000 agents, 200,000 tasks, keys at random.`,
    ];
  } finally {
    await client.end();
  }
}

function describeTurn(turn: Turn, { rounds }: Plan): string {
  const round = turn.round === 0 ? 'warm-up' : `round ${turn.round}/${rounds}`;
  const rate = `${Math.round(turn.requestsPerSecond)} req/s`;
  return `${round}  ${turn.scenario.padEnd(6)}  ${turn.opponent.padEnd(18)}  ${turn.problem ?? rate}`;
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

process.exitCode = await main(process.argv.slice(2));
