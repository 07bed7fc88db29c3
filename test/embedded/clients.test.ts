import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Logger, migrate } from 'graphile-migrate';
import { clearAllPools } from 'graphile-migrate/dist/pgReal.js';
import { Logger as WorkerLogger, makeWorkerUtils, run, runOnce } from 'graphile-worker';
import { Pool } from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { sleep, temporaryDatabase } from './temporary-database.ts';
import type { TemporaryDatabase } from './temporary-database.ts';

// Real programs, unmodified.

let db: TemporaryDatabase;
beforeAll(async () => {
  db = await temporaryDatabase({ storage: 'disk' });
}, 60_000);
afterAll(() => db.close());
afterEach(() => db.disconnect());

const psqlVersion = spawnSync('psql', ['--version'], { encoding: 'utf8' }).stdout;

// A machine without psql cannot run these; the other files test the protocol itself.
describe.skipIf(!psqlVersion)(`psql (${psqlVersion?.trim() ?? 'not installed'})`, () => {
  const psqlArguments = () => [
    '-h',
    db.directory,
    '-U',
    'postgres',
    '-X',
    '-A',
    '-t',
    '-v',
    'ON_ERROR_STOP=1',
    'postgres',
  ];

  /** Runs a script from standard input, as if it were typed. */
  function psql(
    script: string,
    ...args: string[]
  ): Promise<{ status: number | null; out: string; error: string }> {
    return new Promise((resolve) => {
      const child = spawn('psql', [...psqlArguments(), ...args]);
      let out = '';
      let error = '';
      child.stdout.on('data', (chunk) => (out += String(chunk)));
      child.stderr.on('data', (chunk) => (error += String(chunk)));
      child.on('close', (status) => resolve({ status, out, error }));
      child.stdin.end(script);
    });
  }

  test('connects with only the directory, and shows its tables', async () => {
    const { out, error } = await psql('select 1; \\dn\n\\conninfo');
    expect(error).toBe('');
    expect(out).toContain('1\n');
    expect(out).toContain('public|');
  });

  test('\\copy in and out, while another client works', async () => {
    const file = join(db.directory, 'people.csv');
    writeFileSync(file, 'id,name\n1,Ada\n2,"Grace, Hopper"\n');
    const other = await db.connect();
    let queries = 0;
    const stop = new AbortController();
    const working = (async () => {
      for (; !stop.signal.aborted; queries++) await other.query({ name: 'w', text: 'select current_user' });
    })();
    const { status, out, error } = await psql(`
      create table public.people (id int, name text);
      \\copy public.people from '${file}' with (format csv, header)
      \\copy public.people to '${file}.out' with (format csv)
      \\copy public.people (name) from stdin
typed
\\.
      select count(*) from public.people;`);
    stop.abort();
    await working;
    expect(error).toBe('');
    expect(status).toBe(0);
    expect(out).toBe('CREATE TABLE\nCOPY 2\nCOPY 2\nCOPY 1\n3\n');
    expect(readFileSync(`${file}.out`, 'utf8')).toBe('1,Ada\n2,"Grace, Hopper"\n');
    expect(queries).toBeGreaterThan(0);
  });

  test('a failing \\copy is an error, and the next statement works', async () => {
    const { out, error } = await psql(
      "\\set ON_ERROR_STOP 0\n\\copy pg_catalog.pg_class from stdin\nx\n\\.\ncreate temp table t (i int); copy t from stdin;\nabc\n\\.\nselect 'alive';",
    );
    expect(error).toContain('invalid input syntax for type integer: "abc"');
    expect(out).toContain('alive');
  });

  test('a role that psql has set when it leaves is not passed to another client', async () => {
    const client = await db.connect();
    await client.query('create role visitor');
    expect((await psql("set role visitor; set app.tenant_id = 'x'; select current_user;")).out).toContain(
      'visitor',
    );
    expect((await psql('begin; set role visitor; select 1;')).status).toBe(0);
    const { rows } = await client.query(
      "select current_user, current_setting('app.tenant_id', true) as tenant",
    );
    expect(rows[0].current_user).toBe('postgres');
    expect(rows[0].tenant).toBeOneOf([null, '']);
  });

  test('Ctrl-C ends the running query, and other clients continue', async () => {
    const child = spawn('psql', [...psqlArguments(), '-v', 'ON_ERROR_STOP=0']);
    let output = '';
    const closed = new Promise((resolve) => child.once('close', resolve));
    child.stdout.on('data', (chunk) => (output += String(chunk)));
    child.stderr.on('data', (chunk) => (output += String(chunk)));
    child.stdin.write("select 'ready';\nselect count(*) from generate_series(1, 2000000000);\n");
    await expect.poll(() => output, { timeout: 10_000 }).toContain('ready');
    await sleep(300);
    child.kill('SIGINT');
    await expect.poll(() => output, { timeout: 10_000 }).toContain('canceling statement due to user request');
    // An interactive psql would go on; a script ends, as at a server.
    await closed;
    const client = await db.connect();
    expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
  });

  test('hears notifications', async () => {
    const { out } = await psql("listen jobs;\nnotify jobs, 'me';\nselect 1;\n");
    expect(out).toContain(
      'Asynchronous notification "jobs" with payload "me" received from server process with PID',
    );
  });

  test('names the existing login to a client that asks for another', async () => {
    const { status, error } = await psql('select 1', '-U', 'alice');
    expect(status).toBe(2);
    expect(error).toContain('role "alice" cannot log in: the embedded database has one login, "postgres"');
  });
});

describe('graphile-worker', () => {
  const quiet = new WorkerLogger(() => () => undefined);
  const workerPool = () => {
    const pool = new Pool({ connectionString: db.embedded.connectionString, max: 10 });
    pool.on('error', () => undefined);
    pool.on('connect', (client) => client.on('error', () => undefined));
    return pool;
  };

  test('runOnce installs its schema and runs the jobs', async () => {
    const pgPool = workerPool();
    const utils = await makeWorkerUtils({ pgPool, logger: quiet });
    await utils.migrate();
    const ran: unknown[] = [];
    for (let i = 0; i < 20; i++) await utils.addJob('note', { i });
    await runOnce({
      pgPool,
      logger: quiet,
      concurrency: 3,
      taskList: { note: (payload) => void ran.push(payload) },
    });
    expect(ran).toHaveLength(20);
    await utils.release();
    await pgPool.end();
  });

  test('run is notified of a new job at once, and does not retry a job that succeeded', async () => {
    const pgPool = workerPool();
    const ran: number[] = [];
    const runner = await run({
      pgPool,
      logger: quiet,
      concurrency: 2,
      // Only LISTEN can bring a job this fast.
      pollInterval: 60_000,
      noHandleSignals: true,
      taskList: {
        time: async (_, { withPgClient }) => {
          await withPgClient((client) => client.query('select 1'));
          ran.push(Date.now());
        },
      },
    });
    await sleep(200);
    const added = Date.now();
    await runner.addJob('time', {});
    await expect.poll(() => ran, { timeout: 5000 }).toHaveLength(1);
    expect((ran[0] ?? 0) - added).toBeLessThan(3000);
    await runner.stop();
    await pgPool.end();
  });
});

test('graphile-migrate runs committed migrations, and does nothing the second time', async () => {
  const migrationsFolder = join(db.directory, 'migrations');
  mkdirSync(join(migrationsFolder, 'committed'), { recursive: true });
  const body = 'create table public.migrated (id int);\ninsert into public.migrated values (1);';
  const hash = createHash('sha1').update(`${body}\n`).digest('hex');
  writeFileSync(
    join(migrationsFolder, 'committed', '000001.sql'),
    `--! Previous: -\n--! Hash: sha1:${hash}\n\n${body}\n`,
  );
  const settings = {
    connectionString: db.embedded.connectionString,
    migrationsFolder,
    logger: new Logger(() => () => undefined),
  };
  try {
    await migrate(settings);
    await migrate(settings);
  } finally {
    // graphile-migrate keeps connections, and ends the process when it loses them.
    clearAllPools();
  }
  const client = await db.connect();
  expect((await client.query('select count(*)::int as n from public.migrated')).rows).toEqual([{ n: 1 }]);
});
