import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { RestoreRefused } from '../../../src/backup/restore-refused.ts';
import { findPrograms } from '../../../src/backup/server/programs.ts';
import type { ServerPrograms } from '../../../src/backup/server/programs.ts';
import { receiveWal } from '../../../src/backup/server/wal/receive-wal.ts';
import type { Receiving } from '../../../src/backup/server/wal/receive-wal.ts';
import { reachableWindow } from '../../../src/backup/server/reachable-window.ts';
import { removeExpired } from '../../../src/backup/remove-expired.ts';
import { restoreServerBackup } from '../../../src/backup/server/restore.ts';
import { parseTarget } from '../../../src/backup/restore-target.ts';
import { backUpServer } from '../../../src/backup/server/back-up-server.ts';
import type { ServerBackupOptions } from '../../../src/backup/server/back-up-server.ts';
import { connectForReplication, serverFacts } from '../../../src/backup/server/server-facts.ts';
import type { ServerFacts } from '../../../src/backup/server/server-facts.ts';
import { verifyServerBackups } from '../../../src/backup/server/verify.ts';
import { readManifests } from '../../../src/backup/manifest.ts';
import type { ReadManifest } from '../../../src/backup/manifest.ts';
import { DirectoryStore } from '../../../src/backup/store/directory-store.ts';
import { makeVault } from '../../../src/backup/vault.ts';
import type { Vault } from '../../../src/backup/vault.ts';
import type { LogEntry } from '../../../src/log.ts';
import { runCommand } from '../../../src/programs/command.ts';
import { serverUser, temporaryDirectory } from '../../../src/programs/server-user.ts';
import { exactPoint } from '../../support/exact-point.ts';
import type { Point } from '../../support/exact-point.ts';
import { startOwnServer, startRestored } from '../../support/postgres/own-server.ts';
import type { OwnServer } from '../../support/postgres/own-server.ts';
import { readyServer } from '../../support/server.ts';
import { startWriteLoad } from '../../support/write-load.ts';
import type { WriteLoad } from '../../support/write-load.ts';
import { descendants, isAlive } from './processes.ts';
import { SlowStore } from './slow-store.ts';

const server = inject('server');
const noPrograms = server.kind === 'unavailable' || !server.binDirectory;
const slot = 'lightning_backup';
/** Mounting a small disk takes the right to do so. */
const mayMount = process.platform === 'linux' && process.getuid?.() === 0;
const never = new AbortController().signal;
/** A chapter takes seconds, or minutes on a busy machine. */
const patience = 180_000;

// One server for the whole file, because making one takes long: the tests are the chapters of its life, in order.
describe.skipIf(noPrograms)('backups of a server', { timeout: patience }, () => {
  let folder: string;
  let own: OwnServer;
  let programs: ServerPrograms;
  let facts: ServerFacts;
  let vault: Vault;
  let receiving: Receiving;
  let load: WriteLoad;
  let early: Point;
  let late: Point;
  const logged: LogEntry[] = [];

  const options = (): ServerBackupOptions => ({
    connection: { url: own.urls.backup, ssl: undefined },
    findPrograms: async () => programs,
    vault,
    spoolDirectory: join(folder, 'spool'),
    slot,
    requested: 'auto',
    signal: never,
    log: (entry) => logged.push(entry),
    now: () => new Date(),
  });

  beforeAll(async () => {
    const user = await serverUser();
    folder = await mkdtemp(join(await temporaryDirectory(user, false), 'lightning-backups-'));
    // Restored servers run as another user.
    await chmod(folder, 0o711);
    own = await startOwnServer(readyServer().binDirectory!);
    programs = await findPrograms({
      major: 17,
      binDirectory: readyServer().binDirectory!,
      env: process.env,
    });
    const client = await connectForReplication({ url: own.urls.backup, ssl: undefined });
    facts = await serverFacts(client);
    await client.end();
    vault = makeVault(new DirectoryStore(join(folder, 'store')), Buffer.alloc(32, 7));
    receiving = await receiveWal({
      ...options(),
      programs,
      systemIdentifier: facts.systemIdentifier,
      synchronous: true,
    });
    await asAdmin(own, `alter system set synchronous_standby_names = '${slot}'`, 'select pg_reload_conf()');
    load = startWriteLoad(own.urls.api);
  });

  afterAll(async () => {
    await load.stop();
    await receiving.stop();
    await own.stop();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  test('the first is full, the next three build on it, while others write', async () => {
    const made: ReadManifest[] = [];
    for (let n = 0; n < 4; n += 1) {
      const before = load.acknowledged.length;
      made.push((await backUpServer(options())).backup);
      expect(load.acknowledged.length, 'the load went on').toBeGreaterThan(before);
      if (n === 1) early = await exactPoint(own.adminUrl);
    }
    expect(made.map(({ manifest }) => manifest.kind)).toEqual([
      'full',
      'incremental',
      'incremental',
      'incremental',
    ]);
    expect(made.slice(1).map(({ manifest }) => manifest.parent?.id)).toEqual(
      made.slice(0, 3).map(({ id }) => id),
    );
    late = await exactPoint(own.adminUrl);
  });

  test('a backup whose pg_basebackup is killed does not exist and leaves nothing, and the next one works', async () => {
    const { slow, making } = makeSlowly();
    await until(() => slow.parts.length >= 2);
    const [pid] = await descendants(process.pid, 'pg_basebackup');
    process.kill(pid!, 'SIGKILL');
    expect(await making).toMatch(/pg_basebackup ended with SIGKILL/);
    expect(await partsOf(slow), 'what was stored is removed again').toEqual([]);
    expect((await readManifests(vault)).manifests).toHaveLength(4);
  });

  test('a worker that is killed in the middle of a backup leaves a half that does not count as one', async () => {
    const before = await keysOf(vault);
    const script = fileURLToPath(new URL('backup-until-killed.ts', import.meta.url));
    const places = [
      own.urls.backup,
      join(folder, 'store'),
      join(folder, 'spool'),
      slot,
      programs.binDirectory,
    ];
    const child = spawn(process.execPath, [script, ...places], { stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    child.stdout.on('data', (data) => (said += String(data)));
    await until(() => /^3 parts/m.test(said) || said.includes('done'));
    const [program] = await descendants(child.pid!, 'pg_basebackup');
    child.kill('SIGKILL');
    await once(child, 'close');
    expect(said).not.toContain('done');
    await until(() => !isAlive(program!));
    const isNew = (key: string) => key.startsWith('backups/') && !before.includes(key);
    expect((await keysOf(vault)).filter(isNew).length, 'some of it was stored').toBeGreaterThanOrEqual(3);
    expect((await readManifests(vault)).manifests).toHaveLength(4);
    const inTwoDays = new Date(Date.now() + 2 * 86_400_000);
    const swept = await removeExpired({ vault, window: { days: 14 }, now: inTwoDays });
    expect(swept).toMatchObject({ backups: [], halves: [expect.stringContaining('-full-')] });
    expect((await keysOf(vault)).filter(isNew)).toEqual([]);
  });

  test('a receiver that is killed resumes where it was, and no WAL is lost', async () => {
    const [pid] = await descendants(process.pid, 'pg_receivewal');
    process.kill(pid!, 'SIGKILL');
    await until(async () => {
      const [again] = await descendants(process.pid, 'pg_receivewal');
      return again !== undefined && again !== pid;
    });
    const written = load.acknowledged.length;
    // Commits wait for the receiver, so continuing commits show that it receives.
    await until(() => load.acknowledged.length > written + 20);
    expect(logged.map(({ event }) => event)).toContain('wal-receiver-ended');
    const { backup } = await backUpServer(options());
    expect(backup.manifest.kind).toBe('incremental');
    const verified = await verifyServerBackups({
      vault,
      spoolDirectory: join(folder, 'spool'),
      signal: never,
    });
    expect(verified.problems).toEqual([]);
    expect(verified).toMatchObject({ backups: 5, objects: 10 });
  });

  test.skipIf(!mayMount)('a full disk ends a backup in the middle; the next one works', async () => {
    const small = join(folder, 'small');
    await mkdir(small);
    await runCommand('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', small]);
    try {
      const disk = new SlowStore(new DirectoryStore(small), 0);
      const onDisk = makeVault(disk, null);
      const failing = backUpServer({ ...options(), vault: onDisk, requested: 'full', partBytes: 1_000_000 });
      await expect(failing).rejects.toMatchObject({ code: 'ENOSPC' });
      expect(disk.parts.length, 'it struck in the middle').toBeGreaterThanOrEqual(2);
      expect(await keysOf(onDisk)).toEqual([]);
    } finally {
      await runCommand('umount', [small]);
    }
    const { backup } = await backUpServer(options());
    expect(backup.manifest.kind).toBe('incremental');
  });

  test('a server that is lost in the middle of a backup is restored with every acknowledged transaction', async () => {
    const { slow, making } = makeSlowly();
    await until(() => slow.parts.length >= 2);
    await own.destroy();
    expect(await making).toMatch(/pg_basebackup|connection|terminated/i);
    await load.stop();
    await receiving.stop();
    const whole = (await readManifests(vault)).manifests;
    expect(whole.filter(({ manifest }) => manifest.kind === 'full')).toHaveLength(1);
    const restored = await restore('latest');
    expect(restored.agents.toSorted()).toEqual(expect.arrayContaining(load.acknowledged.toSorted()));
    expect(load.acknowledged.length).toBeGreaterThan(100);
  });

  /** A slow full backup; `making` tells how it ended. */
  function makeSlowly(): { slow: SlowStore; making: Promise<string> } {
    const slow = new SlowStore(new DirectoryStore(join(folder, 'store')), 200);
    const making = backUpServer({
      ...options(),
      vault: makeVault(slow, Buffer.alloc(32, 7)),
      requested: 'full',
      partBytes: 1_000_000,
    }).then(
      () => 'made',
      (error: Error) => error.message,
    );
    return { slow, making };
  }

  async function restore(to: string): Promise<{ agents: string[] }> {
    const into = join(folder, `restored-${to.replaceAll(/\W/g, '')}`, 'data');
    await restoreServerBackup({
      vault,
      spoolDirectory: null,
      target: parseTarget(to)!,
      into,
      programs,
      owner: await serverUser(),
      durable: false,
      signal: never,
    });
    const restored = await startRestored(readyServer().binDirectory!, into);
    const client = new Client({ connectionString: restored.at(own.adminUrl) });
    try {
      await client.connect();
      const { rows } = await client.query<{ id: string }>('select id from app_public.agents');
      return { agents: rows.map(({ id }) => id) };
    } finally {
      await client.end();
      await restored.stop();
    }
  }

  test('a target outside of the stored WAL is refused, and the message says the window', async () => {
    await expect(restore('2020-01-01T00:00:00Z')).rejects.toThrow(
      /no backup is old enough: the oldest, \S+-full-\S+, ended at 20/,
    );
    await expect(restore('2999-01-01T00:00:00Z')).rejects.toThrow(
      /after the end of what was received: the WAL ends at position \S+, its last transaction at 20/,
    );
    await expect(restore('0/100')).rejects.toThrow(/no backup is old enough/);
    await expect(restore('FF/0')).rejects.toThrow(/after the end of what was received/);
    const window = await reachableWindow(vault, null, programs);
    expect(window).toMatchObject({ gap: null, oldest: { backup: expect.stringContaining('-full-') } });
    expect(window!.newest.time! >= late.time.replace('Z', '000Z')).toBe(true);
  });

  test('a missing or damaged object is named before anything is written', async () => {
    const keys = await keysOf(vault);
    const { manifests } = await readManifests(vault);
    const part = manifests[1]!.manifest.objects[0]!.key;
    const file = manifests[2]!.manifest.objects.at(-1)!.key;
    const partial = keys.find((key) => key.includes('.partial-'))!;
    // The segment before it, which the newest backup needs, too.
    const segment = keys.findLast((key) => /\/0{7}1[0-9A-F]{16}-/.test(key))!;
    // Missing objects, each with the name that reports it. The last received WAL is an exception: nobody knows that
    // there was more, so the window is shorter.
    const absent = new Map([
      [part, part],
      [file, file],
      [segment, segment.split('/').at(-1)!.slice(0, 24)],
    ]);
    for (const key of [part, file, segment, partial]) {
      const path = join(folder, 'store', key);
      const content = await readFile(path);
      const flipped = Buffer.from(content);
      flipped.writeUInt8(flipped.readUInt8(flipped.length >> 1) ^ 1, flipped.length >> 1);
      await writeFile(path, flipped);
      expect(await refusalOf(restore('latest')), key).toBe(key);
      const verified = await verifyServerBackups({ vault, spoolDirectory: null, signal: never });
      expect(verified.problems.map(({ member }) => member)).toContain(key);
      await writeFile(path, content);
    }
    for (const [key, member] of absent) {
      const path = join(folder, 'store', key);
      const content = await readFile(path);
      await rm(path);
      expect(await refusalOf(restore('latest')), key).toBe(member);
      await writeFile(path, content);
    }
    const manifest = join(folder, 'store', manifests[0]!.key);
    const sealed = await readFile(manifest);
    await rm(manifest);
    expect(await refusalOf(restore('latest'))).toBe(manifests[0]!.id);
    await writeFile(manifest, Buffer.concat([sealed, Buffer.of(0)]));
    expect(await refusalOf(restore('latest'))).toBe(manifests[0]!.key);
    await writeFile(manifest, sealed);
    expect(await readdir(folder)).not.toContain('restored-latest');
  });

  test('a restore to a time or to a position lands exactly there', async () => {
    for (const point of [early, late]) {
      expect((await restore(point.lsn)).agents, point.lsn).toHaveLength(point.agents);
      expect((await restore(point.time)).agents, point.time).toHaveLength(point.agents);
    }
  });
});

async function asAdmin({ adminUrl }: OwnServer, ...statements: string[]): Promise<void> {
  const client = new Client({ connectionString: adminUrl });
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}

/** The member for which a restore was refused; for any other outcome, that outcome. */
function refusalOf(restoring: Promise<unknown>): Promise<unknown> {
  return restoring.catch((error: unknown) => (error instanceof RestoreRefused ? error.member : error));
}

async function keysOf({ store }: Vault): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list('')) keys.push(key);
  return keys;
}

/** The slow store's parts that are still there. */
async function partsOf(slow: SlowStore): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of slow.list('backups/')) if (slow.parts.includes(key)) keys.push(key);
  return keys;
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await sleep(20);
}
