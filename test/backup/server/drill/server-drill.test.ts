import { readFile, readdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { readHead } from '../../../../src/audit/anchor.ts';
import { DamagedStore } from '../../../../src/backup/store/damaged-store.ts';
import { findDrillPrograms } from '../../../../src/backup/server/drill/drill-programs.ts';
import { drillServer } from '../../../../src/backup/server/drill/server-drill.ts';
import type { ServerDrillOptions } from '../../../../src/backup/server/drill/server-drill.ts';
import type { DrillVerdict } from '../../../../src/backup/drill-verdict.ts';
import { sql } from '../../../../src/db/statement.ts';
import type { Database } from '../../../../src/db/database.ts';
import { startBackedUpServer } from '../../../support/backed-up-server.ts';
import type { BackedUpServer } from '../../../support/backed-up-server.ts';
import { testRolePrefix } from '../../../support/logins.ts';
import { serverDatabase } from '../../../support/server-database.ts';
import { readyServer } from '../../../support/server.ts';

const provided = inject('server');
/** A restore, a server and its checks: seconds, and many of them on a busy machine. */
const drillMs = 120_000;

// One server for the whole file; each test leaves the store as it found it.
describe.skipIf(provided.kind === 'unavailable' || !provided.binDirectory)('a drill of a server', () => {
  let server: BackedUpServer;
  let database: Database;
  let options: ServerDrillOptions;

  beforeAll(async () => {
    server = await startBackedUpServer(readyServer().binDirectory!);
    database = serverDatabase(server.own.urls.backup);
    const worker = serverDatabase(server.own.urls.worker);
    for (let head = null; head === null; head = await readHead(database)) {
      await worker.queryWith(
        { role: `${testRolePrefix}_worker` },
        sql`select * from ops.seal_audit_log('test')`,
      );
    }
    await worker.close();
    for (const kind of ['full', 'incremental'] as const) await server.backUp(kind);
    serverDatabase(server.own.urls.backup);
    options = {
      ...server.options,
      database,
      facts: server.facts,
      programs: await findDrillPrograms(server.programs),
      workDirectory: join(server.folder, 'work'),
    };
  });
  afterAll(async () => {
    await database?.close();
    await server?.close();
  });

  test(
    'is green while others write, and notices every damage that it does itself',
    async () => {
      const before = server.load.acknowledged.length;
      const verdict = await drillServer(options);
      expect(verdict.problems).toEqual([]);
      expect(verdict.selfTests.filter(({ noticed }) => noticed === null)).toEqual([]);
      // A row and a block of the copy; a byte of each kind of object of both backups; an object and WAL removed; WAL
      // flipped.
      expect(verdict.selfTests.length).toBeGreaterThanOrEqual(9);
      expect(verdict.backups).toHaveLength(2);
      expect(verdict.sealedRows).toBeGreaterThan(0);
      expect(verdict.selfTests.map(({ damage }) => damage)).toContain(
        'a row of the sealed audit log changed',
      );
      expect(verdict.comparedTables).toBeGreaterThan(30);
      expect(verdict.comparedRows).toBeGreaterThan(before);
      expect(server.load.acknowledged.length, 'the load went on').toBeGreaterThan(before);
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
          // As a superuser who leaves no trace.
          await copy.query('set session_replication_role = replica');
          await copy.query(`update app_public.agents set model = 'other' where id = 'load-0-1'`);
          await copy.query(
            `update audit.log set subject = 'somebody else' where id = (select ids[1] from audit.seal_parts order by number limit 1)`,
          );
        },
      });
      expect(verdict.problems).toEqual(
        expect.arrayContaining([
          expect.stringMatching(
            /^"app_public"\."agents" has \d+ rows on both sides, but their contents differ$/,
          ),
          expect.stringMatching(
            /^the sealed audit log: row \d+ of audit\.log was altered \(in audit\.log_p\d{6}\)/,
          ),
          expect.stringMatching(
            /^held against the audit log: row .*load-0-1.* of app_public\.agents is not what the log says: model$/,
          ),
        ]),
      );
    },
    drillMs,
  );

  test(
    'is red, and names it, for a byte flipped in any kind of object, and for an edited manifest',
    async () => {
      const files = (await readdir(join(server.folder, 'store'), { recursive: true })).filter((file) =>
        /^backups\/[^/]*-incremental-[^/]*\/[^/]+$/.test(file),
      );
      const kinds = new Map(files.map((file) => [file.replaceAll(/[0-9a-f]{6,}|\d+/g, '#'), file]));
      expect(kinds.size).toBeGreaterThanOrEqual(3);
      for (const file of kinds.values()) {
        const verdict = await withDamage(join(server.folder, 'store', file));
        expect(verdict.problems.join(), file).toContain(file);
      }
    },
    drillMs,
  );

  test(
    'is red for WAL that is flipped or missing',
    async () => {
      const [wal = ''] = (await readdir(join(server.folder, 'store'), { recursive: true }))
        .filter((file) => /^wal\/.*\/[0-9A-F]{24}-/.test(file))
        .toSorted()
        .slice(-1);
      const flipped = await withDamage(join(server.folder, 'store', wal));
      expect(flipped.problems.join()).toContain(wal);
      await rename(join(server.folder, 'store', wal), join(server.folder, 'aside'));
      try {
        const { problems } = await drillServer(options);
        expect(problems.join()).toContain(/[0-9A-F]{24}/.exec(wal)?.[0]);
      } finally {
        await rename(join(server.folder, 'aside'), join(server.folder, 'store', wal));
      }
    },
    drillMs,
  );

  test(
    'is red for a flipped byte in the beginning of the segment under way',
    async () => {
      const { vault } = options;
      // The partial segment is replaced all the time, so the byte is flipped on reading, in the drill's view of the
      // store.
      const flipped = new DamagedStore(vault.store, 'byte flipped', (key) => key.includes('.partial-'));
      const { problems } = await drillServer({ ...options, vault: vault.over(flipped) });
      expect(problems.join()).toMatch(/\/[0-9A-F]{24}\.partial-\S+ is damaged/);
    },
    drillMs,
  );

  /** Holds a drill while one byte in the middle of a file is changed. */
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
