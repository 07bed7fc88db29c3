import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Client } from 'pg';
import { sealAudit } from '../../src/jobs/seal-audit.ts';
import { clientExecutor } from '../../src/db/client-executor.ts';
import { provideServer } from '../support/postgres/provide.ts';
import { makeDatabases } from './databases.ts';
import type { BenchDatabases } from './databases.ts';
import { pgbench } from './pgbench.ts';
import { spreadOf } from './report.ts';

const help = `node test/bench/sealing.ts [options]

Whether the sealing of the audit log keeps up with those who write, and what it costs them. Audited rows are written at a fixed
rate, a transaction with ten of them at a time, in turns: without sealing, and while the log is sealed again each second (the worker
does it each minute).

  --writes N   audited rows per second (default 3000)
  --rounds N   turns of each (default 4, after one of warm-up)
  --seconds N  length of a turn (default 15)
  --help       this text

TEST_DATABASE_URL names the server; without it one is started, and its data removed at the end.
`;

const rowsOfTransaction = 10;
const connections = 4;

interface Options {
  readonly writes: number;
  readonly rounds: number;
  readonly seconds: number;
}

interface Turn {
  /** Audited rows per second that were written. */
  readonly written: number;
  readonly meanMs: number;
}

/** The work of sealing, over all of its turns. */
interface Sealing {
  rows: number;
  /** Time in which it worked, in milliseconds. */
  busyMs: number;
  /** The most rows that it had not sealed at the end of a turn. */
  behind: number;
}

const say = (line: string) => void process.stderr.write(`${line}\n`);

async function main(argv: readonly string[]): Promise<number> {
  const options = parseOptions(argv);
  if (typeof options === 'string') {
    say(`sealing: ${options} (--help lists the options)`);
    return 2;
  }
  if (options === null) {
    process.stdout.write(help);
    return 0;
  }
  const server = await provideServer({ durable: true });
  if (server.kind === 'unavailable' || server.binDirectory === undefined) {
    say(`sealing: ${server.kind === 'unavailable' ? `no server: ${server.reason}` : 'pgbench is missing'}`);
    return 1;
  }
  const directory = await mkdtemp(path.join(tmpdir(), 'lightning-bench-'));
  let databases: BenchDatabases | undefined;
  try {
    say('filling the database');
    databases = await makeDatabases(server.adminUrl);
    await measure(databases, options, server.binDirectory, directory);
    return 0;
  } catch (error) {
    say(`sealing: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  } finally {
    await databases?.drop();
    await rm(directory, { recursive: true, force: true });
    await server.stop();
  }
}

async function measure(
  { protectedUrl, adminUrls, rolePrefix }: BenchDatabases,
  { writes, rounds, seconds }: Options,
  binDirectory: string,
  directory: string,
): Promise<void> {
  const admin = new Client({ connectionString: adminUrls.protected });
  await admin.connect();
  const executor = clientExecutor(admin);
  const never = new AbortController().signal;
  const sealing: Sealing = { rows: 0, busyMs: 0, behind: 0 };

  const turn = async (): Promise<Turn> => {
    const script = `\\startpipeline
select set_config('role', '${rolePrefix}_service', true), set_config('app.tenant_id', 'tenant-1', true), set_config('request.jwt.claims', '{"role":"service","tenant_id":"tenant-1","sub":"bench"}', true);
insert into app_public.tasks (description, context, priority) select 'Task ' || n, '{"page": 1}', 'normal' from generate_series(1, ${rowsOfTransaction}) n;
\\endpipeline
`;
    const run = {
      binDirectory,
      directory,
      url: protectedUrl,
      role: `${rolePrefix}_service`,
      connections,
      seconds,
    };
    const { perSecond, meanMs } = await pgbench(script, { ...run, rate: writes / rowsOfTransaction });
    return { written: perSecond * rowsOfTransaction, meanMs };
  };
  const sealedTurn = async (counts: boolean): Promise<Turn> => {
    const ended = new AbortController();
    const sealer = (async () => {
      while (!ended.signal.aborted) {
        const began = performance.now();
        const { rows } = await sealAudit(executor, { signal: never });
        if (counts) {
          sealing.rows += rows;
          sealing.busyMs += performance.now() - began;
        }
        await pause(1_000, undefined, { signal: ended.signal }).catch(() => {});
      }
    })();
    const result = await turn().finally(() => ended.abort());
    await sealer;
    const { rows } = await admin.query<{ behind: number }>(
      'select ((select count(*) from audit.log) - (select max(total_rows) from audit.seals))::int as behind',
    );
    if (counts) sealing.behind = Math.max(sealing.behind, rows[0]!.behind);
    return result;
  };
  /** Seals what a turn without sealing left. */
  const catchUp = () => sealAudit(executor, { signal: never });

  try {
    await catchUp();
    await sealedTurn(false);
    const ratios: number[] = [];
    const without: Turn[] = [];
    const sealed: Turn[] = [];
    for (let round = 1; round <= rounds; round += 1) {
      const sealedFirst = round % 2 === 0;
      const first = await (sealedFirst ? sealedTurn(true) : turn());
      if (!sealedFirst) await catchUp();
      const second = await (sealedFirst ? turn() : sealedTurn(true));
      if (sealedFirst) await catchUp();
      const [one, other] = sealedFirst ? [second, first] : [first, second];
      without.push(one);
      sealed.push(other);
      ratios.push(other.meanMs / one.meanMs);
      say(
        `round ${round}: ${one.meanMs.toFixed(2)} ms without, ${other.meanMs.toFixed(2)} ms while it is sealed`,
      );
      await admin.query('checkpoint');
    }
    const cost = spreadOf(ratios);
    const alone = spreadOf(without.map(({ meanMs }) => meanMs));
    const written = spreadOf(sealed.map((each) => each.written));
    process.stdout
      .write(`${rounds} rounds of ${seconds} s, ${connections} connections; commits wait for the disk; ${availableParallelism()} cores (${cpus()[0]?.model.trim()})

written while it was sealed: ${written.median.toFixed(0)} audited rows a second (${written.min.toFixed(0)} to ${written.max.toFixed(0)})
sealed: ${sealing.rows} rows, ${((sealing.rows / sealing.busyMs) * 1000).toFixed(0)} a second of work; at the end of a turn at most ${sealing.behind} were not
mean time of a transaction, while it is sealed to without: ${cost.median.toFixed(2)} (${cost.min.toFixed(2)} to ${cost.max.toFixed(2)})
turns without sealing among themselves: ${alone.min.toFixed(2)} to ${alone.max.toFixed(2)} ms, ${(alone.max / alone.min).toFixed(2)}
`);
  } finally {
    await admin.end();
  }
}

/** The options. Null asks for help; a text is the mistake. */
function parseOptions(argv: readonly string[]): Options | string | null {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...argv],
      options: {
        writes: { type: 'string', default: '3000' },
        rounds: { type: 'string', default: '4' },
        seconds: { type: 'string', default: '15' },
        help: { type: 'boolean', default: false },
      },
    }));
  } catch (error) {
    return (error as Error).message;
  }
  if (values.help) return null;
  for (const [name, least, most] of [
    ['writes', rowsOfTransaction, 1_000_000],
    ['rounds', 1, 1_000],
    ['seconds', 1, 3_600],
  ] as const) {
    const number = Number(values[name]);
    if (!Number.isInteger(number) || number < least || number > most)
      return `--${name} is ${JSON.stringify(values[name])}; a whole number from ${least} to ${most} is needed`;
  }
  return {
    writes: Number(values.writes),
    rounds: Number(values.rounds),
    seconds: Number(values.seconds),
  };
}

process.exitCode = await main(process.argv.slice(2));
