import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startEmbedded } from '../../src/embedded/embedded.ts';
import { takeLock } from '../../src/embedded/lock.ts';
import { emptyTemplate, sleep, temporaryDatabase } from './temporary-database.ts';

const script = fileURLToPath(new URL('insert-until-killed.ts', import.meta.url));
let directory: string;
const processes: ChildProcess[] = [];

let template: Uint8Array;
let templateFile: string;

beforeAll(async () => {
  template = await emptyTemplate();
  templateFile = join(mkdtempSync(join(tmpdir(), 'lightning-')), 'template.tar');
  writeFileSync(templateFile, template);
}, 60_000);
afterAll(() => {
  rmSync(dirname(templateFile), { recursive: true, force: true });
});
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'lightning-'));
});
afterEach(() => {
  for (const child of processes.splice(0)) child.kill('SIGKILL');
  rmSync(directory, { recursive: true, force: true });
});

/** Starts the inserting process. `acknowledged` is the last id that it printed. */
function startInserting(...args: string[]): {
  child: ChildProcess;
  acknowledged: () => number;
  reaches: (id: number) => Promise<void>;
} {
  const child = spawn(process.execPath, [script, directory, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  processes.push(child);
  let output = '';
  child.stdout?.on('data', (chunk) => {
    output += String(chunk);
  });
  const acknowledged = () => Number(output.slice(0, output.lastIndexOf('\n')).split('\n').at(-1) ?? 0);
  const reaches = async (id: number) => {
    while (acknowledged() < id) {
      if (child.exitCode !== null) throw new Error('the inserting process ended by itself');
      await sleep(2);
    }
  };
  return { child, acknowledged, reaches };
}

const exited = (child: ChildProcess) => new Promise<void>((resolve) => child.once('exit', () => resolve()));

test(
  'kill -9 in the middle of a thousand inserts loses no acknowledged row',
  { timeout: 120_000 },
  async () => {
    let acknowledged = 0;
    for (const target of [300, 700, 1000]) {
      const { child, acknowledged: last, reaches } = startInserting(templateFile);
      await reaches(target);
      child.kill('SIGKILL');
      await exited(child);
      // The kill took effect: the process was still inserting, and had no time to release the directory.
      expect(child.signalCode).toBe('SIGKILL');
      expect(existsSync(join(directory, 'lock.json'))).toBe(true);
      acknowledged = last();
    }
    const db = await temporaryDatabase({ dataDirectory: directory, storage: 'disk', template });
    const client = await db.connect();
    const { rows } = await client.query(
      'select count(*)::int as n, max(id)::int as last, min(id)::int as first from public.acknowledged',
    );
    expect(rows[0].last).toBeGreaterThanOrEqual(acknowledged);
    expect(rows[0]).toMatchObject({ first: 1, n: rows[0].last });
    expect(db.events).toContainEqual(expect.objectContaining({ kind: 'holder-died', host: hostname() }));
    // Indexes and tables agree after the recoveries.
    await client.query('set enable_seqscan = off');
    expect(
      (await client.query('select count(*)::int as n from public.acknowledged where id > 0')).rows[0].n,
    ).toBe(rows[0].n);
    await db.disconnect();
    await db.close();
  },
);

test(
  'a process killed during the first start leaves nothing that looks like a database',
  { timeout: 120_000 },
  async () => {
    const { child } = startInserting();
    const unfinished = join(directory, 'postgres.new');
    while (!existsSync(join(unfinished, 'base'))) await sleep(5);
    child.kill('SIGKILL');
    await exited(child);
    expect(existsSync(join(directory, 'postgres'))).toBe(false);
    const db = await temporaryDatabase({ dataDirectory: directory, storage: 'disk', template });
    expect((await (await db.connect()).query('select 1 as one')).rows).toEqual([{ one: 1 }]);
    expect(existsSync(unfinished)).toBe(false);
    await db.disconnect();
    await db.close();
  },
);

describe('the data directory', () => {
  test(
    'is closed to others, and holds the socket and the lock until the end',
    { timeout: 60_000 },
    async () => {
      const db = await temporaryDatabase({ dataDirectory: directory, storage: 'disk', template });
      const client = await db.connect();
      await client.query('create table public.kept as select 42 as answer');
      expect(statSync(directory).mode & 0o777).toBe(0o700);
      expect(statSync(join(directory, '.s.PGSQL.5432')).mode & 0o777).toBe(0o600);
      expect(JSON.parse(readFileSync(join(directory, 'lock.json'), 'utf8'))).toMatchObject({
        pid: process.pid,
        host: hostname(),
      });
      await db.embedded.close();
      await db.embedded.close();
      expect(db.endings).toEqual(['57P01']);
      expect(existsSync(join(directory, '.s.PGSQL.5432'))).toBe(false);
      expect(existsSync(join(directory, 'lock.json'))).toBe(false);
      await db.disconnect();
      const again = await temporaryDatabase({ dataDirectory: directory, storage: 'disk', template });
      expect((await (await again.connect()).query('select answer from public.kept')).rows).toEqual([
        { answer: 42 },
      ]);
      expect(again.events).toEqual([expect.objectContaining({ kind: 'engine-started', created: false })]);
      await again.disconnect();
      await again.close();
    },
  );

  test(
    'is refused when a living process has it open, and the process is named',
    { timeout: 60_000 },
    async () => {
      const { child, reaches } = startInserting(templateFile);
      await reaches(1);
      await expect(startEmbedded({ dataDirectory: directory, lockWaitMs: 0 })).rejects.toThrow(
        new RegExp(`is already open in process ${child.pid} on host ${hostname()} since .*DATA_DIR`),
      );
    },
  );

  test('stays closed to a second engine even after code in its process has read the lock', async () => {
    const db = await temporaryDatabase({ dataDirectory: directory, storage: 'disk', template });
    // Under POSIX, closing any descriptor of the file releases the process's locks on it.
    readFileSync(join(directory, 'lock.sqlite'));
    const { child } = startInserting(templateFile);
    await exited(child);
    expect(child.exitCode).toBe(1);
    await db.close();
  });

  test('is refused when it cannot be created', async () => {
    const file = join(directory, 'file');
    writeFileSync(file, '');
    await expect(startEmbedded({ dataDirectory: join(file, 'data') })).rejects.toThrow(
      /cannot be kept in .*file\/data .*set DATA_DIR/,
    );
  });

  test('is refused when its path is too long for a socket', async () => {
    const long = join(directory, 'd'.repeat(100));
    await expect(startEmbedded({ dataDirectory: long })).rejects.toThrow(
      new RegExp(`has ${Buffer.byteLength(long) + 14} bytes, and the system allows 107: set DATA_DIR`),
    );
  });

  test('is refused when another version of Postgres wrote it', async () => {
    mkdirSync(join(directory, 'postgres'));
    writeFileSync(join(directory, 'postgres', 'PG_VERSION'), '17\n');
    await expect(startEmbedded({ dataDirectory: directory })).rejects.toThrow('written by Postgres 17');
    expect(existsSync(join(directory, 'lock.json'))).toBe(false);
    (await takeLock(directory, 0)).release();
  });
});

test('a new database can start from a dump, in memory and on disk', { timeout: 60_000 }, async () => {
  const db = await temporaryDatabase({ template });
  const client = await db.connect();
  await client.query('create table public.kept as select 42 as answer');
  await client.query('begin');
  await client.query('insert into public.kept values (43)');
  const dumping = db.embedded.dump();
  await client.query('rollback');
  const dump = await dumping;
  await client.query('select 1');
  await db.disconnect();
  await db.close();
  for (const storage of ['memory', 'disk'] as const) {
    const copy = await temporaryDatabase({ storage, template: dump });
    expect((await (await copy.connect()).query('select answer from public.kept')).rows).toEqual([
      { answer: 42 },
    ]);
    await copy.disconnect();
    await copy.close();
  }
});

test('the WAL stays short under load', { timeout: 60_000 }, async () => {
  const db = await temporaryDatabase({ storage: 'disk', template });
  const [client, other] = await Promise.all([db.connect(), db.connect()]);
  await client.query(
    'create role loader; create table public.bulk (note text); grant insert on public.bulk to loader',
  );
  const written = async () =>
    Number((await other.query('select pg_current_wal_lsn() - $1 as bytes', [begin])).rows[0].bytes);
  const begin = (await other.query('select pg_current_wal_lsn() as lsn')).rows[0].lsn;
  await client.query('set role loader');
  // 30 MB each, for longer than two looks take, and enough of them whatever else the machine does.
  for (const until = Date.now() + 6000; Date.now() < until || (await written()) < 320 * 1024 * 1024;) {
    await client.query("insert into public.bulk select repeat('x', 1000) from generate_series(1, 28000)");
  }
  expect((await client.query('select current_user as name')).rows).toEqual([{ name: 'loader' }]);
  expect(await written()).toBeGreaterThan(300 * 1024 * 1024);
  const { rows } = await other.query(
    'select pg_current_wal_lsn() - redo_lsn as bytes from pg_control_checkpoint()',
  );
  expect(Number(rows[0].bytes)).toBeLessThan((await written()) / 1.5);
  await db.disconnect();
  await db.close();
});
