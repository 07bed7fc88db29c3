import { spawn } from 'node:child_process';
import { access, chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { networkInterfaces, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { readyServer } from '../server.ts';
import { type Cluster, startCluster } from './cluster.ts';
import { serverUser } from '../../../src/programs/server-user.ts';

const server = inject('server');

/** The message that a fast shutdown sends to a connection; an immediate one, the last resort, sends another. */
const orderlyEnd = 'terminating connection due to administrator command';

// A cluster of our own needs binaries; see binaries.test.ts.
describe.skipIf(server.kind === 'unavailable' || !server.binDirectory)('a cluster of our own', () => {
  const said: string[] = [];
  let cluster: Cluster;

  const start = async (durable = false) =>
    startCluster({
      binDirectory: readyServer().binDirectory!,
      user: await serverUser(),
      durable,
      say: (line) => said.push(line),
    });

  beforeAll(async () => {
    cluster = await start();
  });

  afterAll(() => cluster.stop());

  test('has the settings that backups and many connections need, and checksums', async () => {
    const names = [
      'max_connections',
      'wal_level',
      'summarize_wal',
      'fsync',
      'data_checksums',
      'server_encoding',
    ];
    const rows = await query(
      cluster.adminUrl,
      `select name, setting from pg_settings where name = any ('{${names}}')`,
    );
    expect(Object.fromEntries(rows.map((row) => [row['name'], row['setting']]))).toEqual({
      max_connections: '200',
      wal_level: 'replica',
      summarize_wal: 'on',
      fsync: 'off',
      data_checksums: 'on',
      server_encoding: 'UTF8',
    });
  });

  test('sorts by code point, and folds the case of every script in search', async () => {
    const sorted = `select string_agg(x, '' order by x) as sorted from unnest('{b,Z,ä,a}'::text[]) x`;
    expect(await query(cluster.adminUrl, sorted)).toEqual([{ sorted: 'Zabä' }]);
    const found = `select to_tsvector('simple', 'ÄRGER') @@ to_tsquery('simple', 'ärger') as found`;
    expect(await query(cluster.adminUrl, found)).toEqual([{ found: true }]);
  });

  test('refuses a login without a password', async () => {
    const rules = await query(cluster.adminUrl, 'select distinct auth_method from pg_hba_file_rules');
    expect(rules).toEqual([{ auth_method: 'scram-sha-256' }]);
    const wrong = new URL(cluster.adminUrl);
    wrong.password = 'wrong';
    await expect(query(wrong.href, 'select 1')).rejects.toThrow('password authentication failed');
  });

  test('listens on loopback only', async () => {
    expect(await query(cluster.adminUrl, 'show listen_addresses')).toEqual([
      { listen_addresses: '127.0.0.1' },
    ]);
    const outside = Object.values(networkInterfaces()).flat();
    for (const address of outside.filter(
      (candidate) => candidate?.family === 'IPv4' && !candidate.internal,
    )) {
      const url = new URL(cluster.adminUrl);
      url.hostname = address!.address;
      await expect(query(url.href, 'select 1')).rejects.toThrow('ECONNREFUSED');
    }
  });

  test('syncs to disk when it is durable', async () => {
    const durable = await start(true);
    try {
      expect(await query(durable.adminUrl, 'show fsync')).toEqual([{ fsync: 'on' }]);
    } finally {
      await durable.stop();
    }
  });

  test('is gone after stop, with its directory, even when a connection is busy; stopping twice is not an error', async () => {
    const stopped = await start();
    const { directory, pid } = await whereIs(stopped.adminUrl);
    const busy = sleeper(stopped.adminUrl);
    await untilBusy(stopped.adminUrl);
    await stopped.stop();
    await stopped.stop();
    expect(await busy).toBe(orderlyEnd);
    expect(isRunning(pid)).toBe(false);
    expect(await exists(directory)).toBe(false);
  });

  test('is reported with its log when it is killed, and its directory is removed', async () => {
    const killed = await start();
    const { directory, pid } = await whereIs(killed.adminUrl);
    process.kill(pid, 'SIGKILL');
    await until(async () => !(await exists(directory)));
    expect(said.join('\n')).toMatch(/ended by itself; the end of its log:\n[^]*ready to accept connections/);
    await killed.stop();
  });

  test('ends and leaves no directory when the process that started it is killed', async () => {
    const { parent, temporary } = await startInAnother();
    const adminUrl = await firstLine(parent.stdout);
    const { directory, pid } = await whereIs(adminUrl);
    const busy = sleeper(adminUrl);
    await untilBusy(adminUrl);
    // The server is up, and a connection is busy, when the parent dies.
    expect(isRunning(pid)).toBe(true);
    expect(await exists(directory)).toBe(true);
    parent.kill('SIGKILL');
    await until(async () => !isRunning(pid) && !(await exists(directory)));
    expect(parent.signalCode).toBe('SIGKILL');
    await rm(temporary, { recursive: true });
    expect(await busy).toBe(orderlyEnd);
  });

  test('leaves nothing behind when the process is killed while it makes the cluster', async () => {
    const { parent, temporary } = await startInAnother();
    await until(async () =>
      (await readdir(temporary, { recursive: true })).some((name) => name.endsWith('/data/base')),
    );
    parent.kill('SIGKILL');
    // The kill came in the middle: the cluster had begun, and no server was up.
    expect(await readdir(temporary, { recursive: true })).not.toContainEqual(
      expect.stringMatching('postmaster.opts'),
    );
    await until(async () => (await readdir(temporary)).length === 0);
    expect(parent.signalCode).toBe('SIGKILL');
    await rm(temporary, { recursive: true });
  });

  test('says why when it cannot start, and leaves nothing running', async () => {
    const failing = startCluster({
      binDirectory: '/nowhere',
      user: await serverUser(),
      durable: false,
      say: () => {},
    });
    await expect(failing).rejects.toThrow(/initdb failed:\n.*\/nowhere\/initdb: not found/);
  });
});

/**
 * Starts a cluster from another process, which prints the URL and waits. That process has its own directory for
 * temporary files.
 */
async function startInAnother() {
  const temporary = await mkdtemp(join(tmpdir(), 'agent-lightning-killed-test-'));
  await chmod(temporary, 0o777);
  const options = { binDirectory: readyServer().binDirectory, user: await serverUser(), durable: false };
  const script = `
    const { startCluster } = await import(${JSON.stringify(new URL('cluster.ts', import.meta.url).href)});
    const cluster = await startCluster({ ...${JSON.stringify(options)}, say: console.error });
    console.log(cluster.adminUrl);
    setInterval(() => {}, 1000);`;
  const parent = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    env: { ...process.env, TMPDIR: temporary },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return { parent, temporary };
}

async function query(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text)).rows;
  } finally {
    await client.end();
  }
}

/** The cluster's directory and its postmaster's process id. */
async function whereIs(url: string): Promise<{ directory: string; pid: number }> {
  const [row] = await query(
    url,
    `select current_setting('data_directory') as data, pg_read_file('postmaster.pid') as file`,
  );
  const { data, file } = row as { data: string; file: string };
  return { directory: dirname(data), pid: Number.parseInt(file, 10) };
}

/** Sleeps for a minute on a connection. Resolves to the message of the error that ends it. */
async function sleeper(url: string): Promise<string> {
  const client = new Client({ connectionString: url });
  client.on('error', () => {}); // The query rejects as well.
  await client.connect();
  return client.query('select pg_sleep(60)').then(
    () => 'slept to the end',
    (error: Error) => error.message,
  );
}

function untilBusy(url: string): Promise<void> {
  const sleeping = `select 1 from pg_stat_activity where query = 'select pg_sleep(60)' and state = 'active'`;
  return until(async () => (await query(url, sleeping)).length > 0);
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error('waited 15 s in vain');
    await sleep(50);
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

async function firstLine(stream: AsyncIterable<Buffer>): Promise<string> {
  for await (const chunk of stream) return chunk.toString().trim();
  throw new Error('the process ended without a word');
}
