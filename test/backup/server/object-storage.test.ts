import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { readManifests } from '../../../src/backup/manifest.ts';
import { openBackups } from '../../../src/backup/open-backups.ts';
import { backUpServer } from '../../../src/backup/server/back-up-server.ts';
import type { S3Location } from '../../../src/backup/store/s3-errors.ts';
import { S3Store } from '../../../src/backup/store/s3-store.ts';
import { makeVault } from '../../../src/backup/vault.ts';
import { parseConfig } from '../../../src/config/parse-config.ts';
import { backUp } from '../../../src/jobs/back-up.ts';
import { startBackedUpServer } from '../../support/backed-up-server.ts';
import type { BackedUpServer } from '../../support/backed-up-server.ts';
import { lacks } from '../../support/lacks.ts';
import { lightning } from '../../support/lightning.ts';
import { testRolePrefix } from '../../support/logins.ts';
import { storageEnvironment } from '../../support/object-storage.ts';
import { serverDatabase } from '../../support/server-database.ts';
import { readyServer } from '../../support/server.ts';
import { startSwift } from '../../support/swift/swift.ts';
import type { Swift } from '../../support/swift/swift.ts';
import { gateTo } from '../../support/tcp-gate.ts';
import { SlowStore } from './slow-store.ts';
import { strongSecret } from '../../support/token-keys.ts';

const server = inject('server');
const noPrograms = server.kind === 'unavailable' || !server.binDirectory;
const key = Buffer.alloc(32, 7);

// back-up-server.test.ts and server-drill.test.ts cover all of it with a directory. One server; the tests are the
// chapters of its life.
describe.skipIf(noPrograms || lacks('python3-swift'))(
  'backups of a server in object storage, on OpenStack Swift',
  { timeout: 180_000 },
  () => {
    let swift: Swift;
    let location: S3Location;
    let store: S3Store;
    let backedUp: BackedUpServer;
    let env: Record<string, string>;

    beforeAll(async () => {
      // Small pages, so that every listing of this server takes several.
      swift = await startSwift({ keysPerPage: 5 });
      location = swift.location();
      store = new S3Store(location);
      backedUp = await startBackedUpServer(readyServer().binDirectory!, {
        vault: makeVault(store, key),
        pauseMs: 20,
      });
      const { urls } = backedUp.own;
      env = {
        DATABASE_URL: urls.api,
        WORKER_DATABASE_URL: urls.worker,
        BACKUP_DATABASE_URL: urls.backup,
        DB_ROLE_PREFIX: testRolePrefix,
        JWT_SECRET: strongSecret,
        BACKUP_BIN_DIR: readyServer().binDirectory!,
        BACKUP_SPOOL_DIR: join(backedUp.folder, 'spool'),
        BACKUP_DRILL_DIR: join(backedUp.folder, 'drill'),
        ...storageEnvironment(location),
        BACKUP_ENCRYPTION_KEY: key.toString('hex'),
      };
    }, 180_000);
    afterAll(async () => {
      await backedUp?.close();
      await swift?.stop();
    });

    test('are made in full and incrementally while others write, and proven by a drill', async () => {
      const before = backedUp.load.acknowledged.length;
      for (const kind of ['--full', '--incremental']) {
        const made = await lightning(['backup', kind], env);
        expect(made.status, made.stderr).toBe(0);
        expect(made.stdout).toContain(`-${kind.slice(2)}-`);
      }
      expect(backedUp.load.acknowledged.length, 'the load went on').toBeGreaterThan(before);
      const drill = await lightning(['backup', 'drill'], env);
      expect(drill.status, `${drill.stdout}${drill.stderr}`).toBe(0);
      const [, tables, rows, damages] =
        /: (\d+) tables with (\d+) rows are the same, \d+ rows of the sealed audit log verify; noticed (\d+) deliberate faults/.exec(
          drill.stdout,
        ) ?? [];
      expect(Number(tables)).toBeGreaterThan(30);
      expect(Number(rows)).toBeGreaterThan(before);
      expect(Number(damages)).toBeGreaterThanOrEqual(9);
    });

    test('are refused by name when one of their bytes was changed', async () => {
      const { manifests } = await readManifests(backedUp.options.vault);
      const damaged = manifests.at(-1)!.manifest.objects[0]!.key;
      const content = await buffer(await store.get(damaged));
      const flipped = Buffer.from(content);
      flipped[content.length >> 1]! ^= 1;
      await store.put(damaged, flipped);
      const into = join(backedUp.folder, 'refused');
      const [verified, restored] = await Promise.all([
        lightning(['backup', 'verify'], env),
        lightning(['restore', '--to', 'latest', '--into', into], env),
      ]);
      expect(verified.status).toBe(1);
      expect(verified.stdout).toContain(`WRONG\t${damaged}\t`);
      expect(restored.status).toBe(1);
      expect(restored.stderr).toContain(damaged);
      await store.put(damaged, content);
    });

    test('a backup that is stopped while the storage is silent ends at once, however much of it was stored', async () => {
      const gate = await gateTo(location.endpoint!);
      try {
        const through = new S3Store(
          { ...location, endpoint: `http://127.0.0.1:${gate.port}` },
          { silenceMs: 500, attempts: 2 },
        );
        const slow = new SlowStore(through, 0);
        const stopping = new AbortController();
        const making = backUpServer({
          ...backedUp.options,
          vault: makeVault(slow, key),
          requested: 'full',
          partBytes: 1_000_000,
          signal: stopping.signal,
        }).then(
          () => 'made',
          (error: unknown) => String(error),
        );
        await expect.poll(() => slow.parts.length, { timeout: 60_000 }).toBeGreaterThanOrEqual(12);
        gate.treatPresent('swallow');
        gate.treatComing('swallow');
        const stoppedAt = performance.now();
        stopping.abort(new Error('stopped'));
        expect(await making).not.toBe('made');
        // The stop waits for two requests of half a second; one request for each part would take twelve seconds.
        expect(performance.now() - stoppedAt).toBeLessThan(6_000);
        expect(gate.lost(), 'it was silent').toBeGreaterThan(0);
      } finally {
        await gate.shut();
      }
    });

    test('are removed, with their WAL, when no moment of the window needs them, and the remaining ones are whole', async () => {
      const { vault } = backedUp.options;
      const old = (await readManifests(vault)).manifests;
      expect(old).toHaveLength(2);
      const database = serverDatabase(backedUp.own.urls.worker);
      const run = { signal: new AbortController().signal, progress: () => {} };
      const inAMonth = () => new Date(Date.now() + 30 * 86_400_000);
      try {
        // The unfinished backup is the one that was stopped above.
        const { backups } = openBackups(parseConfig(env), () => {}, inAMonth);
        expect(await backUp(backups!, database, 'full', run, inAMonth)).toMatch(
          /; removed 2 expired backups, [1-9]\d* files of WAL and 1 halves$/,
        );
      } finally {
        await database.close();
      }
      const kept = (await readManifests(vault)).manifests;
      expect(kept).toHaveLength(1);
      const keys: string[] = [];
      for await (const object of store.list('')) keys.push(object.key);
      const ofBackups = keys.filter((name) => name.startsWith('backups/')).map((name) => name.split('/')[1]);
      expect([...new Set(ofBackups)]).toEqual(kept.map(({ id }) => id));
      const verified = await lightning(['backup', 'verify'], env);
      expect(verified.status, verified.stdout).toBe(0);
      expect(verified.stdout).toMatch(/^checked 1 backups: \d+ objects, [1-9]\d* files of WAL\n$/);
    });
  },
);
