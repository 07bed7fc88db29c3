import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { findPrograms } from '../../../src/backup/server/programs.ts';
import type { ServerPrograms } from '../../../src/backup/server/programs.ts';
import { receiveWal } from '../../../src/backup/server/receive-wal.ts';
import type { Receiving } from '../../../src/backup/server/receive-wal.ts';
import { restoreServerBackup } from '../../../src/backup/server/restore.ts';
import { parseTarget } from '../../../src/backup/server/restore-target.ts';
import { backupServer } from '../../../src/backup/server/server-backup.ts';
import type { ServerBackupOptions } from '../../../src/backup/server/server-backup.ts';
import { connectForReplication, serverFacts } from '../../../src/backup/server/server-facts.ts';
import type { ServerFacts } from '../../../src/backup/server/server-facts.ts';
import { readManifests } from '../../../src/backup/manifest.ts';
import type { ReadManifest } from '../../../src/backup/manifest.ts';
import { DirectoryStore } from '../../../src/backup/store/directory-store.ts';
import { makeVault } from '../../../src/backup/vault.ts';
import type { Vault } from '../../../src/backup/vault.ts';
import type { LogEntry } from '../../../src/log.ts';
import { serverUser, temporaryDirectory } from '../../../src/programs/server-user.ts';
import { startOwnServer, startRestored } from '../../support/postgres/own-server.ts';
import type { OwnServer } from '../../support/postgres/own-server.ts';
import { readyServer } from '../../support/server.ts';
import { startWriteLoad } from '../../support/write-load.ts';
import type { WriteLoad } from '../../support/write-load.ts';
import { SlowStore } from './slow-store.ts';

const server = inject('server');
const slot = 'lightning_backup';
const never = new AbortController().signal;
/** A chapter takes seconds, and on a busy machine minutes. */
const patience = 180_000;

/** A moment of the database, and how many agents there were at exactly that moment. */
interface Point {
  readonly time: string;
  readonly lsn: string;
  readonly agents: number;
}

// One server for all of it, because making one takes long: the tests are the chapters of its life, in order.
describe.skipIf(server.kind === 'unavailable' || !server.binDirectory)(
  'backups of a server',
  { timeout: patience },
  () => {
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
        made.push((await backupServer(options())).backup);
        expect(load.acknowledged.length, 'the load went on').toBeGreaterThan(before);
        if (n === 1) early = await exactPoint(own);
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
      late = await exactPoint(own);
    });

    test('a server that is lost in the middle of a backup is restored with every acknowledged transaction', async () => {
      const slow = new SlowStore(new DirectoryStore(join(folder, 'store')), 200);
      const failing = backupServer({
        ...options(),
        vault: makeVault(slow, Buffer.alloc(32, 7)),
        requested: 'full',
        partBytes: 1_000_000,
      });
      const outcome = failing.then(
        () => 'made',
        (error: Error) => error.message,
      );
      await until(() => slow.parts.length >= 2);
      await own.destroy();
      expect(await outcome).toMatch(/pg_basebackup|connection|terminated/i);
      await load.stop();
      await receiving.stop();
      expect((await readManifests(vault)).manifests).toHaveLength(4);
      const restored = await restore('latest');
      expect(restored.agents.toSorted()).toEqual(expect.arrayContaining(load.acknowledged.toSorted()));
      expect(load.acknowledged.length).toBeGreaterThan(100);
    });

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
      const restored = await startRestored(readyServer().binDirectory!, into, own.adminUrl);
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

    test('to a time and to a position it lands exactly', async () => {
      for (const point of [early, late]) {
        expect((await restore(point.lsn)).agents, point.lsn).toHaveLength(point.agents);
        expect((await restore(point.time)).agents, point.time).toHaveLength(point.agents);
      }
    });
  },
);

/** Agents are locked for the moment: who wrote before has committed, and nobody else writes. */
async function exactPoint({ adminUrl }: OwnServer): Promise<Point> {
  const client = new Client({ connectionString: adminUrl });
  await client.connect();
  try {
    await client.query('begin');
    await client.query('lock table app_public.agents in share mode');
    const { rows } = await client.query<{ time: Date; lsn: string; agents: string }>(
      'select clock_timestamp() as time, pg_current_wal_insert_lsn() as lsn, (select count(*) from app_public.agents) as agents',
    );
    // Times are given to the millisecond.
    await sleep(2);
    await client.query('commit');
    const [row] = rows;
    if (!row) throw new Error('no row');
    return { time: new Date(row.time.getTime() + 1).toISOString(), lsn: row.lsn, agents: Number(row.agents) };
  } finally {
    await client.end();
  }
}

async function asAdmin({ adminUrl }: OwnServer, ...statements: string[]): Promise<void> {
  const client = new Client({ connectionString: adminUrl });
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await sleep(20);
}
