import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { type FreshDatabase, freshDatabase } from '../db.ts';
import { readyServer } from '../server.ts';
import { inspectBinaries } from './binaries.ts';
import { runCommand } from '../../../src/programs/command.ts';
import { serverUser } from '../../../src/programs/server-user.ts';

const server = inject('server');

// A run without a server has no binaries, and a server from TEST_DATABASE_URL may come without them.
describe.skipIf(server.kind === 'unavailable' || !server.binDirectory)(
  'the programs beside the server',
  () => {
    let database: FreshDatabase;
    let folder: string;

    beforeAll(async () => {
      database = await freshDatabase(readyServer().adminUrl);
      folder = await mkdtemp(join(tmpdir(), 'agent-lightning-tools-test-'));
    });

    afterAll(async () => {
      await database.drop();
      await rm(folder, { recursive: true });
    });

    test('are complete, recent enough, and have pgvector', async () => {
      const found = await inspectBinaries(readyServer().binDirectory!, await serverUser());
      expect(found).toMatchObject({ version: expect.stringMatching(/^(1[7-9]|[2-9]\d)/) });
    });

    test('psql creates the extension vector and searches with it', async () => {
      await run('psql', '-qX', '-v', 'ON_ERROR_STOP=1', database.url, '-c', 'create extension vector');
      const nearest = `select id from (values (1, '[0,1]'::vector), (2, '[1,0]')) as v (id, e) order by e <=> '[2,0.1]' limit 1`;
      expect(await run('psql', '-qXAt', database.url, '-c', nearest)).toBe('2\n');
    });

    test('pgbench runs transactions without a failure', async () => {
      await run('pgbench', '--initialize', '--quiet', '--scale=1', database.url);
      const report = await run('pgbench', '--client=4', '--transactions=50', '--no-vacuum', database.url);
      expect(report).toMatch(/transactions actually processed: 200\/200/);
      expect(report).toMatch(/failed transactions: 0 /);
    });

    test('pg_amcheck finds no fault', async () => {
      const report = await run('pg_amcheck', '--install-missing', '--echo', database.url);
      expect(report).toContain('verify_heapam');
    });

    test('pg_dump and pg_restore carry a table to another database', async () => {
      const other = await freshDatabase(readyServer().adminUrl);
      try {
        await run(
          'psql',
          '-qX',
          database.url,
          '-c',
          'create table carried as select generate_series(1, 7) as id',
        );
        const dump = join(folder, 'dump');
        await run('pg_dump', '--format=custom', '--table=carried', `--file=${dump}`, database.url);
        await run('pg_restore', '--dbname', other.url, dump);
        expect(await run('psql', '-qXAt', other.url, '-c', 'select count(*) from carried')).toBe('7\n');
      } finally {
        await other.drop();
      }
    });

    test('pg_receivewal receives from the place where its slot began', async () => {
      const wal = await mkdtemp(join(folder, 'wal-'));
      const slot = `test_${process.pid}`;
      const ask = (text: string) => run('psql', '-qXAt', database.url, '-c', text);
      // `pg_receivewal --create-slot` would reserve nothing: it would begin after the end below, receive nothing, and exit 0.
      await ask(`select pg_create_physical_replication_slot('${slot}', immediately_reserve => true)`);
      try {
        await ask('create table received as select 1 as id');
        const end = (await ask('select pg_switch_wal()')).trim();
        const segment = (await ask(`select pg_walfile_name('${end}')`)).trim();
        const { adminUrl } = readyServer();
        await run(
          'pg_receivewal',
          '-D',
          wal,
          '--slot',
          slot,
          '--endpos',
          end,
          '--no-loop',
          '--dbname',
          adminUrl,
        );
        expect((await readdir(wal)).map((name) => name.replace('.partial', ''))).toContain(segment);
      } finally {
        await ask(`select pg_drop_replication_slot('${slot}')`);
      }
    });

    test('a full and an incremental backup combine into one that verifies', async () => {
      const [full, incremental, combined] = ['full', 'incremental', 'combined'].map((name) =>
        join(folder, name),
      );
      const connection = ['--dbname', readyServer().adminUrl, '--checkpoint=fast', '--no-sync'];
      await run('pg_basebackup', '-D', full!, ...connection);
      await run(
        'psql',
        '-qX',
        database.url,
        '-c',
        'create table later as select generate_series(1, 1000) as id',
      );
      await run('pg_basebackup', '-D', incremental!, `--incremental=${full}/backup_manifest`, ...connection);
      await run('pg_combinebackup', '--no-sync', '-o', combined!, full!, incremental!);
      await run('pg_verifybackup', combined!);
      expect((await stat(join(combined!, 'PG_VERSION'))).isFile()).toBe(true);
      await expect(run('pg_verifybackup', '--no-parse-wal', join(folder, 'nowhere'))).rejects.toThrow(
        'nowhere',
      );
    });
  },
);

test('the reason names a folder without Postgres', async () => {
  expect(await inspectBinaries('/nowhere', undefined)).toEqual({
    lacking: 'program /nowhere/postgres not found',
  });
});

function run(program: string, ...args: string[]): Promise<string> {
  return runCommand(join(readyServer().binDirectory!, program), args);
}
