import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { serverUser, temporaryDirectory } from '../../src/programs/server-user.ts';
import { lightning, spawnLightning } from '../support/lightning.ts';
import type { Spawned } from '../support/lightning.ts';
import { testRolePrefix } from '../support/logins.ts';
import { startOwnServer } from '../support/postgres/own-server.ts';
import type { OwnServer } from '../support/postgres/own-server.ts';
import { readyServer } from '../support/server.ts';
import { strongSecret } from '../support/token-keys.ts';

const provided = inject('server');

describe.skipIf(provided.kind === 'unavailable' || !provided.binDirectory)(
  'the job back_up of a server',
  () => {
    let folder: string;
    let own: OwnServer;
    let admin: Client;
    let env: Record<string, string>;
    const workers: Spawned[] = [];

    beforeAll(async () => {
      folder = await mkdtemp(
        join(await temporaryDirectory(await serverUser(), false), 'lightning-killed-worker-'),
      );
      await chmod(folder, 0o711);
      own = await startOwnServer(readyServer().binDirectory!);
      admin = new Client({ connectionString: own.adminUrl });
      await admin.connect();
      // Enough data for a backup of several parts.
      await admin.query('create table filler (content text not null)');
      await admin.query('alter table filler alter column content set storage external');
      await admin.query(
        `insert into filler
       select string_agg(md5((n * 100 + i)::text), '') from generate_series(1, 40000) n, generate_series(1, 150) i group by n`,
      );
      env = {
        DATABASE_URL: own.urls.api,
        WORKER_DATABASE_URL: own.urls.worker,
        BACKUP_DATABASE_URL: own.urls.backup,
        DB_ROLE_PREFIX: testRolePrefix,
        JWT_SECRET: strongSecret,
        BACKUP_STORE: join(folder, 'store'),
        BACKUP_SPOOL_DIR: join(folder, 'spool'),
        BACKUP_BIN_DIR: readyServer().binDirectory!,
      };
    });
    afterAll(async () => {
      for (const { process, ended } of workers) {
        process.kill('SIGKILL');
        await ended;
      }
      await admin?.end();
      await own?.stop();
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    });

    const work = (): Spawned => {
      const worker = spawnLightning(['work'], env);
      workers.push(worker);
      return worker;
    };
    const stored = async () =>
      (await readdir(join(folder, 'store', 'backups'), { recursive: true }).catch(() => [])).filter((name) =>
        name.includes('/'),
      );
    const runs = async (job: string) =>
      (
        await admin.query<{ outcome: string }>(
          'select outcome from ops.job_runs where job_id = $1 order by id',
          [job],
        )
      ).rows.map(({ outcome }) => outcome);

    test('is done by the next worker when one is killed in the middle, and the half is not a backup', async () => {
      const first = work();
      await expect.poll(() => first.log(), { timeout: 60_000 }).toContain('wal-received');
      const { rows } = await admin.query<{ id: string }>(
        `select id from graphile_worker.add_job('back_up', '{"kind": "full"}')`,
      );
      const job = rows[0]!.id;
      const deadline = Date.now() + 60_000;
      while ((await stored()).length === 0 && Date.now() < deadline) await sleep(5);
      first.process.kill('SIGKILL');
      await first.ended;
      const half = await stored();
      expect(half, 'it struck in the middle: some of it is stored').toContainEqual(
        expect.stringMatching(/base-00000$/),
      );
      expect(
        half.filter((name) => name.includes('manifest')),
        'and not the end',
      ).toEqual([]);
      expect(await runs(job)).toEqual(['running']);
      const none = await lightning(['backups'], env);
      expect(none.stdout).toMatch(/ holds no backups/);

      // Makes the worker look as if it had been silent for a minute.
      await admin.query("update ops.workers set seen_at = seen_at - interval '1 minute'");
      work();
      await expect
        .poll(() => runs(job), { timeout: 60_000, interval: 200 })
        .toEqual(['abandoned', 'succeeded']);
      const backups = await lightning(['backups'], env);
      expect(backups.stdout).toMatch(/^\S+-full-\S+\t/);
      const verified = await lightning(['backup', 'verify'], env);
      expect(verified.status, verified.stdout).toBe(0);
      const { rows: harm } = await admin.query(
        'select count(*)::int as rows, pg_is_in_recovery() as recovering from filler',
      );
      expect(harm).toEqual([{ rows: 40_000, recovering: false }]);
    }, 180_000);
  },
);
