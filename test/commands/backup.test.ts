import { randomBytes } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { S3Store } from '../../src/backup/store/s3-store.ts';
import type { Store } from '../../src/backup/store/store.ts';
import { startEmbedded } from '../../src/embedded/embedded.ts';
import { serverUser, temporaryDirectory } from '../../src/programs/server-user.ts';
import { migratedDataDirectory } from '../support/embedded-template.ts';
import { lightning } from '../support/lightning.ts';
import { testRolePrefix } from '../support/logins.ts';
import { startObjectStorage, storageEnvironment } from '../support/object-storage.ts';
import type { ObjectStorage } from '../support/object-storage.ts';
import { startOwnServer } from '../support/postgres/own-server.ts';
import type { OwnServer } from '../support/postgres/own-server.ts';
import { readyServer } from '../support/server.ts';

// The tests run in order: each starts from the state that the one before left.
describe('the commands of backups, on an embedded database', () => {
  let directory: string;
  let folder: string;
  let env: Record<string, string>;

  beforeAll(async () => {
    directory = await migratedDataDirectory();
    folder = await mkdtemp(join(tmpdir(), 'lightning-commands-'));
    env = { DATA_DIR: directory, DB_ROLE_PREFIX: testRolePrefix, BACKUP_STORE: join(folder, 'store') };
  });
  afterAll(async () => {
    for (const made of [directory, folder]) await rm(made, { recursive: true, force: true });
  });

  const run = (...args: string[]) => lightning(args, env);
  const tenantsOf = async (dataDirectory: string): Promise<string[]> => {
    const embedded = await startEmbedded({ dataDirectory });
    const client = new Client({ connectionString: embedded.connectionString });
    try {
      await client.connect();
      const { rows } = await client.query<{ id: string }>('select id from app_public.tenants order by id');
      return rows.map(({ id }) => id);
    } finally {
      await client.end();
      await embedded.close();
    }
  };

  const reading = [
    ['backups'],
    ['backup', 'verify'],
    ['restore', '--to', 'latest', '--into', 'new'],
  ] as const;
  /** The commands that read the store, in a folder of their own, with other settings. */
  const readStore = async (changed: Record<string, string>) => {
    const answers = [];
    for (const args of reading) answers.push(await lightning(args, { ...env, ...changed }, folder));
    return answers;
  };

  test('say that the directory of the store does not exist', async () => {
    const nowhere = join(folder, 'nowhere');
    for (const { status, stdout, stderr } of await readStore({ BACKUP_STORE: nowhere })) {
      expect(stderr).toMatch(
        new RegExp(`^lightning: ${nowhere} is not a directory: BACKUP_STORE [^\\n]+\\n$`),
      );
      expect([status, stdout]).toEqual([1, '']);
    }
    expect(await readdir(folder)).toEqual([]);
  }, 60_000);

  test('say what to do when the store is empty', async () => {
    await mkdir(env['BACKUP_STORE']!);
    const [listed, verified, restored] = [
      await run('backups'),
      await run('backup', 'verify'),
      await run('restore', '--to', 'latest', '--into', join(folder, 'new')),
    ];
    expect(listed.stdout).toBe(`${env['BACKUP_STORE']} holds no backups\n`);
    expect(listed.status).toBe(0);
    expect(verified.status).toBe(1);
    expect(verified.stdout).toMatch(/WRONG\t\S+\tthere is nothing to check/);
    expect(restored.status).toBe(1);
    expect(restored.stderr).toContain('holds no backup that can be read');
    expect(await readdir(folder)).not.toContain('new');
  }, 60_000);

  test('make a snapshot, list, verify and prove it', async () => {
    expect((await run('tenant', 'create', 'kept')).status).toBe(0);
    const made = await run('backup');
    expect(made.status, made.stderr).toBe(0);
    expect(made.stdout).toMatch(/^\S+-snapshot-\S+, [\d.]+ MB stored; writers waited \d+ ms/);
    const listed = await run('backups');
    expect(listed.stdout).toMatch(/^\S+-snapshot-\S+\t\S+Z\t[\d.]+ MB\tembedded\n$/);
    const verified = await run('backup', 'verify');
    expect(verified.stdout).toMatch(/^checked 1 backups: \d+ objects/);
    expect(verified.status).toBe(0);
    const drill = await run('backup', 'drill');
    expect(drill.status, `${drill.stdout}${drill.stderr}`).toBe(0);
  }, 120_000);

  test('name the backups that cannot be read, with another key, without it, and after damage', async () => {
    const BACKUP_STORE = join(folder, 'encrypted');
    const BACKUP_ENCRYPTION_KEY = randomBytes(32).toString('hex');
    const made = await lightning(['backup'], { ...env, BACKUP_STORE, BACKUP_ENCRYPTION_KEY });
    expect(made.status, made.stderr).toBe(0);
    const [id] = await readdir(join(BACKUP_STORE, 'backups'));
    for (const key of [randomBytes(32).toString('hex'), '']) {
      const changed = { BACKUP_STORE, BACKUP_ENCRYPTION_KEY: key };
      const [listed, verified, restored] = await readStore(changed);
      expect(listed!.stdout).toMatch(/^DAMAGED\t\S+ is damaged: it .*BACKUP_ENCRYPTION_KEY is [a-z ]+\n$/);
      expect(listed!.stderr).toMatch(/^lightning: 1 of the 1 backups in \S+ cannot be restored: [^\n]+\n$/);
      expect(verified!.stdout).toMatch(/^WRONG\t\S+\t\S+ is damaged: .*BACKUP_ENCRYPTION_KEY/);
      expect(restored!.stderr).toMatch(
        /^lightning: \S+ holds no snapshot that can be read: .*BACKUP_ENCRYPTION_KEY/,
      );
      expect([listed!.status, verified!.status, restored!.status]).toEqual([1, 1, 1]);
      const state = await lightning(['status', '--check'], { ...env, ...changed });
      expect(state.stdout).toMatch(/backup store .*is damaged: .*BACKUP_ENCRYPTION_KEY/);
      expect(state.status).toBe(3);
      const again = await lightning(['backup'], { ...env, ...changed });
      expect(again.stderr).toMatch(/^lightning: \S+ is damaged: .*BACKUP_ENCRYPTION_KEY/m);
      const drill = await lightning(['backup', 'drill'], { ...env, ...changed });
      expect(drill.stderr).toMatch(/^lightning: the backups are not proven: .*BACKUP_ENCRYPTION_KEY/m);
      expect([again.status, drill.status]).toEqual([1, 1]);
      // What the attempt has made with the other key.
      for (const other of await readdir(join(BACKUP_STORE, 'backups'))) {
        if (other !== id) await rm(join(BACKUP_STORE, 'backups', other), { recursive: true });
      }
    }
    // The newest is damaged: an older one is not taken in its place without being asked for.
    const withKey = { BACKUP_STORE, BACKUP_ENCRYPTION_KEY };
    const later = await lightning(['backup'], { ...env, ...withKey });
    expect(later.status, later.stderr).toBe(0);
    const newest = (await readdir(join(BACKUP_STORE, 'backups'))).toSorted().at(-1)!;
    const names = await readdir(join(BACKUP_STORE, 'backups', newest));
    const manifest = join(
      BACKUP_STORE,
      'backups',
      newest,
      names.find((name) => name.startsWith('manifest'))!,
    );
    await writeFile(manifest, 'x', { flag: 'a' });
    const [listed, verified, restored] = await readStore(withKey);
    expect(listed!.stdout.split('\n')).toHaveLength(3);
    expect(listed!.stderr).toMatch(/^lightning: 1 of the 2 backups in /);
    expect(restored!.stderr).toContain('To begin with another backup name it: --from ID');
    expect([listed!.status, verified!.status, restored!.status]).toEqual([1, 1, 1]);
    expect(await readdir(folder)).not.toContain('new');
    const older = ['restore', '--to', 'latest', '--into', 'older', '--from', id!];
    const named = await lightning(older, { ...env, ...withKey }, folder);
    expect(named.status, named.stderr).toBe(0);
  }, 240_000);

  test('restore the newest moment, and refuse a moment that was not kept', async () => {
    expect((await run('tenant', 'create', 'later')).status).toBe(0);
    const into = join(folder, 'new');
    const restored = await run('restore', '--to', 'latest', '--into', into);
    expect(restored.status, restored.stderr).toBe(0);
    expect(restored.stdout).toContain(`DATA_DIR=${into} lightning start`);
    expect(await tenantsOf(into)).toEqual(['default', 'kept']);

    const [early, position, nonsense, occupied] = [
      await run('restore', '--to', '2020-01-01T00:00:00Z', '--into', join(folder, 'early')),
      await run('restore', '--to', '0/16B3748', '--into', join(folder, 'early')),
      await run('restore', '--to', 'yesterday', '--into', join(folder, 'early')),
      await run('restore', '--to', 'latest', '--into', into),
    ];
    expect(early.stderr).toMatch(/no snapshot is old enough: the oldest, \S+, ended at /);
    expect(position.stderr).toContain('--to is latest or a time');
    expect(nonsense.stderr).toContain('--to is "yesterday"');
    expect(occupied.stderr).toContain(into);
    expect([early.status, position.status, nonsense.status, occupied.status]).toEqual([1, 1, 2, 1]);
    expect(await readdir(folder)).not.toContain('early');
  }, 120_000);
});

describe('the commands of backups, in object storage', () => {
  let directory: string;
  let storage: ObjectStorage;
  let store: Store;
  let env: Record<string, string>;

  beforeAll(async () => {
    [directory, storage] = await Promise.all([migratedDataDirectory(), startObjectStorage()]);
    const location = storage.location();
    store = new S3Store(location);
    env = {
      DATA_DIR: directory,
      DB_ROLE_PREFIX: testRolePrefix,
      ...storageEnvironment(location),
      BACKUP_ENCRYPTION_KEY: randomBytes(32).toString('hex'),
      // Variables of the user's shell, which must be ignored.
      AWS_ENDPOINT_URL: 'http://127.0.0.1:1',
      AWS_REGION: 'nowhere',
    };
  });
  afterAll(async () => {
    await storage?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  test('make an encrypted snapshot, prove it, restore it, and name the damaged objects', async () => {
    const made = await lightning(['backup'], env);
    expect(made.status, made.stderr).toBe(0);
    const drill = await lightning(['backup', 'drill'], env);
    expect(drill.status, `${drill.stdout}${drill.stderr}`).toBe(0);
    const into = join(directory, '..', `${basename(directory)}-restored`);
    try {
      const restored = await lightning(['restore', '--to', 'latest', '--into', into], env);
      expect(restored.status, restored.stderr).toBe(0);
      expect(await readdir(join(into, 'postgres'))).toContain('PG_VERSION');
    } finally {
      await rm(into, { recursive: true, force: true });
    }
    const keys: string[] = [];
    for await (const { key } of store.list('chunks/')) keys.push(key);
    const content = await buffer(await store.get(keys[0]!));
    content.writeUInt8(content.readUInt8(content.length >> 1) ^ 1, content.length >> 1);
    await store.put(keys[0]!, content);
    const verified = await lightning(['backup', 'verify'], env);
    expect(verified.status).toBe(1);
    expect(verified.stdout).toContain(keys[0]);
  }, 600_000);

  test('say in a sentence that the bucket does not exist, or that the credentials are wrong', async () => {
    const [elsewhere, refused] = await Promise.all([
      lightning(['backups'], { ...env, BACKUP_STORE: 's3://elsewhere/p' }),
      lightning(['backups'], { ...env, AWS_SECRET_ACCESS_KEY: 'another one' }),
    ]);
    expect(elsewhere.status).toBe(1);
    expect(elsewhere.stderr).toMatch(
      /^lightning: s3:\/\/elsewhere\/p\/: bucket elsewhere does not exist at http\S+ Make it[^\n]+\n$/,
    );
    expect(refused.stderr).toMatch(/^lightning: s3:\S+ http\S+ does not accept the credentials [^\n]+\n$/);
    expect(refused.stderr).not.toContain('another one');
  }, 60_000);
});

const provided = inject('server');
describe.skipIf(provided.kind === 'unavailable' || !provided.binDirectory)(
  'on a server without a worker',
  () => {
    let server: OwnServer;
    let folder: string;
    let env: Record<string, string>;
    beforeAll(async () => {
      const { binDirectory = '' } = readyServer();
      server = await startOwnServer(binDirectory);
      folder = await mkdtemp(
        join(await temporaryDirectory(await serverUser(), false), 'lightning-commands-'),
      );
      await chmod(folder, 0o711);
      env = {
        WORKER_DATABASE_URL: server.urls.worker,
        BACKUP_DATABASE_URL: server.urls.backup,
        DB_ROLE_PREFIX: testRolePrefix,
        BACKUP_STORE: join(folder, 'store'),
        BACKUP_SPOOL_DIR: join(folder, 'spool'),
        BACKUP_DRILL_DIR: join(folder, 'drills'),
        BACKUP_BIN_DIR: binDirectory,
      };
    });
    afterAll(async () => {
      await server?.stop();
      await rm(folder, { recursive: true, force: true });
    });

    test(
      'a backup and then its drill receive the WAL that they need themselves',
      { timeout: 180_000 },
      async () => {
        const made = await lightning(['backup'], env);
        expect(made.status, made.stderr).toBe(0);
        const drill = await lightning(['backup', 'drill'], env);
        expect(drill.stderr).toContain('no worker receives WAL: it is received here meanwhile');
        expect(drill.status, `${drill.stdout}${drill.stderr}`).toBe(0);
        expect(drill.stdout).toMatch(/^restored \S+-full-\S+ to \S+ in [\d.]+ s: \d+ tables/);
      },
    );
  },
);

test('name the missing settings on a server without a store or a login of backups', async () => {
  const env = { DATABASE_URL: 'postgres://nobody:x@127.0.0.1:1/none', JWT_SECRET: 'x'.repeat(32) };
  const listed = await lightning(['backups'], env);
  expect(listed.status).not.toBe(0);
  expect(listed.stderr).toContain('BACKUP_STORE');
}, 60_000);
