import { mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { migratedDatabase } from '../support/db.ts';
import type { MigratedDatabase } from '../support/db.ts';
import { lightning } from '../support/lightning.ts';
import { testRolePrefix } from '../support/logins.ts';
import { pgbouncerLacking } from '../support/pgbouncer/available.ts';
import { pgbouncerSetups, startPgbouncer } from '../support/pgbouncer/start.ts';
import type { Pgbouncer } from '../support/pgbouncer/start.ts';
import { startRestProcess } from '../support/rest-process.ts';
import { noServer } from '../support/server.ts';
import { letTwoServe } from './two-serves.ts';
import { strongSecret } from '../support/token-keys.ts';

const unavailable = noServer || (await pgbouncerLacking()) !== null;
// The PgBouncer that tracks nothing is the hardest; behind-pooler.ts runs the others.
const [setup] = pgbouncerSetups;

/** Something to import. */
const table = join(tmpdir(), `pooler-test-${process.pid}`, 'tasks.jsonl');

describe.skipIf(unavailable)('behind a pooler', () => {
  let fresh: MigratedDatabase;
  let pooler: Pgbouncer;
  let env: Record<string, string>;

  beforeAll(async () => {
    await mkdir(dirname(table));
    await writeFile(table, '{"id": "00000000-0000-4000-8000-000000000001", "description": "one"}\n');
    fresh = await migratedDatabase();
    const { api, migrate, worker, backup } = fresh.urls;
    pooler = await startPgbouncer(setup!, [api, migrate, worker, backup, fresh.adminUrl]);
    env = {
      DATABASE_URL: pooler.through(api),
      MIGRATE_DATABASE_URL: pooler.through(migrate),
      WORKER_DATABASE_URL: pooler.through(worker),
      BACKUP_DATABASE_URL: pooler.through(backup),
      DB_ROLE_PREFIX: testRolePrefix,
      JWT_SECRET: strongSecret,
    };
  });
  afterAll(async () => {
    await pooler?.stop();
    await fresh?.drop();
    await rm(dirname(table), { recursive: true, force: true });
  });

  test('two serves beside each other answer correctly, and report every change once', async () => {
    const report = await letTwoServe({
      apiUrl: fresh.urls.api,
      rolePrefix: testRolePrefix,
      setup: setup!,
      listen: true,
      rounds: 12,
    });
    expect(report).toMatchObject({ problems: [], answers: 12 * 8, changes: 24 });
  }, 120_000);

  test.each([
    [['work'], 2, 'WORKER_DATABASE_URL leads to a connection pooler'],
    [['migrate'], 2, 'MIGRATE_DATABASE_URL leads to a connection pooler'],
    [['import', table], 2, 'MIGRATE_DATABASE_URL leads to a connection pooler'],
    [['backup'], 2, 'WORKER_DATABASE_URL leads to a connection pooler'],
  ])(
    '%j is refused with the variable to set',
    async (args, status, message) => {
      const ended = await lightning(args, env);
      expect(ended).toMatchObject({ status, stdout: '' });
      expect(ended.stderr).toContain(message);
    },
    60_000,
  );

  test('setup is refused before it creates anything', async () => {
    const adminUrl = pooler.through(fresh.adminUrl);
    const ended = await lightning(['setup', '--admin-url', adminUrl, '--database', 'never_made']);
    expect(ended).toMatchObject({ status: 1, stdout: '' });
    expect(ended.stderr).toContain('--admin-url leads to a connection pooler');
  }, 60_000);

  test('status says where each URL leads, and which settings are missing', async () => {
    // Without a store, status does not ask where backups would come from.
    const { stdout } = await lightning(['status'], {
      ...env,
      BACKUP_STORE: join(tmpdir(), 'lightning-no-store'),
    });
    expect(stdout).toContain('DATABASE_URL leads to a pooler that does not track prepared statements');
    expect(stdout).toMatch(/MEND listen .*\n.*set LISTEN_DATABASE_URL/);
    for (const name of ['MIGRATE', 'WORKER', 'BACKUP']) {
      expect(stdout).toContain(`${name}_DATABASE_URL leads to a connection pooler`);
    }
    const direct = await lightning(['status'], { ...env, LISTEN_DATABASE_URL: fresh.urls.api });
    expect(direct.stdout).toMatch(/ok +listen +LISTEN_DATABASE_URL is set/);
  }, 120_000);

  test('rest serves with its own options, and detects the pooler without them', async () => {
    const admin = new Client({ connectionString: fresh.adminUrl });
    await admin.connect();
    await admin.query(`
      create schema pooled;
      create table pooled.films as select n as id from generate_series(1, 3) n;
      grant usage on schema pooled to ${testRolePrefix}_anon;
      grant select on pooled.films to ${testRolePrefix}_anon;`);
    await admin.end();
    const common = {
      PGRST_DB_URI: pooler.through(fresh.urls.api),
      PGRST_DB_SCHEMAS: 'pooled',
      PGRST_DB_ANON_ROLE: `${testRolePrefix}_anon`,
      PGRST_DB_CONFIG: 'false',
      PGRST_SERVER_PORT: '0',
    };
    const asTold = { PGRST_DB_PREPARED_STATEMENTS: 'false', PGRST_DB_CHANNEL_ENABLED: 'false' };
    const processes = [startRestProcess({ ...common, ...asTold }), startRestProcess(common)];
    try {
      const urls = await Promise.all(
        processes.map(async (rest) => (await rest.next('api-listening')).address ?? ''),
      );
      const answers = await Promise.all(
        Array.from({ length: 60 }, async (_, n) => {
          const response = await fetch(`${urls[n % 2]}/films?id=lte.${n % 4}`);
          return ((await response.json()) as unknown[]).length === n % 4 && response.status === 200;
        }),
      );
      expect(answers).toEqual(answers.map(() => true));
      expect(processes[0]!.entries.map(({ event }) => event)).not.toContain('cannot-listen');
      await processes[1]!.next('cannot-listen');
    } finally {
      await Promise.all(processes.map((rest) => rest.ended('SIGTERM')));
    }
  }, 60_000);
});
