import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Client } from 'pg';
import { connectionEnvironment } from '../../src/backup/server/connection-environment.ts';
import { findPrograms, programFile } from '../../src/backup/server/programs.ts';
import type { ServerPrograms } from '../../src/backup/server/programs.ts';
import { receiveWal } from '../../src/backup/server/wal/receive-wal.ts';
import { backUpServer } from '../../src/backup/server/back-up-server.ts';
import type { ServerBackupOptions } from '../../src/backup/server/back-up-server.ts';
import { connectForReplication, serverFacts } from '../../src/backup/server/server-facts.ts';
import { DirectoryStore } from '../../src/backup/store/directory-store.ts';
import { makeVault } from '../../src/backup/vault.ts';
import { serverUser, temporaryDirectory } from '../../src/programs/server-user.ts';
import { startOwnServer } from '../support/postgres/own-server.ts';
import type { OwnServer } from '../support/postgres/own-server.ts';
import { provideServer } from '../support/postgres/provide.ts';

const help = `node test/bench/backup.ts [options]

The cost of a backup beside plain pg_basebackup of the same server, in turns in one run: time, and bytes written. Then the bytes
that an incremental backup stores after a change to one row in a hundred.

  --megabytes N   size of the database (default 2048); the disk of /var/tmp needs three times as much in addition
  --rounds N      full backups of each kind (default 3)
  --help          this text

Exits with 1 when a goal is missed: full at most 1.2 times the time of pg_basebackup, incremental at most 0.1 of the full's bytes.
`;

interface Measured {
  readonly seconds: number;
  readonly bytes: number;
}

async function main(argv: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...argv],
    options: { megabytes: { type: 'string' }, rounds: { type: 'string' }, help: { type: 'boolean' } },
  });
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  const megabytes = Number(values.megabytes ?? 2_048);
  const rounds = Number(values.rounds ?? 3);
  const provided = await provideServer();
  if (provided.kind === 'unavailable' || !provided.binDirectory)
    throw new Error('expected a server with its programs, found none');
  const folder = await mkdtemp(
    join(await temporaryDirectory(await serverUser(), true), 'lightning-backup-bench-'),
  );
  const own = await startOwnServer(provided.binDirectory, { durable: true });
  try {
    return await measure(own, provided.binDirectory, folder, megabytes, rounds);
  } finally {
    await own.stop();
    await provided.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function measure(
  own: OwnServer,
  binDirectory: string,
  folder: string,
  megabytes: number,
  rounds: number,
): Promise<number> {
  const rows = await fill(own, megabytes);
  const programs = await findPrograms({ major: 17, binDirectory, env: process.env });
  const connection = { url: own.urls.backup, ssl: undefined };
  const client = await connectForReplication(connection);
  const { systemIdentifier } = await serverFacts(client);
  await client.end();
  const options: ServerBackupOptions = {
    connection,
    findPrograms: async () => programs,
    vault: makeVault(new DirectoryStore(join(folder, 'store')), null),
    spoolDirectory: join(folder, 'spool'),
    slot: 'bench_backup',
    requested: 'full',
    signal: new AbortController().signal,
    log: () => {},
    now: () => new Date(),
  };
  const receiving = await receiveWal({ ...options, programs, systemIdentifier });
  const plain: Measured[] = [];
  const ours: Measured[] = [];
  try {
    for (let round = 0; round <= rounds; round += 1) {
      const one = await plainBackup(own, programs, join(folder, 'plain'));
      const other = await timed(() => ourBackup(options));
      // The first round fills the caches.
      if (round > 0) {
        plain.push(one);
        ours.push(other);
      }
      say(`round ${round}: pg_basebackup ${inWords(one)}; lightning ${inWords(other)}`);
    }
    await change(own, rows);
    const incremental = await timed(() => ourBackup({ ...options, requested: 'incremental' }));
    say(`incremental after a change of 1 %: ${inWords(incremental)}`);
    const time = median(ours.map(({ seconds }, i) => seconds / plain[i]!.seconds));
    const stored = median(ours.map(({ bytes }, i) => bytes / plain[i]!.bytes));
    const part = incremental.bytes / median(ours.map(({ bytes }) => bytes));
    say(
      `full: ${time.toFixed(2)} times the time of pg_basebackup (goal 1.2), ${stored.toFixed(2)} times its bytes`,
    );
    say(`incremental: ${part.toFixed(3)} of the full's bytes (goal 0.1)`);
    return time <= 1.2 && part <= 0.1 ? 0 : 1;
  } finally {
    await receiving.stop();
  }
}

/** Inserts text that compresses about as well as JSON does, in rows of about a kilobyte; returns the number of rows. */
async function fill({ adminUrl }: OwnServer, megabytes: number): Promise<number> {
  say(`making ${megabytes} MB`);
  const rows = Math.round((megabytes * 1_000_000) / 1_150);
  await asAdmin(adminUrl, [
    'create table filler (id integer primary key, content text not null) with (fillfactor = 90)',
    `insert into filler select n, (select string_agg(md5((n * 32 + i)::text) || ' item ' || i, ',') from generate_series(1, 24) i)
     from generate_series(1, ${rows}) n`,
    'vacuum (analyze, freeze) filler',
    'checkpoint',
  ]);
  return rows;
}

/** Changes one row in a hundred: adjacent rows, as the newest rows of a table are. */
async function change({ adminUrl }: OwnServer, rows: number): Promise<void> {
  await asAdmin(adminUrl, [
    `update filler set content = content || '.' where id > ${Math.floor(rows * 0.99)}`,
  ]);
}

async function plainBackup(own: OwnServer, programs: ServerPrograms, directory: string): Promise<Measured> {
  await rm(directory, { recursive: true, force: true });
  return timed(async () => {
    const child = spawn(
      programFile(programs, 'pg_basebackup'),
      [`--pgdata=${directory}`, '--checkpoint=fast', '--wal-method=none'],
      {
        env: { ...programs.environment, ...connectionEnvironment(own.urls.backup, undefined, 'bench') },
        stdio: ['ignore', 'ignore', 'ignore'],
      },
    );
    const [code] = await once(child, 'exit');
    if (code !== 0) throw new Error(`pg_basebackup ended with ${code}`);
    return bytesBelow(directory);
  });
}

async function ourBackup(options: ServerBackupOptions): Promise<number> {
  const { backup } = await backUpServer(options);
  return backup.manifest.objects.reduce((sum, { storedBytes }) => sum + storedBytes, 0);
}

async function timed(work: () => Promise<number>): Promise<Measured> {
  const startedAt = performance.now();
  const bytes = await work();
  return { seconds: (performance.now() - startedAt) / 1_000, bytes };
}

async function bytesBelow(directory: string): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(directory, { recursive: true })) {
    const found = await stat(join(directory, name));
    if (found.isFile()) bytes += found.size;
  }
  return bytes;
}

async function asAdmin(url: string, statements: readonly string[]): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function inWords({ seconds, bytes }: Measured): string {
  return `${seconds.toFixed(1)} s, ${Math.round(bytes / 1_000_000)} MB`;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

process.exitCode = await main(process.argv.slice(2));
