import { chmod, mkdtemp, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { findDrillPrograms } from '../../../src/backup/drill/drill-programs.ts';
import { drillServer } from '../../../src/backup/drill/server-drill.ts';
import type { ServerDrillOptions } from '../../../src/backup/drill/server-drill.ts';
import type { DrillVerdict } from '../../../src/backup/drill/verdict.ts';
import { findPrograms } from '../../../src/backup/server/programs.ts';
import { receiveWal } from '../../../src/backup/server/receive-wal.ts';
import type { Receiving } from '../../../src/backup/server/receive-wal.ts';
import { backupServer } from '../../../src/backup/server/server-backup.ts';
import { connectForReplication, serverFacts } from '../../../src/backup/server/server-facts.ts';
import { DirectoryStore } from '../../../src/backup/store/directory-store.ts';
import { makeVault } from '../../../src/backup/vault.ts';
import type { Database } from '../../../src/db/database.ts';
import { serverUser, temporaryDirectory } from '../../../src/programs/server-user.ts';
import { startOwnServer } from '../../support/postgres/own-server.ts';
import type { OwnServer } from '../../support/postgres/own-server.ts';
import { serverDatabase } from '../../support/server-database.ts';
import { readyServer } from '../../support/server.ts';
import { startWriteLoad } from '../../support/write-load.ts';
import type { WriteLoad } from '../../support/write-load.ts';

const server = inject('server');
const signal = new AbortController().signal;
/** A restore, a server and its checks: seconds, and many of them on a busy machine. */
const drillMs = 120_000;

// One server for all of it; each test leaves the store as it found it.
describe.skipIf(server.kind === 'unavailable' || !server.binDirectory)('a drill of a server', () => {
  let folder: string;
  let own: OwnServer;
  let database: Database;
  let receiving: Receiving;
  let load: WriteLoad;
  let options: ServerDrillOptions;

  beforeAll(async () => {
    folder = await mkdtemp(join(await temporaryDirectory(await serverUser(), false), 'lightning-drills-'));
    await chmod(folder, 0o711);
    own = await startOwnServer(readyServer().binDirectory!);
    const programs = await findPrograms({
      major: Number.parseInt(readyServer().version, 10),
      binDirectory: readyServer().binDirectory!,
      env: process.env,
    });
    const connection = { url: own.urls.backup, ssl: undefined };
    const client = await connectForReplication(connection);
    const facts = await serverFacts(client);
    await client.end();
    const backup = {
      connection,
      vault: makeVault(new DirectoryStore(join(folder, 'store')), null),
      spoolDirectory: join(folder, 'spool'),
      slot: 'lightning_backup',
      log: () => {},
      now: () => new Date(),
    };
    receiving = await receiveWal({
      ...backup,
      programs,
      systemIdentifier: facts.systemIdentifier,
      partialEveryMs: 500,
    });
    load = startWriteLoad(own.urls.api);
    for (const requested of ['full', 'incremental'] as const) {
      await backupServer({ ...backup, findPrograms: async () => programs, requested, signal });
    }
    database = serverDatabase(own.urls.backup);
    options = {
      ...backup,
      database,
      facts,
      programs: await findDrillPrograms(programs),
      workDirectory: join(folder, 'work'),
      signal,
    };
  });
  afterAll(async () => {
    await load?.stop();
    await database?.close();
    await receiving?.stop();
    await own?.stop();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  test(
    'is green while others write, and notices every damage that it does itself',
    async () => {
      const before = load.acknowledged.length;
      const verdict = await drillServer(options);
      expect(verdict.problems).toEqual([]);
      expect(verdict.selfTests.filter(({ noticed }) => noticed === null)).toEqual([]);
      // A row and a block of the copy; a byte of each kind of object of both backups, an object and WAL gone, WAL flipped.
      expect(verdict.selfTests.length).toBeGreaterThanOrEqual(9);
      expect(verdict.backups).toHaveLength(2);
      expect(verdict.comparedTables).toBeGreaterThan(30);
      expect(verdict.comparedRows).toBeGreaterThan(before);
      expect(load.acknowledged.length, 'the load went on').toBeGreaterThan(before);
      expect(await readdir(options.workDirectory), 'the copy is gone').toEqual([]);
    },
    drillMs,
  );

  test(
    'is red when one row of the copy is another one',
    async () => {
      const verdict = await drillServer({
        ...options,
        beforeComparison: async (copy) => {
          await copy.query(`update app_public.agents set model = 'other' where id = 'load-0-1'`);
        },
      });
      expect(verdict.problems).toEqual(
        expect.arrayContaining([
          expect.stringMatching(
            /^"app_public"\."agents" has \d+ rows on both sides, and they are not the same$/,
          ),
        ]),
      );
    },
    drillMs,
  );

  test(
    'is red, and names it, for a byte flipped in any kind of object, and for an edited manifest',
    async () => {
      const files = (await readdir(join(folder, 'store'), { recursive: true })).filter((file) =>
        /^backups\/[^/]*-incremental-[^/]*\/[^/]+$/.test(file),
      );
      const kinds = new Map(files.map((file) => [file.replaceAll(/[0-9a-f]{6,}|\d+/g, '#'), file]));
      expect(kinds.size).toBeGreaterThanOrEqual(3);
      for (const file of kinds.values()) {
        const verdict = await withDamage(join(folder, 'store', file));
        expect(verdict.problems.join(), file).toContain(file);
      }
    },
    drillMs,
  );

  test(
    'is red for WAL that is flipped or missing',
    async () => {
      const [wal = ''] = (await readdir(join(folder, 'store'), { recursive: true }))
        .filter((file) => /^wal\/.*\/[0-9A-F]{24}-/.test(file))
        .toSorted()
        .slice(-1);
      const flipped = await withDamage(join(folder, 'store', wal));
      expect(flipped.problems.join()).toContain(wal);
      await rename(join(folder, 'store', wal), join(folder, 'aside'));
      try {
        const { problems } = await drillServer(options);
        expect(problems.join()).toContain(/[0-9A-F]{24}/.exec(wal)?.[0]);
      } finally {
        await rename(join(folder, 'aside'), join(folder, 'store', wal));
      }
    },
    drillMs,
  );

  /** A drill while a byte in the middle of a file is another one. */
  async function withDamage(path: string): Promise<DrillVerdict> {
    const content = await readFile(path);
    const damaged = Buffer.from(content);
    damaged[content.length >> 1]! ^= 1;
    await writeFile(path, damaged);
    try {
      return await drillServer(options);
    } finally {
      await writeFile(path, content);
    }
  }
});
