import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { S3Store } from '../../src/backup/store/s3-store.ts';
import type { Store } from '../../src/backup/store/store.ts';
import { startEmbedded } from '../../src/embedded/embedded.ts';
import { migratedDataDirectory } from '../support/embedded-template.ts';
import { lightning } from '../support/lightning.ts';
import { testRolePrefix } from '../support/logins.ts';
import { startObjectStorage, storageEnvironment } from '../support/object-storage.ts';
import type { ObjectStorage } from '../support/object-storage.ts';

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

  test('say what to do when the store is empty', async () => {
    const [listed, verified, restored] = [
      await run('backups'),
      await run('backup', 'verify'),
      await run('restore', '--to', 'latest', '--into', join(folder, 'new')),
    ];
    expect(listed.stdout).toBe(`${env['BACKUP_STORE']} holds no backups\n`);
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
      BACKUP_ENCRYPTION_KEY: randomBytes(32).toString('hex'),
      ...storageEnvironment(location),
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

test('name the missing settings on a server without a store or a login of backups', async () => {
  const env = { DATABASE_URL: 'postgres://nobody:x@127.0.0.1:1/none', JWT_SECRET: 'x'.repeat(32) };
  const listed = await lightning(['backups'], env);
  expect(listed.status).not.toBe(0);
  expect(listed.stderr).toContain('BACKUP_STORE');
}, 60_000);
