import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { migratedDataDirectory } from '../support/embedded-template.ts';
import { lightningHere } from '../support/lightning-here.ts';
import { testRolePrefix } from '../support/logins.ts';

// The tests run in order: each starts from the state that the one before left.
describe('backups that are signed', { timeout: 60_000 }, () => {
  const { privateKey } = generateKeyPairSync('ed25519');
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  let directory: string;
  let folder: string;
  let store: string;
  /** As status printed it. */
  let publicKey: string;

  beforeAll(async () => {
    directory = await migratedDataDirectory();
    folder = await mkdtemp(join(tmpdir(), 'lightning-keys-'));
    store = join(folder, 'store');
  });
  afterAll(async () => {
    for (const made of [directory, folder]) await rm(made, { recursive: true, force: true });
  });

  const run = (line: string, env: Record<string, string> = {}) =>
    lightningHere(line.split(' '), {
      DATA_DIR: directory,
      DB_ROLE_PREFIX: testRolePrefix,
      BACKUP_STORE: store,
      ...env,
    });

  test('a store of unsigned ones says so, and is signed by one command', async () => {
    expect((await run('backup')).status).toBe(0);
    const state = await run('status');
    expect(state.stdout).toMatch(/^ok +backup keys +in the clear, .*; not signed, /m);
    expect((await run('backup sign')).stderr).toContain(
      'BACKUP_SIGNING_KEY is not set; make one with openssl',
    );
    const refused = await run('backups', { BACKUP_SIGNING_KEY: pem });
    expect(refused.stdout).toMatch(/^DAMAGED\t\S+ is damaged: it is not signed \(lightning backup sign /);
    expect(refused.status).toBe(1);
    const signed = await run('backup sign', { BACKUP_SIGNING_KEY: pem });
    expect(signed.stdout).toContain('signed 1 backups and 0 files of WAL');
    expect((await run('backups', { BACKUP_SIGNING_KEY: pem })).status).toBe(0);
    const again = await run('backup sign', { BACKUP_SIGNING_KEY: pem });
    expect(again.stdout).toContain(`everything in ${store} is signed`);
  });

  test('the one of a database is restored by who has lost it and has the public key', async () => {
    // The base64 of PEM on one line, for a file such as .env.
    const oneLine = pem.replaceAll(/-----.*-----|\n/g, '');
    expect((await run('backup', { BACKUP_SIGNING_KEY: oneLine })).status).toBe(0);
    const state = await run('status', { BACKUP_SIGNING_KEY: pem });
    publicKey = /signed, public key (\S+)/.exec(state.stdout)?.[1] ?? '';
    expect(publicKey).not.toBe('');
    for (const line of ['backups', 'backup verify', `restore --to latest --into ${join(folder, 'one')}`]) {
      const { status, stderr } = await run(line, { DATA_DIR: folder, BACKUP_PUBLIC_KEY: publicKey });
      expect([line, status], stderr).toEqual([line, 0]);
    }
  });

  test('a store rewritten whole by somebody else is found out', async () => {
    // Their own backups, in clear and signed with a key of their own, in place of everything.
    await rm(store, { recursive: true });
    const other = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' });
    expect((await run('backup')).status).toBe(0);
    expect((await run('backup sign', { BACKUP_SIGNING_KEY: other.toString() })).status).toBe(0);
    expect((await run('backup', { BACKUP_SIGNING_KEY: other.toString() })).status).toBe(0);
    const into = join(folder, 'two');
    for (const line of ['backups', 'backup verify', `restore --to latest --into ${into}`]) {
      const { status, stdout, stderr } = await run(line, { DATA_DIR: folder, BACKUP_PUBLIC_KEY: publicKey });
      expect([line, status]).toEqual([line, 1]);
      expect(`${stdout}${stderr}`).toMatch(/is damaged: it(s signature)? is not /);
    }
    await expect(readFile(join(into, 'postgres', 'PG_VERSION'))).rejects.toThrow('ENOENT');
  });

  test('a process that has the public key only takes none, because nobody would trust it', async () => {
    const { status, stderr } = await run('backup', { BACKUP_PUBLIC_KEY: publicKey });
    expect(stderr).toContain('BACKUP_PUBLIC_KEY is set and BACKUP_SIGNING_KEY is not');
    expect(status).toBe(2);
  });

  test('a chunk that somebody else put in the place of another is found out', async () => {
    await rm(store, { recursive: true });
    expect((await run('backup', { BACKUP_SIGNING_KEY: pem })).status).toBe(0);
    const { stdout } = await run('backup verify', { BACKUP_PUBLIC_KEY: publicKey });
    expect(stdout).toMatch(/^checked 1 backups: \d+ objects/);
    const chunks = await chunkFiles(store);
    expect(chunks.length).toBeGreaterThan(1);
    await writeFile(chunks[0]!, await readFile(chunks[1]!));
    const verified = await run('backup verify', { BACKUP_PUBLIC_KEY: publicKey });
    expect(verified.stdout).toMatch(/^WRONG\t/);
    expect(verified.status).toBe(1);
  });
});

async function chunkFiles(store: string): Promise<string[]> {
  const entries = await readdir(join(store, 'chunks'), { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
}
