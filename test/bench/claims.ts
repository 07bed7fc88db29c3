import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Client } from 'pg';
import { provideServer } from '../support/postgres/provide.ts';
import { makeDatabases } from './databases.ts';
import type { BenchDatabases } from './databases.ts';
import { pgbench } from './pgbench.ts';

const help = `node test/bench/claims.ts [options]

The number of tasks that claim_task gives out per second under row-level security, audit and a request's settings, beside the
bare \`update ... where id = (select ... for update skip locked limit 1) returning\` on a copy of the table without any of
these. pgbench drives both in turns, over prepared statements and equally many connections, with few and with many finished
tasks in the table. In addition claim_task for a tenant without waiting tasks, which idle agents call.

  --few N           finished tasks of the small tables (default 10000)
  --many N          finished tasks of the large tables (default 1000000; filling them takes minutes and 3 GB)
  --waiting N       waiting tasks in each (default 200000)
  --front N         further tasks in each, ahead of these, that wait for another agent (default 0): a claim passes over them
  --rounds N        turns of each of the six (default 5, after one of warm-up)
  --seconds N       length of a turn (default 3)
  --connections N   simultaneous connections (default 16)
  --json FILE       write all numbers there too
  --help            this text

TEST_DATABASE_URL names the server; without it one is started that syncs to disk, and its data removed at the end. Exits with
1 when a claim came back without a task although some wait, or a task was given out twice.
`;

/** The results of a run. Rates are claims per second. */
export interface ClaimsReport {
  readonly turns: readonly Turn[];
  /** Ratios of claim_task to the bare statement in consecutive turns, sorted, by the number of finished tasks. */
  readonly toBare: { readonly few: readonly number[]; readonly many: readonly number[] };
  /** Ratios of claim_task without a waiting task to claim_task with one. */
  readonly idle: { readonly few: readonly number[]; readonly many: readonly number[] };
  /** Ratios of many finished tasks to few. */
  readonly flatness: { readonly claimTask: readonly number[]; readonly bare: readonly number[] };
}

interface Turn {
  readonly size: Size;
  readonly contender: Contender;
  readonly perSecond: number;
}

type Size = 'few' | 'many';
type Contender = 'claimTask' | 'bare' | 'idle';

interface Options {
  readonly few: number;
  readonly many: number;
  readonly waiting: number;
  readonly front: number;
  readonly rounds: number;
  readonly seconds: number;
  readonly connections: number;
}

const defaults: Options = {
  few: 10_000,
  many: 1_000_000,
  waiting: 200_000,
  front: 0,
  rounds: 5,
  seconds: 3,
  connections: 16,
};
const limits: Options = {
  few: 10_000_000,
  many: 10_000_000,
  waiting: 10_000_000,
  front: 10_000_000,
  rounds: 1_000,
  seconds: 3_600,
  connections: 150,
};
const sizes = ['few', 'many'] as const;
const say = (line: string) => void process.stderr.write(`${line}\n`);

/**
 * The messages that the API sends for a call: the transaction's settings and the call, in one round trip and one
 * transaction.
 */
const claimTask = (rolePrefix: string, tenant: 'busy' | 'idle') => `
\\startpipeline
select set_config('role', '${rolePrefix}_service', true), set_config('app.tenant_id', '${tenant}', true), set_config('request.jwt.claims', '{"role":"service","tenant_id":"${tenant}","sub":"bench"}', true), set_config('app.request_id', 'bench', true);
select * from app_public.claim_task('bench');
\\endpipeline
`;

/** Takes the same rows in the same order by the same index, and returns the same columns. */
const bare = (front: number) => `
update app_public.tasks set status = 'running', attempt = attempt + 1, started_at = now() where tenant_id = 'busy' and id = (select id from app_public.tasks where tenant_id = 'busy' and status = 'pending' and run_after <= now()${front > 0 ? ' and agent_id is null' : ''} order by queue_at for update skip locked limit 1) returning id, attempt, max_attempts, agent_id, priority, description, context, required_capabilities, created_at;
`;

async function main(argv: readonly string[]): Promise<number> {
  const parsed = parseOptions(argv);
  if (typeof parsed === 'string') {
    say(`claims: ${parsed} (--help lists the options)`);
    return 2;
  }
  if (parsed === null) {
    process.stdout.write(help);
    return 0;
  }
  const { options, json } = parsed;
  const server = await provideServer({ durable: true });
  if (server.kind === 'unavailable' || server.binDirectory === undefined) {
    say(`claims: ${server.kind === 'unavailable' ? `no server: ${server.reason}` : 'pgbench is missing'}`);
    return 1;
  }
  const directory = await mkdtemp(path.join(tmpdir(), 'lightning-bench-'));
  const made: Partial<Record<Size, BenchDatabases>> = {};
  try {
    for (const size of sizes) {
      say(`filling two databases with ${options[size]} finished tasks`);
      made[size] = await makeDatabases(server.adminUrl, fill(options[size], options));
    }
    const { few, many } = made;
    if (!few || !many) throw new Error('a database is missing');
    const report = await measure({ few, many }, options, server.binDirectory, directory);
    process.stdout.write(format(report, options));
    if (json !== undefined) await writeFile(json, `${JSON.stringify(report, null, 2)}\n`);
    return 0;
  } catch (error) {
    say(`claims: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  } finally {
    for (const { drop } of Object.values(made)) await drop();
    await rm(directory, { recursive: true, force: true });
    await server.stop();
  }
}

/**
 * Fills a tenant with finished tasks, each with an attempt, and waiting ones. Triggers are off, so it takes seconds,
 * not hours.
 */
function fill(finished: number, { waiting, front }: Options): string {
  return `
    set session_replication_role to replica;
    insert into app_public.tenants (id, name) values ('busy', 'Busy'), ('idle', 'Idle');
    insert into app_public.tasks (
      tenant_id, description, context, priority, status, attempt, created_at, run_after, queue_at, started_at, completed_at, result
    )
    select
      'busy', 'Task ' || n, jsonb_build_object('page', n), (array['low', 'normal', 'high'])[1 + n % 3], 'completed', 1, at, at,
      at - interval '20 minutes', at, at + interval '1 minute', '{"done": true}'
    from generate_series(1, ${finished}) n, lateral (select now() - make_interval(secs => 86400 + n) as at) a;
    insert into app_public.task_attempts (
      tenant_id, task_id, attempt, fencing_token, agent, claimed_at, ended_at, outcome
    )
    select tenant_id, id, 1, nextval('app_private.fencing_tokens'), 'agent', started_at, completed_at, 'completed'
    from app_public.tasks;
    insert into app_public.tasks (tenant_id, description, context, priority, created_at, run_after, queue_at)
    select
      'busy', 'Task ' || n, jsonb_build_object('page', n), (array['low', 'normal', 'high'])[1 + n % 3], at, at,
      at - (array['0', '20 minutes', '1 hour'])[1 + n % 3]::interval
    from generate_series(1, ${waiting}) n, lateral (select now() - make_interval(secs => n / 10.0) as at) a;
    insert into app_public.agents (tenant_id, id, name, model) values ('busy', 'absent', 'Absent', 'gpt-4o');
    insert into app_public.tasks (tenant_id, agent_id, description, created_at, run_after, queue_at)
    select 'busy', 'absent', 'Task ' || n, at, at, at
    from generate_series(1, ${front}) n, lateral (select now() - make_interval(days => 365, secs => n) as at) a;
  `;
}

async function measure(
  databases: Readonly<Record<Size, BenchDatabases>>,
  options: Options,
  binDirectory: string,
  directory: string,
): Promise<ClaimsReport> {
  const turn = async (size: Size, contender: Contender): Promise<Turn> => {
    const { protectedUrl, plainUrl, adminUrls, rolePrefix } = databases[size];
    const admin = new Client({
      connectionString: contender === 'bare' ? adminUrls.plain : adminUrls.protected,
    });
    await admin.connect();
    try {
      const before = await countClaimed(admin);
      const script =
        contender === 'bare'
          ? bare(options.front)
          : claimTask(rolePrefix, contender === 'idle' ? 'idle' : 'busy');
      const { transactions, perSecond } = await pgbench(script, {
        binDirectory,
        directory,
        ...(contender === 'bare' ? { url: plainUrl } : { url: protectedUrl, role: `${rolePrefix}_service` }),
        connections: options.connections,
        seconds: options.seconds,
      });
      const claimed = (await countClaimed(admin)) - before;
      if (claimed !== (contender === 'idle' ? 0 : transactions))
        throw new Error(`${contender}: ${transactions} claims, and ${claimed} tasks claimed: more must wait`);
      // The next turn must not wait for writes to disk that this turn left behind.
      await admin.query('checkpoint');
      return { size, contender, perSecond };
    } finally {
      await admin.end();
    }
  };
  const turns: Turn[] = [];
  const order = sizes.flatMap((size) =>
    (['claimTask', 'bare', 'idle'] as const).map((contender) => ({ size, contender })),
  );
  for (let round = 0; round <= options.rounds; round += 1) {
    // The order rotates with each round; the first round warms up.
    for (let i = 0; i < order.length; i += 1) {
      const { size, contender } = order[(i + round) % order.length]!;
      const done = await turn(size, contender);
      say(
        `${round === 0 ? 'warming up' : `round ${round}`}: ${contender}, ${options[size]} finished: ${Math.round(done.perSecond)}/s`,
      );
      if (round > 0) turns.push(done);
    }
  }
  const rates = (size: Size, contender: Contender) =>
    turns.filter((one) => one.size === size && one.contender === contender).map(({ perSecond }) => perSecond);
  const ratios = (over: number[], under: number[]) =>
    over.map((rate, i) => rate / under[i]!).toSorted((a, b) => a - b);
  return {
    turns,
    toBare: {
      few: ratios(rates('few', 'claimTask'), rates('few', 'bare')),
      many: ratios(rates('many', 'claimTask'), rates('many', 'bare')),
    },
    idle: {
      few: ratios(rates('few', 'idle'), rates('few', 'claimTask')),
      many: ratios(rates('many', 'idle'), rates('many', 'claimTask')),
    },
    flatness: {
      claimTask: ratios(rates('many', 'claimTask'), rates('few', 'claimTask')),
      bare: ratios(rates('many', 'bare'), rates('few', 'bare')),
    },
  };
}

async function countClaimed(admin: Client): Promise<number> {
  const { rows } = await admin.query<{ count: number }>(
    "select count(*)::int as count from app_public.tasks where status = 'running'",
  );
  return rows[0]?.count ?? Number.NaN;
}

function format({ turns, toBare, idle, flatness }: ClaimsReport, options: Options): string {
  const rate = (size: Size, contender: Contender) => {
    const all = turns.filter((one) => one.size === size && one.contender === contender);
    return `${Math.round(median(all.map(({ perSecond }) => perSecond)))}/s`;
  };
  const range = (ratios: readonly number[]) =>
    `${median(ratios).toFixed(2)} (${ratios[0]?.toFixed(2)} to ${ratios.at(-1)?.toFixed(2)})`;
  return [
    `${options.connections} connections, ${options.rounds} rounds of ${options.seconds} s; ${availableParallelism()} cores (${cpus()[0]?.model.trim()})`,
    '',
    '| finished tasks | claim_task | bare update | ratio | claim_task where nothing waits | to claim_task |',
    '| --- | --- | --- | --- | --- | --- |',
    ...sizes.map(
      (size) =>
        `| ${options[size].toLocaleString('en')} | ${rate(size, 'claimTask')} | ${rate(size, 'bare')} | ${range(toBare[size])} | ${rate(size, 'idle')} | ${range(idle[size])} |`,
    ),
    `| many to few | ${range(flatness.claimTask)} | ${range(flatness.bare)} | | | |`,
    '',
  ].join('\n');
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN;
}

/** The options. Null asks for help; a text is the mistake. */
function parseOptions(
  argv: readonly string[],
): { readonly options: Options; readonly json: string | undefined } | string | null {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...argv],
      options: {
        few: { type: 'string' },
        many: { type: 'string' },
        waiting: { type: 'string' },
        front: { type: 'string' },
        rounds: { type: 'string' },
        seconds: { type: 'string' },
        connections: { type: 'string' },
        json: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    }));
  } catch (error) {
    return (error as Error).message;
  }
  if (values.help) return null;
  const options: Record<keyof Options, number> = { ...defaults };
  for (const name of Object.keys(defaults) as (keyof Options)[]) {
    const given = values[name];
    if (given !== undefined) options[name] = Number(given);
    const least = name === 'front' ? 0 : 1;
    if (!Number.isInteger(options[name]) || options[name] < least || options[name] > limits[name])
      return `--${name} is ${JSON.stringify(given)}; a whole number from ${least} to ${limits[name]} is needed`;
  }
  return { options, json: values.json };
}

process.exitCode = await main(process.argv.slice(2));
