import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { lightningHere } from '../support/lightning-here.ts';
import { sealAll } from '../support/seal-all.ts';
import { migratedDatabase } from '../support/db.ts';
import { workerTargets } from '../support/worker-target.ts';
import type { WorkerTarget } from '../support/worker-target.ts';
import { noServer } from '../support/server.ts';

describe.skipIf(noServer)('lightning audit verify', { timeout: 60_000 }, () => {
  let target: WorkerTarget;
  let directory: string;
  let urls: Record<string, string>;

  beforeAll(async () => {
    target = await workerTargets.find(([kind]) => kind === 'server')![1]();
    directory = await mkdtemp(path.join(tmpdir(), 'verify-'));
    urls = { ...target.env, BACKUP_DATABASE_URL: await backupUrl() };
  });
  afterAll(async () => {
    await target?.close();
    await rm(directory, { recursive: true, force: true });
  });

  /** The login of backups belongs to the server; the database is the target's. */
  const backupUrl = async (): Promise<string> => {
    const other = await migratedDatabase();
    await other.drop();
    const name = new URL(target.env['DATABASE_URL']!).pathname;
    return Object.assign(new URL(other.urls.backup), { pathname: name }).href;
  };
  const verify = (...flags: string[]) => lightningHere(['audit', 'verify', ...flags], urls);

  test('nothing sealed is a failure, an honest log is not, and a tampered one is named with its row', async () => {
    expect(await verify()).toMatchObject({
      status: 1,
      stdout: expect.stringContaining('nothing is sealed, so nothing is proven'),
    });
    await target.admin.query(
      `insert into app_public.tasks (tenant_id, description) values ('default', 'one'), ('default', 'two')`,
    );
    await sealAll(target.database, target.admin);
    const { rows } = await target.admin.query(
      `select number::integer, encode(hash, 'hex') as hash from audit.seals order by number desc limit 1`,
    );
    const file = path.join(directory, 'anchors.jsonl');
    await writeFile(file, `${JSON.stringify(rows[0])}\n`);
    const honest = await verify('--anchor', file, '--rows', '--json');
    expect(honest.status, honest.stderr).toBe(0);
    expect(JSON.parse(honest.stdout)).toMatchObject({
      ok: true,
      anchors: 1,
      head: rows[0],
      problem: null,
      tables: { differences: [] },
    });

    await target.admin.query('alter table app_public.tasks disable trigger _800_audit_update');
    await target.admin.query(`update app_public.tasks set description = 'mine' where description = 'one'`);
    await target.admin.query('alter table app_public.tasks enable trigger _800_audit_update');
    expect(await verify()).toMatchObject({ status: 0 });
    expect(await verify('--rows')).toMatchObject({
      status: 1,
      stdout: expect.stringMatching(
        /WRONG\tdiffers\trow .* of app_public\.tasks is not what the log says: description\n/,
      ),
    });

    await target.admin.query('alter table audit.seals disable trigger user');
    await target.admin.query(`update audit.seals set hash = sha256(hash)`);
    expect(await verify('--anchor', file)).toMatchObject({
      status: 1,
      stdout: expect.stringMatching(/^WRONG\tanchor\t/),
    });
    await target.admin.query(`delete from audit.log where table_name = 'app_public.tasks'`);
    expect((await verify()).status).toBe(1);
  });

  test('a login that row-level security filters is refused, and so is a file without anchors', async () => {
    urls = { ...urls, BACKUP_DATABASE_URL: target.env['WORKER_DATABASE_URL']! };
    const { status, stderr } = await verify();
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining('permission denied') });
    urls = { ...urls, BACKUP_DATABASE_URL: '' };
    expect(await verify()).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('expected BACKUP_DATABASE_URL'),
    });
  });
});
