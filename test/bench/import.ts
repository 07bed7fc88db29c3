import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { Client } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { copyLines } from '../../src/import/copy-lines.ts';
import { spawnLightning } from '../support/lightning.ts';
import { peakMemory } from '../support/peak-memory.ts';
import { provideServer } from '../support/postgres/provide.ts';
import { makeDatabases } from './databases.ts';
import type { BenchDatabases } from './databases.ts';
import { spreadOf } from './report.ts';

const help = `node test/bench/import.ts [options]

Rows per second of lightning import, as a ratio to bare COPY of the same rows into the same tables, with their indexes and constraints and without
triggers and row-level security. COPY gets the rows in its own format; the import is a whole process that reads JSON Lines, and its
start counts. Both in turns in one run: points of metrics, and items of knowledge, of which every fifth has a vector of 1536 dimensions.

  --rows N     points (default 900000); a ninth as many items
  --rounds N   turns of each (default 2)
  --table T    metrics or knowledge alone
  --help       this text

TEST_DATABASE_URL names the server; without it one is started, and its data removed at the end. Full size takes half an hour, and 5 GB of disk.
`;

/** A table's rows, in both forms. */
interface Load {
  readonly table: string;
  readonly columns: readonly string[];
  readonly rows: number;
  readonly row: (n: number) => readonly (string | null)[];
  /** Columns whose texts are JSON. */
  readonly json: ReadonlySet<string>;
}

interface Turn {
  readonly copied: number;
  readonly imported: number;
  readonly mebibytes: number;
}

const tenant = 'bench';
const dimensions = 1_536;
const say = (line: string) => void process.stderr.write(`${line}\n`);

async function main(argv: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      rows: { type: 'string' },
      rounds: { type: 'string' },
      table: { type: 'string' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  const [points, rounds] = [Number(values.rows ?? 900_000), Number(values.rounds ?? 2)];
  if (!Number.isInteger(points) || points < 9 || !Number.isInteger(rounds) || rounds < 1) {
    say('import: expected --rows of at least 9 and --rounds of at least 1 (--help lists the options)');
    return 2;
  }
  const server = await provideServer({ durable: true });
  if (server.kind === 'unavailable') {
    say(`import: no server: ${server.reason}`);
    return 1;
  }
  const folder = await mkdtemp(path.join(tmpdir(), 'lightning-bench-'));
  let databases: BenchDatabases | undefined;
  try {
    databases = await makeDatabases(
      server.adminUrl,
      `insert into app_public.tenants (id, name) values ('${tenant}', 'Bench');
       insert into app_public.agents (tenant_id, id, name, model) values ('${tenant}', 'reader', 'Reader', 'm');
       select ops.ensure_partitions();`,
    );
    const loads = [pointsOf(points), itemsOf(Math.round(points / 9))].filter(
      ({ table }) => values.table === undefined || values.table === table,
    );
    if (loads.length === 0) throw new Error(`--table is ${values.table}; expected metrics or knowledge`);
    for (const load of loads) {
      say(`writing ${load.rows} rows of ${load.table}`);
      await writeForms(folder, load);
    }
    process.stdout.write(`${await machine(databases)}\n`);
    for (const load of loads) await measure(databases, folder, load, rounds);
    return 0;
  } catch (error) {
    say(`import: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    return 1;
  } finally {
    await databases?.drop();
    await rm(folder, { recursive: true, force: true });
    await server.stop();
  }
}

function pointsOf(rows: number): Load {
  const start = Date.now() - 24 * 3_600_000;
  const step = (24 * 3_600_000) / rows;
  return {
    table: 'metrics',
    columns: ['service_name', 'metric_name', 'value', 'tags', 'timestamp'],
    rows,
    row: (n) => [
      `service-${n % 10}`,
      `metric-${Math.floor(n / 10) % 20}`,
      String(Math.round(Math.sin(n) * 1e6) / 1e3),
      `{"host": "host-${n % 50}", "region": "eu"}`,
      new Date(start + n * step).toISOString(),
    ],
    json: new Set(['tags']),
  };
}

/** Items of some hundred words; every fifth has a vector. */
function itemsOf(rows: number): Load {
  let seed = 1;
  const random = (): number => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed / 2_147_483_647;
  };
  const word = (): string => `word${Math.floor(random() * random() * 20_000)}`;
  return {
    table: 'knowledge',
    columns: ['id', 'agent_id', 'category', 'content', 'source', 'metadata', 'embedding'],
    rows,
    row: (n) => [
      `item-${n}`,
      'reader',
      `category-${n % 20}`,
      Array.from({ length: 80 }, word).join(' '),
      `page ${n}`,
      `{"page": ${n}, "tags": ["a", "b${n % 7}"]}`,
      n % 5 === 0
        ? `[${Array.from({ length: dimensions }, () => (random() - 0.5).toFixed(5)).join(',')}]`
        : null,
    ],
    json: new Set(['metadata', 'embedding']),
  };
}

/** Writes the rows as COPY takes them and as JSON Lines. */
async function writeForms(folder: string, load: Load): Promise<void> {
  const { table, columns, rows, json } = load;
  const asLine = (row: readonly (string | null)[]): string =>
    `{${columns
      .flatMap((column, i) => {
        const value = row[i] ?? null;
        if (value === null) return [];
        const isBare = json.has(column) || column === 'value';
        return [`${JSON.stringify(column)}: ${isBare ? value : JSON.stringify(value)}`];
      })
      .join(', ')}}\n`;
  const copy = createWriteStream(path.join(folder, `${table}.copy`));
  const jsonLines = createWriteStream(path.join(folder, `${table}.jsonl`));
  for (let from = 0; from < rows; from += 500) {
    const some = Array.from({ length: Math.min(500, rows - from) }, (_, i) => load.row(from + i));
    for (const piece of copyLines(some.map((row) => [tenant, ...row]))) await write(copy, piece);
    await write(jsonLines, Buffer.from(some.map(asLine).join('')));
  }
  await Promise.all([copy, jsonLines].map((stream) => new Promise((resolve) => stream.end(resolve))));
}

function write(stream: NodeJS.WritableStream, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}

async function measure(databases: BenchDatabases, folder: string, load: Load, rounds: number): Promise<void> {
  const turns: Turn[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    await empty(databases, load);
    const copied = load.rows / (await copyRows(databases.plainUrl, folder, load));
    const { seconds, mebibytes } = await importRows(databases, folder, load);
    const imported = load.rows / seconds;
    turns.push({ copied, imported, mebibytes });
    say(
      `${load.table} ${round}/${rounds}: COPY ${Math.round(copied)}, import ${Math.round(imported)} rows a second, ratio ${(imported / copied).toFixed(2)}`,
    );
  }
  const ratio = spreadOf(turns.map(({ copied, imported }) => imported / copied));
  const rate = (of: (turn: Turn) => number): string => String(Math.round(spreadOf(turns.map(of)).median));
  process.stdout.write(
    `${load.table}: ${load.rows} rows; import to COPY ${ratio.median.toFixed(2)} (${ratio.min.toFixed(2)} to ${ratio.max.toFixed(2)}); ` +
      `COPY ${rate(({ copied }) => copied)} rows a second, import ${rate(({ imported }) => imported)}; ` +
      `peak memory of the import ${Math.round(Math.max(...turns.map(({ mebibytes }) => mebibytes)))} MiB\n`,
  );
}

async function empty({ adminUrls }: BenchDatabases, { table }: Load): Promise<void> {
  for (const url of Object.values(adminUrls))
    await withClient(url, async (client) => {
      await client.query(`truncate app_public.${table}`);
      await client.query('vacuum');
      await client.query('checkpoint');
    });
}

async function copyRows(url: string, folder: string, { table, columns }: Load): Promise<number> {
  return withClient(url, async (client) => {
    const names = ['tenant_id', ...columns].map((name) => `"${name}"`).join(', ');
    const startedAt = performance.now();
    await pipeline(
      createReadStream(path.join(folder, `${table}.copy`), { highWaterMark: 256 * 1024 }),
      client.query(copyFrom(`copy app_public.${table} (${names}) from stdin`)),
    );
    return (performance.now() - startedAt) / 1_000;
  });
}

async function importRows(
  { protectedUrl, migrateUrl, adminUrls, rolePrefix }: BenchDatabases,
  folder: string,
  { table, rows }: Load,
): Promise<{ seconds: number; mebibytes: number }> {
  const startedAt = performance.now();
  const args = ['import', path.join(folder, `${table}.jsonl`), '--tenant', tenant, '--without-backup'];
  const started = spawnLightning([...args, '--quarantine', path.join(folder, 'quarantine')], {
    DATABASE_URL: protectedUrl,
    MIGRATE_DATABASE_URL: migrateUrl,
    DB_ROLE_PREFIX: rolePrefix,
  });
  const [mebibytes, { status, stdout, stderr }] = await Promise.all([
    peakMemory(started.process),
    started.ended,
  ]);
  const seconds = (performance.now() - startedAt) / 1_000;
  if (status !== 0 || !stdout.includes(`read ${rows} = stored ${rows} `))
    throw new Error(`the import ended with ${status}: ${stdout}${stderr}`);
  const stored = await withClient(adminUrls.protected, async (client) =>
    Number((await client.query(`select count(*) as n from app_public.${table}`)).rows[0].n),
  );
  if (stored !== rows) throw new Error(`expected ${rows} rows of ${table}, and there are ${stored}`);
  return { seconds, mebibytes };
}

async function machine({ adminUrls }: BenchDatabases): Promise<string> {
  const postgres = await withClient(adminUrls.protected, async (client) =>
    String((await client.query("select current_setting('server_version') as v")).rows[0].v),
  );
  return `${availableParallelism()} cores (${cpus()[0]?.model.trim()}), Node ${process.version}, Postgres ${postgres}; the database shares the cores`;
}

async function withClient<T>(connectionString: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

process.exitCode = await main(process.argv.slice(2));
