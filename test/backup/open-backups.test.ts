import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { memberKey, newBackupId, writeManifest } from '../../src/backup/manifest.ts';
import type { BackupKind, Manifest } from '../../src/backup/manifest.ts';
import { openBackups, openStoredBackups } from '../../src/backup/open-backups.ts';
import { parseTarget } from '../../src/backup/restore-target.ts';
import { DirectoryStore } from '../../src/backup/store/directory-store.ts';
import { makeVault } from '../../src/backup/vault.ts';
import { parseConfig } from '../../src/config/parse-config.ts';

const open = (variables: Record<string, string>) =>
  openBackups(
    parseConfig({ JWT_SECRET: 'x'.repeat(32), ...variables }),
    () => {},
    () => new Date(),
  );
const server = { DATABASE_URL: 'postgres://api:x@127.0.0.1:1/d' };
const login = { BACKUP_DATABASE_URL: 'postgres://backup:x@127.0.0.1:1/d' };

test.each([
  ['nothing is kept', { USE_DATABASE: 'false' }, 'USE_DATABASE=false keeps nothing'],
  [
    'a server has no login of backups',
    { ...server, BACKUP_STORE: '/store' },
    'BACKUP_DATABASE_URL is missing',
  ],
  ['a server has no store', { ...server, ...login }, 'BACKUP_STORE is missing'],
  ['a server has neither', server, 'BACKUP_DATABASE_URL is missing'],
])('backups are null where %s, and the reason is given', (_, variables, why) => {
  expect(open(variables)).toEqual({ backups: null, why: expect.stringContaining(why) });
});

test('backups belong to the configured database', () => {
  const { backups: ofServer } = open({ ...server, ...login, BACKUP_STORE: '/store', DB_ROLE_PREFIX: 'two' });
  expect(ofServer).toMatchObject({ buildsOnEarlier: true, receiving: { slot: 'two_backup' } });
  expect(open({ DATA_DIR: '/data' }).backups).toMatchObject({ buildsOnEarlier: false, receiving: null });
});

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'lightning-open-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test('a store is read without a database, whatever kinds are in it', async () => {
  const vault = makeVault(new DirectoryStore(folder), null);
  const write = async (kind: BackupKind, day: number): Promise<string> => {
    const at = new Date(Date.UTC(2026, 10, day));
    const id = newBackupId(kind, at);
    const object = await vault.write(memberKey(id, 'content'), Buffer.from('{"format":2}'));
    const manifest: Manifest = {
      format: 1,
      id,
      kind,
      parent: null,
      startedAt: at.toISOString(),
      endedAt: at.toISOString(),
      objects: [{ ...object, role: kind === 'snapshot' ? 'files' : 'base' }],
      ...(kind === 'snapshot' ? { server: null, embedded: state } : { server: position, embedded: null }),
    };
    await writeManifest(vault, manifest);
    return id;
  };
  const state = {
    version: '17',
    files: 1,
    bytes: 1,
    newBytes: 2_000_000,
    heldMs: 1,
    tables: [],
    undigested: [],
  };
  const position = {
    systemIdentifier: '1',
    timeline: 1,
    startLsn: '0/1000000',
    endLsn: '0/1000100',
    version: '17.1',
    segmentBytes: 16_777_216,
  };
  const ids = [await write('snapshot', 1), await write('full', 2), await write('snapshot', 3)];
  // The folder does not hold the programs, and nothing asks a server.
  const stored = openStoredBackups(parseConfig({ BACKUP_STORE: folder, BACKUP_BIN_DIR: folder }));
  const { backups, damaged } = await stored.list();
  expect(damaged).toEqual([]);
  expect(backups.map(({ id }) => id)).toEqual(ids);
  expect(backups.map((backup) => backup.position)).toEqual([
    'embedded',
    'timeline 1, until 0/1000100',
    'embedded',
  ]);
  expect((await stored.reach())?.text).toMatch(
    /^to which moment a restore can go is not known: the programs of Postgres 17/,
  );
  const { signal } = new AbortController();
  const verified = await stored.verify({ signal });
  expect(verified).toMatchObject({ backups: 3, walFiles: 0 });
  // The indexes have a format of the future, and the WAL was never there: the verification covers both kinds.
  expect(verified.problems.map(({ member }) => member)).toEqual(
    expect.arrayContaining([ids[0], '000000010000000000000001', ids[2]]),
  );
  const into = path.join(folder, 'into');
  const restoring = stored.restore({ target: parseTarget('latest')!, from: null, into, signal });
  await expect(restoring, 'of the server, which comes first').rejects.toThrow('the programs of Postgres 17');
});
