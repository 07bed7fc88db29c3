import { execFile } from 'node:child_process';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { clientExecutor } from '../../src/db/client-executor.ts';
import { serverUser } from '../../src/programs/server-user.ts';
import type { Manifest } from '../../src/export/manifest.ts';
import { carriedDatabase, digestsOf, makeExtremes, manifestOf } from '../export/carried-database.ts';
import type { CarriedDatabase } from '../export/carried-database.ts';
import { blocksOf } from '../support/doc-blocks.ts';
import { testRolePrefix } from '../support/logins.ts';
import { startCluster } from '../support/postgres/cluster.ts';
import type { Cluster } from '../support/postgres/cluster.ts';
import { sealAll } from '../support/seal-all.ts';
import { readyServer } from '../support/server.ts';
import { serverDatabase } from '../support/server-database.ts';
import { fillTables } from '../support/two-tenants.ts';

const bin = fileURLToPath(new URL('../../bin/lightning', import.meta.url));
const run = promisify(execFile);
const server = inject('server');
const noPrograms = server.kind === 'unavailable' || !server.binDirectory;

// The commands of docs/backup.md as they stand, from the run's server to another one.
describe.skipIf(noPrograms)('a dump', { timeout: 180_000 }, () => {
  let source: CarriedDatabase;
  let other: Cluster;
  let folder: string;
  let dump: string;
  let restore: string[];
  beforeAll(async () => {
    source = await carriedDatabase('server');
    // What is sealed here has transactions that a new server reaches much later.
    await source.admin.query(
      'do $$ begin for i in 1..150000 loop perform pg_current_xact_id(); commit; end loop; end $$',
    );
    const api = serverDatabase(source.env['DATABASE_URL']!);
    await fillTables(source.admin, api);
    await api.close();
    await makeExtremes(source.admin, true);
    await source.admin.query(
      `insert into ops.metric_floors (tenant_id, kept_from, moved_by) values (null, '2020-01-01Z', pg_current_xact_id())`,
    );
    // What the entries of access put there is no chain.
    await source.admin.query(
      `set session_replication_role = replica; delete from audit.seals; delete from audit.seal_parts; reset session_replication_role`,
    );
    await sealAll(clientExecutor(source.admin), source.admin);
    // Behind as many transactions as no new server has made.
    await source.admin.query(
      'do $$ begin for i in 1..30000 loop perform pg_current_xact_id(); commit; end loop; end $$',
    );
    await source.admin.query(`update ops.metric_floors set moved_by = pg_current_xact_id()`);
    // Some that this server has not sealed.
    await source.admin.query(`update app_public.agents set name = 'Late' where id = 'shared'`);
    other = await startCluster({
      binDirectory: readyServer().binDirectory!,
      user: await serverUser(),
      durable: false,
      say: () => {},
    });
    folder = await mkdtemp(path.join(tmpdir(), 'dump-'));
    const blocks = (await blocksOf('docs/backup.md')).filter(
      ({ mark }) => mark?.kind === 'run by' && mark.file === 'test/backup/dump.test.ts',
    );
    dump = blocks[0]!.code.trim();
    restore = blocks[1]!.code.trim().split('\n');
  }, 180_000);
  afterAll(async () => {
    await source?.close();
    await other?.stop();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  const name = (): string => new URL(source.adminUrl).pathname.slice(1);
  /** A line of the page in a shell of its own. The database of this test has a name of its own, which `setup` is told. */
  const shell = (line: string, env: Record<string, string>) =>
    run(
      'sh',
      [
        '-c',
        `set -e; lightning() { '${process.execPath}' '${bin}' "$@"; }; ${line.replace(/^lightning setup/, `$& --database ${name()}`)}`,
      ],
      {
        cwd: folder,
        env: {
          PATH: `${readyServer().binDirectory}:${process.env['PATH']}`,
          HOME: folder,
          DB_ROLE_PREFIX: testRolePrefix,
          ...env,
        },
        maxBuffer: 64 * 1024 * 1024,
      },
    );

  test('of the login of backups goes to another server without an error, and has every row', async () => {
    expect(restore).toHaveLength(6);
    const before = await source.exported('--audit');
    expect(await shell(dump, { BACKUP_DATABASE_URL: source.env['BACKUP_DATABASE_URL']! })).toEqual({
      stdout: '',
      stderr: '',
    });
    expect((await stat(path.join(folder, 'lightning.dump'))).size).toBeGreaterThan(100_000);
    const env = { ADMIN_URL: other.adminUrl };
    const said: Record<string, string> = {};
    for (const line of restore) {
      const { stdout, stderr } = await shell(line, env);
      said[line] = stdout + stderr;
    }
    expect(Object.entries(said).filter(([line]) => line.startsWith('pg_restore'))).toEqual([
      [restore[1], ''],
    ]);
    expect(said['lightning migrate']).toContain('the schema is current');
    expect(said['lightning status']).toMatch(/^ok +setup /m);
    expect(said['lightning status']).toMatch(/^ok +schema +current$/m);
    expect(said['lightning audit verify']).toMatch(/^checked \d+ rows in \d+ links?/);

    await shell(`lightning export --audit --output after`, {});
    // The second `setup` leaves entries of its own in the log, whose chain was verified above.
    const withoutLog = (manifest: Manifest): Record<string, string> => ({
      ...digestsOf(manifest),
      'audit.log': '',
    });
    expect(withoutLog(await manifestOf(path.join(folder, 'after')))).toEqual(withoutLog(before.manifest));
  });

  test('is a database that goes on: the log is sealed and verifies, floors close, and live clients miss nothing', async () => {
    const admin = new Client({
      connectionString: Object.assign(new URL(other.adminUrl), { pathname: `/${name()}` }).href,
    });
    await admin.connect();
    const { rows: counters } = await admin.query(
      `select (select max(transaction_id) from audit.log) > pg_current_xact_id() as behind, (select count(*)::int from app_private.events) as events`,
    );
    expect(counters).toEqual([{ behind: true, events: 0 }]);
    await admin.query(`update app_public.agents set name = 'New' where id = 'shared'`);
    await sealAll(clientExecutor(admin), admin);
    const { rows: floors } = await admin
      .query(
        `
      delete from ops.metric_changes;
      select ops.close_metric_floors();
      select count(*)::int as open from ops.metric_floors where closed_to < kept_from`,
      )
      .then((results) => (results as unknown as { rows: unknown[] }[]).at(-1)!);
    expect(floors).toEqual([{ open: 0 }]);
    const verified = await shell('lightning audit verify', {});
    expect(verified.stderr + verified.stdout).not.toMatch(/altered|removed|slipped/);
    await admin.end();
  });
});
